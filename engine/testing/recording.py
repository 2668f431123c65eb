"""Makes a test of a real run: listens to what it reads, asks and hears, and leaves out what nobody may read."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from engine.connector import Context, Names, Told
from engine.pipeline import CallPlan, LookupPlan, Pipeline
from engine.record import Batch, Checkpoint, Outgoing, Receipt
from engine.runtime.letters import hidden
from engine.testing.outcome import Outcome

_reading: ContextVar[bool] = ContextVar("reading", default=False)
_KEPT = frozenset({"retry-after", "link", "location"})
"""Headers of answers that mean something to the engine; no other is written down."""
DATABASE = "sql"


@dataclass(slots=True)
class Recorder:
    """Listens; an ``engine.connector.Exchange`` that lets everything through."""

    pipeline: Pipeline
    redact: Callable[[Any], Any]
    offline: bool = False
    records: list[tuple[Any, Mapping[str, Any]]] = field(default_factory=list)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    private: dict[str, str] = field(default_factory=dict)
    """Texts that are marked as sensitive, and what stands for each."""

    async def __call__(self, connection: str, asked: Told, proceed: Callable[[], Awaitable[Told]]) -> Told:
        """Ask for real, and keep the answer; what the source asks for is kept as its records."""
        slot: dict[str, Any] = {}
        if not _reading.get():
            self.answers.setdefault(connection, []).append(slot)
        try:
            told = await proceed()
        except asyncio.CancelledError:
            slot["error"] = "timeout"
            raise
        except Exception as error:
            slot["error"] = "unreachable" if _refused(error) else "cut"
            raise
        slot |= _response(told)
        return told

    def watch(self) -> Pipeline:
        """Return the pipeline with ears."""
        real, source = self.pipeline, self.pipeline.source
        return replace(
            real,
            source=replace(source, build=_heard(_Source, source.build, self, source.connector)),
            targets=tuple(replace(one, build=_heard(_Target, one.build, self, one.id)) for one in real.targets),
            stages=tuple(self._asking(one) if isinstance(one, LookupPlan | CallPlan) else one for one in real.stages),
        )

    def _asking(self, plan: LookupPlan | CallPlan) -> LookupPlan | CallPlan:
        """Let a database's answers be heard, too: its connector has no exchange that lets through."""
        if plan.connector != DATABASE or plan.remote is None:
            return plan
        ear = _Lookup if isinstance(plan, LookupPlan) else _Call
        build: Any = _heard(ear, plan.build, self, plan.remote.name)
        return replace(plan, build=build)

    # what is written

    def body(self, params: Mapping[str, Any], now: str, read: int) -> dict[str, Any]:
        """Return the test without what it expects; nothing secret and nothing sensitive is in it.

        *read*: so many records the run took; a source may have looked at one more, to know where to stop.
        """
        kept = []
        for record, meta in self.records[:read]:
            shown = self._public(record, self.pipeline.mask(record))
            kept.append({"$record": shown, "$meta": dict(meta)} if meta else shown)
        secret = {name for name, spec in self.pipeline.params.items() if spec.get("secret")}
        given = {name: self._stand_in(value) if name in secret else value for name, value in params.items()}
        body: dict[str, Any] = {"now": now} | ({"params": given} if given else {}) | {"records": kept}
        responses = {
            name: [self._answered(one) for one in answers] for name, answers in self.answers.items() if answers
        }
        if responses:
            body["responses"] = responses
        clean: dict[str, Any] = plain(self.redact(body))
        return clean

    def _public(self, value: Any, masked: Any) -> Any:
        """Return *value* with a stand-in wherever *masked* hides something."""
        if isinstance(value, Mapping) and isinstance(masked, Mapping):
            return {key: self._public(item, masked.get(key)) for key, item in value.items()}
        if isinstance(value, list) and isinstance(masked, list) and len(value) == len(masked):
            return [self._public(item, other) for item, other in zip(value, masked, strict=True)]
        return value if value == masked else self._stand_in(value)

    def _stand_in(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._stand_in(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._stand_in(item) for item in value]
        made = stand_in(value)
        if isinstance(value, str) and len(value) > 1:
            self.private[value] = made
        return made

    def sent(self, target: str, load: Outgoing) -> None:
        """Note what is sensitive as it is sent: answers may repeat it."""
        for record in load.records:
            for text in hidden(record, self.pipeline.mask_sent(target, record)):
                self.private.setdefault(text, str(stand_in(text)))

    def _answered(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        return {key: self._without_private(value) for key, value in answer.items()}

    def _without_private(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._without_private(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._without_private(item) for item in value]
        if isinstance(value, str):
            for text in sorted(self.private, key=len, reverse=True):
                value = value.replace(text, self.private[text])
        return value


def plain(value: Any) -> Any:
    """Return *value* as YAML has it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def stand_in(value: Any) -> Any:
    """Make up something of the same form: letters are x, digits are 1."""
    if isinstance(value, str):
        return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "1", value))
    if isinstance(value, bool) or value is None:
        return value
    return type(value)(1) if isinstance(value, int | float | Decimal) else "x"


def expectations(outcome: Outcome) -> dict[str, Any]:
    """Return what came as what is expected."""
    several = len(outcome.sent) > 1
    expect: dict[str, Any] = {"status": outcome.status} if outcome.status else {}
    if outcome.sent:
        expect["sent"] = outcome.sent if several else next(iter(outcome.sent.values()))
    else:
        expect["sent"] = []
    if outcome.rejected:
        expect["rejected"] = [{"code": one["code"], "reason": one["reason"]} for one in outcome.rejected]
    if outcome.dropped:
        expect["dropped"] = dict(outcome.dropped)
    if outcome.error:
        expect["error"] = {"code": outcome.error["code"]}
    if outcome.cursor is not None:
        expect["cursor"] = dict(outcome.cursor)
    made: dict[str, Any] = plain(expect)
    return made


def _refused(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionRefusedError) or type(error).__name__.startswith("ClientConnector"):
            return True
        error = error.__cause__
    return False


def _response(told: Told) -> dict[str, Any]:
    status, headers, body = told.get("status", 200), told.get("headers") or {}, bytes(told.get("body") or b"")
    shown: dict[str, Any] = {"status": status} if status != 200 else {}
    kept = {name: value for name, value in headers.items() if name.lower() in _KEPT}
    if kept:
        shown["headers"] = kept
    text = body.decode("utf-8", "replace")
    try:
        shown |= {"json": json.loads(text)} if text else {}
    except ValueError:
        shown["text"] = text
    return shown or {"status": status}


class _Ear:
    """Stands before a part of a pipeline; in all that it does not hear it is that part."""

    def __init__(self, inner: Any, recorder: Recorder, name: str) -> None:
        self._inner, self._recorder, self._name = inner, recorder, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _heard(ear: type[_Ear], build: Callable[[Context], Any], recorder: Recorder, name: str) -> Callable[[Context], Any]:
    return lambda context: ear(build(context), recorder, name)


class _Source(_Ear):
    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        batches = self._inner.read(after)
        try:
            while True:
                token = _reading.set(True)
                try:
                    batch = await anext(batches)
                except StopAsyncIteration:
                    return
                finally:
                    _reading.reset(token)
                self._recorder.records += zip(batch.records, batch.meta, strict=True)
                yield batch
        finally:
            close = getattr(batches, "aclose", None)
            if close is not None:
                await close()


class _Lookup(_Ear):
    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        rows: list[Any] = []
        self._recorder.answers.setdefault(self._name, []).append({"rows": rows})
        async for batch in self._inner.read(after):
            rows += batch.records
            yield batch


class _Call(_Ear):
    async def call(self, names: Names, key: str | None) -> Any:
        slot: dict[str, Any] = {}
        self._recorder.answers.setdefault(self._name, []).append(slot)
        answer = await self._inner.call(names, key)
        slot |= answer if answer.get("rows") else {"count": answer.get("count", 0)}
        return answer


class _Target(_Ear):
    async def write(self, load: Outgoing) -> Receipt:
        self._recorder.sent(self._name, load)
        receipt: Receipt = await self._inner.write(load)
        return receipt
