"""Hypothesis strategies for types, for values of a type, and for what is written over them."""

import json
from decimal import Decimal

from hypothesis import strategies as st

from engine.expressions.types.acts import mark
from engine.expressions.types.model import ANY, BOOLEAN, INTEGER, KINDS, NUMBER, TEXT, Field, Type, listed, made_of

NAMES = ["a", "b", "c", "items", "name"]
CHOICES = [("x", "y"), (1, 2), ("x", 1), (True,)]


def _chosen(choices):
    kinds = {str: "text", int: "integer", bool: "boolean"}
    return Type(frozenset(kinds[type(one)] for one in choices), choices=choices)


SCALAR_TYPES = st.one_of(
    st.sampled_from([TEXT, INTEGER, NUMBER, BOOLEAN, Type(TEXT.kinds | INTEGER.kinds)]),
    st.sampled_from(CHOICES).map(_chosen),
    st.integers(1, 3).map(lambda longest: Type(TEXT.kinds, longest=longest)),
)


@st.composite
def objects(draw, inner, further):
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=2, max_size=5))
    fields = {name: Field(draw(inner), draw(st.sampled_from([True, True, False]))) for name in names}
    return made_of(fields, draw(st.sampled_from(further)))


def _nullable(types):
    return st.builds(lambda made, null: made.or_null() if null else made, types, st.sampled_from([False, False, True]))


def _types(further):
    return st.recursive(
        _nullable(SCALAR_TYPES),
        lambda inner: _nullable(st.one_of(inner.map(listed), objects(inner, further))),
        max_leaves=8,
    )


OPEN = ("no", "no", "unsaid", "yes")
OPEN_TYPES = objects(_types(OPEN), OPEN)
CLOSED_TYPES = objects(_types(("no",)), ("no",))
RECORD_TYPES = st.one_of(CLOSED_TYPES, OPEN_TYPES)

PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.sampled_from(["", "x", "12"]))


def values_of(given: Type, least: int = 0):
    """Draw values of a type; lists have at least *least* elements."""
    if given.any:
        return PLAIN
    parts = [st.none()] if given.nullable else []
    if given.choices:
        return st.one_of(*parts, st.sampled_from(given.choices))
    if "boolean" in given.kinds:
        parts.append(st.booleans())
    if "integer" in given.kinds:
        parts.append(st.integers(-3, 12))
    if "number" in given.kinds:
        parts.append(st.sampled_from([0.5, -1.25, 2.0, Decimal("1.10")]))
    if "text" in given.kinds:
        texts = ["", "x", "12", "a b", "2026-01-02", "longer text"]
        parts.append(st.sampled_from([text for text in texts if given.longest is None or len(text) <= given.longest]))
    if "list" in given.kinds:
        items = values_of(given.items, least) if given.items is not None else PLAIN
        parts.append(st.lists(items, min_size=least, max_size=3))
    if "object" in given.kinds:
        parts.append(_objects_of(given, least))
    return st.one_of(*parts)


@st.composite
def _objects_of(draw, given, least):
    made = {}
    for name, field in given.fields.items():
        if field.always or draw(st.booleans()):
            made[name] = draw(values_of(field.type, least))
    if given.further == "yes":
        others = [name for name in NAMES if name not in given.fields]
        made |= {name: draw(PLAIN) for name in others if draw(st.booleans())}
    if given.further != "no" and draw(st.booleans()):
        made["zz"] = draw(PLAIN)
    return made


def closed(given: Type) -> bool:
    """Whether all is known of a type."""
    inner = [field.type for field in given.fields.values()] + ([given.items] if given.items else [])
    return ("object" not in given.kinds or given.further == "no") and all(map(closed, inner))


def conforms(value, given: Type, nulls: bool = True) -> bool:
    """Whether a value is what a type says; without *nulls* as for what is made of something unknown: null may come."""
    if given.any or given.kinds >= KINDS - {"null"}:
        return True
    if value is None:
        return given.nullable or not nulls
    if given.choices and mark(value) not in {mark(choice) for choice in given.choices}:
        return False
    if isinstance(value, bool):
        return "boolean" in given.kinds
    if isinstance(value, int) or (isinstance(value, Decimal) and "." not in str(value)):
        return bool(given.kinds & {"integer", "number"})
    if isinstance(value, (float, Decimal)):
        return "number" in given.kinds
    if isinstance(value, str):
        return "text" in given.kinds and (given.longest is None or len(value) <= given.longest)
    if isinstance(value, list):
        return "list" in given.kinds and all(conforms(item, given.items or ANY, nulls) for item in value)
    if "object" not in given.kinds or (given.further == "no" and value.keys() - given.fields.keys()):
        return False
    needed = {name for name, field in given.fields.items() if field.always}
    return needed <= value.keys() and all(
        conforms(item, given.fields[name].type, nulls) for name, item in value.items() if name in given.fields
    )


