"""``engine dead-letters``: what could not be delivered, by cause and one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.cli.commands import Command, Group
from engine.cli.dead_changes import drop, edit, replay, waiting
from engine.cli.dead_choice import filters, one, where_of, whole_run
from engine.cli.lookup import collect
from engine.cli.masking import compiled, masked
from engine.cli.names import names_of
from engine.cli.screen import json_text
from engine.cli.session import Session, pass_session
from engine.cli.table import Cell, table
from engine.store.base import Cause, DeadLetter, Where
from engine.telemetry.summary import reason
from engine.telemetry.words import count, moment

if TYPE_CHECKING:
    from engine.definition.model import Project


@click.group("dead-letters", cls=Group)
def dead_letters() -> None:
    """See, correct and send again what was rejected.

    An ID may be shortened as long as it is the only one that begins so.
    """


@dead_letters.command("list", cls=Command)
@filters
@click.option("--each", is_flag=True, help="One line a record instead of one a cause.")
@click.option("--all", "everything", is_flag=True, help="With --each: the replayed and dropped ones too.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line each.")
@pass_session
def list_(session: Session, /, each: bool, everything: bool, limit: int, as_json: bool, **chosen: Any) -> None:
    """List what waits, by cause."""
    project = session.project()
    where = where_of(chosen, None if everything else "open")
    found = asyncio.run(_find(session, project, where, limit, each or everything))
    left = asyncio.run(waiting(session, project, where))
    if as_json:
        for row in found:
            session.out.json(_jsonable(row))
    elif found:
        _table(session, found, each or everything)
    elif not left:
        session.err.line("no dead letters")
    for name, number in left.items():
        again = session.err.look.paint(f"engine dead-letters replay --pipeline {name}", "strong")
        session.err.line(f"{name}: {count(number, 'record')} of a replay that failed wait to be sent:  {again}")


def _table(session: Session, found: Sequence[Any], each: bool) -> None:
    pipelines = {row.pipeline for row in found}
    lines = _each(session, found) if each else _causes(session, found, len(pipelines) > 1)
    for line in lines:
        session.out.line(line)
    if session.out.look.terminal:
        _hints(session, found[0])


async def _find(session: Session, project: Project, where: Where, limit: int, each: bool) -> Sequence[Any]:
    async with session.reader(project) as store:
        where = await whole_run(store, where)
        return await collect(store, "dead" if each else "causes", where, limit)


def _jsonable(row: Cause | DeadLetter) -> dict[str, Any]:
    """Leave the records out: they are shown one by one, masked as their pipeline says."""
    found = row._asdict()
    return {name: value for name, value in found.items() if name not in ("record", "mapped", "meta", "identity")}


def _causes(session: Session, found: Sequence[Cause], several: bool) -> list[str]:
    look = session.out.look
    rows: list[list[str | Cell]] = [
        [
            *([row.pipeline] if several else []),
            Cell(reason({"code": row.code, "message": row.message})),
            Cell(look.number(row.letters), None, True),
            moment(row.first, session.zone(row.pipeline)),
            moment(row.last, session.zone(row.pipeline)),
            f"{look.short(row.example)}  {_key(session, row.pipeline, row.example_key)}".rstrip(),
        ]
        for row in found
    ]
    heads = [*(["pipeline"] if several else []), "cause", "count", "first", "last", "example"]
    return table(rows, look, heads)


def _each(session: Session, found: Sequence[DeadLetter]) -> list[str]:
    look = session.out.look
    rows: list[list[str | Cell]] = [
        [
            look.short(row.id),
            row.pipeline,
            moment(row.last, session.zone(row.pipeline)),
            row.key or "",
            Cell(row.status, "detail" if row.status != "open" else None),
            reason({"code": row.code, "message": row.message}),
        ]
        for row in found
    ]
    return table(rows, look, ("id", "pipeline", "last", "key", "status", "cause"))


def _key(session: Session, pipeline: str, key: str | None) -> str:
    """Say a record's key as people know it: ``external_id 1881``."""
    definition = session.definition(pipeline)
    called = {target.key for target in definition.targets} if definition else set()
    name = next(iter(called)) if len(called) == 1 else None
    plain = isinstance(name, str) and name.isidentifier()
    return "" if key is None else f"{name} {key}" if plain else key


def _hints(session: Session, row: Cause | DeadLetter) -> None:
    look = session.out.look
    example = look.short(row.example if isinstance(row, Cause) else row.id)
    show, edit = f"engine dead-letters show {example}", f"engine dead-letters edit {example} --send"
    session.out.line(f"show one:  {look.paint(show, 'strong')}        edit and send:  {look.paint(edit, 'strong')}")


@dead_letters.command("show", cls=Command)
@click.argument("letter", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@pass_session
def show(session: Session, letter: str, as_json: bool) -> None:
    """Show one: why, where, the record as it came and as it would have been sent."""
    project = session.project()
    found = asyncio.run(one(session, project, letter))
    pipeline = compiled(project, found.pipeline)
    seen = masked(found, pipeline)
    if as_json:
        session.out.json(seen._asdict(), indent=2)
        return
    look, zone = session.out.look, session.zone(found.pipeline)
    session.out.line(f"{look.paint(found.pipeline, 'strong')}  {look.short(found.id)}")
    session.out.line(f"  {look.paint(found.code, 'error')}: {found.message}")
    for line in table(_facts(session, found, zone), look, indent="  "):
        session.out.line(line)
    _document(session, "record", seen.record)
    if seen.mapped is not None:
        _document(session, "as it would have been sent", seen.mapped)
    if seen.meta:
        _document(session, "meta", seen.meta)
    if pipeline is None:
        session.err.line(f"{found.pipeline} is not loaded: nobody knows what is sensitive, so the values are covered")
    if found.status == "open":
        short = look.short(found.id)
        edit, replay = f"engine dead-letters edit {short} --send", f"engine dead-letters replay {short}"
        session.out.line(f"correct it:  {look.paint(edit, 'strong')}        again:  {look.paint(replay, 'strong')}")


def _facts(session: Session, found: DeadLetter, zone: Any) -> list[list[str | Cell]]:
    times = f"   {count(found.times, 'time')}, first {moment(found.first, zone)}" if found.times > 1 else ""
    facts = [
        ["where", found.where if found.where != found.target else ""],
        ["target", names_of(session.definition(found.pipeline)).targets.get(found.target or "", found.target or "")],
        ["key", _key(session, found.pipeline, found.key)],
        ["tries", str(found.attempts) if found.attempts else ""],
        ["last", f"{moment(found.last, zone, seconds=True)}{times}"],
        ["run", session.out.look.short(found.run)],
        ["status", found.status if found.status != "open" else ""],
    ]
    return [list(fact) for fact in facts if fact[1]]


def _document(session: Session, title: str, value: Any) -> None:
    session.out.line(session.out.look.paint(title, "detail"))
    for line in json_text(session.out.mask(value), 2).splitlines():
        session.out.stream.write(f"  {line}\n")


for _command in (edit, replay, drop):
    dead_letters.add_command(_command)
