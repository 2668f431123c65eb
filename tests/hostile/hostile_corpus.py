"""Hostile projects: each case writes a folder, and names the code that refuses it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

CONNECTIONS = """\
connections:
  shop: {sql: {url: "sqlite:///shop.db"}}
  hub: {http: {base_url: "http://localhost:4000"}}
"""
HEAD = "pipeline: a\n"
TAIL = "source: {sql: {connection: shop, query: select id from t}}\ntarget: {http: {connection: hub, path: /x}}\n"
FIELDS = "mapping:\n  id: id\n"


class Case(NamedTuple):
    """A hostile project: how it is made, and one of the codes it is refused with; ``""``: it is good."""

    make: Callable[[Path], None]
    code: str


def project(folder: Path) -> Path:
    """Make a good project to put something hostile into."""
    for name in ("pipelines", "connections"):
        (folder / name).mkdir(parents=True)
    (folder / "connections" / "all.yaml").write_text(CONNECTIONS)
    return folder


def pipeline(text: str | bytes) -> Callable[[Path], None]:
    """Make a project whose one pipeline file holds *text*."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")

    def make(folder: Path) -> None:
        (project(folder) / "pipelines" / "a.yaml").write_bytes(data)

    return make


def mapped(fields: str) -> Callable[[Path], None]:
    """Make a pipeline with these lines in its mapping."""
    return pipeline(f"{HEAD}{TAIL}mapping:\n{fields}")


def inside(more: str) -> Callable[[Path], None]:
    """Make a good pipeline with *more* at its end."""
    return pipeline(f"{HEAD}{TAIL}{FIELDS}{more}")


def _laughs(levels: int, wide: int) -> str:
    lines = [f"x0: &a0 [{','.join(['x'] * wide)}]\n"]
    lines += [f"x{n}: &a{n} [{','.join([f'*a{n - 1}'] * wide)}]\n" for n in range(1, levels)]
    return "".join(lines)


