"""``respond: result``: one call in, one answer out, and nothing of one call in another's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import (
    CircuitOpen,
    DefinitionError,
    Disconnected,
    Misconfigured,
    Problem,
    RecordError,
    Transient,
    Uncertain,
)
from engine.events import BatchDelivered, BatchRead, Noted, RunStarted
from engine.http.routes import Bound
from engine.pipeline import WebhookPlan
from engine.record import Receipt
from engine.runtime.answering import SIDE_BY_SIDE
from engine.runtime.connections import Connections
from engine.runtime.runner import Runtime
from engine.service.replies import SHOWN, Replies
from engine.store.base import Where
from engine.store.memory import MemoryStore
from tests.unit.runtime.accepted_rig import body, until
from tests.unit.runtime.rig import Each, Rig, ScriptedTarget

HOOK = WebhookPlan("hook", "/in", frozenset({"POST"}), None, respond={})


class Answers:
    """A pipeline that answers, over a store that must stay empty."""

    def __init__(self, store: Any) -> None:
        self.rig = Rig(store)
        self.store = store
        self.events: list[Any] = []
        self.pipelines: dict[str, Any] = {"p": self.pipeline()}
        self.runtime = Runtime(store, self.events.append, Path(), random=lambda: 0.5, redact=lambda text: text)
        self.replies = Replies(self.runtime, lambda name: self.pipelines[name])

    def pipeline(self, *targets: Any, fingerprint: str = "f1", **more: Any) -> Any:
        made = self.rig.pipeline([], targets=targets or None, **more)
        return replace(made, fingerprint=fingerprint)

    async def ask(self, raw: str = '{"id": 1}', plan: WebhookPlan = HOOK, **headers: str) -> Any:
        asked: Mapping[str, Any] = {**body(raw), "headers": headers}
        return await self.replies.reply(Bound("p", plan), asked)

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def answers():
    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "test")
        made = Answers(store)
        made.runtime.connections = Connections(stack, made.runtime.context)
        yield made
        await made.replies.close()
        for what in ("runs", "entries", "dead", "logs"):
            assert list((await store.find(what, Where()))[0]) == [], f"{what} were kept"


def plan(**respond: Any) -> WebhookPlan:
    return replace(HOOK, respond=respond)


# what is answered


async def test_silent_it_says_what_came_of_it(answers) -> None:
    reply = await answers.ask('[{"id": 1}, {"id": 2}]')
    assert reply.status == 200
    assert reply.body["records"] == 2
    (delivered,) = answers.told(BatchDelivered)
    assert (delivered.run, delivered.sent) == (reply.body["run"], 2)
    assert answers.told(RunStarted) == []


async def test_templates_see_records_results_run_trigger_and_params(answers) -> None:
    names: list[Any] = []

    def made(seen: Any) -> Any:
        names.append(seen)
        return {"ids": [record["id"] for record in seen["records"]]}

    hook = replace(
        plan(status=lambda seen: 201, headers=lambda seen: {"X-N": str(len(seen["records"]))}, body=made),
        params=lambda seen: {"who": seen["trigger"]["headers"]["who"]},
    )
    reply = await answers.ask('{"id": 5}', hook, who="ada")
    assert reply == (201, {"X-N": "1"}, {"ids": [5]})
    (seen,) = names
    assert (seen["params"], seen["trigger"]["params"]) == ({"who": "ada"}, {"who": "ada"})
    assert (seen["trigger"]["id"], seen["trigger"]["type"], seen["trigger"]["path"]) == ("hook", "webhook", "/in")
    assert seen["results"] == {"out": {"sent": 1, "rejected": 0}}
    assert seen["run"]["pipeline"] == "p"
    assert not {"raw", "media"} & set(seen["trigger"])


@pytest.mark.parametrize("status", [199, 600, True, "200", None, 2.0])
async def test_a_status_that_is_none_is_refused(answers, status) -> None:
    reply = await answers.ask(plan=plan(status=lambda seen: status))
    assert reply.status == 422
    assert "not a status" in reply.body["errors"][0]["message"]


async def test_a_pipeline_without_a_target_answers_what_it_mapped(answers) -> None:
    answers.pipelines["p"] = replace(
        answers.pipeline(stages=[Each(lambda record: [{"twice": record["id"] * 2}])]), targets=()
    )
    reply = await answers.ask('{"id": 4}', plan(body=lambda seen: list(seen["records"])))
    assert reply.body == [{"twice": 8}]


async def test_nothing_left_by_the_filters_is_an_answer_too(answers) -> None:
    answers.pipelines["p"] = answers.pipeline(stages=[Each(lambda record: None)])
    reply = await answers.ask()
    assert (reply.status, reply.body["records"]) == (200, 0)
    assert answers.rig.kept == []


# what is refused


def refuse(record: Any) -> Any:
    if record["id"] == 2:
        raise RecordError("type", "it is two", "mapping.id")
    return [record]


async def test_one_record_that_cannot_be_mapped_refuses_the_call_before_anything_is_sent(answers) -> None:
    answers.pipelines["p"] = answers.pipeline(stages=[Each(refuse)])
    reply = await answers.ask('[{"id": 1}, {"id": 2}]')
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert reply.body["errors"] == [{"code": "type", "message": "it is two"}]
    assert answers.rig.kept == []
    (read,) = answers.told(BatchRead)
    assert read.failed == 1


async def test_what_the_target_refuses_is_told_with_its_reason(answers) -> None:
    answers.pipelines["p"] = answers.pipeline(
        answers.rig.target(lambda call, load: Receipt(rejected={1: "no such customer"}))
    )
    reply = await answers.ask('[{"id": 1}, {"id": 2}]')
    assert reply.status == 422
    assert reply.body["errors"] == [{"code": "refused", "message": "no such customer"}]


async def test_of_many_reasons_some_are_shown(answers) -> None:
    answers.pipelines["p"] = answers.pipeline(
        answers.rig.target(
            lambda call, load: Receipt(rejected=dict.fromkeys(range(len(load.records)), "no")), batch=100
        )
    )
    reply = await answers.ask("[" + ",".join(f'{{"id": {number}}}' for number in range(50)) + "]")
    assert len(reply.body["errors"]) == SHOWN
    assert reply.body["detail"] == "50 rejected"


@pytest.mark.parametrize("raw", ["{", "nan", '{"id": NaN}'])
async def test_what_cannot_be_read_is_refused(answers, raw) -> None:
    reply = await answers.ask(raw)
    assert (reply.status, reply.body["errors"][0]["code"]) == (422, "unreadable")


async def test_wrong_params_are_the_callers_mistake(answers) -> None:
    def check(given: Any) -> Any:
        raise DefinitionError([Problem("f", 1, 1, "type", "error", "params.n", "'x' is no number")])

    answers.pipelines["p"] = answers.pipeline(check_params=check)
    reply = await answers.ask()
    assert reply.status == 422
    assert reply.body["errors"] == [{"code": "type", "message": "'x' is no number"}]

    def made(names: Any) -> Any:
        raise RecordError("missing-field", "trigger.query.n is missing", "webhook.params")

    reply = await answers.ask(plan=replace(HOOK, params=made))
    assert (reply.status, reply.body["errors"][0]["code"]) == (422, "missing-field")


# who cannot be reached


@pytest.mark.parametrize(
    "error",
    [
        Disconnected("10.0.0.7 refused"),
        Transient("10.0.0.7 answered 503"),
        Misconfigured("10.0.0.7 answered 401"),
        Uncertain("10.0.0.7 did not answer"),
        CircuitOpen("shop", 99.0),
        OSError("10.0.0.7"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_cannot_be_reached_is_503_and_tells_the_caller_nothing_of_it(answers, error) -> None:
    answers.pipelines["p"] = answers.pipeline(answers.rig.target(lambda call, load: error))
    reply = await answers.ask()
    assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
    assert "10.0.0.7" not in str(reply.body)
    assert [note.code for note in answers.told(Noted)] == ["reply"]


async def test_the_policy_is_followed_before_it_gives_up(answers) -> None:
    answers.pipelines["p"] = answers.pipeline(
        answers.rig.target(lambda call, load: Transient("busy") if call < 3 else None)
    )
    assert (await answers.ask()).status == 200
    assert (await answers.ask()).status == 200


async def test_a_mistake_in_a_connector_is_raised(answers) -> None:
    """The listener answers 500 and says where, in the log."""
    answers.pipelines["p"] = answers.pipeline(answers.rig.target(lambda call, load: ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        await answers.ask()
    answers.pipelines["p"] = answers.pipeline(fingerprint="f2")
    assert (await answers.ask()).status == 200


# calls beside and after each other


class Opened(ScriptedTarget):
    """Counts itself, and keeps what it sees of the call."""

    def __init__(self, context: Any, seen: list[Any], opened: list[Any]) -> None:
        super().__init__(context, [])
        self.seen, self.counted = seen, opened

    async def open(self, stack: AsyncExitStack) -> None:
        self.counted.append("open")
        stack.callback(self.counted.append, "close")

    async def write(self, load: Any) -> Any:
        await asyncio.sleep(0)
        self.context.note("info", "wrote", "it")
        self.seen.append((load.records[0]["id"], self.context.names["trigger"]["headers"], self.context.names["run"]))
        return await super().write(load)


async def test_targets_stay_open_and_every_call_sees_itself_only(answers) -> None:
    seen: list[Any] = []
    opened: list[str] = []
    target = answers.rig.target(build=lambda context: Opened(context, seen, opened))
    answers.pipelines["p"] = answers.pipeline(target)
    replies = [await answers.ask(f'{{"id": {number}}}', who=f"c{number}") for number in range(3)]
    assert opened == ["open"]
    assert [(id, headers) for id, headers, _ in seen] == [(number, {"who": f"c{number}"}) for number in range(3)]
    runs = [reply.body["run"] for reply in replies]
    assert [note.run for note in answers.told(Noted)] == runs
    assert len(set(runs)) == 3
    await answers.replies.close()
    assert opened == ["open", "close"]


async def test_calls_beside_each_other_have_targets_of_their_own(answers) -> None:
    seen: list[Any] = []
    opened: list[str] = []
    target = answers.rig.target(build=lambda context: Opened(context, seen, opened))
    answers.pipelines["p"] = answers.pipeline(target)
    await asyncio.gather(*(answers.ask(f'{{"id": {number}}}', who=f"c{number}") for number in range(40)))
    assert all(headers == {"who": f"c{id}"} for id, headers, _ in seen)
    assert sorted(id for id, _, _ in seen) == list(range(40))
    assert opened.count("open") <= SIDE_BY_SIDE


async def test_who_is_cancelled_leaves_nothing_open_and_gives_his_turn_back(answers) -> None:
    """What a cut-off write left of a target is not known, so nobody else gets it."""
    opened: list[str] = []
    stuck = asyncio.Event()

    class Stuck(Opened):
        async def write(self, load: Any) -> Any:
            if load.records[0]["id"] == 0:
                await stuck.wait()
            return await super().write(load)

    answers.pipelines["p"] = answers.pipeline(answers.rig.target(build=lambda context: Stuck(context, [], opened)))
    calls = [asyncio.create_task(answers.ask('{"id": 0}')) for _ in range(SIDE_BY_SIDE + 3)]
    await until(lambda: opened.count("open") == SIDE_BY_SIDE)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert opened.count("close") == SIDE_BY_SIDE
    assert (await answers.ask()).status == 200


async def test_a_new_revision_answers_and_the_old_one_closes(answers) -> None:
    seen: list[Any] = []
    opened: list[str] = []
    answers.pipelines["p"] = answers.pipeline(answers.rig.target(build=lambda context: Opened(context, seen, opened)))
    await answers.ask()
    answers.pipelines["p"] = answers.pipeline(fingerprint="f2")
    assert (await answers.ask()).status == 200
    assert opened == ["open", "close"]
    assert len(answers.rig.kept) == 1


async def test_a_call_under_way_ends_on_the_revision_it_began_with(answers) -> None:
    opened = asyncio.Event()

    async def write() -> None:
        await opened.wait()

    answers.pipelines["p"] = answers.pipeline(answers.rig.target(lambda call, load: write(), kept=[]))
    going = asyncio.create_task(answers.ask())
    await asyncio.sleep(0.01)
    answers.pipelines["p"] = answers.pipeline(fingerprint="f2")
    assert (await answers.ask()).status == 200
    assert not going.done()
    opened.set()
    assert (await going).status == 200


async def test_what_is_written_anew_by_every_run_cannot_be_answered_for(answers) -> None:
    answers.pipelines["p"] = answers.pipeline(answers.rig.target(traits={"at_end": True}))
    reply = await answers.ask()
    assert reply.status == 503
    assert "a file" in answers.told(Noted)[0].message
