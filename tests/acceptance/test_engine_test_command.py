"""``engine test`` on this repository, on copies that are broken on purpose, and on what a real run recorded."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bank_hub import ENGINE, ROOT, BankHub
from tests.acceptance.web_peer import Reply, serving
from tests.peers.fixtures import BankDatabase
from tests.peers.hub_client import Hub

USERS = "pipelines/bank-hub/users.test.yaml"


def engine(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it where no variable and no secret of this machine is known."""
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    return subprocess.run(
        [*ENGINE, "--project", str(folder), *arguments], cwd=ROOT, env=bare, capture_output=True, text=True, timeout=100
    )


def verdicts_of(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    ended = engine(folder, "test", "--format", "json", *arguments)
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project, without its secrets."""
    for name in ("pipelines", "connections"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "engine.yaml", tmp_path)
    return tmp_path


def changed(path: Path, old: str, new: str) -> int:
    """Replace the first *old*; return its line."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_tests_of_this_repository_pass_without_secrets(copy: Path) -> None:
    code, found = verdicts_of(copy)
    assert code == 0, [one for one in found["tests"] if not one["passed"]]
    pipelines = {one["pipeline"] for one in found["tests"]}
    assert found["passed"] >= 100
    assert {"bank-users", "bank-banks", "bank-transactions"} <= pipelines
    flows = ("sales", "sales-follow-up", "purchase", "transfer", "returns", "inventory", "etl", "rfm", "snapshot")
    assert {f"{flow}[banban]" for flow in flows} <= pipelines


@pytest.mark.parametrize(
    ("file", "old", "new", "test", "field"),
    [
        ("bank-hub/transactions.yaml", "$default: OUTROS", "$default: OUTRO", "what is missing or null", "category"),
        (
            "bank-hub/users.yaml",
            "password_hash: {$value: password",
            "password_hash: {$value: email",
            "a user is",
            "pass",
        ),
        ("bank-hub/banks.yaml", "is_active: true", "is_active: false", "a bank is mapped", "is_active"),
        ("banban/sales.yaml", "0 - item.quantity", "item.quantity", "a sale becomes rows", "moved"),
        ("banban/etl-transform.yaml", "| title", "| upper", "names, departments", "name"),
    ],
)
def test_a_broken_mapping_fails_the_test_that_knows_it(
    copy: Path, file: str, old: str, new: str, test: str, field: str
) -> None:
    line = changed(copy / "pipelines" / file, old, new)
    code, found = verdicts_of(copy, f"pipelines/{file.partition('/')[0]}")
    failed = [one for one in found["tests"] if not one["passed"] and one["test"].startswith(test)]
    assert code == 1
    assert failed
    misses = [miss for one in failed for miss in one["misses"] if field in miss["at"]]
    assert any(f"{file.partition('/')[2]}:{line}" in miss.get("made", "") for miss in misses), failed


@pytest.mark.parametrize(
    ("file", "old", "new", "test"),
    [
        ("bank-hub/users.yaml", "order by updated_at, id", "order by updated_at, id limit 1", "the query goes on"),
        ("banban/returns.yaml", "amount_cents >= :amount_cents", "amount_cents >= 0", "a refund is at most"),
        ("banban/sales.yaml", "affects: 1", "affects: '>= 0'", "a sale that is registered already"),
        ("banban/purchase.yaml", "code: product-twice", "code: twice", "a product on two lines"),
        ("banban/etl.yaml", 'cron: "30 2', 'cron: "30 3', "every night at half past two"),
        ("banban/inventory.yaml", 'action: "{{ records[0].action }}"', "action: done", "an adjustment is answered"),
    ],
)
def test_a_broken_rule_fails_the_test_that_knows_it(copy: Path, file: str, old: str, new: str, test: str) -> None:
    changed(copy / "pipelines" / file, old, new)
    code, found = verdicts_of(copy, f"pipelines/{file.partition('/')[0]}")
    failed = [one["test"] for one in found["tests"] if not one["passed"]]
    expected = any(name.startswith(test) for name in failed)
    if test == "the query goes on":  # the statement still has the words that the test asks for
        assert (code, failed) == (0, [])
    else:
        assert (code, expected) == (1, True), failed


def test_a_file_with_a_mistake_is_told_and_nothing_runs(copy: Path) -> None:
    changed(copy / USERS, "expect:", "expct:")
    ended = engine(copy, "test")
    assert ended.returncode == 2
    assert "error[unknown-key] tests[0]: 'expct' is not an option; did you mean 'expect'?" in ended.stderr
    assert not ended.stdout


def test_a_mistake_elsewhere_does_not_hinder(copy: Path) -> None:
    changed(copy / USERS, "expect:", "expct:")
    assert verdicts_of(copy, "bank-banks")[0] == 0


def test_what_is_meant(copy: Path) -> None:
    assert (
        verdicts_of(copy, "bank-banks")[1]["passed"]
        == verdicts_of(copy, "pipelines/bank-hub/banks.test.yaml")[1]["passed"]
    )
    assert {one["pipeline"] for one in verdicts_of(copy, "rfm")[1]["tests"]} == {"rfm[banban]"}
    assert [one["test"] for one in verdicts_of(copy, "-k", "NOTHING QUICK")[1]["tests"]] == [
        "nothing quick at the weekend"
    ]
    nobody = engine(copy, "test", "-k", "there is no such test")
    assert (nobody.returncode, "there is no such test" in nobody.stderr) == (2, True)


def test_fail_fast_stops_at_the_first(copy: Path) -> None:
    changed(copy / "pipelines/bank-hub/users.yaml", "{$const: bank-hub}", "{$const: bank}")
    whole, first = verdicts_of(copy, "bank-users")[1], verdicts_of(copy, "bank-users", "--fail-fast")[1]
    assert whole["failed"] > 1
    assert (first["failed"], len(first["tests"])) == (1, 1)


def test_junit_is_what_ci_reads(copy: Path) -> None:
    changed(copy / "pipelines/bank-hub/banks.yaml", "is_active: true", "is_active: false")
    ended = engine(copy, "test", "bank-banks", "--format", "junit")
    root = ElementTree.fromstring(ended.stdout)  # what we wrote ourselves
    cases = root.findall("./testsuite/testcase")
    assert (root.get("tests"), root.get("failures"), len(cases)) == ("9", "1", 9)
    failure = root.find("./testsuite/testcase/failure")
    assert failure is not None
    assert "expected true, got false" in str(failure.get("message"))


def test_junit_holds_what_xml_cannot(tmp_path: Path) -> None:
    """A terminal does not obey the name of a test either."""
    name = '"<b>&\\uffff \\e[31m ]]>\\x01\\nb"'
    body = '    pipeline: hello\n    records: [{id: "\\ufffe <&"}]\n    expect: {sent: [{id: x}]}\n'
    write(tmp_path, f"tests:\n  - test: {name}\n{body}")
    case = ElementTree.fromstring(engine(tmp_path, "test", "--format", "junit").stdout).find(".//testcase")
    assert case is not None
    assert str(case.get("name")).startswith("<b>&\ufffd")
    plain = engine(tmp_path, "test").stdout
    assert "\x1b" not in plain
    assert len([line for line in plain.splitlines() if "<b>" in line and "hello.test.yaml:2" in line]) == 1


def test_what_can_never_be_sent_is_a_problem_that_update_mends(tmp_path: Path) -> None:
    write(
        tmp_path,
        "tests:\n  - test: a\n    pipeline: hello\n    records: [{id: 1}]\n    expect: {sent: [{id: 1, lable: b}]}\n",
    )
    ended = engine(tmp_path, "test")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no field 'lable' in what mapping makes; did you mean 'label'?" in ended.stderr
    assert "no test ran, because a test expects what this pipeline can never send" in ended.stderr
    assert "engine test --update" in ended.stderr
    assert engine(tmp_path, "test", "--update").returncode == 0
    assert "expect: {sent: [{id: 1}]}" in (tmp_path / "pipelines/hello.test.yaml").read_text("utf-8")
    assert engine(tmp_path, "test").returncode == 0


def write(folder: Path, tests: str) -> None:
    """Write a small project with these tests."""
    (folder / "engine.yaml").write_text("engine: 1\n")
    (folder / "pipelines").mkdir()
    (folder / "pipelines/hello.yaml").write_text(
        "pipeline: hello\nsource: {file: {path: a.jsonl}}\n"
        "mapping: {id: id, label: {$const: L}}\ntarget: {console: {}}\n"
    )
    (folder / "pipelines/hello.test.yaml").write_text(tests, "utf-8")


def test_no_tests_say_how_to_write_one(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text("engine: 1\n")
    ended = engine(tmp_path, "test")
    assert ended.returncode == 2
    assert "engine new test NAME" in ended.stderr


# engine run --record


@pytest.fixture
def project(tmp_path: Path, hub: Hub, bank_db: BankDatabase) -> BankHub:
    database = bank_db(users=12, banks=15, transactions=40)
    return BankHub(tmp_path / "project", database, hub.url, {"AUTOMATION_HUB_API_KEY": "canary-of-the-hub"})


@pytest.mark.parametrize("name", ["bank-users", "bank-transactions"])
def test_a_recorded_run_is_a_test_that_passes(project: BankHub, hub: Hub, name: str) -> None:
    if name == "bank-transactions":
        project.run("bank-users")
        project.run("bank-banks")
    file = f"pipelines/bank-hub/{name}-recorded.test.yaml"
    said = project.engine("run", name, "--record", file, "--limit", "10")
    assert f"{file}   10 records" in said
    text = (project.folder / file).read_text("utf-8")
    code, found = verdicts_of(project.folder, file)
    assert (code, found["passed"]) == (0, 1), found
    assert text.count("external_id") >= 10
    assert "canary-of-the-hub" not in text


def test_what_is_sensitive_is_not_written_down(project: BankHub) -> None:
    """The password of a user is marked; the control reads it from the database."""
    import sqlite3
    from contextlib import closing

    file = "pipelines/bank-hub/recorded.test.yaml"
    project.engine("run", "bank-users", "--record", file)
    with closing(sqlite3.connect(project.database)) as database:
        rows = database.execute("select name, password from users").fetchall()
    text = (project.folder / file).read_text("utf-8")
    assert all(name in text for name, _ in rows)
    assert not any(password in text for _, password in rows if password)
    assert verdicts_of(project.folder, file)[0] == 0


def test_a_refusal_is_recorded_with_its_reason(project: BankHub) -> None:
    """No user is there yet, so the hub refuses every bank."""
    file = "pipelines/bank-hub/recorded.test.yaml"
    project.engine("run", "bank-banks", "--record", file, "--limit", "3", code=None)
    assert "rejected:" in (project.folder / file).read_text("utf-8")
    code, found = verdicts_of(project.folder, file)
    assert (code, found["passed"]) == (0, 1), found


def test_a_file_is_never_overwritten_by_itself(project: BankHub) -> None:
    file = project.folder / "pipelines" / "mine.test.yaml"
    file.write_text("mine\n")
    ended = project.ended("run", "bank-users", "--record", "pipelines/mine.test.yaml")
    assert (ended.code, file.read_text()) == (2, "mine\n")
    assert "--force to overwrite it" in ended.err
    project.engine("run", "bank-users", "--record", "pipelines/mine.test.yaml", "--force")
    assert "tests:" in file.read_text()


def test_no_secret_is_recorded_whatever_the_peer_repeats(tmp_path: Path) -> None:
    """As a value, a key, a number, in base64; the control finds each in what the peer says."""
    secrets = {"TOKEN": "kQ7+env/Zu4=Xo2pWn8", "PIN": "77315042"}
    spoken = {
        secrets["TOKEN"]: 1, "pin": int(secrets["PIN"]), "me": secrets["TOKEN"],
        "basic": base64.b64encode(f"me:{secrets['TOKEN']}".encode()).decode(),
    }  # fmt: skip
    write(tmp_path, "tests: []\n")
    (tmp_path / "pipelines/hello.test.yaml").unlink()
    (tmp_path / "pipelines/hello.yaml").write_text(
        "pipeline: hello\nsource: {http: {connection: api, path: /items, records: items}}\n"
        'steps: [{call: {http: {connection: api, method: POST, path: "/c", json: {}}, into: told, key: id}}]\n'
        'target: {http: {connection: api, path: /in, json: "{{ record }}"}, key: id}\n'
    )
    (tmp_path / "connections").mkdir()
    with serving() as peer:
        peer.replies = [Reply(body=json.dumps(one)) for one in ({"items": [{"id": 1, "said": spoken}]}, spoken, spoken)]
        (tmp_path / "connections/api.yaml").write_text(
            f"connections: {{api: {{http: {{base_url: '{peer.url}', auth: {{bearer: '${{secret:token}}'}},"
            " headers: {X-Pin: '${secret:pin}'}}}}\n"
        )
        known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        known |= {f"ENGINE_SECRET_{name}": value for name, value in secrets.items()}
        ended = subprocess.run(
            [*ENGINE, "--project", str(tmp_path), "run", "hello", "--record", "pipelines/r.test.yaml"],
            cwd=ROOT, env=known, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    text = (tmp_path / "pipelines/r.test.yaml").read_text("utf-8")
    forms = [secrets["TOKEN"], secrets["PIN"], str(spoken["basic"])[8:-4]]
    assert all(form in json.dumps(spoken) for form in forms)
    assert not [form for form in forms if form in text]
    assert verdicts_of(tmp_path)[0] == 0
