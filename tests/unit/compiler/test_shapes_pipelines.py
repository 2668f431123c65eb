"""Fields and types of whole pipelines: what is wrong is said at its place, and what is right is left in peace."""

from __future__ import annotations

import json
import textwrap

import pytest

from engine.compiler.check import check
from engine.compiler.shapes import seen
from engine.definition.loader import load
from engine.expressions.types.words import describe

SCRIPT = """
create table sales (id integer primary key, name varchar(10) not null, total numeric(12,2), at text not null);
create table lines (sale_id integer not null, sku text not null, count integer not null default 1,
  primary key (sale_id, sku));
"""
CONNECTIONS = """
connections:
  db: {sql: {url: "sqlite:///shop.db", tables: shop.sql}}
  bare: {sql: {url: "sqlite:///shop.db"}}
  web: {http: {base_url: "http://localhost:1"}}
"""
SALE = {
    "type": "object",
    "required": ["id", "lines"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer"},
        "note": {"type": ["string", "null"], "maxLength": 5},
        "lines": {
            "type": "array",
            "items": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}},
        },
    },
}
OPENAPI = """
openapi: 3.0.3
paths:
  /sales:
    get:
      operationId: listSales
      responses:
        "200":
          content:
            application/json:
              schema: {type: object, properties: {items: {type: array, items: {$ref: "#/components/schemas/Sale"}}}}
    post:
      operationId: createSale
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Sale"}}}}
components:
  schemas:
    Sale:
      type: object
      additionalProperties: false
      required: [id]
      properties: {id: {type: integer}, note: {type: string, nullable: true}}
"""


