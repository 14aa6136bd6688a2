"""The venue's parts, built from its options, and warmed before anybody can reach them."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import structlog
from numpy.typing import NDArray

from daemon.strict_toml import ConfigError
from daemon.venue.lines import Acceptor, FaultyAcceptor
from daemon.venue.settings import ZERO_INTELLIGENCE, Options
from gateways.feeds import itch, itch_encode, soupbintcp_server
from gateways.feeds.glimpse_server import GlimpseServer, Mirror
from gateways.feeds.moldudp64_server import MoldServer
from gateways.feeds.soupbintcp_server import PacketStore, SoupServer
from gateways.fix.engine import Engine
from gateways.fix.sessions import (
    DROP_COPY,
    ORDER,
    REFERENCE,
    VENUE_DROP_COPY_COMP_ID,
    Inbox,
    Role,
    SessionSpec,
)
from gateways.link import Peer
from gateways.venue import digest
from gateways.venue.checks import PRICE_E4_MAX
from gateways.venue.director import Director
from gateways.venue.ems import Ems, Note
from gateways.venue.exchange import Exchange
from gateways.venue.feeds import Feeds
from gateways.venue.line import Lines
from gateways.venue.plain_acceptor import AskLogon, PlainAcceptor
from gateways.venue.prices import Prices
from gateways.venue.publisher import Publisher
from gateways.venue.scenario import Scenario
from market import matching
from market.events import LockAdvance, LockIdle
from market.flow import zero_intelligence
from market.flow.flow import Flow
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from market.matching import MatchingEngine
from market.types import NS

if TYPE_CHECKING:
    from market.tape import Tape

log = structlog.get_logger()

BOOK_ORDERS_MAX: Final = 1 << 17  # the largest full book at hand holds 66,833
OUTCOMES_MAX: Final = BOOK_ORDERS_MAX + (1 << 12)  # the longest command on a full book, and a batch


class Parts:
    """Exchange, EMS, reference prices and feed, wired to one another."""

    def __init__(
        self,
        options: Options,
        flow: Flow,
        lines: Lines,
        send_reference: Callable[[str], None],
        run: str = "",
        note: Note | None = None,
    ) -> None:
        lockstep = options.lockstep_socket is not None
        # In lockstep runs repeat exactly, so do their ids; otherwise no two runs share any, the feed's
        # session least of all: who resumes it with another run's numbers must hear that it began anew.
        self.run = run or (f"L{options.seed}" if lockstep else f"V{int(time.time()):X}")
        session = f"{options.day:%y%m%d}{options.seed % 10_000:04d}" if lockstep else self.run
        self.feed_session = session
        self.store = PacketStore()
        soup = SoupServer(self.store, session, options.username, options.password)
        mold = MoldServer(self.store, session, options.mold_lines) if options.mold_lines else None
        mirror = Mirror(self.store, options.midnight_ns, options.instrument.symbol)
        glimpse = GlimpseServer(mirror, soup)
        self.server = Feeds(soup, mold, options.mold_port, glimpse, options.glimpse_port)
        self.publisher = Publisher(
            self.store, options.instrument, options.midnight_ns, options.feed_latency_ns if lockstep else 0
        )
        engine = MatchingEngine(orders_max=BOOK_ORDERS_MAX, outcomes_max=OUTCOMES_MAX)
        self.exchange = Exchange(
            engine,
            flow,
            options.instrument,
            options.window,
            self.publisher,
            options.seed,
            options.close_e4,
        )
        self.ems = Ems(
            self.exchange, self.run, lambda body: self.director.report(body), options.pending_reports
        )
        self.prices = Prices(self.exchange, send_reference, options.close_e4, note)
        self.director = Director(
            options.scenario or Scenario(), self.exchange, self.ems, self.prices, lines, options.day, note
        )


def build_flow(options: Options) -> Flow:
    """Return what is played, with every kernel warm.

    Raises:
        ConfigError: one line, what is wrong and how to mend it.

    """
    matching.warm()
    digest.warm()
    itch.warm()
    itch_encode.warm()
    soupbintcp_server.warm()
    if options.tape is None and options.flow != ZERO_INTELLIGENCE:
        return _queue_reactive(options)
    if options.tape is None:
        zero_intelligence.warm()
        return ZeroIntelligenceFlow(options.seed, *options.window, options.instrument)
    from market.book_events import Flag
    from market.flow import tape as replay
    from market.tape import Tape, TapeError

    try:
        tape = Tape.open(options.tape)
    except TapeError as error:
        raise ConfigError(f"--tape {error}") from None
    events = tape.read(*options.window)
    edges = events["flags"] & (Flag.REVEAL | Flag.CONCEAL)  # orders that stand are no market by themselves
    if not (edges == 0).any():
        raise ConfigError(f"--tape {options.tape}: {_empty(tape, options)}")
    replay.warm()
    return replay.TapeFlow(publishable(events, options.tape))


def publishable(events: NDArray[Any], tape: Path) -> NDArray[Any]:
    """Return the events without the orders whose price the public feed cannot say: nobody ever meets them.

    Raises:
        ConfigError: the market itself is beyond the feed's prices.

    """
    from market.book_events import Kind

    high = events["price_e4"] > PRICE_E4_MAX
    if not high.any():
        return events
    ids = np.unique(events["order_id"][high])
    theirs = high | np.isin(events["order_id"], ids[ids != 0])
    met = ~np.isin(events["kind"], (Kind.ADD, Kind.CANCEL, Kind.DELETE)) | (high & (events["side"] > 0))
    if (theirs & met).any():
        raise ConfigError(
            f"--tape {tape}: it trades above {PRICE_E4_MAX / 10_000:,.4f}, where the prices of ITCH 5.0 end"
        )
    log.warning("orders_beyond_the_feed", orders=len(ids))
    return events[~theirs]


def _queue_reactive(options: Options) -> Flow:
    """Return the flow that answers to the book, of the calibration chosen."""
    from market.flow import queue_reactive
    from market.flow.queue_reactive_defaults import chosen
    from market.flow.queue_reactive_state import Episode

    try:
        calibration = chosen(options.flow.partition(":")[2])
    except ValueError as error:
        raise ConfigError(f"--flow {error}") from None
    tick_e4 = options.instrument.tick_e4(calibration.price_e4)
    if calibration.tick_e4 % tick_e4:
        symbol = options.instrument.symbol
        raise ConfigError(
            f"--flow {options.flow}: tick {calibration.tick_e4} is no multiple of {symbol}'s {tick_e4}"
        )
    queue_reactive.warm()
    begin_ns, end_ns = options.window
    open_s = (begin_ns - options.instrument.session(options.day)[0]) / NS
    return queue_reactive.QueueReactiveFlow(
        options.seed, begin_ns, end_ns, calibration, Episode(open_s=open_s)
    )


def _empty(tape: "Tape", options: Options) -> str:
    """Say that a window has no event, and where there are some."""
    zone = ZoneInfo(options.instrument.zone)

    def clock(ts_ns: int) -> str:
        return f"{datetime.fromtimestamp(ts_ns // NS, zone):%H:%M:%S}"

    text = f"has no event from {clock(options.window[0])} to {clock(options.window[1])}"
    if not tape.first_ns:
        return f"{text}, nor at any other time; ingest it anew"
    first, last = clock(tape.first_ns), clock(tape.last_ns)
    return f"{text}; it has events from {first} to {last}: change --from and --to"


def sessions(options: Options) -> list[SessionSpec]:
    """Return the FIX sessions; a venue's numbers live as long as its process, which is its day."""
    order = SessionSpec(
        name=ORDER,
        sender_comp_id=options.comp_id,
        target_comp_id=options.client_comp_id,
        port=options.fix_port,
        version=options.fix_version,
        in_memory=True,
    )
    reference = SessionSpec(
        name=REFERENCE,
        sender_comp_id=options.reference_comp_id,
        target_comp_id=options.reference_client_comp_id,
        port=options.reference_port,
        in_memory=True,
        persist=False,
    )
    if options.drop_copy_port is None:
        return [order, reference]
    copy = SessionSpec(
        name=DROP_COPY,
        sender_comp_id=VENUE_DROP_COPY_COMP_ID,
        target_comp_id=options.client_comp_id,
        port=options.drop_copy_port,
        in_memory=True,
    )
    return [order, reference, copy]


