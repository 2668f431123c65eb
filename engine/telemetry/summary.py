"""The end of a run in words: from the mapping of ``run --json`` to the lines people read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.telemetry.look import Look, Meaning
from engine.telemetry.words import clip, duration, position

_MEANING: Final[Mapping[str, Meaning]] = {
    "success": "done",
    "empty": "warning",
    "partial": "warning",
    "failed": "error",
    "timed_out": "error",
    "interrupted": "error",
    "cancelled": "warning",
}
_SAID: Final = {"timed_out": "timed out"}

UNREACHABLE: Final = frozenset({"disconnected", "transient", "timeout", "circuit-open", "misconfigured", "uncertain"})
"""Codes of errors after which one asks whether the remote system is there."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a summary says instead of ids, taken from the definition."""

    targets: Mapping[str, str] = field(default_factory=dict)
    """Target id → what people call it: its connection, else its connector."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """A filter's dotted place → its condition."""
    connections: Mapping[str, str] = field(default_factory=dict)
    """Target id, ``source`` or connection → the connection to check."""


NOBODY: Final = Names()


def render(summary: Mapping[str, Any], look: Look, names: Names = NOBODY) -> str:
    """Write the summary; every failure ends with the next command to type."""
    status = summary["status"]
    rows = _rows(summary, look, names) if status in ("success", "partial", "empty") else _stopped(summary, look)
    lines = [_head(summary, look), *_aligned(rows, look), *_next(summary, look, names)]
    return "\n".join(lines)


def _head(summary: Mapping[str, Any], look: Look) -> str:
    status = summary["status"]
    text = look.paint(_SAID.get(status, status), _MEANING.get(status, "strong"))
    text += f" in {duration(summary['seconds'])}"
    if status == "success" and not summary["read"]:
        return text + ": nothing new to read"
    if status == "empty":
        return text + f": {_busiest(summary)} dropped everything that was read"
    error = summary.get("error")
    if error:
        text += f": {error['message']}"
        if error.get("where") and error["where"] not in error["message"]:
            text += look.paint(f"   {error['where']}", "detail")
    return text


def _busiest(summary: Mapping[str, Any]) -> str:
    dropped = {place: number for place, number in summary["dropped"].items() if number}
    if not dropped:
        return "the pipeline"
    return " and ".join(sorted(dropped, key=lambda place: -dropped[place])[:3])


Row = tuple[str, int | None, str, Meaning | None]
"""Label, count, what it is about, the colour of the label."""


def _rows(summary: Mapping[str, Any], look: Look, names: Names) -> list[Row]:
    if summary["status"] == "success" and not summary["read"] and not any(summary["sent"].values()):
        return _cursor(summary)
    rows: list[Row] = [("read", summary["read"], "", None)]
    for place, number in summary["dropped"].items():
        if number:
            rows.append(("dropped", number, f"{place}  {names.filters.get(place, '')}".rstrip(), None))
    for target, number in summary["sent"].items():
        rows.append(("sent", number, names.targets.get(target, target), None))
    if summary["rejected"]:
        rows.append(
            ("rejected", summary["rejected"], _reasons(summary["reasons"], summary["rejected"], look), "warning")
        )
    return rows + _cursor(summary)


def _cursor(summary: Mapping[str, Any]) -> list[Row]:
    return [("cursor", None, position(summary["cursor"]), None)] if summary.get("cursor") else []


def _reasons(reasons: Sequence[Mapping[str, Any]], rejected: int, look: Look) -> str:
    often = sorted(reasons, key=lambda reason: -reason["count"])
    said = [f"{look.number(item['count'])} {look.sign('×')} {reason(item)}" for item in often[:3]]
    others = rejected - sum(item["count"] for item in often[:3])
    if others > 0 and often:
        said.append(f"{look.number(others)} others")
    return _GAP.join(said)


def reason(item: Mapping[str, Any]) -> str:
    """Say why records were rejected: ``refused: unknown bank``."""
    message = clip(str(item["message"]), 60)
    return f"{item['code']}: {message}" if message else str(item["code"])


def _stopped(summary: Mapping[str, Any], look: Look) -> list[Row]:
    """One sentence instead of a table: what arrived, and where the next run goes on."""
    sent = sum(summary["sent"].values())
    said = [f"sent {look.number(sent)}" if sent else "nothing was sent"]
    if summary["rejected"]:
        said.append(f"rejected {look.number(summary['rejected'])}")
    if summary.get("cursor"):
        said.append(f"cursor at {position(summary['cursor'])}: the next run goes on from there")
    return [("", None, ", ".join(said), None)]


def _aligned(rows: Sequence[Row], look: Look) -> list[str]:
    wide = max((len(look.number(number)) for _, number, _, _ in rows if number is not None), default=0)
    lines = []
    for label, number, about, meaning in rows:
        if not label:
            lines.append(f"  {about}")
            continue
        name = look.paint(label, meaning) if meaning else label
        amount = f"{look.number(number):>{wide}}   " if number is not None else ""
        before = 12 + len(amount)
        first, *more = _wrapped(about, max(look.width - before, 20))
        lines.append(f"  {name}{' ' * (10 - len(label))}{amount}{_dim_condition(first, look)}".rstrip())
        lines += [f"{' ' * before}{part}" for part in more]
    return lines


_GAP: Final = "    "


def _wrapped(about: str, room: int) -> list[str]:
    """Put reasons below each other where they do not fit beside each other."""
    return about.split(_GAP) if len(about) > room and _GAP in about else [about]


def _dim_condition(about: str, look: Look) -> str:
    place, gap, condition = about.partition("  ")
    return place + gap + look.paint(condition, "detail") if gap and _GAP not in about else about


def _remote(error: Mapping[str, Any], names: Names) -> str | None:
    """Find the connection an error is about: by its place, else by the name it mentions, else the only one."""
    root = str(error.get("where") or "").split(".")[0]
    if root and root in names.connections:
        return names.connections[root]
    mentioned = [name for name in sorted(set(names.connections.values())) if name in str(error["message"])]
    return mentioned[0] if mentioned else names.connections.get("")


def _next(summary: Mapping[str, Any], look: Look, names: Names) -> list[str]:
    run, pipeline = look.short(summary["run"]), summary["pipeline"]
    lines = []
    error = summary.get("error") or {}
    remote = _remote(error, names) if error else None
    if error and error.get("code") in UNREACHABLE and remote:
        lines.append(f"  is it up?  {look.paint(f'engine check {remote}', 'strong')}")
    elif error:
        lines.append(f"  what happened:  {look.paint(f'engine runs logs {run}', 'strong')}")
    if summary["rejected"] > summary.get("discarded", 0):
        see, again = f"engine dead-letters list --run {run}", f"engine dead-letters replay --run {run}"
        apart = _GAP * 2 if len(see) + len(again) + 30 <= look.width else "\n"
        lines.append(f"see them:  {look.paint(see, 'strong')}{apart}again:  {look.paint(again, 'strong')}")
    if summary["status"] in ("cancelled", "interrupted"):
        lines.append(f"  go on:  {look.paint(f'engine run {pipeline}', 'strong')}")
    return lines