@pytest.fixture
def folder(tmp_path):
    """Make a project around a pipeline."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "connections").mkdir()
    (tmp_path / "connections" / "all.yaml").write_text(CONNECTIONS)
    (tmp_path / "shop.sql").write_text(SCRIPT)
    (tmp_path / "sale.json").write_text(json.dumps(SALE))
    (tmp_path / "api.yaml").write_text(OPENAPI)
    (tmp_path / "people.csv").write_text('id;name;"the city"\n1;Ana;Rio\n')
    return tmp_path


def problems(folder, text, **files):
    """Say what is wrong with a pipeline as ``line code path``."""
    text = textwrap.dedent(text).lstrip("\n")
    (folder / "pipelines" / "p.yaml").write_text(text if text.startswith("pipeline:") else f"pipeline: p\n{text}")
    for name, content in files.items():
        (folder / name).write_text(content)
    project, found = load(folder, environ={})
    found = [*found, *check(project)]
    mine = sorted({one for one in found if one.code != "unused"})
    return [f"{one.line} {one.severity} {one.code} {one.path}" for one in mine]


def record(folder, source):
    """Return what is known of the records of a source."""
    (folder / "pipelines" / "p.yaml").write_text(f"pipeline: p\nsource: {source}\ntarget: {{console: {{}}}}\n")
    project, found = load(folder, environ={})
    assert [one for one in found if one.severity == "error"] == []
    stop = seen(project, project.pipelines["p"]).stops[0]
    if stop.record.any:
        return None
    return {name: describe(field.type) for name, field in stop.record.fields.items()}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{inline: {rows: [{a: 1}, {a: null, b: x}]}}", {"a": "a whole number or null", "b": "text"}),
        ("{sql: {connection: bare, query: 'select a, b from t'}}", {"a": "anything", "b": "anything"}),
        ("{sql: {connection: db, table: lines, columns: [sku]}}", {"sku": "text"}),
        ("{sql: {connection: bare, table: lines}}", None),
        ("{sql: {connection: db, query: select * from elsewhere}}", None),
        ("{http: {connection: web, path: /sale, schema: sale.json}}",
         {"id": "a whole number", "note": "text or null", "lines": "a list of objects"}),
        ("{http: {connection: web, path: /sale, schema: sale.json, records: lines}}", {"sku": "text"}),
        ("{http: {connection: web, path: /sales, schema: {openapi: api.yaml, operation: listSales}, records: items}}",
         {"id": "a whole number", "note": "text or null"}),
        ("{http: {connection: web, path: /sales, schema: {openapi: api.yaml, operation: GET /sales}, records: items}}",
         {"id": "a whole number", "note": "text or null"}),
        ("{http: {connection: web, path: /sales}}", None),
        ('{file: {path: people.csv, delimiter: ";"}}', {"id": "text", "name": "text", "the city": "text"}),
        ("{file: {path: people.csv, columns: [a, b]}}", {"a": "text", "b": "text"}),
        ("{file: {path: missing-*.csv}}", None),
        ("{file: {path: sales.jsonl, schema: sale.json}}",
         {"id": "a whole number", "note": "text or null", "lines": "a list of objects"}),
        ("{file: {path: sales.json, schema: sale.json, records: lines}}", {"sku": "text"}),
    ],
)  # fmt: skip
def test_the_records_of_a_source(folder, source, expected):
    """From the query, the tables, a schema, OpenAPI, a header, the rows."""
    assert record(folder, source) == expected


def test_a_learned_schema_is_of_one_record(folder):
    """Whatever ``records`` says: it was taken from there."""
    (folder / "learned.json").write_text(
        json.dumps({"x-of": "record", "properties": {"a": {"type": "string"}}, "type": "object"})
    )
    assert record(folder, "{http: {connection: web, path: /x, schema: learned.json, records: data.items}}") == {
        "a": "text"
    }


def test_every_path_is_followed(folder):
    """Filters, mapping, key, when, switch, templates of options, binds."""
    assert problems(
        folder,
        """
        source:
          sql: {connection: db, query: "select id, name, total from sales"}
        steps:
          - filter: totl > `1`
          - switch:
              - when: nam == 'x'
                steps: [{set: {kind: name}}]
          - lookup:
              from: {sql: {connection: db, query: "select sku from lines where sale_id = :record.idd"}}
              into: line
          - check: {that: line.skuu != 'x', message: "{{ record.nme }}"}
        targets:
          - {id: a, when: totale > `1`, mapping: {id: id}, key: idd, console: {text: "{{ record.idx }}{{ input.nam }}"}}
          - id: b
            sql:
              connection: db
              statements:
                - sql: "update sales set name = :nam where id = :record.id"
                - {when: nime == 'x', sql: "delete from sales where id = :id"}
            key: id
        """,
    ) == [
        "5 error unknown-field steps[0].filter",
        "7 error unknown-field steps[1].switch[0].when",
        "10 error unknown-field steps[2].lookup.from.sql.query",
        "12 error unknown-field steps[3].check.that",
        "12 error unknown-field steps[3].check.message",
        "14 error unknown-field targets[0].when",
        "14 error unknown-field targets[0].key",
        "14 error unknown-field targets[0].console.text",
        "14 error unknown-field targets[0].console.text",
        "19 error unknown-field targets[1].sql.statements[0].sql",
        "20 error unknown-field targets[1].sql.statements[1].when",
    ]


def test_what_a_lookup_gives_is_known(folder):
    """One record, a list of them with ``all``, null with ``missing: null``."""
    text = """
    source: {{sql: {{connection: db, query: select id from sales}}}}
    steps:
      - lookup:
          from: {{sql: {{connection: db, query: select sku from lines where sale_id = :record.id}}}}
          into: line
          {more}
      - map: {{sku: {path}}}
    target: {{console: {{}}}}
    """
    assert problems(folder, text.format(more="", path="line.sku")) == []
    assert problems(folder, text.format(more="", path="line.sku_")) == ["8 error unknown-field steps[1].map.sku"]
    assert problems(folder, text.format(more="all: true", path="'line[0].sku'")) == []
    assert problems(folder, text.format(more="missing: null", path="line.sku")) == []


ROW = """
source: {{inline: {{rows: [{{id: 1, name: abc}}]}}}}
mapping:
  {mapping}
