"""A row of ``for_each``, and what ``${each.column}`` stands for in it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from engine.definition.lookup import Found, Missing
from engine.definition.nearest import did_you_mean
from engine.errors import Path


@dataclass(frozen=True, slots=True)
class Row:
    """What makes one instance."""

    key: str
    values: Mapping[str, Any]
    secrets: Set[str]
    """Values that must not be shown."""
    file: str
    line: int = 0
    """Of a file of rows."""
    path: Path = ()
    """Of an item in the definition's own file."""

    def shows(self, text: str, value: str) -> bool:
        """Whether people may see what *text* became: nothing but this row was put in, and that is no secret."""
        return text.count("${") == text.count("${each.") and value not in self.secrets


def find(row: Row | None, inner: str) -> Found:
    """Return what ``${each.column}`` stands for. Raises Missing."""
    column, has_default, default = inner.removeprefix("each.").partition(":-")
    if row is None:
        hint = "for_each: {file: …, key: …} makes one instance of a pipeline or a connection a row"
        raise Missing("no-for-each", f"'${{{inner}}}' needs a 'for_each', and there is none here", hint)
    value = row.values.get(column)
    if value is None or value == "":
        if has_default:
            return Found(default, False, True)
        if column not in row.values:
            hint = did_you_mean(column, row.values) or f"add it, or give a default: ${{each.{column}:-…}}"
            raise Missing("unknown-column", f"the row has no '{column}'", hint)
    if isinstance(value, str):
        return Found(value)
    if value is None:
        return Found("null", False, True)  # as if ``:-null`` were written
    return Found(str(value).lower() if isinstance(value, bool) else str(value), native=value)
