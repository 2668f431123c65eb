"""Where a session may go, against real servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import web

from engine.errors import Disconnected, Misconfigured
from engine.net.auth import credentials
from engine.net.client import Access, Client
from engine.net.egress import Egress, Guard
from engine.net.request import Request
from tests.connectors.http_peer import Call, ok, serving
from tests.connectors.net_session import READ, Names, client


def _sends_to(url: str) -> Callable[[Call], web.Response]:
    return lambda call: web.Response(status=302, headers={"Location": url}) if call.path == "/x" else ok({"in": "side"})


FOLLOW = Request("GET", "/x", reads=True, redirects=3)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/secret",
        "http://[::ffff:127.0.0.1]:{port}/secret",
        "http://2130706433:{port}/secret",
        "http://inside.example:{port}/secret",
        "file:///etc/passwd",
        "http://user@inside.example:{port}/secret",
    ],
)
async def test_a_redirect_does_not_lead_inside(url: str) -> None:
    """By address, disguise or name; with the guard off it does (control)."""
    names = {"inside.example": ["127.0.0.1"], "own.example": ["127.0.0.1"]}
    async with serving(lambda call: ok()) as peer:
        peer.answer = _sends_to(url.format(port=peer.port))
        base = f"http://own.example:{peer.port}"
        async with client(base, resolver=Names(names)) as made:
            with pytest.raises(Misconfigured):
                await made.send(FOLLOW)
        assert [call.path for call in peer.calls] == ["/x"]
        if url.startswith(("http://127", "http://inside")):
            async with client(base, resolver=Names(names), guarded=False) as made:
                assert (await made.send(FOLLOW)).body == b'{"in": "side"}'
            async with client(base, resolver=Names(names), egress=Egress(allow=("127.0.0.0/8",))) as made:
                assert (await made.send(FOLLOW)).status == 200


async def test_a_name_that_changes_its_address_inside_is_refused() -> None:
    """DNS rebinding: the second look-up leads inside."""

    def rebinding() -> Names:
        return Names({"api.example": ["8.8.8.8", "127.0.0.1"]})

    async with serving(lambda call: ok({"in": "side"})) as peer:
        base = f"http://api.example:{peer.port}"
        async with client(base, resolver=rebinding()) as made:
            await made._resolver.resolve("api.example")
            with pytest.raises(Misconfigured, match="changed"):
                await made.send(READ)
        assert peer.calls == []
        async with client(base, resolver=rebinding(), guarded=False) as made:
            await made._resolver.resolve("api.example")
            assert (await made.send(READ)).status == 200  # control


async def test_the_socket_itself_takes_only_approved_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the check before were passed by, the connection is not made."""
    monkeypatch.setattr(Guard, "check_url", lambda guard, url: None)
    async with serving(lambda call: ok()) as peer:
        base = peer.url.replace("localhost", "127.0.0.1")
        async with client(base) as made:
            with pytest.raises(Disconnected):
                await made.send(READ)
        assert peer.calls == []
        async with client(base, guarded=False) as made:
            assert (await made.send(READ)).status == 200  # control


async def test_credentials_stay_at_home() -> None:
    """Another host gets neither token nor key nor the author's headers."""
    async with serving(lambda call: ok({"you": "there"})) as other, serving(lambda call: ok()) as peer:
        peer.answer = _sends_to(f"http://127.0.0.1:{other.port}/there")
        secret = credentials({"bearer": "t", "api_key": {"query": "key", "value": "k"}})
        async with client(peer.url, credentials=secret, egress=Egress("allow")) as made:
            await made.send(Request("GET", "/x", headers={"X-Token": "t"}, reads=True, redirects=1))
            await made.send(Request("GET", url=f"http://127.0.0.1:{other.port}/next", reads=True))
            await made.send(Request("GET", url=f"{peer.url}/next", reads=True))
    for call in other.calls:
        assert "authorization" not in call.headers
        assert "x-token" not in call.headers
        assert call.query == {}
    assert len(other.calls) == 2
    assert peer.calls[-1].headers["authorization"] == "Bearer t"


async def test_redirects_are_not_followed_unless_asked() -> None:
    """A 302 is an answer; a POST is never sent on."""
    async with serving(_sends_to("/there")) as peer, client(peer.url) as made:
        assert (await made.send(READ)).status == 302
        assert (await made.send(Request("POST", "/x", body=b"", redirects=3))).status == 302
        assert [call.path for call in peer.calls] == ["/x", "/x"]
        assert (await made.send(FOLLOW)).status == 200


@pytest.mark.parametrize("base", ["ftp://a.example", "api.example", "http://", "", "http://u:p@api.example"])
async def test_a_base_address_must_be_usable(base: str) -> None:
    """A wrong one is said at once, without the password in it."""
    with pytest.raises(Misconfigured) as caught:
        Client(Access("hub", base))
    assert "u:p" not in str(caught.value)
