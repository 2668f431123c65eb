"""Compiled steps, conditions, keys, templates and expressions: what the rest of the engine calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.errors import Path, RecordError, dotted
from engine.expressions import backend
from engine.expressions.check import read_key
from engine.expressions.keys import joined_key, key_part
from engine.expressions.paths import is_template
from engine.expressions.plainbatch import BatchFunction
from engine.expressions.plan import Node
from engine.expressions.program import Map, OmitNull, Program, Step, splits
from engine.expressions.reader import Reader
from engine.expressions.values import ALL_NAMES, Expression, Invalid, Issue, Settings, StepLike, Template
from engine.pipeline import Condition, Frame, Key, Stage
from engine.record import Emission, Failure, Meta, Record


def _errors(issues: Sequence[Issue]) -> None:
    errors = [issue for issue in issues if issue.severity == "error"]
    if errors:
        raise Invalid(errors)


class CompiledStage:
    """A run of neighbouring steps over whole batches."""

    def __init__(self, label: str, batch: BatchFunction) -> None:
        self.label = label
        self._batch = batch

    def __repr__(self) -> str:
        return f"<stage {self.label}>"

    def apply(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        """Transform a batch; on a failure the records go one by one, to find the culprits."""
        try:
            out, origin, dropped, made = self._batch(records, metas, inputs, frame)
        except Exception as error:
            if len(records) != 1:
                return self._one_by_one(records, metas, inputs, frame)
            return Emission([], (), {0: failure(error)}, {})
        return Emission(out, origin, {}, dropped, made)

    def _one_by_one(
        self, records: Sequence[Record], metas: Sequence[Meta], inputs: Sequence[Record], frame: Frame
    ) -> Emission:
        out: list[Record] = []
        origin: list[int] = []
        made_metas: list[Meta] = []
        failed: dict[int, Failure] = {}
        dropped: dict[str, int] = {}
        renewed = False
        for index, record in enumerate(records):
            one = self.apply([record], [metas[index]], [inputs[index]], frame)
            if one.failed:
                failed[index] = one.failed[0]
            out.extend(one.records)
            origin.extend([index] * len(one.records))
            renewed = renewed or one.metas is not None
            made_metas.extend(one.metas if one.metas is not None else [metas[index]] * len(one.records))
            for place, count in one.dropped.items():
                dropped[place] = dropped.get(place, 0) + count
        return Emission(out, origin, failed, dropped, made_metas if renewed else None)


def failure(error: Exception) -> Failure:
    """Make the failure of one record of what its step raised."""
    if isinstance(error, RecordError):
        return Failure(error.code, error.message, error.where)
    if isinstance(error, (TypeError, ValueError, ArithmeticError, RecursionError, LookupError)):
        return Failure("expression", str(error) or type(error).__name__)
    raise error


def compile_steps(steps: Sequence[StepLike], settings: Settings) -> tuple[Stage, ...]:
    """Compile steps; neighbours that make one record of one share a stage."""
    program = Program(ALL_NAMES, settings)
    read = program.steps(steps)
    _errors(program.issues)
    stages: list[Stage] = []
    run: list[Step] = []
    for step in read:
        if splits(step):
            stages += [_stage(tuple(run), settings)] if run else []
            stages.append(_stage((step,), settings))
            run = []
        else:
            run.append(step)
    return (*stages, *([_stage(tuple(run), settings)] if run else []))


def _stage(steps: tuple[Step, ...], settings: Settings) -> Stage:
    return CompiledStage(steps[0].where, backend.batch(steps, settings, any(map(splits, steps))))


def compile_mapping(value: Any, path: Path, settings: Settings) -> Stage:
    """Compile a target's own mapping; with no mapping, only ``omit_null``."""
    reader = Reader(ALL_NAMES)
    steps: list[Step] = []
    if value is not None:
        steps.append(Map(path, reader.value(value, path)))
    _errors(reader.issues)
    if settings.omit_null:
        steps.append(OmitNull(path))
    return _stage(tuple(steps) or (OmitNull(path),), settings)


