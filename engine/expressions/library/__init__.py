"""The function library of both languages: one table of functions by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from engine.expressions.library.base import TABLE, Function


@cache
def library() -> dict[str, Function]:
    """Return every function of the library by name."""
    for module in ("dates", "documents", "ids", "numbers", "patterns", "tables", "text"):
        import_module(f"engine.expressions.library.{module}")
    return dict(TABLE)
