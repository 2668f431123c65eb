"""The commands that change dead letters: ``edit``, ``replay``, ``drop``."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from engine.cli.commands import Command
from engine.cli.dead_choice import filters, one, where_of, whole_run
from engine.cli.lookup import rows
from engine.cli.masking import compiled, masked, restored
from engine.cli.screen import json_text
from engine.cli.session import Session, pass_session
from engine.store.base import Where
from engine.telemetry.words import count

if TYPE_CHECKING:
    from engine.cli.hands import Hands
    from engine.definition.model import Project

_CHUNK = 1000


@click.command("edit", cls=Command)
@click.argument("letter", metavar="ID")
@click.option(
    "--from", "source", type=click.Path(path_type=Path), metavar="FILE", help="Take the record from a JSON file."
)
@click.option("--send", is_flag=True, help="Replay it at once.")
@pass_session
def edit(session: Session, letter: str, source: Path | None, send: bool) -> int:
    """Correct a record in $EDITOR, or take it from a file.

    Sensitive values are covered; what stays covered keeps its value.
    """
    project = session.project()
    found = asyncio.run(one(session, project, letter))
    if found.status != "open":
        raise click.UsageError(f"{found.id} was {found.status} already")
    shown = masked(found, compiled(project, found.pipeline)).record
    text = _read(source) if source else _edited(session, shown)
    if text is None:
        session.err.line("nothing changed")
        return 0
    body = _record(text, shown, found.record)
    asyncio.run(_store_edit(project, found.id, body))
    if send:
        return _replay(session, [found.id], Where(), 0, False)
    look = session.out.look
    if not session.quiet:
        again = look.paint(f"engine dead-letters replay {found.id}", "strong")
        session.out.line(f"changed {found.id}        send it:  {again}")
    return 0


def _read(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{source}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def _edited(session: Session, shown: Any) -> str | None:
    """Let the user's editor at the record; None when nothing was changed."""
    before = json_text(shown, 2) + "\n"
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise click.UsageError("no editor: set EDITOR, or give the record with --from FILE")
    handle, name = tempfile.mkstemp(prefix="engine-", suffix=".json")  # readable by its owner only
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(before)
        done = subprocess.run([*shlex.split(editor), name], check=False)
        if done.returncode:
            raise click.UsageError(f"{editor} ended with {done.returncode}; nothing was changed")
        after = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise click.UsageError(f"the editor {editor} was not found; set EDITOR") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return after if after != before else None


def _record(text: str, shown: Any, original: Any) -> Any:
    try:
        return restored(_parsed(text), _parsed(json_text(shown)), original)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=_number, parse_constant=_refuse_constant)


def _number(text: str) -> float | Decimal:
    """Keep the digits: a float where it says the same, else a decimal."""
    value = float(text)
    return value if Decimal(repr(value)) == Decimal(text) else Decimal(text)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number that can be sent")


async def _store_edit(project: Project, letter: str, body: Any) -> None:
    from engine.cli.hands import hands

    async with hands(project) as whose:
        if not await whose.amend(Where(id=letter), "edit", body):
            raise click.UsageError(f"{letter} is not open any more")


