"""The reference session: the venue's own prices for whoever wants a second opinion (V, e in; W, X, Y, f out).

A subscription gets the whole picture (W) at once. When it has changed, it gets the whole again
(MDUpdateType(265) 0) or what became of its entries (X, 265=1), conflated to `INTERVAL_NS`: 20 a second
of whichever time the venue runs on. Trading state goes out when it changes.
"""

from collections.abc import Callable
from typing import Final

from gateways.fix import requests as rq
from gateways.fix import venue_inbound, venue_outbound
from gateways.fix.market_data import ASK, BID, CHANGE, CLOSE, DELETE, NEW, TRADE, VOLUME
from gateways.fix.wire import SOH, Malformed, decimal_text, echo_text
from gateways.venue.exchange import Exchange
from gateways.venue.refusals import MISSING_FIELD, OTHER, UNSUPPORTED_TYPE, business_reject
from market.events import SecurityStatus
from market.types import Symbol

INTERVAL_NS: Final = 50_000_000  # 20 pictures a second
DEPTH_MAX: Final = 10  # levels of a side in one picture
SUBSCRIPTIONS_MAX: Final = 16  # the gate has one; some clients beside it
SNAPSHOT, SUBSCRIBE, STOP = "0", "1", "2"  # SubscriptionRequestType(263)
KNOWN: Final = frozenset((BID, ASK, TRADE, CLOSE, VOLUME))
FULL, INCREMENTAL = "0", "1"  # MDUpdateType(265)
UNKNOWN_SYMBOL, DUPLICATE_ID, TOO_MANY, BAD_UPDATE, BAD_TYPE = "0", "1", "2", "6", "8"  # MDReqRejReason(281)
Rows = dict[str, str]  # fields of an entry after its type, by MDEntryID(278)


class Subscription:
    """One V that lives on."""

    def __init__(self, asked: rq.MarketDataRequest) -> None:
        self.req_id = asked.req_id
        self.depth = min(asked.depth or DEPTH_MAX, DEPTH_MAX)
        self.types = frozenset(asked.entry_types) or KNOWN
        self.incremental = asked.update_type == INCREMENTAL
        self.told: Rows = {}


