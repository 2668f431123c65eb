"""Reads the file of ``--env-file``."""

from __future__ import annotations

from pathlib import Path

import click

from engine.definition.dotenv import parse


def read(path: Path) -> dict[str, str]:
    """Return the file's variables; raises click.UsageError with the line that is none."""
    try:
        values, bad = parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    if bad:
        # the line itself may hold a secret, so it is not shown
        raise click.UsageError(f"{path}:{bad[0]}: not NAME=value")
    return values
