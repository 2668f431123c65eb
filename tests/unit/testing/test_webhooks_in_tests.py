"""A call in a test goes the way of a real one: credentials, schema, event, reply."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.testing.testing_bench import only, said

HOOK = """\
pipeline: orders
triggers:
  - webhook:
      path: /in
      auth: [AUTH]
      event_id: {value: id}
      schema: {type: object, required: [id]}
RESPOND
mapping: {id: id, upper: "{{ record.name | upper }}"}
TARGET
"""
ACCEPTED = HOOK.replace("RESPOND\n", "").replace("TARGET", "target: {http: {connection: crm, path: /x}, key: id}")
ANSWERED = (
    HOOK.replace("      event_id: {value: id}\n", "")
    .replace("TARGET\n", "")
    .replace(
        "RESPOND",
        '      respond: {with: result, status: 201, headers: {X-Seen: "yes"}, body: {upper: "{{ records[0].upper }}"}}',
    )
)
WAYS = [
    '{api_key: {value: "${secret:key}"}}',
    '{bearer: "${secret:key}"}',
    '{basic: {username: u, password: "${secret:key}"}}',
    '{hmac: {preset: github, secret: "${secret:key}"}}',
    '{hmac: {preset: standard_webhooks, secret: "${secret:key}"}}',
    '{hmac: {preset: stripe, secret: "${secret:key}"}}',
    '{hmac: {preset: slack, secret: "${secret:key}"}}',
    '{jwt: {algorithms: [HS512], key: "${secret:key}", audience: a, issuer: i}}',
    '{bearer: "${secret:key}", allow_ips: [10.1.0.0/16]}',
]


def ran(root: Path, pipeline: str, body: str, way: str = WAYS[0]) -> str:
    return said(only(root, body, pipeline=pipeline.replace("AUTH", way)))


@pytest.mark.parametrize("way", WAYS)
def test_a_call_is_signed_as_its_sender_would(tmp_path: Path, way: str) -> None:
    body = (
        "webhook: {body: {id: 1, name: ana}}\nexpect: {reply: {status: 202, body: {accepted: 1}}, sent: [{upper: ANA}]}"
    )
    assert not ran(tmp_path, ACCEPTED, body, way)


@pytest.mark.parametrize("way", WAYS)
def test_unsigned_it_is_refused(tmp_path: Path, way: str) -> None:
    """The control: admission is the real one."""
    body = "webhook: {sign: false, body: {id: 1, name: ana}}\nexpect: {reply: {status: 401}, sent: []}"
    assert not ran(tmp_path, ACCEPTED, body, way)


def test_a_reply_with_the_result(tmp_path: Path) -> None:
    body = """
webhook: {body: {id: 1, name: ana}}
expect: {reply: {status: 201, headers: {x-seen: 'yes'}, body: {upper: ANA}}, status: success}
"""
    assert not ran(tmp_path, ANSWERED, body)
    assert "reply.body.upper" in ran(tmp_path, ANSWERED, body.replace("ANA", "BIA"))


def test_what_is_rejected_is_told_to_the_caller(tmp_path: Path) -> None:
    body = "webhook: {body: {id: 1}}\nexpect: {reply: {status: 422, body: {errors: [{code: CODE}]}}, rejected: 1}"
    assert not ran(tmp_path, ANSWERED, body.replace("CODE", "missing-field"))
    assert "reply.body.errors[0].code" in ran(tmp_path, ANSWERED, body.replace("CODE", "type"))


def test_a_refused_call_fails_a_test_that_does_not_speak_of_it(tmp_path: Path) -> None:
    assert "the call was answered 422" in ran(tmp_path, ACCEPTED, "webhook: {body: {name: ana}}\nexpect: {sent: []}")


def test_a_body_that_is_no_json(tmp_path: Path) -> None:
    body = 'webhook: {headers: {Content-Type: application/json}, body: "{broken"}\nexpect: {reply: {status: 400}}'
    assert not ran(tmp_path, ACCEPTED, body)


def test_a_call_of_a_pipeline_with_a_source_starts_a_run(tmp_path: Path) -> None:
    pipeline = """\
pipeline: orders
params: {day: {type: string}}
triggers: [{webhook: {path: /go, auth: none}, params: {day: "{{ trigger.body.day }}"}}]
source: {http: {connection: crm, path: /of, query: {day: "{{ params.day }}"}, records: items}}
target: {http: {connection: crm, path: /x, json: "{{ record }}"}}
resilience: {retry: {attempts: 1}}
"""
    body = """
webhook: {body: {day: monday}}
responses: {crm: [{json: {items: [{a: 1}]}}, {status: 200}]}
expect: {reply: {status: 202}, requests: [{query: {day: monday}}, {json: {a: 1}}], status: success}
"""
    assert not said(only(tmp_path, body, pipeline=pipeline))


def test_what_is_rejected_after_a_call_was_accepted_is_not_excused_by_its_reply(tmp_path: Path) -> None:
    told = ran(tmp_path, ACCEPTED, "webhook: {body: {id: 1}}\nexpect: {reply: {status: 202}}")
    assert "a record was rejected: missing-field" in told
