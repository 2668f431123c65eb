"""YAML to values and places."""

from __future__ import annotations

import time
from typing import Any

import pytest

from engine.definition.document import KEY, read
from engine.definition.document.limits import MAX_BYTES

TABLE: list[tuple[str, Any]] = [
    ("no", "no"),
    ("on", "on"),
    ("yes", "yes"),
    ("12:30", "12:30"),
    ("2024-01-01", "2024-01-01"),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("7", 7),
    ("-7", -7),
    ("0", 0),
    ("0x1F", 31),
    ("0o17", 15),
    ("0.5", 0.5),
    ("1.5e3", 1500.0),
    (".5", 0.5),
    ("123456789012345678901234567890", 123456789012345678901234567890),
    ("1_000", "1_000"),
    ("1.2.3", "1.2.3"),
    ('"7"', "7"),
    ("'01'", "01"),
    ("|\n  line\n  next\n", "line\nnext\n"),
    ("[1, a, {b: 2}]", [1, "a", {"b": 2}]),
    ("ção 💶", "ção 💶"),
]


@pytest.mark.parametrize(("text", "value"), TABLE, ids=[text or "empty" for text, _ in TABLE])
def test_reads_the_core_schema(text: str, value: Any) -> None:
    """Plain scalars are YAML 1.2 core, everything else is text."""
    document = read("a.yaml", f"a: {text}\n".encode())
    assert not document.problems
    assert document.value == {"a": value}


@pytest.mark.parametrize(
    "text", ["01", "-01", "00", "007.5", "7E1", "1e3", "7e-1", ".inf", ".nan", "1.0e400", "9" * 5000]
)
def test_numbers_that_would_lose_their_digits_are_refused(text: str) -> None:
    """A branch code or a material keeps what was written."""
    document = read("a.yaml", f"a: {text}\n".encode())
    assert [(problem.code, problem.line, problem.column) for problem in document.problems] == [
        ("unquoted-number", 1, 4)
    ]
    assert not read("a.yaml", f"a: '{text}'\n".encode()).problems


def test_keys_are_text_as_written() -> None:
    """A key is never a number or a boolean."""
    assert read("a.yaml", b"200: a\n01: b\ntrue: c\n").value == {"200": "a", "01": "b", "true": "c"}


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_places_are_one_based_characters(start: bytes, end: bytes) -> None:
    """The place of a key and of its value, whatever the line ends and the byte order mark."""
    lines = ["ção: 'é'", "list:", "  - x: {💶: ünï, last: 1}"]
    document = read("a.yaml", start + end.join(line.encode() for line in lines) + end)
    places = document.places
    assert places[("ção", KEY)][1:] == (1, 1)
    assert places[("ção",)][1:] == (1, 6)
    assert places[("list", 0, "x", KEY)][1:] == (3, 5)
    assert places[("list", 0, "x", "last", KEY)][1:] == (3, 17)
    assert places[("list", 0, "x", "last")][1:] == (3, 23)
    assert document.place(("list", 0, "nothing", "here"))[1:] == (3, 5)
    assert places[()] == ("a.yaml", 1, 1)


def test_quick_and_careful_readings_agree() -> None:
    """An anchor makes the reading careful; the values are the same."""
    text = b"a: [1, {b: x, c: [true, null, 0.5]}]\nd: text\n"
    quick, careful = read("a.yaml", text), read("a.yaml", text + b"e: &anchor 1\n")
    assert careful.value == {**quick.value, "e": 1}
    assert {path: place for path, place in careful.places.items() if "e" not in path} == dict(quick.places)


def test_an_alias_is_a_copy() -> None:
    """Values that aliases repeat do not share anything that can change."""
    value = read("a.yaml", b"a: &a {x: [1]}\nb: *a\n").value
    assert value["a"] == value["b"]
    assert value["a"]["x"] is not value["b"]["x"]


def test_statics_are_found_with_their_paths() -> None:
    """What holds a variable is known by path, and whether it was quoted."""
    document = read("a.yaml", b"a: ${X}\nb: [1, {c: '${Y:-d}'}]\n")
    assert [tuple(static) for static in document.statics] == [(("a",), "${X}", True), (("b", 1, "c"), "${Y:-d}", False)]


def test_several_mistakes_are_said_at_once() -> None:
    """One wrong value does not hide another, and the rest of the file is still read."""
    document = read("a.yaml", b"a: 01\nb: 1\nb: 2\nc: 7E1\nd: fine\n")
    assert [(problem.code, problem.line) for problem in document.problems] == [
        ("unquoted-number", 1),
        ("duplicate-key", 3),
        ("unquoted-number", 4),
    ]
    assert document.value["d"] == "fine"
    assert document.broken == {("a",), ("c",)}


