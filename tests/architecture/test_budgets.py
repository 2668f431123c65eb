"""Modules, functions and parameter lists stay small; what does not is named here, with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("engine", "connectors", "scripts", "tests/peers")

MODULE, MODULE_MEDIAN = 350, 120
FUNCTION, FUNCTION_MEDIAN = 50, 8
PARAMETERS = 5

EXCEPTIONS: dict[str, str] = {}
"""What is over a budget, and why a reader accepts it: a module's path, or ``path::function``."""


@dataclass(frozen=True)
class Function:
    """A function and what a budget counts of it."""

    place: str
    lines: int
    """Without its docstring."""
    parameters: int


def modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def functions(path: Path, root: Path = ROOT) -> Iterator[Function]:
    text = path.read_text("utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{path.relative_to(root)}::{node.name}", _lines(node), _parameters(node))


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    inside = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - inside


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    # what a click command or a connector takes by keyword is its face to people, listed in a schema or a --help
    arguments = node.args
    face = node.name == "__init__" or any("click" in ast.unparse(one) for one in node.decorator_list)
    counted = [*arguments.posonlyargs, *arguments.args, *([] if face else arguments.kwonlyargs)]
    if face and node.name != "__init__":
        return 0
    return len([one for one in counted if one.arg not in ("self", "cls")])


def over(path: Path, root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Give every place of a module that is over a budget, and by how much."""
    lines = len(path.read_text("utf-8").splitlines())
    if lines > MODULE:
        yield str(path.relative_to(root)), f"{lines} lines, at most {MODULE}"
    for function in functions(path, root):
        if function.lines > FUNCTION:
            yield function.place, f"{function.lines} lines, at most {FUNCTION}"
        if function.parameters > PARAMETERS:
            yield function.place, f"{function.parameters} parameters, at most {PARAMETERS}"


def test_every_module_is_within_its_budget_or_named_with_a_reason() -> None:
    found = {place: why for path in modules() for place, why in over(path)}
    assert {place: why for place, why in found.items() if place not in EXCEPTIONS} == {}


def test_no_exception_is_left_over() -> None:
    found = {place for path in modules() for place, _ in over(path)}
    assert [place for place in EXCEPTIONS if place not in found] == []


def test_the_median_module_and_function_are_short() -> None:
    engine = [path for path in modules() if path.parts[len(ROOT.parts)] == "engine" and path.name != "__init__.py"]
    assert median(len(path.read_text("utf-8").splitlines()) for path in engine) <= MODULE_MEDIAN
    assert median(function.lines for path in engine for function in functions(path)) <= FUNCTION_MEDIAN


def test_every_module_says_its_one_purpose() -> None:
    assert [str(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n" * 351, "351 lines"),
        ("def f():\n" + "    x = 1\n" * 50, "51 lines"),
        ("def f(a, b, c, *, d, e, g):\n    pass\n", "6 parameters"),
        ("class A:\n    def __init__(self, a, b, c, d, e, g):\n        pass\n", "6 parameters"),
    ],
)
def test_what_is_too_big_is_found(tmp_path: Path, text: str, says: str) -> None:
    """The control: a module over a budget does not pass."""
    path = tmp_path / "big.py"
    path.write_text(text)
    [(_, why)] = over(path, tmp_path)
    assert why.startswith(says)


def test_docstrings_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "told.py"
    path.write_text('def f():\n    """Say.\n' + "\n" * 60 + '    """\n    return 1\n')
    assert list(over(path, tmp_path)) == []
