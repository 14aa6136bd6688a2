"""SoupBinTCP 4.1, the client's socket.

It dials, logs in from the next sequence number that it has not seen, and dials again when the line breaks
or falls silent, so a listener hears every message once and in order.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog

from gateways.feeds.listener import FeedListener
from gateways.feeds.soupbintcp import (
    HEARTBEAT_CLIENT,
    HEARTBEAT_S,
    LOGIN_S,
    LOGOUT,
    ClientSession,
    Login,
    ProtocolError,
)

log = structlog.get_logger()

SILENCE_S = 5.0  # five heartbeats missed: the line is dead, whatever TCP believes
RECONNECT_S = 0.5  # between two attempts; a venue that starts is up within seconds
READ_BYTES = 1 << 18  # one read: 256 KiB, 6,000 messages, about 1.5 ms of work for a trader


class SoupClient(asyncio.BufferedProtocol):
    """A `ClientSession` with a socket."""

    def __init__(
        self,
        listener: FeedListener,
        login: Login,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.state = ClientSession(listener, login)
        self._listener = listener
        self._mono_ns = mono_ns
        self._memory = memoryview(bytearray(READ_BYTES))
        self._filled = 0
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Event = asyncio.Event()
        self._stopped = False
        self._heard_s = 0.0  # the last whole packet; before the login is accepted, when we dialled
        self._reason = ""
        self._tick: asyncio.TimerHandle | None = None

    @property
    def next_seq(self) -> int:
        """Sequence number of the next message."""
        return self.state.next_seq

    async def run(self, host: str, port: int) -> None:
        """Keep the feed up until `close`, end of session or a refusal (`state.refused`)."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not (self._stopped or self.state.ended or self.state.refused):
            self._gone.clear()
            try:
                await loop.create_connection(lambda: self, host, port)
            except OSError as error:
                failures += 1
                if failures == 1:
                    log.warning("feed_unreachable", host=host, port=port, error=str(error))
                await asyncio.sleep(RECONNECT_S)
                continue
            failures = 0
            await self._gone.wait()
            if not (self._stopped or self.state.ended or self.state.refused):
                await asyncio.sleep(RECONNECT_S)

    def close(self) -> None:
        """Log out and end `run`."""
        self._stopped = True
        if self._transport is not None:
            self._transport.write(LOGOUT)
            self._transport.close()
        self._gone.set()

    def connection_made(self, transport: Any) -> None:
        """Log in."""
        loop = asyncio.get_running_loop()
        self._transport, self._filled, self._reason = transport, 0, ""
        self._heard_s = loop.time()
        transport.write(self.state.request())
        self._tick = loop.call_later(HEARTBEAT_S, self._beat)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  (the loop's guess)
        """Return where the next read goes: behind the part of a packet that is still incomplete."""
        return self._memory[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over what has come, in whole packets."""
        mono_ns = self._mono_ns()
        stop = self._filled + nbytes
        try:
            used = self.state.receive(self._memory[:stop], mono_ns)
        except ProtocolError as error:
            self._drop(str(error))
            return
        if used:
            if self.state.logged_in:
                self._heard_s = asyncio.get_running_loop().time()
            rest = bytes(self._memory[used:stop])
            self._memory[: len(rest)] = rest
        self._filled = stop - used
        if self.state.refused:
            self._drop(self.state.refused)
        elif self.state.ended and self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        self._transport = None
        if self._tick is not None:
            self._tick.cancel()
        if not self.state.ended:
            self._listener.feed_down(self._reason or (str(exc) if exc else "closed"))
        self._gone.set()

    def eof_received(self) -> bool:
        """The server closed its side: so do we."""
        return False

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        if self._transport is None:
            return
        silence_s = loop.time() - self._heard_s
        if silence_s > (SILENCE_S if self.state.logged_in else LOGIN_S):
            self._drop(f"silent for {silence_s:.1f} s")
            return
        self._transport.write(HEARTBEAT_CLIENT)
        self._tick = loop.call_later(HEARTBEAT_S, self._beat)

    def _drop(self, reason: str) -> None:
        log.warning("feed_dropped", reason=reason, next_seq=self.state.next_seq)
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()
