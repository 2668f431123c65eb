"""The hub's bad days, as values: which requests go wrong, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Kind = Literal["errors", "status", "hang", "slow", "cut", "not_json", "no_data", "omit", "duplicate", "unknown"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong.

    ``errors``     answer 200 ``{"errors": [{message, extensions: {code}}]}``
    ``status``     answer *status* (500, 429, 503, 401 …), with Retry-After where *retry_after* is given
    ``hang``       never answer
    ``slow``       answer after *seconds*
    ``cut``        cut the connection: *at* ``start`` before any byte of the answer, ``middle`` half way through it
    ``not_json``   answer 200 with a page of HTML, as proxies do
    ``no_data``    answer 200 ``{"data": null}``
    ``omit``       leave *items* results out of the answer
    ``duplicate``  say *items* results twice
    ``unknown``    add *items* results for records nobody sent

    *applied* says whether the records were written before it went wrong; the last three kinds always write, and so does
    ``slow``.
    """

    kind: Kind
    operation: str | None = None
    """Only requests whose first field is this, such as ``importTransactions``."""
    skip: int = 0
    """Let so many of these requests through first."""
    times: int | None = 1
    """Then so many go wrong; None: all."""
    applied: bool = False
    code: str | None = None
    message: str = "the hub has a bad day"
    status: int = 500
    retry_after: float | None = None
    seconds: float = 0.0
    at: Literal["start", "middle"] = "middle"
    items: int = 1

    @property
    def writes(self) -> bool:
        """Whether the records of the request are written all the same."""
        return self.applied or self.kind in {"slow", "omit", "duplicate", "unknown"}

    def errors_body(self) -> dict[str, Any]:
        """Give the body of ``errors``."""
        extensions = {"extensions": {"code": self.code}} if self.code else {}
        return {"errors": [{"message": self.message, **extensions}]}


class Plan:
    """The faults to come, in order: the first that means a request has it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._left = list(faults)

    def next(self, operation: str) -> Fault | None:
        """Take the fault of one request of *operation*, or None."""
        for index, fault in enumerate(self._left):
            if fault.operation not in (None, operation) or fault.times == 0:
                continue
            if fault.skip:
                self._left[index] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times is not None:
                self._left[index] = replace(fault, times=fault.times - 1)
            return fault
        return None


_NAMES = frozenset(field.name for field in fields(Fault))


def fault(values: Mapping[str, Any]) -> Fault:
    """Read a fault from JSON. Raises ValueError for a name that no fault has."""
    unknown = values.keys() - _NAMES
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    return Fault(**values)


def spoil(fault: Fault, body: dict[str, Any]) -> dict[str, Any]:
    """Change the results of an answer as the fault says."""
    for name, value in (body.get("data") or {}).items():
        if isinstance(value, dict) and isinstance(value.get("results"), list):
            results = _spoiled(fault, value["results"])
            return {**body, "data": {**body["data"], name: {**value, "results": results}}}
    return body


def _spoiled(fault: Fault, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if fault.kind == "omit":
        return results[: max(0, len(results) - fault.items)]
    if fault.kind == "duplicate":
        return results + results[: fault.items]
    stranger = {**results[0], "success": True} if results else {"success": True}
    return results + [{**stranger, "external_id": f"stranger-{number}"} for number in range(fault.items)]
