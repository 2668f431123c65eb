"""What functions take and give, in both languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.expressions.library import library
from engine.expressions.types import kinds, naming
from engine.expressions.types.acts import NUMERIC, never, solid, union, unions
from engine.expressions.types.model import ANY, BOOLEAN, INTEGER, NUMBER, TEXT, Field, Type, listed, made_of
from engine.expressions.types.report import Told
from engine.expressions.types.words import describe

CONVERT = "make both the same kind, with to_number() or to_string()"
_TEXTS = listed(TEXT)
_ROW = Type(frozenset({"object"}), further="yes")

GIVES: Mapping[str, Type] = {
    "str": TEXT,
    "bool": BOOLEAN,
    "int": INTEGER,
    "Decimal": NUMBER,
    "int | float": NUMBER,
    "int | float | Decimal": NUMBER,
    "str | None": TEXT.or_null(),
    "list[str]": _TEXTS,
    "dict[str, str] | None": _ROW.or_null(),
}
"""What the functions of the library give, by how their code says it."""


def said(name: str, given: Type) -> str:
    """Say what something is: ``amount is a number``."""
    return f"{name or 'one side'} is {describe(given.without_null())}"


def argument(told: Told, name: str, given: Type, wanted: str, what: str = "") -> bool:
    """Judge an argument; tell whether it is right, or may be."""
    needs = kinds.refused(given, wanted)
    if needs:
        subject = said(what, given) if what else f"this is {describe(given.without_null())}"
        told.mismatch(f"{name}() needs {needs}, and {subject}", _remedy(given, wanted, what), name)
    return not needs


def _remedy(given: Type, wanted: str, what: str) -> str:
    if solid(given) <= NUMERIC | {"boolean"} and "text" in kinds.ARGUMENTS[wanted][0]:
        return f"write to_string({what or '…'})"
    if solid(given) == {"text"} and kinds.ARGUMENTS[wanted][0] == NUMERIC:
        return f"write to_number({what or '…'})"
    return ""


def elements(told: Told, name: str, given: Type, wanted: str, what: str = "") -> None:
    """Judge the elements of a list."""
    needs = kinds.refused_items(given, wanted)
    if needs and given.items is not None:
        told.mismatch(
            f"{name}() needs a list in which each is {needs}, and {what or 'this'} is {describe(given.without_null())}",
            "",
            name,
        )


def quoted(told: Told, value: Any, against: Type, marks: tuple[str, str]) -> tuple[str, str]:
    """Return the remedy, and the text with it, where a literal is of the wrong kind and could be written right."""
    if isinstance(value, str):
        if solid(against) <= NUMERIC and _is_number(value):
            begin, end = marks
            return f"write {begin}{value}{end}", told.replaced(f"'{value}'", f"{begin}{value}{end}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and solid(against) == {"text"}:
        plain = f"{marks[0]}{value}{marks[1]}"
        return f"write '{value}'", told.replaced(plain, f"'{value}'") if marks[0] else ""
    return "", ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text and text.isascii() and text[:1] not in "+." and "_" not in text and text[-1:].isdigit()


def strange(told: Told, what: str, wrong: object, choices: tuple[object, ...]) -> None:
    """Say that a value is none of those that can come."""
    names = [choice for choice in choices if isinstance(choice, str)]
    near, clear = naming.nearest(wrong, names) if isinstance(wrong, str) else ("", False)
    hint = f"did you mean '{near}'?" if near else f"there are {naming.listing(map(str, choices))}"
    fix = told.replaced(f"'{wrong}'", f"'{near}'") if near and clear else ""
    told.mismatch(f"{what or 'this'} is never {wrong!r}", hint, f"'{wrong}'", fix, warning=True)


def result(name: str, arguments: list[Type], told: Told, words: list[str]) -> Type:
    """Return what a function gives, and judge its arguments."""
    stock = STOCK.get(name)
    if stock is None:
        return of_library(name, arguments, told, words)
    wanted, inner, gives = stock
    right = True
    for position, given in enumerate(arguments):
        if wanted:
            what = words[position] if position < len(words) else ""
            right = argument(told, name, given, wanted[min(position, len(wanted) - 1)], what) and right
            if inner and position == len(wanted) - 1:
                elements(told, name, given, inner, what)
    if name == "contains" and len(arguments) == 2 and solid(arguments[0]) == {"text"}:
        argument(told, name, arguments[1], "text", words[1])
    return gives(arguments) if right and arguments else ANY


def of_library(name: str, arguments: list[Type], told: Told, words: list[str]) -> Type:
    """Return what a function of the library gives, and judge its arguments."""
    function = library().get(name)
    if function is None:
        return ANY
    for position, given in enumerate(arguments):
        wanted = function.kinds[min(position, len(function.kinds) - 1)] if function.kinds else "any"
        if wanted != "any":
            argument(told, name, given, wanted, words[position] if position < len(words) else "")
        elif name == "concat" and never(given, NUMERIC | {"text", "boolean"}):
            told.mismatch(f"concat() joins texts and numbers, and this is {describe(given.without_null())}", "", name)
    return GIVES.get(function.gives, ANY)


def _element(arguments: list[Type]) -> Type:
    """Return what may come out of a list, null where it is empty."""
    items = arguments[0].items
    return ANY if items is None else items.or_null()


def _number(arguments: list[Type]) -> Type:
    kept = arguments[0].kinds & NUMERIC
    return Type(kept) if kept else NUMBER


def _same(arguments: list[Type]) -> Type:
    first = arguments[0]
    return ANY if first.any else Type(solid(first) & {"text", "list"} or first.kinds, items=first.items)


def _list_of(arguments: list[Type]) -> Type:
    return listed(arguments[0].items)


def _array(arguments: list[Type]) -> Type:
    first = arguments[0]
    if first.any:
        return listed()
    return listed(first.items) if first.kinds == {"list"} else listed() if "list" in first.kinds else listed(first)


def _merged(arguments: list[Type]) -> Type:
    fields: dict[str, Field] = {}
    for given in arguments:
        if given.further != "no" or solid(given) != {"object"}:
            return _ROW
        for name, field in given.fields.items():
            before = fields.get(name)
            if before is not None and not field.always:
                field = Field(union(before.type, field.type), before.always)
            fields[name] = field
    return made_of(fields)


def _first_there(arguments: list[Type]) -> Type:
    there = [given.without_null() for given in arguments if solid(given)]
    made = unions(there)
    return made if any(not given.nullable for given in arguments) else made.or_null()


def _string(arguments: list[Type]) -> Type:
    return TEXT.or_null() if arguments[0].nullable and not arguments[0].any else TEXT


def _values(arguments: list[Type]) -> Type:
    first = arguments[0]
    closed = first.further == "no" and bool(first.fields)
    return listed(unions(field.type for field in first.fields.values()) if closed else None)


Gives = Callable[[list[Type]], Type]


def _fixed(made: Type) -> Gives:
    return lambda arguments: made


STOCK: Mapping[str, tuple[tuple[str, ...], str, Gives]] = {
    "abs": (("number",), "", _number),
    "avg": (("list",), "number", _fixed(NUMBER.or_null())),
    "ceil": (("number",), "", _fixed(INTEGER)),
    "contains": (("text or list", "any"), "", _fixed(BOOLEAN)),
    "ends_with": (("text",), "", _fixed(BOOLEAN)),
    "floor": (("number",), "", _fixed(INTEGER)),
    "join": (("text", "list"), "text", _fixed(TEXT)),
    "keys": (("object",), "", _fixed(_TEXTS)),
    "length": (("sized",), "", _fixed(INTEGER)),
    "max": (("list",), "text or number", _element),
    "merge": (("object", "any"), "", _merged),
    "min": (("list",), "text or number", _element),
    "not_null": ((), "", _first_there),
    "reverse": (("text or list",), "", _same),
    "sort": (("list",), "text or number", _list_of),
    "starts_with": (("text",), "", _fixed(BOOLEAN)),
    "sum": (("list",), "number", _fixed(NUMBER)),
    "to_array": ((), "", _array),
    "to_number": ((), "", _fixed(NUMBER.or_null())),
    "to_string": ((), "", _string),
    "type": ((), "", _fixed(TEXT)),
    "values": (("object",), "", _values),
}
"""JMESPath's own: the kinds of the arguments (the last one repeats), of the last one's elements, and the result."""
