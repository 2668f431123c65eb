"""Brazilian documents: CPF, and CNPJ with the letters it may hold since July 2026."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.errors import RecordError
from engine.expressions.library.base import function, shown

_PUNCTUATION = re.compile(r"[\s./-]+")
_CNPJ = re.compile(r"[0-9A-Z]{12}[0-9]{2}\Z")
_CPF = re.compile(r"[0-9]{11}\Z")
_CNPJ_WEIGHTS = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)


def _bare(text: str, length: int) -> str:
    bare = _PUNCTUATION.sub("", text).upper()
    return (
        bare.rjust(length, "0")
        if bare.isdigit() and length - 3 <= len(bare) < length and bare == text.strip()
        else bare
    )


def _check_digit(text: str, weights: Sequence[int]) -> str:
    # the value of a character is its ASCII code less 48: digits as ever, A is 17
    rest = sum((ord(character) - 48) * weight for character, weight in zip(text, weights, strict=True)) % 11
    return "0" if rest < 2 else str(11 - rest)


def _valid_cpf(bare: str) -> bool:
    if not _CPF.match(bare) or len(set(bare)) == 1:
        return False
    first = _check_digit(bare[:9], range(10, 1, -1))
    return bare[9:] == first + _check_digit(bare[:9] + first, range(11, 1, -1))


def _valid_cnpj(bare: str) -> bool:
    if not _CNPJ.match(bare) or len(set(bare)) == 1:
        return False
    first = _check_digit(bare[:12], _CNPJ_WEIGHTS[1:])
    return bare[12:] == first + _check_digit(bare[:12] + first, _CNPJ_WEIGHTS)


@function("text")
def is_cpf(text: str) -> bool:
    """Say whether a text is a CPF with right check digits, with or without dots and hyphen."""
    return _valid_cpf(_bare(text, 11))


@function("text")
def is_cnpj(text: str) -> bool:
    """Say whether a text is a CNPJ (digits, or letters and digits) with right check digits."""
    return _valid_cnpj(_bare(text, 14))


@function("text")
def cpf(text: str) -> str:
    """Give the 11 digits of a CPF; a wrong one is refused."""
    bare = _bare(text, 11)
    if not _valid_cpf(bare):
        raise RecordError("type", f"{shown(text)} is not a CPF")
    return bare


@function("text")
def cnpj(text: str) -> str:
    """Give the 14 characters of a CNPJ; a wrong one is refused."""
    bare = _bare(text, 14)
    if not _valid_cnpj(bare):
        raise RecordError("type", f"{shown(text)} is not a CNPJ")
    return bare


@function("text")
def format_cpf(text: str) -> str:
    """Write a CPF as 000.000.000-00."""
    bare = cpf(text)
    return f"{bare[:3]}.{bare[3:6]}.{bare[6:9]}-{bare[9:]}"


@function("text")
def format_cnpj(text: str) -> str:
    """Write a CNPJ as 00.000.000/0000-00."""
    bare = cnpj(text)
    return f"{bare[:2]}.{bare[2:5]}.{bare[5:8]}/{bare[8:12]}-{bare[12:]}"
