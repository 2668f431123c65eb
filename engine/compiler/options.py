"""Connector options, made ready: what the schema marks as template or expression becomes a callable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.definition.model import Use
from engine.errors import Path as NodePath
from engine.expressions import Settings, compile_expression, compile_template


def compile_options(use: Use, settings: Settings) -> dict[str, Any]:
    """Return *use*'s options with every ``x-value`` compiled; the rest as it is. Raises RecordError never."""
    return {key: _compiled(value, (key,), use, settings) for key, value in use.options.items()}


def _compiled(value: Any, path: NodePath, use: Use, settings: Settings) -> Any:
    kind = use.values.get(path)
    if kind is not None and value is not None:
        place = use.path + path
        if kind == "expression":
            return compile_expression(value, place, settings)
        return compile_template(value, place, settings, encode=path in use.encoded)
    if isinstance(value, Mapping):
        return {key: _compiled(item, (*path, key), use, settings) for key, item in value.items()}
    if isinstance(value, list):
        return [_compiled(item, (*path, index), use, settings) for index, item in enumerate(value)]
    return value
