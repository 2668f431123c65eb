"""Where the files that travel with the engine lie: in a checkout beside the package, in a wheel inside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def folder(name: str) -> Path:
    """Return the folder *name* (``schemas``, ``codes``) of the wheel, or of the checkout the engine runs from."""
    package = Path(__file__).parent
    shipped = package / "_data" / name
    return shipped if shipped.is_dir() else package.parent / _IN_A_CHECKOUT.get(name, name)


_IN_A_CHECKOUT = {"codes": "docs/codes"}
