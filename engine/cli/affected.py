"""Which problems a change may have caused: those of the files that changed, and of all that depends on them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import Problem

_EVERYTHING = frozenset({"engine.yaml", ".env"})
_YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Text:
    """One file of definitions: what it says, and what it names."""

    written: str
    defines: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of each definition."""
    uses: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of what it refers to."""


@dataclass(frozen=True, slots=True)
class Affected:
    """What a change concerns."""

    everything: bool = False
    files: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    """Connections that changed files used to name, or name: whether anything uses them may have changed."""

    def concerns(self, problem: Problem) -> bool:
        """Whether *problem* may come from the change."""
        if self.everything or problem.file in self.files:
            return True
        if problem.code == "unused" and problem.path.removeprefix("connections.") in self.left:
            return True
        return any(f"{file}:" in problem.message or f"{file}:" in problem.hint for file in self.changed)


def affected(changed: Iterable[str], now: Mapping[str, Text], before: Mapping[str, Text]) -> Affected:
    """Return what *changed* files (relative to the project) concern; *before* is what they were."""
    changes = frozenset(changed)
    if changes & _EVERYTHING or any(file.startswith("secrets/") for file in changes):
        return Affected(True, frozenset(now), changes)
    versions = [one for one in (*(now.get(file) for file in changes), *before.values()) if one]
    names = {name for one in versions for name in one.defines}
    left = {name for one in versions for kind, name in one.uses if kind == "connection"}
    reached = {file for file in now if file in changes} | set(_naming(changes, now))
    names |= {name for file in reached for name in now[file].defines}
    while more := {file for file, text in now.items() if file not in reached and _meets(text, names)}:
        reached |= more
        names |= {name for file in more for name in now[file].defines}
    return Affected(False, frozenset(reached | changes), changes, frozenset(left))


def _meets(text: Text, names: set[tuple[str, str]]) -> bool:
    """Whether a file speaks of any of *names*, or of what a variable says."""
    if text.uses & names or text.defines & names:
        return True
    return bool(names) and any("${" in name for _, name in text.uses)


def _naming(changes: Iterable[str], now: Mapping[str, Text]) -> Iterator[str]:
    """Yield the definitions whose text names a changed file of another kind: a schema, a table, rows."""
    names = [file.rpartition("/")[2] for file in changes if not file.endswith(_YAML) or file not in now]
    for file, text in now.items():
        if any(name in text.written for name in names):
            yield file


def text_of(written: str, value: Any) -> Text:
    """Read what a file of definitions, as plain data, defines and uses."""
    from engine.definition.references import afters
    from engine.definition.uses import connections_of, sites

    if not isinstance(value, Mapping):
        return Text(written)
    defines, uses = set(), set()
    if isinstance(value.get("pipeline"), str):
        defines.add(("pipeline", value["pipeline"]))
    connections = value.get("connections")
    if isinstance(connections, Mapping):
        defines |= {("connection", str(name)) for name in connections}
    for site in sites(value):
        uses |= {("connection", name.partition("[")[0]) for name in connections_of(site)}
    uses |= {("pipeline", name.partition("[")[0]) for _, name in afters(value)}
    uses |= {("pipeline", name) for name in _tested(value.get("tests"))}
    if isinstance(value.get("renamed_from"), str):
        uses.add(("pipeline", value["renamed_from"]))
    return Text(written, frozenset(defines), frozenset(uses))


def _tested(tests: Any) -> Iterator[str]:
    for one in tests if isinstance(tests, Sequence) and not isinstance(tests, str) else ():
        name = one.get("pipeline") if isinstance(one, Mapping) else None
        if isinstance(name, str):
            yield name.partition("[")[0]
