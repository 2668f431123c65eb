"""A test runs the real pipeline: what comes in, what is answered, what is sent, and what time it is."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import pytest

from engine.testing.compare import Difference, differences
from tests.unit.testing.testing_bench import PIPELINE, only, said, verdicts


def good(root: Path, body: str, **more: str) -> None:
    verdict = only(root, body, **more)
    assert verdict.passed, said(verdict)


def bad(root: Path, body: str, **more: str) -> str:
    verdict = only(root, body, **more)
    assert not verdict.passed
    return said(verdict)


RECORDS = 'records: [{id: 7, name: " ana ", total: 3}]'


def test_records_stand_in_place_of_the_source(tmp_path: Path) -> None:
    good(
        tmp_path, f"{RECORDS}\nexpect: {{sent: [{{external_id: '7', label: Ana}}], status: success, cursor: {{id: 7}}}}"
    )


def test_a_wrong_expectation_fails(tmp_path: Path) -> None:
    """The control of all that pass."""
    assert "sent[0].label" in bad(tmp_path, f"{RECORDS}\nexpect: {{sent: [{{label: ana}}]}}")


def test_a_failure_names_the_line_of_the_mapping(tmp_path: Path) -> None:
    line = PIPELINE.splitlines().index('  label: "{{ record.name | trim | title }}"') + 1
    verdict = only(tmp_path, f"{RECORDS}\nexpect: {{sent: [{{label: ana}}]}}")
    assert verdict.misses[0].made == f"mapping.label, orders.yaml:{line}"
    assert verdict.test.origin.place(verdict.misses[0].path).line == 5


@pytest.mark.parametrize("key", ["sent", "sent_exactly"])
def test_more_records_than_expected_fail(tmp_path: Path, key: str) -> None:
    two = "records: [{id: 7, name: a, total: 3}, {id: 8, name: b, total: 3}]"
    assert f"{key}[1]" in bad(
        tmp_path, f"{two}\nexpect: {{{key}: [{{external_id: '7', label: A, at: '2026-01-01T00:00:00+00:00'}}]}}"
    )


def test_sent_exactly_knows_every_field(tmp_path: Path) -> None:
    assert "sent_exactly[0].at" in bad(
        tmp_path, f"{RECORDS}\nexpect: {{sent_exactly: [{{external_id: '7', label: Ana}}]}}"
    )


def test_with_a_key_the_order_does_not_matter(tmp_path: Path) -> None:
    two = "records: [{id: 7, name: a, total: 3}, {id: 8, name: b, total: 3}]"
    good(tmp_path, f"{two}\nexpect: {{sent: [{{external_id: '8', label: B}}, {{external_id: '7', label: A}}]}}")


def test_without_a_key_it_does(tmp_path: Path) -> None:
    two = "records: [{id: 7, name: a, total: 3}, {id: 8, name: b, total: 3}]"
    keyless = PIPELINE.replace("  key: external_id\n", "  resilience: {retry: {attempts: 1}}\n")
    assert "sent[0]" in bad(tmp_path, f"{two}\nexpect: {{sent: [{{label: B}}, {{label: A}}]}}", pipeline=keyless)


def test_numbers_compare_as_decimals(tmp_path: Path) -> None:
    pipeline = PIPELINE.replace('  at: "{{ now() }}"\n', "  total: {$value: total, $type: decimal}\n")
    body = "records: [{id: 7, name: a, total: '0.10'}]\nexpect: {sent: [{total: 0.1000}]}"
    good(tmp_path, body, pipeline=pipeline.replace("total > `0`", "name != ''"))


def test_a_number_is_not_its_text() -> None:
    assert list(differences({"id": 7}, {"id": "7"})) == [Difference(("id",), 7, "7")]


def test_the_clock_stands_still(tmp_path: Path) -> None:
    good(tmp_path, f'{RECORDS}\nexpect: {{sent: [{{at: "2025-12-31T21:00:00-03:00"}}]}}')
    good(tmp_path, f'now: "2026-05-01 10:00"\n{RECORDS}\nexpect: {{sent: [{{at: "2026-05-01T10:00:00-03:00"}}]}}')


def test_responses_pass_through_the_real_connector(tmp_path: Path) -> None:
    body = """
