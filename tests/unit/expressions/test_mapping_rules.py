"""The rules of a mapping: missing is not null, types, formats, elements; language.md section 3 line by line."""

from decimal import Decimal

import pytest

from engine.expressions import Settings, compile_condition, compile_key, compile_mapping, evaluate, evaluate_mapping
from tests.unit.expressions.expression_tools import ZONE, frame, mapped

NULLS = Settings(timezone=ZONE, missing="null")
D = Decimal


class TestMissingIsNotNull:
    """An absent step of a plain path rejects, null goes on."""

    @pytest.mark.parametrize(
        ("value", "record", "absent"),
        [
            ("a", {}, "a"),
            ("a.b", {"a": {}}, "a.b"),
            ("a.b", {}, "a"),
            ("a.b", {"a": "text"}, "a.b"),
            ("a[0]", {"a": []}, "a[0]"),
            ("a[-1].b", {"a": [{}]}, "a[-1].b"),
            ('"a b"', {}, "a b"),
            ("a", [1], "a"),
            ("a", None, "a"),
            ({"$value": "a"}, {}, "a"),
            ({"$value": "a", "$required": True}, {"a": None}, "a"),
            ({"$field": "Código do Produto"}, {}, "Código do Produto"),
            ({"$each": "rows", "$map": "id"}, {}, "rows"),
            ({"$each": "rows", "$map": {"x": "id"}}, {"rows": [{}]}, "id"),
            ("{{ record.a }}", {}, "a"),
            ("{{ record.a.b }}!", {"a": {}}, "a.b"),
            ("{{ params.full }}", {}, "params.full"),
        ],
    )
    def test_rejects_naming_the_field(self, value, record, absent):
        code, message, where = mapped({"out": value}, record)
        assert (code, message) == ("missing-field", absent)
        assert where.startswith("mapping.out")

    def test_copy_rejects(self):
        assert mapped({"$copy": ["a"]}, {}) == ("missing-field", "a", "mapping.$copy")

    @pytest.mark.parametrize(
        ("value", "record", "expected"),
        [
            ("a", {"a": None}, None),
            ("a.b", {"a": None}, None),
            ("a[0]", {"a": None}, None),
            ({"$value": "a", "$required": False}, {}, None),
            ({"$value": "a", "$required": False, "$type": "integer"}, {}, None),
            ({"$value": "a", "$default": "x"}, {}, "x"),
            ({"$value": "a", "$default": "x"}, {"a": None}, "x"),
            ({"$value": "a", "$default": "x"}, {"a": ""}, ""),
            ({"$value": "{{ record.a }}", "$default": "x"}, {}, "x"),
            ({"$value": "a.b", "$default": 0, "$type": "decimal"}, {}, 0),
            ("a || 'x'", {}, "x"),
            ("[a, b]", {}, [None, None]),
            ("length(a || '')", {}, 0),
            ("{{ record.a | default('x') }}", {}, "x"),
            ("{{ record.a | default('x') }}", {"a": None}, "x"),
            ({"$each": "rows", "$map": "id", "$required": False}, {}, None),
            ({"$each": "rows", "$map": "id", "$default": []}, {"rows": None}, []),
        ],
    )
    def test_absence_accepted(self, value, record, expected):
        assert mapped({"out": value}, record) == {"out": expected}

    def test_missing_null_for_the_pipeline(self):
        assert mapped({"$copy": ["a"], "b": "x.y[0]"}, {}, NULLS) == {"a": None, "b": None}

    def test_template_stays_strict_under_missing_null(self):
        assert mapped({"a": "{{ record.a }}"}, {}, NULLS)[0] == "missing-field"


