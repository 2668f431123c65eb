"""The file target on real files."""

from __future__ import annotations

import errno
import gzip
import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.file import FileSource, FileTarget
from engine import codec
from engine.connector import Context
from engine.errors import ConnectorError, Misconfigured, RecordError, Transient
from engine.record import Outgoing, Receipt
from tests.connectors.contract import TargetCase, TargetContract
from tests.connectors.test_file_source import UGLY, lines, walls

__all__ = ["walls"]

GOOD = [{"id": 1, "name": "é"}, {"id": 2, "name": None}]


def load(records: Sequence[Any]) -> Outgoing:
    return Outgoing(records, [None] * len(records), [{}] * len(records), records)


def build(folder: Path, path: str, given: Mapping[str, Any] | None = None, **options: Any) -> FileTarget:
    return FileTarget(Context("files", project=folder, **(given or {})), path=lambda names: path, **options)


async def begin(stack: AsyncExitStack, target: FileTarget, progress: Any = None) -> FileTarget:
    await target.open(stack)
    await target.resume(progress)
    return target


async def write(folder: Path, path: str, *loads: Sequence[Any], finish: bool = True, **options: Any) -> list[Receipt]:
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(folder, path, **options))
        receipts = [await target.write(load(one)) for one in loads]
        await target.flush()
        if finish:
            await target.finish()
        return receipts


