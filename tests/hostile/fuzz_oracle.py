"""What must hold whatever is thrown at the engine; anything else is a ``Broken``."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from xml.etree import ElementTree

from engine.cli.main import main
from engine.definition.document import read
from engine.errors import RecordError, Unavailable
from engine.expressions import Invalid, Settings, check_value, evaluate, evaluate_mapping

ROOT = Path(__file__).parents[2]
SECONDS = 1.0
"""Of the processor; the largest file that is thrown has 20 kB."""
MAX_TOLD, MAX_MADE = 200_000, 4 << 20
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_ROW = re.compile(r"^\| \[?`([a-z0-9-]+)`", re.MULTILINE)


class Broken(AssertionError):
    """A promise did not hold; *kind* tells it from others."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(f"{kind}\n{said}")
        self.kind = kind


def known_codes() -> frozenset[str]:
    """Return the codes that have a line in docs/messages.md."""
    return frozenset(_ROW.findall((ROOT / "docs" / "messages.md").read_text("utf-8")))


CODES = known_codes()


def run(arguments: list[str]) -> tuple[int, str, str]:
    """Run the command line here; a mistake of the engine is a Broken with its traceback."""
    out, err, crashed = io.StringIO(), io.StringIO(), []

    def report(session: object, error: BaseException) -> None:
        crashed.append(error)

    with redirect_stdout(out), redirect_stderr(err), mock.patch("engine.cli.crash.report", report):
        code = main(arguments)
    if crashed:
        raise Broken(_signature(crashed[0]), f"{' '.join(arguments)}\n{crashed[0]!r}") from crashed[0]
    return code, out.getvalue(), err.getvalue()


def _signature(error: BaseException) -> str:
    """Tell crashes apart: by the engine's own innermost line."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/engine/" in file or "/connectors/" in file:
            place = f"{Path(file).name}:{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} in {place}"


def project(folder: Path, place: str, data: bytes) -> Path:
    """Put a file into a copy of the base project."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("pipelines", "connections"):
        (folder / name).mkdir(parents=True)
    (folder / "pipelines" / "bank-banks.yaml").write_text(_read("tests/definitions/base/pipelines/bank-banks.yaml"))
    (folder / "connections" / "all.yaml").write_text(_connections())
    (folder / "rows.csv").write_text("a,b\n1,x\n2,y\n")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_bytes(data)
    if place == "rows.csv":
        text = (
            "pipeline: fuzz\nfor_each: {file: rows.csv, key: client}\nlabels: {x: '${each.client}'}\n"
            "source: {sql: {connection: bank-db, query: select 1}}\ntarget: {console: {}}\n"
        )
        (folder / "pipelines" / "fuzz.yaml").write_text(text)
    return folder


def _read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@cache
def _connections() -> str:
    """Return every connection of the project and of the cases, in one file."""
    files = (
        "tests/definitions/base/connections/base.yaml",
        "connections/bank-hub.yaml",
        "pipelines/banban/connections.yaml",
    )
    found: dict[str, Any] = {}
    for name in files:
        value = read(name, _read(name).encode()).value
        named = value["connections"] if isinstance(value, dict) else {}
        found |= {name: one for name, one in named.items() if "for_each" not in one}
    for one in found.values():
        (one.get("sql") or {}).pop("tables", None)  # files that are not here
    return json.dumps({"connections": found})


def hold(folder: Path, flags: int) -> None:
    """Validate a project, and check all that is promised of it; *flags* choose what else is tried."""
    asked = ["--project", str(folder), "validate", *(["--skip-env"] if flags & 1 else [])]
    began = time.process_time()
    code, out, _ = run([*asked, "--format", "json"])
    took = time.process_time() - began
    if took > SECONDS * _slowness():
        raise Broken("slow", f"{took:.2f} s")
    if code not in (0, 2):
        raise Broken(f"exit {code}", out)
    problems = json.loads(out)["problems"]
    if (code == 2) != any(problem["severity"] == "error" for problem in problems):
        raise Broken("exit and problems disagree", f"{code}\n{out}")
    for problem in problems:
        _place(folder, problem)
    if flags & 2:
        again = json.loads(run([*asked, "--format", "json"])[1])["problems"]
        if again != problems:
            raise Broken("not the same twice", f"{problems}\n{again}")
    if flags & 4:
        _formats(asked, problems)
    if flags & 8:
        _others(folder)
    if code == 0 and not flags & 1:
        _compiles(folder)


