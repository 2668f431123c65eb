"""Where a document names a connector: which one it is, and whether its options fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from engine.definition.explain import MAX_FOUND, Finding, unknown_key
from engine.definition.nearest import nearest, surely
from engine.definition.retype import scalar
from engine.definition.schema import Catalog, Role
from engine.definition.shape import Shape
from engine.errors import Path, Place


@dataclass(frozen=True, slots=True)
class Known:
    """A connection by name: where it stands and of which kind it is."""

    place: Place
    kind: str | None


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a document where a connector is named."""

    path: Path
    role: Role
    value: Mapping[str, Any]


def sites(value: Any) -> Iterator[Site]:
    """Yield the places of *value* where connectors are named."""
    if not isinstance(value, Mapping):
        return
    if isinstance(value.get("source"), Mapping):
        yield Site(("source",), "source", value["source"])
    if isinstance(value.get("target"), Mapping):
        yield Site(("target",), "target", value["target"])
    targets = value.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else ()):
        if isinstance(target, Mapping):
            yield Site(("targets", index), "target", target)
    yield from _asking(value.get("steps"))
    connections = value.get("connections")
    for name, connection in (connections if isinstance(connections, Mapping) else {}).items():
        if isinstance(connection, Mapping) and not str(name).startswith("x-"):
            yield Site(("connections", name), "connection", connection)


def _asking(steps: Any) -> Iterator[Site]:
    """Yield where steps ask a remote system: the source of a ``lookup``, the operation of a ``call``."""
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, Mapping):
            continue
        lookup, call = step.get("lookup"), step.get("call")
        if isinstance(lookup, Mapping) and isinstance(lookup.get("from"), Mapping):
            yield Site(("steps", index, "lookup", "from"), "source", lookup["from"])
        if isinstance(call, Mapping):
            yield Site(("steps", index, "call"), "call", call)


def connections_of(site: Site) -> list[str]:
    """Return the connections named at *site*."""
    found = [options.get("connection") for options in site.value.values() if isinstance(options, dict)]
    return [name for name in found if isinstance(name, str)]


def connector_of(site: Site, catalog: Catalog) -> str | None:
    """Return the one connector named at *site*, None where there is none or more than one."""
    shape = catalog.kind("connections" if site.role == "connection" else "pipeline").shape.at(site.path)
    structure = shape.known() if shape else ()
    named = [key for key in site.value if key not in structure and not key.startswith("x-")]
    found = [key for key in named if (known := catalog.connector(key)) and site.role in known.roles]
    return found[0] if len(found) == 1 else None