async def acceptor(
    options: Options,
    folder: Path,
    tap: Path | None,
    inbox: Inbox,
    logon: AskLogon,
    loop: asyncio.AbstractEventLoop,
) -> tuple[Acceptor, FaultyAcceptor | None]:
    """Return what takes FIX connections, listening; and itself again where it lets bytes go wrong."""
    if options.plain:
        plain = PlainAcceptor(sessions(options), tap, inbox, logon, loop)
        await plain.listen()
        return plain, plain
    engine = Engine(Role.ACCEPTOR, sessions(options), folder, tap, inbox, loop)
    engine.start()
    return engine, None


class LockstepServer:
    """The unix socket that the gate dials in lockstep; one gate at a time."""

    def __init__(self, idle: Callable[[LockIdle], None], came: Callable[[], None]) -> None:
        self._idle = idle
        self._came = came
        self._peer: Peer | None = None
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: Peer(LockIdle, self._messages, self._closed, self._opened), str(path)
        )

    @property
    def connected(self) -> bool:
        """True while a gate is here."""
        return self._peer is not None and self._peer.open

    def send(self, message: LockAdvance) -> None:
        """Tell the gate; one that is gone will come again."""
        if self._peer is not None:
            self._peer.send(message)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._peer is not None:
            self._peer.close("the venue stops")

    def _opened(self, peer: Peer) -> None:
        if self.connected:
            peer.close("another gate is here")
            return
        self._peer = peer
        self._came()

    def _messages(self, peer: Peer, messages: list[Any]) -> None:
        if peer is self._peer:
            for message in messages:
                self._idle(message)

    def _closed(self, peer: Peer, reason: str) -> None:  # noqa: ARG002  (a gate that stops is no event)
        if peer is self._peer:
            self._peer = None
