"""Starters validate under ``--strict`` as they are written, from every connector to every other."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine.cli import beginnings
from engine.cli.schemas import PLACE, project_schema
from engine.definition.schema import Catalog
from tests.unit.cli.conftest import Run

CATALOG = Catalog()
PAIRS = [*product(CATALOG.with_role("source"), CATALOG.with_role("target"))]


def clean(run: Run) -> None:
    seen = run("validate", "--strict")
    assert (seen.code, seen.err) == (0, "") or (seen.code == 0 and "no problems" in seen.err), seen.err


def test_there_are_pairs() -> None:
    """Whichever connector is added gets its starters."""
    assert len(PAIRS) >= 25


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_starter_for_every_pair_validates(source: str, target: str, run: Run) -> None:
    """With the connections that it needs, which it writes too."""
    run("init")
    seen = run("new", "pipeline", "orders", "--from", source, "--to", target)
    assert seen.code == 0, seen.err
    clean(run)


@pytest.mark.parametrize("kind", CATALOG.with_role("connection"))
def test_a_connection_of_every_kind_validates(kind: str, run: Run, tmp_path: Path) -> None:
    """Alone it is not used yet; a pipeline that is made afterwards takes it."""
    run("init")
    assert run("new", "connection", "shop", "--kind", kind).code == 0
    run("new", "pipeline", "orders", "--from", kind, "--to", "console")
    assert "connection: shop" in (tmp_path / "pipelines" / "orders.yaml").read_text()
    assert not (tmp_path / "connections" / "orders.yaml").exists()
    clean(run)


def test_the_first_pipeline_validates_and_runs(run: Run) -> None:
    """``engine init``, ``engine new pipeline hello``, ``engine run hello``: nothing else is needed."""
    run("init")
    run("new", "pipeline", "hello")
    clean(run)
    seen = run("run", "hello")
    assert [json.loads(line)["employee"] for line in seen.out.splitlines()] == ["Ana", "Bruno"]


def test_a_starter_leads_editors_to_the_schema(run: Run, tmp_path: Path) -> None:
    """The schema lies in the project; where somebody took it away no line leads nowhere."""
    run("init")
    assert json.loads((tmp_path / PLACE).read_text()) == json.loads(project_schema())
    run("new", "pipeline", "one")
    first = (tmp_path / "pipelines" / "one.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../{PLACE}"
    (tmp_path / PLACE).unlink()
    run("new", "pipeline", "two")
    assert "yaml-language-server" not in (tmp_path / "pipelines" / "two.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pipeline", "a", "--from", "sqll"], "did you mean 'sql'?"),
        (["pipeline", "a", "--from", "console"], "no connector to read from 'console'"),
        (["pipeline", "a", "--to", "inline"], "no connector to write to 'inline'"),
        (["connection", "a", "--kind", "file"], "no kind of connection 'file'"),
        (["pipeline", "A B", "--from", "sql"], "is not a name"),
    ],
)
def test_a_starter_that_cannot_be_is_refused(words: list[str], said: str, run: Run, tmp_path: Path) -> None:
    """And nothing is written."""
    run("init")
    seen = run("new", *words)
    assert seen.code == 2
    assert said in seen.err
    assert [*(tmp_path / "pipelines").iterdir(), *(tmp_path / "connections").iterdir()] == []


def test_nothing_that_is_there_is_written_over(run: Run, tmp_path: Path) -> None:
    """A connection file in the way stops the pipeline too: half a starter helps nobody."""
    run("init")
    (tmp_path / "connections" / "orders.yaml").write_text("# mine\n")
    seen = run("new", "pipeline", "orders", "--from", "sql")
    assert seen.code == 2
    assert "is there already" in seen.err
    assert (tmp_path / "connections" / "orders.yaml").read_text() == "# mine\n"
    assert not (tmp_path / "pipelines" / "orders.yaml").exists()


def examples() -> list[Any]:
    found = []
    for name in CATALOG.names:
        connector = CATALOG.connector(name)
        assert connector is not None
        for role in connector.roles:
            for number, example in enumerate(connector.document["definitions"][role]["examples"]):
                found.append(pytest.param(name, role, example, id=f"{name}-{role}-{number}"))
    return found


def placed(name: str, role: str, example: dict[str, Any]) -> str:
    """Put an example where it stands in a file, with what it refers to around it."""
    text = json.dumps(example)
    used: dict[str, Any] = {name: example}
    if role == "connection":
        return json.dumps({"connections": {"shown": used}})
    around: dict[str, Any] = {"pipeline": "shown", "source": {"file": {"path": "in.jsonl"}}, "target": {"console": {}}}
    if "params." in text:
        around["params"] = {"day": {"type": "string"}, "branch": {"type": "string"}}
    if "cursor" in text and role == "source" and name != "graphql":
        fields = ["updated_at", "id"] if "cursor_id" in text else ["updated_at"]
        used["cursor"] = {"fields": fields, "initial": dict.fromkeys(fields, "2020-01-01")}
    if "{{ records }}" in text:
        used["batch"] = {"size": 10}
    if role in ("target", "call"):
        used["key"] = "id"
    around |= {"steps": [{"call": used}]} if role == "call" else {role: used}
    return json.dumps(around)


@pytest.mark.parametrize(("name", "role", "example"), examples())
def test_every_example_validates_in_its_place(
    name: str, role: str, example: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    """What ``engine connectors NAME`` shows can be copied."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "company-ca.pem").touch()
    connector = CATALOG.connector(name)
    assert connector is not None
    if "connection" in example:
        kind = CATALOG.connector(connector.kinds[0])
        assert kind is not None
        other = beginnings.connection(example["connection"], kind)
        (tmp_path / "pipelines" / "connection.yaml").write_text(beginnings.connections("", [other]))
    (tmp_path / "pipelines" / "shown.yaml").write_text(placed(name, role, example))
    environ = {f"ENGINE_SECRET_{one}": "x" for one in ("HUB_TOKEN", "CRM_PASSWORD")}
    seen = run("validate", **environ)
    problems = [line for line in seen.err.splitlines() if "error[" in line]
    assert problems == []
