"""Verdicts of tests as text, JSON and JUnit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.cli.formats.cells import safe
from engine.cli.formats.junit import attribute, content
from engine.cli.screen import json_text
from engine.telemetry.look import Look
from engine.telemetry.words import count, duration
from engine.testing.compare import ABSENT, Difference
from engine.testing.judging import Miss
from engine.testing.suite import Verdict

_WIDE = 70


def grouped(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Return the verdicts by pipeline, in the order they came."""
    found: dict[str, list[Verdict]] = {}
    for one in verdicts:
        found.setdefault(one.test.pipeline, []).append(one)
    return found


def text(verdicts: Sequence[Verdict], look: Look, *, every: bool = False) -> Iterator[str]:
    """Write each pipeline's line, and what is wrong below it; *every*: the good tests, too."""
    groups = grouped(verdicts)
    width = max(map(len, groups), default=0)
    for name, ones in groups.items():
        bad = [one for one in ones if not one.passed]
        said = f"{len(ones) - len(bad)} of {len(ones)}" if bad else count(len(ones), "test")
        sign = look.paint(look.sign("✗" if bad else "✓"), "error" if bad else "done")
        yield f"{sign} {look.paint(name.ljust(width), 'strong')}   {said}"
        for one in ones if every else bad:
            yield from _verdict(one, look)


def _verdict(one: Verdict, look: Look) -> Iterator[str]:
    place = one.test.origin.place((*one.test.path, "test"))
    where = look.paint(f"{place.file}:{place.line}", "detail")
    if one.passed:
        yield f"  {look.paint(safe(one.test.name), 'detail')}   {duration(one.seconds)}"
        return
    yield f"  {safe(one.test.name)}   {where}"
    rows = [(_label(one, miss), *_sides(miss), miss.made) for miss in one.misses]
    widths = [min(max((len(row[at]) for row in rows), default=0), 56) for at in range(3)]
    for label, left, right, made in rows:
        sides = f"{left.ljust(widths[1])}   {right.ljust(widths[2])}" if right else left
        more = look.paint(made, "detail") if made else ""
        yield f"    {label.ljust(widths[0])}   {sides}   {more}".rstrip()


def _label(one: Verdict, miss: Miss) -> str:
    line = one.test.origin.place(miss.path).line
    return f"{miss.label or one.test.name} :{line}" if miss.label else f":{line}"


def _sides(miss: Miss) -> tuple[str, str]:
    found = miss.difference
    if found is None:
        return miss.says, ""
    if found.got is ABSENT:
        return f"expected {shown(found.expected)}", "got nothing"
    if found.expected is ABSENT:
        return "expected nothing", f"got {shown(found.got)}"
    word = "expected a part " if found.part else "expected "
    return f"{word}{shown(found.expected)}", f"got {shown(found.got)}"


def shown(value: Any) -> str:
    """Write a value on one line, cut where it is long."""
    said = json_text(value)
    return said if len(said) <= _WIDE else f"{said[: _WIDE - 1]}…"


def summary(verdicts: Sequence[Verdict], seconds: float, look: Look) -> str:
    """Write the last line."""
    bad = sum(not one.passed for one in verdicts)
    passed = look.paint(f"{len(verdicts) - bad} passed", "done")
    failed = f", {look.paint(f'{bad} failed', 'error')}" if bad else ""
    return f"{count(len(verdicts), 'test')}, {passed}{failed} ({duration(seconds)})"


def as_json(verdicts: Sequence[Verdict], seconds: float) -> Mapping[str, Any]:
    """Return everything as plain data."""
    tests = [
        {
            "pipeline": one.test.pipeline,
            "test": one.test.name,
            **_at(one, (*one.test.path, "test")),
            "passed": one.passed,
            "seconds": round(one.seconds, 4),
            "misses": [_miss(one, miss) for miss in one.misses],
        }
        for one in verdicts
    ]
    bad = sum(not one.passed for one in verdicts)
    return {"tests": tests, "passed": len(verdicts) - bad, "failed": bad, "seconds": round(seconds, 3)}


def _at(one: Verdict, path: Any) -> dict[str, Any]:
    place = one.test.origin.place(path)
    return {"file": place.file, "line": place.line, "column": place.column}


def _miss(one: Verdict, miss: Miss) -> dict[str, Any]:
    found: dict[str, Any] = {"at": miss.label, "line": one.test.origin.place(miss.path).line, "says": _line(miss)}
    difference = miss.difference
    if isinstance(difference, Difference):
        found |= {
            key: value
            for key, value in (("expected", difference.expected), ("got", difference.got))
            if value is not ABSENT
        }
    return found | ({"made": miss.made} if miss.made else {})


def _line(miss: Miss) -> str:
    left, right = _sides(miss)
    return f"{left}, {right}" if right else left


def junit(verdicts: Sequence[Verdict], seconds: float) -> Iterator[str]:
    """Write the XML that CI systems read: a suite for each pipeline."""
    bad = sum(not one.passed for one in verdicts)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites tests="{len(verdicts)}" failures="{bad}" errors="0" time="{seconds:.3f}">'
    for name, ones in grouped(verdicts).items():
        failures, took = sum(not one.passed for one in ones), sum(one.seconds for one in ones)
        head = f'name={attribute(name)} tests="{len(ones)}" failures="{failures}" errors="0" time="{took:.3f}"'
        yield f"  <testsuite {head}>"
        for one in ones:
            place = one.test.origin.place((*one.test.path, "test"))
            case = f'name={attribute(one.test.name)} classname={attribute(name)} time="{one.seconds:.3f}"'
            case += f' file={attribute(place.file)} line="{place.line}"'
            if one.passed:
                yield f"    <testcase {case}/>"
                continue
            lines = [
                f"{_label(one, miss)}: {_line(miss)}{f' ({miss.made})' if miss.made else ''}" for miss in one.misses
            ]
            yield f"    <testcase {case}>"
            yield f"      <failure message={attribute(lines[0])}>{content(chr(10).join(lines))}</failure>"
            yield "    </testcase>"
        yield "  </testsuite>"
    yield "</testsuites>"
