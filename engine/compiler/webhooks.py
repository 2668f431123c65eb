"""Webhook triggers and their callers, made ready: units read, expressions compiled, key sets and schemas loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.compiler.facts import expression_settings
from engine.compiler.keysets import is_address, wrong_address
from engine.definition.build import rate_limit
from engine.definition.model import PipelineDefinition, Project
from engine.definition.units import seconds, size
from engine.errors import Path as NodePath
from engine.errors import Problem, RecordError, dotted
from engine.expressions import (
    Issue,
    Settings,
    check_expression,
    check_template,
    compile_expression,
    compile_schema,
    compile_template,
)
from engine.pipeline import ClientPlan, WebhookPlan

_CALL_NAMES = frozenset({"trigger"})
_REPLY_NAMES = frozenset({"records", "results", "run", "trigger", "params", "vars"})
_REPLY_PARTS = ("status", "headers", "body")
_HEADER_IDS = {
    "standard_webhooks": "Webhook-Id",
    "github": "X-GitHub-Delivery",
    "shopify": "X-Shopify-Webhook-Id",
}
_BODY_IDS = {"stripe": "id", "slack": "event_id"}
_LARGE = {"github": 25 << 20}
"""What the sender may send, where that is more than the default."""
_LONGEST_ID = 200

Names = Mapping[str, Any]


def compile_webhooks(
    project: Project, definition: PipelineDefinition, settings: Settings | None = None
) -> tuple[WebhookPlan, ...]:
    """Compile the webhooks of a pipeline that has no problems: ``check_webhooks`` has said so."""
    settings = settings or expression_settings(project, definition)
    return tuple(_plan(project, definition, index, settings) for index in _indexes(definition))


def compile_clients(project: Project) -> dict[str, ClientPlan]:
    """Return the callers that engine.yaml names. Raises ValueError for a key set that cannot be read."""
    named = project.settings.get("clients") or {}
    return {name: _client(project, name, value) for name, value in named.items() if not name.startswith("x-")}


def check_webhooks(project: Project, definition: PipelineDefinition) -> Iterator[Problem]:
    """Yield what is wrong in the webhooks of one pipeline, besides what the schema says."""
    settings = expression_settings(project, definition)
    for index in _indexes(definition):
        for issue in _issues(definition.triggers[index], ("triggers", index), project, settings):
            place = definition.origin.place(issue.path)
            where = dotted(issue.path)
            yield Problem(*place, issue.code, issue.severity, where, issue.message, issue.hint)
        yield from _hidden_callers(project, definition, index)
        if definition.source is not None and _answers(definition.triggers[index]["webhook"]):
            path = ("triggers", index, "webhook", "respond")
            fact = "the call starts a run that reads a source; answering with its result is not built yet"
            hint = "answer with accepted, or take the records from the call: remove source"
            yield Problem(*definition.origin.place(path), "not-yet", "error", dotted(path), fact, hint)


def _hidden_callers(project: Project, definition: PipelineDefinition, index: int) -> Iterator[Problem]:
    """Behind a proxy every caller has the proxy's address, unless the engine knows whom to believe."""
    listen, public = project.settings.get("listen") or {}, project.settings.get("public_url")
    if not public or listen.get("trusted_proxies"):
        return
    auth = definition.triggers[index]["webhook"].get("auth")
    for number, item in enumerate(auth if isinstance(auth, list) else ()):
        if isinstance(item, Mapping) and "allow_ips" in item:
            path = ("triggers", index, "webhook", "auth", number, "allow_ips")
            fact = f"callers come through {public}, and then the address that is seen is the proxy's"
            hint = "name the proxy in engine.yaml: listen: {trusted_proxies: [10.0.0.0/8]}"
            yield Problem(*definition.origin.place(path), "proxy-hides-ip", "warning", dotted(path), fact, hint)


def _answers(webhook: Mapping[str, Any]) -> bool:
    respond = webhook.get("respond")
    return respond == "result" or (isinstance(respond, Mapping) and respond.get("with") == "result")


def _indexes(definition: PipelineDefinition) -> list[int]:
    return [index for index, trigger in enumerate(definition.triggers) if "webhook" in trigger]


