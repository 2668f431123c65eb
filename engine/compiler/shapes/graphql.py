"""GraphQL against the schema of its server: what is asked for, what comes back, and what variables take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiler.shapes.desk import Desk, unreadable
from engine.compiler.shapes.files import Unreadable
from engine.compiler.shapes.introspection import Server, read_server
from engine.compiler.shapes.operation import Operation, read_operation
from engine.definition.model import Use
from engine.definition.nearest import nearest
from engine.errors import Path
from engine.expressions import Issue
from engine.expressions.types.model import ANY, Type


def server_of(desk: Desk, use: Use, said: list[Issue]) -> Server | None:
    """Return the server's schema; None where no file has it."""
    name = use.checks.get("schema")
    if not isinstance(name, str):
        return None
    try:
        return read_server(desk.files, name)
    except Unreadable as error:
        said.append(unreadable(error, (*use.path, "schema")))
        return None


def operation_of(desk: Desk, use: Use, option: str) -> Operation | None:
    """Return the operation that an option has; None where it is not plain."""
    text = use.options.get(option)
    return desk.files.once(("operation", text), lambda: read_operation(text)) if isinstance(text, str) else None


def answer(desk: Desk, use: Use, option: str, said: list[Issue]) -> Type:
    """Return the whole answer's type, and say what the server does not have."""
    server, operation = server_of(desk, use, said), operation_of(desk, use, option)
    if server is None or operation is None:
        return ANY
    path = (*use.path, option)
    for wrong in desk.files.once(("wrong", server.file, use.options[option]), lambda: list(server.wrong(operation))):
        said.append(Issue(wrong.code, wrong.message, wrong.hint, path, wrong.offset))
    return desk.files.once(("answer", server.file, use.options[option]), lambda: server.answer(operation))


def variables(desk: Desk, use: Use, option: str, said: list[Issue]) -> Iterator[tuple[str, Type]]:
    """Yield what each variable that is given takes; say which are missing, and which nobody declared."""
    server, operation = server_of(desk, use, []), operation_of(desk, use, option)
    if operation is None:
        return
    given = use.options.get("variables") or {}
    if not isinstance(given, Mapping):
        return
    said += _undeclared(use, option, operation, given)
    for name, variable in operation.variables.items():
        if name in given and server is not None:
            yield name, server.takes(variable.type)


def _undeclared(use: Use, option: str, operation: Operation, given: Mapping[str, Any]) -> Iterator[Issue]:
    path: Path = (*use.path, "variables")
    paged = _paged(use.options.get("paginate"))
    missing = [
        name
        for name, variable in operation.variables.items()
        if name not in given and name not in paged and variable.type.needed and not variable.filled
    ]
    unknown = [name for name in given if name not in operation.variables]
    for name in unknown:
        meant = nearest(name, operation.variables) or (missing[0] if len(missing) == 1 else None)
        hint = f"did you mean '{meant}'?" if meant else f"declare ${name} in {option}, or remove it"
        fact = f"the {option} declares no variable ${name}"
        yield Issue("unknown-field", fact, hint, (*path, name, "$key"), fix=meant or "")
    for name in missing if not unknown else ():
        where = path if "variables" in use.options else (*use.path, option)
        yield Issue("missing-required", f"the variable ${name} is not given", f"write variables: {{{name}: …}}", where)


def _paged(value: Any) -> set[str]:
    """Return the variables that paging fills in."""
    found: set[str] = set()
    for one in value.values() if isinstance(value, Mapping) else ():
        if isinstance(one, Mapping):
            found |= {str(one[key]) for key in ("variable", "size_param") if key in one}
    return found