def _merges(levels: int) -> str:
    lines = ["x0: &a0 {k0: 1}\n"]
    lines += [f"x{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, levels)]
    return "".join(lines)


def _block(levels: int) -> str:
    return "".join(f"{' ' * n}a:\n" for n in range(levels))


def yaml_cases() -> Iterator[tuple[str, Case]]:
    """Give what is hostile by its YAML alone."""
    yield "billion laughs", Case(pipeline(_laughs(9, 9)), "alias-bomb")
    yield "billion laughs, wide", Case(pipeline(_laughs(3, 900)), "alias-bomb")
    yield "merge keys", Case(pipeline(_merges(30)), "merge-key")
    yield "one alias 20,000 times", Case(pipeline(f"a: &a [1, 2]\nb: [{','.join(['*a'] * 20_000)}]\n"), "alias-bomb")
    yield "cyclic anchor in a list", Case(pipeline("a: &a [*a]\n"), "alias-bomb")
    yield "cyclic anchor in a map", Case(pipeline("pipeline: &a {b: {c: *a}}\n"), "alias-bomb")
    yield "anchor that holds its own key", Case(pipeline("&a ? *a\n: 1\n"), "yaml-quoting")
    yield "20,000 [", Case(pipeline("[" * 20_000), "too-deep")
    yield "20,000 [ ]", Case(pipeline("[" * 20_000 + "]" * 20_000), "too-deep")
    yield "20,000 {a:", Case(pipeline("{a: " * 20_000 + "}" * 20_000), "too-deep")
    yield "20,000 - in a line", Case(pipeline("- " * 20_000 + "a"), "too-deep")
    yield "20,000 ? in a line", Case(pipeline("? " * 20_000 + "a"), "too-deep")
    yield "1,400 levels of a block", Case(pipeline(_block(1_400)), "too-deep")
    yield "nesting in a mapping", Case(mapped(f"  id: {'[' * 20_000}id{']' * 20_000}\n"), "too-deep")
    yield "60 levels in a mapping", Case(mapped(f"  id: {'{a: ' * 60}id{'}' * 60}\n"), "")
    yield "10 MB of text", Case(pipeline("a: " + "x" * 10_000_000), "too-large")
    yield "10 MB of keys", Case(pipeline("".join(f"k{n}: 1\n" for n in range(1_000_000))), "too-large")
    yield "10 MB of brackets", Case(pipeline("[" * 10_000_000), "too-large")
    yield "999 kB of brackets", Case(pipeline("[" * 999_000), "too-large")
    yield "999 kB of anchors", Case(pipeline("".join(f"a{n}: &b{n} 1\n" for n in range(62_000))), "too-large")
    yield "999 kB of one text", Case(pipeline(f"pipeline: {'x' * 999_000}"), "too-large")
    yield "999 kB of one key", Case(pipeline(f"'{'x' * 999_000}': 1"), "too-large")
    yield "999 kB of spaces", Case(pipeline(f"pipeline: a{' ' * 999_000}b"), "too-large")
    yield "999 kB of lines", Case(pipeline("\n" * 999_000), "too-large")
    yield "999 kB of comments", Case(pipeline("#\n" * 499_000), "too-large")
    yield "100,000 lines of flow", Case(pipeline("pipeline: [\n" + "a,\n" * 100_000 + "]\n"), "too-large")
    yield "5,500 lines of flow", Case(pipeline("pipeline: [\n" + "a,\n" * 5_500 + "]\n"), "wrong-type")
    yield "a million keys in flow", Case(pipeline("{" + ",".join(f"{n}" for n in range(140_000)) + "}"), "too-large")
    yield "the same key 49,000 times", Case(pipeline("a: 1\n" * 45_500), "duplicate-key")
    yield "documents without end", Case(pipeline("--- a\n" * 45_500), "yaml-syntax")
    yield "5,500 tags", Case(pipeline("".join(f"a{n}: !!str x\n" for n in range(5_500))), "custom-tag")
    yield "python object", Case(pipeline("a: !!python/object/apply:os.system [id]\n"), "custom-tag")
    yield "tag directive", Case(pipeline("%TAG ! tag:x,2000:\n---\na: !b c\n"), "custom-tag")
    yield "a quote never closed, 999 kB", Case(pipeline('a: "' + "x\n" * 499_000), "too-large")
    yield "90 kB of {{", Case(pipeline("a: " + "{{ " * 30_000), "template-needs-quotes")
    yield "90 kB of ${ in flow", Case(pipeline("a: {b: " + "${x" * 30_000), "flow-needs-quotes")
    yield "98 kB of words before a colon", Case(pipeline("a: " + "b " * 45_500 + ": c: d\n"), "yaml-quoting")
    yield "98 kB of - and no end", Case(pipeline("a: b\n" + "- " * 45_500), "yaml-syntax")
    yield "99 kB of quotes", Case(pipeline("a: " + "'" * 99_001), "yaml-quoting")
    yield "96 kB of quoted words", Case(pipeline("a: [" + "'b' " * 24_000), "yaml-syntax")
    yield "a tab and 99 kB of spaces", Case(pipeline("a:\n\t" + " " * 99_000 + "b: c\n"), "tab-indent")
    yield "50,000 wrong lines", Case(pipeline("a: b: c\n" * 50_000), "yaml-quoting")
    yield "a number of 90,000 digits", Case(inside(f"x-a: {'9' * 90_000}\n"), "unquoted-number")
    yield "a fraction of 90,000 digits", Case(inside(f"x-a: 0.{'9' * 90_000}\n"), "unquoted-number")
    yield "a hexadecimal of 90,000 digits", Case(inside(f"x-a: 0x{'f' * 90_000}\n"), "unquoted-number")
    yield "an octal of 90,000 digits", Case(inside(f"x-a: 0o{'7' * 90_000}\n"), "unquoted-number")
    yield "a huge exponent", Case(inside(f"x-a: 1.0e{'9' * 90_000}\n"), "unquoted-number")
    yield "zeros in front", Case(inside(f"x-a: {'0' * 90_000}1\n"), "unquoted-number")
    yield (
        "10,000 huge numbers",
        Case(inside("".join(f"x-a{n}: {'9' * 60}e1\n" for n in range(10_000))), "unquoted-number"),
    )
    yield "a timeout of 90,000 digits", Case(inside(f"time_limit: {'9' * 90_000}s\n"), "bad-duration")


def encoding_cases() -> Iterator[tuple[str, Case]]:
    """Give files that are no UTF-8 text."""
    good = f"{HEAD}{TAIL}{FIELDS}"
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        code = "yaml-syntax" if name.endswith(("-le", "-be")) else "not-utf8"
        yield name, Case(pipeline(good.encode(name)), code)
    yield "latin-1", Case(pipeline(f"{good}description: a\xe7\xe3o\n".encode("latin-1")), "not-utf8")
    yield "999 kB of 0x80", Case(pipeline(b"\x80" * 999_000), "not-utf8")
    yield "99 kB of NUL", Case(pipeline(b"\0" * 99_000), "yaml-syntax")
    yield "NUL at the end", Case(pipeline(good.encode() + b"\0"), "yaml-syntax")
    yield "a lone surrogate", Case(pipeline(good.encode() + b"description: \xed\xa0\x80\n"), "not-utf8")
    yield "an escaped lone surrogate", Case(inside('description: "\\ud800"\n'), "yaml-syntax")
    yield "an overlong slash", Case(pipeline(good.encode() + b"description: \xc0\xaf\n"), "not-utf8")
    yield "999 kB of umlauts, then a bad byte", Case(pipeline(b"# " + b"\xc3\xa4" * 499_000 + b"\xff"), "not-utf8")
    yield "beyond Unicode", Case(pipeline(good.encode() + b"description: \xf4\x90\x80\x80\n"), "not-utf8")
    yield "two byte order marks", Case(pipeline(b"\xef\xbb\xbf\xef\xbb\xbf" + good.encode()), "")


def variable_cases() -> Iterator[tuple[str, Case]]:
    """Give texts with ``${``."""
    yield "14,000 ${A:-1} in one text", Case(inside(f"description: '{'${A:-1}' * 14_000}'\n"), "")
    yield "45,000 ${ never closed", Case(inside(f"description: '{'${' * 45_000}'\n"), "bad-variable")
    yield "nested defaults", Case(inside(f"description: '{'${A:-' * 5_500}{'}' * 5_500}'\n"), "bad-variable")
    yield "each inside each", Case(inside(f"description: '{'${each.a' * 12_000}'\n"), "bad-variable")
    yield "${{ never closed", Case(inside(f"description: '{'${{' * 30_000}'\n"), "bad-variable")
    yield "${{ and one end", Case(inside(f"description: '{'${{ ' * 22_000}}}}}'\n"), "bad-variable")
    yield (
        "5,500 missing variables",
        Case(inside("x-a:\n" + "".join(f"  a{n}: '${{NO_{n}}}'\n" for n in range(5_500))), "too-large"),
    )
    yield (
        "1,900 missing variables",
        Case(inside("x-a:\n" + "".join(f"  a{n}: '${{NO_{n}}}'\n" for n in range(1_900))), "missing-variable"),
    )
    yield "a variable of 90 kB", Case(inside(f"description: '${{{'A' * 90_000}}}'\n"), "missing-variable")
    yield "a secret of 90 kB", Case(inside(f"description: '${{secret:{'a' * 90_000}}}'\n"), "secret-in-mapping")
    yield "a file of 90 kB of name", Case(inside(f"description: '${{file:{'a' * 90_000}}}'\n"), "missing-file")
    yield "secret from outside", Case(inside("description: '${file:/proc/self/mem}'\n"), "missing-file")
    yield "a file that never ends", Case(inside("description: '${file:/dev/zero}'\n"), "missing-file")
    yield "1,000 rows read by 1 file", Case(_rows(1_000), "")


def _rows(count: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        text = f"pipeline: a\nfor_each: {{file: rows.csv, key: k}}\nlabels: {{x: '${{each.v}}'}}\n{TAIL}{FIELDS}"
        (project(folder) / "pipelines" / "a.yaml").write_text(text)
        (folder / "rows.csv").write_text("k,v\n" + "".join(f"r{n},{n}\n" for n in range(count)))

    return make


def _csv(text: str | bytes, key: str = "k") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        each = f"pipeline: a\nfor_each: {{file: rows.csv, key: {key}}}\n{TAIL}{FIELDS}"
        (project(folder) / "pipelines" / "a.yaml").write_text(each)
        (folder / "rows.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def row_cases() -> Iterator[tuple[str, Case]]:
    """Give files of rows."""
    yield "21 MB of rows", Case(_csv("k,v\n" + "abcdefg,1\n" * 2_100_000), "bad-rows")
    yield "19 MB in one cell", Case(_csv(f'k,v\n"{"a" * 15_500_000}",1\n'), "bad-rows")
    yield "19 MB of commas", Case(_csv("," * 15_500_000), "bad-rows")
    yield "19 MB of quotes", Case(_csv('"' * 15_500_000), "bad-rows")
    yield "19 MB of lines", Case(_csv("\n" * 15_500_000), "bad-rows")
    yield "9 million short rows", Case(_csv("k\n" + "a\n" * 5_500_000), "bad-rows")
    yield "3 million different rows", Case(_csv("k\n" + "".join(f"{n:x}\n" for n in range(2_500_000))), "bad-rows")
    yield "rows that are not UTF-8", Case(_csv(b"k,v\n\xff,1\n"), "bad-rows")
    yield "rows with NUL", Case(_csv(b"k,v\n\0,1\n"), "row-key")
    yield (
        "1,000 columns",
        Case(_csv(",".join(f"c{n}" for n in range(1_000)) + "\n" + ",".join("1" * 1_000), "kk"), "unknown-column"),
    )
    yield "rows from a device", Case(_from("/dev/zero"), "bad-rows")
    yield "rows from a pipe", Case(_from("rows.fifo", fifo=True), "bad-rows")
    yield "rows from a folder", Case(_from("pipelines"), "bad-rows")


def _from(name: str, fifo: bool = False) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        each = f"pipeline: a\nfor_each: {{file: {name}, key: k}}\n{TAIL}{FIELDS}"
        (project(folder) / "pipelines" / "a.yaml").write_text(each)
        if fifo:
            os.mkfifo(folder / name)

    return make


def _many(make: Callable[[int], str], count: int) -> str:
    return "".join(make(n) for n in range(count))


def schema_cases() -> Iterator[tuple[str, Case]]:
    """Give what is good YAML, and asks much of the checks behind it."""
    yield "5,500 unknown keys", Case(inside(_many(lambda n: f"targte{n}: 1\n", 5_500)), "unknown-key")
    yield "5,500 unknown long keys", Case(inside(_many(lambda n: f"sourcetarget{n:020}: 1\n", 5_500)), "unknown-key")
    yield "a key of 90 kB", Case(inside(f"'{'targets' * 11_800}': 1\n"), "yaml-syntax")
    yield "500 connections misspelt", Case(_misspelt_connections(500), "unknown-connection")
    yield "1,500 pipelines in after", Case(_after(1_500), "unknown-pipeline")
    yield "5,500 trigger params", Case(
        inside("params: {a: {type: string}}\ntriggers:\n - cron: '* * * * *'\n   params:\n"
               + _many(lambda n: f"    a{n}: 1\n", 5_500)),
        "trigger-param-unknown",
    )  # fmt: skip
    yield "900 params, 900 misspelt", Case(
        inside("params:\n" + _many(lambda n: f"  customer{n}: {{type: string}}\n", 900)
               + "triggers:\n - cron: '* * * * *'\n   params:\n" + _many(lambda n: f"    custmer{n}: x\n", 900)),
        "trigger-param-unknown",
    )  # fmt: skip
    yield "600 targets", Case(
        pipeline(f"{HEAD}source: {{sql: {{connection: shop, query: select 1}}}}\ntargets:\n"
                 + _many(lambda n: f" - {{id: t, http: {{connection: hub, path: /{n}}}}}\n", 600)),
        "duplicate-target",
    )  # fmt: skip
    yield (
        "2,000 connectors in one place",
        Case(
            pipeline(f"{HEAD}source: {{{','.join(f'sqll{n}: 1' for n in range(2_000))}}}\ntarget: {{console: {{}}}}\n"),
            "unknown-connector",
        ),
    )
    yield (
        "1,800 fields with a bad type",
        Case(mapped(_many(lambda n: f"  f{n}: {{$value: id, $type: strng{n}}}\n", 1_800)), "unknown-type"),
    )
    yield "5,500 bad expressions", Case(mapped(_many(lambda n: f"  f{n}: 'a = {n}'\n", 5_500)), "expression")
    yield "5,500 unknown functions", Case(mapped(_many(lambda n: f"  f{n}: lenght{n}(@)\n", 5_500)), "unknown-function")
    yield "5,500 bad templates", Case(mapped(_many(lambda n: f"  f{n}: '{{{{ a.b{n} }}}}'\n", 5_500)), "unknown-name")
    yield (
        "5,500 bad filters",
        Case(mapped(_many(lambda n: f"  f{n}: '{{{{ record.a | upcase{n} }}}}'\n", 5_500)), "unknown-filter"),
    )
    yield (
        "1,000 expressions of unknown fields",
        Case(mapped(_many(lambda n: f"  f{n}: a || b{n}\n", 1_000)), "unknown-field"),
    )
    yield (
        "2,000 constants",
        Case(mapped(_many(lambda n: f"  f{n}: ABC{chr(65 + n % 26)}_A{'B' * (n % 40)}\n", 2_000)), "unknown-field"),
    )
    yield (
        "a huge enum",
        Case(
            inside(
                "params:\n  a:\n    type: string\n    default: x\n    enum: ["
                + ",\n     ".join(f"v{n}" for n in range(5_500))
                + "]\n"
            ),
            "param-default",
        ),
    )
    yield "refs in circles", Case(inside('params: {a: {"$ref": "#/properties/a", default: 1}}\n'), "bad-param")
    yield "refs to themselves", Case(inside('params: {a: {"$ref": "#", default: 1}}\n'), "unknown-key")
    yield "refs to a device", Case(inside('params: {a: {"$ref": "file:///dev/zero", default: 1}}\n'), "bad-param")
    yield (
        "refs to the network",
        Case(inside('params: {a: {"$ref": "http://10.255.255.1/a", default: 1}}\n'), "bad-param"),
    )
    yield (
        "allOf of allOf",
        Case(inside(f"params: {{a: {'{allOf: [' * 28}{{type: string}}{']}' * 28}}}\n"), "unknown-key"),
    )
    yield "doubling refs", Case(inside(_doubling(18)), "unknown-key")
    yield (
        "a pattern that runs long",
        Case(inside(f"params: {{a: {{type: string, pattern: '^(a+)+$', default: '{'a' * 60}b'}}}}\n"), "param-default"),
    )
    yield (
        "a pattern with references",
        Case(
            inside(f"params: {{a: {{type: string, pattern: '(?=(a+))\\1*b$', default: '{'a' * 5000}c'}}}}\n"),
            "param-default",
        ),
    )
    yield (
        "a pattern with a look-ahead",
        Case(
            inside(f"params: {{a: {{type: string, pattern: '^(?=.)(a|a)*$', default: '{'a' * 60}b'}}}}\n"),
            "param-default",
        ),
    )
    yield (
        "a pattern of huge repeats",
        Case(
            inside("params: {a: {type: string, pattern: '((a{1,1000}){1,1000}){1,1000}', default: aaa}}\n"), "bad-param"
        ),
    )
    yield (
        "uniqueItems over much",
        Case(
            inside(
                "params: {a: {type: array, uniqueItems: true, default: ["
                + ",".join(f"[{n}]" for n in range(2_500))
                + "]}}\n"
            ),
            "",
        ),
    )
    yield "a query of 90 kB", Case(_query("select " + "a," * 44_000 + "b from t"), "")
    yield "a query of spaces", Case(_cursor_query("select" + " " * 90_000 + "x"), "cursor-unused")
    yield "a query of parentheses", Case(_cursor_query("select (" * 10_000 + " :cursor_a"), "cursor-not-ordered")
    yield "a query of order by", Case(_cursor_query("select a from t where a > :cursor_a" + " order by " * 8_000), "")
    yield (
        "a query of comments",
        Case(_cursor_query("select a from t where a > :cursor_a " + "/*" * 40_000), "cursor-not-ordered"),
    )
    yield (
        "a query of quotes",
        Case(_cursor_query("select a from t where a > :cursor_a " + "''" * 40_000), "cursor-not-ordered"),
    )
    yield (
        "a query of words",
        Case(_cursor_query("select " + "a " * 40_000 + "from t where a > :cursor_a order by a"), ""),
    )
    yield (
        "a query of as",
        Case(
            _cursor_query("select " + "x as " * 10_000 + "y from t where a > :cursor_a order by a"),
            "cursor-not-selected",
        ),
    )
    yield "a query of )", Case(_cursor_query("select " + ")" * 40_000 + " from t where a > :cursor_a order by a"), "")
    yield (
        "a query of from",
        Case(
            _cursor_query("select a" + " fro" * 15_000 + " where a > :cursor_a order by a" + " fetc" * 4_000),
            "unknown-field",
        ),
    )
    yield (
        "9 long crons",
        Case(inside("triggers:\n" + _many(lambda n: f" - cron: '{'*,' * 30_000}*'\n", 9)), "cron-field"),
    )
    yield (
        "a cron never comes",
        Case(inside("triggers:\n" + _many(lambda n: f" - {{id: t{n}, cron: '0 0 30 2 *'}}\n", 20)), "cron-field"),
    )
    yield "45,000 fields of a cron", Case(inside(f"triggers:\n - cron: '{'0 ' * 40_000}'\n"), "cron-field")
    yield "a zone from outside", Case(inside("timezone: ../../../../dev/zero\n"), "unknown-timezone")
    yield "a zone of 90 kB", Case(inside(f"timezone: {'A' * 90_000}\n"), "unknown-timezone")
    yield "20 unknown zones", Case(_zones(20), "unknown-timezone")


def _doubling(levels: int) -> str:
    lines = [
        f"  p{n}: {{allOf: [{{'$ref': '#/properties/p{n + 1}'}}, {{'$ref': '#/properties/p{n + 1}'}}]}}\n"
        for n in range(levels)
    ]
    return "params:\n" + "".join(lines) + f"  p{levels}: {{type: string}}\n"


def _query(text: str) -> Callable[[Path], None]:
    return pipeline(f'{HEAD}source: {{sql: {{connection: shop, query: "{text}"}}}}\ntarget: {{console: {{}}}}\n')


def _cursor_query(text: str) -> Callable[[Path], None]:
    return pipeline(
        f'{HEAD}source:\n  sql: {{connection: shop, query: "{text}"}}\n  cursor: {{fields: [a], initial: {{a: 0}}}}\n'
        "target: {console: {}}\n"
    )


def _zones(count: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        project(folder)
        for n in range(count):
            (folder / "pipelines" / f"a{n}.yaml").write_text(
                f"pipeline: a{n}\ntimezone: America/SaoPaul{n}\n{TAIL}{FIELDS}"
            )

    return make


def _misspelt_connections(count: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        project(folder)
        text = "connections:\n" + "".join(f"  warehouse{n}: {{sql: {{url: 'sqlite:///x'}}}}\n" for n in range(count))
        (folder / "connections" / "many.yaml").write_text(text)
        targets = "".join(f" - {{id: t{n}, http: {{connection: warehuse{n}, path: /x}}}}\n" for n in range(count))
        (folder / "pipelines" / "a.yaml").write_text(
            f"{HEAD}source: {{sql: {{connection: shop, query: select 1}}}}\ntargets:\n{targets}"
        )

    return make


def _after(count: int) -> Callable[[Path], None]:
    return inside("triggers:\n" + "".join(f" - {{id: t{n}, after: pipeline{n}}}\n" for n in range(count)))


def file_cases() -> Iterator[tuple[str, Case]]:
    """Give file systems that are hostile."""
    yield "a folder that links to itself", Case(_linked("pipelines/loop", "."), "")
    yield "two folders that link to each other", Case(_loops, "")
    yield "a file that links to itself", Case(_linked("pipelines/a.yaml", "a.yaml"), "unreadable")
    yield "a link to nowhere", Case(_linked("pipelines/a.yaml", "nowhere.yaml"), "unreadable")
    yield "a link to a device", Case(_linked("pipelines/a.yaml", "/dev/zero"), "unreadable")
    yield "a link to the terminal", Case(_linked("pipelines/a.yaml", "/dev/tty"), "unreadable")
    yield "a pipe", Case(_fifo("pipelines/a.yaml"), "unreadable")
    yield "settings are a pipe", Case(_fifo("engine.yaml"), "unreadable")
    yield "the environment's file is a pipe", Case(_fifo(".env"), "unreadable")
    yield "a folder named like a file", Case(_folder("pipelines/a.yaml"), "")
    yield "settings are a folder", Case(_folder("engine.yaml"), "unreadable")
    yield "the environment's file is 10 MB", Case(_written(".env", "A=b\n" * 2_500_000), "too-large")
    yield "20,000 bad lines in .env", Case(_written(".env", "a b\n" * 20_000), "bad-line")
    yield "settings of 10 MB", Case(_written("engine.yaml", "#" * 10_000_000), "too-large")
    yield "a name with a newline", Case(_written("pipelines/a\nb: error[x].yaml", "a: 1\n"), "unknown-kind")
    yield "a name with an escape", Case(_written("pipelines/\x1b[2J\x1b]0;pwned\x07.yaml", "a: 1\n"), "unknown-kind")
    yield "a name that is no text", Case(_bad_name, "unknown-kind")
    yield "a name that runs backwards", Case(_written("pipelines/a\u202egnp.yaml", "a: 1\n"), "unknown-kind")
    yield "400 levels of folders", Case(_deep(400), "")
    yield "1,000 empty files", Case(_files(1_000, ""), "unknown-kind")
    yield "escapes in a key", Case(pipeline('"\\e[2J\\e]0;pwned\\a": 1\npipeline: a\n'), "unknown-key")
    yield "escapes in a value", Case(inside('timezone: "\\e[2J\\e[31mUTC\\u202e\\u2066\\x9b"\n'), "unknown-timezone")
    yield "escapes in an expression", Case(mapped('  a: "b = \\e[2J"\n'), "expression")
    yield "escapes in a template", Case(mapped('  a: "{{ \\e[2J }}"\n'), "template")
    yield "escapes in a name", Case(pipeline(f'pipeline: "\\e[2Ja"\n{TAIL}'), "bad-name")
    yield (
        "escapes in a connection",
        Case(
            pipeline(HEAD + 'source: {sql: {connection: "\\e[2J", query: select 1}}\ntarget: {console: {}}\n'),
            "unknown-connection",
        ),
    )
    yield (
        "lines in a value",
        Case(inside('timezone: "a\\nb.yaml:1:1: error[x]: fake\\r\\n\\u2028x\\u0085y"\n'), "unknown-timezone"),
    )
    yield "escapes in a column", Case(_csv(b"k\x1b[2J,v\na,1\n"), "unknown-column")
    yield "escapes in a row", Case(_csv(b"k,v\n\x1b[2J,1\n"), "row-key")
    yield "escapes in .env", Case(_written(".env", "\x1b[2J\n"), "bad-line")


def _linked(name: str, target: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (project(folder) / name).symlink_to(target)

    return make


def _loops(folder: Path) -> None:
    project(folder)
    for one, two in (("a", "b"), ("b", "a")):
        (folder / "pipelines" / one).mkdir()
        (folder / "pipelines" / one / "in").symlink_to(f"../{two}")


def _fifo(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        os.mkfifo(project(folder) / name)

    return make


def _folder(name: str) -> Callable[[Path], None]:
    return lambda folder: (project(folder) / name).mkdir()


def _written(name: str, text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = project(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return make


def _bad_name(folder: Path) -> None:
    project(folder)
    with open(os.fsencode(folder / "pipelines") + b"/\xff\xfe.yaml", "w") as file:
        file.write("a: 1\n")


def _deep(levels: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        place = project(folder) / "pipelines"
        for _ in range(levels):
            place = place / "abc"
        place.mkdir(parents=True)
        (place / "a.yaml").write_text(f"{HEAD}{TAIL}{FIELDS}")

    return make


def _files(count: int, text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        project(folder)
        for n in range(count):
            (folder / "pipelines" / f"{n}.yaml").write_text(text)

    return make


def cases() -> dict[str, Case]:
    """Return every case by its name."""
    found: dict[str, Case] = {}
    for some in (yaml_cases, encoding_cases, variable_cases, row_cases, schema_cases, file_cases):
        for name, case in some():
            assert name not in found, name
            found[name] = case
    return found
