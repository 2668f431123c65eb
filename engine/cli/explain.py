"""``engine explain``: what a code means, with a wrong and a right example, as the pages in ``docs/codes`` say it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session, unknown
from engine.cli.table import Cell, table
from engine.data import folder

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from engine.telemetry.look import Look

SECTIONS = (
    "The text is not good YAML",
    "Keys and values",
    "Names of other things",
    "Variables and secrets",
    "Expressions",
    "Fields",
    "Things that would go wrong for certain",
    "Tests",
    "The files changed while the engine serves",
    "Warnings",
    "Why a record was rejected",
    "Why a run failed",
    "Lines in the log of a run",
)
"""In the order of the index, ``docs/messages.md``."""
SEVERITIES = ("error", "warning")

_TAGS = re.compile(r"^\*(?P<tags>[^*\n]+)\*$", re.MULTILINE)
_PARTS = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$|^## (?P<title>[^\n]+)$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)]+)\)")
_PASTED = re.compile(r"^(?:error|warning)?\[(?P<code>[\w-]+)\]$")


@dataclass(frozen=True)
class Page:
    """One code's page."""

    code: str
    text: str

    @cached_property
    def tags(self) -> list[str]:
        """The sections it belongs to, and how severe it is."""
        found = _TAGS.search(self.text)
        return found["tags"].split(" · ") if found else []

    @property
    def sections(self) -> list[str]:
        """The tables of the index it stands in."""
        return [tag for tag in self.tags if tag not in SEVERITIES]

    @property
    def meaning(self) -> str:
        """What it means and why the engine refuses it, as plain text."""
        return _plain(self.text.split("\n\n")[2])

    @property
    def summary(self) -> str:
        """The first sentence of it."""
        return re.split(r"(?<=[\w`)])\.(?=\s)|(?<=[a-z)]):(?=\s)", self.meaning, maxsplit=1)[0].rstrip(".")

    def facts(self) -> dict[str, object]:
        """Return what programs want to know."""
        severities = [tag for tag in self.tags if tag in SEVERITIES]
        return {"code": self.code, "sections": self.sections, "severities": severities, "meaning": self.meaning}


@click.command("explain", cls=Command)
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON; without a CODE one line a code.")
@pass_session
def explain(session: Session, code: str | None, as_json: bool) -> None:
    """Say what a CODE means, with a wrong and a right example; without one list all of them."""
    where = folder("codes")
    if code is None:
        _list(session, where, as_json)
        return
    pasted = _PASTED.match(code)
    name = (pasted["code"] if pasted else code).lower()
    path = where / f"{name}.md"
    if path.parent != where or not path.is_file():
        raise click.UsageError(unknown("code", name, [page.code for page in pages(where)], "engine explain"))
    page = Page(name, path.read_text("utf-8"))
    if as_json:
        session.out.json({**page.facts(), "page": page.text})
    elif session.out.look.terminal:
        _show(page, session.out.stream, session.out.look)
    else:
        session.out.line(page.text.rstrip("\n"))


def pages(where: Path) -> Iterator[Page]:
    """Yield every page in the order of the codes."""
    for path in sorted(where.glob("*.md")):
        yield Page(path.stem, path.read_text("utf-8"))


def _list(session: Session, where: Path, as_json: bool) -> None:
    screen, look = session.out, session.out.look
    every = list(pages(where))
    if as_json:
        for page in every:
            screen.json(page.facts())
        return
    for number, section in enumerate(SECTIONS):
        rows: list[list[str | Cell]] = [
            [Cell(page.code, "strong"), page.summary] for page in every if section in page.sections
        ]
        if rows:
            screen.line(f"{chr(10) if number else ''}{look.paint(section, 'detail')}")
            for line in table(rows, look, wrap=True):
                screen.line(line)
    if look.terminal:
        screen.line(f"\nwith examples:  {look.paint('engine explain CODE', 'strong')}")


def _show(page: Page, stream: TextIO, look: Look) -> None:
    """Write a page for eyes: rich is loaded only for a terminal."""
    from rich.console import Console
    from rich.theme import Theme

    console = Console(
        theme=Theme({"markdown.code": "cyan"}),
        file=stream,
        width=min(look.width, 100),
        force_terminal=look.color,
        no_color=not look.color,
        highlight=False,
        legacy_windows=False,
        safe_box=not look.unicode,
    )
    for part in _rendered(page):
        console.print(part)
    _see_also(page, console)


def _rendered(page: Page) -> Iterator[RenderableType]:
    from rich.markdown import Markdown
    from rich.text import Text

    head, _, rest = page.text.partition("\n\n")
    yield Text.assemble((head.removeprefix("# "), "bold"), "   ", (" · ".join(page.tags), "dim"), "\n")
    body = _TAGS.sub("", rest, count=1).partition("\n## See also")[0]
    at = 0
    for match in _PARTS.finditer(body):
        if between := body[at : match.start()].strip():
            yield Markdown(_LINK.sub(r"\g<text>", between))
        yield Text(f"\n{match['title']}", style="bold") if match["title"] else _example(match["info"], match["code"])
        at = match.end()
    if between := body[at:].strip():
        yield Markdown(_LINK.sub(r"\g<text>", between))


def _example(info: str, code: str) -> RenderableType:
    from pygments.token import Comment, Name, Token  # type: ignore[import-untyped]
    from rich.padding import Padding
    from rich.style import Style
    from rich.syntax import ANSISyntaxTheme, Syntax
    from rich.text import Text

    kind, _, mark = info.partition(" ")
    if mark == "says":
        told = Text(code.rstrip())
        told.highlight_regex(r"\berror(?=\[)|\bfailed\b", "red")
        told.highlight_regex(r"\bwarning\b", "yellow")
        return Padding(told, (0, 2))
    # calm: keys and notes only; red would read as a mistake
    theme = ANSISyntaxTheme({Token: Style(), Comment: Style(dim=True), Name.Tag: Style(color="cyan")})
    shown = Syntax(code.rstrip(), kind or "text", theme=theme, background_color="default", word_wrap=True)
    return Padding(shown, (0, 2))


def _see_also(page: Page, console: Console) -> None:
    from rich.text import Text

    links = _LINK.findall(page.text.partition("\n## See also")[2])
    codes = [text.strip("`") for text, target in links if not target.startswith("..")]
    others = [target.removeprefix("../") for _, target in links if target.startswith("..")]
    console.print(Text("\nSee also", style="bold"))
    for line in (*(f"engine explain {code}" for code in codes), *(f"docs/{page}" for page in others)):
        console.print(Text(f"  {line}", style="dim"))


def _plain(text: str) -> str:
    return " ".join(_LINK.sub(r"\g<text>", text).split())
