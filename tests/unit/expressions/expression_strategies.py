"""Hypothesis strategies for JMESPath expressions and the documents they run on."""

import json

from hypothesis import strategies as st

NAMES = ["a", "b", "c", "items", "name"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**20, 2**63]),
    st.sampled_from([0.0, -1.5, 0.1, 2.0, 1e300]),
    st.sampled_from(["", "a", "b", "ab", "10", "1.5", "ç", "A b"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=12,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), max_size=4)
NUMBER_LISTS = st.lists(st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 2.0])), max_size=4)
TEXT_LISTS = st.lists(st.sampled_from(["", "a", "b", "ab"]), max_size=4)
DOCUMENTS = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={"a": VALUES, "b": NUMBER_LISTS, "c": TEXT_LISTS, "items": ROWS, "name": SCALARS},
    ),
    VALUES,
)


def _literal(value):
    return "`" + json.dumps(value).replace("`", "\\`") + "`"


NAME = st.sampled_from([*NAMES, '"name"', '"no such"'])
LITERALS = st.one_of(VALUES.map(_literal), st.sampled_from(["'a'", "'ab'", "''", "`0`", "`1`", "`true`", "`null`"]))
INDEX = st.one_of(
    st.integers(-3, 3).map(lambda number: f"[{number}]"),
    st.sampled_from(["[1:]", "[:2]", "[::-1]", "[-2:]", "[0:3:2]", "[*]", "[]"]),
)
LEAVES = st.one_of(NAME, st.just("@"), LITERALS, st.builds("{}{}".format, NAME, INDEX))

ONE = ["abs", "avg", "ceil", "floor", "keys", "length", "max", "min", "reverse", "sort", "sum", "to_array"]
ONE += ["to_number", "to_string", "type", "values"]
TWO = ["contains", "ends_with", "join", "starts_with"]
MANY = ["merge", "not_null"]
BY = ["max_by", "min_by", "sort_by"]
COMPARES = ["==", "!=", "<", "<=", ">", ">="]


def _grow(inner):
    step = st.one_of(
        NAME,
        st.builds("{{{}: {}, x: {}}}".format, NAME, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.just("*"),
    )
    return st.one_of(
        st.builds("({}).{}".format, inner, step),
        st.builds("{}.{}".format, NAME, step),
        st.builds("({}){}".format, inner, INDEX),
        st.builds("({}){}.{}".format, inner, st.sampled_from(["[*]", "[]", "[1:]"]), step),
        st.builds("{}[?{}]".format, NAME, inner),
        st.builds("({})[?{} {} {}].{}".format, inner, inner, st.sampled_from(COMPARES), inner, step),
        st.builds("({}).*.{}".format, inner, step),
        st.builds("{} {} {}".format, inner, st.sampled_from(COMPARES), inner),
        st.builds("{} || {}".format, inner, inner),
        st.builds("{} && {}".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("{} | {}".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{{}: {}}}".format, NAME, inner),
        st.builds("{}({})".format, st.sampled_from(ONE), inner),
        st.builds("{}({}, {})".format, st.sampled_from(TWO), inner, inner),
        st.builds("{}({}, {})".format, st.sampled_from(MANY), inner, inner),
        st.builds("map(&{}, {})".format, st.builds("({})".format, inner), inner),
        st.builds("{}({}, &({}))".format, st.sampled_from(BY), inner, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, _grow, max_leaves=8)
