"""``engine completion``: names at the press of Tab. Files are looked at, not loaded: a shell does not wait."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from engine.cli.commands import Command
from engine.cli.session import Session, pass_session

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

VARIABLE: Final = "_ENGINE_COMPLETE"
MOST: Final = 2000
"""Files that are looked at: beyond that a name is faster typed."""
_PIPELINE: Final = re.compile(r"^pipeline:[ \t]*[\"']?([a-z0-9-]+)", re.MULTILINE)
_DESCRIPTION: Final = re.compile(r"^description:[ \t]*(\S.*)", re.MULTILINE)
_CONNECTIONS: Final = re.compile(r"^connections:[ \t]*(?:#.*)?\n((?:[ \t]+.*\n?|[ \t]*\n|#.*\n)*)", re.MULTILINE)
_KEY: Final = re.compile(r"^([ \t]+)([a-z0-9-]+):", re.MULTILINE)


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_session
def completion(session: Session, shell: str) -> None:
    """Print what makes a shell complete commands, options and names.

    \b
    bash:  engine completion bash > ~/.local/share/bash-completion/completions/engine
    zsh:   engine completion zsh > "${fpath[1]}/_engine"
    fish:  engine completion fish > ~/.config/fish/completions/engine.fish
    """
    from engine.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    session.out.stream.write(found(cli, {}, "engine", VARIABLE).source())


def attach(command: click.Command, path: str) -> None:
    """Give the arguments of a command what completes them."""
    for parameter in command.params:
        complete = _WHAT.get(f"{path} {parameter.name}") or _WHAT.get(f"* {parameter.name}")
        if complete is not None and isinstance(parameter.type, click.types.StringParamType):
            parameter._custom_shell_complete = complete


def pipelines(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the pipelines of the project, with what they say of themselves."""
    found = {}
    for text in _texts(context):
        if match := _PIPELINE.search(text):
            said = _DESCRIPTION.search(text)
            found[match[1]] = said[1].strip() if said else None
    return _offer(found.items(), incomplete)


def connections(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the connections of the project."""
    return _offer(((name, None) for text in _texts(context) for name in _names(text)), incomplete)


def things(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer pipelines and connections."""
    return [*pipelines(context, parameter, incomplete), *connections(context, parameter, incomplete)]


def codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the codes of problems."""
    from engine.data import folder

    return _offer(((path.stem, None) for path in folder("codes").glob("*.md")), incomplete)


def connectors(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the connectors that come with the engine."""
    from engine.data import folder

    return _offer(((path.stem, None) for path in (folder("schemas") / "connectors").glob("*.json")), incomplete)


def schemas(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer what ``engine schema`` prints."""
    kinds = ("project", "pipeline", "connections", "settings", "tests")
    return [*_offer(((kind, None) for kind in kinds), incomplete), *connectors(context, parameter, incomplete)]


_WHAT: Final[dict[str, Complete]] = {
    "run names": pipelines,
    "pause names": pipelines,
    "resume names": pipelines,
    "schedule preview names": pipelines,
    "webhook send name": pipelines,
    "graph name": pipelines,
    "learn name": pipelines,
    "cursor show name": pipelines,
    "cursor set name": pipelines,
    "cursor reset name": pipelines,
    "* pipeline": pipelines,
    "show name": things,
    "check names": connections,
    "explain code": codes,
    "* code": codes,
    "connectors name": connectors,
    "new pipeline source": connectors,
    "new pipeline target": connectors,
    "new connection kind": connectors,
    "new test name": pipelines,
    "schema name": schemas,
}
"""By command and parameter; ``*`` in every command."""


def _offer(found: Iterable[tuple[str, str | None]], incomplete: str) -> list[CompletionItem]:
    unique = dict(found)
    return [CompletionItem(name, help=unique[name]) for name in sorted(unique) if name.startswith(incomplete)]


def _texts(context: click.Context) -> Iterator[str]:
    """Read the files of the project that the command line names, the current folder when it names none."""
    session = context.find_object(Session)
    root = session.root if session else Path()
    for number, path in enumerate(_files(root)):
        if number >= MOST:
            return
        try:
            yield path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError):
            continue


def _files(root: Path) -> Iterator[Path]:
    for folder in ("pipelines", "connections", "presets"):
        for where, _, names in os.walk(root / folder):
            yield from (Path(where, name) for name in names if name.endswith((".yaml", ".yml")))


def _names(text: str) -> Iterator[str]:
    """Yield the keys right under ``connections:``."""
    match = _CONNECTIONS.search(text)
    indent = None
    for key in _KEY.finditer(match[1]) if match else ():
        indent = indent or key[1]
        if key[1] == indent:
            yield key[2]
