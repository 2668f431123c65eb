"""What ``$sensitive`` marks is masked, with every path it reads; nothing else is, and the record stays as it was."""

import pytest

from engine.expressions import compile_mapping, sensitive
from engine.expressions.schema import compile_schema
from tests.unit.expressions.expression_tools import Step, apply, steps_of

MARK = {"$sensitive": True}


def masks(mapping, steps=()):
    return sensitive(steps, mapping)


@pytest.mark.parametrize(
    ("field", "source", "masked"),
    [
        (
            {"$value": "card.number", **MARK},
            {"card": {"number": "4111", "kind": "x"}},
            {"card": {"number": "***", "kind": "x"}},
        ),
        ({"$value": "concat(a, b)", **MARK}, {"a": "1", "b": "2", "c": "3"}, {"a": "***", "b": "***", "c": "3"}),
        ({"$value": "{{ record.a | upper }}", **MARK}, {"a": "1", "c": 1}, {"a": "***", "c": 1}),
        ({"$value": "{{ record['a'] }}{{ input.b }}", **MARK}, {"a": "1", "b": 2}, {"a": "***", "b": "***"}),
        ({"$field": "a b", **MARK}, {"a b": 1}, {"a b": "***"}),
        (
            {"$value": "items[0].pin", **MARK},
            {"items": [{"pin": 1}, {"pin": 2}]},
            {"items": [{"pin": "***"}, {"pin": "***"}]},
        ),
        (
            {"$each": "rows", "$map": {"pin": {"$value": "secret", **MARK}}},
            {"rows": [{"secret": 1, "x": 2}]},
            {"rows": [{"secret": "***", "x": 2}]},
        ),
        ({"$each": "rows", "$map": "pin", **MARK}, {"rows": [{"pin": 1}]}, {"rows": "***"}),
        ({"$value": "{{ records }}", **MARK}, {"a": 1}, {"a": 1}),
    ],
)
def test_source(field, source, masked):
    before = repr(source)
    assert masks({"x": field}).mask_source(source) == masked
    assert repr(source) == before


def test_whole_record_in_an_expression_masks_everything():
    assert masks({"x": {"$value": "to_string(@)", **MARK}}).mask_source({"a": 1}) == "***"
    assert masks({"x": {"$value": "{{ record | tojson }}", **MARK}}).mask_source({"a": 1}) == "***"


def test_mapped():
    mapping = {
        "a": {"pin": {"$value": "p", **MARK}, "open": "o"},
        "rows": {"$each": "r", "$map": {"s": {"$value": "s", **MARK}}},
    }
    record = {"a": {"pin": 1, "open": 2}, "rows": [{"s": 1}, {"s": None}]}
    assert masks(mapping).mask_mapped(record) == {"a": {"pin": "***", "open": 2}, "rows": [{"s": "***"}, {"s": None}]}


def test_a_target_copies_what_a_step_marked():
    steps = steps_of({"map": {"pin": {"$value": "p", **MARK}, "o": "o"}})
    made = masks({"$copy": ["o"], "renamed": "pin"}, steps)
    assert made.mask_source({"p": 1, "o": 2}) == {"p": "***", "o": 2}
    assert made.mask_mapped({"o": 2, "renamed": 1}) == {"o": 2, "renamed": "***"}


def test_without_a_target_mapping_the_record_is_as_the_steps_made_it():
    steps = steps_of({"map": {"pin": {"$value": "p", **MARK}}}, {"set": {"q": {"$value": "pin", **MARK}}})
    made = masks(None, steps)
    assert made.mask_mapped({"pin": 1, "q": 2, "r": 3}) == {"pin": "***", "q": "***", "r": 3}


def test_inside_a_switch():
    steps = steps_of({"switch": [{"when": "a", "steps": [{"set": {"pin": {"$value": "p", **MARK}}}]}]})
    made = masks(None, steps)
    assert made.mask_source({"p": 1}) == {"p": "***"}
    assert made.mask_mapped({"p": 1, "pin": 1})["pin"] == "***"


def test_nothing_marked_returns_the_record_itself():
    record = {"a": 1}
    made = masks({"a": "a"})
    assert made.mask_source(record) is record
    assert made.mask_mapped(record) is record


def test_marking_does_not_change_the_value():
    assert apply([Step("map", {"x": {"$value": "a", **MARK}}, ("mapping",))], [{"a": 1}]).records == [{"x": 1}]
    assert compile_mapping


def test_schema_gives_every_mistake_with_its_path():
    check = compile_schema(
        {"type": "object", "required": ["b"], "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}
    )
    found = check({"a": [1, "x"]})
    assert {path for path, _ in found} == {("a", 1), ()}
    assert check({"a": [], "b": 1}) == []


def test_schema_checks_formats_and_takes_decimals():
    from decimal import Decimal

    assert compile_schema({"type": "string", "format": "date"})("2026-13-01")
    assert compile_schema({"type": "number", "maximum": 5})(Decimal("4.5")) == []
    assert compile_schema({"type": "object"})({1: 2})