@click.command("replay", cls=Command)
@click.argument("letters", nargs=-1, metavar="[ID]...")
@filters
@click.option("--all", "everything", is_flag=True, help="Every open one.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="No more than N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a run instead of the summary.")
@pass_session
def replay(
    session: Session, /, letters: tuple[str, ...], everything: bool, limit: int | None, as_json: bool, **chosen: Any
) -> int:
    """Send records again, by id or by cause, as the pipeline is now.

    Each enters again at the place where it failed. What fails again is a new dead letter.
    """
    where = _chosen(letters, everything, chosen)
    return _replay(session, letters, where, limit or 0, as_json)


def _chosen(letters: Sequence[str], everything: bool, chosen: Mapping[str, Any]) -> Where:
    named = any(value is not None for value in chosen.values())
    if sum((bool(letters), named, everything)) != 1:
        raise click.UsageError("say which: IDs, a filter such as --pipeline or --reason, or --all")
    return where_of(chosen)


def _replay(session: Session, letters: Sequence[str], where: Where, limit: int, as_json: bool) -> int:
    from engine.app import Request
    from engine.cli.run import select
    from engine.cli.runner import Foreground, Job

    project = session.project()
    picked = asyncio.run(_pick(session, project, letters, where, limit))
    left = {} if letters else asyncio.run(waiting(session, project, where))
    pipelines = list(dict.fromkeys([*picked.counts, *left]))
    if not pipelines:
        session.err.line("no open dead letters to send again")
        return 0
    gone = [name for name in pipelines if name not in project.pipelines]
    if gone:
        raise click.UsageError(f"{gone[0]} is not there any more; bring it back, or drop its dead letters")
    project, _ = select(session, pipelines)

    async def amend(whose: Hands) -> bool:
        sent = await picked.amend(whose, "replay") + sum(left.values())
        if not session.quiet and not as_json:
            session.err.line(f"sending {count(sent, 'record')} again")
        return sent > 0

    jobs = [Job(name, Request(replay=True, trigger="replay")) for name in pipelines]
    return Foreground(session, project, as_json).run(jobs, amend)


@dataclass(frozen=True, slots=True)
class Picked:
    """The open dead letters that are meant."""

    wheres: Sequence[Where]
    counts: Mapping[str, int]
    """By pipeline."""
    limit: int = 0

    async def amend(self, whose: Hands, do: Literal["replay", "drop"]) -> int:
        """Change them, in transactions of a bearable size; returns how many there were."""
        done = 0
        for where in self.wheres:
            while not self.limit or done < self.limit:
                room = min(_CHUNK, self.limit - done) if self.limit else _CHUNK
                changed = await whose.amend(where, do, limit=room)
                done += changed
                if changed < room:
                    break
        return done


async def _pick(session: Session, project: Project, letters: Sequence[str], where: Where, limit: int) -> Picked:
    if letters:
        found = [await one(session, project, text) for text in dict.fromkeys(letters)]
        closed = [letter for letter in found if letter.status != "open"]
        if closed:
            raise click.UsageError(f"{closed[0].id} was {closed[0].status} already")
        return Picked([Where(id=letter.id) for letter in found], Counter(letter.pipeline for letter in found))
    counts: Counter[str] = Counter()
    async with session.reader(project) as store:
        where = await whole_run(store, where)
        async for cause in rows(store, "causes", where):
            left = limit - counts.total() if limit else cause.letters
            if left > 0:
                counts[cause.pipeline] += min(cause.letters, left)
    # pipeline by pipeline, so that nothing is set to be sent again that nobody then sends
    return Picked([where._replace(pipeline=name) for name in counts], counts, limit)


async def waiting(session: Session, project: Project, where: Where) -> dict[str, int]:
    """Return what an earlier replay was to send and did not, by pipeline."""
    found: dict[str, int] = {}
    async with session.reader(project) as store:
        async for row in rows(store, "lanes", Where(pipeline=where.pipeline)):
            name, _, kind = row.lane.partition("/")
            if kind == "in/replay" and row.entries and where.pipeline in (None, name):
                found[name] = row.entries
    return found


@click.command("drop", cls=Command)
@click.argument("letters", nargs=-1, metavar="[ID]...")
@filters
@click.option("--all", "everything", is_flag=True, help="Every open one.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="No more than N.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def drop(
    session: Session, /, letters: tuple[str, ...], everything: bool, limit: int | None, yes: bool, **chosen: Any
) -> int:
    """Give up records: they stay in the history, and are not sent again."""
    from engine.cli.hands import hands

    where = _chosen(letters, everything, chosen)
    project = session.project()
    picked = asyncio.run(_pick(session, project, letters, where, limit or 0))
    if not picked.counts:
        session.err.line("no open dead letters to drop")
        return 0
    if not yes and not _sure(session, picked):
        session.err.line("nothing was dropped")
        return 0

    async def amend() -> int:
        async with hands(project) as whose:
            return await picked.amend(whose, "drop")

    dropped = asyncio.run(amend())
    if not session.quiet:
        session.out.line(f"dropped {count(dropped, 'dead letter')}")
    return 0


def _sure(session: Session, picked: Picked) -> bool:
    if not session.err.look.terminal:
        raise click.UsageError("dropping cannot be undone: say --yes")
    number, names = sum(picked.counts.values()), ", ".join(sorted(picked.counts))
    return click.confirm(f"drop {count(number, 'dead letter')} of {names}?", err=True)
