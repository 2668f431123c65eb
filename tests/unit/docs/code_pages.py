"""The pages of the codes, taken apart and tried: what is wrong is said to be wrong, what is right is not.

A page has a line ``*section · kind*`` and cases in order: blocks ``yaml wrong``, ``text says``, ``yaml right``. The
first line of each YAML block names its file. A block whose mark is a file name is that file (``sql shop.db`` makes a
database of it): of both projects when it stands before ``says``, else of the right one. ``text answers`` are those of
the other system, a line each, the last again and again; ``cut`` breaks off, ``late`` says nothing.
"""

from __future__ import annotations

import io
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from engine.cli.main import main
from tests.definitions.validating import validated
from tests.unit.docs.pages import ROOT, blocks
from tests.unit.docs.scripted import Scripted

FOLDER = ROOT / "docs" / "codes"
CONTEXT = (Path(__file__).with_name("context.yaml")).read_text("utf-8")
SECRETS = ("ERP_TOKEN", "SHOP_HOOK", "SHOP_KEY", "HUB_TOKEN")
ENVIRON = {f"ENGINE_SECRET_{name}": "not-a-real-secret" for name in SECRETS}
_TAGS = re.compile(r"^\*(?P<tags>[^*\n]+)\*$", re.MULTILINE)
_TOOK = re.compile(r" in [\d.]+ (?:ms|s|min)\b")
_WHEN = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


@dataclass
class Case:
    """One mistake of a page."""

    wrong: dict[str, str] = field(default_factory=dict)
    right: dict[str, str] = field(default_factory=dict)
    wrong_answers: list[str] = field(default_factory=list)
    right_answers: list[str] = field(default_factory=list)
    said: str = ""
    asked: list[str] = field(default_factory=list)
    """The command; ``engine validate`` when there is none."""


class Told(NamedTuple):
    """What the engine says of a project."""

    text: str
    codes: set[str]
    good: bool


def tags(page: Path) -> list[str]:
    """Return the sections and kinds of a page."""
    found = _TAGS.search(page.read_text("utf-8"))
    return found["tags"].split(" · ") if found else []


def cases(page: Path) -> list[Case]:
    """Return the cases of a page."""
    made: list[Case] = []
    phase = "right"
    for block in blocks(page):
        if not block.mark:
            continue
        if phase == "right" and (block.mark == "wrong" or "." in block.mark):
            made.append(Case())
            phase = "wrong"
        phase = {"says": "said", "right": "right"}.get(block.mark, phase)
        _take(made[-1], phase, block.mark, block.text)
    return made


def _take(case: Case, phase: str, mark: str, text: str) -> None:
    if mark == "says":
        lines = text.splitlines(keepends=True)
        asked = lines.pop(0)[2:].split()[1:] if lines and lines[0].startswith("$ ") else []
        case.asked, case.said = asked, "".join(lines)
    elif mark == "answers":
        (case.wrong_answers if phase == "wrong" else case.right_answers).extend(text.splitlines())
    elif mark in ("wrong", "right"):
        name = text.splitlines()[0].removeprefix("#").strip()
        (case.wrong if mark == "wrong" else case.right)[name] = text
    elif "." in mark:
        case.right[mark] = text
        if phase == "wrong":
            case.wrong[mark] = text


def tried(files: Mapping[str, str], answers: list[str], asked: list[str], root: Path) -> Told:
    """Write a project and ask the engine about it."""
    with Scripted(answers) as system:
        _write(files, root, system.port)
        if asked:
            return _asked(asked, root, system.port)
        shown = [name for name in files if name.endswith((".yaml", ".env"))]
        found = validated(root, ENVIRON)
        told = [one for one in found if one.file in shown or one.file in files]
        if not any(name.startswith("pipelines/") for name in files):
            told = [one for one in told if one.code != "unused"]
        return Told("".join(f"{one}\n" for one in told), {one.code for one in told}, not told)


def _write(files: Mapping[str, str], root: Path, port: int) -> None:
    everything = {"connections/context.yaml": CONTEXT, **files}
    for name, text in everything.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as database:
                database.executescript(text)
        else:
            path.write_text(text.replace("localhost:4000", f"localhost:{port}"), "utf-8")


def _asked(asked: list[str], root: Path, port: int) -> Told:
    code, seen = _engine(["--project", str(root), *asked])
    lines = [
        line for line in seen.splitlines() if not line.startswith(("{", "see them:")) and "engine runs " not in line
    ]
    text = "".join(f"{_WHEN.sub('', _TOOK.sub('', line)).replace(f':{port}', ':4000')}\n" for line in lines)
    told = set(re.findall(r"\[([a-z0-9-]+)\]", text)) if code == 2 else set(_codes(root))
    return Told(text, told, code == 0 and not told)


def _codes(root: Path) -> Iterator[str]:
    """Yield the codes that runs left: why records were rejected, why a run failed, what the log says."""
    for run in _lines(root, "runs", "--json"):
        summary = run["summary"]
        yield from (reason["code"] for reason in summary["reasons"])
        if summary["error"]:
            yield summary["error"]["code"]
        yield from (line["code"] for line in _lines(root, "runs", "logs", "--json", run["id"]))


def _lines(root: Path, *command: str) -> list[dict[str, Any]]:
    _, listed = _engine(["--project", str(root), *command])
    return [json.loads(line) for line in listed.splitlines()]


def _engine(arguments: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    environ = {**os.environ, **ENVIRON, "TZ": "UTC", "TERM": "dumb"}
    with mock.patch.dict(os.environ, environ), redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return code, err.getvalue() + out.getvalue()


def with_said(page: Path, told: list[str]) -> str:
    """Return the text of a page with what the engine says today, case by case."""
    waiting = iter(told)

    def renewed(match: re.Match[str]) -> str:
        command = match["command"] or ""
        return f"```text says\n{command}{next(waiting)}```"

    pattern = re.compile(r"^```text says\n(?P<command>\$ [^\n]*\n)?.*?^```", re.MULTILINE | re.DOTALL)
    return pattern.sub(renewed, page.read_text("utf-8"))
