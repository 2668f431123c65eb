"""``eval``, ``connectors``, ``schema``, ``init`` and ``new``."""

from __future__ import annotations

import json

import pytest

from engine.cli.yamltext import flow, lines
from engine.definition import document


def test_eval_gives_one_line_for_one(run) -> None:
    seen = run("eval", "items[0].price", stdin='{"items": [{"price": 2}]}\n\n{"items": []}\n')
    assert (seen.code, seen.out.splitlines()) == (0, ["2", "null"])


def test_eval_of_a_template(run) -> None:
    seen = run("eval", "{{ record.name | trim | title }}", stdin='{"name": " padaria são "}\n')
    assert json.loads(seen.out) == "Padaria São"


def test_eval_tells_what_failed_in_its_line_and_goes_on(run) -> None:
    seen = run("eval", "{{ record.n + 1 }}", stdin='{"n": "x"}\nnot json\n{"n": NaN}\n{"n": 1}\n')
    results = [json.loads(line) for line in seen.out.splitlines()]
    assert seen.code == 1
    assert set(results[0]["$error"]) == {"code", "message"}
    assert results[1]["$error"]["code"] == "not-json"
    assert results[2]["$error"]["code"] == "not-json"
    assert results[3] == 2


def test_eval_of_a_mapping_follows_the_rules_of_a_run(run, tmp_path) -> None:
    (tmp_path / "m.yaml").write_text(
        "id: {$value: id, $type: string}\namount: {$value: amount, $type: decimal, $scale: 2}\n"
    )
    seen = run("eval", "--mapping", "m.yaml", stdin='{"id": 7, "amount": 12.5}\n{"id": 8}\n')
    first, second = seen.out.splitlines()
    assert first == '{"id": "7", "amount": 12.50}'
    assert json.loads(second)["$error"]["code"] == "missing-field"
    assert seen.code == 1


def test_eval_takes_the_mapping_of_a_pipeline(run, tmp_path) -> None:
    (tmp_path / "p.yaml").write_text("pipeline: p\nmapping:\n  a: b\ntarget: {console: {}}\n")
    assert run("eval", "--mapping", "p.yaml", stdin='{"b": 1}\n').out == '{"a": 1}\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a ||| b"], "unexpected '|'"),
        (["{{ record.x"], ""),
        ([], "give one: an expression, or --mapping FILE"),
        (["--mapping", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["a", "--mapping", "m.yaml"], "give one"),
    ],
)
def test_eval_refuses_nonsense(run, arguments, said) -> None:
    seen = run("eval", *arguments, stdin="{}\n")
    assert (seen.code, seen.out) == (2, "")
    assert said in seen.err


def test_connectors_are_listed_with_their_roles(run) -> None:
    rows = {line.split()[0]: line for line in run("connectors").out.splitlines()}
    assert {"sql", "http", "graphql"} <= set(rows)
    assert "connection" in rows["http"]
    listed = [json.loads(line) for line in run("connectors", "--json").out.splitlines()]
    (sql,) = [one for one in listed if one["name"] == "sql"]
    assert {"source", "target", "connection", "call"} == set(sql["roles"])


def test_a_connector_shows_options_and_examples_that_can_be_copied(run) -> None:
    seen = run("connectors", "http")
    assert "as a source" in seen.out
    assert "expression" in seen.out
    assert "    source:\n      http:\n" in seen.out
    narrow = run("connectors", "http", terminal=True, COLUMNS="90")
    options = [line for line in narrow.seen.splitlines() if line.startswith("  ") and not line.startswith("    ")]
    assert max(map(len, options)) <= 90
    assert "did you mean 'http'" in run("connectors", "htp").err


@pytest.mark.parametrize("name", ["pipeline", "connections", "settings", "http"])
def test_schemas_stand_alone(run, name) -> None:
    printed = json.loads(run("schema", name).out)
    text = json.dumps(printed)
    assert "common.json" not in text
    assert printed["$schema"] == "http://json-schema.org/draft-07/schema#"
    for reference in set(_references(printed)):
        assert reference.removeprefix("#/definitions/") in printed["definitions"], reference


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_an_unknown_schema_names_the_nearest(run) -> None:
    assert "did you mean 'pipeline'" in run("schema", "pipelin").err


def test_init_makes_a_project_and_touches_nothing_that_is_there(run, tmp_path) -> None:
    seen = run("init", "shop")
    made = "engine.yaml, .gitignore, schemas/project.json, pipelines/, connections/"
    assert seen.out.splitlines()[0] == f"made {made} in shop"
    (tmp_path / "shop/engine.yaml").write_text("engine: 1\n# mine\n")
    assert run("init", "shop").out.splitlines()[0] == "shop is a project already"
    assert "# mine" in (tmp_path / "shop/engine.yaml").read_text()


def test_new_writes_and_never_over_something(run, tmp_path) -> None:
    run("init")
    seen = run("new", "pipeline", "hello")
    assert seen.out.splitlines() == ["wrote pipelines/hello.yaml", "next:  engine run hello --dry-run"]
    assert run("new", "pipeline", "hello").code == 2
    assert run("new", "connection", "crm", "--project", str(tmp_path)).code == 0
    assert "CRM_URL" in (tmp_path / "connections/crm.yaml").read_text()


@pytest.mark.parametrize("arguments", [["pipeline", "Hello World"], ["preset", "x"], ["test", "x"], ["pipelne", "x"]])
def test_new_refuses_what_it_cannot_make(run, arguments) -> None:
    assert run("new", *arguments).code == 2


@pytest.mark.parametrize(
    "value",
    [
        {"a": "yes", "b": "01", "c": "x: y", "d": "- z", "e": "", "f": None, "g": True, "h": 1.5, "i": "a #b"},
        {"list": [{"a": 1, "b": [1, 2]}, "two", ["x", {"y": {"z": "w" * 70}}]], "empty": {}, "none": []},
        {"query": "select *\nfrom x\n", "tail": "a\nb", "template": "{{ record.x }}", "odd key: x": 1},
        ["a", {"b": "c"}],
    ],
)
def test_yaml_for_people_reads_back_equal(value) -> None:
    assert document.read("x.yaml", "\n".join(lines(value)).encode()).value == value
    assert document.read("x.yaml", f"x: {flow(value)}".encode()).value == {"x": value}
