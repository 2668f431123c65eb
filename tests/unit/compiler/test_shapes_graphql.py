"""GraphQL operations are read, and compared with what their server told of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from graphql import build_schema, graphql_sync

from engine.compiler.shapes.files import Files, Unreadable
from engine.compiler.shapes.introspection import read_server
from engine.compiler.shapes.learned import INTROSPECTION, server_file
from engine.compiler.shapes.operation import read_operation
from engine.expressions.types.acts import field_at
from engine.expressions.types.words import describe
from tests.peers import bank_database, hub_schema

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = build_schema(
    """
    enum State { OPEN PAID }
    input Line { sku: String!, count: Int! = 1, note: String, inner: Line }
    input Order { id: ID!, state: State, total: Float!, lines: [Line!]! }
    type Item { sku: String!, count: Int! }
    interface Node { id: ID! }
    type Sale implements Node {
      id: ID!, state: State!, items(first: Int, after: String!): [Item!], by: Person, node: Node
    }
    type Person implements Node { id: ID!, name: String }
    union Found = Sale | Person
    type Query { sales(state: State): [Sale!]!, found: Found, me: Person }
    type Mutation { put(order: Order!): Sale }
    """
)


@pytest.fixture
def server(tmp_path):
    """Write what the server tells of itself, and read it."""
    answer = graphql_sync(SCHEMA, INTROSPECTION)
    assert answer.errors is None
    (tmp_path / "shop.json").write_text(json.dumps(server_file({"data": answer.data})))
    return read_server(Files(tmp_path), "shop.json")


def given(server, text, *path):
    operation = read_operation(text)
    assert operation is not None
    found = field_at(server.answer(operation), path)
    return None if found is None else describe(found.type)


def test_the_answer_follows_the_selection(server):
    """With aliases, fragments and lists."""
    text = """query Q($s: State) { all: sales(state: $s) { id state things: items(after: "x") { ...I } } }
    fragment I on Item { sku n: count }"""
    assert given(server, text, "data", "all") == "a list of objects"
    assert given(server, text, "data", "all", "*", "state") == "text"
    assert given(server, text, "data", "all", "*", "things", "*", "n") == "a whole number"
    assert given(server, text, "data", "all", "*", "items") is None


def test_of_a_fragment_on_another_type_nothing_is_promised(server):
    """Its fields may be absent."""
    found = field_at(
        server.answer(read_operation("{ found { ... on Sale { id } ... on Person { name } } }")),
        ("data", "found", "name"),
    )
    assert found is not None
    assert not found.always
    assert found.type.any


def test_what_variables_take(server):
    """Required where there is no default, closed, enums with their choices, itself inside of itself."""
    operation = read_operation("mutation M($o: Order!) { put(order: $o) { id } }")
    taken = server.takes(operation.variables["o"].type)
    assert taken.further == "no"
    assert {name for name, field in taken.fields.items() if field.always} == {"id", "total", "lines"}
    line = taken.fields["lines"].type.items
    assert {name for name, field in line.fields.items() if field.always} == {"sku"}
    assert taken.fields["state"].type.choices == ("OPEN", "PAID")
    assert taken.fields["state"].type.nullable
    assert line.fields["inner"].type.any


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ sales { idd } }", ("unknown-field", "idd", "did you mean 'id'?")),
        ("{ slaes { id } }", ("unknown-field", "slaes", "did you mean 'sales'?")),
        ("{ sales(stat: OPEN) { id } }", ("unknown-field", "stat", "did you mean 'state'?")),
        ("{ sales { items { sku } } }", ("missing-required", "items", "write items(after: $…)")),
        ("{ sales { by } }", ("type-mismatch", "by", "write by { … }")),
        ("query ($s: Stat) { sales(state: $s) { id } }", ("unknown-field", "$s", "did you mean 'State'?")),
        ("{ found { __typename ... on Sale { idd } } }", ("unknown-field", "idd", "did you mean 'id'?")),
    ],
)
def test_what_the_server_does_not_have(server, text, expected):
    """Each with its name, its place and what was meant."""
    (wrong,) = server.wrong(read_operation(text))
    assert (wrong.code, text[wrong.offset : wrong.offset + len(expected[1])], wrong.hint) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{ sales { id __typename } me { name } found { ... on Person { name } } }",
        "{ sales { ...F } } fragment F on Node { id }",
    ],
)
def test_a_good_operation_has_nothing_wrong(server, text):
    """No false alarm."""
    assert list(server.wrong(read_operation(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "{ a",
        "{ a } { b }",
        "{ ...A } fragment A on T { ...A }",
        "{ ...B }",
        "{" * 5000,
        "query Q { a(b: ",
        "{ a % }",
    ],
)
def test_an_odd_operation_is_not_read(text):
    """Unknown, never wrong."""
    assert read_operation(text) is None


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"data": {"__schema": {"types": 7}}}', "nonsense", '{"a":' * 50_000, '"\\ud800"']
)
def test_what_is_no_introspection_is_refused(tmp_path, content):
    """With what to do."""
    (tmp_path / "shop.json").write_text(content)
    with pytest.raises(Unreadable, match=r"shop\.json"):
        read_server(Files(tmp_path), "shop.json")


def test_broken_parts_of_an_introspection_are_passed_over(tmp_path):
    """Of what is not said, nothing is known."""
    types = [None, 7, {"name": "Query", "kind": "OBJECT", "fields": [3, {"name": "a", "type": "x"}, {"name": "b"}]}]
    (tmp_path / "shop.json").write_text(json.dumps({"__schema": {"queryType": {"name": "Query"}, "types": types}}))
    server = read_server(Files(tmp_path), "shop.json")
    assert given(server, "{ a { x } b }", "data", "b") == "anything"


def test_the_hubs_file_is_what_the_hub_tells():
    """``pipelines/bank-hub/hub.json`` is the schema of the hub of the tests."""
    answer = graphql_sync(hub_schema.SCHEMA, INTROSPECTION)
    assert answer.errors is None
    written = json.loads((ROOT / "pipelines" / "bank-hub" / "hub.json").read_text("utf-8"))
    assert written == server_file({"data": answer.data})


def test_the_banks_file_is_what_the_bank_has():
    """``pipelines/bank-hub/bank.sql`` makes the tables of the bank of the tests."""
    written = (ROOT / "pipelines" / "bank-hub" / "bank.sql").read_text("utf-8")
    lines = [line for line in written.splitlines() if line.strip() and not line.startswith("--")]
    expected = [line for line in (bank_database.SCHEMA + bank_database.INDEXES).splitlines() if line.strip()]
    assert lines == expected
