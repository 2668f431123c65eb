"""Codes that no project brings about by itself, each shown where it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConnectorError, EngineError, RecordError
from engine.runtime.entries import records_of
from engine.runtime.tally import explain
from tests.definitions.validating import validated


def test_a_file_that_cannot_be_opened_is_unreadable(tmp_path: Path) -> None:
    """A loop of links is one of the ways."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "a.yaml").symlink_to("a.yaml")
    assert [(one.file, one.code) for one in validated(tmp_path, {})] == [("pipelines/a.yaml", "unreadable")]


def test_an_accepted_body_that_is_no_json_is_unreadable() -> None:
    """The dead letter keeps it as it came."""
    with pytest.raises(RecordError) as caught:
        records_of({"media": "json", "raw": "{"}, None)
    assert caught.value.code == "unreadable"


def test_a_body_without_its_records_is_no_records() -> None:
    """What `records` leads to is not there."""
    plan = type("Plan", (), {"records": staticmethod(lambda body: body["data"].get("orders"))})
    with pytest.raises(RecordError) as caught:
        records_of({"media": "json", "raw": '{"data": {}}'}, plan)  # type: ignore[arg-type]
    assert caught.value.code == "no-records"


def test_what_is_asked_for_and_is_not_there_is_no_file(tmp_path: Path) -> None:
    """It must not look like success."""
    found = validated(tmp_path, {}, [Path("pipelines/gone.yaml")])
    assert [(one.file, one.code) for one in found] == [("pipelines/gone.yaml", "no-file")]


def test_many_mistakes_end_with_more_problems(tmp_path: Path) -> None:
    """Nobody reads hundreds of lines that have one cause."""
    (tmp_path / "pipelines").mkdir()
    labels = "".join(f"  a{number}: 0{number}\n" for number in range(1, 100))
    (tmp_path / "pipelines" / "a.yaml").write_text(f"pipeline: a\nlabels:\n{labels}", "utf-8")
    found = validated(tmp_path, {})
    assert len(found) < 60
    assert found[-1].code == "more-problems"


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConnectorError("odd"), "connector"), (EngineError("odd"), "error"), (KeyError("odd"), "internal")],
)
def test_a_run_that_fails_otherwise_says_which_kind_it_is(error: Exception, code: str) -> None:
    """connector: one that says no more; error: the engine understands it; internal: nobody does."""
    assert explain(error, str)["code"] == code
