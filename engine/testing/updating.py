"""``engine test --update``: writes what came into the files as what is expected; comments and layout stay."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from engine import whole
from engine.definition.document import read
from engine.definition.document.extents import Extent, extents
from engine.errors import Path
from engine.testing.compare import ABSENT, Difference
from engine.testing.judging import Miss
from engine.testing.recording import expectations, plain
from engine.testing.suite import Verdict

_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]+")
Write = Callable[[Any], str]
"""Writes plain data as YAML on one line."""


class Edit(NamedTuple):
    """Text to stand in place of what is between two offsets."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class Done:
    """What was written, and what was not."""

    written: dict[str, int] = field(default_factory=dict)
    """By file: how many places."""
    left: list[str] = field(default_factory=list)
    """What a person must look at, with the reason."""


def update(root: FilePath, verdicts: Iterable[Verdict], write: Write) -> Done:
    """Write the expectations of the tests that failed."""
    done = Done()
    by_file: dict[str, list[Verdict]] = {}
    for one in verdicts:
        if not one.passed:
            by_file.setdefault(one.test.origin.file, []).append(one)
    for file, failed in by_file.items():
        path = root / file
        text = path.read_bytes().decode("utf-8-sig")
        sheet = _Sheet(text, extents(text), write)
        edits = _readable(path, text, [(one, _edits(one, sheet, done)) for one in failed], done)
        if edits:
            _replace(path, _applied(text, edits))
            done.written[file] = len(edits)
    return done


def _readable(path: FilePath, text: str, wanted: Sequence[tuple[Verdict, list[Edit]]], done: Done) -> set[Edit]:
    """Return the edits after which the text is still YAML; what would break it is left to a person."""
    every = {edit for _, edits in wanted for edit in edits}
    if not _broken(path, text, every):
        return every
    kept: set[Edit] = set()
    for one, edits in wanted:
        if why := _broken(path, text, kept.union(edits)):
            done.left.append(f"{_where(one)}: what came cannot be written into this layout ({why})")
        else:
            kept.update(edits)
    return kept


def _where(one: Verdict) -> str:
    test = one.test
    return f"{test.origin.file}:{test.origin.place((*test.path, 'test')).line} {test.name}"


def _edits(one: Verdict, sheet: _Sheet, done: Done) -> list[Edit]:
    test = one.test
    where = _where(one)
    if one.outcome.stuck:
        done.left.append(f"{where}: {one.outcome.stuck}")
        return []
    if test.row is not None:
        done.left.append(f"{where}: what its rows expect is for you to write")
        return []
    responses = [miss.says for miss in one.misses if miss.path[: len(test.path) + 1] == (*test.path, "responses")]
    done.left += [f"{where}: {says}" for says in responses]
    place: Path = (*test.path, "expect")
    written = test.body.get("expect")
    if not written:
        return sheet.put(test.path, "expect", _expected(one), instead="expect" in test.body)
    edits = _of_differences(one, sheet, place, done)
    for key, value in _unexpected(one).items():
        edits += sheet.put(place, key, value)
    return edits


def _expected(one: Verdict) -> dict[str, Any]:
    expect = expectations(one.outcome)
    if one.outcome.reply is not None:
        expect["reply"] = {"status": one.outcome.reply["status"]}
    return expect


def _unexpected(one: Verdict) -> dict[str, Any]:
    """Return the keys that nobody wrote and that now say what went wrong."""
    keys = {miss.label for miss in one.misses if miss.says}
    found: dict[str, Any] = {}
    if "status" in keys:
        found |= {key: value for key, value in expectations(one.outcome).items() if key in ("status", "error")}
    if "rejected" in keys:
        found["rejected"] = [{"code": why["code"], "reason": why["reason"]} for why in one.outcome.rejected]
    if "reply" in keys and one.outcome.reply is not None:
        found["reply"] = {"status": one.outcome.reply["status"]}
    return found


def _of_differences(one: Verdict, sheet: _Sheet, place: Path, done: Done) -> list[Edit]:
    wanted: dict[Path, Any] = {}
    behind: dict[Path, list[Any]] = {}
    for miss in one.misses:
        if miss.difference is None:
            continue
        if (
            miss.label == "logs"
            or miss.label.startswith("logs[")
            or (miss.path[len(place)] == "error" and not one.outcome.error)
        ):
            done.left.append(f"{_where(one)}: {miss.label}: it did not come, so remove it or mend the pipeline")
            continue
        above = miss.path[:-1]
        if miss.difference.expected is ABSENT and isinstance(miss.path[-1], int) and above in sheet.known:
            behind.setdefault(above[len(place) :], []).append(plain(miss.difference.got))
            continue
        root, value = _root(one, miss, miss.difference, len(place))
        if (*place, *root) not in sheet.known:
            done.left.append(f"{one.test.origin.file} {miss.label}: it stands behind an alias")
            continue
        wanted[root] = value
    roots = [root for root in wanted if not any(root[:length] in wanted for length in range(len(root)))]
    edits = [sheet.instead((*place, *root), wanted[root]) for root in roots]
    for root, values in behind.items():
        if not any(root[:length] in wanted for length in range(len(root) + 1)):
            edits += sheet.append((*place, *root), values)
    return edits


