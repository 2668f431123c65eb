"""``engine validate --fix``: what is sure is typed in, the rest of the file stays as it is, and no file gets worse."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cli.fixing import Fixer, difference
from engine.cli.main import main
from engine.cli.session import Session
from engine.definition.fixes import applied, edits, mended
from engine.errors import Problem
from engine.whole import write

ROOT = Path(__file__).parents[3]

ORDERS = """\
# orders of the day, ação
pipeline: orders   # the name

params: {full: {type: boolean, default: no}}

triggers:
  - {cron: "0 3 * * *", params: {ful: true}}

source:
  http:
    conection: hub     # misspelt
    path: "/orders/{{ params.full }}"

filters:
  - amount > 0
  - "status = 'PAID'"

mapping:
  $copy: [id]
  branch: {$const: 0012}
  kind: DEBIT
  amount: amount
  label: "{{ recrod.name | tirm }}"


target:
  console:
    text: {{ record.id }}
  on_rejected: deadletter

resilience:
  timeot: 30 seconds
  retry: {atempts: "3", backoff: exponental}
"""

FIXED = """\
# orders of the day, ação
pipeline: orders   # the name

params: {full: {type: boolean, default: false}}

triggers:
  - {cron: "0 3 * * *", params: {full: true}}

source:
  http:
    connection: hub     # misspelt
    path: "/orders/{{ params.full }}"

filters:
  - "amount > `0`"
  - "status == 'PAID'"

mapping:
  $copy: [id]
  branch: {$const: "0012"}
  kind: {$const: DEBIT}
  amount: amount
  label: "{{ record.name | trim }}"


target:
  console:
    text: "{{ record.id }}"
  on_rejected: dead_letter

resilience:
  timeout: 30s
  retry: {attempts: 3, backoff: exponential}
"""
HUB = "connections:\n  hub: {http: {base_url: http://localhost:1}}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for folder in ("pipelines", "connections"):
        (tmp_path / folder).mkdir()
    (tmp_path / "connections/hub.yaml").write_text(HUB)
    (tmp_path / "pipelines/orders.yaml").write_text(ORDERS)
    return tmp_path


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["validate", "--project", str(project), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def problems(root: Path, instead: dict[Path, bytes] | None = None) -> Sequence[Problem]:
    session = Session()
    session.root = root
    return session.load(instead=instead)[1]


def test_one_call_mends_all_that_is_sure(project: Path, run) -> None:
    """Sixteen mistakes of every kind, some hidden by others; comments and layout stay."""
    assert run("--strict")[0] == 2
    code, out, err = run("--fix", "--strict")
    assert (project / "pipelines/orders.yaml").read_text() == FIXED
    assert code == 0, err
    assert "changed 1 file" in err
    assert "-    conection: hub     # misspelt\n+    connection: hub     # misspelt" in out


def test_a_second_call_finds_nothing(project: Path, run) -> None:
    run("--fix")
    before = (project / "pipelines/orders.yaml").stat().st_mtime_ns
    code, out, err = run("--fix")
    assert (code, out) == (0, "")
    assert "nothing to fix by itself" in err
    assert (project / "pipelines/orders.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize("option", ["--dry-run", "--diff"])
def test_a_dry_run_shows_and_writes_nothing(project: Path, run, option: str) -> None:
    code, out, err = run("--fix", option)
    assert code == 2
    assert (project / "pipelines/orders.yaml").read_text() == ORDERS
    assert "+  on_rejected: dead_letter" in out
    assert "would change 1 file" in err


def test_a_dry_run_alone_is_a_mistake(run) -> None:
    code, _, err = run("--dry-run")
    assert code == 2
    assert "--dry-run goes with --fix" in err


def test_beside_a_format_for_programs_the_difference_goes_to_stderr(run) -> None:
    code, out, err = run("--fix", "--format", "json")
    assert code == 0
    assert json.loads(out)["problems"] == []
    assert "+  on_rejected: dead_letter" in err


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_line_ends_and_the_byte_order_mark_stay(project: Path, run, end: str, mark: str) -> None:
    path = project / "pipelines/orders.yaml"
    path.write_bytes((mark + ORDERS).replace("\n", end).encode())
    assert run("--fix", "--strict")[0] == 0
    assert path.read_bytes() == (mark + FIXED).replace("\n", end).encode()


def test_rights_and_links_stay(project: Path, run) -> None:
    path = project / "pipelines/orders.yaml"
    kept = project / "kept.yaml"
    shutil.move(path, kept)
    kept.chmod(0o640)
    path.symlink_to(kept)
    run("--fix")
    assert path.is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o640
    assert kept.read_text() == FIXED


def test_a_file_outside_the_project_is_refused(project: Path, run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also where a link leads there."""
    outside = tmp_path_factory.mktemp("outside") / "orders.yaml"
    outside.write_text(ORDERS)
    (project / "pipelines/orders.yaml").unlink()
    (project / "pipelines/orders.yaml").symlink_to(outside)
    assert run("--fix")[0] == 2
    assert outside.read_text() == ORDERS
    (project / "pipelines/orders.yaml").unlink()
    assert run("--fix", str(outside))[0] == 2
    assert outside.read_text() == ORDERS


