"""What the records of a source are, as far as anything says it: a query, a schema, a header, rows, a webhook, tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.compiler.shapes.desk import RECORDS, Desk, at
from engine.compiler.shapes.documents import schema_type, shape_of
from engine.compiler.shapes.files import Files, Unreadable
from engine.definition.model import PipelineDefinition, PipelineTest, Step, Use
from engine.definition.nearest import did_you_mean
from engine.errors import Path, dotted
from engine.expressions import Issue
from engine.expressions.types.acts import unions
from engine.expressions.types.follow import Follower
from engine.expressions.types.model import ANY, TEXT, Field, Type, listed, made_of
from engine.expressions.types.of_values import type_of_values

if TYPE_CHECKING:
    from engine.compiler.shapes.scope import Unknown

_ENDINGS = {"csv": "csv", "tsv": "csv", "txt": "csv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl"}


class Reading:
    """Finds what sources give; what is wrong on the way is in *said*."""

    def __init__(self, desk: Desk, follower: Follower, said: list[Issue]) -> None:
        self._desk, self._follower, self._said = desk, follower, said
        self._by: Mapping[str, Callable[[Use], Type]] = {
            "select": self._select,
            "table": self._table,
            "schema": self._schema,
            "graphql": self._graphql,
            "csv": self._csv,
            "rows": self._rows,
        }

    def records(self, use: Use) -> Type:
        """Return the type of a source's records; ANY where nothing says it."""
        marks = self._desk.marked(use, "source", RECORDS)
        written = [mark for name, mark in marks.items() if name in use.checks or name in use.options]
        for mark in ("schema", *dict.fromkeys(written)):
            if mark in written and mark in self._by:
                found = self._by[mark](use)
                if not found.any:
                    return found
        return ANY

    def answer(self, step: Step) -> Type:
        """Return the type of what a lookup puts into the record."""
        assert step.use is not None
        if step.kind != "lookup":
            return ANY
        found = self.records(step.use)
        return listed(found) if step.body.get("all") else found

    def _select(self, use: Use) -> Type:
        sql, path = use.options.get("query"), (*use.path, "query")
        if not isinstance(sql, str):
            return ANY
        from engine.compiler.shapes.select import read_query

        known_from = f"the columns of {dotted(path)}"
        database, dialect = self._desk.database(use), self._desk.dialect(use)
        key = ("query", sql, database.known_from if database else None, dialect, known_from)
        found = self._desk.files.once(key, lambda: read_query(sql, database, dialect, known_from))
        self._said += [issue for one in found.unknown if (issue := unknown_name(one, sql, path)) is not None]
        return found.type

    def _table(self, use: Use) -> Type:
        database, name = self._desk.database(use), use.options.get("table")
        if database is None or not isinstance(name, str):
            return self._columns_only(use)
        table = database.table(name)
        if table is None:
            from engine.compiler.shapes.scope import Unknown

            one = Unknown("table", name, database.known_from, tuple(t.name for t in database.tables.values()))
            issue = unknown_name(one, name, (*use.path, "table"))
            self._said += [issue] if issue is not None else []
            return self._columns_only(use)
        fields = {one.name: Field(one.read) for one in table.columns.values()}
        chosen = use.options.get("columns")
        if isinstance(chosen, list):
            for index, column in enumerate(chosen):
                if str(column).lower() not in table.columns and table.whole:
                    place = (*use.path, "columns", index)
                    self._said.append(_no_column(str(column), table.name, fields, place))
            kept = {str(column).lower() for column in chosen}
            fields = {column: one for column, one in fields.items() if column.lower() in kept}
        return made_of(fields, "no" if table.whole else "yes", table.known_from)

    def _columns_only(self, use: Use) -> Type:
        chosen = use.options.get("columns")
        if not isinstance(chosen, list):
            return ANY
        return made_of({str(name): Field(ANY) for name in chosen}, "no", f"{dotted(use.path)}.columns")

    def _schema(self, use: Use) -> Type:
        written, path = use.checks.get("schema"), (*use.path, "schema")
        document = shape_of(self._desk, written, path, self._said)
        if _format(use) in ("csv", "jsonl") or self._of_record(written):
            return document
        self._paging(use, document)
        return self.within(document, use.options.get("records"), (*use.path, "records"))

    def _of_record(self, written: Any) -> bool:
        """Whether a file describes one record, as those do that were learned."""
        try:
            schema = self._desk.files.data(written) if isinstance(written, str) else None
        except Unreadable:
            return False
        return isinstance(schema, Mapping) and schema.get("x-of") == "record"

    def _graphql(self, use: Use) -> Type:
        from engine.compiler.shapes import graphql

        answer = graphql.answer(self._desk, use, "query", self._said)
        if answer.any:
            return ANY
        self._paging(use, answer)
        return self.within(answer, use.options.get("records"), (*use.path, "records"))

    def _paging(self, use: Use, document: Type) -> None:
        """Look at the expressions that find the way to the next page in an answer."""
        for path, kind in use.values.items() if not document.any else ():
            text = at(use.options, path)
            if kind == "expression" and path[0] == "paginate" and isinstance(text, str):
                self._follower.expression(text, use.path + path, document)

    def within(self, document: Type, expression: Any, path: Path) -> Type:
        """Return the records in a *document*: those at *expression*, or without one its elements, or itself."""
        if document.any:
            return ANY
        found = document
        if isinstance(expression, str):
            found = self._follower.expression(expression, path, document)
        if found.only("list"):
            return found.items or ANY
        return found.without_null() if found.only("object") else ANY

    def _csv(self, use: Use) -> Type:
        if _format(use) != "csv":
            return ANY
        columns = use.options.get("columns")
        where = f"{dotted(use.path)}.columns"
        if not isinstance(columns, list):
            name = use.options.get("path")
            columns = self._header(use, name) if isinstance(name, str) else None
            where = f"the first line of {name}"
        if not columns or len(set(columns)) != len(columns):
            return ANY
        return made_of({str(column): Field(TEXT) for column in columns}, "no", where)

    def _header(self, use: Use, name: str) -> list[str] | None:
        if (
            "{" in name
            or any(sign in name for sign in "*?[")
            or name.endswith(".gz")
            or not use.options.get("header", True)
        ):
            return None
        head = self._desk.files.head(name)
        if not head or b"\n" not in head or use.options.get("compression") == "gzip":
            return None
        try:
            text = head[: head.rindex(b"\n")].decode(use.options.get("encoding", "utf-8")).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError):
            return None
        import csv

        quote, escape = use.options.get("quote", '"'), use.options.get("escape")
        delimiter = use.options.get("delimiter", ",")
        try:
            rows = csv.reader(
                text.splitlines(),
                delimiter=delimiter,
                quotechar=quote,
                quoting=csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL,
                escapechar=escape,
                doublequote=escape is None,
            )
            return next(iter(rows), None)
        except (csv.Error, TypeError):
            return None

    def _rows(self, use: Use) -> Type:
        rows = use.options.get("rows")
        if not isinstance(rows, list) or not rows:
            return ANY
        found = type_of_values(rows, f"the rows of {dotted(use.path)}")
        return replace(found, further="no") if found.only("object") else found

    def webhooks(self, definition: PipelineDefinition) -> tuple[Type, Type]:
        """Return the type of what webhooks send: of the body, and of the records in it."""
        bodies, records = [], []
        for index, trigger in enumerate(definition.triggers):
            if "webhook" in trigger:
                path: Path = ("triggers", index, "webhook")
                body = self._body(trigger["webhook"], path)
                bodies.append(body)
                records.append(self.within(body, trigger["webhook"].get("records"), (*path, "records")))
        return unions(bodies), unions(records)

    def _body(self, webhook: Mapping[str, Any], path: Path) -> Type:
        schema = webhook.get("schema")
        name = schema if isinstance(schema, str) else f"{dotted(path)}.schema"
        try:
            if isinstance(schema, str):
                return self._desk.files.once(("webhook", schema), lambda: self._of_file(schema))
            return ANY if schema is None else schema_type(self._desk.files, schema, "", name)
        except Unreadable:
            return ANY  # said by the check of webhooks

    def _of_file(self, name: str) -> Type:
        return schema_type(self._desk.files, self._desk.files.data(name), name)


