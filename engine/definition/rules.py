"""What a schema cannot say about one pipeline: keys that exclude each other, and what refers to what in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from engine.definition.explain import Finding
from engine.definition.nearest import nearest
from engine.definition.retype import retyped
from engine.definition.schema import fault, fits
from engine.errors import Path

Data = Mapping[str, Any]


def rules(value: Data) -> Iterator[Finding]:
    """Return the findings of a pipeline's document, whatever else is wrong with it."""
    for rule in _RULES:
        yield from rule(value)


def _forms(value: Data) -> Iterator[Finding]:
    short = [key for key in ("filters", "mapping") if key in value]
    if "steps" in value and short:
        fact = f"'steps' cannot stand beside {' and '.join(repr(key) for key in short)}"
        yield Finding(
            ("steps",), True, "too-many", fact, "write filters and mapping as steps filter and map, or no steps"
        )
    if "target" in value and "targets" in value:
        yield Finding(("targets",), True, "too-many", "'targets' cannot stand beside 'target'", "put it into the list")
    if "unrouted" in value and "targets" not in value:
        yield Finding(("unrouted",), True, "missing-key", "'unrouted' needs 'targets' beside it")


def _ends_somewhere(value: Data) -> Iterator[Finding]:
    if "target" in value or "targets" in value or "pipeline" not in value:
        return
    if any(_answers(trigger) for trigger in _maps(value.get("triggers"))):
        return
    hint = "write target: with a connector; console: {} prints what comes"
    yield Finding((), True, "missing-key", "'target' is missing", hint, name="target")


def _answers(trigger: Data) -> bool:
    webhook = trigger.get("webhook")
    respond = webhook.get("respond") if isinstance(webhook, Mapping) else None
    return respond == "result" or (isinstance(respond, Mapping) and respond.get("with") == "result")


def _ids(value: Data) -> Iterator[Finding]:
    for key, code in (("targets", "duplicate-target"), ("triggers", "duplicate-trigger")):
        first: dict[str, int] = {}
        for index, item in enumerate(_maps(value.get(key))):
            name = item.get("id")
            if not isinstance(name, str):
                continue
            if name in first:
                fact = f"the id '{name}' stands at {key}[{first[name]}] already"
                yield Finding((key, index, "id"), False, code, fact, "give each its own id")
            first.setdefault(name, index)


def unknown_timezone(value: Data) -> Iterator[Finding]:
    """Also for the ``defaults`` of engine.yaml."""
    name = value.get("timezone")
    if not isinstance(name, str) or name in ("UTC", "") or timezone_exists(name):
        return
    meant = nearest(name, _all_zones()) or _city(name)
    hint = f"did you mean '{meant}'?" if meant else "write a name like America/Sao_Paulo"
    yield Finding(("timezone",), False, "unknown-timezone", f"there is no time zone '{name}'", hint, fix=meant or "")


def _city(name: str) -> str | None:
    """Return the time zone of a city that was named without its continent."""
    cities = {zone.rpartition("/")[2]: zone for zone in reversed(_all_zones()) if "/" in zone}
    city = nearest(name.strip().replace(" ", "_"), cities)
    return cities[city] if city else None


MAX_ZONE = 100
_zones: dict[str, bool] = {}


@cache
def _all_zones() -> Sequence[str]:
    from zoneinfo import available_timezones

    return sorted(available_timezones())


def timezone_exists(name: str) -> bool:
    """Whether the IANA database has *name*."""
    if name not in _zones:
        if len(name) > MAX_ZONE:
            return False
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(name)
            _zones[name] = True
        except (KeyError, ValueError, OSError):
            _zones[name] = False
    return _zones[name]


def _params(value: Data) -> Iterator[Finding]:
    params = value.get("params")
    if not isinstance(params, Mapping):
        return
    for name, schema in params.items():
        if not isinstance(schema, Mapping) or str(name).startswith("x-"):
            continue
        path: Path = ("params", name)
        wrong = fault(_plain_schema(schema))
        if schema.get("type") is not None and fault({"type": schema["type"]}):
            continue  # what is no type is said by the schema of params
        if wrong:
            yield Finding(path, False, "bad-param", f"this is not a JSON Schema: {wrong}")
        elif "default" in schema and misfit(schema["default"], schema):
            fact = "the default {value} does not fit this input's own schema"
            given = schema["default"]
            yield Finding(
                (*path, "default"),
                False,
                "param-default",
                fact,
                _wanted(schema, given),
                _shown(given),
                fix=_as(given, schema),
            )


def _trigger_params(value: Data) -> Iterator[Finding]:
    params = value.get("params", {})
    if not isinstance(params, Mapping):
        return
    for index, trigger in enumerate(_maps(value.get("triggers"))):
        given = trigger.get("params")
        if not isinstance(given, Mapping):
            continue
        for name, item in given.items():
            path: Path = ("triggers", index, "params", name)
            schema = params.get(name)
            if schema is None:
                meant = nearest(name, params)
                hint = f"did you mean '{meant}'?" if meant else "add it to params"
                fix = meant if meant and meant not in given else ""
                fact = f"the pipeline has no param '{name}'"
                yield Finding(path, True, "trigger-param-unknown", fact, hint, fix=fix)
            elif isinstance(schema, Mapping) and not _is_template(item) and misfit(item, schema):
                fact = f"{{value}} does not fit the param '{name}'"
                yield Finding(
                    path, False, "param-type", fact, _wanted(schema, item), _shown(item), fix=_as(item, schema)
                )


