"""Mistakes that a newcomer makes in a copy of the bank hub: one problem each, and its remedy typed in works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
T, B, U = (f"pipelines/bank-hub/{name}.yaml" for name in ("transactions", "banks", "users"))
C = "connections/bank-hub.yaml"


class Slip(NamedTuple):
    """What is typed wrongly, what is said, and what a person types then."""

    file: str
    old: str
    new: str
    code: str
    wrong: str
    """What the person replaces: the problem stands where this begins."""
    typed: str
    """By what the message names."""
    fixes: bool = True
    """``--fix`` can do it alone."""


BATCH, RESET = '"${TRANSACTION_BATCH_SIZE:-100}"', 'reset: "{{ params.full }}"'
FULL = 'cron: "0 ${FULL_SYNC_HOUR:-3} * * *"'
BEARER = '"${AUTOMATION_HUB_API_KEY:-null}"'

SLIPS = {
    "key": Slip(T, "source:\n  sql:", "soruce:\n  sql:", "unknown-key", "soruce", "source"),
    "option": Slip(T, "connection: bank-db", "conection: bank-db", "unknown-key", "conection", "connection"),
    "connection": Slip(T, "connection: bank-db", "connection: bank_db", "unknown-connection", "bank_db", "bank-db"),
    "connector": Slip(T, "  graphql:\n", "  grapql:\n", "unknown-connector", "grapql", "graphql"),
    "kind of connection": Slip(C, "    sql:\n", "    sqlite:\n", "unknown-connector", "sqlite:", "sql:"),
    "choice": Slip(T, "dead_letter\n", "deadletter\n", "bad-value", "deadletter", "dead_letter"),
    "pipeline": Slip(T, "after: bank-banks", "after: bank-bank", "unknown-pipeline", "bank-bank", "bank-banks"),
    "kind of file": Slip(C, "connections:\n", "connection:\n", "unknown-kind", "connection:", "connections:"),
    "tab": Slip(T, "    max: 60s", "\tmax: 60s", "tab-indent", "\t", "    "),
    "indented too far": Slip(T, "    max: 60s", "      max: 60s", "yaml-syntax", "      ", "    ", False),
    "indented too little": Slip(T, "    max: 60s", "   max: 60s", "yaml-syntax", "   ", "    ", False),
    "no colon": Slip(T, "source:\n  sql:", "source\n  sql:", "yaml-syntax", "source", "source:"),
    "no colon before a value": Slip(
        T, "after: bank-banks", "after bank-banks", "yaml-syntax", "after bank-banks", "after: bank-banks"
    ),
    "no space after the colon": Slip(C, "url: sqlite", "url:sqlite", "yaml-syntax", "url:sqlite", "url: sqlite"),
    "no quotes around a template": Slip(
        T, RESET, "reset: {{ params.full }}", "template-needs-quotes", "{{ params.full }}", '"{{ params.full }}"'
    ),
    "no quotes around a variable": Slip(T, BATCH, BATCH[1:-1], "flow-needs-quotes",  BATCH[1:-1], BATCH),
    "no quotes around a star": Slip(U, FULL, "cron: * 3 * * *", "yaml-quoting", "* 3 * * *", '"* 3 * * *"'),
    "no closing quote": Slip(
        T, "Send changed transactions to", '"Send changed transactions to', "yaml-syntax", "hub", 'hub"'
    ),
    "no closing brace": Slip(T, "$default: BRL}", "$default: BRL", "yaml-syntax", "BRL", "BRL}"),
    "no comma": Slip(C, "5, window", "5 window", "yaml-syntax", "5 window", "5, window"),
    "two colons": Slip(
        T, "Send changed transactions to the automation hub", "Send: changed", "yaml-quoting", "Send: changed",
        '"Send: changed"',
    ),
    "no unit": Slip(T, "timeout: 30s", "timeout: 30", "bad-duration", "30", "30s", False),
    "unit in words": Slip(T, "timeout: 30s", "timeout: 30 seconds", "bad-duration", "30 seconds", "30s"),
    "yes": Slip(U, "enabled: ${SYNC_ENABLED:-true}", "enabled: yes", "wrong-type", "yes", "true"),
    "yes for a param": Slip(U, "{full: true}", "{full: yes}", "param-type", "yes", "true"),
    "a number in quotes": Slip(T, BATCH, '"100"', "wrong-type",  '"100"', "100"),
    "leading zeros": Slip(
        T, "{$const: bank-hub}", "{$const: 0012}", "unquoted-number", "0012", '"0012"'
    ),
    "time zone": Slip(U, "America/Sao_Paulo", "Sao Paulo", "unknown-timezone", "Sao Paulo", "America/Sao_Paulo"),
    "cron of seven fields": Slip(
        U, FULL, 'cron: "0 0 3 * * * *"', "cron-field", "0 0 3 * * * *", "0 0 3 * * *", False
    ),
    "cron of four fields": Slip(U, FULL, 'cron: "0 3 * *"', "cron-field", "0 3 * *", "0 3 * * *", False),
    "a map in place of a list": Slip(
        T, 'triggers:\n  - id: chain\n    after: bank-banks\n    params: {full: "{{ trigger.params.full }}"}\n',
        'triggers:\n  id: chain\n  after: bank-banks\n  params: {full: "{{ trigger.params.full }}"}\n', "wrong-type",
        "  id: chain\n  after: bank-banks\n  params", "  - id: chain\n    after: bank-banks\n    params", False,
    ),
    "a list in place of a map": Slip(
        T, "source:\n  sql:\n", "source:\n  - sql:\n", "yaml-syntax", "- sql:", "sql:", False
    ),
    "a text in place of a list": Slip(
        T, "mapping:\n", "filters: amount != `0`\n\nmapping:\n", "wrong-type", "amount != `0`", '["amount != `0`"]'
    ),
    "two connectors": Slip(
        T, "  batch: {size", "  console: {}\n  batch: {size", "too-many", "  console: {}\n", "", False
    ),
    "the same key twice": Slip(
        T, "mapping:\n", "mapping:\n  type: type\n", "duplicate-key", "  type: {$value: type, $default: DEBIT}\n", "",
        False,
    ),
    "a word that is a field": Slip(
        T, "{$value: type, $default: DEBIT}", "DEBIT", "unknown-field", "DEBIT", "{$const: DEBIT}"
    ),
    "a text with a hyphen": Slip(
        T, "{$const: bank-hub}", "bank-hub", "expression", "bank-hub", "{$const: bank-hub}", False
    ),
    "another product's template": Slip(
        T, '{$value: description, $default: ""}', "${{ description }}", "dollar-template", "${{ description }}",
        '"{{ record.description }}"',
    ),
    "a number without backticks": Slip(
        T, "mapping:\n", "filters:\n  - amount > 0\n\nmapping:\n", "expression", "amount > 0", "amount > `0`"
    ),
    "a single =": Slip(
        T, "mapping:\n", "filters:\n  - type = 'DEBIT'\n\nmapping:\n", "expression", "type =", "type =="
    ),
    "double quotes for a text": Slip(
        T, "mapping:\n", 'filters:\n  - type == "DEBIT"\n\nmapping:\n', "quoted-field",  '"DEBIT"', "'DEBIT'"
    ),
    "and": Slip(
        T, "mapping:\n", "filters:\n  - amount > `0` and type == 'A'\n\nmapping:\n", "expression", "and", "&&"
    ),
    "filter of a template": Slip(
        T, '{$value: description, $default: ""}', '"{{ record.description | tirm }}"', "unknown-filter", "tirm", "trim"
    ),
    "type of a field": Slip(T, "$type: decimal,", "$type: decimals,", "unknown-type", "decimals", "decimal"),
    "a name with spaces": Slip(
        T, "pipeline: bank-transactions", "pipeline: Bank Transactions", "bad-name", "Bank Transactions",
        "bank-transactions",
    ),
    "secret": Slip(C, BEARER, '"${secret:hub-tokn}"', "missing-secret", "hub-tokn", "hub-token", False),
    "a secret as elsewhere": Slip(
        C, BEARER, '"${{ secrets.HUB_TOKEN }}"', "dollar-template", "${{ secrets.HUB_TOKEN }}",
        "${secret:hub-token}",
    ),
    "an address without its scheme": Slip(
        C, "${AUTOMATION_HUB_URL:-http://localhost:4000}", "localhost:4000", "bad-url", "localhost:4000",
        "http://localhost:4000", False,
    ),
}  # fmt: skip
"""More than twenty: each of them was made, and looked at."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "pipelines/bank-hub", tmp_path / "pipelines/bank-hub")
    (tmp_path / "connections").mkdir()
    shutil.copy(ROOT / C, tmp_path / C)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/hub-token").write_text("not-so-secret")
    return tmp_path


