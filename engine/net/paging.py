"""How one page follows another: page numbers, offsets, cursors, links. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urljoin

from engine.connector import Expression
from engine.errors import Misconfigured, RecordError
from engine.net.jsontext import encode

_LINK = re.compile(r"<([^>]*)>((?:[^,<\"]|\"[^\"]*\")*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]+))", re.IGNORECASE)


_BEGIN = 100


class Turn(NamedTuple):
    """What to ask for next."""

    params: Mapping[str, Any] = {}
    """To put into the query, or into the variables of GraphQL."""
    url: str = ""
    """The whole address, where the answer before gave it."""
    number: int = 1
    """1 for the first page."""
    position: int = 0
    """The page number or offset in *params*."""


@dataclass(slots=True)
class Page:
    """What came: filled while the page is read."""

    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    count: int = 0
    begin: Sequence[Any] = ()
    """Its first records."""
    url: str = ""
    """Where it came from; the next address may be relative to it."""

    def add(self, records: Sequence[Any]) -> None:
        """Count records; keep the first ones, by which a repeated page is known."""
        if not self.count:
            self.begin = records[:_BEGIN]
        self.count += len(records)


@dataclass(slots=True)
class Paging:
    """One read's way through the pages; raises Misconfigured when it turns in a circle."""

    kind: str
    options: Mapping[str, Any]
    max_pages: int | None
    name: str
    cut: str = ""
    """Why the read ended before its last page."""
    _asked: set[int] = field(default_factory=set)
    _last: bytes = b""

    @classmethod
    def of(cls, option: Mapping[str, Any] | None, name: str) -> Paging:
        """Take ``paginate`` as the engine hands it over; *name* begins the messages."""
        option = option or {}
        kinds = [kind for kind in _NEXT if option.get(kind) not in (None, False)]
        if len(kinds) > 1:
            raise Misconfigured(f"{name}: paginate takes one of {', '.join(_NEXT)}, not {' and '.join(kinds)}")
        kind = kinds[0] if kinds else "none"
        chosen = option.get(kind)
        options = chosen if isinstance(chosen, Mapping) else {"from": chosen}
        return cls(kind, options, option.get("max_pages"), name)

    @property
    def needs_document(self) -> bool:
        """Whether the next page is found in the answer's body."""
        return self.kind in ("cursor", "next_url")

    def start(self) -> Turn:
        """Return what to ask for first."""
        if self.kind == "page":
            return self._numbered(int(self.options.get("start", 1)), 1)
        if self.kind == "offset":
            return self._numbered(int(self.options.get("start", 0)), 1)
        return Turn(self._size())

    def after(self, turn: Turn, page: Page) -> Turn | None:
        """Return what to ask for behind a page, None after the last. Raises Misconfigured."""
        if self.kind == "none" or not page.count:
            return None
        self._check_new(page)
        following = _NEXT[self.kind](self, turn, page)
        if following is None:
            return None
        if self.max_pages is not None and turn.number >= self.max_pages:
            self.cut = f"{self.name}: stopped after max_pages ({self.max_pages}), there are more"
            return None
        mark = hash((following.url, tuple(map(str, following.params.items()))))
        if mark in self._asked:
            raise Misconfigured(f"{self.name}: paging turns in a circle: page {following.number} was asked for before")
        self._asked.add(mark)
        return following

    def _check_new(self, page: Page) -> None:
        digest = encode([page.count, list(page.begin)])
        if digest == self._last:
            raise Misconfigured(
                f"{self.name}: the same page came twice; does the system know the parameters of `paginate`?"
            )
        self._last = digest

    def _size(self) -> dict[str, Any]:
        name, size = self.options.get("size_param"), self.options.get("size")
        return {name: size} if name and size is not None else {}

    def _name(self) -> str:
        return str(self.options.get("param") or self.options.get("variable"))

    def _numbered(self, position: int, number: int) -> Turn:
        return Turn({self._name(): position, **self._size()}, "", number, position)

    def _next_page(self, turn: Turn, page: Page) -> Turn:
        return self._numbered(turn.position + 1, turn.number + 1)

    def _next_offset(self, turn: Turn, page: Page) -> Turn:
        # by what came, not by what was asked for: a system that gives less a page would lose records
        return self._numbered(turn.position + page.count, turn.number + 1)

    def _next_cursor(self, turn: Turn, page: Page) -> Turn | None:
        more = self._find("has_next", page.document) if self.options.get("has_next") else None
        if self.options.get("has_next") and not isinstance(more, bool):
            raise Misconfigured(f"{self.name}: paginate.cursor.has_next gave {more!r}, which is neither true nor false")
        value = self._find("from", page.document)
        if more is False or (not more and value in (None, "", False)):
            return None
        if value in (None, ""):
            raise Misconfigured(f"{self.name}: there is a next page, but nothing at paginate.cursor.from")
        if isinstance(value, Mapping | list):
            raise Misconfigured(f"{self.name}: paginate.cursor.from must give text or a number")
        return Turn({self._name(): value, **self._size()}, "", turn.number + 1)

    def _next_link(self, turn: Turn, page: Page) -> Turn | None:
        url = next_link(page.headers)
        return Turn({}, urljoin(page.url, url), turn.number + 1) if url else None

    def _next_url(self, turn: Turn, page: Page) -> Turn | None:
        url = self._find("from", page.document)
        if url in (None, "", False):
            return None
        if not isinstance(url, str):
            raise Misconfigured(f"{self.name}: paginate.next_url must give the text of an address")
        return Turn({}, urljoin(page.url, url), turn.number + 1)

    def _find(self, option: str, document: Any) -> Any:
        expression: Expression = self.options[option]
        try:
            return expression(document)
        except RecordError as error:
            raise Misconfigured(f"{self.name}: paginate: {error.message}") from None


_NEXT: Mapping[str, Callable[..., Turn | None]] = {
    "page": Paging._next_page,
    "offset": Paging._next_offset,
    "cursor": Paging._next_cursor,
    "link": Paging._next_link,
    "next_url": Paging._next_url,
}


def next_link(headers: Mapping[str, str]) -> str:
    """Return the address of ``rel="next"`` in a Link header (RFC 8288), empty without one."""
    getall = getattr(headers, "getall", None)
    texts = getall("Link", []) if getall else [headers.get("Link", "")]
    for url, rest in _LINK.findall(",".join(texts)):
        for quoted, bare in _REL.findall(rest):
            if "next" in (quoted or bare).lower().split():
                return str(url).strip()
    return ""
