"""What a pipeline and a project look like as a picture: where records come from, what becomes of them and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.cli.groups import groups, title
from engine.cli.picture import Picture

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition, Project, Step, Target, Use

_STEPS = {
    "set": "set",
    "map": "map",
    "remove": "remove",
    "validate": "validate",
    "check": "check",
    "split": "split",
    "lookup": "look up",
    "call": "call",
}


def of_pipeline(project: Project, one: PipelineDefinition) -> Picture:
    """Draw one pipeline: triggers, source, steps, targets, what becomes of rejected ones, what it starts."""
    picture = Picture()
    first = _beginning(picture, one)
    ends = _steps(picture, [(first, "")], [(step.kind, step.body, step.use) for step in one.steps])
    for target in one.targets:
        _target(picture, ends, target)
    if not one.targets:
        reply = picture.box("start", "reply to the caller")
        _join(picture, ends, reply)
    for other in sorted(project.pipelines.values(), key=lambda each: each.name):
        for trigger in other.triggers:
            if one.name in _listed(trigger.get("after")):
                then = picture.box("pipeline", other.name, once=True)
                picture.arrow(_last(picture, first), then, _after(trigger), dashed=True)
    return picture


def of_project(project: Project) -> Picture:
    """Draw all pipelines: what they read and write, what starts them; instances of one template are one box."""
    picture = Picture()
    every = [project.pipelines[name] for name in sorted(project.pipelines)]
    boxes: dict[str, str] = {}
    for group in groups(every):
        boxes |= dict.fromkeys((one.name for one in group), _group(picture, group))
    for one in every:
        box = boxes[one.name]
        for trigger in one.triggers:
            for name in _listed(trigger.get("after")):
                if name in boxes:
                    picture.arrow(boxes[name], box, _after(trigger), dashed=True)
            if said := _outside(trigger):
                picture.arrow(picture.box("start", *said, once=True), box)
        if one.source:
            picture.arrow(_system(picture, one.source.use, project), box)
        for step in one.steps:
            for verb, use in _asked(step):
                picture.arrow(box, _system(picture, use, project), verb, dashed=True)
        for target in one.targets:
            picture.arrow(box, _system(picture, target.use, project))
    return picture


def _group(picture: Picture, group: Sequence[PipelineDefinition]) -> str:
    first = group[0]
    about = f"{len(group)} instances" if len(group) > 1 else ""
    return picture.box("pipeline", title(first.name, group), about or ("" if first.enabled else "disabled"))


def _beginning(picture: Picture, one: PipelineDefinition) -> str:
    """Draw the triggers and the source; return where the records come out."""
    starts = [(picture.box(*_trigger(trigger)), trigger) for trigger in one.triggers]
    if one.source is not None:
        cursor = f"after {', '.join(one.source.cursor.fields)}" if one.source.cursor else ""
        first = picture.box("store", *_said(one.source.use), cursor)
    elif any("webhook" in trigger for trigger in one.triggers):
        first = picture.box("step", "the body of the call")
    else:
        first = picture.box("step", "one record", "made of params")
    if not starts:
        starts = [(picture.box("start", "by hand"), {})]
    for start, trigger in starts:
        picture.arrow(start, first, _after(trigger) if "after" in trigger else "")
    return first


def _trigger(trigger: Mapping[str, Any]) -> tuple[Any, ...]:
    from engine.cli.listing import trigger_text

    if "after" in trigger:
        return ("pipeline", ", ".join(_listed(trigger["after"])))
    return ("start", trigger_text(trigger))


def _after(trigger: Mapping[str, Any]) -> str:
    on = trigger.get("on", "success")
    return {"success": "then", "failure": "when it failed"}.get(on, "in any case")


def _outside(trigger: Mapping[str, Any]) -> tuple[str, ...]:
    from engine.cli.listing import trigger_text

    return () if "after" in trigger else (trigger_text(trigger),)


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _said(use: Use) -> tuple[str, ...]:
    return (use.connection, use.connector) if use.connection else (use.connector, _place(use.options))


def _place(options: Mapping[str, Any]) -> str:
    for key in ("path", "url", "table"):
        if isinstance(options.get(key), str):
            return str(options[key])
    return ""


def _system(picture: Picture, use: Use, project: Project) -> str:
    found = project.connections.get(use.connection or "")
    if found is not None and found.origin.instance:
        return picture.box("store", f"{found.origin.instance.template}[…]", found.use.connector, once=True)
    if use.connection:
        kind = found.use.connector if found else use.connector
        return picture.box("store", use.connection, kind, once=True)
    return picture.box("store", *_said(use), once=True)


Ends = list[tuple[str, str]]
"""Boxes that records come out of, each with what the next arrow says."""
_Stage = tuple[str, Any, "Use | None"]


def _steps(picture: Picture, ends: Ends, steps: Sequence[_Stage]) -> Ends:
    for kind, body, use in steps:
        ends = _switch(picture, ends, body) if kind == "switch" else _step(picture, ends, (kind, body, use))
    return ends


def _step(picture: Picture, ends: Ends, step: _Stage) -> Ends:
    kind, body, use = step
    if kind == "filter":
        box = picture.box("choice", "only if", str(body))
    else:
        box = picture.box("step", *_words(kind, body))
    _join(picture, ends, box)
    if kind in ("lookup", "call"):
        asked = picture.box("store", *(_said(use) if use else _named(kind, body)))
        picture.arrow(box, asked, "asks" if kind == "lookup" else "calls", dashed=True)
    return [(box, "")]


def _switch(picture: Picture, ends: Ends, cases: Any) -> Ends:
    box = picture.box("choice", "the first that holds")
    _join(picture, ends, box)
    out: Ends = []
    for case in cases:
        steps = case.get("else") if "else" in case else case.get("steps", ())
        label = "else" if "else" in case else str(case.get("when", ""))
        inner = [(kind, body, None) for step in steps or () for kind, body in step.items() if kind != "id"]
        out += _steps(picture, [(box, label)], inner)
    if not any("else" in case for case in cases):
        out.append((box, "else"))
    return out


def _join(picture: Picture, ends: Ends, box: str) -> None:
    for end, label in ends:
        picture.arrow(end, box, label)


def _words(kind: str, body: Any) -> tuple[str, ...]:
    verb = _STEPS.get(kind, kind)
    if kind in ("map", "set") and isinstance(body, Mapping):
        fields = [*_listed(body.get("$copy")), *(key for key in body if not key.startswith("$"))]
        return (verb, ", ".join(fields))
    if kind == "check" and isinstance(body, Mapping):
        return (verb, str(body.get("that", "")))
    if kind in ("lookup", "call") and isinstance(body, Mapping):
        return (verb, f"into {body['into']}" if "into" in body else "")
    if kind == "validate" and isinstance(body, Mapping):
        return (verb, body["schema"] if isinstance(body.get("schema"), str) else "")
    return (verb, ", ".join(map(str, body)) if isinstance(body, list) else str(body))


def _named(kind: str, body: Any) -> tuple[str, ...]:
    """Say what a step inside a case asks, from its YAML."""
    inner = body.get("from", {}) if kind == "lookup" else body
    for name, options in inner.items():
        if isinstance(options, Mapping) and name not in ("resilience", "cache", "match"):
            return (str(options.get("connection") or _place(options)), name)
    return (kind,)


def _asked(step: Step) -> list[tuple[str, Use]]:
    if step.use is None:
        return []
    return [("asks" if step.kind == "lookup" else "calls", step.use)]


def _target(picture: Picture, ends: Ends, target: Target) -> None:
    named = target.id if target.id != "target" else ""
    box = picture.box("store", named, *_said(target.use))
    if target.mapping is not None:
        shaped = picture.box("step", *_words("map", target.mapping))
        picture.arrow(shaped, box, f"batches of {target.batch.size}" if target.batch.written else "")
    for end, label in ends:
        when = str(target.when) if target.when is not None else ""
        batch = f"batches of {target.batch.size}" if target.batch.written and target.mapping is None else ""
        picture.arrow(end, shaped if target.mapping is not None else box, when or label or batch)
    kept = {"dead_letter": "dead letters", "drop": "dropped", "fail": "the run fails"}[target.on_rejected]
    picture.arrow(box, picture.box("kept", kept, once=True), "rejected", dashed=True)


def _last(picture: Picture, first: str) -> str:
    """Return the box that a following pipeline comes after: a target, else where the records come from."""
    targets = [arrow.start for arrow in picture.arrows if arrow.label == "rejected"]
    return targets[-1] if targets else first
