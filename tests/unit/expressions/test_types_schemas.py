"""JSON Schema to types and back, samples to types, and the words for them."""

import json
from decimal import Decimal

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expressions.types.model import ANY, INTEGER, KINDS, NULL, NUMBER, TEXT, Field, Type, listed, made_of
from engine.expressions.types.of_schema import type_of_schema
from engine.expressions.types.of_values import exactly, type_of_values
from engine.expressions.types.words import as_schema, describe
from tests.unit.expressions.type_strategies import OPEN_TYPES, conforms, values_of

PROPERTIES = {"id": {"type": "integer"}, "note": {"type": ["string", "null"]}}
OBJECT = {"type": "object", "properties": PROPERTIES, "required": ["id"]}


def only(name):
    """Write a closed object of one field."""
    properties = {name: {"type": "string"}}
    return {"type": "object", "properties": properties, "required": [name], "additionalProperties": False}


def shape(given: Type):
    """Write a type so that it is easily compared and read."""
    if given.any:
        return "any"
    if "object" in given.kinds and (given.fields or given.further != "yes"):
        fields = {name + ("" if field.always else "?"): shape(field.type) for name, field in given.fields.items()}
        more = {"no": {}, "unsaid": {"~": ""}, "yes": {"…": ""}}[given.further]
        return {**fields, **more} if given.kinds == {"object"} else [{**fields, **more}, describe(given)]
    if given.items is not None and "list" in given.kinds:
        return [shape(given.items)] + (["null"] if given.nullable else [])
    said = describe(given)
    said += f" of {given.longest}" if given.longest is not None else ""
    return said + (f" in {list(given.choices)}" if given.choices else "")