def inside(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


class TestContract(TargetContract):
    @pytest.fixture(params=["replace", "append", "csv"])
    def case(self, tmp_path: Path, request: pytest.FixtureRequest) -> TargetCase:
        name = "out.csv" if request.param == "csv" else "out.jsonl"
        mode = "append" if request.param == "append" else "replace"

        async def make(stack: AsyncExitStack) -> FileTarget:
            return build(tmp_path, name, mode=mode)

        async def broken(stack: AsyncExitStack) -> FileTarget:
            return build(tmp_path, "../out.jsonl", mode=mode)

        async def arrived() -> Sequence[Any]:
            return (tmp_path / name).read_text("utf-8").splitlines()

        expected = (
            ["id,name", "1,é", "2,"]
            if name == "out.csv"
            else [json.dumps(one, ensure_ascii=False).replace(": ", ":").replace(", ", ",") for one in GOOD]
        )
        bad = load([{"id": {1, 2}}, {"id": 4}])
        return TargetCase(make, load(GOOD), arrived, expected, bad, broken)


# -- replace ----------------------------------------------------------------------------------------------------


async def test_replace_appears_whole_at_the_end_and_keeps_the_rights_of_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")
    path.chmod(0o640)
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.jsonl"))
        assert (target.at_end, target.rewinds, target.atomic) == (True, False, True)
        await target.write(load(GOOD))
        await target.flush()
        assert path.read_text() == "old\n"
        await target.finish()
        assert path.read_bytes() == b'{"id":1,"name":"\xc3\xa9"}\n{"id":2,"name":null}\n'
    assert inside(tmp_path) == ["out.jsonl"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_a_stopped_run_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("old\n")
    await write(tmp_path, "out.jsonl", GOOD, finish=False)
    assert inside(tmp_path) == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_text() == "old\n"


async def test_what_a_killed_run_left_over_is_swept_up(tmp_path: Path) -> None:
    """Its part file is not begun behind, and does not stay."""
    (tmp_path / ".out.jsonl.part").write_text("half a reco")
    await write(tmp_path, "out.jsonl", GOOD)
    assert inside(tmp_path) == ["out.jsonl"]
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize("mode", ["replace", "append"])
async def test_two_runs_do_not_write_one_file(tmp_path: Path, mode: str) -> None:
    async with AsyncExitStack() as stack:
        first = await begin(stack, build(tmp_path, "out.jsonl", mode=mode))
        with pytest.raises(Transient, match="another run is writing this file"):
            await write(tmp_path, "out.jsonl", GOOD, mode=mode)
        await first.write(load(GOOD))
        await first.finish()
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 2


async def test_a_run_without_records_gives_an_empty_file_of_its_format(tmp_path: Path) -> None:
    for name, options, text in (
        ("a.jsonl", {}, ""),
        ("a.json", {}, "[]\n"),
        ("a.csv", {}, ""),
        ("b.csv", {"columns": ["x", "y"]}, "x,y\n"),
    ):
        await write(tmp_path, name, **options)
        assert (tmp_path / name).read_text() == text


async def test_json_is_one_list(tmp_path: Path) -> None:
    await write(tmp_path, "out.json", GOOD, [], [{"id": Decimal("1.10")}])
    assert (tmp_path / "out.json").read_text("utf-8").startswith("[\n{")
    assert json.loads((tmp_path / "out.json").read_bytes()) == [*GOOD, {"id": 1.1}]
    with pytest.raises(Misconfigured, match="cannot be appended to"):
        await write(tmp_path, "out.json", mode="append")


# -- append -----------------------------------------------------------------------------------------------------


async def test_append_grows_and_is_cut_back_to_what_was_settled(tmp_path: Path) -> None:
    """A run dies after writing more than was settled: the next one takes it back, and nothing is there twice."""
    path = tmp_path / "out.jsonl"
    await write(tmp_path, "out.jsonl", [{"n": 0}], mode="append")
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.jsonl", mode="append"))
        assert (target.at_end, target.rewinds) == (False, True)
        await target.write(load([{"n": 1}]))
        await target.flush()
        settled = codec.decode(codec.encode(target.progress()))
        await target.write(load([{"n": 2}]))
    with path.open("ab") as torn:
        torn.write(b'{"n": 3')
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.jsonl", mode="append"), settled)
        await target.write(load([{"n": 2}]))
        await target.finish()
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [0, 1, 2]


async def test_control_without_progress_the_torn_record_stays(tmp_path: Path) -> None:
    """But it never runs together with the next one."""
    (tmp_path / "out.jsonl").write_bytes(b'{"n":1}\n{"n": 3')
    await write(tmp_path, "out.jsonl", [{"n": 2}], mode="append")
    assert (tmp_path / "out.jsonl").read_text().splitlines() == ['{"n":1}', '{"n": 3', '{"n":2}']


@pytest.mark.parametrize("change", ["shorter", "other", "gone"])
async def test_a_file_that_somebody_changed_is_not_cut(tmp_path: Path, change: str) -> None:
    """A rotated file is another one: it is appended to as it is, and a shorter one is told."""
    notes: list[Any] = []
    path = tmp_path / "out.jsonl"
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.jsonl", mode="append"))
        await target.write(load([{"n": 1}]))
        settled = target.progress()
    if change == "shorter":
        os.truncate(path, 0)
    else:
        path.rename(tmp_path / "rotated.jsonl")
    if change == "other":
        path.write_text('{"n":7}\n{"n":8}\n')
    async with AsyncExitStack() as stack:
        given = {"note": lambda *note: notes.append(note[1])}
        target = await begin(stack, build(tmp_path, "out.jsonl", given, mode="append"), settled)
        await target.write(load([{"n": 2}]))
    expected = ['{"n":7}', '{"n":8}', '{"n":2}'] if change == "other" else ['{"n":2}']
    assert path.read_text().splitlines() == expected
    assert notes == (["file-changed"] if change == "shorter" else [])


async def test_append_csv_keeps_the_header_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    for _ in range(2):
        await write(tmp_path, "out.csv", [{"b": 2, "a": 1}], mode="append", columns=["a", "b"])
    (receipt,) = await write(tmp_path, "out.csv", [{"b": 4}, {"c": 1}], mode="append")
    assert path.read_text() == "a,b\n1,2\n1,2\n,4\n"
    assert receipt.rejected == {1: "the field 'c' has no column; the columns are: a, b"}
    with pytest.raises(Misconfigured, match="has other columns"):
        await write(tmp_path, "out.csv", [{"x": 4}], mode="append", columns=["x"])


async def test_append_gzip_can_be_cut_and_read(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.csv.gz", mode="append"))
        await target.write(load([{"a": 1}]))
        settled = target.progress()
        await target.write(load([{"a": 2}]))
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.csv.gz", mode="append"), settled)
        await target.write(load([{"a": 3}]))
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()) == b"a\n1\n3\n"


# -- values -----------------------------------------------------------------------------------------------------


async def test_json_keeps_every_digit_and_refuses_what_json_has_not(tmp_path: Path) -> None:
    records = [
        {"a": Decimal("1.10"), "b": 2**80, "c": [Decimal("0.000"), -(2**70)]},
        {"a": float("nan")},
        {"a": None, "b": [1.5, float("inf")]},
        {"a": {1, 2}},
        {"a": "\ud800"},
        {"a": None},
    ]
    (receipt,) = await write(tmp_path, "out.jsonl", records)
    assert sorted(receipt.rejected) == [1, 2, 3, 4]
    assert "nan is not a JSON number" in receipt.rejected[1]
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [
        '{"a":1.10,"b":1208925819614629174706176,"c":[0.000,-1180591620717411303424]}',
        '{"a":null}',
    ]


async def test_csv_writes_what_csv_reads(tmp_path: Path) -> None:
    for options in ({}, {"delimiter": ";"}, {"escape": "\\"}, {"quote": "'"}):
        await write(tmp_path, "out.csv", UGLY[:2], UGLY[2:], **options)
        context = Context("files", project=tmp_path)
        source = FileSource(context, path=lambda names: "out.csv", **options)
        assert [record async for batch in source.read(None) for record in batch.records] == UGLY


async def test_csv_cells(tmp_path: Path) -> None:
    """Values as JSON writes them, null and missing as nothing; what is no cell rejects the record."""
    good = {"a": True, "b": Decimal("1.50"), "c": 2**70, "d": 0.1, "e": None, "f": "x"}
    bad = [{"a": [1]}, {"a": {}}, {"z": 1}, 5, {"a": float("nan")}]
    (receipt,) = await write(tmp_path, "out.csv", [good, *bad, {"f": "y"}])
    assert (tmp_path / "out.csv").read_text() == f"a,b,c,d,e,f\ntrue,1.50,{2**70},0.1,,x\n,,,,,y\n"
    assert sorted(receipt.rejected) == [1, 2, 3, 4, 5]
    assert "a list does not fit a cell" in receipt.rejected[1]


async def test_csv_without_quotes_rejects_what_needs_them(tmp_path: Path) -> None:
    (receipt,) = await write(tmp_path, "out.csv", [{"a": "x,y"}, {"a": "z"}], quote=None, header=False)
    assert list(receipt.rejected) == [0]
    assert (tmp_path / "out.csv").read_text() == "z\n"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16", "utf-16-le"])
async def test_csv_encodings_also_when_appended(tmp_path: Path, encoding: str) -> None:
    for name in ("São", "João"):
        await write(tmp_path, "out.csv", [{"nome": name}], [{"nome": "ção"}], mode="append", encoding=encoding)
    text = (tmp_path / "out.csv").read_bytes().decode(encoding)
    assert text == "nome\nSão\nção\nJoão\nção\n"


async def test_a_letter_the_encoding_has_not_rejects_its_record(tmp_path: Path) -> None:
    (receipt,) = await write(tmp_path, "out.csv", [{"a": "x"}, {"a": "日本"}, {"a": "é"}], encoding="cp1252")
    assert "cannot be written in cp1252" in receipt.rejected[1]
    assert (tmp_path / "out.csv").read_bytes() == b"a\nx\n\xe9\n"
    for options in ({"encoding": "utf-9"}, {"encoding": "cp1252", "format": "jsonl"}):
        with pytest.raises(Misconfigured, match=r"^encoding: "):
            await write(tmp_path, "out.csv", **options)


# -- disks and places -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["replace", "append"])
async def test_a_full_disk_leaves_no_half_record_and_the_write_may_be_repeated(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half of the write fits, then the disk is full; after space is made the same write works."""
    real, full = os.pwrite, [True]

    def pwrite(file: int, data: Any, at: int) -> int:
        if full[0] and at > 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[: len(data) // 2] if full[0] else data, at)

    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.csv", mode=mode))
        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(Transient, match="the disk is full"):
            await target.write(load([{"a": "x" * 1000}]))
        full[0] = False
        await target.write(load([{"a": "y"}]))
        await target.finish()
    assert (tmp_path / "out.csv").read_text() == "a\ny\n"


async def test_a_failed_fsync_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "out.jsonl").write_text("old\n")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Misconfigured, match="did not take"):
        await write(tmp_path, "out.jsonl", GOOD)
    assert (tmp_path / "out.jsonl").read_text() == "old\n"


async def test_the_path_is_a_template_and_folders_are_made(tmp_path: Path) -> None:
    context = Context("files", project=tmp_path, names={"run": {"id": "r1"}})
    async with AsyncExitStack() as stack:
        target = await begin(stack, FileTarget(context, path=lambda names: f"a/b/{names['run']['id']}.jsonl"))
        await target.finish()
    assert (tmp_path / "a" / "b" / "r1.jsonl").exists()

    def broken(names: Any) -> Any:
        raise RecordError("undefined", "'rn' is undefined")

    for template in (broken, lambda names: 7):
        async with AsyncExitStack() as stack:
            with pytest.raises(Misconfigured, match=r"^path: "):
                await FileTarget(context, path=template).open(stack)


OUTSIDE = [
    "../secret.jsonl",
    "data/../../secret.jsonl",
    "{outside}/secret.jsonl",
    "{outside}/new.jsonl",
    "{project}/../new.jsonl",
    "link.jsonl",
    "linked/secret.jsonl",
    "linked/new.jsonl",
    "linked/new/new.jsonl",
    "data/up/new.jsonl",
    "/etc/new.jsonl",
    "/dev/null",
    "/dev/full",
    "",
    ".",
    "data",
    "\0",
    "a\0b.jsonl",
    "pipe.jsonl",
    "sock.jsonl",
    "loop.jsonl",
    "data/in.jsonl/x.jsonl",
    "x" * 300 + ".jsonl",
]


@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("path", OUTSIDE, ids=repr)
async def test_nothing_outside_the_project_is_written(walls: Path, path: str, mode: str) -> None:
    before = {one: one.lstat().st_mtime_ns for one in walls.parent.rglob("*") if walls not in one.parents}
    with pytest.raises(ConnectorError):
        await write(walls, path.format(outside=walls.parent, project=walls), GOOD, mode=mode, format="jsonl")
    after = {one: one.lstat().st_mtime_ns for one in walls.parent.rglob("*") if walls not in one.parents}
    assert {one for one in after if after[one] != before.get(one)} <= {walls}
    assert (walls.parent / "secret.jsonl").read_text() == '{"secret": true}\n'


async def test_control_the_same_paths_are_written_inside_a_root(walls: Path) -> None:
    roots = {"roots": [walls.parent]}
    for path in ("linked/new/new.jsonl", "link.jsonl", f"{walls.parent}/other.jsonl"):
        async with AsyncExitStack() as stack:
            target = await begin(stack, build(walls, path, roots))
            await target.write(load(GOOD))
            await target.finish()
    assert (walls.parent / "new" / "new.jsonl").exists()
    assert (walls / "link.jsonl").is_symlink()
    assert len((walls.parent / "secret.jsonl").read_text("utf-8").splitlines()) == 2


async def test_a_folder_that_may_not_be_written_is_misconfigured(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(Misconfigured, match="Permission denied"):
        await write(tmp_path, "locked/out.jsonl", GOOD)


async def test_writing_does_not_keep_the_loop_waiting(tmp_path: Path) -> None:
    """One write of an ordinary batch takes less than a thread's round trip would be worth."""
    batch = load([{"id": n, "text": "x" * 200} for n in range(512)])
    async with AsyncExitStack() as stack:
        target = await begin(stack, build(tmp_path, "out.jsonl", mode="append"))
        took = []
        for _ in range(50):
            started = time.perf_counter()
            await target.write(batch)
            took.append(time.perf_counter() - started)
    assert sorted(took)[len(took) // 2] < 0.02
    assert (tmp_path / "out.jsonl").read_bytes() == lines([]) + b"".join(
        json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in batch.records
    ) * 50