def _slowness() -> float:
    begin = time.process_time()
    sum(number * number % 7 for number in range(250_000))
    return max(1.0, (time.process_time() - begin) / 0.015)


def _place(folder: Path, problem: dict[str, Any]) -> None:
    if problem["code"] not in CODES:
        raise Broken(f"unknown code {problem['code']}", str(problem))
    if not problem["message"]:
        raise Broken("no message", str(problem))
    path = folder / problem["file"]
    if not path.is_file():
        raise Broken("no such file", str(problem))
    lines = _BREAK.split(path.read_bytes().decode("utf-8-sig", "replace"))
    if not 1 <= problem["line"] <= len(lines):
        raise Broken(f"line outside the file ({problem['code']})", f"{problem} of {len(lines)}")
    if not 1 <= problem["column"] <= len(lines[problem["line"] - 1]) + 1:
        raise Broken(f"column outside the line ({problem['code']})", str(problem))


def _formats(asked: list[str], problems: list[Any]) -> None:
    _, out, err = run([*asked, "--format", "text"])
    if len(out + err) > MAX_TOLD:
        raise Broken("says too much", str(len(out + err)))
    if wrong := [sign for sign in out + err if sign != "\n" and not sign.isprintable()]:
        raise Broken("a sign that a terminal obeys", repr(wrong))
    json.loads(run([*asked, "--format", "sarif"])[1])
    ElementTree.fromstring(run([*asked, "--format", "junit"])[1])
    run([*asked, "--format", "github"])


def _others(folder: Path) -> None:
    """Commands that only look, at whatever it is."""
    for command in (["list"], ["show", "fuzz"], ["schedule", "preview"], ["validate", "--fix", "--dry-run"]):
        code, _, _ = run(["--project", str(folder), *command])
        if code not in (0, 1, 2, 3):
            raise Broken(f"exit {code}", " ".join(command))


def _compiles(folder: Path) -> None:
    """What passes validate can be compiled."""
    import os

    from engine.compiler.compile import compile_pipeline
    from engine.definition.loader import load

    loaded, _ = load(folder.resolve(), environ=os.environ)
    for definition in loaded.pipelines.values():
        try:
            compile_pipeline(loaded, definition)
        except Unavailable:
            pass
        except Exception as error:
            raise Broken(f"passes validate, does not compile: {_signature(error)}", repr(error)) from error


RECORDS: tuple[dict[str, Any], ...] = (
    {"a": "abc", "b": {"c": 1}, "n": 7, "rows": [3, 1, 2], "q": None},
    {"a": [{"a": 1}, {"a": "x"}, None], "n": -1.5, "rows": [{"a": 1, "b": "x"}] * 50},
    {"a": "a" * 5_000 + "b", "n": 10**30, "rows": list(range(2_000)), "b": "2026-02-30"},
    {},
)


def expression(text: str) -> None:
    """Compile an expression or a template and try it on records: a value of a bounded size, or a known refusal."""
    began = time.process_time()
    check_value({"x": text}, ("mapping",))
    makers: list[Callable[[], Callable[[Any], Any]]] = [
        lambda: evaluate(text, Settings()),
        lambda: evaluate_mapping({"x": text}, Settings()),
    ]
    for function in makers:
        try:
            made = function()
        except Invalid:
            continue
        except Exception as error:
            raise Broken(f"compiling: {_signature(error)}", text) from error
        for record in RECORDS:
            try:
                value = made(record)
            except RecordError:
                continue
            except Exception as error:
                raise Broken(f"running: {_signature(error)}", text) from error
            if len(repr(value)) > MAX_MADE:
                raise Broken("makes too much", text)
    took = time.process_time() - began
    if took > SECONDS * _slowness():
        raise Broken("a slow expression", f"{took:.2f} s\n{text}")
