"""``for_each``: one instance a row, each with its own values, and what they have in common made once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.compiler.check import check
from engine.compiler.compile import compile_pipeline, fingerprint
from engine.definition.loader import load
from engine.definition.model import Project
from engine.errors import Problem

MACHINES = "machine,host,port,speed,note\np-07,10.0.0.7,502,1.5,\np-08,10.0.0.8,1502,2,fast\n"
CONNECTIONS = """\
connections:
  press:
    for_each: {file: machines.csv, key: machine}
    http:
      base_url: http://${each.host}:${each.port}/${PLANT:-sp}
      auth: {bearer: "${secret:press-${each.machine}:-null}"}
    resilience: {circuit_breaker: {failures: "${each.port}"}}
"""
PIPELINE = """\
pipeline: press
for_each: {file: machines.csv, key: machine}
description: Press ${each.machine} in ${PLANT:-sp}
labels: {machine: "${each.machine}"}
time_limit: ${each.limit:-5m}
triggers: [{every: 1m}]
source:
  http: {connection: "press[${each.machine}]", path: /state, query: {speed: "${each.speed}", note: "${each.note}"}}
mapping: {state: state, machine: {$const: "${each.machine}"}}
target: {console: {}}
"""


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_csv", ".csv").replace("_yaml", ".yaml")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")


def loaded(root: Path, environ: Mapping[str, str] | None = None, **files: str) -> tuple[Project, list[Problem]]:
    given = {"machines_csv": MACHINES, "connections__press_yaml": CONNECTIONS, "pipelines__press_yaml": PIPELINE}
    write(root, **(given | files))
    return load(root, environ=environ or {})


def good(root: Path, environ: Mapping[str, str] | None = None, **files: str) -> Project:
    project, problems = loaded(root, environ, **files)
    assert problems == []
    return project


def test_each_row_makes_one_of_each(tmp_path: Path) -> None:
    """With values of the type that their place asks for, and the project's variables beside them."""
    project = good(tmp_path, {"PLANT": "rj", "ENGINE_SECRET_PRESS_P_08": "canary"})
    assert list(project.pipelines) == list(project.connections) == ["press[p-07]", "press[p-08]"]
    one, other = project.pipelines.values()
    assert (one.name, one.description, one.labels, one.time_limit) == (
        "press[p-07]", "Press p-07 in rj", {"machine": "p-07"}, 300.0
    )  # fmt: skip
    assert one.source is not None
    assert (one.source.use.connection, one.source.use.options["query"]) == ("press[p-07]", {"speed": "1.5", "note": ""})
    hubs = project.connections
    assert hubs["press[p-07]"].use.options == {"base_url": "http://10.0.0.7:502/rj"}
    assert hubs["press[p-08]"].use.options["auth"] == {"bearer": "canary"}
    assert hubs["press[p-08]"].circuit_breaker is not None
    assert hubs["press[p-08]"].circuit_breaker.failures == 1502
    assert project.secrets >= {"canary"}
    assert other.steps[0].body == {"state": "state", "machine": {"$const": "p-08"}}


def test_what_instances_have_in_common_is_made_once(tmp_path: Path) -> None:
    """Ten thousand of them must not cost ten thousand times as much."""
    one, other = good(tmp_path).pipelines.values()
    assert one.triggers is other.triggers
    assert one.targets[0] is other.targets[0]
    assert one.steps is not other.steps, "the control: a row's value stands in them"


def test_items_keep_their_types(tmp_path: Path) -> None:
    """A list stays a list where one may stand; a number becomes text where only a text may."""
    text = """\
pipeline: shop
for_each:
  key: client
  items: [{client: banban, n: 5, ips: [10.0.0.1, 10.0.0.2], open: true, no: null}]
description: "${each.n} ${each.open}"
labels: {no: "${each.no:-none}"}
triggers:
  - webhook:
      path: /${each.client}
      auth: [{allow_ips: "${each.ips}"}]
      rate_limit: {limit: "${each.n}", per: 1s}
mapping:
  n: {$const: "${each.n}"}
  ips: {$const: "${each.ips}"}
  id: {$const: "x-${each.n}"}
  open: {$const: "${each.open}"}
  no: {$const: "${each.no}"}
target: {console: {}}
"""
    project = good(tmp_path, connections__press_yaml="connections: {}\n", pipelines__press_yaml=text)
    shop = project.pipelines["shop[banban]"]
    assert (shop.description, shop.labels) == ("5 true", {"no": "none"})
    assert shop.triggers[0]["webhook"]["auth"] == [{"allow_ips": ["10.0.0.1", "10.0.0.2"]}]
    assert shop.triggers[0]["webhook"]["rate_limit"]["limit"] == 5
    consts = {name: field["$const"] for name, field in shop.steps[0].body.items()}
    assert consts == {"n": 5, "ips": ["10.0.0.1", "10.0.0.2"], "id": "x-5", "open": True, "no": None}
    assert compile_pipeline(project, shop).webhooks[0].path == "/banban"


