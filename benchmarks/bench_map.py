"""Mapping: generated code against the jmespath package, hand-written Python and Jinja's sandbox."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jmespath
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from benchmarks.harness import Report, measure
from engine.expressions import Settings, compile_steps
from engine.pipeline import Frame

BATCH = 100


@dataclass(frozen=True)
class Step:
    kind: str
    body: Any
    path: tuple[str | int, ...]


FIELDS = {
    "external_id": "id",
    "status": "status",
    "amount": "total.amount",
    "currency": "total.currency || 'BRL'",
    "customer": "customer.name",
    "email": "customer.email",
    "city": "customer.address.city",
    "first_sku": "items[0].sku",
    "skus": "items[].sku",
    "paid": "status == 'PAID'",
}
FILTER = "total.amount > `0`"
LARGE = {
    **FIELDS,
    "expensive": "items[?price > `100`].sku",
    "shipping": "shipping.method",
}


def small(number: int) -> dict[str, Any]:
    return {
        "id": f"ORD-{number:06d}",
        "status": "PAID" if number % 3 else "OPEN",
        "total": {"amount": 10.5 + number, "currency": "BRL"},
        "customer": {
            "name": "Maria Lima",
            "email": "maria@example.com",
            "address": {"city": "Santos", "zip": "11010"},
        },
        "chan": "web",
        "coupon": None,
        "pri": 3,
        "items": [{"sku": "A-1", "qty": 2, "price": 5.25}, {"sku": "B-2", "qty": 1, "price": 7.5}],
    }


def large(number: int) -> dict[str, Any]:
    record = small(number)
    record["items"] = [
        {
            "sku": f"SKU-{index:04d}",
            "name": f"Product number {index}",
            "qty": index,
            "price": 30.5 * index,
            "tags": ["new"],
        }
        for index in range(12)
    ]
    record["shipping"] = {
        "method": "express",
        "address": {"street": "Rua das Flores, 120", "city": "Santos", "state": "SP"},
    }
    record["history"] = [{"at": "2026-01-02T03:04:05Z", "event": "created", "by": "web"} for _ in range(7)]
    return record


def by_hand(records: list[dict[str, Any]], wide: bool) -> list[dict[str, Any]]:
    """What a careful programmer writes for the same mapping, with the same care for what may be absent."""
    out = []
    for record in records:
        total = record.get("total") or {}
        amount = total.get("amount")
        if not isinstance(amount, (int, float)) or not amount > 0:
            continue
        customer = record["customer"]
        items = record.get("items")
        made = {
            "external_id": record["id"],
            "status": record["status"],
            "amount": amount,
            "currency": total.get("currency") or "BRL",
            "customer": customer["name"],
            "email": customer["email"],
            "city": customer["address"]["city"],
            "first_sku": items[0]["sku"] if items else None,
            "skus": [item["sku"] for item in items or () if item.get("sku") is not None],
            "paid": record["status"] == "PAID",
        }
        if wide:
            made["expensive"] = [
                item["sku"]
                for item in items or ()
                if isinstance(item.get("price"), (int, float)) and item["price"] > 100 and item.get("sku") is not None
            ]
            made["shipping"] = record["shipping"]["method"]
        out.append(made)
    return out


def by_package(fields: dict[str, str]) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    compiled = {name: jmespath.compile(text) for name, text in fields.items()}
    condition = jmespath.compile(FILTER)

    def run(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = (record for record in records if condition.search(record))
        return [{name: made.search(record) for name, made in compiled.items()} for record in kept]

    return run


def frame() -> Frame:
    return Frame({}, {}, {}, {}, datetime(2026, 1, 1, tzinfo=UTC), UTC)


def generated(mapping: dict[str, Any], condition: str | None) -> Callable[[list[dict[str, Any]]], Any]:
    steps = [Step("filter", condition, ("filters", 0))] if condition else []
    (stage,) = compile_steps([*steps, Step("map", mapping, ("mapping",))], Settings())
    given = frame()
    metas: list[dict[str, Any]] = [{}] * BATCH
    return lambda records: stage.apply(records, metas, records, given).records


def maps(report: Report, name: str, make: Callable[[int], dict[str, Any]], fields: dict[str, str], goals: Any) -> None:
    records = [make(number) for number in range(BATCH)]
    package, ours, wide = by_package(fields), generated(fields, FILTER), fields is LARGE
    assert package(records) == list(ours(records)) == by_hand(records, wide)
    print(f"{name}: {len(json.dumps(records[1], separators=(',', ':')))} bytes, {len(fields)} fields, 1 filter")
    timings = measure(
        {
            "jmespath.compile().search per field": lambda: package(records),
            "generated": lambda: ours(records),
            "hand-written Python": lambda: by_hand(records, wide),
        }
    )
    report.times(timings, count=BATCH)
    slow, fast, hand = (timing.median for timing in timings.values())
    report.ratio(f"map + filter vs jmespath, {name}", slow / fast, *goals)
    report.ratio(f"map + filter vs hand-written, {name}", fast / hand, 1.7, 2.5, "less")


SIMPLE = {
    "a": "{{ record.customer.name | upper }}",
    "b": "Order {{ record.id }} of {{ record.customer.name }}",
    "c": "{{ record.total.amount }} {{ record.total.currency }}",
    "d": "{{ record.status | lower | trim }}",
}
OTHER = {
    "a": "{% for item in record['items'] %}{{ item.sku }};{% endfor %}",
    "b": "{% if record.status == 'PAID' %}paid by {{ record.customer.name }}{% else %}open{% endif %}",
    "c": "{{ record['items'] | map(attribute='sku') | join(',') }}",
    "d": "{% set city = record.customer.address.city %}{{ city | upper }}/{{ city | lower }}",
}


def templates(report: Report, name: str, texts: dict[str, str], goals: Any) -> None:
    records = [small(number) for number in range(BATCH)]
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    compiled = {field: environment.from_string(text) for field, text in texts.items()}
    ours = generated(texts, None)

    def sandbox() -> Any:
        return [{field: made.render(record=record) for field, made in compiled.items()} for record in records]

    assert sandbox() == list(ours(records))
    timings = measure({f"sandbox render, {name}": sandbox, f"ours, {name}": lambda: ours(records)})
    report.times(timings, "template", BATCH * len(texts))
    slow, fast = (timing.median for timing in timings.values())
    report.ratio(f"{name} vs sandbox render", slow / fast, *goals)


def main() -> int:
    report = Report("map")
    maps(report, "small", small, FIELDS, (20, 12))
    maps(report, "large", large, LARGE, (10, 6))
    templates(report, "simple Jinja", SIMPLE, (30, 15))
    templates(report, "other Jinja", OTHER, (4, 2.5))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
