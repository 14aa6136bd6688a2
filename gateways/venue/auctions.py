"""The exchange's crosses: opening, closing, and reopening after a halt, beside the matching engine.

Orders for a cross (TimeInForce 2 and 7, and in a halt or before the open DAY orders too) wait here; the cross
takes them together with what stands in the book, at one price for all (`market.auction`). Before it NOII
messages (I) say what it would come to, after it Q says what it came to, and C which displayed orders it
took. What is left of a DAY order joins the book; what was for the cross alone is canceled.

Which crosses there are the instrument says (`Instrument.auctions`); without any, nothing here happens.
"""

import random
from typing import TYPE_CHECKING, Final, NamedTuple

from gateways.feeds.itch_messages import build
from gateways.venue.outcomes import Own, of_order
from gateways.venue.publisher import LOCATE
from market.auction import MARKET, AuctionOrder, Interest, Uncross, allocate, uncross
from market.book_layout import H_MATCH_ID
from market.instruments import Auction
from market.matching_events import Outcome, OutcomeFlag, Tif, Why
from market.types import NS

if TYPE_CHECKING:
    from gateways.venue.exchange import Exchange

OPENING, CLOSING, HALT = "O", "C", "H"  # cross types of I and Q
ORDERS_MAX: Final = 10_000  # that wait for a cross; beyond it the venue refuses
NOII_EVERY_NS: Final = 5 * NS  # the exchange: every second of the last minutes
OPENING_NOII_NS: Final = 120 * NS  # before the open, as the exchange has it
CLOSING_NOII_NS: Final = 600 * NS  # before the close: from 15:50
LEVELS_SEEN: Final = 1_024  # of the book in an indication; a cross itself takes all of it
OTHERS: Final = 40  # modelled orders a side
OTHERS_BP: Final = 300  # of a day's volume: what others bring to a close; an opening has a third of it
WIDTH_BP: Final = 50  # within which others' limits lie around the mid
CROSSES: Final = int(OutcomeFlag.CROSS)
ENDS: Final = {int(Outcome.REJECTED): int(Outcome.CANCELED)}
DISPLAYED: Final = int(OutcomeFlag.CROSS | OutcomeFlag.RESTING)


class Waiting(NamedTuple):
    """An order that waits."""

    order: AuctionOrder
    tif: int
    flags: int  # of what joins the book afterwards


