"""Files to documents: read, of a known kind, with their variables resolved; and the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from engine import regular
from engine.definition import dotenv, settings
from engine.definition.document import Document, read
from engine.definition.document.limits import MAX_BYTES, MAX_PROBLEMS
from engine.definition.each import Row
from engine.definition.explain import Finding
from engine.definition.files import SETTINGS
from engine.definition.instances import Fill, Template, expand
from engine.definition.lookup import Lookup, MadeUp
from engine.definition.nearest import did_you_mean, nearest
from engine.definition.report import problem, problems
from engine.definition.rows import Rows, Tables
from engine.definition.schema import Catalog
from engine.definition.testfiles import Variation, variations
from engine.definition.variables import Means, Prepared, Resolved, columns, resolve, resolve_row
from engine.errors import Path as NodePath
from engine.errors import Problem

Kind = Literal["pipeline", "connections", "tests"]


@dataclass(slots=True)
class File:
    """A document on its way to a definition."""

    document: Document
    kind: Kind
    resolved: Resolved = field(default_factory=Resolved)
    templates: list[Template] = field(default_factory=list)
    """What a ``for_each`` makes several of."""
    tests: list[Variation] = field(default_factory=list)
    """Of a file of tests."""


class Reading:
    """Reads one project's files; what is wrong gathers in *problems*."""

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        skip_env: bool,
        catalog: Catalog,
        instead: Mapping[Path, bytes] | None = None,
    ) -> None:
        self.problems: list[Problem] = []
        self.secrets: set[str] = set()
        self.complete = True
        """Every file could be read: a name that is not known does not exist."""
        self._root, self._skip_env, self._catalog = root, skip_env, catalog
        self._instead = instead or {}
        self._lookup = Lookup(root, self._with_dotenv(environ))
        self._tables = Tables(root)

    def file(self, path: Path, label: str) -> File | None:
        """Read one file of definitions; None where there is nothing to go on with."""
        document = self._document(path, label)
        if document is None:
            return None
        if document.value is None and document.problems:
            self.complete = False
            return None
        value = document.value if isinstance(document.value, dict) else {}
        for kind in ("pipeline", "connections"):
            if kind in value:
                resolved = self._resolve(document, kind)
                return File(document, kind, resolved, self._templates(document, kind, resolved))
        if "tests" in value:
            resolved = self._resolve(document, "tests")
            made = variations(document, resolved.each, partial(self._fill, "tests"))
            return File(document, "tests", resolved, tests=made)
        self.complete = False  # what it was meant to define is not there, and only for that
        self.problems.append(problem(document, _no_kind(value)))
        return None

    def settings(self) -> dict[str, Any]:
        """Read engine.yaml and the environment's ENGINE_…; the defaults where they are wrong."""
        document = self._document(self._root / SETTINGS, SETTINGS)
        if document is None:
            document = read(SETTINGS, b"engine: 1\n")
        if document.value is None and document.problems:
            return settings.finished({}, self._catalog)
        resolved = self._resolve(document, "settings")
        value, variables = settings.overlay(document.value, self._catalog, self._lookup.environ)
        found = [*self._catalog.kind("settings").explain(value), *settings.rules(value)]
        written = [finding for finding in found if finding.path not in variables]
        shape = self._catalog.kind("settings").shape
        told = list(problems(document, [*resolved.findings, *written], resolved, shape))
        self.problems += told
        for finding in found:
            if finding.path in variables:
                name, fact = variables[finding.path], finding.said("its value")
                self.problems.append(Problem(name, 1, 1, finding.code, "error", "", fact, finding.hint))
        # what --skip-env excuses breaks nothing
        broken = bool(told or document.problems or any(finding.path in variables for finding in found))
        return settings.finished({} if broken else value, self._catalog)

    def _with_dotenv(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        if isinstance(environ, MadeUp):
            return environ
        data = self._read(self._root / ".env", ".env")
        if data is None:
            return dict(environ)
        if len(data) > MAX_BYTES:
            fact = f"the file has more than {MAX_BYTES:,} bytes"
            self.problems.append(Problem(".env", 1, 1, "too-large", "error", "", fact))
            return dict(environ)
        try:
            values, bad = dotenv.parse(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.problems.append(Problem(".env", 1, 1, "unreadable", "error", "", "the file cannot be read as UTF-8"))
            return dict(environ)
        wrong = (Problem(".env", line, 1, "bad-line", "error", "", "this is not NAME=value") for line in bad)
        self.problems += islice(wrong, MAX_PROBLEMS)
        return values | dict(environ)

    def _read(self, path: Path, label: str) -> bytes | None:
        """Return what a file holds; None where it is not there, or no longer, and where it cannot be read."""
        try:
            return regular.read(path, MAX_BYTES)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.is_symlink():
                return None
            self.complete = False
            fact = f"the file cannot be read: {error.strerror}"
            self.problems.append(Problem(label, 1, 1, "unreadable", "error", "", fact))
            return None

    def _document(self, path: Path, label: str) -> Document | None:
        data = self._instead[path] if path in self._instead else self._read(path, label)
        if data is None:
            return None
        document = read(label, data)
        self.problems += document.problems
        return document

    def _resolve(self, document: Document, kind: Literal["pipeline", "connections", "settings", "tests"]) -> Resolved:
        if not document.statics:
            return Resolved()
        resolved = resolve(document, self._catalog.kind(kind).shape, self._lookup, self._skip_env)
        self.secrets |= resolved.secrets
        return resolved

    def _templates(
        self, document: Document, kind: Literal["pipeline", "connections"], done: Resolved
    ) -> list[Template]:
        found = []
        for name, path, node in _repeated(document.value, kind):
            each = [one for one in done.each if one.static.path[: len(path)] == path]
            rows = self._tables.rows(node["for_each"], (*path, "for_each"), done.secrets)
            wrong = list(_unknown_columns(each, rows)) if rows.columns else []
            if wrong:
                rows.rows = []
            done.findings += [*rows.findings, *wrong]
            self.problems += rows.problems
            steady = not any(":-" in one.static.text for one in each) and not any(map(_has_null, rows.rows))
            template = Template(name, path, rows, tuple(one.static.path for one in each), steady)
            first = expand(document, template, self._fill(kind, each))
            done.unknown |= first.unknown
            done.written |= first.written
            self.secrets.update(secret for made in template.made for secret in made.resolved.secrets)
            found.append(template)
        return found

    def _fill(self, kind: Kind, each: list[Prepared]) -> Fill:
        means = Means(self._catalog.kind(kind).shape, self._lookup, self._skip_env)
        return lambda document, row: resolve_row(document, each, row, means)


def _repeated(value: Any, kind: str) -> list[tuple[str, NodePath, Any]]:
    """Return the name, the path and the node of each pipeline or connection with ``for_each``."""
    if kind == "pipeline":
        named = value.get("pipeline")
        return [(named, (), value)] if "for_each" in value and isinstance(named, str) else []
    nodes = value["connections"] if isinstance(value.get("connections"), dict) else {}
    return [
        (name, ("connections", name), node)
        for name, node in nodes.items()
        if isinstance(node, dict) and "for_each" in node and not name.startswith("x-")
    ]


def _has_null(row: Row) -> bool:
    return None in row.values.values()


def _unknown_columns(each: list[Prepared], rows: Rows) -> Iterator[Finding]:
    for static in (one.static for one in each):
        for name in dict.fromkeys(columns(static.text)):
            if name not in rows.columns:
                fact = f"there is no column '{name}' for '${{each.{name}}}'"
                hint = did_you_mean(name, rows.columns) or f"there are: {', '.join(rows.columns[:12])}"
                yield Finding(static.path, False, "unknown-column", fact, hint)


def _no_kind(value: Mapping[str, Any]) -> Finding:
    if "preset" in value:
        fact = "'preset' files are part of the language but not built yet"
        return Finding(("preset",), True, "not-yet", fact, "remove it")
    kinds = ("pipeline", "connections", "tests")
    if "engine" in value:
        return Finding(("engine",), True, "unknown-kind", "settings stand in engine.yaml only", "move them there")
    fact = "the file does not say what it is"
    for key in value:
        if meant := nearest(key, kinds):
            return Finding((key,), True, "unknown-kind", fact, f"did you mean '{meant}'?", fix=meant)
    hint = f"the file begins with one of {', '.join(f'{kind}:' for kind in kinds)}"
    return Finding((), False, "unknown-kind", fact, hint)
