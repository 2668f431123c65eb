"""Lookups: asks a source for each record, once for each distinct question of a chunk, and remembers answers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from engine import codec
from engine.connector import Context, Names, Source
from engine.errors import ConnectorError, Misconfigured, RecordError, Rejected
from engine.pipeline import Frame, LookupPlan
from engine.policy import Retry
from engine.record import Batch, Emission, Failure, Meta, Record
from engine.runtime.connections import Line
from engine.runtime.flock import Flock, discreet

AT_ONCE = 4
"""Questions under way at the same time; the connection's own limits hold besides."""
MOST = 100_000
"""Rows of one answer."""
NEGATIVE = 10
"""Where a remembered answer has nothing for a record, it counts for this part of its time only."""
AGAIN = Retry(initial=0.5, max=30.0, jitter="equal")
"""How far apart it asks again under ``retry_for``."""


class Answer(NamedTuple):
    """What a source said to one question."""

    rows: Sequence[Record]
    by_key: Mapping[str, Sequence[Record]] | None
    """The rows by what ``match`` compares; None: all of them, whatever the record."""
    at: float

    def found(self, key: str | None) -> Sequence[Record]:
        """Return the rows for one record."""
        if self.by_key is None:
            return self.rows
        return self.by_key.get(key, ()) if key is not None else ()


class Want(NamedTuple):
    """What one record asks."""

    question: str
    """Equal texts have equal answers."""
    key: str | None
    """What rows must match."""
    at: int
    """The index of the record."""


Survived = Callable[[], Awaitable[None]]
"""Says in the store that the process lives: accepted work that waits is not what kills it."""

Memory = OrderedDict[str, Answer]

_memories: WeakKeyDictionary[LookupPlan, Memory] = WeakKeyDictionary()
"""One for each lookup of a pipeline's revision, for all its runs in this process; it goes when the revision goes."""


