"""Other programs read a SQLite file while the engine writes it: what is committed stays committed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from connectors._sql import dialects
from connectors._sql.connection import SqlConnection
from connectors._sql.target import SqlTarget
from engine.connector import Context
from engine.record import NO_META, Outgoing

READ = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(c.execute('select count(*) from t').fetchone()[0])"


def seen(file: Path) -> int:
    """Count the rows from another process, which opens the file, and closes it as the last one it knows of."""
    done = subprocess.run([sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=True)
    return int(done.stdout)


async def written_and_seen(folder: Path) -> list[int]:
    """Write a row at a time, and read from another process after each."""
    file = folder / "shop.db"
    with closing(sqlite3.connect(file)) as made:
        made.executescript("pragma journal_mode=wal; create table t (id integer primary key)")
    counts = []
    async with AsyncExitStack() as stack:
        link = SqlConnection(Context("shop", project=folder), url="sqlite:///shop.db")
        await link.open(stack)
        target = SqlTarget(Context("out", project=folder, connection=link), insert={"table": "t"})
        await target.open(stack)
        for number in range(4):
            record = {"id": number}
            await target.write(Outgoing([record], [None], [NO_META], [record]))
            counts.append(seen(file))
    return counts


async def test_another_program_sees_every_write(tmp_path: Path) -> None:
    assert await written_and_seen(tmp_path) == [1, 2, 3, 4]


async def test_control_opening_the_file_to_look_at_it_loses_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """POSIX locks belong to the process: closing any descriptor drops them, and the log is deleted under the writer."""
    from connectors._sql import target

    def look(where: dialects.Address) -> None:
        assert where.file is not None
        os.close(os.open(where.file, os.O_RDONLY))

    monkeypatch.setattr(target, "look", look)
    try:
        counts = await written_and_seen(tmp_path)
    except Exception:
        return
    assert counts != [1, 2, 3, 4]
