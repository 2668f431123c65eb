"""JSON Schema of records, checked by jsonschema-rs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import Path

Found = list[tuple[Path, str]]


def wrong(schema: Any) -> str:
    """Return what is wrong with a schema, or nothing."""
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for(schema, validate_formats=True)
    except (ValueError, TypeError) as error:
        return f"this is not a JSON Schema: {str(error).splitlines()[0]}"
    return ""


def compile_schema(schema: Any) -> Callable[[Any], Found]:
    """Compile a JSON Schema; the callable gives every mistake of a value with its path."""
    import jsonschema_rs

    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    is_valid = validator.is_valid

    def check(value: Any) -> Found:
        try:
            if is_valid(value):
                return []
            return [(tuple(error.instance_path), error.message) for error in validator.iter_errors(value)]
        except (ValueError, TypeError) as error:
            return [((), f"not plain data: {error}")]

    return check