cursor: {id: 5}
responses:
  crm:
    - json: {items: [{id: 6, name: bia, total: 1}, {id: 7, name: x, total: 0}]}
    - {status: 201, json: {ok: true}}
expect:
  requests:
    - {connection: crm, method: GET, path: /orders, query: {after: "5", full: "false"}}
    - {method: POST, path: /in, json: {label: Bia}}
  sent: [{external_id: "6"}]
  dropped: {"filters[0]": 1}
  cursor: {id: 7}
"""
    good(
        tmp_path, body.replace("path: /", "path: /api/v2/").replace("{connection: crm, path", "{connection: crm, path")
    )


def test_running_out_of_responses_says_how_many_there_were(tmp_path: Path) -> None:
    told = bad(tmp_path, f"{RECORDS}\nresponses: {{crm: [{{status: 503}}]}}\nexpect: {{sent: []}}")
    assert "crm has 1 response, and request 2 was made (POST /api/v2/in)" in told


def test_a_response_that_nobody_asked_for_fails(tmp_path: Path) -> None:
    told = bad(tmp_path, f"{RECORDS}\nresponses: {{crm: [{{status: 200}}, {{status: 200}}]}}\nexpect: {{sent: [{{}}]}}")
    assert "nobody asked for 1 response of crm" in told


def test_a_source_without_records_and_responses_is_refused(tmp_path: Path) -> None:
    assert "nothing answers for crm: write responses: {crm: […]} (GET" in bad(tmp_path, "expect: {sent: []}")


@pytest.mark.parametrize(
    ("answer", "code"),
    [("{error: unreachable}", "disconnected"), ("{status: 503}", "transient"), ("{status: 401}", "misconfigured")],
)
def test_what_goes_wrong_fails_a_test_that_does_not_speak_of_it(tmp_path: Path, answer: str, code: str) -> None:
    tries = 1 if code == "misconfigured" else 3
    answers = ", ".join([answer] * tries)
    body = f"{RECORDS}\nresponses: {{crm: [{answers}]}}\nexpect: {{sent: []}}"
    assert f"the run failed: {code}" in bad(tmp_path, body)
    good(tmp_path, body.replace("{sent: []}", f"{{sent: [], status: failed, error: {{code: {code}}}}}"))


def test_a_rejected_record_fails_a_test_that_does_not_speak_of_it(tmp_path: Path) -> None:
    body = "records: [{id: 7, total: 3}]\nexpect: {sent: []}"
    told = bad(tmp_path, body)
    assert "a record was rejected: missing-field" in told
    assert "mapping.label, orders.yaml:" in told
    good(tmp_path, body.replace("sent: []", "sent: [], rejected: [{code: missing-field, record: {id: 7}}]"))
    good(tmp_path, body.replace("sent: []", "rejected: 1"))
    assert "rejected[0].code" in bad(tmp_path, body.replace("sent: []", "rejected: [{code: type}]"))


def test_retries_and_their_waits_take_no_time(tmp_path: Path) -> None:
    slow = PIPELINE + "resilience: {retry: {attempts: 3, initial: 1h, max: 2h, jitter: none}}\n"
    began = time.monotonic()
    body = f"{RECORDS}\nresponses: {{crm: [{{status: 503}}, {{error: timeout}}, {{status: 200}}]}}\n"
    good(tmp_path, f"{body}expect: {{sent: [{{}}], logs: [{{code: retry, message: again in 1 h}}]}}", pipeline=slow)
    assert time.monotonic() - began < 10


def test_a_trigger_gives_its_params(tmp_path: Path) -> None:
    body = "trigger: nightly\nresponses: {crm: [{json: {items: []}}]}\nexpect: {requests: [{query: {full: 'true'}}]}"
    good(tmp_path, body)
    assert "query.full" in bad(tmp_path, body.replace("trigger: nightly\n", ""))


def test_the_moments_of_timers(tmp_path: Path) -> None:
    body = 'expect: {fires: {between: ["2026-01-01", "2026-01-03"], at: ["2026-01-01 03:00", "2026-01-02T06:00:00Z"]}}'
    good(tmp_path, body)
    assert "fires.at[1]" in bad(tmp_path, body.replace(', "2026-01-02T06:00:00Z"', ""))


def test_each_row_is_a_test_of_its_own(tmp_path: Path) -> None:
    text = """
