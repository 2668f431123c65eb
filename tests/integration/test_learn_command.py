"""``engine learn`` asks a real system, and what it writes makes ``engine validate`` know more; no value is in it."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.cli.main import main
from tests.peers.hub_client import Hub

CANARY = "canary-7f3a"
ITEMS = [
    {"id": 1, "name": f"{CANARY} Ana", "email": None, "address": {"city": CANARY, "zip": "01"}, "tags": [CANARY]},
    {"id": 2, "name": f"{CANARY} Rui", "phone": 12345, "address": {"city": CANARY}, "by": {f"{CANARY}@x.example": 1}},
]


class Server(ThreadingHTTPServer):
    """Gives the items, page after page, and remembers how it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        """Answer."""
        self.server.asked.append(f"{self.command} {self.path}")
        body = json.dumps({"data": {"items": ITEMS}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve on a free port."""
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a project with a database that has values which nobody may read elsewhere."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "connections").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.executescript(
            "create table users (id integer primary key, name text not null default 'canary-7f3a', born date);"
            "create table lines (sale integer not null, sku varchar(9) not null, primary key (sale, sku));"
            "insert into users (born) values ('canary-7f3a');"
        )
    (tmp_path / "connections" / "db.yaml").write_text("connections: {db: {sql: {url: 'sqlite:///shop.db'}}}\n")
    return tmp_path


def engine(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command; return its code and all that it says."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["--project", str(folder), *arguments])
    return code, said.getvalue()


def people(folder: Path, url: str, more: str = "") -> None:
    """Write a pipeline that reads the server."""
    (folder / "connections" / "web.yaml").write_text(f"connections: {{web: {{http: {{base_url: '{url}'}}}}}}\n")
    (folder / "pipelines" / "people.yaml").write_text(
        "pipeline: people\nsource:\n  http:\n    connection: web\n    path: /people\n    records: data.items\n"
        f"{more}mapping: {{key: id, city: address.ctiy}}\ntarget: {{console: {{}}}}\n"
    )


def test_a_source_is_sampled(folder: Path, server: Server) -> None:
    """One read; types and names, no value; then a misspelt field is found."""
    people(folder, f"http://127.0.0.1:{server.server_port}")
    assert "address.ctiy" not in engine(folder, "validate")[1]
    code, said = engine(folder, "learn", "people", "--limit", "2")
    assert code == 0, said
    assert server.asked == ["GET /people"]
    assert "add under source.http in pipelines/people.yaml:  schema: pipelines/people.shape.json" in said
    text = (folder / "pipelines" / "people.shape.json").read_text("utf-8")
    assert CANARY not in text + said
    schema = json.loads(text)
    assert set(schema["properties"]) == {"id", "name", "email", "address", "tags", "phone", "by"}
    assert schema["required"] == ["id", "name", "address"]
    assert not {"enum", "const", "default", "examples", "maxLength"} & set(_keys(schema))
    people(folder, "http://127.0.0.1:1", "    schema: pipelines/people.shape.json\n")
    code, said = engine(folder, "validate")
    assert "warning[unknown-field] mapping.city" in said
    assert "did you mean 'city'?" in said


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _keys(item)


def test_a_file_is_written_over_only_when_told_to(folder: Path) -> None:
    """Somebody may have added to it."""
    assert engine(folder, "learn", "db")[0] == 0
    path = folder / "connections" / "db.shape.json"
    path.write_text("mine")
    code, said = engine(folder, "learn", "db")
    assert (code, path.read_text()) == (2, "mine")
    assert "--force" in said
    assert engine(folder, "learn", "db", "--force")[0] == 0
    assert engine(folder, "learn", "db", "--to", "other.json")[0] == 0
    assert (folder / "other.json").read_text() == path.read_text() != "mine"
    assert not [one.name for one in folder.rglob("*.part")]


def test_a_database_tells_its_tables(folder: Path) -> None:
    """Columns, types, keys, what must be there; then a misspelt column is found."""
    before = (folder / "shop.db").read_bytes()
    code, said = engine(folder, "learn", "db")
    assert code == 0
    assert "2 tables with 5 columns" in said
    assert "tables: connections/db.shape.json" in said
    text = (folder / "connections" / "db.shape.json").read_text("utf-8")
    assert CANARY not in text
    assert json.loads(text)["tables"] == {
        "lines": {
            "columns": {
                "sale": {"type": "integer", "null": False, "needed": True},
                "sku": {"type": "varchar(9)", "null": False, "needed": True},
            },
            "key": ["sale", "sku"],
        },
        "users": {
            "columns": {
                "id": {"type": "integer", "null": False},
                "name": {"type": "text", "null": False},
                "born": {"type": "date", "null": True},
            },
            "key": ["id"],
        },
    }
    assert (folder / "shop.db").read_bytes() == before
    (folder / "connections" / "db.yaml").write_text(
        "connections: {db: {sql: {url: 'sqlite:///shop.db', tables: connections/db.shape.json}}}\n"
    )
    (folder / "pipelines" / "p.yaml").write_text(
        "pipeline: p\nsource: {sql: {connection: db, query: select nmae from users}}\ntarget: {console: {}}\n"
    )
    assert "'nmae' is not a column of users; did you mean 'name'?" in engine(folder, "validate")[1]


def test_a_graphql_server_tells_its_schema(folder: Path, hub: Hub) -> None:
    """The same that lies in pipelines/bank-hub."""
    (folder / "connections" / "hub.yaml").write_text(f"connections: {{hub: {{http: {{base_url: '{hub.url}'}}}}}}\n")
    code, said = engine(folder, "learn", "hub")
    assert code == 0, said
    kept = Path(__file__).resolve().parents[2] / "pipelines" / "bank-hub" / "hub.json"
    assert json.loads((folder / "connections" / "hub.shape.json").read_text()) == json.loads(kept.read_text())


@pytest.mark.parametrize(
    ("arguments", "code", "fact"),
    [
        (("learn", "people"), 3, "could not be reached"),
        (("learn", "peple"), 2, "did you mean 'people'?"),
        (("learn", "people", "--to", "x.yaml"), 2, "ends with .json"),
        (("learn", "people", "--to", "nowhere/x.json"), 2, "there is no folder nowhere"),
        (("learn", "people", "--param", "x=1"), 2, "takes no params"),
    ],
)
def test_what_cannot_be_learned(folder: Path, arguments: tuple[str, ...], code: int, fact: str) -> None:
    """Says why, and writes nothing."""
    people(folder, "http://127.0.0.1:1")
    (folder / "pipelines" / "people.yaml").write_text(
        (folder / "pipelines" / "people.yaml").read_text() + "resilience: {retry: {attempts: 1}}\n"
    )
    found, said = engine(folder, *arguments)
    assert (found, fact in said) == (code, True), said
    assert not list(folder.rglob("*.shape.json"))


def test_the_types_are_shown(folder: Path) -> None:
    """After each step, aligned; and as JSON."""
    (folder / "pipelines" / "p.yaml").write_text(
        "pipeline: p\nsource: {sql: {connection: db, query: 'select id, name from users'}}\n"
        "mapping: {key: {$value: id, $type: string}, of: {name: name}}\ntarget: {console: {}}\n"
    )
    code, said = engine(folder, "show", "p", "--types")
    assert code == 0
    assert said.splitlines() == [
        "p  pipelines/p.yaml",
        "  read  source.sql   known from the columns of source.sql.query",
        "    id        anything",
        "    name      anything",
        "  after mapping",
        "    key       text",
        "    of        an object",
        "    of.name   anything",
        "  sent  target   the same",
    ]
    code, said = engine(folder, "show", "p", "--types", "--json")
    assert [one["path"] for one in json.loads(said)["types"]] == ["source.sql", "mapping", "target"]
    assert engine(folder, "show", "p", "--json")[0] == 2
