"""Every mistake over a record whose type is known, with its place and remedy; and what is none."""

import pytest

from engine.expressions import Settings
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import BOOLEAN, INTEGER, TEXT, Field, made_of
from engine.expressions.types.words import describe
from tests.unit.expressions.type_tools import PATH, RECORD, follow

MISSPELT = [
    # what is written, where the name stands, the name, the nearest, what to write
    ("amuont", 0, "amuont", "amount", '"amount"'),
    ("customer.nmae", 9, "customer.nmae", "name", '"customer.name"'),
    ("items[0].skuu", 9, "items[0].skuu", "sku", '"items[0].sku"'),
    ("zzz", 0, "zzz", None, ""),
    ("amuont > `0`", 0, "amuont", "amount", '"amount > `0`"'),
    ("amuont || `0`", 0, "amuont", "amount", '"amount || `0`"'),
    ("items[*].quantty", 9, "quantty", "qty", None),
    ("items[?qtty > `1`]", 7, "qtty", "qty", '"items[?qty > `1`]"'),
    ("sort_by(items, &qtty)", 16, "qtty", "qty", '"sort_by(items, &qty)"'),
    ("{qty: nmae}", 6, "nmae", "name", '"{qty: name}"'),
    ("amuont == amuont", 0, "amuont", "amount", ""),
    ("{{ record.amuont }}", 10, "amuont", "amount", '"{{ record.amount }}"'),
    ("{{ record['amuont'] }}", 11, "amuont", "amount", "\"{{ record['amount'] }}\""),
    ("{{ record.amuont | default(0) }}", 10, "amuont", "amount", None),
    ("{{ record.amuont is defined }}", 10, "amuont", "amount", None),
    ("{{ record['items'] | sum('qtty') }}", 26, "qtty", "qty", None),
    ("{{ record['items'] | map(attribute='skuu') | list }}", 36, "skuu", "sku", None),
    ("{{ record['items'] | selectattr('qtty', 'eq', 1) | list }}", 33, "qtty", "qty", None),
    ("{% for line in record['items'] %}{{ line.skuu }}{% endfor %}", 41, "line.skuu", "sku", None),
    ("{% if record.piad %}x{% endif %}", 13, "piad", "paid", None),
    ("{{ record.customer.nmae }}", 19, "customer.nmae", "name", None),
    ("{{ records[0].amuont }}", 14, "records[0].amuont", "amount", None),
    ({"$each": "items", "$map": "skuu"}, 0, "skuu", "sku", '"sku"'),
    ({"$each": "items", "$map": "{{ item.skuu }}"}, 8, "skuu", "sku", '"{{ item.sku }}"'),
    ({"$copy": ["id", "nmae"], "x": 1}, 0, "nmae", "name", '"name"'),
    ({"$field": "zip kode"}, 0, '"zip kode"', "zip code", '"zip code"'),
    ({"$value": "amuont", "$default": 0}, 0, "amuont", "amount", '"amount"'),
    ({"$value": "amuont", "$required": False}, 0, "amuont", "amount", '"amount"'),
]


@pytest.mark.parametrize(("value", "offset", "name", "near", "fix"), MISSPELT, ids=[str(one[0]) for one in MISSPELT])
def test_a_field_that_is_not_there_is_told_once_with_place_and_remedy(value, offset, name, near, fix):
    (issue,) = follow(value)[1]
    assert (issue.code, issue.severity) == ("unknown-field", "error")
    assert (issue.message, issue.offset) == (f"there is no field '{name}' in sale.json", offset)
    listed_all = "there are id, amount, name, note, paid, kind, items, tags, …"
    assert issue.hint == (f"did you mean '{near}'?" if near else listed_all)
    assert fix is None or issue.fix == fix


