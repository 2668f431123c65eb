"""The retail hub's SQL is PostgreSQL's too: its tables can be made there, and each statement can be prepared."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connectors._sql.binds import parse
from engine.definition.document import read
from tests.acceptance.banban_hub import ROOT

HUB = ROOT / "pipelines" / "banban"
Psql = Callable[[str], str]


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name, path=os.pathsep.join(str(one.parent) for one in reversed(found))) or shutil.which(name)


@pytest.fixture(scope="module")
def psql() -> Iterator[Psql]:
    """Start a PostgreSQL of our own, behind a socket in a folder; skipped where there is none."""
    if not all(_program(name) for name in ("initdb", "pg_ctl", "psql")):
        pytest.skip("there is no PostgreSQL on this machine")
    # it refuses to run as root; and the path of its socket must be short
    user = next((name for name in ("postgres", "nobody") if _known(name)), None) if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(folder, user)

    def run(name: str, *arguments: str, text: str = "") -> str:
        command = [str(_program(name)), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, user=user, cwd=folder, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    data, options = str(folder / "data"), f"-k {folder} -c listen_addresses=''"
    try:
        run("initdb", "-D", data, "-A", "trust", "-U", "hub", "--no-sync")
        run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        connect = ("-h", str(folder), "-U", "hub", "-d", "postgres", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        try:
            yield lambda text: run("psql", *connect, text=text)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _statements(value: Any) -> Iterator[str]:
    """Every text of SQL in a pipeline."""
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if key in ("sql", "query") and isinstance(item, str):
            yield item
        elif isinstance(item, Mapping | list):
            yield from _statements(item)


def _numbered(written: str) -> str:
    """Write the binds as PostgreSQL numbers them."""
    sql = parse(written, "sql")
    places = {safe: number for number, safe in enumerate(sql.names.values(), 1)}
    return re.sub(r"(?<![:\w]):(b\d+)\b", lambda bind: f"${places[bind[1]]}", sql.escaped.replace("\\:", ":"))


def test_the_tables_and_every_statement_are_understood(psql: Psql) -> None:
    """And what is bound is what the pipelines bind: texts and whole numbers."""
    texts = [sql for file in sorted(HUB.glob("*.yaml")) for sql in _statements(_read(file))]
    assert len(texts) > 60
    prepared = "".join(f"prepare s{number} as {_numbered(sql)};\n" for number, sql in enumerate(texts))
    kinds = psql(
        (HUB / "schema.sql").read_text("utf-8")
        + prepared
        + "select distinct unnest(parameter_types)::text from pg_prepared_statements order by 1;"
    )
    assert kinds.split() == ["bigint", "integer", "text"]


def test_control_what_only_sqlite_understands_is_refused(psql: Psql) -> None:
    with pytest.raises(AssertionError, match="syntax error"):
        psql(f"create table t (a text primary key); prepare s as {_numbered('insert or ignore into t values (:a)')};")


def _read(file: Path) -> Any:
    return read(file.name, file.read_bytes()).value
