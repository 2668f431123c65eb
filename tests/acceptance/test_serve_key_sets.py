"""Webhooks whose callers are judged by a key set that an identity provider publishes, through a serving engine."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from .served import free_port
from .serving import Project

KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
TAKES = """\
pipeline: hook
triggers:
  - webhook:
      path: /hook
      auth: [{{jwt: {{algorithms: [RS256], jwks: "{url}", audience: hub}}}}]
mapping: {{id: id}}
target: {{console: {{}}}}
"""


class Provider(http.server.ThreadingHTTPServer):
    """Publishes one key, over TLS."""

    def __init__(self, port: int, authority: trustme.CA) -> None:
        super().__init__(("127.0.0.1", port), Answers)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.asked = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked += 1
        key: dict[str, Any] = {**json.loads(RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "one"}
        body = json.dumps({"keys": [key]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        return


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    one = trustme.CA()
    one.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return one


def call(project: Project, key: Any, name: str = "one") -> int:
    claims = {"exp": time.time() + 300, "aud": "hub"}
    token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": name})
    return project.call("/hook", {"id": 1}, Authorization=f"Bearer {token}").status


def test_callers_are_judged_by_the_published_keys(tmp_path: Path, authority: trustme.CA) -> None:
    """It starts though nobody answers, refuses until the keys are there, and goes on when the provider is gone."""
    port = free_port()
    project = Project(tmp_path / "project", environ={"SSL_CERT_FILE": str(tmp_path / "authority.pem")})
    project.write("pipelines/hook.yaml", TAKES.format(url=f"https://localhost:{port}/keys"))
    with project:
        assert call(project, KEY) == 401
        project.until(lambda: project.said("key-set"), "that it cannot be fetched")
        provider = Provider(port, authority)
        project.until(lambda: call(project, KEY) == 202, "the keys")
        for number in range(50):
            assert call(project, OTHER, f"made-up-{number}") == 401
        asked = provider.asked
        provider.end()
        assert call(project, KEY) == 202
        assert asked <= 2, "a flood of unknown keys asks once a minute"
        assert [line["level"] for line in project.said("key-set")] == ["error", "info"]
        assert project.stop() == 0


def test_a_provider_that_nobody_vouches_for_lets_nobody_in(tmp_path: Path, authority: trustme.CA) -> None:
    provider = Provider(free_port(), authority)
    project = Project(tmp_path / "project")
    project.write("pipelines/hook.yaml", TAKES.format(url=f"https://localhost:{provider.server_port}/keys"))
    with project:
        project.until(lambda: project.said("key-set"), "that it is not believed")
        assert call(project, KEY) == 401
        assert project.stop() == 0
    provider.end()
