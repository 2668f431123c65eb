"""Remote systems as plans: the connection a pipeline names, and the part of a connector that works over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from engine.compiler.options import compile_options
from engine.compiler.registry import connector
from engine.connector import Connector, Context
from engine.definition.model import ConnectionDefinition, Project, Use
from engine.errors import Unavailable
from engine.expressions import Settings
from engine.pipeline import Remote
from engine.policy import CircuitBreaker


def compile_remote(project: Project, connection: ConnectionDefinition) -> Remote:
    """Make a connection's plan; its connector is loaded when it is built."""
    settings = Settings(timezone=ZoneInfo("UTC"), root=project.root)
    use = connection.use

    def build(context: Context) -> Any:
        make = connector(use.connector).connection
        if make is None:
            raise Unavailable(f"the connector '{use.connector}' has no connections")
        return make(context, **compile_options(use, settings))

    return Remote(connection.name, build, connection.circuit_breaker, connection.rate_limit, connection.origin.revision)


def remote_of(project: Project, use: Use, name: str, breaker: CircuitBreaker | None) -> Remote | None:
    """Plan the connection that *use* names; without one, a breaker of its own stands under *name*."""
    if use.connection:
        return compile_remote(project, project.connections[use.connection])
    return Remote(name, None, breaker) if breaker else None


def part(kind: Connector, role: str) -> Callable[..., Any]:
    """Return what plays *role*. Raises Unavailable where the connector does not."""
    made: Callable[..., Any] | None = getattr(kind, role)
    if made is None:
        raise Unavailable(f"the connector '{kind.name}' cannot be a {role}")
    return made
