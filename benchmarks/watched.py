"""``engine serve`` with a clock that looks, every other millisecond, at what each of its threads does.

    python benchmarks/watched.py FOLDER

SIGUSR1 begins to count, SIGUSR2 ends it and writes FOLDER/where.json: for each thread its CPU as a share of the time,
and for the one of the event loop and the one that writes the store, what they were at. Looking is done between two
bytecodes of the loop's thread, so what runs in C shows under the function that called it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench_accept import pin

EVERY = 0.002
IDLE = "idle"

LOOP = (
    (r"selectors\.py:select$|watchdog|sleep$", IDLE),
    (r"engine/telemetry/|service/(observers|health|engine)\.py:(told|__call__)", "events: log, metrics, health"),
    (r"store/sqlite/settle\.py|runtime/(settler|ledger)\.py", "settle"),
    (r"runtime/(prepare|picked)\.py|engine/expressions/", "prepare: map, filter"),
    (r"connectors/|engine/net/|runtime/(delivery|connections|writer|tally)\.py|aiohttp/(client|connector)", "deliver"),
    (r"store/sqlite/(lanes|readers)\.py|runtime/(entries|run|assembly)\.py", "fetch and decode"),
    (r"store/sqlite/", "accept: append"),
    (r"engine/http/signatures\.py|engine/http/auth\.py", "accept: signature"),
    (r"http/(entries|webhooks)\.py:(parse|accept|_prepare)$", "accept: JSON and schema"),
    (r"engine/http/|aiohttp/", "accept: HTTP"),
    (r"service/", "supervise"),
)
STORE = (
    (r"writer\.py:_next_group", IDLE),
    (r"settle\.py|lanes\.py:finish", "settle"),
    (r"appending\.py", "append"),
    (r"writer\.py:_transact", "commit: wait for the disk"),
)


class Watch:
    """Counts where threads are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.main = threading.main_thread()
        self.places: dict[str, Counter[str]] = {}
        self.begun = 0.0
        self.cpu: dict[int, float] = {}
        signal.signal(signal.SIGUSR1, self.begin)
        signal.signal(signal.SIGUSR2, self.end)
        signal.signal(signal.SIGALRM, self.look)

    def begin(self, *_: object) -> None:
        self.places = {"loop": Counter(), "store": Counter()}
        self.begun, self.cpu = time.monotonic(), {one.ident or 0: used(one) for one in threading.enumerate()}
        signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)

    def look(self, _: int, frame: FrameType | None) -> None:
        self.places["loop"][place(frame, LOOP, "asyncio")] += 1
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread.name == "store-writer" and thread.ident is not None:
                self.places["store"][place(frames.get(thread.ident), STORE, "other")] += 1

    def end(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        seconds = time.monotonic() - self.begun
        cpu: Counter[str] = Counter()
        for one in threading.enumerate():
            # a pool's threads count together
            name = re.sub(r"_\d+$", "", one.name)
            cpu[name] += used(one) - self.cpu.get(one.ident or 0, 0.0)  # type: ignore[assignment]
        shares = {
            kind: {name: count / found.total() for name, count in found.items()} for kind, found in self.places.items()
        }
        made = {"cpu": {name: value / seconds for name, value in cpu.items()}, **shares}
        part = self.folder / "where.part"
        part.write_text(json.dumps(made))
        os.replace(part, self.folder / "where.json")


def used(thread: threading.Thread) -> float:
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def place(frame: FrameType | None, places: tuple[tuple[str, str], ...], other: str) -> str:
    """Name what is done: the innermost function that is known decides."""
    while frame is not None:
        known = _known(frame.f_code.co_filename, frame.f_code.co_name, places)
        if known is not None:
            return known
        frame = frame.f_back
    return other


_seen: dict[tuple[str, str, int], str | None] = {}


def _known(file: str, name: str, places: tuple[tuple[str, str], ...]) -> str | None:
    key = file, name, id(places)
    if key not in _seen:
        text = f"{file}:{name}"
        _seen[key] = next((what for pattern, what in places if re.search(pattern, text)), None)
    return _seen[key]


if __name__ == "__main__":
    pin("server")
    from engine.cli.main import main

    if sys.argv[2:] == ["watched"]:
        Watch(Path(sys.argv[1]))
    sys.argv = ["engine", "serve", sys.argv[1], "--log", "json"]
    sys.exit(main())
