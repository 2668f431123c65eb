"""A real ``engine serve`` and the commands beside it: signals, systemd, the control socket, exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.acceptance.served import Served
from tests.acceptance.web_peer import Call, Reply, WebPeer

ENGINE = (sys.executable, "-m", "engine")
ROWS = 60
QUICK = """\
pipeline: quick
params: {n: {type: integer, default: 3, minimum: 1}}
source: {inline: {rows: [{id: 1}, {id: 2}, {id: three}]}}
mapping: {id: {$value: id, $type: integer}}
target: {file: {path: out/quick.jsonl, mode: append, format: jsonl}}
"""
TICKS = """\
pipeline: ticks
triggers: [{id: often, every: 1s}]
target: {file: {path: out/ticks.jsonl, mode: append, format: jsonl}}
"""


def slow(url: str) -> str:
    rows = ", ".join(f"{{id: {number}}}" for number in range(ROWS))
    return f"""\
pipeline: slow
source: {{inline: {{rows: [{rows}]}}}}
target: {{http: {{url: "{url}/"}}}}
"""


class Ended(NamedTuple):
    """A command that came to its end."""

    code: int
    out: str
    err: str


class Project(Served):
    """A served project, and commands beside its server."""

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*ENGINE, "--project", str(self.folder), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **self.environ},
        )  # fmt: skip

    def engine(self, *arguments: str, code: int = 0) -> Ended:
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}\n{self.log()[-2000:]}"
        return Ended(process.returncode, out, err)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines()]

    def said(self, code: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["code"] == code]

    def until(self, condition: Callable[[], Any], what: str = "it") -> Any:
        """Wait for a condition, however slow the machine is."""
        end = time.monotonic() + 30
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} did not come:\n{self.log()[-3000:]}"
            time.sleep(0.02)
        return found

    def written(self, name: str) -> int:
        file = self.folder / "out" / name
        return len(file.read_text().splitlines()) if file.exists() else 0

    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.engine("runs", "--json").out.splitlines()]

    @property
    def socket(self) -> Path:
        return self.folder / "data" / "engine.sock"


@pytest.fixture
def peer(web_peer: WebPeer) -> WebPeer:
    """A system that takes its time for every record."""

    def take(call: Call) -> Reply:
        time.sleep(0.05)
        return Reply()

    web_peer.decide = take
    return web_peer


@pytest.fixture
def project(tmp_path: Path, peer: WebPeer) -> Iterator[Project]:
    made = Project(tmp_path / "shop")
    made.write("pipelines/quick.yaml", QUICK)
    made.write("pipelines/slow.yaml", slow(peer.url))
    with made:
        yield made


# beside the server


def test_a_run_by_hand_goes_through_the_server_and_looks_the_same(project: Project) -> None:
    """Its screen beside one of a run without a server, and the server's own log."""
    served = project.engine("run", "quick", "--param", "n=4")
    strict = project.engine("run", "quick", "--strict", code=1)
    wrong = project.engine("run", "quick", "--param", "n=0", code=2)
    assert project.stop() == 0
    alone = project.engine("run", "quick", "--param", "n=4")
    assert plain(served.out) == plain(alone.out) == plain(strict.out)
    assert "partial in" in served.out
    assert wrong.err == project.engine("run", "quick", "--param", "n=0", code=2).err
    assert len(project.said("finished")) == 2, "the run without a server is not in its log"
    assert [run["trigger"] for run in project.runs()] == ["manual"] * 3


def plain(text: str) -> str:
    import re

    return re.sub(r"01[0-9A-Z]{24}|in \d+(\.\d)? m?s", "X", text)


def test_who_edits_and_runs_at_once_runs_what_was_written(project: Project) -> None:
    """The server follows in a second or so; a run by hand does not run the file of before."""
    for number in range(3):
        changed = QUICK.replace("three", f"{number + 3}") if number else QUICK.replace("{id: three}", "{id: 9}")
        project.write("pipelines/quick.yaml", changed)
        (line,) = project.engine("run", "quick", "--json").out.splitlines()
        assert json.loads(line)["sent"] == {"target": 3}
    project.write("pipelines/broken.yaml", "pipeline: broken\n")
    project.write("pipelines/quick.yaml", QUICK)
    ended = project.engine("run", "quick", "--json")
    assert "runs what it loaded before" in ended.err
    assert json.loads(ended.out)["sent"] == {"target": 3}


