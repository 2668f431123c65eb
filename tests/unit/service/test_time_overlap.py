"""What becomes of a firing while others run or wait: the whole table."""

from __future__ import annotations

import pytest

from engine.service.firing import Firing
from engine.service.overlap import choose, replaced


def cron(full: bool = False) -> Firing:
    return Firing("nightly", "cron", {"full": full}, "2026-03-04T03:00:00+00:00")


QUICK, FULL = cron(), cron(full=True)
HOOK = Firing("hook", "webhook", {"full": False})
HAND = Firing("manual", "manual", {"full": False})
AGAIN = Firing("manual", "rerun", {"full": False}, rerun_of="r1")
CHAIN = Firing("after", "after", {"full": False})
POLICIES = ("skip", "queue_one", "queue", "cancel", "allow")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("firing", [QUICK, FULL, HOOK, HAND, AGAIN, CHAIN])
def test_nothing_in_the_way(policy, firing):
    """Every firing starts."""
    assert choose(policy, firing, [], []) == "start"


@pytest.mark.parametrize(
    ("firing", "running", "waiting", "expected"),
    [
        # policies in their order: skip, queue_one, queue, cancel, allow
        (QUICK, [QUICK], [], "drop wait wait cancel start"),
        (CHAIN, [QUICK], [], "drop wait wait cancel start"),
        (FULL, [QUICK], [], "wait wait wait cancel start"),
        (FULL, [QUICK], [FULL], "drop wait wait cancel start"),
        (FULL, [QUICK], [QUICK], "wait wait wait cancel start"),
        # its turn comes after those that wait, though nothing runs at this moment
        (QUICK, [], [FULL], "wait wait wait wait start"),
        (QUICK, [], [QUICK], "drop wait wait wait start"),
        # what was accepted queues in its order
        (HOOK, [QUICK], [], "wait wait wait wait start"),
        (HOOK, [HOOK], [HOOK], "wait wait wait wait start"),
        # people asked for it
        (HAND, [QUICK], [], "wait wait wait cancel start"),
        (AGAIN, [QUICK], [QUICK], "wait wait wait cancel start"),
        # and nothing that was promised is cancelled
        (QUICK, [HOOK], [], "drop wait wait wait start"),
        (FULL, [HAND], [], "wait wait wait wait start"),
        (FULL, [AGAIN], [], "wait wait wait wait start"),
    ],
)
def test_something_in_the_way(firing, running, waiting, expected):
    """One row for each meeting, one word for each policy."""
    assert [choose(policy, firing, running, waiting) for policy in POLICIES] == expected.split()


@pytest.mark.parametrize(
    ("firing", "waiting", "queue_one", "cancel"),
    [
        (QUICK, [], [], []),
        (FULL, [QUICK], [0], [0]),
        (HAND, [QUICK], [0], [0]),
        (QUICK, [HOOK, FULL, HAND, AGAIN], [1], [1]),
        (HOOK, [QUICK, FULL], [], []),
    ],
)
def test_the_newest_waits(firing, waiting, queue_one, cancel):
    """It takes the place of what waited, but for what was promised; the other policies keep all."""
    assert [replaced(policy, firing, waiting) for policy in POLICIES] == [[], queue_one, [], cancel, []]
