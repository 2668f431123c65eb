"""The careful reading of YAML: values, the place of every key and value, and every problem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from engine.definition.document import oddities, syntax
from engine.definition.document.fault import Fault, quoted
from engine.definition.document.limits import MAX_DEPTH, MAX_EXPANDED, MAX_KEY, MAX_PROBLEMS, MAX_TEXT, max_nodes
from engine.definition.document.places import KEY, Static
from engine.definition.document.scalars import UnquotedNumber, core
from engine.errors import Path, Place, Problem, dotted

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Refused(Exception):
    """Reading on makes no sense."""


class Careful:
    """Builds values with the place of everything, and says all that is wrong."""

    def __init__(self, file: str, text: str, most: int = 0) -> None:
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self.statics: list[Static] = []
        self.broken: set[Path] = set()
        self.faults: dict[tuple[int, int], str] = {}
        """Where something that is no YAML has a remedy, and what stands there."""
        self._file, self._text = file, text
        self._at: Path = ()
        self._events: list[Event] = []
        self._anchors: dict[str, tuple[int, int | None]] = {}
        self._replayed: Iterator[Event] | None = None
        self._expanded = 0
        self._most = most or max_nodes(file)

    def read(self) -> Any:
        """Return the value, None where it cannot be had."""
        value = None
        try:
            self._parser = CParser(self._text)
            self._parser.get_event()
            if self._parser.get_event().__class__ is DocumentStartEvent:
                value = self._node(())
                self._parser.get_event()
                following: Any = self._parser.get_event()
                if following.__class__ is not StreamEndEvent:
                    self._report((), following.start_mark, "yaml-syntax", "a file holds one document", "remove '---'")
        except _Refused:
            return None
        except MarkedYAMLError as error:
            self._syntax(error)
            return None
        except ReaderError:
            self._character()
            return None
        return value

    def _syntax(self, error: MarkedYAMLError) -> None:
        fault = syntax.name(
            self._text, error.problem or "", error.context or "", _spot(error.problem_mark), _spot(error.context_mark)
        )
        if not any((p.line, p.column) == (fault.line, fault.column) for p in self.problems):
            self._fault(self._at, fault)

    def _character(self) -> None:
        """Say which character YAML does not allow; the parser's own position counts bytes."""
        found = _CONTROL.search(self._text)
        position = found.start() if found else 0
        line, column = self._text.count("\n", 0, position) + 1, position - (self._text.rfind("\n", 0, position) + 1) + 1
        fact = f"the control character U+{ord(found[0]):04X} is not allowed" if found else "a character is not allowed"
        self._add((), (line, column), "yaml-syntax", fact, "remove it")

    def _next(self) -> Any:
        if self._replayed is not None:
            self._expanded += 1
            if self._expanded > MAX_EXPANDED:
                self._refuse("alias-bomb", f"aliases expand to more than {MAX_EXPANDED:,} values", "write them out")
            return next(self._replayed)
        event: Any = self._parser.get_event()
        self._events.append(event)
        if len(self._events) > self._most * 2:
            self._refuse(
                "too-large", f"the file has more than {self._most:,} values", "put data into a file of its own"
            )
        return event

    def _node(self, path: Path, event: Any = None) -> Any:
        event = event or self._next()
        self._at = path
        if len(self.problems) >= MAX_PROBLEMS:
            fact, spot = "there are more problems here than are shown", _spot(event.start_mark) or (1, 1)
            self._add((), spot, "more-problems", fact, "mend these first")
            raise _Refused
        if len(path) > MAX_DEPTH:
            line, column = _spot(event.start_mark) or (1, 1)
            self._add((), (line, column), "too-deep", f"nested more than {MAX_DEPTH} levels deep", "")
            raise _Refused
        if event.__class__ is AliasEvent:
            return self._alias(path, event)
        opened = len(self._events) - 1
        if event.anchor is not None and self._replayed is None:
            self._anchors[event.anchor] = (opened, None)
        self._place(path, event.start_mark)
        value = self._value(path, event)
        if event.anchor is not None and self._replayed is None:
            self._anchors[event.anchor] = (opened, len(self._events))
        return value

    def _value(self, path: Path, event: Any) -> Any:
        if event.__class__ is ScalarEvent:
            return self._scalar(path, event)
        tag = event.tag
        if tag is not None:
            self._tag(path, event, tag)
        return self._mapping(path) if event.__class__ is MappingStartEvent else self._sequence(path)

    def _alias(self, path: Path, event: Any) -> Any:
        span = self._anchors.get(event.anchor)
        if span is None:
            fact = f"a value that begins with '*' is a YAML alias, and there is no anchor '&{event.anchor}'"
            self._report(path, event.start_mark, "yaml-quoting", fact, f'write "*{event.anchor}"')
            self._fixed(f'"*{event.anchor}"')
            return None
        start, end = span
        if end is None:
            fact = f"the alias '*{event.anchor}' stands inside what it repeats"
            self._report(path, event.start_mark, "alias-bomb", fact, "write the value out")
            raise _Refused
        before, self._replayed = self._replayed, iter(self._events[start:end])
        try:
            return self._node(path)
        finally:
            self._replayed = before

    def _scalar(self, path: Path, event: Any) -> Any:
        text, plain = event.value, event.implicit[0] and event.tag is None
        if event.tag is not None:
            self._tag(path, event, event.tag)
            return None
        if plain and self._odd(path, event):
            return None
        if len(text) > MAX_TEXT:
            fact = f"a text of {len(text):,} characters; at most {MAX_TEXT:,} are allowed"
            self._report(path, event.start_mark, "too-large", fact, "put data into a file of its own")
            return None
        if "${" in text:
            self.statics.append(Static(path, text, plain))
            return text
        if not plain:
            return text
        try:
            return core(text)
        except UnquotedNumber as error:
            self._report(path, event.start_mark, "unquoted-number", str(error), f'quote it: "{text[:40]}"')
            self._fixed(f'"{text}"')
            return None

    def _odd(self, path: Path, event: Any) -> bool:
        """Report a value that is good YAML and not what its author sees."""
        text, fact = event.value, ""
        if inner := oddities.curled(text):
            fact, fix = f"{text[0]} and {text[-1]} are letters to YAML, not quotes", quoted(inner)
        elif text:
            return False
        elif event.anchor is not None:
            fact, fix = "a value that begins with '&' is a YAML anchor", quoted(f"&{event.anchor}")
        elif note := oddities.noted(path, self._text[event.end_mark.index : event.end_mark.index + 200]):
            fact, fix = "what follows '#' is a comment, so there is no value here", quoted(note)
        if fact:
            self._report(path, event.start_mark, "yaml-quoting", fact, f"write {fix}")
        return bool(fact)

    def _tag(self, path: Path, event: Any, tag: str) -> None:
        if tag.startswith("!") and not tag.startswith("!!"):
            written = f"{tag} {event.value}" if getattr(event, "value", "") else tag
            fact = f"a value that begins with '!' is a YAML tag, not text: {written[:60]}"
            source = self._text[event.start_mark.index : event.end_mark.index]
            fix = quoted(source) if event.__class__ is ScalarEvent and "\n" not in source else ""
            self._report(path, event.start_mark, "yaml-quoting", fact, f'write "{written[:60]}"')
            self._fixed(fix)
        else:
            short = tag.replace("tag:yaml.org,2002:", "!!")
            self._report(
                path, event.start_mark, "custom-tag", f"the YAML tag {short[:60]} is not used here", "remove it"
            )

    def _sequence(self, path: Path) -> list[Any]:
        value: list[Any] = []
        while (event := self._next()).__class__ is not SequenceEndEvent:
            value.append(self._node((*path, len(value)), event))
            self._at = path
        return value

    def _mapping(self, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        first: dict[str, Place] = {}
        while (key := self._next()).__class__ is not MappingEndEvent:
            name = self._key(path, key)
            if name is None:
                self._discarded(path)
            elif name in first:
                place = _spot(key.start_mark) or (1, 1)
                seen = first[name]
                fact = f"'{name}' stands here a second time; the first is at {seen.line}:{seen.column}"
                self._add((*path, name), place, "duplicate-key", fact, "remove one of them")
                self._discarded((*path, name))
            else:
                first[name] = self._place((*path, name, KEY), key.start_mark)
                value[name] = self._node((*path, name))
            self._at = path
        return value

    def _discarded(self, path: Path) -> None:
        """Read past a value that stands nowhere: its variables would be looked for in what stands there instead."""
        before = len(self.statics)
        self._node(path)
        del self.statics[before:]

    def _key(self, path: Path, key: Any) -> str | None:
        """Return the name of a key, or report why it is none."""
        if key.__class__ is not ScalarEvent:
            self._odd_key(path, key)
            return None
        if key.implicit[0] and (at := oddities.odd_key(key.value)) >= 0:
            line, column = _spot(key.start_mark) or (1, 1)
            self._fault(path, oddities.odd_space(key.value[at], line, column + at))
            raise _Refused  # what should stand below is not below it
        if key.value == "<<" and key.implicit[0]:
            fact = "merge keys are not part of the language"
            self._report(path, key.start_mark, "merge-key", fact, "write the keys out")
            return None
        if key.value == "" and key.implicit[0]:
            self._report(path, key.start_mark, "yaml-syntax", "a key is missing before ':'", "")
            return None
        if key.tag is not None and key.tag != "!":
            self._tag(path, key, key.tag)
            return None
        if len(key.value) > MAX_KEY:
            fact = f"a key of {len(key.value):,} characters; at most {MAX_KEY:,} are allowed"
            self._report(path, key.start_mark, "too-large", fact, "take a shorter name")
            return None
        return str(key.value)

    def _odd_key(self, path: Path, key: Any) -> None:
        line, column = _spot(key.start_mark) or (1, 1)
        if key.__class__ is AliasEvent:
            self._add(path, (line, column), "yaml-quoting", "a key cannot be an alias", f'write "*{key.anchor}"')
            return
        fault = syntax.template_key(self._text, line, column)
        self.broken.add(path)
        self._fault(path, fault)
        self._skip(key)

    def _skip(self, event: Any) -> None:
        """Read past a key that is a map or a list."""
        depth = 0
        while True:
            if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                depth -= 1
            if depth == 0:
                return
            if depth > MAX_DEPTH:
                self._refuse("too-deep", f"nested more than {MAX_DEPTH} levels deep", "")
            event = self._next()

    def _place(self, path: Path, mark: Any) -> Place:
        place = Place(self._file, mark.line + 1, mark.column + 1)
        self.places[path] = place
        return place

    def _report(self, path: Path, mark: Any, code: str, message: str, hint: str) -> None:
        self.broken.add(path)
        self._add(path, (mark.line + 1, mark.column + 1), code, message, hint)

    def _add(self, path: Path, spot: tuple[int, int], code: str, message: str, hint: str) -> None:
        self.problems.append(Problem(self._file, *spot, code, "error", dotted(path), message, hint))

    def _fault(self, path: Path, fault: Fault) -> None:
        self._add(path, (fault.line, fault.column), fault.code, fault.message, fault.hint)
        self._fixed(fault.fix)
        if fault.fix:
            self.faults[fault.line, fault.column] = fault.written

    def _fixed(self, fix: str) -> None:
        if fix:
            self.problems[-1] = replace(self.problems[-1], fix=fix)

    def _refuse(self, code: str, message: str, hint: str) -> None:
        place = self.places.get(self._at[:1], Place(self._file, 1, 1))
        self._add(self._at[:1], (place.line, place.column), code, message, hint)
        raise _Refused


def _spot(mark: Any | None) -> tuple[int, int] | None:
    return (mark.line + 1, mark.column + 1) if mark else None
