"""No false alarm: what the project's own pipelines do with their webhooks' bodies is understood, and fits."""

import json
from pathlib import Path

import pytest

from engine.compiler.facts import expression_settings
from engine.definition.loader import load
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import TEXT, Field, made_of
from engine.expressions.types.of_schema import type_of_schema
from tests.unit.expressions.type_strategies import conforms

ROOT = Path(__file__).parents[3]
FLOWS = ["inventory", "purchase", "returns", "sales", "sales-follow-up", "transfer"]


@pytest.fixture(scope="module")
def project():
    return load(ROOT, environ={}, skip_env=True)[0]


def body_of(definition):
    """Read the type of a webhook's body."""
    (trigger,) = definition.triggers
    name = trigger["webhook"]["schema"]
    return type_of_schema(json.loads((ROOT / name).read_text("utf-8")), known_from=name)


def followed(project, definition, record):
    """Follow all steps and the key."""
    meta = made_of({"client": Field(TEXT, False), "received": Field(TEXT)})
    follower = Follower(record, expression_settings(project, definition), {"meta": meta})
    last = follower.steps(definition.steps)[-1].follower
    (target,) = definition.targets
    last.key(target.key, (*target.path, "key"))
    return last


@pytest.mark.parametrize("flow", FLOWS)
def test_a_good_pipeline_gives_no_issue(project, flow):
    definition = project.pipelines[f"{flow}[banban]"]
    last = followed(project, definition, body_of(definition))
    assert last.issues == []
    assert {"event_id", "action", "reference"} <= set(last.record.fields)
    assert last.record.further == "no"


def test_the_control_finds_a_field_that_the_schema_does_not_have(project):
    definition = project.pipelines["sales[banban]"]
    body = body_of(definition)
    data = body.fields["data"].type
    poorer = made_of({name: field for name, field in data.fields.items() if name != "sold_at"}, "no", "sales.json")
    last = followed(project, definition, made_of({**body.fields, "data": Field(poorer)}, "unsaid"))
    assert [(issue.code, issue.severity) for issue in last.issues] == [("unknown-field", "error")]
    assert last.issues[0].message == "there is no field 'data.sold_at' in sales.json"


@pytest.mark.parametrize(
    "example", sorted((ROOT / "pipelines/banban/examples").glob("*.json")), ids=lambda path: path.stem
)
def test_the_examples_are_of_the_type_of_their_schema(project, example):
    bodies = [body_of(project.pipelines[f"{flow}[banban]"]) for flow in FLOWS]
    record = json.loads(example.read_text("utf-8"))
    bodies += [type_of_schema(json.loads((ROOT / "pipelines/banban/schemas/etl.json").read_text("utf-8")))]
    assert sum(conforms(record, body) for body in bodies) >= 1