MIXED = [
    # what is written, where the word stands, the fact, the remedy, what to write; None: whatever
    (
        "amount > '10'",
        0,
        "amount is a number and '10' is text; > orders numbers with numbers and texts with texts",
        "write `10`",
        '"amount > `10`"',
    ),
    (
        "name < `3`",
        0,
        "name is text and 3 is a whole number; < orders numbers with numbers and texts with texts",
        "write '3'",
        "\"name < '3'\"",
    ),
    ("id == '7'", 0, "id is a whole number and '7' is text; they are never equal", "write `7`", '"id == `7`"'),
    ("id != 'x'", 0, "id is a whole number and 'x' is text; they are always different", None, ""),
    (
        "name == id",
        0,
        "name is text and id is a whole number; they are never equal",
        "make both the same kind, with to_number() or to_string()",
        "",
    ),
    ("paid == 'true'", 0, "paid is true or false and 'true' is text; they are never equal", None, ""),
    (
        "items.sku",
        6,
        "'items' is a list of objects, which has no fields",
        "write [*].sku for all elements, [0].sku for the first",
        "",
    ),
    ("name.first", 5, "'name' is text, which has no fields", "", ""),
    ("name[0]", 4, "[0] goes into a list, and this is text", "", ""),
    ("customer[*].name", None, "[*] goes into a list, and this is an object", None, None),
    ("customer[?name == 'x']", None, "[? goes into a list, and this is an object", None, None),
    ("upper(id)", 0, "upper() needs text, and id is a whole number", "write to_string(id)", ""),
    ("sum(name)", 0, "sum() needs a list, and name is text", "", ""),
    ("sum(items[*].sku)", 0, "sum() needs a list in which each is a number, and this is a list of texts", "", ""),
    (
        "contains(name, id)",
        0,
        "contains() needs text, and id is a whole number",
        "write to_string(id)",
        "",
    ),
    ("length(id)", 0, "length() needs text, a list or an object, and id is a whole number", None, ""),
    (
        "join(', ', items[*].qty)",
        0,
        "join() needs a list in which each is text, and this is a list of whole numbers",
        "",
        "",
    ),
    ("starts_with(id, '1')", 0, "starts_with() needs text, and id is a whole number", "write to_string(id)", ""),
    ("sort_by(items, &@)", 0, "sort_by() goes by texts or numbers, and this is an object", "", ""),
    ("format_number(name)", 0, "format_number() needs a number, and name is text", "write to_number(name)", ""),
    ("concat(items, 'x')", 0, "concat() joins texts and numbers, and this is a list of objects", "", ""),
    (
        "{{ record.amount * record.name }}",
        10,
        "amount is a number and name is text; '*' goes between numbers",
        None,
        "",
    ),
    (
        "{{ record.name + 1 }}",
        10,
        "name is text and 1 is a whole number; '+' goes between two numbers, two texts or two lists",
        None,
        "",
    ),
    (
        "{{ record.amount > '10' }}",
        10,
        "amount is a number and '10' is text; > orders numbers with numbers and texts with texts",
        "write 10",
        '"{{ record.amount > 10 }}"',
    ),
    ("{{ record.name == 5 }}", 10, "name is text and 5 is a whole number; they are never equal", "write '5'", ""),
    ("{{ record.id | upper }}", None, "upper() needs text, and id is a whole number", "write to_string(id)", ""),
    ("{{ record.name | sum }}", None, "sum() needs a list, and name is text", "", ""),
    ("{{ record['items'] | sum('sku') }}", None, "sum needs numbers, and 'sku' is text", "", ""),
    ("{{ record['items'] | sum }}", None, "sum needs numbers, and each element is an object", "", ""),
    ("a {{ record.tags }} b", 12, "tags is a list of texts, which cannot stand in a text", None, ""),
    ("{{ 'a' ~ record.customer }}", 16, "customer is an object, which cannot stand in a text", None, ""),
    ("{{ record['items'].sku }}", 19, "'items' is a list of objects, which has no fields", None, ""),
    ("{% for c in record.name %}{{ c }}{% endfor %}", 19, "a loop goes over a list, and name is text", "", ""),
    ("{{ record.name.append('x') }}", None, "name is text, which has no method append()", "", ""),
    ({"$value": "items", "$type": "string"}, None, "$type: string never takes a list of objects", None, ""),
    ({"$value": "paid", "$type": "integer"}, None, "$type: integer never takes true or false", None, ""),
    ({"$value": "id", "$type": "date"}, None, "$type: date never takes a whole number", None, ""),
    ({"$each": "name", "$map": "x"}, None, "$each goes over a list, and this is text", "", ""),
]


@pytest.mark.parametrize(("value", "offset", "message", "hint", "fix"), MIXED, ids=[str(one[0]) for one in MIXED])
def test_kinds_that_do_not_go_together_are_told_once_with_place_and_remedy(value, offset, message, hint, fix):
    (issue,) = follow(value)[1]
    assert (issue.code, issue.severity, issue.message) == ("type-mismatch", "error", message)
    assert hint is None or issue.hint == hint
    assert offset is None or issue.offset == offset
    assert fix is None or issue.fix == fix


def test_the_place_is_the_node_that_is_wrong():
    _, issues = follow({"a": {"b": ["id", {"$value": "nmae"}]}, "c": {"$each": "items", "$map": {"d": "skuu"}}})
    assert [issue.path for issue in issues] == [
        (*PATH, "a", "b", 1, "$value"),
        (*PATH, "c", "$map", "d"),
    ]


