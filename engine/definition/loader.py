"""A project's folder to typed definitions, and every problem of every file at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from engine.definition import dotenv, lints, references, settings
from engine.definition.build import Builder
from engine.definition.document import KEY, Document, read
from engine.definition.explain import Finding
from engine.definition.lookup import Lookup
from engine.definition.model import ConnectionDefinition, Origin, PipelineDefinition, Project
from engine.definition.nearest import did_you_mean
from engine.definition.report import problem, problems
from engine.definition.revision import revision
from engine.definition.rules import rules
from engine.definition.schema import Catalog
from engine.definition.uses import Checker, Known, connector_of, sites
from engine.definition.variables import Resolved, resolve
from engine.errors import Path as NodePath
from engine.errors import Problem

FOLDERS = ("pipelines", "connections", "presets")
Kind = Literal["pipeline", "connections"]


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
    return _Load(root, environ, skip_env).run(paths)


@dataclass(slots=True)
class _File:
    """A document on its way to a definition."""

    document: Document
    kind: Kind
    resolved: Resolved = field(default_factory=Resolved)


class _Load:
    """One loading of one project."""

    def __init__(self, root: Path, environ: Mapping[str, str], skip_env: bool) -> None:
        self._root, self._skip_env = root, skip_env
        self._problems: list[Problem] = []
        self._catalog = catalog()
        self._complete = True
        self._secrets: set[str] = set()
        self._lookup = Lookup(root, self._with_dotenv(environ))

    def run(self, paths: Sequence[Path]) -> tuple[Project, list[Problem]]:
        """Do all of it."""
        known = self._settings()
        wanted = self._named(paths)
        files = [file for path, label in self._files(wanted) if (file := self._read(path, label))]
        project = self._project(files, known)
        found = sorted(set(self._problems))
        if paths:
            labels = set(wanted.values()) | {str(path) for path in paths}
            found = [one for one in found if one.file in labels]
        return project, found

    def _with_dotenv(self, environ: Mapping[str, str]) -> dict[str, str]:
        path = self._root / ".env"
        if not path.is_file():
            return dict(environ)
        try:
            values, bad = dotenv.parse(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            self._problems.append(Problem(".env", 1, 1, "unreadable", "error", "", "the file cannot be read as UTF-8"))
            return dict(environ)
        self._problems += [Problem(".env", line, 1, "bad-line", "error", "", "this is not NAME=value") for line in bad]
        return values | dict(environ)

    # ---- files

    def _settings(self) -> dict[str, Any]:
        document = self._document(self._root / settings.FILE, settings.FILE)
        if document is None:
            document = read(settings.FILE, b"engine: 1\n")
        if document.value is None and document.problems:
            return settings.finished({}, self._catalog)
        shape = self._catalog.kind("settings").shape
        resolved = self._resolve(document, "settings")
        value, named = settings.overlay(document.value, self._catalog, self._lookup.environ)
        found = settings.check(value, self._catalog)
        ours = [finding for finding in found if finding.path not in named]
        self._problems += problems(document, [*resolved.findings, *ours], resolved, shape)
        for finding in found:
            if finding.path in named:
                variable = named[finding.path]
                self._problems.append(
                    Problem(variable, 1, 1, finding.code, "error", "", finding.said("its value"), finding.hint)
                )
        broken = bool(found or resolved.findings or document.problems)
        return settings.finished({} if broken else value, self._catalog)

    def _named(self, paths: Sequence[Path]) -> dict[Path, str]:
        """Return the files that *paths* name, each with the name it has in problems."""
        named: dict[Path, str] = {}
        for path in paths:
            place = self._root / path
            if place.is_dir():
                named.update((file, self._label(file)) for file in _definitions(place))
            elif place.is_file():
                named[place] = self._label(place)
            else:
                self._problems.append(
                    Problem(str(path), 1, 1, "no-file", "error", "", "there is no such file or folder")
                )
        return named

    def _files(self, named: Mapping[Path, str]) -> Iterator[tuple[Path, str]]:
        """Return the project's files, then those named from elsewhere: a clash is said where it came in."""
        seen = {path.resolve() for path in named} if named else set()
        prefix = len(str(self._root)) + 1
        for folder in FOLDERS:
            for path in _definitions(self._root / folder):
                if not seen or path.resolve() not in seen:
                    yield path, str(path)[prefix:].replace(os.sep, "/") if prefix > 1 else str(path)
        yield from ((path, label) for path, label in named.items() if label != settings.FILE)

    def _label(self, path: Path) -> str:
        try:
            return path.resolve().relative_to(self._root.resolve()).as_posix()
        except ValueError:
            return str(path)

    def _document(self, path: Path, label: str) -> Document | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._complete = False
            fact = f"the file cannot be read: {error.strerror}"
            self._problems.append(Problem(label, 1, 1, "unreadable", "error", "", fact))
            return None
        document = read(label, data)
        self._problems += document.problems
        return document

    def _read(self, path: Path, label: str) -> _File | None:
        document = self._document(path, label)
        if document is None:
            return None
        if document.value is None and document.problems:
            self._complete = False
            return None
        value = document.value if isinstance(document.value, dict) else {}
        for kind in ("pipeline", "connections"):
            if kind in value:
                file = _File(document, kind)
                file.resolved = self._resolve(document, file.kind)
                return file
        self._problems.append(problem(document, _no_kind(value)))
        return None

    def _resolve(self, document: Document, kind: Literal["pipeline", "connections", "settings"]) -> Resolved:
        if not document.statics:
            return Resolved()
        resolved = resolve(document, self._catalog.kind(kind).shape, self._lookup, self._skip_env)
        self._secrets |= resolved.secrets
        return resolved

    # ---- definitions

    def _project(self, files: Sequence[_File], known: dict[str, Any]) -> Project:
        builder = Builder(self._catalog, known["defaults"])
        pipelines = [file for file in files if file.kind == "pipeline"]
        named = _pipeline_names(pipelines)
        places = _connection_names([file for file in files if file.kind == "connections"])
        index = self._index(places)
        self._across(named, places)
        checker = Checker(self._catalog, index, self._complete)
        wrong = {file.document.file: self._check(file, checker) for file in files}
        connections = self._connections(files, wrong, builder)
        built = self._pipelines(pipelines, named, wrong, builder)
        self._lint(files, built, places, connections)
        secrets = frozenset(secret for secret in self._secrets | builder.secrets if secret)
        return Project(self._root, built, connections, known, secrets, len(files))

    def _index(self, places: references.Named) -> dict[str, Known]:
        index: dict[str, Known] = {}
        for name, document, path in places:
            site = next((site for site in sites(document.value) if site.path == path[:-1]), None)
            kind = connector_of(site, self._catalog) if site else None
            index.setdefault(name, Known(document.place(path), kind))
        return index

    def _across(self, pipelines: references.Named, connections: references.Named) -> None:
        found = [*references.duplicates("pipeline", pipelines), *references.duplicates("connection", connections)]
        if self._complete:
            found += references.unknown_after(pipelines)
        found += references.cycles(pipelines)
        self._problems += [problem(document, finding) for document, finding in found]

    def _check(self, file: _File, checker: Checker) -> list[Problem]:
        """Say all that is wrong in one file."""
        schema = self._catalog.kind(file.kind)
        value = file.document.value
        found: list[Finding] = [*file.resolved.findings, *schema.explain(value)]
        for site in sites(value):
            found += checker.check(site, schema.shape.at(site.path))
        if file.kind == "pipeline":
            found += rules(value)
        wrong = list(problems(file.document, found, file.resolved, schema.shape)) if found else []
        self._problems += wrong
        return wrong + file.document.problems

    def _origin(self, document: Document, value: Any) -> Origin:
        return Origin(document.file, document.places, revision(value))

    def _connections(
        self, files: Sequence[_File], wrong: Mapping[str, Sequence[Problem]], builder: Builder
    ) -> dict[str, ConnectionDefinition]:
        built: dict[str, ConnectionDefinition] = {}
        for file in files:
            for site in sites(file.document.value) if file.kind == "connections" else ():
                name = str(site.path[1])
                if name in built or any(_concerns(one, name) for one in wrong[file.document.file]):
                    continue
                definition = builder.connection(name, site.value, self._origin(file.document, site.value))
                if definition is not None:
                    built[name] = definition
        return built

    def _pipelines(
        self,
        files: Sequence[_File],
        named: references.Named,
        wrong: Mapping[str, Sequence[Problem]],
        builder: Builder,
    ) -> dict[str, PipelineDefinition]:
        first = {name: document for name, document, _ in reversed(named)}
        bad = {one.file for one in self._problems if one.severity == "error"}
        built: dict[str, PipelineDefinition] = {}
        for file in files:
            document = file.document
            if wrong[document.file] or document.file in bad or first.get(document.value["pipeline"]) is not document:
                continue
            definition = builder.pipeline(document.value, self._origin(document, document.value))
            built[definition.name] = definition
        return built

    def _lint(
        self,
        files: Sequence[_File],
        built: dict[str, PipelineDefinition],
        connections: references.Named,
        working: Mapping[str, ConnectionDefinition],
    ) -> None:
        """Say what is allowed and would go wrong; a lint that is sure takes the pipeline out."""
        texts = {file.document.file: file.document for file in files}
        for definition in list(built.values()):
            document = texts[definition.origin.file]
            for finding, severity in lints.lint(definition):
                self._problems.append(problem(document, finding, severity))
                if severity == "error":
                    built.pop(definition.name, None)
        values = [file.document.value for file in files if file.kind == "pipeline"]
        if values and self._complete:
            good = [one for one in connections if one[0] in working]
            for document, finding in lints.unused_connections(good, values):
                self._problems.append(problem(document, finding, "warning"))


