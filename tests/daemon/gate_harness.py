"""A gate core in a small world: one symbol, a trader, an EMS that the test plays by hand."""

from pathlib import Path
from typing import Any

import msgspec

from daemon.gate.core import GateCore
from daemon.gate.effects import Effect, Reply, SendCancel, SendOrder, Tell
from daemon.gate.retiring import look_up
from daemon.strict_toml import load_model
from market import events as ev
from market import updates as up
from market.instruments import Instrument
from market.orders import NewOrder
from market.parents import ParentOrder
from market.types import ExecType, OrdStatus, ParentID, Side, Symbol
from risk.limits import Limits

PAPER = load_model(Path(__file__).parents[2] / "deploy" / "limits.paper.toml", Limits)
# Worlds begin without positions, so that a sell from flat is no fault of theirs.
LIMITS = PAPER.model_copy(update={"shorts": PAPER.shorts.model_copy(update={"mark_required": False})})
SHOWN = 1_000  # quantity at each touch
SYN = Symbol("SYN")
INSTRUMENT = Instrument(symbol=SYN, adv=2_000_000)
OPEN_NS = 1_704_207_600_000_000_000  # 2024-01-02 10:00 in New York
SECOND = 1_000_000_000
BID, ASK = 1_000_000, 1_000_200


def limits(**sections: dict[str, Any]) -> Limits:
    """Return the paper limits with some values changed: limits(order={"qty_max": 5})."""
    tree = LIMITS.model_dump()
    for name, values in sections.items():
        tree[name].update(values)
    return Limits.model_validate(tree)


def parent_order(qty: int = 2_000, side: Side = Side.BUY, pid: str = "P1", **more: Any) -> ParentOrder:
    """Return a parent of ten minutes from the open of the test's window."""
    fields: dict[str, Any] = {"start_ns": OPEN_NS, "end_ns": OPEN_NS + 600 * SECOND} | more
    return ParentOrder(
        parent_id=ParentID(pid), account="PAPER", side=side, qty=qty, symbol=SYN, mic="XNAS", **fields
    )


