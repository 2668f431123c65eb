"""Constants are judged before anything runs; what a record used up in this thread does not count there."""

from __future__ import annotations

from contextlib import suppress

from engine.errors import RecordError
from engine.expressions.jinja.check import parse
from engine.expressions.library import allowance


def test_what_a_record_used_up_does_not_make_a_constant_wrong() -> None:
    """Else a long run would make good files bad, in the same thread."""
    with suppress(RecordError):
        allowance.making("x" * (allowance.MAX_MADE + 1))
    tree, issues = parse("{{ to_timezone(record.sold_at, 'America/Bahia') }}", ("mapping", "at"))
    assert tree is not None
    assert issues == []
