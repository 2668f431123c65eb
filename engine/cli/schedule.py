"""``engine schedule``: what will start by itself, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.cli.commands import Command, Group
from engine.cli.listing import trigger_text
from engine.cli.session import Session, pass_session
from engine.cli.table import Cell, table
from engine.telemetry.words import count, duration, moment

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition, Project
    from engine.errors import Problem
    from engine.pipeline import TimerPlan

_HEADS = ("pipeline", "trigger", "starts", "in", "")
Row = list[str | Cell]


class Firing(NamedTuple):
    """One start: its slot, and when it comes, which is later where there is a jitter."""

    slot: datetime
    at: datetime


class Span(NamedTuple):
    """What is looked at: from *now* for so many days, and so many firings of a trigger."""

    now: datetime
    days: int
    limit: int

    def firings(self, plan: TimerPlan) -> tuple[list[Firing], bool]:
        """Return the next firings, and whether there are more in these days."""
        some = list(islice(self._all(plan), self.limit + 1))
        return some[: self.limit], len(some) > self.limit

    def _all(self, plan: TimerPlan) -> Iterator[Firing]:
        from engine.schedule import moment as fires

        slot = plan.next_after(self.now)
        while slot is not None and slot <= self.now + timedelta(days=self.days):
            yield Firing(slot, fires(plan, slot))
            slot = plan.next_after(slot)


def clock() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@click.group("schedule", cls=Group)
def schedule() -> None:
    """What starts by itself, and when."""


@schedule.command("preview", cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="How far to look.")
@click.option("--limit", type=click.IntRange(min=1), default=5, show_default=True, help="How many of each trigger.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a firing.")
@pass_session
def preview(session: Session, names: tuple[str, ...], days: int, limit: int, as_json: bool) -> None:
    """Show the next firings of all pipelines, or of these.

    Times are the pipeline's own. Calendars, changes of the clocks and jitter are in them.
    """
    project, problems = session.read()
    session.refuse([problem for problem in problems if problem.file in ("engine.yaml", ".env")])
    wanted = [session.pipeline(project, name) for name in dict.fromkeys(names or sorted(project.pipelines))]
    good, wrong = checked(project, wanted)
    if names:
        session.refuse(wrong)
    span = Span(clock(), days, limit)
    cut = _lines(session, project, good, span) if as_json else _table(session, project, good, span)
    if cut and not as_json:
        session.err.line(session.err.look.paint(f"the next {limit} of each trigger; for more: --limit", "detail"))
    broken = {problem.file for problem in [*problems, *wrong] if problem.severity == "error"}
    if broken and not names:
        session.err.line(f"{count(len(broken), 'file')} with errors, see  engine validate")
    elif not wanted:
        session.err.line("no pipelines are loaded; begin with:  engine init")


def checked(project: Project, wanted: Sequence[PipelineDefinition]) -> tuple[list[PipelineDefinition], list[Problem]]:
    """Tell the pipelines whose triggers are right from the problems of the others."""
    from engine.compiler.triggers import check_triggers

    good, wrong = [], []
    for one in wanted:
        found = list(check_triggers(one, project.settings.get("calendars")))
        wrong += found
        if not found:
            good.append(one)
    return good, wrong


def timers(project: Project, one: PipelineDefinition) -> dict[str, TimerPlan]:
    """Return the triggers of a pipeline that time fires, by id."""
    from engine.compiler.facts import expression_settings
    from engine.compiler.triggers import compile_triggers

    if not one.enabled:
        return {}
    return {plan.id: plan for plan in compile_triggers(project, one, expression_settings(project, one)).timers}


def _lines(session: Session, project: Project, pipelines: Sequence[PipelineDefinition], span: Span) -> bool:
    cut = False
    for one in pipelines:
        for name, plan in timers(project, one).items():
            firings, more = span.firings(plan)
            cut |= more
            for slot, at in firings:
                facts = {"pipeline": one.name, "trigger": name, "slot": slot, "at": at, "timezone": one.timezone}
                session.out.json(facts)
    return cut


def _table(session: Session, project: Project, pipelines: Sequence[PipelineDefinition], span: Span) -> bool:
    rows: list[Row] = []
    cut = False
    for one in pipelines:
        made, more = _rows(session, project, one, span)
        # the name stands once
        rows += [[Cell(one.name if not number else "", "strong"), *row] for number, row in enumerate(made)]
        cut |= more
    for line in table(rows, session.out.look, _HEADS) if rows else ():
        session.out.line(line)
    return cut


def _rows(session: Session, project: Project, one: PipelineDefinition, span: Span) -> tuple[list[Row], bool]:
    from engine.compiler.triggers import trigger_ids

    rows: list[Row] = []
    if not one.enabled or not one.triggers:
        rows.append(["", Cell("by hand" if one.enabled else "disabled", "detail"), "", ""])
        return rows, False
    plans, cut = timers(project, one), False
    for name, trigger in zip(trigger_ids(one), one.triggers, strict=True):
        if name not in plans:
            rows.append([name, Cell(trigger_text(trigger), "detail"), "", ""])
            continue
        firings, more = span.firings(plans[name])
        cut |= more
        for number, firing in enumerate(firings):
            rows.append([name if not number else "", *_shown(session, one, firing, span.now)])
        if not firings:
            rows.append([name, *_later(session, one, plans[name], span)])
    return rows, cut


def _shown(session: Session, one: PipelineDefinition, firing: Firing, now: datetime) -> Row:
    zone = session.zone(one.name) or UTC
    slot, at = firing
    seconds = bool(slot.second)
    starts = f"{slot.astimezone(zone):%a} {moment(slot.isoformat(), zone, seconds=seconds)}"
    put_off = f"put off to {at.astimezone(zone):%H:%M:%S}" if at != slot else ""
    return [starts, Cell(duration((at - now).total_seconds()), "detail", True), Cell(put_off, "detail")]


def _later(session: Session, one: PipelineDefinition, plan: TimerPlan, span: Span) -> Row:
    slot = plan.next_after(span.now)
    said = "never" if slot is None else f"not in {count(span.days, 'day')}"
    if slot is None:
        return [Cell(said, "warning"), "", ""]
    starts, until, _ = _shown(session, one, Firing(slot, slot), span.now)
    return [starts, until, Cell(said, "detail")]
