"""What starts runs by itself, through a serving engine: times, chains, what was missed, and overlapping runs."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .serving import Project
from .slow_peer import serving_slowly
from .web_peer import Reply, WebPeer

WRITES = """\
pipeline: {name}
timezone: UTC
triggers: [{trigger}]
params: {{n: {{type: integer, default: 0}}, text: {{type: string, default: ""}}}}
source: {{inline: {{rows: [{{id: 1}}]}}}}
mapping:
  slot: "{{{{ trigger.slot }}}}"
  at: "{{{{ now() }}}}"
  type: "{{{{ trigger.type }}}}"
  n: "{{{{ params.n }}}}"
target: {{file: {{path: out/{name}.jsonl, mode: append, format: jsonl}}}}
"""


def written(project: Project, name: str) -> list[dict[str, Any]]:
    file = project.folder / "out" / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def slots(project: Project, name: str) -> list[datetime]:
    return [datetime.fromisoformat(line["slot"]) for line in written(project, name)]


QUEUE = "concurrency: {overlap: queue}\n"

# times

TIMES = {
    "every": "{id: t, every: 1s, missed: all, params: {n: 5}}",
    "cron": '{id: t, cron: "* * * * * *", missed: all}',
    "jittered": "{id: t, every: 2s, jitter: 1s, missed: all}",
}


def test_timers_fire_each_slot_once(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name, trigger in TIMES.items():
        project.write(f"pipelines/{name}.yaml", WRITES.format(name=name, trigger=trigger) + QUEUE)
    project.write("pipelines/off.yaml", WRITES.format(name="off", trigger=TIMES["every"]) + "enabled: false\n")
    with project:
        project.until(lambda: all(len(written(project, name)) >= 3 for name in TIMES), "three slots of each")
        assert project.stop() == 0
        for name in TIMES:
            project.until(lambda name=name: len(project.runs("--pipeline", name)) == len(written(project, name)))
            seen = slots(project, name)
            step = timedelta(seconds=2 if name == "jittered" else 1)
            assert seen == [seen[0] + step * number for number in range(len(seen))], name
            at = [datetime.fromisoformat(line["at"]) for line in written(project, name)]
            late = [one - slot for one, slot in zip(at, seen, strict=True)]
            assert all(timedelta() <= one < timedelta(seconds=20) for one in late), late
        assert {line["n"] for line in written(project, "every")} == {5}
        assert {line["type"] for line in written(project, "cron")} == {"cron"}
        assert not written(project, "off")
        assert {run["trigger"] for run in project.runs()} == {"t"}


def test_a_pipeline_that_is_paused_does_not_fire(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name in ("one", "two"):
        project.write(f"pipelines/{name}.yaml", WRITES.format(name=name, trigger=TIMES["every"]))
    with project:
        project.until(lambda: written(project, "one"))
        project.engine("pause", "one")
        project.until(lambda: all(run["finished"] for run in project.runs("--pipeline", "one")))
        fired, others = len(written(project, "one")), len(written(project, "two"))
        project.until(lambda: len(written(project, "two")) > others + 2, "slots of the other")
        assert len(written(project, "one")) == fired
        project.engine("resume", "one")
        # what was on disk when it was paused runs first
        project.until(lambda: len(written(project, "one")) > fired + 1, "slots after it was resumed")
        seen = slots(project, "one")
        assert max(late - early for early, late in pairwise(seen)) > timedelta(seconds=1), "not made up for"


# what was missed


def absent(project: Project, since: datetime) -> None:
    """Make it as if the engine had been stopped since then."""
    with closing(sqlite3.connect(project.store)) as store, store:
        rows = store.execute("select name, value from state where lane = '*/timers'").fetchall()
        assert rows, "no timer has a place"
        for name, value in rows:
            _, _, rest = value.decode().partition(" ")
            store.execute(
                "update state set value = ? where lane = '*/timers' and name = ?",
                [f"{since.isoformat()} {rest}".encode(), name],
            )


def test_what_was_missed_is_made_up_for_as_the_trigger_says(tmp_path: Path) -> None:
    """Two days of absence, a slot each day; the control is ``none``. A second start makes up for nothing more."""
    now = datetime.now(UTC)
    slot = (now - timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    more = {"last": "", "all": ", missed: all", "none": ", missed: none", "late": ", missed: all, missed_window: 1h"}
    project = Project(tmp_path)
    for name, key in more.items():
        trigger = f'{{id: t, cron: "0 {slot.hour} * * *"{key}}}'
        project.write(f"pipelines/{name}.yaml", WRITES.format(name=name, trigger=trigger) + QUEUE)
    with project:
        assert project.stop() == 0
        assert not project.runs()
        absent(project, now - timedelta(days=2))
        for _ in range(2):
            project.start()
            project.ready()
            project.until(lambda: len(written(project, "all")) >= 2 and written(project, "last"))
            time.sleep(0.5)  # whatever else would come
            assert project.stop() == 0
    assert slots(project, "last") == [slot]
    assert slots(project, "all") == [slot - timedelta(days=1), slot]
    assert slots(project, "none") == slots(project, "late") == []


# chains

CHAIN = {
    "first": "pipeline: first\ntriggers: [{webhook: {path: /go, auth: none}}]\n"
    "params: {n: {type: integer, default: 7}}\n"
    "source: {inline: {rows: [{id: 1}, {id: 2}, {id: x}]}}\nmapping: {id: {$value: id, $type: integer}}\n"
    "target: {file: {path: out/first.jsonl, mode: append, format: jsonl}}\n",
    "second": 'after: first, params: {n: "{{ trigger.counts.sent * 10 + trigger.params.n }}"}',
    "third": 'after: second, params: {n: "{{ trigger.params.n + 1 }}"}',
    "broken": "after: first",
    "onfail": "after: broken, on: failure, params: {n: \"{{ 1 if trigger.status == 'failed' else 0 }}\"}",
    "never": "after: broken",
    "always": "after: [broken, third], on: any",
}


def chained(folder: Path, peer: WebPeer) -> Project:
    project = Project(folder)
    project.write("pipelines/first.yaml", CHAIN["first"])
    for name in ("second", "third", "onfail", "never", "always"):
        text = WRITES.format(name=name, trigger=f"{{id: t, {CHAIN[name]}}}")
        project.write(f"pipelines/{name}.yaml", text + QUEUE)
    project.write(
        "pipelines/broken.yaml",
        f"pipeline: broken\ntriggers: [{{{CHAIN['broken']}}}]\nsource: {{inline: {{rows: [{{id: 1}}]}}}}\n"
        f'target: {{http: {{url: "{peer.url}/"}}}}\nresilience: {{retry: {{attempts: 1}}}}\n{QUEUE}',
    )
    return project


def test_a_chain_goes_on_with_its_group_its_params_and_its_counts(tmp_path: Path, web_peer: WebPeer) -> None:
    web_peer.replies = [Reply(401)]
    with chained(tmp_path, web_peer) as project:
        assert project.call("/go", {"any": 1}).status == 202
        project.until(lambda: len(written(project, "always")) == 2, "the ends of the chain")
        project.until(lambda: len([run for run in project.runs() if run["finished"]]) == 7)
        runs = {run["pipeline"]: run for run in project.runs()}
        assert [runs[name]["status"] for name in ("first", "broken", "second")] == ["partial", "failed", "success"]
        assert runs["second"]["params"]["n"] == 27
        assert runs["third"]["params"]["n"] == 28
        assert runs["onfail"]["params"]["n"] == 1
        assert "never" not in runs
        assert {run["group"] for run in runs.values()} == {runs["first"]["id"]}
        # by hand nothing follows
        project.engine("run", "second")
        project.until(lambda: len(project.runs()) == 8)
        project.call("/go", {"any": 2})
        project.until(lambda: len(written(project, "always")) == 4)
        assert len(written(project, "third")) == 2


@pytest.mark.timeout(120)
def test_a_chain_goes_on_over_kills(tmp_path: Path, web_peer: WebPeer) -> None:
    """Whenever the process dies, each run of a chain happens, and what follows an end follows it once."""
    web_peer.replies = [Reply(401)]
    with chained(tmp_path, web_peer) as project:
        for number in range(6):
            assert project.call("/go", {"n": number}).status == 202
            time.sleep(0.03 * number)
            project.kill()
            project.start()
            project.ready()
        project.until(lambda: len(written(project, "third")) >= 6, "the ends of the chains")
        project.until(lambda: not [1 for name in CHAIN if project.waiting(f"{name}/fire")])
        done = [run for run in project.runs() if run["status"] not in ("interrupted",)]
    groups = {run["group"] for run in done if run["pipeline"] == "first"}
    assert len(groups) == 6
    for name in ("second", "third", "broken", "onfail"):
        assert sorted(run["group"] for run in done if run["pipeline"] == name) == sorted(groups), name


# overlapping runs

SLOW = """\
pipeline: {name}
triggers: [{{id: often, every: 1s}}]
source: {{inline: {{rows: [{{id: 1}}, {{id: 2}}, {{id: 3}}]}}}}
target: {{http: {{url: "{url}/{name}"}}, key: id}}
concurrency: {{overlap: {name}}}
"""
POLICIES = ("skip", "queue", "cancel", "allow")


def test_overlapping_runs_do_as_the_pipeline_says(tmp_path: Path) -> None:
    """Runs of 2.4 seconds, fired every second."""
    with serving_slowly(0.8) as peer:
        project = Project(tmp_path)
        for name in POLICIES:
            project.write(f"pipelines/{name}.yaml", SLOW.format(name=name, url=peer.url))
        with project:
            project.until(lambda: len(ended(project, "skip")) >= 2, "two runs")
            project.until(lambda: len(ended(project, "queue")) >= 2, "two runs")
            project.until(lambda: [run for run in ended(project, "cancel") if run["status"] == "cancelled"])
            assert peer.most["/skip"] == peer.most["/queue"] == peer.most["/cancel"] == 1
            assert peer.most["/allow"] > 1
            assert project.said("skipped", "skip")
            assert not project.said("skipped", "queue")
            assert project.waiting("queue/fire") > project.waiting("skip/fire")
            assert {run["status"] for run in ended(project, "skip") + ended(project, "allow")} == {"success"}
            peer.seconds = 2.0  # or it would be over before anybody can cancel it
            cancelled = project.until(lambda: cancel(project, "queue"), "a run to cancel")
            project.until(lambda: one(project, cancelled)["status"] == "cancelled")
            peer.seconds = 0.1
            before = len(ended(project, "queue"))
            project.until(lambda: len(ended(project, "queue")) > before + 1, "what waited behind it")
            assert project.stop() == 0


def cancel(project: Project, name: str) -> str:
    """Cancel the run that goes on; give its id, nothing where it ended meanwhile."""
    for run in project.runs("--pipeline", name):
        if run["status"] == "running":
            command = project.begin("runs", "cancel", run["id"])
            command.communicate(timeout=60)
            return "" if command.returncode else str(run["id"])
    return ""


def ended(project: Project, name: str) -> list[dict[str, Any]]:
    return [run for run in project.runs("--pipeline", name) if run["finished"]]


def one(project: Project, run: str) -> dict[str, Any]:
    (found,) = [row for row in project.runs() if row["id"] == run]
    return found


def test_callers_and_people_are_not_dropped(tmp_path: Path, web_peer: WebPeer) -> None:
    """A webhook that starts a run, many times at once: each call is one run, whatever ``overlap`` says."""
    project = Project(tmp_path)
    text = WRITES.format(name="go", trigger="{webhook: {path: /go, auth: none}}") + "concurrency: {overlap: skip}\n"
    project.write("pipelines/go.yaml", text)
    with project:
        for _ in range(10):
            assert project.call("/go", {}).status == 202
        project.until(lambda: len(written(project, "go")) == 10, "a run for each call")
        first = project.runs()[0]
        project.engine("runs", "rerun", first["id"], "--queue")
        project.until(lambda: len(written(project, "go")) == 11, "the run again")
        project.until(lambda: len(project.runs()) == 11 and project.runs()[-1]["finished"])
        assert project.runs()[-1]["rerun_of"] == first["id"]
        assert [line["type"] for line in written(project, "go")] == ["webhook"] * 10 + ["rerun"]
