"""The sql target on real SQLite files."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from connectors._sql import dialects
from connectors._sql.writers import AsyncWriter
from connectors.sql import CONNECTOR, SqlConnection, SqlTarget
from engine.connector import Context
from engine.errors import Misconfigured, RecordError, Rejected, Transient
from engine.record import Outgoing, Receipt
from tests.connectors.contract import TargetCase, TargetContract, validator

SCHEMA = """
create table t(id integer primary key, name text not null, amount decimal(10, 2), note text unique);
create table loose(a, b);
create table stock(sku text primary key, quantity integer not null check (quantity >= 0));
create table sales(id text primary key, total numeric);
create table lines(sale text references sales(id) deferrable initially deferred, sku text, quantity integer);
insert into stock values ('A', 10), ('B', 5);
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
    return path


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def load(records: Sequence[Any]) -> Outgoing:
    count = len(records)
    return Outgoing(records, [None] * count, [{"n": n} for n in range(count)], records)


async def build(stack: AsyncExitStack, path: Path, options: Mapping[str, Any], **given: Any) -> SqlTarget:
    link = SqlConnection(Context("shop-db", project=path.parent), url=f"sqlite:///{path.name}", lock_wait=0.05)
    await link.open(stack)
    target = SqlTarget(Context("pipeline", connection=link, **given), **options)
    await target.open(stack)
    return target


async def write(path: Path, options: Mapping[str, Any], *loads: Sequence[Any], **given: Any) -> Receipt:
    """Write each of *loads* through one target; return the last receipt."""
    async with AsyncExitStack() as stack:
        target = await build(stack, path, options, **given)
        receipt = Receipt()
        for one in loads:
            receipt = await target.write(load(one))
        return receipt


def sql(text: str, **options: Any) -> dict[str, Any]:
    return {"statements": [{"sql": text, **options}]}


def field(name: str) -> Any:
    """Stand in for a compiled expression: one field, missing is null."""
    return lambda document: document.get(name)


GOOD = [
    {"id": 1, "name": "a", "amount": Decimal("1.50"), "note": None},
    {"id": 2, "name": "b", "amount": 2, "note": "x"},
]


class TestContract(TargetContract):
    @pytest.fixture(params=["insert", "upsert"])
    def case(self, shop: Path, request: pytest.FixtureRequest) -> TargetCase:
        async def make(stack: AsyncExitStack) -> SqlTarget:
            with closing(sqlite3.connect(shop)) as connection:
                connection.execute("delete from t")
                connection.commit()
            return await build(stack, shop, {request.param: {"table": "t"}})

        async def broken(stack: AsyncExitStack) -> SqlTarget:
            return await build(stack, shop, {request.param: {"table": "tt"}})

        async def arrived() -> Sequence[Any]:
            return rows(shop, "select * from t order by id")

        bad = load([{"id": 3, "name": None}, {"id": 4, "name": "d"}])
        return TargetCase(make, load(GOOD), arrived, [(1, "a", 1.5, None), (2, "b", 2, "x")], bad, broken)


async def test_insert_names_the_culprits_with_the_database_s_reason(shop: Path) -> None:
    """The refused are in the receipt, the rest of the batch is there."""
    batch = [{"id": n, "name": None if n in (3, 40) else f"n{n}"} for n in range(100)] + [{"id": 7, "name": "again"}]
    receipt = await write(shop, {"insert": {"table": "t"}}, batch)
    assert receipt.rejected == {
        3: "NOT NULL constraint failed: t.name",
        40: "NOT NULL constraint failed: t.name",
        100: "UNIQUE constraint failed: t.id",
    }
    assert rows(shop, "select count(*), max(name) from t where name <> 'again'") == [(98, "n99")]


async def test_everything_refused_leaves_nothing(shop: Path) -> None:
    receipt = await write(shop, {"insert": {"table": "t"}}, [{"id": n, "name": None} for n in range(20)])
    assert len(receipt.rejected) == 20
    assert rows(shop, "select count(*) from t") == [(0,)]


async def test_upsert_overwrites_by_key(shop: Path) -> None:
    options = {"upsert": {"table": "t", "key": ["id"]}}
    await write(shop, options, GOOD, [{"id": 1, "name": "changed"}, {"id": 1, "name": "last"}])
    assert rows(shop, "select * from t order by id") == [(1, "last", 1.5, None), (2, "b", 2, "x")]


