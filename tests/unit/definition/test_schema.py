"""Schemas: they are draft-07, bundled whole, and explain each mistake once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine.data import folder
from engine.definition import schema as module
from engine.definition.loader import catalog
from engine.definition.schema import Catalog
from engine.definition.shape import Notes, convert

KINDS = ("pipeline", "connections", "settings")
COMMON = Path(folder("schemas"), "common.json")


def own(tmp_path: Path, **roles: Any) -> Catalog:
    (tmp_path / "connectors").mkdir()
    for name in ("common", *KINDS):
        (tmp_path / f"{name}.json").write_text((folder("schemas") / f"{name}.json").read_text())
    (tmp_path / "connectors" / "mine.json").write_text(json.dumps({"title": "mine", "definitions": roles}))
    return Catalog(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid_draft_07_and_stand_alone(kind: Any) -> None:
    """The bundle has no reference to another file, and its examples are valid where no connector is asked."""
    document = catalog().kind(kind).document
    jsonschema.Draft7Validator.check_schema(document)
    assert ".json#" not in json.dumps(document)
    for example in document.get("examples", []):
        assert catalog().kind(kind).explain(example) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_schema_knows_every_connector(kind: Any) -> None:
    """What editors get holds the options of all connectors, and resolves."""
    document = catalog().full(kind)
    jsonschema.Draft7Validator.check_schema(document)
    text = json.dumps(document)
    definitions = document["definitions"]
    import re

    for name in re.findall(r'"#/definitions/([^"]+)"', text):
        assert name in definitions, name
    if kind == "pipeline":
        assert "sql" in definitions["source"]["properties"]
        good = {"pipeline": "a", "source": {"sql": {"connection": "x", "query": "select 1"}}}
        bad = {"pipeline": "a", "source": {"sql": {"connection": "x", "qery": "select 1"}}}
        assert jsonschema.Draft7Validator(document).is_valid(good)
        assert not jsonschema.Draft7Validator(document).is_valid(bad)


def test_every_connector_schema_bundles() -> None:
    """Each role of each connector can be asked."""
    for name in catalog().names:
        connector = catalog().connector(name)
        assert connector is not None
        for role in connector.roles:
            connector.role(role).explain({})


def test_a_no_of_the_fast_validator_never_passes_for_a_yes(tmp_path: Path) -> None:
    """Where the two validators differ, the no is still said."""
    pattern = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x$"}}}
    schema = own(tmp_path, source=pattern).connector("mine")
    assert schema is not None
    found = schema.role("source").explain({"a": "x\n"})
    assert [finding.code for finding in found] == ["bad-value"]


def test_units_and_marks_reach_options(tmp_path: Path) -> None:
    """Durations are seconds, sizes bytes, notes gone; templates and secrets are known by path."""
    duration = {"$ref": "../common.json#/definitions/duration"}
    size = {"$ref": "../common.json#/definitions/size"}
    source = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "wait": duration,
            "inner": {"type": "object", "additionalProperties": {"type": "object", "properties": {"max": size}}},
            "list": {"type": "array", "items": duration},
            "headers": {"type": "object", "x-value": "template"},
            "rows": {"type": "array", "items": {"type": "object"}},
            "key": {"type": "string", "x-secret": True},
        },
    }
    schema = own(tmp_path, source=source).connector("mine")
    assert schema is not None
    notes = Notes()
    value = {
        "x-note": "free",
        "wait": "2m",
        "inner": {"a": {"max": "1KiB"}},
        "list": ["1s"],
        "headers": {"x-api": "{{ record.a }}"},
        "rows": [{"x-field": 1}],
        "key": "canary",
    }
    assert schema.role("source").valid(value)
    converted = convert(value, schema.role("source").shape, notes)
    assert converted == {
        "wait": 120.0,
        "inner": {"a": {"max": 1024}},
        "list": [1.0],
        "headers": {"x-api": "{{ record.a }}"},
        "rows": [{"x-field": 1}],
        "key": "canary",
    }
    assert notes.values == {("headers",): "template"}
    assert notes.secrets == {("key",): "canary"}


def test_a_connector_of_another_distribution_brings_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema lies beside the module of the entry point, which is not imported for it."""
    package = tmp_path / "acme_connectors"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "acme.json").write_text(json.dumps({"definitions": {"source": {"type": "object"}}}))
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[engine.connectors]\nacme = acme_connectors.acme:CONNECTOR\n")
    monkeypatch.setattr(module, "_found", None)
    monkeypatch.syspath_prepend(str(tmp_path))
    fresh = Catalog()
    assert "acme" in fresh.names
    connector = fresh.connector("acme")
    assert connector is not None
    assert connector.roles == ("source",)
    assert "acme_connectors" not in sys.modules
    monkeypatch.setattr(module, "_found", None)