class TestValues:
    """Constants, objects, lists, names taken literally, elements."""

    def test_constants_are_themselves(self):
        mapping = {"n": 1, "d": D("1.50"), "b": True, "z": None, "l": [1, {"x": None}]}
        assert mapped(mapping, {}) == mapping

    def test_const_may_be_anything(self):
        value = {"a": [1, D("2.50"), {"b": "{{ not a template }}"}]}
        assert mapped({"x": {"$const": value}}, {}) == {"x": value}

    def test_constants_are_not_shared_between_records(self):
        first = mapped({"x": {"$const": {"a": []}}}, {})
        first["x"]["a"].append(1)
        assert mapped({"x": {"$const": {"a": []}}}, {}) == {"x": {"a": []}}

    def test_copy_beside_fields(self):
        assert mapped({"$copy": ["a", "b c"], "x": "a"}, {"a": 1, "b c": 2}) == {"a": 1, "b c": 2, "x": 1}

    def test_field_is_literal(self):
        assert mapped({"x": {"$field": "a.b"}}, {"a.b": 1}) == {"x": 1}

    def test_each_sees_the_element_and_templates_see_item_and_record(self):
        mapping = {"rows": {"$each": "items", "$map": {"sku": "id", "of": "{{ record.order }}/{{ item.id }}"}}}
        record = {"order": "o1", "items": [{"id": 1}, {"id": 2}]}
        assert mapped(mapping, record) == {"rows": [{"sku": 1, "of": "o1/1"}, {"sku": 2, "of": "o1/2"}]}

    def test_each_inside_each(self):
        mapping = {"$each": "a", "$map": {"$each": "b", "$map": "c"}}
        assert mapped(mapping, {"a": [{"b": [{"c": 1}, {"c": 2}]}, {"b": []}]}) == [[1, 2], []]

    def test_each_needs_a_list(self):
        assert mapped({"x": {"$each": "a", "$map": "b"}}, {"a": {}}) == (
            "type",
            "$each needs a list, got an object",
            "mapping.x",
        )

    def test_a_whole_mapping_may_be_an_expression(self):
        assert mapped("payload", {"payload": {"a": 1}}) == {"a": 1}

    def test_input_is_never_changed(self):
        record = {"a": {"b": [1]}}
        made = mapped({"a": "a"}, record)
        assert made == {"a": {"b": [1]}}
        assert record == {"a": {"b": [1]}}


