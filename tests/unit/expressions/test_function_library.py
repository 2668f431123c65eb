"""Edges of the function library beyond the examples of the reference."""

import os
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RecordError
from engine.expressions import Settings, compile_expression
from engine.expressions.convert import to_decimal, to_text
from engine.expressions.keys import joined_key, key_part
from engine.expressions.library import library
from engine.expressions.library.documents import is_cnpj, is_cpf
from engine.expressions.library.numbers import format_number, parse_number, round_
from engine.expressions.library.patterns import compiled
from tests.unit.expressions.expression_tools import ZONE

HERE = Settings(timezone=ZONE)


def call(name, *arguments, given=HERE):
    function = library()[name]
    return function.call(*((given,) if function.needs == "settings" else ()), *arguments)


@pytest.mark.parametrize("name", sorted(set(library()) - {"now", "today", "concat"}))
def test_every_function_refuses_null_and_says_what_it_needs(name):
    function = library()[name]
    with pytest.raises(RecordError) as caught:
        call(name, *[None] * function.least)
    assert caught.value.code == "type"
    assert f"{name}() needs" in caught.value.message


@pytest.mark.parametrize("name", sorted(library()))
def test_every_function_has_a_summary(name):
    assert library()[name].summary.endswith(".")


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("pad", ("a", 10**9), "too-large"),
        ("pad", ("a", 5, "xy"), "type"),
        ("replace", ("a" * 1000, "a", "b" * 10_000), "too-large"),
        ("replace", ("a", "", "b"), "type"),
        ("split", ("a", ""), "type"),
        ("substring", ("a", 0, -1), "type"),
        ("round", (1.5, 10**9), "type"),
        ("round", (float("nan"),), "type"),
        ("parse_number", ("1.2.3", "pt_BR"), "type"),
        ("parse_number", ("12.34,5", "pt_BR"), "type"),
        ("parse_number", ("", "pt_BR"), "type"),
        ("parse_number", ("1", "klingon"), "type"),
        ("format_number", (1, "abc"), "type"),
        ("parse_date", ("31/02/2026", "%d/%m/%Y"), "type"),
        ("parse_date", ("2026", "%B"), "type"),
        ("parse_date", ("2026-01-01", "%Y-%m-%d", "Mars/Base"), "type"),
        ("date_add", ("2026-01-01", 1, "fortnights"), "type"),
        ("date_add", ("2026-01-01", 10**12, "days"), "type"),
        ("date_add", ("2026-01-01", 0.5, "month"), "type"),
        ("date_add", ("9999-12-31", 1, "years"), "type"),
        ("from_epoch", (10**18,), "type"),
        ("from_epoch", (0, "years"), "type"),
        ("to_timezone", ("0001-01-01T00:00:00Z", "America/Sao_Paulo"), "type"),
        ("uuid5", ("a", "nowhere"), "type"),
        ("base64_decode", ("%%%",), "type"),
        ("extract", ("a", "(a)", 2), "type"),
        ("matches", ("a" * 50_001, "a"), "too-large"),
        ("matches", ("a", "("), "type"),
        ("substitute", ("a", "a", "\\9"), "type"),
    ],
)
def test_refuses(name, arguments, code):
    with pytest.raises(RecordError) as caught:
        call(name, *arguments)
    assert caught.value.code == code


def test_days_keep_the_clock_and_hours_do_not_over_a_change_of_offset():
    berlin = Settings(timezone=__import__("zoneinfo").ZoneInfo("Europe/Berlin"))
    assert call("date_add", "2026-03-28T12:00:00", 1, "day", given=berlin) == "2026-03-29T12:00:00+02:00"
    assert call("date_add", "2026-03-28T12:00:00", 24, "hours", given=berlin) == "2026-03-29T13:00:00+02:00"


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [("2024-02-29", 12, "2025-02-28"), ("2026-12-31", 2, "2027-02-28"), ("2026-01-15", -1, "2025-12-15")],
)
def test_months_end_where_the_month_ends(start, months, end):
    assert call("date_add", start, months, "months") == end


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
@settings(max_examples=200, deadline=None)
def test_numbers_written_and_read_in_portuguese_are_the_same(number):
    assert parse_number(format_number(number, "#.##0,00"), "1.234,56") == number


@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.decimals(allow_nan=False, allow_infinity=False, places=5),
    )
)
@settings(max_examples=300, deadline=None)
def test_numbers_as_text_lose_nothing(number):
    assert to_decimal(to_text(number)) == to_decimal(number)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=3), st.lists(st.text(min_size=1), min_size=2, max_size=3))
def test_different_keys_stay_different(one, other):
    assert (joined_key(one) == joined_key(other)) == (one == other)


@given(st.one_of(st.integers(-(10**15), 10**15), st.decimals(allow_nan=False, allow_infinity=False, places=3)))
def test_equal_numbers_have_equal_keys(number):
    exact = Decimal(number)
    assert (
        key_part(number)
        == key_part(exact)
        == key_part(exact.quantize(Decimal("0.0000001")) if abs(exact) < 10**15 else exact)
    )


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [(2.5, 0, 3), (-2.5, 0, -3), (1.005, 2, 1.01), (Decimal("2.345"), 2, Decimal("2.35")), (7, 2, 7), (1234, -2, 1200)],
)
def test_round_goes_away_from_zero_at_half(value, places, expected):
    assert round_(value, places) == expected


