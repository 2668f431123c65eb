"""One line to a connection: waiting is outside the timeout, and what the remote asks for holds for all."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from engine.errors import CircuitOpen, Disconnected, Misconfigured, Rejected, Transient, Uncertain
from engine.events import CallRetried, CircuitChanged
from engine.pipeline import Remote
from engine.policy import Breaker, CircuitBreaker, Limiter, RateLimit, Resilience, Retry
from engine.runtime.connections import Connections, Line, Shared


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def line(shared, time, events=None, **policy):
    policy = Resilience(**{"timeout": 5.0, "retry": Retry(attempts=3, initial=1.0, jitter="none"), **policy})
    return Line(shared, policy, "p", "r", (events if events is not None else []).append, lambda: 0.5, time, time.sleep)


def shared(breaker=None, limit=None):
    return Shared("hub", None, Breaker(breaker) if breaker else None, Limiter(limit) if limit else None)


def answers(*results):
    left = list(results)

    async def call():
        result = left.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    return call


async def test_a_read_is_tried_again_and_then_gives_its_result():
    time, events = Time(), []
    got = await line(shared(), time, events).repeated(answers(Disconnected("a"), Uncertain("b"), "rows"))
    assert (got, time.slept) == ("rows", [1.0, 2.0])
    assert [event.attempt for event in events if isinstance(event, CallRetried)] == [1, 2]


async def test_a_read_gives_up_after_its_attempts():
    with pytest.raises(Disconnected):
        await line(shared(), Time()).repeated(answers(*[Disconnected("gone")] * 3))


@pytest.mark.parametrize("error", [Misconfigured("401"), Rejected("400")])
async def test_a_read_that_cannot_pass_is_not_repeated(error):
    time = Time()
    with pytest.raises(type(error)):
        await line(shared(), time).repeated(answers(error))
    assert time.slept == []


async def test_both_limits_hold_and_waiting_is_not_calling():
    time = Time()
    both = line(shared(limit=RateLimit(2, 1.0)), time, rate_limit=RateLimit(1, 10.0), timeout=0.5)
    for _ in range(3):
        await both.once(answers("ok"))
    assert time.now == pytest.approx(20.0)


async def test_the_shared_limit_is_one_budget_for_all_lines():
    time, hub = Time(), shared(limit=RateLimit(1, 1.0))
    await line(hub, time).once(answers("ok"))
    await line(hub, time).once(answers("ok"))
    assert time.now == pytest.approx(1.0)


async def test_what_the_remote_asks_for_keeps_every_line_quiet():
    time, hub = Time(), shared()
    await line(hub, time).pause(1, 3.0, "busy", 30.0)
    assert time.now == 3.0
    await line(hub, time).once(answers("ok"))
    assert time.now == 30.0


async def test_a_call_over_its_timeout_is_uncertain_and_counts_for_the_breaker():
    time = Time()
    hub = shared(CircuitBreaker(failures=1, window=60, reset_after=60))

    async def hang():
        await asyncio.Event().wait()

    with pytest.raises(Uncertain, match="did not answer within 0\\.01 s"):
        await line(hub, time, timeout=0.01).once(hang)
    with pytest.raises(CircuitOpen):
        await line(hub, time).once(answers("ok"))


async def test_a_timeout_inside_the_call_is_its_own_matter():
    with pytest.raises(TimeoutError):
        await line(shared(), Time()).once(answers(TimeoutError("inner")))


async def test_refusals_do_not_count_for_a_breaker_and_its_changes_are_told():
    time, events = Time(), []
    hub = shared(CircuitBreaker(failures=2, window=60, reset_after=10))
    mine = line(hub, time, events)
    for error in [Rejected("no"), Misconfigured("401"), Rejected("no")]:
        with pytest.raises(type(error)):
            await mine.once(answers(error))
    for _ in range(2):
        with pytest.raises(Transient):
            await mine.once(answers(Transient("busy")))
    with pytest.raises(CircuitOpen):
        await mine.once(answers("ok"))
    time.now = 10.0
    assert await mine.once(answers("ok")) == "ok"
    assert [event.state for event in events if isinstance(event, CircuitChanged)] == ["open", "half_open", "closed"]


async def test_a_cancelled_probe_leaves_the_breaker_half_open_for_another():
    time = Time()
    hub = shared(CircuitBreaker(failures=1, window=60, reset_after=10))
    with pytest.raises(Transient):
        await line(hub, time).once(answers(Transient("busy")))
    time.now = 10.0
    with pytest.raises(asyncio.CancelledError):
        await line(hub, time).once(answers(asyncio.CancelledError()))
    assert await line(hub, time).once(answers("ok")) == "ok"


class Client:
    """Notes when it opens and closes."""

    def __init__(self, seen):
        self.seen = seen

    async def open(self, stack):
        self.seen.append("open")
        stack.callback(self.seen.append, "close")


def hub(seen, fingerprint="1"):
    return Remote("hub", lambda context: Client(seen), fingerprint=fingerprint)


async def test_a_connection_is_opened_once_for_all_its_users_and_closed_at_the_end():
    seen = []
    async with AsyncExitStack() as stack:
        connections = Connections(stack, lambda remote: remote.name)
        first, second = await asyncio.gather(connections.get(hub(seen)), connections.get(hub(seen)))
        assert first is second
        assert seen == ["open"]
    assert seen == ["open", "close"]


async def test_a_new_revision_has_its_own_and_the_old_one_closes_with_its_last_user():
    seen = []
    async with AsyncExitStack() as stack, AsyncExitStack() as user:
        connections = Connections(stack, lambda remote: remote.name)
        old = await connections.lent(user).get(hub(seen))
        await connections.retain([hub(seen, "2")])
        assert seen == ["open"], "still in use"
        new = await connections.get(hub(seen, "2"))
        assert new is not old
        await user.aclose()
        assert seen == ["open", "open", "close"]
        await connections.retain([hub(seen, "2")])
        assert seen == ["open", "open", "close"], "the one in force stays open"
    assert seen == ["open", "open", "close", "close"]