class TestTypes:
    """Strict, and the same in every locale."""

    @pytest.mark.parametrize(
        ("kind", "value", "expected"),
        [
            ("string", 7, "7"),
            ("string", 341.0, "341.0"),
            ("string", 1e22, "10000000000000000000000"),
            ("string", D("1E+3"), "1000"),
            ("string", D("12.50"), "12.50"),
            ("string", True, "true"),
            ("string", "", ""),
            ("integer", "007", 7),
            ("integer", " -5 ", -5),
            ("integer", 7.0, 7),
            ("integer", D("7.00"), 7),
            ("number", "7", 7),
            ("number", "7.5", 7.5),
            ("number", "1e3", 1000.0),
            ("number", D("7.50"), D("7.50")),
            ("decimal", 12.5, D("12.5")),
            ("decimal", 0.1, D("0.1")),
            ("decimal", "12.50", D("12.50")),
            ("decimal", 3, D(3)),
            ("boolean", "TRUE", True),
            ("boolean", "0", False),
            ("boolean", 1, True),
            ("date", "2026-12-31", "2026-12-31"),
            ("date", "2026-12-31T23:30:00-05:00", "2027-01-01"),
            ("date", "2026-12-31T22:30:00", "2026-12-31"),
            ("datetime", "2026-12-31", "2026-12-31T00:00:00-03:00"),
            ("datetime", "2026-12-31 10:00:00", "2026-12-31T10:00:00-03:00"),
            ("datetime", "2026-12-31T10:00:00Z", "2026-12-31T10:00:00+00:00"),
            ("datetime", "2026-12-31T10:00:00.1234567+02:00", "2026-12-31T10:00:00.123456+02:00"),
            ("datetime", "2026-12-31T10:00:00,5 +0200", "2026-12-31T10:00:00.500000+02:00"),
            ("json", '{"a": [1, 2.5]}', {"a": [1, 2.5]}),
            ("json", {"a": 1}, {"a": 1}),
            ("json", "12", 12),
        ],
    )
    def test_converts(self, kind, value, expected):
        made = mapped({"x": {"$value": "a", "$type": kind}}, {"a": value})["x"]
        assert made == expected
        assert type(made) is type(expected)

    @pytest.mark.parametrize(
        ("kind", "value", "message"),
        [
            ("decimal", "R$ 12", "'R$ 12' is not a decimal"),
            ("decimal", "1.234,56", "'1.234,56' is not a decimal"),
            ("decimal", "NaN", "'NaN' is not a decimal"),
            ("decimal", "1e999", "'1e999' is not a decimal"),
            ("decimal", True, "true is not a decimal"),
            ("decimal", "１２", "'１２' is not a decimal"),
            ("integer", "7.0", "'7.0' is not a whole number"),
            ("integer", 7.5, "7.5 is not a whole number"),
            ("integer", "1_000", "'1_000' is not a whole number"),
            ("integer", True, "true is not a whole number"),
            ("number", "", "'' is not a number"),
            ("number", "inf", "'inf' is not a number"),
            ("number", "1e999", "'1e999' is not a number"),
            ("boolean", "yes", "'yes' is not true or false"),
            ("boolean", 2, "2 is not true or false"),
            ("string", [1], "a list is not text"),
            ("date", "31/12/2026", "'31/12/2026' is not a date (ISO 8601, such as 2026-12-31)"),
            ("date", "2026-02-30", None),
            ("datetime", "20260101T000000Z", None),
            ("datetime", 1700000000, None),
            ("json", "{a: 1}", "'{a: 1}' is not JSON"),
            ("json", "NaN", "'NaN' is not JSON"),
            ("json", "1e999", "'1e999' is not JSON"),
            ("json", "[" * 100_000, None),
        ],
    )
    def test_refuses(self, kind, value, message):
        code, found, where = mapped({"x": {"$value": "a", "$type": kind}}, {"a": value})
        assert (code, where) == ("type", "mapping.x")
        assert message is None or found == message

    def test_null_keeps_being_null(self):
        assert mapped({"x": {"$value": "a", "$type": "integer"}}, {"a": None}) == {"x": None}

    @pytest.mark.parametrize(
        ("field", "value", "expected"),
        [
            ({"$type": "decimal", "$format": "0.00"}, "12.345", "12.35"),
            ({"$type": "decimal", "$format": "0.00"}, "-0.004", "0.00"),
            ({"$format": "#.##0,00"}, 1234567.891, "1.234.567,89"),
            ({"$format": "R$ #.##0,00"}, -1234.5, "R$ -1.234,50"),
            ({"$format": "000000"}, 42, "000042"),
            ({"$type": "decimal", "$scale": 2}, "2.675", D("2.68")),
            ({"$type": "decimal", "$scale": 2}, "2.665", D("2.67")),
            ({"$type": "number", "$scale": 1}, 2.25, 2.3),
            ({"$scale": 0}, 2.5, D(3)),
            ({"$type": "date", "$format": "%d/%m/%Y"}, "2026-12-31", "31/12/2026"),
            ({"$type": "datetime", "$format": "%Y%m%d%H%M%S%z"}, "2026-12-31T10:00:00Z", "20261231100000+0000"),
        ],
    )
    def test_scale_and_format(self, field, value, expected):
        made = mapped({"x": {"$value": "a", **field}}, {"a": value})["x"]
        assert made == expected
        assert type(made) is type(expected)


