"""The sql source on real SQLite files."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors._sql import pages
from connectors.sql import CONNECTOR, SqlConnection, SqlSource
from engine.connector import Context
from engine.errors import Misconfigured, Transient
from tests.connectors.contract import ConnectionCase, ConnectionContract, SchemaContract, SourceCase, SourceContract

ROWS = [{"id": n, "name": f"n{n}", "at": f"2026-01-{1 + n // 300:02}"} for n in range(1, 1301)]


def make(path: Path, journal: str = "delete") -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma journal_mode={journal}")
        connection.execute("create table t(id integer primary key, name text, at text)")
        connection.executemany("insert into t values (:id, :name, :at)", ROWS)
        connection.execute("create view v as select id, name from t where id <= 300")
        connection.execute("create table pair(a text, b text, n integer, primary key(a, b)) without rowid")
        connection.executemany("insert into pair values (?, ?, ?)", [(str(n // 7), str(n), n) for n in range(1200)])
        connection.commit()
    return path


@pytest.fixture(params=["delete", "wal"])
def bank(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return make(tmp_path / "bank.db", request.param)


async def connect(stack: AsyncExitStack, path: Path, **options: Any) -> SqlConnection:
    connection = SqlConnection(Context("bank-db", project=path.parent), url=f"sqlite:///{path.name}", **options)
    await connection.open(stack)
    return connection


async def build(stack: AsyncExitStack, path: Path, given: Mapping[str, Any] | None = None, **options: Any) -> SqlSource:
    connection = await connect(stack, path, lock_wait=0.05)
    source = SqlSource(Context("pipeline", connection=connection, **(given or {})), **options)
    await source.open(stack)
    return source


async def read(path: Path, given: Mapping[str, Any] | None = None, **options: Any) -> list[Any]:
    async with AsyncExitStack() as stack:
        source = await build(stack, path, given, **options)
        return [record async for batch in source.read(None) for record in batch.records]


def cursor(**values: Any) -> dict[str, Any]:
    return {"cursor": values, "cursor_fields": tuple(values)}


def params(**values: Any) -> Callable[[Any], Any]:
    return lambda names: values


class TestContract(SourceContract):
    @pytest.fixture(params=["query", "table"])
    async def case(self, bank: Path, request: pytest.FixtureRequest) -> SourceCase:
        options = {"query": {"query": "select * from t order by id"}, "table": {"table": "t"}}[request.param]

        async def make_one(stack: AsyncExitStack) -> SqlSource:
            return SqlSource(Context("p", connection=await connect(stack, bank)), **options)

        async def broken(stack: AsyncExitStack) -> SqlSource:
            return SqlSource(Context("p", connection=await connect(stack, bank)), table="tt")

        return SourceCase(make_one, records=ROWS, checkpoints=False, broken=broken)


class TestConnection(ConnectionContract):
    @pytest.fixture
    async def case(self, bank: Path) -> ConnectionCase:
        async def make_one(stack: AsyncExitStack) -> SqlConnection:
            return SqlConnection(Context("bank-db", project=bank.parent), url="sqlite+aiosqlite:///bank.db")

        async def broken(stack: AsyncExitStack) -> SqlConnection:
            return SqlConnection(Context("bank-db"), url="postgresql://me:hunter2@localhost:1/x")

        return ConnectionCase(make_one, broken, secrets=["hunter2"], says="SQLite 3.")


class TestSchema(SchemaContract):
    connector = CONNECTOR


async def test_binds_come_from_the_cursor_and_params(bank: Path) -> None:
    """Both kinds of binds reach the query; text in quotes and comments is no bind."""
    query = "select id, ':name' as a, '12:30' as b from t where id > :cursor_id and id <= :top -- :comment\n ; /* :x */"
    rows = await read(bank, cursor(id=5), query=query, params=params(top=7))
    assert rows == [{"id": 6, "a": ":name", "b": "12:30"}, {"id": 7, "a": ":name", "b": "12:30"}]


async def test_several_cursor_fields_compare_as_one(bank: Path) -> None:
    query = "select at, id from t where (at, id) > (:cursor_at, :cursor_id) order by at, id"
    rows = await read(bank, cursor(at="2026-01-02", id=500), query=query)
    assert [row["id"] for row in rows] == list(range(501, 1301))


async def test_a_cursor_value_is_bound_as_data(bank: Path) -> None:
    """A hostile cursor value is only compared."""
    query = "select name from t where name > :cursor_name order by name"
    assert await read(bank, cursor(name="nz' or 1=1 --"), query=query) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"query": "select * from nope"}, "no such table: nope"),
        ({"query": "selec 1"}, "syntax error"),
        ({"query": "select :nope from t"}, "nothing gives :nope a value"),
        ({"query": "select :topp from t", "params": params(top=1)}, "did you mean :top?"),
        ({"query": "select ? from t"}, "named bind"),
        ({"query": "select 1; drop table t"}, "one statement only"),
        ({"query": "select 'a"}, "never closed"),
        ({"query": " "}, "no SQL"),
        ({"query": "delete from t"}, "a source only reads"),
        ({"query": "select id, id from t"}, "two columns are named 'id'"),
        ({"query": "select 1", "params": lambda names: [1]}, "names with values"),
        ({"table": "banks"}, "there is no table 'banks'"),
        ({"table": "tt"}, "did you mean"),
        ({"table": "t", "columns": ["nam"]}, "did you mean 'name'?"),
        ({"table": "t", "where": "idd = 1"}, "no such column: idd"),
        ({}, "either a query or a table"),
        ({"query": "select 1", "table": "t"}, "either a query or a table"),
        ({"query": "select 1", "columns": ["a"]}, "go with table"),
    ],
)
async def test_a_mistake_is_misconfigured_and_says_what(bank: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=r".") as caught:
        await read(bank, **options)
    assert says in str(caught.value)


async def test_a_cursor_field_that_is_not_selected_is_said(bank: Path) -> None:
    for options in ({"query": "select name from t"}, {"table": "t", "columns": ["name"]}):
        with pytest.raises(Misconfigured, match="'id' is not"):
            await read(bank, cursor(id=0), **options)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///missing.db", "no such database file"),
        ("sqlite:///folder", "not a file"),
        ("sqlite:///text.db", "not a SQLite database"),
        ("sqlite://bank.db", "three slashes"),
        ("sqlite:///:memory:", "name a database file"),
        ("sqlite:///bank.db?mode=rwc", "nothing may follow a '?'"),
        ("bank.db", "sqlite:///data/bank.db"),
        ("mongodb://x/y", "not a database known here"),
        ("postgresql://u:p@h/d", "pip install 'integration-engine[postgres]'"),
        ("mysql://u:p@h/d", "integration-engine[mysql]"),
        ("postgresql://u:p@h:port/d", "not readable as a database URL"),
    ],
)
async def test_a_database_that_cannot_be_opened_says_why(tmp_path: Path, url: str, says: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("hello " * 1000)

    async def check() -> None:
        async with AsyncExitStack() as stack:
            connection = SqlConnection(Context("db", project=tmp_path), url=url)
            await connection.open(stack)
            await connection.check()

    with pytest.raises(Misconfigured) as caught:
        await check()
    assert says in str(caught.value)
    assert not (tmp_path / "missing.db").exists()


async def test_a_file_name_with_url_characters_opens(tmp_path: Path) -> None:
    path = make(tmp_path / "a b%20#é.db")
    async with AsyncExitStack() as stack:
        connection = SqlConnection(Context("db", project=tmp_path), url=f"sqlite:///{path}".replace("%", "%25"))
        await connection.open(stack)
        assert "SQLite" in await connection.check()


async def test_values_become_plain_data_and_positions_stay_raw(tmp_path: Path) -> None:
    """Bytes are base64 text in the record; the cursor keeps the bytes."""
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table x(k blob primary key, v, d datetime, big)")
        connection.execute("insert into x values (x'00ff', 1.5, '2026-01-02T03:04:05Z', 9223372036854775807)")
        connection.commit()
    async with AsyncExitStack() as stack:
        source = await build(stack, path, cursor(k=b""), table="x")
        (batch,) = [batch async for batch in source.read(None)]
    assert batch.records == [{"k": "AP8=", "v": 1.5, "d": "2026-01-02T03:04:05Z", "big": 9223372036854775807}]
    assert batch.positions == [(b"\x00\xff",)]


async def test_plain_cursors_need_no_positions(bank: Path) -> None:
    async with AsyncExitStack() as stack:
        source = await build(stack, bank, cursor(id=0), table="t")
        assert {batch.positions is None async for batch in source.read(None)} == {True}


async def test_a_table_is_read_whole_across_pages_with_ties(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of rows share a cursor value; none is skipped or read twice at a page's end."""
    monkeypatch.setattr("connectors._sql.source.PAGE", 7)
    assert await read(bank, cursor(at="2026-01-01"), table="t") == [row for row in ROWS if row["at"] > "2026-01-01"]
    pairs = await read(bank, table="pair", columns=["n"])
    assert sorted(row["n"] for row in pairs) == list(range(1200))
    assert pages.PAGE > 7