tests:
  - test: name ${each.given}
    pipeline: orders
    each: [{given: ana, sent: Ana}, {given: " bia ", sent: Bia}, {given: caio, sent: Kaio}]
    records: [{id: 1, name: "${each.given}", total: 1}]
    expect: {sent: [{label: "${each.sent}"}]}
"""
    found = verdicts(tmp_path, text)
    assert [(one.test.name, one.passed) for one in found] == [
        ("name ana", True),
        ("name  bia ", True),
        ("name caio", False),
    ]


def test_meta_stands_beside_a_record(tmp_path: Path) -> None:
    pipeline = PIPELINE.replace('"{{ now() }}"', '"{{ meta.file }}"')
    good(
        tmp_path,
        "records: [{$record: {id: 1, name: a, total: 1}, $meta: {file: a.csv}}]\nexpect: {sent: [{at: a.csv}]}",
        pipeline=pipeline,
    )


def test_a_connector_that_knows_no_tests_is_not_run(tmp_path: Path) -> None:
    """A file target would write: it takes everything, and nothing is written."""
    pipeline = PIPELINE.replace(
        '  http: {connection: crm, path: /in, json: "{{ record }}"}\n', "  file: {path: out.jsonl}\n"
    )
    good(tmp_path, f"{RECORDS}\nexpect: {{sent: [{{label: Ana}}]}}", pipeline=pipeline)
    assert not list(tmp_path.rglob("out*"))


def test_a_source_that_knows_no_tests_asks_for_records(tmp_path: Path) -> None:
    pipeline = "pipeline: orders\nsource: {file: {path: in.jsonl}}\ntarget: {console: {}}\n"
    (tmp_path / "in.jsonl").write_text('{"id": 1}\n')
    assert "which tests do not run: give records:" in bad(tmp_path, "expect: {sent: []}", pipeline=pipeline)


def test_nothing_is_reached_while_tests_run(tmp_path: Path) -> None:
    from engine.testing.walls import walled

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = listening.getsockname()
        with walled() as tried, socket.socket() as asking, pytest.raises(Exception, match="tests reach nothing"):
            asking.connect(address)
        assert len(tried) == 1
        with socket.socket() as asking:  # the control: the same call outside
            asking.connect(address)


def test_lookups_and_calls_are_answered_in_the_order_they_are_made(tmp_path: Path) -> None:
    pipeline = """\
pipeline: orders
source: {inline: {rows: [{id: 1}]}}
steps:
  - lookup: {from: {sql: {connection: db, query: "select name from people where id = :record.id"}}, into: who}
  - call: {http: {connection: crm, path: /charge, json: {id: "{{ record.id }}"}}, into: charge}
target:
  sql:
    connection: db
    statements: [{sql: "update x set n = :charge.n where id = :id", affects: 1, otherwise: nobody has it}]
"""
    body = """
responses:
  db: [{rows: [{name: ana}]}, {count: COUNT}]
  crm: [{json: {n: 5}}]
expect:
  requests:
    - {connection: db, statement: select name from people, binds: {record.id: 1}}
    - {connection: crm, method: POST, json: {id: 1}}
    - {connection: db, statement: update x set n, binds: {charge.n: 5, id: 1}}
