"""What ``${…}`` looks like in a text, and how it was meant where another product's way of writing stands there."""

from __future__ import annotations

import re

from engine.definition.document import Static
from engine.definition.document.fault import quoted
from engine.definition.lookup import Missing

TOKEN = re.compile(
    r"\$\$\{|\$\{(?P<inner>(?:\$\{each\.[^{}]*\}|[^{}])*)\}|(?P<dollar>\$\{\{(?P<jinja>[^{}]*)\}\})|(?P<open>\$\{)",
    re.DOTALL,
)
_NAMES = frozenset(
    ("record", "records", "item", "input", "params", "trigger", "run", "meta", "vars", "results", "cursor")
)


def of_record(inner: str) -> str:
    """Return what stands in ``${{ … }}`` as a template says it: a bare name was meant as a field."""
    kind, _, name = inner.partition(".")
    if kind in ("secrets", "env") and re.fullmatch(r"\w+", name):
        return f"${{{name}}}" if kind == "env" else f"${{secret:{name.lower().replace('_', '-')}}}"
    return f"record.{inner}" if inner.isidentifier() and inner not in _NAMES else inner


def _as_template(token: re.Match[str]) -> str:
    if not token["dollar"]:
        return token[0]
    inner = of_record(token["jinja"].strip())
    return inner if inner.startswith("${") else f"{{{{ {inner} }}}}"


def fixed(static: Static, missing: Missing) -> str:
    """Return what to write in place of a scalar whose variable is written wrongly."""
    if missing.code == "dollar-template":
        return quoted(TOKEN.sub(_as_template, static.text))
    if not missing.meant or not missing.written:
        return ""
    text = static.text.replace(f"${{{missing.written}}}", f"${{{missing.meant}}}", 1)
    return text if static.plain else quoted(text)
