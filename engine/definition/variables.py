"""``${…}`` in a document: resolved, typed as the schema asks there, and kept out of where it must not be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.definition import each
from engine.definition.document import Document, Static, UnquotedNumber, core
from engine.definition.each import Row
from engine.definition.explain import Finding
from engine.definition.lookup import Found, Lookup, Missing
from engine.definition.shape import Shape, type_of
from engine.definition.written import TOKEN, fixed, of_record
from engine.errors import Path

EACH = "${each."
_NESTED = re.compile(r"\$\{each\.([^{}]*)\}")
_PLACEHOLDERS: dict[str, Any] = {
    "duration": "1s",
    "size": "1KiB",
    "boolean": False,
    "integer": 1,
    "number": 1,
    "array": [],
    "object": {},
    "null": None,
}
_ABSENT: Any = object()


@dataclass(slots=True)
class Resolved:
    """What resolving a document's variables brought to light."""

    findings: list[Finding] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    written: dict[Path, str] = field(default_factory=dict)
    """By path, what stood where a value was put in: said in place of the value."""
    unknown: set[Path] = field(default_factory=set)
    """Where a value is missing and something else stands in for it."""
    each: list[Prepared] = field(default_factory=list)
    """What every row of a ``for_each`` says anew, left for ``resolve_row``."""


def resolve(document: Document, shape: Shape, lookup: Lookup, skip_env: bool) -> Resolved:
    """Replace every ``${…}`` in *document*'s value, in place; ``${each.…}`` under a ``for_each`` waits for its rows."""
    resolver = _Resolver(document, shape, lookup, skip_env)
    for static in document.statics:
        if static.path in document.broken:
            continue
        one = prepared(static, shape)
        sql = one.shape is not None and one.shape.sql
        if EACH in static.text and not sql and _repeated(document.value, static.path):
            resolver.done.each.append(one)
        else:
            resolver.one(one)
    resolver.drop_absent()
    return resolver.done


class Prepared(NamedTuple):
    """A scalar with variables, its text taken apart."""

    static: Static
    shape: Shape | None
    tokens: list[re.Match[str]]
    whole: bool
    """It is exactly one ``${…}``."""


def prepared(static: Static, shape: Shape) -> Prepared:
    """Take a scalar apart; *shape* is its document's."""
    tokens = list(TOKEN.finditer(static.text))
    whole = len(tokens) == 1 and tokens[0].span() == (0, len(static.text)) and tokens[0]["inner"] is not None
    return Prepared(static, shape.at(static.path), tokens, whole)


class Means(NamedTuple):
    """What resolving needs besides the document."""

    shape: Shape
    lookup: Lookup
    skip_env: bool


def resolve_row(document: Document, each: Sequence[Prepared], row: Row | None, means: Means) -> Resolved:
    """Replace *each* in *document*'s value, in place, by what *row* says; by anything that fits without one."""
    resolver = _Resolver(document, *means, row)
    for one in each:
        if row is None:
            resolver.stand_in(one)
        else:
            resolver.one(one)
    resolver.drop_absent()
    return resolver.done


def columns(text: str) -> list[str]:
    """Return the columns that *text* names without a default of their own."""
    tokens = [token["inner"] for token in TOKEN.finditer(text) if token["inner"] and "each." in token["inner"]]
    whole = [inner[5:] for inner in tokens if inner.startswith("each.") and ":-" not in inner]
    return whole + [name for inner in tokens if not inner.startswith("each.") for name in _NESTED.findall(inner)]


def _repeated(value: Any, path: Path) -> bool:
    """Whether a ``for_each`` makes several of what stands at *path*."""
    if path[:1] == ("tests",) and isinstance(value, dict) and "pipeline" not in value:
        test = _at(value, path[:2])
        return isinstance(test, dict) and "each" in test and path[2:3] != ("each",)
    connection = path[:1] == ("connections",) and isinstance(value, dict) and "pipeline" not in value
    at = 2 if connection else 0
    holder = _at(value, path[:at])
    return isinstance(holder, dict) and "for_each" in holder and path[at : at + 1] != ("for_each",)


