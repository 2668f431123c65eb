"""Steps that ask a remote system, compiled: between fused pure ones, checked, masked, counted as users."""

import pytest

from engine.compiler.check import check
from engine.compiler.compile import compile_pipeline, fingerprint
from engine.definition.loader import load
from engine.expressions import sensitive
from engine.pipeline import CallPlan, LookupPlan
from tests.unit.expressions.expression_tools import steps_of

CONNECTIONS = """\
connections:
  shop: {sql: {url: "sqlite:///shop.db"}}
  web: {http: {base_url: "http://localhost:1"}, resilience: {circuit_breaker: {failures: 7}}}
"""
PIPELINE = """\
pipeline: p
resilience: {timeout: 7s}
source: {inline: {rows: [{id: 1}]}}
steps:
  - filter: id != `0`
  - set: {a: id}
  - lookup:
      from: {sql: {connection: shop, query: "select * from t where a = :record.a.b and x = :record.id"}}
      into: row
      resilience: {retry: {attempts: 9}}
  - set: {b: id}
  - remove: [a]
  - call: {http: {connection: web, json: {id: '{{ record.id }}'}}, into: answer.part, key: id}
  - lookup: {from: {http: {connection: web, path: "/{{ record.id }}"}}, into: other, missing: {retry_for: 2m}}
  - map: {id: id}
target: {console: {}}
"""


def project_of(folder, pipeline=PIPELINE, connections=CONNECTIONS):
    for name, text in (("pipelines", pipeline), ("connections", connections)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "all.yaml").write_text(text)
    return load(folder, environ={})


def compiled(folder, **more):
    project, problems = project_of(folder, **more)
    assert [*problems, *check(project)] == []
    return compile_pipeline(project, project.pipelines["p"])


def test_pure_steps_on_each_side_are_one_stage(tmp_path):
    stages = compiled(tmp_path).stages
    assert [(type(stage).__name__, stage.label) for stage in stages] == [
        ("CompiledStage", "steps[0].filter"),
        ("LookupPlan", "steps[2].lookup"),
        ("CompiledStage", "steps[3].set"),
        ("CallPlan", "steps[5].call"),
        ("LookupPlan", "steps[6].lookup"),
        ("CompiledStage", "steps[7].map"),
    ]


def test_what_is_written_arrives_in_the_plan(tmp_path):
    _, first, _, call, second, _ = compiled(tmp_path).stages
    assert isinstance(first, LookupPlan)
    assert isinstance(second, LookupPlan)
    assert isinstance(call, CallPlan)
    assert (first.into, call.into, second.retry_for) == (("row",), ("answer", "part"), 120.0)
    assert (first.resilience.timeout, first.resilience.retry.attempts, first.resilience.retry_written) == (7.0, 9, True)
    assert (call.resilience.retry_written, second.resilience.retry_written) == (False, False)
    assert call.remote is not None
    assert call.remote.circuit_breaker is not None
    assert call.remote.circuit_breaker.failures == 7


@pytest.mark.parametrize(
    ("record", "asked"),
    [
        ({"id": 1, "a": {"b": 2}}, [[2], [1]]),
        ({"id": None, "a": {}}, [[], [None]]),
        ({"a": 5, "c": 7}, [[], []]),
    ],
)
def test_a_question_is_what_its_sql_binds_to_the_record(tmp_path, record, asked):
    """Nothing there is another question than null, and other fields do not matter."""
    lookup = compiled(tmp_path).stages[1]
    assert isinstance(lookup, LookupPlan)
    assert lookup.question({"record": record}) == asked


def test_a_question_is_how_its_templates_come_out(tmp_path):
    lookup = compiled(tmp_path).stages[4]
    assert isinstance(lookup, LookupPlan)
    assert lookup.question({"record": {"id": 7, "x": 1}}) == ["/7"]