def _plan(project: Project, definition: PipelineDefinition, index: int, settings: Settings) -> WebhookPlan:
    trigger = definition.triggers[index]
    value, path = trigger["webhook"], ("triggers", index, "webhook")
    auth = value.get("auth", ())
    preset = _preset(auth)
    params = trigger.get("params")
    return WebhookPlan(
        id=trigger.get("id") or value["path"],
        path=value["path"],
        methods=frozenset(value.get("methods", ("POST",))),
        auth=None if auth == "none" else tuple(_item(project, item) for item in auth),
        clients=tuple(value.get("clients", ())),
        max_body=size(value["max_body"]) if "max_body" in value else _LARGE.get(preset or "", 1 << 20),
        rate_limit=rate_limit(value.get("rate_limit")),
        validate=compile_schema(_schema(project, value["schema"])) if "schema" in value else None,
        records=compile_expression(value["records"], (*path, "records"), settings) if "records" in value else None,
        event_id=_event_id(value.get("event_id"), preset, (*path, "event_id"), settings),
        event_header=(value.get("event_id") or {}).get("header"),
        respond=_respond(value.get("respond"), (*path, "respond"), settings),
        challenge=value.get("challenge", "slack" if preset == "slack" else None),
        params=compile_template(params, ("triggers", index, "params"), settings) if params else lambda names: {},
        runs=definition.source is not None,
        place=definition.origin.place((*path, "path")),
        where=dotted(path),
    )


def _preset(auth: Any) -> str | None:
    """Return the kind of sender, where every way in is its signature."""
    kinds = {item.get("hmac", {}).get("preset") for item in auth} if isinstance(auth, list) else {None}
    return kinds.pop() if len(kinds) == 1 else None


def _item(project: Project, item: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in item.items() if not key.startswith("x-")}
    if isinstance((signed := made.get("hmac", {})).get("tolerance"), str):
        made["hmac"] = {**signed, "tolerance": seconds(signed["tolerance"])}
    token = made.get("jwt", {})
    if is_address(token.get("jwks")):
        if wrong := wrong_address(token):
            raise ValueError(f"{token['jwks']}: {'; '.join(wrong)}")
    elif isinstance(token.get("jwks"), str):
        made["jwt"] = {**token, "jwks": json.loads(_read(project, token["jwks"]))}
    return made


def _client(project: Project, name: str, value: Mapping[str, Any]) -> ClientPlan:
    kinds: list[dict[str, Any]] = [{kind: value[kind]} for kind in ("bearer", "basic", "jwt", "hmac") if kind in value]
    if "api_keys" in value:
        kinds.append({"api_key": {"header": value.get("api_key_header"), "value": value["api_keys"]}})
    addresses = {"allow_ips": value["allow_ips"]} if "allow_ips" in value else {}
    items = [{**addresses, **kind} for kind in kinds] or [addresses]
    return ClientPlan(name, tuple(_item(project, item) for item in items), rate_limit(value.get("rate_limit")))


def _read(project: Project, name: str) -> str:
    """Read a file of the project. Raises ValueError, with what to do, for one that is not there or lies outside."""
    root = project.root.resolve()
    roots = [root, *(root / folder for folder in project.settings.get("files") or ())]
    path = (root / name).resolve()
    if not any(path.is_relative_to(one.resolve()) for one in roots):
        raise ValueError(f"'{name}' lies outside the project and the folders of files: in engine.yaml")
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"'{name}' cannot be read: {reason}") from None


def _schema(project: Project, schema: Any) -> Any:
    return json.loads(_read(project, schema)) if isinstance(schema, str) else schema


def _event_id(value: Any, preset: str | None, path: NodePath, settings: Settings) -> Callable[[Names], Any] | None:
    if value is None:
        return _known_id(preset)
    if "header" in value:
        name, fact = value["header"].lower(), f"the header {value['header']}, which names the event, is missing"
        return lambda names: _identity(names["headers"].get(name), fact, path)
    text, fact = value["value"], "what names the event is missing or empty"
    if _is_template(text):
        template = compile_template(text, (*path, "value"), settings)
        return lambda names: _identity(template({"trigger": names}), fact, path)
    expression = compile_expression(text, (*path, "value"), settings)
    return lambda names: _identity(expression(names["body"]), fact, path)


