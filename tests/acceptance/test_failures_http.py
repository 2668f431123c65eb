"""The table "HTTP answers" of the language, against a real server: each status has its outcome."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bank_hub import ENGINE, BankHub
from tests.acceptance.web_peer import Call, Reply, serving

PIPELINE = """\
pipeline: {name}
source:
  sql: {{connection: orders, query: "select id from orders where id > :cursor_id order by id"}}
  cursor: {{fields: [id], initial: {{id: 0}}}}
mapping: {{id: id}}
target:
  http: {{connection: {connection}, method: {method}, path: "{path}"}}
  {key}
resilience:
  timeout: 300ms
  retry: {{attempts: 2, initial: 0s}}
"""
CONNECTIONS = """\
connections:
  orders: {{sql: {{url: "sqlite:///orders.db"}}}}
  web: {{http: {{base_url: {url}}}}}
  nobody: {{http: {{base_url: "http://127.0.0.1:{closed}"}}}}
"""
TAKEN = [200, 201, 202, 204, 206]
REJECTED = [400, 402, 406, 409, 412, 413, 415, 418, 422, 423, 424, 428, 431, 451]
MISCONFIGURED = [300, 301, 302, 303, 304, 307, 308, 401, 403, 404, 405, 407, 410, 501, 505]
TRANSIENT = [408, 425, 429, 500, 502, 503, 504, 507, 520, 599]
ORDERS = 3


@dataclass(frozen=True)
class Outcome:
    """How one pipeline ended, and what the server got from it."""

    summary: Mapping[str, Any]
    calls: list[Call]
    letters: int

    @property
    def said(self) -> tuple[str, str | None]:
        error = self.summary["error"]
        return self.summary["status"], error and error["code"]


def cases() -> Iterator[tuple[str, str]]:
    """Name → the text of the pipeline that asks for one answer."""
    for status in (*TAKEN, *REJECTED, *MISCONFIGURED, *TRANSIENT):
        yield _case(f"s{status}", status)
    yield _case("cut", 0)
    yield _case("hang", -1)
    for status in (404, 410):
        yield _case(f"over-record-{status}", status, more="/{{ record.id }}")
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        yield _case(f"cut-{method.lower()}", 0, method=method, key="")
    yield _case("unreached", 200, connection="nobody")


def _case(
    name: str, status: int, *, more: str = "", method: str = "POST", connection: str = "web", key: str = "key: id"
) -> tuple[str, str]:
    path = f"/{name}/{status}{more}"
    text = PIPELINE.format(name=name, path=path, method=method, connection=connection, key=key)
    return name, text if key else text.replace("  retry: {attempts: 2, initial: 0s}\n", "")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """Run every case in one process, one after the other: a failed one holds up none of the rest."""
    folder = tmp_path_factory.mktemp("http")
    with closing(sqlite3.connect(folder / "orders.db")) as database, database:
        database.execute("create table orders (id integer primary key)")
        database.executemany("insert into orders values (?)", [(id,) for id in range(1, ORDERS + 1)])
    with socket.socket() as closed, serving() as peer:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody can be reached there
        project = Project(folder, peer.url, closed.getsockname()[1])
        peer.decide = lambda call: Reply(int(call.path.split("/")[2]))
        return project.outcomes(peer.calls)


class Project(BankHub):
    """A folder with one pipeline for every case."""

    def __init__(self, folder: Path, url: str, closed: int) -> None:
        self.folder, self.database, self.url, self.settings = folder, folder / "orders.db", url, {}
        self.command = ENGINE
        self.write("connections/all.yaml", CONNECTIONS.format(url=url, closed=closed))
        for name, text in cases():
            self.write(f"pipelines/{name}.yaml", text)

    def __post_init__(self) -> None:
        """Nothing to copy."""

    def outcomes(self, calls: list[Call]) -> Mapping[str, Outcome]:
        names = [name for name, _ in cases()]
        ended = self.ended("run", *names, "--json")
        assert [one["pipeline"] for one in ended.lines] == names, ended.err
        letters = [letter["pipeline"] for letter in self.dead()]
        return {
            one["pipeline"]: Outcome(
                one, [call for call in calls if call.path.split("/")[1] == name], letters.count(name)
            )
            for one, name in zip(ended.lines, names, strict=True)
        }


@pytest.mark.parametrize("status", TAKEN)
def test_2xx_is_taken(outcomes: Mapping[str, Outcome], status: int) -> None:
    found = outcomes[f"s{status}"]
    assert (found.said, found.summary["sent"], len(found.calls)) == (("success", None), {"target": ORDERS}, ORDERS)
    assert found.summary["cursor"] == {"id": ORDERS}


@pytest.mark.parametrize("status", REJECTED)
def test_it_refuses_this_record(outcomes: Mapping[str, Outcome], status: int) -> None:
    found = outcomes[f"s{status}"]
    assert (found.said, found.summary["rejected"], found.letters) == (("partial", None), ORDERS, ORDERS)
    assert len(found.calls) == ORDERS
    assert f"answered {status}" in found.summary["reasons"][0]["message"]
    assert found.summary["cursor"] == {"id": ORDERS}


@pytest.mark.parametrize("status", MISCONFIGURED)
def test_people_must_help(outcomes: Mapping[str, Outcome], status: int) -> None:
    found = outcomes[f"s{status}"]
    assert (found.said, found.letters, len(found.calls)) == (("failed", "misconfigured"), 0, 1)
    assert found.summary["cursor"] is None


@pytest.mark.parametrize("status", [404, 410])
def test_gone_means_the_record_where_the_path_is_written_over_it(outcomes: Mapping[str, Outcome], status: int) -> None:
    found = outcomes[f"over-record-{status}"]
    assert (found.said, found.letters) == (("partial", None), ORDERS)


@pytest.mark.parametrize("status", TRANSIENT)
def test_it_cannot_now(outcomes: Mapping[str, Outcome], status: int) -> None:
    found = outcomes[f"s{status}"]
    assert (found.said, found.letters, len(found.calls)) == (("failed", "transient"), 0, 2)
    assert f"answered {status}" in found.summary["error"]["message"]
    assert found.summary["cursor"] is None


@pytest.mark.parametrize("name", ["cut", "hang"])
def test_lost_after_it_was_sent_is_uncertain(outcomes: Mapping[str, Outcome], name: str) -> None:
    found = outcomes[name]
    assert (found.said, found.letters, len(found.calls)) == (("failed", "uncertain"), 0, 2)
    assert found.summary["cursor"] is None


@pytest.mark.parametrize("method", ["put", "post", "patch", "delete"])
def test_lost_without_a_key_is_sent_once_whatever_the_method(outcomes: Mapping[str, Outcome], method: str) -> None:
    """Libraries like to repeat PUT and DELETE by themselves; only the pipeline may say so."""
    found = outcomes[f"cut-{method}"]
    assert (found.said, len(found.calls)) == (("failed", "uncertain"), 1)
    assert {call.method for call in found.calls} == {method.upper()}


def test_not_reached_is_disconnected(outcomes: Mapping[str, Outcome]) -> None:
    found = outcomes["unreached"]
    assert found.said == ("failed", "disconnected")
    assert "connection refused" in found.summary["error"]["message"]
    assert found.summary["cursor"] is None


def test_the_summaries_are_one_json_line_each(outcomes: Mapping[str, Outcome]) -> None:
    assert all(json.loads(json.dumps(found.summary)) == found.summary for found in outcomes.values())
