"""Queries that read with a cursor and would miss rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.definition.explain import Finding
from engine.definition.model import Cursor, PipelineDefinition, Use
from engine.definition.report import Severity
from engine.errors import Path

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_QUOTED_BIND = re.compile(r"'(:[A-Za-z_]\w*)'")
_COLUMN = re.compile(r'(?:["\w]+\.)*"?(\w+)"?')
_ALIAS = re.compile(r'.*?(?:\s+as\s+|\s+|\))"?(\w+)"?\s*', re.DOTALL)
_TIME = re.compile(
    r"(?:^|_)(?:at|on|date|time|timestamp|datetime|modified|updated|changed|created)$|(?:date|time|timestamp)$"
)

Said = Iterator[tuple[Finding, Severity]]


def lint(definition: PipelineDefinition) -> Said:
    """Say what a query with a cursor gets wrong, as far as its text shows it."""
    source = definition.source
    uses = [target.use for target in definition.targets] + ([source.use] if source else [])
    uses += [step.use for step in definition.steps if step.use]
    for use in uses:
        if use.connector == "sql":
            yield from _quoted_binds(use.options, use.path)
    if source is None or source.use.connector != "sql" or source.cursor is None:
        return
    query = source.use.options.get("query")
    if isinstance(query, str):
        yield from _query(query, source.cursor, source.use)


def _quoted_binds(value: Any, path: Path) -> Said:
    if isinstance(value, str) and path[-1] in ("query", "sql", "statement", "where"):
        for match in _QUOTED_BIND.finditer(value):
            fact = f"'{match[1]}' in quotes is a text, not a bind parameter"
            yield Finding(path, False, "quoted-parameter", fact, f"write {match[1]} without quotes"), "warning"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _quoted_binds(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _quoted_binds(item, (*path, index))


def _query(query: str, cursor: Cursor, use: Use) -> Said:
    text = _TEXT.sub("''", _COMMENT.sub(" ", query)).lower().strip().rstrip(";")
    fields = [field.lower() for field in cursor.fields]
    where: Path = (*use.path, "query")
    if ":cursor_" not in text and ":cursor." not in text:
        fact = f"the query has no :cursor_{cursor.fields[0]}, so every run reads everything"
        yield (
            Finding(where, False, "cursor-unused", fact, "compare with the bind in where, or remove cursor"),
            "warning",
        )
        return
    if not text.startswith("select") or re.search(r"\b(union|intersect|except)\b", text):
        return
    flat = _outermost(text)
    columns = _columns(flat)
    if columns is not None:
        for index, field in enumerate(fields):
            if field not in columns:
                fact = f"'{cursor.fields[index]}' is not a column of the query"
                place = (*use.path[:-1], "cursor", "fields", index)
                yield Finding(place, False, "cursor-not-selected", fact, "add it to the select"), "error"
    yield from _order(flat, fields, columns, where)
    yield from _may_skip(text, cursor, where)


def _outermost(text: str) -> str:
    """Blank what stands in parentheses."""
    depth, flat = 0, []
    for sign in text:
        depth -= sign == ")"
        flat.append(sign if depth <= 0 else "\x00")
        depth += sign == "("
    return "".join(flat)


def _columns(flat: str) -> dict[str, str] | None:
    """Return the names of the selected columns with their expressions; None where the text does not tell."""
    found = re.match(r"select\s+(?:distinct\s+|all\s+)?(.*?)\sfrom\s", flat, re.DOTALL)
    if not found:
        return None
    columns: dict[str, str] = {}
    for item in (part.strip() for part in found[1].split(",")):
        plain, alias = _COLUMN.fullmatch(item), _ALIAS.fullmatch(item)
        if item.endswith("*"):
            return None
        if plain:
            columns[plain[1]] = item
        elif alias:
            columns[alias[1]] = re.sub(r"\s+(?:as\s+)?\"?\w+\"?\s*$", "", item)
        else:
            return None
    return columns


def _order(flat: str, fields: list[str], columns: dict[str, str] | None, where: Path) -> Said:
    found = re.search(r"\border\s+by\s+(.*?)(?:\s+(?:limit|offset|fetch)\b.*)?$", flat, re.DOTALL)
    hint = f"end the query with: order by {', '.join(fields)}"
    if not found:
        yield Finding(where, False, "cursor-not-ordered", "the query is not ordered by its cursor", hint), "error"
        return
    ordered = []
    for item in (part.strip() for part in found[1].split(",")):
        expression, _, direction = re.sub(r"\s+nulls\s+(?:first|last)$", "", item).partition(" ")
        plain = _COLUMN.fullmatch(expression)
        if not plain or expression.isdigit() or direction.strip() not in ("", "asc", "desc"):
            return  # an expression or a number: the text alone does not tell
        name = next((alias for alias, written in (columns or {}).items() if written == expression), plain[1])
        ordered.append((name, direction.strip() == "desc"))
    if [name for name, _ in ordered[: len(fields)]] != fields:
        fact = "the query is ordered by other fields than its cursor"
    elif any(down for _, down in ordered[: len(fields)]):
        fact = "the query is ordered downwards, a cursor goes up"
    else:
        return
    yield Finding(where, False, "cursor-not-ordered", fact, hint), "error"


def _may_skip(text: str, cursor: Cursor, where: Path) -> Said:
    if len(cursor.fields) != 1 or cursor.lookback is not None:
        return
    field = cursor.fields[0]
    name = re.escape(field.lower())
    if _TIME.search(field.lower()) and re.search(rf"\b{name}\"?\s*>\s*:cursor_{name}\b", text):
        fact = f"rows that share one '{field}' may be missed, where a run ends between them"
        yield Finding(where, False, "cursor-may-skip", fact, f"use two fields: ({field}, id)"), "warning"
