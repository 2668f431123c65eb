"""How a value of the wrong type, or of no unit, was probably meant: what to say, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import normalize

from engine.definition.document import UnquotedNumber, core
from engine.definition.document.fault import quoted

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_PLAIN = re.compile(r"[A-Za-z_$/][\w$./+-]*(?: [\w$./+-]+)*")
_TIGHT = re.compile(r"([A-Za-z_][\w-]*):([^\s:/].*)")
_ITEM = re.compile("[-\u2013\u2014\u2022*\u00b7] ?(?=\\S)(.*)")
_SET = re.compile(r"([A-Za-z_][\w-]*) *(?:=|=>) *(?!=)(\S.*)")
_MEASURE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)")
_COMPARED = re.compile(r"([=!]=\s*)\"([^\"']*)\"")
"""A text compared in double quotes, which would be a field: the remedy must not be refused in its turn."""
_YES, _NO = ("yes", "on", "y", "1"), ("no", "off", "n", "0")
_UNITS = {
    "duration": {
        "ms": "ms millisecond milliseconds msec",
        "s": "s sec secs second seconds segundo segundos",
        "m": "m min mins minute minutes minuto minutos",
        "h": "h hr hrs hour hours hora horas",
        "d": "d day days dia dias",
    },
    "size": {"B": "b byte bytes", "KB": "kb k", "MB": "mb m", "GB": "gb g", "KiB": "kib", "MiB": "mib", "GiB": "gib"},
}

_CRON = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Short forms of other crons."""


def scalar(text: str) -> str:
    """Write *text* as YAML, also inside ``[ ]``: plain where it stays text, else in quotes; nothing for nothing."""
    if not text or "\n" in text:
        return ""
    return text if _PLAIN.fullmatch(text) and _stays(text) else quoted(text)


def _stays(text: str) -> bool:
    try:
        return bool(core(text) == text)
    except UnquotedNumber:
        return False


def retyped(names: Sequence[str], value: Any) -> tuple[str, str]:
    """Return the hint, and what to write, for a *value* that is of none of the JSON types *names*."""
    word = str(value).lower()
    if "boolean" in names and word in ("true", "false") and isinstance(value, str):
        return f"write {word} without quotes", word
    if "boolean" in names and word in _YES + _NO:
        fix = "true" if word in _YES else "false"
        return f"write {fix}", fix
    if names == ["string"] and isinstance(value, (int, float)):
        plain = word if isinstance(value, bool) else str(value)
        return f'quote it: "{plain}"', f'"{plain}"' if isinstance(value, int) else ""
    if isinstance(value, str):
        return _text(names, value)
    if value is None:
        return "write a value or remove the key", ""
    if isinstance(value, Mapping) and "array" in names:
        return "begin its first key with '- ', and indent the others as much", ""
    if isinstance(value, list) and "object" in names:
        return "remove the '- ' or the [ ] around its keys" if _of_maps(value) else "write key: value for each", ""
    return "", ""


def _of_maps(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(item, Mapping) for item in value)


def _text(names: Sequence[str], value: str) -> tuple[str, str]:
    if {"integer", "number"} & {*names} and _NUMBER.fullmatch(value):
        return f"write {value} without quotes", value
    if names == ["array"] and (item := _ITEM.fullmatch(value)):
        return f"begin each item with '- ': - {item[1]}", ""
    if "object" in names and (set_ := _SET.fullmatch(value)):
        return f"write {set_[1]}: {set_[2]}", f"{set_[1]}: {set_[2]}"
    value = _COMPARED.sub(r"\1'\2'", value)
    if names == ["array"] and len(value) <= 200 and "\n" not in value:
        return f"write [{scalar(value)}]", f"[{scalar(value)}]"
    if "object" in names and (fix := tight(value)):
        return f"a space is missing after ':': write {fix}", fix
    return "", ""


def shortened(value: Any, key: str, wanted: str) -> tuple[str, str] | None:
    """Return the hint, and what to write, where *value* stands for a map with it at *key*, whose type is *wanted*."""
    if wanted == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return f"write {{{key}: {value}}}", f"{{{key}: {value}}}"
    if wanted == "array" and isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        inner = f"[{', '.join(map(scalar, value))}]"
    elif wanted in ("string", "array") and isinstance(value, str) and scalar(value):
        inner = scalar(value) if wanted == "string" else f"[{scalar(value)}]"
    else:
        return None
    return f"write {{{key}: {inner}}}", f"{{{key}: {inner}}}"


def tight(text: str) -> str:
    """Return ``key: value`` where *text* is that without the space, nothing where it is not."""
    found = _TIGHT.fullmatch(text)
    return f"{found[1]}: {found[2]}" if found else ""


def remedied(value: Any, code: str, unit: str) -> tuple[str, str] | None:
    """Return the hint, and what to write, where a *value* is of the right type and says what was meant otherwise."""
    if meant := measured(value, unit):
        return f"write {meant}", meant
    if unit == "duration" and isinstance(value, int) and not isinstance(value, bool):
        return f"a duration has a unit: {value}s, {value}m, {value}h or {value}d", ""
    if code == "cron-field" and (line := _CRON.get(str(value).strip().lower())):
        return f'write "{line}"', f'"{line}"'
    if meant := named(value) if code == "bad-name" else "":
        return meant, meant
    if code == "bad-url" and isinstance(value, str) and not {"@", "/"} & {*value}:
        return f"write http://{value}, or https://", ""
    return None


def named(value: Any) -> str:
    """Return the name that was probably meant, with what a name may have in it."""
    if not isinstance(value, str) or "[" in value:
        return ""
    plain = normalize("NFKD", value).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100]
    return name if name != value else ""


def measured(value: Any, unit: str) -> str:
    """Return a duration or a size as the language writes it, where *value* says it in other words."""
    if isinstance(value, (int, float)) or not isinstance(value, str) or unit not in _UNITS:
        return ""
    found = _MEASURE.fullmatch(value.strip())
    if not found:
        return ""
    word = found[2].lower()
    return next((f"{found[1]}{short}" for short, words in _UNITS[unit].items() if word in words.split()), "")
