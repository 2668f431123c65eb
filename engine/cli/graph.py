"""``engine graph``: a picture of one pipeline or of the project."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Final

import click

from engine.cli.commands import Command
from engine.cli.completion import pipelines
from engine.cli.groups import of_template
from engine.cli.picture import Picture, dot, mermaid
from engine.cli.session import Session, pass_session, unknown
from engine.errors import Unavailable

WITHIN: Final = 60.0
_WRITERS: Final[dict[str, Callable[[Picture], Iterator[str]]]] = {"mermaid": mermaid, "dot": dot, "svg": dot}


@click.command("graph", cls=Command)
@click.argument("name", required=False, shell_complete=pipelines)
@click.option(
    "--format",
    "style",
    type=click.Choice([*_WRITERS]),
    default="mermaid",
    show_default=True,
    help="svg needs Graphviz' program dot.",
)
@pass_session
def graph(session: Session, name: str | None, style: str) -> None:
    """Draw a pipeline, or without NAME the whole project, as Mermaid text, for Graphviz, or as SVG.

    Mermaid is drawn by GitHub, GitLab and many editors:  engine graph > project.mmd
    """
    drawn = _drawn(session, name)
    if drawn is None:
        return
    text = "".join(f"{line}\n" for line in _WRITERS[style](drawn))
    masked = str(session.out.mask(text))
    session.out.stream.write(_svg(masked) if style == "svg" else masked)


def _drawn(session: Session, name: str | None) -> Picture | None:
    """Return the picture; None, and a word about it, where there is nothing to draw."""
    from engine.cli.drawing import of_pipeline, of_project

    project, problems = session.read()
    if any(problem.severity == "error" for problem in problems):
        session.err.line("there are errors, and what they keep from loading is not drawn; see  engine validate")
    if name is None and not project.pipelines and not project.connections:
        session.err.line("nothing is loaded; begin with:  engine init")
        return None
    if name is None:
        return of_project(project)
    found = project.pipelines.get(name)
    if found is None:
        found = next((one for one in project.pipelines.values() if of_template(one, name)), None)
    if found is None:
        raise click.UsageError(unknown("pipeline", name, project.pipelines, "engine list"))
    return of_pipeline(project, found)


def _svg(text: str) -> str:
    """Have Graphviz draw it. Raises Unavailable."""
    program = shutil.which("dot")
    if program is None:
        raise Unavailable(
            "Graphviz is not installed: its program dot draws the SVG; install the package graphviz, "
            "or take the text of  engine graph  to where Mermaid is drawn"
        )
    try:
        done = subprocess.run([program, "-Tsvg"], input=text, capture_output=True, text=True, timeout=WITHIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"Graphviz did not draw the picture: {error}") from error
    if done.returncode:
        raise Unavailable(f"Graphviz did not draw the picture: {done.stderr.strip() or 'it ended with a failure'}")
    return done.stdout