def _root(one: Verdict, miss: Miss, found: Difference, depth: int) -> tuple[Path, Any]:
    """Return what is to be written anew, as a path in ``expect``, and its new value."""
    path = miss.path[depth:]
    if found.got is not ABSENT and found.expected is not ABSENT:
        return path, plain(found.got)
    root = path[:-1] or path
    key, rest = str(root[0]), root[1:]
    expected, got = one.test.body["expect"][key], _actual(one, key)
    for part in rest:
        expected, got = _inner(expected, part), _inner(got, part)
    return root, plain(_projected(expected, got, exact=key == "sent_exactly"))


def _actual(one: Verdict, key: str) -> Any:
    """Return what came in the form that *key* is written in."""
    outcome, expect = one.outcome, one.test.body["expect"]
    if key in ("sent", "sent_exactly"):
        several = isinstance(expect[key], Mapping)
        return dict(outcome.sent) if several else next(iter(outcome.sent.values()), [])
    if key == "rejected":
        return [{"code": why["code"], "reason": why["reason"]} for why in outcome.rejected]
    if key == "fires":
        fires = [{**given, "at": at} for given, at in zip(_listed(expect[key]), outcome.fires, strict=True)]
        return fires if isinstance(expect[key], list) else fires[0]
    return getattr(outcome, key, None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _inner(value: Any, part: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _projected(expected: Any, got: Any, *, exact: bool) -> Any:
    """Return *got* with the fields that were expected; what is new is whole."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping) and not exact:
        return {key: _projected(value, got[key], exact=exact) for key, value in expected.items() if key in got}
    if isinstance(expected, list) and isinstance(got, list | tuple):
        known = len(expected)
        return [_projected(expected[at], one, exact=exact) if at < known else one for at, one in enumerate(got)]
    return got


class _Sheet(NamedTuple):
    """A text, where its values stand, and how new ones are written."""

    text: str
    known: Mapping[Path, Extent]
    write: Write

    def instead(self, path: Path, value: Any) -> Edit:
        """Write *value* in place of what stands at *path*; a block stays one."""
        here = self.known[path]
        if here.kind == "block" and isinstance(value, list) and value:
            between = f"{self._break}{' ' * here.column}"
            return Edit(here.start, here.end, between.join(f"- {self.write(item)}" for item in value))
        if here.kind == "block" and isinstance(value, Mapping) and value:
            between = f"{self._break}{' ' * here.column}"
            pairs = [f"{self.write(str(key))}: {self.write(item)}" for key, item in value.items()]
            return Edit(here.start, here.end, between.join(pairs))
        anchor = _ANCHOR.match(self.text, here.start)  # somebody else may mean it
        return Edit(anchor.end() if anchor else here.start, here.end, self.write(value))

    def append(self, path: Path, values: Sequence[Any]) -> list[Edit]:
        """Put further items behind the last one of the list at *path*."""
        here = self.known[path]
        if here.kind == "block":
            items = "".join(f"{self._break}{' ' * here.column}- {self.write(value)}" for value in values)
            end = self._line_end(here.end)
            return [Edit(end, end, items)]
        return [self._inside(path, ", ".join(map(self.write, values)))]

    def _inside(self, path: Path, said: str) -> Edit:
        """Put *said* behind the last value in the brackets at *path*: in front of a comma or a comment at their end."""
        ends = [one.end for inner, one in self.known.items() if inner[:-1] == path and inner]
        if ends:
            return Edit(max(ends), max(ends), f", {said}")
        begin = self.text.index("[" if self.text[self.known[path].end - 1] == "]" else "{", self.known[path].start) + 1
        return Edit(begin, begin, said)

    def _line_end(self, offset: int) -> int:
        line = self.text.find("\n", offset)
        end = len(self.text) if line < 0 else line
        return end - 1 if self.text[:end].endswith("\r") else end

    def put(self, path: Path, key: str, value: Any, *, instead: bool = False) -> list[Edit]:
        """Put a further key behind the last one at *path*."""
        if instead and (*path, key) in self.known:
            return [self.instead((*path, key), value)]
        here = self.known.get(path)
        if here is None:
            return []
        said = f"{key}: {self.write(value)}"
        if here.kind == "flow":
            return [self._inside(path, said)]
        end = self._line_end(here.end)
        return [Edit(end, end, f"{self._break}{' ' * here.column}{said}")]

    @property
    def _break(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def _applied(text: str, edits: Iterable[Edit]) -> str:
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _broken(path: FilePath, text: str, edits: Iterable[Edit]) -> str:
    problems = read(str(path), _applied(text, edits).encode()).problems
    return problems[0].message if problems else ""


def _replace(path: FilePath, text: str) -> None:
    """Write the text: whole, or not at all."""
    begin = b"\xef\xbb\xbf" if path.read_bytes().startswith(b"\xef\xbb\xbf") else b""
    whole.write(path, begin + text.encode())
