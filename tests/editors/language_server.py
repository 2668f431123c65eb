"""A small client of the language server protocol: what an editor asks, and what it shows."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WITHIN = 60.0
"""Seconds an answer may take; on a busy machine all takes longer."""


class LanguageServer:
    """One running yaml-language-server, asked one thing at a time."""

    def __init__(self, command: Sequence[str], root: Path, schemas: Mapping[str, Sequence[str]] | None = None) -> None:
        settings = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}
        self._settings = {"yaml": settings | {"schemas": schemas or {}}, "http": {}, "[yaml]": {}, "editor": {}}
        self._number = 0
        self._versions: dict[str, int] = {}
        self._said: dict[str, list[dict[str, Any]]] = {}
        # a server that cannot be reached must not reach out either
        away = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
        self._process = subprocess.Popen(
            [*command, "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | away,
        )
        self.root = root
        folders = [{"uri": root.as_uri(), "name": root.name}]
        client = {
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
            "workspace": {"configuration": True},
        }
        about = {"processId": os.getpid(), "rootUri": root.as_uri(), "capabilities": client}
        self.ask("initialize", about | {"workspaceFolders": folders})
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": self._settings})

    def close(self) -> None:
        """End the server in peace."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(WITHIN)

    def ask(self, method: str, params: Any) -> Any:
        """Send a request; return what is answered. What the server asks meanwhile is answered too."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        with self._watched():
            while True:
                message = self._take()
                if message.get("id") == number and "method" not in message:
                    assert "error" not in message, message["error"]
                    return message.get("result")
                self._meanwhile(message)

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def open(self, path: Path, text: str) -> str:
        """Show the server a file as an editor has it; it need not be on disk."""
        uri = path.as_uri()
        version = self._versions[uri] = self._versions.get(uri, 0) + 1
        self._said.pop(uri, None)
        if version == 1:
            document = {"uri": uri, "languageId": "yaml", "version": version, "text": text}
            self.tell("textDocument/didOpen", {"textDocument": document})
        else:
            document = {"uri": uri, "version": version}
            self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return uri

    def diagnostics(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Return what the server finds wrong with *text* in the file *path*."""
        uri = self.open(path, text)
        with self._watched():
            while uri not in self._said:
                self._meanwhile(self._take())
        return self._said[uri]

    def completion(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Return what is offered where *text* has its ``|`` mark."""
        uri, place = self._at(path, text)
        answer = self.ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": place})
        found: list[dict[str, Any]] = answer["items"] if isinstance(answer, dict) else answer or []
        return found

    def hover(self, path: Path, text: str) -> str:
        """Return what is shown where *text* has its mark, in Markdown."""
        uri, place = self._at(path, text)
        answer = self.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})
        return str(answer["contents"]["value"]) if answer else ""

    def _at(self, path: Path, text: str) -> tuple[str, dict[str, int]]:
        before, mark, after = text.partition("‸")
        assert mark, "‸ marks where the cursor stands"
        line, _, column = before.rpartition("\n")
        place = {"line": before.count("\n"), "character": len(column if line or "\n" in before else before)}
        return self.open(path, before + after), place

    def _meanwhile(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params")
        if method == "textDocument/publishDiagnostics":
            assert params is not None
            if params.get("version") in (None, self._versions.get(params["uri"])):
                self._said[params["uri"]] = params["diagnostics"]
        if method == "telemetry/event" and params and "error" in params.get("name", ""):
            raise AssertionError(f"the server stumbled: {params}")
        if "id" in message and method is not None:
            self._send({"id": message["id"], "result": self._answer(method, params)})

    def _answer(self, method: str, params: Any) -> Any:
        if method != "workspace/configuration":
            return None
        return [self._settings.get(item.get("section", ""), None) for item in params["items"]]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self._process.stdin.flush()

    def _take(self) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise ChildProcessError("the language server ended, or did not answer in time")
        message: dict[str, Any] = json.loads(stream.read(length))
        return message

    @contextmanager
    def _watched(self) -> Iterator[None]:
        watch = threading.Timer(WITHIN, self._process.kill)
        watch.start()
        try:
            yield
        finally:
            watch.cancel()


@contextmanager
def language_server(
    command: Sequence[str], root: Path, schemas: Mapping[str, Sequence[str]] | None = None
) -> Iterator[LanguageServer]:
    """Give a running server, and end it."""
    server = LanguageServer(command, root, schemas)
    try:
        yield server
    finally:
        server.close()