target: {{sql: {{connection: db, {kind}}}, key: id}}
"""


@pytest.mark.parametrize(
    ("mapping", "kind", "expected"),
    [
        ("{id: id, name: name, at: name}", "insert: {table: sales}", []),
        ("{id: id, name: name}", "insert: {table: sales}", ["3 error missing-required mapping"]),
        ("{id: id, nam: name, at: name}", "insert: {table: sales}", ["4 error unknown-field mapping.nam"]),
        ("{id: id, name: {$const: null}, at: name}", "insert: {table: sales}",
         ["4 warning null-possible mapping.name"]),
        ("{id: id, name: {$const: [1]}, at: name}", "insert: {table: sales}", ["4 error type-mismatch mapping.name"]),
        ("{id: id, name: {$const: a long long name}, at: name}", "upsert: {table: sales}",
         ["4 error too-long mapping.name"]),
        ("{id: id, name: name}", "update: {table: sales}", []),
        ("{id: id, name: name, at: name}", "upsert: {table: sale}", ["5 error unknown-field target.sql.upsert.table"]),
        ("{id: id, name: name}", "upsert: {table: elsewhere}", []),
        ("{id: id, name: name, x: name, at: name}", "insert: {table: sales, columns: [id, name, at]}", []),
        ("{id: id, name: name}", "insert: {table: sales, columns: [id, nam]}", [
            "5 error missing-required target.sql.insert.columns", "5 error missing-required target.sql.insert.columns",
            "5 error unknown-field target.sql.insert.columns[1]"]),
        ("{id: id}", "insert: {table: lines, values: {sale_id: '{{ record.id }}', sku: '{{ record.sku }}'}}",
         ["5 error unknown-field target.sql.insert.values.sku"]),
        ("{id: id, name: name}", "delete: {table: sales, key: [id]}", []),
    ],
)  # fmt: skip
def test_rows_fit_their_table(folder, mapping, kind, expected):
    """Missing, unknown, null, too long, at the line of the mapping."""
    found = problems(folder, ROW.format(mapping=mapping, kind=kind))
    assert [one for one in found if "key" not in one.split()[3:4]] == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http: {connection: web, path: /sales, schema: sale.json}", ["missing-required", "unknown-field"]),
        ("http: {connection: web, path: /s, schema: {openapi: api.yaml, operation: createSale}}", ["unknown-field"]),
        ("http: {connection: web, path: /s, schema: sale.json, json: {id: 1, lines: [{sku: x}]}}", []),
        ("http: {connection: web, path: /s, schema: sale.json, json: {id: x, lines: [{sku: x}]}}", ["type-mismatch"]),
        ("http: {connection: web, path: /s, schema: sale.json, form: {a: b}}", []),
        ("file: {path: out.jsonl, schema: sale.json}", ["missing-required", "unknown-field"]),
        ("file: {path: out.csv, columns: [id]}", ["unknown-field"]),
        ("file: {path: out.csv, columns: [id, name]}", []),
    ],
)
def test_records_fit_what_a_target_takes(folder, target, expected):
    """By JSON Schema, OpenAPI, columns; what is not the record is compared, too."""
    text = f"source: {{inline: {{rows: [{{id: 1, name: abc}}]}}}}\ntarget: {{{target}, key: id}}\n"
    assert sorted(one.split()[2] for one in problems(folder, text) if "unused" not in one) == expected


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("source: {http: {connection: web, path: /x, schema: sail.json}}", "there is no file 'sail.json'"),
        ("source: {http: {connection: web, path: /x, schema: ../sale.json}}", "'../sale.json' lies outside"),
        ("source: {http: {connection: web, path: /x, schema: shop.sql}}", "'shop.sql' is not JSON"),
        ("source: {http: {connection: web, path: /x, schema: connections}}", "there is no file 'connections'"),
        ("source: {http: {connection: web, path: /x, schema: {openapi: api.yaml, operation: listSale}}}",
         "'api.yaml' has no operation 'listSale'"),
        ("source: {http: {connection: web, path: /x, schema: {openapi: sale.json, operation: x}}}",
         "'sale.json' is not an OpenAPI document"),
        ("source: {graphql: {connection: web, query: '{ a }', records: data.a, schema: sale.json}}",
         "'sale.json' is not the answer to a GraphQL introspection query"),
    ],
)  # fmt: skip
def test_files_that_say_nothing(folder, text, fact):
    """Place, fact, remedy."""
    (folder / "pipelines" / "p.yaml").write_text(f"pipeline: p\n{text}\ntarget: {{console: {{}}}}\n")
    project, found = load(folder, environ={})
    (one,) = [one for one in (*found, *check(project)) if one.code == "file"]
    assert one.message.startswith(fact)
    assert (one.line, one.severity) == (2, "error")


def test_the_tables_of_a_connection_are_told_once(folder):
    """At the connection, not at everything that uses it."""
    (folder / "shop.sql").write_text("-- nothing")
    found = problems(
        folder, "source: {sql: {connection: db, query: select a from t}}\ntarget: {console: {text: '{{ record.b }}'}}"
    )
    assert found == ["3 error file connections.db.sql.tables", "3 error unknown-field target.console.text"]


def test_a_large_file_and_a_deep_one_are_refused(folder):
    """Hostile files cost little."""
    for content in ("[" * 200_000, '{"a":' * 100_000, "x" * (9 << 20)):
        (folder / "sale.json").write_text(content)
        found = problems(
            folder, "source: {http: {connection: web, path: /x, schema: sale.json}}\ntarget: {console: {}}"
        )
        assert found == ["2 error file source.http.schema"]


def test_a_schema_elsewhere_is_not_fetched(folder):
    """Of what it refers to nothing is known."""
    (folder / "sale.json").write_text(
        json.dumps({"properties": {"a": {"$ref": "http://localhost:1/x.json"}}, "type": "object"})
    )
    assert record(folder, "{http: {connection: web, path: /x, schema: sale.json}}") == {"a": "anything"}


HOOK = """
triggers:
  - webhook: {{path: /x, auth: none, schema: sale.json, event_id: {{value: {event}}}{more}}}
