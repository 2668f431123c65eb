"""What a GraphQL server takes and gives, by the answer to its introspection query kept in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.compiler.shapes.files import Files, Unreadable
from engine.compiler.shapes.operation import Operation, Selection, Wanted
from engine.definition.nearest import did_you_mean
from engine.expressions.types.model import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    SOME,
    TEXT,
    Field,
    Type,
    listed,
    made_of,
)

_SCALARS = {
    "Int": INTEGER,
    "Float": NUMBER,
    "String": TEXT,
    "Boolean": BOOLEAN,
    "ID": Type(frozenset({"text", "integer"})),
}
_DEEPEST = 12
_HINT = "make it with: engine learn CONNECTION"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What an operation asks for and the server does not have; *name* stands at *offset*."""

    code: str
    message: str
    hint: str
    offset: int
    name: str


class Server:
    """The types of one server."""

    def __init__(self, schema: Mapping[str, Any], file: str) -> None:
        self.file = file
        self._types = _named(schema.get("types"))
        self._made: dict[str, Type] = {}
        self._roots = {kind: _name_of(schema.get(f"{kind}Type")) for kind in ("query", "mutation", "subscription")}

    def takes(self, wanted: Wanted) -> Type:
        """Return what a variable or an input field of that type may be."""
        made = self._input(wanted.name) if wanted.items is None else listed(self.takes(wanted.items))
        return made if wanted.needed or made.any else made.or_null()

    def knows(self, wanted: Wanted) -> bool:
        """Whether there is such a type."""
        return self.knows(wanted.items) if wanted.items is not None else wanted.name in self._types

    def inputs(self) -> list[str]:
        """Name the types that can be sent."""
        return [name for name, one in self._types.items() if one.get("kind") in ("INPUT_OBJECT", "ENUM", "SCALAR")]

    def _input(self, name: str) -> Type:
        if name not in self._made:
            self._made[name] = ANY  # inside of itself
            self._made[name] = self._new_input(name)
        return self._made[name]

    def _new_input(self, name: str) -> Type:
        one = self._types.get(name, {})
        kind = one.get("kind")
        if kind == "SCALAR":
            return _SCALARS.get(name, SOME)
        if kind == "ENUM":
            return Type(frozenset({"text"}), choices=_choices(one))
        if kind != "INPUT_OBJECT":
            return ANY
        fields = {}
        for field, each in _named(one.get("inputFields")).items():
            wanted = _wanted(each.get("type"))
            fields[field] = Field(self.takes(wanted), wanted.needed and each.get("defaultValue") is None)
        return made_of(fields, "no", f"{name} of {self.file}")

    def answer(self, operation: Operation) -> Type:
        """Return the whole answer to an operation: ``data``, and what may stand beside it."""
        root = self._roots.get(operation.kind)
        data = self._selected(operation.selections, root) if root else ANY
        return made_of({"data": Field(data)}, "yes")

    def _selected(self, selections: tuple[Selection, ...], name: str | None) -> Type:
        known = self._fields(name)
        fields: dict[str, Field] = {}
        odd = False
        for one in selections:
            if one.of:  # a fragment: which of its fields come depends on what comes
                inner = self._selected(one.inner or (), name if one.of == "?" else one.of)
                same = one.of in ("?", name) and one.sure
                fields |= {key: each if same else Field(ANY, False) for key, each in inner.fields.items()}
                odd = odd or inner.any
            elif one.name == "__typename":
                fields[one.alias] = Field(TEXT, one.sure)
            elif one.name in known:
                fields[one.alias] = Field(self._gives(_wanted(known[one.name].get("type")), one), one.sure)
            else:
                fields[one.alias] = Field(ANY, one.sure)
                odd = True  # said where it is selected; what reads it is not wrong besides
        return made_of(fields, "yes" if odd else "no", f"the selection of {name}" if name else "")

    def _gives(self, wanted: Wanted, selection: Selection) -> Type:
        if wanted.items is not None:
            made = listed(self._gives(wanted.items, selection))
        elif selection.inner is not None:
            made = self._selected(selection.inner, wanted.name)
        else:
            one = self._types.get(wanted.name) or {}
            if one.get("kind") == "ENUM":
                made = Type(frozenset({"text"}), choices=_choices(one))
            else:
                made = _SCALARS.get(wanted.name, ANY)
        return made if wanted.needed or made.any else made.or_null()

    def _fields(self, name: str | None) -> dict[str, Mapping[str, Any]]:
        return _named(self._types.get(name or "", {}).get("fields"))

    def wrong(self, operation: Operation) -> Iterator[Wrong]:
        """Yield what an operation asks for that the server does not have."""
        root = self._roots.get(operation.kind)
        if root is None:
            return
        for variable in operation.variables.values():
            if not self.knows(variable.type):
                name = _innermost(variable.type)
                hint = did_you_mean(name, self.inputs())
                yield Wrong("unknown-field", f"{self.file} has no type '{name}'", hint, variable.offset, name)
        yield from self._wrong(operation.selections, root)

    def _wrong(self, selections: tuple[Selection, ...], name: str) -> Iterator[Wrong]:
        known = self._fields(name)
        union = self._types.get(name, {}).get("kind") == "UNION"
        for one in selections:
            if one.of:
                of = name if one.of == "?" else one.of
                if of in self._types:
                    yield from self._wrong(one.inner or (), of)
                continue
            if one.name.startswith("__") or name not in self._types or union:
                continue
            if one.name not in known:
                hint = did_you_mean(one.name, known)
                yield Wrong("unknown-field", f"{name} has no field '{one.name}'", hint, one.offset, one.name)
                continue
            yield from _arguments(one, known[one.name])
            inner = _innermost(_wanted(known[one.name].get("type")))
            kind = self._types.get(inner, {}).get("kind")
            if one.inner is not None:
                yield from self._wrong(one.inner, inner)
            elif kind in ("OBJECT", "INTERFACE", "UNION"):
                fact, hint = f"'{one.name}' is an object; nothing of it is selected", f"write {one.name} {{ … }}"
                yield Wrong("type-mismatch", fact, hint, one.offset, one.name)