class Checker:
    """Checks the sites of documents against the catalog and the connections of the project."""

    def __init__(
        self, catalog: Catalog, connections: Mapping[str, Known], complete: bool, partly: Set[str] = frozenset()
    ) -> None:
        self._catalog, self._connections = catalog, connections
        self._complete = complete
        """Every file could be read: a name that is not known does not exist."""
        self._partly = partly
        """Connections with ``for_each`` of which not all rows could be read."""

    def check(self, site: Site, shape: Shape | None) -> list[Finding]:
        """Return the findings about the connector named at *site*, whose own shape is *shape*."""
        if shape is None:
            return []
        structure = shape.known()
        named = [key for key in site.value if key not in structure and not key.startswith("x-")]
        schema = {
            keyword: merged
            for keyword, kind in (("x-not-yet", list), ("x-elsewhere", dict), ("x-aliases", dict))
            if (merged := _merged(shape, keyword, kind))
        } | {"properties": dict.fromkeys(structure)}
        reserved = [key for key in named if key in schema.get("x-not-yet", ()) or key in schema.get("x-elsewhere", ())]
        found = [unknown_key((*site.path, key), shape, schema, site.value) for key in reserved]
        named = [key for key in named if key not in reserved]
        connectors = [key for key in named if self._plays(key, site.role)]
        if not connectors:
            return found + self._none(site, named, schema, shape)
        others = [key for key in named if key not in connectors]
        found += [unknown_key((*site.path, key), shape, schema, site.value) for key in others]
        for key in connectors[1:]:
            fact = f"'{key}' cannot stand beside '{connectors[0]}'"
            hint = f"a {site.role} has one {'kind' if site.role == 'connection' else 'connector'}"
            if site.path == ("target",):
                hint = f"{hint}; for two write targets: as a list, each with an id"
            found.append(Finding((*site.path, key), True, "too-many", fact, hint))
        return found + self._options(site, connectors[0])

    def _plays(self, name: str, role: Role) -> bool:
        connector = self._catalog.connector(name)
        return connector is not None and role in connector.roles

    def _none(self, site: Site, named: list[str], schema: Mapping[str, Any], shape: Shape) -> list[Finding]:
        if not named:
            return [Finding(site.path, True, "missing-connector", "names no connector", self._choice(site.role))]
        found = []
        for key in named[: MAX_FOUND + 1]:
            path = (*site.path, key)
            misspelt = len(named) > 1 and (key in schema.get("x-aliases", {}) or nearest(key, shape.known()))
            found.append(
                unknown_key(path, shape, schema, site.value) if misspelt else self._unknown(path, key, site.role)
            )
        return found

    def _unknown(self, path: Path, name: str, role: Role) -> Finding:
        connector = self._catalog.connector(name)
        if connector is not None:
            can = " and ".join(f"a {other}" for other in connector.roles) or "nothing"
            what = f"connector '{name}' cannot be a {role}; it can be {can}"
            return Finding(path, True, "unknown-connector", what, self._choice(role))
        known = self._connections.get(name)
        if known is not None and role != "connection" and known.kind:
            place = f"{known.place.file}:{known.place.line}:{known.place.column}"
            fact = f"'{name}' is a connection ({place}) of connector '{known.kind}'"
            return Finding(path, True, "unknown-connector", fact, f"write {known.kind}: {{connection: {name}, …}}")
        meant = self._catalog.nearest(name, role) or _OTHER_WORDS.get(name.lower())
        hint = f"did you mean '{meant}'?" if meant else self._choice(role)
        what = "kind of connection" if role == "connection" else "connector"
        return Finding(path, True, "unknown-connector", f"there is no {what} '{name}'", hint, fix=meant or "")

    def _choice(self, role: Role) -> str:
        return f"there are: {', '.join(self._catalog.with_role(role))}"

    def _options(self, site: Site, name: str) -> list[Finding]:
        connector = self._catalog.connector(name)
        assert connector is not None
        schema, options, path = connector.role(site.role), site.value[name], (*site.path, name)
        found = [
            finding._replace(path=path + finding.path) for finding in schema.explain({} if options is None else options)
        ]
        if isinstance(options, Mapping) and site.role != "connection":
            found += self._sql(options, schema.shape, path)
            found += self._connection(options.get("connection"), name, connector.kinds, (*path, "connection"))
        return found

    def _connection(self, wanted: Any, name: str, kinds: tuple[str, ...], path: Path) -> Iterable[Finding]:
        if not isinstance(wanted, str) or not kinds:
            return
        known = self._connections.get(wanted)
        if known is None:
            if self._complete and wanted.partition("[")[0] not in self._partly:
                meant = nearest(wanted, self._connections)
                hint = f"did you mean '{meant}'?" if meant else "add it to a file in connections/"
                fact = f"there is no connection '{wanted}'"
                yield Finding(path, False, "unknown-connection", fact, hint, fix=scalar(surely(wanted, meant)))
        elif known.kind is not None and known.kind not in kinds:
            place = f"{known.place.file}:{known.place.line}:{known.place.column}"
            fact = f"connection '{wanted}' ({place}) is of kind '{known.kind}'"
            yield Finding(path, False, "wrong-connection", fact, f"{name} works over {' or '.join(kinds)}")

    def _sql(self, value: Any, shape: Shape | None, path: Path) -> Iterator[Finding]:
        """SQL takes no templates and no ``${…}``: only binds keep data from becoming SQL."""
        if shape is None:
            return
        if isinstance(value, str) and shape.sql:
            for sign in ("{{", "{%", "${"):
                if sign in value:
                    yield Finding(path, False, "template-in-sql", "SQL takes no templates", _bind_for(value, sign))
                    return
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from self._sql(item, shape.child(key), (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._sql(item, shape.child(index), (*path, index))


_OTHER_WORDS = dict.fromkeys(("sqlite", "postgres", "postgresql", "mysql", "database", "db"), "sql") | dict.fromkeys(
    ("rest", "api", "https", "url"), "http"
)


def _bind_for(text: str, sign: str) -> str:
    """Say which bind parameter to write in place of the template in *text*."""
    inner = text[text.index(sign) + len(sign) :].strip()
    root, _, rest = inner.partition(".")
    field = "".join(takewhile_name(rest))
    if root.strip().startswith("cursor"):
        return f"use the bind parameter :cursor_{field or '<field>'}, without quotes"
    if field and root in ("record", "item", "params"):
        how = f'params: {{{field}: "{{{{ {root}.{field} }}}}"}}'
        return f"write :{field}, without quotes, and {how}"
    return "write a bind parameter :name, without quotes, and params: {name: …}"


def takewhile_name(text: str) -> Iterator[str]:
    """Yield the letters of the name *text* begins with."""
    for sign in text:
        if not (sign.isalnum() or sign == "_"):
            return
        yield sign


def _merged(shape: Shape, keyword: str, kind: type) -> Any:
    merged: Any = kind()
    for part in shape.parts:
        value = part.get(keyword)
        if value:
            merged = merged + value if isinstance(merged, list) else merged | value
    return merged
