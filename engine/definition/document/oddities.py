"""What the eye passes over and YAML does not: look-alike spaces, leftovers of a merge, brackets that do not pair, texts
that begin on the wrong line. Each rule says the cause, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from engine.definition.document.fault import IN_QUOTES, VALUE, Fault, Spot, indent, quoted, said
from engine.definition.document.unseen import CURLED, HIDDEN, LOOKALIKES
from engine.errors import Path

_ODD_SPACE = re.compile(rf"^(?:[ \t]|- )*(?P<lead>[{LOOKALIKES}])|^[ ]*(?:- +)*[\w$-]+:?(?P<after>[{LOOKALIKES}])")
_ODD_KEY = re.compile(rf"^[{LOOKALIKES}]|[{LOOKALIKES}]$|{HIDDEN}")
_NOTED = re.compile(r"[ \t]+(#[^\s#][^\n]*)")
_VALUES = frozenset({"mapping", "map", "set", "labels", "$const", "$default"})
_MERGE = re.compile(r"(?:<{7}|>{7})(?:\s|$)|={7}$")
_ASSIGNED = re.compile(r"\s*(?:- +)*([A-Za-z_][\w-]*)\s*(=|\uff1a|:=|=>)\s*(\S.*)")
_TWO = re.compile(r"\s*(?:- +)*([A-Za-z_][\w-]*) +([^\s:=].*)")
_ITEM = re.compile(r"\s*(-)([^\s-].*)")
_BLOCK = re.compile(r"\s*(?:- +)*(?P<key>[\w$-]+): +[|>][+-]?[0-9]?\s*(?:#.*)?")
_FULL = re.compile(r"\s*(?:- +)*(?P<key>[\w$-]+): +(?P<value>[^\s#|>&!{\[].*)")
_CLOSERS = {"{": "}", "[": "]"}
_PATH_IN_FLOW = re.compile(r"(?<=[\s,{\[])([A-Za-z_][\w.]*\[[^\]{},]*\][\w.\[\]*]*)")
_CALL_IN_FLOW = re.compile(r"(?<=: )([A-Za-z_]\w*\([^(){}\"]*,[^(){}\"]*\))(?=\s*[,}])")
_SIGNS = re.compile(r"==|!=|<=|>=|&&|\|\||\w\(")


def odd_key(name: str) -> int:
    """Return where in a key a character stands that nobody sees, -1 where there is none."""
    found = _ODD_KEY.search(name) if not name.isascii() else None
    return found.start() if found else -1


def curled(text: str) -> str:
    """Return the text between typographic quotes, nothing where *text* is not just that."""
    return text[1:-1] if len(text) > 2 and CURLED.get(text[0]) == text[-1] else ""


def noted(path: Path, after: str) -> str:
    """Return what stands behind a ``#`` where a value of a mapping should, nothing where there is none."""
    found = _NOTED.match(after) if _VALUES & {*path} else None
    return found[1].rstrip() if found else ""


class Slip(NamedTuple):
    """What the parser says, and where."""

    lines: list[str]
    line: int
    column: int
    problem: str
    opened: Spot | None

    @property
    def here(self) -> str:
        """The line the parser stopped at."""
        return self.lines[self.line - 1]

    def above(self) -> int:
        """Return the number of the last line above with something on it, 0 where there is none."""
        for number in range(self.line - 1, max(0, self.line - 50), -1):
            text = self.lines[number - 1].strip()
            if text and not text.startswith("#"):
                return number
        return 0


def explain(slip: Slip) -> Fault | None:
    """Return the first cause that is found."""
    if slip.opened and slip.opened[0] > len(slip.lines):
        slip = slip._replace(opened=None)
    for rule in _RULES:
        if (found := rule(slip)) is not None:
            return found
    return None


