"""Commands and options that the pages name are there, and those said to be missing are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from engine.cli.main import cli
from tests.unit.docs.pages import PAGES, blocks, inline

LATER = frozenset({"stats", "secrets", "plan"})
"""Commands of the language that pages may name as not built yet."""
_WORD = re.compile(r"[a-z][a-z-]*")


def said(page: Path) -> Iterator[str]:
    """Yield every command line of a page that begins with ``engine``."""
    for text in inline(page):
        if text.startswith("engine "):
            yield text
    for block in blocks(page, "console", "sh", "text"):
        for line in block.text.splitlines():
            for part in re.split(r"\s\|\s|\s&&\s|;\s", line.removeprefix("$ ").strip()):
                if re.match(r"engine (-|[a-z][a-z-]*)", part) and (line.startswith("$ ") or block.kind == "sh"):
                    yield part


def wrong(line: str) -> str | None:
    """Return what a command line names that is not there."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:
        words = line.split()[1:]
    command: click.Command = cli
    context = click.Context(cli)
    value = False
    for word in words:
        if value:
            value = False
        elif word.startswith("-") and word != "-vv":
            option, equals, _ = word.partition("=")
            known = {name: one for one in [*cli.params, *command.params] for name in one.opts}
            if option not in known and option not in ("-h", "--help"):
                return option
            one = known.get(option)
            value = not equals and isinstance(one, click.Option) and not one.is_flag and not one.count
        elif isinstance(command, click.Group) and _WORD.fullmatch(word):
            found = command.get_command(context, word)
            if found is None:
                return None if command is cli and word in LATER else word
            command = found
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_there(page: Path) -> None:
    """Nobody types a command from a page in vain."""
    assert [line for line in said(page) if wrong(line)] == []


def test_a_command_that_is_not_there_is_found() -> None:
    """The control."""
    assert wrong("engine rnu orders") == "rnu"
    assert wrong("engine run orders --dryrun") == "--dryrun"
    assert wrong("engine dead-letters replay --limit 3") is None


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_is_said_to_come_later_is_not_there(name: str) -> None:
    """When it is built, the pages that call it missing must change, and this list."""
    assert cli.get_command(click.Context(cli), name) is None
