"""Instances of ``for_each`` in listings: those of one template stand together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from engine.telemetry.words import count

if TYPE_CHECKING:
    from engine.definition.model import ConnectionDefinition, Origin, PipelineDefinition

    One = TypeVar("One", PipelineDefinition, ConnectionDefinition)


def groups(definitions: Iterable[One], apart: bool = False) -> list[list[One]]:
    """Return what stands on one line: the instances of one template, unless *apart*; anything else alone."""
    if apart:
        return [[one] for one in definitions]

    def template(one: One) -> tuple[str, str]:
        instance = one.origin.instance
        return (one.origin.file, instance.template) if instance else (one.origin.file, one.name)

    return [list(group) for _, group in groupby(definitions, template)]


def of_template(one: PipelineDefinition | ConnectionDefinition, name: str) -> bool:
    """Tell whether *one* is an instance of the template *name*."""
    return one.origin.instance is not None and one.origin.instance.template == name


def title(name: str, group: Sequence[object]) -> str:
    """Return the name on a group's line, where *name* is that of the first."""
    return f"{name.partition('[')[0]}[…]" if len(group) > 1 else name


def together(texts: Sequence[str], origins: Sequence[Origin]) -> str:
    """Say once what all instances say; of what differs the first, and that there are others."""
    if len(texts) == 1:
        return texts[0]
    keys = [f"[{origin.instance.key}]" if origin.instance else "" for origin in origins]
    plain = {text.replace(key, "[…]") if key else text for text, key in zip(texts, keys, strict=True)}
    return plain.pop() if len(plain) == 1 else f"{texts[0]}, …"


def counted(group: Sequence[PipelineDefinition] | Sequence[ConnectionDefinition], about: str = "") -> str:
    """Say how many instances a line stands for, and where their rows are; then *about*."""
    instance = group[0].origin.instance
    if len(group) == 1 or instance is None:
        return about
    said = f"{count(len(group), 'instance')} of {instance.table or group[0].origin.file}"
    return f"{said}   {about}" if about else said
