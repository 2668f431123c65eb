"""What is inferred is true: no error means the result is of the type; an error means no record gets through."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.errors import RecordError
from engine.expressions import Invalid, Settings, compile_steps, evaluate_mapping
from engine.expressions.types import calls, mapping, narrowing, queries, report, steps
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import ANY, TEXT
from engine.pipeline import Frame
from tests.unit.expressions.expression_strategies import EXPRESSIONS
from tests.unit.expressions.type_strategies import (
    CLOSED_TYPES,
    JINJA_PATHS,
    LITERALS,
    NAME,
    OPEN_TYPES,
    PATHS,
    RECORD_TYPES,
    TEMPLATES,
    closed,
    conforms,
    fields_of,
    mappings,
    over,
    values_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REJECT = Settings(clock=lambda: NOW)
LENIENT = Settings(clock=lambda: NOW, missing="null")
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
REJECTED = object()


@dataclass(frozen=True)
class Step:
    kind: str
    body: Any
    path: tuple[str | int, ...]


def outcome(run: Callable[[Any], Any], record: Any) -> Any:
    """Return the value, or that the record is rejected."""
    try:
        return run(record)
    except RecordError:
        return REJECTED


def inferred(record_type, value, chosen=REJECT):
    """Return the type of a mapping and whether there is an error."""
    follower = Follower(record_type, chosen)
    made = follower.value(value, ("mapping",))
    return made, [issue for issue in follower.issues if issue.severity == "error"]


def holds_for(data, record_type, value, chosen=REJECT):
    """Check one mapping on one record of a type: without an error the result is of the inferred type."""
    value = over(data, record_type, value)
    try:
        run = evaluate_mapping(value, chosen)
    except Invalid:
        return
    made, errors = inferred(record_type, value, chosen)
    if errors:
        return
    record = data.draw(values_of(record_type))
    got = outcome(run, record)
    assert got is REJECTED or conforms(got, made, closed(record_type)), (value, record, got, made)


def expressions_sound(data):
    """JMESPath of every kind."""
    holds_for(data, data.draw(RECORD_TYPES), data.draw(EXPRESSIONS), data.draw(st.sampled_from([REJECT, LENIENT])))


def paths_sound(data):
    """Plain paths, and fields with ``$`` keys over them."""
    value = data.draw(st.one_of(PATHS, fields_of(PATHS), st.builds("{} || {}".format, PATHS, LITERALS)))
    holds_for(data, data.draw(RECORD_TYPES), value, data.draw(st.sampled_from([REJECT, LENIENT])))


def templates_sound(data):
    """Jinja, alone and in fields."""
    value = data.draw(st.one_of(TEMPLATES, TEMPLATES, fields_of(TEMPLATES)))
    holds_for(data, data.draw(RECORD_TYPES), value, data.draw(st.sampled_from([REJECT, LENIENT])))


def mappings_sound(data):
    """Objects, lists, ``$each`` and ``$copy``."""
    value = data.draw(mappings(st.one_of(PATHS, TEMPLATES)))
    holds_for(data, data.draw(RECORD_TYPES), value, data.draw(st.sampled_from([REJECT, LENIENT])))


CONDITIONS = st.one_of(
    PATHS,
    st.builds("{} != null".format, PATHS).map(lambda text: text.replace("null", "`null`")),
    st.builds("{} == `null`".format, PATHS),
    st.builds("{} == {}".format, PATHS, LITERALS),
    st.builds("{} > `0`".format, PATHS),
    st.builds("!({} == {})".format, PATHS, LITERALS),
    st.builds("{} != `null` && {} == {}".format, PATHS, PATHS, LITERALS),
    st.builds("{{{{ {} is not none }}}}".format, JINJA_PATHS),
    st.builds("{{{{ {} is defined }}}}".format, JINJA_PATHS),
    st.builds("{{{{ {} is defined and {} != none }}}}".format, JINJA_PATHS, JINJA_PATHS),
    st.builds("{{{{ not ({} is none) }}}}".format, JINJA_PATHS),
)
SIMPLE_STEPS = st.one_of(
    st.tuples(st.just("filter"), CONDITIONS),
    st.tuples(st.just("check"), CONDITIONS.map(lambda that: {"that": that, "message": "no"})),
    st.tuples(st.just("set"), st.dictionaries(NAME, mappings(PATHS), min_size=1, max_size=2)),
    st.tuples(st.just("remove"), st.lists(NAME, min_size=1, max_size=2)),
    st.tuples(st.just("map"), st.dictionaries(NAME, mappings(PATHS), min_size=1, max_size=3)),
    st.tuples(st.just("split"), st.one_of(NAME, st.builds("{}[]".format, NAME))),
)


def _cases(inner):
    case = st.builds(
        lambda when, made: {"when": when, "steps": [dict([one]) for one in made]},
        CONDITIONS,
        st.lists(inner, max_size=2),
    )
    other = st.lists(inner, max_size=1).map(lambda made: [{"else": [dict([one]) for one in made]}])
    return st.tuples(
        st.just("switch"),
        st.builds(lambda some, last: some + last, st.lists(case, min_size=1, max_size=2), other | st.just([])),
    )


STEPS = st.one_of(SIMPLE_STEPS, _cases(SIMPLE_STEPS))


def steps_sound(data):
    """Steps of every kind, one after the other."""
    steps_hold(data, data.draw(RECORD_TYPES), data.draw(st.lists(STEPS, min_size=1, max_size=4)))


def steps_hold(data, record_type, drawn):
    """Check steps on one record of a type."""
    bodies = over(data, record_type, drawn)
    written = [Step(kind, body, ("steps", at, kind)) for at, (kind, body) in enumerate(bodies)]
    try:
        run = compile_steps(written, REJECT)
    except Invalid:
        return
    follower = Follower(record_type, REJECT)
    last = follower.steps(written)[-1].follower
    if any(issue.severity == "error" for issue in follower.issues):
        return
    records: list[Any] = [data.draw(values_of(record_type))]
    frame = Frame({}, {}, {}, {}, NOW, UTC)
    for stage in run:
        records = list(stage.apply(records, [{}] * len(records), records, frame).records)
    assert all(conforms(record, last.record, closed(record_type)) for record in records), (bodies, records, last.record)


def says_nothing(value: Any) -> bool:
    """Whether a value tells nothing of the record: null, or an object or list of nothing."""
    if isinstance(value, (list, tuple)):
        return all(map(says_nothing, value))
    if isinstance(value, dict):
        return all(map(says_nothing, value.values()))
    return value is None


LIST_FUNCTIONS = ["sum", "max", "sort", "avg", "join"]
TESTED = st.one_of(
    PATHS,
    st.builds("{}[*].{}".format, NAME, NAME),
    st.builds(
        "{}(({}))".format, st.sampled_from(["upper", "length", "abs", "keys", "sum", "max", "ceil", "sort"]), PATHS
    ),
    st.builds("{}({}, {})".format, st.sampled_from(["starts_with", "contains", "pad"]), PATHS, LITERALS),
    st.builds("{} {} {}".format, PATHS, st.sampled_from(["<", ">=", "==", "!="]), LITERALS),
    st.builds("sort_by({}, &{})".format, NAME, NAME),
    st.builds("sum({}[*].{})".format, NAME, NAME),
    st.builds("{}[?{} == {}]".format, NAME, NAME, LITERALS),
    fields_of(PATHS).filter(lambda field: "$default" not in field),
    st.builds(lambda each, name: {"$each": each, "$map": name}, PATHS, NAME),
    st.builds("{{{{ {} }}}}".format, JINJA_PATHS),
    st.builds("{{{{ {} {} {} }}}}".format, JINJA_PATHS, st.sampled_from(["+", "-", "<", "==", "!="]), JINJA_PATHS),
    st.builds("{{{{ {} | {} }}}}".format, JINJA_PATHS, st.sampled_from(["upper", "length", "abs", "sum('a')", "int"])),
    st.builds("x {{{{ {} }}}}".format, JINJA_PATHS),
    st.builds("{{% for i in {} %}}{{{{ i.{} }}}}{{% endfor %}}".format, JINJA_PATHS, NAME),
)


def errors_certain(data):
    """Where there is an error, no record gets through, or it gives null, or 0, true or false whatever the record is."""
    certain(data, data.draw(RECORD_TYPES), data.draw(TESTED))


def certain(data, record_type, drawn):
    """Check on four records of a type that an error is one."""
    value = over(data, record_type, drawn)
    try:
        run = evaluate_mapping(value, REJECT)
    except Invalid:
        return
    _, errors = inferred(record_type, value)
    if not errors:
        return
    found = [outcome(run, data.draw(values_of(record_type, 1))) for _ in range(4)]
    through = [one for one in found if one is not REJECTED and not says_nothing(one)]
    assert all(one == through[0] and one in (True, False) for one in through), (value, record_type, found, errors)


def queries_sound(data):
    """One path, in JMESPath."""
    value = data.draw(
        st.sampled_from(["(P0)", "[P0]", "{k: P0}", "P0 || P1", "P0 && P1", "not_null(P0)", "[P0, P1][]"])
    )
    holds_for(data, data.draw(CLOSED_TYPES), value)


def types_sound(data):
    """``$type`` over one path."""
    kind = data.draw(st.sampled_from(["string", "integer", "decimal", "boolean"]))
    holds_for(data, data.draw(CLOSED_TYPES), {"$value": "P0", "$type": kind})


def cases_sound(data):
    """One case, which not all records take."""
    record_type = data.draw(CLOSED_TYPES)
    case = {"when": data.draw(CONDITIONS), "steps": [{"map": {"a": {"$const": 1}}}]}
    steps_hold(data, record_type, [("switch", [case])])


def names_certain(data):
    """A name of a record, which may have further fields."""
    certain(data, data.draw(OPEN_TYPES), data.draw(NAME))


PROPERTIES = [expressions_sound, paths_sound, templates_sound, mappings_sound, steps_sound, errors_certain]
PROPERTIES += [queries_sound, types_sound, cases_sound, names_certain]


@pytest.mark.parametrize("check", PROPERTIES, ids=lambda check: check.__name__)
@settings(max_examples=120, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_what_is_inferred_is_true(check, data):
    check(data)


def falsified(check, examples=800) -> bool:
    """Whether the property finds a counterexample."""

    @settings(
        max_examples=examples,
        suppress_health_check=QUIET,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(st.data())
    def run(data):
        check(data)

    try:
        run()
    except AssertionError:
        return True
    return False


def _always_there(self, tree, given):
    found = given.fields.get(tree["value"])
    return ANY if found is None else found.type


def _strict_lookup(lookup):
    return lambda self, node, given, lenient: lookup(self, node, given, False)


def _turned(compared):
    return lambda tree, truth: compared(tree, not truth)


BROKEN = {
    "an optional field of JMESPath is never null": (queries_sound, queries.Queries, "_field", _always_there),
    "a lenient path is never null": (paths_sound, mapping.Values, "_lookup", _strict_lookup(mapping.Values._lookup)),
    "either of two is the first": (queries_sound, queries, "union", lambda one, other: one),
    "a case that is not taken is forgotten": (cases_sound, steps, "union", lambda one, other: one),
    "a condition holds the other way round": (steps_sound, narrowing, "_compared", _turned(narrowing._compared)),
    "an open object is closed": (names_certain, report, "CLOSED", "yes"),
    "every kind is wrong": (errors_certain, calls.kinds, "never", lambda given, wanted: True),
    "a $type changes nothing": (types_sound, mapping.Values, "_shaped", lambda self, node, given: given),
    "a function gives text": (expressions_sound, calls, "result", lambda *given: TEXT),
    "a removed field stays": (steps_sound, steps, "lacking", lambda record, path: record),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_the_property_finds_inference_that_is_broken(broken, monkeypatch):
    """Control: each of these mistakes in the inference is found."""
    check, owner, name, instead = BROKEN[broken]
    monkeypatch.setattr(owner, name, instead)
    if owner is queries.Queries:
        monkeypatch.setitem(queries._FOLLOW, "field", instead)
    assert falsified(check)
