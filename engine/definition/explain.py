"""Why a document does not fit its schema: one finding for each mistake, in words for people."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

from engine.definition.nearest import nearest
from engine.definition.retype import remedied, retyped, scalar, shortened, tight
from engine.definition.saying import choice, plain, shown
from engine.definition.shape import Shape
from engine.errors import Path


class Mistake(Protocol):
    """What jsonschema says of one failed keyword."""

    @property
    def absolute_path(self) -> Iterable[str | int]:
        """Where the instance stands."""

    @property
    def absolute_schema_path(self) -> Iterable[str | int]:
        """Where the keyword stands."""

    validator: str
    validator_value: Any
    instance: Any
    schema: Mapping[str, Any]
    message: str
    context: Sequence[Mistake] | None


class Finding(NamedTuple):
    """One mistake: *key* says that it is the key at *path* that is wrong, not its value."""

    path: Path
    key: bool
    code: str
    message: str
    hint: str = ""
    value: str = ""
    """What ``{value}`` in the message stands for; not shown where it is a secret."""
    name: str = ""
    """The key that is missing."""
    fix: str = ""
    """What to write in place of the key or scalar at *path*, as YAML; empty: a person must decide."""
    discreet: str | None = None
    """What to say instead of a hint that shows the value, where that must not be shown."""

    def said(self, instead: str = "") -> str:
        """Return the message, with *instead* in place of the value where that must not be shown."""
        return self.message.replace("{value}", instead or self.value)


MAX_FOUND = 51
"""Findings of one file: looking for the name somebody meant takes time, and who has so many begins with the first."""
MORE = Finding((), False, "more-problems", "there are more problems here than are shown", "mend these first")


def some(found: Iterable[Finding]) -> list[Finding]:
    """Take what is found as far as anybody reads it, and say so."""
    first = list(islice(found, MAX_FOUND + 1))
    return [*first[:MAX_FOUND], MORE] if len(first) > MAX_FOUND else first


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map of keys",
    "null": "null",
}
_FIRST = ("type", "enum", "const")
"""A value of the wrong type breaks other rules too; only the first of these is said."""


def findings(mistakes: Sequence[Mistake], shape: Shape) -> list[Finding]:
    """Return what to say about *mistakes* of a document with *shape*."""
    typed = {tuple(mistake.absolute_path) for mistake in mistakes if mistake.validator == "type"}
    found: dict[Finding, None] = {}
    for mistake in sorted(mistakes, key=lambda m: _FIRST.index(m.validator) if m.validator in _FIRST else len(_FIRST)):
        path = tuple(mistake.absolute_path)
        if mistake.validator != "type" and path in typed:
            continue
        for finding in _SAYS.get(mistake.validator, _other)(path, mistake, shape):
            found[_in_own_words(finding, mistake)] = None
        if len(found) >= MAX_FOUND:
            found[MORE] = None
            break
    return _without_echoes(list(found))


def _in_own_words(finding: Finding, mistake: Mistake) -> Finding:
    """Prefer the words that the schema has for this failure."""
    own = mistake.schema.get("x-errors", {}).get(mistake.validator)
    if not own or finding.code == "not-yet":
        return finding
    message, value = finding.message, finding.value
    if "message" in own and finding.code != "too-many":
        about_key = finding.key and finding.path and mistake.validator != "anyOf"
        message = f"'{finding.path[-1]}' {own['message']}" if about_key else str(own["message"])
        if not finding.key:
            message, value = f"{{value}} {own['message']}", shown(mistake.instance)
    hint, fix = own.get("hint", finding.hint), finding.fix
    code = own.get("code", finding.code)
    better = None if finding.key else remedied(mistake.instance, code, str(mistake.schema.get("x-type", "")))
    if better:
        hint, fix = better[0] if code != "bad-name" else f"{hint}: {better[0]}", better[1]
    elif fix and ("code" not in own or "x-short" in mistake.schema):
        hint = finding.hint
    elif "hint" in own:
        fix = ""
    discreet = finding.discreet if hint == finding.hint else own.get("hint", "")
    return finding._replace(code=code, message=message, hint=hint, value=value, fix=fix, discreet=discreet)


def _without_echoes(found: list[Finding]) -> list[Finding]:
    """Drop what follows from another finding: a key that is missing because its name is misspelt."""
    misspelt = {finding.path[:-1] for finding in found if finding.code in ("unknown-key", "not-yet") and finding.key}
    halved = {finding.path[:-1] for finding in found if finding.code == "missing-key" and finding.path}
    meant = {(finding.path[:-1], finding.hint) for finding in found if finding.code == "unknown-key"}
    run_on = {(finding.path[:-1], tight(str(finding.path[-1])).partition(":")[0]) for finding in found if finding.path}
    kept = []
    for finding in found:
        if finding.code == "missing-key":
            if (finding.path, f"did you mean '{finding.name}'?") in meant or (finding.path, finding.name) in run_on:
                continue
            if not finding.name and finding.path in misspelt | halved:
                continue
        kept.append(finding)
    return kept


def _type(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    allowed = mistake.validator_value
    names = [allowed] if isinstance(allowed, str) else list(allowed)
    wanted = choice([_TYPES[name] for name in names])
    if mistake.instance is None and path and (meant := tight(str(path[-1]))):
        fact = f"a space is missing after ':' in '{path[-1]}'"
        return [Finding(path, True, "wrong-type", fact, f"write {meant}", fix=meant)]
    hint, fix = _short(mistake) or retyped(names, mistake.instance)
    fact = f"must be {wanted}, not {{value}}"
    return [Finding(path, False, "wrong-type", fact, hint, shown(mistake.instance), fix=fix, discreet="")]


def _short(mistake: Mistake) -> tuple[str, str] | None:
    """Return the remedy where a map is wanted and its main value is given, as ``insert: orders``."""
    key = mistake.schema.get("x-short", "")
    wanted = mistake.schema.get("properties", {}).get(key, {}).get("type", "string")
    return shortened(mistake.instance, key, wanted) if key else None


def _unknown(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    extra = islice(_extra(mistake), MAX_FOUND)
    return [unknown_key((*path, key), shape.at(path), mistake.schema, mistake.instance) for key in extra]


def _extra(mistake: Mistake) -> Iterator[str]:
    known = mistake.schema.get("properties", {})
    patterns = mistake.schema.get("patternProperties", {})
    return (key for key in mistake.instance if key not in known and not any(re.search(p, key) for p in patterns))


def unknown_key(
    path: Path, shape: Shape | None, schema: Mapping[str, Any], beside: Container[str] = frozenset()
) -> Finding:
    """Return the finding for a key that is not known at its place, among the keys *beside*."""
    key = str(path[-1])
    if key in schema.get("x-not-yet", ()):
        return Finding(path, True, "not-yet", f"'{key}' is part of the language but not built yet", "remove it")
    if (elsewhere := schema.get("x-elsewhere", {}).get(key)) is not None:
        return Finding(path, True, "unknown-key", f"'{key}' is not an option here", f"it belongs to {elsewhere}")
    if spaced := tight(key):
        fact = f"a space is missing after ':' in '{key}'"
        return Finding(path, True, "unknown-key", fact, f"write {spaced}", fix=spaced)
    if len(key.split()) > 2 and isinstance(beside, Mapping) and beside.get(key, "") is None:
        fact = f"a ',' inside {{ }} ends the value before '{key[:40]}'"
        return Finding(path, True, "unknown-key", fact, "put the whole value into quotes")
    names = list(schema.get("properties", ())) or (shape.known() if shape else [])
    meant = schema.get("x-aliases", {}).get(key) or nearest(key, names)
    if meant and meant in beside:
        hint = f"'{meant}' is there already; remove this one"
        return Finding(path, True, "unknown-key", f"'{key}' is not an option", hint)
    hint = f"did you mean '{meant}'?" if meant else _list_of(names)
    return Finding(path, True, "unknown-key", f"'{key}' is not an option", hint, fix=meant or "")


def _list_of(names: Sequence[str]) -> str:
    if not names:
        return "remove it"
    shown = ", ".join(names[:12])
    return f"known here: {shown}{', …' if len(names) > 12 else ''}"


def _required(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    missing = [name for name in mistake.validator_value if name not in mistake.instance]
    return [
        Finding(path, True, "missing-key", f"'{name}' is missing", _example(mistake, name), name=name)
        for name in missing
    ]


def _example(mistake: Mistake, name: str) -> str:
    schema = mistake.schema.get("properties", {}).get(name, {})
    text = str(schema.get("description", "")) if isinstance(schema, Mapping) else ""
    about = text.split(". ")[0].rstrip(".")
    if about and not about[1:2].isupper():
        about = f"{about[0].lower()}{about[1:]}"
    return f"add {name}: … ({about})" if about else f"add {name}: …"


def _alternatives(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    """``anyOf``/``oneOf`` of required keys read as a choice; anything else by its most telling branch."""
    if not isinstance(mistake.instance, Mapping) or not all(
        set(branch) == {"required"} for branch in mistake.validator_value
    ):
        deepest = max(mistake.context or [], key=lambda inner: len(list(inner.absolute_path)), default=None)
        return _SAYS.get(deepest.validator, _other)(tuple(deepest.absolute_path), deepest, shape) if deepest else []
    names = [name for branch in mistake.validator_value for name in branch["required"]]
    given = [name for name in names if name in mistake.instance]
    if not given:
        return [Finding(path, True, "missing-key", f"needs one of {', '.join(names)}")]
    fact = f"'{given[1]}' cannot stand beside '{given[0]}'"
    return [Finding((*path, given[1]), True, "too-many", fact, f"use one of {', '.join(names)}")]


def _beside(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    """``not`` of two required keys reads as a choice between them."""
    names = list(mistake.validator_value.get("required", ())) if isinstance(mistake.validator_value, Mapping) else []
    if len(names) != 2:
        return _other(path, mistake, shape)
    fact = f"'{names[1]}' cannot stand beside '{names[0]}'"
    return [Finding((*path, names[1]), True, "too-many", fact, "keep one of them")]


def _enum(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    values = [plain(value) for value in mistake.validator_value]
    given = mistake.instance
    other = mistake.schema.get("x-meant", {}).get(given.lower()) if isinstance(given, str) else None
    meant = other or (nearest(given, values) if isinstance(given, str) else None)
    hint = f"did you mean '{meant}'?" if meant else ""
    fact = f"{{value}} is not one of {', '.join(dict.fromkeys(values))}"
    return [Finding(path, False, "bad-value", fact, hint, shown(mistake.instance), fix=scalar(meant or ""))]


def _pattern(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    if _is_name(mistake):
        return [Finding((*path, str(mistake.instance)), True, "bad-name", f"'{mistake.instance}' is not allowed here")]
    return [Finding(path, False, "bad-value", "{value} does not have the right form", "", shown(mistake.instance))]


def _is_name(mistake: Mistake) -> bool:
    """Whether the failed text is a key of the object at the path (``propertyNames``), not a value."""
    return "propertyNames" in mistake.absolute_schema_path


def _dependencies(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    found = []
    for key, needed in mistake.validator_value.items():
        if key in mistake.instance:
            missing = [name for name in needed if name not in mistake.instance]
            found += [
                Finding((*path, key), True, "missing-key", f"'{key}' needs '{name}' beside it") for name in missing
            ]
    return found


def _limit(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    words = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "multipleOf": "a multiple of {}",
    }
    fact = f"{{value}} is not {words[mistake.validator].format(mistake.validator_value)}"
    return [Finding(path, False, "bad-value", fact, "", shown(mistake.instance))]


def _length(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    limit = mistake.validator_value
    facts = {
        "minLength": "is empty" if limit == 1 else f"needs at least {limit} characters",
        "maxLength": f"has more than {limit} characters",
        "minItems": "is empty" if limit == 1 else f"needs at least {limit} items",
        "maxItems": f"has more than {limit} items",
        "minProperties": "is empty" if limit == 1 else f"needs at least {limit} keys",
        "maxProperties": f"has more than {'one key' if limit == 1 else f'{limit} keys'}",
        "uniqueItems": "names something twice",
    }
    return [Finding(path, False, "bad-value", facts[mistake.validator])]


def _const(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    wanted = plain(mistake.validator_value)
    fact, hint = f"{{value}} is not {wanted}", f"write {wanted}"
    return [Finding(path, False, "bad-value", fact, hint, shown(mistake.instance), fix=wanted)]


def _other(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    fact = f"{{value}} does not fit: {mistake.validator} {plain(mistake.validator_value)[:100]}"
    return [Finding(path, False, "bad-value", fact, "", shown(mistake.instance))]


_SAYS = {
    "type": _type,
    "additionalProperties": _unknown,
    "required": _required,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "not": _beside,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "dependencies": _dependencies,
    "minimum": _limit,
    "maximum": _limit,
    "exclusiveMinimum": _limit,
    "exclusiveMaximum": _limit,
    "multipleOf": _limit,
    "minLength": _length,
    "maxLength": _length,
    "minItems": _length,
    "maxItems": _length,
    "minProperties": _length,
    "maxProperties": _length,
    "uniqueItems": _length,
}
