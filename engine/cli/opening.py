"""The first lines of a serving engine: what there is, where it listens, what comes next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import engine
from engine.definition.model import PipelineDefinition, Project
from engine.telemetry.look import Look
from engine.telemetry.words import count, duration


class Shown(Protocol):
    """A pipeline as the server shows it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def enabled(self) -> bool:
        """Whether its triggers fire."""

    @property
    def paused(self) -> bool:
        """Whether somebody paused it."""

    @property
    def next(self) -> datetime | None:
        """When time fires it next."""


class Serving(Protocol):
    """What a server has once it has started."""

    @property
    def webhooks(self) -> str | None:
        """Where webhooks are taken."""

    @property
    def admin(self) -> str | None:
        """Where health and metrics are."""

    @property
    def cards(self) -> Mapping[str, Shown]:
        """The pipelines by name."""

    @property
    def paths(self) -> int:
        """How many paths webhooks have."""


class Tally(NamedTuple):
    """How many pipelines start by themselves, and how many do not."""

    active: int
    paused: int
    by_hand: int

    def __str__(self) -> str:
        """Say it, without what there is none of."""
        said = ((self.active, "active"), (self.paused, "paused"), (self.by_hand, "by hand"))
        return ", ".join(f"{number} {word}" for number, word in said if number)


def tally(cards: Mapping[str, Shown], pipelines: Mapping[str, PipelineDefinition]) -> Tally:
    """Count them."""
    paused = sum(card.paused for card in cards.values())
    by_hand = sum(not card.paused and not _starts(card, pipelines.get(card.name)) for card in cards.values())
    return Tally(len(cards) - paused - by_hand, paused, by_hand)


def _starts(card: Shown, definition: PipelineDefinition | None) -> bool:
    return card.enabled and bool(definition is None or definition.triggers)


def facts(serving: Serving, project: Project) -> str:
    """Say in one line what is served, for logs that programs read."""
    said = [count(len(serving.cards), "pipeline")]
    said += [text] if (text := str(tally(serving.cards, project.pipelines))) else []
    said += [f"webhooks {serving.webhooks} ({count(serving.paths, 'path')})"] if serving.webhooks else []
    said += [f"admin {serving.admin}"] if serving.admin else []
    return ", ".join(said)


def opening(serving: Serving, project: Project, store: Path, look: Look, now: datetime) -> list[str]:
    """Draw the opening screen."""

    def dim(text: str) -> str:
        return look.paint(text, "detail")

    def strong(text: str) -> str:
        return look.paint(text, "strong")

    name = project.root.resolve().name or "/"
    lines = [f"{strong(f'engine {engine.__version__}')}   {dim('project')} {name}   {dim('store')} {store}"]
    counted = str(tally(serving.cards, project.pipelines))
    lines.append(f"  {count(len(serving.cards), 'pipeline')}   {counted}{_next(serving, project, look, now)}".rstrip())
    places = []
    if serving.webhooks:
        paths = count(serving.paths, "path")
        places.append(f"{dim('webhooks')}   {strong(serving.webhooks)}    {paths}")
    if serving.admin:
        places.append(f"{dim('admin')}  {strong(serving.admin)}    /readyz /metrics")
    if places:
        lines.append("  " + "        ".join(places))
    return lines


def _next(serving: Serving, project: Project, look: Look, now: datetime) -> str:
    coming = [(card.next, card.name) for card in serving.cards.values() if card.next is not None and not card.paused]
    if not coming:
        return ""
    at, name = min(coming)
    definition = project.pipelines.get(name)
    zone = definition.timezone if definition else "UTC"
    label, who = look.paint("next", "detail"), look.paint(name, "strong")
    return f"      {label}  {who}  {until(at, now, zone)}"


def until(at: datetime, now: datetime, zone: str) -> str:
    """Say when something comes: ``in 4 min (03:00 America/Sao_Paulo)``; on another day with the day."""
    there = _zone(zone)
    local = at.astimezone(there)
    same = local.date() == now.astimezone(there).date()
    clock = f"{local:%H:%M}" if same else f"{local:%a %Y-%m-%d %H:%M}"
    left = (at - now).total_seconds()
    return f"in {duration(left)} ({clock} {zone})" if left > 0 else f"now ({clock} {zone})"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
