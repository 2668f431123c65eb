"""Steps that ask a remote system between pure stages, as ``prepare`` sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from engine.pipeline import Frame
from engine.record import Emission, Meta, Record


class Asked(Protocol):
    """A step ``lookup`` or ``call``, opened for one run."""

    async def ask(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        """Ask for each record; one that cannot go on is in ``failed``.

        Raises ConnectorError, CircuitOpen where none can go on, Stopped where the run ends meanwhile.
        """
        ...


NOBODY: Mapping[str, Asked] = MappingProxyType({})
