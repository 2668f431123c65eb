"""What hands write into JMESPath that know another language: its remedy, in the words of this one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from engine.errors import Path
from engine.expressions.remedy import written
from engine.expressions.values import Issue

_QUOTED = r"'[^']*'|\"[^\"]*\""
_IN = re.compile(rf"([A-Za-z_][\w.]*)\s+(not\s+)?in\s*[(\[]\s*((?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*)\s*[)\]]", re.I)
_CHOICE = re.compile(r"([^?]+?)\s*\?\s*([^?:]+?)\s*:\s*([^?:]+?)")
_IF = re.compile(r"(.+?)\s+if\s+(.+?)\s+else\s+(.+?)")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*(?![\w.(])")
_KEPT = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "null", "record"})
_TEXT = re.compile(_QUOTED + r"|`[^`]*`")


def one_of(text: str, bare: str, path: Path) -> Issue | None:
    """``status in ('A', 'B')``: JMESPath asks a list whether it contains the field."""
    found = _IN.search(text)
    if not found or bare[found.start(1)] == "·":
        return None
    values = ", ".join(f"'{value[1:-1]}'" for value in re.findall(_QUOTED, found[3]))
    call = f"{'!' if found[2] else ''}contains([{values}], {found[1]})"
    fixed = f"{text[: found.start()]}{call}{text[found.end() :]}"
    fact = f"JMESPath has no 'in' in {text!r}"
    return Issue("expression", fact, f"write {fixed}", path, found.start(), fix=written(fixed))


def choice(text: str, bare: str, path: Path) -> Issue | None:
    """``a ? b : c`` and ``b if a else c`` are for a template."""
    if "[?" in bare:
        return None
    if found := _CHOICE.fullmatch(bare.strip()):
        sign, (condition, yes, no) = "?", (_of(text.strip(), found, at) for at in (1, 2, 3))
    elif found := _IF.fullmatch(bare.strip()):
        sign, (yes, condition, no) = "if", (_of(text.strip(), found, at) for at in (1, 2, 3))
    else:
        return None
    body = " ".join(("{{", _templated(yes), "if", _templated(condition), "else", _templated(no), "}}"))
    fact = f"JMESPath has no '{sign}' in {text!r}"
    at = text.index(sign) if sign == "?" else text.index(" if ") + 1
    sure = not set("([") & set(bare)  # calls and lists are written in another way there
    return Issue("expression", fact, f"use a template: {written(body)}", path, at, fix=written(body) if sure else "")


def _of(text: str, found: re.Match[str], at: int) -> str:
    return text[found.start(at) : found.end(at)]


def _templated(text: str) -> str:
    """Write a plain part of JMESPath as a template has it: names of the record, numbers without backticks."""
    kept: list[str] = []
    end = 0
    for quoted in _TEXT.finditer(text):
        kept += [_named(text[end : quoted.start()]), quoted[0].strip("`") if quoted[0][0] == "`" else quoted[0]]
        end = quoted.end()
    return "".join([*kept, _named(text[end:])])


def _named(text: str) -> str:
    plain = re.sub(r"!(?!=)\s*", "not ", text.replace("&&", "and").replace("||", "or"))
    return _NAME.sub(
        lambda found: found[0] if found[0].partition(".")[0].lower() in _KEPT else f"record.{found[0]}", plain
    )


_ARGUMENT = re.compile(r"[(,]\s*(-?\d+(?:\.\d+)?)\s*(?=[,)])")


def bare_number(text: str, bare: str, path: Path) -> Issue | None:
    """A number among the arguments of a call needs backticks, as everywhere."""
    found = _ARGUMENT.search(bare)
    if not found:
        return None
    fixed = text
    for one in reversed([*re.finditer(r"(?<=[(,\s])-?\d+(?:\.\d+)?(?=\s*[,)])", bare)]):
        fixed = f"{fixed[: one.start()]}`{one[0]}`{fixed[one.end() :]}"
    fact = f"a number needs backticks in {text!r}"
    return Issue("expression", fact, f"write {fixed}", path, found.start(1), fix=written(fixed))


_METHOD = re.compile(r"([A-Za-z_][\w.]*)\.([A-Za-z_]\w*)\(\s*([^()]*?)\s*\)")
_METHODS = {
    "toUpperCase": "upper",
    "toLowerCase": "lower",
    "startsWith": "starts_with",
    "endsWith": "ends_with",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "includes": "contains",
    "strip": "trim",
    "toString": "to_string",
}


def method(text: str, tree: dict[str, Any], known: Callable[[], list[str]], path: Path) -> Issue | None:
    """``customer.upper()``: here functions stand in front, and take the value."""
    found = _METHOD.fullmatch(text.strip())
    if not found or tree["type"] != "subexpression" or tree["children"][1]["type"] != "function_expression":
        return None
    name = _METHODS.get(found[2], found[2])
    if name not in known():
        return None
    fixed = f"{name}({', '.join(part for part in (found[1], found[3]) if part)})"
    fact = f"'{found[2]}' is called like a method in {text!r}"
    return Issue("expression", fact, f"write {fixed}", path, text.index(f".{found[2]}(") + 1, fix=written(fixed))


_FILTERS = frozenset({"upper", "lower", "trim", "to_string", "to_number", "round", "abs", "ceil", "floor"})
"""Functions that are hardly ever the name of a field."""


def piped(text: str, tree: dict[str, Any], path: Path) -> Issue | None:
    """``customer | upper``: a pipe with a function's name behind it is how templates write a call."""
    found = re.fullmatch(r"\s*([A-Za-z_][\w.]*)\s*\|\s*([A-Za-z_]\w*)\s*", text)
    if not found or tree["type"] != "pipe" or found[2] not in _FILTERS:
        return None
    fixed = f"{found[2]}({found[1]})"
    fact = f"after '|' the field '{found[2]}' is read in {text!r}; a function behind '|' is for templates"
    return Issue("expression", fact, f"write {fixed}", path, text.index("|"), fix=written(fixed))
