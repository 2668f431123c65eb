"""JSON Schemas as editors want them: one file that stands alone, with every connector's options and words for people.

The validator's own schemas stay the source. What is only here: connectors as keys, ``${NAME}`` allowed where a number
or a choice stands, messages for mistakes, and defaults as words (an editor would type them all into the file).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.definition.shape import type_of

if TYPE_CHECKING:
    from engine.definition.schema import Catalog

NAMED: Final = r"\$\{[^}]+\}"
"""A text with ${NAME}: what it stands for is known only where it runs."""

_MAPS: Final = frozenset({"properties", "patternProperties", "definitions"})
_ONES: Final = frozenset({"items", "additionalProperties", "propertyNames", "if", "then", "else", "not", "contains"})
_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf"})
_WORDS: Final = frozenset({"title", "description", "markdownDescription", "examples", "defaultSnippets"})
_OURS: Final = frozenset({"x-errors", "x-aliases", "x-elsewhere", "x-not-yet", "x-connections", "x-connector"})
"""What only the validator reads."""
_PLAIN: Final = frozenset({"boolean", "integer", "number", "string"})
_SIGNS: Final = frozenset("`_*<>$#[]{}|")
"""What an editor would put a backslash before in a text that does not say it is Markdown."""
_ANY: Final = ("string", "number", "boolean", "object", "array", "null")
_NOTES: Final[Mapping[str, Any]] = {"^x-": {}}

Node = dict[str, Any]


class Home(NamedTuple):
    """The file that a part of a schema stands in: how its definitions are called in the bundle, and where they are."""

    prefix: str
    definitions: Mapping[str, Any]


def bundle(catalog: Catalog, kinds: Mapping[str, Mapping[str, Any]], common: Mapping[str, Any]) -> Node:
    """Return one schema for files of these *kinds*; for several, the key at the top tells which it is."""
    writer = _Writer(catalog, common)
    if len(kinds) == 1:
        [(_, document)] = kinds.items()
        made = writer.schema({k: v for k, v in document.items() if k != "definitions"}, _home(document, ""))
    else:
        made = writer.any_of(kinds)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **made, "definitions": writer.written()}


def _home(document: Mapping[str, Any], prefix: str) -> Home:
    return Home(prefix, document.get("definitions", {}))


class _Writer:
    """Writes schemas anew, and with them the definitions they refer to."""

    def __init__(self, catalog: Catalog, common: Mapping[str, Any]) -> None:
        self._catalog = catalog
        self._common = _home(common, "common.")
        self._definitions: dict[str, Node] = {}

    def written(self) -> dict[str, Node]:
        """Return the definitions that are referred to, by name."""
        return dict(sorted(self._definitions.items()))

    def any_of(self, kinds: Mapping[str, Mapping[str, Any]]) -> Node:
        """Write a schema that goes by the key at the top."""
        tops = {name: document["required"][0] for name, document in kinds.items()}
        chosen: Node = {
            "required": [next(iter(tops.values()))],
            "errorMessage": f"needs one of: {', '.join(tops.values())}",
        }
        for name, document in reversed([*kinds.items()]):
            whole = {k: v for k, v in document.items() if k not in ("definitions", "$schema", "defaultSnippets")}
            self._keep(name, whole, _home(document, f"{name}."))
            chosen = {"if": {"required": [tops[name]]}, "then": {"$ref": f"#/definitions/{name}"}, "else": chosen}
        shown = {top: {"title": kinds[name]["title"], **_described(kinds[name])} for name, top in tops.items()}
        about = "A file of a project: its first key says what it is."
        snippets = [one for document in kinds.values() for one in document.get("defaultSnippets", ())]
        words = {"title": "A file of a project", "description": about, "defaultSnippets": snippets}
        return {**words, "type": "object", "properties": shown, **chosen}

    def schema(self, node: Any, home: Home) -> Any:
        """Write one schema."""
        if not isinstance(node, Mapping):
            return node
        if "x-connector" in node:
            return self._with_connectors(node, home)
        if "$ref" in node:
            return self._reference(node, home)
        return _dressed(node, self._parts(node, home))

    def _parts(self, node: Mapping[str, Any], home: Home) -> Node:
        made: Node = {}
        for key, value in node.items():
            if key in _MAPS:
                made[key] = {name: self.schema(inner, home) for name, inner in value.items()}
            elif key in _LISTS:
                made[key] = [self.schema(inner, home) for inner in value]
            elif key in _ONES:
                made[key] = self.schema(value, home)
            elif key not in _OURS:
                made[key] = value
        if made.get("additionalProperties") is False and "properties" in made:
            made.setdefault("patternProperties", _NOTES)
        return made

    def _reference(self, node: Mapping[str, Any], home: Home) -> Node:
        there, name = self._find(node["$ref"], home)
        found = there.definitions[name]
        own = {key: value for key, value in node.items() if key not in ("$ref", "x-offer")}
        if "$ref" in found or _plain(found):
            # written out: editors look for the type and the words beside the key, not behind a reference
            return dict(self.schema(_merged(found, own), there))
        full = there.prefix + name
        self._keep(full, found, there)
        if "x-offer" in node:
            offered = self._parts({"properties": home.definitions[node["x-offer"]]["properties"]}, home)
            return {"allOf": [{"$ref": f"#/definitions/{full}"}], **offered}
        return _dressed(own, {**self._parts(own, home), "$ref": f"#/definitions/{full}"})

    def _find(self, reference: str, home: Home) -> tuple[Home, str]:
        file, _, name = reference.partition("#/definitions/")
        return (self._common if file.endswith("common.json") else home), name

    def _keep(self, name: str, node: Mapping[str, Any], home: Home) -> None:
        if name not in self._definitions:
            self._definitions[name] = {}  # a definition may refer to itself
            self._definitions[name] = self.schema(node, home)

    def _with_connectors(self, node: Mapping[str, Any], home: Home) -> Node:
        """Write an object in which a connector's name is a key: its options are known, and no other key is."""
        role, flat = node["x-connector"], dict(node)
        for base in flat.pop("allOf", ()):
            there, name = self._find(base["$ref"], home)
            properties = {**there.definitions[name].get("properties", {}), **flat.get("properties", {})}
            flat = {**there.definitions[name], **flat, "properties": properties}
        made = self._parts(flat, home)
        options = {name: self._connector(name, role) for name in self._catalog.with_role(role)}
        made["properties"] = options | made.get("properties", {})
        made |= {"additionalProperties": False, "patternProperties": _NOTES}
        made["oneOf"] = [{"required": [name]} for name in options]
        return _dressed(flat, made, "a connector, ")

    def _connector(self, name: str, role: str) -> Node:
        found = self._catalog.connector(name)
        assert found is not None
        document = found.document
        options = document["definitions"][role]
        about = options.get("description") or document.get("description", "")
        self._keep(f"{name}.{role}", {**options, "title": name, "description": about}, _home(document, f"{name}."))
        return {"title": name, **_described({"description": about}), "$ref": f"#/definitions/{name}.{role}"}


