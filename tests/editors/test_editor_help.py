"""What an editor offers, explains and objects to, recorded from the real language server with the project's schema.

``‸`` is where the cursor stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from engine.cli.schemas import MODELINE, project_schema
from tests.editors.language_server import LanguageServer


@pytest.fixture(scope="module")
def modeline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first line of a file, for the schema as ``engine schema`` prints it today."""
    path = tmp_path_factory.mktemp("schemas") / "project.json"
    path.write_text(project_schema(), "utf-8")
    return MODELINE.format(path=path.as_uri())


class Offered(NamedTuple):
    """A place, and what must be offered there, as it is put in; with ``!`` what must not."""

    name: str
    text: str
    keys: str
    put_in: Mapping[str, str] = MappingProxyType({})


PIPELINE = "pipeline: a\n"
COMPLETION = [
    Offered("kinds of file", "‸", "pipeline connections engine tests"),
    Offered("keys of a pipeline", f"{PIPELINE}‸", "source filters mapping steps target targets triggers resilience"),
    Offered(
        "connectors that read",
        f"{PIPELINE}source:\n  ‸",
        "sql http graphql file inline cursor !console",
        {"sql": "sql:\n  connection: ", "inline": "inline:\n  rows:\n    - "},
    ),
    Offered("connectors that write", f"{PIPELINE}target:\n  ‸", "sql http console file key batch mapping !inline"),
    Offered(
        "a second target",
        f"{PIPELINE}targets:\n  - id: one\n    console: {{}}\n  - id: two\n    ‸",
        "sql http when on_rejected",
    ),
    Offered("connectors that are called", f"{PIPELINE}steps:\n  - call:\n      ‸", "http sql graphql into when !file"),
    Offered("a lookup's source", f"{PIPELINE}steps:\n  - lookup:\n      from:\n        ‸", "sql http file !console"),
    Offered(
        "options of sql",
        f"{PIPELINE}source:\n  sql:\n    ‸",
        "connection query table columns where params",
        {"query": "query: "},
    ),
    Offered("options of file", f"{PIPELINE}source:\n  file:\n    ‸", "path format delimiter quote escape header"),
    Offered("a choice of a connector", f"{PIPELINE}source:\n  file:\n    path: a\n    format: ‸", "csv json jsonl"),
    Offered("kinds of trigger", f"{PIPELINE}triggers:\n  - ‸", "cron every webhook after file id params"),
    Offered("options of a webhook", f"{PIPELINE}triggers:\n  - webhook:\n      ‸", "path auth event_id respond schema"),
    Offered(
        "senders whose signature is known",
        f"{PIPELINE}triggers:\n  - webhook:\n      auth:\n        - hmac:\n            preset: ‸",
        "github stripe slack meta",
    ),
    Offered("steps", f"{PIPELINE}steps:\n  - ‸", "filter map set remove check validate lookup call split switch"),
    Offered("$ keys of a field", f"{PIPELINE}mapping:\n  total:\n    ‸", "$value $const $type $default $each $copy"),
    Offered(
        "types of a field",
        f"{PIPELINE}mapping:\n  total: {{$value: total, $type: ‸}}",
        "string integer number decimal boolean date datetime json",
    ),
    Offered("what becomes of rejected ones", f"{PIPELINE}target:\n  on_rejected: ‸", "dead_letter drop fail"),
    Offered(
        "keys of a cursor",
        f"{PIPELINE}source:\n  cursor:\n    ‸",
        "fields initial lookback reset",
        {"fields": "fields:\n  - ${1}", "reset": "reset: ${1:false}"},
    ),
    Offered("keys of a batch", f"{PIPELINE}target:\n  batch:\n    ‸", "size wait", {"size": "size: ${1:0}"}),
    Offered(
        "keys of retry",
        f"{PIPELINE}resilience:\n  retry:\n    ‸",
        "attempts backoff initial max jitter",
        {"attempts": "attempts: ${1:3}"},
    ),
    Offered("how a wait grows", f"{PIPELINE}resilience:\n  retry:\n    backoff: ‸", "exponential linear constant"),
    Offered("true or false", f"{PIPELINE}enabled: ‸", "true false"),
    Offered("kinds of connection", "connections:\n  hub:\n    ‸", "http sql resilience description !file !console"),
    Offered("options of a connection", "connections:\n  hub:\n    http:\n      ‸", "base_url auth headers tls verify"),
    Offered("logins", "connections:\n  hub:\n    http:\n      auth:\n        ‸", "bearer basic api_key"),
    Offered("keys of engine.yaml", "engine: 1\n‸", "listen admin store clients health retention vars"),
    Offered("keys of a test", "tests:\n  - ‸", "test pipeline records expect responses now"),
]


