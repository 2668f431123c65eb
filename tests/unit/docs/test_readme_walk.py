"""The first own pipelines of the README and the tries of docs/language.md, typed as they stand there.

Blocks ``sh`` are typed, files are written where their first line says, and each ``$ …`` of a block ``console`` is typed
and must print what stands below it. Ids, times, durations and ports differ from day to day, everything else is
compared. What is served in the background is served for real. Run with ``WRITE_EXPECTED=1`` to put in what is printed
now, and read what changed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT, Block, blocks
from tests.unit.docs.typist import Typist, blurred, typist

README = ROOT / "README.md"
WRITING = bool(os.environ.get("WRITE_EXPECTED"))

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "sed"))), reason="what the pages type is not on this machine"
)


def walk(page: Path, one: Typist, *kinds: str) -> list[tuple[Block, str]]:
    """Follow a page from top to bottom."""
    return [(block, one.follow(block)) for block in blocks(page, *kinds) if block.mark != "setup"]


@pytest.mark.parametrize(
    ("page", "kinds"),
    [(README, ("sh", "yaml", "console")), (ROOT / "docs" / "language.md", ("console",))],
    ids=["README.md", "language.md"],
)
def test_what_the_page_shows_is_what_is_printed(page: Path, kinds: tuple[str, ...], tmp_path: Path) -> None:
    """Whoever types what the page says sees what the page shows."""
    with typist(tmp_path, writing=WRITING) as one:
        followed = walk(page, one, *kinds)
    text = page.read_text("utf-8")
    for block, now in followed:
        text = text.replace(block.text, now)
    if WRITING:
        page.write_text(text, "utf-8")
    assert [now for _, now in followed] == [block.text for block, _ in followed]


def console(text: str) -> Block:
    return Block(README, 1, "console", "", text)


def test_another_output_is_seen(tmp_path: Path) -> None:
    """The control: a word that differs is a difference, a time is none."""
    block = console("$ echo read 3 in 12 ms\nread 4 in 9 ms\n$ echo took 3 s\ntook 44 ms\n")
    with typist(tmp_path) as one:
        assert one.follow(block) == "$ echo read 3 in 12 ms\nread 3 in 12 ms\n$ echo took 3 s\ntook 44 ms\n"


def test_a_look_waits_for_what_comes(tmp_path: Path) -> None:
    """A log has its line a moment later; a command that does something is typed once all the same."""
    (tmp_path / "log").touch()
    with typist(tmp_path) as one:
        shown = "$ (sleep 0.3; echo there >> log) &\n$ cat log\nthere\n$ echo done >> log; wc -l < log\n2\n"
        assert one.follow(console(shown)) == shown


def test_the_pages_ports_are_todays(tmp_path: Path) -> None:
    """What is typed goes to a free port, and what is printed reads as on the page."""
    with typist(tmp_path) as one:
        assert one.ports["8080"] != "8080"
        assert one.type("echo http://localhost:8080 | tee said") == "http://localhost:8080\n"
        assert (tmp_path / "said").read_text() == f"http://localhost:{one.ports['8080']}\n"


def test_what_a_page_leaves_running_is_ended_in_peace(tmp_path: Path) -> None:
    """A failed walk leaves no server behind."""
    with typist(tmp_path) as one:
        one.type("(trap 'echo ended > said; exit' TERM; touch up; while :; do sleep 0.1; done) &")
        one.follow(console("$ cat up && echo it is up\nit is up\n"))
    assert (tmp_path / "said").read_text() == "ended\n"


def test_times_and_widths_do_not_count() -> None:
    """And nothing else is passed over."""
    assert blurred("10:48:01  reload     in 7 ms") == blurred("23:10:59  reload  in 1.4 s")
    assert blurred("2026-11-22 07:54 sent 1") != blurred("2026-11-22 07:54 sent 2")


def test_a_shell_that_ends_is_told(tmp_path: Path) -> None:
    """What a page types with a mistake does not wait for ever."""
    with typist(tmp_path) as one, pytest.raises(ChildProcessError, match="no-such-file"):
        one.follow(Block(README, 1, "sh", "", "ls no-such-file\necho not reached\n"))
