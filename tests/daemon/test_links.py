"""The gate's side of the link: who says nothing keeps no trader out."""

import asyncio
from pathlib import Path
from typing import Any

import uvloop

from daemon.gate.links import PEERS_MAX, Links
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