# what is written over a record

NAME = st.sampled_from(NAMES)
MARKS = 4
PATHS = st.sampled_from([f"P{at}" for at in range(MARKS)])
"""Stand for paths of JMESPath, until the record is known: then ``over`` puts real ones there."""
JINJA_PATHS = st.sampled_from([f"J{at}" for at in range(MARKS)])
"""The same paths in templates."""
ANY_PATHS = st.lists(st.one_of(NAME, st.sampled_from([0])), min_size=1, max_size=3)


def paths_of(given: Type) -> list[list]:
    """Give the paths a type has, as steps."""
    found = []
    for name, field in given.fields.items():
        found.append([name])
        inner = field.type
        found += [[name, *rest] for rest in paths_of(inner)]
        if inner.items is not None:
            found += [[name, 0], *([name, 0, *rest] for rest in paths_of(inner.items))]
    return found


def over(data, given: Type, value):
    """Put paths into what was drawn: mostly such as the type has."""
    real = paths_of(given)
    chosen = []
    for _ in range(MARKS):
        steps = data.draw(st.one_of(*[st.sampled_from(real)] * 5, ANY_PATHS))
        steps = steps if isinstance(steps[0], str) else ["a", *steps]
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
        chosen.append((text[1:], "record" + text.replace(".items", "['items']")))
    return _put(value, chosen)


def _put(value, chosen):
    if isinstance(value, str):
        for at, (plain, template) in enumerate(chosen):
            value = value.replace(f"P{at}", plain).replace(f"J{at}", template)
        return value
    if isinstance(value, dict):
        return {key: _put(item, chosen) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_put(item, chosen) for item in value)
    return value


LITERALS = st.sampled_from(["'x'", "'12'", "`1`", "`true`", "'longer text'"])
JINJA_LITERALS = st.sampled_from(["'x'", "1", "0.5", "true", "[1, 2]", "none"])


def _jinja(inner):
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "~"]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["==", "!=", "<", ">=", "and", "or"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} | default({}))".format, inner, inner),
        st.builds(
            "({} | {})".format,
            inner,
            st.sampled_from(["length", "first", "last", "upper", "trim", "string", "int", "number", "abs", "list"]),
        ),
        st.builds("({} | {}('{}'))".format, inner, st.sampled_from(["sum", "min", "unique", "selectattr"]), NAME),
        st.builds("({} | map(attribute='{}') | {})".format, inner, NAME, st.sampled_from(["list", "first", "sum"])),
        st.builds("({} is {})".format, inner, st.sampled_from(["defined", "none", "not none", "string"])),
        st.builds("(not {})".format, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("dict_{}".format, inner).map(lambda text: "{'k': " + text.removeprefix("dict_") + "}"),
        st.builds("({} if {} is defined else 'x')".format, inner, JINJA_PATHS),
    )


JINJA = st.recursive(st.one_of(JINJA_PATHS, JINJA_PATHS, JINJA_LITERALS), _jinja, max_leaves=5)
TEMPLATES = st.one_of(
    JINJA.map("{{{{ {} }}}}".format),
    st.builds("t {{{{ {} }}}} u".format, JINJA),
    st.builds("{{% if {} %}}{{{{ {} }}}}{{% else %}}no{{% endif %}}".format, JINJA, JINJA),
    st.builds("{{% for i in {} %}}{{{{ i.{} }}}};{{% endfor %}}".format, JINJA_PATHS, NAME),
    st.builds("{{% set v = {} %}}{{{{ v }}}}".format, JINJA),
)
KINDS_OF_FIELDS = st.sampled_from(["string", "integer", "number", "decimal", "boolean", "date", "json"])
CONSTANTS = st.one_of(PLAIN, st.lists(PLAIN, max_size=2), st.dictionaries(NAME, PLAIN, max_size=2))


def fields_of(expressions):
    """Draw fields with ``$`` keys."""
    return st.fixed_dictionaries(
        {"$value": expressions},
        optional={
            "$type": KINDS_OF_FIELDS,
            "$default": CONSTANTS,
            "$required": st.booleans(),
        },
    )


def mappings(expressions):
    """Draw values of mappings over some expressions."""
    leaf = st.one_of(expressions, fields_of(expressions), CONSTANTS.map(lambda value: {"$const": value}))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.dictionaries(NAME, inner, min_size=1, max_size=3),
            st.lists(inner, max_size=2),
            st.builds(lambda each, body: {"$each": each, "$map": body}, expressions, inner),
            st.builds(lambda name, body: {"$copy": [name], "k": body}, NAME, inner),
        ),
        max_leaves=4,
    )


def literal(value) -> str:
    return "`" + json.dumps(value) + "`"
