"""Targets whose answers or repeats would go wrong unnoticed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.definition.explain import Finding
from engine.definition.lints.texts import is_template, placed
from engine.definition.model import PipelineDefinition, Step, Target, Use
from engine.definition.report import Severity
from engine.definition.units import seconds
from engine.errors import Path

Said = Iterator[tuple[Finding, Severity]]

_JINJA = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_JINJA_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_RECORDS = re.compile(r"(?<![\w.])records(?!\w)(?!\s*=[^=])")
_TOKENS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|#[^\n]*|\.\.\.|[\w$@]+|[{}():]")
_VERDICTS = ("success", "ok")
_GROWS = re.compile(r"\binsert\b|\b(\w+)\s*=\s*\1\s*[-+]", re.IGNORECASE)


def lint(definition: PipelineDefinition) -> Said:
    """Say what each target, and each step that calls, gets wrong."""
    for step in definition.steps:
        yield from _call_not_safe(definition, step)
    for target in definition.targets:
        yield from _records_without_batch(target)
        yield from _unchecked_result(target)
        yield from _repeat_not_safe(definition, target)
        yield from _reply_may_time_out(definition, target)


def _records_without_batch(target: Target) -> Said:
    if target.batch.written:
        return
    for path, kind in target.use.values.items():
        for at, text in placed(_value(target.use.options, path), path) if kind == "template" else ():
            if is_template(text) and _mentions_records(text):
                fact = "'records' is only there with 'batch'"
                finding = Finding(
                    target.use.path + at, False, "records-without-batch", fact, "use record, or add batch: {size: …}"
                )
                yield finding, "error"


def _mentions_records(text: str) -> bool:
    return any(_RECORDS.search(_JINJA_TEXT.sub("''", match[1] or match[2] or "")) for match in _JINJA.finditer(text))


def _unchecked_result(target: Target) -> Said:
    mutation = target.use.options.get("mutation")
    if target.use.connector != "graphql" or not isinstance(mutation, str) or "results" in target.use.options:
        return
    found = _verdict(mutation)
    if found:
        at, name = found
        fact = f"the mutation returns '{name}' but nothing reads it; a refused record would count as sent"
        hint = f'add results: {{at: {at}, failed: "!{name}"}}'
        yield Finding(target.use.path, True, "unchecked-result", fact, hint), "warning"


def _verdict(mutation: str) -> tuple[str, str] | None:
    """Return where the mutation selects its verdict: the path to it in the answer, and its name."""
    path: list[str] = []
    last, parens = "", 0
    for token in _TOKENS.findall(mutation):
        parens += (token == "(") - (token == ")")
        if parens or token in ("(", ")") or token[0] in '"#':
            continue
        if token == "{":
            path.append(last)
        elif token == "}":
            if path:
                path.pop()
        elif token != ":":
            if token in _VERDICTS and len(path) > 1:
                return ".".join(["data", *path[1:]]), token
            last = token
    return None


def _repeat_not_safe(definition: PipelineDefinition, target: Target) -> Said:
    policies = target.resilience
    if target.key is not None or not policies.retry_written or policies.retry.attempts < 2 or not _adds(target.use):
        return
    path = _written_at(definition, target.path)
    hint = "give the target a key, or write retry: {attempts: 1}"
    fact = "a retry may do this twice: without a key nobody can tell that it is the same record"
    yield Finding(path, True, "repeat-not-safe", fact, hint), "warning"


def _call_not_safe(definition: PipelineDefinition, step: Step) -> Said:
    policies = step.resilience
    if step.kind != "call" or step.use is None or "key" in step.body:
        return
    if not policies.retry_written or policies.retry.attempts < 2 or not _adds(step.use):
        return
    path = _written_at(definition, step.path)
    hint = "give the call a key, or write retry: {attempts: 1}"
    fact = "a retry may call twice: without a key nobody can tell that it is the same call"
    yield Finding(path, True, "repeat-not-safe", fact, hint), "warning"


def _adds(use: Use) -> bool:
    """Whether doing it twice differs from doing it once, as far as the options show."""
    options = use.options
    if use.connector == "graphql":
        return "mutation" in options
    if use.connector == "http":
        method = options.get("method", "POST")
        return isinstance(method, str) and method.upper() in ("POST", "PATCH") and "idempotency" not in options
    if use.connector != "sql" or "once" in options:
        return False
    statements = options.get("statements", [{"sql": options.get("statement", "")}])
    return "insert" in options or any(
        "insert" in statement or bool(_GROWS.search(str(statement.get("sql", "")))) for statement in statements
    )


def _written_at(definition: PipelineDefinition, path: Path) -> Path:
    own: Path = (*path, "resilience", "retry")
    return own if own in definition.origin.places else ("resilience", "retry")


def _reply_may_time_out(definition: PipelineDefinition, target: Target) -> Said:
    policies = target.resilience
    longest = policies.timeout * policies.retry.attempts
    for index, trigger in enumerate(definition.triggers):
        respond = trigger.get("webhook", {}).get("respond")
        if not isinstance(respond, dict) or respond.get("with") != "result" or "timeout" not in respond:
            continue
        if seconds(respond["timeout"]) < longest:
            tries = f"{policies.retry.attempts} × {policies.timeout:g} s"
            fact = f"'{target.use.connector}' may take {tries} and its waits; the caller gets 504 before"
            hint = "give the target a shorter timeout or fewer attempts, or the answer more time"
            path: Path = ("triggers", index, "webhook", "respond", "timeout")
            yield Finding(path, False, "reply-may-time-out", fact, hint), "warning"


def _value(options: Any, path: Path) -> Any:
    for key in path:
        options = options[key]
    return options
