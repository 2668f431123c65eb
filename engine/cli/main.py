"""The command ``engine``: whatever happens, people get words and programs get an exit code."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import click

import engine
from engine.cli.commands import Root
from engine.cli.session import Session, Stopped
from engine.errors import ConnectorError, DefinitionError, EngineError, Unavailable

FAILED, USAGE, ENVIRONMENT, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 130, 141


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"engine {engine.__version__}")
        context.exit()


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 failed, 2 problems or usage, 3 the environment, 130 and 143 stopped.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Move records from system to system, as YAML pipelines say.

    A project is a folder with pipelines/ and connections/. Begin with: engine init
    """
    context.ensure_object(Session)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    session = Session()
    try:
        code = _run(session, arguments)
        session.out.flush()
        session.err.flush()
    except BrokenPipeError:
        return _broken_pipe()
    return code


def entry() -> None:
    """Run the command line as the process that it is; does not return.

    What was opened is closed by now. To take apart every module and definition after that takes a tenth of the time of
    a short command, and does nothing for anybody.
    """
    code = main()
    if threading.active_count() > 1:
        sys.exit(code)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _run(session: Session, arguments: Sequence[str] | None) -> int:
    try:
        # without standalone mode click returns an exit code it was asked for, and raises all else
        result = cli.main(
            None if arguments is None else list(arguments), prog_name="engine", obj=session, standalone_mode=False
        )
    except Stopped as error:
        return error.code
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, click.Abort):
        session.err.line("stopped")
        return INTERRUPTED
    except click.ClickException as error:
        return _usage(session, error)
    except EngineError as error:
        return _expected(session, error)
    except Exception as error:
        from engine.cli.crash import report

        report(session, error)
        return FAILED
    return result if isinstance(result, int) else 0


def _usage(session: Session, error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        session.err.line(error.format_message())
        return USAGE
    _fail(session, error.format_message())
    context = getattr(error, "ctx", None)
    if context is not None:
        session.err.line(session.err.look.paint(f"how it is used:  {context.command_path} --help", "detail"))
    return USAGE


def _expected(session: Session, error: EngineError) -> int:
    if isinstance(error, DefinitionError):
        from engine.cli.problems import show

        show(session, error.problems)
        return USAGE
    _fail(session, str(error) or type(error).__name__)
    if session.verbose:
        from engine.cli.crash import details

        session.err.line(details(error))
    return ENVIRONMENT if isinstance(error, (Unavailable, ConnectorError)) else FAILED


def _fail(session: Session, message: str) -> None:
    session.err.line(f"{session.err.look.paint('error:', 'error')} {message}")


def _broken_pipe() -> int:
    """Whoever read our output has gone, such as ``head``: nothing to say and nobody to say it to."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.close()
    return BROKEN_PIPE


if __name__ == "__main__":
    entry()