def test_a_row_cannot_smuggle_in_a_template(tmp_path: Path) -> None:
    """What a cell says is data where templates are read."""
    machines = MACHINES.replace("fast", "{{ params }}")
    project = good(tmp_path, machines_csv=machines)
    source = project.pipelines["press[p-08]"].source
    assert source is not None
    assert source.use.options["query"]["note"] == "{{ '{' }}{ params }}"


def prints(project: Project) -> dict[str, str]:
    return {name: fingerprint(project, one) for name, one in project.pipelines.items()}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("machines_csv", "fast", "slow", {"press[p-08]"}),
        ("machines_csv", "10.0.0.7", "10.0.0.70", {"press[p-07]"}),
        ("pipelines__press_yaml", "1m", "2m", {"press[p-07]", "press[p-08]"}),
        ("pipelines__press_yaml", "Press ${", "A press ${", {"press[p-07]", "press[p-08]"}),
        ("connections__press_yaml", "http://", "https://", {"press[p-07]", "press[p-08]"}),
        ("machines_csv", "note\n", "remark\n", {"press[p-07]", "press[p-08]"}),
    ],
    ids=["a row", "a row of the connection", "the template", "around a value", "the connection", "a column's name"],
)
def test_a_row_that_changes_changes_its_own_instance(
    tmp_path: Path, file: str, old: str, new: str, changed: set[str]
) -> None:
    """A reload leaves the others alone."""
    before = prints(good(tmp_path))
    texts = {"machines_csv": MACHINES, "connections__press_yaml": CONNECTIONS, "pipelines__press_yaml": PIPELINE}
    if "remark" in new:
        texts["pipelines__press_yaml"] = PIPELINE.replace("note: ", "remark: ").replace("each.note", "each.remark")
    texts[file] = texts[file].replace(old, new)
    after = prints(good(tmp_path, None, **texts))
    assert {name for name in before if before[name] != after[name]} == changed
    assert len(set(before.values())) == 2


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    """The key is what names a row, not its line."""
    before = prints(good(tmp_path))
    head, first, second = MACHINES.splitlines()
    assert prints(good(tmp_path, machines_csv=f"{head}\n{second}\n{first}\n")) == before


def test_a_bad_row_takes_out_its_own_instance_only(tmp_path: Path) -> None:
    """What the others say is right; the problem is an error all the same."""
    machines = MACHINES.replace("1502", "many")
    project, problems = loaded(tmp_path, machines_csv=machines)
    assert set(project.connections) == {"press[p-07]"}
    assert [(one.file, one.line, one.severity) for one in problems] == [("machines.csv", 3, "error")] * len(problems)
    assert all("press[p-08]" in one.message and "connections/press.yaml:" in one.message for one in problems)


def test_a_secret_of_a_row_is_not_shown(tmp_path: Path) -> None:
    """What came from a secret is said as what was written."""
    text = """\
connections:
  hub:
    for_each: {items: [{n: a, url: "${secret:url}"}], key: n}
    http: {base_url: "${each.url}"}
"""
    environ = {"ENGINE_SECRET_URL": "canary-no-url"}
    pipeline = "pipeline: a\nsource: {http: {connection: 'hub[a]', path: /}}\ntarget: {console: {}}\n"
    project, problems = loaded(tmp_path, environ, connections__press_yaml=text, pipelines__press_yaml=pipeline)
    assert [one.code for one in problems] == ["bad-url"]
    assert "canary" not in str(problems)
    assert "canary-no-url" in project.secrets