CASES = {
    "nothing is said": ({}, "any"),
    "true": (True, "any"),
    "false": (False, "any"),
    "text": ({"type": "string"}, "text"),
    "text with a length": ({"type": "string", "maxLength": 5}, "text of 5"),
    "number": ({"type": "number"}, "a number"),
    "several types": ({"type": ["integer", "string", "null"]}, "text or a whole number or null"),
    "nullable of OpenAPI": ({"type": "string", "nullable": True}, "text or null"),
    "enum": ({"enum": ["a", "b"]}, "text in ['a', 'b']"),
    "enum with null": ({"enum": ["a", None]}, "text or null in ['a']"),
    "enum of objects": ({"enum": [{"a": 1}]}, "an object"),
    "const": ({"const": 5}, "a number in [5]"),
    "a type that does not exist": ({"type": "strng"}, "any"),
    "object": (OBJECT, {"id": "a whole number", "note?": "text or null", "~": ""}),
    "closed": ({**OBJECT, "additionalProperties": False}, {"id": "a whole number", "note?": "text or null"}),
    "open": ({"type": "object", "additionalProperties": True, "properties": {"a": {}}}, {"a?": "any", "…": ""}),
    "others of a kind": ({"type": "object", "additionalProperties": {"type": "string"}}, "an object"),
    "names of a pattern": (
        {"type": "object", "additionalProperties": False, "patternProperties": {"^x": {}}, "properties": {"a": {}}},
        {"a?": "any", "…": ""},
    ),
    "properties without a type": ({"properties": {"a": {"type": "string"}}}, {"a?": "text", "~": ""}),
    "required and not described": ({"type": "object", "required": ["a"]}, {"a": "any", "~": ""}),
    "list": ({"type": "array", "items": {"type": "string"}}, ["text"]),
    "list of anything": ({"type": "array"}, "a list"),
    "a tuple": ({"type": "array", "items": [{"type": "string"}]}, "a list"),
    "a tuple of 2020-12": ({"type": "array", "prefixItems": [{}], "items": {"type": "string"}}, "a list"),
    "definitions": (
        {"$ref": "#/definitions/x", "definitions": {"x": {"type": "string"}}},
        "text",
    ),
    "$defs": (
        {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"enum": [1]}}},
        {"a?": "a number in [1]", "~": ""},
    ),
    "a reference with something beside it": (
        {"$ref": "#/$defs/x", "maxLength": 3, "$defs": {"x": {"type": "string", "maxLength": 9}}},
        "text of 3",
    ),
    "a reference to nothing": ({"$ref": "#/$defs/y"}, "any"),
    "a reference to an anchor": ({"$ref": "#name"}, "any"),
    "a reference to the net": ({"$ref": "https://example.com/x.json"}, "any"),
    "allOf": (
        {"allOf": [OBJECT, {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]}]},
        {"id": "a whole number", "note?": "text or null", "b": "true or false", "~": ""},
    ),
    "allOf that closes": (
        {
            "allOf": [
                OBJECT,
                {"type": "object", "properties": {"b": {"type": "boolean"}}, "additionalProperties": False},
            ]
        },
        {"id": "a whole number", "note?": "text or null", "b?": "true or false"},
    ),
    "a closed object with allOf": (
        {"allOf": [OBJECT], "properties": {"b": {"type": "boolean"}}, "additionalProperties": False},
        {"id": "a whole number", "note?": "text or null", "b?": "true or false"},
    ),
    "allOf then unevaluatedProperties": (
        {"allOf": [OBJECT], "unevaluatedProperties": False},
        {"id": "a whole number", "note?": "text or null"},
    ),
    "anyOf of kinds": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
    "oneOf of objects": ({"oneOf": [only("a"), only("b")]}, {"a?": "text", "b?": "text"}),
    "anyOf that only requires": (
        {**OBJECT, "anyOf": [{"required": ["id"]}, {"required": ["note"]}]},
        {"id": "a whole number", "note?": "text or null", "~": ""},
    ),
    "if and then": (
        {
            **OBJECT,
            "if": {"properties": {"id": {"const": 1}}},
            "then": {"properties": {"x": {"type": "string"}}, "required": ["x"]},
        },
        {"id": "a whole number", "note?": "text or null", "x?": "text", "~": ""},
    ),
    "cases that say different things of one field": (
        {
            "type": "object",
            "allOf": [
                {"if": {"required": ["x"]}, "then": {"properties": {"a": {"type": "string", "maxLength": 3}}}},
                {"if": {"required": ["y"]}, "then": {"properties": {"a": {"type": "integer"}}}},
            ],
        },
        {"a?": "text or a whole number of 3", "~": ""},
    ),
    "cases behind references": (
        {
            "allOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/y"}],
            "$defs": {
                "x": {"if": {"required": ["x"]}, "then": {"properties": {"a": only("x")}}, "type": "object"},
                "y": {"if": {"required": ["y"]}, "then": {"properties": {"a": only("y")}}, "type": "object"},
            },
        },
        {"a?": {"x?": "text", "y?": "text"}, "~": ""},
    ),
    "what fits nothing": ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "any"),
    "a bad document": ({"type": "object", "properties": 5, "required": "id", "items": 3}, {"~": ""}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_schema_is_the_type(name):
    schema, expected = CASES[name]
    assert shape(type_of_schema(schema)) == expected


def test_fields_say_where_they_are_known_from():
    made = type_of_schema({"properties": {"a": {"properties": {"b": {"type": "string"}}}}}, known_from="sale.json")
    assert (made.known_from, made.fields["a"].type.known_from) == ("sale.json", "sale.json")


def test_a_reference_to_another_file_is_resolved_beside_the_file_that_has_it():
    files = {
        "common/money.json": {"definitions": {"money": {"$ref": "parts/amount.json"}}},
        "common/parts/amount.json": {"type": "number"},
    }
    schema = {"properties": {"a": {"$ref": "common/money.json#/definitions/money"}, "b": {"$ref": "gone.json"}}}
    assert shape(type_of_schema(schema, files.get)) == {"a?": "a number", "b?": "any", "~": ""}


def test_a_part_of_a_document_refers_to_the_whole():
    document = {"components": {"schemas": {"Id": {"type": "integer"}}}}
    assert type_of_schema({"$ref": "#/components/schemas/Id"}, root=document) == INTEGER


def test_a_schema_that_refers_to_itself_ends():
    tree = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    }
    made = type_of_schema(tree)
    inner = made.fields["children"].type.items
    assert inner is not None
    assert inner.fields["children"].type.items is ANY
    assert type_of_schema({"$ref": "#"}).any


