"""Renders the options that say what to ask: method, path, query, headers and one body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.connector import Names, Template
from engine.errors import Misconfigured, RecordError
from engine.net.request import Request, form_body, header_map, json_body, path_text, query_pairs, text_body

_BODIES: Mapping[str, tuple[Callable[[Any], bytes], str]] = {
    "json": (json_body, "application/json"),
    "form": (form_body, "application/x-www-form-urlencoded"),
    "text": (text_body, "text/plain; charset=utf-8"),
}


@dataclass(frozen=True, slots=True)
class Asking:
    """One request's options, compiled."""

    method: str
    path: Template | None
    query: Template | None
    headers: Template | None
    kind: str = "json"
    body: Template | None = None

    def carrying(self, **bodies: Template | None) -> Asking:
        """Take the one of json, form and text that is given. Raises Misconfigured."""
        given = [(kind, template) for kind, template in bodies.items() if template is not None]
        if len(given) > 1:
            raise Misconfigured("give one of json, form and text, not " + " and ".join(kind for kind, _ in given))
        kind, body = given[0] if given else ("json", None)
        return Asking(self.method, self.path, self.query, self.headers, kind, body)

    def request(self, names: Names, default: str = "", **more: Any) -> Request:
        """Render; without a body of its own the name *default* is sent as JSON, if any. Raises RecordError."""
        write, content_type = _BODIES[self.kind]
        body = None
        if self.body is not None:
            body = write(self.body(names))
        elif default:
            body = write(names[default])
        headers = header_map(self.headers(names)) if self.headers is not None else {}
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = content_type
        path = path_text(_placed(self.path, names)) if self.path is not None else ""
        query = query_pairs(self.query(names)) if self.query is not None else []
        return Request(self.method, path, query, headers, body, **more)


def _placed(path: Template, names: Names) -> Any:
    """Render a path; what data puts in must not add a part to it. Raises RecordError."""
    text = path(names)
    if _constant(path, names, text):
        return text
    tame = {name: _tame(value) if name in _DATA else value for name, value in names.items()}
    if any(tame[name] is not names[name] for name in tame) and _parts(path(tame)) != _parts(text):
        why = "path has a value with '/', '?' or '#' in it, which would lead to another place"
        raise RecordError("path", why, "path")
    return text


def _constant(path: Template, names: Names, text: Any) -> bool:
    """Whether the path is the same without any data: most are, and need no closer look."""
    try:
        return bool(path({name: value for name, value in names.items() if name not in _DATA}) == text)
    except (RecordError, LookupError):
        return False


_DATA = frozenset({"record", "records", "input", "meta", "params", "trigger", "cursor"})
_TAME = str.maketrans("/?#\\", "____")


def _parts(text: Any) -> tuple[int, ...]:
    return tuple(str(text).count(mark) for mark in "/?#\\")


def _tame(value: Any) -> Any:
    """Return *value* with harmless texts; the same object where nothing changes."""
    if isinstance(value, str):
        tame = value.translate(_TAME)
        return value if tame == value else tame
    if isinstance(value, Mapping):
        pairs = {key: _tame(item) for key, item in value.items()}
        return pairs if any(pairs[key] is not item for key, item in value.items()) else value
    if isinstance(value, list | tuple):
        items = [_tame(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value
