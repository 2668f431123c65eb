"""GraphQL over an http connection: reads queries page by page, sends mutations in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from engine.connector import BaseSource, Connector, Context, Expression, Names, Template
from engine.errors import ConnectorError, Misconfigured, RecordError, Rejected, Transient, Uncertain
from engine.net.answers import judge, retry_after
from engine.net.client import Answer
from engine.net.jsontext import NotJson, decode
from engine.net.operation import RequestOperation
from engine.net.paging import Page, Paging, Turn
from engine.net.reading import rows
from engine.net.request import Request, json_body
from engine.net.results import Results
from engine.net.target import Keys, RequestTarget, session
from engine.record import NO_META, TAKEN, Batch, Checkpoint, Receipt

_FORBIDDEN = frozenset({"UNAUTHENTICATED", "FORBIDDEN", "UNAUTHORIZED"})
_REFUSED = frozenset({"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"})
_BUSY = frozenset({"THROTTLED", "RATE_LIMITED", "TOO_MANY_REQUESTS", "SERVICE_UNAVAILABLE"})
_SHOWN = 3


class GraphqlSource(BaseSource):
    """Reads what a query gives."""

    def __init__(
        self,
        context: Context,
        *,
        query: str,
        records: Expression,
        variables: Template | None = None,
        path: str = "/graphql",
        paginate: Mapping[str, Any] | None = None,
        numbers: str = "fast",
    ) -> None:
        self.context = context
        self._query = query
        self._records = records
        self._variables = variables
        self._path = path
        self._paging = Paging.of(paginate, context.name)
        self._exact = numbers == "exact"

    async def open(self, stack: AsyncExitStack) -> None:
        """Use the connection's session."""
        self._client = session(self.context)

    async def read(self, after: Checkpoint | None) -> AsyncIterator[Batch]:
        """Yield one batch a page; where it resumes is the pipeline's cursor."""
        fixed = _variables(self._variables, self.context.names)
        turn: Turn | None = self._paging.start()
        while turn is not None:
            ask = partial(self._ask, {**fixed, **turn.params})
            answer, document = await self.context.call(ask)
            records = rows(self._records, document, answer.what)
            yield Batch(records, [NO_META] * len(records))
            page = Page(document, answer.headers)
            page.add(records)
            turn = self._paging.after(turn, page)
        if self._paging.cut:
            self.context.note("warning", "max-pages", self._paging.cut)

    async def _ask(self, variables: Mapping[str, Any]) -> tuple[Answer, Mapping[str, Any]]:
        """Ask for one page; the answer is judged here, so that what may be tried again is."""
        body = json_body({"query": self._query, "variables": variables}, "variables")
        timeout = self.context.timeout
        answer = await self._client.send(
            Request("POST", self._path, headers=_HEADERS, body=body, reads=True, timeout=timeout)
        )
        document = _document(answer, exact=self._exact)
        errors = _errors(document)
        asks_for_record = "record" in self.context.names
        failure = (
            _unread(errors, answer, asks_for_record) if errors else judge(answer.status, answer.headers, answer.what)
        )
        if failure is not None:
            raise failure
        return answer, document


class GraphqlTarget(RequestTarget):
    """Sends mutations; ``Rejected`` is raised only for what the system refused before it did anything."""

    atomic = True

    def __init__(
        self,
        context: Context,
        *,
        mutation: str,
        variables: Template | None = None,
        path: str = "/graphql",
        results: Mapping[str, Expression] | None = None,
    ) -> None:
        super().__init__(context)
        self._mutation = mutation
        self._variables = variables
        self._path = path
        self._results = Results.of(results, keyed=context.keyed)

    def request(self, names: Names, keys: Keys) -> Request:
        """Build the mutation with its variables."""
        body = {"query": self._mutation, "variables": _variables(self._variables, names)}
        return Request(
            "POST", self._path, headers=_HEADERS, body=json_body(body, "variables"), timeout=self.context.timeout
        )

    def outcome(self, answer: Answer, keys: Keys) -> Receipt:
        """Read ``results``, else the top-level errors, else the status."""
        document = _document(answer)
        errors = _errors(document)
        if self._results is not None and document.get("data") is not None:
            receipt = self._results.read(document, keys)
            if len(receipt.uncertain) < len(keys) or not errors:
                return receipt
        if errors:
            raise _failure(errors, answer, len(keys))
        failure = judge(answer.status, answer.headers, answer.what)
        if failure is not None:
            raise failure
        if document.get("data") is None:
            raise Uncertain(f"{answer.what} with neither data nor errors")
        return TAKEN if self._results is None else self._results.read(document, keys)