mapping: {{id: {id}}}
target: {{console: {{}}}}
"""


@pytest.mark.parametrize(
    ("event", "more", "id", "expected"),
    [
        ("id", "", "id", []),
        ("idd", "", "id", ["unknown-field"]),
        ("id", "", "idd", ["unknown-field"]),
        ("id", ", records: lines", "sku", []),
        ("id", ", records: lines", "id", ["unknown-field"]),
        ("id", ", records: line", "sku", ["unknown-field"]),
        ('"{{ trigger.body.idd }}"', "", "id", ["unknown-field"]),
    ],
)
def test_webhooks(folder, event, more, id, expected):
    """The body's schema says what records are."""
    found = problems(folder, HOOK.format(event=event, more=more, id=id))
    assert [one.split()[2] for one in found] == expected


def test_the_params_of_the_pipeline_before_are_known(folder):
    """``trigger.params`` of ``after`` is what that one declares."""
    (folder / "pipelines" / "first.yaml").write_text(
        "pipeline: first\nparams: {day: {type: string, required: true}}\n"
        "triggers: [{cron: 0 1 * * *, params: {day: x}}]\ntarget: {console: {text: '{{ params.day }}'}}\n"
    )
    text = """
    params: {{day: {{type: string, default: x}}}}
    triggers: [{{after: first, params: {{day: "{{{{ trigger.params.{name} }}}}"}}}}]
    target: {{console: {{text: "{{{{ params.day }}}}"}}}}
    """
    assert problems(folder, text.format(name="day")) == []
    assert problems(folder, text.format(name="dya")) == ["3 error unknown-field triggers[0].params.day"]


