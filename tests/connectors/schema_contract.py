"""What every connector's schema owes the engine: examples that validate, keywords that are its properties."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from jsonschema import Draft7Validator
from referencing import Registry, Resource

from engine.connector import Connector

SCHEMAS = Path(__file__).parents[2] / "schemas"
_BASE = "https://schemas.invalid/"
_DURATION = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


class SchemaContract:
    """Subclass with the class attribute ``connector``."""

    connector: ClassVar[Connector]

    def test_the_schema_is_a_schema(self) -> None:
        """Draft-07, with a title and a description, and a role for each that the connector has."""
        schema = _schema(self.connector)
        Draft7Validator.check_schema(schema)
        assert schema["title"]
        assert schema["description"]
        assert set(schema["definitions"]) >= set(_roles(self.connector))
        assert set(_roles(self.connector)) == {"source", "target", "call", "connection"} & set(schema["definitions"])

    def test_the_schema_names_its_connections(self) -> None:
        """``x-connections`` is what the connector works over: other kinds, or its own."""
        kinds = self.connector.connections or ((self.connector.name,) if self.connector.connection else ())
        assert tuple(_schema(self.connector).get("x-connections", ())) == kinds

    def test_every_property_is_explained(self) -> None:
        """Each option has a title or a description."""
        for role in _roles(self.connector):
            for name, option in _schema(self.connector)["definitions"][role]["properties"].items():
                assert option.get("title") or option.get("description"), f"{role}.{name}"

    def test_examples_validate(self) -> None:
        """Each role has examples, and they are valid."""
        for role in _roles(self.connector):
            examples = _schema(self.connector)["definitions"][role].get("examples")
            assert examples, f"{role} has no examples"
            for example in examples:
                errors = [error.message for error in validator(self.connector, role).iter_errors(_resolved(example))]
                assert errors == [], f"{role}: {example}"

    def test_keywords_are_the_properties(self) -> None:
        """The constructor's keywords are the schema's properties but those only checked, with the same defaults."""
        for role, build in _roles(self.connector).items():
            definition = _schema(self.connector)["definitions"][role]
            properties = {
                key: value
                for key, value in definition["properties"].items()
                if key != "connection" and not value.get("x-check-only")
            }
            parameters = dict(list(inspect.signature(build).parameters.items())[1:])
            assert set(parameters) == set(properties), role
            for name, parameter in parameters.items():
                assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{role}.{name}"
                required = name in definition.get("required", ())
                assert (parameter.default is inspect.Parameter.empty) == required, f"{role}.{name}: required"
                if not required and "x-value" not in properties[name]:
                    assert parameter.default == _default(properties[name]), f"{role}.{name}: default"


def validator(connector: Connector, role: str) -> Draft7Validator:
    """Return a validator of one role's options."""
    registry: Registry[Any] = Registry()
    for path in SCHEMAS.rglob("*.json"):
        resource = Resource.from_contents(json.loads(path.read_text("utf-8")))
        registry = registry.with_resource(_BASE + path.relative_to(SCHEMAS).as_posix(), resource)
    reference = f"{_BASE}connectors/{connector.name}.json#/definitions/{role}"
    return Draft7Validator({"$ref": reference}, registry=registry)


def _resolved(value: Any) -> Any:
    """Put in what ``${…}`` stands for: its default, else some text."""
    if isinstance(value, str):
        text = re.sub(r"\$\{[^}]*?(?::-([^}]*))?\}", lambda found: "some" if found[1] is None else found[1], value)
        return None if text == "null" else text
    if isinstance(value, dict):
        return {key: _resolved(item) for key, item in value.items()}
    return [_resolved(item) for item in value] if isinstance(value, list) else value


def _schema(connector: Connector) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / "connectors" / f"{connector.name}.json").read_text("utf-8"))
    return loaded


def _roles(connector: Connector) -> dict[str, Callable[..., Any]]:
    roles = {
        "source": connector.source,
        "target": connector.target,
        "call": connector.call,
        "connection": connector.connection,
    }
    return {role: build for role, build in roles.items() if build is not None}


def _default(option: dict[str, Any]) -> Any:
    """Return a schema's default as the engine hands it over: durations in seconds, sizes in bytes."""
    default = option.get("default")
    units = _SIZE if option.get("$ref", "").endswith("/size") else _DURATION
    shared = "/duration" in option.get("$ref", "") or "/size" in option.get("$ref", "")
    match = re.fullmatch(r"([\d.]+)\s*([A-Za-z]+)", default) if shared and isinstance(default, str) else None
    return float(match[1]) * units[match[2]] if match else default
