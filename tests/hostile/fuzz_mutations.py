"""What is thrown at the engine: the project's own files, changed as text and as trees; expressions and templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from engine.definition.document import read

ROOT = Path(__file__).parents[2]
DEFINITIONS = ROOT / "tests" / "definitions"
SIGNS = "{}[]:,'\"#&*!|>%@`-? \n\t$\\~é\x00\x1b\u2028\ufeff\U0001f4b6\r=+^<"
WORDS = (
    "${A}",
    "${A:-b}",
    "${secret:a}",
    "${file:a}",
    "${each.a}",
    "${",
    "$${",
    "${{ a }}",
    "{{ record.a }}",
    "{% if a %}",
    "{{",
    "}}",
    "<<: *a",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "---\n",
    "...\n",
    "01",
    "7E1",
    ".inf",
    "0x1f",
    "1" * 400,
    "null",
    "~",
    "yes",
    "- ",
    "? ",
    ": ",
    "|\n  ",
    ">-\n  ",
    "# ",
    "%TAG ! a,2:\n",
    "\u202e",
    "\ud800",
    "x" * 300,
    '"',
    "'",
    "30s",
    "1KiB",
    "9" * 30 + "d",
    "@daily",
    "* * * * *",
    "0 0 30 2 *",
    "2026-02-30",
    "/../..",
    "sqlite:///a",
    "http://[",
    "select * from a",
    "select a, b from t where a > :cursor_a order by a",
    "(a+)+$",
    "[?a==`1`]",
    "a || b",
    "to_string(@)",
    "record",
    "params",
    "$const",
    "$value",
    "$each",
    "$map",
    "$copy",
    "steps",
    "target",
    "source",
    "for_each",
    "tests",
)
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    -(10**18),
    1e308,
    "",
    " ",
    "x",
    [],
    {},
    [None],
    [[]],
    {"": 1},
    {"x": None},
    {"a": {"b": []}},
    {"$value": "a"},
    {"$const": None},
    {"$each": "a", "$map": {"b": "c"}},
    {"connection": "bank-db"},
    {"sql": None},
    {"http": {}},
    ["x", {"x": 1}],
    {"items": [{"a": 1}], "key": "a"},
    {"file": "rows.csv", "key": "a"},
    {"file": ".", "key": "a"},
    {"file": "\0", "key": "a"},
    {"when": "a", "steps": []},
    [{"filter": "a"}],
    [{"map": {"a": "b"}}],
    {"cron": "* * * * *"},
    [{"every": "1s"}],
    {"type": "object"},
    {"type": "string", "pattern": "("},
    *WORDS,
)


class Source(NamedTuple):
    """A file to begin with."""

    name: str
    text: str
    place: str
    """Where it goes in the project."""


def sources() -> list[Source]:
    """Return the project's own files, good and bad."""
    found = []
    folders = (
        ROOT / "pipelines",
        ROOT / "connections",
        DEFINITIONS / "valid",
        DEFINITIONS / "invalid",
        DEFINITIONS / "base",
    )
    for folder in folders:
        for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.csv")]):
            data = path.read_bytes()
            if len(data) < 20_000:
                found.append(Source(path.relative_to(ROOT).as_posix(), data.decode("utf-8", "replace"), _place(path)))
    settings = ROOT / "engine.yaml"
    found.append(Source("engine.yaml", settings.read_text("utf-8"), "engine.yaml"))
    return [*found, *_of_docs()]


def _place(path: Path) -> str:
    if path.name == "engine.yaml":
        return "engine.yaml"
    if path.suffix == ".csv":
        return "rows.csv"
    if path.name.endswith(".test.yaml"):
        return "pipelines/fuzz.test.yaml"
    return "connections/fuzz.yaml" if "connections" in path.parts else "pipelines/fuzz.yaml"


_OF_KEY = {
    "tests": "pipelines/fuzz.test.yaml",
    "pipeline": "pipelines/fuzz.yaml",
    "connections": "connections/fuzz.yaml",
    "engine": "engine.yaml",
}


def _of_docs() -> list[Source]:
    found = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for number, block in enumerate(page.read_text("utf-8").split("```yaml")[1:]):
            text = block.partition("\n")[2].partition("```")[0]
            value = read("", text.encode()).value
            place = next((_OF_KEY[key] for key in _OF_KEY if isinstance(value, dict) and key in value), "")
            if place:
                found.append(Source(f"{page.name}#{number}", text, place))
    return found


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every node."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += spots(item, (*path, key))
    return found


def _chosen(many: Any, at: int) -> Any:
    """Choose evenly: hypothesis likes small numbers, and the first of many nodes is the whole document."""
    return many[at * 2_654_435_761 % 4_294_967_291 % len(many)]


