"""Writes plain data as YAML for people to read and copy; quotes only where YAML would misread. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_SAFE = re.compile(r"[A-Za-z_/$][A-Za-z0-9_./$ -]*(?<! )")
_LINE = re.compile(r"[A-Za-z_/$](?:[A-Za-z0-9_./$ ,()*=<>'+?%-]|:(?! |$))*(?<! )")
"""What needs no quotes where it has the line for itself."""
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""What YAML takes for a line's end, or not at all."""
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f]")
_LONG = 90
"""A text that is longer goes on below, folded."""
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+|0o[0-7]+")


def lines(value: Any, indent: str = "") -> list[str]:
    """Write *value* as YAML lines."""
    if isinstance(value, Mapping) and value:
        return [line for key, item in value.items() for line in _entry(f"{indent}{scalar(str(key))}:", item, indent)]
    if isinstance(value, list) and value:
        return [line for item in value for line in _item(item, indent)]
    return [indent + flow(value)]


def _entry(head: str, item: Any, indent: str) -> list[str]:
    if isinstance(item, str) and _as_block(item):
        body = item.rstrip("\n").split("\n")
        return [f"{head} |" + ("" if item.endswith("\n") else "-"), *(f"{indent}  {line}".rstrip() for line in body)]
    if isinstance(item, str):
        return _text(head, item, indent)
    if isinstance(item, (Mapping, list)) and item and not _short(item):
        return [head, *lines(item, f"{indent}  ")]
    return [f"{head} {flow(item)}"]


def _as_block(text: str) -> bool:
    """Whether the lines of *text* can stand as they are, and mean the same when they are read."""
    written = text.removesuffix("\n").split("\n")
    kept = all(line == line.rstrip() for line in written) and not (_UNSEEN.search(text) or _CONTROL.search(text))
    return "\n" in text and kept and written[-1] != "" and written[0] == written[0].lstrip() != ""


def _text(head: str, item: str, indent: str) -> list[str]:
    if (
        len(item) > _LONG and item.split(" ") == item.split() and not _UNSEEN.search(item)
    ):  # folding puts one space between two lines
        from textwrap import wrap

        below = wrap(item, _LONG, break_long_words=False, break_on_hyphens=False)
        return [f"{head} >-", *(f"{indent}  {line}" for line in below)]
    plain = _LINE.fullmatch(item) and item.lower() not in _WORDS and not _NUMBER.fullmatch(item)
    return [f"{head} {item if plain else scalar(item)}"]


def _item(item: Any, indent: str) -> list[str]:
    if isinstance(item, (Mapping, list)) and item and not _short(item):
        inner = lines(item, f"{indent}  ")
        return [f"{indent}- {inner[0].lstrip()}", *inner[1:]]
    return [f"{indent}- {flow(item)}"]


def _short(value: Any) -> bool:
    if any(
        isinstance(item, (Mapping, list)) and item for item in (value.values() if isinstance(value, Mapping) else value)
    ):
        return False
    return len(flow(value)) <= 60 and "\n" not in flow(value)


def flow(value: Any) -> str:
    """Write *value* on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """Write one value; text gets quotes where it would be read as something else."""
    if isinstance(value, float) and "e" in (said := repr(value)):
        said = format(Decimal(said), "f")  # 1e+16 is a text to some readers of YAML
        return said if "." in said else f"{said}.0"
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    plain = _SAFE.fullmatch(value) and value.lower() not in _WORDS and not _NUMBER.fullmatch(value)
    return value if plain else _UNSEEN.sub(_escaped, json.dumps(value, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
