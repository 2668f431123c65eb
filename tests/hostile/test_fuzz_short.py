"""A short fuzzing for every test run, what was once broken, and controls that the oracle catches what it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.definition.document import read
from tests.hostile import fuzz_mutations as mutations
from tests.hostile import fuzz_oracle as oracle

REGRESSIONS = Path(__file__).parent / "regressions"
SOURCES = mutations.sources()
GOOD = [one for one in SOURCES if "/valid/" in one.name]
_SETTINGS = settings(
    max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def _tried(place: str, text: str, folder: Path, flags: int) -> None:
    oracle.hold(oracle.project(folder / "project", place, text.encode("utf-8", "surrogatepass")), flags)


@_SETTINGS
@given(st.sampled_from(SOURCES), mutations.CHANGES, st.integers(0, 15))
def test_changed_trees_are_problems_not_crashes(
    tmp_path_factory: pytest.TempPathFactory, source: mutations.Source, changes: Any, flags: int
) -> None:
    """Nodes taken out, renamed, wrapped, taken from elsewhere: no crash, every problem at its place, the same twice."""
    _tried(source.place, mutations.as_tree(source, changes), tmp_path_factory.getbasetemp() / "trees", flags)


@_SETTINGS
@given(st.sampled_from(SOURCES), mutations.CHANGES, st.integers(0, 15))
def test_changed_texts_are_problems_not_crashes(
    tmp_path_factory: pytest.TempPathFactory, source: mutations.Source, changes: Any, flags: int
) -> None:
    """Letters put in, taken out and said twice."""
    _tried(source.place, mutations.as_text(source, changes), tmp_path_factory.getbasetemp() / "texts", flags)


@_SETTINGS
@given(mutations.QUERIES)
def test_any_query_gives_a_value_or_a_refusal(text: str) -> None:
    """Random JMESPath with the whole library, on odd records."""
    oracle.expression(text)


@_SETTINGS
@given(mutations.TEMPLATES)
def test_any_template_gives_a_value_or_a_refusal(text: str) -> None:
    """Random Jinja with every filter, on odd records."""
    oracle.expression(text)


@pytest.mark.parametrize("case", sorted(REGRESSIONS.glob("*")), ids=lambda case: case.name)
def test_what_was_broken_stays_mended(case: Path, tmp_path: Path) -> None:
    """What fuzzing found once: ``said`` tells what it was, and where the file stood."""
    place = (case / "said").read_text("utf-8").splitlines()[0]
    if not place:
        oracle.expression((case / "expression.txt").read_text("utf-8"))
        return
    data = (case / Path(place).name).read_bytes()
    oracle.hold(oracle.project(tmp_path / "project", place, data), 15)
    oracle.hold(oracle.project(tmp_path / "project", place, data), 14)


def _commented(text: str) -> str:
    lines = text.splitlines()
    block = any(line.rstrip().endswith(("|", ">", "|-", ">-")) for line in lines)
    spaced = [line if block or line.lstrip().startswith("#") else f"{line}  " for line in lines]
    return "# a comment\n\n" + "\n".join(spaced) + "\n\n# the end\n"


@pytest.mark.parametrize("source", GOOD, ids=lambda source: Path(source.name).stem)
def test_good_definitions_stay_good_when_only_their_looks_change(source: mutations.Source, tmp_path: Path) -> None:
    """Comments, blanks at the ends of lines, the order of keys, JSON for YAML."""

    def problems(text: str) -> list[tuple[str, str]]:
        folder = oracle.project(tmp_path / "project", source.place, text.encode())
        _, out, _ = oracle.run(["--project", str(folder), "validate", "--skip-env", "--format", "json"])
        found = __import__("json").loads(out)["problems"]
        return sorted((one["code"], one["severity"]) for one in found)

    value = read(source.name, source.text.encode()).value
    before = problems(source.text)
    assert problems(_commented(source.text)) == before
    turned = dict(reversed(value.items()))
    assert problems(__import__("json").dumps(turned, ensure_ascii=False)) == before


BREAKS = {
    "a crash": ("engine.definition.rules._ids", lambda value: 1 / 0, "ZeroDivisionError"),
    "an unknown code": (
        "engine.definition.rules._RULES",
        (lambda value: [__import__("engine.definition.explain").definition.explain.Finding((), False, "odd", "x")],),
        "unknown code odd",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_control_the_oracle_catches_a_mistake_of_the_engine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a mistake put into the engine, the same check fails and names it."""
    place, broken, kind = BREAKS[name]
    if name == "a crash":
        rules = __import__("engine.definition.rules", fromlist=["_RULES"])
        monkeypatch.setattr("engine.definition.rules._RULES", (*rules._RULES, broken))
    else:
        monkeypatch.setattr(place, broken)
    with pytest.raises(oracle.Broken) as caught:
        _tried("pipelines/fuzz.yaml", "pipeline: a\n", tmp_path, 0)
    assert caught.value.kind.startswith(kind)


def test_control_the_oracle_catches_an_expression_that_makes_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the allowance of an evaluation a loop makes hundreds of megabytes of what one call may make."""
    text = "map(&pad(to_string(@), `9999`), rows)"
    oracle.expression(text)
    monkeypatch.setattr("engine.expressions.library.allowance.MAX_MADE", 1 << 40)
    monkeypatch.setattr("engine.expressions.library.allowance.MAX_BATCH", 1 << 40)
    with pytest.raises(oracle.Broken, match="makes too much"):
        oracle.expression(text)
