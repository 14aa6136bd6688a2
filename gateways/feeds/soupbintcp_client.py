"""SoupBinTCP 4.1, the client's socket.

It dials, logs in from the next sequence number that it has not seen, and dials again when the line breaks
or falls silent, so a listener hears every message once and in order. It never gives up; it ends where the
server says that there is no going on.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import structlog

from gateways.feeds.listener import FeedListener
from gateways.feeds.patience import Patience
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
RECONNECT_S = 0.5  # before the second attempt; later ones wait longer (`Patience`)
DIAL_WAIT_S = 5.0  # for an answer to a dial: the kernel alone waits for two minutes
LATER_S = 0.01  # than a bound is looked whether it is over
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
        self._stopped = asyncio.Event()
        self._patience = Patience()
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
        self._patience = Patience(RECONNECT_S, loop.time)
        while not self._over:
            self._gone.clear()
            try:
                async with asyncio.timeout(DIAL_WAIT_S):
                    await loop.create_connection(lambda: self, host, port)
            except OSError as error:  # a timeout is one
                if self._transport is not None:
                    self._transport.abort()  # it came in the same instant
                    await self._gone.wait()
                self._failed(f"{host}:{port}: {error or f'no answer in {DIAL_WAIT_S:g} s'}")
            else:
                await self._gone.wait()
            if not self._over:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), self._patience.pause_s())

    @property
    def _over(self) -> bool:
        return bool(self._stopped.is_set() or self.state.ended or self.state.refused)

    def distrust(self, reason: str) -> None:
        """Our reader cannot take what we passed on: end `run` (`state.refused`)."""
        if not self._over:
            self.state.distrust(reason)
            self._drop(reason)

    def close(self) -> None:
        """Log out and end `run`."""
        self._stopped.set()
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
        was_in = self.state.logged_in
        try:
            used = self.state.receive(self._memory[:stop], mono_ns)
        except ProtocolError as error:
            self._drop(str(error))
            return
        if self.state.logged_in and not was_in:
            self._patience.worked()
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
        closed = "closed" if self.state.logged_in else "closed before it answered the login"
        reason = self._reason or (str(exc) if exc else closed)
        if self.state.logged_in and not self.state.ended:
            if not self._stopped.is_set():
                self._patience.failed(reason)
                log.warning("feed_dropped", reason=reason, next_seq=self.state.next_seq)
            self._listener.feed_down(reason)
        elif not (self.state.ended or self.state.refused):
            self._failed(reason)
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
        # Sooner where the silence reaches its bound before.
        left_s = (SILENCE_S if self.state.logged_in else LOGIN_S) - silence_s
        self._tick = loop.call_later(min(HEARTBEAT_S, left_s + LATER_S), self._beat)

    def _drop(self, reason: str) -> None:
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def _failed(self, reason: str) -> None:
        """Say why there is no line, unless that is known."""
        if not self._stopped.is_set() and self._patience.failed(reason):
            log.warning("feed_unreachable", reason=reason)
            self._listener.feed_down(reason)