async def test_upsert_takes_over_only_what_update_names(shop: Path) -> None:
    await write(shop, {"upsert": {"table": "t", "update": ["note"]}}, GOOD, [{"id": 1, "name": "no", "note": "yes"}])
    await write(shop, {"upsert": {"table": "t", "update": []}}, [{"id": 1, "name": "no", "note": "no"}])
    assert rows(shop, "select name, note from t where id = 1") == [("a", "yes")]


async def test_upsert_on_columns_without_a_unique_index_is_misconfigured(shop: Path) -> None:
    with pytest.raises(Misconfigured, match="ON CONFLICT"):
        await write(shop, {"upsert": {"table": "t", "key": ["name"]}}, GOOD)


async def test_update_and_delete_reject_a_record_without_its_row(shop: Path) -> None:
    """Also inside a batch that is executed as one, and also when keys repeat."""
    await write(shop, {"insert": {"table": "t"}}, GOOD)
    changes = [{"id": 1, "name": "x"}, {"id": 9, "name": "y"}, {"id": 2, "name": "z"}]
    receipt = await write(shop, {"update": {"table": "t"}}, changes)
    assert receipt.rejected == {1: "no-row: update: no row of 't' has this id"}
    assert rows(shop, "select id, name from t order by id") == [(1, "x"), (2, "z")]
    receipt = await write(shop, {"delete": {"table": "t"}}, [{"id": 2}, {"id": 2}])
    assert list(receipt.rejected) == [1]
    assert rows(shop, "select id from t") == [(1,)]


async def test_missing_ignore_takes_them(shop: Path) -> None:
    for options in ({"update": {"table": "t", "missing": "ignore"}}, {"delete": {"table": "t", "missing": "ignore"}}):
        assert not (await write(shop, options, [{"id": 9, "name": "y"}, {"id": 8, "name": "y"}])).rejected


async def test_an_update_by_a_key_that_is_not_unique_counts_each_record(shop: Path) -> None:
    """Two rows for one record do not make up for none for the other."""
    with closing(sqlite3.connect(shop)) as connection:
        connection.execute("insert into loose values (1, 0), (1, 0)")
        connection.commit()
    receipt = await write(shop, {"update": {"table": "loose", "key": ["a"]}}, [{"a": 1, "b": 5}, {"a": 2, "b": 5}])
    assert list(receipt.rejected) == [1]
    assert rows(shop, "select * from loose") == [(1, 5), (1, 5)]


@pytest.mark.parametrize(
    ("options", "record", "says"),
    [
        ({"insert": {"table": "tt"}}, {"id": 1}, "there is no table 'tt'"),
        ({"insert": {"table": "sale"}}, {"id": 1}, "did you mean 'sales'?"),
        ({"insert": {"table": "t"}}, {"id": 1, "nme": "x"}, "no column 'nme'; did you mean 'name'?"),
        ({"insert": {"table": "t", "columns": ["nme"]}}, {"id": 1}, "insert.columns"),
        ({"upsert": {"table": "t", "key": ["idd"]}}, {"id": 1}, "upsert.key"),
        ({"upsert": {"table": "t", "update": ["idd"]}}, {"id": 1}, "upsert.update"),
        ({"upsert": {"table": "loose"}}, {"a": 1}, "no primary key"),
        ({"update": {"table": "t"}}, {"id": 1}, "nothing to set"),
        ({}, {}, "exactly one of"),
        ({"insert": {"table": "t"}, "delete": {"table": "t"}}, {}, "exactly one of"),
        ({"statements": [{"sql": "delete from t", "insert": {"table": "t"}}]}, {}, "exactly one of"),
        ({"statements": [{"each": field("x")}]}, {}, "exactly one of"),
        (sql("delete from nope"), {}, "no such table"),
        (sql("delete from t; drop table t"), {}, "one statement only"),
        (sql("delete from t where id = ?"), {}, "named bind"),
        (sql("delete from t", affects="many"), {}, "affects"),
        (sql("delete from t", otherwise="x"), {}, "give affects"),
        (
            sql("delete from t where id = :id", each=field("items")),
            {"id": 1, "items": [{"id": 1}]},
            "write :item.id or :record.id",
        ),
    ],
)
async def test_a_mistake_is_misconfigured_and_says_what(shop: Path, options: Any, record: Any, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        await write(shop, options, [record])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("options", "record", "says"),
    [
        ({"insert": {"table": "t"}}, [1], "is no object"),
        ({"insert": {"table": "t", "columns": ["id", "name"]}}, {"id": 1}, "no field 'name'"),
        ({"upsert": {"table": "t"}}, {"name": "x"}, "no field 'id'"),
        ({"upsert": {"table": "t"}}, {"id": None, "name": "x"}, "'id' is null"),
        ({"insert": {"table": "loose"}}, {"a": {"x": 1}}, "nested: json"),
        ({"insert": {"table": "loose"}}, {"a": float("nan")}, "not a number"),
        ({"insert": {"table": "loose"}}, {"a": Decimal("Infinity")}, "not a number"),
        ({"insert": {"table": "loose"}}, {"a": "\ud800"}, "surrogates not allowed"),
        ({"insert": {"table": "stock"}}, {"sku": "C", "quantity": -1}, "CHECK constraint failed"),
        (sql("insert into loose values (:x, 1)"), {"y": 1}, "no 'x'"),
        (sql("insert into loose values (:a.b, 1)"), {"a": {"c": 1}}, "no 'b'"),
        (sql("insert into loose values (1, 1)", each=field("items")), {"items": None}, "each: this must give a list"),
        (sql("insert into loose values (1, 1)", when=field("ok")), {"ok": 1}, "true or false"),
    ],
)
async def test_one_bad_record_is_rejected_and_the_others_go_on(
    shop: Path, options: Any, record: Any, says: str
) -> None:
    receipt = await write(shop, options, [record])
    assert says in receipt.rejected[0]


