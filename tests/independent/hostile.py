"""A policy that means harm, an EMS that answers when it likes, and the real gate core between them.

Everything that the core sends is encoded as for the wire, read by the auditor and by this EMS; what the EMS
says goes to the auditor at once and to the core, decoded by the gate's own decoder, some time later. The
line may break at any instant, and orders be canceled behind the gate's back. All chance comes from one seed.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.gate.effects import AskMassStatus, AskStatus, SendCancel, SendMassCancel, SendOrder
from daemon.strict_toml import load_model
from gateways.fix.inbound import decode
from gateways.fix.outbound import Encoder
from gateways.fix.profile import PROFILES, Profile
from gateways.fix.wire import Malformed
from market import events as ev
from market.instruments import Instrument
from market.orders import NewOrder
from market.types import OrdType, ParentID, Side, Symbol, TimeInForce
from risk.posture import Posture
from tests.daemon.gate_harness import World, parent_order
from tests.independent.wire_checker import SOH, WireChecker, e4, tags
from tests.independent.wire_trips import TripChecker, Trips

SYMBOLS: Final = (Symbol("SYN"), Symbol("ALT"))
MS: Final = 1_000_000
SHOWN: Final = 10_000  # quantity at each touch
START_E4: Final = 1_000_000
SIDES: Final = ((Side.BUY, "SYN"), (Side.SELL, "ALT"), (Side.BUY, "ALT"), (Side.SELL, "SYN"))
TIMES: Final = (TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK)
ODD: Final = (0, -1, -100, True, float("nan"), float("inf"), 1e300, 2**31, 2**63, 2**80, 1.5)
ENCODER: Final = Encoder(load_model(PROFILES / "venue.toml", Profile))


@dataclass
class Resting:
    """An order as the EMS has it."""

    id: str
    symbol: str
    side: str
    qty: int
    price_e4: int
    cum: int = 0
    live: bool = True
    acked: bool = False
    requests: deque[dict[str, str]] = field(default_factory=deque)  # F and G without an answer

    @property
    def status(self) -> str:
        if not self.live:
            return "2" if self.cum >= self.qty else "4"
        return "1" if self.cum else "0" if self.acked else "A"


class Ems:
    """Truth. What it says waits in `line` until the core is given it, in order."""

    def __init__(self, checker: WireChecker, rng: random.Random) -> None:
        self.checker, self.rng = checker, rng
        self.orders: dict[str, Resting] = {}  # by first ClOrdID
        self.chain_of: dict[str, str] = {}
        self.active: dict[str, Resting] = {}
        self.line: deque[str] = deque()
        self.executions = 0

    def take(self, raw: str) -> None:
        """A message of the gate."""
        m = tags(raw)
        kind = m["35"]
        if kind == "D":
            price = e4(m["44"]) if "44" in m else 0
            order = Resting(m["11"], m["55"], m["54"], int(m["38"]), price)
            self.orders[m["11"]] = self.active[m["11"]] = order
            self.chain_of[m["11"]] = m["11"]
        elif kind in "FG":
            self.chain_of[m["11"]] = name = self.chain_of[m["41"]]
            self.orders[name].requests.append(m)
            self.active[name] = self.orders[name]
        elif kind == "H":
            self._say_status(self.orders[self.chain_of[m["11"]]], m["11"])
        elif kind == "AF":
            self._mass_status(m["584"])
        elif kind == "q":
            self._mass_cancel(m)

    def act(self) -> None:
        """Do something to one order, or nothing."""
        if not self.active:
            return
        rng = self.rng
        name = rng.choice(list(self.active))
        order = self.active[name]
        dice = rng.random()
        if order.live and not order.acked:
            order.acked = True
            if dice < 0.05:
                order.live = False
                self._say(order, "8", status="8")
            else:
                self._say(order, "0")
        elif order.live and dice < 0.45:
            self._fill(order)
        elif order.live and dice < 0.5 and not order.requests:
            order.live = False  # nobody asked for it
            self._say(order, "4", status="4")
        elif order.requests:
            self._answer(order, order.requests.popleft())
        if not order.live and not order.requests:
            del self.active[name]

    def _fill(self, order: Resting) -> None:
        qty = self.rng.randint(1, order.qty - order.cum)
        order.cum += qty
        order.live = order.cum < order.qty
        price = order.price_e4 - (1 if order.side == "1" else -1) * 100 * self.rng.randint(0, 3)
        self._say(order, "F", last=(qty, max(100, price)))

    def _answer(self, order: Resting, m: dict[str, str]) -> None:
        refused = not order.live or self.rng.random() < 0.25
        if not refused and m["35"] == "F":
            order.live = False
            self._say(order, "4", status="4", cl_ord_id=m["11"], orig=m["41"])
        elif not refused and int(m["38"]) > order.cum:
            order.qty, order.price_e4, orig, order.id = int(m["38"]), e4(m["44"]), order.id, m["11"]
            self._say(order, "5", orig=orig)
        else:
            self._refuse(order, m)

    def _refuse(self, order: Resting, m: dict[str, str]) -> None:
        response = "1" if m["35"] == "F" else "2"
        body = {"35": "9", "37": "O" + self.chain_of[order.id], "11": m["11"], "41": m["41"]}
        self._out(body | {"39": order.status, "434": response, "102": "0"})

    def _mass_cancel(self, m: dict[str, str]) -> None:
        self._out({"35": "r", "11": m["11"], "37": "M", "530": "7", "531": "7"})
        for name, order in list(self.active.items()):
            if order.live and self.rng.random() < 0.9:
                order.live = order.acked = False
                self._say(order, "4", status="4")
                if not order.requests:
                    del self.active[name]

    def cancel_behind(self) -> None:
        """Cancel on disconnect, for some, and nobody hears of it."""
        for name, order in list(self.active.items()):
            order.requests.clear()
            if order.live and self.rng.random() < 0.5:
                order.live = False
                self.checker.from_venue(self._raw(self._report(order, "4", "4", order.id)))
            if not order.live:
                del self.active[name]

    def _mass_status(self, request: str) -> None:
        live = [o for o in self.orders.values() if o.live]
        for left, order in enumerate(reversed(live)):
            last = "Y" if left == len(live) - 1 else "N"
            self._say_status(order, order.id, {"584": request, "911": str(len(live)), "912": last})
        if not live:
            none = {"35": "8", "11": "NONE", "37": "NONE", "17": "0", "150": "I", "39": "8", "54": "1"}
            self._out(none | {"55": "SYN", "14": "0", "151": "0", "584": request, "911": "0", "912": "Y"})

    def _say_status(self, order: Resting, cl_ord_id: str, more: dict[str, str] | None = None) -> None:
        self._out(self._report(order, "I", order.status, cl_ord_id) | {"17": "0"} | (more or {}))

    def _say(self, order: Resting, exec_type: str, status: str = "", **more: Any) -> None:
        body = self._report(order, exec_type, status or order.status, more.get("cl_ord_id", order.id))
        if "last" in more:
            qty, price = more["last"]
            body |= {"32": str(qty), "31": f"{price // 10_000}.{price % 10_000:04d}"}
        if "orig" in more:
            body["41"] = more["orig"]
        self._out(body)

    def _report(self, order: Resting, exec_type: str, status: str, cl_ord_id: str) -> dict[str, str]:
        self.executions += 1
        leaves = order.qty - order.cum if order.live else 0
        price = f"{order.price_e4 // 10_000}.{order.price_e4 % 10_000:04d}"
        return {
            "35": "8", "37": "O" + self.chain_of[order.id], "11": cl_ord_id, "17": f"E{self.executions}",
            "150": exec_type, "39": status, "55": order.symbol, "54": order.side, "38": str(order.qty),
            "44": price, "14": str(order.cum), "151": str(leaves), "6": "0",
        }  # fmt: skip

    def _raw(self, body: dict[str, str]) -> str:
        return "".join(f"{tag}={value}{SOH}" for tag, value in body.items())

    def _out(self, body: dict[str, str]) -> None:
        raw = self._raw(body)
        self.checker.from_venue(raw)
        self.line.append(raw)


class Attack:
    """One world: a gate, its EMS, its auditor, and who wants them to fail."""

    def __init__(self, seed: int, law: Any, checker: WireChecker, shown: int = SHOWN, **start: Any) -> None:
        self.rng = random.Random(seed)
        self.checker = checker
        self.trips = checker if isinstance(checker, TripChecker) else TripChecker(checker.law, {}, Trips())
        self.trips.shown = self.shown = shown
        self.others = dict.fromkeys(SYMBOLS, 0)  # what others have traded today
        instruments = tuple(Instrument(symbol=s, adv=2_000_000) for s in SYMBOLS)
        self.world = World(law, instruments=instruments, **start)
        self.ems = Ems(checker, self.rng)
        self.read = 0  # effects carried out
        self.mid = dict.fromkeys(SYMBOLS, START_E4)
        self.asked = 0  # orders that the policy wanted
        self.passed = 0
        self.admitted = 0
        self.parents: list[tuple[str, Side, str]] = []  # that the policy orders for
        self._begin()

    def _begin(self) -> None:
        w = self.world
        for session in ("reference", "order"):
            self.step(ev.SessionUp(session=session))
        for symbol in SYMBOLS:
            self.quote(symbol, self.mid[symbol], 100)
        self.deliver(len(self.ems.line))
        w.hello(7, symbols=SYMBOLS)
        self.wait(1_000 * MS)
        self.top_up()

    def top_up(self) -> None:
        """Hand over a new parent where one has ended, and lift what a person may lift."""
        live = self.world.core.state.live_parents
        self.parents = [p for p in self.parents if p[0] in live]
        for side, symbol in SIDES:
            if not any(p[1:] == (side, symbol) for p in self.parents):
                self.admitted += 1
                self._admit(f"P{self.admitted}", side, symbol, self.rng.randint(200, 9_000))

    def _admit(self, name: str, side: Side, symbol: str, qty: int) -> None:
        order = parent_order(qty, side, name)
        values = {f: getattr(order, f) for f in order.__struct_fields__} | {"symbol": Symbol(symbol)}
        self.step(ev.SubmitParent(request_id=1, parent=type(order)(**values)))
        if ParentID(name) in self.world.core.state.live_parents:
            self.checker.parents[name] = (side.value, qty)
            self.parents.append((name, side, symbol))
            self.trips.admitted(name, symbol)

    def step(self, event: ev.Event) -> None:
        """Step the core and carry out what it wants."""
        w = self.world
        if isinstance(event, ev.SessionUp | ev.ReferenceAlive | ev.ReferencePrice):
            self.checker.alive(w.now)
        w.step(event)
        for effect in w.sent[self.read :]:
            raw = self._encoded(effect)
            if raw:
                self.checker.to_venue(w.now, w.ts, raw)
                self.ems.take(raw)
        w.sent.clear()
        w.log.clear()

    def _encoded(self, effect: Any) -> str:
        if isinstance(effect, SendOrder):
            order = effect.approved.spend()
            self.passed += 1
            new = isinstance(order, NewOrder)
            return ENCODER.new(order, self.world.ts) if new else ENCODER.replace(order, self.world.ts)
        if isinstance(effect, SendCancel):
            return ENCODER.cancel(effect.order, self.world.ts)
        if isinstance(effect, SendMassCancel):
            return ENCODER.mass_cancel(effect.request, self.world.ts)
        if isinstance(effect, AskStatus):
            return ENCODER.status(effect.request, self.world.ts)
        return ENCODER.mass_status(effect.request) if isinstance(effect, AskMassStatus) else ""

    def deliver(self, most: int) -> None:
        """Give the core some of what the EMS said, in order."""
        for _ in range(min(most, len(self.ems.line))):
            raw = self.ems.line.popleft()
            event = decode(raw)
            self.trips.told(self.world.now, self.world.ts, raw)
            assert event is not None, "the EMS says what a gate knows"
            assert not isinstance(event, Malformed), event
            self.step(event)

    def wait(self, ns: int) -> None:
        """Let time pass, the reference line stay alive, and a timer fire."""
        self.world.now += ns
        self.world.ts += ns
        self.step(ev.ReferenceAlive())
        self.trips.look()
        self.step(ev.Timer())

    def quote(self, symbol: Symbol, mid: int, half: int, last: int = 0) -> None:
        """The reference line says a picture."""
        bid, ask = mid - half, mid + half
        self.checker.price(self.world.now, symbol, bid, ask, last)
        self.others[symbol] += self.rng.choice((0, 200, 2_000)) if self.trips is self.checker else 0
        mine = sum(o.cum for o in self.ems.orders.values() if o.symbol == symbol)
        volume = self.others[symbol] + mine if self.trips is self.checker else 0
        self.trips.volume(self.world.ts, symbol, volume)
        shown = {"bid_qty": self.shown, "ask_qty": self.shown, "volume": volume}
        self.step(ev.ReferencePrice(symbol=symbol, bid_e4=bid, ask_e4=ask, last_e4=last, **shown))

    def turn(self) -> None:
        """Something happens."""
        rng, w = self.rng, self.world
        dice = rng.random()
        if dice < 0.42:
            self._order()
        elif dice < 0.54:
            self._change()
        elif dice < 0.60:
            self._cancel()
        elif dice < 0.80:
            for _ in range(rng.choice((1, 1, 2, 12))):
                self.ems.act()
        elif dice < 0.90:
            self.deliver(rng.randint(0, 8))
        elif dice < 0.96:
            ns = rng.choice((0, 1, 999, 5 * MS, 40 * MS, 250 * MS))
            w.now += ns
            w.ts += ns
        elif dice < 0.98:
            self._move()
        elif dice < 0.999:
            self.wait(rng.choice((MS, 100 * MS, 300 * MS)))
            self.top_up()
        else:
            self._break_line()

    def _break_line(self) -> None:
        """The order line drops, some orders are canceled, and it comes back with what was missed."""
        self.step(ev.SessionDown(session="order", reason="broken"))
        self.ems.cancel_behind()
        self.wait(self.rng.choice((MS, 900 * MS)))
        self._order()
        self.step(ev.SessionUp(session="order"))
        self.deliver(self.rng.choice((0, 1, 1_000)))

    def _move(self) -> None:
        rng, symbol = self.rng, self.rng.choice(SYMBOLS)
        step = rng.choice((0, 100, -100, 500, -500, 30_000, -30_000))
        self.mid[symbol] = min(3 * START_E4, max(START_E4 // 3, self.mid[symbol] + step))
        half = rng.choice((50, 50, 100, 100, 200, 0, -100, 40_000))
        self.quote(symbol, self.mid[symbol], half, rng.choice((0, self.mid[symbol])))

    def _qty(self) -> Any:
        rng = self.rng
        if rng.random() < 0.03:
            return rng.choice(ODD)
        return rng.choice((1, rng.randint(1, 60), rng.randint(1, 300), rng.randint(1, 900)))

    def _price(self, symbol: Symbol) -> Any:
        rng = self.rng
        if rng.random() < 0.03:
            return rng.choice((*ODD, None))
        far = rng.choice((3, 3, 3, 3, 30, 230)) * 100
        return self.mid[symbol] + rng.randint(-far, far) // 100 * 100 + (rng.random() < 0.02)

    def _ids(self) -> dict[str, Any]:
        """Numbers of an intent, some of them lies."""
        rng, w = self.rng, self.world
        w.n += 1
        lie = rng.random() < 0.04
        return {
            "epoch": rng.choice((7, 8, 0)) if lie else 7,
            "n": rng.choice((w.n, w.n - 1, 0)) if lie else w.n,
            "decision_id": rng.choice((0, -1, w.n - 1)) if rng.random() < 0.04 else w.n,
            "decided_mono_ns": w.now - rng.choice((10**10, -1)) if rng.random() < 0.02 else w.now,
        }

    def _order(self) -> None:
        rng = self.rng
        for _ in range(rng.choice((1, 1, 1, 1, 30))):  # now and then a flood
            name, side, symbol = rng.choice(self.parents or [("P1", *SIDES[0])])
            if rng.random() < 0.03:
                side = rng.choice(list(Side))
            kind = rng.choice((OrdType.LIMIT,) * 9 + (OrdType.MARKET,))
            self.asked += 1
            self.step(
                ev.SubmitIntent(
                    parent_id=ParentID(name if rng.random() < 0.98 else "NOBODY"),
                    side=side,
                    qty=self._qty(),
                    price_e4=None if kind is OrdType.MARKET else self._price(Symbol(symbol)),
                    ord_type=kind,
                    time_in_force=rng.choice(TIMES if rng.random() < 0.97 else tuple(TimeInForce)),
                    post_only=rng.random() < 0.2,
                    **self._ids(),
                )
            )

    def _chain(self) -> Any:
        names = list(self.ems.active) or ["SH9-9"]
        return self.rng.choice(names) if self.rng.random() < 0.98 else "SH9-9"

    def _change(self) -> None:
        chain = self._chain()
        order = self.ems.orders.get(chain)
        symbol = Symbol(order.symbol) if order else SYMBOLS[0]
        self.asked += 1
        fields = {"qty": self._qty(), "price_e4": self._price(symbol)} | self._ids()
        if fields["price_e4"] is None:
            fields["price_e4"] = 0
        self.step(ev.ReplaceIntent(chain_id=chain, **fields))

    def _cancel(self) -> None:
        ids = self._ids()
        self.step(ev.CancelIntent(epoch=ids["epoch"], n=ids["n"], chain_id=self._chain()))

    @property
    def over(self) -> bool:
        """True where the gate trades no more and will not by itself."""
        return self.world.core.posture is Posture.KILLED or bool(self.world.core.state.posture.latched)