class Auctions:
    """All that waits, and what becomes of it."""

    def __init__(self, exchange: "Exchange", seed: int) -> None:
        self.waiting: dict[int, Waiting] = {}
        self._exchange = exchange
        self._random = random.Random(seed)  # noqa: S311  (others' orders, no secrets)
        self._others: list[AuctionOrder] = []
        self._enabled = frozenset(exchange.instrument.auctions)

    # --- when ---------------------------------------------------------------------------------------

    def plan(self) -> None:
        """Put the crosses of the window into the exchange's agenda."""
        exchange = self._exchange
        opens, closes = exchange.instrument.session(exchange.instrument.day_of(exchange.window[0]))
        begin, end = exchange.window
        if self.has_opening:
            self._bring_others(3)
            self._indicate_until(max(begin, opens - OPENING_NOII_NS), opens, OPENING)
            exchange.at(opens, self._open)
        if Auction.CLOSE in self._enabled and begin < closes <= end:
            exchange.at(max(begin, closes - CLOSING_NOII_NS), lambda: self._bring_others(1))
            self._indicate_until(max(begin, closes - CLOSING_NOII_NS), closes, CLOSING)
            exchange.at(closes, self._close)

    @property
    def has_opening(self) -> bool:
        """Whether the window begins before an open with a cross."""
        exchange = self._exchange
        opens, _ = exchange.instrument.session(exchange.instrument.day_of(exchange.window[0]))
        return Auction.OPEN in self._enabled and exchange.window[0] < opens < exchange.window[1]

    @property
    def queues(self) -> bool:
        """Whether a DAY order that comes now waits for a cross instead of being refused."""
        exchange = self._exchange
        if exchange.trading or exchange.closed:
            return False
        return Auction.REOPEN in self._enabled or (self.has_opening and not exchange.begun)

    def entry_fault(self, tif: int) -> str:
        """Return why an order of this time in force cannot be taken now, "" where it can."""
        exchange = self._exchange
        if tif == Tif.CLOSE:
            if Auction.CLOSE not in self._enabled:
                return "there is no closing cross"
            _, closes = exchange.instrument.session(exchange.instrument.day_of(exchange.window[0]))
            if exchange.now_ns >= closes - exchange.instrument.close_cutoff_s * NS:
                return "entry for the close has ended"
        elif tif == Tif.OPG:
            if not self.queues:
                return "no opening or reopening cross is due"
        elif not exchange.trading and (not self.queues or tif != Tif.DAY):
            return "trading is halted"
        if len(self.waiting) >= ORDERS_MAX:
            return f"{ORDERS_MAX} orders wait for a cross"
        return ""

    def stopped(self) -> None:
        """Trading has stopped: until it goes on, say again and again what the reopening would come to."""
        exchange = self._exchange

        def look() -> None:
            if not exchange.trading and not exchange.closed:
                self.indicate(HALT)
                exchange.at(exchange.now_ns + NOII_EVERY_NS, look)

        if Auction.REOPEN in self._enabled and exchange.begun and not exchange.closed:
            exchange.at(exchange.now_ns + NOII_EVERY_NS, look)

    # --- orders -------------------------------------------------------------------------------------

    def takes(self, tif: int) -> bool:
        """Return whether an order that comes now belongs here and not to the engine."""
        return tif in (Tif.OPG, Tif.CLOSE) or (tif == Tif.DAY and self.queues)

    def enter(self, order: AuctionOrder, tif: int, flags: int) -> list[Own]:
        """Take an order in."""
        self.waiting[order.order_id] = Waiting(order, tif, flags)
        return [of_order(self._exchange.now_ns, Outcome.ACCEPTED, order, order.size)]

    def cancel(self, order_id: int) -> list[Own]:
        """Take an order off."""
        order = self.waiting.pop(order_id).order
        return [of_order(self._exchange.now_ns, Outcome.CANCELED, order, 0, Why.USER)]

    def replace(self, order_id: int, new_id: int, price_e4: int, size: int, flags: int) -> list[Own]:
        """Give an order other terms; it goes to the end."""
        before = self.waiting.pop(order_id)
        order = before.order._replace(order_id=new_id, price_e4=price_e4, size=size)
        self.waiting[new_id] = Waiting(order, before.tif, flags)
        own = of_order(self._exchange.now_ns, Outcome.REPLACED, order, size)
        return [own._replace(resting_id=order_id)]

    # --- crosses ------------------------------------------------------------------------------------

    def reopen(self) -> None:
        """After a halt: what came meanwhile crosses with the book, before trading goes on."""
        if Auction.REOPEN in self._enabled:
            self._cross(HALT, (Tif.OPG, Tif.DAY))

    def _open(self) -> None:
        exchange = self._exchange
        self._cross(OPENING, (Tif.OPG, Tif.DAY))
        exchange.begun = True
        exchange.publisher.system(exchange.now_ns, "Q")
        exchange.states.lift()

    def _close(self) -> None:
        exchange = self._exchange
        self._cross(CLOSING, (Tif.CLOSE,))
        exchange.close()

    def indicate(self, kind: str) -> Uncross:
        """Say (I) what the cross would come to now."""
        tifs = (Tif.CLOSE,) if kind == CLOSING else (Tif.OPG, Tif.DAY)
        bids, bid_sizes, asks, ask_sizes = self._exchange.engine.book.levels(LEVELS_SEEN).tolist()
        rows: dict[int, list[tuple[int, int]]] = {
            1: [(p, s) for p, s in zip(bids, bid_sizes, strict=True) if s],
            -1: [(p, s) for p, s in zip(asks, ask_sizes, strict=True) if s],
        }
        for order in self._orders(tifs):
            rows[order.side].append((order.price_e4, order.size))
        found = self._uncross(Interest.of(rows[1]), Interest.of(rows[-1]))
        self.notice(kind, found)
        return found

    def notice(self, kind: str, found: Uncross) -> None:
        """Publish a NOII message."""
        self._say(
            "I",
            paired=found.paired,
            imbalance=found.imbalance,
            direction={1: "B", -1: "S"}.get(found.direction, "N" if found.crosses else "O"),
            stock=str(self._exchange.instrument.symbol),
            far=found.price_e4,
            near=found.price_e4,
            reference=self._exchange.reference_e4,
            cross=kind,
            variation="L",
        )

    def _cross(self, kind: str, tifs: tuple[int, ...]) -> None:
        """Let everything meet that may, and tell everybody."""
        exchange = self._exchange
        book = [
            AuctionOrder(o.order_id, o.side, o.price_e4, o.leaves, o.owner, True)
            for o in exchange.engine.book.orders()
        ]
        orders = [*book, *self._orders(tifs)]
        sides = [Interest.of((o.price_e4, o.size) for o in orders if o.side == side) for side in (1, -1)]
        found = self._uncross(*sides)
        match_id = self._next_match()
        owns = []
        for side in (1, -1):
            for at, size in allocate(orders, side, found.price_e4, found.paired):
                owns.append(self._fill(orders[at], size, found.price_e4, match_id))
        exchange.crossed(owns, found)
        self._print(kind, found, match_id)
        exchange.tell([own for own in owns if own.resting_owner > 0])
        self._others.clear()
        self._leave(tifs)

    def print_cross(self, kind: str, found: Uncross) -> None:
        """Publish a cross that others had among themselves."""
        self._exchange.crossed([], found)
        self._print(kind, found, self._next_match())

    def _next_match(self) -> int:
        arena = self._exchange.engine.book.arena
        arena[H_MATCH_ID] += 1
        return int(arena[H_MATCH_ID])

    def _print(self, kind: str, found: Uncross, match_id: int) -> None:
        self._say(
            "Q",
            shares=found.paired,
            stock=str(self._exchange.instrument.symbol),
            price=found.price_e4,
            match=match_id,
            cross=kind,
        )

    def _fill(self, order: AuctionOrder, size: int, price_e4: int, match_id: int) -> Own:
        """Take shares of one order out, in the book or here; return what happened to it."""
        exchange, left = self._exchange, order.size - size
        if order.displayed:
            exchange.engine.cancel(order.order_id, size=size, owner=order.owner, ts_ns=exchange.now_ns)
        elif order.order_id in self.waiting:
            waits = self.waiting[order.order_id]
            self.waiting[order.order_id] = waits._replace(order=order._replace(size=left))
        return Own(
            ts_ns=exchange.now_ns,
            order_id=0,
            resting_id=order.order_id,
            price_e4=price_e4,
            size=size,
            leaves=0,
            resting_leaves=left,
            match_id=match_id,
            owner=0,
            resting_owner=order.owner,
            kind=int(Outcome.TRADE),
            side=order.side,
            reason=0,
            flags=DISPLAYED if order.displayed else CROSSES,
        )

    def _leave(self, tifs: tuple[int, ...]) -> None:
        """Let go of what was for this cross alone, and of what it filled whole."""
        exchange = self._exchange
        for order_id, (order, tif, _) in list(self.waiting.items()):
            if tif in tifs and (tif != Tif.DAY or not order.size):
                del self.waiting[order_id]
                if order.size:
                    exchange.tell([of_order(exchange.now_ns, Outcome.CANCELED, order, 0, Why.AUCTION)])

    def resumed(self) -> None:
        """Trading goes on: what DAY orders have left joins the book, in the order in which they came.

        They were accepted long ago: what the book does not take now, a post-only order that would trade, is
        canceled and not rejected.
        """
        exchange = self._exchange
        for order_id, (order, tif, flags) in list(self.waiting.items()):
            if tif == Tif.DAY:
                del self.waiting[order_id]
                owns = exchange.new(
                    order_id, order.side, order.price_e4, order.size, order.owner, Tif.DAY, flags
                )
                ends = [own._replace(kind=ENDS.get(own.kind, own.kind)) for own in owns]
                exchange.tell([own for own in ends if own.kind != Outcome.ACCEPTED])

    def over(self) -> None:
        """Expire what still waits when the session is over."""
        now_ns = self._exchange.now_ns
        gone = [
            of_order(now_ns, Outcome.CANCELED, w.order, 0, Why.SESSION_OVER) for w in self.waiting.values()
        ]
        self.waiting.clear()
        self._exchange.tell(gone)

    # --- helpers ------------------------------------------------------------------------------------

    def _orders(self, tifs: tuple[int, ...]) -> list[AuctionOrder]:
        return [w.order for w in self.waiting.values() if w.tif in tifs] + self._others

    def _uncross(self, buys: Interest, sells: Interest) -> Uncross:
        exchange = self._exchange
        reference_e4 = exchange.reference_e4
        return uncross(buys, sells, reference_e4, exchange.instrument.tick_e4(reference_e4))

    def _bring_others(self, part: int) -> None:
        """Model what others bring: half at any price, half with limits around the mid, both sides alike."""
        exchange, draw = self._exchange, self._random
        mid_e4, total = exchange.reference_e4, exchange.instrument.adv * OTHERS_BP // 10_000 // part
        if not mid_e4 or total < 2 * OTHERS:
            return
        tick_e4, lot = exchange.instrument.tick_e4(mid_e4), exchange.instrument.lot
        for side in (1, -1):
            for number in range(OTHERS):
                size = max(lot, total // OTHERS * draw.randrange(50, 151) // 100 // lot * lot)
                away = draw.randrange(-WIDTH_BP, WIDTH_BP + 1)
                price_e4 = mid_e4 * (10_000 + away) // 10_000 // tick_e4 * tick_e4
                order = AuctionOrder(exchange.new_id(), side, MARKET if number % 2 else price_e4, size)
                self._others.append(order)

    def _indicate_until(self, begin_ns: int, end_ns: int, kind: str) -> None:
        exchange = self._exchange

        def look() -> None:
            self.indicate(kind)
            if exchange.now_ns + NOII_EVERY_NS < end_ns:
                exchange.at(exchange.now_ns + NOII_EVERY_NS, look)

        exchange.at(begin_ns, look)

    def _say(self, kind: str, **fields: int | str) -> None:
        exchange = self._exchange
        since_ns = exchange.now_ns - exchange.publisher.midnight_ns
        exchange.publisher.say(build(kind, LOCATE, since_ns, **fields), exchange.now_ns)
