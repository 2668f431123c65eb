"""``engine connectors``: what there is to connect to, as the JSON Schemas say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session, unknown
from engine.cli.table import Cell, table
from engine.cli.yamltext import flow, lines

if TYPE_CHECKING:
    from engine.definition.schema import Catalog, ConnectorSchema
    from engine.definition.shape import Shape

_ROLE = {
    "source": "as a source",
    "target": "as a target",
    "call": "in a step call",
    "connection": "as a connection",
}


@click.command("connectors", cls=Command)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON line a connector.")
@pass_session
def connectors(session: Session, name: str | None, as_json: bool) -> None:
    """List what there is to connect to; with a NAME its options and examples."""
    from engine.definition.schema import Catalog

    catalog = Catalog()
    if name is not None:
        one = _known(catalog, name)
        if as_json:
            session.out.json(one.document)
        else:
            _describe(session, one)
        return
    every = [found for one in catalog.names if (found := catalog.connector(one))]
    if as_json:
        for one in every:
            session.out.json({"name": one.name, "title": _title(one), "roles": one.roles})
        return
    rows: list[list[str | Cell]] = [
        [
            Cell(one.name, "strong"),
            *(role if role in one.roles else "" for role in _ROLE),
            _title(one),
        ]
        for one in every
    ]
    for line in table(rows, session.out.look, wrap=True):
        session.out.line(line)
    if session.out.look.terminal and every:
        session.out.line(f"options and examples:  {session.out.look.paint('engine connectors NAME', 'strong')}")


def _known(catalog: Catalog, name: str) -> ConnectorSchema:
    found = catalog.connector(name)
    if found is None:
        raise click.UsageError(unknown("connector", name, catalog.names, "engine connectors"))
    return found


def _title(found: ConnectorSchema) -> str:
    return str(found.document.get("description") or found.document.get("title") or "")


def _describe(session: Session, found: ConnectorSchema) -> None:
    from engine.definition.shape import Shape

    screen, look = session.out, session.out.look
    screen.line(f"{look.paint(found.name, 'strong')}  {_title(found)}")
    others = [kind for kind in found.kinds if kind != found.name]
    if others:
        screen.line(f"  works over connections of kind {', '.join(others)}")
    for role in found.roles:
        document = found.role(role).document
        shape = Shape.of(document["allOf"][0], document)
        screen.line()
        screen.line(look.paint(_ROLE[role], "strong"))
        for line in table(_options(shape), look, ("option", "type", "default", ""), indent="  ", wrap=True):
            screen.line(line)
        for example in shape.first("examples") or ():
            screen.line()
            for line in lines(_placed(found.name, role, example)):
                screen.line(f"    {line}")


def _placed(name: str, role: str, example: Any) -> Any:
    """Put an example where it stands in a file."""
    if role == "connection":
        return {"connections": {f"my-{name}": {name: example}}}
    return {"steps": [{"call": {name: example}}]} if role == "call" else {role: {name: example}}


def _options(shape: Shape, prefix: str = "", depth: int = 0) -> list[list[str | Cell]]:
    required = set(shape.parts[0].get("required", ()))
    rows: list[list[str | Cell]] = []
    for key in shape.known():
        child = shape.child(key)
        default = child.first("default") if child else None
        needed = key in required
        rows.append(
            [
                f"{prefix}{key}",
                type_text(child),
                Cell("required", "warning") if needed and not prefix else flow(default) if default is not None else "",
                about(child),
            ]
        )
        if child is not None and child.known() and depth < 2:
            rows += _options(child, f"{prefix}{key}.", depth + 1)
    return rows


def type_text(child: Shape | None) -> str:
    """Say in a word or two what may stand there."""
    if child is None:
        return "any"
    enum = child.first("enum")
    if enum:
        return " | ".join(dict.fromkeys("null" if one is None else str(one) for one in enum))
    kind = child.unit or child.value
    if kind:
        return f"{kind}, secret" if child.secret else kind
    return _plain_type(child) + (", secret" if child.secret else "")


def _plain_type(child: Shape) -> str:
    types = child.types
    if not types:
        return "any"
    said = sorted(types - {"null"})
    if said == ["array"]:
        item = child.child(0)
        return f"list of {type_text(item)}" if item is not None else "list"
    return " or ".join({"array": "list", "object": "map", "string": "text"}.get(one, one) for one in said) or "null"


def about(child: Shape | None) -> str:
    """Say what a key is: its title, its description."""
    if child is None:
        return ""
    title, description = child.parts[0].get("title"), child.parts[0].get("description")
    said = [str(text).rstrip(".") for text in (title, description) if text]
    return ". ".join(said)
