"""What of a value does not go where another is wanted: fields missing or too many, kinds, lengths, choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.expressions.types import naming
from engine.expressions.types.acts import NUMERIC, Step, mark, solid, tells
from engine.expressions.types.model import NULL, Field, Type
from engine.expressions.types.words import describe

MAX_DEPTH = 24
Path = tuple[Step, ...]


class Misfit(NamedTuple):
    """Something that does not fit."""

    path: Path
    """Of the field; ``"*"`` is every element of a list. A missing one is not there: it belongs to the object above."""
    code: str
    """``missing-required``, ``unknown-field``, ``type-mismatch``, ``null-possible``, ``too-long``, ``not-a-choice``."""
    message: str
    hint: str = ""
    certain: bool = True
    """It is so for every record; else for some, or as far as anybody said."""


def misfits(sent: Type, wanted: Type) -> Iterator[Misfit]:
    """Give what of *sent* does not go where *wanted* is."""
    return _value(sent, wanted, (), 0)


def _value(sent: Type, wanted: Type, path: Path, depth: int) -> Iterator[Misfit]:
    if wanted.any or sent.any or depth > MAX_DEPTH:
        return
    mismatched = bool(solid(sent)) and _never(sent, wanted)
    if sent.nullable and not wanted.nullable and not solid(sent) >= _ALL and not mismatched:
        yield _null(path, wanted, sent)
    if not solid(sent):
        return
    if mismatched:
        fact = f"'{_name(path)}' is {describe(sent.without_null())}, and {describe(wanted)} is wanted"
        yield Misfit(path, "type-mismatch", fact, _remedy(sent, wanted))
        return
    other = _other(sent, wanted)
    if other is not None:
        fact = f"'{_name(path)}' may be {describe(other)}, and {describe(wanted)} is wanted"
        yield Misfit(path, "type-mismatch", fact, _remedy(other, wanted), certain=False)
    yield from _text(sent, wanted, path)
    if "object" in sent.kinds and "object" in wanted.kinds:
        yield from _object(sent, wanted, path, depth)
    if "list" in sent.kinds and "list" in wanted.kinds and sent.items is not None and wanted.items is not None:
        yield from _value(sent.items, wanted.items, (*path, "*"), depth + 1)


_ALL = frozenset({"boolean", "integer", "number", "text", "list", "object", "other"})


def _never(sent: Type, wanted: Type) -> bool:
    kinds = solid(sent)
    if "other" in kinds or "other" in wanted.kinds or kinds & wanted.kinds:
        return False
    return not (kinds & NUMERIC and wanted.kinds & NUMERIC)


def _other(sent: Type, wanted: Type) -> Type | None:
    """Return what of several known kinds is not wanted, None where nothing is."""
    kinds = solid(sent)
    if kinds >= _ALL or "other" in kinds or "other" in wanted.kinds:
        return None
    left = kinds - wanted.kinds - (NUMERIC if wanted.kinds & NUMERIC else frozenset())
    return Type(left, items=sent.items) if left else None


def _null(path: Path, wanted: Type, sent: Type) -> Misfit:
    # a column whose type is not known takes nearly everything: to list that tells nobody anything
    always = not solid(sent)
    what = "a value" if len(wanted.kinds) > 3 else describe(wanted)
    fact = f"'{_name(path)}' {'is' if always else 'may be'} null, and {what} is wanted"
    hint = "give it a value" if always else "give it a value with $default, or reject the record with $required: true"
    # not certain where it is always null either: in samples that proves nothing
    return Misfit(path, "null-possible", fact, hint, certain=False)


def _remedy(sent: Type, wanted: Type) -> str:
    kinds = solid(sent)
    if wanted.kinds >= {"text"} and kinds <= NUMERIC | {"boolean"}:
        return "write it as text with $type: string"
    if kinds == {"text"} and wanted.kinds & NUMERIC:
        return f"read it as a number with $type: {'decimal' if 'number' in wanted.kinds else 'integer'}"
    if kinds == {"text"} and "boolean" in wanted.kinds:
        return "read it with $type: boolean"
    if kinds == {"list"} and "list" not in wanted.kinds:
        return "take one element, such as path[0]"
    if "list" in wanted.kinds:
        return "put it into a list"
    return ""


def _text(sent: Type, wanted: Type, path: Path) -> Iterator[Misfit]:
    if wanted.choices and sent.choices:
        yield from _choice(sent, wanted, path)
    if wanted.longest is None or "text" not in sent.kinds:
        return
    lengths = [len(choice) for choice in sent.choices if isinstance(choice, str)]
    longest = max(lengths) if lengths else sent.longest
    if longest is not None and longest > wanted.longest:
        certain = bool(lengths) and min(lengths) > wanted.longest and solid(sent) == {"text"}
        word = "has" if certain else "may have"
        fact = f"'{_name(path)}' {word} {longest} characters, and {wanted.longest} are taken"
        hint = f"cut it: truncate(…, `{wanted.longest}`)"
        yield Misfit(path, "too-long", fact, hint, certain)


def _choice(sent: Type, wanted: Type, path: Path) -> Iterator[Misfit]:
    allowed = {mark(choice) for choice in wanted.choices}
    wrong = [choice for choice in sent.choices if mark(choice) not in allowed]
    if not wrong:
        return
    certain = len(wrong) == len(sent.choices)
    shown = naming.listing(map(repr, wrong))
    near, _ = naming.nearest(str(wrong[0]), [str(choice) for choice in wanted.choices])
    hint = f"did you mean '{near}'?" if near else f"there are {naming.listing(map(str, wanted.choices))}"
    word = "is" if certain else "may be"
    yield Misfit(path, "not-a-choice", f"'{_name(path)}' {word} {shown}, which is none of the choices", hint, certain)


def _object(sent: Type, wanted: Type, path: Path, depth: int) -> Iterator[Misfit]:
    for name, want in wanted.fields.items():
        have = sent.fields.get(name)
        if have is None:
            yield from _missing(sent, wanted, name, want, path)
            continue
        told = have.type.nullable and not want.type.nullable
        if want.always and not (have.always or have.type.any or told):
            fact = f"'{_name((*path, name))}' may be absent, and it is required"
            yield Misfit((*path, name), "null-possible", fact, "give it a value with $default", False)
        yield from _value(have.type, want.type, (*path, name), depth + 1)
    if wanted.further == "yes" or not wanted.fields or (wanted.further == "unsaid" and not tells(wanted)):
        return
    for name, have in sent.fields.items():
        if name not in wanted.fields:
            yield _unknown(wanted, name, have, path)


def _missing(sent: Type, wanted: Type, name: str, want: Field, path: Path) -> Iterator[Misfit]:
    if not want.always or sent.further == "yes":
        return
    known = f" in {wanted.known_from}" if wanted.known_from else ""
    near, _ = naming.nearest(name, [one for one in sent.fields if one not in wanted.fields])
    hint = f"'{near}' is sent; is that it?" if near else ""
    fact = f"'{_name((*path, name))}' is required{known} and is not sent"
    yield Misfit((*path, name), "missing-required", fact, hint, sent.further == "no")


def _unknown(wanted: Type, name: str, have: Field, path: Path) -> Misfit:
    near, _ = naming.nearest(name, wanted.fields)
    hint = f"did you mean '{near}'?" if near else f"there are {naming.listing(wanted.fields)}"
    whole = _name((*path, name))
    if wanted.further == "no":
        known = f" in {wanted.known_from}" if wanted.known_from else ""
        fact = f"there is no field '{whole}'{known}"
        return Misfit((*path, name), "unknown-field", fact, hint, have.always and have.type.kinds != NULL.kinds)
    fact = f"as far as is known, there is no field '{whole}' in {wanted.known_from or 'the target'}"
    return Misfit((*path, name), "unknown-field", fact, hint, False)


def _name(path: Path) -> str:
    text = ""
    for step in path:
        text += "[*]" if step == "*" else f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "the value"
