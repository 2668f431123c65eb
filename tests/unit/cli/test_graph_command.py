"""``engine graph``: what is drawn, in which language, and what is said where it cannot be."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.picture import Picture, dot
from tests.unit.cli.conftest import Run

ORDERS = """\
pipeline: orders
triggers:
  - {cron: "0 3 * * *"}
  - {after: stock, on: failure}
source: {sql: {connection: shop, query: "select * from orders"}}
steps:
  - filter: total > `0`
  - lookup: {from: {http: {connection: crm, path: /c}}, into: customer}
  - switch:
      - when: kind == 'a'
        steps: [{set: {k: {$const: 1}}}, {call: {http: {connection: crm, path: /x}}}]
      - else: [{remove: [k]}]
targets:
  - id: erp
    when: total > `5`
    sql: {connection: shop, insert: {table: big}}
    batch: {size: 50}
  - {id: log, console: {}, on_rejected: drop}
"""
STOCK = "pipeline: stock\ntriggers:\n  - webhook: {path: /stock, auth: none}\ntarget: {console: {}}\n"
CONNECTIONS = 'connections:\n  shop: {sql: {url: "sqlite:///a.db"}}\n  crm: {http: {base_url: "http://localhost:1"}}\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    for name, text in (("orders", ORDERS), ("stock", STOCK), ("all", CONNECTIONS)):
        (tmp_path / "pipelines" / f"{name}.yaml").write_text(text)
    return tmp_path


def arrows(text: str) -> set[tuple[str, str]]:
    """Return the arrows by the first lines of their boxes."""
    boxes, found = {}, set()
    for line in text.splitlines()[1:]:
        name, *rest = line.split()
        if "-->" not in line and "-.->" not in line:
            boxes[name.split("[")[0].split("(")[0].split("{")[0].split(">")[0]] = line.split('"')[1].split("<br/>")[0]
        else:
            found.add((boxes[name], boxes[rest[-1]]))
    return found


def test_a_pipeline_is_drawn_from_triggers_to_dead_letters(project: Path, run: Run) -> None:
    seen = run("graph", "orders")
    assert seen.code == 0, seen.err
    found = arrows(seen.out)
    assert {
        ("cron 0 3 #42; #42; #42;", "shop"),
        ("stock", "shop"),
        ("shop", "only if"),
        ("only if", "look up"),
        ("look up", "crm"),
        ("look up", "the first that holds"),
        ("the first that holds", "set"),
        ("set", "call"),
        ("call", "crm"),
        ("the first that holds", "remove"),
        ("call", "erp"),
        ("remove", "erp"),
        ("call", "log"),
        ("remove", "log"),
        ("erp", "dead letters"),
        ("log", "dropped"),
    } == found
    assert '|"when it failed"|' in seen.out
    assert "kind == 'a'" in seen.out


def test_the_project_is_drawn_with_systems_chains_and_webhooks(project: Path, run: Run) -> None:
    found = arrows(run("graph").out)
    assert {("webhook /stock", "stock"), ("stock", "orders"), ("shop", "orders"), ("orders", "shop")} <= found
    assert ("orders", "crm") in found


def test_what_follows_a_pipeline_is_drawn(project: Path, run: Run) -> None:
    assert ("console", "orders") in arrows(run("graph", "stock").out)


def test_a_name_that_is_none_names_the_nearest(project: Path, run: Run) -> None:
    seen = run("graph", "ordres")
    assert seen.code == 2
    assert "did you mean 'orders'" in seen.err


def test_svg_without_graphviz_says_what_to_do(project: Path, run: Run) -> None:
    seen = run("graph", "orders", "--format", "svg", PATH=str(project))
    assert seen.code == 3
    assert "graphviz" in seen.err
    assert seen.out == ""


def test_svg_is_what_graphviz_draws(project: Path, run: Run) -> None:
    """The program gets the text for Graphviz and nothing from the command line of ours."""
    program = project / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint('<svg>', sys.argv[1:], len(sys.stdin.read()) > 200)\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert run("graph", "orders", "--format", "svg", PATH=str(project)).out == "<svg> ['-Tsvg'] True\n"


def test_a_graphviz_that_fails_is_told(project: Path, run: Run) -> None:
    program = project / "dot"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho no fonts >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    seen = run("graph", "--format", "svg", PATH=f"{project}:/usr/bin:/bin")
    assert (seen.code, seen.out) == (3, "")
    assert "no fonts" in seen.err


def test_dot_quotes_what_people_wrote() -> None:
    picture = Picture()
    box = picture.box("step", 'a "b" \\ c', "]; x -> y")
    picture.arrow(box, box, '"')
    text = "\n".join(dot(picture))
    assert r'label="a \"b\" \\ c\n]; x -> y"' in text
    assert r'label="\""' in text


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not on this machine")
def test_graphviz_takes_it(project: Path, run: Run) -> None:
    text = run("graph", "--format", "dot").out
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, timeout=60)
    assert "<svg" in done.stdout, done.stderr
