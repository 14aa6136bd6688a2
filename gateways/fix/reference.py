"""The gate's own reference prices: subscribe, keep the picture of each symbol, yield events.

    reference = Reference(lambda body: engine.send("reference", body), symbols)
    reference.receive(message) -> tuple[Event, ...]   # every message of the session's inbox

Yields SessionUp, SessionDown, ReferencePrice (whole pictures), SecurityStatus, ReferenceAlive and
MessageRejected. What cannot be read makes every price unknown (an empty picture is sent on, which R06
refuses) and the subscription is made anew, RESUBSCRIPTIONS_MAX times a logon. So it is where the source
asks for messages of ours again before it has told every price: a subscription sent right after the logon
is skipped with what was lost before it, since the engine sends nothing twice.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from gateways.fix import market_data as md
from gateways.fix.inbound import decode
from gateways.fix.sessions import REFERENCE, Alive, LoggedOn, LoggedOut, Message, Received
from gateways.fix.wire import Malformed
from market.events import (
    Event,
    MessageRejected,
    MessagesUnsent,
    ReferenceAlive,
    ReferencePrice,
    SecurityStatus,
    SessionDown,
    SessionUp,
)
from market.types import Symbol

LEVELS_MAX: Final = 64  # of one side; we ask for 5
RESUBSCRIPTIONS_MAX: Final = 5  # a source that sends garbage again and again is not used


def no_age(_: str) -> int:
    """Say that a message is as old as its reading."""
    return 0


class Picture:
    """What is known of one symbol."""

    def __init__(self) -> None:
        # By entry id, or by price where the source sends none.
        self._sides: dict[str, dict[str | int, tuple[int, int]]] = {md.BID: {}, md.ASK: {}}
        self._last_e4 = 0
        self._close_e4 = 0
        self._volume = 0

    def apply(self, entry: md.MarketDataEntry) -> str:
        """Take one entry in; return what is wrong with it, or nothing."""
        side = self._sides.get(entry.entry_type)
        if side is not None:
            return self._apply_level(side, entry)
        if entry.entry_type == md.VOLUME:
            self._volume = entry.qty or 0
        elif entry.entry_type == md.TRADE:
            self._last_e4 = entry.price_e4 or 0
        elif entry.entry_type == md.CLOSE:
            self._close_e4 = entry.price_e4 or 0
        return ""

    def _apply_level(self, side: dict[str | int, tuple[int, int]], entry: md.MarketDataEntry) -> str:
        key: str | int = entry.entry_id or (entry.price_e4 or 0)
        before = side.get(key)
        if entry.action == md.DELETE:
            side.pop(key, None)
            return ""
        price_e4 = entry.price_e4 if entry.price_e4 is not None else (before[0] if before else 0)
        qty = entry.qty if entry.qty is not None else (before[1] if before else 0)
        if price_e4 <= 0:
            return "a level without price"
        if before is None and len(side) >= LEVELS_MAX:
            return f"more than {LEVELS_MAX} levels"
        side[key] = (price_e4, qty)
        return ""

    def best(self, symbol: Symbol, late_ns: int = 0) -> ReferencePrice:
        """Return the picture as an event."""
        bid_e4 = max((price for price, _ in self._sides[md.BID].values()), default=0)
        ask_e4 = min((price for price, _ in self._sides[md.ASK].values()), default=0)
        return ReferencePrice(
            symbol=symbol,
            bid_e4=bid_e4,
            bid_qty=sum(qty for price, qty in self._sides[md.BID].values() if price == bid_e4),
            ask_e4=ask_e4,
            ask_qty=sum(qty for price, qty in self._sides[md.ASK].values() if price == ask_e4),
            last_e4=self._last_e4,
            close_e4=self._close_e4,
            volume=self._volume,
            bids=levels(self._sides[md.BID], -1),
            asks=levels(self._sides[md.ASK], 1),
            late_ns=late_ns,
        )


def levels(side: dict[str | int, tuple[int, int]], sign: int) -> tuple[tuple[int, int], ...]:
    """Return (price, quantity) of a side, best first; nothing where the touch is all there is."""
    if len(side) < 2:
        return ()
    sizes: dict[int, int] = {}
    for price_e4, qty in side.values():
        sizes[price_e4] = sizes.get(price_e4, 0) + qty
    return tuple(sorted(sizes.items(), key=lambda level: sign * level[0])[: md.DEPTH])


class Reference:
    """The reference session's life."""

    def __init__(
        self,
        send: Callable[[str], bool],
        symbols: tuple[Symbol, ...],
        theirs: Callable[[Symbol], str] = str,
        late_ns: Callable[[str], int] = no_age,
    ) -> None:
        """`late_ns`: how old a message is now, by what it says itself."""
        self._send = send
        self._late_ns = late_ns
        self._ours = {theirs(symbol): symbol for symbol in symbols}
        self._pictures: dict[Symbol, Picture] = {}
        self._subscriptions = 0
        self._since_logon = 0

    def receive(self, message: Message) -> tuple[Event, ...]:
        """Return what a message of the session's inbox means to the gate."""
        if isinstance(message, Received):
            return self._received(message.raw)
        if isinstance(message, Alive):
            return (ReferenceAlive(late_ns=self._late_ns(message.raw)),)
        if isinstance(message, LoggedOn):
            self._since_logon = 0
            self._subscribe()
            return (SessionUp(session=REFERENCE),)
        if isinstance(message, LoggedOut):
            self._pictures = {}
            return (SessionDown(session=REFERENCE, reason=message.reason),)
        return ()

    def _subscribe(self) -> None:
        self._pictures = {}
        if self._since_logon:
            self._request(md.STOP)  # a source that has the one before would send everything twice
        self._subscriptions += 1
        self._since_logon += 1
        self._request(md.SUBSCRIBE)

    def _request(self, kind: str) -> None:
        names = tuple(self._ours)
        self._send(md.encode_market_data_request(f"MD-{self._subscriptions}", names, kind))
        for number, name in enumerate(names, 1):
            self._send(md.encode_security_status_request(f"SS-{self._subscriptions}-{number}", name, kind))

    def _received(self, raw: str) -> tuple[Event, ...]:
        decoded = decode(raw)
        if isinstance(decoded, md.MarketData):
            return self._apply(decoded, self._late_ns(raw))
        if isinstance(decoded, SecurityStatus):
            ours = self._ours.get(decoded.symbol)
            if ours is None:
                return ()
            return (msgspec.structs.replace(decoded, symbol=ours, late_ns=self._late_ns(raw)),)
        if isinstance(decoded, md.MarketDataReject):
            if decoded.req_id != f"MD-{self._subscriptions}":
                return ()  # it never had the one that we stopped
            return (
                MessageRejected(
                    ref_msg_type="V", ref_id=decoded.req_id, reason=decoded.reason, text=decoded.text
                ),
            )
        if isinstance(decoded, MessageRejected):
            return (decoded,)
        if isinstance(decoded, MessagesUnsent):
            if len(self._pictures) < len(self._ours) and self._since_logon <= RESUBSCRIPTIONS_MAX:
                self._subscribe()
            return ()
        if isinstance(decoded, Malformed):
            return self._unknown()
        return ()

    def _apply(self, data: md.MarketData, late_ns: int) -> tuple[Event, ...]:
        touched: dict[Symbol, Picture] = {}
        if data.full and data.symbol in self._ours:  # a whole picture, empty ones included
            ours = self._ours[data.symbol]
            touched[ours] = self._pictures[ours] = Picture()
        for entry in data.entries:
            symbol = self._ours.get(entry.symbol)
            if symbol is None:
                continue
            picture = touched[symbol] = self._pictures.setdefault(symbol, Picture())
            if picture.apply(entry):
                return self._unknown()
        return tuple(picture.best(symbol, late_ns) for symbol, picture in touched.items())

    def _unknown(self) -> tuple[Event, ...]:
        """Forget every price: what was not read may have changed any of them."""
        if self._since_logon <= RESUBSCRIPTIONS_MAX:
            self._subscribe()
        else:
            self._pictures = {}
        return tuple(ReferencePrice(symbol=symbol) for symbol in self._ours.values())