def of_params(definition: PipelineDefinition, files: Files) -> Type:
    """Return the type of a pipeline's ``params``."""
    fields = {}
    for name, spec in definition.params.items():
        always = spec.get("required") is True or "default" in spec
        fields[name] = Field(files.once(("param", str(spec)), partial(_of_param, spec, files)), always)
    return made_of(fields, "no", "params")


def _of_param(spec: Mapping[str, Any], files: Files) -> Type:
    schema = {key: value for key, value in spec.items() if key not in ("required", "secret")}
    return schema_type(files, schema, "")


def of_tests(tests: Iterable[PipelineTest]) -> Type:
    """Return what the records of tests have in common, where nothing better says what records are."""
    records = [record for test in tests for record in tested(test)]
    if not records:
        return ANY
    found = type_of_values(records, "the records of its tests")
    return found if found.only("object") else ANY


def tested(test: PipelineTest) -> list[Any]:
    """Return the records that a test gives, without their ``$meta``."""
    given = test.body.get("records")
    return [one["$record"] if isinstance(one, Mapping) and "$record" in one else one for one in given or ()]


def unknown_name(one: Unknown, sql: str, path: Path) -> Issue | None:
    """Say that a query names what is not there; a table only where a similar one is: the file may not name them all."""
    hint = did_you_mean(one.name, one.known)
    if one.what == "table":
        if not hint:
            return None
        return Issue("unknown-field", f"there is no table '{one.name}' in {one.of}", hint, path, _offset(sql, one.name))
    hint = hint or f"there are: {', '.join(one.known[:12])}"
    fact = f"'{one.name}' is not a column of {one.of}"
    return Issue("unknown-field", fact, hint, path, _offset(sql, one.name))


def _no_column(name: str, table: str, known: Iterable[str], path: Path) -> Issue:
    names = list(known)
    hint = did_you_mean(name, names) or f"there are: {', '.join(names[:12])}"
    return Issue("unknown-field", f"'{name}' is not a column of {table}", hint, path)


def _offset(sql: str, name: str) -> int | None:
    at = sql.lower().find(name.lower())
    return at if at >= 0 else None


def _format(use: Use) -> str:
    if isinstance(use.options.get("format"), str):
        return str(use.options["format"])
    name = use.options.get("path")
    if use.connector != "file" or not isinstance(name, str):
        return ""
    return _ENDINGS.get(name.lower().removesuffix(".gz").rpartition(".")[2], "")
