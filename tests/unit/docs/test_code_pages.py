"""Every code has a page whose examples are true: the wrong one gives exactly what it says, the right one nothing.

Run with ``WRITE_EXPECTED=1`` to write anew what the engine says, and read what changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.docs.code_pages import FOLDER, Case, cases, tags, tried, with_said
from tests.unit.docs.pages import ROOT, links, prose
from tests.unit.docs.test_docs_codes import codes, sections

PAGES = sorted(FOLDER.glob("*.md"))
KINDS = {"error", "warning"}
SITUATIONS = "tests/unit/docs/test_code_situations.py"
RELOADS = "tests/integration/test_reload_judged.py"
ACCEPTED = "tests/unit/runtime/test_accepted_work.py"
SHOWN_ELSEWHERE: Mapping[str, str] = {
    "connector": f"{SITUATIONS}::test_a_run_that_fails_otherwise_says_which_kind_it_is",
    "crashed": f"{ACCEPTED}::test_after_three_the_first_is_a_dead_letter_and_the_others_go_on",
    "error": f"{SITUATIONS}::test_a_run_that_fails_otherwise_says_which_kind_it_is",
    "file-changed": "tests/connectors/test_file_target.py::test_a_file_that_somebody_changed_is_not_cut",
    "internal": f"{SITUATIONS}::test_a_run_that_fails_otherwise_says_which_kind_it_is",
    "more-problems": f"{SITUATIONS}::test_many_mistakes_end_with_more_problems",
    "no-file": f"{SITUATIONS}::test_what_is_asked_for_and_is_not_there_is_no_file",
    "no-records": f"{SITUATIONS}::test_a_body_without_its_records_is_no_records",
    "not-utf8": "tests/unit/definition/test_document.py::test_other_encodings_are_refused_at_their_place",
    "place-gone": "tests/unit/runtime/test_model_ends.py::"
    "test_a_replay_to_a_place_that_is_no_more_is_a_dead_letter_again_and_holds_nothing_up",
    "project-changing": f"{RELOADS}::test_files_that_never_stand_still_are_named_and_followed_when_they_do",
    "project-empty": f"{RELOADS}::test_a_project_without_pipelines_is_followed_only_when_it_is_said_by_hand",
    "project-gone": f"{RELOADS}::test_a_project_that_is_gone_keeps_running_and_is_followed_when_it_is_back",
    "reload-crashed": f"{RELOADS}::test_a_mistake_of_the_engine_is_told_without_its_values_and_the_good_goes_on",
    "reload-refused": f"{RELOADS}::test_a_driver_that_is_missing_refuses_the_new_files",
    "store-full": "tests/acceptance/test_serve_disk.py::test_what_cannot_be_settled_is_not_sent",
    "tls-not-verified": "tests/connectors/test_http.py::test_unchecked_tls_is_loud",
    "too-old": f"{ACCEPTED}::test_max_age_turns_what_waited_too_long_into_dead_letters",
    "unknown-param": "tests/unit/compiler/test_compile.py::test_params_are_completed_and_checked",
    "unreadable": f"{SITUATIONS}::test_a_file_that_cannot_be_opened_is_unreadable",
}
"""Codes of situations that no example of a page brings about, and the test that shows each."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_are_true(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page calls wrong is said so, in these words; what it calls right passes with --strict."""
    monkeypatch.chdir(tmp_path)
    found = cases(page)
    told = [
        tried(case.wrong, case.wrong_answers, case.asked, tmp_path / f"wrong{number}")
        for number, case in enumerate(found)
    ]
    if os.environ.get("WRITE_EXPECTED"):
        renewed = with_said(page, [one.text for one in told])
        if renewed != page.read_text("utf-8"):
            page.write_text(renewed, "utf-8")
        found = cases(page)
    for number, (case, one) in enumerate(zip(found, told, strict=True)):
        assert one.text == case.said
        assert page.stem in one.codes
        assert tried(case.right, case.right_answers, [], tmp_path / f"right{number}").text == ""
        if case.asked:
            after = tried(case.right, case.right_answers, case.asked, tmp_path / f"again{number}")
            assert page.stem not in after.codes, after.text


def test_every_code_has_a_page() -> None:
    """Who asks ``engine explain`` for a code gets an answer."""
    pages = {page.stem for page in PAGES}
    assert codes() - pages == set()
    assert pages - codes() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_parts(page: Path) -> None:
    """A heading, its place among the codes, what it means, and where to read on."""
    text = page.read_text("utf-8")
    assert text.startswith(f"# {page.stem}\n\n*")
    meaning = text.split("\n\n")[2]
    assert 60 <= len(meaning) <= 700, meaning
    assert len(re.findall(r"[.:](?:\s|$)", meaning)) >= 2, "two sentences at least"
    assert "\n## See also\n" in text
    assert links(page), "something to read on"
    for title in ("Wrong", "What the engine says", "Right"):
        assert (f"\n## {title}\n" in text) == bool(cases(page))


def test_pages_and_index_agree_on_the_sections() -> None:
    """A page says in which tables of the index its code stands, and the index links to it."""
    known = sections()
    for page in PAGES:
        said = [tag for tag in tags(page) if tag not in KINDS]
        assert sorted(said) == sorted(title for title, listed in known.items() if page.stem in listed), page.stem
    index = prose(ROOT / "docs" / "messages.md")
    assert [page.stem for page in PAGES if f"| [`{page.stem}`](codes/{page.stem}.md) |" not in index] == []


def test_what_has_no_example_is_shown_by_another_test() -> None:
    """Only what no project brings about by itself goes without an example, and a test shows it all the same."""
    without = {page.stem for page in PAGES if not cases(page)}
    assert without == set(SHOWN_ELSEWHERE)
    for code, named in SHOWN_ELSEWHERE.items():
        file, _, test = named.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert f"def {test}(" in text, named
        assert code in text, f"{named} does not name {code}"
    assert len(without) <= 20


def test_a_page_that_is_not_true_is_found(tmp_path: Path) -> None:
    """The control: an example without its mistake says nothing, so that its page would fail."""
    case = Case(wrong={"pipelines/a.yaml": "pipeline: a\nsource: {inline: {rows: [{id: 1}]}}\ntarget: {console: {}}\n"})
    assert tried(case.wrong, [], [], tmp_path).text == ""
