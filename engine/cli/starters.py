"""``engine init`` and ``engine new``: commented beginnings that validate."""

from __future__ import annotations

import re
from pathlib import Path

import click

from engine.cli.commands import Command, Group
from engine.cli.session import Session, pass_session

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")

SETTINGS = """\
# Settings of this project; every key can also be given as ENGINE_… in the environment.
engine: 1
# store: {sqlite: {path: data/engine.db}}      # where runs, cursors and dead letters are kept
"""

IGNORE = """\
data/
secrets/
.env
"""

PIPELINE = """\
# Check it:  engine validate pipelines/{name}.yaml      Try it:  engine run {name} --dry-run
pipeline: {name}
description: Says who earns how much

source:
  inline:                     # rows written here; other sources: engine connectors
    rows:
      - {{id: 1, name: ana, salary: 5000}}
      - {{id: 2, name: bruno, salary: 4200}}
      - {{id: 3, name: carla, salary: 0}}

filters:                      # conditions in JMESPath; numbers stand in backticks
  - salary > `0`

mapping:                      # what is sent, field by field
  $copy: [id]                 # the same name on both sides
  employee: "{{{{ record.name | title }}}}"       # a template, where {{{{ stands in it
  salary: {{$value: salary, $type: decimal}}
  currency: {{$const: EUR}}     # a text as it is

target:
  console: {{}}                 # prints each record; other targets: engine connectors
"""

CONNECTION = """\
# A named system: its address, its credentials, and the limits all its users share. Try it:  engine check {name}
connections:
  {name}:
    http:                     # other kinds: engine connectors
      base_url: ${{{variable}_URL:-http://localhost:4000}}
      # auth: {{bearer: "${{secret:{name}-token}}"}}  # ENGINE_SECRET_{variable}_TOKEN
    # resilience:
    #   circuit_breaker: {{failures: 5, window: 120s, reset_after: 60s}}
    #   rate_limit: {{limit: 100, per: 1s}}
"""


@click.command("init", cls=Command)
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@pass_session
def init(session: Session, folder: Path | None) -> None:
    """Make an empty project in DIR (here when not given); what is there stays as it is."""
    root = session.root / folder if folder else session.root
    made = []
    for name, text in (("engine.yaml", SETTINGS), (".gitignore", IGNORE)):
        if _write(root / name, text):
            made.append(name)
    for name in ("pipelines", "connections"):
        if not (root / name).is_dir():
            (root / name).mkdir(parents=True)
            made.append(f"{name}/")
    if session.quiet:
        return
    session.out.line(f"made {', '.join(made)} in {root}" if made else f"{root} is a project already")
    there = f" --project {folder}" if folder else ""
    session.out.line(f"next:  {session.out.look.paint(f'engine new pipeline hello{there}', 'strong')}")


def _write(path: Path, text: str) -> bool:
    """Write a new file; False when there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


@click.group("new", cls=Group)
def new() -> None:
    """Write a commented starter that validates."""


@new.command("pipeline", cls=Command)
@click.argument("name")
@pass_session
def pipeline(session: Session, name: str) -> None:
    """Write pipelines/NAME.yaml: rows, a filter, a mapping, and the console."""
    _new(session, Path("pipelines") / f"{name}.yaml", name, PIPELINE.format(name=name))
    _next(session, f"engine run {name} --dry-run")


@new.command("connection", cls=Command)
@click.argument("name")
@pass_session
def connection(session: Session, name: str) -> None:
    """Write connections/NAME.yaml: an HTTP system with its address and limits."""
    variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
    _new(session, Path("connections") / f"{name}.yaml", name, CONNECTION.format(name=name, variable=variable))
    _next(session, f"engine check {name}")


@new.command("preset", cls=Command, hidden=True)
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Say that presets are not there yet."""
    raise click.UsageError("presets are not there yet; pipeline and connection are")


@new.command("test", cls=Command, hidden=True)
@click.argument("name", required=False)
def test(name: str | None) -> None:
    """Say that tests of pipelines are not there yet."""
    raise click.UsageError("tests of pipelines are not there yet; pipeline and connection are")


def _new(session: Session, path: Path, name: str, text: str) -> None:
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"'{name}' is not a name: use a-z, 0-9 and hyphens")
    if not session.root.is_dir():
        raise click.UsageError(f"the project folder {session.root} does not exist; make it with: engine init")
    if not _write(session.root / path, text):
        raise click.UsageError(f"{session.root / path} is there already")
    if not session.quiet:
        session.out.line(f"wrote {session.root / path}")


def _next(session: Session, command: str) -> None:
    where = "" if session.root == Path() else f" --project {session.root}"
    if not session.quiet:
        session.out.line(f"next:  {session.out.look.paint(command + where, 'strong')}")