async def test_a_view_without_a_key_streams(bank: Path) -> None:
    rows = await read(bank, cursor(id=10), table="v", where="name <> :not", params=params(**{"not": "n20"}))
    assert [row["id"] for row in rows] == [n for n in range(11, 301) if n != 20]


async def test_rows_without_a_cursor_value_are_reported(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no place in the order: the others all come, and the log says that some do not."""
    with closing(sqlite3.connect(bank)) as connection:
        connection.execute("update t set at = null where id in (3, 700)")
        connection.commit()
    monkeypatch.setattr("connectors._sql.source.PAGE", 50)
    notes: list[tuple[str, str, str]] = []
    given = {**cursor(at="", name=""), "note": lambda *note: notes.append(note)}
    rows = await read(bank, given, table="t")
    assert {row["id"] for row in rows} == set(range(1, 1301)) - {3, 700}
    assert [note[1] for note in notes] == ["cursor-null"]


async def test_limit_stops_early(bank: Path) -> None:
    for options in ({"query": "select id from t order by id"}, {"table": "t", "columns": ["id"]}):
        assert len(await read(bank, {"limit": 300}, **options)) == 300


@pytest.mark.parametrize("options", [{"query": "select * from t order by name"}, {"table": "t"}])
async def test_the_application_can_write_while_rows_are_read(bank: Path, options: dict[str, Any]) -> None:
    """Whatever the journal, a half-read source keeps no writer waiting."""
    async with AsyncExitStack() as stack:
        rows = (await build(stack, bank, **options)).read(None)
        await anext(rows)
        with closing(sqlite3.connect(bank, timeout=0)) as application:
            application.execute("update t set name = 'changed' where id = 1300")
            application.commit()
        await rows.aclose()


def test_control_an_open_cursor_blocks_writers_without_wal(tmp_path: Path) -> None:
    """What the test above protects from: a plain cursor does keep the writer out."""
    path = make(tmp_path / "bank.db", "delete")
    with closing(sqlite3.connect(path)) as reader, closing(sqlite3.connect(path, timeout=0)) as application:
        rows = reader.execute("select * from t")
        rows.fetchmany(2)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            application.execute("update t set name = 'changed'").connection.commit()


async def test_a_locked_database_is_transient(tmp_path: Path) -> None:
    path = make(tmp_path / "bank.db", "delete")
    with closing(sqlite3.connect(path)) as application:
        application.execute("begin exclusive")
        with pytest.raises(Transient, match="lock"):
            await read(path, table="t")


async def test_calls_pass_through_the_engine_and_may_be_repeated(bank: Path) -> None:
    """The first try of every call fails as if the wire broke; the retry reads all the same rows."""
    tries: list[int] = []

    async def twice(call: Callable[[], Any]) -> Any:
        tries.append(1)
        if len(tries) % 2:
            await call()
        return await call()

    query = "select * from t order by id"
    assert await read(bank, {"call": twice}, query=query) == ROWS
    assert await read(bank, {"call": twice}, table="t") == ROWS


async def test_a_cancelled_query_does_not_run_on(bank: Path) -> None:
    """A query of many minutes stops with its reader."""
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as i from n"
    async with AsyncExitStack() as stack:
        rows = (await build(stack, bank, query=endless)).read(None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(rows), 0.3)


async def test_numbers_of_the_cursor_are_bound_as_numbers(bank: Path) -> None:
    rows = await read(bank, cursor(id=Decimal("1298.0")), query="select id from t where id > :cursor_id + 0")
    assert [row["id"] for row in rows] == [1299, 1300]