class TestDocuments:
    """Check digits."""

    @pytest.mark.parametrize("text", ["529.982.247-25", "52998224725", " 529 982 247 25 "])
    def test_cpf(self, text):
        assert is_cpf(text)

    @pytest.mark.parametrize(
        "text", ["", "529.982.247-24", "00000000000", "5299822472", "529.982.247-2A", "５２９９８２２４７２５"]
    )
    def test_not_cpf(self, text):
        assert not is_cpf(text)

    @pytest.mark.parametrize(
        "text", ["12.ABC.345/01DE-35", "12abc34501de35", "11.222.333/0001-81", "00.000.000/0001-91"]
    )
    def test_cnpj(self, text):
        assert is_cnpj(text)

    @pytest.mark.parametrize("text", ["", "12.ABC.345/01DE-36", "11222333000180", "12ABC34501DEA5", "1122233300018"])
    def test_not_cnpj(self, text):
        assert not is_cnpj(text)


class TestPatterns:
    """No pattern runs long."""

    @pytest.mark.parametrize(
        "pattern",
        [
            *("(a+)+$", "(a|a)*$", "(a*)*b", "(.*)*x", "(a|aa)+$", "(.*a){20}", "(?:a?){50}a", r"(a)\1*", "(x+x+)+y"),
            *("a*" * 5 + "b", "a{0,500}" * 5 + "b", "a?" * 20 + "a" * 20, "(a{1,9}){1,9}", "(?=(a+)+)", "(?>a+)+"),
        ],
    )
    def test_hazards_are_refused(self, pattern):
        with pytest.raises(RecordError, match="could run very long"):
            compiled(pattern)

    @pytest.mark.parametrize(
        "pattern",
        [
            *(
                "[0-9]+",
                "^[A-Z]{2}[0-9]{4,6}$",
                r"(\d+)-(\d+)",
                "[a-z ]*",
                r"^\s*(.*)$",
                "(a|b)c",
                "(?i)order ([0-9]+)",
            ),
            *(r"(\d{3})\.(\d{3})\.(\d{3})-(\d{2})", r"(\w+)\s+(\w+)", r"(-\d+)?"),
        ],
    )
    def test_common_ones_are_not(self, pattern):
        compiled(pattern)

    @pytest.mark.parametrize(
        "pattern",
        ["[0-9]*x", ".*a.*", "[0-9]*[0-9]*x", "\\d*\\d*\\d*x", "0*0*0*0*x", "a?" * 10 + "a" * 10, "0{0,19}" * 3 + "x"],
    )
    def test_what_is_allowed_is_quick_on_the_longest_text(self, pattern):
        made, most = compiled(pattern)
        text = "0" * most
        took = []
        for _ in range(3):
            begin = time.thread_time()
            made.search(text)
            took.append(time.thread_time() - begin)
        assert min(took) < 0.25

    def test_more_than_that_is_too_large(self):
        with pytest.raises(RecordError, match="reads at most 4898 characters"):
            call("matches", "0" * 5000, "[0-9]+")


class TestTables:
    """Files inside the project, read once."""

    def test_reads_the_file_again_only_when_it_changes(self, tmp_path):
        file = tmp_path / "units.csv"
        file.write_text("code,name\nkg,kilogram\n")
        run = compile_expression("lookup_table('units.csv', 'code', unit).name", (), Settings(root=tmp_path))
        assert run({"unit": "kg"}) == "kilogram"
        file.write_text("code,name\nkg,Kilo\n")
        os.utime(file, ns=(1, 1))
        assert run({"unit": "kg"}) == "Kilo"

    def test_numbers_find_their_text(self, tmp_path):
        (tmp_path / "t.csv").write_text("id,x\n7,seven\n")
        assert compile_expression("lookup_table('t.csv', 'id', a).x", (), Settings(root=tmp_path))({"a": 7}) == "seven"

    @pytest.mark.parametrize("name", ["../out.csv", "/etc/passwd", "link.csv", "none.csv", "", "a\x00b"])
    def test_stays_inside_the_project(self, tmp_path, name):
        project = tmp_path / "project"
        project.mkdir()
        (tmp_path / "out.csv").write_text("a\n1\n")
        (project / "link.csv").symlink_to(tmp_path / "out.csv")
        with pytest.raises(RecordError) as caught:
            call("lookup_table", name, "a", "1", given=Settings(root=project))
        assert caught.value.code == "file"

    def test_a_wrong_column_names_the_right_ones(self, tmp_path):
        (tmp_path / "t.csv").write_text("id,x\n7,seven\n")
        with pytest.raises(RecordError, match="has no column 'code'; it has id, x"):
            call("lookup_table", "t.csv", "code", "7", given=Settings(root=tmp_path))

    def test_what_a_caller_does_to_a_row_does_not_reach_the_table(self, tmp_path):
        (tmp_path / "t.csv").write_text("id,x\n7,seven\n")
        here = Settings(root=tmp_path)
        call("lookup_table", "t.csv", "id", "7", given=here)["x"] = "changed"
        assert call("lookup_table", "t.csv", "id", "7", given=here)["x"] == "seven"
