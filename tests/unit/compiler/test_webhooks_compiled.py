"""Webhook triggers compiled: units, presets' defaults, ids, key sets, and the mistakes that are found before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.compiler.webhooks import check_webhooks, compile_clients, compile_webhooks
from engine.definition.loader import load
from engine.errors import RecordError
from engine.pipeline import WebhookPlan
from engine.policy import RateLimit

TARGET = "target: {console: {}}\n"
SOURCE = "source: {inline: {rows: []}}\n"


def project(
    folder: Path, webhook: str, more: str = "", settings: str = "", target: str = "target: {console: {}}\n"
) -> Any:
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "engine.yaml").write_text(f"engine: 1\n{settings}")
    (folder / "pipelines" / "p.yaml").write_text(f"pipeline: p\ntriggers:\n  - webhook: {webhook}\n{more}{TARGET}")
    loaded, problems = load(folder, environ={"ENGINE_SECRET_S": "s3cret"})
    assert [one for one in problems if one.severity == "error"] == []
    return loaded


def plan(folder: Path, webhook: str, more: str = "", settings: str = "") -> WebhookPlan:
    loaded = project(folder, webhook, more, settings)
    assert list(check_webhooks(loaded, loaded.pipelines["p"])) == []
    [made] = compile_webhooks(loaded, loaded.pipelines["p"])
    return made


def problems(folder: Path, webhook: str, more: str = "") -> list[tuple[str, str]]:
    loaded = project(folder, webhook, more)
    return [(one.code, one.path) for one in check_webhooks(loaded, loaded.pipelines["p"])]


def test_what_is_silent_has_its_default(tmp_path: Path) -> None:
    made = plan(tmp_path, "{path: /p, auth: none}")
    assert (made.id, made.path, made.methods, made.auth) == ("/p", "/p", frozenset(["POST"]), None)
    assert (made.max_body, made.rate_limit, made.respond, made.challenge, made.runs) == (
        1 << 20,
        None,
        None,
        None,
        False,
    )
    assert (made.validate, made.records, made.event_id) == (None, None, None)
    assert made.params({"trigger": {"body": 1}}) == {}
    assert (made.place.file, made.place.line, made.where) == ("pipelines/p.yaml", 3, "triggers[0].webhook")


def test_units_are_read_and_secrets_resolved(tmp_path: Path) -> None:
    made = plan(
        tmp_path,
        "{path: /p, methods: [PUT, GET], max_body: 2KiB, rate_limit: {limit: 5, per: 1m},"
        ' auth: [{hmac: {header: X, secret: "${secret:s}",'
        ' signed: "{timestamp}{body}", timestamp_header: T, tolerance: 2m}}, {bearer: [a, b]}]}',
        SOURCE,
    )
    assert made.methods == {"PUT", "GET"}
    assert (made.max_body, made.rate_limit, made.runs) == (2048, RateLimit(5, 60.0), True)
    assert made.auth is not None
    assert made.auth[0]["hmac"]["tolerance"] == 120.0
    assert made.auth[0]["hmac"]["secret"] == "s3cret"
    assert made.auth[1] == {"bearer": ["a", "b"]}


@pytest.mark.parametrize(
    ("preset", "names", "identity"),
    [
        ("standard_webhooks", {"headers": {"webhook-id": "msg_1"}, "body": {}}, "msg_1"),
        ("github", {"headers": {"x-github-delivery": "72d3162e"}, "body": {}}, "72d3162e"),
        ("shopify", {"headers": {"x-shopify-webhook-id": "b54557e4"}, "body": {}}, "b54557e4"),
        ("stripe", {"headers": {}, "body": {"id": "evt_1"}}, "evt_1"),
        ("slack", {"headers": {}, "body": {"event_id": "Ev1"}}, "Ev1"),
    ],
)
def test_a_preset_knows_how_its_sender_names_events(
    tmp_path: Path, preset: str, names: dict[str, Any], identity: str
) -> None:
    made = plan(tmp_path, f"{{path: /p, auth: [{{hmac: {{preset: {preset}, secret: whsec_aGk=}}}}]}}")
    assert made.event_id is not None
    assert made.event_id(names) == identity
    assert made.event_id({"headers": {}, "body": []}) is None
    assert made.max_body == (25 << 20 if preset == "github" else 1 << 20)
    assert made.challenge == ("slack" if preset == "slack" else None)


def test_two_kinds_of_sender_have_no_way_of_naming_in_common(tmp_path: Path) -> None:
    two = "{path: /p, auth: [{hmac: {preset: github, secret: x}}, {api_key: {value: y}}]}"
    made = plan(tmp_path, two)
    assert (made.event_id, made.max_body) == (None, 1 << 20)


@pytest.mark.parametrize(
    ("written", "body", "headers", "identity"),
    [
        ("{header: X-Id}", {}, {"x-id": "a"}, "a"),
        ("{header: X-Id}", {}, {}, None),
        ("{header: X-Id}", {}, {"x-id": ""}, None),
        ("{value: sale.id}", {"sale": {"id": 7}}, {}, "7"),
        ("{value: sale.id}", {}, {}, None),
        ("{value: sale.id}", [], {}, None),
        ("{value: sale}", {"sale": {"id": 7}}, {}, None),
        ("{value: sale}", {"sale": True}, {}, None),
        ("{value: \"{{ trigger.body.a }}-{{ trigger.headers['x-b'] }}\"}", {"a": 1}, {"x-b": "2"}, "1-2"),
        ('{value: "{{ trigger.body.a }}"}', {}, {}, None),
    ],
)
def test_an_event_is_named_or_refused(
    tmp_path: Path, written: str, body: Any, headers: dict[str, str], identity: str | None
) -> None:
    made = plan(tmp_path, f"{{path: /p, auth: none, event_id: {written}}}")
    assert made.event_id is not None
    if identity is not None:
        assert made.event_id({"body": body, "headers": headers}) == identity
        return
    with pytest.raises(RecordError):
        made.event_id({"body": body, "headers": headers})


def test_a_long_name_is_shortened_and_stays_itself(tmp_path: Path) -> None:
    made = plan(tmp_path, "{path: /p, auth: none, event_id: {value: id}}")
    assert made.event_id is not None
    long = [made.event_id({"body": {"id": "x" * 10_000 + end}, "headers": {}}) for end in "aab"]
    assert len(long[0]) == 64
    assert long[0] == long[1] != long[2]


def test_a_result_is_made_of_templates(tmp_path: Path) -> None:
    webhook = (
        '{path: /p, auth: none, respond: {with: result, status: 201, timeout: 2s, headers: {X: "{{ run.id }}"},'
        ' body: {n: "{{ records | length }}", first: "{{ records[0] }}"}}}'
    )
    made = plan(tmp_path, webhook)
    assert made.respond is not None
    assert made.respond["timeout"] == 2.0
    assert made.respond["status"]({}) == 201
    names = {"run": {"id": "r1"}, "records": [{"a": 1}], "results": {}, "trigger": {}, "params": {}}
    assert made.respond["headers"](names) == {"X": "r1"}
    assert made.respond["body"](names) == {"n": 1, "first": {"a": 1}}
    assert plan(tmp_path, "{path: /p, auth: none, respond: result}").respond == {}


def test_a_schema_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "sale.json").write_text('{"type": "object", "required": ["id"]}')
    made = plan(tmp_path, "{path: /p, auth: none, schema: sale.json, records: items}")
    assert made.validate is not None
    assert made.records is not None
    assert made.validate({"id": 1}) == []
    assert len(made.validate({})) == 1
    assert made.records({"items": [1]}) == [1]


def test_a_key_set_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{"kty": "RSA"}]}))
    made = plan(tmp_path, "{path: /p, auth: [{jwt: {algorithms: [RS256], jwks: keys.json}}]}")
    assert made.auth is not None
    assert made.auth[0]["jwt"]["jwks"] == {"keys": [{"kty": "RSA"}]}


@pytest.mark.parametrize(
    ("webhook", "code", "path"),
    [
        ("{path: /p, auth: none, records: 'a['}", "expression", "records"),
        ("{path: /p, auth: none, event_id: {value: 'a['}}", "expression", "event_id.value"),
        ("{path: /p, auth: none, event_id: {value: '{{ record.x }}'}}", "unknown-name", "event_id.value"),
        ("{path: /p, auth: none, respond: {with: result, body: '{{ body }}'}}", "unknown-name", "respond.body"),
        ("{path: /p, auth: none, respond: {with: accepted, status: 201}}", "bad-value", "respond.status"),
        ("{path: /p, auth: none, schema: {type: nonsense}}", "schema", "schema"),
        ("{path: /p, auth: none, schema: {$ref: 'http://127.0.0.1:9/x.json'}}", "schema", "schema"),
        ("{path: /p, auth: none, schema: {properties: {a: {$ref: 'file:///etc/passwd'}}}}", "schema", "schema"),
        ("{path: /p, auth: none, schema: missing.json}", "file", "schema"),
        ("{path: /p, auth: none, schema: ../../../etc/hostname}", "file", "schema"),
        (
            "{path: /p, auth: [{jwt: {algorithms: [RS256], jwks: 'http://idp.example/keys'}}]}",
            "bad-value",
            "auth[0].jwt.jwks",
        ),
        (
            "{path: /p, auth: [{jwt: {algorithms: [HS256], jwks: 'https://idp.example/keys'}}]}",
            "bad-value",
            "auth[0].jwt.jwks",
        ),
        (
            "{path: /p, auth: [{jwt: {algorithms: [RS256], jwks: 'https://a:b@idp.example/keys'}}]}",
            "bad-value",
            "auth[0].jwt.jwks",
        ),
        ("{path: /p, auth: [{jwt: {algorithms: [RS256], jwks: no.json}}]}", "file", "auth[0].jwt.jwks"),
    ],
)
def test_mistakes_are_found_with_their_place(tmp_path: Path, webhook: str, code: str, path: str) -> None:
    assert problems(tmp_path, webhook) == [(code, f"triggers[0].webhook.{path}")]


def test_params_see_the_trigger_only(tmp_path: Path) -> None:
    more = '    params: {day: "{{ trigger.body.day }}"}\nparams: {day: {type: string}}\n' + SOURCE
    made = plan(tmp_path, "{path: /p, auth: none}", more)
    assert made.params({"trigger": {"body": {"day": "x"}}}) == {"day": "x"}
    wrong = more.replace("trigger.body.day", "body.day")
    assert problems(tmp_path, "{path: /p, auth: none}", wrong) == [("unknown-name", "triggers[0].params.day")]


def test_clients_are_ways_in_whose_address_must_be_right_too(tmp_path: Path) -> None:
    settings = (
        "clients:\n  banban:\n    api_keys: ['${secret:s}', k2]\n    bearer: t\n    allow_ips: [10.0.0.0/8]\n"
        "    rate_limit: {limit: 9, per: 2s}\n  other: {allow_ips: ['::1']}\n  x-note: free\n"
        "  third: {api_keys: k, api_key_header: X-Shop, hmac: {header: X, secret: s, signed: '{timestamp}{body}',"
        " timestamp_header: T, tolerance: 1m}}\n"
    )
    clients = compile_clients(project(tmp_path, "{path: /p, clients: [banban]}", settings=settings))
    assert sorted(clients) == ["banban", "other", "third"]
    addresses = {"allow_ips": ["10.0.0.0/8"]}
    keys = {"header": None, "value": ["s3cret", "k2"]}
    assert clients["banban"].auth == ({**addresses, "bearer": "t"}, {**addresses, "api_key": keys})
    assert clients["banban"].rate_limit == RateLimit(9, 2.0)
    assert clients["other"].auth == ({"allow_ips": ["::1"]},)
    assert clients["third"].auth[0]["hmac"]["tolerance"] == 60.0
    assert clients["third"].auth[1] == {"api_key": {"header": "X-Shop", "value": "k"}}


def test_secrets_of_callers_are_known_as_secrets(tmp_path: Path) -> None:
    loaded = project(
        tmp_path,
        '{path: /p, auth: [{api_key: {value: "${secret:s}"}}]}',
        settings='clients: {a: {hmac: {preset: github, secret: "${secret:s}"}}}\n',
    )
    assert "s3cret" in loaded.secrets


@pytest.mark.parametrize("respond", ["result", "{with: result, status: 201}"])
def test_a_run_that_reads_a_source_is_not_answered_with_its_result_yet(tmp_path: Path, respond: str) -> None:
    hook = f"{{path: /p, auth: none, respond: {respond}}}"
    assert problems(tmp_path, hook, SOURCE) == [("not-yet", "triggers[0].webhook.respond")]
    assert problems(tmp_path, hook) == [], "without a source it is"
