"""The command line as people use it: a real project, real processes, a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ENGINE = [sys.executable, "-m", "engine.cli.main"]
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

CONNECTIONS = """\
connections:
  bank-db: {sql: {url: "sqlite:///bank.db"}}
  out-db: {sql: {url: "sqlite:///out.db"}}
"""
PIPELINE = """\
pipeline: copy
triggers:
  - {id: often, every: 30m}
source:
  sql:
    connection: bank-db
    query: select * from t where id > :cursor_id order by id
  cursor: {fields: [id], initial: {id: 0}}
filters: ["amount != `0`"]
mapping:
  external_id: {$value: id, $type: string}
  label: "{{ record.name | trim | title }}"
  amount: amount
target:
  sql: {connection: out-db, upsert: {table: o, key: [external_id]}}
  key: external_id
  batch: {size: 10}
"""
SLOW = "  resilience: {rate_limit: {limit: 5, per: 1s, burst: 1}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """300 rows, of which every seventh is dropped and every tenth from 205 on is refused."""
    with sqlite3.connect(tmp_path / "bank.db") as bank:
        bank.execute("create table t (id integer primary key, name text, amount real)")
        bank.executemany("insert into t values (?, ?, ?)", [(i, f" ana {i} ", float(i % 7)) for i in range(1, 301)])
    bank.close()
    with sqlite3.connect(tmp_path / "out.db") as out:
        out.execute(
            "create table o (external_id text primary key, label text,"
            " amount real check (not (cast(external_id as integer) > 204 and external_id % 10 = 5)))"
        )
    out.close()
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "connections").mkdir()
    (tmp_path / "engine.yaml").write_text("engine: 1\n")
    (tmp_path / "connections/db.yaml").write_text(CONNECTIONS)
    (tmp_path / "pipelines/copy.yaml").write_text(PIPELINE)
    return tmp_path


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LC_ALL", "TERM")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm-256color", **extra}


def engine(project: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ENGINE, *arguments], cwd=project, env=environment(), input=stdin, text=True, capture_output=True, timeout=60
    )


def in_terminal(project: Path, *arguments: str, on: Callable[[str, int], None] = lambda text, pid: None) -> str:
    """Run in a terminal of 110 columns; *on* sees the text so far and the process id. Returns all that was written."""
    import fcntl
    import struct
    import termios

    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
    process = subprocess.Popen(
        [*ENGINE, *arguments],
        cwd=project,
        env=environment(),
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    )
    os.close(side)
    text = ""
    try:
        for piece in _read(main):
            text += piece
            on(text, process.pid)
        code = process.wait(30)
    finally:
        process.kill()
        os.close(main)
    return f"{text}\nexit {code}"


def _read(main: int) -> Iterator[str]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([main], [], [], 60)[0]:
            return
        try:
            data = os.read(main, 65536)
        except OSError:  # the other side is closed
            return
        if not data:
            return
        yield data.decode("utf-8", "replace")
    raise AssertionError("the command did not end")


def count(project: Path) -> int:
    out = sqlite3.connect(project / "out.db")
    try:
        return int(out.execute("select count(*) from o").fetchone()[0])
    finally:
        out.close()


def test_a_run_from_beginning_to_end_and_what_can_be_asked_of_it(project: Path) -> None:
    first = engine(project, "run", "copy", "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["status"], told["read"], told["rejected"]) == ("partial", 300, 9)
    assert told["dropped"] == {"filters[0]": 42}
    assert count(project) == sum(told["sent"].values()) == 249

    again = engine(project, "run", "copy")
    assert again.stdout.startswith("copy: success in ")
    assert "nothing new to read" in again.stdout
    assert again.stderr == "triggers: not active without `engine serve`\n"

    listed = [json.loads(line) for line in engine(project, "runs", "--json").stdout.splitlines()]
    assert [row["status"] for row in listed] == ["success", "partial"]
    causes = [json.loads(line) for line in engine(project, "dead-letters", "list", "--json").stdout.splitlines()]
    assert sum(cause["letters"] for cause in causes) == 9
    assert json.loads(engine(project, "cursor", "show", "copy", "--json").stdout)["cursor"] == {"id": 300}


def test_a_dead_letter_is_corrected_sent_and_gone(project: Path) -> None:
    engine(project, "run", "copy")
    example = json.loads(engine(project, "dead-letters", "list", "--json").stdout.splitlines()[0])["example"]
    shown = json.loads(engine(project, "dead-letters", "show", example, "--json").stdout)
    assert shown["code"] == "refused"
    assert "CHECK" in shown["message"]
    (project / "r.json").write_text(json.dumps({**shown["record"], "id": 9000}))
    if "external_id" in shown["record"]:  # it enters again behind the mapping
        (project / "r.json").write_text(json.dumps({**shown["record"], "external_id": "9000"}))
    sent = engine(project, "dead-letters", "edit", example, "--from", "r.json", "--send")
    assert sent.returncode == 0, sent.stderr
    assert "success" in sent.stdout, sent.stdout + sent.stderr
    assert count(project) == 250
    left = [json.loads(line) for line in engine(project, "dead-letters", "list", "--json").stdout.splitlines()]
    assert sum(cause["letters"] for cause in left) == 8


def test_the_cursor_reset_reads_again(project: Path) -> None:
    engine(project, "run", "copy")
    assert engine(project, "cursor", "reset", "copy").returncode == 0
    assert json.loads(engine(project, "run", "copy", "--json").stdout)["read"] == 300
    back = engine(project, "cursor", "set", "copy", "id=290")
    assert back.returncode == 0, back.stderr
    assert json.loads(engine(project, "run", "copy", "--json").stdout)["read"] == 10


def test_on_a_terminal_the_bars_come_and_go(project: Path) -> None:
    (project / "pipelines/copy.yaml").write_text(PIPELINE + SLOW.replace("limit: 5", "limit: 60"))
    text = in_terminal(project, "run", "copy")
    plain = ANSI.sub("", text)
    assert re.search(r"copy  run 01\w\w…\w{6}", plain)
    assert "  reading bank-db" in plain
    assert "  sending out-db" in plain
    assert "partial in " in plain
    end = plain[plain.index("partial in ") :]
    assert "reading" not in end
    assert "triggers: not active without `engine serve`" in end
    assert end.rstrip().endswith("exit 0")


def test_ctrl_c_ends_at_a_batch_boundary_and_the_next_run_goes_on(project: Path) -> None:
    (project / "pipelines/copy.yaml").write_text(PIPELINE + SLOW)
    pressed: list[int] = []

    def press(text: str, pid: int) -> None:
        if not pressed and re.search(r"sending out-db\s+[1-9]", ANSI.sub("", text)):
            os.kill(pid, signal.SIGINT)
            pressed.append(pid)

    text = ANSI.sub("", in_terminal(project, "run", "copy", on=press))
    assert pressed
    assert "stopping after this batch; Ctrl-C again to stop at once" in text
    assert "cancelled in " in text
    assert "the next run goes on from there" in text
    assert text.rstrip().endswith("exit 130")
    sent = count(project)
    assert 0 < sent < 249
    (project / "pipelines/copy.yaml").write_text(PIPELINE)
    told = json.loads(engine(project, "run", "copy", "--json").stdout)
    assert told["read"] < 300
    assert count(project) == 249


def test_sigterm_ends_with_143(project: Path) -> None:
    (project / "pipelines/copy.yaml").write_text(PIPELINE + SLOW)
    with subprocess.Popen(
        [*ENGINE, "run", "copy", "-vv"], cwd=project, env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "sent" in line:
                process.terminate()
                break
        process.stderr.read()
        assert process.wait(30) == 143


@pytest.mark.slow
def test_a_second_writer_waits_then_names_the_first_and_readers_do_not_wait(project: Path) -> None:
    (project / "pipelines/copy.yaml").write_text(PIPELINE + SLOW.replace("limit: 5", "limit: 1"))
    with subprocess.Popen(
        [*ENGINE, "run", "copy", "-vv"], cwd=project, env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "sent" in line:
                break
        for reading in (["runs"], ["dead-letters", "list"], ["cursor", "show", "copy"], ["show", "copy"]):
            assert engine(project, *reading).returncode == 0, reading
        second = engine(project, "cursor", "reset", "copy")
        assert second.returncode == 3
        assert str(process.pid) in second.stderr
        process.terminate()
        process.stderr.read()


def test_eval_reads_lines_and_writes_lines(project: Path) -> None:
    done = engine(project, "eval", "amount", stdin='{"amount": 1}\n{"amount": "x"}\n')
    assert (done.returncode, done.stdout) == (0, '1\n"x"\n')


def test_whoever_stops_reading_ends_it_quietly(project: Path) -> None:
    done = subprocess.run(
        f"{' '.join(ENGINE)} schema pipeline | head -n 1", shell=True, cwd=project, env=environment(), text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_validate_loads_nothing_heavy(project: Path) -> None:
    (project / "pipelines/copy.yaml").write_text(re.sub(r"  label:.*\n", "", PIPELINE))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "engine.cli.main", "validate"],
        cwd=project, env=environment(), text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "engine.definition.loader" in loaded
    for heavy in ("rich", "aiohttp", "asyncio", "jinja2", "sqlalchemy", "sqlite3", "orjson", "engine.app"):
        assert heavy not in loaded, heavy
    assert not any(name.startswith("connectors.") for name in loaded)


def test_validate_on_a_terminal_points_at_the_place(project: Path) -> None:
    (project / "pipelines/copy.yaml").write_text(PIPELINE.replace("upsert:", "upsrt:"))
    text = ANSI.sub("", in_terminal(project, "validate")).replace("\r\n", "\n")
    assert "pipelines/copy.yaml:15:29: error[unknown-key]" in text
    assert "│   sql: {connection: out-db, upsrt: {table: o, key: [external_id]}}" in text
    assert "^^^^^ did you mean 'upsert'?" in text
    assert text.rstrip().endswith("exit 2")


@pytest.mark.parametrize("marked", [True, False])
def test_sensitive_values_stay_covered_for_people_and_whole_for_the_replay(project: Path, marked: bool) -> None:
    """The control, not marked, shows them."""
    field = "{$value: name, $sensitive: true}" if marked else "name"
    (project / "pipelines/copy.yaml").write_text(re.sub(r"label: .*", f"label: {field}", PIPELINE))
    engine(project, "run", "copy")
    example = json.loads(engine(project, "dead-letters", "list", "--json").stdout.splitlines()[0])["example"]
    seen = ""
    for command in (["dead-letters", "show", example], ["dead-letters", "show", example, "--json"]):
        done = engine(project, *command)
        assert done.returncode == 0, done.stderr
        seen += done.stdout + done.stderr
    engine(project, "cursor", "reset", "copy")
    seen += engine(project, "run", "copy", "--dry-run", "--limit", "3").stdout
    assert (re.search(r"ana \d", seen) is None) == marked

    shown = json.loads(engine(project, "dead-letters", "show", example, "--json").stdout)["record"]
    (project / "r.json").write_text(json.dumps({**shown, "id": 9000}))
    sent = engine(project, "dead-letters", "edit", example, "--from", "r.json", "--send")
    assert sent.returncode == 0, sent.stderr
    out = sqlite3.connect(project / "out.db")
    label = out.execute("select label from o where external_id = '9000'").fetchone()[0]
    out.close()
    assert re.fullmatch(r" ana \d+ ", label), "the replay sends the value itself"


SCHEMAS = Path(__file__).parents[2] / "schemas" / "connectors"


@pytest.mark.skipif(
    not all((SCHEMAS / f"{name}.json").is_file() for name in ("inline", "console")),
    reason="the starter uses the inline and console connectors, which are not there yet",
)
def test_the_starters_validate_and_run(tmp_path: Path) -> None:
    for command in (["init"], ["new", "pipeline", "hello"], ["new", "connection", "crm"], ["validate"]):
        done = engine(tmp_path, *command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    ran = engine(tmp_path, "run", "hello")
    assert ran.returncode == 0, ran.stderr
    assert "Ana" in ran.stdout
