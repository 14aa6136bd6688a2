"""The trader's feed: which line it follows, and how it comes back after a loss.

A cut TCP line is dialled again from the next number, a hole in UDP asked for (`gateways.feeds`). Where that
does not help, or for a late start where the configuration says so, a snapshot (`gateways.feeds.glimpse`)
gives the book anew, and the feed goes on behind it. Until then nobody decides, however long it takes: what
ends the trader is a configuration that cannot be right, or a loss that only a new start mends.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import structlog

from daemon.config import FeedSection
from daemon.runtime import EXIT_CONFIG, EXIT_NOT_CLEAN
from gateways.feeds import glimpse
from gateways.feeds.glimpse import Snapshot, SnapshotDenied, SnapshotError
from gateways.feeds.listener import FeedListener
from gateways.feeds.moldudp64_client import MoldClient, address
from gateways.feeds.patience import Patience
from gateways.feeds.soupbintcp import ClientSession, Login
from gateways.feeds.soupbintcp_client import SoupClient

log = structlog.get_logger()

LATE: Final = "begins with a snapshot"
OLD: Final = "the snapshot is older than what was heard already"
ANEW: Final = "a new start reads all of it again; trader.feed.snapshot = HOST:PORT would mend it"


class Loss(NamedTuple):
    """What a SoupBinTCP server does not go on with."""

    why: str
    wanted: tuple[str, int]  # session and least number of a snapshot that helps
    final: bool  # no login helps without one


class Source:
    """Follows the configured feed until told to stop, or until nothing helps."""

    def __init__(
        self,
        config: FeedSection,
        listener: FeedListener,
        resynchronised: Callable[[Snapshot], None],
        fail: Callable[[str, int], None],
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`resynchronised` takes a snapshot before the feed goes on behind it.

        `refused` counts tries that failed, of a snapshot or of a login.
        """
        self._config = config
        self._listener = listener
        self._resynchronised = resynchronised
        self._fail = fail
        self._refused = refused
        self._client: SoupClient | MoldClient | None = None
        self._late = config.start == "snapshot"
        self._known = False  # some server has taken our name and password
        self._closed = asyncio.Event()
        self._patience = Patience(mono_s=asyncio.get_running_loop().time)

    @property
    def next_seq(self) -> int:
        """Sequence number of the next message; 1 before there is a line."""
        return self._client.next_seq if self._client is not None else 1

    async def follow(self) -> None:
        """Follow it."""
        if self._config.protocol == "moldudp64":
            await self._follow_mold()
        else:
            await self._follow_soup()

    def close(self) -> None:
        """Let go of it."""
        self._closed.set()
        if self._client is not None:
            self._client.close()

    def distrust(self, reason: str) -> None:
        """The book is given up: have it anew where that can be."""
        if self._client is not None and self._config.snapshot is not None:
            self._client.distrust(reason)

    async def _follow_soup(self) -> None:
        config = self._config
        at = Login(config.username, config.password)
        loss = Loss(LATE, ("", 1), final=True) if self._late else None
        while not self._closed.is_set():
            found = None
            if loss is not None:
                found = await self._snapshot(always(loss.wanted), always(loss.why))
                if found is None and loss.final:
                    continue
            if found is not None:
                loss, at = None, at._replace(session=found.session, next_seq=found.next_seq)
                self._resynchronised(found)
            client = self._client = SoupClient(self._listener, at)
            await client.run(config.host, config.port)
            state = client.state
            soon = found is not None and self._patience.soon
            if state.accepted:
                self._known = True
                self._patience.worked()
            if not state.refused:
                return
            at = at._replace(session=state.session, next_seq=state.next_seq)
            if state.gap:
                loss = await self._lost(state, again=loss is not None, at_once=not soon)
            elif state.denied and not self._known:
                self._end(f"the feed at {self._where}: {state.refused}", EXIT_CONFIG)
            else:
                await self._wait("login", f"{self._where}: {state.refused}")

    async def _lost(self, state: ClientSession, *, again: bool, at_once: bool) -> Loss:
        """Return what a login's answer means: what is served does not go on where we are."""
        why = state.refused
        if self._config.snapshot is None:
            self._end(f"the feed at {self._where}: {why}; {ANEW}", EXIT_NOT_CLEAN)
        elif not again:
            self._say_lost(why)
            self._listener.feed_down(why)
            if not at_once:
                await self._wait("login", f"{self._where}: {why}, behind a snapshot")
        session, seq = state.offered
        # Numbers that were ours may be other messages' by now: a line that has come so far proves nothing.
        behind = session == state.session and seq < state.next_seq
        return Loss(why, state.offered, final=behind or state.distrusted)

    async def _follow_mold(self) -> None:
        config = self._config
        lines = tuple(address(line) for line in config.lines)
        requests = address(config.requests) if config.requests else None
        follows = config.snapshot is not None
        client = self._client = MoldClient(
            self._listener, lines, requests, interface=config.interface, follows=follows
        )
        if self._late:
            client.arbiter.begin_lost(LATE)
        try:
            await client.open()
        except OSError as error:
            self._end(f"trader.feed.lines {', '.join(config.lines)}: {error}", EXIT_CONFIG)
            return
        while not self._closed.is_set():
            if not client.lost:
                await client.run()
                if not client.lost or self._closed.is_set():
                    return
                if not follows:
                    self._end(f"the feed is lost: {client.lost}; {ANEW}", EXIT_NOT_CLEAN)
                    return
                self._say_lost(client.lost)
                if self._patience.soon:
                    await self._wait("snapshot", client.lost)
            found = await self._snapshot(client.wanted, lambda: client.lost)
            if found is not None:
                self._resynchronised(found)
                client.resume(found.next_seq, found.session)

    async def _snapshot(
        self, wanted: Callable[[], tuple[str, int]], why: Callable[[], str]
    ) -> Snapshot | None:
        """Return a snapshot that is not older than what we have; None: none now, and we have waited.

        `wanted`: of which session, and where it may go on at the earliest. That, and why, may change.
        """
        config = self._config
        assert config.snapshot is not None, "the configuration was checked"
        session, next_seq = wanted()
        try:
            login = Login(config.username, config.password, session)
            found = await glimpse.fetch(*address(config.snapshot), login)
        except SnapshotDenied as denied:
            if not self._known and self._late:
                self._end(str(denied), EXIT_CONFIG)
                return None
            refusal = str(denied)
        except SnapshotError as refused:
            refusal = str(refused)
        else:
            self._known = True
            session, next_seq = wanted()  # the lines may have named theirs meanwhile
            if session not in ("", found.session):
                refusal = f"it is of session {found.session}, and the feed of {session}"
            elif found.next_seq < next_seq:
                refusal = OLD
            else:
                log.warning("feed_resynchronised", next_seq=found.next_seq, bytes=len(found.packets))
                self._late = False
                self._patience.worked()
                return found
        await self._wait("snapshot", f"{why()}; {refusal}")
        return None

    async def _wait(self, refused: str, reason: str) -> None:
        """Say why we wait, where that is news, and wait: longer each time."""
        if self._closed.is_set():
            return
        self._refused(refused)
        if self._patience.failed(reason):
            log.warning("feed_refused", reason=reason)
            self._listener.feed_down(reason)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), self._patience.pause_s())

    def _say_lost(self, why: str) -> None:
        log.warning("feed_resync", reason=why, snapshot=self._config.snapshot)

    def _end(self, text: str, code: int) -> None:
        self._closed.set()
        self._fail(text, code)

    @property
    def _where(self) -> str:
        return f"{self._config.host}:{self._config.port}"


def always(what: Any) -> Callable[[], Any]:
    """Return what does not change while it is asked for."""
    return lambda: what