def test_a_value_that_never_comes_is_a_warning_with_the_nearest_choice():
    for text in ("kind == 'debti'", "{{ record.kind == 'debti' }}", "kind != 'debti'"):
        (issue,) = follow(text)[1]
        assert (issue.code, issue.severity, issue.hint) == ("type-mismatch", "warning", "did you mean 'debit'?")
        assert "'debit'" in issue.fix
    assert follow("kind == 'credit'")[1] == []


QUIET = [
    "unknown.whatever > 'x'",
    "upper(unknown)",
    "upper(at)",
    "at > '2026'",
    "amount == `null`",
    "note == `null` || note == 'x'",
    "customer.name || 'x'",
    "length(note)",
    "items[0].cost > `1`",
    "not_null(note, amount)",
    "contains(unknown, id)",
    "to_string(items)",
    "{{ record.unknown.x.y | upper }}",
    "{{ record.unknown + 1 }}",
    "{{ meta.client | default('x') }}",
    "{{ params.anything.at.all > 3 }}",
    "{{ record.note is defined and record.note > 'a' }}",
    "{{ record['items'] | map('upper') | list }}",
    "{{ record.paid == 1 }}",
    "{{ 'x' in record.tags }}",
    "{% for t in record.tags %}{{ loop.index }}{{ t }}{% endfor %}",
    "{% for key in record.customer %}{{ key }}{% endfor %}",
    "{{ record.customer.get('nick') }}",
    "{{ record['items'] | map(attribute='sku') | unique | list | length == record['items'] | length }}",
    "{{ record.name | number > 3 }}",
]


@pytest.mark.parametrize("text", QUIET)
def test_nothing_is_said_where_it_may_be_right(text):
    assert follow(text)[1] == []


OPEN = made_of({"id": Field(INTEGER), "note": Field(TEXT, False)}, "unsaid", "sale.json")


def test_a_field_nobody_spoke_of_is_a_warning():
    (issue,) = follow("nte", OPEN)[1]
    assert (issue.code, issue.severity, issue.fix) == ("unknown-field", "warning", '"note"')
    assert issue.message == "as far as is known, there is no field 'nte' in sale.json"


EXCUSED = [
    "extra || 'x'",
    "extra && upper(extra)",
    "extra != `null` && extra > `3`",
    "not_null(extra, id)",
    "{{ record.extra | default('x') }}",
    "{{ record.extra if record.extra is defined else 1 }}",
    "{% if record.extra %}{{ record.extra }}{% endif %}",
    "{{ record.extra is none or record.extra > 1 }}",
    {"$value": "extra", "$default": 1},
    {"$value": "extra", "$required": False},
    {"$value": "{{ record.extra }}", "$required": False},
]


@pytest.mark.parametrize("value", EXCUSED, ids=str)
def test_absence_that_is_provided_for_is_no_mistake_where_the_field_may_come(value):
    assert follow(value, OPEN)[1] == []
    (issue, *_) = follow(value)[1]
    assert (issue.code, issue.severity) == ("unknown-field", "error")


def test_missing_null_provides_for_absence_of_plain_paths():
    assert follow("extra", OPEN, Settings(missing="null"))[1] == []
    assert len(follow("extra", OPEN)[1]) == 1
    assert describe(follow("note", OPEN, Settings(missing="null"))[0]) == "text or null"
    assert describe(follow("note", OPEN)[0]) == "text"


def test_nothing_is_said_of_an_object_that_surely_has_more():
    assert follow("extra", made_of({"id": Field(INTEGER)}, "yes"))[1] == []


def test_what_is_guessed_gives_warnings_only():
    follower = Follower(RECORD, sure=False)
    follower.value(["nmae", "name > `1`"], PATH)
    assert [issue.severity for issue in follower.issues] == ["warning", "warning"]


def test_names_of_templates_have_types_of_their_own():
    names = {"params": made_of({"full": Field(BOOLEAN)}, known_from="params"), "input": RECORD}
    _, issues = follow("{{ params.ful }}", **names)
    assert issues[0].message == "there is no field 'ful' in params"
    assert describe(follow("{{ input.amount }}", **names)[0]) == "a number or null"


def test_the_text_of_a_broken_expression_is_not_judged_twice():
    for value in ("a ==", "{{ record. }}", "nofunction(a)", {"$value": 5}, "${{ record.id }}"):
        made, issues = follow(value)
        assert issues == []
        assert made.any or describe(made) == "an object"
