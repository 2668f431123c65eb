"""What is sent, against what is wanted: every misfit with its field, and none where it may be right."""

import json
from decimal import Decimal

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expressions.types.fits import misfits
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import (
    ANY,
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    SOME,
    TEXT,
    Field,
    Type,
    listed,
    made_of,
)
from engine.expressions.types.of_values import exactly
from engine.expressions.types.words import as_schema
from tests.unit.expressions.type_strategies import CLOSED_TYPES, values_of

WANTED = made_of(
    {
        "external_id": Field(TEXT),
        "amount": Field(NUMBER),
        "label": Field(Type(TEXT.kinds | NULL.kinds, longest=5), False),
        "kind": Field(Type(TEXT.kinds, choices=("DEBIT", "CREDIT")), False),
        "count": Field(INTEGER, False),
        "lines": Field(listed(made_of({"sku": Field(TEXT)}, known_from="ImportInput")), False),
        "date": Field(TEXT.or_null(), False),
    },
    known_from="ImportInput",
)
GOOD = {"external_id": Field(TEXT), "amount": Field(NUMBER)}


def told(wanted=WANTED, further="no", **fields):
    """Return what does not fit, as (path, code, certain)."""
    sent = made_of({**GOOD, **fields}, further)
    return [(one.path, one.code, one.certain) for one in misfits(sent, wanted)]


FITS = {
    "what is required": {},
    "a whole number for a number": {"amount": Field(INTEGER)},
    "a number for a whole number": {"count": Field(NUMBER)},
    "anything": {"kind": Field(ANY), "lines": Field(ANY)},
    "anything that is not null": {"external_id": Field(SOME)},
    "null where it may be": {"label": Field(TEXT.or_null()), "date": Field(NULL)},
    "what may be absent and may be left out": {"label": Field(TEXT, False)},
    "a date of a driver": {"external_id": Field(Type(frozenset({"other"})))},
    "a text of unknown length": {"label": Field(TEXT)},
    "a text that is short enough": {"label": Field(exactly("ab"))},
    "a choice": {"kind": Field(exactly("DEBIT"))},
    "a text of which no choices are known": {"kind": Field(TEXT)},
    "a list of anything": {"lines": Field(listed())},
    "a list of what is wanted": {"lines": Field(listed(made_of({"sku": Field(TEXT)})))},
    "an unknown answer where text is wanted": {"external_id": Field(ANY, False)},
}


@pytest.mark.parametrize("name", FITS)
def test_this_fits(name):
    assert told(**FITS[name]) == []


