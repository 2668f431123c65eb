"""``engine init`` and ``engine new``: commented beginnings that validate."""

from __future__ import annotations

import re
from pathlib import Path

import click

from engine.cli import beginnings
from engine.cli.beginnings import HELLO, IGNORE, SETTINGS
from engine.cli.commands import Command, Group
from engine.cli.schemas import MODELINE, PLACE, project_schema
from engine.cli.session import Session, pass_session, unknown
from engine.definition.schema import Catalog

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


@click.command("init", cls=Command)
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@pass_session
def init(session: Session, folder: Path | None) -> None:
    """Make an empty project in DIR (here when not given); what is there stays as it is."""
    root = session.root / folder if folder else session.root
    texts = {
        "engine.yaml": SETTINGS.format(modeline=MODELINE.format(path=PLACE)),
        ".gitignore": IGNORE,
        PLACE: project_schema(),
    }
    made = [name for name, text in texts.items() if _write(root / name, text)]
    for name in ("pipelines", "connections"):
        if not (root / name).is_dir():
            (root / name).mkdir(parents=True)
            made.append(f"{name}/")
    if session.quiet:
        return
    session.out.line(f"made {', '.join(made)} in {root}" if made else f"{root} is a project already")
    there = f" --project {folder}" if folder else ""
    begun = any((root / "pipelines").rglob("*.y*ml"))
    following = "engine validate" if begun else "engine new pipeline hello"
    session.out.line(f"next:  {session.out.look.paint(f'{following}{there}', 'strong')}")
    session.out.line(f"in CI:  {session.out.look.paint('engine validate --strict', 'strong')}")


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
@click.option("--from", "source", metavar="CONNECTOR", help="What it reads: sql, http, file, …")
@click.option("--to", "target", metavar="CONNECTOR", help="What it writes to.")
@pass_session
def pipeline(session: Session, name: str, source: str | None, target: str | None) -> None:
    """Write pipelines/NAME.yaml: rows, a filter, a mapping, and the console; or from one connector to another.

    A connection that the project does not have yet is written too, to connections/NAME.yaml.
    """
    path = Path("pipelines") / f"{name}.yaml"
    _free(session, path, name)
    if source is None and target is None:
        _put(session, path, HELLO.format(name=name, modeline=_modeline(session)))
        _next(session, f"engine run {name} --dry-run")
        return
    catalog = Catalog()
    made: list[str] = []
    ends = [
        _end(session, catalog, ("source", source or "inline"), name, made),
        _end(session, catalog, ("target", target or "console"), name, made),
    ]
    if made:
        others = Path("connections") / f"{name}.yaml"
        _free(session, others, name)
        _put(session, others, beginnings.connections(_modeline(session), made))
    _put(session, path, beginnings.pipeline(name, _modeline(session), *ends))
    _next(session, f"engine validate {path.as_posix()}")


def _end(session: Session, catalog: Catalog, wanted: tuple[str, str], name: str, made: list[str]) -> beginnings.End:
    """Find a connector and a connection for it: one of the project, or a new one, added to *made*."""
    role, called = wanted
    found = catalog.connector(called)
    if found is None or role not in found.roles:
        does = "read from" if role == "source" else "write to"
        raise click.UsageError(unknown(f"connector to {does}", called, catalog.with_role(role), "engine connectors"))
    if not beginnings.takes_connection(found, role):
        return beginnings.End(found, None)
    there = session.project().connections.values() if session.root.is_dir() else ()
    known = sorted(one.name for one in there if one.use.connector in found.kinds and not one.origin.instance)
    if known:
        return beginnings.End(found, known[0])
    kind = catalog.connector(found.kinds[0])
    assert kind is not None
    made.append(beginnings.connection(f"{name}-{role}", kind))
    return beginnings.End(found, f"{name}-{role}")


@new.command("connection", cls=Command)
@click.argument("name")
@click.option("--kind", default="http", show_default=True, metavar="CONNECTOR", help="What kind of system it is.")
@pass_session
def connection(session: Session, name: str, kind: str) -> None:
    """Write connections/NAME.yaml: a system with its address, its credentials and its limits."""
    path = Path("connections") / f"{name}.yaml"
    _free(session, path, name)
    catalog = Catalog()
    found = catalog.connector(kind)
    if found is None or "connection" not in found.roles:
        raise click.UsageError(
            unknown("kind of connection", kind, catalog.with_role("connection"), "engine connectors")
        )
    _put(session, path, beginnings.connections(_modeline(session), [beginnings.connection(name, found)]))
    _next(session, f"engine check {name}")


@new.command("preset", cls=Command, hidden=True)
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Say that presets are not there yet."""
    raise click.UsageError("presets are not there yet; pipeline and connection are")


@new.command("test", cls=Command)
@click.argument("name")
@pass_session
def test(session: Session, name: str) -> None:
    """Write NAME.test.yaml beside the pipeline NAME: a first test that passes, to go on from."""
    from engine.cli import first_test

    path = first_test.write(session, name, _modeline(session))
    if not session.quiet:
        session.out.line(f"wrote {session.root / path}")
    _next(session, f"engine test {path.as_posix()}")


def _modeline(session: Session) -> str:
    """Lead editors to the project's schema, where it has one."""
    return MODELINE.format(path=f"../{PLACE}") if (session.root / PLACE).is_file() else ""


def _free(session: Session, path: Path, name: str) -> None:
    """Refuse a name that is none, and a file that is there."""
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"'{name}' is not a name: use a-z, 0-9 and hyphens")
    if not session.root.is_dir():
        raise click.UsageError(f"the project folder {session.root} does not exist; make it with: engine init")
    if (session.root / path).exists():
        raise click.UsageError(f"{session.root / path} is there already")


def _put(session: Session, path: Path, text: str) -> None:
    if not _write(session.root / path, text):
        raise click.UsageError(f"{session.root / path} is there already")
    if not session.quiet:
        session.out.line(f"wrote {session.root / path}")


def _next(session: Session, command: str) -> None:
    where = "" if session.root == Path() else f" --project {session.root}"
    if not session.quiet:
        session.out.line(f"next:  {session.out.look.paint(command + where, 'strong')}")
