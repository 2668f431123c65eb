"""JMESPath text to its syntax tree, or to an issue that says what was meant and how to write it."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from engine.errors import Path
from engine.expressions.habits import bare_number, choice, one_of
from engine.expressions.limits import too_complex
from engine.expressions.remedy import replaced, written
from engine.expressions.values import ALL_NAMES, Issue

MAX_LENGTH = 2048
MAX_KEPT = 256
"""Longer texts are parsed whenever they are asked for: what is kept stays small."""
ROOTS = frozenset({"params", "meta", "trigger", "run", "vars"})

_QUOTES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`")
_COMPARED_NUMBER = re.compile(r"(?:==|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)")
_NUMBER_FIRST = re.compile(r"(?<![\w.\[:-])(-?\d+(?:\.\d+)?)\s*(?:==|!=|<=|>=|<|>)")
_HYPHENS = re.compile(r"[A-Za-z_]\w*(?:-\w+)+")
_SEVERAL_WORDS = re.compile(r"\s*\w+(?:[-.,;:/]?\s+\w+)+[.!?]?\s*")
_NO_NAME = re.compile(r"\s*(?:[a-z]+://\S+|\d{4}-\d\d-\d\d(?:[T ][\d:.]+Z?)?)\s*")
_WORDS = {"and": "&&", "or": "||", "not": "!"}


def parse(text: str, path: Path, of_record: bool = True) -> tuple[dict[str, Any] | None, list[Issue]]:
    """Parse; the tree is None when there is an error among the issues. Not *of_record*: over any document.

    The tree is not to be changed: whoever asks for the same text gets the same one.
    """
    if len(text) > MAX_KEPT:
        return _parse(text, path, of_record)
    tree, issues = _known(text, of_record)
    return tree, [replace(issue, path=path) for issue in issues]


@lru_cache(maxsize=8192)
def _known(text: str, of_record: bool) -> tuple[dict[str, Any] | None, list[Issue]]:
    return _parse(text, (), of_record)


def _parse(text: str, path: Path, of_record: bool) -> tuple[dict[str, Any] | None, list[Issue]]:
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
    if body.isidentifier() and body not in ALL_NAMES:
        body = f"record.{body}"
    field = body.removeprefix("record.")
    just = f" or just {field}" if field != body and re.fullmatch(r"[\w.]+", field) else ""
    hint = f'write "{{{{ {body} }}}}"{just}'
    fix = replaced(text, *inner.span(), f"{{{{ {body} }}}}") if inner else ""
    return Issue("dollar-template", "'${{ … }}' is not this language", hint, path, text.find("${{"), fix=fix)


def _masked(text: str) -> str:
    return _QUOTES.sub(lambda match: match[0][0] + "·" * (len(match[0]) - 2) + match[0][-1], text)


def _explain(text: str, error: Any, path: Path) -> Issue:
    at = getattr(error, "lexer_position", None)
    if at is None:
        at = getattr(error, "lex_position", None)
    bare = _masked(text)
    for rule in _RULES:
        found = rule(text, bare, path)
        if found:
            return found
    if at is None or at >= len(text):
        return Issue("expression", f"the expression ends too early: {text!r}", "something must follow", path, len(text))
    shown = text[at] if text[at].strip() else text[at:].strip()[:1]
    return Issue("expression", f"unexpected {shown!r} at {at + 1} in {text!r}", "", path, at)


def _foreign(text: str, bare: str, path: Path) -> Issue | None:
    """What another language, or a web page, puts into an expression."""
    odd = re.search("[\u00a0\u2000-\u200f\u202f\u2060\u3000\ufeff]", bare)
    if odd:
        fact = f"the character U+{ord(odd[0]):04X} looks like a space and is none"
        return Issue("expression", fact, "write a plain space, or remove it", path, odd.start())
    brace = re.fullmatch(r"\s*\{\s*(record\.[\w.]+)\s*\}\s*", text)
    if brace:
        fact, hint = "a template stands between two braces on each side", f'write "{{{{ {brace[1]} }}}}"'
        return Issue("expression", fact, hint, path, text.index("{"), fix=written(f"{{{{ {brace[1]} }}}}"))
    root = re.fullmatch(r"\s*\$\.?([A-Za-z_][\w.\[\]]*)\s*", text)
    if root:
        hint = f"write {root[1]}"
        return Issue(
            "expression", "'$' is how JSONPath begins, and this is JMESPath", hint, path, 0, fix=written(root[1])
        )
    return None


def _number(text: str, bare: str, path: Path) -> Issue | None:
    match = _COMPARED_NUMBER.search(bare) or _NUMBER_FIRST.search(bare)
    if not match:
        return None
    begin, end = match.span(1)
    fixed = f"{text[:begin]}`{text[begin:end]}`{text[end:]}"
    fact = f"a number needs backticks in {text!r}"
    return Issue("expression", fact, f"write {fixed}", path, begin, fix=written(fixed))


def _assignment(text: str, bare: str, path: Path) -> Issue | None:
    match = re.search(r"(?<![=!<>])=(?!=)", bare)
    if not match:
        return None
    at = match.start()
    fixed = f"{text[:at]}=={text[at + 1 :]}"
    fact = f"a single '=' does not compare in {text!r}"
    return Issue("expression", fact, f"write {fixed}", path, at, fix=written(fixed))


def _word(text: str, bare: str, path: Path) -> Issue | None:
    match = re.search(r"(?<![\w.])(and|or|not)(?=[\s(])", bare, re.IGNORECASE)
    if not match or (not match.start() and match[1].lower() != "not"):
        return None
    if match[1].istitle() and _SEVERAL_WORDS.fullmatch(text):  # 'Not yet paid' is said, not asked
        return None
    sign = _WORDS[match[1].lower()]
    end = match.end() + (1 if sign == "!" and bare[match.end() : match.end() + 1] == " " else 0)
    fact, fix = f"'{match[1]}' is not an operator here", replaced(text, match.start(), end, sign)
    return Issue("expression", fact, f"write {sign}", path, match.start(), fix=fix)


def _spoken(text: str, bare: str, path: Path) -> Issue | None:
    """What was meant as a text: several words, an address, a date."""
    words = _SEVERAL_WORDS.fullmatch(text)
    if (not words and not _NO_NAME.fullmatch(text)) or re.search(r"\bif\b.*\belse\b", text):
        return None
    quoted = written(text.strip())
    hint = f"for the text write {{$const: {quoted}}}" + (
        f", for a field of this name {{$field: {quoted}}}" if words else ""
    )
    return Issue("expression", f"{text!r} is a text and no expression", hint, path, 0)


def _letters(text: str, bare: str, path: Path) -> Issue | None:
    """Names that JMESPath takes only in double quotes, for a letter in them."""
    found = [match for match in re.finditer(r"[^\W\d]\w*", bare) if not match[0].isascii()]
    if not found:
        return None
    fixed = text
    for match in reversed(found):
        fixed = f'{fixed[: match.start()]}"{match[0]}"{fixed[match.end() :]}'
    word, hint = found[0][0], f"write {written(fixed)}"
    letter = next(one for one in word if not one.isascii())
    fact = f"a name with '{letter}' in it needs double quotes in {text!r}"
    if word == text.strip():  # a field, or a text: a person decides
        return Issue("expression", fact, f"{hint}; for the text {{$const: {word}}}", path, found[0].start())
    return Issue("expression", fact, hint, path, found[0].start(), fix=written(fixed))


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
    fix = written(re.sub("[\u201c\u201d\u2018\u2019]", "'", text))
    fact = f"{match[0]} is a typographic quote"
    return Issue("expression", fact, "write '…' for text", path, match.start(), fix=fix)


def _arithmetic(text: str, bare: str, path: Path) -> Issue | None:
    match = re.search(r"[\w)\]`'\"]\s*([+*/%-])\s*[\w(`'\"-]", bare)
    if not match:
        return None
    made = text
    if match[1] == "+" and {"'", '"'} & set(text):
        made = f"{text[: match.start(1)]}~{text[match.end(1) :]}"
    for name in reversed([*re.finditer(r"(?<![\w.])[A-Za-z_][\w.]*(?![\w.(])", bare)]):
        made = f"{made[: name.start()]}record.{made[name.start() :]}"
    made = re.sub(r"`(-?[\d.]+)`", r"\1", made)
    hint = f"use a template: {written(f'{{{{ {made} }}}}')}"
    return Issue("expression", f"JMESPath has no arithmetic ('{match[1]}' in {text!r})", hint, path, match.start(1))


def _unclosed(text: str, bare: str, path: Path) -> Issue | None:
    for quote in "'\"`":
        if bare.count(quote) % 2:
            at = bare.rindex(quote)
            return Issue("expression", f"the {quote} at {at + 1} is not closed in {text!r}", f"add {quote}", path, at)
    return None


_RULES = (
    _foreign,
    one_of,
    choice,
    _number,
    _assignment,
    _word,
    _spoken,
    _hyphen,
    _smart_quotes,
    _letters,
    _arithmetic,
    bare_number,
    _unclosed,
)


def close(word: str, words: list[str]) -> str:
    """Return the nearest of *words*, or nothing."""
    found = get_close_matches(word, words, 1, 0.6)
    return found[0] if found else ""


def nearest(word: str, words: list[str]) -> str:
    """Return a hint with the nearest of *words*, or nothing."""
    found = close(word, words)
    return f"did you mean '{found}'?" if found else ""