async def test_values_keep_their_digits(shop: Path) -> None:
    """A number where SQLite holds it exactly, else the digits as text; objects as JSON only when asked."""
    values = [1, True, None, 1.5, Decimal("2.50"), Decimal("12345678901234567890.123"), 2**70, {"a": Decimal("1.10")}]
    options = {"insert": {"table": "loose"}, "nested": "json"}
    await write(shop, options, [{"a": value} for value in values])
    assert [row[0] for row in rows(shop, "select a from loose")] == [
        1,
        1,
        None,
        1.5,
        2.5,
        "12345678901234567890.123",
        str(2**70),
        '{"a":1.10}',
    ]


async def test_records_may_differ_in_their_fields(shop: Path) -> None:
    await write(shop, {"insert": {"table": "loose"}}, [{"a": 1}, {"b": 2}, {"b": 3, "a": 4}])
    assert rows(shop, "select * from loose") == [(1, None), (None, 2), (4, 3)]


async def test_values_make_the_row(shop: Path) -> None:
    """Templates see the record, what came in, and what surrounds it."""
    values = lambda names: {"a": names["record"]["id"] * 10, "b": f"{names['meta']['n']}/{names['input']['id']}"}  # noqa: E731
    await write(shop, {"insert": {"table": "loose", "values": values}}, [{"id": 1}, {"id": 2}])
    assert rows(shop, "select * from loose") == [(10, "0/1"), (20, "1/2")]


async def test_a_template_that_fails_rejects_its_record(shop: Path) -> None:
    def values(names: Mapping[str, Any]) -> dict[str, Any]:
        if names["record"]["id"] == 1:
            raise RecordError("undefined", "'recrod' is not defined")
        return {"a": 1}

    receipt = await write(shop, {"insert": {"table": "loose", "values": values}}, [{"id": 1}, {"id": 2}])
    assert receipt.rejected == {0: "'recrod' is not defined"}
    assert rows(shop, "select count(*) from loose") == [(1,)]


SALE = {
    "statements": [
        {"insert": {"table": "sales", "columns": ["id", "total"]}},
        {
            "each": field("items"),
            "sql": "update stock set quantity = quantity - :item.quantity where sku = :item.sku"
            " and quantity >= :item.quantity",
            "affects": 1,
            "otherwise": "out of stock",
        },
        {"each": field("items"), "sql": "insert into lines values (:record.id, :item.sku, :item.quantity)"},
    ]
}


def sale(number: int, **items: int) -> dict[str, Any]:
    return {"id": f"s{number}", "total": 1, "items": [{"sku": sku, "quantity": n} for sku, n in items.items()]}


