"""What starters say: commented YAML, made of the examples that connectors' schemas give. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.cli.yamltext import lines

if TYPE_CHECKING:
    from engine.definition.schema import ConnectorSchema

SETTINGS: Final = """\
{modeline}# Settings of this project; every key can also be given as ENGINE_… in the environment.
engine: 1
# store: {{sqlite: {{path: data/engine.db}}}}      # where runs, cursors and dead letters are kept
"""

IGNORE: Final = """\
data/
secrets/
.env
"""

HELLO: Final = """\
{modeline}# Check it:  engine validate pipelines/{name}.yaml      Try it:  engine run {name} --dry-run
pipeline: {name}
description: Says who earns how much

source:
  inline:                     # rows written here; other sources: engine connectors
    rows:
      - {{id: 1, name: ana, salary: 5000}}
      - {{id: 2, name: bruno, salary: 4200}}
      - {{id: 3, name: carla, salary: 0}}

filters:                      # conditions in JMESPath; numbers stand in backticks
  - salary > `0`

mapping:                      # what is sent, field by field
  $copy: [id]                 # the same name on both sides
  employee: "{{{{ record.name | title }}}}"       # a template, where {{{{ stands in it
  salary: {{$value: salary, $type: decimal}}
  currency: {{$const: EUR}}     # a text as it is

target:
  console: {{}}                 # prints each record; other targets: engine connectors
"""

PIPELINE: Final = """\
{modeline}# Check it:  engine validate pipelines/{name}.yaml      Try it:  engine run {name} --dry-run --limit 3
pipeline: {name}
description: Moves records from {source} to {target}

# triggers:                   # what starts it; without one it runs by hand
#   - {{cron: "0 * * * *"}}     # every hour

source:                       # all options, with examples: engine connectors {source}
{reads}

# filters:                    # conditions that must all hold, in JMESPath; numbers stand in backticks
#   - amount > `0`

# mapping:                    # what is sent, field by field; without it a record goes as it is
#   external_id: {{$value: id, $type: string}}
#   label: "{{{{ record.name | trim | title }}}}"

target:                       # all options, with examples: engine connectors {target}
{writes}
  # key: id                   # what makes a record the same record: sending it again is harmless
  # on_rejected: dead_letter  # or drop, or fail
"""

CONNECTIONS: Final = """\
{modeline}# Named systems: address, credentials, and the limits all their users share. Try them:  engine check
connections:
{body}"""

CONNECTION: Final = """\
  {name}:
    {kind}:                     # all options, with examples: engine connectors {kind}
{options}
    # resilience:
    #   circuit_breaker: {{failures: 5, window: 120s, reset_after: 60s}}
    #   rate_limit: {{limit: 100, per: 1s}}
"""

_LEANS: Final = re.compile(r":cursor_|\bcursor\.|\bparams\.|\brecords\b[^\"]*}}")
"""What an example says that only a pipeline with a cursor, params or a batch can give."""


class End(NamedTuple):
    """One end of a pipeline: a connector, and the connection it goes over."""

    connector: ConnectorSchema
    connection: str | None


def connection(name: str, found: ConnectorSchema) -> str:
    """Write one connection: what it must have, and the rest of its example as comments."""
    options = found.role("connection").document["allOf"][0]
    required = set(options.get("required", ()))
    example: Mapping[str, Any] = _own((options.get("examples") or [{}])[0], name)
    needed = lines({key: value for key, value in example.items() if key in required} or {}, " " * 6)
    more = [f"      # {line}" for line in lines({key: value for key, value in example.items() if key not in required})]
    said = [*needed, *(more if len(example) > len(required) else ())]
    return CONNECTION.format(name=name, kind=found.name, options="\n".join(said))


def connections(modeline: str, made: Sequence[str]) -> str:
    """Write a file of connections."""
    return CONNECTIONS.format(modeline=modeline, body="".join(made))


def pipeline(name: str, modeline: str, source: End, target: End) -> str:
    """Write a pipeline from one connector to another."""
    return PIPELINE.format(
        name=name,
        modeline=modeline,
        source=source.connector.name,
        target=target.connector.name,
        reads=_end(source, "source"),
        writes=_end(target, "target"),
    )


def takes_connection(found: ConnectorSchema, role: str) -> bool:
    """Whether the example that a starter shows goes over a connection."""
    return "connection" in _example(found, role)


def _end(end: End, role: str) -> str:
    example = dict(_example(end.connector, role))
    if end.connection is not None:
        example["connection"] = end.connection
    return "\n".join(lines({end.connector.name: example}, "  "))


def _example(found: ConnectorSchema, role: str) -> Mapping[str, Any]:
    """Return the first example that stands by itself."""
    examples: list[Mapping[str, Any]] = found.role(role).document["allOf"][0].get("examples") or [{}]
    alone = [one for one in examples if not _LEANS.search(json.dumps(one))]
    over = [one for one in alone if "connection" in one]
    return (over or alone or examples)[0]


def _own(example: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give the variables and secrets of an example the name of the connection."""
    variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
    text = re.sub(r"\$\{[A-Z][A-Z0-9_]*:-", f"${{{variable}_URL:-", json.dumps(example))
    text = re.sub(r"\$\{secret:[a-z0-9]+-", f"${{secret:{name}-", text)
    own: Mapping[str, Any] = json.loads(text)
    return own
