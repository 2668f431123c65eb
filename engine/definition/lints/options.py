"""Options of connectors whose text alone shows that no run can use them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from engine.definition.explain import Finding
from engine.definition.lints.texts import is_template
from engine.definition.model import PipelineDefinition, Use
from engine.definition.nearest import did_you_mean
from engine.definition.report import Severity

Said = Iterator[tuple[Finding, Severity]]

_ASIDE = re.compile(r'"""(?:.*?)"""|"(?:[^"\\]|\\.)*"|#[^\n]*', re.DOTALL)
_KIND = re.compile(r"\s*(query|mutation|subscription|\{)")
_VARIABLE = re.compile(r"\$(\w+)(\s*:)?")
_TEMPLATE = re.compile(r"\{\{\s*(?:record|records|params|meta|trigger|run|vars|input|cursor)\b")
_CLOSERS = {"{": "}", "(": ")", "[": "]"}
_ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")


def lint(definition: PipelineDefinition) -> Said:
    """Say which options of the source, of the targets and of steps that ask cannot be used."""
    if definition.source is not None:
        yield from _use(definition.source.use, "source")
    for step in definition.steps:
        if step.use is not None:
            yield from _use(step.use, "source" if step.kind == "lookup" else "call")
    for target in definition.targets:
        yield from _use(target.use, "target")


def _use(use: Use, role: str) -> Said:
    look = {"graphql": _graphql, "http": _http, "file": _file, "sql": _sql}.get(use.connector)
    for option, fact, hint in look(use, role) if look else ():
        yield Finding((*use.path, *option), False, "bad-value", fact, hint), "error"


Wrong = Iterator[tuple[tuple[str | int, ...], str, str]]


def _graphql(use: Use, role: str) -> Wrong:
    option = "query" if role == "source" else "mutation"
    text = use.options.get(option)
    if not isinstance(text, str):
        return
    bare = _ASIDE.sub(" ", text)
    if _TEMPLATE.search(text):
        yield (option,), "GraphQL takes no templates", "write $name in it, and variables: {name: …}"
        return
    kind = _KIND.match(bare)
    # a call may ask, too: what comes back is kept
    if kind and role != "call" and (role == "source") != (kind[1] in ("query", "{")) and kind[1] != "subscription":
        written = "a mutation" if kind[1] == "mutation" else "a query"
        needed = "a source reads with a query" if role == "source" else f"a {role} writes with a mutation"
        yield (option,), f"this is {written}, and {needed}", f"begin it with {option}"
        return
    problem = _unpaired(bare)
    if problem:
        yield (option,), problem, "each { ( [ needs its closing sign"
        return
    named = _VARIABLE.findall(bare)
    declared = {name for name, colon in named if colon}
    for name in dict.fromkeys(name for name, colon in named if not colon):
        if name not in declared:
            hint = did_you_mean(name, declared) or f"write it behind {option}: ({'$'}{name}: Type)"
            yield (option,), f"nothing declares the variable ${name}", hint
            return


def _unpaired(bare: str) -> str:
    opened: list[str] = []
    for sign in bare:
        if sign in _CLOSERS:
            opened.append(sign)
        elif sign in _CLOSERS.values() and (not opened or _CLOSERS[opened.pop()] != sign):
            return f"there is a '{sign}' that nothing opens"
    return f"the '{opened[-1]}' is never closed" if opened else ""


def _http(use: Use, role: str) -> Wrong:
    path = use.options.get("path")
    if isinstance(path, str) and re.match(r"https?://", path) and use.connection:
        fact = f"the path comes behind the address of the connection '{use.connection}'"
        yield ("path",), fact, "write only what follows the host, such as /orders"


def _file(use: Use, role: str) -> Wrong:
    path, options = use.options.get("path"), use.options
    encoding = options.get("encoding")
    if isinstance(encoding, str) and not _known(encoding):
        yield ("encoding",), f"there is no encoding '{encoding}'", "write utf-8, cp1252, latin-1 or utf-16"
    if not isinstance(path, str) or is_template(path):
        return
    if role == "target" and re.search(r"[*?]", path):
        yield (
            ("path",),
            f"'{path}' is a pattern, and a target writes one file",
            "write its name, or make it of a template",
        )
    elif (
        "format" not in options
        and not path.lower().removesuffix(".gz").endswith(_ENDINGS)
        and not re.search(r"[*?\[]", path)
    ):
        yield ("path",), f"the name '{path}' does not tell the format", "add format: csv, json or jsonl"


def _known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except (LookupError, ValueError):
        return False
    return True


def _sql(use: Use, role: str) -> Wrong:
    upsert: Any = use.options.get("upsert")
    if not isinstance(upsert, dict):
        return
    columns, update = upsert.get("columns"), upsert.get("update")
    if not isinstance(columns, list) or not isinstance(update, list):
        return
    known = [*columns, *(upsert.get("key") or ())]
    for index, name in enumerate(update):
        if name not in known:
            hint = did_you_mean(str(name), [str(one) for one in known]) or "add it to columns"
            yield ("upsert", "update", index), f"'{name}' is not among the columns that are written", hint
