"""Whatever stands in a file, loading says problems and never raises."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.definition.document import read
from engine.definition.loader import load

HERE = Path(__file__).parents[2] / "definitions"
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "{{ x }}",
    "${NO}",
    "${secret:a}",
    "30s",
    [],
    [None],
    [[]],
    {},
]
ODD += [
    {"": 1},
    {"a": {"b": []}},
    {"$value": "a"},
    {"connection": "bank-db"},
    {"sql": None},
    ["x", {"x": 1}],
    "${each.client}",
    "${each.x:-null}",
    "${secret:${each.client}}",
    {"items": [{"a": 1}], "key": "a"},
    {"file": "none.csv", "key": "a"},
    "é\u2028",
    "\x7f",
]


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            found += spots(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += spots(item, (*path, index))
    return found


def changed(value: Any, path: tuple[Any, ...], item: Any, rename: bool) -> Any:
    copied = json.loads(json.dumps(value))
    if not path:
        return item
    holder = copied
    for key in path[:-1]:
        holder = holder[key]
    if rename and isinstance(holder, dict):
        holder[str(item)[:10]] = holder.pop(path[-1])
    else:
        holder[path[-1]] = item
    return copied


def sources() -> list[Path]:
    return [*sorted((HERE / "valid").glob("*.yaml")), *sorted((HERE / "base").rglob("*.yaml"))]


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_odd_values_anywhere_are_problems_not_exceptions(source: Path, tmp_path: Path) -> None:
    """Every node of every valid file, replaced by something odd or renamed."""
    chance = random.Random(source.stem)
    document = read(source.name, source.read_bytes()).value
    places = spots(document)
    (tmp_path / "pipelines").mkdir()
    for number in range(150):
        wrong = changed(document, chance.choice(places), chance.choice(ODD), chance.random() < 0.2)
        (tmp_path / "pipelines" / "a.yaml").write_text(json.dumps(wrong, ensure_ascii=False), encoding="utf-8")
        project, problems = load(tmp_path, environ={}, skip_env=number % 2 == 0)
        assert problems or project.files
        for problem in problems:
            assert problem.line >= 1
            assert problem.column >= 1
            assert problem.message


def test_odd_settings_are_problems_not_exceptions(tmp_path: Path) -> None:
    """The same for engine.yaml."""
    chance = random.Random(7)
    document = {
        "engine": 1,
        "store": {"sqlite": {"path": "a", "min_free": "1MiB"}},
        "egress": {"private": "deny", "allow": ["a"]},
        "vars": {"a": 1},
        "defaults": {"resilience": {"retry": {"attempts": 1}}, "timezone": "UTC"},
        "retention": {"runs": "1d"},
    }
    for _ in range(300):
        wrong = changed(document, chance.choice(spots(document)), chance.choice(ODD), chance.random() < 0.2)
        (tmp_path / "engine.yaml").write_text(json.dumps(wrong), encoding="utf-8")
        project, _ = load(tmp_path, environ={"ENGINE_STORE_SQLITE_PATH": "x", "ENGINE_VARS_B": "2"})
        assert set(project.settings["retention"]) == {"runs", "logs", "dead_letters", "duplicates"}


def test_odd_texts_are_problems_not_exceptions() -> None:
    """Files cut and mixed at random characters."""
    chance = random.Random(11)
    texts = [path.read_text(encoding="utf-8") for path in sources()]
    for _ in range(1500):
        text = chance.choice(texts)
        at, length = chance.randrange(len(text)), chance.randrange(1, 12)
        put = "".join(chance.choice("{}[]:,'\"#&*!|>%@`-? \n\t$\\é\x00") for _ in range(chance.randrange(4)))
        document = read("a.yaml", (text[:at] + put + text[at + length :]).encode())
        for problem in document.problems:
            assert problem.line >= 1
            assert problem.column >= 1
            assert len(str(problem)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "connections: {a: {http: {base_url: http://x}, resilience: {rate_limit: '${secret:a}'}}}\n",
        "connections: {a: {for_each: {items: [{n: 1}], key: n}, http: {base_url: 'http://${each.n}'},"
        " resilience: {rate_limit: '${secret:a}'}}}\n",
        "connections: ${NO:-null}\n",
        "pipeline: ${NO:-null}\n",
        "pipeline: a\nsource: ${NO}\ntarget: {console: {}}\n",
    ],
)
def test_what_stands_in_for_a_missing_value_is_never_built_wrongly(text: str, tmp_path: Path) -> None:
    """``--skip-env`` excuses a value that is missing; nothing can be made of it, and nothing is."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "a.yaml").write_text(text, encoding="utf-8")
    project, _ = load(tmp_path, environ={}, skip_env=True)
    assert not project.connections
    assert not project.pipelines
