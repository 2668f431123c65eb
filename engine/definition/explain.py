"""Why a document does not fit its schema: one finding for each mistake, in words for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from engine.definition.nearest import did_you_mean, nearest
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

    def said(self, instead: str = "") -> str:
        """Return the message, with *instead* in place of the value where that must not be shown."""
        return self.message.replace("{value}", instead or self.value)


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map of keys",
    "null": "null",
}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
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
    return _without_echoes(list(found))


def _in_own_words(finding: Finding, mistake: Mistake) -> Finding:
    """Prefer the words that the schema has for this failure."""
    own = mistake.schema.get("x-errors", {}).get(mistake.validator)
    if not own or finding.code == "not-yet":
        return finding
    message, value = finding.message, finding.value
    if "message" in own:
        about_key = finding.key and finding.path and mistake.validator != "anyOf"
        message = f"'{finding.path[-1]}' {own['message']}" if about_key else str(own["message"])
        if not finding.key:
            message, value = f"{{value}} {own['message']}", _shown(mistake.instance)
    return finding._replace(
        code=own.get("code", finding.code), message=message, hint=own.get("hint", finding.hint), value=value
    )


def _without_echoes(found: list[Finding]) -> list[Finding]:
    """Drop what follows from another finding: a key that is missing because its name is misspelt."""
    misspelt = {finding.path[:-1] for finding in found if finding.code in ("unknown-key", "not-yet") and finding.key}
    halved = {finding.path[:-1] for finding in found if finding.code == "missing-key" and finding.path}
    meant = {(finding.path[:-1], finding.hint) for finding in found if finding.code == "unknown-key"}
    kept = []
    for finding in found:
        if finding.code == "missing-key":
            if (finding.path, f"did you mean '{finding.name}'?") in meant:
                continue
            if not finding.name and finding.path in misspelt | halved:
                continue
        kept.append(finding)
    return kept


def _type(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    allowed = mistake.validator_value
    names = [allowed] if isinstance(allowed, str) else list(allowed)
    wanted = _choice([_TYPES[name] for name in names])
    hint = ""
    if "boolean" in names and str(mistake.instance).lower() in ("yes", "no", "on", "off", "y", "n", "1", "0"):
        hint = f"write {'true' if str(mistake.instance).lower() in ('yes', 'on', 'y', '1') else 'false'}"
    elif names == ["string"] and isinstance(mistake.instance, (int, float)):
        hint = f'quote it: "{_plain(mistake.instance)}"'
    elif isinstance(mistake.instance, str) and {"integer", "number"} & {*names} and _NUMBER.fullmatch(mistake.instance):
        hint = f"write {mistake.instance} without quotes"
    elif names == ["array"] and isinstance(mistake.instance, str):
        hint = f"write [{mistake.instance[:40]}]"
    elif mistake.instance is None:
        hint = "write a value or remove the key"
    return [Finding(path, False, "wrong-type", f"must be {wanted}, not {{value}}", hint, _shown(mistake.instance))]


def _unknown(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    return [unknown_key((*path, key), shape.at(path), mistake.schema) for key in _extra(mistake)]


def _extra(mistake: Mistake) -> list[str]:
    known = mistake.schema.get("properties", {})
    patterns = mistake.schema.get("patternProperties", {})
    return [key for key in mistake.instance if key not in known and not any(re.search(p, key) for p in patterns)]


def unknown_key(path: Path, shape: Shape | None, schema: Mapping[str, Any]) -> Finding:
    """Return the finding for a key that is not known at its place."""
    key = str(path[-1])
    if key in schema.get("x-not-yet", ()):
        return Finding(path, True, "not-yet", f"'{key}' is part of the language but not built yet", "remove it")
    if (elsewhere := schema.get("x-elsewhere", {}).get(key)) is not None:
        return Finding(path, True, "unknown-key", f"'{key}' is not an option here", f"it belongs to {elsewhere}")
    names = list(schema.get("properties", ())) or (shape.known() if shape else [])
    meant = schema.get("x-aliases", {}).get(key) or nearest(key, names)
    hint = f"did you mean '{meant}'?" if meant else _list_of(names)
    return Finding(path, True, "unknown-key", f"'{key}' is not an option", hint)


def _choice(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


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
    return f"add {name}: … ({about[0].lower()}{about[1:]})" if about else f"add {name}: …"


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


def _enum(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    values = [_plain(value) for value in mistake.validator_value]
    meant = did_you_mean(str(mistake.instance), values) if isinstance(mistake.instance, str) else ""
    fact = f"{{value}} is not one of {', '.join(dict.fromkeys(values))}"
    return [Finding(path, False, "bad-value", fact, meant, _shown(mistake.instance))]


def _pattern(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    if _is_name(mistake):
        return [Finding((*path, str(mistake.instance)), True, "bad-name", f"'{mistake.instance}' is not allowed here")]
    return [Finding(path, False, "bad-value", "{value} does not have the right form", "", _shown(mistake.instance))]


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
    return [Finding(path, False, "bad-value", fact, "", _shown(mistake.instance))]


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
    wanted = _plain(mistake.validator_value)
    return [
        Finding(path, False, "bad-value", f"{{value}} is not {wanted}", f"write {wanted}", _shown(mistake.instance))
    ]


def _other(path: Path, mistake: Mistake, shape: Shape) -> list[Finding]:
    fact = f"{{value}} does not fit: {mistake.validator} {_plain(mistake.validator_value)[:100]}"
    return [Finding(path, False, "bad-value", fact, "", _shown(mistake.instance))]


_SAYS = {
    "type": _type,
    "additionalProperties": _unknown,
    "required": _required,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
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


_CREDENTIALS = re.compile(r"(?<=//)[^/\s]*@")
"""Of an address: who it lets in is nobody else's to read, also where the address is wrong."""


def _shown(value: Any) -> str:
    if isinstance(value, str):
        value = _CREDENTIALS.sub("***@", value)
        return f"'{value[:60]}…'" if len(value) > 60 else f"'{value}'"
    if isinstance(value, Mapping):
        return "a map of keys"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else _plain(value)


def _plain(value: Any) -> str:
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )
