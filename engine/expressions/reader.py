"""Reads values of the language into a plan, and collects every mistake on the way."""

from __future__ import annotations

from collections.abc import Mapping, Set
from decimal import Decimal
from typing import Any

from engine.errors import Path
from engine.expressions.paths import is_template, plain_path
from engine.expressions.plan import Const, Each, Field, Fields, Items, Lookup, Node, Query, Text
from engine.expressions.query import ROOTS, close, dollar_template, nearest, parse
from engine.expressions.values import Issue

KEYS = (
    "$value",
    "$const",
    "$default",
    "$field",
    "$type",
    "$format",
    "$scale",
    "$required",
    "$sensitive",
    "$each",
    "$map",
)
SOURCES = ("$value", "$const", "$field", "$each")
TYPES = ("string", "integer", "number", "decimal", "boolean", "date", "datetime", "json")
_WORDS = frozenset({"true", "false", "null"})
MAX_ISSUES = 30
"""Of one reading; who has so many begins with the first."""


class Reader:
    """Reads values that see the names *visible*; what is wrong is in ``issues``."""

    def __init__(self, visible: Set[str]) -> None:
        self.visible = visible
        self.issues: list[Issue] = []

    def issue(self, code: str, message: str, hint: str, path: Path, offset: int | None = None) -> Node:
        """Note a mistake and go on with null in its place."""
        self.issues.append(Issue(code, message, hint, path, offset))
        return Const(path, None)

    def _enough(self, path: Path) -> Node:
        """Say once that reading on, for names somebody may have meant, would take long."""
        if len(self.issues) == MAX_ISSUES:
            fact = "there are more problems here than are shown"
            self.issues.append(Issue("more-problems", fact, "mend these first", path))
        return Const(path, None)

    def value(self, value: Any, path: Path) -> Node:
        """Read any value of a mapping."""
        if len(self.issues) >= MAX_ISSUES:
            return self._enough(path)
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, Mapping):
            return self._object(value, path)
        if isinstance(value, (list, tuple)):
            return Items(path, tuple(self.value(item, (*path, index)) for index, item in enumerate(value)))
        if value is None or isinstance(value, (bool, int, float, Decimal)):
            return Const(path, value)
        return self.issue("expression", f"{type(value).__name__} is not a value", "quote it", path)

    def text(self, text: str, path: Path) -> Node:
        """Read an expression: Jinja, a plain path, or JMESPath."""
        if is_template(text):
            return self.template(text, path)
        steps = plain_path(text)
        if steps is not None:
            return self._lookup(text, steps, path)
        return self._query(text, path)

    def template(self, text: str, path: Path) -> Node:
        """Read Jinja."""
        if "${{" in text:
            self.issues.append(dollar_template(text, path))
            return Const(path, None)
        from engine.expressions.jinja.check import parse as parse_template

        _, found = parse_template(text, path, self.visible)
        self.issues += found
        return Text(path, text)

    def query(self, text: str, path: Path) -> Node:
        """Read JMESPath over any document, in which missing is null even for a plain path."""
        if is_template(text):
            return self.issue("expression", "this takes JMESPath, not a template", "write the path without {{ }}", path)
        return self._query(text, path, of_record=False)

    def _query(self, text: str, path: Path, of_record: bool = True) -> Node:
        tree, found = parse(text, path, of_record)
        self.issues += found
        return Query(path, text, tree) if tree is not None else Const(path, None)

    def _lookup(self, text: str, steps: tuple[str | int, ...], path: Path) -> Node:
        first = steps[0]
        if first in ROOTS and not text.lstrip().startswith('"'):
            from engine.expressions.inspection import root_issue

            self.issues.append(root_issue(str(first), text, path))
        elif len(steps) == 1 and first in _WORDS and '"' not in text:
            hint = f"write {first} without quotes"
            self.issues.append(Issue("expression", f"{first} is read as a field", hint, path, 0, fix=str(first)))
            return Const(path, None)
        return Lookup(path, steps)

    def _object(self, value: Mapping[Any, Any], path: Path) -> Node:
        marked = [key for key in value if isinstance(key, str) and key.startswith("$") and key != "$copy"]
        if marked and len(marked) == len(value):
            return self._field(value, path)
        for key in marked:
            hint = "put the field's $ keys into an object of their own"
            self.issue("mixed-field", f"'{key}' stands beside ordinary fields", hint, (*path, key))
        fields: list[tuple[str, Node]] = []
        for key, item in value.items():
            if key == "$copy":
                fields += self._copy(item, (*path, key))
            elif key not in marked:
                name = key if isinstance(key, str) else _name_of(key)
                fields.append((name, self.value(item, (*path, key))))
        return Fields(path, tuple(dict(fields).items()))

    def _copy(self, names: Any, path: Path) -> list[tuple[str, Node]]:
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name for name in names):
            self.issue("field", "$copy takes a list of field names", "write $copy: [id, name]", path)
            return []
        return [(name, Lookup((*path, index), (name,))) for index, name in enumerate(names)]

    def _field(self, value: Mapping[str, Any], path: Path) -> Node:
        for key in value:
            if key not in KEYS:
                hint = nearest(key, [*KEYS, "$copy"]) or "there are " + ", ".join(KEYS)
                self.issue("unknown-key", f"'{key}' is not a key of a field", hint, (*path, key))
        sources = [key for key in SOURCES if key in value]
        if len(sources) != 1:
            found = " and ".join(sources) if sources else "none"
            hint = "write {$const: …} for a fixed value" if "$default" in value and not sources else "keep one"
            return self.issue("field", f"a field has one of $value, $const, $field, $each; here is {found}", hint, path)
        source = self._source(sources[0], value, path)
        self._judge(value, path)
        return Field(
            path,
            source,
            value.get("$type"),
            value.get("$format"),
            value.get("$scale"),
            value.get("$required"),
            value.get("$default"),
            "$default" in value,
            bool(value.get("$sensitive")),
        )

    def _source(self, key: str, value: Mapping[str, Any], path: Path) -> Node:
        given, place = value[key], (*path, key)
        if key == "$const":
            return Const(place, given)
        if key == "$value":
            return self.text(given, place) if isinstance(given, str) else self._not_text(key, given, place)
        if key == "$field":
            if not isinstance(given, str) or not given:
                return self.issue("field", "$field takes the name of a field", "", place)
            return Lookup(place, (given,))
        if "$map" not in value:
            return self.issue("field", "$each needs $map", "say what each element becomes", place)
        source = self.text(given, place) if isinstance(given, str) else self._not_text(key, given, place)
        inner = type(self)(self.visible | {"item"})
        body = inner.value(value["$map"], (*path, "$map"))
        self.issues += inner.issues
        return Each(place, source, body)

    def _not_text(self, key: str, given: Any, place: Path) -> Node:
        hint = f"write {{$const: {given}}}" if key == "$value" and not isinstance(given, (dict, list)) else ""
        return self.issue("field", f"{key} takes an expression", hint, place)

    def _judge(self, value: Mapping[str, Any], path: Path) -> None:
        kind, pattern, scale = value.get("$type"), value.get("$format"), value.get("$scale")
        if "$map" in value and "$each" not in value:
            self.issue("field", "$map needs $each", "say which list it goes over", (*path, "$map"))
        if "$type" in value and kind not in TYPES:
            fix = close(str(kind).lower(), list(TYPES))
            hint = f"did you mean '{fix}'?" if fix else "there are " + ", ".join(TYPES)
            place = (*path, "$type")
            self.issues.append(Issue("unknown-type", f"there is no type '{kind}'", hint, place, fix=fix))
        if "$required" in value and not isinstance(value["$required"], bool):
            self.issue("field", "$required is true or false", "", (*path, "$required"))
        if "$scale" in value:
            self._scale(kind, scale, (*path, "$scale"))
        if "$format" in value:
            self._format(kind, pattern, (*path, "$format"))

    def _scale(self, kind: Any, scale: Any, path: Path) -> None:
        if not isinstance(scale, int) or isinstance(scale, bool) or not 0 <= scale <= 50:
            self.issue("field", "$scale is a whole number from 0 to 50", "", path)
        elif kind not in (None, "decimal", "number"):
            self.issue("field", f"$scale does not go with $type: {kind}", "use decimal or number", path)

    def _format(self, kind: Any, pattern: Any, path: Path) -> None:
        if not isinstance(pattern, str):
            self.issue("field", '$format is a text such as "0.00" or "%d/%m/%Y"', "quote it", path)
        elif kind in ("date", "datetime"):
            from engine.expressions.library.dates import check_format

            problem = check_format(pattern)
            if problem:
                self.issue("field", problem, "", path)
        elif kind not in (None, "decimal", "number", "integer"):
            self.issue("field", f"$format does not go with $type: {kind}", "it writes numbers and dates", path)
        else:
            from engine.expressions.library.numbers import is_pattern

            if not is_pattern(pattern):
                hint = "for dates add $type: date" if "%" in pattern else "write it like 0.00 or #.##0,00"
                self.issue("field", f"'{pattern}' is not a number pattern", hint, path)


def _name_of(key: Any) -> str:
    return {True: "true", False: "false", None: "null"}[key] if key is None or isinstance(key, bool) else str(key)
