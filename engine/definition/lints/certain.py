"""What a run would refuse at its first record, or do otherwise than it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.definition.explain import Finding
from engine.definition.lints.texts import everything, is_template, placed
from engine.definition.model import Cursor, PipelineDefinition, Target, Use
from engine.definition.nearest import did_you_mean
from engine.definition.report import Severity

Said = Iterator[tuple[Finding, Severity]]

_LITERAL = re.compile(r"\s*(?:'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)\s*")
_JINJA = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_JINJA_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_OF_RECORDS = re.compile(r"(?<![\w.])(?:record|input|meta|item|results|trigger)(?!\w)")
_RECORD = re.compile(r"(?<![\w.])(?:record|input)(?!\w)")
_BOUND = re.compile(r"(?:for|set)\s+(?:\w+\s*,\s*)?(?:record|input)\b")
_DATE = re.compile(r"\d{4}-\d\d-\d\d.*")
_WRITES = re.compile(r"\s*(insert|update|delete|replace|merge|drop|create|alter|truncate|grant)\b", re.IGNORECASE)
_AT_ONCE = ("http", "graphql")
"""Send a batch as one call, whose templates see `records`."""


def lint(definition: PipelineDefinition) -> Said:
    """Say what is sure to go wrong in one pipeline."""
    source = definition.source
    if source is not None:
        yield from _writes(source.use)
        if source.cursor is not None:
            yield from _cursor(source.cursor, source.use)
    for target in definition.targets:
        if source is not None:  # without one the record is made of the params, and is one
            yield from _constant_key(target)
        yield from _record_with_batch(target)
    yield from _same_file(definition)


def _writes(use: Use) -> Said:
    query = use.options.get("query")
    found = _WRITES.match(query) if use.connector == "sql" and isinstance(query, str) else None
    if found:
        fact = f"a source reads, and this {found[1].lower()} would change the database"
        yield (
            Finding((*use.path, "query"), False, "bad-value", fact, "write a select; a target or a call writes"),
            "error",
        )


def _cursor(cursor: Cursor, use: Use) -> Said:
    place = (*use.path[:-1], "cursor")
    query = use.options.get("query") if use.connector == "sql" else None
    for name in cursor.initial:
        if name not in cursor.fields:
            hint = did_you_mean(name, cursor.fields) or f"the cursor has: {', '.join(cursor.fields)}"
            yield (
                Finding((*place, "initial", name), True, "unknown-key", f"'{name}' is no field of the cursor", hint),
                "error",
            )
            return
    for name in cursor.fields:
        if name not in cursor.initial and isinstance(query, str) and f":cursor_{name}" in query:
            fact = f"'initial' has no value for '{name}', so the first run cannot ask"
            hint = 'add it to initial: 0 for a number, "1970-01-01 00:00:00" for a time'
            path = (*place, "initial") if cursor.initial else place
            # without any it may be set by hand before the first run
            severity: Severity = "error" if cursor.initial else "warning"
            yield Finding(path, True, "missing-key", fact, hint, name=name), severity
            return
    yield from _lookback(cursor, place)
    if isinstance(cursor.reset, str) and not is_template(cursor.reset):
        fact = f"'{cursor.reset}' is a text, and a reset is true or false"
        hint = (
            f'write "{{{{ {cursor.reset} }}}}"'
            if re.fullmatch(r"[\w.]+", cursor.reset)
            else "write true, or a template"
        )
        yield Finding((*place, "reset"), False, "bad-value", fact, hint), "error"
    elif use.connector != "sql" and not any("cursor" in text for text in everything(use.options) if is_template(text)):
        fact = f"nothing in '{use.connector}' reads the cursor, so every run reads everything"
        hint = "use {{ cursor." + cursor.fields[0] + " }} in the options, or remove cursor"
        yield Finding(place, True, "cursor-unused", fact, hint), "warning"


def _lookback(cursor: Cursor, place: tuple[str | int, ...]) -> Said:
    first = cursor.initial.get(cursor.fields[0])
    if cursor.lookback is None or first is None:
        return
    number = isinstance(first, (int, float)) and not isinstance(first, bool)
    if cursor.lookback_is_time and number:
        fact = f"a length of time cannot be taken from '{cursor.fields[0]}', which begins with the number {first}"
        yield Finding((*place, "lookback"), False, "bad-value", fact, "write a number, such as 100"), "error"
    elif not cursor.lookback_is_time and isinstance(first, str) and _DATE.fullmatch(first):
        fact = f"a number cannot be taken from '{cursor.fields[0]}', which begins with a time"
        yield Finding((*place, "lookback"), False, "bad-value", fact, "write a length of time, such as 5m"), "error"


def _constant_key(target: Target) -> Said:
    """A key in which nothing of the record stands makes all records one."""
    key = target.key
    if not isinstance(key, str):
        return
    if is_template(key):
        inner = " ".join(_JINJA_TEXT.sub(" ", match[1] or match[2] or "") for match in _JINJA.finditer(key))
        constant = not _OF_RECORDS.search(inner) and "now" not in inner and "today" not in inner
        hint = "use a field: {{ record.id }}"
    else:
        constant, hint = bool(_LITERAL.fullmatch(key)), f"for the field write {key.strip()[1:-1]}"
    if constant:
        fact = "this key is the same for every record, so all count as one record that is sent again and again"
        yield Finding((*target.path, "key"), False, "constant-key", fact, hint), "error"


def _record_with_batch(target: Target) -> Said:
    if not target.batch.written or target.use.connector not in _AT_ONCE:
        return
    for path, kind in target.use.values.items():
        value: Any = target.use.options
        for part in path:
            value = value[part]
        for at, text in placed(value, path) if kind == "template" else ():
            inner = " ".join(_JINJA_TEXT.sub("''", one[1] or one[2] or "") for one in _JINJA.finditer(text))
            if _RECORD.search(inner) and not _BOUND.search(inner):
                fact = "with 'batch' many records are sent at once, and there is no single 'record'"
                finding = Finding(
                    target.use.path + at, False, "record-with-batch", fact, "use records, or remove batch"
                )
                yield finding, "error"
                return


def _same_file(definition: PipelineDefinition) -> Said:
    """Two targets that write one file overwrite each other; one that writes what is read changes the next run."""
    source, first = definition.source, dict[str, str]()
    read = _plain(source.use) if source is not None and source.use.connector == "file" else ""
    for target in definition.targets:
        name = _plain(target.use) if target.use.connector == "file" else ""
        where = (*target.use.path, "path")
        if name and name in first:
            fact = f"the target '{first[name]}' writes this file already"
            yield Finding(where, False, "same-file", fact, "give each its own file"), "error"
        elif name and name == read:
            fact = "the source reads this file: the next run would read what this one wrote"
            yield Finding(where, False, "same-file", fact, "write another file"), "warning"
        if name:
            first.setdefault(name, target.id)


def _plain(use: Use) -> str:
    path = use.options.get("path")
    return (
        re.sub(r"/(?:\./)+|//+", "/", path.removeprefix("./"))
        if isinstance(path, str) and not is_template(path)
        else ""
    )