def _leftover(slip: Slip) -> Fault | None:
    """Marks of a merge, of a page, of another language's comments."""
    for number, text in enumerate(slip.lines[: slip.line], 1):
        if _MERGE.match(text):
            hint = "keep one of the two versions, and remove the lines with these marks"
            return Fault(number, 1, "yaml-syntax", "a merge was not finished here", hint)
        if text.startswith("```"):
            return Fault(number, 1, "yaml-syntax", "this mark belongs to a page, not to the file", "remove this line")
        if text.lstrip().startswith("//"):
            place = indent(text) + 1
            return Fault(number, place, "yaml-syntax", "'//' does not begin a comment", "begin it with #", "//", "#")
    return None


def _odd_space(slip: Slip) -> Fault | None:
    for number in (slip.line, slip.above()):
        text = slip.lines[number - 1] if number else ""
        if not text.isascii() and (found := _ODD_SPACE.match(text)):
            at = found.start("lead") if found["lead"] else found.start("after")
            return odd_space(text[at], number, at + 1)
    return None


def odd_space(sign: str, line: int, column: int) -> Fault:
    """Say that what looks like a space is none."""
    fact = f"the character U+{ord(sign):04X} looks like a space and is none"
    return Fault(line, column, "yaml-syntax", fact, "write a plain space, or remove it", sign, " ")


def _no_colon(slip: Slip) -> Fault | None:
    """``key = value``, or ``key value``, on the line above: the parser sees it only at the next ``:``."""
    number = slip.above()
    if not number or not slip.problem.startswith(("mapping values are not allowed", "could not find expected ':'")):
        return None
    text = slip.lines[number - 1]
    found = _ASSIGNED.fullmatch(said(text))
    if found:
        fact, fix = f"'{found[2]}' does not stand between a key and its value", f"{found[1]}: {found[3]}"
        return Fault(number, found.start(1) + 1, "yaml-syntax", fact, f"write {fix}", said(text)[found.start(1) :], fix)
    two = _TWO.fullmatch(said(text))
    if two and slip.problem.startswith("mapping values") and indent(text) >= indent(slip.here) and ": " not in text:
        fact, fix = f"the key '{two[1]}' has no ':'", f"{two[1]}: {two[2]}"
        return Fault(number, two.start(1) + 1, "yaml-syntax", fact, f"write {fix}", said(text)[two.start(1) :], fix)
    return None


def _tight_dash(slip: Slip) -> Fault | None:
    """``-item`` below ``- item``."""
    if not slip.opened or not slip.problem.startswith("could not find expected ':'"):
        return None
    found = _ITEM.fullmatch(said(slip.lines[slip.opened[0] - 1]))
    if not found:
        return None
    written, fix = f"-{found[2]}", f"- {found[2]}"
    fact = "a space is missing after '-'"
    return Fault(slip.opened[0], found.start(1) + 1, "yaml-syntax", fact, f"write {fix}", written, fix)


def _block_text(slip: Slip) -> Fault | None:
    """A line of a ``|`` text that begins too far to the left."""
    line = slip.opened[0] if slip.opened and "find expected ':'" in slip.problem else slip.line
    if not slip.problem.startswith(("could not find expected ':'", "did not find expected key")):
        return None
    for number in range(line - 1, max(0, line - 50), -1):
        text = slip.lines[number - 1]
        found = _BLOCK.fullmatch(text)
        if found:
            left = found.start("key")
            if indent(slip.lines[line - 1]) > left:
                return None
            fact = f"the text of '{found['key']}' ends before this line, which begins too far to the left"
            hint = f"indent every line of the text by {left + 2} spaces or more, all the same"
            return Fault(line, indent(slip.lines[line - 1]) + 1, "yaml-syntax", fact, hint)
        if text.strip() and indent(text) < indent(slip.lines[line - 1]):
            return None
    return None


def _text_beside_block(slip: Slip) -> Fault | None:
    """``query: | select …``: the text begins on the next line."""
    for number in {slip.line, slip.opened[0] if slip.opened else slip.line}:
        found = VALUE.match(slip.lines[number - 1])
        if found and found["key"] and re.match(r"[|>] +[A-Za-z]", found["value"]):
            sign = found["value"][0]
            fact = f"behind '{sign}' nothing may stand; the text begins on the next line"
            hint = f"write {found['key']}: {sign} alone, and the text below it, indented"
            return Fault(number, found.start("value") + 1, "yaml-syntax", fact, hint)
    return None


