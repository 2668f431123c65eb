"""A short fingerprint of plain data: equal content, equal text."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any


def revision(value: Any) -> str:
    """Return the fingerprint of *value*; the order of keys counts, for it is the order of fields."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
