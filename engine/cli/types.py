"""``engine show NAME --types``: the record after each step, and where it is known from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.cli.session import Session
from engine.errors import dotted
from engine.telemetry.words import clip

if TYPE_CHECKING:
    from engine.compiler.shapes.walk import Stop
    from engine.definition.model import PipelineDefinition, Project
    from engine.expressions.types.model import Field, Type

_DEEPEST = 4
_WORDS = {"source": "read", "target": "sent"}


def show_types(session: Session, project: Project, one: PipelineDefinition, as_json: bool) -> None:
    """Write what is known of the records of a pipeline."""
    from engine.compiler.shapes import seen

    stops = seen(project, one).stops
    if as_json:
        session.out.json({"pipeline": one.name, "types": [_plain(stop) for stop in stops]})
        return
    look = session.out.look
    session.out.line(f"{look.paint(one.name, 'strong')}  {look.paint(one.origin.file, 'detail')}")
    before: Type | None = None
    width = max((len(name) for stop in stops for name, _ in _rows(stop.record)), default=0)
    for stop in stops:
        head = f"  {_WORDS.get(stop.what, 'after'):<6}{dotted(stop.path)}"
        if stop.record == before:
            session.out.line(f"{head}   {look.paint('the same', 'detail')}")
            continue
        before = stop.record
        session.out.line(f"{head}   {look.paint(_known(stop), 'detail')}".rstrip())
        for name, said in _rows(stop.record):
            session.out.line(clip(f"    {name:<{width}}   {said}", max(look.width, 20), look.sign("…")))


def _plain(stop: Stop) -> dict[str, Any]:
    from engine.expressions.types.words import as_schema

    schema = {key: value for key, value in as_schema(stop.record).items() if key != "$schema"}
    return {"at": stop.what, "path": dotted(stop.path), "known_from": stop.record.known_from, "record": schema}


def _known(stop: Stop) -> str:
    if stop.record.any:
        return "nothing is known of it" + ("; see docs/types.md, or: engine learn" if stop.what == "source" else "")
    further = {"no": "", "unsaid": "perhaps more", "yes": "and others"}[stop.record.further]
    known = f"known from {stop.record.known_from}" if stop.what == "source" and stop.record.known_from else ""
    return ", ".join(part for part in (known, further) if part)


def _rows(record: Type, before: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    from engine.expressions.types.words import describe

    for name, field in record.fields.items():
        whole = before + (name if name.isidentifier() else f'"{name}"')
        yield whole, describe(field.type) + ("" if field.always else ", may be absent")
        inner, mark = _inner(field)
        if inner is not None and depth < _DEEPEST:
            yield from _rows(inner, f"{whole}{mark}.", depth + 1)


def _inner(field: Field) -> tuple[Type | None, str]:
    items = field.type.items
    if items is not None and items.fields:
        return items, "[*]"
    return (field.type, "") if field.type.fields else (None, "")