def _brackets(slip: Slip) -> Fault | None:
    """Brackets of a line that do not pair: one too many, or one of the other kind."""
    if not slip.problem.startswith("did not find expected"):
        return None
    numbers = [slip.line, *([slip.opened[0]] if slip.opened else []), slip.above()]
    for number in [one for one in dict.fromkeys(numbers) if one]:
        text = IN_QUOTES.sub(lambda found: " " * len(found[0]), slip.lines[number - 1])
        opened: list[int] = []
        for at, sign in enumerate(text):
            before = text[at - 1 : at]
            if sign in _CLOSERS and (opened or before in ("", " ")):
                opened.append(at)
            elif sign in "}]" and opened and _CLOSERS[text[opened[-1]]] != sign:
                right = _CLOSERS[text[opened[-1]]]
                fact = f"the '{text[opened[-1]]}' that opens at {number}:{opened[-1] + 1} is closed by '{sign}'"
                return Fault(number, at + 1, "yaml-syntax", fact, f"write '{right}' here", sign, right)
            elif sign in "}]" and opened:
                opened.pop()
                rest = text[at + 1 :].strip()
                if not opened and rest and not rest.strip("}]"):
                    extra = at + 1 + text[at + 1 :].index(rest)
                    return Fault(number, extra + 1, "yaml-syntax", f"a '{rest[0]}' too many", "remove it", rest, "")
    return None


def _in_flow(slip: Slip) -> Fault | None:
    """In ``{ }`` and ``[ ]``: a path with brackets, a condition, a ``#``, two texts without a comma."""
    if not slip.problem.startswith("did not find expected ',' or") or not slip.opened:
        return None
    number, left = slip.opened
    whole = slip.lines[number - 1]
    text = IN_QUOTES.sub(lambda found: found[0][0] + "x" * (len(found[0]) - 2) + found[0][0], whole)
    rest = text[left - 1 :]
    inside = rest[1 : rest.rfind("]")].strip() if rest.startswith("[") and "]" in rest else ""
    if inside and _SIGNS.search(inside) and '"' not in whole[left:] and "," not in re.sub(r"\([^()]*\)", "", inside):
        body = whole[left : left + rest.rfind("]") - 1].strip()
        at = left + 1 + len(whole[left:]) - len(whole[left:].lstrip())
        hint = f"write [{quoted(body)}]"
        return Fault(number, at, "yaml-quoting", "a condition inside [ ] must be in quotes", hint, body, quoted(body))
    path = _PATH_IN_FLOW.search(text, left)
    if path:
        fact, fix = "'[' begins a list inside { } and [ ]", quoted(path[1])
        return Fault(number, path.start(1) + 1, "yaml-quoting", fact, f"quote the whole value: {fix}", path[1], fix)
    call = _CALL_IN_FLOW.search(whole, left)
    if call:
        fact, fix = "a ',' inside { } ends the value, also within ( )", quoted(call[1])
        return Fault(number, call.start(1) + 1, "yaml-quoting", fact, f"quote the whole value: {fix}", call[1], fix)
    note = re.search(r"(?<=\s)#\S", whole[left:])
    if note:
        fact = "what follows ' #' is a comment, so the bracket is not closed"
        return Fault(number, left + note.start() + 1, "yaml-quoting", fact, "put the value with the # into quotes")
    twice = re.search(r"(['\"]) +(['\"])", text[left:])
    if twice:
        at = left + twice.start(2) + 1
        return Fault(number, at, "yaml-syntax", "a ',' is missing before this", "write a ',' between the two")
    return None


