"""Key sets that are fetched from an address: what is known of them now. Who fetches them stands elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class KeySet:
    """The set of one address. Until it was fetched it has no keys, and lets nobody in."""

    url: str
    document: Any = None
    """As it was last fetched well; None: never."""
    version: int = 0
    """Grows with each new document."""
    doubted: bool = False
    """A token came that none of its keys signed: there may be new ones."""
    heard: Callable[[], None] = lambda: None

    def take(self, document: Any) -> None:
        """Go over to what was fetched. Raises ValueError when it is no key set."""
        if not isinstance(document, Mapping) or not isinstance(document.get("keys"), list) or not document["keys"]:
            raise ValueError('what it answers is not a key set: {"keys": [...]}')
        if document != self.document:
            self.document, self.version = document, self.version + 1

    def doubt(self) -> None:
        """Ask for it to be fetched anew; how often that is done is not for callers to decide."""
        if not self.doubted:
            self.doubted = True
            self.heard()


@dataclass(slots=True)
class KeySets:
    """All of them, by address; they stay when the files change."""

    heard: Callable[[], None] = lambda: None
    """Called when there is something to fetch."""
    sets: dict[str, KeySet] = field(default_factory=dict)

    def of(self, url: str) -> KeySet:
        """Return the set of an address; of one that nobody asked for yet, an empty one. Also from a thread."""
        return self.sets.setdefault(url, KeySet(url, heard=lambda: self.heard()))

    def retain(self, urls: Collection[str]) -> None:
        """Keep the sets of *urls* and no others, and fetch what is new."""
        for url in [one for one in self.sets if one not in urls]:
            del self.sets[url]
        for url in urls:
            self.of(url)
        self.heard()


def addresses(ways: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the addresses of key sets that items of ``auth`` name."""
    for item in ways:
        url = (item.get("jwt") or {}).get("jwks")
        if isinstance(url, str):
            yield url
