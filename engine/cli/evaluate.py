"""``engine eval``: an expression or a mapping, tried on JSON lines with the code of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from engine.cli.commands import Command
from engine.cli.session import Session, Stopped, pass_session
from engine.errors import RecordError


@click.command("eval", cls=Command)
@click.argument("expression", required=False, metavar="EXPR")
@click.option("--mapping", type=click.Path(path_type=Path), metavar="FILE", help="A mapping, or a pipeline with one.")
@pass_session
def evaluate(session: Session, expression: str | None, mapping: Path | None) -> None:
    """Try EXPR (JMESPath, or Jinja with {{ record.x }}) on JSON documents from stdin, one a line.

    One JSON result a line comes back; where it fails it is {"$error": {code, message}}, and the exit is 1.
    """
    if (expression is None) == (mapping is None):
        raise click.UsageError("give one: an expression, or --mapping FILE")
    function = _mapping(session, mapping) if mapping is not None else _expression(session, expression or "")
    if sys.stdin.isatty() and not session.quiet:
        session.err.line(session.err.look.paint("one JSON document a line; end with Ctrl-D", "detail"))
    failed = False
    for result in _results(function):
        failed = failed or isinstance(result, Failed)
        session.out.json(result)
        session.out.flush()
    if failed:
        raise Stopped(1)


class Failed(dict[str, Any]):
    """The result of a document that failed."""


def _results(function: Callable[[Any], Any]) -> Iterator[Any]:
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            what = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
            yield Failed({"$error": {"code": "not-json", "message": f"line {number}, {what}"}})
            continue
        try:
            yield function(document)
        except RecordError as error:
            where = f"{error.where}: " if error.where else ""
            yield Failed({"$error": {"code": error.code, "message": f"{where}{error.message}"}})


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _settings(session: Session) -> Any:
    from engine.expressions import Settings

    return Settings(root=session.root)


def _expression(session: Session, text: str) -> Callable[[Any], Any]:
    from engine import expressions

    try:
        return expressions.evaluate(text, _settings(session))
    except expressions.Invalid as error:
        raise click.UsageError(str(error)) from None


def _mapping(session: Session, file: Path) -> Callable[[Any], Any]:
    from engine import expressions

    value = _read(session, file)
    try:
        return expressions.evaluate_mapping(value, _settings(session))
    except expressions.Invalid as error:
        raise click.UsageError(f"{file}: {error}") from None


def _read(session: Session, file: Path) -> Any:
    from engine.definition import document

    path = session.root / file if (session.root / file).exists() else file
    try:
        found = document.read(str(file), path.read_bytes())
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from None
    session.refuse(found.problems)
    value = found.value
    if isinstance(value, Mapping) and isinstance(value.get("mapping"), Mapping):
        return value["mapping"]
    if not isinstance(value, Mapping) or "pipeline" in value:
        raise click.UsageError(f"{file}: no mapping: write fields, or a pipeline with mapping:")
    return value