class World:
    """Time, the core and a record of everything that it did."""

    def __init__(self, law: Limits = LIMITS, positions: tuple[Any, ...] = (), **start: Any) -> None:
        self.core = GateCore()
        self.now = 10 * SECOND
        self.ts = OPEN_NS
        self.log: list[tuple[ev.Stamp, ev.Event]] = []
        self.sent: list[Effect] = []
        self.exec_n = 0
        self.n = 0
        self.epoch = 0
        self.more = False  # what is stepped came together with what is stepped next
        fields: dict[str, Any] = {
            "epoch": 1,
            "mode": "paper",
            "account": "PAPER",
            "instruments": (INSTRUMENT,),
            "limits": law.model_dump_json(),
            "positions": positions,
            "short_days": True,
        } | start
        self.start_fields = fields
        self.step(ev.GateStarted(**fields))

    def step(self, event: ev.Event) -> list[Effect]:
        """Step one event now."""
        stamp = ev.Stamp(self.ts, self.now)
        self.log.append((stamp, event))
        effects = list(self.core.step(stamp, event, self.more).effects)
        self.sent += effects
        return effects

    def wait(self, seconds: float) -> list[Effect]:
        """Let both times pass, the reference line stay alive, and a timer fire."""
        self.now += int(seconds * SECOND)
        self.ts += int(seconds * SECOND)
        self.step(ev.ReferenceAlive())
        return self.step(ev.Timer())

    def open(self, price: bool = True, trader: int | None = 7) -> None:
        """Bring up both sessions, a price and a trader; the start second of R20 has passed."""
        self.step(ev.SessionUp(session="reference"))
        self.step(ev.SessionUp(session="order"))
        self.step(self.mass_status_empty())
        if price:
            self.price()
        if trader:
            self.hello(trader)
        self.wait(1.0)

    def mass_status_empty(self) -> ev.ExecutionReport:
        """Return the EMS's "no orders"."""
        return ev.ExecutionReport(
            cl_ord_id="NONE",
            exec_type=ExecType.ORDER_STATUS,
            ord_status=OrdStatus.REJECTED,
            exec_id="0",
            mass_status_req_id=self.core.state.session.mass_status_id,
        )

    def hello(self, epoch: int, **more: Any) -> list[Effect]:
        """A trader comes."""
        self.epoch, self.n = epoch, 0
        fields: dict[str, Any] = {
            "protocol": ev.LINK_PROTOCOL,
            "epoch": epoch,
            "symbols": (SYN,),
            "policy": "twap",
            "policy_sha256": "",
            "state_spec_sha256": "",
            "action_table_sha256": "",
        } | more
        return self.step(ev.TraderHello(**fields))

    def price(self, bid: int = BID, ask: int = ASK, **more: Any) -> list[Effect]:
        """A reference price."""
        fields: dict[str, Any] = {"bid_qty": SHOWN, "ask_qty": SHOWN, "last_e4": bid} | more
        return self.step(ev.ReferencePrice(symbol=SYN, bid_e4=bid, ask_e4=ask, **fields))

    def parent(self, **fields: Any) -> dict[str, Any]:
        """Submit a parent and return the reply."""
        effects = self.step(ev.SubmitParent(request_id=1, parent=parent_order(**fields)))
        return next(e.body for e in effects if isinstance(e, Reply))

    def intent(self, qty: int, price: int | None, side: Side = Side.BUY, pid: str = "P1", **more: Any) -> Any:
        """A submit intent; returns the NewOrder that was sent, or the refusal."""
        self.n += 1
        fields: dict[str, Any] = {
            "epoch": self.epoch,
            "n": self.n,
            "decided_mono_ns": self.now,
            "decision_id": self.n,
        } | more
        event = ev.SubmitIntent(parent_id=ParentID(pid), side=side, qty=qty, price_e4=price, **fields)
        return outcome(self.step(event))

    def replace(self, chain: str, qty: int, price: int) -> Any:
        """A replace intent; returns the ReplaceOrder or the refusal."""
        self.n += 1
        return outcome(
            self.step(
                ev.ReplaceIntent(
                    epoch=self.epoch,
                    n=self.n,
                    chain_id=chain,
                    qty=qty,
                    price_e4=price,
                    decided_mono_ns=self.now,
                )
            )
        )

    def cancel(self, chain: str) -> list[Effect]:
        """A cancel intent."""
        self.n += 1
        return self.step(ev.CancelIntent(epoch=self.epoch, n=self.n, chain_id=chain))

    def report(self, cl_ord_id: str, exec_type: ExecType, status: OrdStatus, **more: Any) -> list[Effect]:
        """The EMS reports."""
        self.exec_n += 1
        chain = look_up(self.core.state, cl_ord_id)
        side = chain.terms.side if chain is not None else Side.BUY
        fields: dict[str, Any] = {
            "exec_id": f"E{self.exec_n}",
            "order_id": f"O-{cl_ord_id}",
            "side": side,
        } | more
        return self.step(
            ev.ExecutionReport(cl_ord_id=cl_ord_id, exec_type=exec_type, ord_status=status, **fields)
        )

    def accept(self, order: NewOrder) -> None:
        """150=0."""
        self.report(order.cl_ord_id, ExecType.NEW, OrdStatus.NEW, order_qty=order.qty, leaves_qty=order.qty)

    def fill(self, chain_id: str, qty: int, price: int, **more: Any) -> list[Effect]:
        """A fill, with the CumQty that the chain then has."""
        chain = look_up(self.core.state, chain_id)
        assert chain is not None, chain_id
        cum = chain.cum_qty + qty
        status = OrdStatus.FILLED if cum == chain.order_qty else OrdStatus.PARTIALLY_FILLED
        return self.report(
            chain.cl_ord_id,
            ExecType.TRADE,
            status,
            last_qty=qty,
            last_price_e4=price,
            cum_qty=cum,
            leaves_qty=chain.order_qty - cum,
            **more,
        )

    def working(self, qty: int = 100, price: int = BID, **more: Any) -> str:
        """Send an order and have it accepted; returns its chain."""
        order = self.intent(qty, price, **more)
        assert isinstance(order, NewOrder), order
        self.accept(order)
        return order.cl_ord_id

    def ask_parent(self, pid: str = "P1") -> Any:
        """Return the parent's record."""
        return self.core.state.parents[ParentID(pid)]

    def sent_of(self, kind: type[Effect]) -> list[Any]:
        """Return every effect of a kind so far."""
        return [e for e in self.sent if isinstance(e, kind)]


def outcome(effects: list[Effect]) -> Any:
    """Return what became of an intent: the order sent, the refusal, or None (dropped)."""
    for effect in effects:
        if isinstance(effect, SendOrder):
            return effect.approved.spend()
        if isinstance(effect, Tell) and isinstance(effect.update, up.IntentRefused):
            return effect.update
    return None


def told(effects: list[Effect], kind: type[msgspec.Struct]) -> list[Any]:
    """Return the updates of a kind that were told."""
    return [e.update for e in effects if isinstance(e, Tell) and isinstance(e.update, kind)]


def cancels(effects: list[Effect]) -> list[Any]:
    """Return the cancels that were sent."""
    return [e.order for e in effects if isinstance(e, SendCancel)]
