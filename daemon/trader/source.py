"""The trader's feed: which line it follows, and how it comes back after a loss.

A cut TCP line is dialled again from the next number, a hole in UDP asked for (`gateways.feeds`). Where that
does not help, or for a late start where the configuration says so, a snapshot (`gateways.feeds.glimpse`)
gives the book anew, and the feed goes on behind it. Until then nobody decides.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from daemon.config import FeedSection
from daemon.runtime import EXIT_CONFIG, EXIT_NOT_CLEAN
from gateways.feeds import glimpse
from gateways.feeds.glimpse import Snapshot, SnapshotError
from gateways.feeds.listener import FeedListener
from gateways.feeds.moldudp64_client import MoldClient, address
from gateways.feeds.soupbintcp import Login
from gateways.feeds.soupbintcp_client import SoupClient

log = structlog.get_logger()

SNAPSHOT_TRIES_MAX: Final = 20  # without one that helps; with the wait between them, a publisher's restart
SNAPSHOT_RETRY_S: Final = 0.5
LATE: Final = "begins with a snapshot"


class Source:
    """Follows the configured feed until told to stop, or until nothing helps."""

    def __init__(
        self,
        config: FeedSection,
        listener: FeedListener,
        resynchronised: Callable[[Snapshot], None],
        fail: Callable[[str, int], None],
    ) -> None:
        """`resynchronised` takes a snapshot before the feed goes on behind it."""
        self._config = config
        self._listener = listener
        self._resynchronised = resynchronised
        self._fail = fail
        self._client: SoupClient | MoldClient | None = None
        self._late = config.start == "snapshot"
        self._closed = False

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
        self._closed = True
        if self._client is not None:
            self._client.close()

    async def _follow_soup(self) -> None:
        config, session, next_seq = self._config, "", 1
        while not self._closed:
            if self._late:
                found = await self._snapshot(always("", 1), LATE)
                if found is None:
                    return
                session, next_seq, self._late = found.session, found.next_seq, False
                self._resynchronised(found)
            login = Login(config.username, config.password, session, next_seq)
            client = self._client = SoupClient(self._listener, login)
            await client.run(config.host, config.port)
            if not client.state.refused:
                return
            if not client.state.gap:
                self._fail(f"the feed at {config.host}:{config.port}: {client.state.refused}", EXIT_CONFIG)
                return
            if config.snapshot is None:
                self._fail(
                    f"the feed at {config.host}:{config.port}: {client.state.refused}; "
                    "trader.feed.snapshot = HOST:PORT would mend it",
                    EXIT_NOT_CLEAN,
                )
                return
            self._listener.feed_down(client.state.refused)
            wanted = always(client.state.session, client.next_seq)
            found = await self._snapshot(wanted, client.state.refused)
            if found is None:
                return
            session, next_seq = client.state.session, found.next_seq
            self._resynchronised(found)

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
            self._fail(f"trader.feed.lines {', '.join(config.lines)}: {error}", EXIT_CONFIG)
            return
        while not self._closed:
            if not client.lost:
                await client.run()
            if not client.lost or self._closed:
                return
            if config.snapshot is None:
                text = "a new start asks for all of it again; trader.feed.snapshot = HOST:PORT would mend it"
                self._fail(f"the feed is lost: {client.lost}; {text}", EXIT_NOT_CLEAN)
                return
            found = await self._snapshot(client.wanted, client.lost)
            if found is None:
                return
            self._resynchronised(found)
            client.resume(found.next_seq, found.session)

    async def _snapshot(self, wanted: Callable[[], tuple[str, int]], why: str) -> Snapshot | None:
        """Return a snapshot that is not older than what we have; None: there is none, and we have failed.

        `wanted`: of which session, and where it may go on at the earliest; both may change while we try.
        """
        config = self._config
        assert config.snapshot is not None, "the configuration was checked"
        host, port = address(config.snapshot)
        log.warning("feed_resync", reason=why, snapshot=config.snapshot)
        error = "is older than what was heard already"
        for _ in range(SNAPSHOT_TRIES_MAX):
            if self._closed:
                return None
            session, next_seq = wanted()
            try:
                found = await glimpse.fetch(host, port, Login(config.username, config.password, session))
            except SnapshotError as refused:
                error = str(refused)
            else:
                session, next_seq = wanted()  # the lines may have named theirs meanwhile
                if session not in ("", found.session):
                    error = f"it is of session {found.session}, and the feed of {session}"
                elif found.next_seq >= next_seq:
                    log.warning("feed_resynchronised", next_seq=found.next_seq, bytes=len(found.packets))
                    return found
            await asyncio.sleep(SNAPSHOT_RETRY_S)
        self._fail(f"the feed is lost: {why}; {error}", EXIT_NOT_CLEAN)
        return None


def always(session: str, next_seq: int) -> Callable[[], tuple[str, int]]:
    """Return what a snapshot must be where that does not change while it is asked for."""
    return lambda: (session, next_seq)
