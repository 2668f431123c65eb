"""History goes after its time, in small steps; open dead letters stay."""

from datetime import UTC, datetime

from engine.runtime.housekeeping import STEP, limits, tidy

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def test_silent_kinds_have_their_defaults_and_written_ones_win():
    older = limits({"runs": 86400.0}, NOW)
    assert older["runs"] == "2026-01-31T00:00:00.000000+00:00"
    assert older["logs"] == "2026-01-18T00:00:00.000000+00:00"
    assert "dead_open" not in older


class Purged:
    def __init__(self, *counts):
        self.counts, self.limits = list(counts), []

    async def purge(self, older, limit):
        self.limits.append(limit)
        return self.counts.pop(0)


async def test_it_goes_on_until_a_step_is_not_full():
    store = Purged(STEP, STEP, 3)
    assert await tidy(store, {}) == 2 * STEP + 3
    assert store.limits == [STEP] * 3


async def test_it_stops_after_its_steps_for_the_next_time():
    assert await tidy(Purged(*[STEP] * 50), {}, steps=4) == 4 * STEP
