"""A short fingerprint of plain data: equal content, equal text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from hashlib import blake2b
from typing import Any

from engine.definition.instances import Made, Template, node
from engine.errors import Path

_VARS = re.compile(r"(?<![\w.])vars\b(?:\.([A-Za-z_]\w*))?")


def revision(value: Any) -> str:
    """Return the fingerprint of *value*; the order of keys counts, for it is the order of fields."""
    return _hash(_written(value))


def revision_and_vars(value: Any) -> tuple[str, frozenset[str] | None]:
    """Return also the names after ``vars.`` in its texts; None where ``vars`` stands without one."""
    text = _written(value)
    if "vars" not in text:
        return _hash(text), frozenset()
    names = frozenset(_VARS.findall(text))
    return _hash(text), None if "" in names else names


Common = tuple[str, frozenset[str] | None]


def common_revision(value: Mapping[str, Any], template: Template) -> Common:
    """Return ``revision_and_vars`` of what all instances of *template* share; *value* is its first one."""
    empty = {key: item for key, item in value.items() if key != "for_each"}
    cut = len(template.path)
    return revision_and_vars(_without(empty, {path[cut:] for path in template.each}))


def row_revision(common: Common, made: Made, template: Template) -> Common:
    """Return ``revision_and_vars`` of one instance: of what all share, and of what its row put in."""
    if not template.steady:
        return revision_and_vars(node(made.document.value, template.path))
    values = [_written(node(made.document.value, path)) for path in template.each]
    text = "\n".join([common[0], *values])
    names = revision_and_vars(values)[1] if "vars" in text else frozenset()
    return _hash(text), None if names is None or common[1] is None else names | common[1]


def _without(value: Any, paths: Set[Path], path: Path = ()) -> Any:
    if path in paths:
        return None
    if not any(one[: len(path)] == path for one in paths):
        return value
    if isinstance(value, dict):
        return {key: _without(item, paths, (*path, key)) for key, item in value.items()}
    return [_without(item, paths, (*path, index)) for index, item in enumerate(value)]


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
