"""Settles beside the runs: what is due is written when there is space, and nothing else goes on before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.errors import StoreFull
from engine.events import StoreChanged, Tell
from engine.store.base import Settlement, Store

AGAIN = 1.0
"""Seconds between tries while the store is full."""

Pause = Callable[[float], Awaitable[None]]


async def settle(store: Store, settlement: Settlement, tell: Tell, pause: Pause) -> None:
    """Settle, and while the store is full try the same again; *pause* waits, and keeps the lease meanwhile.

    Raises LeaseLost, StoreFailed.
    """
    full = False
    while True:
        try:
            await store.settle(settlement)
            break
        except StoreFull as error:
            if not full:
                tell(StoreChanged("full", str(error)))
            full = True
        await pause(AGAIN)
    if full:
        tell(StoreChanged("ok"))
