"""Texts that were meant as text and are read as fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.definition.document.fault import quoted
from engine.definition.explain import Finding
from engine.definition.lints.texts import conditions, everything, fields, is_template, mappings, without_quoted
from engine.definition.model import PipelineDefinition
from engine.definition.report import Severity
from engine.errors import Path

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONSTANT = re.compile(r"[A-Z][A-Z_]+")
_UPPER_PATH = re.compile(r"[A-Z][A-Z0-9_]*[^A-Za-z]")
_PLAIN_QUOTED = re.compile(r'(?<![.\w])"(?P<name>[A-Za-z_]\w*)"\s*(?:==|!=|<=|>=|<|>)')
_RIGHT = re.compile(r'(?:==|!=|<=|>=|<|>)\s*"(?P<name>(?:[^"\\]|\\.)*)"(?!\s*[.\[(])')


def lint(definition: PipelineDefinition) -> Iterator[tuple[Finding, Severity]]:
    """Say where a constant is written as a field."""
    texts = [text for path, mapping in mappings(definition) for text in fields(mapping, path)]
    yield from _looks_constant(definition, texts)
    for path, mapping in mappings(definition):
        yield from _literals(mapping, path)
    keys = [((*target.path, "key"), target.key) for target in definition.targets if isinstance(target.key, str)]
    for path, text in [*texts, *conditions(definition), *keys, *_options(definition)]:
        if '"' in text and not is_template(text):
            yield from _quoted_field(path, text)


def _options(definition: PipelineDefinition) -> Iterator[tuple[Path, str]]:
    uses = [target.use for target in definition.targets]
    for use in [definition.source.use, *uses] if definition.source else uses:
        for path, kind in use.values.items():
            value: Any = use.options
            for key in path:
                value = value[key]
            if kind == "expression" and isinstance(value, str):
                yield use.path + path, value


def _quoted_field(path: Path, text: str) -> Iterator[tuple[Finding, Severity]]:
    bare = without_quoted(text)
    for match in _RIGHT.finditer(bare):
        name = match["name"]
        fact = f'"{name}" in double quotes is a field name'
        hint = f"for the text write '{name}', for the field @.\"{name}\""
        begin, end = match.start("name") - 1, match.end("name") + 1
        fix = "" if {"'", "\\", "\n"} & {*name} else quoted(f"{text[:begin]}'{name}'{text[end:]}")
        yield Finding(path, False, "quoted-field", fact, hint, fix=fix), "error"
    for match in _PLAIN_QUOTED.finditer(bare):
        name = match["name"]
        fact = f'"{name}" in double quotes is a field name'
        yield (
            Finding(path, False, "quoted-field", fact, f"for the text write '{name}', for the field {name}"),
            "warning",
        )


def _looks_constant(
    definition: PipelineDefinition, texts: list[tuple[Path, str]]
) -> Iterator[tuple[Finding, Severity]]:
    """An upper-case word among lower-case fields; where the record has such names, upper case says nothing."""
    suspects = [(path, text) for path, text in texts if _CONSTANT.fullmatch(text)]
    if not suspects:
        return
    others = [text for _, text in texts if not is_template(text) and not _CONSTANT.fullmatch(text)]
    lower = sum(1 for text in others if text[:1].islower())
    if lower < len({text for _, text in suspects}) or any(
        re.match(r"[A-Z][A-Z0-9_]*[^A-Za-z]", text) for text in others
    ):
        return
    known = _known_words(definition)
    for path, text in suspects:
        field = next((key for key in reversed(path) if isinstance(key, str) and not key.startswith("$")), "")
        if text not in known and text.lower() != field.lower():
            fact = f"'{text}' is read as a field name, and a record without it is rejected"
            const = f"$const: {text}" if path[-1] == "$value" else f"{{$const: {text}}}"
            fix = "" if path[-1] == "$value" else const
            yield Finding(path, False, "looks-constant", fact, f"for the text write {const}", fix=fix), "warning"


def _known_words(definition: PipelineDefinition) -> set[str]:
    """Return the words that may be fields: what the source and the other places of the pipeline speak of."""
    words: set[str] = set()
    if definition.source is not None:
        words |= set(_names(definition.source.use.options))
    for _, text in conditions(definition):
        words |= set(_WORD.findall(without_quoted(text)))
    for _, mapping in mappings(definition):
        words |= set(everything(_copied(mapping)))
        words |= {word for text in everything(mapping) if is_template(text) for word in _WORD.findall(text)}
    return words


def _copied(mapping: Any) -> list[Any]:
    if not isinstance(mapping, Mapping):
        return []
    return [mapping.get("$copy", []), *(part for item in mapping.values() for part in _copied(item))]


def _names(value: Any) -> Iterator[str]:
    """Yield the words of texts and the keys of maps."""
    if isinstance(value, str):
        yield from _WORD.findall(re.sub(r"'[^']*'", " ", value))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def _literals(mapping: Any, path: Path) -> Iterator[tuple[Finding, Severity]]:
    if isinstance(mapping, list):
        for index, item in enumerate(mapping):
            yield from _literals(item, (*path, index))
    elif isinstance(mapping, Mapping):
        for key, item in mapping.items():
            if key in ("$default", "$const") and isinstance(item, str) and "{{" in item:
                fact = f"'{key}' is a literal: the text with {{{{ … }}}} is sent as it stands"
                hint = 'for a computed default write {$value: "{{ … | default(…) }}"}'
                yield Finding((*path, key), False, "default-is-literal", fact, hint), "warning"
            elif not key.startswith("$") or key == "$map":
                yield from _literals(item, (*path, key))
