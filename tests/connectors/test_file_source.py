"""The file source on real files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import socket
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors._file import blocks
from connectors._file.places import Roots
from connectors.file import CONNECTOR, FileSource
from engine import codec
from engine.connector import Context
from engine.errors import ConnectorError, Misconfigured, RecordError
from engine.record import Batch
from tests.connectors.contract import SchemaContract, SourceCase, SourceContract, validator

RECORDS = [{"id": n, "name": f"n{n} é\u2028", "big": 2**60 + n, "at": None} for n in range(3000)]


def context(folder: Path, **given: Any) -> Context:
    return Context("files", project=folder, **given)


def build(folder: Path, path: str, *, given: dict[str, Any] | None = None, **options: Any) -> FileSource:
    return FileSource(context(folder, **(given or {})), path=lambda names: path, **options)


async def batches(source: FileSource, after: Any = None) -> list[Batch]:
    async with AsyncExitStack() as stack:
        await source.open(stack)
        return [batch async for batch in source.read(after)]


async def read(folder: Path, path: str, after: Any = None, **options: Any) -> list[Any]:
    return [record for batch in await batches(build(folder, path, **options), after) for record in batch.records]


def lines(records: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def rows(records: Sequence[dict[str, Any]], **dialect: Any) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(records[0]), **dialect)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def texts(records: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    return [{key: "" if value is None else str(value) for key, value in record.items()} for record in records]


class TestContract(SourceContract):
    @pytest.fixture(params=["jsonl", "csv", "jsonl.gz", "glob", "json"])
    def case(self, tmp_path: Path, request: pytest.FixtureRequest) -> SourceCase:
        name, records = f"in.{request.param}", RECORDS
        if request.param == "csv":
            (tmp_path / name).write_text(rows(RECORDS), "utf-8", newline="")
            records = texts(RECORDS)
        elif request.param == "jsonl.gz":
            (tmp_path / name).write_bytes(gzip.compress(lines(RECORDS)))
        elif request.param == "json":
            (tmp_path / name).write_text(json.dumps(RECORDS))
        elif request.param == "glob":
            name = "d*/*.jsonl"
            for day in range(3):
                (tmp_path / f"d{day}").mkdir()
                (tmp_path / f"d{day}" / "in.jsonl").write_bytes(lines(RECORDS[day * 1000 : day * 1000 + 1000]))
        else:
            (tmp_path / name).write_bytes(lines(RECORDS))

        async def make(stack: AsyncExitStack) -> FileSource:
            return build(tmp_path, name)

        async def broken(stack: AsyncExitStack) -> FileSource:
            return build(tmp_path, "nothing.jsonl")

        return SourceCase(make, records=records, broken=broken)


class TestSchema(SchemaContract):
    connector = CONNECTOR


# -- json lines -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [7, 64, 100_000])
async def test_lines_are_cut_right_at_any_block_size(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with CRLF, empty lines, a byte order mark and a last line without its end."""
    monkeypatch.setattr(blocks, "BLOCK", block)
    text = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(record).encode() for record in RECORDS[:50])
    (tmp_path / "in.jsonl").write_bytes(text.replace(b'{"id": 9', b'\r\n\n  \n{"id": 9'))
    got = await batches(build(tmp_path, "in.jsonl"))
    assert [record for batch in got for record in batch.records] == RECORDS[:50]
    for index, batch in enumerate(got):
        rest = [record for later in got[index + 1 :] for record in later.records]
        assert await read(tmp_path, "in.jsonl", batch.checkpoint) == rest


async def test_a_bad_line_is_named_after_what_came_before_it(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(RECORDS[:400]) + b"\n{broken\n" + lines(RECORDS[400:500]))
    seen: list[Any] = []
    async with AsyncExitStack() as stack:
        source = build(tmp_path, "in.jsonl")
        await source.open(stack)
        with pytest.raises(RecordError, match=r"^in\.jsonl:402: this is not JSON: .*") as caught:
            seen += [record async for batch in source.read(None) for record in seen_in(batch, seen)]
    assert caught.value.code == "file-format"
    assert seen == RECORDS[:400]


def seen_in(batch: Batch, seen: list[Any]) -> list[Any]:
    seen += batch.records
    return []


async def test_meta_names_the_file_and_the_line_a_batch_begins_at(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\n\n" + lines(RECORDS[:1000]))
    got = await batches(build(tmp_path, "in.jsonl"))
    text = (tmp_path / "in.jsonl").read_text("utf-8").split("\n")
    for batch in got[1:]:
        assert batch.meta[0]["file"] == "in.jsonl"
        assert json.loads(text[batch.meta[0]["first_line"] - 1]) == batch.records[0]
    resumed = await batches(build(tmp_path, "in.jsonl"), got[1].checkpoint)
    assert resumed[0].meta == got[2].meta


async def test_numbers_exact_keeps_every_digit(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"a": 1.10, "b": 35230812345678000190550010000001231000001234}\n')
    assert (await read(tmp_path, "in.jsonl"))[0]["a"] == 1.1
    (record,) = await read(tmp_path, "in.jsonl", numbers="exact")
    assert record == {"a": Decimal("1.10"), "b": 35230812345678000190550010000001231000001234}
    assert str(record["a"]) == "1.10"


async def test_a_record_beyond_the_cap_fails(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"a": 1}\n{"a": "' + b"x" * 2_000_000 + b'"}')
    with pytest.raises(RecordError, match=r"in\.jsonl:2: a record of more than 1000000 bytes"):
        await read(tmp_path, "in.jsonl", max_record=1_000_000)
    assert len(await read(tmp_path, "in.jsonl")) == 2


# -- resuming ---------------------------------------------------------------------------------------------------


async def test_a_checkpoint_survives_the_store(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(RECORDS))
    first = (await batches(build(tmp_path, "in.jsonl")))[0]
    after = codec.decode(codec.encode(first.checkpoint))
    assert await read(tmp_path, "in.jsonl", after) == RECORDS[len(first.records) :]


@pytest.mark.parametrize("change", ["grown", "rewritten", "touched"])
async def test_a_changed_file_is_read_again_from_its_start(tmp_path: Path, change: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(lines(RECORDS))
    os.utime(path, ns=(10**18, 10**18))
    point = (await batches(build(tmp_path, "in.jsonl")))[0].checkpoint
    changed = RECORDS + RECORDS[:1] if change == "grown" else RECORDS
    if change == "rewritten":
        changed = [{**RECORDS[0], "id": 7}, *RECORDS[1:]]  # as long as before
    path.write_bytes(lines(changed))
    os.utime(path, ns=(10**18, 10**18 + 1 if change == "touched" else 10**18))
    assert await read(tmp_path, "in.jsonl", point) == changed


async def test_control_an_unchanged_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(lines(RECORDS))
    point = (await batches(build(tmp_path, "in.jsonl")))[-1].checkpoint
    assert await read(tmp_path, "in.jsonl", point) == []


async def test_later_files_follow_even_if_the_one_of_the_checkpoint_is_gone(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_bytes(lines([{"file": name}] * 3))
    got = await batches(build(tmp_path, "*.jsonl"))
    assert [record["file"] for batch in got for record in batch.records] == list("aaabbbccc")
    (tmp_path / "b.jsonl").unlink()
    assert {record["file"] for record in await read(tmp_path, "*.jsonl", got[1].checkpoint)} == {"c"}


# -- csv --------------------------------------------------------------------------------------------------------

UGLY = [
    {"id": "1", "name": 'says "hi"', "note": "two\nlines"},
    {"id": "2", "name": "a;b,c", "note": "crlf\r\ninside"},
    {"id": "007", "name": "", "note": " spaces "},
    {"id": "", "name": "form\x0cfeed \x1c \x85 \u2028", "note": "'"},
]


@pytest.mark.parametrize("block", [5, 16, 100_000])
@pytest.mark.parametrize(
    ("options", "dialect"),
    [
        ({}, {}),
        ({"delimiter": ";"}, {"delimiter": ";", "lineterminator": "\n"}),
        ({"delimiter": "\t", "quote": "'"}, {"delimiter": "\t", "quotechar": "'"}),
        ({"escape": "\\"}, {"escapechar": "\\", "doublequote": False}),
    ],
)
async def test_csv_reads_what_csv_writes(
    tmp_path: Path, options: Any, dialect: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quoted line ends over block borders, every dialect option; and resuming behind every batch."""
    monkeypatch.setattr(blocks, "BLOCK", block)
    (tmp_path / "in.csv").write_text(rows(UGLY * 30, **dialect), "utf-8", newline="")
    got = await batches(build(tmp_path, "in.csv", **options))
    assert [record for batch in got for record in batch.records] == UGLY * 30
    for index in range(0, len(got), 7):
        rest = [record for later in got[index + 1 :] for record in later.records]
        assert await read(tmp_path, "in.csv", got[index].checkpoint, **options) == rest


async def test_csv_quote_null_takes_quotes_as_text(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('a,b\n"x,5" tall\n')
    assert await read(tmp_path, "in.csv", quote=None) == [{"a": '"x', "b": '5" tall'}]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
async def test_encodings(tmp_path: Path, encoding: str) -> None:
    records = [{"código": str(n), "nome": f"São João ção {n}"} for n in range(2000)]
    (tmp_path / "in.csv").write_bytes(rows(records).encode(encoding))
    got = await batches(build(tmp_path, "in.csv", encoding=encoding))
    assert [record for batch in got for record in batch.records] == records
    rest = await read(tmp_path, "in.csv", got[2].checkpoint, encoding=encoding)
    assert rest == [record for batch in got[3:] for record in batch.records]


async def test_a_wrong_encoding_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("nome\nAna\nJoão\n".encode("cp1252"))
    with pytest.raises(Misconfigured, match=r"in\.csv:3: the byte 0xE3 is not utf-8; .*cp1252"):
        await read(tmp_path, "in.csv")
    with pytest.raises(Misconfigured, match="utf-16"):
        await read(tmp_path, "in.csv", encoding="utf-16")
    with pytest.raises(Misconfigured, match="'utf-9' is not known"):
        await read(tmp_path, "in.csv", encoding="utf-9")


async def test_columns_and_header(tmp_path: Path) -> None:
    """Names come from the header, from `columns` in its place, or from `columns` where there is no header."""
    (tmp_path / "in.csv").write_text("\na,b\n1,2\n\n3,4\n")
    assert await read(tmp_path, "in.csv") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert await read(tmp_path, "in.csv", columns=["x", "y"]) == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]
    assert (await read(tmp_path, "in.csv", columns=["x", "y"], header=False))[0] == {"x": "a", "y": "b"}
    with pytest.raises(Misconfigured, match="give them in columns"):
        build(tmp_path, "in.csv", header=False)
    assert not validator(CONNECTOR, "source").is_valid({"path": "x.csv", "header": False})


async def test_a_short_row_lacks_fields_and_a_long_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1\n")
    assert await read(tmp_path, "in.csv") == [{"a": "1"}]
    (tmp_path / "in.csv").write_text('a,b\n1,"x\ny"\n1,2,3\n')
    with pytest.raises(RecordError, match=r"in\.csv:4: this row has 3 fields, and there are 2 columns"):
        await read(tmp_path, "in.csv")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,a\n1,2\n", r"in\.csv:1: two columns are named 'a'; name them all with `columns`"),
        ("a,,b\n1,2,3\n", r"in\.csv:1: column 2 has no name"),
        ('a,b\n1,"x"y\n', r"in\.csv:2: .*expected after"),
        ('a,b\n1,"x\ny\n', r"in\.csv:\d: unexpected end of data"),
        ("a,b\r1,2\r", "new-line character"),
    ],
)
async def test_what_is_no_csv_is_said_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "in.csv").write_text(text, newline="")
    with pytest.raises((RecordError, Misconfigured), match=says):
        await read(tmp_path, "in.csv")


async def test_an_empty_file_and_one_with_a_header_only_give_nothing(tmp_path: Path) -> None:
    for name, text in (("a.csv", ""), ("b.csv", "x,y\n"), ("c.jsonl", ""), ("d.jsonl", "\n\n"), ("e.json", "[]")):
        (tmp_path / name).write_text(text)
        assert await read(tmp_path, name) == [], name


# -- json, gzip, formats ----------------------------------------------------------------------------------------


async def test_a_json_document_is_a_list_or_holds_one_or_is_one_record(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"data": {"orders": [{"id": 1}, {"id": 2}]}}')
    orders: Callable[[Any], Any] = lambda document: document["data"]["orders"]  # noqa: E731
    assert await read(tmp_path, "in.json", records=orders) == [{"id": 1}, {"id": 2}]
    assert len(await read(tmp_path, "in.json")) == 1
    with pytest.raises(RecordError, match="records must lead to a list, and it gives null"):
        await read(tmp_path, "in.json", records=lambda document: None)
    with pytest.raises(Misconfigured, match="raise max_size"):
        await read(tmp_path, "in.json", max_size=10)
    (tmp_path / "in.json").write_text("[1, 2")
    with pytest.raises(RecordError, match=r"in\.json: this is not JSON"):
        await read(tmp_path, "in.json")


async def test_a_json_document_settles_as_one(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(json.dumps(RECORDS))
    points = [batch.checkpoint for batch in await batches(build(tmp_path, "in.json"))]
    assert len(points) > 2
    assert set(map(bool, points[:-1])) == {False}
    assert points[-1]


async def test_gzip_by_name_or_option_in_several_members(tmp_path: Path) -> None:
    packed = gzip.compress(lines(RECORDS[:10])) + gzip.compress(lines(RECORDS[10:20]))
    (tmp_path / "in.jsonl.gz").write_bytes(packed)
    (tmp_path / "packed.jsonl").write_bytes(packed)
    assert await read(tmp_path, "in.jsonl.gz") == RECORDS[:20]
    assert await read(tmp_path, "packed.jsonl", compression="gzip") == RECORDS[:20]
    with pytest.raises(RecordError):
        await read(tmp_path, "packed.jsonl")
    (tmp_path / "in.jsonl.gz").write_bytes(packed[:-20])
    with pytest.raises(Misconfigured, match="damaged or cut off"):
        await read(tmp_path, "in.jsonl.gz")
    (tmp_path / "in.jsonl.gz").write_bytes(b"plain")
    with pytest.raises(Misconfigured, match="damaged or cut off"):
        await read(tmp_path, "in.jsonl.gz")


async def test_a_gzip_bomb_meets_the_caps(tmp_path: Path) -> None:
    """A small file that unpacks to 200 MB neither fills the memory as one record nor as one document."""
    bomb = gzip.compress(b" " * 200_000_000, 9)
    assert len(bomb) < 300_000
    for name in ("a.jsonl.gz", "a.json.gz"):
        (tmp_path / name).write_bytes(bomb)
        tracemalloc.start()
        with pytest.raises((RecordError, Misconfigured), match=r"max_record|max_size"):
            await read(tmp_path, name, max_record=8_000_000, max_size=8_000_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40_000_000


async def test_a_name_that_does_not_tell_the_format_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_text("{}\n")
    with pytest.raises(Misconfigured, match="format: csv, json or jsonl"):
        await read(tmp_path, "data.bin")
    assert await read(tmp_path, "data.bin", format="jsonl") == [{}]


# -- globs and places -------------------------------------------------------------------------------------------


async def test_globs_are_sorted_and_skip_hidden_files(tmp_path: Path) -> None:
    notes: list[Any] = []
    for name in ("b/2.jsonl", "a/10.jsonl", "a/9.jsonl", "a/x/1.jsonl", "a/.part.jsonl", ".h/1.jsonl", "a/1.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(lines([{"in": name}]))

    async def names(pattern: str) -> list[str]:
        given = {"note": lambda *note: notes.append(note)}
        return [record["in"] for record in await read(tmp_path, pattern, given=given)]

    assert await names("*/*.jsonl") == ["a/10.jsonl", "a/9.jsonl", "b/2.jsonl"]
    assert await names("**/*.jsonl") == ["a/10.jsonl", "a/9.jsonl", "a/x/1.jsonl", "b/2.jsonl"]
    assert await names("a/[19]*.jsonl") == ["a/10.jsonl", "a/9.jsonl"]
    assert await names("a/?.jsonl") == ["a/9.jsonl"]
    assert notes == []
    assert await names("none/*.jsonl") == []
    assert [note[1] for note in notes] == ["no-files"]


async def test_the_path_is_a_template_over_the_run(tmp_path: Path) -> None:
    (tmp_path / "d1.jsonl").write_bytes(lines([{"a": 1}]))
    source = FileSource(
        context(tmp_path, names={"params": {"day": 1}}), path=lambda names: f"d{names['params']['day']}.jsonl"
    )
    assert len(await batches(source)) == 1

    def broken(names: Any) -> Any:
        raise RecordError("undefined", "'parms' is undefined")

    for template in (broken, lambda names: 7):
        with pytest.raises(Misconfigured, match=r"^path: "):
            await batches(FileSource(context(tmp_path), path=template))


@pytest.fixture
def walls(tmp_path: Path) -> Path:
    """A project with a secret beside it, and every kind of way to it."""
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "in.jsonl").write_text('{"fine": true}\n')
    for folder in (tmp_path, tmp_path / "project-secret", tmp_path / "share"):
        folder.mkdir(exist_ok=True)
        (folder / "secret.jsonl").write_text('{"secret": true}\n')
    (project / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (project / "linked").symlink_to(tmp_path)
    (project / "data" / "up").symlink_to("../..")
    (project / "loop.jsonl").symlink_to("loop.jsonl")
    os.mkfifo(project / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(project)
        server.bind("sock.jsonl")
        os.chdir(here)
    return project


OUTSIDE = [
    "../secret.jsonl",
    "data/../../secret.jsonl",
    "./../secret.jsonl",
    "data/../data/in.jsonl",
    "../project-secret/secret.jsonl",
    "{outside}/secret.jsonl",
    "{project}/../secret.jsonl",
    "//{outside}/secret.jsonl",
    "link.jsonl",
    "linked/secret.jsonl",
    "data/up/secret.jsonl",
    "data/up/project/data/up/secret.jsonl",
    "*.jsonl",
    "link*.jsonl",
    "linke*/secret.jsonl",
    "linked/*.jsonl",
    "data/up/*.jsonl",
    "../*.jsonl",
    "{outside}/*.jsonl",
    "/etc/passwd",
    "/proc/self/environ",
    "/dev/zero",
    "/dev/stdin",
    "/",
    "",
    " ",
    ".",
    "data",
    "data/",
    "data/in.jsonl\0.txt",
    "\0",
    "pipe.jsonl",
    "pip*.jsonl",
    "sock.jsonl",
    "loop.jsonl",
    "data/in.jsonl/x",
    "x" * 5000 + ".jsonl",
    "%2e%2e/secret.jsonl",
    "..%2fsecret.jsonl",
    "..\\secret.jsonl",
    "data/in.jsonl/../../../secret.jsonl",
]


@pytest.mark.parametrize("path", OUTSIDE, ids=repr)
async def test_nothing_outside_the_project_is_read(walls: Path, path: str) -> None:
    """Dots, absolute paths, links, pipes and devices are all refused, and nothing waits."""
    path = path.format(outside=walls.parent, project=walls)
    with pytest.raises(ConnectorError) as caught:
        await read(walls, path, format="jsonl")
    assert "secret: true" not in str(caught.value)


async def test_control_the_same_files_are_read_from_inside(walls: Path) -> None:
    """With the folder among the roots, the same links and absolute paths are fine."""
    roots = {"roots": [walls.parent]}
    for path in ("link.jsonl", "linked/secret.jsonl", f"{walls.parent}/secret.jsonl", f"{walls.parent}/s*.jsonl"):
        assert await read(walls, path, given=roots) == [{"secret": True}], path
    assert await read(walls, f"{walls}/data/in.jsonl") == [{"fine": True}]
    assert await read(walls, "data/i*.jsonl") == [{"fine": True}]


async def test_a_link_inside_the_project_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.jsonl").write_bytes(lines([{"a": 1}]))
    (tmp_path / "today.jsonl").symlink_to("real.jsonl")
    assert await read(tmp_path, "today.jsonl") == [{"a": 1}]


async def test_a_folder_swapped_for_a_link_after_it_was_judged_is_not_followed(walls: Path) -> None:
    """What was judged is what is opened: the walk from the root follows no link."""
    place = Roots(walls, ()).place("data/in.jsonl")
    os.close(place.open(os.O_RDONLY))
    (walls / "data").rename(walls / "moved")
    (walls / "data").symlink_to(walls.parent / "share")
    (walls.parent / "share" / "in.jsonl").write_text('{"secret": true}\n')
    with pytest.raises(Misconfigured, match="link"):
        place.open(os.O_RDONLY)


# -- memory -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["big.jsonl", "big.csv", "big.jsonl.gz"])
async def test_memory_stays_flat_whatever_the_size(tmp_path: Path, name: str) -> None:
    """30 MB pass through a few: blocks, one batch, and nothing that grows."""
    record = {"id": 1, "text": "x" * 200, "note": 'a "quoted"\nnote'}
    some = rows([record] * 1000).encode() if name.endswith("csv") else lines([record] * 1000)
    body = some.partition(b"\n")[2] if name.endswith("csv") else some
    opener: Any = gzip.open if name.endswith("gz") else open
    with opener(tmp_path / name, "wb") as file:
        file.write(some)
        for _ in range(30_000_000 // len(body)):
            file.write(body)
    async with AsyncExitStack() as stack:
        source = build(tmp_path, name)
        await source.open(stack)
        tracemalloc.start()
        count = 0
        async for batch in source.read(None):
            count += len(batch.records)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count > 100_000
    assert peak < 8_000_000, peak