def _arguments(one: Selection, field: Mapping[str, Any]) -> Iterator[Wrong]:
    known = _named(field.get("args"))
    unknown = {name: offset for name, offset in one.arguments.items() if name not in known}
    for name, offset in unknown.items():
        hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
        yield Wrong("unknown-field", f"'{one.name}' has no argument '{name}'", hint, offset, name)
    if unknown:
        return  # one under a wrong name is not missing besides
    for name, each in known.items():
        if name not in one.arguments and _wanted(each.get("type")).needed and each.get("defaultValue") is None:
            fact = f"'{one.name}' needs the argument '{name}'"
            yield Wrong("missing-required", fact, f"write {one.name}({name}: $…)", one.offset, one.name)


def _innermost(wanted: Wanted) -> str:
    return _innermost(wanted.items) if wanted.items is not None else wanted.name


def _choices(one: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(_named(one.get("enumValues")))


def _named(value: Any) -> dict[str, Mapping[str, Any]]:
    """Return the good entries of a list of things with names."""
    listed_ = value if isinstance(value, list) else ()
    return {one["name"]: one for one in listed_ if isinstance(one, Mapping) and isinstance(one.get("name"), str)}


def _name_of(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, Mapping) else None
    return name if isinstance(name, str) else None


def _wanted(type_: Any, depth: int = 0) -> Wanted:
    if not isinstance(type_, Mapping) or depth > _DEEPEST:
        return Wanted("")
    kind, inner = type_.get("kind"), type_.get("ofType")
    if kind == "NON_NULL":
        made = _wanted(inner, depth + 1)
        return Wanted(made.name, True, made.items)
    if kind == "LIST":
        return Wanted("", False, _wanted(inner, depth + 1))
    return Wanted(str(type_.get("name") or ""))


def read_server(files: Files, name: str) -> Server:
    """Read the answer to an introspection query, whole or its ``data``. Raises Unreadable."""
    return files.once(("server", name), lambda: _server(files, name))


def _server(files: Files, name: str) -> Server:
    value = files.data(name)
    for key in ("data", "__schema"):
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            value = value[key]
    if not isinstance(value, Mapping) or not isinstance(value.get("types"), list):
        raise Unreadable(f"'{name}' is not the answer to a GraphQL introspection query", _HINT)
    return Server(value, name)
