"""``engine run NAME --record FILE``: a real run, written down as a test that passes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine import whole
from engine.cli.session import Session
from engine.cli.yamltext import lines
from engine.errors import EngineError, Unavailable

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition, PipelineTest, Project
    from engine.runtime.request import Request, RunResult
    from engine.testing.recording import Recorder

LIMIT = 20
"""Records that are written down where ``--limit`` is not given."""
_HEAD = """\
# Written by engine run {name} --record. Look at it before you keep it: secrets and fields marked $sensitive have
# stand-ins, everything else is as it was.
"""


def record(session: Session, project: Project, definition: PipelineDefinition, request: Request, file: Path) -> int:
    """Run the pipeline, write the test, and run that, too. Returns the exit code."""
    from engine.cli.names import names_of
    from engine.cli.runner import BAD
    from engine.telemetry.summary import render

    recorder, result = asyncio.run(_run(project, definition, request))
    summary = dict(result.summary)
    session.err.line(f"{definition.name}: {render(summary, session.err.look, names_of(definition))}")
    started = datetime.fromisoformat(summary["started"]).astimezone(UTC).replace(microsecond=0)
    moment = started.isoformat().replace("+00:00", "Z")
    body = recorder.body(request.params, moment, summary["read"])
    name = f"as recorded on {started:%Y-%m-%d %H:%M}"
    test = {"test": name, "pipeline": definition.name, **body}
    expect, misses = _tried(session, test)
    text = _text(definition.name, {**test, "expect": expect})
    file.parent.mkdir(parents=True, exist_ok=True)
    whole.write(file, text.encode())
    count = len(body["records"])
    session.out.line(f"wrote {file}   {count} record{'' if count == 1 else 's'}")
    for miss in misses:
        session.err.line(f"the test does not pass yet: {miss}")
    told = _compared(summary, expect)
    if told:
        session.err.line(told)
    session.out.line(f"run it:  {session.out.look.paint(f'engine test {file}', 'strong')}")
    return 1 if misses or summary["status"] in BAD else 0


async def _run(project: Project, definition: PipelineDefinition, request: Request) -> tuple[Recorder, RunResult]:
    from engine.app import open_app
    from engine.cli.hands import server
    from engine.redact import Redactor
    from engine.testing.recording import Recorder

    if await server(project) is not None:
        raise Unavailable("a server works with this project: stop it while you record, or record in a copy")
    async with open_app(project, emit=lambda event: None) as app:
        recorder = Recorder(app.pipeline(definition.name), Redactor(project.secrets))
        app.compiled.done[definition.name] = recorder.watch()
        app.runtime.exchange = recorder
        return recorder, await app.run(definition.name, request, asyncio.Event())


def _tried(session: Session, test: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Run the test, take what comes as what is expected, and run it again; give also what is wrong then."""
    from engine.definition.loader import load
    from engine.definition.lookup import MadeUp
    from engine.testing.recording import expectations
    from engine.testing.suite import Suite

    project, _ = load(session.root.resolve(), environ=MadeUp(), skip_env=True, tests=False)
    suite = Suite(project)
    first = asyncio.run(suite.one(_as_read(test)))
    if first.outcome.stuck:
        return {}, [first.outcome.stuck]
    expect = expectations(first.outcome)
    second = asyncio.run(suite.one(_as_read({**test, "expect": expect})))
    return expect, [f"{miss.label} {miss.says}".strip() for miss in second.misses]


def _as_read(test: Mapping[str, Any]) -> PipelineTest:
    """Return the test as it is read back from what is written."""
    from engine.definition.document import read
    from engine.definition.model import Origin, PipelineTest

    document = read("recorded", _text(str(test["pipeline"]), test).encode())
    if document.problems:
        raise EngineError(f"what was recorded cannot be written as YAML: {document.problems[0]}")
    body = document.value["tests"][0]
    return PipelineTest(body["test"], body["pipeline"], Origin("recorded", {}, ""), ("tests", 0), body)


def _text(name: str, test: Mapping[str, Any]) -> str:
    return _HEAD.format(name=name) + "\n".join(lines({"tests": [dict(test)]})) + "\n"


def _compared(summary: Mapping[str, Any], expect: Mapping[str, Any]) -> str:
    """Say where the run and the test came to different ends."""
    sent = expect.get("sent") or []
    listed = [sent] if isinstance(sent, list) else list(sent.values())
    mine, real = sum(map(len, listed)), sum(summary["sent"].values())
    if mine == real and summary["status"] == expect.get("status"):
        return ""
    return (
        f"note: the run sent {real} and ended {summary['status']}, the test sends {mine} and ends "
        f"{expect.get('status')}: what a database refused, or a variable set on this machine, is not written down"
    )


def refuse_existing(file: Path, force: bool) -> None:
    """Raise UsageError where *file* is there and must not be overwritten, or is no file of tests."""
    if not file.name.endswith((".test.yaml", ".test.yml")):
        raise click.UsageError(f"{file}: the name of a file of tests ends with .test.yaml")
    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already; write another name, or --force to overwrite it")


def limited(request: Request) -> Request:
    """Return the request with the limit of a recording."""
    return request if request.limit is not None else replace(request, limit=LIMIT)