LAUGH = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
HOSTILE = {
    "billion laughs": (LAUGH, "alias-bomb"),
    "recursion": ("a: &a [*a]\n", "alias-bomb"),
    "merge bomb": ("a: &a {x: 1}\nb: {<<: [*a, *a]}\n", "merge-key"),
    "20k lists open": ("[" * 20_000, "too-deep"),
    "20k lists": ("[" * 20_000 + "]" * 20_000, "too-deep"),
    "20k maps": ("{a: " * 20_000, "too-deep"),
    "20k block lists": ("- " * 20_000, "too-deep"),
    "20k keys that are maps": ("{" * 20_000, "too-deep"),
    "100 kB of brackets": ("[" * 100_000, "too-deep"),
    "1 MB of brackets": ("[" * 1_000_000, "too-large"),
    "question marks": ("? " * 20_000, "too-deep"),
    "python object": ("a: !!python/object/apply:os.system [id]\n", "custom-tag"),
    "python name": ("!!python/name:os.system\n", "custom-tag"),
    "own tag": ("a: !include other.yaml\n", "yaml-quoting"),
    "tag directive": ("%TAG ! tag:x,2000:\n---\na: !b c\n", "custom-tag"),
    "duplicate keys": ("a: 1\n" * 40_000, "duplicate-key"),
    "too many values": ("a: [" + "1," * 300_000 + "]", "too-large"),
    "too many bytes": ("a: " + "x" * MAX_BYTES, "too-large"),
    "NUL": ("a: b\x00\n", "yaml-syntax"),
    "undefined alias": ("a: *b\n", "yaml-quoting"),
    "set of nothing": ("? \n: \n", "yaml-syntax"),
}


def slowness() -> float:
    """How much slower this machine is just now than the one of the 100 ms, by a loop that took 15 ms there."""
    start = time.process_time()
    sum(number * number % 7 for number in range(250_000))
    return (time.process_time() - start) / 0.015


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_soon(name: str) -> None:
    """Whatever a file holds, it is refused by name, in 100 ms, without a crash."""
    text, code = HOSTILE[name]
    data = text.encode()
    seconds = []
    for _ in range(5):
        start = time.process_time()
        document = read("a.yaml", data)
        seconds.append(time.process_time() - start)
    assert code in [problem.code for problem in document.problems]
    assert all(len(str(problem)) < 500 for problem in document.problems)
    assert len(document.problems) <= 52
    assert min(seconds) <= 0.1 * max(1.0, slowness())


def test_many_plain_values_are_no_bomb() -> None:
    """The control: a large honest file with a few aliases is read."""
    rows = "".join(f"  - {{id: {i}, name: x}}\n" for i in range(1_500))
    document = read("a.yaml", f"rows:\n{rows}a: &a [1, 2]\nb: *a\n".encode())
    assert not document.problems
    assert len(document.value["rows"]) == 1_500


@pytest.mark.parametrize(
    ("data", "place"),
    [("a: b\nc: \xe7".encode("latin-1"), (2, 4)), ("a: b".encode("utf-16"), (1, 1)), (b"a: \x80", (1, 4))],
)
def test_other_encodings_are_refused_at_their_place(data: bytes, place: tuple[int, int]) -> None:
    """Only UTF-8 is read."""
    problem = read("a.yaml", data).problems[0]
    assert (problem.code, (problem.line, problem.column)) == ("not-utf8", place)


def test_a_control_character_has_its_place_in_characters() -> None:
    """Letters of several bytes before it do not move it."""
    problem = read("a.yaml", "a: ção\nb: éé\x07\n".encode()).problems[0]
    assert (problem.code, problem.line, problem.column) == ("yaml-syntax", 2, 6)


def test_without_the_limit_aliases_would_expand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is the limit that stops the bomb."""
    bomb = LAUGH[: LAUGH.index("\nf:")] + "\n"
    assert [problem.code for problem in read("a.yaml", bomb.encode()).problems] == ["alias-bomb"]
    monkeypatch.setattr("engine.definition.document.careful.MAX_EXPANDED", 10**9)
    value = read("a.yaml", bomb.encode()).value
    assert len(value["e"][0][0][0][0]) == 9


def test_without_the_limit_depth_would_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is the limit that stops deep nesting."""
    deep = f"a: {'[' * 80}{']' * 80}\n".encode()
    assert [problem.code for problem in read("a.yaml", deep).problems] == ["too-deep"]
    monkeypatch.setattr("engine.definition.document.quick.MAX_DEPTH", 500)
    assert not read("a.yaml", deep).problems
