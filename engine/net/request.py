"""Builds one HTTP request out of rendered options, and refuses what could change its meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, urlencode

from engine.errors import RecordError
from engine.net.jsontext import NotJson, encode

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask; *path* and *query* come behind the connection's base address."""

    method: str = "GET"
    path: str = ""
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    url: str = field(default="", repr=False)
    """A whole address out of an earlier answer, in place of *path* and *query*."""
    reads: bool = False
    """It changes nothing over there: when the answer is lost it may simply be asked again."""
    timeout: float = 30.0
    redirects: int = 0
    """How often a GET or HEAD may be sent on to another address."""


def path_text(value: Any, where: str = "path") -> str:
    """Check a rendered path and make it a valid one. Raises RecordError.

    What a template puts in is percent-encoded by the engine (``x-encode: path``) before it comes here; dots are no
    characters to encode, so a segment of dots is refused.
    """
    text = as_text(value, where)
    if _CONTROL.search(text) or "\t" in text or "\\" in text:
        raise RecordError("path", f"{where} has a backslash or an invisible character in it", where)
    path, question, query = text.partition("?")
    if any(unquote(part) in (".", "..") for part in re.split("/|%2[fF]", path)):
        raise RecordError("path", f"{where} {text!r} would lead to another place: a part of it is '.' or '..'", where)
    return valid(path) + question + valid(query)


def valid(text: str) -> str:
    """Encode what may not stand in the path or query of an address; what is encoded stays."""
    return quote(_BARE_PERCENT.sub("%25", text), safe="/%:@!$&'()*+,;=~?")


def query_pairs(value: Any, where: str = "query") -> list[tuple[str, str]]:
    """Write a rendered ``query`` or ``form``: null is left out, a list repeats its name. Raises RecordError."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise RecordError("type", f"{where} must be names with values, not {_kind(value)}", where)
    pairs = []
    for name, item in value.items():
        for one in item if isinstance(item, list | tuple) else (item,):
            if one is not None:
                pairs.append((str(name), as_text(one, f"{where}.{name}")))
    return pairs


def header_map(value: Any, where: str = "headers") -> dict[str, str]:
    """Check rendered headers; null is left out. Raises RecordError."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RecordError("type", f"{where} must be names with values, not {_kind(value)}", where)
    headers = {}
    for name, item in value.items():
        if item is None:
            continue
        place = f"{where}.{name}"
        text = as_text(item, place).strip()
        if not _TOKEN.fullmatch(str(name)):
            raise RecordError("header", f"{name!r} is not a header name", place)
        if str(name).lower() in _FRAMING:
            raise RecordError("header", f"the header {name} is set by the engine itself", place)
        if _CONTROL.search(text):
            raise RecordError("header", f"the header {name} would have a line break in it", place)
        headers[str(name)] = text
    return headers


def json_body(value: Any, where: str = "json") -> bytes:
    """Write a JSON body. Raises RecordError."""
    try:
        return encode(value)
    except NotJson as error:
        raise RecordError("type", f"{where} cannot be written as JSON: {error}", where) from None


def form_body(value: Any) -> bytes:
    """Write an HTML form's body. Raises RecordError."""
    return urlencode(query_pairs(value, "form")).encode("ascii")


def text_body(value: Any) -> bytes:
    """Write a text body. Raises RecordError."""
    return as_text(value, "text").encode("utf-8", "replace")


def as_text(value: Any, where: str) -> str:
    """Write one value where only text can stand. Raises RecordError."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise RecordError("type", f"{where} must be text or a number, not {_kind(value)}", where)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return "a list" if isinstance(value, list | tuple) else "an object" if isinstance(value, Mapping) else repr(value)
