"""What a user gets to see of a mistake of ours: one line, where the details are, and a request."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from typing import TYPE_CHECKING

import engine

if TYPE_CHECKING:
    from engine.cli.session import Session


def report(session: Session, error: BaseException) -> None:
    """Say that it is not the user's fault; the traceback goes to a file, with ``-v`` to stderr."""
    kind = type(error).__name__
    what = " ".join(str(error).split())[:200]
    session.err.line(f"{session.err.look.paint('internal error:', 'error')} {kind}{f': {what}' if what else ''}")
    text = session.err.mask(details(error))
    if session.verbose:
        session.err.line(text)
        session.err.line("This is a mistake in the engine. Please report it with the text above.")
        return
    where = _write(f"engine {engine.__version__}, Python {platform.python_version()}, {platform.system()}\n\n{text}\n")
    place = f"the details in {where}" if where else "what engine -v prints"
    session.err.line(f"This is a mistake in the engine, not in your files. Please report it with {place}.")


def details(error: BaseException) -> str:
    """Write the whole story of *error*."""
    return "".join(traceback.format_exception(error)).rstrip()


def _write(text: str) -> str | None:
    try:
        handle, path = tempfile.mkstemp(prefix="engine-error-", suffix=".txt")  # readable by its owner only
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return path