def pool(sources: list[Source]) -> dict[str, list[Any]]:
    """Collect what stands under each key anywhere."""
    found: dict[str, list[Any]] = {}

    def gather(value: Any) -> None:
        for key, item in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            found.setdefault(str(key), []).append(item)
            gather(item)

    for source in sources:
        gather(read(source.name, source.text.encode("utf-8", "replace")).value)
    return found


_POOL: dict[str, list[Any]] = {}


def grafted(value: Any, at: int, odd: Any) -> Any:
    """Put in the place of a node what stands under the same key elsewhere."""
    if not _POOL:
        _POOL.update(pool(sources()))

    def change(holder: Any, key: Any) -> None:
        holder[key] = _chosen(_POOL.get(str(key)) or [odd], at)

    return _with(value, _chosen(spots(value), at), change, value)


def added(value: Any, at: int, odd: Any) -> Any:
    """Put beside a node another key that stands somewhere, with what stands under it."""
    if not _POOL:
        _POOL.update(pool(sources()))
    name = _chosen(sorted(_POOL), at)

    def change(holder: Any, key: Any) -> None:
        target = holder[key] if isinstance(holder[key], dict) else holder
        if isinstance(target, dict):
            target[name] = _chosen(_POOL[name], at)

    return _with(value, _chosen(spots(value), at), change, value)


def replaced(value: Any, at: int, odd: Any) -> Any:
    """Put something odd in the place of a node."""
    return _with(value, _chosen(spots(value), at), lambda holder, key: holder.__setitem__(key, odd), odd)


def removed(value: Any, at: int, odd: Any) -> Any:
    """Take a node out."""
    return _with(value, _chosen(spots(value), at), lambda holder, key: holder.__delitem__(key), {})


def renamed(value: Any, at: int, odd: Any) -> Any:
    """Give a key another name, or put a list's item there twice."""

    def change(holder: Any, key: Any) -> None:
        if isinstance(holder, dict):
            holder[str(odd)[:40]] = holder.pop(key)
        else:
            holder.append(holder[key])

    return _with(value, _chosen(spots(value), at), change, value)


