"""The end of a run fires what comes after it: which ends, with what, and once."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from engine.errors import RecordError
from engine.events import Noted
from engine.pipeline import AfterPlan
from engine.service.chains import Ended, followers
from engine.service.firing import Firing
from engine.store.base import Entry
from engine.store.memory import MemoryStore

SUMMARY = {"read": 10, "dropped": {"filters[0]": 1, "filters[1]": 2}, "sent": {"hub": 4, "file": 4}, "rejected": 3}
ENDED = Ended("banks", "r1", "success", SUMMARY, {"day": "monday"})


def fired(entries) -> list[tuple[str, Firing]]:
    read = [Firing.read(Entry("1", new.lane, new.body, "", 0)) for new in entries]
    return [(new.lane.split("/")[0], firing) for new, firing in zip(entries, read, strict=True)]


@pytest.mark.parametrize(
    ("status", "ons"),
    [
        ("success", "success any"),
        ("partial", "success any"),
        ("empty", "success any"),
        ("failed", "failure any"),
        ("timed_out", "failure any"),
        ("cancelled", "any"),
        ("interrupted", ""),
        ("running", ""),
        ("queued", ""),
        ("cancelling", ""),
    ],
)
def test_which_ends_fire(status, ons):
    """A cancelled run is neither success nor failure, an interrupted one has not ended."""
    afters = {on: [AfterPlan("after", ("banks",), on)] for on in ("success", "failure", "any")}
    made = followers(afters, ENDED._replace(status=status))
    assert [name for name, _ in fired(made)] == ons.split()


def test_who_follows():
    """Whoever names it, alone or in a list; each trigger of a pipeline for itself."""
    afters = {
        "one": [AfterPlan("after", ("banks",))],
        "either": [AfterPlan("both", ("orders", "banks"))],
        "other": [AfterPlan("after", ("orders",))],
        "two": [AfterPlan("a", ("banks",)), AfterPlan("b", ("banks",), "any"), AfterPlan("c", ("banks",), "failure")],
    }
    made = followers(afters, ENDED)
    assert [(name, one.trigger) for name, one in fired(made)] == [
        ("one", "after"), ("either", "both"), ("two", "a"), ("two", "b"),
    ]  # fmt: skip
    assert [new.lane for new in made] == ["one/fire", "either/fire", "two/fire", "two/fire"]
    assert followers({}, ENDED) == []


def test_what_a_follower_knows():
    """Params by template; status, counts and whose end it was for the run itself, too."""
    seen = []
    plan = AfterPlan("after", ("banks",), params=lambda names: seen.append(names) or {"day": "tuesday"})
    ((name, firing),) = fired(followers({"report": [plan]}, ENDED))
    counts = {"read": 10, "dropped": 3, "sent": 8, "rejected": 3}
    around = {"pipeline": "banks", "run": "r1", "status": "success", "counts": counts}
    assert seen == [{"trigger": {"id": "after", "type": "after", "params": {"day": "monday"}, **around}}]
    assert (name, firing.kind, firing.params, firing.slot) == ("report", "after", {"day": "tuesday"}, None)
    assert firing.around == around


def test_a_run_that_knows_little_of_itself():
    """A run that failed before it read anything has no counts."""
    ((_, firing),) = fired(
        followers({"alarm": [AfterPlan("a", ("banks",), "failure")]}, Ended("banks", "r", "failed", {}, {}))
    )
    assert firing.around["counts"] == {"read": 0, "dropped": 0, "sent": 0, "rejected": 0}


def test_a_chain_shares_a_group():
    """The first run's id, as far as the chain goes."""
    afters = {"b": [AfterPlan("after", ("a",))], "c": [AfterPlan("after", ("b",))]}
    ((_, second),) = fired(followers(afters, Ended("a", "r1", "success", {}, {})))
    ((_, third),) = fired(followers(afters, Ended("b", "r2", "success", {}, {}, second.group)))
    assert (second.group, third.group) == ("r1", "r1")


def test_params_that_cannot_be_made():
    """That follower does not fire, the others do, and somebody is told."""

    def wrong(names):
        raise RecordError("template", "'day' is not there")

    afters = {"x": [AfterPlan("after", ("banks",), params=wrong)], "y": [AfterPlan("after", ("banks",))]}
    told = []
    assert [name for name, _ in fired(followers(afters, ENDED, told.append))] == ["y"]
    fact = "'after' does not fire after run r1: its params cannot be made: 'day' is not there"
    assert told == [Noted("x", "", "error", "trigger-params", fact)]
    with pytest.raises(RecordError):
        followers(afters, ENDED)


async def test_a_repeat_fires_once():
    """The end of one run told twice is one firing; without dedupe, the control, it is two."""
    async with AsyncExitStack() as stack:
        store = MemoryStore()
        await store.open(stack, "one")
        (new,) = followers({"report": [AfterPlan("after", ("banks",))]}, ENDED)
        assert [fresh for _, fresh in await store.append([new, new])] == [True, False]
        (other,) = followers({"report": [AfterPlan("after", ("banks",))]}, ENDED._replace(run="r2"))
        assert [fresh for _, fresh in await store.append([other])] == [True]
        plain = new._replace(dedupe=None)
        assert [fresh for _, fresh in await store.append([plain, plain])] == [True, True]
