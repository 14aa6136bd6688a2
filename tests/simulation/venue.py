"""A broker's EMS that is honest, slow, forgetful or wrong, as a seed says; what it did is the truth.

It reads and writes FIX by itself: no codec, no engine, no word of the house. Every report is made at the
instant at which it became so (`truth`), and said some time later. What a client cannot have foreseen (a late
fill, a bust, a restatement) is a surprise: it counts for the auditor once it has reached the gate.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.fix_session import SOH, FixSession, Out, tags_of
from tests.simulation.loop import MS, SECOND, Loop
from tests.simulation.network import End, Road

TERMINAL: Final = frozenset("2348C")
Tags = dict[str, str]


@dataclass
class Manners:
    """What this EMS does wrong, as chances; 0 everywhere is a good one."""

    answer_ms: tuple[int, int] = (1, 30)
    fill: float = 0.6  # that something trades, at each look at an order
    refuse: float = 0.0
    refuse_change: float = 0.05
    pending: bool = False
    swallow: float = 0.0  # a request is never looked at
    silent: float = 0.0  # carried out, and not told
    twice: float = 0.0  # a report is said again, same ExecID
    resend: float = 0.0  # ... as PossResend
    late_fill: float = 0.0  # shares of an order that was reported cancelled
    unsolicited: float = 0.0
    restate: float = 0.0
    bust: float = 0.0
    correct: float = 0.0
    business: float = 0.0  # 35=j instead of work
    cancel_on_disconnect: float = 0.0
    # what no honest EMS does: the gate must halt
    overfill: float = 0.0
    clash: float = 0.0  # an ExecID twice, with other contents
    phantom: float = 0.0  # an order of ours that we never sent
    miscount: int = 0  # shares that it adds to a position when it is asked


@dataclass
class Order:
    """One order as the EMS has it."""

    id: str  # ClOrdID that it goes by
    first: str
    symbol: str
    side: str
    account: str
    qty: int
    price: str
    tif: str
    cum: int = 0
    money_e4: int = 0
    live: bool = True
    acked: bool = False
    ended: str = ""
    trades: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.ended:
            return self.ended
        if self.cum >= self.qty:
            return "2"
        return "1" if self.cum else "0" if self.acked else "A"

    @property
    def left(self) -> int:
        return max(0, self.qty - self.cum) if self.live else 0


def e4(text: str) -> int:
    """Return a price in 1e-4."""
    whole, _, part = text.partition(".")
    return int(whole) * 10_000 + int((part + "0000")[:4])


def decimal(price_e4: int) -> str:
    return f"{price_e4 // 10_000}.{price_e4 % 10_000:04d}"


class Venue:
    """Truth."""

    def __init__(self, loop: Loop, rng: random.Random, road: Road, wall_ns: Callable[[], int]) -> None:
        self.loop, self.rng, self.road = loop, rng, road
        self.manners = Manners()
        self.session = FixSession(
            loop, ("VENUE", "STEADYHAND"), self, None, wall_ns, initiator=False, heartbeat_s=10, persist=True
        )
        road.accept = self.accept
        self.orders: dict[str, Order] = {}  # by first ClOrdID
        self.named: dict[str, str] = {}  # every ClOrdID used: first one of its chain
        self.truth: Callable[[Tags], None] = lambda _: None
        self.surprise: Callable[[Tags], None] = lambda _: None
        self.executed: Callable[[Tags], None] = lambda _: None
        self.never: Callable[[Tags], None] = lambda _: None  # a request that is not looked at
        self.session.dropped = lambda raw: self.never(tags_of(raw))
        self.executions: dict[str, tuple[str, str, int, int]] = {}  # standing: symbol, side, qty, price
        self.lies = 0  # what no honest EMS does
        self.reports = 0
        self.open = True
        self.cod = False
        self._tell_after_ns = 0
        self._tick()

    # --- the session ------------------------------------------------------------------------------

    def accept(self, end: End) -> bool:
        if not self.open or self.session.end is not None:
            return False
        self.session.connected(end)
        return True

    def _tick(self) -> None:
        self.session.tick()
        self.loop.after(SECOND, self._tick)

    def on_logon(self) -> None:
        pass

    def on_logout(self) -> None:
        chance = self.manners.cancel_on_disconnect
        if self.cod and chance:
            for order in [o for o in self.orders.values() if o.live]:
                if self.rng.random() < chance:
                    self._end(order, "4", order.id, "")

    def to_admin(self, out: Out) -> None:
        pass

    def to_app(self, out: Out) -> bool:
        return True

    def from_admin(self, raw: str) -> None:
        tags = tags_of(raw)
        if tags["35"] == "A":
            self.cod = tags.get("7001") == "Y"

    def event(self, text: str) -> None:
        pass

    def tap(self, outgoing: bool, raw: str) -> None:
        pass

    def sent(self) -> None:
        pass

    def from_app(self, raw: str) -> None:
        """A request: looked at some time later, in order."""
        tags = tags_of(raw)
        low, high = self.manners.answer_ms
        due = self.loop.now_ns + self.rng.randint(low * MS, high * MS)
        self._tell_after_ns = max(self._tell_after_ns, due)
        self.loop.at(self._tell_after_ns, self._look, tags)

    def restart(self, ns: int) -> None:
        """Go down, with everything kept, and come back."""
        self.open = False
        self.session.disconnect()
        self.loop.after(ns, setattr, self, "open", True)

    # --- requests ---------------------------------------------------------------------------------

    def _look(self, m: Tags) -> None:
        if m["35"] in "DGF" and self.rng.random() < self.manners.swallow:
            self.never(m)
            return
        {"D": self._new, "F": self._change, "G": self._change, "H": self._status, "AF": self._statuses,
         "q": self._mass_cancel, "AN": self._positions}.get(m["35"], self._unknown)(m)  # fmt: skip

    def _unknown(self, m: Tags) -> None:
        self._say({"35": "j", "372": m["35"], "380": "3", "58": "unknown type"})

    def _new(self, m: Tags) -> None:
        rng, manners = self.rng, self.manners
        name = m["11"]
        if name in self.named:
            return  # the auditor has seen it
        self.named[name] = name
        order = Order(name, name, m["55"], m["54"], m["1"], int(m["38"]), m.get("44", "0"), m["59"])
        self.orders[name] = order
        if rng.random() < manners.business:
            order.live, order.ended = False, "8"
            self._truth(self._report(order, "8", name))
            self._say({"35": "j", "372": "D", "379": name, "380": "0", "58": "no"})
            return
        if rng.random() < manners.refuse:
            order.live, order.ended = False, "8"
            self._tell(order, "8", name)
            return
        if manners.pending:
            self._tell(order, "A", name)
        order.acked = True
        self._tell(order, "0", name)
        self._work(order)

    def _work(self, order: Order) -> None:
        """Let something become of an order, and look again later."""
        if not order.live:
            return
        rng, manners = self.rng, self.manners
        if rng.random() < manners.fill:
            self._fill(order, rng.randint(1, order.left))
        elif rng.random() < manners.unsolicited:
            self._end(order, "4", order.id, "")
        elif rng.random() < manners.restate and order.left > 1:
            order.qty = order.cum + rng.randint(1, order.left)
            self._tell(order, "D", order.id, surprise=True)
        if order.tif != "0" and order.live:
            self._end(order, "4", order.id, "")
        elif order.live:
            self.loop.after(rng.randint(20 * MS, 1_500 * MS), self._work, order)

    def _fill(self, order: Order, qty: int, surprise: bool = False) -> None:
        rng = self.rng
        price = max(100, e4(order.price) - (1 if order.side == "1" else -1) * 100 * rng.randint(0, 3))
        order.cum += qty
        order.money_e4 += qty * price
        if order.cum >= order.qty and not order.ended:
            order.live = False
        raw = self._report(order, "F", order.id) | {"32": str(qty), "31": decimal(price)}
        self._book(order, raw, qty, price)
        self._out(raw, surprise)
        if rng.random() < self.manners.bust:
            self.loop.after(rng.randint(MS, 3 * SECOND), self._take_back, order, raw["17"], "H")
        elif rng.random() < self.manners.correct:
            self.loop.after(rng.randint(MS, 3 * SECOND), self._take_back, order, raw["17"], "G")
        if rng.random() < self.manners.clash:
            self.lies += 1
            self._say(raw | {"32": str(qty + 1)})
        if order.cum == order.qty and rng.random() < self.manners.overfill:
            self.lies += 1
            self._fill(order, rng.randint(1, 100), surprise=True)

    def _book(self, order: Order, raw: Tags, qty: int, price_e4: int) -> None:
        order.trades[raw["17"]] = (qty, price_e4)
        self.executions[raw["17"]] = (order.symbol, order.side, qty, price_e4)

    def _take_back(self, order: Order, exec_id: str, kind: str) -> None:
        """Bust or correct one execution; the order does not work again."""
        if exec_id not in order.trades or (order.live and kind == "H"):
            return
        qty, price = order.trades.pop(exec_id)
        del self.executions[exec_id]
        order.cum -= qty
        order.money_e4 -= qty * price
        raw = self._report(order, kind, order.id) | {"19": exec_id, "151": str(order.left)}
        if kind == "G":
            price -= 100 if order.side == "1" else -100
            order.cum += qty
            order.money_e4 += qty * price
            raw |= {"32": str(qty), "31": decimal(price), "14": str(order.cum), "151": str(order.left)}
            self._book(order, raw, qty, price)
        else:
            order.ended = order.ended or "4"
            raw |= {"32": str(qty), "31": decimal(price), "39": order.ended}
        self._out(raw | {"39": order.status}, surprise=True)

    def _end(self, order: Order, status: str, cl_ord_id: str, orig: str) -> None:
        left = order.left
        order.live, order.ended = False, status
        self._tell(order, "4" if status == "4" else "C", cl_ord_id, orig)
        if left and self.rng.random() < self.manners.late_fill:
            self.loop.after(self.rng.randint(MS, SECOND), self._fill, order, self.rng.randint(1, left), True)

    def _change(self, m: Tags) -> None:
        """F or G."""
        order = self.orders.get(self.named.get(m["41"], ""))
        if m["11"] in self.named:
            return
        self.named[m["11"]] = order.first if order is not None else m["11"]
        if order is None or not order.live or order.id != m["41"]:
            reason = "1" if order is None else "0"
            self._refuse(m, order, reason)
        elif self.rng.random() < self.manners.refuse_change:
            self._refuse(m, order, "2")
        elif m["35"] == "F":
            if self.manners.pending:
                self._tell(order, "6", m["11"], order.id)
            orig, order.id = order.id, m["11"]
            self._end(order, "4", order.id, orig)
        elif int(m["38"]) <= order.cum:
            self._refuse(m, order, "2")
        else:
            if self.manners.pending:
                self._tell(order, "E", m["11"], order.id)
            orig, order.id = order.id, m["11"]
            order.qty, order.price = int(m["38"]), m["44"]
            self._tell(order, "5", order.id, orig)

    def _refuse(self, m: Tags, order: Order | None, reason: str) -> None:
        body = {"35": "9", "37": "O" + order.first if order else "NONE", "11": m["11"], "41": m["41"]}
        status = order.status if order else "8"
        raw = body | {"39": status, "434": "1" if m["35"] == "F" else "2", "102": reason}
        self._out(raw)

    def _mass_cancel(self, m: Tags) -> None:
        self.named[m["11"]] = m["11"]
        live = [o for o in self.orders.values() if o.live]
        self._say({"35": "r", "11": m["11"], "37": "M", "530": "7", "531": "7", "533": str(len(live))})
        for order in live:
            self._end(order, "4", order.id, "")

    def _status(self, m: Tags) -> None:
        order = self.orders.get(self.named.get(m["11"], ""))
        if order is None:
            none = {"35": "8", "37": "NONE", "17": "0", "150": "I", "39": "8", "54": m["54"], "55": m["55"]}
            self._say(none | {"11": m["11"], "14": "0", "151": "0", "58": "unknown order"})
        else:
            self._say(self._report(order, "I", m["11"]) | {"17": "0"})

    def _statuses(self, m: Tags) -> None:
        if self.rng.random() < self.manners.phantom:
            self.lies += 1
            ghost = Order("SHZZZ-1", "SHZZZ-1", "SYN", "1", "PAPER", 100, "100.00", "0", acked=True)
            self.orders[ghost.first], self.named[ghost.first] = ghost, ghost.first
        live = [o for o in self.orders.values() if o.live]
        for n, order in enumerate(live, 1):
            more = {"584": m["584"], "911": str(len(live)), "912": "Y" if n == len(live) else "N"}
            self._say(self._report(order, "I", order.id) | {"17": "0"} | more)
        if not live:
            none = {"35": "8", "11": "NONE", "37": "NONE", "17": "0", "150": "I", "39": "8", "54": "1"}
            more = {"55": "SYN", "14": "0", "151": "0", "584": m["584"], "911": "0", "912": "Y"}
            self._say(none | more)

    def _positions(self, m: Tags) -> None:
        off = self.manners.miscount
        self.lies += bool(off)
        same = {"710": m["710"], "721": m["710"], "727": "1", "728": "0", "1": m["1"]}
        self._say({"35": "AO"} | same | {"729": "0"})
        for symbol in sorted({order.symbol for order in self.orders.values()} or {"SYN"}):
            qty = self.position(symbol, 0) + off
            row = {"702": "1", "703": "TQ", "704": str(max(qty, 0)), "705": str(max(-qty, 0))}
            self._say({"35": "AP"} | same | {"55": symbol} | row)

    # --- reports ----------------------------------------------------------------------------------

    def _report(self, order: Order, exec_type: str, cl_ord_id: str) -> Tags:
        self.reports += 1
        return {
            "35": "8", "37": "O" + order.first, "11": cl_ord_id, "17": f"E{self.reports}",
            "150": exec_type, "39": order.status, "55": order.symbol, "54": order.side,
            "38": str(order.qty), "44": order.price, "14": str(order.cum), "151": str(order.left), "6": "0",
        }  # fmt: skip

    def _tell(self, order: Order, exec_type: str, name: str, orig: str = "", surprise: bool = False) -> None:
        raw = self._report(order, exec_type, name)
        if exec_type in "6EA":
            raw["39"] = exec_type
        if orig:
            raw["41"] = orig
        self._out(raw, surprise)

    def _truth(self, raw: Tags) -> None:
        self.truth(raw)

    def _out(self, raw: Tags, surprise: bool = False) -> None:
        """It became so; say it, unless this EMS forgets."""
        if surprise:
            self.surprise(raw)
        else:
            self._truth(raw)
        trade = raw.get("150") in ("F", "G", "H")
        if trade:
            self.executed(raw)
        if not trade and self.rng.random() < self.manners.silent:
            return
        self._say(raw)
        if self.rng.random() < self.manners.twice:
            self._say(raw)
        if self.rng.random() < self.manners.resend:
            self._say(raw | {"97": "Y"})

    def _say(self, raw: Tags) -> None:
        body = "".join(f"{tag}={value}{SOH}" for tag, value in raw.items() if tag != "35")
        self.session.send(raw["35"], body)

    def position(self, symbol: str, start: int) -> int:
        """Shares that the account holds."""
        return start + sum(
            (qty if side == "1" else -qty) for s, side, qty, _ in self.executions.values() if s == symbol
        )
