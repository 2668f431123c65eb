"""The files that say what data looks like: read once a look, never from elsewhere, never larger than a limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import EngineError

MAX_BYTES = 8 << 20
MAX_VALUES = 100_000
"""Of YAML: a description of a whole API is larger than any definition."""
MAX_HEAD = 64 << 10
"""Of a CSV file: its first line is in here, or nothing is known of it."""

Made = TypeVar("Made")


class Unreadable(EngineError):
    """A file does not say what it is to say."""

    def __init__(self, fact: str, hint: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


class Files:
    """Files of a project, by the name that the definitions give them."""

    def __init__(self, root: Path, roots: Sequence[Path] = ()) -> None:
        self._root = root
        self._folders = (root, *roots)
        self._made: dict[tuple[object, ...], Any] = {}

    def once(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """Return what *make* gives; the second time the same, be it what it raised. Raises Unreadable."""
        if key not in self._made:
            try:
                self._made[key] = make()
            except Unreadable as error:
                self._made[key] = error
        found = self._made[key]
        if isinstance(found, Unreadable):
            raise found
        return found  # type: ignore[no-any-return]

    def text(self, name: str) -> str:
        """Return the text of a file. Raises Unreadable."""
        return self.once(("text", name), lambda: self._text(name))

    def data(self, name: str) -> Any:
        """Return what a JSON or YAML file says. Raises Unreadable."""
        return self.once(("data", name), lambda: self._data(name))

    def head(self, name: str) -> bytes | None:
        """Return the beginning of a file; None where there is no such file, or it lies outside."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(MAX_HEAD)
        except (OSError, Unreadable):
            return None

    def path(self, name: str) -> Path:
        """Find a file of the project. Raises Unreadable."""
        if not name or "\0" in name:
            raise Unreadable("this is not the name of a file", "write it relative to the project")
        found = (self._root / name).resolve()
        if not any(found.is_relative_to(folder.resolve()) for folder in self._folders):
            raise Unreadable(
                f"'{name}' lies outside the project",
                "put it into the project, or name its folder under files: in engine.yaml",
            )
        return found

    def _text(self, name: str) -> str:
        path = self.path(name)
        try:
            if not path.is_file():
                raise Unreadable(f"there is no file '{name}'", self._hint(name))
            if path.stat().st_size > MAX_BYTES:
                raise Unreadable(f"'{name}' is larger than {MAX_BYTES >> 20} MiB", "keep only what is used of it")
            return path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Unreadable(f"'{name}' is not UTF-8", "save it as UTF-8") from None
        except OSError as error:
            raise Unreadable(f"'{name}' cannot be read: {error.strerror}") from None

    def _hint(self, name: str) -> str:
        from engine.definition.nearest import did_you_mean

        path = self._root / name
        try:
            there = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        except OSError:
            there = []
        return did_you_mean(path.name, there) or "write it relative to the project, or make it with: engine learn NAME"

    def _data(self, name: str) -> Any:
        if name.endswith((".yaml", ".yml")):
            return self._yaml(name)
        try:
            return json.loads(self.text(name))
        except RecursionError:
            raise Unreadable(f"'{name}' is nested too deeply") from None
        except ValueError as error:
            raise Unreadable(f"'{name}' is not JSON: {error}") from None

    def _yaml(self, name: str) -> Any:
        from engine.definition.document import read

        document = read(name, self.text(name).encode(), MAX_VALUES)
        wrong = next((one for one in document.problems if one.severity == "error"), None)
        if wrong is not None and wrong.code == "too-large":
            raise Unreadable(f"'{name}' is too large for YAML", "save it as JSON, or keep only what is used of it")
        if wrong is not None:
            raise Unreadable(f"'{name}' cannot be read: line {wrong.line}: {wrong.message}", wrong.hint)
        return document.value
