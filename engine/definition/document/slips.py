"""Slips of the hand that make a text no YAML: what was probably meant, and where it stands."""

from __future__ import annotations

import re

from engine.definition.document.fault import IN_QUOTES, VALUE, Fault, Spot, indent, said

_FAR = 200
_TAB_WIDTHS = (2, 4, 8)
_LONE = re.compile(r"\s*(?:- +)*([A-Za-z_][\w-]*)\s*(?:#.*)?")
_KEYED = re.compile(r"\s*(?:- +)*[\w$-]+:(?:\s|$)")
_TWO_WORDS = re.compile(r"([A-Za-z_][\w-]*) +(\S.*)")
_TIGHT = re.compile(r"\s*(?:- +)*([A-Za-z_][\w-]*):(?!//)[^\s:'\"][^\s#]*")


def tab(lines: list[str], line: int, here: str, problem: str) -> Fault | None:
    """A tab in front of a line, or of the one above."""
    for number, candidate in ((line, here), (line - 1, lines[line - 2] if line > 1 else "")):
        lead = candidate[: len(candidate) - len(candidate.lstrip())]
        if "\t" in lead and ("tab" in problem or number == line):
            column = lead.index("\t") + 1
            spaces = _spaces(lines, number, lead)[column - 1 :]
            fact, hint = "a tab indents this line", "YAML is indented with spaces"
            return Fault(number, column, "tab-indent", fact, hint, lead[column - 1 :], spaces)
    return None


def _spaces(lines: list[str], number: int, lead: str) -> str:
    """Return what a line's indent probably looked like: a tab is as wide as makes the line fit those above it."""
    above = [line for line in lines[: number - 1] if line.strip() and not line.lstrip().startswith("#")]
    levels = {indent(line) for line in above}
    before = indent(above[-1]) if above else 0
    deeper = bool(above) and above[-1].split(" #")[0].rstrip().endswith((":", "-", "|", ">"))
    widths = [lead.replace("\t", " " * width) for width in _TAB_WIDTHS]
    if deeper:
        fitting = [found for found in widths if len(found) > before]
    else:
        fitting = [found for found in widths if len(found) == before]
        fitting += [found for found in widths if len(found) in levels]
    return (fitting or widths)[0]


def quote_above(lines: list[str], line: int, column: int) -> Fault | None:
    """A quote that is not closed on its line swallows all up to the next one, and behind that the error is."""
    sign = lines[line - 1][column - 2 : column - 1]
    if sign not in ("'", '"') or sign in lines[line - 1][: column - 2]:
        return None
    for number in range(line - 1, max(0, line - 100), -1):
        above = lines[number - 1]
        if sign not in above:
            continue
        found = VALUE.match(above)
        if found and found["value"].startswith(sign) and found["value"].count(sign) == 1:
            value = said(found["value"])
            fact, hint = "the quote that opens here is not closed on this line", f"write {value}{sign}"
            return Fault(number, found.start("value") + 1, "yaml-syntax", fact, hint, value, f"{value}{sign}")
        return None
    return None


def colon(lines: list[str], line: int, problem: str, context: str, opened: Spot | None) -> Fault | None:
    """A key above without its ':', or a ':' without the space after it."""
    if not problem.startswith(("mapping values are not allowed", "could not find expected ':'")):
        return None
    if opened and context == "while scanning a simple key":
        two = _TWO_WORDS.fullmatch(said(lines[opened[0] - 1][opened[1] - 1 :].rstrip()))
        if two:
            fact, fix = f"the key '{two[1]}' has no ':'", f"{two[1]}: {two[2]}"
            return Fault(*opened, "yaml-syntax", fact, f"write {fix}", two[0], fix)
    for number in range(line - 1, max(0, line - 4), -1):
        above = lines[number - 1]
        if above.strip() and not above.lstrip().startswith("#"):
            break
    else:
        return None
    lone, tight = _LONE.fullmatch(above), _TIGHT.match(above)
    if lone and indent(lines[line - 1]) > indent(above):
        word = lone[1]
        fact, hint = f"the key '{word}' has no ':'", f"write {word}:"
        return Fault(number, lone.start(1) + 1, "yaml-syntax", fact, hint, word, f"{word}:")
    if tight:
        word = tight[0][tight.start(1) :]
        fixed = f"{tight[1]}: {word[len(tight[1]) + 1 :]}"
        fact = "a space is missing after ':'"
        return Fault(number, tight.start(1) + 1, "yaml-syntax", fact, f"write {fixed}", word, fixed)
    return None


def indented(lines: list[str], line: int, problem: str) -> Fault | None:
    """A line that begins a little too far to the left or to the right."""
    if not problem.startswith(("did not find expected key", "mapping values are not allowed")):
        return None
    here = indent(lines[line - 1])
    above = [n for n in range(1, line) if lines[n - 1].strip() and not lines[n - 1].lstrip().startswith("#")]
    if not above or not _KEYED.match(lines[line - 1]):
        return None
    before = indent(lines[above[-1] - 1])
    opens = said(lines[above[-1] - 1]).rstrip().endswith(":")
    if here == before or (here > before and opens) or any(indent(lines[n - 1]) == here < before for n in above):
        return None
    fact = f"this line has {here} spaces in front of it, which fits none above"
    hint = f"indent it by {before} spaces, as line {above[-1]} is"
    return Fault(line, here + 1, "yaml-syntax", fact, hint)


def needless_dash(lines: list[str], line: int, problem: str, opened: Spot | None) -> Fault | None:
    """A map whose first key has a '- ' that does not belong there."""
    if not problem.startswith("did not find expected '-' indicator") or not opened:
        return None
    left = opened[1] - 1
    between = range(opened[0], line)
    items = [n for n in between if lines[n - 1].startswith("- ", left) and indent(lines[n - 1]) == left]
    if items != [opened[0]] or indent(lines[line - 1]) < left or not _KEYED.match(lines[line - 1]):
        return None
    fact = f"'- ' begins a list here, and line {line} is none of its items"
    return Fault(*opened, "yaml-syntax", fact, "remove the '- ', or begin the other line with one")


def comma(here: str, line: int, column: int, problem: str) -> Fault | None:
    """Two entries of a map in { } without a ',' between them."""
    if not problem.startswith("did not find expected ',' or '}'") or here[column - 1 : column] != ":":
        return None
    begin = max(0, column - 1 - _FAR)
    found = re.search(r"([^\s{},:]+) +([\w$.-]+)$", here[begin : column - 1])
    if not found:
        return None
    fact, fix = f"a ',' is missing between '{found[1]}' and '{found[2]}'", f"{found[1]}, {found[2]}"
    return Fault(line, begin + found.start(1) + 1, "yaml-syntax", fact, f"write {fix}", found[0], fix)


def not_closed(lines: list[str], line: int, problem: str, opened: Spot | None) -> Fault | None:
    """A '{' or '[' whose closing sign is missing at the end of its line."""
    if not problem.startswith("did not find expected ',' or") or not opened or opened[0] > line:
        return None
    rest = said(lines[opened[0] - 1][opened[1] - 1 :].rstrip())
    bare = IN_QUOTES.sub(lambda found: " " * len(found[0]), rest)
    closer = {"{": "}", "[": "]"}.get(rest[:1], "")
    if not closer or bare.count(rest[0]) - bare.count(closer) != 1:
        return None
    fact = f"the '{rest[0]}' that opens here is never closed"
    return Fault(*opened, "yaml-syntax", fact, f"close it with '{closer}'", rest, f"{rest}{closer}")
