"""A trader that asks for orders over the link: well behaved, greedy or mad; it hangs and dies."""

import random
from typing import Any, Final

from gateways import link
from market import events as ev
from market import updates as up
from market.types import OrdStatus, OrdType, ParentID, ParentStatus, Side, Symbol, TimeInForce
from tests.simulation.gate import Lives, Transport
from tests.simulation.loop import MS, SECOND, Loop
from tests.simulation.prices import Prices

ODD: Final = (0, -1, 2**31, 10_000_000)
GARBAGE: Final = (b"\x00\x00\x00\x05hello", b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc0")
DONE: Final = frozenset({ParentStatus.FILLED, ParentStatus.EXPIRED, ParentStatus.CANCELED})


class Trader:
    """One symbol's trader, over all its lives."""

    def __init__(self, loop: Loop, rng: random.Random, lives: Lives, prices: Prices) -> None:
        self.loop, self.rng, self.lives, self.prices = loop, rng, lives, prices
        self.manner = "good"
        self.link: Transport | None = None
        self.epoch = 100
        self.n = 0
        self.until_ns = 0  # hangs until then
        self.parents: dict[str, up.ParentUpdate] = {}
        self.orders: dict[str, up.WorkingOrder] = {}
        self.decided: dict[int, int] = {}
        self.decided_of: dict[str, int] = {}  # chain: when its order was decided
        self.wishes = 0
        self.late_ns = 50_000
        self.pace_ms = (60, 260)
        self._act()

    def _connect(self) -> None:
        self.link = self.lives.connect("link.sock", self._heard)
        if self.link is None:
            return
        self.link.gone = self._gone
        self.epoch += 1
        self.n = 0
        self.decoder = link.Decoder(link.ToTrader)
        self.parents, self.orders, self.decided = {}, {}, {}
        hello = ev.TraderHello(
            protocol=ev.LINK_PROTOCOL,
            epoch=self.epoch,
            symbols=(Symbol("SYN"),),
            policy="twap",
            policy_sha256="",
            state_spec_sha256="",
            action_table_sha256="",
        )
        self.link.send(link.encode(hello))

    def _gone(self) -> None:
        self.link = None

    def die(self) -> None:
        """Killed; it comes again by itself."""
        if self.link is not None:
            self.link.hang_up()
            self.link = None
        self.until_ns = self.loop.now_ns + self.rng.randint(100 * MS, 3 * SECOND)

    def hang(self, ns: int) -> None:
        """Neither read nor ask."""
        self.until_ns = self.loop.now_ns + ns
        if self.link is not None:
            self.link.unread = True

    def _heard(self, data: bytes) -> None:
        for update in self.decoder.feed(data):
            if isinstance(update, up.ParentUpdate):
                self.parents[update.parent.parent_id] = update
            elif isinstance(update, up.OrderUpdate):
                order = update.order
                self.orders[order.chain_id] = order
                if update.epoch == self.epoch and update.n in self.decided:
                    self.decided_of.setdefault(order.chain_id, self.decided[update.n])

    def _act(self) -> None:
        self.loop.after(self.rng.randint(*self.pace_ms) * MS, self._act)
        if self.loop.now_ns < self.until_ns:
            return
        if self.link is None or self.link.closed:
            self._connect()
            return
        self.link.unread = False
        for _ in range(30 if self.manner == "mad" and self.rng.random() < 0.05 else 1):
            if self.link is not None and not self.link.closed:
                self._ask()

    def _ask(self) -> None:
        rng = self.rng
        working = [o for o in self.orders.values() if o.status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)]
        dice = rng.random()
        if self.manner == "mad" and dice < 0.03:
            assert self.link is not None
            self.link.send(rng.choice(GARBAGE))
        elif working and dice < 0.15:
            self._send(ev.CancelIntent, chain_id=rng.choice(working).chain_id)
        elif working and dice < 0.4:
            order = rng.choice(working)
            self._send(
                ev.ReplaceIntent,
                chain_id=order.chain_id,
                qty=order.cum_qty + rng.randint(1, 2 * max(1, order.leaves_qty)),
                price_e4=self._price(order.side),
                decided_mono_ns=self.loop.now_ns,
            )
        else:
            self._new()

    def _new(self) -> None:
        rng = self.rng
        live = [p for p in self.parents.values() if p.progress.status not in DONE]
        if not live:
            return
        told = rng.choice(live)
        room = told.headroom
        side = told.parent.side
        most = room.buy_qty_max if side is Side.BUY else room.sell_qty_max
        if self.manner == "good" and not (room.can_trade and room.rate_free and room.orders_free):
            return
        top = min(most, room.order_qty_max, 300) if self.manner == "good" else rng.choice((300, 3_000, 50))
        if top <= 0:
            return
        qty: Any = rng.randint(1, top)
        lie = self.manner == "mad" and rng.random() < 0.1
        if lie:
            qty, side = rng.choice(ODD), rng.choice(list(Side))
        self._send(
            ev.SubmitIntent,
            parent_id=ParentID(told.parent.parent_id),
            side=side,
            qty=qty,
            price_e4=self._price(side),
            ord_type=OrdType.LIMIT,
            time_in_force=rng.choice((TimeInForce.DAY,) * 4 + (TimeInForce.IOC,)),
            decision_id=self.n + 1,
            decided_mono_ns=self.loop.now_ns,
        )

    def _price(self, side: Side) -> int:
        away = self.rng.choice((0, 100, 200, 300, 1_000))
        return self.prices.mid_e4 // 100 * 100 - side.sign * away

    def _send(self, kind: Any, **fields: Any) -> None:
        self.n += 1
        self.wishes += 1
        n, epoch = self.n, self.epoch
        if self.manner == "mad" and self.rng.random() < 0.05:
            n, epoch = self.rng.choice(((n - 1, epoch), (n, epoch + 1), (0, epoch)))
        else:
            self.decided[n] = self.loop.now_ns
        assert self.link is not None
        self.link.send(link.encode(kind(epoch=epoch, n=n, **fields)), self.late_ns)