async def test_statements_are_all_or_nothing_for_each_record(shop: Path) -> None:
    """The middle sale wants too much: nothing of it stays, its neighbours are done."""
    receipt = await write(shop, SALE, [sale(1, A=3), sale(2, A=1, B=6), sale(3, A=7, B=5)])
    assert receipt.rejected == {1: "out of stock"}
    assert rows(shop, "select * from stock") == [("A", 0), ("B", 0)]
    assert rows(shop, "select id from sales") == [("s1",), ("s3",)]
    assert rows(shop, "select sale, sku from lines") == [("s1", "A"), ("s3", "A"), ("s3", "B")]


async def test_an_earlier_record_s_effect_counts_for_a_later_one(shop: Path) -> None:
    receipt = await write(shop, SALE, [sale(n, B=2) for n in range(4)])
    assert list(receipt.rejected) == [2, 3]
    assert rows(shop, "select quantity from stock where sku = 'B'") == [(1,)]


async def test_when_leaves_a_statement_out(shop: Path) -> None:
    options = sql("insert into loose values (:id, 1)", when=field("paid"))
    await write(shop, options, [{"id": 1, "paid": True}, {"id": 2, "paid": False}])
    assert rows(shop, "select a from loose") == [(1,)]


async def test_params_come_before_fields(shop: Path) -> None:
    options = sql("insert into loose values (:id, :x)", params=lambda names: {"x": names["record"]["id"] + 1})
    await write(shop, options, [{"id": 1, "x": 0}])
    assert rows(shop, "select * from loose") == [(1, 2)]


@pytest.mark.parametrize(
    ("affects", "rejected"), [(1, True), (">= 2", False), ("> 2", True), ("<3", False), ("=2", False)]
)
async def test_affects_counts_the_rows(shop: Path, affects: Any, rejected: bool) -> None:
    receipt = await write(shop, sql("update stock set quantity = quantity + 1", affects=affects), [{}])
    assert bool(receipt.rejected) == rejected
    assert rows(shop, "select quantity from stock where sku = 'A'") == [(10 if rejected else 11,)]


ONCE = {**sql("update stock set quantity = quantity - 1 where sku = :sku", affects=1), "once": {"key": field("event")}}


async def test_once_a_repeat_has_no_effect(shop: Path) -> None:
    """In the same write, in a later one, and from another process."""
    events = [{"event": "e1", "sku": "A"}, {"event": "e2", "sku": "A"}, {"event": "e1", "sku": "A"}]
    for _ in range(3):
        assert not (await write(shop, ONCE, events, events)).rejected
    assert rows(shop, "select quantity from stock where sku = 'A'") == [(8,)]
    assert rows(shop, "select scope, key from engine_once order by key") == [("pipeline", "e1"), ("pipeline", "e2")]


async def test_once_control_without_it_a_repeat_counts_again(shop: Path) -> None:
    events = [{"event": "e1", "sku": "A"}]
    await write(shop, {key: value for key, value in ONCE.items() if key != "once"}, events, events)
    assert rows(shop, "select quantity from stock where sku = 'A'") == [(8,)]


async def test_once_forgets_what_was_rejected(shop: Path) -> None:
    """A refused record may be mended and sent again; its twin in the same batch gets its own chance."""
    twins = [{"event": "e1", "sku": "nope"}, {"event": "e1", "sku": "A"}]
    receipt = await write(shop, ONCE, twins)
    assert list(receipt.rejected) == [0]
    assert rows(shop, "select quantity from stock where sku = 'A'") == [(9,)]
    assert rows(shop, "select key from engine_once") == [("e1",)]


async def test_once_without_a_key_rejects_and_scopes_keep_apart(shop: Path) -> None:
    receipt = await write(shop, ONCE, [{"sku": "A"}])
    assert "missing-key" in receipt.rejected[0]
    other = {**ONCE, "once": {"key": field("event"), "scope": "other", "table": "seen"}}
    for options in (ONCE, other, other):
        await write(shop, options, [{"event": 1, "sku": "A"}])
    assert rows(shop, "select quantity from stock where sku = 'A'") == [(8,)]
    assert rows(shop, "select scope, key from seen") == [("other", "1")]


async def test_once_survives_a_write_that_was_undone(shop: Path) -> None:
    """The first write fails as a whole and leaves no key; the next one has its effect."""
    async with AsyncExitStack() as stack:
        target = await build(
            stack, shop, {**sql("insert into lines values (:sale, 'A', 1)"), "once": {"key": field("e")}}
        )
        with pytest.raises(Rejected, match="FOREIGN KEY"):
            await target.write(load([{"e": 1, "sale": "nope"}]))
        assert rows(shop, "select key from engine_once") == []
        await write(shop, {"insert": {"table": "sales"}}, [{"id": "s1"}])
        await target.write(load([{"e": 1, "sale": "s1"}]))
    assert rows(shop, "select key from engine_once") == [("1",)]