def _merged(found: Mapping[str, Any], own: Mapping[str, Any]) -> Node:
    """Put a place's own words over what it refers to; both descriptions are said."""
    said = [one["description"] for one in (own, found) if one.get("description")]
    about = {"description": " ".join(dict.fromkeys(said))} if said else {}
    return {**found, **own, **about}


def _plain(node: Mapping[str, Any]) -> bool:
    types = node.get("type")
    every = [types] if isinstance(types, str) else types or []
    return (bool(every) and set(every) <= _PLAIN) or ("x-value" in node and not every)


def _dressed(source: Mapping[str, Any], made: Node, what: str = "") -> Node:
    """Add the words: what a key is, its default, what to do about a mistake."""
    _say_choices(source, made, what)
    _say_otherwise(made)
    if "default" in made:
        default = made.pop("default")
        made["x-default"] = default
        if isinstance(default, (str, int, float)) and "enum" not in made:
            made.setdefault("examples", [default])
    if made.keys() & {"title", "description", "x-default"}:
        made |= _described(made)
    return _variable(source, made)


def _described(node: Mapping[str, Any]) -> Node:
    about = str(node.get("description") or node.get("title") or "")
    default = f"Default: `{_yaml(node['x-default'])}`." if "x-default" in node else ""
    end = "" if not about or about.endswith((".", "!", "?", "…")) else "."
    text = "\n\n".join(part for part in (f"{about}{end}" if about else "", default) if part)
    marked = {"markdownDescription": text} if default or _SIGNS & {*about} else {}
    return {"description": about, **marked} if text else {}


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _say_choices(source: Mapping[str, Any], made: Node, what: str) -> None:
    """Say what is missing, or too much, where one key of several is needed."""
    for keyword, how in (("oneOf", "exactly one"), ("anyOf", "one")):
        names = [name for one in made.get(keyword, ()) for name in _only_required(one)]
        if names and len(names) == len(made[keyword]):
            said = _worded(source, keyword) or f"needs {what}{how} of: {', '.join(names)}"
            made.setdefault("allOf", []).append(_choice(names, said, keyword == "oneOf"))
            del made[keyword]


