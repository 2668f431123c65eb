"""Callers who are not let in, come again, come too often, or say they are somebody else, and a serving engine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .served import ENGINE
from .serving import Answered, Project

RAW = b"a secret of thirty-two bytes, ok"
ENVIRON = {
    "ENGINE_SECRET_HOOK": "whsec_" + base64.b64encode(RAW).decode(),
    "ENGINE_SECRET_KEY": "ada-key-ada-key",
    "ENGINE_SECRET_BOB": "bob-key-bob-key",
}
TARGET = "target: {file: {path: out/events.jsonl, mode: append, format: jsonl}}\n"
HOOK = """\
pipeline: events
triggers:
  - webhook:
      path: /events
      auth: [{hmac: {preset: standard_webhooks, secret: "${secret:hook}"}}]
"""


def signed(id: str, body: bytes, at: int | None = None) -> dict[str, str]:
    """Sign as a sender of Standard Webhooks does."""
    at = int(time.time()) if at is None else at
    made = hmac.new(RAW, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook_id": id, "webhook_timestamp": str(at), "webhook_signature": "v1," + base64.b64encode(made).decode(),
    }  # fmt: skip


def project(folder: Path, text: str = HOOK, **settings: Any) -> Project:
    made = Project(folder, settings=settings, environ=ENVIRON)
    made.write("pipelines/events.yaml", text + TARGET)
    return made


def processed(one: Project) -> list[Any]:
    file = one.folder / "out" / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_the_same_request_again_and_again_is_one_event(tmp_path: Path) -> None:
    """200 times at once, later, and after a new start: one is processed, the sender hears 200 for the others."""
    body = b'{"n": 1}'
    with project(tmp_path) as served:
        headers = signed("evt-1", body)
        with ThreadPoolExecutor(25) as pool:
            answers = list(pool.map(lambda _: served.call("/events", body, **headers), range(200)))
        assert sorted(answer.status for answer in answers) == [200] * 199 + [202]
        (first,) = [answer.json["id"] for answer in answers if answer.status == 202]
        assert all(answer.json == {"duplicate": True, "id": first} for answer in answers if answer.status == 200)
        served.until(lambda: processed(served) and served.waiting("events/in/0") == 0)
        assert served.call("/events", body, **headers).status == 200, "later"
        served.kill()
        served.start()
        served.ready()
        assert served.call("/events", body, **headers).json == {"duplicate": True, "id": first}, "after a new start"
        assert served.call("/events", body, **signed("evt-2", body)).status == 202, "the control: another event"
        served.until(lambda: len(processed(served)) == 2)
        assert served.stop() == 0
    assert processed(served) == [{"n": 1}, {"n": 1}]


@pytest.mark.parametrize("seconds", [-3600, -301, 301, 3600])
def test_outside_the_window_it_is_refused(window: Project, seconds: int) -> None:
    body = b'{"n": 1}'
    at = int(time.time()) + (seconds + (2 if seconds > 0 else -2))
    assert window.call("/events", body, **signed(f"late{seconds}", body, at)).status == 401
    assert window.call("/events", body, **signed(f"good{seconds}", body)).status == 202, "the control"


@pytest.fixture(scope="module")
def window(tmp_path_factory: Any) -> Any:
    with project(tmp_path_factory.mktemp("window")) as served:
        yield served


def test_a_refused_call_burns_no_id(window: Project) -> None:
    """An attacker who knows an event's id cannot make the engine take it for known."""
    body = b'{"n": 1}'
    forged = {**signed("evt-x", body), "webhook_signature": "v1," + base64.b64encode(b"x" * 32).decode()}
    assert window.call("/events", body, **forged).status == 401
    assert window.call("/events", body, **signed("evt-x", body)).status == 202


def test_nobody_learns_what_there_is(window: Project) -> None:
    """Unknown path, wrong method and bad signature: one answer, byte for byte, but for the date."""
    body = b'{"n": 1}'
    bad = {**signed("e", body), "webhook_signature": "v1,AAAA"}
    answers: list[Answered] = [
        window.call("/events", body, **bad),
        window.call("/events", body),
        window.call("/nothing/here", body, **bad),
        window.call("/events/", body, **signed("e", body)),
        window.call("/EVENTS", body, **signed("e", body)),
        window.call("/readyz", body),
        window.call("/metrics", body),
        *(window.call("/events", body, method=method, **signed("e", body)) for method in ("PUT", "PATCH", "DELETE")),
    ]
    assert {answer.status for answer in answers} == {401}
    seen = {(answer.text, *sorted((k, v) for k, v in answer.headers.items() if k != "Date")) for answer in answers}
    assert len(seen) == 1
    got = window.ask("/readyz")
    assert got == (401, answers[0].json)


