"""The shape of a document that a file says: JSON Schema, or an operation of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from engine.compiler.shapes.desk import Desk, unreadable
from engine.compiler.shapes.files import Files, Unreadable
from engine.errors import Path
from engine.expressions import Issue
from engine.expressions.types.model import ANY, Type
from engine.expressions.types.of_schema import type_of_schema


def shape_of(desk: Desk, written: Any, path: Path, said: list[Issue], *, body: bool = False) -> Type:
    """Return the type that the option ``schema`` at *path* says: of an answer, or of the *body* of a request."""
    try:
        return desk.files.once(("shape", str(written), body), lambda: _shape(desk.files, written, body))
    except Unreadable as error:
        said.append(unreadable(error, path))
        return ANY


def _shape(files: Files, written: Any, body: bool) -> Type:
    if isinstance(written, str):
        return schema_type(files, files.data(written), written)
    if not isinstance(written, Mapping):
        return ANY
    from engine.compiler.shapes import openapi

    name, operation = str(written["openapi"]), str(written["operation"])
    schema = (openapi.taken if body else openapi.answered)(files, name, operation)
    return schema_type(files, schema, name, f"{operation} of {name}")


def schema_type(files: Files, schema: Any, name: str, known_from: str = "") -> Type:
    """Return the type that a JSON Schema says; *name* is its file, which references start from. Raises Unreadable."""
    if not isinstance(schema, Mapping | bool):
        raise Unreadable(f"'{name}' is not a JSON Schema", 'a schema is an object, such as {"type": "object"}')
    folder = PurePosixPath(name).parent

    def resolve(reference: str) -> Any:
        try:
            return None if "://" in reference else files.data(str(folder / reference))
        except Unreadable:
            return None

    try:
        return type_of_schema(schema, resolve, known_from or name)
    except RecursionError:
        raise Unreadable(f"'{name}' is nested too deeply") from None
