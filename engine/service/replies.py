"""Answers webhooks with what came of them (``respond: result``): in memory, under the listener's deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine.errors import CircuitOpen, ConnectorError, DefinitionError, RecordError
from engine.events import Noted
from engine.http.answers import Reply
from engine.http.routes import Bound
from engine.ids import new_id
from engine.pipeline import Frame, Pipeline
from engine.runtime.answering import Answering, Outcome, Refused
from engine.runtime.entries import meta_of, records_of
from engine.runtime.runner import Runtime

SHOWN = 20
"""Refused records that an answer names."""
PROBLEM = {"Content-Type": "application/problem+json"}


@dataclass(slots=True)
class Replies:
    """Keeps the targets of pipelines that answer open between calls."""

    runtime: Runtime
    pipeline: Callable[[str], Pipeline]
    """Gives the revision of now. Raises Unavailable."""
    paused: Callable[[str], bool] = lambda name: False
    _open: dict[str, Answering] = field(default_factory=dict)

    async def close(self) -> None:
        """Close all targets that are not in use."""
        for one in self._open.values():
            await one.close()
        self._open.clear()

    async def reply(self, bound: Bound, body: Mapping[str, Any]) -> Reply:
        """Work one call and make its answer. Raises CancelledError when the caller's deadline is over."""
        if self.paused(bound.pipeline):
            return _later("this is paused; try again later", 60)
        answering, run = await self._answering(bound.pipeline), new_id()
        try:
            frame = self._frame(answering.pipeline, bound, body, run)
            records = records_of(body, bound.plan)
            outcome = await answering.answer(records, meta_of(body), frame)
            return _failed(outcome) if outcome.refused else self._made(bound, frame, outcome)
        except DefinitionError as error:  # what the call gives for the params is wrong
            wrong = [Refused(one.code, self.runtime.redact(one.message), one.path) for one in error.problems]
            return _refusal(422, "rejected", wrong)
        except RecordError as error:
            return _refusal(422, "rejected", [Refused(error.code, self.runtime.redact(error.message), error.where)])
        except (ConnectorError, CircuitOpen, OSError) as error:
            told = self.runtime.redact(f"not answered: {error}")
            self.runtime.emit(Noted(bound.pipeline, run, "error", "reply", told))
            return _later("what this call needs cannot be reached now; try again", 5)

    async def _answering(self, name: str) -> Answering:
        pipeline = self.pipeline(name)
        known = self._open.get(name)
        if known is None or known.pipeline.fingerprint != pipeline.fingerprint:
            self._open[name] = made = Answering(self.runtime, pipeline)
            if known is not None:
                await known.close()
            return made
        return known

    def _frame(self, pipeline: Pipeline, bound: Bound, body: Mapping[str, Any], id: str) -> Frame:
        now = self.runtime.now()
        around = {key: value for key, value in body.items() if key not in ("raw", "media", "trigger")}
        trigger = {"id": bound.plan.id, "type": "webhook", **around}
        params = pipeline.check_params(bound.plan.params({"trigger": trigger}))
        run = {"id": id, "pipeline": pipeline.name, "started": now.astimezone(UTC).isoformat()}
        local: datetime = now.astimezone(pipeline.timezone)
        return Frame(params, {**trigger, "params": params}, run, pipeline.vars, local, pipeline.timezone)

    def _made(self, bound: Bound, frame: Frame, outcome: Outcome) -> Reply:
        respond = bound.plan.respond or {}
        names = {
            "records": outcome.records, "results": outcome.results, "run": frame.run, "trigger": frame.trigger,
            "params": frame.params, "vars": frame.vars,
        }  # fmt: skip
        status = respond["status"](names) if "status" in respond else 200
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            raise RecordError(
                "type", f"respond.status gives {status!r}, not a status of HTTP", f"{bound.plan.where}.respond"
            )
        headers = respond["headers"](names) if "headers" in respond else {}
        body = (
            respond["body"](names) if "body" in respond else {"run": frame.run["id"], "records": len(outcome.records)}
        )
        return Reply(status, headers, body)


def _failed(outcome: Outcome) -> Reply:
    return _refusal(422, "rejected", outcome.refused)


def _refusal(status: int, title: str, refused: Any) -> Reply:
    # where it stands in our files is nothing for callers
    errors = [{"code": one.code, "message": one.message} for one in refused[:SHOWN]]
    return Reply(status, PROBLEM, {**_body(status, title, f"{len(refused)} rejected"), "errors": errors})


def _later(detail: str, seconds: int) -> Reply:
    return Reply(503, {**PROBLEM, "Retry-After": str(seconds)}, _body(503, "unavailable", detail))


def _body(status: int, title: str, detail: str) -> dict[str, Any]:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}