@pytest.mark.parametrize("case", COMPLETION, ids=lambda case: case.name)
def test_completion(case: Offered, server: LanguageServer, modeline: str) -> None:
    """What may stand there is offered, what may not is not."""
    offered = server.completion(server.root / "complete.yaml", modeline + case.text)
    labels = {item["label"] for item in offered}
    wanted = {key for key in case.keys.split() if not key.startswith("!")}
    assert wanted <= labels
    assert labels & {key.removeprefix("!") for key in case.keys.split() if key.startswith("!")} == set()
    put_in = {item["label"]: item["insertText"] for item in offered}
    assert {key: put_in[key] for key in case.put_in} == case.put_in
    # a key without its colon is of no use
    bare = [label for label, text in put_in.items() if label in wanted and "\n" in case.text and text == label]
    assert not bare or {item["kind"] for item in offered if item["label"] in bare} == {12}


SNIPPETS = [
    ("‸", "a pipeline", "pipeline: ${1:orders}\nsource:\n  sql:\n    connection: ${2:shop-db}"),
    (f"{PIPELINE}triggers:\n  - ‸", "by the clock", "cron: ${1:0 3 * * *}"),
    (f"{PIPELINE}triggers:\n  - ‸", "when it is called", r"value: \${secret:${2:shop-key}}"),
]


@pytest.mark.parametrize(("text", "label", "put_in"), SNIPPETS)
def test_snippets(text: str, label: str, put_in: str, server: LanguageServer, modeline: str) -> None:
    """A beginning is put in whole, and its variables are those of the engine, not of the editor."""
    offered = server.completion(server.root / "snippet.yaml", modeline + text)
    [found] = [item for item in offered if item["label"] == label]
    assert put_in in found["insertText"]


def test_a_choice_is_explained_where_it_is_offered(server: LanguageServer, modeline: str) -> None:
    offered = server.completion(server.root / "choice.yaml", f"{modeline}{PIPELINE}target:\n  on_rejected: ‸")
    said = {item["label"]: item.get("documentation") for item in offered}
    assert said["drop"] == "Dropped and counted."


HOVER = [
    ("a choice", f"{PIPELINE}target:\n  on_rej‸ected: drop", ["refused record", "Default: `dead_letter`", "* `fail`"]),
    ("a connector", f"{PIPELINE}source:\n  s‸ql: {{table: a}}", ["#### sql", "Rows of a database", "bank-db"]),
    ("an option", f"{PIPELINE}source:\n  sql: {{qu‸ery: a}}", ["#### Query", "One select", ":cursor_"]),
    ("a number", f"{PIPELINE}resilience: {{retry: {{att‸empts: 5}}}}", ["Every try counts", "Default: `3`"]),
    ("a duration", f"{PIPELINE}resilience: {{time‸out: 5s}}", ["longest time of one call", "500ms", "Default: `30s`"]),
    ("a key of a field", f"{PIPELINE}mapping: {{a: {{$val‸ue: b, $type: date}}}}", ["Expression", "JMESPath"]),
    ("a connection", "connections:\n  hub:\n    ht‸tp: {base_url: a}", ["its address, credentials and session"]),
    ("a setting", "engine: 1\nret‸ention: {runs: 3d}", ["####"]),
]


@pytest.mark.parametrize(("text", "said"), [pytest.param(text, said, id=name) for name, text, said in HOVER])
def test_hover(text: str, said: list[str], server: LanguageServer, modeline: str) -> None:
    """A key under the pointer is explained: its title, its words, its default."""
    shown = server.hover(server.root / "hover.yaml", modeline + text)
    assert [words for words in said if words not in shown] == [], shown


