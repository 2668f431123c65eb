"""S12: in engine/http nothing secret is compared with == or in; a rule over the syntax tree, with its control."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[3] / "engine" / "http"
SECRET = ("secret", "signature", "password", "token", "digest", "mac", "credential", "given", "key", "wanted")
_OPERATORS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def names(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr
        elif isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def comparisons(tree: ast.AST) -> Iterator[ast.Compare]:
    """Yield the comparisons of something that sounds secret; with None or the length alone nothing is told."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not any(isinstance(one, _OPERATORS) for one in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) and side.value in (None, 0, "") for side in sides):
            continue
        if any(any(word in name.lower() for word in SECRET) for side in sides for name in names(side)):
            yield node


ALLOWED = {
    "header['alg'] not in key.algorithms",
    "key.name == name",
    "key.get('kty') == _FAMILIES[algorithm[:2]]",
    "key.get('alg', algorithm) == algorithm",
    "wanted in named",
    "len(key) != 32",
    "key == name",
    "key != 'header'",
    "key in found",
    "pair[0].lower() not in credentials",
}
"""What a token, a key or a parameter is called, not what it holds: nothing that opens a door."""


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.stem)
def test_nothing_secret_is_compared_in_a_time_that_tells(path: Path) -> None:
    found = [ast.unparse(node) for node in comparisons(ast.parse(path.read_text("utf-8")))]
    assert [text for text in found if text not in ALLOWED and not _dictionary(text)] == []


def _dictionary(text: str) -> bool:
    """``'secret' in options`` asks which options are written, not what they are."""
    left, operator, _ = text.partition(" in ")
    return bool(operator) and left.startswith("'") and left.endswith("'")


def test_no_exception_is_left_over() -> None:
    found = {
        ast.unparse(node) for path in ROOM.glob("*.py") for node in comparisons(ast.parse(path.read_text("utf-8")))
    }
    assert ALLOWED - found == set()


@pytest.mark.parametrize(
    "text",
    [
        "signature == wanted",
        "self.secret != other",
        "presented in tokens",
        "call.header('x-signature') == expected",
        "if password not in known: pass",
    ],
)
def test_a_plain_comparison_is_found(text: str) -> None:
    """The control."""
    assert len(list(comparisons(ast.parse(text)))) == 1


def test_the_room_compares_with_compare_digest() -> None:
    """The rule would be kept by comparing nothing: what is there goes through hmac.compare_digest."""
    said = "".join(path.read_text("utf-8") for path in ROOM.glob("*.py"))
    assert said.count("hmac.compare_digest(") == 2
