"""Lanes whose pipeline is gone: what was accepted for it is kept until somebody drops it or gives it to another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from engine.errors import Unavailable
from engine.store.base import LaneRow, Page, Store, Where

_CHUNK = 1000
_PAGE = 500


def owner(lane: str) -> str:
    """Name the pipeline a lane belongs to; ``*`` is the engine itself."""
    return lane.split("/", 1)[0]


def orphaned(lane: str, known: Collection[str]) -> bool:
    """Tell whether a lane's pipeline is not among the *known* ones."""
    return owner(lane) not in known and owner(lane) != "*"


async def lanes(store: Store) -> Sequence[LaneRow]:
    """Return the lanes that have entries, by name."""
    found: list[LaneRow] = []
    after: str | None = None
    while True:
        rows, after = await store.find("lanes", Where(), Page(_PAGE, after))
        found += [row for row in rows if row.entries]
        if after is None:
            return found


async def settle(
    store: Store, lane: str, do: Literal["drop", "move"], to: str = "", known: Collection[str] = ()
) -> int:
    """Drop the entries of an orphaned lane, or move them to the lane of the same kind of pipeline *to*; give how many.

    Raises Unavailable when the lane is not orphaned, or *to* is not among the *known* pipelines; StoreError while the
    lane is worked.
    """
    if not orphaned(lane, known):
        raise Unavailable(f"{lane} belongs to a pipeline that is there: its entries are worked, or wait for their turn")
    if do == "move" and to not in known:
        raise Unavailable(f"no pipeline '{to}' to move to; `engine list` shows those there are")
    heir = f"{to}/{lane.split('/', 1)[1]}" if do == "move" else None
    done = 0
    while cleared := await store.clear(lane, heir, _CHUNK):
        done += cleared
    return done
