"""A project's folder to typed definitions, and every problem of every file at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from engine.definition import files, lints, named, references, testfiles
from engine.definition.amounts import amounts
from engine.definition.build import Builder, Shared
from engine.definition.document import KEY
from engine.definition.drafts import draft
from engine.definition.explain import Finding, some
from engine.definition.instances import Made, Template, node
from engine.definition.lints import LintOnce
from engine.definition.model import ConnectionDefinition, Origin, PipelineDefinition, PipelineTest, Project
from engine.definition.reading import File, Reading
from engine.definition.report import problem, problems, told_once
from engine.definition.revision import common_revision, revision_and_vars, row_revision
from engine.definition.rowcheck import RowChecker, instance, told
from engine.definition.rules import rules
from engine.definition.schema import Catalog, Schema
from engine.definition.uses import Checker, Known, connector_of, sites
from engine.errors import Problem, dotted


@cache
def catalog() -> Catalog:
    """Return the schemas this engine was installed with."""
    return Catalog()


def load(
    root: Path, *, environ: Mapping[str, str], paths: Sequence[Path] = (), skip_env: bool = False, tests: bool = True
) -> tuple[Project, list[Problem]]:
    """Load the project in *root*: what holds together, and all that does not, sorted by place.

    *paths* are files or folders, in the project or elsewhere, that are loaded too; problems are then only theirs.
    *skip_env* excuses values that are missing from the environment. *tests* false: files of tests are not even opened.
    """
    return _loaded(Reading(root, environ, skip_env, catalog()), root, paths, tests)


def trial(
    root: Path, instead: Mapping[Path, bytes], *, environ: Mapping[str, str], paths: Sequence[Path], skip_env: bool
) -> tuple[Project, list[Problem]]:
    """Load the project as if *instead* stood in these files, in place of what the disk has."""
    return _loaded(Reading(root, environ, skip_env, catalog(), instead), root, paths, True)


def _loaded(reading: Reading, root: Path, paths: Sequence[Path], tests: bool) -> tuple[Project, list[Problem]]:
    extra, nothing = files.named(root, paths)
    known = reading.settings()
    every = [one for one in files.everything(root, extra) if tests or not one[1].endswith(files.TESTS)]
    loaded = [file for path, label in every if (file := reading.file(path, label))]
    project, found = _Assembly(reading, loaded, known).project(root)
    found += [Problem(str(path), 1, 1, "no-file", "error", "", "there is no such file or folder") for path in nothing]
    if paths:
        shown = {*extra.values(), *(str(path) for path in nothing)}
        shown |= {table for table, users in project.tables.items() if users & shown}
        found = [one for one in found if one.file in shown]
    return project, sorted(told_once(set(found)))


class _Assembly:
    """Files to a project: each one checked, all of them against each other, the good ones built."""

    def __init__(self, reading: Reading, loaded: Sequence[File], settings: dict[str, Any]) -> None:
        self._reading, self._loaded, self._settings = reading, loaded, settings
        self._catalog = catalog()
        self._problems: list[Problem] = list(reading.problems)
        self._of_rows: list[Problem] = []
        """What rows say wrong: it hinders its own instance, and no other."""
        self._builder = Builder(self._catalog, settings["defaults"])
        self._found: dict[str, list[Finding]] = {}
        self._instances: dict[int, tuple[Template, Made]] = {}
        for file in loaded:
            for template in file.templates:
                self._instances.update((id(made.document), (template, made)) for made in template.made)
        self._pipelines = list(named.pipelines(loaded))
        self._connections = list(named.connections(loaded))
        partly = {template.name for file in loaded for template in file.templates if _partly(template)}
        self._checker = Checker(self._catalog, self._index(), reading.complete, partly)
        self._rows = RowChecker(self._checker)

    def project(self, root: Path) -> tuple[Project, list[Problem]]:
        """Do it, and return every problem beside what was built."""
        self._across()
        for file in self._loaded:
            self._problems += self._check(file)
            self._of_rows += self._rows.check(file, self._catalog.kind(file.kind), self._found[file.document.file])
        errors: dict[str, list[Problem]] = {}
        for one in self._problems:
            if one.severity == "error":
                errors.setdefault(one.file, []).append(one)
        self._problems += self._of_rows
        connections = dict(self._built_connections(errors))
        pipelines = dict(self._built_pipelines(errors))
        drafts = tuple(self._drafts(errors))
        self._lint(pipelines)
        self._unused(connections)
        secrets = frozenset(self._reading.secrets | self._builder.secrets)
        files, tables = len(self._loaded), named.tables(self._loaded)
        tests = dict(self._tests(pipelines, connections, errors))
        project = Project(root, pipelines, connections, self._settings, secrets, files, drafts, tables, tests)
        return project, self._problems

    def _index(self) -> dict[str, Known]:
        """Return every connection, good or bad: a pipeline that names a bad one is not wrong itself."""
        index: dict[str, Known] = {}
        templated = {
            template.name for file in named.of_kind(self._loaded, "connections") for template in file.templates
        }
        for file in named.of_kind(self._loaded, "connections"):
            templates = {template.path: template for template in file.templates}
            for site in sites(file.document.value):
                known = Known(file.document.place((*site.path, KEY)), connector_of(site, self._catalog))
                template = templates.get(site.path)
                for name in [made.name for made in template.made] if template else [str(site.path[1])]:
                    index.setdefault(name, known)
        for name, document, path in self._connections:
            if name not in templated:
                index.setdefault(name, Known(document.place(path), None))
        return index

    def _across(self) -> None:
        found = [*references.duplicates("pipeline", self._pipelines)]
        found += references.duplicates("connection", self._connections)
        every = list(named.instances(self._loaded))
        if self._reading.complete:
            found += references.unknown_after(every)
        found += references.cycles(every)
        found += references.renamed(every)
        for document, finding in found:
            one = problem(document, finding)
            if id(document) in self._instances:
                template, made = self._instances[id(document)]
                if template.concerned(finding.path, finding.key):
                    self._rows.bad.add(made.name)
                    self._of_rows.append(told(one, document, template, made))
                    continue
            self._problems.append(one)

    def _check(self, file: File) -> list[Problem]:
        """Return all that is wrong in one file by itself, but for what its rows say."""
        schema = self._catalog.kind(file.kind)
        found = some(self._findings(file, schema))
        self._found[file.document.file] = found
        own = [one for one in found if not _of_a_row(file, one)]
        return list(problems(file.document, own, file.resolved, schema.shape)) if own else []

    def _findings(self, file: File, schema: Schema) -> Iterator[Finding]:
        value = file.document.value
        yield from file.resolved.findings
        yield from schema.explain(value)
        for site in sites(value):
            yield from self._checker.check(site, schema.shape.at(site.path))
        if file.kind == "pipeline":
            yield from rules(value)
        if file.kind != "tests":
            yield from amounts(value)
        if file.kind == "tests":
            yield from testfiles.rules(value)
            yield from testfiles.duplicates(file.tests)
            yield from _of_rows(file, schema)

    def _built_connections(self, errors: Mapping[str, Sequence[Problem]]) -> Iterator[tuple[str, ConnectionDefinition]]:
        built: set[str] = set()
        for file in named.of_kind(self._loaded, "connections"):
            templates = {template.path: template for template in file.templates}
            for site in sites(file.document.value):
                name = str(site.path[1])
                if name in built or any(_concerns(one, name) for one in errors.get(file.document.file, ())):
                    continue
                built.add(name)
                for one, value, origin in self._parts(file, name, site.value, templates.get(site.path)):
                    definition = self._builder.connection(one, value, origin)
                    if definition is not None:
                        yield one, definition

    def _built_pipelines(self, errors: Mapping[str, Sequence[Problem]]) -> Iterator[tuple[str, PipelineDefinition]]:
        first = {name: document for name, document, _ in reversed(self._pipelines)}
        for file in named.of_kind(self._loaded, "pipeline"):
            value = file.document.value
            if file.document.file in errors or first.get(value["pipeline"]) is not file.document:
                continue
            template = file.templates[0] if file.templates else None
            shared = Shared(template.shared) if template else None
            for name, one, origin in self._parts(file, value["pipeline"], value, template):
                yield name, self._builder.pipeline(one, origin, shared)

    def _parts(self, file: File, name: str, value: Any, template: Template | None) -> Iterator[tuple[str, Any, Origin]]:
        """Yield the name, the value and the origin of what is to be built: itself, or its good instances."""
        if template is None:
            if not file.resolved.unknown or self._fits(file, file.document.value):
                yield name, value, _origin(file, value)
            return
        common = common_revision(value, template)
        for made in template.made:
            unknown = made.resolved.unknown or file.resolved.unknown
            if made.name not in self._rows.bad and (not unknown or self._fits(file, made.document.value)):
                own = node(made.document.value, template.path)
                facts = row_revision(common, made, template)
                places = file.document.places
                yield made.name, own, Origin(file.document.file, places, *facts, instance(template, made))

    def _tests(
        self,
        pipelines: Mapping[str, PipelineDefinition],
        connections: Mapping[str, ConnectionDefinition],
        errors: dict[str, list[Problem]],
    ) -> Iterator[tuple[str, tuple[PipelineTest, ...]]]:
        """Check the tests against what they are about, and yield the good ones by their pipeline."""
        names = [name for name, _, _ in named.instances(self._loaded)]
        known = sorted({name for name, _, _ in self._connections} | set(connections))
        around = testfiles.Around(pipelines, names, known, self._reading.complete)
        good: dict[str, list[PipelineTest]] = {}
        for file in named.of_kind(self._loaded, "tests"):
            origin = _origin(file, file.document.value)
            told = {problem(file.document, one) for made in file.tests for one in testfiles.against(made, around)}
            self._problems += told
            wrong = [*errors.get(file.document.file, ()), *told]
            for made in file.tests:
                place = dotted(made.path)
                if not any(one.path in ("", "tests") or f"{one.path}.".startswith(f"{place}.") for one in wrong):
                    test = PipelineTest(
                        made.name, str(made.body.get("pipeline")), origin, made.path, made.body, made.row
                    )
                    good.setdefault(test.pipeline, []).append(test)
        for name, tests in good.items():
            yield name, tuple(tests)

    def _fits(self, file: File, value: Any) -> bool:
        """Whether what stands in for values that are missing, and excused, is enough to build something of."""
        if not self._catalog.kind(file.kind).valid(value):
            return False
        for site in sites(value):
            name = connector_of(site, self._catalog)
            known = self._catalog.connector(name) if name else None
            if name is None or known is None or not known.role(site.role).valid(site.value[name] or {}):
                return False
        return True

    def _drafts(self, errors: Mapping[str, Sequence[Problem]]) -> Iterator[PipelineDefinition]:
        for file in named.of_kind(self._loaded, "pipeline"):
            if file.document.file in errors:
                value = file.document.value
                found = [*self._found.get(file.document.file, ())]
                found += [Finding(path, False, "", "") for path in file.document.broken]
                made = draft(value, found, self._catalog, self._builder, _origin(file, value))
                if made is not None:
                    yield made

    def _lint(self, pipelines: dict[str, PipelineDefinition]) -> None:
        """Say what is allowed and would go wrong; a lint that is sure takes the pipeline out.

        Not of drafts: a misspelt ``key`` that was taken out would be lamented as missing.
        """
        documents = {document.file: document for _, document, _ in self._pipelines}
        found = LintOnce()
        broken: set[str] = set()
        for definition in pipelines.values():
            for finding, severity in found.lint(definition):
                document = documents[definition.origin.file]
                self._problems.append(definition.origin.told(problem(document, finding, severity)))
                if severity == "error":
                    broken.add(definition.name)
        for name in broken:
            pipelines.pop(name, None)

    def _unused(self, working: Mapping[str, ConnectionDefinition]) -> None:
        values = [document.value for _, document, _ in named.instances(self._loaded)]
        hidden = any(one.code in _HIDES_A_USE for one in self._problems)
        if values and self._reading.complete and not hidden:
            names = {name.partition("[")[0] for name in working}
            good = [one for one in self._connections if one[0] in names]
            for document, finding in lints.unused_connections(good, values):
                self._problems.append(problem(document, finding, "warning"))


_HIDES_A_USE = ("unknown-key", "unknown-connector", "missing-connector", "unknown-connection")
"""Mistakes behind which the use of a connection may stand that nobody else uses."""


def _partly(template: Template) -> bool:
    """Whether some of its rows could not be read."""
    rows = template.rows
    return bool(rows.problems or rows.findings or not rows.rows)


def _of_rows(file: File, schema: Schema) -> Iterator[Finding]:
    """Return what is wrong with the rows of ``each``; what the first one makes is checked with the whole file."""
    for made in file.tests:
        if made.row is None:
            continue
        path = (*made.path, "each", made.row)
        yield from made.findings
        if made.row and not made.findings and not schema.valid({"tests": [made.body]}):
            for finding in schema.explain({"tests": [made.body]}):
                inner = dotted(finding.path[2:])
                yield finding._replace(path=path, key=False, message=f"{inner} of this row: {finding.message}")


def _of_a_row(file: File, finding: Finding) -> bool:
    return any(template.made and template.concerned(finding.path, finding.key) for template in file.templates)


def _origin(file: File, value: Any) -> Origin:
    return Origin(file.document.file, file.document.places, *revision_and_vars(value))


def _concerns(one: Problem, name: str) -> bool:
    """Whether a problem of a connections file keeps connection *name* from working."""
    prefix = f"connections.{name}"
    if not one.path.startswith("connections."):
        return one.code != "bad-name" or f"'{name}'" in one.message
    return one.path == prefix or one.path.startswith((f"{prefix}.", f"{prefix}["))
