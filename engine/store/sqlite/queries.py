"""Listings: what each kind of row can be asked for, and a page of the answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import codec
from engine.store.base import Cause, Entry, LaneRow, LogLine, Page, What, Where
from engine.store.rules import entry_id, entry_number, page_mark, sortable
from engine.store.sqlite import rows

Fields = Mapping[str, str]
"""Which condition a field of Where stands for; one that is not here has no meaning and matches nothing."""

_REASON = "instr(code || ': ' || message, :reason) = 1"
_ERROR = "json_extract(summary, '$.error.code')"
_IN_PIPELINE = "(lane = :pipeline OR substr(lane, 1, length(:pipeline) + 1) = :pipeline || '/')"
_CHANGED = {"since": "changed >= :since", "before": "changed < :before"}

RUNS: Fields = {
    **_CHANGED,
    "pipeline": "pipeline = :pipeline",
    "run": "id = :run",
    "id": "id = :id",
    "status": "status = :status",
    "code": f"{_ERROR} = :code",
    "reason": f"instr({_ERROR} || ': ' || json_extract(summary, '$.error.message'), :reason) = 1",
}
DEAD: Fields = {
    **_CHANGED,
    "pipeline": "pipeline = :pipeline",
    "run": "run = :run",
    "id": "id = :id",
    "status": "status = :status",
    "code": "code = :code",
    "reason": _REASON,
}
LOGS: Fields = {
    **_CHANGED,
    "pipeline": "run IN (SELECT id FROM runs WHERE pipeline = :pipeline)",
    "run": "run = :run",
    "status": "level = :status",
    "code": "code = :code",
    "reason": _REASON,
}
LANES: Fields = {**_CHANGED, "pipeline": _IN_PIPELINE, "lane": "lane = :lane"}
ENTRIES: Fields = {
    "since": "appended >= :since",
    "before": "appended < :before",
    "pipeline": _IN_PIPELINE,
    "lane": "lane = :lane",
    "id": "seq = :number",
}


def conditions(fields: Fields, where: Where) -> tuple[str, dict[str, Any]]:
    """Write *where* as conditions and their values."""
    asked: dict[str, Any] = {name: value for name, value in where._asdict().items() if value is not None}
    text = " AND ".join(fields.get(name, "0") for name in asked) or "1"
    for name in ("since", "before"):
        if name in asked:
            asked[name] = sortable(asked[name])
    return text, asked | {"number": entry_number(asked.get("id", ""))}


@dataclass(frozen=True, slots=True)
class _Listing:
    """Rows of one table in the order of one column, which is also the mark of a page."""

    table: str
    columns: str
    fields: Fields
    read: Callable[[Sequence[Any]], Any]
    newest_first: bool = False

    def page(self, connection: sqlite3.Connection, where: Where, page: Page) -> tuple[list[Any], str | None]:
        text, values = conditions(self.fields, where)
        after = page_mark(page.after, 1)
        if after:
            text += f" AND seq {'<' if self.newest_first else '>'} :after"
            values["after"] = after[0]
        order = "DESC" if self.newest_first else "ASC"
        found = connection.execute(
            f"SELECT seq, {self.columns} FROM {self.table} WHERE {text} ORDER BY seq {order} LIMIT {page.limit + 1:d}",
            values,
        ).fetchall()
        more = len(found) > page.limit
        kept = found[: page.limit]
        return [self.read(row[1:]) for row in kept], str(kept[-1][0]) if more and kept else None


_TABLES: Mapping[What, _Listing] = {
    "runs": _Listing("runs", rows.RUN, RUNS, rows.run, newest_first=True),
    "dead": _Listing("dead", rows.LETTER, DEAD, rows.letter, newest_first=True),
    "logs": _Listing("logs", "run, time, level, code, message", LOGS, lambda row: LogLine(*row)),
    "entries": _Listing(
        "entries",
        "seq, lane, body, appended, attempts",
        ENTRIES,
        lambda row: Entry(entry_id(row[0]), row[1], codec.decode(row[2]), row[3], row[4]),
    ),
}


def find(
    connection: sqlite3.Connection, what: What, where: Where, page: Page, now: float
) -> tuple[list[Any], str | None]:
    """Give a page of rows, and the mark of the next one."""
    if what == "lanes":
        return _lanes(connection, where, page, now)
    if what == "causes":
        return _causes(connection, where, page)
    return _TABLES[what].page(connection, where, page)


def _lanes(connection: sqlite3.Connection, where: Where, page: Page, now: float) -> tuple[list[Any], str | None]:
    text, values = conditions(LANES, where)
    found = connection.execute(
        f"""
        SELECT lane, checkpoint, (SELECT count(*) FROM entries WHERE entries.lane = lanes.lane),
          CASE WHEN expires > :now THEN owner END, changed,
          (SELECT appended FROM entries WHERE entries.lane = lanes.lane ORDER BY seq LIMIT 1)
        FROM lanes WHERE {text} AND lane > :after ORDER BY lane LIMIT {page.limit + 1:d}
        """,
        {**values, "after": page.after or "", "now": now},
    ).fetchall()
    kept = [
        LaneRow(lane, None if checkpoint is None else codec.decode(checkpoint), *rest)
        for lane, checkpoint, *rest in found[: page.limit]
    ]
    return kept, kept[-1].lane if len(found) > page.limit and kept else None


def _causes(connection: sqlite3.Connection, where: Where, page: Page) -> tuple[list[Any], str | None]:
    """Group open dead letters, the most frequent cause first, the newest letter as its example."""
    text, values = conditions(DEAD, where)
    beyond = ""
    if after := page_mark(page.after, 2):
        beyond = "HAVING (count(*), max(seq)) < (:letters, :newest)"
        values |= {"letters": after[0], "newest": after[1]}
    found = connection.execute(
        f"""
        SELECT groups.*, dead.id, dead."key" FROM (
          SELECT pipeline, code, message, count(*) AS letters, min(first), max(last), max(seq) AS newest FROM dead
          WHERE status = 'open' AND {text} GROUP BY pipeline, code, message {beyond}
          ORDER BY letters DESC, newest DESC LIMIT {page.limit + 1:d}
        ) AS groups JOIN dead ON dead.seq = groups.newest ORDER BY letters DESC, newest DESC
        """,
        values,
    ).fetchall()
    kept = found[: page.limit]
    mark = f"{kept[-1][3]}-{kept[-1][6]}" if len(found) > page.limit and kept else None
    return [Cause(*row[:6], *row[7:]) for row in kept], mark
