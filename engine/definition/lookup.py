"""Where the values of ``${…}`` come from: the environment, secrets, files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from engine import regular
from engine.definition.nearest import nearest, surely

MAX_FILE = 1_000_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Missing(Exception):
    """There is no such value; carries the code, the fact and the remedy."""

    def __init__(self, code: str, message: str, hint: str, meant: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
        self.meant, self.written = meant, ""
        """What was probably meant between the braces, and what stands there."""


_OTHER_WORDS = {"secrets": "secret", "env": "", "environment": "", "files": "file"}


def _kind(inner: str) -> str | None:
    """Return what stands before the name in a variable of another language, ``env.NAME``."""
    found = re.match(r"([A-Za-z]+)[.:]", inner)
    return found[1].lower() if found and found[1].lower() in (*_OTHER_WORDS, "secret", "file") else None


def _not_a_variable(inner: str) -> Missing:
    fact = f"'${{{inner}}}' is not a variable"
    kind = _kind(inner)
    if kind is None:
        near = nearest(inner.partition(":")[0], ("secret", "file"))
        meant = f"{near}:{inner.partition(':')[2]}" if near else ""
    else:
        rest = re.split("[.:]", inner, maxsplit=1)[1]
        prefix = _OTHER_WORDS.get(kind, kind)
        meant = f"{prefix}:{rest}" if prefix else rest
    hint = f"did you mean ${{{meant}}}?" if meant else "write ${NAME}, ${secret:name} or ${file:path}"
    return Missing("bad-variable", fact, hint, meant)


class Found(NamedTuple):
    """A value of ``${…}``; *default* says that it is the one after ``:-``."""

    text: str
    secret: bool = False
    default: bool = False
    native: Any = None
    """Of a row: the value itself, where it is no text."""


class MadeUp(dict[str, str]):
    """The environment of tests: no other variable counts, and secrets are made up, none is read."""


@dataclass(slots=True)
class Lookup:
    """Finds values, with the environment and the folders injected."""

    root: Path
    environ: Mapping[str, str]
    run_secrets: Path = field(default=Path("/run/secrets"))

    def find(self, inner: str) -> Found:
        """Return what ``${inner}`` stands for. Raises Missing."""
        try:
            return self._find(inner)
        except Missing as missing:
            missing.written = inner
            raise

    def _find(self, inner: str) -> Found:
        name, has_default, default = inner.partition(":-")
        kind, colon, rest = name.partition(":")
        if not colon:
            value, missing = self._variable(name)
        elif kind == "secret":
            value, missing = self._secret(rest)
        elif kind == "file":
            value, missing = self._file(rest)
        else:
            raise _not_a_variable(inner)
        if value:
            return Found(value, kind == "secret")
        if has_default:
            return Found(default, kind == "secret", True)
        if value == "" and kind not in ("secret", "file"):
            return Found("")
        raise missing

    def _variable(self, name: str) -> tuple[str | None, Missing]:
        if name.startswith("param."):
            raise Missing("not-yet", f"'${{{name}}}' is part of the language but not built yet", "remove it")
        if not _NAME.fullmatch(name):
            if _kind(name):
                raise _not_a_variable(name)
            hint = "write ${NAME} or ${NAME:-default}; for a literal '${' write '$${'"
            raise Missing("bad-variable", f"'${{{name}}}' is not a variable", hint)
        hint = f"set it in the environment or in .env, or give a default: ${{{name}:-…}}"
        if name.islower():  # variables are written in capitals; a field of the record is meant as often
            hint = f"{hint}; for the field of a record write {name}"
        return self.environ.get(name), Missing("missing-variable", f"the environment has no {name}", hint)

    def _secret(self, name: str) -> tuple[str | None, Missing]:
        if not _SECRET.fullmatch(name) or ".." in name:
            raise Missing("bad-variable", f"'{name}' is not a name of a secret", "use letters, digits and hyphens")
        variable = f"ENGINE_SECRET_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"
        hint = f"set {variable}, or put it into the file secrets/{name}"
        missing = Missing("missing-secret", f"there is no secret '{name}'", hint)
        if isinstance(self.environ, MadeUp):
            return stand_in(name), missing
        if self.environ.get(variable):
            return self.environ[variable], missing
        for folder in (self.root / "secrets", self.run_secrets):
            text = self._read(folder / name)
            if text is not None:
                return text, missing
        if meant := surely(name, nearest(name, self._secrets())):  # never typed in: a program must not choose a secret
            missing.hint = f"did you mean '{meant}'? else {hint}"
        return None, missing

    def _secrets(self) -> list[str]:
        """Return the names of the secrets there are."""
        own = [name for name in self.environ if name.startswith("ENGINE_SECRET_")]
        names = [name.removeprefix("ENGINE_SECRET_").lower().replace("_", "-") for name in own]
        for folder in (self.root / "secrets", self.run_secrets):
            try:
                names += [one for one in sorted(os.listdir(folder)) if _SECRET.fullmatch(one)]
            except OSError:
                continue
        return names

    def _file(self, path: str) -> tuple[str | None, Missing]:
        missing = Missing("missing-file", f"the file '{path}' cannot be read", "a path is relative to the project")
        if isinstance(self.environ, MadeUp) and not (self.root / path).resolve().is_relative_to(self.root.resolve()):
            return stand_in(path), missing  # what is elsewhere on this machine is no part of the project
        return self._read(self.root / path), missing

    def _read(self, path: Path) -> str | None:
        try:
            data = regular.read(path, MAX_FILE)
            if len(data) > MAX_FILE:
                return None
            return data.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError):
            return None


def stand_in(name: str) -> str:
    """Make up the secret *name*: long enough for any algorithm, readable as base64, and nobody's."""
    return "test" + hashlib.sha512(name.encode()).hexdigest()[:60]