async def test_a_refusal_at_commit_leaves_nothing(shop: Path) -> None:
    """A deferred foreign key speaks for the whole write, which may then be split."""
    with pytest.raises(Rejected, match="FOREIGN KEY"):
        await write(shop, {"insert": {"table": "lines"}}, [{"sale": None, "sku": "A"}, {"sale": "nope", "sku": "B"}])
    assert rows(shop, "select count(*) from lines") == [(0,)]
    assert SqlTarget.atomic


async def test_a_locked_database_is_transient_and_then_works(shop: Path) -> None:
    async with AsyncExitStack() as stack:
        target = await build(stack, shop, {"insert": {"table": "t"}})
        with closing(sqlite3.connect(shop, isolation_level=None)) as application:
            application.execute("begin immediate")
            with pytest.raises(Transient, match="another program holds the lock"):
                await target.write(load(GOOD))
            application.execute("rollback")
        assert not (await target.write(load(GOOD))).rejected


async def test_a_full_database_is_transient(shop: Path) -> None:
    async with AsyncExitStack() as stack:
        target = await build(stack, shop, {"insert": {"table": "loose"}})
        await target.write(load([{"a": 1}]))
        await target._link.writer.run(lambda connection: connection.exec_driver_sql("pragma max_page_count=20").close())
        with pytest.raises(Transient, match="full"):
            await target.write(load([{"a": "x" * 200_000}]))
    assert rows(shop, "select count(*) from loose") == [(1,)]


async def test_a_file_that_may_not_be_written_is_misconfigured(shop: Path) -> None:
    with closing(sqlite3.connect(shop)) as connection:
        connection.execute("create view looking as select * from t")
        connection.commit()
    with pytest.raises(Misconfigured, match="cannot modify looking"):
        await write(shop, {"insert": {"table": "looking"}}, GOOD)


async def test_a_cancelled_write_leaves_nothing_and_the_next_one_works(shop: Path) -> None:
    """A statement of many minutes is stopped in the database and undone."""
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n)"
    endless = f"insert into loose {numbers} select i, :x from n where i < 0"
    async with AsyncExitStack() as stack:
        target = await build(
            stack, shop, {"statements": [{"insert": {"table": "loose", "columns": ["a"]}}, {"sql": endless}]}
        )
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(target.write(load([{"a": 1, "x": 1}])), 0.3)
        assert rows(shop, "select count(*) from loose") == [(0,)]
        other = await build(stack, shop, {"insert": {"table": "loose"}})
        await other.write(load([{"a": 1}]))


async def test_targets_of_one_connection_take_turns(shop: Path) -> None:
    async with AsyncExitStack() as stack:
        target = await build(stack, shop, {"insert": {"table": "loose"}})
        writes = [target.write(load([{"a": n}] * 20)) for n in range(10)]
        await asyncio.gather(*writes)
    assert rows(shop, "select count(*) from loose") == [(200,)]


async def test_the_same_transaction_runs_under_an_async_driver(shop: Path) -> None:
    """What other databases will go through, here over aiosqlite: the culprits are found, the rest is committed."""
    made = create_async_engine(f"sqlite+aiosqlite:///{shop}")
    dialects._own_transactions(made.sync_engine, "begin immediate")
    async with AsyncExitStack() as stack:
        target = await build(stack, shop, {"insert": {"table": "t"}, "once": {"key": field("id")}})
        target._link._writer = AsyncWriter(made)
        batch = [{"id": n, "name": None if n == 3 else "x"} for n in range(10)]
        for _ in range(2):
            receipt = await target.write(load(batch))
            assert receipt.rejected == {3: "NOT NULL constraint failed: t.name"}
    assert rows(shop, "select count(*) from t") == [(9,)]


async def test_keys_of_once_belong_to_the_pipeline(shop: Path) -> None:
    """Two pipelines over one connection do not take each other's keys for their own."""
    for pipeline in ("first", "second"):
        await write(shop, ONCE, [{"event": "e1", "sku": "A"}], names={"run": {"pipeline": pipeline}})
    assert rows(shop, "select quantity from stock where sku = 'A'") == [(8,)]


