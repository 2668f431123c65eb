"""``engine.yaml``: its values, the environment's over them, defaults under them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from engine.definition.explain import Finding
from engine.definition.rules import unknown_timezone
from engine.definition.schema import Catalog
from engine.definition.shape import Notes, Shape, convert
from engine.definition.variables import typed
from engine.errors import Path


def overlay(value: Any, catalog: Catalog, environ: Mapping[str, str]) -> tuple[Any, dict[Path, str]]:
    """Return *value* with every ``ENGINE_…`` of the environment in it, and the variable each path came from."""
    from_environment: dict[Path, str] = {}
    if not any(name.startswith("ENGINE_") for name in environ) or not isinstance(value, dict):
        return value, from_environment
    shape = catalog.kind("settings").shape
    for name, path, leaf in _variables(shape, "ENGINE", (), environ):
        _put(value, path, typed(environ[name], False, leaf))
        from_environment[path] = name
    return value, from_environment


def _variables(
    shape: Shape, prefix: str, path: Path, environ: Mapping[str, str]
) -> list[tuple[str, Path, Shape | None]]:
    found: list[tuple[str, Path, Shape | None]] = []
    for key in shape.known():
        name, child = f"{prefix}_{key.upper()}", shape.child(key)
        if name == "ENGINE_ENGINE":
            continue
        if child is not None and child.known():
            found += _variables(child, name, (*path, key), environ)
        elif child is not None and child.types == frozenset({"object"}):
            if name in environ:
                found.append((name, (*path, key), child))
            below = [other for other in environ if other.startswith(f"{name}_") and len(other) > len(name) + 1]
            found += [(other, (*path, key, other[len(name) + 1 :].lower()), None) for other in sorted(below)]
        elif name in environ:
            found.append((name, (*path, key), child))
    return found


def _put(value: dict[str, Any], path: Path, item: Any) -> None:
    for key in path[:-1]:
        below = value.get(cast(str, key))
        if below is None:
            below = value[cast(str, key)] = {}
        if not isinstance(below, dict):
            return
        value = below
    value[cast(str, path[-1])] = item


def rules(value: Any) -> Iterator[Finding]:
    """Return what the schema cannot say about settings, whatever else is wrong with them."""
    if not isinstance(value, Mapping):
        return
    if isinstance(value.get("defaults"), Mapping):
        for finding in unknown_timezone(value["defaults"]):
            yield finding._replace(path=("defaults", *finding.path))
    admin, listen = (value[key] if isinstance(value.get(key), Mapping) else {} for key in ("admin", "listen"))
    address = admin.get("address", "127.0.0.1")
    if isinstance(address, str) and address and not _is_loopback(address):
        fact = f"'{address}' can be reached from other machines, and nobody would be asked who they are"
        hint = "write 127.0.0.1, and let a proxy in front of it ask; auth is not built yet"
        yield Finding(("admin", "address"), False, "open-admin", fact, hint)
    if _same_door(listen, admin):
        key = "admin" if "port" in admin else "listen"
        fact = "webhooks and admin cannot both have this port"
        yield Finding((key, "port"), False, "bad-value", fact, "give each its own; 0 takes a free one")


def _same_door(listen: Mapping[str, Any], admin: Mapping[str, Any]) -> bool:
    port = listen.get("port", 8080)
    addresses = {one.get("address", "127.0.0.1") for one in (listen, admin)}
    same_address = len(addresses) == 1 or bool(addresses & {"0.0.0.0", "::"})
    return bool(port == admin.get("port", 8081) and port != 0 and same_address)


def _is_loopback(address: str) -> bool:
    if address in ("127.0.0.1", "::1"):
        return True
    from ipaddress import ip_address

    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.casefold() == "localhost"


def finished(value: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return valid settings with units converted and defaults filled in."""
    shape = catalog.kind("settings").shape
    whole = cast("dict[str, Any]", _filled(dict(value), shape))
    return cast("dict[str, Any]", convert(whole, shape, Notes()))


def _filled(value: Any, shape: Shape) -> Any:
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for key in shape.known():
        child = shape.child(key)
        if child is None or key == "defaults":
            filled.setdefault(key, {}) if key == "defaults" else None
        elif key in filled:
            filled[key] = _filled(filled[key], child)
        elif (default := child.first("default")) is not None:
            filled[key] = default
        elif child.known() and not (key == "sqlite" and "memory" in filled):
            filled[key] = _filled({}, child)
    return filled
