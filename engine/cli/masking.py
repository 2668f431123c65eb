"""What of a dead letter people may see: its pipeline's ``$sensitive`` fields stay covered, in an editor too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.cli.screen import json_text
from engine.errors import EngineError
from engine.redact import MASK
from engine.store.base import DeadLetter

if TYPE_CHECKING:
    from engine.definition.model import Project
    from engine.pipeline import Pipeline


def compiled(project: Project, name: str) -> Pipeline | None:
    """Compile a pipeline for its masks; None when it is gone or does not compile."""
    definition = project.pipelines.get(name)
    if definition is None:
        return None
    from engine.compiler.check import check
    from engine.compiler.compile import compile_pipeline

    alone = replace(project, pipelines={name: definition}, drafts=(), tests={})
    if any(problem.severity == "error" for problem in check(alone)):
        return None
    try:
        return compile_pipeline(project, definition)
    except EngineError:
        return None


def masked(letter: DeadLetter, pipeline: Pipeline | None) -> DeadLetter:
    """Cover what is sensitive; without the pipeline nobody knows what is, so every value is covered."""
    if pipeline is None:
        return letter._replace(record=covered(letter.record), mapped=covered(letter.mapped), meta=covered(letter.meta))
    sent = letter.mapped
    if sent is not None and letter.target is not None:
        sent = pipeline.mask_sent(letter.target, sent)
    record = pipeline.mask(letter.record)
    if letter.entry:  # it stands between two steps, so its fields may be called as they are on either side
        for target in pipeline.targets:
            record = pipeline.mask_sent(target.id, record)
    return letter._replace(record=record, mapped=sent)


def covered(value: Any) -> Any:
    """Keep the shape of *value* and cover its leaves."""
    if isinstance(value, Mapping):
        return {key: covered(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [covered(item) for item in value]
    return value if value is None or isinstance(value, bool) else MASK


def restored(edited: Any, shown: Any, original: Any) -> Any:
    """Give the record that was meant: what was left as *shown* is the *original* again, whatever its type or cover.

    *edited* and *shown* are as JSON gives them. Raises ValueError where a mask stands that covers nothing: it would be
    sent as it is.
    """
    if json_text(edited) == json_text(shown):
        return original
    if isinstance(edited, Mapping) and isinstance(shown, Mapping) and isinstance(original, Mapping):
        return {
            key: restored(item, shown[key], original[key]) if key in shown and key in original else _unmasked(item)
            for key, item in edited.items()
        }
    lists = isinstance(edited, list) and isinstance(shown, list) and isinstance(original, list)
    if lists and len(edited) == len(shown) == len(original):
        return [restored(*three) for three in zip(edited, shown, original, strict=True)]
    return _unmasked(edited)


def _unmasked(value: Any) -> Any:
    if MASK in json_text(value).replace('"', " ").split():
        raise ValueError(f"{MASK} stands where it covers nothing; write the value itself")
    return value
