"""Listings in memory: which rows are meant, and a page of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from engine import codec
from engine.store.base import Cause, DeadLetter, LaneRow, LogLine, Page, What, Where
from engine.store.memory import lanes
from engine.store.memory.tables import LaneKept, LetterKept, LineKept, RunKept, Tables, copied_letter, copied_run
from engine.store.rules import entry_id, page_mark, sortable

Fields = Mapping[str, Callable[[Any, Any], bool]]
"""What a field of Where asks of a row; one that is not here has no meaning and matches nothing."""

_CHANGED: Fields = {
    "since": lambda kept, time: kept.changed >= time,
    "before": lambda kept, time: kept.changed < time,
}


def _reason(row: DeadLetter | LogLine) -> str:
    return f"{row.code}: {row.message}"


def _error(kept: RunKept) -> Mapping[str, Any]:
    error = kept.row.summary.get("error")
    return error if isinstance(error, Mapping) else {}


def _run_reason(kept: RunKept) -> str:
    error = _error(kept)
    return f"{error.get('code')}: {error.get('message')}"


def _belongs(lane: str, pipeline: str) -> bool:
    return lane == pipeline or lane.startswith(pipeline + "/")


_RUNS: Fields = {
    **_CHANGED,
    "pipeline": lambda kept, name: kept.row.pipeline == name,
    "run": lambda kept, run: kept.row.id == run,
    "id": lambda kept, run: kept.row.id == run,
    "status": lambda kept, status: kept.row.status == status,
    "code": lambda kept, code: _error(kept).get("code") == code,
    "reason": lambda kept, text: _run_reason(kept).startswith(text) and bool(_error(kept)),
}
_DEAD: Fields = {
    **_CHANGED,
    "pipeline": lambda kept, name: kept.row.pipeline == name,
    "run": lambda kept, run: kept.row.run == run,
    "id": lambda kept, letter: kept.row.id == letter,
    "status": lambda kept, status: kept.row.status == status,
    "code": lambda kept, code: kept.row.code == code,
    "reason": lambda kept, text: _reason(kept.row).startswith(text),
}
_LOGS: Fields = {
    **_CHANGED,
    "run": lambda kept, run: kept.row.run == run,
    "status": lambda kept, level: kept.row.level == level,
    "code": lambda kept, code: kept.row.code == code,
    "reason": lambda kept, text: _reason(kept.row).startswith(text),
}
_ENTRIES: Fields = {
    "since": lambda kept, time: kept.appended >= time,
    "before": lambda kept, time: kept.appended < time,
    "pipeline": lambda kept, name: _belongs(kept.lane, name),
    "lane": lambda kept, lane: kept.lane == lane,
    "id": lambda kept, entry: entry_id(kept.number) == entry,
}
_LANES: Fields = {
    "since": lambda item, time: item[1].changed >= time,
    "before": lambda item, time: item[1].changed < time,
    "pipeline": lambda item, name: _belongs(item[0], name),
    "lane": lambda item, lane: item[0] == lane,
}


def _chosen(rows: Iterable[Any], where: Where, fields: Fields) -> list[Any]:
    asked = {name: value for name, value in where._asdict().items() if value is not None}
    asked |= {name: sortable(asked[name]) for name in ("since", "before") if name in asked}
    if any(name not in fields for name in asked):
        return []
    return [row for row in rows if all(fields[name](row, value) for name, value in asked.items())]


def open_letters(tables: Tables, where: Where, limit: int) -> list[LetterKept]:
    """Give the open dead letters that are meant, oldest first."""
    chosen = [kept for kept in _chosen(tables.dead.values(), where, _DEAD) if kept.row.status == "open"]
    return sorted(chosen, key=lambda kept: kept.number)[: limit or None]


def find(tables: Tables, what: What, where: Where, page: Page, now: float) -> tuple[list[Any], str | None]:
    """Give a page of rows, and the mark of the next one."""
    if what == "lanes":
        return _lanes(tables, where, page, now)
    if what == "causes":
        return _causes(tables, where, page)
    if what == "logs":
        of_pipeline = _of_pipeline(tables, where.pipeline)
        return _page(_chosen(of_pipeline, where._replace(pipeline=None), _LOGS), page, lambda kept: kept.row)
    if what == "entries":
        return _page(_chosen(tables.entries.values(), where, _ENTRIES), page, lanes.entry)
    if what == "runs":
        return _page(_chosen(tables.runs.values(), where, _RUNS), page, lambda kept: copied_run(kept.row), -1)
    return _page(_chosen(tables.dead.values(), where, _DEAD), page, lambda kept: copied_letter(kept.row), -1)


def _of_pipeline(tables: Tables, pipeline: str | None) -> list[LineKept]:
    """Give the log lines of a pipeline's runs; the lines themselves do not name it."""
    runs = {run for run, kept in tables.runs.items() if kept.row.pipeline == pipeline}
    return [line for line in tables.logs.values() if pipeline is None or line.row.run in runs]


def _page(
    rows: list[Any], page: Page, read: Callable[[Any], Any], sign: Literal[1, -1] = 1
) -> tuple[list[Any], str | None]:
    """Order *rows* by number, newest first with *sign* -1, and cut the page out."""
    after = page_mark(page.after, 1)
    left = [kept for kept in rows if after is None or sign * kept.number > sign * after[0]]
    left.sort(key=lambda kept: sign * int(kept.number))
    kept = left[: page.limit]
    return [read(row) for row in kept], str(kept[-1].number) if len(left) > page.limit and kept else None


def _lanes(tables: Tables, where: Where, page: Page, now: float) -> tuple[list[Any], str | None]:
    chosen = sorted(_chosen(tables.lanes.items(), where, _LANES))
    left = [(lane, kept) for lane, kept in chosen if lane > (page.after or "")]
    rows = [_lane(tables, lane, kept, now) for lane, kept in left[: page.limit]]
    return rows, rows[-1].lane if len(left) > page.limit and rows else None


def _lane(tables: Tables, lane: str, kept: LaneKept, now: float) -> LaneRow:
    checkpoint = None if kept.checkpoint is None else codec.decode(kept.checkpoint)
    entries = [entry for entry in tables.entries.values() if entry.lane == lane]
    oldest = min(entries, key=lambda entry: entry.number).appended if entries else None
    return LaneRow(lane, checkpoint, len(entries), kept.owner if kept.expires > now else None, kept.changed, oldest)


def _causes(tables: Tables, where: Where, page: Page) -> tuple[list[Any], str | None]:
    """Group open dead letters, the most frequent cause first, the newest letter as its example."""
    groups: dict[tuple[str, str, str], list[LetterKept]] = {}
    for kept in open_letters(tables, where, 0):
        groups.setdefault((kept.row.pipeline, kept.row.code, kept.row.message), []).append(kept)
    after = page_mark(page.after, 2)
    ordered = sorted(((len(group), group[-1].number, group) for group in groups.values()), reverse=True)
    left = [item for item in ordered if after is None or item[:2] < after]
    given = left[: page.limit]
    mark = f"{given[-1][0]}-{given[-1][1]}" if len(left) > page.limit and given else None
    return [_cause([letter.row for letter in group]) for _, _, group in given], mark


def _cause(letters: Sequence[DeadLetter]) -> Cause:
    newest = letters[-1]
    first, last = min(letter.first for letter in letters), max(letter.last for letter in letters)
    return Cause(newest.pipeline, newest.code, newest.message, len(letters), first, last, newest.id, newest.key)
