"""Where the values of ``${…}`` come from: the environment, secrets, files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

MAX_FILE = 1_000_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Missing(Exception):
    """There is no such value; carries the code, the fact and the remedy."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


class Found(NamedTuple):
    """A value of ``${…}``; *default* says that it is the one after ``:-``."""

    text: str
    secret: bool = False
    default: bool = False
    native: Any = None
    """Of a row: the value itself, where it is no text."""


@dataclass(slots=True)
class Lookup:
    """Finds values, with the environment and the folders injected."""

    root: Path
    environ: Mapping[str, str]
    run_secrets: Path = field(default=Path("/run/secrets"))

    def find(self, inner: str) -> Found:
        """Return what ``${inner}`` stands for. Raises Missing."""
        name, has_default, default = inner.partition(":-")
        kind, colon, rest = name.partition(":")
        if not colon:
            value, missing = self._variable(name)
        elif kind == "secret":
            value, missing = self._secret(rest)
        elif kind == "file":
            value, missing = self._file(rest)
        else:
            raise Missing(
                "bad-variable", f"'${{{inner}}}' is not a variable", "write ${NAME}, ${secret:name} or ${file:path}"
            )
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
            hint = "write ${NAME} or ${NAME:-default}; for a literal '${' write '$${'"
            raise Missing("bad-variable", f"'${{{name}}}' is not a variable", hint)
        hint = f"set it in the environment or in .env, or give a default: ${{{name}:-…}}"
        return self.environ.get(name), Missing("missing-variable", f"the environment has no {name}", hint)

    def _secret(self, name: str) -> tuple[str | None, Missing]:
        if not _SECRET.fullmatch(name) or ".." in name:
            raise Missing("bad-variable", f"'{name}' is not a name of a secret", "use letters, digits and hyphens")
        variable = f"ENGINE_SECRET_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"
        hint = f"set {variable}, or put it into the file secrets/{name}"
        missing = Missing("missing-secret", f"there is no secret '{name}'", hint)
        if self.environ.get(variable):
            return self.environ[variable], missing
        for folder in (self.root / "secrets", self.run_secrets):
            text = self._read(folder / name)
            if text is not None:
                return text, missing
        return None, missing

    def _file(self, path: str) -> tuple[str | None, Missing]:
        missing = Missing("missing-file", f"the file '{path}' cannot be read", "a path is relative to the project")
        return self._read(self.root / path), missing

    def _read(self, path: Path) -> str | None:
        try:
            if not path.is_file() or path.stat().st_size > MAX_FILE:
                return None
            return path.read_text(encoding="utf-8-sig").removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError):
            return None
