"""What a caller sends, as plain data: read the same way where it is accepted and where it is worked, strictly.

JSON is exact (decimals keep their digits) and unambiguous: an object that says a key twice, ``NaN``, a number that no
double could hold, half a surrogate pair and nesting beyond ``DEPTH`` are refused rather than guessed at.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from urllib.parse import parse_qsl

from engine.errors import EngineError

Media = Literal["json", "form", "text"]

DEPTH = 100
_FIELDS = 1000
_EXPONENT = 308
_DIGITS = 1000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotReadable(EngineError):
    """The text is not what it says it is; the message tells the sender why, without quoting the text."""


def parse(media: Media, text: str) -> Any:
    """Read *text*: JSON, a form as a flat object (a name that comes twice has a list), or the text itself.

    Raises NotReadable.
    """
    if media == "json":
        return _json(text)
    return _form(text) if media == "form" else text


def _json(text: str) -> Any:
    try:
        value = _DECODER.decode(text)
    except NotReadable:
        raise
    except json.JSONDecodeError as error:
        raise NotReadable(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise NotReadable(f"nested more than {DEPTH} deep") from None
    except ValueError:
        raise NotReadable("a number has too many digits") from None
    if text.count("[") + text.count("{") > DEPTH and _deep(value):
        raise NotReadable(f"nested more than {DEPTH} deep")
    if "\\u" in text and _SURROGATE.search(text) and not _unicode(value):
        raise NotReadable("a text has half a surrogate pair, which no Unicode text can hold")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotReadable("an object says the same key twice")
    return made


def _decimal(text: str) -> Decimal:
    if len(text) < _EXPONENT and "e" not in text and "E" not in text:
        return Decimal(text)  # most: nothing can be wrong with it
    if len(text) > _DIGITS:
        raise NotReadable("a number has too many digits")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise NotReadable("a number is too large") from None
    if number and abs(number.adjusted()) > _EXPONENT:
        raise NotReadable("a number is too large, or too close to zero")
    return number


def _constant(name: str) -> Any:
    raise NotReadable(f"not JSON: {name} is not a number")


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_object)


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH):
        level = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True


def _unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def _form(text: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise NotReadable("not a form: it is not UTF-8") from None
    except ValueError:
        raise NotReadable(f"a form of more than {_FIELDS} fields") from None
    form: dict[str, Any] = {}
    for name, value in pairs:
        if name not in form:
            form[name] = value
        elif isinstance(form[name], list):
            form[name].append(value)
        else:
            form[name] = [form[name], value]
    return form
