"""Starts the hub as a process and works its control API; plain and blocking, for tests and for ``make run``."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.peers.hub_faults import Fault

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub: *url* is what pipelines call, *control* is what tests call."""

    url: str
    control: str
    pid: int = 0

    def fail(self, *faults: Fault) -> None:
        """Plan these faults instead of those before; none: be well again."""
        self._call("PUT", "/faults", [asdict(fault) for fault in faults])

    def refuse(
        self,
        percent: float = 0.0,
        external_ids: Sequence[str] = (),
        message: str = "refused by the rules of the hub",
    ) -> None:
        """Refuse a share of all records, or those named; without arguments, none."""
        self._call("PUT", "/refusal", {"percent": percent, "external_ids": list(external_ids), "message": message})

    def require_key(self, key: str | None) -> None:
        """Ask for ``Authorization: Bearer KEY``; None: ask for nothing."""
        self._call("PUT", "/key", key)

    def down(self, seconds: float | None = None) -> None:
        """Close the listener; it returns after *seconds*, or with ``up``."""
        self._call("POST", "/down", seconds)

    def up(self) -> None:
        """Listen again."""
        self._call("POST", "/up", None)

    def reset(self) -> None:
        """Be as new."""
        self._call("POST", "/reset", None)

    def counts(self) -> dict[str, Any]:
        """Read ``requests`` and, by table, ``rows``, ``delivered``, ``extra``, ``refused``."""
        return self._call("GET", "/counts")  # type: ignore[no-any-return]

    def rows(self, table: str, *external_ids: str) -> list[dict[str, Any]]:
        """Read rows of a table, all or those named, in the order of arrival."""
        query = urllib.parse.urlencode([("external_id", id) for id in external_ids])
        return self._call("GET", f"/rows/{table}?{query}")  # type: ignore[no-any-return]

    def deliveries(self, table: str) -> dict[str, int]:
        """Read how often each external id was written."""
        return self._call("GET", f"/deliveries/{table}")  # type: ignore[no-any-return]

    def requests(self) -> list[dict[str, Any]]:
        """Read the latest requests: ``operation``, ``items``, ``status``, ``fault``."""
        return self._call("GET", "/requests")  # type: ignore[no-any-return]

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if method == "GET" else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data, {"Content-Type": "application/json"}, method=method)
        # no proxy of the environment stands between a test and its own machine
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def running_hub(database: Path | None = None, *, port: int = 0, api_key: str | None = None) -> Iterator[Hub]:
    """Run a hub of one's own; it ends with the block, and with this process however that ends."""
    command = [sys.executable, "-m", "tests.peers.automation_hub", "--control", "--with-parent", "--port", str(port)]
    command += ["--db", str(database)] if database else []
    command += ["--api-key", api_key] if api_key else []
    # a session of its own: Ctrl-C at the terminal is for the engine, the hub ends after it
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the hub did not start (exit code {process.wait()})")
        yield Hub(**json.loads(line), pid=process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=10)
