"""What targets take, as far as a schema or a table says it, and what of the records does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.compiler.shapes.desk import TAKES, Desk
from engine.compiler.shapes.records import unknown_name
from engine.definition.model import Target, Use
from engine.definition.nearest import did_you_mean
from engine.definition.schema import Role
from engine.errors import Path, dotted
from engine.expressions import Issue
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import ANY, Field, Type, made_of

if TYPE_CHECKING:
    from engine.compiler.shapes.binds import Seen
    from engine.compiler.shapes.tables import Table
    from engine.expressions.types.fits import Misfit

_NEAR = re.compile(r"did you mean '([^']+)'")
_WHOLE = {"{{record}}": False, "{{records}}": True}
_LARGEST = 5_000
"""Fields, those inside of others counted, too."""
_ROWS = ("insert", "upsert", "update", "delete")


class Taking:
    """One use of a connector as a target or call, and the follower of the record that comes to it."""

    def __init__(self, desk: Desk, use: Use, role: Role, follower: Follower, said: list[Issue]) -> None:
        self._desk, self._use, self._role, self._said = desk, use, role, said
        self.follower = follower
        self._by: Mapping[str, Callable[[str], None]] = {
            "schema": self._schema,
            "graphql": self._graphql,
            "variables": self._variables,
            "columns": self._columns,
            "row": self._row,
            "statements": self._statements,
            "sql": self._sql,
        }

    def check(self, target: Target | None = None) -> None:
        """Look at what is known of what is taken."""
        self._batched = target is not None and target.batch.written
        for option, mark in self._desk.marked(self._use, self._role, TAKES).items():
            if (option in self._use.checks or option in self._use.options) and mark in self._by:
                self._by[mark](option)

    def _at(self, *parts: str | int) -> Path:
        return (*self._use.path, *parts)

    def _schema(self, option: str) -> None:
        from engine.compiler.shapes.documents import shape_of

        wanted = shape_of(self._desk, self._use.checks.get(option), self._at(option), self._said, body=True)
        if wanted.any:
            return
        body = self._use.options.get("json")
        if body is not None:
            self.sent(body, self._at("json"), wanted)
        elif not self._use.options.keys() & {"form", "text"}:
            record = self.follower.record
            whole = self._batched and wanted.only("list")
            self._fits(record, (wanted.items or ANY) if whole else wanted, None)

    def _graphql(self, option: str) -> None:
        from engine.compiler.shapes import graphql

        answer = graphql.answer(self._desk, self._use, "mutation", self._said)
        self._variables("mutation")
        self._results(answer)

    def _variables(self, option: str) -> None:
        from engine.compiler.shapes import graphql

        given = self._use.options.get("variables") or {}
        for name, wanted in graphql.variables(self._desk, self._use, option, self._said):
            self.sent(given[name], self._at("variables", name), wanted)

    def _results(self, answer: Type) -> None:
        results = self._use.options.get("results")
        if answer.any or not isinstance(results, Mapping):
            return
        at = self.follower.expression(results["at"], self._at("results", "at"), answer)
        item = at.items if at.only("list") else at.without_null() if at.only("object") else None
        for key in ("failed", "match", "reason"):
            if item is not None and not item.any and isinstance(results.get(key), str):
                self.follower.expression(results[key], self._at("results", key), item)

    def _columns(self, option: str) -> None:
        written = self._use.options.get(option)
        if isinstance(written, list) and written:
            wanted = made_of({str(name): Field(ANY, False) for name in written}, "no", dotted(self._at(option)))
            self._fits(self.follower.record, wanted, None)

    def sent(self, value: Any, path: Path, wanted: Type) -> None:
        """Compare what a template gives with what is *wanted*."""
        plain = "".join(value.split()) if isinstance(value, str) else ""
        if plain not in _WHOLE:
            self._fits(self.follower.template(value, path), wanted, path)
            return
        record = self.follower.record
        if _WHOLE[plain] != wanted.only("list") and wanted.only("list", "object") and not record.any:
            other = "record" if _WHOLE[plain] else "records"
            fact = "a list of records is sent, and one object is wanted"
            if not _WHOLE[plain]:
                fact = "one record is sent, and a list is wanted"
            self._said.append(
                Issue("type-mismatch", fact, f'write "{{{{ {other} }}}}"', path, fix=f'"{{{{ {other} }}}}"')
            )
            return
        self._fits(record, (wanted.items or ANY) if _WHOLE[plain] else wanted, None)

    def _fits(self, sent: Type, wanted: Type, path: Path | None) -> None:
        """Say what does not fit; *path* is where what is sent is written, None: it is the record."""
        if sent.any or wanted.any or (_large(sent) and _large(wanted)):
            return
        from engine.expressions.types.fits import misfits

        for one in _once(list(misfits(sent, wanted))):
            place = self._place(one.path) if path is None else (*path, *(part for part in one.path if part != "*"))
            severity: Any = "error" if one.certain else "warning"
            hint, fix = one.hint, ""
            if one.code == "missing-required":
                hint, place = hint or f"add {one.path[-1]} to {dotted(place)}", (*place, "$key")
            if one.code == "unknown-field" and "$copy" not in place and place[-1:] == one.path[-1:]:
                place = (*place, "$key")
                fix = next(iter(_NEAR.findall(one.hint)), "")
            self._said.append(Issue(one.code, one.message, hint, place, None, severity, fix))

    def _place(self, field: tuple[str | int, ...]) -> Path:
        """Return where a field of the record is made: at its mapping, or else at what asks for it."""
        found = self.follower.place(field)
        return self._use.path if found is None else found

    # --- tables ---------------------------------------------------------------------------------------------

    def _row(self, kind: str) -> None:
        self._written(kind, self._use.options.get(kind), self._at(kind), self.follower)

    def _written(self, kind: str, body: Any, path: Path, follower: Follower) -> None:
        table = self._table(body, path)
        if table is None:
            return
        names = [column.name for column in table.columns.values()]
        for option in ("columns", "key", "update"):
            for index, name in enumerate(body.get(option) or ()):
                if table.whole and name not in names:
                    hint = did_you_mean(name, names) or f"there are: {', '.join(names[:12])}"
                    fact = f"'{name}' is not a column of {table.name}"
                    self._said.append(Issue("unknown-field", fact, hint, (*path, option, index)))
        if kind in ("insert", "upsert") and "columns" in body:
            chosen = {str(name).lower() for name in (*body["columns"], *(body.get("key") or table.key))}
            for column in table.columns.values():
                if column.needed and column.name.lower() not in chosen:
                    fact, hint = f"{table.name} needs '{column.name}', and it is not written", "add it to columns"
                    self._said.append(Issue("missing-required", fact, hint, (*path, "columns")))
        values = body.get("values")
        wanted = self._wanted(kind, body, table)
        before, self.follower = self.follower, follower
        try:
            if values is not None:
                self._fits(follower.template(values, (*path, "values")), wanted, (*path, "values"))
            else:
                self._fits(follower.record, wanted, None)
        finally:
            self.follower = before

    def _table(self, body: Any, path: Path) -> Table | None:
        database = self._desk.database(self._use)
        name = body.get("table") if isinstance(body, Mapping) else None
        if database is None or not isinstance(name, str):
            return None
        table = database.table(name)
        if table is None:
            from engine.compiler.shapes.scope import Unknown

            known = tuple(one.name for one in database.tables.values())
            issue = unknown_name(Unknown("table", name, database.known_from, known), name, (*path, "table"))
            self._said += [issue] if issue is not None else []
        return table

    def _wanted(self, kind: str, body: Mapping[str, Any], table: Table) -> Type:
        """Return what the row may be: its key, and what is written besides."""
        key = [str(name).lower() for name in body.get("key") or table.key] if kind != "insert" else []
        columns = body.get("columns")
        chosen = None if columns is None else {str(name).lower() for name in columns} | set(key)
        nested = self._use.options.get("nested") == "json"
        fields = {}
        for name, field in table.takes().fields.items():
            lowered = name.lower()
            taken = ANY if nested else field.type
            needed = lowered in chosen if chosen is not None else field.always and kind in ("insert", "upsert")
            if kind == "delete":
                taken = taken if lowered in key else ANY
            fields[name] = Field(taken, needed or lowered in key)
        open_ended = chosen is not None or kind == "delete" or not table.whole
        if chosen is not None:
            fields = {name: field for name, field in fields.items() if name.lower() in chosen}
        return made_of(fields, "yes" if open_ended else "no", table.known_from)

    def _statements(self, option: str) -> None:
        from engine.compiler.shapes.binds import Seen

        for index, statement in enumerate(self._use.options.get(option) or ()):
            path = self._at(option, index)
            follower = self.follower
            if isinstance(statement.get("when"), str):
                follower = follower.holding(statement["when"], (*path, "when"))
            item: Type | None = None
            if isinstance(statement.get("each"), str):
                found = follower.expression(statement["each"], (*path, "each"), follower.record)
                item = (found.items or ANY) if found.only("list") else ANY
            for kind in _ROWS:
                if isinstance(statement.get(kind), Mapping):
                    inner = follower if item is None else follower.over(item, {}, item=item)
                    self._written(kind, statement[kind], (*path, kind), inner)
            if isinstance(statement.get("sql"), str):
                params = frozenset(statement.get("params") or ())
                self._binds(statement["sql"], (*path, "sql"), Seen(follower.record, params, item))

    def _sql(self, option: str) -> None:
        from engine.compiler.shapes.binds import Seen

        sql, params = self._use.options.get(option), self._use.options.get("params")
        if isinstance(sql, str) and (params is None or isinstance(params, Mapping)):
            self._binds(sql, self._at(option), Seen(self.follower.record, frozenset(params or ())))

    def _binds(self, sql: str, path: Path, seen: Seen) -> None:
        from engine.compiler.shapes.binds import unknown_binds
        from engine.compiler.shapes.changes import unknown_in

        database = self._desk.database(self._use)
        if database is not None:
            key = ("changes", sql, database.known_from)
            found = self._desk.files.once(key, lambda: list(unknown_in(sql, database)))
            self._said += [issue for one in found if (issue := unknown_name(one, sql, path)) is not None]
        if not seen.record.any or seen.item is not None:
            self._said += unknown_binds(sql, path, seen)


def _large(given: Type) -> bool:
    """Whether a type is too large to be looked at: small schemas can refer to each other without end."""
    waiting, left = [given], _LARGEST
    while waiting and left:
        one = waiting.pop()
        left -= 1
        waiting += [field.type for field in one.fields.values()]
        waiting += [one.items] if one.items is not None else []
    return not left


def _once(found: list[Misfit]) -> Iterator[Misfit]:
    """Yield each mistake once: a field under a wrong name is not said to be missing under the right one, too."""
    wrong = {(*one.path[:-1], one.hint) for one in found if one.code == "unknown-field"}
    for one in found:
        near = f"did you mean '{one.path[-1]}'?" if one.path else ""
        if one.code != "missing-required" or (*one.path[:-1], near) not in wrong:
            yield one


def asked(use: Use, record: Type) -> Iterator[Issue]:
    """Yield the binds of a lookup's query that name a field which the record does not have."""
    if not use.options.keys() & {"query", "where"}:
        return
    from engine.compiler.shapes.binds import Seen, unknown_binds

    params = use.options.get("params") or {}
    for option in ("query", "where"):
        sql = use.options.get(option)
        if isinstance(sql, str) and isinstance(params, Mapping) and not record.any:
            yield from unknown_binds(sql, (*use.path, option), Seen(record, frozenset(params), ANY))


__all__ = ["Taking", "asked"]
