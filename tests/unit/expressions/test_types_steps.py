"""What steps, conditions and mappings make of a record whose type is known."""

import pytest

from engine.expressions.types.acts import without_nulls
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import ANY, NUMBER, Field, listed, made_of
from engine.expressions.types.words import describe
from tests.unit.expressions.type_tools import LINE, RECORD, Step, field, steps

NARROWS = [
    "note != `null`",
    "note",
    "note && id > `1`",
    "length(note) > `3`",
    "note == 'x'",
    "note > 'a'",
    "!(note == `null`)",
    "note != `null` || id == `1`",
    "{{ record.note is not none }}",
    "{{ record.note is defined and record.note is not none }}",
    "{{ record.note == 'x' }}",
    "{{ record.note | length > 2 }}",
    "{{ record.note is not none or record.id == 1 }}",
    "{{ not (record.note is none) }}",
]


@pytest.mark.parametrize("condition", NARROWS)
def test_a_condition_over_a_field_takes_null_from_it(condition):
    (after,), issues = steps({"filter": condition})
    assert field(after, "note") == "text"
    assert [issue for issue in issues if "condition" not in issue.message] == []
    (checked,), _ = steps({"check": {"that": condition, "message": "no"}})
    assert field(checked, "note") == "text"


@pytest.mark.parametrize("condition", ["note == `null`", "id > `1`", "!note", "paid"])
def test_other_conditions_leave_null(condition):
    (after,), _ = steps({"filter": condition})
    assert field(after, "note") == "absent or text or null"


def test_is_defined_says_that_a_field_is_there():
    (after,), _ = steps({"filter": "{{ record.note is defined }}"})
    assert field(after, "note") == "text or null"


def test_a_condition_that_is_none_is_a_mistake():
    for text in ("amount", "name", "{{ record.id + 1 }}", "length(name)", "{% if record.paid %}true{% endif %}"):
        _, (issue,) = steps({"filter": text})
        assert issue.message.startswith("a condition is true or false, and this is ")
    assert steps({"filter": "paid"}, {"filter": "unknown"}, {"filter": "{{ record.paid }}"})[1] == []


def test_map_makes_another_record_and_says_which_node_makes_what():
    body = {"$copy": ["id"], "n": {"deep": "name"}, "lines": {"$each": "items", "$map": {"s": "sku"}}}
    (after,), _ = steps({"map": body})
    assert set(after.record.fields) == {"id", "n", "lines"}
    at = ("steps", 0, "map")
    assert after.place(("id",)) == (*at, "$copy", 0)
    assert after.place(("n", "deep")) == (*at, "n", "deep")
    assert after.place(("lines", 3, "s")) == (*at, "lines", "$map", "s")
    assert after.place(("lines", "*", "t")) == (*at, "lines", "$map")
    assert after.place(("missing",)) == at


def test_behind_map_the_old_fields_are_not_there():
    _, (issue,) = steps({"map": {"a": "id"}}, {"filter": "amount > `1`"})
    assert issue.message == "there is no field 'amount' in what steps[0].map makes"
    assert issue.path == ("steps", 1, "filter")


def test_set_adds_and_replaces_and_remove_takes_away():
    (first, second), _ = steps({"set": {"id": "name", "new": "amount"}}, {"remove": ["name", "customer.since"]})
    assert field(first, "id") == "text"
    assert field(first, "new") == "a number or null"
    assert first.place(("new",)) == ("steps", 0, "set", "new")
    assert first.place(("name",)) is None
    assert "name" not in second.record.fields
    assert set(second.record.fields["customer"].type.fields) == {"name"}


def test_removing_what_is_not_there_is_a_misspelling():
    _, (issue,) = steps({"remove": ["id", "nmae"]})
    assert (issue.code, issue.path, issue.hint) == ("unknown-field", ("steps", 0, "remove", 1), "did you mean 'name'?")


def test_validate_says_what_the_record_is_from_there_on():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    (after,), _ = steps({"validate": {"schema": schema}}, record=ANY)
    assert field(after, "a") == "text"
    schema = {"type": "object", "properties": {"amount": {"type": "number"}, "note": {"type": "string"}}}
    (after,), _ = steps({"validate": {"schema": schema}})
    assert field(after, "amount") == "a number"
    assert field(after, "note") == "absent or text"


def test_split_goes_over_a_list_and_keeps_the_record_as_parent():
    followers, issues = steps(
        {"split": "items"}, {"set": {"p": "{{ meta.parent.name }}", "q": "{{ meta.parent.nmae }}"}}
    )
    assert set(followers[0].record.fields) == {"sku", "qty", "cost"}
    assert field(followers[1], "p") == "text"
    assert [issue.message for issue in issues] == ["there is no field 'meta.parent.nmae' in sale.json"]
    assert steps({"split": "name"})[1][0].message == "split goes over a list, and this is text"


