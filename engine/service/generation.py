"""One state of the project's files: checked, and compiled as far as it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.compiler.compile import compile_remote, compile_starts, fingerprint, overlap_of
from engine.compiler.compiled import Compiled
from engine.compiler.facts import connections_of
from engine.compiler.promises import compile_promises
from engine.compiler.webhooks import compile_clients
from engine.definition.model import PipelineDefinition, Project
from engine.http.keysets import KeySets
from engine.http.routes import Bound, Routes
from engine.pipeline import AfterPlan, FilePlan, Overlap, Pipeline, PromisePlan, Remote, TimerPlan, WebhookPlan


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a pipeline without compiling it."""

    name: str
    fingerprint: str
    enabled: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    connections: Sequence[str] = ()
    overlap: Overlap = "skip"
    sourced: bool = True
    """It has a source of its own: a webhook starts a run of it."""
    timers: tuple[TimerPlan, ...] = ()
    after: tuple[AfterPlan, ...] = ()
    webhooks: tuple[WebhookPlan, ...] = ()
    files: tuple[FilePlan, ...] = ()
    promises: tuple[PromisePlan, ...] = ()


@dataclass(slots=True)
class Generation:
    """A project as the server works with it; ``pipeline`` compiles when first asked."""

    project: Project
    cards: Mapping[str, Card]
    routes: Routes
    compiled: Compiled

    def pipeline(self, name: str) -> Pipeline:
        """Return a compiled pipeline. Raises Unavailable when there is none, or a driver is missing."""
        return self.compiled.pipeline(name)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Return each pipeline's fingerprint."""
        return {card.name: card.fingerprint for card in self.cards.values()}

    @property
    def timers(self) -> list[TimerPlan]:
        """Return every trigger that time fires."""
        return [timer for card in self.cards.values() for timer in card.timers]

    @property
    def files(self) -> list[FilePlan]:
        """Return every trigger that files fire."""
        return [file for card in self.cards.values() for file in card.files]

    @property
    def afters(self) -> dict[str, Sequence[AfterPlan]]:
        """Return, by follower, what it comes after."""
        return {card.name: card.after for card in self.cards.values() if card.after and card.enabled}

    @property
    def renamed(self) -> dict[str, str]:
        """Return, by its former name, what a pipeline is called now."""
        former = {one.renamed_from: one.name for one in self.project.pipelines.values() if one.renamed_from}
        return {old: new for old, new in former.items() if old not in self.cards}

    def remotes(self) -> list[Remote]:
        """Return the plan of every connection."""
        return [compile_remote(self.project, one) for one in self.project.connections.values()]


def generation(project: Project, before: Generation | None = None, sets: KeySets | None = None) -> Generation:
    """Read what starts each pipeline; what did not change since *before* stays compiled. *sets*: keys that are fetched.

    Raises DefinitionError for webhooks that cannot be served together, ValueError for a key set that cannot be read.
    """
    made = (_card(project, one, before) for one in project.pipelines.values())
    cards = {card.name: card for card in made}
    routes = Routes(_bounds(cards.values()), compile_clients(project), sets)
    known = Compiled(project) if before is None else before.compiled
    compiled = known.follow(project, {name: card.fingerprint for name, card in cards.items()})
    return Generation(project, cards, routes, compiled)


def _card(project: Project, one: PipelineDefinition, before: Generation | None) -> Card:
    made = fingerprint(project, one)
    known = before.cards.get(one.name) if before is not None else None
    if known is not None and known.fingerprint == made and known.enabled == one.enabled:
        return known
    starts = compile_starts(project, one)
    return Card(
        one.name, made, one.enabled, one.labels, connections_of(one), overlap_of(one), one.source is not None,
        starts.timers, starts.after, starts.webhooks, starts.files,
        compile_promises(one) if one.promises else (),
    )  # fmt: skip


def _bounds(cards: Iterable[Card]) -> list[Bound]:
    return [Bound(card.name, plan) for card in cards if card.enabled for plan in card.webhooks]
