"""Reads per-record outcomes out of an answer: the ``results`` rule of targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.connector import Expression
from engine.errors import Misconfigured, RecordError
from engine.record import Receipt

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Results:
    """``results: {at, failed, match, reason}``, compiled."""

    at: Expression
    failed: Expression
    match: Expression | None = None
    reason: Expression | None = None

    @classmethod
    def of(cls, option: Mapping[str, Expression] | None, *, keyed: bool) -> Results | None:
        """Take the option as the engine hands it over; *keyed*: the target has a ``key``. Raises Misconfigured."""
        if not option:
            return None
        if option.get("match") and not keyed:
            raise Misconfigured("results.match is compared with the record's key; give the target a `key`")
        return cls(option["at"], option["failed"], option.get("match"), option.get("reason"))

    def read(self, document: Any, keys: Sequence[str | None]) -> Receipt:
        """Say what became of each record sent; *keys* are theirs, in order."""
        try:
            found = self.at(document)
        except RecordError as error:
            return _all_uncertain(f"results.at: {error.message}", len(keys))
        if isinstance(found, Mapping) and len(keys) == 1:
            found = [found]
        if found is None:
            return _all_uncertain("the answer has nothing at results.at", len(keys))
        if not isinstance(found, list):
            return _all_uncertain("the answer has no list at results.at", len(keys))
        return self._by_key(found, keys) if self.match else self._by_position(found, keys)

    def _by_position(self, items: Sequence[Any], keys: Sequence[str | None]) -> Receipt:
        if len(items) != len(keys):
            return _all_uncertain(
                f"the answer has {len(items)} results for {len(keys)} records and results.match is not given", len(keys)
            )
        return self._receipt(dict(enumerate(items)), {}, ())

    def _by_key(self, items: Sequence[Any], keys: Sequence[str | None]) -> Receipt:
        places = {key: index for index, key in enumerate(keys)}
        matched: dict[int, Any] = {}
        for item in items:
            place = places.get(self._key(item))
            if place is None or place in matched:
                break
            matched[place] = item
        if len(matched) == len(keys) == len(items):
            return self._receipt(matched, {}, ())
        return self._sorted_out(items, keys)

    def _sorted_out(self, items: Sequence[Any], keys: Sequence[str | None]) -> Receipt:
        """Match where an item is missing, double or unknown, or a key was sent twice."""
        wanted: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            wanted.setdefault(as_text(key), []).append(index)
        found: dict[str, list[Any]] = {}
        for item in items:
            found.setdefault(self._key(item), []).append(item)
        matched: dict[int, Any] = {}
        doubtful: dict[int, str] = {}
        for key, indexes in wanted.items():
            answers = found.pop(key, [])
            if len(answers) == len(indexes):
                matched.update(zip(indexes, answers, strict=True))
            else:
                why = f"the answer has {len(answers) or 'no'} results for {key!r}"
                doubtful.update(dict.fromkeys(indexes, why))
        return self._receipt(matched, doubtful, _unknown(found))

    def _key(self, item: Any) -> str:
        try:
            key = self.match(item) if self.match else None
        except RecordError:
            key = None
        return key if key.__class__ is str else as_text(key)

    def _receipt(self, items: Mapping[int, Any], doubtful: dict[int, str], warnings: Sequence[str]) -> Receipt:
        rejected: dict[int, str] = {}
        for index, item in items.items():
            try:
                failed = self.failed(item)
            except RecordError as error:
                doubtful[index] = f"results.failed: {error.message}"
                continue
            if failed is True:
                rejected[index] = self._reason(item)
            elif failed is not False:
                doubtful[index] = f"results.failed gave {_clip(failed)}, which is neither true nor false"
        return Receipt(rejected, uncertain=doubtful, warnings=warnings)

    def _reason(self, item: Any) -> str:
        try:
            reason = self.reason(item) if self.reason else None
        except RecordError as error:
            return f"refused, and results.reason failed: {error.message}"
        return as_text(reason)[:1000] if reason not in (None, "") else "refused without a reason"


def as_text(value: Any) -> str:
    """Write a value as keys are compared: text as it is, numbers with their digits."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return str(value)
    return _clip(value) if isinstance(value, Mapping | list) else str(value)


def _unknown(found: Mapping[str, Sequence[Any]]) -> Sequence[str]:
    """Word a warning about items nobody sent."""
    if not found:
        return ()
    count = sum(map(len, found.values()))
    names = ", ".join(sorted(found)[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
    return (f"the answer has {count} results for records that were not sent: {names}",)


def _clip(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _all_uncertain(why: str, count: int) -> Receipt:
    return Receipt(uncertain=dict.fromkeys(range(count), why))