RUNS = "source: {inline: {rows: [{a: 1}]}}\ntarget: {console: {}}\n"
CONNECTOR = "needs a connector, exactly one of: file, graphql, http, inline, sql"
OBJECTED: list[tuple[str, str, list[tuple[int, int, str]]]] = [
    ("a key that is none", f"{PIPELINE}filtres: []\n{RUNS}", [(2, 0, "Property filtres is not allowed.")]),
    (
        "an option that is none",
        f"{PIPELINE}source: {{sql: {{connection: a, table: b, wher: c}}}}",
        [(2, 40, "Property wher is not allowed.")],
    ),
    (
        "a connector that is none",
        f"{PIPELINE}source:\n  sqll: {{}}",
        [(2, 0, CONNECTOR), (3, 2, "Property sqll is not allowed.")],
    ),
    (
        "two connectors",
        f"{PIPELINE}source:\n  sql: {{connection: a, table: b}}\n  inline: {{rows: []}}",
        [(3, 2, CONNECTOR)],
    ),
    ("no connector", f"{PIPELINE}source:\n  cursor: {{fields: [a]}}", [(2, 0, CONNECTOR)]),
    (
        "one of several keys",
        f"{PIPELINE}source: {{sql: {{connection: a}}}}",
        [(2, 9, "needs exactly one of: query, table")],
    ),
    (
        "two kinds of trigger",
        f'{PIPELINE}triggers:\n  - {{cron: "0 * * * *", every: 5m}}',
        [(3, 24, "needs exactly one of: cron, every, webhook, after, file")],
    ),
    (
        "who may call",
        f"{PIPELINE}triggers:\n  - webhook: {{path: /a}}",
        [(3, 4, "does not say who may call: write auth: [...], clients: [...] or auth: none")],
    ),
    (
        "a duration without its unit",
        f"{PIPELINE}resilience: {{timeout: 30}}",
        [(2, 22, "is not a duration: a duration has a unit: 500ms, 30s, 5m, 2h or 1d")],
    ),
    (
        "a word for a number",
        f"{PIPELINE}resilience: {{retry: {{attempts: many}}}}",
        [(2, 31, 'Incorrect type. Expected "integer".')],
    ),
    (
        "a number for a list",
        f"{PIPELINE}filters: 5",
        [(2, 9, "Incorrect type. Expected one of array, string.")],
    ),
    (
        "no such choice",
        f"{PIPELINE}target: {{console: {{}}, on_rejected: deadletter}}",
        [(2, 35, 'Value is not accepted. Valid values: "dead_letter", "drop", "fail".')],
    ),
    (
        "a field without a value",
        f"{PIPELINE}mapping: {{a: {{$type: date}}}}",
        [(2, 10, "needs one of: $value, $const, $field, $each")],
    ),
    (
        "a key that must be there",
        f"{PIPELINE}target: {{console: {{}}, batch: {{wait: 2s}}}}",
        [(2, 22, 'Missing property "size".')],
    ),
    (
        "an address in the wrong form",
        f"{PIPELINE}triggers:\n  - webhook: {{path: a, auth: none}}",
        [(3, 20, "is not a path: a path begins with /")],
    ),
    (
        "a connection's option",
        "connections:\n  hub:\n    http: {base_ur: a, base_url: https://b}",
        [(3, 11, "Property base_ur is not allowed.")],
    ),
    ("a file of no kind", "pipline: a", [(1, 0, "needs one of: pipeline, connections, engine, tests")]),
    (
        "variables in place of values",
        f"{PIPELINE}enabled: ${{ON:-true}}\nresilience:\n  timeout: ${{T}}\n  retry:\n    attempts: ${{N}}\n{RUNS}",
        [],
    ),
    ("notes", f"{PIPELINE}x-owner: me\nresilience: {{x-why: because}}\n{RUNS}", []),
]


def placed(found: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    starts = [(one["range"]["start"], one["message"]) for one in found]
    return sorted((start["line"], start["character"], message) for start, message in starts)


@pytest.mark.parametrize(("text", "said"), [pytest.param(text, said, id=name) for name, text, said in OBJECTED])
def test_diagnostics(text: str, said: list[tuple[int, int, str]], server: LanguageServer, modeline: str) -> None:
    """A mistake is found at its place and in words that help; what is right is left in peace."""
    path: Path = server.root / "wrong.yaml"
    found = [(line, column, message) for line, column, message in placed(server.diagnostics(path, modeline + text))]
    assert found == said
