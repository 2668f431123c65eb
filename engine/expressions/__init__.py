"""JMESPath and Jinja, compiled to Python; the function library; JSON Schema of records.

The face, all of it; the rest of the package is for itself.

*Finding mistakes*, before anything runs and without generating code. Each gives ``Issue`` values: a stable code, the
fact, the remedy, the absolute path of the node, the offset in its text where known, and a severity.

- ``check_steps(steps, visible, settings=None)``: steps as ``engine.definition.model.Step`` shapes them.
- ``check_value(value, path, visible)``: a mapping. ``check_condition``: ``filters``, ``when``, ``that``.
  ``check_key``: a target's key. ``check_template``: an option marked ``x-value: template``, nested or not.
- ``check_expression(text, path)``: an option marked ``x-value: expression``.

*visible* says which names templates see there: ``PIPELINE_NAMES`` in steps, ``TARGET_NAMES`` under a target (and
``"records"`` where it has a ``batch``), ``SOURCE_NAMES`` in a source's options.

*Compiling*. Every function takes ``Settings``, the static facts of one pipeline, and raises ``Invalid`` (which carries
the issues) for what the checks would have found.

- ``compile_steps(steps, settings)`` and ``compile_mapping(value, path, settings)`` give stages of ``engine.pipeline``.
- ``compile_condition``, ``compile_key`` give its ``Condition`` and ``Key``.
- ``compile_template``, ``compile_expression`` give the callables connectors get: names → value, document → value.
- ``field_path(text)``: the steps of a field's path; ``key_text(value)``: a value as keys are written.
- ``compile_schema(schema)``: value → every mistake as (path, message).
- ``evaluate(text, settings)``, ``evaluate_mapping(value, settings)``: document → value, for ``engine eval``.

What goes wrong with a record while these run is a ``RecordError`` with code, message and place; a stage never raises
it but puts it into ``Emission.failed``. Records are never changed in place.

``sensitive(steps, mapping)`` gives ``mask_source`` and ``mask_mapped``: masked copies for people's eyes.

Nothing heavy is imported before it is needed: ``jinja2`` only for a template, ``jmespath`` only for what is not a
plain path, ``jsonschema_rs`` only for a schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import Path
from engine.expressions.check import (
    check_condition,
    check_expression,
    check_key,
    check_steps,
    check_template,
    check_value,
)
from engine.expressions.values import (
    ALL_NAMES,
    PIPELINE_NAMES,
    SOURCE_NAMES,
    TARGET_NAMES,
    Expression,
    Invalid,
    Issue,
    Settings,
    StepLike,
    Template,
)

if TYPE_CHECKING:
    from engine.expressions.masks import Masks
    from engine.pipeline import Condition, Key, Stage

__all__ = [
    "ALL_NAMES",
    "PIPELINE_NAMES",
    "SOURCE_NAMES",
    "TARGET_NAMES",
    "Expression",
    "Invalid",
    "Issue",
    "Settings",
    "StepLike",
    "Template",
    "check_condition",
    "check_expression",
    "check_key",
    "check_steps",
    "check_template",
    "check_value",
    "compile_condition",
    "compile_expression",
    "compile_key",
    "compile_mapping",
    "compile_schema",
    "compile_steps",
    "compile_template",
    "evaluate",
    "evaluate_mapping",
    "field_path",
    "key_text",
    "sensitive",
]


def compile_steps(steps: Sequence[StepLike], settings: Settings) -> tuple[Stage, ...]:
    """Compile steps; neighbours that make at most one record of one become one generated function."""
    from engine.expressions import stages

    return stages.compile_steps(steps, settings)


def compile_mapping(value: Any, path: Path, settings: Settings) -> Stage:
    """Compile a target's own mapping and ``settings.omit_null``; *value* None: only that."""
    from engine.expressions import stages

    return stages.compile_mapping(value, path, settings)


def compile_condition(value: Any, path: Path, settings: Settings) -> Condition:
    """Compile a condition: true or false, anything else rejects."""
    from engine.expressions import stages

    return stages.compile_condition(value, path, settings)


def compile_key(value: Any, path: Path, settings: Settings) -> Key:
    """Compile a key, an expression or a list of them, to text; null, missing and empty reject ``missing-key``."""
    from engine.expressions import stages

    return stages.compile_key(value, path, settings)


def compile_template(value: Any, path: Path, settings: Settings, *, encode: bool = False) -> Template:
    """Compile an option whose texts are Jinja, at any depth: names → value. Other texts are themselves.

    *encode*: percent-encode what expressions put in, for a URL path.
    """
    from engine.expressions import stages

    return stages.compile_template(value, path, settings, encode=encode)


def compile_expression(text: str, path: Path, settings: Settings) -> Expression:
    """Compile JMESPath over a document; missing is null."""
    from engine.expressions import stages

    return stages.compile_expression(text, path, settings)


def compile_schema(schema: Any) -> Callable[[Any], list[tuple[Path, str]]]:
    """Compile a JSON Schema: value → its mistakes, (path, message) each."""
    from engine.expressions import schema as schemas

    return schemas.compile_schema(schema)


def field_path(text: str) -> tuple[str, ...] | None:
    """Return the steps of a path of names, None for anything else."""
    from engine.expressions import paths

    return paths.field_path(text)


def key_text(value: Any) -> str | None:
    """Write a single value as keys are compared; None for null, the empty text, objects and lists."""
    from engine.expressions import keys

    return keys.key_text(value)


def evaluate(text: str, settings: Settings) -> Callable[[Any], Any]:
    """Compile an expression for ``engine eval``: JMESPath in which missing is null, or Jinja over ``record``."""
    from engine.expressions import stages

    return stages.evaluate(text, settings)


def evaluate_mapping(value: Any, settings: Settings) -> Callable[[Any], Any]:
    """Compile a mapping for ``engine eval --mapping``, with the rules of a run."""
    from engine.expressions import stages

    return stages.evaluate_mapping(value, settings)


def sensitive(steps: Sequence[StepLike] = (), mapping: Any = None, path: Path = ("mapping",)) -> Masks:
    """Make what masks the fields ``$sensitive`` marks, in records as read and as mapped."""
    from engine.expressions import masks

    return masks.sensitive(steps, mapping, path)
