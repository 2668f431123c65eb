"""Right pipelines of people who know SQL, JMESPath and Jinja well are left in peace; subtle slips are found."""

from __future__ import annotations

import json
import textwrap

import pytest

from engine.compiler.check import check
from engine.definition.loader import load

SCRIPT = """
create table sales (id integer primary key, n integer, note text, total numeric, years integer, state text not null);
create table notes (id integer, text text);
create table taken (number text primary key, client text not null);
"""
CONNECTIONS = """
connections:
  db: {sql: {url: "sqlite:///shop.db", tables: shop.sql}}
  web: {http: {base_url: "http://localhost:1"}}
"""
BASE = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
CLOSED = {"allOf": [BASE, {"type": "object", "properties": {"id": {"type": "integer"}}, "additionalProperties": False}]}
PAGED = {
    "type": "object",
    "properties": {
        "data": {"type": "array", "items": {"type": "object", "required": ["id"]}},
        "next": {"type": "string"},
    },
    "additionalProperties": False,
}
HEAD = 'source: {sql: {connection: db, query: "select id, n, note, total, state from sales"}}\n'
REST = "target: {http: {connection: web, path: /x}}\n"
TAKEN = "target: {sql: {connection: db, upsert: {table: taken}}, key: number}\n"


@pytest.fixture
def said(tmp_path):
    """Write one pipeline, and give what is said of it."""

    def problems(text, code=None):
        files = {
            "engine.yaml": "engine: 1\n",
            "shop.sql": SCRIPT,
            "connections/all.yaml": CONNECTIONS,
            "closed.json": json.dumps(CLOSED),
            "paged.json": json.dumps(PAGED),
            "pipelines/one.yaml": "pipeline: one\n" + textwrap.dedent(text),
        }
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content, "utf-8")
        project, found = load(tmp_path, environ={}, skip_env=True)
        assert [one for one in found if one.severity == "error"] == []
        return [f"{one.code} {one.path}" for one in check(project)]

    return problems


def query(sql):
    return f"source:\n  sql:\n    connection: db\n    query: |\n      {sql}\n"


@pytest.mark.parametrize(
    "sql",
    [
        "with p as (select id, count(*) n from sales group by id) select s.id from sales s left join p q on q.n = s.n",
        "select sales.id, note.text from sales join notes note on note.id = sales.id and note.text is not null",
        "select id, sum(n) over (partition by state order by n rows between 1 preceding and current row) s from sales",
        "select id, extract(year from note) y, trim(both 'x' from note) t from sales order by n limit 5",
        "select id, max(n) filter (where n > 0) m from sales group by id having count(*) > 1",
    ],
)
def test_words_of_sql_are_no_columns(said, sql):
    """They stand in orders, windows and joins, and resemble columns: on and n, year and years."""
    assert said(query(sql) + REST) == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select id, sum(totl) as t from sales group by id", ["unknown-field source.sql.query"]),
        ("select id from sales order by totl", ["unknown-field source.sql.query"]),
    ],
)
def test_a_misspelt_column_is_found_wherever_it_stands(said, sql, expected):
    """The control: in functions and in the order."""
    assert said(query(sql) + REST) == expected


@pytest.mark.parametrize(
    "item",
    [
        "count(*)",
        "row_number() over (order by n)",
        "ntile(4) over w",
        "rank() over (order by n)",
        "cast(total as integer)",
    ],
)
def test_counts_and_casts_have_a_type(said, item):
    """A count is never a text."""
    sql = f"select id, {item} as x from sales" + (" window w as (order by n)" if "over w" in item else "")
    assert said(query(sql) + "filters: [\"x > '1'\"]\n" + REST) == ["type-mismatch filters[0]"]
    assert said(query(sql) + 'filters: ["x > `1`"]\n' + REST) == []


def kept(condition):
    steps = f"steps:\n  - filter: {json.dumps(condition)}\n"
    return steps + "  - map: {number: {$value: id, $type: string}, client: note}\n"


NOT_NULL = [
    "length(note || '') > `0`",
    "trim(note || '') != ''",
    "type(note) == 'string'",
    "contains(['a', 'b'], note)",
    "not_null(note) != `null`",
    "{{ record.note in ['a', 'b'] }}",
    "{{ record.note | default('') | trim != '' }}",
    "{{ (record.note or '') != '' }}",
]


