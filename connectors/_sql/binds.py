"""Bind parameters of SQL that people write: find ``:name`` outside of quotes and comments. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import TextClause, text

from engine.errors import Misconfigured, Rejected

_TOKEN = re.compile(
    r"""
      (?P<skip> '(?:[^']|'')*+' | "(?:[^"]|"")*+" | `[^`]*` | --[^\n]* | /\*.*?\*/
              | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | :: | := )
    | (?P<open> ' | " | /\* )
    | (?P<bind> (?<![\w:]) : [^\W\d]\w* (?: \.\w+ )* )
    | (?P<mark> \?\d* )
    | (?P<end> ; )
    """,
    re.VERBOSE | re.DOTALL,
)

_NOTHING = re.compile(r"(?>\s|;|--[^\n]*|/\*.*?\*/)*+", re.DOTALL)


@dataclass(frozen=True)
class Sql:
    """One statement, its binds known by their dotted names."""

    source: str
    escaped: str
    """For SQLAlchemy's ``text``: binds renamed, every other colon escaped."""
    names: Mapping[str, str]
    """Name as written, such as ``item.sku`` → name in *escaped*, such as ``b0``."""

    @cached_property
    def clause(self) -> TextClause:
        """The statement, ready to execute with ``values``."""
        return text(self.escaped)

    def values(self, given: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Pick the value of every bind from *given*; an unknown name is Misconfigured."""
        for written in self.names:
            if written not in given:
                raise Misconfigured(f"{place}: nothing gives :{written} a value; {_known(written, given)}")
        return {safe: given[written] for written, safe in self.names.items()}


def parse(source: str, place: str) -> Sql:
    """Read one statement; *place* names the option in messages. Raises Misconfigured."""
    names: dict[str, str] = {}
    parts: list[str] = []
    at = 0
    for token in _TOKEN.finditer(source):
        parts.append(_escape(source[at : token.start()]))
        at = token.end()
        parts.append(_read(token, source, place, names))
    parts.append(_escape(source[at:]))
    escaped = "".join(parts).strip()
    if not escaped:
        raise Misconfigured(f"{place}: there is no SQL here; write one statement")
    return Sql(source, escaped, names)


def _read(token: re.Match[str], source: str, place: str, names: dict[str, str]) -> str:
    if token["bind"]:
        written = token["bind"][1:]
        return f":{names.setdefault(written, f'b{len(names)}')}"
    if token["mark"]:
        raise Misconfigured(f"{place}: '{token['mark']}' has no name; write a named bind such as :id")
    if token["open"]:
        raise Misconfigured(f"{place}: {token['open']} opens something that is never closed")
    if token["end"]:
        if _NOTHING.fullmatch(source, token.end()):
            return ""
        raise Misconfigured(f"{place}: one statement only; what follows the ';' would be a second one")
    return _escape(token["skip"])


def _escape(part: str) -> str:
    return part.replace(":", "\\:")


def _known(name: str, given: Iterable[str]) -> str:
    names = sorted(given)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"did you mean :{near[0]}?"
    return f"known here: {', '.join(':' + one for one in names[:12])}" if names else "give it under params"


def reach(root: Any, dotted: str) -> Any:
    """Walk a dotted name into plain data; an absent step is Rejected, for that record only."""
    value = root
    for step in dotted.split(".") if dotted else ():
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise Rejected(f"there is no '{step}' for the bind :{dotted}")
    return value
