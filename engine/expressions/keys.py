"""Keys as text: equal values give equal text, whatever kind of number they came as."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.errors import RecordError
from engine.expressions.convert import to_text
from engine.expressions.library.base import kind_of
from engine.expressions.library.numbers import decimal_of


def key_part(value: Any) -> str:
    """Write one part of a key; null and the empty text are missing."""
    kind = value.__class__
    if kind is str:
        if value:
            return value  # type: ignore[no-any-return]
        raise RecordError("missing-key", "the key is empty")
    if kind is int or kind is bool:
        return to_text(value)
    if value is None:
        raise RecordError("missing-key", "the key is null")
    if kind is float or kind is Decimal:
        return _number(value)
    raise RecordError("type", f"a key is text or a number, got {kind_of(value)}")


def key_text(value: Any) -> str | None:
    """Write a single value as keys are compared; None for what can be no key."""
    try:
        return key_part(value)
    except RecordError:
        return None


def _number(value: Any) -> str:
    exact = decimal_of(value)
    text = f"{exact:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def joined_key(parts: list[str]) -> str:
    """Join the parts of a key so that different parts never make the same text."""
    if len(parts) == 1:
        return parts[0]
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)
