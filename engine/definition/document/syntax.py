"""What usually lies behind a YAML syntax error: the cause by its own name, where it is, and what to write."""

from __future__ import annotations

import re

from engine.definition.document import oddities, slips
from engine.definition.document.fault import IN_QUOTES, VALUE, Fault, Spot, quoted, said

MAX_HINT = 200


_PLAIN = {
    "did not find expected ',' or '}'": "the '{' that opens here is not closed by '}', or a ',' is missing",
    "did not find expected ',' or ']'": "the '[' that opens here is not closed by ']', or a ',' is missing",
    "did not find expected node content": "a value is missing here",
    "did not find expected key": "this line does not fit what stands above it",
    "did not find expected '-' indicator": "this line does not fit the list above it",
    "could not find expected ':'": "a key without ':'",
    "found character that cannot start any token": "this character cannot begin a value",
    "found duplicate anchor": "this anchor exists already",
}
_HINTS = {
    "did not find expected key": "check the indentation",
    "did not find expected '-' indicator": "check the indentation",
    "could not find expected ':'": "write key: value",
}
_FLOW_KEY = re.compile(r"([\w$.-]+):\s*$")
_TEMPLATE = re.compile(r"(?:(?<=:\s)|(?<=-\s)|(?<=[\[{,]))\s*(\{\{|\{%)")
_STARTERS = {
    "!": "a value that begins with '!' is a YAML tag",
    "*": "a value that begins with '*' is a YAML alias",
    "&": "a value that begins with '&' is a YAML anchor",
    "%": "a value cannot begin with '%'",
    "@": "a value cannot begin with '@'",
    "`": "a value cannot begin with a backtick",
    ">": "a value that begins with '>' is a YAML block of text",
    "|": "a value that begins with '|' is a YAML block of text",
    "[": "a value that begins with '[' is a YAML list",
    "{": "a value that begins with '{' is a YAML map",
    "'": "the text in quotes ends before the value does",
    '"': "the text in quotes ends before the value does",
}


def name(text: str, problem: str, context: str, at: Spot | None, opened: Spot | None) -> Fault:
    """Explain the parser's *problem* (in *context*, which began at *opened*) found *at* a place in *text*."""
    lines = text.splitlines() or [""]
    line, column = at or opened or (1, 1)
    line = min(line, len(lines))
    here = lines[line - 1]
    slip = oddities.Slip(lines, line, column, problem, opened)
    fault = (
        slips.tab(lines, line, here, problem)
        or oddities.explain(slip)
        or _unclosed_quote(problem, opened)
        or slips.quote_above(lines, line, column)
        or slips.colon(lines, line, problem, context, opened)
        or _dollar_in_flow(lines, line, column)
        or _template(line, here)
        or _marked(lines, context, opened)
        or _starter(lines, line, here, context, opened)
        or slips.comma(here, line, column, problem)
        or slips.not_closed(lines, line, problem, opened)
        or slips.needless_dash(lines, line, problem, opened)
        or slips.indented(lines, line, problem)
        or _second_colon(line, here, column, problem)
        or _never_closed(text, problem, at)
        or oddities.plainly(slip)
        or _other(problem, (line, column), opened)
    )
    return fault._replace(hint=fault.hint if len(fault.hint) <= MAX_HINT else f"{fault.hint[:MAX_HINT]}…")


def template_key(text: str, line: int, column: int) -> Fault:
    """Explain a map or list that stands where a key should: nearly always an unquoted template."""
    here = text.splitlines()[line - 1]
    start = column - 2
    if here[start : start + 2] in ("{{", "{%"):
        return _quote_template(line, here, start)
    return Fault(line, column, "yaml-syntax", "a key cannot be a map or a list", "a key is a text")


def _unclosed_quote(problem: str, opened: Spot | None) -> Fault | None:
    if problem != "found unexpected end of stream" or not opened:
        return None
    return Fault(*opened, "yaml-syntax", "the quote that opens here is never closed", "close it on the same line")


def _dollar_in_flow(lines: list[str], line: int, column: int) -> Fault | None:
    here = lines[line - 1]
    if here[column - 2 : column] != "${":
        return None
    end = here.find("}", column)
    written = here[column - 2 : end + 1] if end > 0 else "${…}"
    key = _FLOW_KEY.search(here[: column - 2])
    value = f'{key[1]}: "{written}"' if key else f'"{written}"'
    fact = "'${…}' inside { } or [ ] must be quoted"
    fix = f'"{written}"' if end > 0 else ""
    return Fault(line, column - 1, "flow-needs-quotes", fact, f"write {value} or put it on its own line", written, fix)


def _template(line: int, here: str) -> Fault | None:
    found = _TEMPLATE.search(here)
    return _quote_template(line, here, found.start(1)) if found else None


