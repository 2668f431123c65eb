"""Mistakes integrators make in expressions, and what is said before anything runs."""

import subprocess
import sys

import pytest

from engine.expressions import (
    PIPELINE_NAMES,
    SOURCE_NAMES,
    TARGET_NAMES,
    check_condition,
    check_expression,
    check_key,
    check_steps,
    check_template,
    check_value,
)
from tests.unit.expressions.expression_tools import Step, steps_of

AT = ("mapping", "x")


def said(issues):
    return [f"{issue.severity}[{issue.code}] {issue.message}; {issue.hint}" for issue in issues]


@pytest.mark.parametrize(
    ("text", "expected", "offset"),
    [
        ("total > 0", "error[expression] a number needs backticks in 'total > 0'; write total > `0`", 8),
        ("0 < total", "error[expression] a number needs backticks in '0 < total'; write `0` < total", 0),
        ("a = 'b'", "error[expression] a single '=' does not compare in \"a = 'b'\"; write a == 'b'", 2),
        ("a and b", "error[expression] 'and' is not an operator here; write &&", 2),
        ("a or b", "error[expression] 'or' is not an operator here; write ||", 2),
        ("not a", "error[expression] 'not' is not an operator here; write !", 0),
        (
            "price * qty",
            "error[expression] JMESPath has no arithmetic ('*' in 'price * qty'); "
            'use a template: "{{ record.price * record.qty }}"',
            6,
        ),
        (
            "bank-hub",
            "error[expression] unknown token '-' at 5 in 'bank-hub'; "
            "for the text write {$const: bank-hub}, for a field with a hyphen '\"bank-hub\"'",
            4,
        ),
        ("'open", "error[expression] the ' at 1 is not closed in \"'open\"; add '", 0),
        ("a == “x”", "error[expression] “ is a typographic quote; write '…' for text", 5),
        ("a.", "error[expression] the expression ends too early: 'a.'; something must follow", 2),
        ("", "error[expression] the expression is empty; for an empty text write {$const: ''}", 0),
        ("a == true", "error[expression] true is read as a field in 'a == true'; write `true`", 5),
        ("uper(a)", "error[unknown-function] there is no function 'uper'; did you mean 'upper'?", 0),
        ("upper(a, b)", "error[arity] upper() takes 1 argument, got 2; ", 0),
        (
            "sort_by(a, b)",
            "error[expression] sort_by() takes an expression with & as argument 2; such as sort_by(…, &field)",
            0,
        ),
        (
            "params.currency || 'BRL'",
            "error[root-not-in-jmespath] 'params' is not a field of the record; "
            "write \"{{ params.currency | default('BRL') }}\"; if the record has such a field, "
            "put its name in double quotes",
            0,
        ),
        (
            "params.full",
            "error[root-not-in-jmespath] 'params' is not a field of the record; write \"{{ params.full }}\""
            "; if the record has such a field, put its name in double quotes",
            0,
        ),
        (
            "length(meta.file)",
            "error[root-not-in-jmespath] 'meta' is not a field of the record; write \"{{ meta.… }}\""
            "; if the record has such a field, put its name in double quotes",
            7,
        ),
        ("a[::0]", "error[expression] a step of 0 in 'a[::0]'; leave it out, or use 1", None),
    ],
)
def test_jmespath(text, expected, offset):
    (issue,) = check_value(text, AT)
    assert said([issue]) == [expected]
    assert issue.path == AT
    assert issue.offset == offset


@pytest.mark.parametrize(
    "text", ["a.meta", "items[].params", "a | meta", "items[?run == `1`]", '"meta".x', "max_by(a, &run)"]
)
def test_names_below_the_root_are_fields(text):
    assert check_value(text, AT) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ recrd.x }}", "error[unknown-name] there is no 'recrd' in templates; did you mean 'record'?"),
        ("{{ total }}", "error[unknown-name] there is no 'total' in templates; a field of the record is record.total"),
        ("{{ env.HOME }}", "error[unknown-name] there is no 'env' in templates; a field of the record is record.env"),
        ("{{ records }}", "error[records-without-batch] 'records' needs batch; use record, or give the target a batch"),
        ("{{ record.x | uppr }}", "error[unknown-filter] there is no filter 'uppr'; did you mean 'upper'?"),
        ("{{ record.x is definde }}", "error[unknown-test] there is no test 'definde'; did you mean 'defined'?"),
        ("{{ uid5(record.x) }}", "error[unknown-function] there is no function 'uid5'; did you mean 'uuid5'?"),
        (
            "{{ record.x | replace('a') }}",
            "error[arity] replace() takes 3 arguments, got 2; Put *new* wherever *old* stands.",
        ),
        (
            "{% include 'x' %}",
            "error[template] {% include %} is not allowed in templates; if, for and set are what there is",
        ),
        (
            "{{ record.a",
            "error[template] unexpected end of template, expected 'end of print statement'; "
            "a template ends with }}, as many as it begins with",
        ),
        ("{{ a && b }}", "error[template] unexpected char '&' at 5; in templates write and, or, not, =="),
    ],
)
def test_templates(text, expected):
    assert said(check_value(text, AT, TARGET_NAMES)) == [expected]


