"""What is wrong in instances of ``for_each``: what the template says wrong is said once, a row's mistake at its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.definition.document import KEY, Document
from engine.definition.explain import Finding
from engine.definition.instances import Made, Template
from engine.definition.model import Instance, at_row
from engine.definition.reading import File
from engine.definition.report import problems
from engine.definition.rules import rules
from engine.definition.schema import Schema
from engine.definition.uses import Checker, sites
from engine.errors import Path, Place, Problem, dotted

MOST = 20
"""Rows of one template whose mistakes are said; the others are then not looked at."""

_CALM = ("labels", "description", "enabled", "time_limit", "mapping", "filters", "steps")
"""Where a value changes nothing in what the rules look at."""


class RowChecker:
    """Checks the instances of templates; *bad* gathers the names of those that have an error."""

    def __init__(self, checker: Checker) -> None:
        self.bad: set[str] = set()
        self._checker = checker

    def check(self, file: File, schema: Schema, found: Iterable[Finding]) -> Iterator[Problem]:
        """Yield the problems of a file's rows; *found* is what the file itself has with its first rows in place."""
        for template in file.templates:
            known = [one for one in found if _below(one.path, template.path)]
            if template.made and not template.each:
                yield _unread(file.document, template)
            wrong = 0
            for number, made in enumerate(template.made):
                if wrong == MOST:
                    self.bad.update(one.name for one in template.made[number:])
                    yield _enough(file.document, template)
                    break
                mine = self._first(template, known) if number == 0 else self._other(file, template, made, schema, known)
                said = list(problems(made.document, [*made.resolved.findings, *mine], made.resolved, schema.shape))
                if said:
                    wrong += 1
                    self.bad.add(made.name)
                    yield from (told(one, file.document, template, made) for one in said)

    def _first(self, template: Template, known: Iterable[Finding]) -> list[Finding]:
        return [one for one in known if template.concerned(one.path, one.key)]

    def _other(self, file: File, template: Template, made: Made, schema: Schema, known: list[Finding]) -> list[Finding]:
        """Return what is wrong in an instance and is not the template's; what all share is not looked at again."""
        value = made.document.value
        found = [] if schema.valid(value) else schema.explain(value)
        for site in sites(value):
            if id(site.value) not in template.shared:
                found += self._checker.check(site, schema.shape.at(site.path))
        if file.kind == "pipeline" and template.lively(_CALM):
            found += rules(value)
        return [one for one in found if template.concerned(one.path, one.key) or one not in known]


def told(problem: Problem, document: Document, template: Template, made: Made) -> Problem:
    """Return *problem* at the place of the row."""
    row = made.row
    place = Place(row.file, row.line, 1) if row.file else document.place(row.path)
    return at_row(problem, made.name, place)


def instance(template: Template, made: Made) -> Instance:
    """Say which row made a definition."""
    return Instance(template.name, made.row.key, template.each, made.row.file, made.row.line, made.row.path)


def _below(path: Path, outer: Path) -> bool:
    return path[: len(outer)] == outer


def _unread(document: Document, template: Template) -> Problem:
    path = (*template.path, "for_each")
    fact, hint = "no ${each.…} reads the rows: all instances do the same", "put ${each.column} where they differ"
    return Problem(*document.place((*path, KEY)), "unused", "warning", dotted(path), fact, hint)


def _enough(document: Document, template: Template) -> Problem:
    path = (*template.path, "for_each")
    place = document.place(path)
    fact = f"{MOST} rows have problems; the rows after them were not looked at"
    return Problem(*place, "bad-rows", "error", dotted(path), fact, "mend those first")
