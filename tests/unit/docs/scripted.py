"""Another system that answers what it was told to: a real HTTP server on a free port."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Scripted:
    """Answers one line after another, ``422 {"error": …}``; the last again and again, 200 without any."""

    def __init__(self, answers: list[str]) -> None:
        self._answers, self._lock, self._over = list(answers), threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next(self) -> str:
        with self._lock:
            if len(self._answers) > 1:
                return self._answers.pop(0)
            return self._answers[0] if self._answers else "200 {}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                line = outer._next()
                if line == "late":
                    outer._over.wait(20)
                if line in ("cut", "late"):
                    self.close_connection = True
                    return
                status, _, body = line.partition(" ")
                data = body.encode()
                self.send_response(int(status))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *_: Any) -> None:
                """Say nothing."""

        return Handler