def _definitions(folder: Path) -> Iterator[Path]:
    """Return every file of definitions below *folder*, sorted; what begins with a dot is passed over."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith((".yaml", ".yml")) and not name.startswith("."):
                yield Path(where, name)


def _no_kind(value: Mapping[str, Any]) -> Finding:
    for key in ("tests", "preset"):
        if key in value:
            return Finding(
                (key,), True, "not-yet", f"'{key}' files are part of the language but not built yet", "remove it"
            )
    kinds = ("pipeline", "connections", "tests", "preset")
    if "engine" in value:
        return Finding(("engine",), True, "unknown-kind", "settings stand in engine.yaml only", "move them there")
    hints = [hint for key in value if (hint := did_you_mean(key, kinds))]
    hint = hints[0] if hints else f"the file begins with one of {', '.join(f'{kind}:' for kind in kinds)}"
    return Finding((), False, "unknown-kind", "the file does not say what it is", hint)


def _pipeline_names(files: Sequence[_File]) -> list[tuple[str, Document, NodePath]]:
    named = [(file.document.value["pipeline"], file.document) for file in files]
    return [(name, document, ("pipeline",)) for name, document in named if isinstance(name, str)]


def _connection_names(files: Sequence[_File]) -> list[tuple[str, Document, NodePath]]:
    return [
        (str(name), file.document, ("connections", str(name), KEY))
        for file in files
        if isinstance(file.document.value["connections"], dict)
        for name in file.document.value["connections"]
        if not str(name).startswith("x-")
    ]


def _concerns(one: Problem, name: str) -> bool:
    """Whether a problem of a connections file keeps connection *name* from working."""
    prefix = f"connections.{name}"
    return (
        not one.path.startswith("connections.")
        or one.path == prefix
        or one.path.startswith((f"{prefix}.", f"{prefix}["))
    )
