"""Promises become plans with a limit; what cannot be kept, or looked at, is a problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.compiler.check import check
from engine.compiler.promises import compile_promises
from engine.definition.loader import load
from engine.definition.model import Project
from engine.pipeline import PromisePlan

SOURCE = "source: {inline: {rows: [{id: 1}]}}\n"
WEBHOOK = "triggers: [{webhook: {path: /p, auth: none}}]\n"


def project(folder: Path, promises: str, more: str = SOURCE) -> Project:
    (folder / "pipelines").mkdir()
    text = f"pipeline: p\npromises: {promises}\n{more}target: {{console: {{}}}}\n"
    (folder / "pipelines" / "p.yaml").write_text(text)
    loaded, problems = load(folder, environ={})
    assert problems == []
    return loaded


def test_limits_are_read_and_names_are_one_each(tmp_path: Path) -> None:
    found = project(tmp_path, '[{fresh: 3h}, {rejected: "< 1%"}, {duration: "<10m"}, {fresh: 1d}]')
    assert compile_promises(found.pipelines["p"]) == (
        PromisePlan("fresh", "fresh", 10800.0, "3h"),
        PromisePlan("rejected", "rejected", 0.01, "< 1%"),
        PromisePlan("duration", "duration", 600.0, "<10m"),
        PromisePlan("fresh-2", "fresh", 86400.0, "1d"),
    )
    assert check(found) == []


@pytest.mark.parametrize(
    ("promise", "more", "path", "fact"),
    [
        ('{rejected: "< 0%"}', SOURCE, "promises[0].rejected", "'< 0%' can never be kept"),
        ("{fresh: 0s}", SOURCE, "promises[0].fresh", "'0s' can never be kept"),
        (
            '{duration: "< 10m"}', WEBHOOK, "promises[0].duration",
            "what callers send is worked as it comes, in a run without an end",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_said(tmp_path: Path, promise: str, more: str, path: str, fact: str) -> None:
    (problem,) = check(project(tmp_path, f"[{promise}]", more))
    assert (problem.code, problem.path, problem.message) == ("bad-value", path, fact)
    assert (problem.file, problem.line) == ("pipelines/p.yaml", 2)


def test_a_length_is_promised_where_calls_start_runs(tmp_path: Path) -> None:
    assert check(project(tmp_path, '[{duration: "< 10m"}]', WEBHOOK + SOURCE)) == []