def test_names_depend_on_the_place():
    assert check_template("{{ cursor.id }}", AT, SOURCE_NAMES) == []
    assert [issue.code for issue in check_template("{{ record.id }}", AT, SOURCE_NAMES)] == ["unknown-name"]
    assert check_template("{{ records }}", AT, TARGET_NAMES | {"records"}) == []
    assert [issue.code for issue in check_value("{{ input.x }}", AT, PIPELINE_NAMES)] == ["unknown-name"]
    assert [issue.code for issue in check_value("{{ item.x }}", AT)] == ["unknown-name"]
    assert check_value({"$each": "a", "$map": "{{ item.x }}"}, AT) == []


def test_nested_template_options():
    option = {"a": ["plain {", {"b": "{{ records }}"}], "c": 1}
    (issue,) = check_template(option, ("target", "json"), TARGET_NAMES)
    assert issue.path == ("target", "json", "a", 1, "b")


@pytest.mark.parametrize(
    ("field", "code", "place"),
    [
        ({"$value": "a", "$tpye": "string"}, "unknown-key", "$tpye"),
        ({"$value": "a", "$const": 1}, "field", None),
        ({"$default": 1}, "field", None),
        ({"$value": "a", "$type": "text"}, "unknown-type", "$type"),
        ({"$value": "a", "$type": "string", "$scale": 2}, "field", "$scale"),
        ({"$value": "a", "$scale": -1}, "field", "$scale"),
        ({"$value": "a", "$format": "%d/%m"}, "field", "$format"),
        ({"$value": "a", "$type": "date", "$format": "%B"}, "field", "$format"),
        ({"$value": 5}, "field", "$value"),
        ({"$each": "a"}, "field", "$each"),
        ({"$value": "a", "$map": "b"}, "field", "$map"),
        ({"$value": "a", "$required": "yes"}, "field", "$required"),
        ({"$field": 1}, "field", "$field"),
        ({"$copy": "a"}, "field", "$copy"),
        ({"$default": 1, "name": "a"}, "mixed-field", "$default"),
    ],
)
def test_fields(field, code, place):
    (issue,) = check_value({"x": field}, ("mapping",))
    assert issue.code == code
    assert issue.path == (("mapping", "x", place) if place else AT)


def test_a_type_hint_is_near():
    (issue,) = check_value({"$value": "a", "$type": "interger"}, AT)
    assert issue.hint == "did you mean 'integer'?"


@pytest.mark.parametrize("key", ["now()", "{{ now() }}", "{{ record.a | now }}", ["id", "join('', [id, today()])"]])
def test_keys_refuse_what_changes(key):
    codes = {issue.code for issue in check_key(key, ("target", "key"))}
    assert codes & {"changes-in-key", "arity"}


@pytest.mark.parametrize("key", [[], 5, [5], {"a": 1}, None])
def test_keys_are_expressions(key):
    assert check_key(key, ("target", "key"))


def test_conditions():
    assert check_condition(True, ("when",)) == []
    assert [issue.code for issue in check_condition(5, ("when",))] == ["expression"]
    assert [issue.code for issue in check_condition("a = 1", ("when",))] == ["expression"]


def test_expressions_take_no_templates():
    assert check_expression("data.results[*]", AT) == []
    assert check_expression("meta.items[*]", AT) == [], "an answer may have such a field; a record's expression may not"
    assert [issue.code for issue in check_expression("{{ record }}", AT)] == ["expression"]
    assert [issue.code for issue in check_expression(5, AT)] == ["expression"]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("filtr", "a", "unknown-key"),
        ("set", "a", "step"),
        ("set", {"$value": "a"}, "step"),
        ("remove", ["a[*]"], "step"),
        ("remove", [], "step"),
        ("check", "a", "step"),
        ("validate", {}, "step"),
        ("validate", {"schema": {"type": "objekt"}}, "schema"),
        ("switch", {}, "step"),
        ("switch", [{"else": []}, {"when": "a", "steps": []}], "step"),
        ("switch", [{"when": "a"}], "step"),
        ("switch", [{"when": "a", "steps": [{"filter": "a", "map": {}}]}], "step"),
        ("split", 5, "step"),
        ("filter", 5, "expression"),
    ],
)
def test_steps(kind, body, code):
    issues = check_steps([Step(kind, body, ("steps", 0, kind))])
    assert issues[0].code == code
    assert issues[0].path[:3] == ("steps", 0, kind)


def test_a_step_inside_a_case_has_its_place():
    (issue,) = check_steps(steps_of({"switch": [{"when": "a", "steps": [{"filter": "b = 1"}]}]}))
    assert issue.path == ("steps", 0, "switch", 0, "steps", 0, "filter")


def test_all_mistakes_at_once():
    assert len(check_value({"a": "b = 1", "c": ["d and e", {"$type": "x"}]}, ("mapping",))) == 3


PROBE = """
import sys
import engine.expressions as x
heavy = lambda: sorted({"jinja2", "jmespath", "jsonschema_rs", "zoneinfo"} & set(sys.modules))
x.check_value({"a": "b.c[0]", "$copy": ["x"], "n": {"$value": "q", "$type": "decimal"}}, ("mapping",))
print(heavy())
x.check_value("a || b", ("mapping",)); print(heavy())
x.check_value("{{ record.a }}", ("mapping",)); print(heavy())
"""


def test_nothing_heavy_is_imported_before_it_is_needed():
    run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert lines[0] == "[]"
    assert lines[1] == "['jmespath']"
    assert "jinja2" in lines[2]
    assert "jsonschema_rs" not in lines[2]
