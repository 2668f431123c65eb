"""Puts the moving parts of one run together: its chunks, its writers, its settler."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from engine.connector import Context, Source, Target
from engine.errors import Misconfigured
from engine.events import LaneFreed
from engine.ids import new_id
from engine.pipeline import TargetPlan
from engine.policy import Resilience
from engine.runtime import position as positions
from engine.runtime.calls import apart, calls
from engine.runtime.connections import Line, Shared
from engine.runtime.delivery import Delivery
from engine.runtime.entries import Follow, Lane, Make, accepted, replayed
from engine.runtime.ledger import Ledger
from engine.runtime.letters import Letters
from engine.runtime.opening import Opener
from engine.runtime.patience import Patience
from engine.runtime.reader import Chunk
from engine.runtime.run import Execution
from engine.runtime.settler import Kept, Settler
from engine.runtime.writer import Writer
from engine.store.base import Settlement

if TYPE_CHECKING:
    from engine.runtime.runner import Run

COMPANY = 0.005
"""Seconds that accepted records wait for others to be written with, where ``batch.wait`` is silent."""


def opener(run: Run, stack: AsyncExitStack) -> Opener:
    """Return what opens the run's source, targets and connections."""
    shared = run.shared
    nobody = Shared(run.pipeline.name, None, None, None)
    line = Line(nobody, Resilience(), run.pipeline.name, run.id, run.emit, shared.random, shared.clock, run.sleep)
    context = Context(
        run.pipeline.name, shared.project, shared.roots, run.names, note=run.note, egress=shared.egress,
        exchange=shared.exchange,
    )  # fmt: skip
    return Opener(run.pipeline, run.position, run.request.limit, shared.connect(stack), line, context, stack)


async def assemble(run: Run, stack: AsyncExitStack) -> tuple[Execution, Settler]:
    """Open everything and wire it. Raises ConnectorError, RecordError, Unavailable, StoreError."""
    opens, shared = opener(run, stack), run.shared
    source = None if run.position.lane_only else await opens.source()
    plans = _concerned(run)
    ends = {plan.id: await opens.target(plan) for plan in plans}
    targets = {name: target for name, (target, _) in ends.items()}
    await positions.resume(shared.store, run.position, targets)
    ledger: Ledger[Kept] = Ledger(lenient=run.position.replay and not run.position.parked)
    settler = _settler(run, ledger, targets, source)
    letters = Letters(run.pipeline, run.id, new_id, shared.redact)
    execution = Execution(
        run.pipeline, run.id, run.frame, _nothing(), settler, ledger, letters, run.emit, run.stop, run.stopping,
        run.tally, run.position.follows,
    )  # fmt: skip
    execution.chunks = _lane(run, execution) if source is None else opens.reader(source).chunks(run.position.source)
    execution.asked = await opens.asked(survived=settler.survive if run.position.follows else None)
    settler.settled = _count(run, execution)
    for plan in plans:
        target, line = ends[plan.id]
        delivery = Delivery(target, line, bool(plan.key), shared.random, run.note, letters.covering(plan.id))
        if run.position.follows:
            _be_patient(run, plan, delivery, settler)
        execution.writers[plan.id] = Writer(
            plan, delivery, settler, execution.refuse, execution.sent, run.stopping, shared.clock,
            COMPANY if plan.wait is None and run.position.follows else plan.wait,
        )  # fmt: skip
    return execution, settler


def _concerned(run: Run) -> Sequence[TargetPlan]:
    """Return the targets that a run writes to: parked output is for one, and needs none of the others."""
    position, name = run.position, run.pipeline.name
    return [plan for plan in run.pipeline.targets if not position.parked or position.lane == f"{name}/out/{plan.id}"]


async def _nothing() -> AsyncGenerator[Chunk, None]:
    return
    yield


def _lane(run: Run, execution: Execution) -> AsyncGenerator[Chunk, None]:
    """Read the lane the run holds."""
    position = run.position
    make: Make = replayed if position.replay else accepted(run.pipeline.webhooks)
    if calls(run.pipeline):
        make = apart(make)
    follow = None
    if position.follows:
        follow = Follow(position.restarts, execution.idle, execution.settler.moved)
    return Lane(run.shared.store, position.held, make, run.request.limit, follow).chunks()


def _be_patient(run: Run, plan: TargetPlan, delivery: Delivery, settler: Settler) -> None:
    """Let a delivery hold, or park, what it cannot deliver now."""
    if delivery.target.at_end:
        raise Misconfigured(
            f"{plan.id} is written anew by every run, which accepted work has not: let the target append, "
            "or give the pipeline a source"
        )
    shared, lane = run.shared, run.position.lane
    delivery.patience = Patience(
        lane, delivery.line, run.emit, shared.now, shared.random, settler.survive, run.pipeline.max_age, shared.held
    )
    parking = shared.parking(f"{run.pipeline.name}/out/{plan.id}")
    # what an earlier revision parked comes first, also for a target that is alone now
    if not run.position.parked and (len(run.pipeline.targets) > 1 or parking.waiting):
        delivery.parking = parking


def _settler(run: Run, ledger: Ledger[Kept], targets: Mapping[str, Target], source: Source | None) -> Settler:
    shared, position = run.shared, run.position
    settler = Settler(shared.store, position.held, ledger, run.row, targets, source, run.emit, shared.clock)
    settler.base = position.checkpoint or {}
    settler.beside = position.beside
    if run.pipeline.source.cursor:
        settler.part, settler.fields = "cursor", run.pipeline.source.cursor.fields
    elif position.same is not None:
        settler.marks = {"params": position.same}
    settler.enabled = shared.settling
    settler.sleep = shared.sleep
    settler.ending = run.ending
    return settler


def _count(run: Run, execution: Execution) -> Callable[[Settlement], None]:
    """Return what counts parked output as it comes and goes, and tells when a lane goes on that was held before."""
    parkings, held = run.shared.parkings, run.shared.held

    def settled(settlement: Settlement) -> None:
        mine = parkings.get(settlement.lease.lane)
        if mine is not None:
            mine.left(len(settlement.done))
        for entry in settlement.append:
            if entry.lane in parkings:
                parkings[entry.lane].kept(1)
        if settlement.done and settlement.lease.lane in held and not execution.waiting:
            del held[settlement.lease.lane]
            run.emit(LaneFreed(run.pipeline.name, run.id, settlement.lease.lane))

    return settled
