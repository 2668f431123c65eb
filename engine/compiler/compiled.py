"""The pipelines of a project, each compiled when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.compiler.compile import compile_pipeline
from engine.definition.model import Project
from engine.errors import Unavailable
from engine.pipeline import Pipeline


@dataclass(slots=True)
class Compiled:
    """Compiles once; *done* is what is compiled already."""

    project: Project
    done: dict[str, Pipeline] = field(default_factory=dict)

    def pipeline(self, name: str) -> Pipeline:
        """Return a compiled pipeline. Raises Unavailable when there is none, or a driver is missing."""
        if name not in self.done:
            definition = self.project.pipelines.get(name)
            if definition is None:
                raise Unavailable(f"no pipeline '{name}'; `engine list` shows those there are")
            self.done[name] = compile_pipeline(self.project, definition)
        return self.done[name]

    def follow(self, project: Project, fingerprints: Mapping[str, str]) -> Compiled:
        """Return those of *project*; what has the same fingerprint there stays compiled."""
        kept = {name: one for name, one in self.done.items() if fingerprints.get(name) == one.fingerprint}
        return Compiled(project, kept)
