"""Links between the pages lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.docs.pages import PAGES, ROOT, anchors, links


def broken(page: Path) -> list[str]:
    found = []
    for target in links(page):
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        if not place.exists() or (anchor and (place.suffix != ".md" or anchor not in anchors(place))):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link names a file that is there, and a heading in it."""
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """The control: a link to nothing, and one to a heading that is not there."""
    page = tmp_path / "page.md"
    page.write_text("# A title\n[one](nothing.md) [two](#no-title) [three](#a-title) [four](https://example.com)\n")
    assert broken(page) == ["nothing.md", "#no-title"]


def reached(start: Path) -> set[Path]:
    """Return the pages that links lead to, from page to page."""
    found, waiting = {start}, [start]
    while waiting:
        page = waiting.pop()
        places = {(page.parent / target.partition("#")[0]).resolve() for target in links(page) if target[0] != "#"}
        fresh = {place for place in places if place.suffix == ".md" and place.is_file()} - found
        found |= fresh
        waiting += fresh
    return found


def test_every_page_is_reached_from_the_readme() -> None:
    """Nobody has to guess that a page exists."""
    assert {page for page in PAGES if ROOT / "docs" in page.parents} - reached(ROOT / "README.md") == set()
