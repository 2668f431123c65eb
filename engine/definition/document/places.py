"""What both readings speak of: where a key stands, and which scalars hold a variable."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import Path

KEY = "$key"
"""Ends the path under which the place of a key, not of its value, stands."""


class Static(NamedTuple):
    """A scalar with ``${`` in it, to be resolved."""

    path: Path
    text: str
    plain: bool