"""
    good(
        tmp_path,
        body.replace("COUNT", "1") + "  sent: [{id: 1, who: {name: ana}, charge: {n: 5}}]\n",
        pipeline=pipeline,
    )
    good(tmp_path, body.replace("COUNT", "0") + "  rejected: [{reason: nobody has it}]\n", pipeline=pipeline)
    assert "nothing answers for crm" in bad(tmp_path, "responses: {db: [{rows: [{name: a}]}]}", pipeline=pipeline)


def test_a_database_of_its_own_runs_the_statements(tmp_path: Path) -> None:
    (tmp_path / "make.sql").write_text("create table t (id integer primary key, n integer check (n > 0));")
    pipeline = """\
pipeline: orders
source: {inline: {rows: [{id: 1, n: 5}, {id: 2, n: -1}]}}
target: {sql: {connection: db, upsert: {table: t}}, key: id}
"""
    body = """
databases: {db: {schema: make.sql, rows: {t: [{id: 1, n: 1}]}}}
expect:
  sent: [{id: 1}]
  rejected: [{code: refused, reason: CHECK}]
  rows: {db: {t: [{id: 1, n: 5}]}}
"""
    good(tmp_path, body, pipeline=pipeline)
    assert "rows.db.t[0].n" in bad(tmp_path, body.replace("n: 5}]}}", "n: 6}]}}"), pipeline=pipeline)


FAN = """\
pipeline: orders
source: {inline: {rows: [{id: 1, big: true}, {id: 2, big: false}]}}
targets:
  - {id: all, http: {connection: crm, path: /all}, key: id}
  - {id: big, when: big, mapping: {n: id}, http: {connection: crm, path: /big}, key: n}
"""


def test_with_targets_what_is_sent_is_by_their_ids(tmp_path: Path) -> None:
    body = "expect: {sent: {all: [{id: 1}, {id: 2}], big: [{n: 1}]}}"
    good(tmp_path, body, pipeline=FAN)
    told = bad(tmp_path, body.replace("{n: 1}", "{n: 2}"), pipeline=FAN)
    assert "sent.big[0]" in told
    assert "sent_exactly.big" in bad(
        tmp_path, "expect: {sent_exactly: {all: [{id: 1, big: true}, {id: 2, big: false}]}}", pipeline=FAN
    )


def test_two_runs_of_a_test_are_the_same(tmp_path: Path) -> None:
    pipeline = PIPELINE.replace("{{ now() }}", "{{ run.id }} {{ now() }}")
    once = only(tmp_path, f"{RECORDS}\nexpect: {{}}", pipeline=pipeline).outcome.sent
    assert once == only(tmp_path, f"{RECORDS}\nexpect: {{}}", pipeline=pipeline).outcome.sent
    assert once["target"][0]["at"].startswith("test-run ")


def test_now_in_an_option_stands_still_too(tmp_path: Path) -> None:
    pipeline = PIPELINE.replace('full: "{{ params.full }}"', 'full: "{{ now() }}"')
    body = 'now: "2026-05-01T10:00:00Z"\nresponses: {crm: [{json: {items: []}}]}\n'
    good(tmp_path, f"{body}expect: {{requests: [{{query: {{full: '2026-05-01T10:00:00+00:00'}}}}]}}", pipeline=pipeline)


@pytest.mark.parametrize("expect", ["", "expect: {}", "expect: {x-note: later}"])
def test_a_test_that_expects_nothing_proves_nothing(tmp_path: Path, expect: str) -> None:
    assert "it expects nothing" in bad(tmp_path, f"{RECORDS}\n{expect}")


def test_a_fraction_is_compared_as_exactly_as_yaml_has_it(tmp_path: Path) -> None:
    """YAML's 1234567890123456.78 is a float; the control is off by more than a float knows."""
    pipeline = PIPELINE.replace("label:", "exact: {$value: exact, $type: decimal}\n  label:")
    records = 'records: [{id: 7, name: a, total: 1, exact: "1234567890123456.78"}]'
    told = only(tmp_path / "one", f"{records}\nexpect: {{sent: [{{exact: 1234567890123456.78}}]}}", pipeline=pipeline)
    assert told.passed, said(told)
    told = only(tmp_path / "two", f"{records}\nexpect: {{sent: [{{exact: 1234567890123457}}]}}", pipeline=pipeline)
    assert not told.passed