@pytest.mark.parametrize("condition", NOT_NULL)
def test_a_condition_that_null_does_not_meet_is_enough(said, condition):
    """Who filters null out need not say it again."""
    assert said(HEAD + kept(condition) + TAKEN) == []


@pytest.mark.parametrize("condition", ["note != 'x'", "n > `1`", "{{ record.note != '' }}"])
def test_a_condition_that_null_meets_is_not_enough(said, condition):
    """The control."""
    assert said(HEAD + kept(condition) + TAKEN) == ["null-possible steps[1].map.client"]


@pytest.mark.parametrize(
    "value", ["{$value: note, $required: true}", "{$value: note, $default: x}", "\"note == `null` && 'x' || note\""]
)
def test_what_the_hint_says_is_enough(said, value):
    """Typed in, both remedies work."""
    mapping = f"mapping: {{number: {{$value: id, $type: string}}, client: {value}}}\n"
    assert said(HEAD + mapping + TAKEN) == []


def test_parts_of_a_schema_name_their_fields_together(said):
    """A closed part beside another: nothing could be sent, were it meant strictly."""
    mapping = "mapping: {name: note || 'x', id: id}\n"
    target = "target: {http: {connection: web, path: /x, schema: closed.json}}\n"
    assert said(HEAD + mapping + target) == []
    assert said(HEAD + mapping.replace("id: id", "idd: id") + target) == ["unknown-field mapping.idd"]


def test_a_schema_that_only_requires_says_nothing_of_other_fields(said):
    """Elements of paged.json must have an id, and that is all it says."""
    http = "source: {http: {connection: web, path: /x, schema: paged.json, records: data, paginate: {next_url: NEXT}}}"
    mapping = "mapping: {id: id, name: name}\n"
    assert said(http.replace("NEXT", "next") + "\n" + mapping + REST) == []
    assert said(http.replace("NEXT", "nxt") + "\n" + mapping + REST) == ["unknown-field source.http.paginate.next_url"]


def test_the_way_to_the_rows_of_a_lookup_is_known(said):
    """A column under match that the answer does not have would find nothing, ever."""
    lookup = """
    steps:
      - lookup:
          from: {sql: {connection: db, query: "select id, text from notes"}}
          match: {KEY: id}
          into: found
    """
    lookup = textwrap.dedent(lookup)
    assert said(HEAD + lookup.replace("KEY", "id") + REST) == []
    assert said(HEAD + lookup.replace("KEY", "note_id") + REST) == ["unknown-field steps[0].lookup.match.note_id"]


HOOK = """
triggers:
  - webhook:
      path: /x
      auth: none
      schema: {type: object, required: [id], properties: {id: {type: string}}, additionalProperties: false}
      respond: RESPOND
mapping: {id: id, a: A}
"""


def test_an_answer_sees_the_records_as_one_target_took_them(said):
    """With several targets nobody can say which."""
    text = HOOK.replace("A}", "id}") + REST
    respond = '{with: result, body: {a: "{{ records[0].NAME }}"}}'
    assert said(text.replace("RESPOND", respond.replace("NAME", "a"))) == []
    path = "triggers[0].webhook.respond.body.a"
    assert said(text.replace("RESPOND", respond.replace("NAME", "b"))) == [f"unknown-field {path}"]


def test_the_body_of_a_webhook_is_not_there_where_calls_go_together(said):
    """It would reject every record; an answer with the result is of one call."""
    text = HOOK.replace("A}", '"{{ trigger.body.id }}"}') + REST
    assert said(text.replace("RESPOND", "accepted")) == ["unknown-field mapping.a"]
    assert said(text.replace("RESPOND", "{with: result}")) == []


def test_a_field_named_like_a_root_can_be_quoted(said):
    """As the message says."""
    assert said("source: {inline: {rows: [{meta: {a: 1}}]}}\nmapping: {a: '\"meta\".a || `0`'}\n" + REST) == []


def test_a_connection_behind_a_misspelt_key_is_not_called_unused(tmp_path):
    """One mistake, one problem."""
    for name, text in {
        "engine.yaml": "engine: 1\n",
        "connections/all.yaml": 'connections: {web: {http: {base_url: "http://localhost:1"}}}\n',
        "pipelines/one.yaml": "pipeline: one\nsouce: {http: {connection: web, path: /x}}\ntarget: {console: {}}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    _, found = load(tmp_path, environ={}, skip_env=True)
    assert "unused" not in {one.code for one in found}