def test_ctrl_c_ends_the_run_at_a_batch_boundary_and_not_the_server(project: Project, peer: WebPeer) -> None:
    command = project.begin("run", "slow", "--json")
    project.until(lambda: len(peer.calls) > 3)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    summary = json.loads(out)
    assert (command.returncode, summary["status"]) == (130, "cancelled"), err
    assert 3 < summary["sent"]["target"] < ROWS
    assert project.engine("run", "quick").code == 0


def test_a_second_ctrl_c_leaves_and_the_server_ends_the_run(project: Project, peer: WebPeer) -> None:
    """Nobody waits for a system that does not answer; the server goes on with everything else."""
    peer.decide = None
    peer.replies = [Reply(-1)]
    command = project.begin("run", "slow")
    project.until(lambda: peer.calls)
    command.send_signal(signal.SIGINT)
    assert command.stderr is not None
    assert "stopping after this batch" in command.stderr.readline()
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=20)
    assert command.returncode == 130
    assert "the server ends the run after this batch" in err
    assert project.engine("run", "quick").code == 0


def test_a_command_that_is_killed_leaves_a_run_that_ends_by_itself(project: Project, peer: WebPeer) -> None:
    """It is cancelled at its next batch boundary: nobody watches it any more."""
    command = project.begin("run", "slow")
    project.until(lambda: len(peer.calls) > 3)
    command.kill()
    command.communicate()
    project.until(lambda: [run for run in project.runs() if run["status"] == "cancelled"], "the end of the run")
    assert len(peer.calls) < ROWS


def test_a_run_is_cancelled_from_elsewhere(project: Project, peer: WebPeer) -> None:
    command = project.begin("run", "slow", "--json")
    project.until(lambda: len(peer.calls) > 3)
    (going,) = [run for run in project.runs() if run["status"] == "running"]
    assert "ends after this batch" in project.engine("runs", "cancel", going["id"]).out
    out, _ = command.communicate(timeout=60)
    assert (command.returncode, json.loads(out)["status"]) == (1, "cancelled")
    assert "is not running: it ended cancelled" in project.engine("runs", "cancel", going["id"], code=2).err


def test_rerun_takes_the_params_of_then_at_once_or_when_its_turn_comes(project: Project) -> None:
    project.engine("run", "quick", "--param", "n=9")
    first = project.runs()[0]
    project.engine("runs", "rerun", first["id"])
    project.engine("runs", "rerun", first["id"], "--queue")
    project.until(lambda: len([run for run in project.runs() if run["finished"]]) == 3, "the third run")
    assert [(run["params"], run["rerun_of"]) for run in project.runs()[:2]] == [({"n": 9}, first["id"])] * 2


def test_dead_letters_are_edited_and_sent_by_the_server(project: Project) -> None:
    project.engine("run", "quick")
    (letter,) = [
        json.loads(line) for line in project.engine("dead-letters", "list", "--each", "--json").out.splitlines()
    ]
    again = project.engine("dead-letters", "replay", letter["id"])
    assert "sending 1 record again" in again.err
    assert "rejected  1" in again.out
    (letter,) = [
        json.loads(line) for line in project.engine("dead-letters", "list", "--each", "--json").out.splitlines()
    ]
    record = project.write("record.json", '{"id": 3}')
    sent = project.engine("dead-letters", "edit", letter["id"], "--from", str(record), "--send")
    assert "success in" in sent.out
    assert project.written("quick.jsonl") == 3
    assert project.engine("dead-letters", "list").err == "no dead letters\n"


def test_what_is_paused_does_not_fire_until_it_is_resumed_over_restarts_too(project: Project) -> None:
    project.write("pipelines/ticks.yaml", TICKS)
    project.write("pipelines/others.yaml", TICKS.replace("ticks", "others"))
    project.until(lambda: project.written("ticks.jsonl") and project.written("others.jsonl"), "a tick of an added file")
    project.engine("pause", "ticks")
    assert "paused by" in project.engine("list").out
    assert "paused by" in project.engine("show", "ticks").out
    assert project.stop() == 0
    fired = project.written("ticks.jsonl")
    project.start()
    project.ready()
    others = project.written("others.jsonl")
    project.until(lambda: project.written("others.jsonl") > others + 1, "two slots of the other")
    assert project.written("ticks.jsonl") == fired
    project.engine("resume", "ticks")
    project.until(lambda: project.written("ticks.jsonl") > fired, "a tick")
    out = project.engine("list").out
    assert "paused" not in out
    assert "in " in next(line for line in out.splitlines() if line.startswith("ticks"))


