"""What reads and writes when somebody answers in place of the database: what is asked, as plain data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from connectors._sql.binds import Sql, parse
from connectors._sql.exchanged import exchange_of
from connectors._sql.operations import KINDS
from connectors._sql.steps import Database, Step, Subject, build
from connectors._sql.values import bindable
from engine.connector import Context, Told
from engine.errors import Disconnected, Misconfigured, RecordError, Rejected, Uncertain
from engine.record import TAKEN, Outgoing, Receipt


async def _nobody() -> Told:
    raise Misconfigured("nothing may be reached here")


async def ask(context: Context, asked: Told, *, reads: bool) -> Told:
    """Ask in place of the database. Raises Disconnected; Uncertain where the answer to a write was lost."""
    exchange, name = exchange_of(context), getattr(context.connection, "name", context.name)
    assert exchange is not None
    try:
        return await exchange(name, asked, _nobody)
    except ConnectionRefusedError:
        raise Disconnected(f"{name} could not be reached: connection refused") from None
    except (TimeoutError, ConnectionError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else "the connection was cut"
        raise (Disconnected if reads else Uncertain)(f"{name} was asked, and the answer was lost: {why}") from None


def reading(query: Sql, values: Mapping[str, Any]) -> Told:
    """Say a query and its binds, by their names as written."""
    return {"query": query.source, "binds": {name: values[safe] for name, safe in query.names.items()}}


def rows_of(told: Told) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns and rows of an answer; a column that a row does not have is null there."""
    rows: Sequence[Mapping[str, Any]] = told.get("rows") or ()
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [tuple(row.get(name) for name in names) for row in rows]


class Question(NamedTuple):
    """One statement for one record."""

    asked: Told
    expects: Callable[[int], str | None] | None


@dataclass(frozen=True)
class _Row:
    """An operation on a table that nobody has looked at."""

    kind: str
    options: Mapping[str, Any]
    nested: bool

    def __call__(self, subject: Subject) -> Any:
        values = self.options.get("values")
        row = subject.row if values is None else values(subject.names)
        if not isinstance(row, Mapping):
            raise Rejected(f"{self.kind}: a row needs named fields, and this record is no object")
        key = self.options.get("key") or ()
        for name in (*(self.options.get("columns") or ()), *key):
            if name not in row:
                raise Rejected(f"{self.kind}: the record has no field '{name}'")
        for name in key:
            if row[name] is None:
                raise Rejected(f"{self.kind}: '{name}' is null, and a key cannot be")
        wanted = self.options.get("columns") or row
        if self.kind == "delete" and key:
            wanted = key
        bound = {name: bindable(row[name], self.nested) for name in wanted}
        asked = {"operation": self.kind, "table": self.options["table"], "row": bound}
        counts = self.kind in ("update", "delete") and self.options.get("missing", "reject") == "reject"
        return Question(asked, _no_row if counts else None)


def _no_row(touched: int) -> str | None:
    return None if touched else "no-row: no row of the table has this key"


def questions(options: Mapping[str, Any], place: str, nested: bool) -> Step:
    """Make the step that gives, for one record, what is asked."""
    kind = next((one for one in KINDS if options.get(one) is not None), None)
    if kind is not None:
        return Step(place, _Row(kind, options[kind], nested), options.get("each"), options.get("when"))
    step = build(options, place, Database({}, "", nested))
    sql = parse(options["sql"], place)

    def work(subject: Subject) -> Any:
        call = step.work(subject)
        binds = {name: call.values[safe] for name, safe in sql.names.items()}
        return Question({"statement": sql.source, "binds": binds}, call.expects)

    return replace(step, work=work)


async def write(context: Context, steps: Sequence[Step], load: Outgoing) -> Receipt:
    """Deliver record by record, statement by statement; the first that is refused ends its record."""
    rejected: dict[int, str] = {}
    for index, record in enumerate(load.records):
        names = {**context.names, "record": record, "input": load.inputs[index], "meta": load.metas[index]}
        try:
            asked = [one for step in steps for one in _of(step, Subject(record, names))]
        except (Rejected, RecordError) as error:
            rejected[index] = str(error)
            continue
        why = await _first_refusal(lambda one: ask(context, one, reads=False), asked)
        if why is not None:
            rejected[index] = why
    return Receipt(rejected=rejected) if rejected else TAKEN


def _of(step: Step, subject: Subject) -> Iterator[Question]:
    made: Any = step.calls(subject)
    yield from made


async def _first_refusal(ask: Callable[[Told], Awaitable[Told]], asked: Sequence[Question]) -> str | None:
    for one in asked:
        told = await ask(one.asked)
        if "refused" in told:
            return str(told["refused"])
        if one.expects is not None and "count" in told and (why := one.expects(int(told["count"]))) is not None:
            return why
    return None
