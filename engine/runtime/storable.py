"""What a store can hold of a value: one odd value in a record must not fail the run that wants to keep the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from engine import codec


def storable(value: Any) -> Any:
    """Return *value*, or what is nearest where a store cannot hold it: NaN, half a character, an unknown type."""
    try:
        codec.encode(value).encode()
    except (TypeError, ValueError):
        return _nearest(value)
    return value


def _nearest(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_nearest(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, str | bytes):
        return [storable(item) for item in value]
    return str(value).encode("utf-8", "backslashreplace").decode()