def test_instances_of_a_template_are_looked_at_once(folder):
    """One mistake, however many rows."""
    text = """
    pipeline: p
    for_each: {items: [{n: a}, {n: b}, {n: c}], key: n}
    labels: {shop: "${each.n}"}
    source: {sql: {connection: db, query: select id from sales}}
    target: {console: {text: "{{ record.idd }}"}}
    """
    assert problems(folder, text) == ["5 error unknown-field target.console.text"]


def test_a_problem_in_a_long_text_is_at_its_line(folder):
    """Not where the text begins."""
    text = """
    source:
      sql:
        connection: db
        query: >-
          select id,
            nmae,
            total
          from sales
    target: {console: {}}
    """
    assert problems(folder, text) == ["7 error unknown-field source.sql.query"]


def test_the_records_of_tests_are_a_weak_hint(folder):
    """Where nothing better is known they only warn."""
    tests = "tests:\n  - {test: one, pipeline: p, records: [{id: 1, name: x}], expect: {sent: [{name: x}]}}\n"
    (folder / "pipelines" / "p.test.yaml").write_text(tests)
    text = "source: {sql: {connection: bare, table: t}}\nmapping: {name: nmae}\ntarget: {console: {}}\n"
    assert problems(folder, text) == ["3 warning unknown-field mapping.name"]
    assert problems(folder, text.replace("nmae", "name")) == []


def test_connectors_do_not_see_what_is_for_checking(folder):
    """The builder takes it out."""
    (folder / "pipelines" / "p.yaml").write_text(
        "pipeline: p\nsource: {http: {connection: web, path: /x, schema: sale.json}}\ntarget: {console: {}}\n"
    )
    project, _ = load(folder, environ={})
    use = project.pipelines["p"].source.use
    assert "schema" not in use.options
    assert use.checks == {"schema": "sale.json"}
    assert project.connections["db"].use.checks == {"tables": "shop.sql"}


def test_nothing_is_said_of_what_nobody_knows(folder):
    """No shape, no alarm."""
    text = """
    source: {http: {connection: web, path: /x}}
    filters: ["a.b > `1`", "c == 'x'"]
    mapping: {a: a.b.c, d: "{{ record.e.f | upper }}", g: {$value: h, $type: string}}
    target: {sql: {connection: db, insert: {table: elsewhere}}, key: a}
    """
    assert problems(folder, text) == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("resilience: {timeoutt: 3s}\n", ["2 error unknown-key", "3 error unknown-field", "5 error unknown-field"]),
        ("params: {x: {type: strng}}\n", ["2 error bad-value"]),
    ],
)
def test_other_mistakes_do_not_hide_those_of_fields(folder, more, expected):
    """What is whole is followed all the same; what lost a part is left alone."""
    text = (
        f"{more}source: {{sql: {{connection: db, query: 'select id, nmae from sales'}}}}\n"
        "mapping: {id: id, name: name}\ntarget: {console: {text: '{{ record.idd }}'}}\n"
    )
    assert [" ".join(one.split()[:3]) for one in problems(folder, text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "source: {sql: {connection: db, query: select id from sales}}\nmaping: {name: id}\n"
        "target: {console: {text: '{{ record.name }}'}}\n",
        "source: {inline: {rows: [{id: 1}]}}\n"
        "target: {maping: {id: id, name: id, at: id}, sql: {connection: db, insert: {table: sales}}, key: id}\n",
        "source: {sql: {connection: db, query: select id from sales}}\nmapping: {name: {$valu: id}}\n"
        "target: {console: {text: '{{ record.name }}'}}\n",
        "source: {sql: {connection: db, query: select id from sales}}\nsteps: [{st: {name: id}}]\n"
        "target: {console: {text: '{{ record.name }}'}}\n",
        "source: {inline: {row: [{id: 1}]}}\ntarget: {console: {text: '{{ record.name }}'}}\n",
        "source: {inline: {rows: [{id: 1, name: x, at: x}]}}\n"
        "target: {sql: {connection: db, insert: {table: sales, colums: [id]}}}\n",
    ],
)
def test_a_misspelt_key_is_one_problem(folder, text):
    """No cascade."""
    assert len(problems(folder, text)) == 1