class _Resolver:
    def __init__(
        self, document: Document, shape: Shape, lookup: Lookup, skip_env: bool, row: Row | None = None
    ) -> None:
        self._document, self._shape, self._lookup, self._skip_env = document, shape, lookup, skip_env
        self._row = row
        self._secrets_anywhere = isinstance(document.value, dict) and "connections" in document.value
        self._nulls: list[Path] = []
        self._thinned: list[list[Any]] = []
        self.done = Resolved()

    def one(self, one: Prepared) -> None:
        """Resolve one scalar."""
        static, shape, tokens, whole = one
        if shape is not None and shape.sql:
            return  # said by the check of SQL, together with templates
        try:
            self._refuse_other_languages(tokens)
            if whole:
                value = self._typed(self._find(tokens[0]["inner"], shape), static, shape)
            else:
                value = self._mixed(static, shape)
        except Missing as missing:
            if not (self._skip_env and missing.code.startswith("missing-")):
                fix = fixed(static, missing)
                found = Finding(static.path, False, missing.code, missing.message, missing.hint, fix=fix)
                self.done.findings.append(found)
            self.done.unknown.add(static.path)
            value = _placeholder(shape)
        if self._row is None or not isinstance(value, str) or not self._row.shows(static.text, value):
            self.done.written[static.path] = static.text
        self._put(static.path, value)

    def stand_in(self, one: Prepared) -> None:
        """Put something that fits where no row says what stands there."""
        self.done.unknown.add(one.static.path)
        self._put(one.static.path, _placeholder(one.shape))

    def _refuse_other_languages(self, tokens: list[re.Match[str]]) -> None:
        for token in tokens:
            if token["dollar"]:
                inner = of_record(token["jinja"].strip())
                if inner.startswith("${"):
                    raise Missing("dollar-template", "'${{ … }}' is not this language", f'write "{inner}"')
                plain = inner.removeprefix("record.")
                just = f" or just {plain}" if plain != inner and plain.isidentifier() else ""
                raise Missing("dollar-template", "'${{ … }}' is not this language", f'write "{{{{ {inner} }}}}"{just}')
            if token["open"]:
                raise Missing(
                    "bad-variable", "'${' is never closed", "close it with }, or write '$${' for a literal '${'"
                )

    def _find(self, inner: str, shape: Shape | None) -> Found:
        if inner.startswith("secret:") and not self._secrets_anywhere and not (shape and shape.secret):
            hint = "put it into a connection"
            raise Missing("secret-in-mapping", "a secret may stand only in connections and in secret options", hint)
        if inner.startswith("each."):
            found = each.find(self._row, inner)
        else:
            found = self._lookup.find(_NESTED.sub(self._inside, inner) if EACH in inner else inner)
        if found.text and not found.default and (found.secret or (shape is not None and shape.secret)):
            self.done.secrets.add(found.text)
        return found

    def _inside(self, token: re.Match[str]) -> str:
        text = each.find(self._row, f"each.{token[1]}").text
        if ":-" in text or "{" in text or "}" in text:
            raise Missing(
                "bad-variable", "what the row says cannot stand inside another ${…}", "use letters and digits"
            )
        return text

    def _mixed(self, static: Static, shape: Shape | None) -> str:
        def replace(token: re.Match[str]) -> str:
            if token["inner"] is None:
                return "${"
            found = self._find(token["inner"], shape)
            if isinstance(found.native, list | dict):
                fact = f"'${{{token['inner']}}}' is a list or a map, and cannot stand inside a text"
                raise Missing("bad-value", fact, "let it be the whole value")
            return str(self._literal(found.text, static.path))

        return TOKEN.sub(replace, static.text)

    def _literal(self, value: Any, path: Path) -> Any:
        """Keep what was put into a template from being read as one; a value all of whose texts are templates too."""
        if isinstance(value, str):
            if not re.search(r"\{[{%#]", value) or not self._in_template(path):
                return value
            return re.sub(r"\{([{%#])", r"{{ '{' }}\1", value)
        if isinstance(value, dict):
            return {key: self._literal(item, path) for key, item in value.items()}
        return [self._literal(item, path) for item in value] if isinstance(value, list) else value

    def _in_template(self, path: Path) -> bool:
        shapes = (self._shape.at(path[:length]) for length in range(len(path) + 1))
        return any(shape is not None and shape.value == "template" for shape in shapes)

    def _typed(self, found: Found, static: Static, shape: Shape | None) -> Any:
        if found.default and found.text == "null":
            self._nulls.append(static.path)
            return None
        if found.native is not None and _takes(shape, found.native):
            return self._literal(found.native, static.path)
        return typed(self._literal(found.text, static.path), static.plain, shape)

    def _put(self, path: Path, value: Any) -> None:
        if not path:
            self._document.value = value
            return
        holder = _at(self._document.value, path[:-1])
        if isinstance(holder, (dict, list)):
            holder[path[-1]] = value  # type: ignore[index]

    def drop_absent(self) -> None:
        """Take out what ``:-null`` leaves empty: options that know no null, and auth items without their secret."""
        for path in self._nulls:
            shape = self._shape.at(path)
            nullable = shape is None or shape.types is None or "null" in shape.types
            if nullable and (shape is None or "auth" not in path):
                continue
            self._drop(path)
            if "auth" in path:
                self._drop_auth(path)
        for items in self._thinned:
            items[:] = [item for item in items if item is not _ABSENT]

    def _drop_auth(self, path: Path) -> None:
        at = path.index("auth")
        item = path[: at + 2]
        if any(True for _ in _secrets(_at(self._document.value, item), self._shape.at(item))):
            return
        if len(item) < len(path):
            self._drop(item)
        left = _at(self._document.value, path[: at + 1])
        if not left or (isinstance(left, list) and all(item is _ABSENT for item in left)):
            self._drop(path[: at + 1])

    def _drop(self, path: Path) -> None:
        holder = _at(self._document.value, path[:-1])
        if isinstance(holder, dict):
            holder.pop(path[-1], None)
        elif isinstance(holder, list) and isinstance(path[-1], int) and path[-1] < len(holder):
            holder[path[-1]] = _ABSENT
            self._thinned.append(holder)


