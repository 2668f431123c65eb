"""``engine webhook``: call a pipeline's webhook as its real sender would."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from engine.cli.commands import Group
from engine.cli.session import Session, Stopped, pass_session, unknown

if TYPE_CHECKING:
    from engine.definition.model import PipelineDefinition, Project
    from engine.http.sending import Parcel
    from engine.pipeline import WebhookPlan

_TYPES = {
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".form": "application/x-www-form-urlencoded",
}


@click.group("webhook", cls=Group)
def webhook() -> None:
    """Try webhooks."""


@webhook.command("send")
@click.argument("name", metavar="NAME")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--url", metavar="URL", help="Where to; default: listen of engine.yaml on this machine.")
@click.option("--trigger", metavar="ID", help="Which webhook, where the pipeline has several.")
@click.option("--client", metavar="NAME", help="As which client of engine.yaml; default: the first that may.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A further header; may be repeated.")
@pass_session
def send(
    session: Session,
    name: str,
    file: Path,
    url: str | None,
    trigger: str | None,
    client: str | None,
    headers: Sequence[str],
) -> None:
    """Send FILE (- for stdin) to the webhook of pipeline NAME, with the credentials that are written for it.

    Prints the status and the answer; the exit is 0 when the call was taken.
    """
    from engine.http import sending

    project, problems = session.load()
    if name not in project.pipelines:
        session.refuse(problems)
    definition = session.pipeline(project, name)
    plan = _chosen(_plans(project, definition), name, trigger)
    parcel = _parcel(project, plan, _body(file), url)
    parcel.headers = {"Content-Type": _TYPES.get(file.suffix.lower(), "application/json")}
    try:
        _authorised(project, plan, parcel, client)
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None
    for text in headers:
        key, colon, value = text.partition(":")
        if not colon:
            raise click.UsageError(f"--header '{text}': write it like 'X-Event-Id: 7'")
        parcel.headers = {known: kept for known, kept in parcel.headers.items() if known.lower() != key.strip().lower()}
        parcel.headers[key.strip()] = value.strip()
    heard = asyncio.run(sending.send(parcel))
    session.out.line(f"{heard.status} {heard.text}".rstrip())
    if heard.status == 401 and not session.quiet:
        session.err.line(session.err.look.paint("the server's log says why it was refused", "detail"))
    if not 200 <= heard.status < 300:
        raise Stopped(1)


def _plans(project: Project, definition: PipelineDefinition) -> Sequence[WebhookPlan]:
    from engine.compiler.webhooks import check_webhooks, compile_webhooks
    from engine.errors import DefinitionError

    if problems := [one for one in check_webhooks(project, definition) if one.severity == "error"]:
        raise DefinitionError(problems)
    return compile_webhooks(project, definition)


def _chosen(plans: Sequence[WebhookPlan], name: str, trigger: str | None) -> WebhookPlan:
    if not plans:
        raise click.UsageError(f"the pipeline '{name}' has no webhook")
    ids = [plan.id for plan in plans]
    if trigger is None and len(plans) > 1:
        raise click.UsageError(f"'{name}' has several webhooks; choose with --trigger: {', '.join(ids)}")
    found = plans[0] if trigger is None else next((plan for plan in plans if plan.id == trigger), None)
    if found is None:
        raise click.UsageError(unknown("webhook", str(trigger), ids, f"engine show {name}"))
    return found


def _body(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from None


def _parcel(project: Project, plan: WebhookPlan, body: bytes, url: str | None) -> Parcel:
    from engine.http.sending import Parcel

    method = "POST" if "POST" in plan.methods else min(plan.methods)
    whole = url or _base(project.settings.get("listen") or {})
    if urlsplit(whole).path in ("", "/"):
        whole = whole.rstrip("/") + plan.path
    return Parcel(whole, method, body)


def _base(listen: Any) -> str:
    address, port = listen.get("address", "127.0.0.1"), listen.get("port", 8080)
    if port == 0:
        raise click.UsageError("listen.port is 0, so the server took a free one; name it with --url")
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)
    return f"{'https' if listen.get('tls') else 'http'}://{host}:{port}"


def _authorised(project: Project, plan: WebhookPlan, parcel: Parcel, client: str | None) -> None:
    from engine.compiler.webhooks import compile_clients
    from engine.http.sending import authorise
    from engine.ids import new_id

    clients = compile_clients(project)
    if client is not None and client not in plan.clients:
        raise ValueError(unknown("client", client, plan.clients, "clients: of the webhook"))
    names = [client] if client is not None else [name for name in plan.clients if name in clients]
    ways = list(plan.auth or ()) if client is None else []
    ways += [item for name in names for item in clients[name].auth]
    identity = new_id()
    authorise(parcel, ways, int(time.time()), identity)
    header = plan.event_header
    if header is not None and header.lower() not in {name.lower() for name in parcel.headers}:
        parcel.headers[header] = identity
