"""Pages of what is no key: functions, commands, codes, figures."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from engine.cli.commands import SECTIONS, common_options
from engine.cli.explain import pages as code_pages
from engine.cli.main import cli
from engine.data import folder
from engine.expressions.jinja.filters import PLAIN, UNGUARDED
from engine.expressions.jinja.lists import CONTEXTUAL
from engine.expressions.library import library
from engine.expressions.library.base import Function
from engine.expressions.signatures import STOCK, spoken
from engine.telemetry.figures import Count, Spread
from engine.telemetry.series import Series
from scripts.reference.pages import Page, code, prose


def functions() -> Page:
    """Write the page of functions and filters."""
    page = Page(
        "Functions and filters",
        "One library for both languages. In JMESPath a function takes its arguments in brackets, `upper(name)`; in a "
        "template it is a filter, and what stands before the bar is its first argument: `{{ record.name | upper }}`. "
        "What they do, with examples: [expressions](../expressions.md#functions).",
    )
    page.heading("The library")
    rows = [_function(one) for _, one in sorted(library().items())]
    page.table(("function", "does", "note"), rows)
    page.heading("JMESPath's own functions")
    page.say(
        "They are of the language, see [jmespath.org](https://jmespath.org/specification.html#built-in-functions)."
    )
    page.table(("function", "takes"), ([code(name), spoken(*STOCK[name][1:])] for name in sorted(STOCK)))
    page.heading("Filters of templates alone")
    own = {**PLAIN, **CONTEXTUAL, **UNGUARDED}
    named = [name for name in sorted(own) if name not in library()]
    page.table(("filter", "does"), ([code(name), _doc(own[name])] for name in named))
    return page


def _doc(call: object) -> str:
    return prose(inspect.cleandoc(getattr(call, "__doc__", None) or "").split("\n")[0])


def _function(one: Function) -> list[str]:
    kinds = [*one.kinds, "…"] if one.most is None else list(one.kinds)
    asked = [f"{kind}?" if one.least <= place < len(one.kinds) else kind for place, kind in enumerate(kinds)]
    note = "differs from one moment to the next: not in `key`" if one.changes else ""
    return [code(f"{one.name}({', '.join(asked)})"), _says(one.summary), note]


def _says(summary: str) -> str:
    """Turn the *emphasis* of a docstring into code: it names arguments."""
    return prose(" ".join(summary.split()).replace("``", "`")).replace("\\*", "*")


def commands() -> Page:
    """Write the page of commands."""
    page = Page("Commands", "`engine COMMAND --help` says the same on a terminal.")
    page.say("These options may stand before a command or after it:")
    page.table(("option", "does"), (_option(one) for one in common_options() if isinstance(one, click.Option)))
    common = {str(one.name) for one in common_options()}
    context = click.Context(cli, info_name="engine")
    for title, entries in SECTIONS.items():
        page.heading(title.capitalize())
        for name in entries:
            command = cli.get_command(context, name)
            assert command is not None
            for path, one in _leaves(command, f"engine {name}"):
                _command(page, path, one, common)
    return page


def _leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, below in sorted(command.commands.items()):
        if not below.hidden:
            yield from _leaves(below, f"{path} {name}")


def _command(page: Page, path: str, command: click.Command, common: set[str]) -> None:
    own = [one for one in command.params if one.name not in common]
    arguments = " ".join(one.make_metavar(click.Context(command)) for one in own if isinstance(one, click.Argument))
    page.heading(f"{path} {arguments}".strip(), 3)
    for part in inspect.cleandoc(command.help or "").split("\n\n"):
        if part.startswith("\b"):
            page.block("text", part.removeprefix("\b").strip("\n"))
        else:
            page.say(prose(" ".join(part.split())))
    page.table(("option", "does"), (_option(one) for one in own if isinstance(one, click.Option) and not one.hidden))


def _option(one: click.Option) -> list[str]:
    record = one.get_help_record(click.Context(click.Command("")))
    assert record is not None
    names, said = record
    return [code(names), prose(said)]


def codes() -> Page:
    """Write the index of codes."""
    page = Page(
        "Codes",
        "Each code has a page with a wrong and a right example; `engine explain CODE` shows it. By subject: "
        "[messages](../messages.md).",
    )
    every = list(code_pages(folder("codes")))
    rows = ([f"[`{one.code}`](../codes/{one.code}.md)", ", ".join(one.tags), prose(one.summary)] for one in every)
    page.table(("code", "is", "means"), rows)
    return page


def metrics() -> Page:
    """Write the page of figures."""
    page = Page(
        "Figures",
        "What `/metrics` of the admin listener gives, for Prometheus. What to watch: "
        "[health and metrics](../serving/health-and-metrics.md#figures).",
    )
    rows = []
    for one in Series((), {"version": ""}).every():
        kind = "counter" if isinstance(one, Count) else "histogram" if isinstance(one, Spread) else "gauge"
        name = f"{one.name}_total" if kind == "counter" else one.name
        rows.append([code(name), kind, ", ".join(map(code, one.labels)), prose(one.help)])
    page.table(("name", "kind", "labels", "says"), sorted(rows))
    return page