def _choice(names: Sequence[str], said: str, only: bool) -> Node:
    """Write the choice as questions one after another: editors say more of these than of a list of schemas."""
    made: Node = {"required": [names[-1]], "errorMessage": said}
    for index, name in reversed([*enumerate(names)]):
        more: Node = {"properties": dict.fromkeys(names[index + 1 :], False), "errorMessage": said} if only else {}
        made = {"if": {"required": [name]}, "then": more, "else": made}
    return made


def _only_required(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping) and node.keys() == {"required"} and len(node["required"]) == 1:
        yield node["required"][0]


def _say_otherwise(made: Node) -> None:
    """Say which keys would do where the absence of one asks for another."""
    missing = made.get("if", {}).get("not") if isinstance(made.get("if"), Mapping) else None
    then = made.get("then")
    if isinstance(missing, Mapping) and isinstance(then, Mapping) and then.keys() == {"required"}:
        names = [name for one in (missing, *missing.get("anyOf", ())) for name in one.get("required", ())]
        made["then"] = {**then, "errorMessage": f"needs one of: {', '.join([*names, *then['required']])}"}


def _named(said: str = "") -> Node:
    return {"type": "string", "pattern": NAMED, **({"patternErrorMessage": said} if said else {})}


def _worded(source: Mapping[str, Any], keyword: str) -> str:
    words = source.get("x-errors", {}).get(keyword, {})
    return ": ".join(words[key] for key in ("message", "hint") if words.get(key))


def _variable(source: Mapping[str, Any], made: Node) -> Node:
    """Let ${NAME} stand where a value of another form is asked for."""
    types = made.get("type")
    every = {types} if isinstance(types, str) else set(types or ())
    if not made.keys() - _WORDS - {"x-value", "x-secret"} and made:
        return {**made, "type": list(_ANY)}
    if every == {"array"} and _plain(made.get("items", {})) and "if" not in made:
        said = _worded(source, "type") or "a list is needed here, such as [one, two]"
        return {**made, "type": ["array", "string"], "if": {"type": "string"}, "then": _named(said)}
    if not every <= {*_PLAIN, "null"} or made.keys() & {"if", "anyOf", "oneOf", "allOf", "$ref"}:
        return made
    if "enum" in made or (every and "string" not in every):
        core = {key: value for key, value in made.items() if key not in _WORDS and not key.startswith("x-")}
        rest = {key: value for key, value in made.items() if key not in core}
        # the types once more: without one editors would write the key with no colon
        every |= {type_of(one) for one in made.get("enum", ())}
        rest["type"] = [*sorted(every - {"string"}), "string"]
        return {**rest, "oneOf": [core, _named()]}
    if "pattern" in made:
        made["pattern"] = f"(?:{made['pattern']})|{NAMED}"
        for keyword, field in (("pattern", "patternErrorMessage"), ("type", "errorMessage")):
            if said := _worded(source, keyword):
                made[field] = said
    return made