def _value_and_more(slip: Slip) -> Fault | None:
    """A key that has a value on its line and a map below it."""
    number = slip.above()
    if not number or not slip.problem.startswith("mapping values are not allowed"):
        return None
    found = _FULL.fullmatch(said(slip.lines[number - 1]))
    here, item = indent(slip.here), slip.lines[number - 1].lstrip().startswith("- ")
    if not found or here <= found.start("key") or ": " in found["value"]:
        return None
    if item:
        fact = f"this line has {_spaces(here)} in front of it, and '{found['key']}' above has {found.start('key')}"
        return Fault(slip.line, here + 1, "yaml-syntax", fact, f"indent it by {_spaces(found.start('key'))}")
    fact = f"'{found['key']}' above has the value '{found['value'][:40]}', and cannot have keys below it, too"
    hint = f"indent this line by {_spaces(found.start('key'))}, or remove the value above"
    return Fault(slip.line, here + 1, "yaml-syntax", fact, hint)


def _spaces(number: int) -> str:
    return {0: "no space", 1: "one space"}.get(number, f"{number} spaces")


def _quotes_within(slip: Slip) -> Fault | None:
    """``'it's paid'``: a text in quotes that has the same quote inside."""
    found = VALUE.match(slip.here)
    value = said(found["value"]) if found else ""
    if not found or len(value) < 3 or value[0] not in "'\"" or value[-1] != value[0]:
        return None
    inner = value[1:-1]
    if value[0] not in inner.replace("''", "").replace('\\"', ""):
        return None
    if inner.count(value[0]) % 2 == 0 and re.search(r"['\"]\s*(?:\|\||&&|[=!<>]=?)\s*['\"]", value):
        return None  # 'a' || 'b': the quotes are those of two texts
    if value[0] == '"' and {"'", "\\"} & {*inner} and '"' in inner and "'" in inner:
        fix = "'" + inner.replace("'", "''") + "'"
    else:
        fix = f'"{inner}"' if value[0] == "'" and '"' not in inner and "\\" not in inner else quoted(inner)
    fact = f"the {value[0]} inside this text ends it"
    hint = f"write {fix}"
    return Fault(slip.line, found.start("value") + 1, "yaml-quoting", fact, hint, value, fix)


def plainly(slip: Slip) -> Fault | None:
    """Explain the problems that have one cause, where no better one is found."""
    line, column = slip.line, slip.column
    if slip.problem.startswith("found unknown escape"):
        hint = "write the whole value in single quotes, or double the backslash"
        return Fault(line, column, "yaml-quoting", "in double quotes a backslash says what follows", hint)
    if slip.problem.startswith("block sequence entries are not allowed"):
        hint = "begin it on the next line, or write [ … ]"
        return Fault(line, column, "yaml-syntax", "a list cannot begin on the line of its key", hint)
    if slip.problem.startswith("mapping keys are not allowed"):
        found = VALUE.match(slip.here)
        value = said(found["value"]) if found else "?"
        hint = f"quote the whole value: {quoted(value)}"
        return Fault(line, column, "yaml-quoting", "a value cannot begin with '?'", hint, value, quoted(value))
    if slip.here.lstrip().startswith(":") and slip.problem.startswith("did not find expected key"):
        return Fault(line, indent(slip.here) + 1, "yaml-syntax", "a key is missing before ':'", "write key: value")
    if "<document start>" not in slip.problem:
        return None
    ended = next((number for number, text in enumerate(slip.lines[:line], 1) if text.rstrip() == "..."), 0)
    if ended:
        return Fault(ended, 1, "yaml-syntax", "'...' ends the file, and more follows", "remove this line")
    first = next((number for number, text in enumerate(slip.lines, 1) if text.strip() and text[0] != "#"), line)
    spaces = indent(slip.lines[first - 1])
    fact = f"the first key has {_spaces(spaces)} in front of it, and line {line} has fewer"
    return Fault(first, spaces + 1, "yaml-syntax", fact, "begin all keys of one map at the same column")


_RULES: tuple[Callable[[Slip], Fault | None], ...] = (
    _leftover,
    _odd_space,
    _no_colon,
    _tight_dash,
    _block_text,
    _text_beside_block,
    _quotes_within,
    _brackets,
    _in_flow,
    _value_and_more,
)
