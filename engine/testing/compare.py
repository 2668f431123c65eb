"""What differs between what a test expects and what came. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from engine.errors import Path


class Absent:
    """What is not there."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


class Difference(NamedTuple):
    """One place where they differ; either may be ABSENT."""

    path: Path
    expected: Any
    got: Any
    part: bool = False
    """The expected text need only be a part."""


def differences(expected: Any, got: Any, path: Path = (), *, exact: bool = False) -> Iterator[Difference]:
    """Yield where *got* is not what is expected; of objects only the expected fields count, unless *exact*."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key, value in expected.items():
            if key not in got:
                yield Difference((*path, key), value, ABSENT)
            else:
                yield from differences(value, got[key], (*path, key), exact=exact)
        for key in got if exact else ():
            if key not in expected:
                yield Difference((*path, key), ABSENT, got[key])
    elif isinstance(expected, list) and isinstance(got, list | tuple):
        for index, value in enumerate(expected):
            if index >= len(got):
                yield Difference((*path, index), value, ABSENT)
            else:
                yield from differences(value, got[index], (*path, index), exact=exact)
        for index in range(len(expected), len(got)):
            yield Difference((*path, index), ABSENT, got[index])
    elif not same(expected, got):
        yield Difference(path, expected, got)


def same(expected: Any, got: Any) -> bool:
    """Compare two values that are no objects or lists; numbers as decimals."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    one, other = _number(expected), _number(got)
    if one is not None and other is not None:
        # YAML gives a fraction no more digits than a float has
        return one == other or (isinstance(expected, float) and expected == float(other))
    if (one is None) != (other is None):
        return False
    return bool(expected == got)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return None
    return None


Key = Callable[[Any], str | None]


def records(
    expected: Sequence[Any], got: Sequence[Any], path: Path, key: Key | None, *, exact: bool
) -> Iterator[Difference]:
    """Compare lists of records: in order, or by *key* where every expected record has one of its own."""
    keys = [key(one) for one in expected] if key is not None else []
    there = [key(one) for one in got] if key is not None else []
    if not keys or None in keys or len(set(keys)) < len(keys) or None in there or len(set(there)) < len(there):
        yield from differences(list(expected), list(got), path, exact=exact)
        return
    by_key = dict(zip(there, got, strict=True))
    for index, one in enumerate(expected):
        if keys[index] in by_key:
            yield from differences(one, by_key[keys[index]], (*path, index), exact=exact)
        else:
            yield Difference((*path, index), one, ABSENT)
    extra = [one for name, one in by_key.items() if name not in keys]
    yield from (Difference((*path, len(expected) + at), ABSENT, one) for at, one in enumerate(extra))


def parts(
    expected: Mapping[str, Any], got: Mapping[str, Any], path: Path, loose: Mapping[str, bool]
) -> Iterator[Difference]:
    """Compare an object in which the texts named in *loose* need only be a part (true: white space does not count)."""
    for key, value in expected.items():
        if key not in loose or not isinstance(value, str) or not isinstance(got.get(key), str):
            yield from differences({key: value}, got, path)
            continue
        whole = " ".join(got[key].split()) if loose[key] else got[key]
        part = " ".join(value.split()) if loose[key] else value
        if part not in whole:
            yield Difference((*path, key), value, got[key], part=True)
