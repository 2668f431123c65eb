"""A sequence seen through indexes: what belongs to the records that are left, looked up only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload


class Picked(Sequence[Any]):
    """``[base[i] for i in indexes]`` without making it."""

    __slots__ = ("_base", "_indexes")

    def __init__(self, base: Sequence[Any], indexes: Sequence[int]) -> None:
        self._base, self._indexes = base, indexes

    def __len__(self) -> int:
        return len(self._indexes)

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> Picked: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return Picked(self._base, self._indexes[at])
        return self._base[self._indexes[at]]

    def __iter__(self) -> Iterator[Any]:
        return map(self._base.__getitem__, self._indexes)