ID = ("external_id",)
MISFITS = {
    "another kind": ({"external_id": Field(INTEGER)}, [(ID, "type-mismatch", True)]),
    "a list where one is wanted": ({"external_id": Field(listed(TEXT))}, [(ID, "type-mismatch", True)]),
    "one where a list is wanted": ({"lines": Field(TEXT)}, [(("lines",), "type-mismatch", True)]),
    "several kinds, one of which is right": (
        {"external_id": Field(Type(TEXT.kinds | INTEGER.kinds))},
        [(ID, "type-mismatch", False)],
    ),
    "elements of another kind": ({"lines": Field(listed(TEXT))}, [(("lines", "*"), "type-mismatch", True)]),
    "null": ({"external_id": Field(TEXT.or_null())}, [(ID, "null-possible", False)]),
    "only null": ({"external_id": Field(NULL)}, [(ID, "null-possible", False)]),
    "null in a field that may be left out": ({"kind": Field(TEXT.or_null())}, [(("kind",), "null-possible", False)]),
    "absence": ({"external_id": Field(TEXT, False)}, [(ID, "null-possible", False)]),
    "absence and null are one": ({"external_id": Field(TEXT.or_null(), False)}, [(ID, "null-possible", False)]),
    "another kind or null": (
        {"external_id": Field(INTEGER.or_null())},
        [(ID, "type-mismatch", True)],
    ),
    "an unknown field": ({"extern_id": Field(TEXT)}, [(("extern_id",), "unknown-field", True)]),
    "an unknown field that comes sometimes": ({"x": Field(TEXT, False)}, [(("x",), "unknown-field", False)]),
    "a missing field of an element": (
        {"lines": Field(listed(made_of({"ski": Field(TEXT)})))},
        [(("lines", "*", "sku"), "missing-required", True), (("lines", "*", "ski"), "unknown-field", True)],
    ),
    "a text that is too long": ({"label": Field(exactly("abcdef"))}, [(("label",), "too-long", True)]),
    "a text that may be too long": ({"label": Field(Type(TEXT.kinds, longest=9))}, [(("label",), "too-long", False)]),
    "a text that is none of the choices": ({"kind": Field(exactly("debit"))}, [(("kind",), "not-a-choice", True)]),
    "a text that may be none": (
        {"kind": Field(Type(TEXT.kinds, choices=("DEBIT", "x")))},
        [(("kind",), "not-a-choice", False)],
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_this_does_not_fit(name):
    fields, expected = MISFITS[name]
    assert told(**fields) == expected


def test_what_is_not_sent_is_missing_as_far_as_that_is_known():
    assert [(one.path, one.code, one.certain) for one in misfits(made_of({"amount": Field(NUMBER)}), WANTED)] == [
        (ID, "missing-required", True)
    ]
    unsaid = made_of({"amount": Field(NUMBER)}, "unsaid")
    assert [one.certain for one in misfits(unsaid, WANTED)] == [False]
    assert list(misfits(made_of({"amount": Field(NUMBER)}, "yes"), WANTED)) == []
    assert list(misfits(ANY, WANTED)) == []


def test_an_unknown_field_is_sure_only_where_the_target_is_closed():
    for further, expected in (("unsaid", [(("x",), "unknown-field", False)]), ("yes", [])):
        assert told(made_of(dict(WANTED.fields), further), x=Field(TEXT)) == expected
    assert list(misfits(made_of({"x": Field(TEXT)}), made_of({}, "unsaid"))) == []


def test_the_words_say_what_to_do():
    sent = made_of({"extern_id": Field(TEXT), "amount": Field(TEXT), "kind": Field(exactly("debit"))})
    words = {one.path: (one.message, one.hint) for one in misfits(sent, WANTED)}
    assert words == {
        ID: ("'external_id' is required in ImportInput and is not sent", "'extern_id' is sent; is that it?"),
        ("extern_id",): ("there is no field 'extern_id' in ImportInput", "did you mean 'external_id'?"),
        ("amount",): ("'amount' is text, and a number is wanted", "read it as a number with $type: decimal"),
        ("kind",): ("'kind' is 'debit', which is none of the choices", "did you mean 'DEBIT'?"),
    }


def test_a_misfit_stands_at_the_node_of_the_mapping_that_makes_the_field():
    record = made_of({"id": Field(INTEGER), "items": Field(listed(made_of({"n": Field(INTEGER)})))})
    mapping = {"external_id": "id", "lines": {"$each": "items", "$map": {"sku": "n"}}}
    mapped = Follower(record).mapped(mapping, ("mapping",))
    found = {one.path: mapped.place(one.path) for one in misfits(mapped.record, WANTED)}
    assert found == {
        ("external_id",): ("mapping", "external_id"),
        ("amount",): ("mapping",),
        ("lines", "*", "sku"): ("mapping", "lines", "$map", "sku"),
    }


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_fits_is_taken_and_what_certainly_does_not_is_refused(data):
    """Against JSON Schema: no misfit at all means every value is valid; a certain one means that none is."""
    sent, wanted = data.draw(CLOSED_TYPES), data.draw(CLOSED_TYPES)
    if data.draw(st.booleans()):
        sent = made_of({**wanted.fields, **dict(list(sent.fields.items())[:1])})
    found = list(misfits(sent, wanted))
    value = json.loads(json.dumps(data.draw(values_of(sent, 1)), default=lambda one: float(one)))
    valid = jsonschema_rs.is_valid(as_schema(wanted), value)
    if any(one.certain and len(one.path) == 1 for one in found):
        present = {
            one.path[0] for one in found if one.certain and len(one.path) == 1 and one.code != "missing-required"
        }
        if not present or any(value.get(name) is not None for name in present):
            assert not valid, (sent, wanted, value, found)
    elif not found and not _loose(sent, wanted):
        assert valid, (sent, wanted, value)


def _loose(sent: Type, wanted: Type) -> bool:
    """Whether something is left open on purpose: kinds in part, lengths, choices, fractions for whole numbers."""
    if not sent.kinds <= wanted.kinds or (wanted.choices and not sent.choices):
        return True
    if wanted.longest is not None and sent.longest is None and not sent.choices:
        return True
    inner = [(sent.fields[name].type, field.type) for name, field in wanted.fields.items() if name in sent.fields]
    inner += [(sent.items, wanted.items)] if sent.items is not None and wanted.items is not None else []
    return any(_loose(one, other) for one, other in inner)


def test_decimals_and_flags_are_choices_by_value():
    wanted = made_of({"a": Field(Type(frozenset({"integer", "number", "boolean"}), choices=(1, 2)))})
    assert list(misfits(made_of({"a": Field(exactly(Decimal("1")))}), wanted)) == []
    assert [one.code for one in misfits(made_of({"a": Field(exactly(True))}), wanted)] == ["not-a-choice"]
    assert [one.code for one in misfits(made_of({"a": Field(BOOLEAN)}), WANTED)][-1:] == ["unknown-field"]
