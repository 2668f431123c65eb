"""What a query gives is read from its text and the tables, and what the text does not tell stays unknown."""

from __future__ import annotations

import pytest

from engine.compiler.shapes.changes import unknown_in
from engine.compiler.shapes.ddl import read_script
from engine.compiler.shapes.select import read_query
from engine.compiler.shapes.tables import Database
from engine.expressions.types.words import describe

SCRIPT = """
-- people
create table if not exists users (
  id integer primary key, name varchar(40) not null, email text, born date, "Código" text not null default 'x'
);
create table "orders" (
  id bigserial primary key, user_id bigint not null references users (id), total numeric(12, 2) check (total > 0),
  paid boolean not null default false, tags text[], primary key (id)
);
create index orders_by_user on orders (user_id);
alter table only orders add column note text not null;
"""
DATABASE = Database(read_script(SCRIPT, "shop.sql"), "shop.sql")


def read(sql, dialect="sqlite", database=DATABASE):
    found = read_query(sql, database, dialect, "the query")
    if found.type.any:
        return None
    fields = {name: describe(field.type) for name, field in found.type.fields.items()}
    return fields if found.type.further == "no" else {**fields, "…": found.type.further}


def names(sql, dialect="sqlite"):
    found = read(sql, dialect, None)
    return None if found is None else list(found)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select id, name from users", ["id", "name"]),
        ("SELECT DISTINCT u.id, u.name AS full_name FROM users u;", ["id", "full_name"]),
        ("select count(*) n, sum(total) as total, max(a, b) m from orders", ["n", "total", "m"]),
        ('select "Nome do Cliente", `b`, [c d] from t', ["Nome do Cliente", "b", "c d"]),
        ("select a -- , b\n, /* c, */ d from t", ["a", "d"]),
        ("select case when a = ',' then 1 else 2 end as kind, (select x from y) inner_x from t", ["kind", "inner_x"]),
        ("with t as (select 1 as q, b from u) select q, t.b from t order by q", ["q", "b"]),
        ("select a, b from t union all select c, d from u", ["a", "b"]),
        ("select extract(year from born) as year, a is distinct from b as differs from t", ["year", "differs"]),
        ("select cast(a as text) as a, coalesce(b, 0) b from t where x in (select y from z)", ["a", "b"]),
        ("select 1 as one", ["one"]),
    ],
)
def test_the_names_of_the_columns_are_known(sql, expected):
    """Aliases, quotes, functions, with, union."""
    assert names(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "select * from t",
        "select t.*, a from t",
        "(select a from t)",
        "values (1, 2)",
        "pragma table_info(users)",
        "select a from t; drop table t",
        "select a, (b from t",
        "with recursive",
        "",
        "insert into t values (1) returning id",
        "select a, b into c from t",
    ],
)
def test_what_the_text_does_not_tell_is_unknown(sql):
    """Unknown, never wrong."""
    assert names(sql) is None


@pytest.mark.parametrize(
    "sql",
    [
        "select a, count(*) from t",
        "select a, a from t",
        "select a, b::text from t",
        "select a, x collate nocase from t",
        "select a, sum(x) over w from t window w as (order by x)",
        "select a, b or c from t",
        "select a, not b from t",
    ],
)
def test_a_column_without_a_certain_name_leaves_the_record_open(sql):
    """Its other columns are known all the same."""
    assert names(sql) == ["a", "…"]


