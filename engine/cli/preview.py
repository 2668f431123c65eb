"""What ``--dry-run`` shows: what came in beside what would be sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.cli.names import names_of
from engine.cli.screen import json_text
from engine.telemetry.look import Look
from engine.telemetry.summary import reason
from engine.telemetry.words import clip

if TYPE_CHECKING:
    from engine.app import Preview, RunResult
    from engine.cli.session import Session
    from engine.definition.model import PipelineDefinition

_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[\d+\])*")
_RECORD = re.compile(r"\brecord\.([A-Za-z_][A-Za-z0-9_.]*)")


def tell(session: Session, result: RunResult, definition: PipelineDefinition | None) -> None:
    """Write the previews, what was refused, and that nothing happened."""
    screen, summary = session.out, result.summary
    names = names_of(definition)
    total = len(result.previews)
    for number, preview in enumerate(result.previews, start=1):
        head = f"record {number} of {total}" + (f" (key {preview.key})" if preview.key is not None else "")
        if preview.problem:
            for line in refused(preview, head, screen.look):
                screen.line(line)
            screen.line()
            continue
        origins = origins_of(definition, preview.target)
        for line in render(
            preview, head, names.targets.get(preview.target or "", preview.target or "no target"), origins, screen.look
        ):
            screen.line(line)
        screen.line()
    for place, number in summary["dropped"].items():
        if number:
            screen.line(f"dropped {screen.look.number(number)} by {place}  {names.filters.get(place, '')}".rstrip())
    for item in summary["reasons"]:
        screen.line(f"rejected {screen.look.number(item['count'])} {screen.look.sign('×')} {reason(item)}")
    if summary.get("error"):
        session.err.line(f"{session.err.look.paint(summary['status'], 'error')}: {summary['error']['message']}")
    if not summary["read"] and not summary.get("error"):
        screen.line("nothing new to read")
    screen.line(screen.look.paint("nothing was sent, the cursor did not move", "detail"))


def render(preview: Preview, head: str, target: str, origins: Mapping[str, str], look: Look) -> list[str]:
    """Write one record: its fields on the left, on the right what is made of each of them."""
    came, goes = flat(preview.record), flat(preview.mapped)
    rows: list[tuple[str, str]] = []
    shown = set()
    for name in goes:
        origin = next((one for one in (origins.get(name), name if name in came else None) if one in came), None)
        first = origin is not None and origin not in shown
        shown |= {origin} if origin else set()
        rows.append((origin if first and origin else "", name))
    rows = [*((name, "") for name in came if name not in shown and not rows), *rows]
    rows += [(name, "") for name in came if name not in shown and (name, "") not in rows]
    left = max([len(name) for name, _ in rows], default=0)
    right = max([len(name) for _, name in rows], default=0)
    half = max((look.width - 6) // 2, 30) if look.terminal else 60
    lines = [f"{head:<{half}}  {look.sign('→')}  what would be sent to {target}"]
    for source, name in rows:
        before = f"  {source:<{left}}  {written(came[source])}" if source else ""
        after = f"{name:<{right}}  {written(goes[name])}" if name else ""
        lines.append(f"{clip(before, half, look.sign('…')):<{half}}     {after}".rstrip())
    return [clip(line, look.width, look.sign("…")) for line in lines]


def refused(preview: Preview, head: str, look: Look) -> list[str]:
    """Write one record that would not be sent, and why."""
    came = flat(preview.record)
    wide = max(map(len, came), default=0)
    lines = [f"{head}  {look.paint('would be rejected', 'warning')}: {preview.problem}"]
    lines += [f"  {name:<{wide}}  {written(value)}" for name, value in came.items()]
    return [lines[0], *(clip(line, look.width, look.sign("…")) for line in lines[1:])]


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Give the leaves of a record by their paths; lists of plain values stay whole."""
    if isinstance(value, Mapping) and value:
        return {
            key: leaf for name in value for key, leaf in flat(value[name], f"{path}.{name}" if path else name).items()
        }
    if isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        return {key: leaf for index, item in enumerate(value) for key, leaf in flat(item, f"{path}[{index}]").items()}
    return {path or "record": value}


def written(value: Any) -> str:
    """Write a value as JSON: text in quotes, so that blanks are seen."""
    return json_text(value)


def origins_of(definition: PipelineDefinition | None, target: str | None) -> dict[str, str]:
    """Guess for each field that is sent the field it is made of, from the mappings: for the eye only."""
    if definition is None:
        return {}
    mapping = next((step.body for step in reversed(definition.steps) if step.kind == "map"), None)
    mapping = next((one.mapping for one in definition.targets if one.id == target and one.mapping), mapping)
    return dict(_origins(mapping, "")) if isinstance(mapping, Mapping) else {}


def _origins(mapping: Mapping[str, Any], path: str) -> Sequence[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in mapping.items():
        place = f"{path}.{name}" if path else name
        if name == "$copy" and isinstance(value, list):
            found += [(f"{path}.{one}" if path else one, one) for one in value]
        elif isinstance(value, str):
            found += [(place, one) for one in _origin(value)]
        elif isinstance(value, Mapping) and "$value" in value:
            found += [(place, one) for one in _origin(str(value["$value"]))]
        elif isinstance(value, Mapping) and "$field" in value:
            found.append((place, str(value["$field"])))
        elif isinstance(value, Mapping):
            found += _origins(value, place)
    return found


def _origin(expression: str) -> list[str]:
    if "{{" in expression or "{%" in expression:
        return [match.rstrip(".") for match in _RECORD.findall(expression)[:1]]
    match = _PATH.match(expression.strip())
    return [match[0]] if match else []
