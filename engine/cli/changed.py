"""``engine validate --changed``: what differs from a commit, read from git and from the project's files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from engine.cli.affected import Affected, Text, affected, text_of
from engine.cli.git import Checkout
from engine.definition.document import read
from engine.definition.files import everything


class Change(NamedTuple):
    """What changed since *base*."""

    affected: Affected
    name: str
    """What was compared with, as it was asked for."""
    base: str


def since(root: Path, wanted: str) -> Change:
    """Return what differs from the merge base with *wanted*, empty for the usual branch. Raises click.UsageError."""
    root = root.resolve()
    checkout = Checkout(root)
    base, name = checkout.base(wanted)
    changed = {_label(path, root): path for path in checkout.changed(base)}
    now = {label: _text(path.read_bytes()) for path, label in everything(root, {}) if path.is_file()}
    before = {
        label: _text(data)
        for label, path in changed.items()
        if label.endswith((".yaml", ".yml")) and (data := checkout.earlier(base, path))
    }
    return Change(affected(changed, now, before), name, base[:12])


def _label(path: Path, root: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _text(data: bytes) -> Text:
    document = read("", data)
    return text_of(document.text, document.value)