def wrapped(value: Any, at: int, odd: Any) -> Any:
    """Put a node into a list, or into a map."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = [holder[key]] if at % 2 else {str(odd)[:40]: holder[key]}

    return _with(value, _chosen(spots(value), at), change, [value])


def misspelt(value: Any, at: int, odd: Any) -> Any:
    """Change one letter of a text or of a key."""

    def change(holder: Any, key: Any) -> None:
        if isinstance(holder[key], str) and holder[key]:
            place = at % len(holder[key])
            holder[key] = holder[key][:place] + str(odd)[:3] + holder[key][place + 1 :]
        elif isinstance(key, str) and key:
            place = at % len(key)
            holder[key[:place] + key[place + 1 :]] = holder.pop(key)

    return _with(value, _chosen(spots(value), at), change, value)


def _with(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None], whole: Any) -> Any:
    copied = json.loads(json.dumps(value))
    if not path:
        return whole
    holder = copied
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return copied


TREES = (grafted, added, misspelt, grafted, replaced, added, removed, renamed, wrapped)


def as_tree(source: Source, changes: list[tuple[int, int, Any]]) -> str:
    """Change a file as a tree, and write it as JSON, which is YAML."""
    value = read(source.name, source.text.encode("utf-8", "replace")).value
    for which, at, odd in changes:
        value = _chosen(TREES, which)(value, at, odd)
    return json.dumps(value, ensure_ascii=False, indent=1)


def as_text(source: Source, changes: list[tuple[int, int, Any]]) -> str:
    """Change a file as text: put something in, take something out, say something twice."""
    text = source.text
    for which, at, odd in changes:
        place = _chosen(range(len(text) + 1), at)
        word = odd if isinstance(odd, str) else json.dumps(odd)
        length = (1, 2, 5, 20, 80)[which % 5]
        kind = which % 4
        if kind == 0:
            text = text[:place] + word + text[place:]
        elif kind == 1:
            text = text[:place] + text[place + length :]
        elif kind == 2:
            text = text[:place] + SIGNS[at % len(SIGNS)] + text[place + 1 :]
        else:
            text = text[: place + length] + text[place : place + length] + text[place + length :]
    return text


CHANGES = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 1 << 30), st.sampled_from(ODD)), min_size=1, max_size=2)

_ATOMS = (
    "a",
    "b.c",
    "@",
    "`1`",
    "'x'",
    '"q"',
    "a[0]",
    "a[*]",
    "[]",
    "*",
    "null",
    "`null`",
    "rows",
    "n",
    "`[1,2]`",
    "`{}`",
)
_CALLS = (
    "length",
    "keys",
    "values",
    "to_string",
    "to_number",
    "sort",
    "reverse",
    "join",
    "max",
    "min",
    "sum",
    "type",
    "not_null",
    "contains",
    "starts_with",
    "merge",
    "map",
    "sort_by",
    "max_by",
    "min_by",
    "abs",
    "floor",
    "upper",
    "lower",
    "trim",
    "matches",
    "extract",
    "extract_all",
    "substitute",
    "split",
    "pad",
    "concat",
    "default",
    "hash",
    "uuid",
    "now",
    "parse_date",
    "format_date",
    "replace",
    "lookup_table",
    "from_json",
    "tojson",
    "group_by",
    "flatten",
    "unique",
    "slice",
    "nothing",
)


def _query(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    call = st.tuples(st.sampled_from(_CALLS), st.lists(st.one_of(inner, inner.map(lambda one: f"&{one}")), max_size=3))
    pair = st.tuples(inner, inner)
    return st.one_of(
        call.map(lambda one: f"{one[0]}({', '.join(one[1])})"),
        pair.map(lambda one: f"{one[0]} | {one[1]}"),
        pair.map(lambda one: f"{one[0]} || {one[1]}"),
        pair.map(lambda one: f"{one[0]} == {one[1]}"),
        pair.map(lambda one: f"{one[0]}[?{one[1]}]"),
        pair.map(lambda one: f"[{one[0]}, {one[1]}]"),
        pair.map(lambda one: f"{{x: {one[0]}, y: {one[1]}}}"),
        inner.map(lambda one: f"({one})"),
        inner.map(lambda one: f"!{one}"),
        inner.map(lambda one: f"{one}[]"),
        inner.map(lambda one: f"{one}[*].a"),
        inner.map(lambda one: f"{one}[::-1]"),
    )


QUERIES = st.recursive(st.sampled_from(_ATOMS), _query, max_leaves=12)

_NAMES = (
    "record",
    "record.a",
    "record.rows",
    "record.n",
    "record['a b']",
    "params",
    "run",
    "'x'",
    "1",
    "2.5",
    "[1, 2]",
    "{'a': 1}",
    "none",
    "x",
    "loop",
)
_FILTERS = (
    "upper",
    "lower",
    "trim",
    "length",
    "tojson",
    "join",
    "default(1)",
    "batch(2)",
    "groupby('a')",
    "map('upper')",
    "list",
    "map(attribute='a')",
    "select",
    "reject",
    "selectattr('a')",
    "sort",
    "unique",
    "replace('a','b')",
    "indent(3)",
    "round(2)",
    "center(9)",
    "format(1)",
    "first",
    "last",
    "sum",
    "min",
    "max",
    "reverse",
    "string",
    "int",
    "float",
    "items",
    "dictsort",
    "pad(20)",
    "format_date('%Y')",
    "parse_date",
    "matches('a+')",
    "substitute('a','b')",
    "extract('(a)')",
    "hash",
    "slice(2)",
    "truncate(3)",
    "wordwrap(2)",
    "xmlattr",
    "attr('a')",
    "tojson(indent=2)",
    "decimal",
    "nothing",
)


def _term(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from(_FILTERS)).map(lambda one: f"{one[0]} | {one[1]}"),
        st.tuples(pair, st.sampled_from(("+", "-", "*", "/", "**", "%", "//", "~", "==", "<", "in", "and", "or"))).map(
            lambda one: f"({one[0][0]} {one[1]} {one[0][1]})"
        ),
        inner.map(lambda one: f"({one}).a"),
        inner.map(lambda one: f"({one})[0]"),
        inner.map(lambda one: f"({one})[1:]"),
        pair.map(lambda one: f"({one[0]} if {one[1]} else {one[0]})"),
        inner.map(lambda one: f"upper({one})"),
        inner.map(lambda one: f"({one} is defined)"),
    )


TERMS = st.recursive(st.sampled_from(_NAMES), _term, max_leaves=8)


def _block(one: tuple[int, str, str]) -> str:
    kind, first, second = one
    return (
        f"{{{{ {first} }}}}",
        f"x {{{{ {first} }}}} y {{{{ {second} }}}}",
        f"{{% if {first} %}}{{{{ {second} }}}}{{% endif %}}",
        f"{{% for x in {first} %}}{{{{ {second} }}}}{{% endfor %}}",
        f"{{% set x = {first} %}}{{{{ {second} }}}}",
        f"{{% macro x() %}}{first}{{% endmacro %}}{{{{ {second} }}}}",
    )[kind]


TEMPLATES = st.tuples(st.integers(0, 5), TERMS, TERMS).map(_block)
