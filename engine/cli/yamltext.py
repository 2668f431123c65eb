"""Writes plain data as YAML for people to read and copy; quotes only where YAML would misread. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_SAFE = re.compile(r"[A-Za-z_/$][A-Za-z0-9_./$ -]*(?<! )")
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
    if isinstance(item, str) and "\n" in item:
        body = item.rstrip("\n").split("\n")
        return [f"{head} |" + ("" if item.endswith("\n") else "-"), *(f"{indent}  {line}".rstrip() for line in body)]
    if isinstance(item, (Mapping, list)) and item and not _short(item):
        return [head, *lines(item, f"{indent}  ")]
    return [f"{head} {flow(item)}"]


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
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    plain = _SAFE.fullmatch(value) and value.lower() not in _WORDS and not _NUMBER.fullmatch(value)
    return value if plain else json.dumps(value, ensure_ascii=False)
