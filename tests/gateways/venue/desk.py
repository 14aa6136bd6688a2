"""An exchange and its EMS without sockets: requests as FIX text in, reports as fields out."""

from datetime import date
from typing import Any

import numpy as np

from gateways.feeds.itch import Decoder, new_batch
from gateways.feeds.soupbintcp_server import PacketStore
from gateways.venue.actions import LineAction
from gateways.venue.director import Director
from gateways.venue.ems import Ems
from gateways.venue.exchange import Exchange
from gateways.venue.line import Marks
from gateways.venue.prices import Prices
from gateways.venue.publisher import Publisher
from gateways.venue.scenario import Scenario
from market.book import OrderBook
from market.flow.flow import ENDED
from market.instruments import Instrument
from market.matching import MatchingEngine
from market.matching_events import OUTCOME
from market.types import Symbol

SOH = "\x01"
INSTRUMENT = Instrument(symbol=Symbol("SYN"))
MIDNIGHT_NS = 1_704_171_600_000_000_000
BEGIN_NS = MIDNIGHT_NS + 36_000 * 10**9
END_NS = BEGIN_NS + 600 * 10**9
DAY = date(2024, 1, 2)
Fields = dict[str, str]


class NoFlow:
    """A market without anybody else."""

    def next_ts_ns(self) -> int:
        return ENDED

    def advance(self, engine: MatchingEngine, until_ns: int) -> Any:
        return np.zeros(0, dtype=OUTCOME)


class Desk:
    """What a client of the venue has before it."""

    def __init__(
        self,
        flow: Any = None,
        pending_reports: bool = False,
        delay_ns: int = 0,
        scenario: Scenario | None = None,
        instrument: Instrument = INSTRUMENT,
        window: tuple[int, int] = (BEGIN_NS, END_NS),
        close_e4: int = 0,
    ) -> None:
        self.store = PacketStore()
        self.publisher = Publisher(self.store, instrument, MIDNIGHT_NS, delay_ns)
        self.engine = MatchingEngine(orders_max=1 << 14, outcomes_max=1 << 15)
        self.exchange = Exchange(
            self.engine, flow or NoFlow(), instrument, window, self.publisher, 1, close_e4
        )
        self.sent: list[Fields] = []
        self.bodies: list[str] = []
        self.ems = Ems(self.exchange, "T", lambda body: self.director.report(body), pending_reports)
        self.reference_bodies: list[str] = []
        self.noted: list[tuple[int, str, str]] = []
        self.marks: list[Marks] = []  # of each body
        self.commands: list[tuple[int, LineAction, bool]] = []
        self.reference = Prices(self.exchange, self.reference_bodies.append, 0, self._note)
        self.director = Director(
            scenario or Scenario(), self.exchange, self.ems, self.reference, self, DAY, self._note
        )
        self._seq = 0
        self._ids = 0

    def opened(self) -> "Desk":
        """Begin the window."""
        self.director.open()
        return self

    def wait(self, seconds: float) -> list[Fields]:
        """Let market time go on; return what came."""
        before = len(self.sent)
        self.director.advance(self.exchange.now_ns + round(seconds * 10**9))
        return self.sent[before:]

    def rest(self, side: int, price_e4: int, size: int) -> int:
        """Let somebody else put an order into the book."""
        self._ids += 1
        outcomes = self.engine.new(self._ids, side, price_e4, size, ts_ns=self.exchange.now_ns)
        for own in self.exchange._took(outcomes):
            self.ems.happened(own)
        return self._ids

    def message(self, msg_type: str, *fields: tuple[int, object]) -> str:
        """Return a message as the engine hands it over."""
        self._seq += 1
        head = f"8=FIX.4.4{SOH}9=0{SOH}35={msg_type}{SOH}34={self._seq}{SOH}49=C{SOH}56=V{SOH}"
        return head + "".join(f"{tag}={value}{SOH}" for tag, value in fields) + f"10=000{SOH}"

    def ask(self, msg_type: str, *fields: tuple[int, object]) -> list[Fields]:
        """Send a request; return what came back."""
        before = len(self.sent)
        self.director.request(self.message(msg_type, *fields))
        return self.sent[before:]

    def new(
        self, cl_ord_id: str, side: int, qty: int, price: str | None, *more: tuple[int, object]
    ) -> list[Fields]:
        """Send D of account ACC."""
        kind: list[tuple[int, object]] = [(40, 2), (44, price)] if price else [(40, 1)]
        head: list[tuple[int, object]] = [(11, cl_ord_id), (1, "ACC"), (55, "SYN"), (54, side), (38, qty)]
        given = {tag for tag, _ in more}
        return self.ask("D", *[f for f in [*head, *kind] if f[0] not in given], *more)

    def cancel(self, cl_ord_id: str, orig: str, side: int = 1) -> list[Fields]:
        """Send F."""
        return self.ask("F", (11, cl_ord_id), (41, orig), (55, "SYN"), (54, side), (38, 100))

    def replace(
        self, cl_ord_id: str, orig: str, side: int, qty: int, price: str, *more: tuple[int, object]
    ) -> list[Fields]:
        """Send G."""
        fields = [(11, cl_ord_id), (41, orig), (55, "SYN"), (54, side), (38, qty), (40, 2), (44, price)]
        given = {tag for tag, _ in more}
        return self.ask("G", *[f for f in fields if f[0] not in given], *more)

    def rebuilt(self) -> OrderBook:
        """Return the book that a reader of the feed has."""
        data = self.store.read(0, self.store.size)
        return book_of(data, Decoder(MIDNIGHT_NS), OrderBook(1 << 14, 1 << 12))

    def report(self, body: str, marks: Marks) -> None:
        """Take what the director sends."""
        self.bodies.append(body)
        self.marks.append(marks)
        self.sent.append(dict(f.split("=", 1) for f in body.split(SOH)[:-1]))

    def command(self, action: LineAction, begin: bool) -> None:
        """Take what the director wants of a line."""
        self.commands.append((self.exchange.now_ns, action, begin))

    def _note(self, ts_ns: int, what: str, text: str) -> None:
        self.noted.append((ts_ns, what, text))


def book_of(data: bytes, decoder: Decoder, book: OrderBook) -> OrderBook:
    """Return the book that messages of a feed come to."""
    batch, at = new_batch(256), 0
    while at < len(data):
        events, used = decoder.decode(data[at:], batch)
        assert used, decoder.error
        at += used
        book.apply(batch[:events])
    assert book.counters.anomalies == 0
    return book


def brief(fields: Fields) -> tuple[str, ...]:
    """Return ExecType, OrdStatus, OrderQty, CumQty, LeavesQty of a report: a row of FIX's matrices."""
    return tuple(fields[tag] for tag in ("150", "39", "38", "14", "151"))