def _breakers(value: Data) -> Iterator[Finding]:
    """A breaker belongs to the remote system; only a target without a connection may have its own."""
    targets = _targets(value)
    named = [_connection(target) for _, target in targets]
    levels: list[tuple[Path, Any, list[str | None]]] = [((), value, named)]
    levels += [(path, target, [connection]) for (path, target), connection in zip(targets, named, strict=True)]
    for path, level, connections in levels:
        own = level.get("resilience") if isinstance(level, Mapping) else None
        if isinstance(own, Mapping) and "circuit_breaker" in own and connections and all(connections):
            fact = f"a circuit breaker belongs to the connection '{connections[0]}', for all its users"
            hint = f"move it to resilience of {connections[0]} in its connections file"
            yield Finding((*path, "resilience", "circuit_breaker"), True, "breaker-on-connection", fact, hint)


def _connection(target: Any) -> str | None:
    for options in target.values() if isinstance(target, Mapping) else ():
        if isinstance(options, Mapping) and isinstance(options.get("connection"), str):
            return str(options["connection"])
    return None


def _keys(value: Data) -> Iterator[Finding]:
    """What sends a record again needs a key that says it is the same record."""
    maps = [(path, target) for path, target in _targets(value) if isinstance(target, Mapping)]
    source = value.get("source")
    cursor = source.get("cursor") if isinstance(source, Mapping) else None
    keyless = [path for path, target in maps if "key" not in target]
    if isinstance(cursor, Mapping) and cursor.get("lookback") is not None and keyless:
        fact = "'lookback' sends records again, and the target has no 'key'"
        yield Finding(("source", "cursor", "lookback"), True, "lookback-without-key", fact, "give the target a key")
    steps = enumerate(_maps(value.get("steps")))
    maps += [(("steps", index, "call"), step["call"]) for index, step in steps if isinstance(step.get("call"), Mapping)]
    for path, target in maps:
        yield from _idempotency(path, target)


def _side_by_side(value: Data) -> Iterator[Finding]:
    concurrency, source = value.get("concurrency"), value.get("source")
    if not isinstance(concurrency, Mapping) or concurrency.get("overlap") != "allow":
        return
    if isinstance(source, Mapping) and "cursor" in source:
        fact = "runs side by side cannot share the cursor: it has one owner"
        path: Path = ("concurrency", "overlap")
        yield Finding(path, False, "overlap-with-cursor", fact, "write queue, queue_one, skip or cancel")


def _waits(value: Data) -> Iterator[Finding]:
    if "max_age" in value and not any("webhook" in trigger for trigger in _maps(value.get("triggers"))):
        fact = "'max_age' is for what a webhook accepts, and there is no webhook"
        yield Finding(("max_age",), True, "missing-key", fact, "remove it, or add a webhook to triggers")


def _renamed(value: Data) -> Iterator[Finding]:
    if isinstance(value.get("renamed_from"), str) and value["renamed_from"] == value.get("pipeline"):
        yield Finding(("renamed_from",), False, "bad-value", "this is the name it has", "remove it")


def _idempotency(path: Path, target: Data) -> Iterator[Finding]:
    for name, options in target.items():
        if not isinstance(options, Mapping) or "idempotency" not in options or name in ("batch", "resilience"):
            continue
        place = (*path, name, "idempotency")
        batch = target.get("batch")
        if "key" not in target:
            hint = f"give the {'call' if path[-1] == 'call' else 'target'} a key"
            yield Finding(place, True, "idempotency-without-key", "'idempotency' is made of the key", hint)
        if isinstance(batch, Mapping) and isinstance(batch.get("size"), int) and batch["size"] > 1:
            fact = "'idempotency' needs one record a request"
            yield Finding(place, True, "idempotency-with-batch", fact, "remove batch, or idempotency")


_RULES: tuple[Callable[[Data], Iterable[Finding]], ...] = (
    _forms,
    _ends_somewhere,
    _ids,
    unknown_timezone,
    _params,
    _trigger_params,
    _breakers,
    _keys,
    _side_by_side,
    _waits,
    _renamed,
)


def _targets(value: Data) -> list[tuple[Path, Any]]:
    single: list[tuple[Path, Any]] = [(("target",), value["target"])] if "target" in value else []
    return single + [(("targets", index), target) for index, target in enumerate(_list(value.get("targets")))]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _maps(value: Any) -> list[Data]:
    """The items, with what is no map in place of itself as an empty one, so that indexes hold."""
    return [item if isinstance(item, Mapping) else {} for item in _list(value)]


def _plain_schema(schema: Data) -> dict[str, Any]:
    kept = {key: item for key, item in schema.items() if not key.startswith("x-")}
    if isinstance(kept.get("required"), bool):
        del kept["required"]
    return kept


def misfit(value: Any, schema: Data) -> bool:
    """Whether *value* breaks a schema that is none itself."""
    plain = _plain_schema(schema)
    return not fault(plain) and not fits(value, plain)


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _wanted(schema: Data, value: Any) -> str:
    kind = schema.get("type")
    if fix := _as(value, schema):
        return f"write {fix}"
    if kind == "boolean":
        return "write true or false"
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    return f"must be of type {kind}" if isinstance(kind, str) else ""


def _as(value: Any, schema: Data) -> str:
    kind = schema.get("type")
    return retyped([kind], value)[1] if isinstance(kind, str) else ""


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value[:60]}'"
    return str(value).lower() if isinstance(value, bool) else str(value)[:60]
