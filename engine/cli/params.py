"""``--param k=v``: text from the command line becomes what the pipeline's JSON Schema asks for. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from engine.cli.session import unknown

_BOOLEANS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def parse(written: Sequence[str], schemas: Mapping[str, Mapping[str, Any]], pipeline: str) -> dict[str, Any]:
    """Return the params; raises click.UsageError for an unknown one or a value of the wrong kind."""
    params: dict[str, Any] = {}
    for item in written:
        name, equals, text = item.partition("=")
        if not equals:
            raise click.UsageError(f"--param {item}: write --param name=value")
        if name not in schemas:
            raise click.UsageError(
                unknown("param", name, schemas, f"engine show {pipeline}")
                if schemas
                else f"{pipeline} takes no params; declare '{name}' under params: first"
            )
        params[name] = coerce(name, text, schemas[name])
    return params


def coerce(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    """Read *text* as the first of the schema's types that it can be."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if not kinds:
        return _guess(text)
    for kind in sorted(kinds, key=lambda kind: kind == "string"):  # text can be anything, so it comes last
        value = _read(kind, text)
        if value is not _NOT:
            return value
    raise click.UsageError(f"--param {name}={text}: must be {' or '.join(kinds)}")


_NOT = object()


def _read(kind: str, text: str) -> Any:
    if kind == "string":
        return text
    if kind == "boolean":
        return _BOOLEANS.get(text.lower(), _NOT)
    try:
        value = json.loads(text)
    except ValueError:
        return _NOT
    fits = {
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
        "null": value is None,
    }
    return value if fits.get(kind, False) else _NOT


def _guess(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
