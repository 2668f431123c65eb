"""Finds connectors by name, and loads one only when a pipeline that names it is to run."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import entry_points

from engine.connector import Connector
from engine.errors import Unavailable

GROUP = "engine.connectors"


def connector(name: str) -> Connector:
    """Load the connector *name*: the engine's own, or one an installed distribution offers.

    Raises Unavailable when there is none, or when a package it needs is not installed.
    """
    try:
        return _own(name) or _foreign(name)
    except ImportError as error:
        missing = error.name or str(error)
        raise Unavailable(f"the connector '{name}' needs the package '{missing}', which is not installed") from error


def _own(name: str) -> Connector | None:
    module = f"connectors.{name}"
    if not name.isidentifier() or name.startswith("_") or importlib.util.find_spec(module) is None:
        return None
    found: Connector = importlib.import_module(module).CONNECTOR
    return found


def _foreign(name: str) -> Connector:
    for entry in entry_points(group=GROUP, name=name):
        found = entry.load()
        if isinstance(found, Connector):
            return found
        raise Unavailable(f"the connector '{name}' of {entry.value} is not an engine.connector.Connector")
    raise Unavailable(f"there is no connector '{name}'; `engine connectors` lists those there are")
