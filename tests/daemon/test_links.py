"""The gate's side of the link: who says nothing keeps no trader out."""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest
import uvloop

from daemon.gate.links import PEERS_MAX, BusySocket, Links, free_socket
from gateways import link
from market import events as ev

WAIT_S = 30.0
HASHES = dict.fromkeys(("policy_sha256", "state_spec_sha256", "action_table_sha256"), "")


def test_silent_connections_keep_no_trader_out(tmp_path: Path) -> None:
    async def run() -> tuple[list[Any], bytes]:
        came: list[Any] = []
        heard = asyncio.Event()

        def post(event: Any) -> None:
            came.append(event)
            heard.set()

        links, path = Links(post, lambda *_: None), tmp_path / "link.sock"
        await links.listen(path)
        silent = [await asyncio.open_unix_connection(str(path)) for _ in range(PEERS_MAX)]
        _, trader = await asyncio.open_unix_connection(str(path))
        hello = ev.TraderHello(protocol=ev.LINK_PROTOCOL, epoch=1, policy="twap", symbols=("SYN",), **HASHES)
        trader.write(link.encode(hello))
        async with asyncio.timeout(WAIT_S):
            await heard.wait()
            first = await silent[0][0].read()
        for _, writer in (*silent, (None, trader)):
            writer.close()
        links.close("over")
        await asyncio.sleep(0)
        return came, first

    came, first = uvloop.run(run())

    assert isinstance(came[0], ev.TraderHello)
    assert first == b"", "the one that came first had said nothing, and was closed"


def listening(path: Path, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket that is bound, and listens where it can."""
    found = socket.socket(socket.AF_UNIX, kind)
    found.bind(str(path))
    if kind == socket.SOCK_STREAM:
        found.listen(0)
    return found


def test_a_socket_is_taken_from_nobody_who_lives(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with listening(path), contextlib.ExitStack() as waiting:
        with pytest.raises(BusySocket, match="listens there"):
            free_socket(path)
        with contextlib.suppress(BlockingIOError):  # a stopped process: its queue is full, and nobody comes
            while True:
                client = waiting.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(str(path))
        with pytest.raises(BusySocket, match="another process has it"):
            free_socket(path)
        assert path.is_socket()
    free_socket(path)
    assert not path.exists(), "its process is gone"
    with listening(path, socket.SOCK_DGRAM), pytest.raises(BusySocket):
        free_socket(path)
    assert path.is_socket()
