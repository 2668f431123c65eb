"""One operation of an OpenAPI document: the schema of its answer, and of what it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiler.shapes.files import Files, Unreadable
from engine.definition.nearest import did_you_mean

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def answered(files: Files, name: str, operation: str) -> Mapping[str, Any]:
    """Return the schema of the good answer, with all it refers to. Raises Unreadable."""
    document = files.data(name)
    found = _operation(document, name, operation)
    answers = found.get("responses")
    good = [str(code) for code in answers if str(code).startswith("2")] if isinstance(answers, Mapping) else []
    code = "200" if "200" in good else good[0] if good else ""
    given = {str(key): value for key, value in answers.items()} if isinstance(answers, Mapping) else {}
    return _standing_alone(
        _body(document, given.get(code)), document, name, f"the {code or 200} answer of '{operation}'"
    )


def taken(files: Files, name: str, operation: str) -> Mapping[str, Any]:
    """Return the schema of the body that an operation takes, with all it refers to. Raises Unreadable."""
    document = files.data(name)
    found = _operation(document, name, operation)
    return _standing_alone(_body(document, found.get("requestBody")), document, name, f"the body of '{operation}'")


def _operation(document: Any, name: str, operation: str) -> Mapping[str, Any]:
    paths = document.get("paths") if isinstance(document, Mapping) else None
    if not isinstance(paths, Mapping):
        raise Unreadable(f"'{name}' is not an OpenAPI document: it has no paths")
    known = dict(_operations(paths))
    if operation in known:
        return known[operation]
    hint = did_you_mean(operation, known) or f"there are: {', '.join(list(known)[:10]) or 'none'}"
    raise Unreadable(f"'{name}' has no operation '{operation}'", hint)


def _operations(paths: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, methods in paths.items():
        for method, one in methods.items() if isinstance(methods, Mapping) else ():
            if method in _METHODS and isinstance(one, Mapping):
                if isinstance(one.get("operationId"), str):
                    yield one["operationId"], one
                yield f"{method.upper()} {path}", one


def _body(document: Any, given: Any) -> Any:
    if isinstance(given, Mapping) and isinstance(given.get("$ref"), str):
        given = _at(document, given["$ref"])
    if not isinstance(given, Mapping):
        return None
    if "schema" in given:  # OpenAPI 2
        return given["schema"]
    content = given.get("content")
    for kind, one in content.items() if isinstance(content, Mapping) else ():
        if "json" in str(kind) and isinstance(one, Mapping):
            return one.get("schema")
    return None


def _at(document: Any, reference: str) -> Any:
    if not reference.startswith("#/"):
        return None
    value = document
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _standing_alone(schema: Any, document: Mapping[str, Any], name: str, what: str) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        raise Unreadable(f"'{name}' says nothing of {what} in JSON")
    around = {key: document[key] for key in ("components", "definitions") if key in document}
    return {**around, "allOf": [schema]}