class TestTemplates:
    """Jinja: native single values, text otherwise, exact arithmetic, keys before attributes."""

    @pytest.mark.parametrize(
        ("text", "record", "expected"),
        [
            ("{{ record.a }}", {"a": "341"}, "341"),
            ("{{ record.a }}", {"a": [1]}, [1]),
            ("  {{ record.a }}  ", {"a": " x "}, " x "),
            (" {{ record.a }} {{ record.a }} ", {"a": "x"}, "x x"),
            ("{{ record.items }}", {"items": 5}, 5),
            ("{{ record['items'][0].keys }}", {"items": [{"keys": 1}]}, 1),
            ("n {{ record.a }}", {"a": True}, "n true"),
            ("n {{ record.a }}", {"a": 1e22}, "n 10000000000000000000000"),
            ("n {{ record.a }}", {"a": D("1.50")}, "n 1.50"),
            ("{{ record.a * record.b }}", {"a": D("0.1"), "b": 3}, D("0.3")),
            ("{{ record.a * 1.1 }}", {"a": D("10.10")}, D("11.110")),
            ("{{ 0.1 + 0.2 }}", {}, 0.3),
            ("{{ 3 * 1.1 }}", {}, 3.3),
            ("{{ 7 / 2 }}", {}, 3.5),
            ("{{ 7 // 2 }} {{ 7 % 2 }}", {}, "3 1"),
            ("{{ record.a == 12.1 }}", {"a": D("12.1")}, True),
            ("{{ record.a > 12 and record.a < 12.2 }}", {"a": D("12.1")}, True),
            ("{{ record.rows | sum('price') }}", {"rows": [{"price": 0.1}, {"price": 0.2}]}, 0.3),
            ("{{ record.rows | map(attribute='id') | join('-') }}", {"rows": [{"id": 1}, {"id": 2}]}, "1-2"),
            ("{{ record.rows | selectattr('ok') | length }}", {"rows": [{"ok": True}, {}]}, 1),
            ("{{ record.rows | selectattr('n', 'gt', 1) | list }}", {"rows": [{"n": 1}, {"n": 2}]}, [{"n": 2}]),
            ("{{ {'a': record.a, 'b': [1, 2]} }}", {"a": 1}, {"a": 1, "b": [1, 2]}),
            ("{% for r in record.rows %}{{ loop.index }}{{ r }} {% endfor %}", {"rows": ["a", "b"]}, "1a 2b"),
            ("{% for r in record.rows if r > 1 %}{{ r }}{% else %}none{% endfor %}", {"rows": [1]}, "none"),
            ("{% if record.a is defined %}yes{% else %}no{% endif %}", {}, "no"),
            ("{{ record.a.upper() }}", {"a": "x"}, "X"),
            ("{{ record.get('a', 'none') }}", {}, "none"),
            ("{{ record.a[1:] }}", {"a": [1, 2, 3]}, [2, 3]),
            ("{{ 'a' in record.a }}", {"a": ["a"]}, True),
            ("{{ record.a ~ 1 ~ 'x' }}", {"a": "a"}, "a1x"),
            ("{{ record.a | tojson }}", {"a": {"x": D("1.50"), "y": "ç", "z": None}}, '{"x":1.50,"y":"ç","z":null}'),
            ("{{ record.a | int }}", {"a": "12"}, 12),
            ("{{ record.a | int(0) }}", {"a": "x"}, 0),
            ("{{ now() }}", {}, "2026-01-02T00:04:05-03:00"),
            ("{{ today() }}", {}, "2026-01-02"),
            ("{{ meta.file }} {{ run.id }} {{ vars.shop }} {{ trigger.body.x }}", {}, "in.csv r1 s1 1"),
        ],
    )
    def test_gives(self, text, record, expected):
        made = mapped({"x": text}, record)
        assert made == {"x": expected}
        assert type(made["x"]) is type(expected)

    @pytest.mark.parametrize(
        ("text", "record", "code"),
        [
            ("n {{ record.a }}", {"a": None}, "null-in-text"),
            ("n {{ record.a }}", {"a": [1]}, "type"),
            ("{{ record.a + record.b }}", {"a": "1", "b": 2}, "type"),
            ("{{ record.a / 0 }}", {"a": 1}, "type"),
            ("{{ record.a | upper }}", {"a": None}, "type"),
            ("{{ record.a < record.b }}", {"a": "1", "b": 2}, "type"),
            ("{{ record.a | int }}", {"a": "x"}, "type"),
            ("{{ 'a' if record.a }}", {"a": 0}, "missing-field"),
            ("{{ [record.a] }}", {}, "missing-field"),
            ("{{ record.a | join }}", {"a": "abc"}, "type"),
            ("{% for x in record.a %}{{ x }}{% endfor %}", {"a": "abc"}, "type"),
            ("{{ record.a() }}", {"a": "x"}, "type"),
            ("{{ record.items() }}", {"items": 1}, None),
        ],
    )
    def test_rejects(self, text, record, code):
        made = mapped({"x": text}, record)
        assert isinstance(made, dict) if code is None else made[0] == code


