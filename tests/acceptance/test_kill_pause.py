"""R15 at full length: a process that stood still for a minute, as a paused machine does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.test_store_pause import paused


@pytest.mark.slow
@pytest.mark.skipif("KILLS" not in os.environ, reason="a minute of waiting; `make kill KILLS=100` does it")
async def test_kill_nothing_but_a_minute_of_pause_and_the_late_settle_is_refused(tmp_path: Path) -> None:
    """The work is committed once, by the owner that was awake."""
    assert await paused(tmp_path / "engine.db", "pause", 60) == ("late LeaseLost", ["awake"])
