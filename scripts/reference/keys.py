"""Pages of keys: what a JSON Schema says, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.cli.catalogue import about, type_text
from engine.cli.yamltext import flow, lines
from engine.definition.schema import Catalog, ConnectorSchema
from engine.definition.shape import Shape
from scripts.reference.pages import Page, anchor, code, prose

HEADS = ("key", "type", "default", "says")
ANY = "any-name-of-your-own"
ROLES = {
    "source": "As a source",
    "target": "As a target",
    "call": "In a step call",
    "connection": "As a connection",
}
PLACED = {
    "source": ("source",),
    "target": ("target",),
    "call": ("steps", 0, "call"),
    "connection": ("connections", "my-system"),
}


class Keys:
    """Writes the sections of one schema: a table for each object, once."""

    def __init__(self, page: Page, document: Mapping[str, Any], roles: Mapping[str, str], before: str = "") -> None:
        self._page = page
        self._before = before
        self._names = {id(node): name.removeprefix("common.") for name, node in document["definitions"].items()}
        self._roles = roles
        self._seen: dict[str, int] = {}
        self._waiting: list[tuple[str, Shape, int]] = []

    def write(self, heading: str, shape: Shape, depth: int = 2) -> None:
        """Write a section and those of what stands below its keys."""
        self._wait(heading, shape, depth)
        while self._waiting:
            self._section(*self._waiting.pop(0))

    def _wait(self, heading: str, shape: Shape, depth: int) -> str:
        """Put a section off until its place; one that another key leads to already is written once."""
        mark = next((id(part) for part in shape.parts if "properties" in part), id(shape.parts[0]))
        while self._seen.get(heading, mark) != mark:
            heading = f"{heading}, other"
        if heading not in self._seen:
            self._seen[heading] = mark
            self._waiting.append((heading, shape, depth))
        return heading

    def _section(self, heading: str, shape: Shape, depth: int) -> None:
        if heading:
            self._page.heading(heading, depth)
        self._page.say(prose(_words(shape, heading)))
        self._page.say(_choice(shape))
        rows = [self._row(key, shape, heading, depth) for key in shape.known()]
        if shape.role:
            link = self._roles.get(shape.role, "")
            rows.insert(0, ["*a connector*", f"one of {link}", "**needed**", "exactly one: its name is the key"])
        free = shape.child(ANY)
        if free is not None and free.known() and not shape.role:
            name = self._wait(self._called(free, f"{heading}.NAME"), free, max(depth, 3))
            rows.append(
                ["*any name*", f"[{name}](#{anchor(name)})", "", prose(about(free) or str(free.first("title")))]
            )
        self._page.table(HEADS, rows)
        for example in shape.first("examples") or ():
            # checked by the tests of schemas, in its place
            self._page.block("yaml elsewhere", "\n".join(lines(example)))

    def _row(self, key: str, shape: Shape, heading: str, depth: int) -> list[str]:
        child = shape.child(key)
        # what only a condition asks for stands in a part without the properties
        needed = any(key in part.get("required", ()) for part in shape.parts if key in part.get("properties", ()))
        default = child.first("default") if child else None
        said = "**needed**" if needed else code(flow(default)) if default is not None else ""
        kind = type_text(child)
        inner = _inner(child)
        if inner is not None and child is not None:
            name = self._called(inner, f"{heading}.{key}" if heading else f"{self._before}{key}")
            name = self._wait(name, inner, max(depth, 3))
            kind = f"{kind}: [{name}](#{anchor(name)})"
        return [code(key), kind, said, prose(about(child) or (str(child.first("title") or "") if child else ""))]

    def _called(self, shape: Shape, otherwise: str) -> str:
        """Name a section after its definition, where it has one: other places refer to the same."""
        said = next((part for part in shape.parts if "properties" in part), shape.parts[0])
        name = self._names.get(id(said)) or next((self._names.get(id(part), "") for part in shape.parts), "")
        own = id(said) not in self._names and shape.parts[0] is said
        return f"{self._before}{name}" if name and not own else otherwise


def _words(shape: Shape, heading: str) -> str:
    said = [shape.first("title"), shape.first("description")] if heading else []
    return " ".join(f"{str(text).rstrip('.')}." for text in said if text)


def _choice(shape: Shape) -> str:
    """Say which keys exclude each other, and of which one must be there."""
    for keyword, how in (("oneOf", "Exactly one"), ("anyOf", "At least one")):
        for choices in (part[keyword] for part in shape.parts if keyword in part):
            names = [name for one in choices for name in one.get("required", ())]
            if names and all(one.keys() == {"required"} for one in choices):
                return f"{how} of {', '.join(map(code, names))}."
    return ""


def _inner(child: Shape | None) -> Shape | None:
    """Return the object whose keys are known: the value itself, an item of the list, or what stands under any name."""
    if child is None:
        return None
    options = [child, child.child(0), child.child(ANY)]
    return next((one for one in options if one is not None and (one.known() or one.role)), None)


def kind_page(catalog: Catalog, kind: str) -> Page:
    """Write the page of a kind of file."""
    document = catalog.kind(kind).document  # type: ignore[arg-type]
    page = Page(str(document["title"]), prose(document["description"]))
    page.say(f"For editors: `engine schema {kind}`. Keys that begin with `x-` are free for your own notes.")
    shape = Shape.of({key: value for key, value in document.items() if key not in ("title", "description")}, document)
    names = {role: ", ".join(f"[{name}]({name}.md)" for name in catalog.with_role(role)) for role in ROLES}
    Keys(page, document, names).write("", shape)
    return page


def connector_page(catalog: Catalog, name: str) -> Page:
    """Write the page of a connector."""
    found = catalog.connector(name)
    assert found is not None
    page = Page(f"Connector {name}", prose(str(found.document.get("description", ""))))
    others = [kind for kind in found.kinds if kind != name]
    if others:
        page.say(f"It works over connections of kind {', '.join(f'[{kind}]({kind}.md)' for kind in others)}.")
    page.say(f"On a terminal: `engine connectors {name}`. A beginning: {_beginning(found)}.")
    for role in found.roles:
        _role(page, found, role)
    return page


def _beginning(found: ConnectorSchema) -> str:
    ways = {"source": "--from", "target": "--to"}
    said = [f"`engine new pipeline NAME {way} {found.name}`" for role, way in ways.items() if role in found.roles]
    if "connection" in found.roles:
        said.append(f"`engine new connection NAME --kind {found.name}`")
    return ", ".join(said)


def _role(page: Page, found: ConnectorSchema, role: str) -> None:
    document = found.role(role).document
    local = document["allOf"][0]
    page.heading(ROLES[role])
    page.say(prose(str(local.get("description", ""))))
    bare = {key: value for key, value in local.items() if key not in ("title", "description", "examples")}
    Keys(page, document, {}, f"{role}.").write("", Shape.of(bare, document), 3)
    for example in local.get("examples", ()):
        page.block("yaml elsewhere", "\n".join(lines(_put(PLACED[role], {found.name: example}))))


def _put(path: tuple[str | int, ...], value: Any) -> Any:
    for key in reversed(path):
        value = [value] if isinstance(key, int) else {key: value}
    return value


def every(catalog: Catalog) -> Iterator[tuple[str, Page]]:
    """Yield the pages of all kinds of file and of all connectors, by the name of their file."""
    for kind in catalog.kinds:
        yield kind, kind_page(catalog, kind)
    for name in catalog.names:
        yield name, connector_page(catalog, name)