class TestConditions:
    """True or false; anything else rejects."""

    @pytest.mark.parametrize(
        ("text", "record", "expected"),
        [
            ("a == `1`", {"a": D("1.0")}, True),
            ("a", {"a": False}, False),
            (True, {}, True),
            ("{{ record.a == 1 }}", {"a": 1}, True),
            ("{{ params.full }}", {}, True),
            ("!a", {}, True),
        ],
    )
    def test_gives(self, text, record, expected):
        run = compile_condition(text, ("filters", 0), Settings())
        assert run(record, {}, record, frame(full=True)) is expected

    @pytest.mark.parametrize(
        ("text", "record", "code"),
        [
            ("a", {"a": 1}, "condition"),
            ("a", {"a": None}, "condition"),
            ("a", {}, "missing-field"),
            ("a && b", {"a": True, "b": "x"}, "condition"),
            ("a > `1`", {}, "condition"),
            ("a > `1`", {"a": "2"}, "type"),
            ("{{ record.a }}", {"a": "true"}, "condition"),
        ],
    )
    def test_rejects(self, text, record, code):
        from engine.errors import RecordError

        run = compile_condition(text, ("filters", 0), Settings())
        with pytest.raises(RecordError) as caught:
            run(record, {}, record, frame())
        assert (caught.value.code, caught.value.where) == (code, "filters[0]")


class TestKeys:
    """Text; equal values give equal keys; null, missing and empty reject."""

    @pytest.mark.parametrize(
        ("key", "record", "expected"),
        [
            ("id", {"id": 7}, "7"),
            ("id", {"id": 7.0}, "7"),
            ("id", {"id": D("7.00")}, "7"),
            ("id", {"id": D("0.10")}, "0.1"),
            ("id", {"id": 10**30}, "1" + "0" * 30),
            ("id", {"id": 1e21}, "1000000000000000000000"),
            ("id", {"id": "007"}, "007"),
            ("id", {"id": True}, "true"),
            (["a", "b"], {"a": "x|y", "b": 1}, "x\\|y|1"),
            ("{{ record.a }}-{{ record.b }}", {"a": 1, "b": 2}, "1-2"),
            ("sha256(id)", {"id": "a"}, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ],
    )
    def test_gives(self, key, record, expected):
        assert compile_key(key, ("target", "key"), Settings())(record, {}, record, frame()) == expected

    @pytest.mark.parametrize(
        ("key", "record", "code"),
        [
            ("id", {}, "missing-key"),
            ("id", {"id": None}, "missing-key"),
            ("id", {"id": ""}, "missing-key"),
            ("{{ record.id }}", {}, "missing-key"),
            (["a", "b"], {"a": 1, "b": None}, "missing-key"),
            ("id", {"id": [1]}, "type"),
            ("id", {"id": float("inf")}, "type"),
        ],
    )
    def test_rejects(self, key, record, code):
        from engine.errors import RecordError

        with pytest.raises(RecordError) as caught:
            compile_key(key, ("target", "key"), Settings())(record, {}, record, frame())
        assert caught.value.code == code
        assert caught.value.where.startswith("target.key")


class TestOmitNull:
    """``omit_null`` leaves null fields out, at any depth, with a mapping or alone."""

    def test_with_a_mapping(self):
        stage = compile_mapping({"a": "a", "b": {"c": "a", "d": "b"}}, ("target", "mapping"), Settings(omit_null=True))
        assert stage.apply([{"a": None, "b": 1}], [{}], [{}], frame()).records == [{"b": {"d": 1}}]

    def test_alone(self):
        stage = compile_mapping(None, ("target",), Settings(omit_null=True))
        record = {"a": None, "b": [None, {"c": None}]}
        assert stage.apply([record], [{}], [record], frame()).records == [{"b": [None, {}]}]
        assert record == {"a": None, "b": [None, {"c": None}]}

    def test_input_is_the_record_as_the_source_gave_it(self):
        stage = compile_mapping({"x": "{{ input.raw }}", "y": "a"}, ("target", "mapping"), Settings())
        assert stage.apply([{"a": 1}], [{}], [{"raw": 2}], frame()).records == [{"x": 2, "y": 1}]


def test_eval_of_an_expression_takes_missing_as_null():
    assert evaluate("a.b", Settings())({}) is None
    assert evaluate("{{ record.a + 1 }}", Settings())({"a": 1}) == 2


def test_eval_of_a_mapping_follows_the_rules_of_a_run():
    from engine.errors import RecordError

    run = evaluate_mapping({"a": "a", "n": "{{ now() }}"}, Settings(clock=lambda: frame().now))
    assert run({"a": 1}) == {"a": 1, "n": "2026-01-02T03:04:05+00:00"}
    with pytest.raises(RecordError):
        run({})
