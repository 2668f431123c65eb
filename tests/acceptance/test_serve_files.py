"""Files that are dropped into a folder, through a serving engine: one run each, moved, and none lost by a kill."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from .serving import Project, instead

READS = """\
pipeline: drop
triggers:
  - id: inbox
    file: {path: in, pattern: "*.csv", settle: 200ms, done: done, failed: failed}
    params: {shop: "{{ trigger.name[:2] }}"}
params: {shop: {type: string}}
source: {file: {path: "{{ trigger.path }}"}}
mapping: {sku: sku, cents: {$value: cents, $type: integer}, shop: "{{ params.shop }}", file: "{{ trigger.name }}"}
target:
  file: {path: out/sold.jsonl, mode: append, format: jsonl}
  on_rejected: fail
"""


def written(project: Project) -> list[dict[str, Any]]:
    file = project.folder / "out" / "sold.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def put(project: Project, name: str, *rows: str) -> None:
    part = project.folder / "in" / f".{name}.part"
    part.write_text("\n".join(("sku,cents", *rows)) + "\n")
    part.rename(project.folder / "in" / name)


def names(project: Project, folder: str) -> list[str]:
    path = project.folder / folder
    return sorted(one.name for one in path.iterdir()) if path.exists() else []


def made(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("pipelines/drop.yaml", READS)
    (tmp_path / "in").mkdir()
    return project


def test_each_file_becomes_one_run_and_is_moved(tmp_path: Path) -> None:
    project = made(tmp_path)
    put(project, "s1-before.csv", "a,1")
    os.mkfifo(tmp_path / "in" / "pipe.csv")
    with project:
        project.until(lambda: names(project, "done") == ["s1-before.csv"], "the file that was there before")
        put(project, "s3[1]*.csv", "d,4")
        put(project, "s2-good.csv", "b,2", "c,3")
        put(project, "s2-bad.csv", "x,none")
        project.until(lambda: len(names(project, "done")) == 3 and names(project, "failed") == ["s2-bad.csv"])
        assert project.stop() == 0
    assert sorted((one["sku"], one["cents"], one["shop"], one["file"]) for one in written(project)) == [
        ("a", 1, "s1", "s1-before.csv"), ("b", 2, "s2", "s2-good.csv"), ("c", 3, "s2", "s2-good.csv"),
        ("d", 4, "s3", "s3[1]*.csv"),
    ]  # fmt: skip
    assert names(project, "in") == ["pipe.csv"]
    assert project.log().count("file-ignored") == 1
    assert sorted(run["status"] for run in project.runs()) == ["failed", "success", "success", "success"]


def test_a_new_version_of_a_name_is_read_again_and_a_new_process_reads_nothing_twice(tmp_path: Path) -> None:
    project = made(tmp_path)
    project.write("pipelines/drop.yaml", READS.replace(", done: done, failed: failed", ""))
    put(project, "s1.csv", "a,1")
    with project:
        project.until(lambda: len(written(project)) == 1)
        assert project.stop() == 0
    with project:
        put(project, "s1.csv", "a,2")
        project.until(lambda: len(written(project)) == 2)
        assert project.stop() == 0
    assert [one["cents"] for one in written(project)] == [1, 2]
    assert len(project.runs()) == 2


def test_files_survive_kills(tmp_path: Path) -> None:
    """However often it is killed, every file is read, and moved, and in the end nothing waits."""
    project = made(tmp_path)
    count = 30
    for number in range(count):
        put(project, f"s1-{number:02}.csv", *(f"{number}-{row},1" for row in range(20)))
    for _ in range(4):
        before = len(names(project, "done"))
        project.start()
        project.until(lambda before=before: len(names(project, "done")) > before or not names(project, "in"))
        project.kill()
    with project:
        project.until(lambda: len(names(project, "done")) == count, "all of them")
        assert project.stop() == 0
    assert names(project, "in") == []
    found = [one["sku"] for one in written(project)]
    assert set(found) == {f"{number}-{row}" for number in range(count) for row in range(20)}
    assert names(project, "done") == [f"s1-{number:02}.csv" for number in range(count)]


def read_after_a_failure(project: Project) -> dict[str, int]:
    """Let a file fail after some of it was settled, then drop one of an earlier name; count what arrived of each."""
    tmp_path = project.folder
    project.write(
        "pipelines/drop.yaml",
        READS.replace(
            "file: {path: out/sold.jsonl, mode: append, format: jsonl}",
            "sql: {connection: shop, insert: {table: sold}}",
        ),
    )
    project.write("connections/shop.yaml", "connections: {shop: {sql: {url: 'sqlite:///shop.db'}}}\n")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.execute("create table sold (sku, cents, shop, file)")
        shop.commit()
    with project:
        put(project, "s1-z.csv", *(f"z{row},1" for row in range(5000)), "z,none")
        project.until(lambda: names(project, "failed") == ["s1-z.csv"])
        put(project, "s1-a.csv", *(f"a{row},1" for row in range(10)))
        project.until(lambda: names(project, "done") == ["s1-a.csv"])
        assert project.stop() == 0
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        return dict(shop.execute("select file, count(*) from sold group by file").fetchall())


def test_where_a_file_failed_says_nothing_of_the_next_one(tmp_path: Path) -> None:
    """A run that failed left its place in its own file; another file is read from its beginning."""
    counts = read_after_a_failure(made(tmp_path))
    assert counts["s1-z.csv"] > 0
    assert counts["s1-a.csv"] == 10


def test_a_place_that_is_not_of_one_file_alone_is_caught(tmp_path: Path) -> None:
    """The control: where runs of one trigger share their place, the next file is passed over, and nobody says so."""
    project = made(tmp_path)
    project.command = instead("sharing_places.py")
    assert "s1-a.csv" not in read_after_a_failure(project)


def test_the_folder_follows_the_files_of_the_project(tmp_path: Path) -> None:
    project = made(tmp_path)
    (tmp_path / "other").mkdir()
    with project:
        project.write("pipelines/drop.yaml", READS.replace("path: in,", "path: other,"))
        put(project, "s1.csv", "a,1")
        (tmp_path / "in" / "s1.csv").rename(tmp_path / "other" / "s1.csv")
        project.until(lambda: names(project, "done") == ["s1.csv"])
        assert project.stop() == 0


def test_a_broken_promise_is_in_the_log_the_figures_and_readyz(tmp_path: Path) -> None:
    project = made(tmp_path)
    promises = 'promises: [{rejected: "< 50%"}, {fresh: 1d}]\n'
    project.write("pipelines/drop.yaml", READS.replace("  on_rejected: fail\n", "") + promises)
    put(project, "s1.csv", "a,none", "b,2")
    with project:
        project.until(lambda: "promise-broken" in project.log(), "the line in the log")
        status, body = project.ask("/readyz", admin=True)
        assert status == 200
        assert [(one["pipeline"], one["promise"]) for one in body["promises"]] == [("drop", "rejected")]
        _, text = project.ask("/metrics", admin=True)
        assert 'engine_promise_broken{pipeline="drop",promise="rejected"} 1.0' in text
        assert 'engine_promise_broken{pipeline="drop",promise="fresh"} 0.0' in text
        put(project, "s2.csv", "c,3")
        project.until(lambda: "promise-kept" in project.log(), "it holds again")
        assert project.stop() == 0
    assert project.log().count("promise-broken") == 1
