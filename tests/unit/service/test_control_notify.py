"""systemd is told how the server is, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing

import pytest

from engine.service.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket as systemd makes it, and its name as NOTIFY_SOCKET gives it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@engine-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        listening.settimeout(5)
        yield listening, name


def said(listening: socket.socket) -> list[str]:
    return listening.recv(4096).decode().splitlines()


def test_each_state_is_told(manager) -> None:
    listening, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("9 pipelines\nactive")
    assert said(listening) == ["READY=1", "STATUS=9 pipelines active"]
    notifier.reloading()
    first, second = said(listening)
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()
    notifier.ready()
    assert said(listening) == ["READY=1"]
    notifier.stopping()
    assert said(listening) == ["STOPPING=1"]
    notifier.status("store full")
    assert said(listening) == ["STATUS=store full"]


async def test_signs_of_life_come_thrice_in_the_time_they_are_expected(manager) -> None:
    listening, name = manager
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, pid=77)
    with pytest.raises(asyncio.CancelledError):
        await notifier.beat(sleep)
    assert pauses == [10.0, 10.0, 10.0]
    assert [said(listening) for _ in pauses] == [["WATCHDOG=1"]] * 3


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "78"},
    ],
)
async def test_where_nobody_waits_for_signs_of_life_there_are_none(environ) -> None:
    notifier = Notifier(environ, pid=77)
    assert notifier.watchdog is None
    await notifier.beat()


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "relative", "/nowhere/at/all", "/" + "x" * 200, "@" + "y" * 200])
def test_a_manager_that_is_not_there_is_no_trouble(name) -> None:
    Notifier({"NOTIFY_SOCKET": name}).ready("fine")
