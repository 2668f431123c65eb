"""Short ways to compile and apply in tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from engine.expressions import Settings, compile_steps
from engine.pipeline import Frame

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).astimezone(ZONE)


@dataclass(frozen=True)
class Step:
    kind: str
    body: Any
    path: tuple[str | int, ...]


def frame(**params: Any) -> Frame:
    return Frame(params, {"body": {"x": 1}}, {"id": "r1"}, {"shop": "s1"}, NOW, ZONE)


def steps_of(*bodies: Mapping[str, Any]) -> list[Step]:
    return [Step(kind, body, ("steps", at, kind)) for at, one in enumerate(bodies) for kind, body in one.items()]


def apply(steps, records, settings=None, **params):
    """Run all stages one after the other; return the last emission."""
    stages = compile_steps(steps, settings or Settings(timezone=ZONE))
    metas = [{"file": "in.csv"}] * len(records)
    (stage,) = stages
    return stage.apply(records, metas, records, frame(**params))


def mapped(mapping, record, settings=None, **params):
    """Map one record; return it, or the failure as (code, message, where)."""
    emission = apply([Step("map", mapping, ("mapping",))], [record], settings, **params)
    return tuple(emission.failed[0]) if emission.failed else emission.records[0]
