"""The table of commands: a command's module is loaded when it is called, and not before."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from engine.cli.session import Session, unknown


class Entry(NamedTuple):
    """Where a command is written, and what it does in a few words."""

    module: str
    attribute: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "write": {
        "init": Entry("starters", "init", "Make an empty project that validates"),
        "new": Entry("starters", "new", "Write a commented starter: pipeline, connection, test"),
        "validate": Entry("validate", "validate", "Find every problem of every file, offline"),
        "explain": Entry("explain", "explain", "What a code of a problem means, with examples"),
        "test": Entry("test", "test", "Run the tests beside the pipelines"),
        "eval": Entry("evaluate", "evaluate", "Try an expression or a mapping on JSON lines"),
        "learn": Entry("learn", "learn", "Ask a real system what its data looks like, for validate"),
        "connectors": Entry("catalogue", "connectors", "What there is to connect to, with options and examples"),
        "graph": Entry("graph", "graph", "Draw a pipeline, or the project, as a picture"),
        "completion": Entry("completion", "completion", "Names at the press of Tab: bash, zsh, fish"),
        "schema": Entry("schemas", "schema", "Print a JSON Schema, for editors"),
    },
    "run": {
        "run": Entry("run", "run", "Run pipelines now"),
        "check": Entry("check", "check", "Try the real connections"),
        "webhook": Entry("webhook", "webhook", "Call a webhook as its real sender would: send"),
        "list": Entry("listing", "list_", "What is loaded"),
        "show": Entry("listing", "show", "One pipeline or connection: what it reads, does and writes"),
        "schedule": Entry("schedule", "schedule", "What will start by itself, and when: preview"),
    },
    "serve": {
        "serve": Entry("serve", "serve", "Stay: fire triggers, take webhooks, follow changed files"),
        "pause": Entry("pausing", "pause", "Hold pipelines: nothing starts them by itself"),
        "resume": Entry("pausing", "resume", "Undo pause"),
    },
    "look after": {
        "runs": Entry("runs", "runs", "History: show, logs, cancel, rerun"),
        "dead-letters": Entry("dead_letters", "dead_letters", "What was rejected: list, show, edit, replay, drop"),
        "cursor": Entry("cursor", "cursor", "Where an incremental pipeline stands: show, set, reset"),
        "lanes": Entry("lanes", "lanes", "What is accepted and waits; orphaned: drop, move"),
        "backup": Entry("copies", "backup", "Write a consistent copy of the store"),
        "restore": Entry("copies", "restore", "Put a backup in the place of the store"),
    },
}
ENTRIES = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


def _completed(command: click.Command, path: str) -> None:
    """Let a shell complete the arguments of a command, and of those below it."""
    from engine.cli.completion import attach

    attach(command, path)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            _completed(below, f"{path} {name}")


def _set_project(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Session).root = value


def _set_env_file(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Session).env_file = value


def _set_verbose(context: click.Context, _: click.Parameter, value: int) -> None:
    context.ensure_object(Session).verbosity += value


def _set_quiet(context: click.Context, _: click.Parameter, value: int) -> None:
    context.ensure_object(Session).verbosity -= value


def common_options() -> list[click.Parameter]:
    """Make the options that may stand before a command or after it."""
    folder = click.Path(path_type=Path)
    return [
        click.Option(
            ["--project"], type=folder, metavar="DIR", expose_value=False, callback=_set_project,
            help="The project folder; default: the current one.",
        ),
        click.Option(
            ["--env-file"], type=folder, metavar="FILE", expose_value=False, callback=_set_env_file,
            help="Variables for ${NAME}; the environment wins.",
        ),
        click.Option(["-v", "--verbose"], count=True, expose_value=False, callback=_set_verbose, help="Say more."),
        click.Option(["-q", "--quiet"], count=True, expose_value=False, callback=_set_quiet, help="Say only failures."),
    ]  # fmt: skip


class Command(click.Command):
    """A command that takes the common options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *common_options()]


class Group(click.Group):
    """A group whose commands take the common options, and that knows what was meant."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *common_options()]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one is near."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(unknown("command", name, self.list_commands(ctx), f"{ctx.command_path} --help"))
        return super().resolve_command(ctx, args)


class Root(Group):
    """``engine``: loads commands lazily, lists them by what one wants to do."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command's module."""
        entry = ENTRIES.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(f"engine.cli.{entry.module}"), entry.attribute)
        assert isinstance(command, click.Command)
        if ctx.resilient_parsing:
            _completed(command, cmd_name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without loading them."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=one.help) for name, one in ENTRIES.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        for title, entries in SECTIONS.items():
            with formatter.section(title.capitalize()):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()], col_spacing=3)