class GraphqlCall(RequestOperation):
    """Sends one mutation for one record, for its effect and its answer."""

    def __init__(
        self,
        context: Context,
        *,
        mutation: str,
        variables: Template | None = None,
        path: str = "/graphql",
        results: Mapping[str, Expression] | None = None,
    ) -> None:
        super().__init__(GraphqlTarget(context, mutation=mutation, variables=variables, path=path, results=results))


def _unread(errors: Sequence[Mapping[str, Any]], answer: Answer, asks_for_record: bool) -> ConnectorError:
    """Say what top-level errors mean for a query: half an answer is none."""
    says = answer.hide(f"{answer.what} with errors: {_words(errors)}")
    if asks_for_record and _codes(errors) == {"BAD_USER_INPUT"}:
        return Rejected(says)
    if _codes(errors) & (_FORBIDDEN | _REFUSED):
        return Misconfigured(says)
    return Transient(says, retry_after(answer.headers))


def _failure(errors: Sequence[Mapping[str, Any]], answer: Answer, count: int) -> ConnectorError:
    """Say what top-level errors mean for a mutation of *count* records."""
    codes = _codes(errors)
    says = answer.hide(f"{answer.what} with errors: {_words(errors)}")
    if codes & _FORBIDDEN:
        return Misconfigured(says)
    # an error with a path was raised while the mutation ran; one without, before anything was done
    running = any(error.get("path") for error in errors)
    if codes and codes <= _REFUSED and (not running or count == 1):
        return Rejected(says)
    if codes and codes <= _BUSY and not running:
        return Transient(says, retry_after(answer.headers))
    if not codes and not running and not 200 <= answer.status < 300:
        return judge(answer.status, answer.headers, answer.what) or Uncertain(says)
    return Uncertain(says)


def _document(answer: Answer, *, exact: bool = False) -> Mapping[str, Any]:
    """Read a GraphQL answer; anything else is judged by its status. Raises ConnectorError."""
    try:
        document = decode(answer.body, exact=exact)
    except NotJson:
        document = None
    if isinstance(document, Mapping) and ("data" in document or isinstance(document.get("errors"), list)):
        return document
    failure = judge(answer.status, answer.headers, answer.what)
    raise failure or Misconfigured(f"{answer.what}, but not with GraphQL; look at base_url and path")


def _errors(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [error if isinstance(error, Mapping) else {"message": error} for error in document.get("errors") or ()]


def _codes(errors: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the codes, ``""`` for an error without one where others have one; empty when none has."""
    codes = frozenset(str((error.get("extensions") or {}).get("code") or "") for error in errors)
    return codes - {""} if codes == {""} else codes


def _words(errors: Sequence[Mapping[str, Any]]) -> str:
    words = []
    for error in errors[:_SHOWN]:
        code = (error.get("extensions") or {}).get("code")
        words.append(f"{str(error.get('message'))[:300]}{f' ({code})' if code else ''}")
    more = len(errors) - _SHOWN
    return "; ".join(words) + (f"; and {more} more" if more > 0 else "")


def _variables(template: Template | None, names: Names) -> dict[str, Any]:
    value = template(names) if template is not None else {}
    if not isinstance(value, Mapping):
        raise RecordError("type", "variables must be names with values", "variables")
    return dict(value)


_HEADERS = {"Content-Type": "application/json", "Accept": "application/graphql-response+json, application/json"}

CONNECTOR = Connector(
    "graphql",
    source=GraphqlSource,
    target=GraphqlTarget,
    call=GraphqlCall,
    connections=("http",),
    replaceable=True,
)
