"""Instances of ``for_each`` on the command line: one line for all of a template, and each by its own name."""

from __future__ import annotations

import json

import pytest

MACHINES = "machine,line\np-07,A\np-08,B\n"
PRESS = """\
pipeline: press
for_each: {file: machines.csv, key: machine}
description: State of a press
triggers: [{every: 1h}]
source: {inline: {rows: [{state: "${each.line}"}]}}
mapping: {state: state, machine: {$const: "${each.machine}"}}
target: {console: {}}
"""
HUB = "connections: {hub: {for_each: {file: machines.csv, key: machine}, http: {base_url: 'http://${each.machine}'}}}\n"
ALONE = "pipeline: alone\nsource: {http: {connection: 'hub[p-08]', path: /}}\ntarget: {console: {}}\n"


@pytest.fixture
def presses(tmp_path):
    for name, text in {
        "machines.csv": MACHINES,
        "pipelines/press.yaml": PRESS,
        "pipelines/alone.yaml": ALONE,
        "connections/hub.yaml": HUB,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def rows(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_instances_stand_on_one_line(presses, run) -> None:
    """Ten thousand lines help nobody."""
    seen = rows(run("list").out)
    assert [row[0] for row in seen] == ["pipeline", "alone", "press[…]", "connection", "hub[…]"]
    assert "2 instances of machines.csv" in run("list").out
    assert "1 pipeline" in run("list").out


def test_each_has_its_own_line_when_asked(presses, run) -> None:
    """For people with --all, for programs always."""
    assert {"press[p-07]", "press[p-08]", "hub[p-07]"} <= {row[0] for row in rows(run("list", "--all").out)}
    told = [json.loads(line) for line in run("list", "--json").out.splitlines()]
    assert {one.get("pipeline") for one in told} == {"press[p-07]", "press[p-08]", "alone", None}


def test_show_names_the_instances_and_the_row(presses, run) -> None:
    """The template's name is enough to find them."""
    assert rows(run("show", "press").out)[1:] == [["press[p-07]", "machines.csv:2"], ["press[p-08]", "machines.csv:3"]]
    assert ["row", "machines.csv:3"] in rows(run("show", "press[p-08]").out)
    assert rows(run("show", "hub").out)[1] == ["hub[p-07]", "machines.csv:2"]


def test_an_instance_runs_and_keeps_its_own_history(presses, run) -> None:
    """Its name is that of its runs."""
    done = run("run", "press[p-08]")
    assert (done.code, json.loads(done.out)) == (0, {"state": "B", "machine": "p-08"})
    runs = [json.loads(line)["pipeline"] for line in run("runs", "--json").out.splitlines()]
    assert runs == ["press[p-08]"]
    assert "last run" in run("show", "press[p-08]").out
    assert "last run" not in run("show", "press[p-07]").out


def test_a_name_without_its_row_is_no_pipeline(presses, run) -> None:
    """The nearest one is named."""
    seen = run("run", "press")
    assert seen.code == 2
    assert "press[p-0" in seen.err


def test_validate_tells_the_rows_of_the_file_that_names_them(presses, run) -> None:
    """Asked for one definition, its rows are part of it."""
    (presses / "machines.csv").write_text(MACHINES + "p 09,C\n")
    asked = run("validate", "pipelines/press.yaml")
    assert asked.code == 2
    assert "machines.csv:4:1: error[row-key]" in asked.err
    assert run("validate", "pipelines/alone.yaml").code == 0
