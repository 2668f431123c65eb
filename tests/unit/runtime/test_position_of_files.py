"""What a run left behind says nothing of a run that another file started."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.position import choose
from engine.runtime.request import Request
from tests.unit.runtime.rig import Rig, rows


def mark(apart: int | None = None, **around: Any) -> str | None:
    request = Request({"shop": "s1"}, around=around, apart=apart)
    return choose(Rig(None).pipeline(rows(1)), request, {}).same


@pytest.mark.parametrize("apart", [None, 0])
def test_each_version_of_a_file_has_a_place_of_its_own(apart: int | None) -> None:
    one = mark(apart, type="file", path="in/a.csv", version="1-2")
    assert one == mark(apart, type="file", path="in/a.csv", version="1-2"), "the same file goes on where it stood"
    others = [
        mark(apart, type="file", path="in/b.csv", version="1-2"),
        mark(apart, type="file", path="in/a.csv", version="2-2"),
        mark(apart),
    ]
    assert one not in others
    assert mark(apart) == mark(apart, type="cron", slot="x"), "times start the same run again and again"