@dataclass(slots=True)
class Looking:
    """A step ``lookup``, opened; sources are made when first asked, and closed with *stack*."""

    plan: LookupPlan
    line: Line
    context: Context
    stack: AsyncExitStack
    mask: Callable[[Any], Any]
    dry: bool = False
    """Nobody waits in a dry run."""
    survived: Survived | None = None
    _free: list[tuple[Context, Source]] = field(default_factory=list)
    _warned: bool = False

    async def ask(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        """Ask for each record. Raises ConnectorError, CircuitOpen, Stopped."""
        flock = Flock(self.plan, records, metas, inputs, frame)
        wants = self._wants(flock)
        left = await self._look(flock, wants, again=False)
        begun, attempt = self.line.clock(), 1
        while left and (wait := self._wait(flock, left, begun, attempt)) is not None:
            if attempt == 1 and self.survived is not None:
                await self.survived()
            why = f"{self.plan.label} found nothing for {len(left)} records; they may refer to what comes later"
            await self.line.pause(attempt, wait, why, None)
            left = await self._look(flock, left, again=True)
            attempt += 1
        for want in left:
            self._nothing(flock, want.at, attempt)
        return flock.emission()

    def _wants(self, flock: Flock) -> list[Want]:
        wants = []
        for index in flock.concerned():
            try:
                wants.append(self._want(flock, index))
            except RecordError as error:
                if error.code == "missing-key" and self.plan.missing == "null":
                    self._nothing(flock, index, 1)
                else:
                    flock.fail(index, error)
        return wants

    def _want(self, flock: Flock, index: int) -> Want:
        match, question = self.plan.match, codec.encode(self.plan.question(flock.names(index)))
        if match is None:
            return Want(question, None, index)
        return Want(question, match(flock.records[index], flock.metas[index], flock.inputs[index], flock.frame), index)

    async def _look(self, flock: Flock, wants: Sequence[Want], *, again: bool) -> list[Want]:
        """Put what is found into the records; return those that found nothing. *again*: remembered answers are old."""
        answers = {} if again else self._remembered(wants)
        open_questions = {want.question: want for want in wants if want.question not in answers}
        answers |= await self._answers(flock, list(open_questions.values()))
        left = []
        for want in wants:
            answer = answers[want.question]
            if isinstance(answer, Failure):
                flock.fail(want.at, answer)
            elif not self._take(flock, want.at, answer.found(want.key)):
                left.append(want)
        return left

    def _take(self, flock: Flock, index: int, rows: Sequence[Record]) -> bool:
        if self.plan.many and rows:
            flock.put(index, list(rows))
        elif len(rows) > 1:
            fact = "several rows are found, and `into` takes one: narrow the question, or write all: true"
            flock.fail(index, Failure("ambiguous", fact))
        elif rows:
            flock.put(index, rows[0])
        return bool(rows)

    def _nothing(self, flock: Flock, index: int, attempt: int) -> None:
        plan = self.plan
        if plan.retry_for is None and plan.missing == "null":
            flock.put(index, [] if plan.many else None)
            return
        within = f" within {plan.retry_for:g} s" if plan.retry_for is not None and not self.dry else ""
        where = plan.remote.name if plan.remote else plan.connector
        flock.fail(index, Failure("not-found", f"nothing is found in {where}{within}"))

    def _wait(self, flock: Flock, left: Iterable[Want], begun: float, attempt: int) -> float | None:
        """Return the seconds until it is asked again; None: it is not.

        The time counts from when accepted work was received, else from the first question.
        """
        if self.plan.retry_for is None or self.dry:
            return None
        asked = self.line.clock() - begun
        youngest = min(_age(flock.metas[want.at], flock.frame.now) for want in left)
        rest = self.plan.retry_for - youngest - asked
        return min(AGAIN.delay(attempt, self.line.random()), rest) if rest > 0 else None

    # asking

    async def _answers(self, flock: Flock, wants: Sequence[Want]) -> dict[str, Answer | Failure]:
        """Ask several questions at once. Raises what the first failed one raises."""
        answers: dict[str, Answer | Failure] = {}
        waiting = iter(wants)

        async def work() -> None:
            for want in waiting:
                answers[want.question] = await self._answer(flock.names(want.at), want.question)

        if len(wants) <= 1:
            await work()
            return answers
        tasks = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(wants)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return answers

    async def _answer(self, names: Names, question: str) -> Answer | Failure:
        try:
            rows = await self._read(names)
        except (Rejected, RecordError) as error:
            code, where = error.code, error.where if isinstance(error, RecordError) else ""
            return Failure(code, discreet(str(error), self.mask, names["record"], names["input"]), where)
        except ConnectorError as error:
            error.args = (discreet(str(error), self.mask, names["record"], names["input"]), *error.args[1:])
            raise
        answer = Answer(rows, None if self.plan.match is None else self._index(rows), self.line.clock())
        self._remember(question, answer)
        return answer

    async def _read(self, names: Names) -> list[Record]:
        context, source = self._free.pop() if self._free else await self._open()
        context.names = names
        rows: list[Record] = []
        try:
            async with _closing(source.read(None)) as batches:
                async for batch in batches:
                    rows += batch.records
                    if len(rows) > MOST:
                        fact = f"{self.plan.label}: the answer has more than {MOST} rows; narrow the question"
                        raise Misconfigured(fact)
        finally:
            self._free.append((context, source))
        return rows

    async def _open(self) -> tuple[Context, Source]:
        # two are enough to see that there is more than one
        limit = 2 if self.plan.match is None and not self.plan.many else None
        context = replace(self.context, limit=limit)
        source = self.plan.build(context)
        await source.open(self.stack)
        return context, source

    def _index(self, rows: Sequence[Record]) -> dict[str, list[Record]]:
        index: dict[str, list[Record]] = {}
        for row in rows:
            key = self.plan.row_match(row)
            if key is not None:
                index.setdefault(key, []).append(row)
        if rows and not index and not self._warned:
            self._warned = True
            fact = f"{self.plan.label}: no row of the answer has a value in every field that `match` names"
            self.context.note("warning", "match-nothing", fact)
        return index

    # remembering

    def _remembered(self, wants: Iterable[Want]) -> dict[str, Answer | Failure]:
        cache = self.plan.cache
        if cache is None:
            return {}
        memory, now = _memories.setdefault(self.plan, OrderedDict()), self.line.clock()
        found: dict[str, Answer | Failure] = {}
        stale: set[str] = set()
        for want in wants:
            answer = memory.get(want.question)
            if answer is None:
                continue
            counts = cache.ttl if answer.found(want.key) else cache.ttl / NEGATIVE
            if now - answer.at < counts:
                memory.move_to_end(want.question)
                found[want.question] = answer
            else:
                stale.add(want.question)
        return {question: answer for question, answer in found.items() if question not in stale}

    def _remember(self, question: str, answer: Answer) -> None:
        cache = self.plan.cache
        if cache is None:
            return
        memory = _memories.setdefault(self.plan, OrderedDict())
        memory[question] = answer
        memory.move_to_end(question)
        while len(memory) > cache.size:
            memory.popitem(last=False)


def _age(meta: Meta, now: datetime) -> float:
    """Return the seconds since accepted work was received, 0 for what was read."""
    received = meta.get("received")
    if not isinstance(received, str):
        return 0.0
    return max(0.0, (now.astimezone(UTC) - datetime.fromisoformat(received)).total_seconds())


@asynccontextmanager
async def _closing(batches: AsyncIterator[Batch]) -> AsyncIterator[AsyncIterator[Batch]]:
    try:
        yield batches
    finally:
        close = getattr(batches, "aclose", None)
        if close is not None:
            await close()