def _known_id(preset: str | None) -> Callable[[Names], Any] | None:
    """Some senders name their events; one that comes without a name is then simply never the same as another."""
    if preset in _HEADER_IDS:
        name = _HEADER_IDS[preset].lower()
        return lambda names: names["headers"].get(name) or None
    if preset in _BODY_IDS:
        key = _BODY_IDS[preset]
        return lambda names: names["body"].get(key) or None if isinstance(names["body"], dict) else None
    return None


def _identity(value: Any, fact: str, path: NodePath) -> str:
    if value is None or value == "":
        raise RecordError("missing-key", fact, dotted(path))
    if isinstance(value, bool | list | dict):
        raise RecordError("type", "what names the event is not a text or a number", dotted(path))
    text = str(value)
    return text if len(text) <= _LONGEST_ID else hashlib.sha256(text.encode()).hexdigest()


def _respond(value: Any, path: NodePath, settings: Settings) -> dict[str, Any] | None:
    """None for ``accepted``; else the parts that are written, as templates, and ``timeout`` in seconds."""
    given = {"with": value} if isinstance(value, str) else value or {}
    if given.get("with") != "result":
        return None
    parts = {part: compile_template(given[part], (*path, part), settings) for part in _REPLY_PARTS if part in given}
    return parts | ({"timeout": seconds(given["timeout"])} if "timeout" in given else {})


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _issues(trigger: Mapping[str, Any], path: NodePath, project: Project, settings: Settings) -> Iterator[Issue]:
    value, here = trigger["webhook"], (*path, "webhook")
    if "params" in trigger:
        yield from check_template(trigger["params"], (*path, "params"), _CALL_NAMES)
    if "records" in value:
        yield from check_expression(value["records"], (*here, "records"))
    if "value" in (written := value.get("event_id") or {}):
        place, text = (*here, "event_id", "value"), written["value"]
        yield from check_template(text, place, _CALL_NAMES) if _is_template(text) else check_expression(text, place)
    if "schema" in value:
        yield from _schema_issues(project, value["schema"], (*here, "schema"))
    for index, item in enumerate(value["auth"] if isinstance(value.get("auth"), list) else ()):
        yield from _key_set_issues(project, item.get("jwt") or {}, (*here, "auth", index, "jwt", "jwks"))
    if isinstance(value.get("respond"), dict):
        yield from _respond_issues(value["respond"], (*here, "respond"))


def _respond_issues(value: Mapping[str, Any], path: NodePath) -> Iterator[Issue]:
    for part in _REPLY_PARTS:
        if part not in value:
            continue
        if value["with"] == "result":
            yield from check_template(value[part], (*path, part), _REPLY_NAMES)
        elif (part, value[part]) != ("status", 202):
            fact = f"'{part}' has no effect: what is accepted is answered with 202 and its id"
            yield Issue("bad-value", fact, "remove it, or write with: result", (*path, part))


def _schema_issues(project: Project, schema: Any, path: NodePath) -> Iterator[Issue]:
    try:
        loaded = _schema(project, schema)
    except ValueError as error:
        yield Issue("file", f"this is not the name of a JSON Schema: {error}", "", path)
        return
    if outside := next(_outside(loaded), None):
        fact = f"'{outside}' would be fetched when the engine starts"
        yield Issue("schema", fact, "put what it refers to under definitions, and refer with #/definitions/…", path)
        return
    try:
        compile_schema(loaded)
    except (ValueError, TypeError) as error:
        yield Issue("schema", f"this is not a JSON Schema: {str(error).splitlines()[0]}", "", path)


def _outside(schema: Any) -> Iterator[str]:
    """Yield the references of a schema that lead out of it."""
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield reference
    below = schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ()
    for item in below:
        yield from _outside(item)


def _key_set_issues(project: Project, token: Mapping[str, Any], path: NodePath) -> Iterator[Issue]:
    name = token.get("jwks")
    if not isinstance(name, str):
        return
    if is_address(name):
        if wrong := wrong_address(token):
            yield Issue("bad-value", *wrong, path)
        return
    try:
        json.loads(_read(project, name))
    except ValueError as error:
        yield Issue("file", f"this is not the name of a key set in JSON: {error}", "", path)
