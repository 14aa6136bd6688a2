"""The public feed's ways out: SoupBinTCP and snapshots always, MoldUDP64 lines where they are asked for.

All read one store: the same messages under the same sequence numbers.
"""

from typing import Final

from gateways.feeds.glimpse_server import GlimpseServer
from gateways.feeds.moldudp64_server import MoldServer
from gateways.feeds.soupbintcp_server import SoupServer

SOUP: Final = "soup"
LINES: Final = {"a": slice(0, 1), "b": slice(1, 2), "both": slice(None)}


class Feeds:
    """Every server of one feed, worked as one."""

    def __init__(
        self,
        soup: SoupServer,
        mold: MoldServer | None,
        mold_port: int = 0,
        glimpse: GlimpseServer | None = None,
        glimpse_port: int = 0,
    ) -> None:
        """`mold_port`: where retransmissions are asked for, `glimpse_port` snapshots; 0 = any free one."""
        self._soup = soup
        self._mold = mold
        self._mold_port = mold_port
        self._requests_port = 0
        self._glimpse = glimpse
        self._glimpse_port = glimpse_port

    @property
    def mold(self) -> dict[str, object] | None:
        """Where the MoldUDP64 feed is heard and asked; None: there is none."""
        if self._mold is None:
            return None
        lines = [f"{host}:{port}" for host, port in self._mold.lines]
        return {"lines": lines, "requests": self._requests_port}

    @property
    def glimpse(self) -> int:
        """The port of snapshots, once it listens; 0 where there are none."""
        return self._glimpse_port

    async def start(self, host: str, port: int) -> int:
        """Listen; return the SoupBinTCP port. An address that is in use raises OSError."""
        if self._mold is not None:
            self._requests_port = await self._mold.start(host, self._mold_port)
        if self._glimpse is not None:
            self._glimpse_port = await self._glimpse.start(host, self._glimpse_port)
        return await self._soup.start(host, port)

    def publish(self) -> None:
        """Send what was appended to the store."""
        self._soup.publish()
        if self._mold is not None:
            self._mold.publish()

    def end_session(self) -> None:
        """Tell everyone that nothing more will come, after everything that did."""
        self._soup.end_session()
        if self._mold is not None:
            self._mold.end_session()

    def silence(self, begin: bool, dead: bool) -> None:
        """Publish nothing until it ends; `dead`: nor heartbeats."""
        for server in (self._soup, self._mold):
            if server is not None:
                server.held, server.dead = begin, begin and dead
        if not begin:
            self.publish()

    def lose(self, messages: int, line: str) -> None:
        """Lose so many messages: of MoldUDP64's line a, b or both, or of SoupBinTCP by a later login.

        Where there is no MoldUDP64, its lines are SoupBinTCP's.
        """
        if line == SOUP or self._mold is None:
            self._soup.disconnect(messages)
        else:
            self._mold.lose(messages, LINES[line])

    def disconnect(self) -> None:
        """Cut every SoupBinTCP client off."""
        self._soup.disconnect()

    def close(self) -> None:
        """Stop listening and close what is open."""
        self._soup.close()
        if self._glimpse is not None:
            self._glimpse.close()
        if self._mold is not None:
            self._mold.close()