def test_a_backup_while_it_works_and_a_restore_when_it_does_not(project: Project, tmp_path: Path) -> None:
    project.engine("run", "quick")
    copy = tmp_path / "copy.db"
    assert " in " in project.engine("backup", str(copy)).out
    with closing(sqlite3.connect(copy)) as made:
        assert made.execute("pragma integrity_check").fetchall() == [("ok",)]
    project.engine("run", "quick")
    assert len(project.runs()) == 2
    assert "stop it, restore" in project.engine("restore", str(copy), "--yes", code=3).err
    assert project.stop() == 0
    restored = project.engine("restore", str(copy), "--yes").out
    assert "what was there:  " in restored
    assert len(project.runs()) == 1
    project.start()
    project.ready()
    assert len(project.runs()) == 1


def test_a_lane_whose_pipeline_is_gone_is_shown_and_moved(project: Project, peer: WebPeer) -> None:
    """What was to be sent again waits for a pipeline that is removed."""
    project.engine("run", "quick")
    assert project.stop() == 0
    project.engine("pause", "quick")
    project.start()
    project.ready()
    replay = project.begin("dead-letters", "replay", "--all")
    project.until(lambda: "quick/in/replay" in project.engine("lanes").out, "the lane")
    replay.send_signal(signal.SIGINT)
    replay.communicate(timeout=30)
    assert "is not orphaned" in project.engine("lanes", "drop", "quick/in/replay", "--yes", code=2).err
    text = (project.folder / "pipelines/quick.yaml").read_text()
    (project.folder / "pipelines/quick.yaml").unlink()
    project.write("pipelines/other.yaml", text.replace("pipeline: quick", "pipeline: other"))
    project.until(lambda: "no pipeline 'quick'" in project.engine("lanes").out, "the orphan")
    project.until(lambda: "other" in project.engine("list").out)
    project.until(lambda: [line for line in project.said("reload") if line["removed"]], "the reload")
    assert "moved 1 entry to other/in/replay" in project.engine("lanes", "move", "quick/in/replay", "other").out


# signals


def test_one_signal_finishes_what_is_under_way_and_the_socket_goes(project: Project, peer: WebPeer) -> None:
    command = project.begin("run", "slow", "--json")
    project.until(lambda: len(peer.calls) > 3)
    assert project.stop() == 0
    out, err = command.communicate(timeout=60)
    summary = json.loads(out)
    assert summary["status"] in ("interrupted", "cancelled"), err
    assert summary["sent"]["target"] <= len(peer.calls) <= summary["sent"]["target"] + 1
    assert not project.socket.exists()


def test_a_second_signal_ends_at_once(project: Project, peer: WebPeer) -> None:
    """A batch that takes long is not waited for."""
    peer.decide = None
    peer.replies = [Reply(-1)]
    command = project.begin("run", "slow")
    project.until(lambda: peer.calls)
    assert project.process is not None
    project.process.send_signal(signal.SIGTERM)
    project.until(lambda: not listens(project.port), "the end of the listener")
    project.process.send_signal(signal.SIGTERM)
    assert project.process.wait(20) == 143
    assert command.wait(20) == 1
    command.communicate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_what_a_kill_leaves_is_no_hindrance(project: Project) -> None:
    project.kill()
    assert project.socket.exists(), "the control: nobody took it away"
    assert project.engine("run", "quick").code == 0, "by hand, without a server"
    project.start()
    project.ready()
    project.engine("run", "quick")
    assert [run["trigger"] for run in project.runs()] == ["manual", "manual"]


def test_sighup_reads_the_files_again_and_says_what_is_wrong(project: Project) -> None:
    assert project.process is not None
    project.write("pipelines/quick.yaml", QUICK.replace("mapping", "maping"))
    project.process.send_signal(signal.SIGHUP)
    project.until(lambda: project.said("reload-failed") or [x for x in project.lines() if x["level"] == "error"])
    project.write("pipelines/quick.yaml", QUICK)
    assert project.engine("run", "quick").code == 0, "the good one keeps running"


# how it begins


def test_it_says_in_one_line_what_it_serves(project: Project) -> None:
    (said,) = project.said("serving")
    assert f"webhooks http://127.0.0.1:{project.port} (0 paths)" in said["message"]
    assert "2 pipelines, 2 by hand" in said["message"]