class Reference:
    """Answers requests of the reference session, and keeps its subscribers current."""

    def __init__(self, exchange: Exchange, send: Callable[[str], None], close_e4: int = 0) -> None:
        """`close_e4`: the previous close, 0 where nobody knows it."""
        self._exchange = exchange
        self._send = send
        self._close_e4 = close_e4
        self._subscriptions: dict[str, Subscription] = {}
        self._statuses: dict[str, SecurityStatus] = {}  # SecurityStatusReqID -> what was told last
        self._told_ns = 0

    def forget(self) -> None:
        """The session is gone and its subscriptions with it."""
        self._subscriptions.clear()
        self._statuses.clear()

    def request(self, raw: str) -> None:
        """Answer one application message of the session."""
        asked = venue_inbound.decode_request(raw)
        if isinstance(asked, rq.MarketDataRequest):
            self._market_data(asked)
        elif isinstance(asked, rq.SecurityStatusRequest):
            self._security_status(asked)
        else:
            msg_type = raw.split(f"{SOH}35=", 1)[-1].split(SOH, 1)[0]
            reason, text = UNSUPPORTED_TYPE, "this session serves market data (V) and security status (e)"
            if isinstance(asked, Malformed) and msg_type in ("V", "e"):
                reason, text = (MISSING_FIELD if "missing" in asked.reason else OTHER), asked.reason
            self._send(business_reject(raw, msg_type, reason, text))

    def tell(self, clock_ns: int) -> None:
        """Send what has changed, if it is time to; `clock_ns` is of the clock that conflates."""
        status = self._exchange.states.status() if self._statuses else None
        for req_id, told in self._statuses.items():
            if status is not None and told != status:
                self._statuses[req_id] = status
                self._send_status(req_id)
        if clock_ns - self._told_ns < INTERVAL_NS:
            return
        for subscription in self._subscriptions.values():
            rows = self._rows(subscription)
            if rows != subscription.told:
                tell = self._changes if subscription.incremental else self._whole
                self._told_ns = clock_ns
                self._send(tell(subscription, rows))
                subscription.told = rows

    def next_due_ns(self, clock_ns: int) -> int:
        """Return when `tell` has something that it held back, 2**63 - 1 = nothing."""
        for subscription in self._subscriptions.values():
            if self._rows(subscription) != subscription.told:
                return max(self._told_ns + INTERVAL_NS, clock_ns)
        return 2**63 - 1

    def _market_data(self, asked: rq.MarketDataRequest) -> None:
        if asked.subscription == STOP:
            self._subscriptions.pop(asked.req_id, None)
            return
        refused = self._refusal(asked)
        if refused is not None:
            self._send(venue_outbound.encode_market_data_reject(asked.req_id, *refused))
            return
        subscription = Subscription(asked)
        subscription.told = self._rows(subscription)
        self._send(self._whole(subscription, subscription.told))
        if asked.subscription == SUBSCRIBE:
            self._subscriptions[asked.req_id] = subscription

    def _refusal(self, asked: rq.MarketDataRequest) -> tuple[str, str] | None:
        symbol = self._exchange.instrument.symbol
        if asked.symbols != (symbol,):
            return UNKNOWN_SYMBOL, f"this venue has {symbol} alone"
        if asked.req_id in self._subscriptions:
            return DUPLICATE_ID, "MDReqID is in use"
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            return TOO_MANY, f"{SUBSCRIPTIONS_MAX} subscriptions are open"
        if not set(asked.entry_types) <= KNOWN:
            return BAD_TYPE, "MDEntryType is not 0, 1, 2, 5 or B"
        if asked.update_type not in (FULL, INCREMENTAL):
            return BAD_UPDATE, "MDUpdateType is not 0 or 1"
        return None

    def _security_status(self, asked: rq.SecurityStatusRequest) -> None:
        if asked.subscription == STOP:
            self._statuses.pop(asked.req_id, None)
            return
        if asked.symbol != self._exchange.instrument.symbol:
            unknown = SecurityStatus(symbol=Symbol(asked.symbol), trading=False, text="unknown symbol")
            self._send(venue_outbound.encode_security_status(asked.req_id, unknown))
            return
        if asked.subscription == SUBSCRIBE and len(self._statuses) < SUBSCRIPTIONS_MAX:
            self._statuses[asked.req_id] = self._exchange.states.status()
        self._send_status(asked.req_id)

    def _send_status(self, req_id: str) -> None:
        self._send(venue_outbound.encode_security_status(req_id, self._exchange.states.status()))

    def _rows(self, subscription: Subscription) -> Rows:
        """Return the picture, levels best first; what is not known is left out.

        A level's MDEntryID is its side and price, of everything else there is one entry of a type.
        """
        exchange, rows = self._exchange, {}
        levels = exchange.engine.book.levels(subscription.depth).tolist()
        for kind, prices, sizes in ((BID, levels[0], levels[1]), (ASK, levels[2], levels[3])):
            if kind in subscription.types:
                for price_e4, size in self._shown(kind, prices, sizes):
                    if size:
                        rows[f"{kind}-{price_e4}"] = f"270={decimal_text(price_e4)}{SOH}271={size}{SOH}"
        for kind, price_e4 in ((TRADE, exchange.last_e4), (CLOSE, self._close_e4)):
            if price_e4 and kind in subscription.types:
                rows[kind] = f"270={decimal_text(price_e4)}{SOH}"
        if VOLUME in subscription.types:
            rows[VOLUME] = f"271={exchange.volume}{SOH}"
        return rows

    def _shown(self, kind: str, prices: list[int], sizes: list[int]) -> list[tuple[int, int]]:
        """Return the levels of a side, with the order that only feeds show (a fault) as the best."""
        rows = list(zip(prices, sizes, strict=True))
        phantom = self._exchange.states.phantom
        if phantom is not None and kind == (BID if phantom[0] > 0 else ASK):
            rows = [phantom[1:], *[row for row in rows if row[0] != phantom[1]]][: len(rows)]
        return rows

    def _whole(self, subscription: Subscription, rows: Rows) -> str:
        """Return W: entries with an id where changes will name them, else with their level's place."""
        out, places = [], {BID: 0, ASK: 0}
        for entry_id, row in rows.items():
            kind = entry_id[0]
            if subscription.incremental:
                out.append(f"269={kind}{SOH}278={entry_id}{SOH}{row}")
            elif kind in places:
                places[kind] += 1
                out.append(f"269={kind}{SOH}{row}290={places[kind]}{SOH}")
            else:
                out.append(f"269={kind}{SOH}{row}")
        head = f"35=W{SOH}262={echo_text(subscription.req_id)}{SOH}55={self._exchange.instrument.symbol}{SOH}"
        return f"{head}268={len(out)}{SOH}{''.join(out)}"

    def _changes(self, subscription: Subscription, rows: Rows) -> str:
        """Return X: what is gone first, so that a reader never holds more levels than there are."""
        told, symbol = subscription.told, self._exchange.instrument.symbol
        steps = [(DELETE, i, row) for i, row in told.items() if i not in rows]
        steps += [(CHANGE, i, row) for i, row in rows.items() if i in told and told[i] != row]
        steps += [(NEW, i, row) for i, row in rows.items() if i not in told]
        out = [f"279={step}{SOH}269={i[0]}{SOH}278={i}{SOH}55={symbol}{SOH}{row}" for step, i, row in steps]
        return f"35=X{SOH}262={echo_text(subscription.req_id)}{SOH}268={len(out)}{SOH}{''.join(out)}"
