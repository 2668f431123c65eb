"""From an exception in generated code to the record's error: which place, which field."""

from __future__ import annotations

from types import TracebackType

from engine.errors import RecordError
from engine.expressions.generate.writer import Generated, Site


class Absent(LookupError):
    """A helper found that a field is not there; the line that called knows which."""


def blame(error: Exception, made: Generated) -> Exception:
    """Return the RecordError an exception stands for; what is none of a record's business comes back as it is."""
    site, direct = _site(error.__traceback__, made)
    if isinstance(error, RecordError):
        return error if error.where else RecordError(error.code, error.message, site.where)
    if isinstance(error, Absent) or (direct and site.absent and isinstance(error, LookupError)):
        return RecordError("missing-field", site.absent, site.where)
    if type(error).__module__.startswith("jinja2"):
        from engine.expressions.jinja.template import explain

        found = explain(error)
        return RecordError(found.code, found.message, site.where)
    if isinstance(error, (TypeError, ValueError, ArithmeticError, RecursionError)):
        return RecordError("type", str(error) or type(error).__name__, site.where)
    return error


def _site(traceback: TracebackType | None, made: Generated) -> tuple[Site, bool]:
    """Find the innermost line of the generated code, and whether it raised itself."""
    found, direct = Site(""), False
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == made.file:
            found, direct = made.sites[traceback.tb_lineno - 1], traceback.tb_next is None
        traceback = traceback.tb_next
    return found, direct