ALLOWED = 'pipeline: events\ntriggers: [{webhook: {path: /events, auth: [{allow_ips: ["203.0.113.7"]}]}}]\n'
SPOOFS: dict[str, dict[str, str]] = {
    "x-forwarded-for": {"X_Forwarded_For": "203.0.113.7"},
    "a list": {"X_Forwarded_For": "203.0.113.7, 203.0.113.7"},
    "forwarded": {"Forwarded": "for=203.0.113.7"},
    "x-real-ip": {"X_Real_IP": "203.0.113.7"},
    "mapped": {"X_Forwarded_For": "::ffff:203.0.113.7"},
    "with a port": {"X_Forwarded_For": "203.0.113.7:1234"},
}


def test_nobody_is_believed_who_says_where_he_comes_from(tmp_path: Path) -> None:
    with project(tmp_path, ALLOWED) as served:
        assert {
            how: served.call("/events", {"n": 1}, **spoof).status for how, spoof in SPOOFS.items()
        } == dict.fromkeys(SPOOFS, 401)
        assert processed(served) == []


def test_a_proxy_that_is_trusted_is_believed_about_the_last_step_only(tmp_path: Path) -> None:
    """The control, and behind it a caller who wrote the header himself: the proxy's word counts, not his."""
    listen = {"address": "127.0.0.1", "trusted_proxies": ["127.0.0.1"]}
    served = project(tmp_path, ALLOWED)
    served.settings = {"listen": {**listen, "port": served.port}}
    with served:
        assert served.call("/events", {"n": 1}, X_Forwarded_For="203.0.113.7").status == 202
        assert served.call("/events", {"n": 2}, X_Forwarded_For="203.0.113.7, 198.51.100.9").status == 401
        assert served.call("/events", {"n": 3}).status == 401
        served.until(lambda: processed(served))
        assert processed(served) == [{"n": 1}]


RATED = "pipeline: events\ntriggers: [{webhook: {path: /events, clients: [ada, bob]}}]\n"
CLIENTS = {
    "ada": {"api_keys": ["${secret:key}"], "rate_limit": {"limit": 5, "per": "60s", "burst": 5}},
    "bob": {"api_keys": ["${secret:bob}"]},
}


def test_one_caller_who_comes_too_often_does_not_disturb_another(tmp_path: Path) -> None:
    served = project(tmp_path, RATED, clients=CLIENTS)
    with served:
        ada = [served.call("/events", {"n": n}, X_API_Key="ada-key-ada-key") for n in range(20)]
        bob = [served.call("/events", {"n": n}, X_API_Key="bob-key-bob-key") for n in range(20)]
        assert [answer.status for answer in ada] == [202] * 5 + [429] * 15
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in ada[5:])
        assert {answer.status for answer in bob} == {202}
        served.until(lambda: len(processed(served)) == 25)


# collisions

COLLIDE = {
    "same": ("/sales", "/sales"),
    "case": ("/sales", "/Sales"),
    "slash": ("/sales", "/sales/"),
    "reserved": ("/healthz", "/other"),
}


@pytest.mark.parametrize("how", COLLIDE)
def test_paths_that_collide_are_refused_before_anything_listens(tmp_path: Path, how: str) -> None:
    one, two = COLLIDE[how]
    for name, path, key in (("one", one, "key"), ("two", two, "hook")):
        auth = f'[{{api_key: {{value: "${{secret:{key}}}"}}}}]'
        text = f"pipeline: {name}\ntriggers: [{{webhook: {{path: {path}, auth: {auth}}}}}]\n{TARGET}"
        (tmp_path / "pipelines").mkdir(exist_ok=True)
        (tmp_path / "pipelines" / f"{name}.yaml").write_text(text)
    (tmp_path / "engine.yaml").write_text("engine: 1\nlisten: {port: 0}\nadmin: {port: 0}\n")
    said = []
    for command in (["validate"], ["serve"]):
        done = subprocess.run(
            [*ENGINE, "--project", str(tmp_path), *command],
            capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **ENVIRON},
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        said.append(sorted(line for line in (done.stdout + done.stderr).splitlines() if "error[" in line))
    assert said[0] == said[1] != []


def test_broken_framing_reaches_no_pipeline(window: Project) -> None:
    """What a proxy may read differently is refused and the connection closed; the next caller is served."""
    body = b'{"n": 1}'
    for lines in (
        "Content-Length: 8\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 8\r\nContent-Length: 9\r\n",
        "Content-Length : 8\r\n",
        "Content-Length: 8\r\n folded: x\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ):
        with socket.create_connection(("127.0.0.1", window.port), timeout=10) as raw:
            raw.sendall(f"POST /events HTTP/1.1\r\nHost: engine\r\n{lines}\r\n".encode() + body)
            answer = b""
            while part := raw.recv(4096):
                answer += part
        assert answer.split(b" ")[1].startswith(b"4"), (lines, answer)
    assert window.call("/events", body, **signed("after", body)).status == 202
