"""``engine validate --fix``: remedies typed in, file by file, and only where the file is better afterwards."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

from engine.definition.fixes import Edit, State, applied, edits, mended, state
from engine.errors import Problem

ROUNDS = 10
"""How often what was mended is looked at again: a remedy may bring to light what it hid."""
ONE_BY_ONE = 30
"""Remedies of one file that are tried alone where all of them together do not help."""

Look = Callable[[Mapping[Path, bytes]], Sequence[Problem]]
"""Gives the problems of the project with these contents in place of those on the disk."""

Looked = tuple[Sequence[Problem], bytes]
"""The problems of the project, and a file's content at that time."""

BOM = b"\xef\xbb\xbf"


class Fixer:
    """Tries remedies in memory; ``contents`` are the files that became better."""

    def __init__(self, root: Path, look: Look, told: Callable[[Problem], bool]) -> None:
        self.contents: dict[Path, bytes] = {}
        self.originals: dict[Path, bytes] = {}
        """What the disk had, of every file that was looked into."""
        self._root, self._look, self._told = root.resolve(), look, told

    def run(self) -> None:
        """Mend until nothing changes; then put back what is no better for it."""
        before = self._look({})
        after = self._rounds(before)
        dropped: list[Path] = []
        while worse := self._worse(before, after):
            dropped += worse
            for path in worse:
                del self.contents[path]
            after = self._look(self.contents)
        for path in dropped:
            after = self._alone(path, after)

    def _rounds(self, problems: Sequence[Problem]) -> Sequence[Problem]:
        for _ in range(ROUNDS):
            tried = dict(self._proposals(problems))
            if not tried:
                break
            self.contents |= tried
            problems = self._look(self.contents)
        return problems

    def _proposals(self, problems: Sequence[Problem]) -> Iterator[tuple[Path, bytes]]:
        for file, ones in _by_file(problems).items():
            text = self._text(file) if any(one.fix and self._told(one) for one in ones) else None
            if text is None:
                continue
            better = mended(file, text)
            if better == text:  # else the places are no longer those of the problems
                better = applied(text, self._edits(text, ones))
            if better != text:
                yield self._root / file, self._bytes(file, better)

    def _edits(self, text: str, ones: Sequence[Problem]) -> list[Edit]:
        return list(edits(text, [one for one in ones if self._told(one)]).values())

    def _worse(self, before: Sequence[Problem], after: Sequence[Problem]) -> list[Path]:
        """Return the files that are no better than they were; all of them where another one suffers."""
        worse = [path for path in self.contents if not self._better(path, before, after)]
        if worse:
            return worse
        others = [_errors(problems, without=self._labels()) for problems in (before, after)]
        opened = any(self._state(path, before, self.originals[path]).unreadable for path in self.contents)
        return [] if opened or others[1] <= others[0] else list(self.contents)

    def _better(self, path: Path, before: Sequence[Problem], after: Sequence[Problem]) -> bool:
        return self._improves(path, (before, self.originals[path]), (after, self.contents[path]))

    def _improves(self, path: Path, before: Looked, after: Looked) -> bool:
        """Whether the file has fewer errors; where they are the same ones, fewer warnings."""
        was, now = self._state(path, *before), self._state(path, *after)
        if was[:2] != now[:2]:
            return now < was
        return now < was and self._said(path, before[0]) == self._said(path, after[0])

    def _said(self, path: Path, problems: Sequence[Problem]) -> set[str]:
        here = _by_file(problems).get(path.relative_to(self._root).as_posix(), [])
        return {f"{one.code} {one.path}" for one in here if one.severity == "error"}

    def _state(self, path: Path, problems: Sequence[Problem], data: bytes) -> State:
        file = path.relative_to(self._root).as_posix()
        return state(file, data, _by_file(problems).get(file, []))

    def _labels(self) -> set[str]:
        return {path.relative_to(self._root).as_posix() for path in self.contents}

    def _alone(self, path: Path, problems: Sequence[Problem]) -> Sequence[Problem]:
        """Try the remedies of one file one by one, and keep those that help."""
        file = path.relative_to(self._root).as_posix()
        refused: set[Edit] = set()
        for _ in range(ONE_BY_ONE):
            text = self._text(file) or ""
            left = [edit for edit in self._edits(text, _by_file(problems).get(file, [])) if edit not in refused]
            if not left:
                break
            held = self.contents.get(path)
            self.contents[path] = self._bytes(file, applied(text, left[:1]))
            after = self._look(self.contents)
            was = (problems, self.originals[path] if held is None else held)
            outside = [_errors(ones, without={file}) for ones in (problems, after)]
            if self._improves(path, was, (after, self.contents[path])) and outside[1] <= outside[0]:
                problems = after
                continue
            refused.add(left[0])
            if held is None:
                del self.contents[path]
            else:
                self.contents[path] = held
        return problems

    def _text(self, file: str) -> str | None:
        """Return a file's text; None where it is none of the project's definitions."""
        path = self._root / file
        if path.suffix not in (".yaml", ".yml"):
            return None
        try:
            if not path.resolve(strict=True).is_relative_to(self._root):
                return None
            data = self.originals.setdefault(path, path.read_bytes())
            return self.contents.get(path, data).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None

    def _bytes(self, file: str, text: str) -> bytes:
        mark = BOM if self.originals[self._root / file].startswith(BOM) else b""
        return mark + text.encode()


def difference(label: str, before: bytes, after: bytes) -> list[str]:
    """Return what changed, as lines that ``patch`` understands."""
    old, new = (data.decode("utf-8-sig", "replace").splitlines() for data in (before, after))
    return [line.rstrip("\n") for line in unified_diff(old, new, label, label, n=0, lineterm="")]


def _by_file(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.file, []).append(problem)
    return found


def _errors(problems: Sequence[Problem], without: Container[str]) -> int:
    return sum(problem.severity == "error" and problem.file not in without for problem in problems)
