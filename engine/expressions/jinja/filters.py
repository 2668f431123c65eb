"""The filters templates may use: the function library, JMESPath's own functions, and a few of Jinja's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from engine.errors import RecordError
from engine.expressions import convert
from engine.expressions.jinja import limits
from engine.expressions.jinja.data import defined, tojson
from engine.expressions.jinja.lists import CONTEXTUAL, LISTS
from engine.expressions.library import library
from engine.expressions.library.base import kind_of
from engine.expressions.values import Settings

Filter = Callable[..., Any]

SIZED = frozenset({str, list, dict})
SHORT = 256
"""Texts up to this length cost nothing beyond what the loop around them is charged."""


def _guarded(call: Filter) -> Filter:
    def run(*arguments: Any, **named: Any) -> Any:
        for given in arguments:
            if given.__class__ in SIZED:
                if len(given) > SHORT:
                    limits.weigh(given)
            elif given is not None:
                defined(given)
        made = call(*arguments, **named)
        if made.__class__ in SIZED and len(made) > SHORT:
            limits.weigh(made)
        return made

    return run


def default(value: Any, other: Any = "", falsy: bool = False) -> Any:
    """Stand in for what is missing or null; with true also for what is empty or false."""
    if value is None or isinstance(value, Undefined) or (falsy and not value):
        return other
    return value


def _number_filter(name: str, read: Callable[[Any], Any]) -> Filter:
    def run(value: Any, *other: Any) -> Any:
        try:
            return read(value)
        except RecordError:
            if other:
                return other[0]
            raise

    run.__name__ = name
    return run


def _absolute(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise RecordError("type", f"abs needs a number, got {kind_of(value)}")
    return abs(value)


def _urlencode(value: Any) -> str:
    return quote(convert.to_text(value), safe="")


PLAIN: dict[str, Filter] = {
    **LISTS,
    "tojson": tojson,
    "abs": _absolute,
    "int": _number_filter("int", convert.to_integer),
    "float": _number_filter("float", lambda value: float(convert.to_number(value))),
    "number": _number_filter("number", convert.to_number),
    "decimal": _number_filter("decimal", convert.to_decimal),
    "string": convert.to_text,
    "urlencode": _urlencode,
}
UNGUARDED: dict[str, Filter] = {"default": default, "d": default}


def filter_names() -> set[str]:
    """Return every filter's name."""
    return {*PLAIN, *CONTEXTUAL, *UNGUARDED, *library()}


def filters_for(settings: Settings) -> dict[str, Filter]:
    """Return every filter, bound to the settings."""
    made = {name: _guarded(call) for name, call in PLAIN.items()}
    for name, function in library().items():
        made[name] = (
            _timed(function.call)
            if function.needs == "now"
            else _guarded(_bound(function.call, function.needs, settings))
        )
    return {**made, **CONTEXTUAL, **UNGUARDED}


def _bound(call: Filter, needs: str, settings: Settings) -> Filter:
    return (lambda *arguments: call(settings, *arguments)) if needs else call


def _timed(call: Filter) -> Filter:
    @pass_context
    def run(context: Context, *arguments: Any) -> Any:
        return call(context.parent["_now"], *map(defined, arguments))

    return run
