"""What the pages say, taken apart: fenced blocks, links, commands. Shared by the tests of this folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"\A(?:#|<!--|//|\"\"\")?\s*(?P<name>[\w./-]+\.\w+)\s*(?:-->)?\n")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[(?:[^\]\\]|\\.)*\]\((?P<target>[^)\s]+)\)")
_INLINE = re.compile(r"(?<!`)`(?P<text>[^`\n]+)`(?!`)")


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    line: int
    kind: str
    """The first word of the info string, such as ``yaml``."""
    mark: str
    """What follows it, such as ``fragment``."""
    text: str

    @property
    def name(self) -> str:
        """Where it stands, for people."""
        return f"{self.page.name}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file it is, where its first line is a comment with a path."""
        match = _FILE.match(self.text)
        return match["name"] if match and match["name"].count("/") else None


def blocks(page: Path, *kinds: str) -> list[Block]:
    """Return the fenced blocks of *page*, of these kinds or all."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        kind, _, mark = match["info"].strip().partition(" ")
        if not kinds or kind in kinds:
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page, line, kind, mark.strip(), match["text"]))
    return found


def every(*kinds: str) -> list[Block]:
    """Return the blocks of all pages."""
    return [block for page in PAGES for block in blocks(page, *kinds)]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def inline(page: Path) -> Iterator[str]:
    """Yield what stands between single backticks."""
    for match in _INLINE.finditer(prose(page)):
        yield match["text"]


def links(page: Path) -> list[str]:
    """Return the targets of the links of *page* that lead to files or headings."""
    found = [match["target"] for match in _LINK.finditer(prose(page))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as code hosts make them."""
    made: set[str] = set()
    for match in _HEADING.finditer(prose(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
        made.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return made
