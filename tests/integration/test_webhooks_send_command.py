"""``engine webhook send``: signed as the real sender would, to a real listener."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.store.memory import MemoryStore
from tests.integration.webhook_rig import Rig, listening, loaded, write_project

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


async def send(rig: Rig, folder: Path, *more: str, body: str = '{"id": 1}', name: str = "body.json") -> int:
    rig.clock.now = time.time()
    (folder / name).write_text(body)
    arguments = ["webhook", "send", "--project", str(folder), "sales", str(folder / name), "--url", rig.url, *more]
    return await asyncio.to_thread(main, arguments)


@pytest.mark.parametrize(
    "auth",
    [
        "none",
        "[{api_key: {value: k-1}}]",
        "[{api_key: {header: X-Shop, value: [k-1, k-2]}}]",
        "[{api_key: {query: key, value: 'k&1'}}]",
        "[{basic: {username: ana, password: 'p:é'}}]",
        "[{bearer: t-1}]",
        "[{jwt: {algorithms: [HS256], key: a-shared-secret-of-more-than-32-bytes, issuer: i, audience: a}}]",
        *(
            f"[{{hmac: {{preset: {preset}, secret: {SECRET}}}}}]"
            for preset in ("standard_webhooks", "github", "stripe", "shopify", "slack", "meta")
        ),
        '[{hmac: {header: X-Sig, secret: s, algorithm: sha512, encoding: base64, prefix: "v=",'
        ' signed: "{method} {path} {timestamp}.{body}", timestamp_header: X-At}}]',
        "[{hmac: {header: X-Sig, secret: s}, api_key: {value: k}, allow_ips: [127.0.0.0/8]}]",
        f"[{{jwt: {{algorithms: [RS256], jwks: keys.json}}}}, {{hmac: {{preset: stripe, secret: {SECRET}}}}}]",
    ],
)
async def test_every_way_in_is_taken(tmp_path: Path, auth: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keys.json").write_text(
        '{"keys": [{"kty": "RSA", "e": "AQAB", "n": "' + "u" * 342 + 'w"}]}', encoding="utf-8"
    )
    write_project(tmp_path, f"{{path: /sales, auth: {auth}}}")
    routes, problems = loaded(tmp_path)
    assert problems == []
    async with listening(routes, MemoryStore()) as rig:
        assert await send(rig, tmp_path) == 0, capfd.readouterr().err
        out = capfd.readouterr().out
        assert out.startswith('202 {"accepted": 1, "id": ')
        assert len(await rig.entries()) == 1


async def test_as_a_client_and_with_an_event_id(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = "clients: {one: {api_keys: k-1}, two: {hmac: {preset: shopify, secret: s}}}\n"
    write_project(tmp_path, "{path: /sales, clients: [one, two], event_id: {header: X-Id}}", settings=settings)
    routes, _ = loaded(tmp_path)
    async with listening(routes, MemoryStore()) as rig:
        assert await send(rig, tmp_path) == 0
        assert await send(rig, tmp_path, "--client", "two") == 0
        assert await send(rig, tmp_path, "--client", "two", "--header", "X-Id: 7") == 0
        assert await send(rig, tmp_path, "--client", "two", "--header", "x-id: 7") == 0
        assert "duplicate" in capfd.readouterr().out.splitlines()[-1]
        assert [entry.body["client"] for entry in await rig.entries()] == ["one", "two", "two"]
        assert await send(rig, tmp_path, "--client", "three") == 2
        assert "no client 'three'" in capfd.readouterr().err


async def test_a_refusal_is_an_exit_of_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_project(tmp_path, "{path: /sales, auth: [{api_key: {value: k-1}}], schema: {type: object}}")
    routes, _ = loaded(tmp_path)
    async with listening(routes, MemoryStore()) as rig:
        assert await send(rig, tmp_path, body="[1]") == 1
        assert capfd.readouterr().out.startswith("422 ")
        assert await send(rig, tmp_path, "--header", "X-API-Key: other") == 1
        told = capfd.readouterr()
        assert told.out.startswith("401 ")
        assert "the server's log says why" in told.err
        assert await send(rig, tmp_path, body="a=1", name="body.form") == 0


@pytest.mark.parametrize(
    ("webhook", "arguments", "code", "says"),
    [
        ("{path: /s, auth: none}", ["nosuch", "body.json"], 2, "no pipeline 'nosuch'"),
        ("{path: /s, auth: none}", ["sales", "nosuch.json"], 2, "No such file"),
        ("{path: /s, auth: none}", ["sales", "body.json", "--trigger", "x"], 2, "no webhook 'x'"),
        ("{path: /s, auth: none}", ["sales", "body.json", "--header", "x"], 2, "write it like"),
        (
            "{path: /s, auth: none}",
            ["sales", "body.json", "--url", "http://127.0.0.1:9"],
            3,
            "nobody answers at",
        ),
        ("{path: /s, auth: [{jwt: {algorithms: [RS256], key: x}}]}", ["sales", "body.json"], 2, "private key"),
        ("{path: /s, auth: [{hmac: {secret: x}}]}", ["sales", "body.json"], 2, "'header' is missing"),
    ],
)
def test_what_cannot_be_sent_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    webhook: str,
    arguments: list[str],
    code: int,
    says: str,
) -> None:  # fmt: skip
    write_project(tmp_path, webhook)
    (tmp_path / "body.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert main(["webhook", "send", *arguments]) == code
    assert says in capfd.readouterr().err