WRITES = """\
pipeline: orders
target:
  sql: {connection: db, statements: [{sql: "SQL"}]}
"""


def test_a_database_of_a_test_opens_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control is the same statement without the wall, which makes the file."""
    other = tmp_path / "other.db"
    body = "records: [{id: 1}]\ndatabases: {db: {rows: {}}}\nexpect: {sent: [{id: 1}]}"
    pipeline = WRITES.replace("SQL", f"attach database '{other}' as x")
    told = only(tmp_path / "one", body, pipeline=pipeline)
    assert "too many attached databases" in said(told)
    assert not other.exists()
    with monkeypatch.context() as without:
        without.setattr(sys, "audit", lambda *_: None)
        assert only(tmp_path / "two", body, pipeline=pipeline).passed
    assert other.exists()


@pytest.mark.parametrize("path", ["../outside.sql", "/etc/passwd"])
def test_a_schema_stands_inside_the_project(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.sql").write_text("create table t (id)", "utf-8")
    body = f"records: []\ndatabases: {{db: {{schema: {path}}}}}\nexpect: {{sent: []}}"
    told = only(tmp_path / "project", body, pipeline=WRITES.replace("SQL", "select 1"))
    assert "stands outside the project folder" in said(told)


def test_a_schema_makes_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(f"attach database '{tmp_path}/other.db' as x", "utf-8")
    body = "records: []\ndatabases: {db: {schema: mine.sql}}\nexpect: {sent: []}"
    assert "too many attached" in said(only(tmp_path, body, pipeline=WRITES.replace("SQL", "select 1")))
    assert not (tmp_path / "other.db").exists()


def test_a_file_elsewhere_on_this_machine_is_made_up(tmp_path: Path) -> None:
    """One of the project is read: that is the control."""
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    (tmp_path.parent / "outside.txt").write_text("outside", "utf-8")
    pipeline = PIPELINE.replace(
        "path: /in,", 'path: /in, headers: {X-A: "${file:mine.txt}", X-B: "${file:../outside.txt}"},'
    )
    told = only(tmp_path, f"{RECORDS}\nexpect: {{requests: [{{headers: {{x-a: mine}}}}]}}", pipeline=pipeline)
    assert told.passed, said(told)
    sent = {name.lower(): value for name, value in told.outcome.requests[0]["headers"].items()}
    assert sent["x-b"].startswith("test")


@pytest.mark.parametrize("answer", ["rows: [{a: 1}]", "count: 0", "refused: never"])
def test_a_web_system_does_not_answer_like_a_database(tmp_path: Path, answer: str) -> None:
    """It would count as taken: the test would pass, and prove the contrary of what it says."""
    body = f"{RECORDS}\nresponses: {{crm: [{{{answer}}}]}}\nexpect: {{sent: [{{external_id: '7'}}]}}"
    assert f"crm is asked over HTTP and cannot answer {answer.partition(':')[0]}" in bad(tmp_path, body)


@pytest.mark.parametrize("answer", ["status: 500", "json: {a: 1}", "text: no"])
def test_a_database_does_not_answer_like_a_web_system(tmp_path: Path, answer: str) -> None:
    body = f"records: [{{id: 1}}]\nresponses: {{db: [{{{answer}}}]}}\nexpect: {{sent: [{{id: 1}}]}}"
    told = bad(tmp_path, body, pipeline=WRITES.replace("SQL", "select 1"))
    assert f"db is a database and cannot answer {answer.partition(':')[0]}" in told