def validate(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "validate", "--project", str(project), *arguments]
    environ = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=project, env=environ)


def slipped(project: Path, slip: Slip) -> tuple[str, int]:
    """Make the mistake; returns the text, and where in it the person has to mend something."""
    path = project / slip.file
    text = path.read_text()
    made = text.index(slip.old)
    text = text.replace(slip.old, slip.new, 1)
    path.write_text(text)
    return text, text.index(slip.wrong, made)


def test_the_originals_are_clean(project: Path) -> None:
    """Else nothing below means anything."""
    done = validate(project, "--strict")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_gives_one_problem_whose_remedy_works(project: Path, name: str) -> None:
    """Right code, right line, nothing else; and what the message says to type makes the project clean."""
    slip = SLIPS[name]
    text, at = slipped(project, slip)
    done = validate(project, "--format", "json")
    problems = json.loads(done.stdout)["problems"]
    places = [(one["file"], one["line"], one["code"]) for one in problems]
    assert places == [(slip.file, text.count("\n", 0, at) + 1, slip.code)], problems
    (project / slip.file).write_text(f"{text[:at]}{slip.typed}{text[at + len(slip.wrong) :]}")
    again = validate(project, "--strict")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("name", [name for name, slip in SLIPS.items() if slip.fixes])
def test_the_sure_ones_are_fixed_by_the_program(project: Path, name: str) -> None:
    """``--fix`` types the remedy in; the rest of the file stays byte for byte."""
    slip = SLIPS[name]
    text, at = slipped(project, slip)
    before = (project / slip.file).read_bytes().splitlines()
    done = validate(project, "--fix", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    after = (project / slip.file).read_bytes().splitlines()
    assert len(before) == len(after)
    differing = [number for number, (old, new) in enumerate(zip(before, after, strict=True), 1) if old != new]
    assert differing == [text.count("\n", 0, at) + 1]


@pytest.mark.parametrize("name", [name for name, slip in SLIPS.items() if not slip.fixes])
def test_what_only_a_person_knows_is_left_alone(project: Path, name: str) -> None:
    """Not a byte is changed where the remedy is a choice."""
    slip = SLIPS[name]
    slipped(project, slip)
    before = (project / slip.file).read_bytes()
    assert validate(project, "--fix").returncode == 2
    assert (project / slip.file).read_bytes() == before