def test_a_schema_that_grows_without_end_is_cut():
    definitions = {f"d{at}": {"properties": {n: {"$ref": f"#/$defs/d{at + 1}"} for n in "abcd"}} for at in range(40)}
    made = type_of_schema({"$ref": "#/$defs/d0", "$defs": definitions})
    assert made.fields["a"].type.fields["d"].always is False


@settings(max_examples=150, deadline=None)
@given(OPEN_TYPES.flatmap(lambda made: st.tuples(st.just(made), values_of(made))))
def test_a_type_written_as_schema_takes_its_values_and_reads_as_the_same(pair):
    made, value = pair
    schema = as_schema(made)
    jsonschema_rs.validator_for(schema)
    plain = json.loads(json.dumps(value, default=float))
    assert jsonschema_rs.is_valid(schema, plain)
    again = type_of_schema(schema)
    assert conforms(plain, again)
    assert set(again.fields) == set(made.fields)


@settings(max_examples=150, deadline=None)
@given(OPEN_TYPES.flatmap(lambda made: st.lists(values_of(made), min_size=1, max_size=4)))
def test_samples_are_of_the_type_they_give(values):
    made = type_of_values(values, "what was read")
    assert all(conforms(value, made) for value in values)


SAMPLES = {
    "none": ([], "any"),
    "only null": ([{"a": None}], {"a": "null", "~": ""}),
    "a field that not all have": ([{"a": 1, "b": "x"}, {"a": 2}], {"a": "a whole number", "b?": "text", "~": ""}),
    "null and a value": ([{"a": None}, {"a": "x"}], {"a": "text or null", "~": ""}),
    "whole numbers and others": ([{"a": 1}, {"a": Decimal("1.5")}], {"a": "a number", "~": ""}),
    "an empty list and another": ([{"a": []}, {"a": [{"b": 1}]}], {"a": [{"b": "a whole number", "~": ""}], "~": ""}),
    "only empty lists": ([{"a": []}], {"a": "a list", "~": ""}),
    "an empty object and another": ([{}, {"a": 1}], {"a?": "a whole number", "~": ""}),
    "kinds mixed": (
        [{"a": 1}, {"a": "x"}, {"a": {"b": 1}}],
        {"a": [{"b": "a whole number", "~": ""}, "text or a whole number or an object"], "~": ""},
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_tell_what_they_tell(name):
    values, expected = SAMPLES[name]
    assert shape(type_of_values(values)) == expected


def test_samples_tell_no_lengths_and_no_choices():
    made = type_of_values([{"a": "x"}])
    assert made.fields["a"].type == TEXT


LITERALS = {
    "x": "text of 1 in ['x']",
    5: "a whole number in [5]",
    1.5: "a number in [1.5]",
    True: "true or false in [True]",
    None: "null",
}


@pytest.mark.parametrize("value", LITERALS)
def test_a_literal_is_exactly_itself(value):
    assert shape(exactly(value)) == LITERALS[value]


def test_a_literal_object_is_closed():
    assert shape(exactly({"a": [1, 2], "b": []})) == {"a": ["a whole number in [1, 2]"], "b": "a list"}


WORDS = [
    (ANY, "anything"),
    (Type(KINDS - {"null"}), "anything but null"),
    (NULL, "null"),
    (TEXT.or_null(), "text or null"),
    (NUMBER, "a number"),
    (INTEGER, "a whole number"),
    (listed(made_of({})), "a list of objects"),
    (listed(NUMBER), "a list of numbers"),
    (listed(listed()), "a list of lists"),
    (listed(), "a list"),
    (listed(TEXT.or_null()), "a list of texts"),
    (Type(frozenset({"other"})), "a date or bytes"),
    (Type(frozenset({"object", "text", "null"})), "text or an object or null"),
]


@pytest.mark.parametrize(("given_type", "said"), WORDS, ids=[said for _, said in WORDS])
def test_a_type_in_words(given_type, said):
    assert describe(given_type) == said


def test_a_schema_is_written_as_people_write_it():
    made = made_of({"a": Field(TEXT.or_null()), "b": Field(listed(NUMBER), False)}, "no")
    assert as_schema(made) == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "array", "items": {"type": "number"}}},
        "required": ["a"],
        "additionalProperties": False,
    }