def test_only_the_files_that_were_asked_for(project: Path, run) -> None:
    (project / "pipelines/other.yaml").write_text(ORDERS.replace("orders", "others"))
    run("--fix", "pipelines/other.yaml")
    assert (project / "pipelines/orders.yaml").read_text() == ORDERS
    assert (project / "pipelines/other.yaml").read_text() == FIXED.replace("orders", "others")


def test_what_stands_for_a_value_is_not_overwritten(project: Path, run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is wrong there, not the file."""
    monkeypatch.setenv("MODE", "deadletter")
    text = FIXED.replace("dead_letter", "${MODE}")
    (project / "pipelines/orders.yaml").write_text(text)
    assert run("--fix")[0] == 2
    assert (project / "pipelines/orders.yaml").read_text() == text


def test_rows_are_data_and_not_mended(project: Path, run) -> None:
    (project / "rows.csv").write_text("pump,mode\nA,deadletter\n")
    text = FIXED.replace("dead_letter", "${each.mode}").replace(
        "pipeline: orders", "pipeline: orders\nfor_each: {file: rows.csv, key: pump}"
    )
    (project / "pipelines/orders.yaml").write_text(text)
    code, _, err = run("--fix")
    assert code == 2
    assert "rows.csv:2:1" in err
    assert (project / "rows.csv").read_text() == "pump,mode\nA,deadletter\n"


def test_a_name_with_another_number_is_not_a_slip(project: Path, run) -> None:
    """The next pump is not the one that was meant, although its name is near."""
    (project / "connections/hub.yaml").write_text(HUB.replace("hub:", "pump-7:"))
    text = FIXED.replace("connection: hub ", "connection: pump-8 ")
    (project / "pipelines/orders.yaml").write_text(text)
    code, _, err = run("--fix")
    assert code == 2
    assert "did you mean 'pump-7'?" in err
    assert (project / "pipelines/orders.yaml").read_text() == text


# a remedy that does not help


class Scripted:
    """Problems by the text of a file: what a mistaken remedy would lead to."""

    def __init__(self, root: Path, rules: dict[str, list[Problem]]) -> None:
        self.root, self.rules, self.looks = root, rules, 0

    def __call__(self, instead: Any) -> list[Problem]:
        self.looks += 1
        text = instead.get(self.root / "pipelines/a.yaml", (self.root / "pipelines/a.yaml").read_bytes()).decode()
        return [problem for word, found in self.rules.items() if word in text for problem in found]


def slip(column: int, fix: str, message: str = "wrong", file: str = "pipelines/a.yaml") -> Problem:
    return Problem(file, 1, column, "code", "error", "", message, "", fix)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/a.yaml").write_text("aa: bb\n")
    return tmp_path


def fixed(root: Path, rules: dict[str, list[Problem]]) -> tuple[str | None, int]:
    look = Scripted(root, rules)
    fixer = Fixer(root, look, lambda problem: True)
    fixer.run()
    data = fixer.contents.get(root / "pipelines/a.yaml")
    return data.decode() if data is not None else None, look.looks


def test_a_file_that_would_get_worse_is_left(one: Path) -> None:
    """Control: the same remedy is taken where it helps."""
    assert fixed(one, {"bb": [slip(5, "cc")]})[0] == "aa: cc\n"
    assert fixed(one, {"bb": [slip(5, "cc")], "cc": [slip(5, ""), slip(1, "")]})[0] is None
    assert fixed(one, {"bb": [slip(5, "cc")], "cc": [slip(5, "")]})[0] is None, "no better either"


def test_the_good_remedy_is_kept_where_the_bad_one_is_not(one: Path) -> None:
    bad = [slip(1, "", str(number)) for number in range(3)]
    assert fixed(one, {"aa": [slip(1, "dd")], "bb": [slip(5, "cc")], "cc": bad})[0] == "dd: bb\n"


def test_another_file_must_not_suffer(one: Path) -> None:
    elsewhere = slip(1, "", file="pipelines/b.yaml")
    assert fixed(one, {"bb": [slip(5, "cc")], "cc": [elsewhere]})[0] is None


def test_remedies_that_call_each_other_end(one: Path) -> None:
    text, looks = fixed(one, {"bb": [slip(5, "cc")], "cc": [slip(5, "bb")]})
    assert text is None
    assert looks < 60


def test_a_part_of_a_file_is_never_written(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = one / "pipelines/a.yaml"

    def full(*_: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write(path, b"cc: dd\n")
    assert path.read_text() == "aa: bb\n"
    assert [one.name for one in path.parent.iterdir()] == ["a.yaml"]


def test_the_difference_is_small() -> None:
    before = "".join(f"line {number}\n" for number in range(200)).encode()
    after = before.replace(b"line 61\n", b"mended\n")
    assert difference("x.yaml", before, after) == ["--- x.yaml", "+++ x.yaml", "@@ -62 +62 @@", "-line 61", "+mended"]


# where a remedy is typed


def test_edits_touch_one_token_and_only_where_one_begins() -> None:
    text = 'a: {b: "x", c: y}\nd: |\n  long\n  text\n'
    found = edits(text, [slip(8, "z"), slip(9, "no"), slip(1, "key")])
    assert applied(text, found.values()) == "key: {b: z, c: y}\nd: |\n  long\n  text\n"
    block = Problem("pipelines/a.yaml", 2, 4, "code", "error", "", "", "", "short")
    assert edits(text, [block]) == {}, "a text of several lines is a person's"


def test_of_two_remedies_for_one_place_the_first_is_taken() -> None:
    text = "aa: bb\n"
    found = edits(text, [slip(5, "cc", "one"), slip(5, "dd", "two")])
    assert applied(text, found.values()) == "aa: cc\n"


def test_mistakes_of_yaml_hide_each_other_and_are_mended_one_after_the_other() -> None:
    text = "a:\n\tb: {{ x }}\n\tc: !y z\nd: 'x' || y\ne:f\ng: {h: ${X}}\n"
    done = mended("pipelines/a.yaml", text)
    assert done == 'a:\n  b: "{{ x }}"\n  c: "!y z"\nd: "\'x\' || y"\ne: f\ng: {h: "${X}"}\n'


# any misspelling of good files

GOOD = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [*sorted((ROOT / "pipelines/bank-hub").glob("*.yaml")), ROOT / "connections/bank-hub.yaml"]
    if ".test." not in path.name
}
WORDS = [
    "source",
    "connection",
    "cursor",
    "fields",
    "initial",
    "mapping",
    "target",
    "graphql",
    "variables",
    "results",
    "on_rejected",
    "dead_letter",
    "resilience",
    "timeout",
    "retry",
    "attempts",
    "triggers",
    "bank-db",
    "automation-hub",
    "decimal",
    "string",
    "datetime",
    "base_url",
    "circuit_breaker",
    "failures",
    "timezone",
]


@st.composite
def misspelt(draw: st.DrawFn) -> dict[str, str]:
    """Good files with one to four of their words misspelt: a letter gone, doubled, or two that changed places."""
    texts = dict(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        file = draw(st.sampled_from(sorted(texts)))
        here = [word for word in WORDS if f"{word}:" in texts[file] or f": {word}" in texts[file]]
        word = draw(st.sampled_from(here or ["description"]))
        at = draw(st.integers(1, len(word) - 2))
        kind = draw(st.sampled_from(["gone", "doubled", "swapped"]))
        wrong = {
            "gone": word[:at] + word[at + 1 :],
            "doubled": word[: at + 1] + word[at:],
            "swapped": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        }[kind]
        key = f"{word}:" in texts[file]
        old, new = (f"{one}:" if key else f": {one}" for one in (word, wrong))
        texts[file] = texts[file].replace(old, new, 1)
    return texts


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(texts=misspelt())
def test_fix_never_makes_it_worse_and_ends(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]) -> None:
    """Fewer errors wherever a remedy was typed in, in every file; what was not touched is byte for byte the same; and
    a second time changes nothing.
    """
    root = tmp_path_factory.mktemp("misspelt")
    for file, text in texts.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    for path in (ROOT / "pipelines/bank-hub").iterdir():
        if path.suffix != ".yaml":
            shutil.copy(path, root / "pipelines/bank-hub" / path.name)
    before = problems(root)
    fixer = Fixer(root, lambda instead: problems(root, dict(instead)), lambda problem: True)
    fixer.run()
    for path, data in fixer.contents.items():
        write(path, data)
    after = problems(root)
    for file, text in texts.items():
        errors = [sum(one.severity == "error" and one.file == file for one in found) for found in (before, after)]
        if (root / file).read_text() == text:
            assert errors[1] <= errors[0]
        else:
            assert errors[1] < errors[0]
            assert len((root / file).read_text().splitlines()) == len(text.splitlines())
    again = Fixer(root, lambda instead: problems(root, dict(instead)), lambda problem: True)
    again.run()
    assert again.contents == {}
    shutil.rmtree(root)