def _quote_template(line: int, here: str, start: int) -> Fault:
    opener = here[start : start + 2]
    closer = "}}" if opener == "{{" else "%}"
    end = here.rfind(closer)
    before = here[:start]
    flow = before.count("{") + before.count("[") > 0
    if flow:
        end = here.find(closer, start)
    closed = end > 0
    whole = here[start : end + 2] if flow and closed else said(here[start:].rstrip())
    written = whole[:MAX_HINT]
    key = _FLOW_KEY.search(before)
    value = f"{key[1]}: {quoted(written)}" if key else quoted(written)
    fact = f"'{opener}' opens a YAML map here" if opener == "{{" else f"'{opener}' cannot begin a YAML value"
    fix = quoted(whole) if closed else ""
    return Fault(line, start + 1, "template-needs-quotes", fact, f"write {value}", whole, fix)


def _marked(lines: list[str], context: str, opened: Spot | None) -> Fault | None:
    """A tag, alias, anchor or block that begins where the parser says, also in the middle of a line."""
    if not opened or context not in ("while scanning a tag", "while scanning an alias", "while scanning an anchor"):
        return None
    before, rest = lines[opened[0] - 1][: opened[1] - 1], lines[opened[0] - 1][opened[1] - 1 :].rstrip()
    depth = 0
    for index, sign in enumerate(rest):
        depth += (sign in "([{") - (sign in ")]}")
        if ("{" in before or "[" in before) and (depth < 0 or (depth == 0 and sign == ",")):
            rest = rest[:index].rstrip()
            break
    rest = said(rest)
    hint = f"quote the whole value: {quoted(rest)}"
    return Fault(*opened, "yaml-quoting", _STARTERS.get(rest[:1], "a YAML sign"), hint, rest, quoted(rest))


def _starter(lines: list[str], line: int, here: str, context: str, opened: Spot | None) -> Fault | None:
    """A value whose first character means something to YAML."""
    if opened and opened[0] <= len(lines) and context.startswith("while scanning a"):
        line, here = opened[0], lines[opened[0] - 1]
    found = VALUE.match(here)
    if not found:
        return None
    value, start = said(found["value"]), found.start("value")
    fact = _STARTERS.get(value[0])
    if fact is None or not _goes_on(value):
        return None
    hint = f"quote the whole value: {quoted(value)}"
    return Fault(line, start + 1, "yaml-quoting", fact, hint, value, quoted(value))


def _goes_on(value: str) -> bool:
    """Whether *value* is more than the quoted text, list or map it begins with."""
    closers = {"'": "'", '"': '"', "[": "]", "{": "}"}
    closer = closers.get(value[0])
    if closer is None:
        return True
    if value[0] in "[{":
        depth = 0
        for index, sign in enumerate(value):
            depth += (sign in "[{") - (sign in "]}")
            if depth == 0:
                return index + 1 < len(value) and not value[index + 1 :].lstrip().startswith("#")
        return False
    end = value.find(closer, 1)
    return 0 < end < len(value) - 1 and not value[end + 1 :].lstrip().startswith(("#", ":"))


def _second_colon(line: int, here: str, column: int, problem: str) -> Fault | None:
    if not problem.startswith("mapping values are not allowed"):
        return None
    found = VALUE.match(here)
    if found and found["key"] and found.start("value") < column:
        value = said(found["value"])
        fact = "': ' inside this value begins another key"
        hint = f"quote the whole value: {found['key']}: {quoted(value)}"
        return Fault(line, found.start("value") + 1, "yaml-quoting", fact, hint, value, quoted(value))
    return Fault(line, column, "yaml-syntax", "this ':' does not fit what stands above it", "check the indentation")


def _never_closed(text: str, problem: str, at: Spot | None) -> Fault | None:
    """A bracket still open where the file ends."""
    if not problem.startswith("did not find expected") or at is None or at[0] <= text.rstrip().count("\n") + 1:
        return None
    blank = IN_QUOTES.sub(lambda found: " " * len(found[0]), text)
    opened: list[int] = []
    for index, sign in enumerate(blank):
        if sign in "[{":
            opened.append(index)
        elif sign in "]}" and opened:
            opened.pop()
    if not opened:
        return None
    line = text.count("\n", 0, opened[-1]) + 1
    column = opened[-1] - (text.rfind("\n", 0, opened[-1]) + 1) + 1
    sign = text[opened[-1]]
    closer = "]" if sign == "[" else "}"
    return Fault(
        line, column, "yaml-syntax", f"the '{sign}' that opens here is never closed", f"close it with '{closer}'"
    )


def _other(problem: str, at: Spot, opened: Spot | None) -> Fault:
    place = opened if opened and problem.startswith("did not find expected ','") else at
    return Fault(*place, "yaml-syntax", _PLAIN.get(problem, problem or "this is not YAML"), _HINTS.get(problem, ""))
