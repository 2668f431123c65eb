"""A project's folder to typed definitions, and every problem of every file at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from engine.definition import files, lints, references
from engine.definition.build import Builder
from engine.definition.document import KEY
from engine.definition.drafts import draft
from engine.definition.explain import Finding
from engine.definition.model import ConnectionDefinition, Origin, PipelineDefinition, Project
from engine.definition.reading import File, Reading
from engine.definition.report import problem, problems
from engine.definition.revision import revision
from engine.definition.rules import rules
from engine.definition.schema import Catalog
from engine.definition.uses import Checker, Known, connector_of, sites
from engine.errors import Problem


@cache
def catalog() -> Catalog:
    """Return the schemas this engine was installed with."""
    return Catalog()


def load(
    root: Path, *, environ: Mapping[str, str], paths: Sequence[Path] = (), skip_env: bool = False
) -> tuple[Project, list[Problem]]:
    """Load the project in *root*: what holds together, and all that does not, sorted by place.

    *paths* are files or folders, in the project or elsewhere, that are loaded too; problems are then only theirs.
    *skip_env* excuses values that are missing from the environment.
    """
    extra, nothing = files.named(root, paths)
    reading = Reading(root, environ, skip_env, catalog())
    known = reading.settings()
    loaded = [file for path, label in files.everything(root, extra) if (file := reading.file(path, label))]
    project, found = _Assembly(reading, loaded, known).project(root)
    fact = "there is no such file or folder"
    found += [Problem(str(path), 1, 1, "no-file", "error", "", fact) for path in nothing]
    if paths:
        shown = {*extra.values(), *(str(path) for path in nothing)}
        found = [one for one in found if one.file in shown]
    return project, sorted(set(found))


class _Assembly:
    """Files to a project: each one checked, all of them against each other, the good ones built."""

    def __init__(self, reading: Reading, loaded: Sequence[File], settings: dict[str, Any]) -> None:
        self._reading, self._loaded, self._settings = reading, loaded, settings
        self._catalog = catalog()
        self._problems: list[Problem] = list(reading.problems)
        self._builder = Builder(self._catalog, settings["defaults"])
        self._found: dict[str, list[Finding]] = {}
        self._pipelines = list(_pipelines(loaded))
        self._connections = list(_connections(loaded))

    def project(self, root: Path) -> tuple[Project, list[Problem]]:
        """Do it, and return every problem beside what was built."""
        self._across()
        checker = Checker(self._catalog, self._index(), self._reading.complete)
        for file in self._loaded:
            self._problems += self._check(file, checker)
        errors: dict[str, list[Problem]] = {}
        for one in self._problems:
            if one.severity == "error":
                errors.setdefault(one.file, []).append(one)
        connections = dict(self._built_connections(errors))
        pipelines = dict(self._built_pipelines(errors))
        drafts = tuple(self._drafts(errors))
        self._lint(pipelines)
        self._unused(connections)
        secrets = frozenset(self._reading.secrets | self._builder.secrets)
        return Project(root, pipelines, connections, self._settings, secrets, len(self._loaded), drafts), self._problems

    def _index(self) -> dict[str, Known]:
        """Return every connection, good or bad: a pipeline that names a bad one is not wrong itself."""
        index: dict[str, Known] = {}
        for file in _of(self._loaded, "connections"):
            for site in sites(file.document.value):
                place = file.document.place((*site.path, KEY))
                index.setdefault(str(site.path[1]), Known(place, connector_of(site, self._catalog)))
        for name, document, path in self._connections:
            index.setdefault(name, Known(document.place(path), None))
        return index

    def _across(self) -> None:
        found = [*references.duplicates("pipeline", self._pipelines)]
        found += references.duplicates("connection", self._connections)
        if self._reading.complete:
            found += references.unknown_after(self._pipelines)
        found += references.cycles(self._pipelines)
        self._problems += [problem(document, finding) for document, finding in found]

    def _check(self, file: File, checker: Checker) -> list[Problem]:
        """Return all that is wrong in one file by itself."""
        schema, value = self._catalog.kind(file.kind), file.document.value
        found: list[Finding] = [*file.resolved.findings, *schema.explain(value)]
        for site in sites(value):
            found += checker.check(site, schema.shape.at(site.path))
        if file.kind == "pipeline":
            found += rules(value)
        self._found[file.document.file] = found
        return list(problems(file.document, found, file.resolved, schema.shape)) if found else []

    def _built_connections(self, errors: Mapping[str, Sequence[Problem]]) -> Iterator[tuple[str, ConnectionDefinition]]:
        built: set[str] = set()
        for file in _of(self._loaded, "connections"):
            for site in sites(file.document.value):
                name = str(site.path[1])
                if name in built or any(_concerns(one, name) for one in errors.get(file.document.file, ())):
                    continue
                definition = self._builder.connection(name, site.value, _origin(file, site.value))
                if definition is not None:
                    built.add(name)
                    yield name, definition

    def _built_pipelines(self, errors: Mapping[str, Sequence[Problem]]) -> Iterator[tuple[str, PipelineDefinition]]:
        first = {name: document for name, document, _ in reversed(self._pipelines)}
        for file in _of(self._loaded, "pipeline"):
            value = file.document.value
            if file.document.file not in errors and first.get(value["pipeline"]) is file.document:
                yield value["pipeline"], self._builder.pipeline(value, _origin(file, value))

    def _drafts(self, errors: Mapping[str, Sequence[Problem]]) -> Iterator[PipelineDefinition]:
        for file in _of(self._loaded, "pipeline"):
            if file.document.file in errors:
                value = file.document.value
                found = self._found.get(file.document.file, ())
                made = draft(value, found, self._catalog, self._builder, _origin(file, value))
                if made is not None:
                    yield made

    def _lint(self, pipelines: dict[str, PipelineDefinition]) -> None:
        """Say what is allowed and would go wrong; a lint that is sure takes the pipeline out.

        Not of drafts: a misspelt ``key`` that was taken out would be lamented as missing.
        """
        documents = {document.file: document for _, document, _ in self._pipelines}
        broken: set[str] = set()
        for definition in pipelines.values():
            for finding, severity in lints.lint(definition):
                document = documents[definition.origin.file]
                self._problems.append(problem(document, finding, severity))
                if severity == "error":
                    broken.add(definition.name)
        for name in broken:
            pipelines.pop(name, None)

    def _unused(self, working: Mapping[str, ConnectionDefinition]) -> None:
        values = [file.document.value for file in _of(self._loaded, "pipeline")]
        if values and self._reading.complete:
            good = [one for one in self._connections if one[0] in working]
            for document, finding in lints.unused_connections(good, values):
                self._problems.append(problem(document, finding, "warning"))


def _of(loaded: Iterable[File], kind: str) -> Iterator[File]:
    return (file for file in loaded if file.kind == kind)


def _origin(file: File, value: Any) -> Origin:
    return Origin(file.document.file, file.document.places, revision(value))


def _pipelines(loaded: Sequence[File]) -> Iterator[references.One]:
    for file in _of(loaded, "pipeline"):
        name = file.document.value["pipeline"]
        if isinstance(name, str):
            yield name, file.document, ("pipeline",)


def _connections(loaded: Sequence[File]) -> Iterator[references.One]:
    for file in _of(loaded, "connections"):
        named = file.document.value["connections"]
        for name in named if isinstance(named, dict) else ():
            if not name.startswith("x-"):
                yield name, file.document, ("connections", name, KEY)


def _concerns(one: Problem, name: str) -> bool:
    """Whether a problem of a connections file keeps connection *name* from working."""
    prefix = f"connections.{name}"
    if not one.path.startswith("connections."):
        return one.code != "bad-name" or f"'{name}'" in one.message
    return one.path == prefix or one.path.startswith((f"{prefix}.", f"{prefix}["))