EXPRESSION = """\
pipeline: press
for_each: {items: [{n: a, what: "amount > `0`"}, {n: b, what: "amount >"}], key: n}
source: {inline: {rows: []}}
filters: ["${each.what}"]
mapping: {a: a, b: "b ||"}
target: {console: {}}
"""


def test_expressions_of_rows_are_checked_each_and_those_of_the_template_once(tmp_path: Path) -> None:
    """The compiler says both at their places."""
    project, problems = loaded(tmp_path, connections__press_yaml="connections: {}", pipelines__press_yaml=EXPRESSION)
    assert problems == []
    found = check(project)
    assert [(one.path, one.line) for one in found] == [("filters[0]", 2), ("mapping.b", 5)]
    assert found[0].message.endswith("(pipelines/press.yaml:4:11, press[b])")
    assert "press[" not in found[1].message


def test_lints_speak_of_rows_too(tmp_path: Path) -> None:
    """A lint that is sure about one row's value hinders that instance."""
    text = EXPRESSION.replace('amount >"', 'a == \\"x\\""').replace("b ||", "b")
    project, problems = loaded(tmp_path, connections__press_yaml="connections: {}", pipelines__press_yaml=text)
    assert [(one.code, one.severity, "press[b]" in one.message) for one in problems] == [
        ("quoted-field", "error", True)
    ]
    assert list(project.pipelines) == ["press[a]"]


def test_problems_of_rows_are_told_with_the_file_that_names_them(tmp_path: Path) -> None:
    """``engine validate pipelines/press.yaml`` speaks of machines.csv too, and of no other file."""
    write(tmp_path, machines_csv=MACHINES + "p 09,1,1,1,\n", connections__press_yaml="connections: {}\n")
    write(tmp_path, pipelines__press_yaml=PIPELINE.replace('http: {connection: "press[${each.machine}]", path: /state, query: {speed: "${each.speed}", note: "${each.note}"}}', "inline: {rows: [1]}"))  # fmt: skip  # noqa: E501
    write(tmp_path, pipelines__other_yaml="pipeline: other\nsourc: {}\n")
    _, problems = load(tmp_path, environ={}, paths=[Path("pipelines/press.yaml")])
    assert {one.file for one in problems} == {"machines.csv"}
    _, problems = load(tmp_path, environ={}, paths=[Path("pipelines/other.yaml")])
    assert {one.file for one in problems} == {"pipelines/other.yaml"}


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, sign: str) -> None:
    """A byte order mark, other signs between cells, CRLF, quotes, blank lines."""
    rows = [["machine", " host ", "port", "speed", "note"], [], ["p-07", "h", "1", "2", '"a, b\n""c"""']]
    text = "\ufeff" + "".join(sign.join(row) + "\r\n" for row in rows)
    project = good(tmp_path, machines_csv=text)
    source = project.pipelines["press[p-07]"].source
    assert source is not None
    assert source.use.options["query"]["note"] == 'a, b\n"c"'
    assert project.pipelines["press[p-07]"].origin.row == ("machines.csv", 3, 1)


def test_ten_thousand_instances_are_loaded_soon(tmp_path: Path) -> None:
    """A few seconds at the most; it was a quarter of a millisecond each when written."""
    rows = "".join(f"m-{n},10.0.{n // 250}.{n % 250},{n},1,x\n" for n in range(10_000))
    began = time.process_time()
    project = good(tmp_path, machines_csv=f"machine,host,port,speed,note\n{rows.replace(',0,1,', ',9,1,', 1)}")
    assert check(project) == []
    took = time.process_time() - began
    assert len(project.pipelines) == len(project.connections) == 10_000
    assert took < 15, f"{took:.1f} s"


def test_a_hostile_table_is_refused_soon(tmp_path: Path) -> None:
    """Whatever a file of rows holds, it is a few problems."""
    tables: list[Any] = [
        "\x00\n\x00\n",
        "a\n" * 200,
        "machine\n" + ",\n" * 5000,
        "machine\n" + "a b\n" * 5000,
        '"\n' * 9,
    ]
    for table in tables:
        _, problems = loaded(tmp_path, machines_csv=table)
        assert 0 < len(problems) < 60
