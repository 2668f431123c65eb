"""What a look at a whole project shares: its files, read once, and the marks in the schemas of connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.compiler.shapes.files import Files, Unreadable
from engine.definition.loader import catalog
from engine.definition.model import ConnectionDefinition, Project, Use
from engine.definition.schema import Role
from engine.errors import Path, Problem, dotted
from engine.expressions import Issue

if TYPE_CHECKING:
    from engine.compiler.shapes.tables import Database

RECORDS, TAKES, OVER = "x-records", "x-takes", "x-over"
"""Marks in a connector's schema: what tells the shape of its records, what tells what it takes, what JMESPath sees."""


class Desk:
    """Of one look at a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.files = Files(project.root, tuple(project.root / name for name in project.settings.get("files") or ()))
        self._marked: dict[tuple[str, str, str], Mapping[str, str]] = {}

    def marked(self, use: Use, role: Role, mark: str) -> Mapping[str, str]:
        """Return the options that bear *mark*, with what it says."""
        key = (use.connector, role, mark)
        if key not in self._marked:
            known = catalog().connector(use.connector)
            options = known.document["definitions"].get(role, {}).get("properties", {}) if known else {}
            self._marked[key] = {name: one[mark] for name, one in options.items() if isinstance(one.get(mark), str)}
        return self._marked[key]

    def over(self, use: Use, role: Role, path: Path) -> str:
        """Return what the expression at *path* sees: ``record``, or nothing where that is not said."""
        known = catalog().connector(use.connector)
        shape = known.role(role).shape.at(path) if known else None
        return str(shape.first(OVER) or "") if shape else ""

    def connection(self, use: Use) -> ConnectionDefinition | None:
        """Return the connection that is used; None where there is none, or it has mistakes of its own."""
        return self.project.connections.get(use.connection or "")

    def database(self, use: Use) -> Database | None:
        """Return the tables of the database that is used, where a file names them."""
        one = self.connection(use)
        name = one.use.checks.get("tables") if one else None
        if not isinstance(name, str):
            return None
        from engine.compiler.shapes.tables import read_database

        try:
            return read_database(self.files, name)
        except Unreadable:
            return None  # said at the connection

    def dialect(self, use: Use) -> str:
        """Return ``sqlite``, ``postgresql`` …; empty where the connection does not tell."""
        one = self.connection(use)
        url = one.use.options.get("url") if one else None
        return url.partition(":")[0].partition("+")[0].lower() if isinstance(url, str) and ":" in url else ""

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the files that connections name; instances of one template say it once."""
        seen: set[tuple[str, Path, Any]] = set()
        for one in self.project.connections.values():
            name, path = one.use.checks.get("tables"), (*one.use.path, "tables")
            if not isinstance(name, str) or (one.origin.file, path, name) in seen:
                continue
            seen.add((one.origin.file, path, name))
            from engine.compiler.shapes.tables import read_database

            try:
                read_database(self.files, name)
            except Unreadable as error:
                place = one.origin.place(path)
                told = Problem(*place, "file", "error", dotted(path), error.fact, error.hint)
                yield one.origin.told(told)


def at(value: Any, path: Path) -> Any:
    """Return what stands at *path*; None where nothing does."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def unreadable(error: Unreadable, path: Path) -> Issue:
    """Say that a file does not say what it is to say."""
    return Issue("file", error.fact, error.hint, path)
