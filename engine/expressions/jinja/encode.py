"""Templates of URL paths: what an expression puts in is percent-encoded, what the author wrote stays."""

from __future__ import annotations

from jinja2 import Environment

_PLAIN = Environment(autoescape=False)  # only its lexer is used


def encoded(text: str) -> str:
    """Return the template *text* with every ``{{ … }}`` piped through ``urlencode``."""
    parts: list[str] = []
    for _, kind, value in _PLAIN.lex(text):
        if kind == "variable_begin":
            value += "("
        elif kind == "variable_end":
            value = ")|urlencode" + value
        parts.append(value)
    return "".join(parts)
