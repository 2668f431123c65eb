"""What a library function is: a name, the kinds of its arguments, and what it needs of its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from engine.errors import RecordError
from engine.expressions.library.allowance import making

MAX_TEXT = 1 << 20
"""Characters a function may make."""

NUMBERS = frozenset({int, float, Decimal})
Needs = Literal["", "now", "settings"]

_KINDS: dict[str, tuple[frozenset[type], str]] = {
    "text": (frozenset({str}), "text"),
    "number": (NUMBERS, "a number"),
    "integer": (frozenset({int}), "a whole number"),
    "list": (frozenset({list}), "a list"),
    "boolean": (frozenset({bool}), "true or false"),
    "text or number": (NUMBERS | {str}, "text or a number"),
    "text or list": (frozenset({str, list}), "text or a list"),
    "scalar": (NUMBERS | {str, bool}, "text, a number or a boolean"),
}


@dataclass(frozen=True, slots=True)
class Function:
    """A function: ``call`` checks its arguments; what it *needs* comes before them."""

    name: str
    call: Callable[..., Any]
    least: int
    most: int | None
    needs: Needs = ""
    summary: str = ""
    kinds: tuple[str, ...] = ()
    """Of the arguments; the last one's for all that follow it."""
    gives: str = ""
    """What its code says it returns."""

    @property
    def changes(self) -> bool:
        """Its value differs from one moment to the next."""
        return self.needs == "now"


TABLE: dict[str, Function] = {}


def kind_of(value: Any) -> str:
    """Name the kind of a value for people."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else type(value).__name__


def shown(value: Any) -> str:
    """Write a value into a message: short, quoted where it is text."""
    text = f"'{value}'" if isinstance(value, str) else _plain(value)
    return text if len(text) <= 60 else text[:57] + "…" + ("'" if isinstance(value, str) else "")


def _plain(value: Any) -> str:
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if isinstance(value, (int, float, Decimal)) else kind_of(value)


def too_large(what: str) -> RecordError:
    """Make the error for a result beyond the limits."""
    return RecordError("too-large", f"{what} makes more than {MAX_TEXT >> 20} MiB of text")


def function(
    *kinds: str, optional: int = 0, many: bool = False, needs: Needs = "", name: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function with arguments of *kinds*; the last *optional* may be left out, *many* repeats the last."""

    def register(plain: Callable[..., Any]) -> Callable[..., Any]:
        own = name or plain.__name__.rstrip("_")
        call = _checked(own, plain, kinds, needs)
        most = None if many else len(kinds)
        summary, gives = (plain.__doc__ or "").strip(), str(plain.__annotations__.get("return", ""))
        TABLE[own] = Function(own, call, len(kinds) - optional, most, needs, summary, kinds, gives)
        return plain

    return register


def _checked(name: str, plain: Callable[..., Any], kinds: tuple[str, ...], needs: Needs) -> Callable[..., Any]:
    wanted = tuple(None if kind == "any" else _KINDS[kind] for kind in kinds)

    def refuse(value: Any, kind: str) -> RecordError:
        return RecordError("type", f"{name}() needs {kind}, got {kind_of(value)}")

    def check(arguments: tuple[Any, ...]) -> None:
        for position, value in enumerate(arguments):
            want = wanted[min(position, len(wanted) - 1)]
            if want is not None and value.__class__ not in want[0]:
                raise refuse(value, want[1])

    if len(kinds) == 1 and not needs and wanted[0] is not None:
        only, kind = wanted[0]

        def single(value: Any, *rest: Any) -> Any:
            if value.__class__ not in only:
                raise refuse(value, kind)
            return making(plain(value, *rest))

        return single
    if needs:

        def surrounded(given: Any, *arguments: Any) -> Any:
            check(arguments)
            return making(plain(given, *arguments))

        return surrounded

    def several(*arguments: Any) -> Any:
        check(arguments)
        return making(plain(*arguments))

    return several
