"""A project in a folder of its own, and what its tests come to."""

from __future__ import annotations

from pathlib import Path

from engine.compiler.check import check
from engine.definition.loader import load
from engine.definition.lookup import MadeUp
from engine.definition.model import Project
from engine.errors import Problem
from engine.testing.suite import Choice, Suite, Verdict, chosen

CRM = """\
connections:
  crm:
    http: {base_url: "${CRM_URL}", auth: {bearer: "${secret:crm-token}"}}
  db:
    sql: {url: "${DB_URL}"}
"""

PIPELINE = """\
pipeline: orders
timezone: America/Sao_Paulo
params: {full: {type: boolean, default: false}}
triggers:
  - {id: nightly, cron: "0 3 * * *", params: {full: true}}
source:
  http: {connection: crm, path: /orders, query: {after: "{{ cursor.id }}", full: "{{ params.full }}"}, records: items}
  cursor: {fields: [id], initial: {id: 0}}
filters:
  - "total > `0`"
mapping:
  external_id: {$value: id, $type: string}
  label: "{{ record.name | trim | title }}"
  at: "{{ now() }}"
target:
  http: {connection: crm, path: /in, json: "{{ record }}"}
  key: external_id
"""


def written(root: Path, files: dict[str, str]) -> Path:
    """Write a project."""
    for name, text in {"engine.yaml": "engine: 1\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def project_of(root: Path) -> tuple[Project, list[Problem]]:
    """Load it as ``engine test`` does."""
    project, problems = load(root.resolve(), environ=MadeUp(), skip_env=True)
    return project, [one for one in sorted({*problems, *check(project)}) if one.severity == "error"]


def verdicts(root: Path, tests: str, *, pipeline: str = PIPELINE, connections: str = CRM) -> list[Verdict]:
    """Run the tests of one file."""
    files = {
        "pipelines/orders.yaml": pipeline,
        "pipelines/orders.test.yaml": tests,
        "connections/all.yaml": connections,
    }
    project, problems = project_of(written(root, files))
    assert not problems, "\n".join(map(str, problems))
    return Suite(project).run(chosen(project, Choice()))


def only(root: Path, body: str, *, pipeline: str = PIPELINE, connections: str = CRM) -> Verdict:
    """Run one test, its body given without its name."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    (verdict,) = verdicts(
        root, f"tests:\n  - test: one\n    pipeline: orders\n{lines}\n", pipeline=pipeline, connections=connections
    )
    return verdict


def said(verdict: Verdict) -> str:
    """Put what is wrong into one text."""
    return "\n".join(f"{one.label} {one.says} {one.difference} {one.made}" for one in verdict.misses)