@pytest.mark.parametrize(
    ("old", "new", "path", "code"),
    [
        ("/{{ record.id }}", "/{{ recrd.id }}", "steps[6].lookup.from.http.path", "unknown-name"),
        ("/{{ record.id }}", "/{{ cursor.id }}", "steps[6].lookup.from.http.path", "unknown-name"),
        ("json: {id: '{{ record.id", "json: {id: '{{ records", "steps[5].call.http.json.id", None),
        ("key: id}", "key: 'id ||'}", "steps[5].call.key", None),
        ("into: answer.part", "into: 'answer[0]'", "steps[5].call.into", "step"),
        ("into: row", "into: row\n      match: {a: 'b ||'}", "steps[2].lookup.match.a", None),
        ("into: row", "into: row\n      when: 'b ||'", "steps[2].lookup.when", None),
        ("into: row", "into: row\n      when: params.x", "steps[2].lookup.when", None),
    ],
)  # fmt: skip
def test_mistakes_are_found_at_their_place(tmp_path, old, new, path, code):
    assert old in PIPELINE
    project, problems = project_of(tmp_path, PIPELINE.replace(old, new))
    found = [one for one in [*problems, *check(project)] if one.severity == "error"]
    assert {one.path for one in found} == {path}
    assert code is None or {one.code for one in found} == {code}


def test_inside_a_switch_it_is_refused(tmp_path):
    nested = (
        "  - switch: [{when: id, steps: "
        "[{lookup: {from: {http: {connection: web, path: /}}, into: x}}, {call: {http: {connection: web}}}]}]\n"
    )
    project, problems = project_of(tmp_path, PIPELINE.replace("  - map: {id: id}\n", nested))
    found = [*problems, *check(project)]
    assert [(one.path, one.message) for one in found] == [
        ("steps[7].switch[0].steps[0].lookup", "a lookup cannot stand inside a switch"),
        ("steps[7].switch[0].steps[1].call", "a call cannot stand inside a switch"),
    ]


def test_a_connection_that_only_steps_use_is_used_and_part_of_the_fingerprint(tmp_path):
    """Control: one that nobody names is neither."""
    more = CONNECTIONS + '  idle: {http: {base_url: "http://localhost:2"}}\n'
    project, problems = project_of(tmp_path, connections=more)
    assert [one.message for one in problems] == ["no pipeline uses the connection 'idle'"]
    first = fingerprint(project, project.pipelines["p"])
    for old, new, same in (("localhost:2", "localhost:3", True), ("localhost:1", "localhost:4", False)):
        project, _ = project_of(tmp_path, connections=more.replace(old, new))
        assert (fingerprint(project, project.pipelines["p"]) == first) is same


LOOK = ("lookup", {"from": {}, "into": "customer", "sensitive": True})


@pytest.mark.parametrize(
    ("steps", "mapping", "record", "masked"),
    [
        ((LOOK,), None, {"id": 1, "customer": {"cpf": 2}}, {"id": 1, "customer": "***"}),
        ((("lookup", {"from": {}, "into": "customer"}),), None, {"customer": 2}, {"customer": 2}),
        ((LOOK, ("map", {"n": "customer.name", "id": "id"})), None, {"n": "Ana", "id": 1}, {"n": "***", "id": 1}),
        ((LOOK,), {"n": "{{ record.customer.name }}", "id": "id"}, {"n": "Ana", "id": 1}, {"n": "***", "id": 1}),
        ((LOOK, ("call", {"into": "customer"})), None, {"customer": 1}, {"customer": 1}),
        ((("call", {"into": "a.b", "sensitive": True}),), None, {"a": {"b": 1, "c": 2}}, {"a": {"b": "***", "c": 2}}),
    ],
)  # fmt: skip
def test_what_a_sensitive_step_puts_in_is_masked_with_all_that_is_made_of_it(steps, mapping, record, masked):
    made = steps_of(*[{kind: body} for kind, body in steps])
    assert sensitive(made, mapping).mask_mapped(record) == masked


def test_a_sensitive_answer_is_masked_in_a_dead_letter_too():
    """The record of a dead letter is as it stood behind the call."""
    made = steps_of({"call": {"into": "a.b", "sensitive": True}})
    assert sensitive(made, None).mask_source({"a": {"b": 1}}) == {"a": {"b": "***"}}


def test_without_a_target_what_steps_mark_is_masked_too(tmp_path):
    """A pipeline that only answers a webhook has logs and errors all the same."""
    text = """\
pipeline: p
triggers: [{webhook: {path: /p, auth: none, respond: result}}]
steps:
  - set: {pin: {$value: pin, $sensitive: true}}
"""
    pipeline = compiled(tmp_path, pipeline=text, connections="connections: {}\n")
    assert pipeline.mask({"pin": 1, "id": 2}) == {"pin": "***", "id": 2}