def test_a_second_one_is_refused(project: Project) -> None:
    ended = project.engine("serve", code=3)
    assert "is writing to this store" in ended.err
    assert project.engine("run", "quick").code == 0, "the first one is not disturbed"


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"pipelines/bad.yaml": "pipeline: bad\ntraget: {console: {}}\n"}, 2, "unknown-key"),
        ({"engine.yaml": "engine: 1\nlisten: {prot: 8080}\n"}, 2, "unknown-key"),
        ({"data": "a file, no folder"}, 3, "data"),
    ],
    ids=["pipeline", "settings", "store"],
)
def test_what_cannot_be_served_is_said_and_ends(tmp_path: Path, change: dict[str, str], code: int, says: str) -> None:
    made = Project(tmp_path)
    made.write("pipelines/quick.yaml", QUICK)
    made.write("engine.yaml", "engine: 1\nlisten: {port: 0}\nadmin: {port: 0}\n")
    for name, text in change.items():
        made.write(name, text)
    done = subprocess.run([*ENGINE, "serve", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stdout == ""


def test_a_port_that_is_taken_is_said(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other", port=project.port)
    other.write("pipelines/quick.yaml", QUICK)
    other.write("engine.yaml", json.dumps({"engine": 1, "listen": {"port": project.port}, "admin": {"port": 0}}))
    ended = other.engine("serve", code=3)
    assert str(project.port) in ended.err


def test_on_a_terminal_it_opens_with_what_there_is(tmp_path: Path) -> None:
    """Seen through a real terminal, with Ctrl-C as a person presses it."""
    import pty

    made = Project(tmp_path / "shop")
    made.write("pipelines/ticks.yaml", TICKS)
    made.write("engine.yaml", "engine: 1\nlisten: {port: 0}\nadmin: {port: 0}\n")
    mine, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "120"}
    process = subprocess.Popen(
        [*ENGINE, "serve", str(made.folder)], stdin=theirs, stdout=theirs, stderr=theirs, env=environ,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while b"success" not in seen:
            seen += os.read(mine, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(mine)
    lines = seen.decode().splitlines()
    assert lines[0].endswith("project shop   store data/engine.db")
    assert lines[0].startswith("engine ")
    assert lines[1].startswith("  1 pipeline   1 active")
    assert "webhooks   http://127.0.0.1:" in lines[2]
    assert "/readyz /metrics" in lines[2]
    assert "  ticks" in lines[3]


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "control"])
def test_a_terminal_that_is_closed_ends_it_and_one_that_is_not_does_not(tmp_path: Path, closed: bool) -> None:
    """Both bring a SIGHUP; a server that nobody sees any more would hold the store."""
    import fcntl
    import pty
    import termios

    made = Project(tmp_path / "shop")
    made.write("pipelines/quick.yaml", QUICK)
    made.write("engine.yaml", "engine: 1\nlisten: {port: 0}\nadmin: {port: 0}\n")
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ENGINE, "serve", str(made.folder)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "TERM": "xterm"}, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    try:
        seen = b""
        while b"/readyz" not in seen:
            seen += os.read(mine, 4096)
        if not closed:
            process.send_signal(signal.SIGHUP)
            while b"reload" not in seen:
                seen += os.read(mine, 4096)
            assert process.poll() is None
        os.close(mine)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    assert not made.socket.exists(), "it ended in order"


# systemd


def test_systemd_hears_how_it_is(tmp_path: Path) -> None:
    """Ready, alive, reloading, ready again, stopping: in this order, over a real socket."""
    name = tmp_path / "notify"
    made = Project(
        tmp_path / "shop",
        environ={"NOTIFY_SOCKET": str(name), "WATCHDOG_USEC": "600000"},
    )
    made.write("pipelines/quick.yaml", QUICK)
    heard: list[str] = []

    def hear(until: str) -> None:
        while until not in heard:
            heard.extend(manager.recv(4096).decode().splitlines())

    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(name))
        manager.settimeout(30)
        with made:
            assert made.process is not None
            hear("READY=1")
            assert any(line.startswith("STATUS=1 pipeline") for line in heard)
            heard.clear()
            for _ in range(3):
                heard.clear()
                hear("WATCHDOG=1")
            made.process.send_signal(signal.SIGHUP)
            hear("RELOADING=1")
            hear("READY=1")
            assert made.stop() == 0
            hear("STOPPING=1")
