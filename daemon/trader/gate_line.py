"""The trader's end of the link: it dials the gate, says who it is, and hears whether the gate still lives.

What the gate tells goes on to whoever made the line; what the core wants leaves by `send`, and not before the
gate has taken this trader. A gate that says nothing is left, and dialled anew.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from daemon.runtime import EXIT_CONFIG
from daemon.trader.events import LinkDown, LinkUp
from daemon.trader.shell import Shell
from gateways import link
from market import events as ev
from market import updates as up

log = structlog.get_logger()

LINK_RETRY_S: Final = 0.2  # a gate that restarts is back within seconds
HELLO_WAIT_S: Final = 8.0  # for the trader before us to be let go: longer than it may be silent
SILENT_LOOKS_MAX: Final = 3  # one a second: a gate that lives says so four times in each


class GateLine:
    """The line to the gate."""

    def __init__(
        self,
        socket: Path,
        hello: Callable[[], ev.TraderHello],
        shell: Shell,
        told: Callable[[Any], None],
        fail: Callable[[str, int], None],
    ) -> None:
        """`hello` makes a new epoch's; `told` takes each message, a HelloAck only where it is a yes."""
        self.sent = 0  # intents and states that the core has wanted sent
        self._socket = socket
        self._hello = hello
        self._shell = shell
        self._told = told
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._peer: link.Peer | None = None
        self._gone = asyncio.Event()
        self._accepted = False
        self._refused_s = 0.0  # since when the gate has another trader
        self._silent_looks = 0

    async def keep(self, stopping: asyncio.Event) -> None:
        """Dial, and dial again, until we stop."""
        reachable = True
        while not stopping.is_set():
            self._gone.clear()
            try:
                await self._loop.create_unix_connection(
                    lambda: link.Peer(link.ToTrader, self._heard, self._closed, self._opened),
                    str(self._socket),
                )
            except OSError as error:
                if reachable:  # said once: it is tried five times a second, a night long
                    log.warning("gate not reachable", socket=str(self._socket), error=str(error))
                reachable = False
            else:
                reachable = True
                await self._gone.wait()
            await asyncio.sleep(LINK_RETRY_S)

    def send(self, event: ev.Event) -> bool:
        """Send what the core wants; False where the gate has not taken us, or is gone."""
        self.sent += 1
        return self._peer is not None and self._accepted and self._peer.send(event)

    def look(self) -> None:
        """Once a second: leave a gate that says nothing, since what is sent there would be read too late."""
        if self._peer is None or self._shell.lockstep:
            return
        self._silent_looks += 1  # a look, not a second: a trader that was held up itself has looked once
        if self._silent_looks > SILENT_LOOKS_MAX:
            reason = f"the gate said nothing for {SILENT_LOOKS_MAX} s: nothing is sent until it answers"
            log.error("gate silent", reason=reason)
            self._peer.abort(reason)

    def close(self) -> None:
        """End it after what was sent has left."""
        if self._peer is not None:
            self._peer.close("the trader stops")

    def _opened(self, peer: link.Peer) -> None:
        hello = self._hello()
        self._peer, self._accepted, self._silent_looks = peer, False, 0
        self._shell.event(LinkUp(epoch=hello.epoch))
        peer.send(hello)

    def _closed(self, peer: link.Peer, reason: str) -> None:
        if peer is self._peer:
            self._peer = None
            if self._accepted:
                log.warning("link to the gate lost", reason=reason)
            self._shell.event(LinkDown())
        self._gone.set()

    def _heard(self, _: link.Peer, messages: list[Any]) -> None:
        self._silent_looks = 0
        for message in messages:
            if isinstance(message, up.GateAlive) or (
                isinstance(message, up.HelloAck) and not self._taken(message)
            ):
                continue
            self._told(message)

    def _taken(self, ack: up.HelloAck) -> bool:
        """Return whether the gate has taken us; a no may change while another trader is let go."""
        if ack.protocol != ev.LINK_PROTOCOL:
            text = f"the gate speaks link protocol {ack.protocol}, this trader {ev.LINK_PROTOCOL}"
            self._fail(f"{text}: run both of one version", EXIT_CONFIG)
            return False
        self._accepted = ack.accepted
        if not ack.accepted:
            self._refused_s = self._refused_s or self._loop.time()
            if not ack.again or self._loop.time() - self._refused_s >= HELLO_WAIT_S:
                self._fail(f"the gate does not accept this trader: {ack.reason}", EXIT_CONFIG)
            return False
        self._refused_s = 0.0
        log.info("link to the gate up", lockstep=ack.lockstep)
        return True
