"""What a target does with one record: its statements in order, each with ``each``, ``when`` and ``affects``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from connectors._sql.binds import Sql, parse, reach
from connectors._sql.operations import KINDS, Call, Operation
from connectors._sql.tables import Shape
from connectors._sql.values import bindable
from engine.connector import Expression, Names, Template
from engine.errors import Misconfigured, Rejected

_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "": operator.eq,
    "=": operator.eq,
    "==": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Subject(NamedTuple):
    """What a statement sees: the record, the element under ``each``, and the names of templates."""

    record: Any
    names: Names
    item: Any = None
    each: bool = False

    @property
    def row(self) -> Any:
        """The element under ``each``, else the record."""
        return self.item if self.each else self.record


class Database(NamedTuple):
    """What steps are built for."""

    shapes: Mapping[str, Shape]
    """Every table the steps name."""
    dialect: str
    nested: bool
    """Objects and lists become JSON text."""


@dataclass(frozen=True)
class Step:
    """One statement of the target."""

    place: str
    work: Callable[[Subject], Call]
    each: Expression | None
    when: Expression | None

    def calls(self, subject: Subject) -> Iterator[Call]:
        """Give what is to be executed for one record. Raises Rejected, RecordError, Misconfigured."""
        if self.when is not None:
            holds = self.when(subject.record)
            if not isinstance(holds, bool):
                raise Rejected(f"{self.place}.when: a condition must give true or false, not {_kind(holds)}")
            if not holds:
                return
        if self.each is None:
            yield self.work(subject)
            return
        items = self.each(subject.record)
        if not isinstance(items, list):
            raise Rejected(f"{self.place}.each: this must give a list, not {_kind(items)}")
        for item in items:
            yield self.work(Subject(subject.record, {**subject.names, "item": item}, item, each=True))


def build(options: Mapping[str, Any], place: str, database: Database) -> Step:
    """Make a step of its options. Raises Misconfigured."""
    kinds = [kind for kind in ("sql", *KINDS) if options.get(kind) is not None]
    if len(kinds) != 1:
        raise Misconfigured(f"{place or 'sql'}: give exactly one of sql, insert, upsert, update, delete")
    inner = f"{place}.{kinds[0]}".lstrip(".")
    expects = _affects(options.get("affects"), options.get("otherwise"), place)
    work: Callable[[Subject], Call]
    if kinds[0] == "sql":
        sql = parse(options["sql"], inner)
        work = _Text(sql, inner, options.get("params"), bool(options.get("each")), database.nested)
    else:
        wanted = options[kinds[0]]
        work = _Row(_operation(kinds[0], wanted, inner, database), wanted.get("values"))
    if expects is not None:
        work = _Checked(work, expects)
    return Step(place, work, options.get("each"), options.get("when"))


def tables(options: Mapping[str, Any]) -> set[str]:
    """Return the tables a step names."""
    return {options[kind]["table"] for kind in KINDS if options.get(kind) is not None}


def _operation(kind: Any, options: Mapping[str, Any], place: str, database: Database) -> Operation:
    return Operation(
        kind,
        place,
        database.shapes[options["table"]],
        database.dialect,
        columns=options.get("columns"),
        key=options.get("key"),
        overwrite=options.get("update"),
        missing=options.get("missing", "reject"),
        nested=database.nested,
    )


@dataclass(frozen=True)
class _Row:
    operation: Operation
    values: Template | None

    def __call__(self, subject: Subject) -> Call:
        return self.operation.call(subject.row if self.values is None else self.values(subject.names))


@dataclass(frozen=True)
class _Text:
    sql: Sql
    place: str
    params: Template | None
    each: bool
    nested: bool

    def __call__(self, subject: Subject) -> Call:
        given = self.params(subject.names) if self.params is not None else {}
        if not isinstance(given, Mapping):
            raise Misconfigured(f"{self.place}: params must be names with values, such as {{id: 7}}")
        values = {safe: self._bind(written, given, subject) for written, safe in self.sql.names.items()}
        return Call(self.sql.clause, values)

    def _bind(self, written: str, given: Mapping[str, Any], subject: Subject) -> Any:
        root, _, rest = written.partition(".")
        if written in given:
            value = given[written]
        elif root == "record":
            value = reach(subject.record, rest)
        elif not self.each:
            value = reach(subject.record, written)
        elif root == "item":
            value = reach(subject.item, rest)
        else:
            raise Misconfigured(f"{self.place}: under each, write :item.{written} or :record.{written}, not :{written}")
        try:
            return bindable(value, self.nested)
        except Rejected as error:
            raise Rejected(f"{self.place}: :{written}: {error}") from None


@dataclass(frozen=True)
class _Checked:
    work: Callable[[Subject], Call]
    expects: Callable[[int], str | None]

    def __call__(self, subject: Subject) -> Call:
        call = self.work(subject)
        return Call(call.clause, call.values, self.expects)


def _affects(wanted: int | str | None, otherwise: str | None, place: str) -> Callable[[int], str | None] | None:
    if wanted is None:
        if otherwise is not None:
            raise Misconfigured(f"{place}.otherwise: this is the reason when affects does not hold; give affects")
        return None
    match = re.fullmatch(r"\s*([<>]=?|==?|)\s*(\d+)\s*", str(wanted))
    if match is None:
        raise Misconfigured(f'{place}.affects: write a number of rows such as 1, or a comparison such as ">= 1"')
    holds, count = _COMPARE[match[1]], int(match[2])

    def check(touched: int) -> str | None:
        if holds(touched, count):
            return None
        return otherwise or f"{place}: {touched} rows were touched, and affects says {wanted}"

    return check


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
