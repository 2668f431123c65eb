"""Files to documents: read, of a known kind, with their variables resolved; and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.definition import dotenv, settings
from engine.definition.document import Document, read
from engine.definition.explain import Finding
from engine.definition.files import SETTINGS
from engine.definition.lookup import Lookup
from engine.definition.nearest import did_you_mean
from engine.definition.report import problem, problems
from engine.definition.rules import unknown_timezone
from engine.definition.schema import Catalog
from engine.definition.variables import Resolved, resolve
from engine.errors import Problem

Kind = Literal["pipeline", "connections"]


@dataclass(slots=True)
class File:
    """A document on its way to a definition."""

    document: Document
    kind: Kind
    resolved: Resolved = field(default_factory=Resolved)


class Reading:
    """Reads one project's files; what is wrong gathers in *problems*."""

    def __init__(self, root: Path, environ: Mapping[str, str], skip_env: bool, catalog: Catalog) -> None:
        self.problems: list[Problem] = []
        self.secrets: set[str] = set()
        self.complete = True
        """Every file could be read: a name that is not known does not exist."""
        self._root, self._skip_env, self._catalog = root, skip_env, catalog
        self._lookup = Lookup(root, self._with_dotenv(environ))

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
                return File(document, kind, self._resolve(document, kind))
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
        found = self._catalog.kind("settings").explain(value)
        if isinstance(value, dict) and isinstance(value.get("defaults"), dict):
            zones = unknown_timezone(value["defaults"])
            found += [finding._replace(path=("defaults", *finding.path)) for finding in zones]
        written = [finding for finding in found if finding.path not in variables]
        shape = self._catalog.kind("settings").shape
        self.problems += problems(document, [*resolved.findings, *written], resolved, shape)
        for finding in found:
            if finding.path in variables:
                name, fact = variables[finding.path], finding.said("its value")
                self.problems.append(Problem(name, 1, 1, finding.code, "error", "", fact, finding.hint))
        broken = bool(found or resolved.findings or document.problems)
        return settings.finished({} if broken else value, self._catalog)

    def _with_dotenv(self, environ: Mapping[str, str]) -> dict[str, str]:
        path = self._root / ".env"
        if not path.is_file():
            return dict(environ)
        try:
            values, bad = dotenv.parse(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            self.problems.append(Problem(".env", 1, 1, "unreadable", "error", "", "the file cannot be read as UTF-8"))
            return dict(environ)
        self.problems += [Problem(".env", line, 1, "bad-line", "error", "", "this is not NAME=value") for line in bad]
        return values | dict(environ)

    def _document(self, path: Path, label: str) -> Document | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.complete = False
            fact = f"the file cannot be read: {error.strerror}"
            self.problems.append(Problem(label, 1, 1, "unreadable", "error", "", fact))
            return None
        document = read(label, data)
        self.problems += document.problems
        return document

    def _resolve(self, document: Document, kind: Literal["pipeline", "connections", "settings"]) -> Resolved:
        if not document.statics:
            return Resolved()
        resolved = resolve(document, self._catalog.kind(kind).shape, self._lookup, self._skip_env)
        self.secrets |= resolved.secrets
        return resolved


def _no_kind(value: Mapping[str, Any]) -> Finding:
    for key in ("tests", "preset"):
        if key in value:
            fact = f"'{key}' files are part of the language but not built yet"
            return Finding((key,), True, "not-yet", fact, "remove it")
    kinds = ("pipeline", "connections", "tests", "preset")
    if "engine" in value:
        return Finding(("engine",), True, "unknown-kind", "settings stand in engine.yaml only", "move them there")
    hints = [hint for key in value if (hint := did_you_mean(key, kinds))]
    hint = hints[0] if hints else f"the file begins with one of {', '.join(f'{kind}:' for kind in kinds)}"
    return Finding((), False, "unknown-kind", "the file does not say what it is", hint)
