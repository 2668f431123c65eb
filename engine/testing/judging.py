"""Judges a test: what it expects against what came, and what nobody expected and is bad all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.definition.model import PipelineDefinition, PipelineTest
from engine.errors import Path, RecordError, dotted
from engine.pipeline import Frame, Pipeline
from engine.testing import blame
from engine.testing.compare import ABSENT, Difference, Key, differences, parts, records
from engine.testing.moments import now, read
from engine.testing.outcome import Outcome
from engine.testing.running import fires_of

BAD = frozenset({"failed", "timed_out", "cancelled", "interrupted"})
_REQUEST = {"text": False, "statement": True}
_REASON = {"reason": False, "message": False}
_SHOWN = 3
NOTHING = "it expects nothing, so it proves nothing: write expect: {sent: […]}, or let engine test --update write it"


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing that is not as it should be."""

    path: Path
    """In the file of tests; the nearest node that is there has the place."""
    label: str
    """As people read it: ``sent[0].label``; empty where the whole test is meant."""
    says: str = ""
    """What is wrong, where it is no comparison."""
    difference: Difference | None = None
    made: str = ""
    """Where in the pipeline the value is made."""


@dataclass(slots=True)
class Judge:
    """Judges one test."""

    test: PipelineTest
    definition: PipelineDefinition
    pipeline: Pipeline
    outcome: Outcome

    def misses(self) -> list[Miss]:
        """Return all that is wrong, in the order people want to know it."""
        if self.outcome.stuck:
            return [Miss(self.test.path, "", self.outcome.stuck)]
        found = [*self._unexpected(), *self._compared()]
        if not found and all(key.startswith("x-") for key in self._expect):
            return [Miss((*self.test.path, "expect"), "", NOTHING)]
        return found

    @property
    def _expect(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.test.body.get("expect") or {}
        return found

    # what nobody expected

    def _unexpected(self) -> Iterator[Miss]:
        outcome, expect, path = self.outcome, self._expect, (*self.test.path, "expect")
        if outcome.status in BAD and "status" not in expect and "error" not in expect:
            error = outcome.error or {}
            where = f" ({error['where']})" if error.get("where") else ""
            said = f"the run {outcome.status}: {error.get('code', '')}: {error.get('message', '')}{where}"
            yield Miss(path, "status", said)
        # a caller who is refused is told why, and that is what the test expects then
        told = outcome.reply is not None and outcome.reply["status"] >= 400 and "reply" in expect
        if outcome.rejected and not told and "rejected" not in expect and expect.get("status") != "partial":
            for one in outcome.rejected[:_SHOWN]:
                said = f"a record was rejected: {one['code']}: {one['reason']}"
                yield Miss(path, "rejected", said, made=self._where(one))
            if more := len(outcome.rejected) - _SHOWN:
                yield from [Miss(path, "rejected", f"and {more} more")] if more > 0 else []
        if outcome.reply is not None and outcome.reply["status"] >= 400 and "reply" not in expect:
            yield Miss(path, "reply", f"the call was answered {outcome.reply['status']}: {outcome.reply['body']}")
        for name, count in outcome.unused.items():
            many = f"{count} response{'' if count == 1 else 's'} of {name}"
            yield Miss((*self.test.path, "responses", name), f"responses.{name}", f"nobody asked for {many}")

    def _where(self, rejection: Mapping[str, Any]) -> str:
        where = str(rejection.get("where") or "")
        return blame.placed(self.definition, where) if "." in where or "[" in where else where

    # what was expected

    def _compared(self) -> Iterator[Miss]:
        expect, outcome = self._expect, self.outcome
        for key in ("sent", "sent_exactly"):
            if key in expect:
                yield from self._sent(expect[key], key)
        if "requests" in expect:
            wanted, asked = map(_lower, expect["requests"]), map(_lower, outcome.requests)
            yield from self._each("requests", list(wanted), list(asked), _REQUEST)
        if "rejected" in expect:
            yield from self._rejected(expect["rejected"])
        if "dropped" in expect:
            yield from self._dropped(expect["dropped"])
        for key in ("cursor", "status"):
            if key in expect:
                yield from self._plain(key, expect[key], getattr(outcome, key))
        if "error" in expect:
            yield from self._told("error", parts(expect["error"], outcome.error or {}, (), _REASON))
        if "reply" in expect:
            yield from self._reply(expect["reply"])
        if "logs" in expect:
            yield from self._logs(expect["logs"])
        if "rows" in expect:
            yield from self._plain("rows", expect["rows"], outcome.rows)
        yield from self._fires()

    def _miss(self, key: str, one: Difference, made: str = "") -> Miss:
        path: Path = (key, *one.path)
        return Miss((*self.test.path, "expect", *path), dotted(path), difference=one, made=made)

    def _told(self, key: str, found: Iterator[Difference]) -> Iterator[Miss]:
        yield from (self._miss(key, one) for one in found)

    def _plain(self, key: str, expected: Any, got: Any) -> Iterator[Miss]:
        yield from self._told(key, differences(expected, got))

    def _each(
        self, key: str, expected: Sequence[Any], got: Sequence[Mapping[str, Any]], loose: Mapping[str, bool]
    ) -> Iterator[Miss]:
        for index, one in enumerate(expected):
            if index < len(got):
                yield from self._told(key, parts(one, got[index], (index,), loose))
            else:
                yield self._miss(key, Difference((index,), one, ABSENT))
        for index in range(len(expected), len(got)):
            yield self._miss(key, Difference((index,), ABSENT, got[index]))

    def _sent(self, expected: Any, key: str) -> Iterator[Miss]:
        exact = key == "sent_exactly"
        several = isinstance(expected, Mapping)
        ids = [plan.id for plan in self.pipeline.targets]
        wanted = dict(expected) if several else {ids[0] if ids else "target": expected}
        for name, listed in wanted.items():
            got = self.outcome.sent.get(name, [])
            path: Path = (name,) if several else ()
            for one in records(listed, got, path, self._key(name), exact=exact):
                field = one.path[len(path) + 1 :]
                made = blame.maker(self.definition, name, field) if field else None
                yield self._miss(key, one, blame.place(self.definition, made) if made else "")
        if exact and several:
            others = {name: got for name, got in self.outcome.sent.items() if name not in wanted and got}
            yield from (self._miss(key, Difference((name,), ABSENT, got)) for name, got in others.items())

    def _key(self, target: str) -> Key | None:
        plan = next((one for one in self.pipeline.targets if one.id == target), None)
        if plan is None or plan.key is None:
            return None
        compiled, zone = plan.key, self.pipeline.timezone
        frame = Frame({}, {}, {}, self.pipeline.vars, now().astimezone(zone), zone)

        def key(record: Any) -> str | None:
            try:
                return compiled(record, {}, record, frame)
            except RecordError:
                return None

        return key

    def _rejected(self, expected: Any) -> Iterator[Miss]:
        got = self.outcome.rejected
        if isinstance(expected, int):
            if expected != len(got):
                reasons = "; ".join(f"{one['code']}: {one['reason']}" for one in got[:_SHOWN])
                yield self._miss("rejected", Difference((), expected, len(got)), reasons)
            return
        for miss in self._each("rejected", expected, got, _REASON):
            at = miss.path[len(self.test.path) + 2]
            yield miss if not isinstance(at, int) or at >= len(got) else _with_place(miss, self._where(got[at]))

    def _dropped(self, expected: Any) -> Iterator[Miss]:
        if isinstance(expected, int):
            yield from self._plain("dropped", expected, sum(self.outcome.dropped.values()))
        else:
            got = {name: self.outcome.dropped.get(name, 0) for name in expected}
            yield from self._plain("dropped", expected, got)

    def _reply(self, expected: Mapping[str, Any]) -> Iterator[Miss]:
        got = self.outcome.reply or {}
        for one in differences(_lower(expected), _lower(got)):
            body = got.get("body")
            told = (body.get("errors") or [body.get("detail")])[0] if isinstance(body, Mapping) else body
            yield self._miss("reply", one, str(told) if one.path == ("status",) and told else "")

    def _logs(self, expected: Sequence[Mapping[str, Any]]) -> Iterator[Miss]:
        for index, one in enumerate(expected):
            if not any(not list(parts(one, line, (), _REASON)) for line in self.outcome.logs):
                near = [line for line in self.outcome.logs if line["code"] == one.get("code")] or self.outcome.logs
                said = " | ".join(f"{line['code']}: {line['message']}" for line in near[:_SHOWN]) or "no lines"
                yield self._miss("logs", Difference((index,), one, said))

    def _fires(self) -> Iterator[Miss]:
        several = isinstance(self._expect.get("fires"), list)
        for index, one in enumerate(fires_of(self.test.body)):
            wanted = [read(text, self.pipeline.timezone) for text in one["at"]]
            texts = [moment.astimezone(self.pipeline.timezone).isoformat() for moment in wanted]
            path: Path = (index, "at") if several else ("at",)
            yield from self._told("fires", differences(texts, self.outcome.fires[index], path))


def _with_place(miss: Miss, made: str) -> Miss:
    return Miss(miss.path, miss.label, miss.says, miss.difference, made)


def _lower(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *reply* with the names of its headers in lower case, as HTTP means them."""
    if "headers" not in reply:
        return reply
    return {**reply, "headers": {name.lower(): str(value) for name, value in reply["headers"].items()}}
