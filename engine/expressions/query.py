"""JMESPath text to its syntax tree, or to an issue that says what was meant and how to write it."""

from __future__ import annotations

import re
import warnings
from difflib import get_close_matches
from typing import Any

from engine.errors import Path
from engine.expressions.limits import too_complex
from engine.expressions.values import Issue

MAX_LENGTH = 2048
ROOTS = frozenset({"params", "meta", "trigger", "run", "vars"})

_QUOTES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`")
_COMPARED_NUMBER = re.compile(r"(?:==|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)")
_NUMBER_FIRST = re.compile(r"(?<![\w.\[:-])(-?\d+(?:\.\d+)?)\s*(?:==|!=|<=|>=|<|>)")
_HYPHENS = re.compile(r"[A-Za-z_]\w*(?:-\w+)+")
_WORDS = {"and": "&&", "or": "||", "not": "!"}


def parse(text: str, path: Path, of_record: bool = True) -> tuple[dict[str, Any] | None, list[Issue]]:
    """Parse; the tree is None when there is an error among the issues. Not *of_record*: over any document."""
    found = _before(text, path)
    if found:
        return None, [found]
    from jmespath.exceptions import JMESPathError
    from jmespath.parser import Parser

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            tree: dict[str, Any] = Parser().parse(text).parsed
    except RecursionError:
        return None, [_complex("nests too deeply", path)]
    except JMESPathError as error:
        return None, [_explain(text, error, path)]
    problem = too_complex(tree)
    if problem:
        return None, [_complex(problem, path)]
    from engine.expressions.inspection import inspect_tree

    issues = [*inspect_tree(text, tree, path, of_record)]
    return (None if any(issue.severity == "error" for issue in issues) else tree), issues


def _complex(what: str, path: Path) -> Issue:
    return Issue("too-complex", f"the expression {what}", "split it over several fields or steps", path)


def _before(text: str, path: Path) -> Issue | None:
    if "${{" in text:
        return dollar_template(text, path)
    if len(text) > MAX_LENGTH:
        return _complex(f"is {len(text)} characters long, and {MAX_LENGTH} are allowed", path)
    if not text.strip():
        return Issue("expression", "the expression is empty", "for an empty text write {$const: ''}", path, 0)
    return None


def dollar_template(text: str, path: Path) -> Issue:
    """Explain ``${{ … }}``, a habit from elsewhere."""
    inner = re.search(r"\$\{\{\s*(.*?)\s*\}\}", text)
    body = inner.group(1) if inner else "record.id"
    field = body.removeprefix("record.")
    just = f" or just {field}" if field != body and re.fullmatch(r"[\w.]+", field) else ""
    hint = f'write "{{{{ {body} }}}}"{just}'
    return Issue("dollar-template", "'${{ … }}' is not this language", hint, path, text.find("${{"))


def _masked(text: str) -> str:
    return _QUOTES.sub(lambda match: match[0][0] + "·" * (len(match[0]) - 2) + match[0][-1], text)


def _explain(text: str, error: Any, path: Path) -> Issue:
    at = getattr(error, "lexer_position", None)
    if at is None:
        at = getattr(error, "lex_position", None)
    bare = _masked(text)
    for rule in (_number, _assignment, _word, _hyphen, _smart_quotes, _arithmetic, _unclosed):
        found = rule(text, bare, path)
        if found:
            return found
    if at is None or at >= len(text):
        return Issue("expression", f"the expression ends too early: {text!r}", "something must follow", path, len(text))
    shown = text[at] if text[at].strip() else text[at:].strip()[:1]
    return Issue("expression", f"unexpected {shown!r} at {at + 1} in {text!r}", "", path, at)


def _number(text: str, bare: str, path: Path) -> Issue | None:
    match = _COMPARED_NUMBER.search(bare) or _NUMBER_FIRST.search(bare)
    if not match:
        return None
    begin, end = match.span(1)
    fixed = f"{text[:begin]}`{text[begin:end]}`{text[end:]}"
    return Issue("expression", f"a number needs backticks in {text!r}", f"write {fixed}", path, begin)


def _assignment(text: str, bare: str, path: Path) -> Issue | None:
    match = re.search(r"(?<![=!<>])=(?!=)", bare)
    if not match:
        return None
    at = match.start()
    fixed = f"{text[:at]}=={text[at + 1 :]}"
    return Issue("expression", f"a single '=' does not compare in {text!r}", f"write {fixed}", path, at)


def _word(text: str, bare: str, path: Path) -> Issue | None:
    match = re.search(r"(?<![\w.])(and|or|not)(?=[\s(])", bare, re.IGNORECASE)
    if not match or (not match.start() and match[1].lower() != "not"):
        return None
    sign = _WORDS[match[1].lower()]
    return Issue("expression", f"'{match[1]}' is not an operator here", f"write {sign}", path, match.start())


def _hyphen(text: str, bare: str, path: Path) -> Issue | None:
    match = _HYPHENS.search(bare)
    if not match:
        return None
    word, at = match[0], match.start() + match[0].index("-")
    if word != text.strip():
        hint = (
            f'for a field with a hyphen write "{word}" in double quotes; arithmetic needs a template, {{{{ … - … }}}}'
        )
    else:
        hint = f"for the text write {{$const: {word}}}, for a field with a hyphen '\"{word}\"'"
    return Issue("expression", f"unknown token '-' at {at + 1} in {text!r}", hint, path, at)


def _smart_quotes(text: str, bare: str, path: Path) -> Issue | None:
    match = re.search("[\u201c\u201d\u2018\u2019]", bare)
    if not match:
        return None
    return Issue("expression", f"{match[0]} is a typographic quote", "write '…' for text", path, match.start())


def _arithmetic(text: str, bare: str, path: Path) -> Issue | None:
    match = re.search(r"[\w)\]`'\"]\s*([+*/%-])\s*[\w(`'\"-]", bare)
    if not match:
        return None
    names = re.findall(r"[A-Za-z_][\w.]*", bare)
    left, right = (f"record.{name}" for name in [*names, "a", "b"][:2])
    hint = f'use a template: "{{{{ {left} {match[1]} {right} }}}}"'
    return Issue("expression", f"JMESPath has no arithmetic ('{match[1]}' in {text!r})", hint, path, match.start(1))


def _unclosed(text: str, bare: str, path: Path) -> Issue | None:
    for quote in "'\"`":
        if bare.count(quote) % 2:
            at = bare.rindex(quote)
            return Issue("expression", f"the {quote} at {at + 1} is not closed in {text!r}", f"add {quote}", path, at)
    return None


def nearest(word: str, words: list[str]) -> str:
    """Return a hint with the nearest of *words*, or nothing."""
    close = get_close_matches(word, words, 1, 0.6)
    return f"did you mean '{close[0]}'?" if close else ""