def test_upper_case_is_as_the_database_has_it():
    """SQLite keeps it, PostgreSQL does not; who does not know, does not say."""
    assert names("select Total as Sum from t", "sqlite") == ["Sum"]
    assert names("select Total as Sum from t", "postgresql") == ["sum"]
    assert names("select Total as Sum from t", "") == ["…"]
    assert read("select NAME from users") == {"name": "text"}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from users", {
            "id": "a whole number", "name": "text", "email": "text or null",
            "born": "text or a number or null", "Código": "text",
        }),
        ("select o.total, o.paid, o.tags, o.note from orders o",
         {"total": "a number or null", "paid": "a whole number or true or false", "tags": "anything", "note": "text"}),
        ("select u.name, o.note from users u left join orders o on o.user_id = u.id",
         {"name": "text", "note": "text or null"}),
        ("select u.name from orders o right join users u on o.user_id = u.id", {"name": "text"}),
        ("select o.note from orders o right join users u on o.user_id = u.id", {"note": "text or null"}),
        ("select count(*) as n, upper(name) as name from users", {"n": "a whole number", "name": "anything"}),
        ("with big as (select id, total from orders) select * from big",
         {"id": "a whole number", "total": "a number or null"}),
        ("select x.n from (select name as n from users) x", {"n": "text"}),
        ("select name, email from users union select note, note from orders",
         {"name": "anything", "email": "anything"}),
    ],
)  # fmt: skip
def test_columns_have_the_types_of_the_tables(sql, expected):
    """Of one table, of joined ones, through with and subqueries."""
    assert read(sql) == expected


def test_a_column_that_a_condition_speaks_of_may_not_be_null_any_more():
    """So that null is not promised where the query leaves it out."""
    assert read("select email from users") == {"email": "text or null"}
    assert read("select email from users where email is not null") == {"email": "text"}
    assert read("select email from users order by email") == {"email": "text or null"}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select emial from users", [("column", "emial")]),
        ("select u.emial from users u", [("column", "emial")]),
        ("select name from user", [("table", "user")]),
        ("select name from users where emial = 'x'", [("column", "emial")]),
        ("select name from users order by nmae", [("column", "nmae")]),
        ("select rowid, name from users", []),
        ("select lower(name) as n from users where lower(n) = 'x' and date(born) > date '2020-01-01'", []),
        ("select name as full_name from users order by full_name", []),
        ("select name from users where id in (select idd from elsewhere)", []),
        ("select a from elsewhere", [("table", "elsewhere")]),
        ('select "not a column" from users', []),
        ("select name from users where name = :nmae", []),
    ],
)
def test_names_that_the_tables_do_not_have(sql, expected):
    """Found in the list, the tables, the conditions; texts, binds and inner queries are left alone."""
    assert [(one.what, one.name) for one in read_query(sql, DATABASE, "sqlite", "").unknown] == expected


def test_what_a_new_row_must_have():
    """Not null, and nothing fills it in."""
    needed = {
        name: [column.name for column in table.columns.values() if column.needed]
        for name, table in DATABASE.tables.items()
    }
    assert needed == {"users": ["name"], "orders": ["user_id", "note"]}
    assert DATABASE.tables["users"].takes().fields["name"].type.longest == 40
    assert DATABASE.tables["orders"].key == ("id",)


@pytest.mark.parametrize(
    "sql",
    [
        "select " * 5000,
        "(" * 100_000,
        "select a from (" * 5000 + "select a from t" + ")" * 5000,
        "select a," * 20_000,
        "'" * 100_001,
        "/*" * 50_000,
    ],
)
def test_hostile_text_costs_little(sql):
    """It is unknown, soon, or as far as it is read."""
    assert read(sql) in (None, {"a": "anything"}) or "…" in read(sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("insert into users (name, emial) values (:name, :email)", [("column", "emial")]),
        ("insert into user (name) values (:name)", [("table", "user")]),
        ("insert into users values (1, 2)", []),
        ("insert into users (name) select nmae from elsewhere on conflict (id) do update set nmae = 1", []),
        ("update users set nmae = :name, email = email || 'x' where idd = 1;", [("column", "nmae")]),
        ("update users as u set name = 'a', (born, email) = (1, 2)", []),
        ("delete from orderss where id = 1", [("table", "orderss")]),
        ("with x as (select 1) update users set nmae = 1", []),
        ("create table z (a int)", []),
        ("update", []),
    ],
)
def test_statements_name_columns_of_their_table(sql, expected):
    """Those of insert and update."""
    assert [(one.what, one.name) for one in unknown_in(sql, DATABASE)] == expected