QUOTES = ["'", '"', "`", "')", '")', "''", "\\'", "%27", "’", "\x00'"]
ATTACKS = [
    "{q}; drop table t; --",
    "{q}; delete from t; --",
    "{q} or 1=1 --",
    "{q} or {q}1{q}={q}1",
    "{q} union select sql, 1, 1, 1 from sqlite_master --",
    "{q}; attach database 'x' as x; --",
    "{q}||(select group_concat(name) from t)||{q}",
    "{q}); insert into t values (99, 'x', 1, 'y'); --",
    "{q} and (select count(*) from sqlite_master) > 0 --",
    "{q}/**/;/**/update t set name = 'owned' --",
    ":id{q} :name {{{{ record.id }}}} ${{X}}",
]
PAYLOADS = [attack.format(q=quote) for attack in ATTACKS for quote in QUOTES]
"""Injections; most are harmless to a driver that runs one statement, and some are not."""


def unsafe(path: Path, payload: str) -> None:
    """What nobody should write: the control of the test below."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"update t set note = '{payload}' where id = 1")


async def test_no_payload_changes_anything_but_its_own_value(shop: Path) -> None:
    """As a value, a key, a field of each, a bind of params and a cursor value: every one is data."""
    assert len(PAYLOADS) >= 100
    random.Random(1).shuffle(PAYLOADS)
    await write(shop, {"insert": {"table": "t"}}, [{"id": n, "name": f"n{n}"} for n in range(5)])
    before = rows(shop, "select name from sqlite_master order by 1"), rows(shop, "select id, name from t")
    records = [{"id": 1, "x": payload, "items": [{"x": payload}]} for payload in PAYLOADS]
    bound = sql("update t set note = :p where id = :id", params=lambda names: {"p": names["record"]["x"]})
    each = sql("update t set note = :item.x || '' where id = :record.id", each=field("items"))
    for options in (bound, each):
        assert not (await write(shop, options, *[[record] for record in records])).rejected
    assert rows(shop, "select note from t where id = 1") == [(PAYLOADS[-1],)]
    keyed = await write(shop, {"delete": {"table": "sales", "key": ["id"]}}, [{"id": payload} for payload in PAYLOADS])
    assert len(keyed.rejected) == len(PAYLOADS)
    await write(shop, {"insert": {"table": "loose"}}, [{"a": payload} for payload in PAYLOADS])
    assert [row[0] for row in rows(shop, "select a from loose order by rowid")] == PAYLOADS
    assert before == (rows(shop, "select name from sqlite_master order by 1"), rows(shop, "select id, name from t"))


async def test_no_payload_names_a_column_or_table(shop: Path) -> None:
    """Identifiers come from the closed list of the database."""
    for payload in PAYLOADS:
        with pytest.raises(Misconfigured):
            await write(shop, {"insert": {"table": "t"}}, [{"id": 1, payload: 1}])
    for payload in PAYLOADS[:20]:
        with pytest.raises(Misconfigured):
            await write(shop, {"insert": {"table": payload}}, [{"id": 1}])
    assert rows(shop, "select count(*) from t") == [(0,)]


def test_control_formatting_text_into_sql_is_broken_by_the_same_payloads(shop: Path) -> None:
    """The corpus does bite where values are formatted into SQL."""
    harmed = 0
    for payload in PAYLOADS:
        with closing(sqlite3.connect(shop)) as connection:
            connection.executescript("drop table if exists t;" + SCHEMA.split("\n")[1])
            connection.execute("insert into t values (1, 'a', 1, null), (2, 'b', 2, null)")
            connection.commit()
        try:
            unsafe(shop, payload)
            intact = rows(shop, "select id, name, note from t") == [(1, "a", payload), (2, "b", None)]
        except (sqlite3.Error, ValueError):
            intact = False
        harmed += not intact
    assert harmed >= 60


def test_the_schema_wants_exactly_what_the_target_takes() -> None:
    check = validator(CONNECTOR, "target")
    assert not check.is_valid({"connection": "db"})
    assert not check.is_valid({"connection": "db", "insert": "t"})
    assert not check.is_valid({"connection": "db", "statements": [{"sql": "x", "affects": "many"}]})
    assert check.is_valid({"connection": "db", "statements": [{"sql": "x", "affects": ">= 2"}]})
