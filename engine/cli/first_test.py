"""The first test of a pipeline: what ``engine new test NAME`` writes beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.session import Session, unknown

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition

TEXT = """\
{modeline}# Tests of {name}; nothing is reached, the clock stands still. Run them:  engine test {file}
#
# The quickest way to a test with real records:  engine run '{name}' --record {recorded}
# What came becomes what is expected, to be reviewed:  engine test {file} --update
tests:
  - test: nothing comes, nothing is sent
    pipeline: {name}
    records: []                          # what comes in, in place of the source: [{{id: 7, name: ana}}]
    expect:
      sent: []                           # every record that is sent, each with the fields that matter

  # - test: a system that answers no is asked again
  #   pipeline: {name}
  #   records: [{{id: 7, name: ana}}]
  #   responses:                         # by connection, in the order of the calls
  #     {connection}: [{{status: 503}}, {{json: {{ok: true}}}}]
  #   expect:
  #     sent: [{{id: 7}}]
  #     rejected: []                     # or each with code and reason
  #     logs: [{{code: retry}}]
"""


def write(session: Session, name: str, modeline: str) -> Path:
    """Write the file; return it, relative to the project. Raises UsageError."""
    definition = _of(session, name)
    folder = Path(definition.origin.file).parent
    template = definition.origin.instance.template if definition.origin.instance else definition.name
    path = folder / f"{template}.test.yaml"
    if (session.root / path).exists():
        raise click.UsageError(f"{session.root / path} is there already: add to it")
    up = "../" * (len(path.parts) - 2)  # the line is made for a file in pipelines/
    text = TEXT.format(
        modeline=modeline.replace("$schema=", f"$schema={up}"), name=definition.name, file=path.as_posix(),
        connection=_connection(definition), recorded=(folder / f"{template}-recorded.test.yaml").as_posix(),
    )  # fmt: skip
    (session.root / path).write_text(text, encoding="utf-8")
    return path


def _connection(definition: PipelineDefinition) -> str:
    """Return a connection of the pipeline's own for the example: of a target where one has any."""
    ends = [target.use for target in definition.targets]
    ends += [definition.source.use] if definition.source else []
    return next((use.connection for use in ends if use.connection), "my-connection")


def _of(session: Session, name: str) -> PipelineDefinition:
    project = session.project()
    instances = [
        one for one in project.pipelines.values() if one.origin.instance and one.origin.instance.template == name
    ]
    found = project.pipelines.get(name) or next(iter(instances), None)
    if found is None:
        known = list(project.pipelines)
        hint = "engine new pipeline NAME" if not known else "engine list"
        raise click.UsageError(unknown("pipeline", name, known, hint))
    return found
