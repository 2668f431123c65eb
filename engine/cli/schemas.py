"""``engine schema``: the JSON Schemas that editors and other programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session, unknown

if TYPE_CHECKING:
    from engine.definition.schema import Catalog

PLACE: Final = "schemas/project.json"
"""Where a project keeps its schema, for the first line of its files."""
MODELINE: Final = "# yaml-language-server: $schema={path}\n"


@click.command("schema", cls=Command)
@click.argument("name", required=False, default="project")
@pass_session
def schema(session: Session, name: str) -> None:
    """Print a JSON Schema (draft-07): project, pipeline, connections, settings, tests, or a connector's options.

    project, when no NAME is given, knows every kind of file. An editor finds it by the first line of a file:
    # yaml-language-server: $schema=../schemas/project.json
    """
    session.out.stream.write(text(_schema(name)))


def project_schema() -> str:
    """Write the schema of every kind of file, with the connectors that are installed here."""
    from engine.definition.schema import Catalog

    catalog = Catalog()
    return text(catalog.full(*catalog.kinds))


def text(schema: Mapping[str, Any]) -> str:
    """Write a schema with one line for each definition: short, and a change is a line."""
    parts = [f'  "definitions": {{\n{_lines(schema.get("definitions", {}), "    ")}\n  }}']
    rest = {key: value for key, value in schema.items() if key != "definitions"}
    return f"{{\n{_lines(rest, '  ')},\n{parts[0]}\n}}\n"


def _lines(values: Mapping[str, Any], indent: str) -> str:
    written = (f"{indent}{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return ",\n".join(written)


def _schema(name: str) -> Any:
    from engine.definition.schema import Catalog

    catalog = Catalog()
    if name == "project":
        return catalog.full(*catalog.kinds)
    if name in catalog.kinds:
        return catalog.full(name)
    return _connector(catalog, name)


def _connector(catalog: Catalog, name: str) -> Any:
    files = ("project", *catalog.kinds)
    found = catalog.connector(name)
    if found is None:
        known: Sequence[str] = [*files, *catalog.names]
        raise click.UsageError(unknown("schema", name, known, f"{', '.join(files)}, or a connector's name"))
    # one role's document holds all definitions of the file, with what they refer to
    return {**found.document, "definitions": found.role(found.roles[0]).document["definitions"]}