def compile_condition(value: Any, path: Path, settings: Settings) -> Condition:
    """Compile a condition over one record."""
    program = Program(ALL_NAMES)
    node = program.condition(value, path)
    _errors(program.issues)
    return backend.condition(node, settings)


def compile_key(value: Any, path: Path, settings: Settings) -> Key:
    """Compile a key: an expression, or a list of them."""
    reader = Reader(ALL_NAMES)
    nodes = read_key(reader, value, path)
    _errors(reader.issues)
    parts = [backend.single(node, settings) for node in nodes]
    where = dotted(path)

    def key(record: Record, meta: Meta, given: Record, frame: Frame) -> str:
        try:
            return joined_key([key_part(part(record, meta, given, frame)) for part in parts])
        except RecordError as error:
            code = "missing-key" if error.code == "missing-field" else error.code
            raise RecordError(code, error.message, error.where or where) from error

    return key


def compile_template(value: Any, path: Path, settings: Settings, *, encode: bool = False) -> Template:
    """Compile an option whose texts are Jinja, at any depth; other values are themselves.

    *encode*: percent-encode what expressions put in, for a URL path.
    """
    made = _template(value, path, settings, encode)
    return made if made is not None else lambda names: value


def _template(value: Any, path: Path, settings: Settings, encode: bool) -> Template | None:
    """Return None for a value without templates."""
    if isinstance(value, str):
        return _text_template(value, path, settings, encode) if is_template(value) or "${{" in value else None
    if isinstance(value, Mapping):
        pairs = [(key, item, _template(item, (*path, key), settings, encode)) for key, item in value.items()]
        if all(made is None for _, _, made in pairs):
            return None
        return lambda names: {key: item if made is None else made(names) for key, item, made in pairs}
    if isinstance(value, (list, tuple)):
        parts = [(item, _template(item, (*path, index), settings, encode)) for index, item in enumerate(value)]
        if all(made is None for _, made in parts):
            return None
        return lambda names: [item if made is None else made(names) for item, made in parts]
    return None


def _text_template(text: str, path: Path, settings: Settings, encode: bool) -> Template:
    reader = Reader(ALL_NAMES)
    reader.template(text, path)
    _errors(reader.issues)
    where, clock = dotted(path), settings.clock
    render = backend.template(_encoded(text) if encode else text, settings)

    def run(names: Mapping[str, Any]) -> Any:
        try:
            return render(names if "_now" in names else _timed(names, clock))
        except RecordError as error:
            raise RecordError(error.code, error.message, error.where or where) from error

    return run


def _encoded(text: str) -> str:
    from engine.expressions.jinja.encode import encoded

    return encoded(text)


def _timed(names: Mapping[str, Any], clock: Callable[[], Any]) -> dict[str, Any]:
    return {**names, "_now": clock()}


def compile_expression(text: str, path: Path, settings: Settings) -> Expression:
    """Compile JMESPath over a document; missing is null."""
    reader = Reader(frozenset())
    node = reader.query(text, path)
    _errors(reader.issues)
    return backend.query(node, settings)


def evaluate(text: str, settings: Settings) -> Callable[[Any], Any]:
    """Compile an expression for ``engine eval``: JMESPath in which missing is null, or Jinja over ``record``."""
    if not is_template(text):
        return compile_expression(text, (), settings)
    reader = Reader({"record"})
    reader.template(text, ())
    _errors(reader.issues)
    render = compile_template(text, (), settings)
    return lambda document: render({"record": document})


def evaluate_mapping(value: Any, settings: Settings) -> Callable[[Any], Any]:
    """Compile a mapping for ``engine eval --mapping``; the callable raises RecordError."""
    reader = Reader({"record", "params", "trigger", "run", "meta", "vars"})
    node: Node = reader.value(value, ("mapping",))
    _errors(reader.issues)
    single = backend.single(node, settings)

    def run(document: Any) -> Any:
        now = settings.clock().astimezone(settings.timezone)
        return single(document, {}, document, Frame({}, {}, {}, {}, now, settings.timezone))

    return run
