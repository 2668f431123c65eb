"""What every command knows: the global options, the two screens, and the project once it is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.screen import Screen
from engine.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from datetime import tzinfo

    from engine.definition.model import PipelineDefinition, Project
    from engine.store.base import Store


class Stopped(Exception):
    """The command ends with *code*; what there was to say has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Session:
    """One invocation of the command line."""

    def __init__(self) -> None:
        self.root = Path()
        self.verbosity = 0
        self.env_file: Path | None = None
        self.out = Screen(sys.stdout, os.environ)
        self.err = Screen(sys.stderr, os.environ)
        self._loaded: Project | None = None

    @property
    def verbose(self) -> bool:
        """Tell whether ``-v`` was given."""
        return self.verbosity > 0

    @property
    def quiet(self) -> bool:
        """Tell whether ``-q`` was given."""
        return self.verbosity < 0

    def environ(self) -> Mapping[str, str]:
        """Return the environment, which wins, over ``--env-file``."""
        if self.env_file is None:
            return os.environ
        from engine.cli.envfile import read

        here = self.root / self.env_file
        return {**read(here if here.exists() else self.env_file), **os.environ}

    def load(
        self, paths: Sequence[Path] = (), *, skip_env: bool = False, instead: Mapping[Path, bytes] | None = None
    ) -> tuple[Project, list[Problem]]:
        """Load the project and check its expressions; secrets are masked from here on. *instead* as of the loader."""
        from engine.compiler.check import check
        from engine.definition.report import shown, told_once

        project, problems = self.read(paths, skip_env=skip_env, instead=instead)
        return project, shown(told_once({*problems, *check(project)}))

    def read(
        self, paths: Sequence[Path] = (), *, skip_env: bool = False, instead: Mapping[Path, bytes] | None = None
    ) -> tuple[Project, list[Problem]]:
        """Load the project without its expressions: enough for commands that only look."""
        from engine.definition import loader
        from engine.redact import Redactor

        if not self.root.is_dir():
            raise click.UsageError(f"the project folder {self.root} does not exist; name it with --project DIR")
        environ, root = self.environ(), self.root.resolve()
        if instead is None:
            project, problems = loader.load(root, environ=environ, paths=paths, skip_env=skip_env)
        else:
            project, problems = loader.trial(root, instead, environ=environ, paths=paths, skip_env=skip_env)
        self.out.mask = self.err.mask = Redactor(project.secrets)
        self._loaded = project
        return project, list(problems)

    def project(self) -> Project:
        """Load the project for a command that only looks; a broken file elsewhere does not hinder it."""
        project, _ = self.read()
        return project

    def pipeline(self, project: Project, name: str) -> PipelineDefinition:
        """Find a pipeline by name; raises click.UsageError with the nearest one."""
        found = project.pipelines.get(name)
        if found is not None:
            return found
        raise click.UsageError(unknown("pipeline", name, project.pipelines, "engine list"))

    def definition(self, pipeline: str) -> PipelineDefinition | None:
        """Return a pipeline of the loaded project, if it is there."""
        return self._loaded.pipelines.get(pipeline) if self._loaded else None

    def zone(self, pipeline: str) -> tzinfo | None:
        """Return the zone a pipeline's times are shown in; None is this machine's."""
        found = self.definition(pipeline)
        if found is None or found.timezone == "UTC":
            return None
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            return ZoneInfo(found.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            return None

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Raise DefinitionError when there is an error among *problems*."""
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            raise DefinitionError(errors)

    @asynccontextmanager
    async def reader(self, project: Project) -> AsyncIterator[Store]:
        """Open the store for looking only."""
        from engine.app import open_reader

        async with open_reader(project) as store:
            yield store


pass_session = click.make_pass_decorator(Session)


def unknown(kind: str, name: str, known: Mapping[str, Any] | Sequence[str], listing: str) -> str:
    """Say that *name* is not known, the nearest one, and where to see them all."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), 1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; see them: {listing}"
    return f"no {kind} '{name}'{hint}"