def _takes(shape: Shape | None, value: Any) -> bool:
    types = shape.types if shape else None
    return types is None or type_of(value) in types or (type_of(value) == "integer" and "number" in types)


def typed(text: str, plain: bool, shape: Shape | None) -> Any:
    """Return *text* as the type its place asks for; where anything may stand, quoted is text and plain is YAML's."""
    types = shape.types if shape else None
    if types is None:
        return _core(text) if plain else text
    if "string" in types:
        value = _core(text) if plain else text
        return value if type_of(value) in types or (type_of(value) == "integer" and "number" in types) else text
    if types & {"array", "object"} and text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if "array" in types:
        item = shape.child(0) if shape else None
        return [typed(part.strip(), False, item) for part in text.split(",") if part.strip()]
    return _core(text)


def _core(text: str) -> Any:
    try:
        return core(text)
    except UnquotedNumber:
        return text


def _placeholder(shape: Shape | None) -> Any:
    """Stand in for a missing value, so that the rest of the document can be checked."""
    if shape is None:
        return ""
    if shape.unit:
        return _PLACEHOLDERS[shape.unit]
    if (written := _written(shape)) is not None:
        return written
    types = shape.types or frozenset({"string"})
    return "" if "string" in types else _PLACEHOLDERS[min(types)]


def _written(shape: Shape) -> str | None:
    """Return a text that the schema itself gives for its place: what has a form is nothing without it."""
    if not any("pattern" in part or "enum" in part or "minLength" in part for part in shape.parts):
        return None
    given = [shape.first("default"), *(shape.first("examples") or ()), *(shape.first("enum") or ())]
    return next((text for text in given if isinstance(text, str) and "${" not in text), None)


def _secrets(value: Any, shape: Shape | None) -> Iterator[str]:
    """Yield the secrets that stand in *value*."""
    if isinstance(value, str) and shape is not None and shape.secret:
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets(item, shape.child(key) if shape else None)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _secrets(item, shape.child(index) if shape else None)


def _at(value: Any, path: Path) -> Any:
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value
