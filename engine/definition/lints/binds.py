"""Binds of SQL that nothing gives a value: found here rather than by the first record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from engine.definition.explain import Finding
from engine.definition.model import PipelineDefinition, Use
from engine.definition.nearest import did_you_mean
from engine.definition.report import Severity

_SKIPPED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|::|:=", re.DOTALL
)
_BIND = re.compile(r"(?<![\w:]):([^\W\d]\w*(?:\.\w+)*)")
_OPTIONS = ("query", "where")

Said = Iterator[tuple[Finding, Severity]]


def lint(definition: PipelineDefinition) -> Said:
    """Look at what is read: the source, and the sources of lookups."""
    if definition.source is not None:
        cursor = definition.source.cursor
        fields = cursor.fields if cursor else ()
        yield from _unknown(definition.source.use, {"cursor_" + re.sub(r"\W", "_", field) for field in fields}, False)
    for step in definition.steps:
        if step.kind == "lookup" and step.use is not None:
            yield from _unknown(step.use, frozenset(), True)


def _unknown(use: Use, known: Set[str], of_record: bool) -> Said:
    params: Any = use.options.get("params") or {}
    if use.connector != "sql" or not isinstance(params, Mapping):
        return
    known = known | params.keys()
    for option in _OPTIONS:
        text = use.options.get(option)
        for name in _binds(text) if isinstance(text, str) else ():
            if name in known or (of_record and name.startswith("record.")):
                continue
            hint = did_you_mean(name, known) or f"give it under params: {{{name}: …}}"
            if name.startswith("cursor.") and (bind := re.sub(r"\W", "_", name)) in known:
                hint = f"write :{bind}"
            if name.startswith("record."):
                hint = "only a lookup asks for a record"
            elif of_record:
                hint = f"write :record.{name} for the record's field, or give it under params"
            fact = f"nothing gives :{name} a value"
            yield Finding((*use.path, option), False, "unknown-bind", fact, hint), "error"


def _binds(sql: str) -> list[str]:
    return list(dict.fromkeys(_BIND.findall(_SKIPPED.sub(" ", sql))))
