"""The first own pipeline of the README and the tries of docs/language.md, typed as they stand there.

Blocks ``sh`` are typed, files are written where their first line says, and each ``$ …`` of a block ``console`` is typed
and must print what stands below it. Ids, times and durations differ from day to day, everything else is compared.
Run with ``WRITE_EXPECTED=1`` to put in what is printed now, and read what changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT, Block, blocks

README = ROOT / "README.md"
WRITING = bool(os.environ.get("WRITE_EXPECTED"))
_ID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
_CHANGES = (
    (_ID, "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "TIME"),
    (re.compile(r"\b[\d.]+ (?:ms|s)\b"), "TOOK"),
)


class Typist:
    """Types a page's commands in a folder, and remembers which of today's ids stands for which of the page's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids: dict[str, str] = {}

    def type(self, command: str) -> str:
        """Type one command; returns what it prints, stderr and stdout in the order of their lines."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "TZ": "UTC", "COLUMNS": "160"}
        done = subprocess.run(
            ["bash", "-c", self.today(command)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.stdout

    def follow(self, block: Block) -> str:
        """Do what a block says; returns the block as it would have to be."""
        if block.file:
            file = self.folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")
        elif block.kind == "sh":
            assert "rror" not in self.type(f"set -e\n{block.text}pwd > {self.folder}/.where"), block.name
            self.folder = Path((self.folder / ".where").read_text().strip())
        elif block.kind == "console":
            return self._console(block)
        return block.text

    def _console(self, block: Block) -> str:
        printed = ""
        for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            output = self.type(command)
            shown, real = _ID.findall(expected), _ID.findall(output)
            self.ids |= dict(zip(shown, real, strict=False))
            if WRITING:
                printed += f"$ {self.today(command)}\n{output}"
            else:
                printed += f"$ {command}\n{expected if blurred(output) == blurred(expected) else output}"
        return printed

    def today(self, command: str) -> str:
        """Put today's ids in place of the page's."""
        for shown, real in self.ids.items():
            command = command.replace(shown, real)
        return command


def blurred(text: str) -> str:
    """Take out what differs from day to day, and the width it takes."""
    for pattern, word in _CHANGES:
        text = pattern.sub(word, text)
    return "\n".join(re.sub(r"  +", "  ", line.rstrip()) for line in text.splitlines())


def walk(page: Path, folder: Path, *kinds: str) -> list[tuple[Block, str]]:
    """Follow a page from top to bottom."""
    typist = Typist(folder)
    return [(block, typist.follow(block)) for block in blocks(page, *kinds) if block.mark != "setup"]


@pytest.mark.parametrize(
    ("page", "kinds"),
    [(README, ("sh", "yaml", "console")), (ROOT / "docs" / "language.md", ("console",))],
    ids=["README.md", "language.md"],
)
def test_what_the_page_shows_is_what_is_printed(page: Path, kinds: tuple[str, ...], tmp_path: Path) -> None:
    """Whoever types what the page says sees what the page shows."""
    followed = walk(page, tmp_path, *kinds)
    text = page.read_text("utf-8")
    for block, now in followed:
        text = text.replace(block.text, now)
    if WRITING:
        page.write_text(text, "utf-8")
    assert [now for _, now in followed] == [block.text for block, _ in followed]


def test_another_output_is_seen(tmp_path: Path) -> None:
    """The control: a word that differs is a difference, a time is none."""
    block = Block(README, 1, "console", "", "$ echo read 3 in 12 ms\nread 4 in 9 ms\n$ echo took 3 s\ntook 44 ms\n")
    assert Typist(tmp_path).follow(block) == "$ echo read 3 in 12 ms\nread 3 in 12 ms\n$ echo took 3 s\ntook 44 ms\n"
