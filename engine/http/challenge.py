"""The questions by which senders make sure that an address is ours, and their answers."""

from __future__ import annotations

from typing import Any

from engine.http.answers import Answer, ok, plain, unauthorized
from engine.http.call import Call
from engine.http.routes import Route
from engine.http.secrets import listed, one_of

_LONGEST = 1024


def before(route: Route, call: Call) -> Answer | None:
    """Answer Meta's question, which is a GET with a token we gave it; raises Refusal when the token is another."""
    meta = route.challenge.get("meta") if isinstance(route.challenge, dict) else None
    if meta is None or call.method != "GET":
        return None
    if call.parameter("hub.mode") is None:
        if route.only_challenge:
            raise unauthorized("GET is only for the sender's challenge, and this is none")
        return None
    given, asked = call.parameter("hub.verify_token"), call.parameter("hub.challenge")
    if given is None or asked is None or not one_of(given, listed(meta["verify_token"])):
        raise unauthorized("challenge: hub.verify_token is not the one that is written here")
    return plain(asked[:_LONGEST])


def after(route: Route, body: Any) -> Answer | None:
    """Answer Slack's question; whoever asks it has been let in."""
    if route.challenge != "slack" or not isinstance(body, dict) or body.get("type") != "url_verification":
        return None
    return ok(200, "challenge", {"challenge": str(body.get("challenge", ""))[:_LONGEST]})