def test_switch_joins_what_its_cases_make():
    cases = [
        {"when": "kind == 'debit'", "steps": [{"map": {"a": "id", "b": "name"}}]},
        {"when": "kind == 'credit'", "steps": [{"map": {"a": "name"}}]},
        {"else": [{"map": {"a": {"$const": None}}}]},
    ]
    (after,), _ = steps({"switch": cases})
    assert field(after, "a") == "text or a whole number or null"
    assert field(after, "b") == "absent or text"
    assert after.record.known_from == "what steps[0].switch makes"
    assert after.place(("b",)) == ("steps", 0, "switch", 0, "steps", 0, "map", "b")


def test_a_record_that_no_case_takes_goes_on_as_it_is():
    (after,), _ = steps({"switch": [{"when": "paid", "steps": [{"map": {"z": "id"}}]}]})
    assert field(after, "z") == "absent or a whole number"
    assert field(after, "name") == "absent or text"


def test_the_next_case_knows_that_the_one_before_does_not_hold():
    cases = [{"when": "note == `null`", "steps": [{"map": {"a": {"$const": 1}}}]}, {"else": [{"map": {"a": "note"}}]}]
    (after,), _ = steps({"switch": cases})
    assert field(after, "a") == "text or a whole number"


ANSWER = made_of({"price": Field(NUMBER)}, known_from="the columns of the query")
LOOKUP = {"match": {"sku": "name"}, "into": "product"}


def asked(body, answer=ANSWER, record=RECORD):
    written = [Step("lookup", body, ("steps", 0, "lookup"))]
    follower = Follower(record)
    return follower.steps(written, {("steps", 0, "lookup"): answer})[0].follower, follower.issues


def test_a_lookup_puts_its_answer_there():
    after, issues = asked(LOOKUP)
    assert (field(after, "product"), issues) == ("an object", [])
    assert after.place(("product", "price")) == ("steps", 0, "lookup", "into")
    after, _ = asked({**LOOKUP, "missing": "null"})
    assert field(after, "product") == "an object or null"
    after, _ = asked({**LOOKUP, "when": "paid"})
    assert field(after, "product") == "absent or an object"
    after, _ = asked({**LOOKUP, "into": "customer.product"})
    assert "product" in after.record.fields["customer"].type.fields


def test_what_a_lookup_compares_is_followed():
    _, (issue,) = asked({**LOOKUP, "match": {"sku": "nmae"}})
    assert issue.path == ("steps", 0, "lookup", "match", "sku")
    _, (issue,) = asked({**LOOKUP, "when": "piad"})
    assert issue.path == ("steps", 0, "lookup", "when")


def test_what_cannot_be_read_makes_everything_behind_it_unknown():
    (first, second), issues = steps({"map": {"a": "b ==", "c": "id"}}, {"filter": "anything.at.all == 'x'"})
    assert issues == []
    assert first.record.any
    assert second.record.any


# under a target


def test_a_target_sees_the_mapped_record_and_the_input():
    follower = Follower(RECORD, names={"input": RECORD})
    mapped = follower.mapped({"ext": {"$value": "id", "$type": "string"}, "a": "amount"}, ("target", "mapping"))
    assert describe(mapped.key("ext", ("target", "key"))) == "text"
    assert mapped.issues == []
    mapped.key("id", ("target", "key"))
    mapped.key(["ext", "{{ input.nmae }}"], ("target", "key"))
    mapped.template({"p": ["/x/{{ record.exd }}", "plain"]}, ("target", "http"))
    assert [(issue.path, issue.message) for issue in follower.issues] == [
        (("target", "key"), "there is no field 'id' in what target.mapping makes"),
        (("target", "key", 1), "there is no field 'nmae' in sale.json"),
        (("target", "http", "p", 0), "there is no field 'exd' in what target.mapping makes"),
    ]
    assert describe(mapped.template({"r": "{{ records }}"}, ()).fields["r"].type) == "a list of objects"
    assert set(without_nulls(mapped.record).fields["a"].type.kinds) == {"integer", "number"}


def test_a_key_is_text_or_a_number():
    follower = Follower(RECORD)
    follower.key("items", ("key",))
    assert follower.issues[0].message == "a key is text or a number, and this is a list of objects"


def test_an_expression_over_a_document():
    answer = made_of({"data": Field(made_of({"results": Field(listed(LINE))}))})
    follower = Follower()
    assert describe(follower.expression("data.results", ("at",), answer)) == "a list of objects"
    follower.expression("data.result", ("at",), answer)
    assert (follower.issues[0].code, follower.issues[0].offset) == ("unknown-field", 5)


def test_holding_narrows_what_stands_behind_it():
    follower = Follower(RECORD)
    assert field(follower.holding("note != `null`", ("when",)), "note") == "text"
    assert field(follower, "note") == "absent or text or null"
