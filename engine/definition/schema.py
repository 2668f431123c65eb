"""JSON Schemas of definitions and connectors: found, bundled, asked yes or no, and asked why not.

jsonschema-rs says yes or no, and where; jsonschema, which reads everything in Python, is the oracle of the tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import jsonschema_rs

from engine.data import folder
from engine.definition.explain import MAX_FOUND, MORE, Finding, findings
from engine.definition.located import mistakes
from engine.definition.nearest import nearest
from engine.definition.shape import Shape
from engine.errors import EngineError

Role = Literal["source", "target", "call", "connection"]
Kind = Literal["pipeline", "connections", "settings", "tests"]
KINDS = ("pipeline", "connections", "settings", "tests")
"""The schemas that editors ask for, those of files of a project."""

LONGEST = 60
"""Characters of a connector's name; a file's name may have 255 bytes."""

GROUP = "engine.connectors"
"""Entry points of connectors from other distributions; ``<name>.json`` beside the module is the schema."""


class Schema:
    """One bundled schema: it stands alone, all its references are inside."""

    def __init__(self, document: dict[str, Any], shape: Shape) -> None:
        self.document = document
        self.shape = shape

    @cached_property
    def _fast(self) -> Any:
        return jsonschema_rs.Draft7Validator(self.document)

    def valid(self, value: Any) -> bool:
        """Say yes or no, fast."""
        try:
            return bool(self._fast.is_valid(value))
        except ValueError:  # a value the fast validator cannot take, such as a number beyond its range
            return False

    def explain(self, value: Any) -> list[Finding]:
        """Return one finding for each mistake; empty when *value* is valid."""
        if self.valid(value):
            return []
        try:
            wrong = mistakes(self._fast.iter_errors(value), self.document, value)
        except ValueError as error:
            return [Finding((), False, "bad-value", "a value does not fit its schema", str(error))]
        # what nothing has words for is said in the validator's own: a no must never pass for a yes
        found = findings(wrong, self.shape) or [
            Finding(tuple(one.absolute_path), False, "bad-value", "{value}", "", one.message) for one in wrong
        ]
        return [*found, MORE] if len(wrong) >= MAX_FOUND and MORE not in found else found


class ConnectorSchema:
    """What a connector's schema offers, by role."""

    def __init__(self, name: str, document: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
        self.name = name
        self.document = document
        self._shared = shared
        self._roles: dict[str, Schema] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles the connector plays."""
        return tuple(
            role for role in ("source", "target", "call", "connection") if role in self.document["definitions"]
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of connection its source and target work over."""
        own = (self.name,) if "connection" in self.roles else ()
        return tuple(self.document.get("x-connections", own))

    def role(self, role: str) -> Schema:
        """Return the schema of one role's options."""
        if role not in self._roles:
            local = self.document["definitions"]
            document = bundle({"definitions": local, "allOf": [local[role]]}, self._shared)
            self._roles[role] = Schema(document, Shape.of(document["allOf"][0], document))
        return self._roles[role]


class Catalog:
    """All schemas: those in a folder, and those other distributions bring."""

    def __init__(self, where: Path | None = None) -> None:
        self._where = where or folder("schemas")
        self._kinds: dict[str, Schema] = {}
        self._connectors: dict[str, ConnectorSchema | None] = {}

    @cached_property
    def _shared(self) -> Mapping[str, Any]:
        return _load(self._where / "common.json")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every connector there is."""
        own = {path.stem for path in (self._where / "connectors").glob("*.json")}
        return tuple(sorted(own | set(_plugins())))

    def kind(self, kind: Kind) -> Schema:
        """Return the schema of a kind of file."""
        if kind not in self._kinds:
            document = bundle(_load(self._where / f"{kind}.json"), self._shared)
            self._kinds[kind] = Schema(document, Shape.of(document, document, self._options))
        return self._kinds[kind]

    def connector(self, name: str) -> ConnectorSchema | None:
        """Return a connector's schema, None where there is no such connector."""
        if name not in self._connectors:
            path = self._where / "connectors" / f"{name}.json"
            # a name longer than a file's can be is none, and to ask the disk for it is an error
            found = path if len(name) <= LONGEST and name.isidentifier() and path.is_file() else None
            found = found or (_plugins().get(name) if name in self.names else None)
            self._connectors[name] = ConnectorSchema(name, _load(found), self._shared) if found else None
        return self._connectors[name]

    def with_role(self, role: str) -> list[str]:
        """Return the connectors that play *role*."""
        return [name for name in self.names if (known := self.connector(name)) and role in known.roles]

    def nearest(self, name: str, role: str) -> str | None:
        """Return the connector in *role* whose name is most like *name*."""
        return nearest(name, self.with_role(role))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of file there are."""
        return tuple(kind for kind in KINDS if (self._where / f"{kind}.json").is_file())

    def full(self, *kinds: str) -> dict[str, Any]:
        """Return a schema of these kinds with the options of every connector in it, for editors."""
        from engine.definition.editor import bundle as for_editors

        return for_editors(self, {kind: _load(self._where / f"{kind}.json") for kind in kinds}, self._shared)

    def _options(self, role: str, name: str) -> Shape | None:
        connector = self.connector(name)
        return connector.role(role).shape if connector and role in connector.roles else None


def fault(schema: dict[str, Any]) -> str:
    """Return what is wrong with a JSON Schema that somebody wrote, empty when nothing."""
    try:
        jsonschema_rs.Draft7Validator(schema)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        return str(error).splitlines()[0][:120]
    return ""


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether *value* is valid by a schema without fault."""
    return bool(jsonschema_rs.Draft7Validator(schema).is_valid(value))


def bundle(document: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return *document* with what it refers to in ``common.json`` among its own definitions, as ``common.<name>``."""
    taken: dict[str, Any] = {}

    def local(node: Any, inside: bool) -> Any:
        if isinstance(node, list):
            return [local(item, inside) for item in node]
        if not isinstance(node, dict):
            return node
        copied = {key: local(value, inside) for key, value in node.items() if key != "$ref"}
        reference = node.get("$ref")
        if isinstance(reference, str):
            copied["$ref"] = take(reference, inside)
        elif copied.get("additionalProperties") is False and "properties" in copied:
            copied.setdefault("patternProperties", {"^x-": {}})
        return copied

    def take(reference: str, inside: bool) -> str:
        file, _, pointer = reference.partition("#/definitions/")
        if not inside and not file.endswith("common.json"):
            return reference
        if pointer not in taken:
            taken[pointer] = None
            taken[pointer] = local(shared["definitions"][pointer], True)
        return f"#/definitions/common.{pointer}"

    whole = local(dict(document), False)
    whole["definitions"] = whole.get("definitions", {}) | {f"common.{name}": taken[name] for name in taken}
    return cast("dict[str, Any]", whole)


def _load(path: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise EngineError(f"the schema {path} cannot be read: {error}; install the engine again") from error


_found: dict[str, Path] | None = None


def _plugins() -> dict[str, Path]:
    """Find the schemas of connectors from other distributions, without importing their modules."""
    global _found
    if _found is None:
        from importlib.metadata import entry_points

        places = {point.name: _beside(point.module, point.name) for point in entry_points(group=GROUP)}
        _found = {name: path for name, path in places.items() if path}
    return _found


def _beside(module: str, name: str) -> Path | None:
    from importlib.util import find_spec

    top, *rest = module.split(".")
    spec = find_spec(top)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if spec and spec.origin and not folders:
        folders = [str(Path(spec.origin).parent)]
    candidates = (Path(place, *rest[:-1], f"{name}.json") for place in folders)
    return next((path for path in candidates if path.is_file()), None)
