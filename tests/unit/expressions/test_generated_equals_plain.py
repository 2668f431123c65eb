"""Generated steps, mappings and templates give what the plain evaluation gives: values, codes, messages, places."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.errors import RecordError
from engine.expressions import Settings, stages
from engine.expressions.jinja.template import compile_text, explain
from engine.expressions.oracle import evaluator
from engine.expressions.plainbatch import plain_batch
from engine.expressions.program import Program
from engine.expressions.values import ALL_NAMES
from engine.pipeline import Frame
from tests.unit.expressions.expression_strategies import EXPRESSIONS, SCALARS, VALUES
from tests.unit.expressions.test_query_equals_package import same

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).astimezone(ZONE)
FRAME = Frame({"currency": "BRL", "rate": 1.5}, {}, {"id": "r1"}, {"shop": "s"}, NOW, ZONE)
REJECT = Settings(timezone=ZONE)
LENIENT = Settings(timezone=ZONE, missing="null")


@dataclass(frozen=True)
class Step:
    kind: str
    body: Any
    path: tuple[str | int, ...]


NAMES = st.sampled_from(["a", "b", "c", "items", "name"])
FIELD_PATHS = st.one_of(NAMES, st.builds("{}.{}".format, NAMES, NAMES))
PATHS = st.one_of(NAMES, st.builds("{}.{}".format, NAMES, NAMES), st.builds("{}[0].{}".format, NAMES, NAMES))
TEMPLATES = st.sampled_from(
    [
        "{{ record.a }}",
        "{{ record.a.b }}",
        "{{ record.a | trim | upper }}",
        "x {{ record.a }} y",
        "{{ record.a }}{{ record.b }}",
        "{{ record.a | default('none') }}",
        "{{ record.a.b | default(record.b) }}",
        "{{ record.a + record.b }}",
        "{{ record.a * params.rate }}",
        "{{ record.a - 0.1 }}",
        "{{ record.a ~ '-' ~ record.b }}",
        "{{ 'yes' if record.a else record.b }}",
        "{{ record.a == record.b }}",
        "{{ record.a > 1 and record.b }}",
        "{{ not record.a }}",
        "{{ params.currency }} {{ vars.shop }} {{ run.id }}",
        "{{ params.nothing }}",
        "{{ meta.file }}:{{ input.a }}",
        "{{ record.items }}",
        "{{ record['items'][0].a }}",
        "{{ now() }}",
        "{{ record.a | length }}",
        "{{ record.a | tojson }}",
        "{% for x in record.items %}{{ x.a }},{% endfor %}",
        "{% if record.a %}{{ record.b }}{% endif %} '\"{}\\",
        "{% set x = record.a %}{{ x }}{{ x }}",
        "{{ record.items | map(attribute='a') | list }}",
        "{{ record.name | replace('a', 'b') }}",
        "{{ uuid5(record.name) }}",
        "{{ record.a / record.b }}",
        "{{ [record.a, record.b] }}",
        "{{ record.a is defined }}",
    ]
)
TYPES = st.sampled_from(["string", "integer", "number", "decimal", "boolean", "date", "datetime", "json"])
FIELDS = st.one_of(
    st.fixed_dictionaries({"$value": st.one_of(PATHS, TEMPLATES, EXPRESSIONS)}, optional={"$type": TYPES}),
    st.fixed_dictionaries({"$value": st.one_of(PATHS, TEMPLATES)}, optional={"$default": VALUES, "$type": TYPES}),
    st.fixed_dictionaries({"$value": PATHS, "$required": st.booleans()}, optional={"$type": TYPES}),
    st.fixed_dictionaries(
        {"$value": PATHS, "$type": st.sampled_from(["decimal", "number"])}, optional={"$scale": st.integers(0, 3)}
    ),
    st.fixed_dictionaries({"$value": PATHS, "$format": st.sampled_from(["0.00", "#.##0,0", "R$ 0"])}),
    st.fixed_dictionaries({"$const": VALUES}),
    st.fixed_dictionaries({"$field": NAMES}),
)
MAPPINGS = st.recursive(
    st.one_of(PATHS, EXPRESSIONS, TEMPLATES, FIELDS, st.integers(0, 3), st.none()),
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(inner, max_size=3),
        st.fixed_dictionaries(
            {"$each": PATHS, "$map": inner}, optional={"$required": st.booleans(), "$default": SCALARS}
        ),
        st.builds(
            lambda names, fields: {"$copy": names, **fields}, st.lists(NAMES, max_size=2), st.dictionaries(NAMES, inner)
        ),
    ),
    max_leaves=5,
)
RICH = st.one_of(
    VALUES,
    st.sampled_from([Decimal("12.10"), " 7 ", "R$ 12", "2026-01-02", "2026-01-02T03:04:05Z", '{"a": 1}', "true", 0.1]),
)
RECORDS = st.dictionaries(NAMES, RICH, max_size=5)


def plain(steps, chosen):
    return stages.CompiledStage(
        "plain", plain_batch(steps, lambda node: evaluator(node, chosen), any(map(stages.splits, steps)))
    )


def both(steps, chosen, records):
    """Apply steps both ways."""
    program = Program(ALL_NAMES, chosen)
    read = program.steps(steps)
    if [issue for issue in program.issues if issue.severity == "error"]:
        return None
    metas = [{"file": "x.csv"}] * len(records)
    before = repr(records)
    generated = [stage.apply(records, metas, records, FRAME) for stage in stages.compile_steps(steps, chosen)]
    expected = plain(read, chosen).apply(records, metas, records, FRAME)
    assert repr(records) == before, "a record was changed in place"
    assert len(generated) == 1
    return generated[0], expected


def agree(found, expected, context):
    assert list(found.origin) == list(expected.origin), context
    assert {i: (f.code, f.where) for i, f in found.failed.items()} == {
        i: (f.code, f.where) for i, f in expected.failed.items()
    }, (context, found, expected)
    for index, failure in found.failed.items():
        if failure.code == "missing-field":
            assert failure.message == expected.failed[index].message, context
    assert found.dropped == expected.dropped, context
    assert len(found.records) == len(expected.records)
    assert all(map(same, found.records, expected.records)), (context, found, expected)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(MAPPINGS, st.lists(RECORDS, min_size=1, max_size=3), st.sampled_from([REJECT, LENIENT]))
@example({"a": "{{ record.a }} and {{ record.a }}"}, [{"a": "'\"{}\\\n"}], REJECT)
@example(
    {"$each": "items", "$map": {"x": "a", "y": "{{ item.b }}{{ record.c }}"}},
    [{"items": [{"a": 1, "b": 2}], "c": 3}],
    REJECT,
)
@example({"a": {"$const": "2026-01-02", "$type": "date", "$format": "%d/%m/%Y"}}, [{}], REJECT)
def test_any_mapping(mapping, records, chosen):
    """Values, failures and places are the same."""
    result = both([Step("map", mapping, ("mapping",))], chosen, records)
    if result:
        agree(*result, (mapping, records))


CONDITIONS = st.sampled_from(
    [
        "a == `1`",
        "a > `0`",
        "b",
        "!c",
        "contains(name, 'a')",
        "{{ record.a == 1 }}",
        "name == 'a' || a == b",
        True,
        False,
    ]
)


def _step(kind, body):
    return {kind: body}


INNER = st.one_of(
    st.builds(_step, st.just("filter"), CONDITIONS),
    st.builds(_step, st.just("set"), st.dictionaries(NAMES, st.one_of(PATHS, TEMPLATES), max_size=2)),
    st.builds(_step, st.just("remove"), st.lists(FIELD_PATHS, min_size=1, max_size=2)),
    st.builds(_step, st.just("map"), st.dictionaries(NAMES, st.one_of(PATHS, FIELDS), max_size=3)),
    st.builds(
        lambda that, message: {"check": {"that": that, "code": "bad", "message": message}},
        CONDITIONS,
        st.sampled_from(["not so", "{{ record.a }} is wrong"]),
    ),
    st.just({"validate": {"schema": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}}}),
)
STEPS = st.recursive(
    INNER,
    lambda inner: st.builds(
        lambda when, one, other: {"switch": [{"when": when, "steps": one}, {"else": other}]},
        CONDITIONS,
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2),
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(STEPS, min_size=1, max_size=4),
    st.lists(RECORDS, min_size=1, max_size=4),
    st.sampled_from([REJECT, LENIENT]),
)
def test_any_steps(bodies, records, chosen):
    """Steps in a row, with conditions, checks and cases."""
    steps = [Step(kind, body, ("steps", at, kind)) for at, one in enumerate(bodies) for kind, body in one.items()]
    result = both(steps, chosen, records)
    if result:
        agree(*result, (bodies, records))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEMPLATES, RECORDS)
def test_templates_over_names(text, record):
    """An option's template, generated, equals the sandbox."""
    names = {
        "record": record,
        "params": {"currency": "BRL"},
        "vars": {},
        "run": {"id": 1},
        "meta": {},
        "input": record,
        "_now": NOW,
    }
    generated = stages.compile_template(text, (), REJECT)
    rendering = compile_text(text, REJECT)
    assert outcome(lambda: generated(names)) == outcome(lambda: rendering.render(names)), (text, record)


def outcome(run):
    try:
        value = run()
    except Exception as error:
        found = error if isinstance(error, RecordError) else explain(error)
        return ("failed", found.code)
    return (type(value).__name__, repr(value))
