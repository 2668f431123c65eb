"""What ``engine learn`` writes: shapes without any value of the data they were learned from. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

INTROSPECTION = """query Introspection {
  __schema {
    queryType { name } mutationType { name } subscriptionType { name }
    types {
      kind name
      fields(includeDeprecated: true) { name args { name type { ...Of } defaultValue } type { ...Of } }
      inputFields { name type { ...Of } defaultValue }
      enumValues(includeDeprecated: true) { name }
    }
  }
}
fragment Of on __Type {
  kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }
}
"""
_GIVEN = "null"
"""Stands for a default: that there is one counts, not which."""


def server_file(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a server's introspection is kept: names and types, in the order of names."""
    schema = answer.get("data", answer)
    schema = schema.get("__schema", schema)
    roots = {key: _name(schema.get(key)) for key in ("queryType", "mutationType", "subscriptionType")}
    types = [_type(one) for one in schema["types"] if not str(one["name"]).startswith("__")]
    return {"__schema": {**roots, "types": sorted(types, key=lambda one: str(one["name"]))}}


def _name(value: Any) -> dict[str, str] | None:
    return {"name": value["name"]} if value else None


def _type(one: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"kind": one["kind"], "name": one["name"]}
    if one.get("fields"):
        made["fields"] = [_field(each) for each in one["fields"]]
    if one.get("inputFields"):
        made["inputFields"] = [_input(each) for each in one["inputFields"]]
    if one.get("enumValues"):
        made["enumValues"] = [{"name": each["name"]} for each in one["enumValues"]]
    return made


def _field(one: Mapping[str, Any]) -> dict[str, Any]:
    arguments = [_input(each) for each in one.get("args") or ()]
    return {"name": one["name"], **({"args": arguments} if arguments else {}), "type": _wanted(one["type"])}


def _input(one: Mapping[str, Any]) -> dict[str, Any]:
    filled = {} if one.get("defaultValue") is None else {"defaultValue": _GIVEN}
    return {"name": one["name"], "type": _wanted(one["type"]), **filled}


def _wanted(value: Mapping[str, Any]) -> dict[str, Any]:
    inner = value.get("ofType")
    return {"kind": value["kind"], **({"ofType": _wanted(inner)} if inner else {"name": value.get("name")})}


def record_file(records: Iterable[Any], about: str) -> dict[str, Any]:
    """Return the JSON Schema of sampled records: no values, and what else records may have is not said."""
    from engine.expressions.types.of_values import type_of_values
    from engine.expressions.types.words import as_schema

    made = as_schema(type_of_values([_without_data(record) for record in records]))
    return {"$schema": made.pop("$schema"), "description": about, "x-of": "record", **made}


_NAME = re.compile(r"[^\W\d][\w .:/$-]{0,79}")
_NUMBERED = re.compile(r"\d{5}")
_MANY = 200


def _without_data(value: Any) -> Any:
    """Leave out names of fields that are data themselves: numbers, addresses, or hundreds of them."""
    if isinstance(value, Mapping):
        if len(value) > _MANY:
            return {}
        good = (name for name in value if _NAME.fullmatch(str(name)) and not _NUMBERED.search(str(name)))
        return {name: _without_data(value[name]) for name in good}
    return [_without_data(item) for item in value] if isinstance(value, list) else value
