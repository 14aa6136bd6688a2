"""Intents of the trader: judged, and answered exactly once."""

from typing import Final

import msgspec

from daemon.gate import chains as gate_chains
from daemon.gate import retiring as gate_retiring
from daemon.gate.effects import SendOrder, Tell
from daemon.gate.state import GateState, Parent, Trader
from market.child_order import ChildOrder
from market.events import CancelIntent, ReplaceIntent, Stamp, SubmitIntent
from market.orders import NewOrder, ReplaceOrder
from market.types import OrdStatus, OrdType
from market.updates import IntentRefused
from risk.case import Decision
from risk.controls.rates import ORDERS_A_DECISION_MAX
from risk.headroom import price_of_market
from risk.overlay import Context
from risk.verdict import Refused

CHAINS_MAX: Final = 100_000  # at once, in memory, about 2 KiB each; ended ones leave (daemon.gate.retiring)
GATE: Final = "GATE"  # refusals that are no control's: an intent that cannot be carried out at all
REPLACEABLE: Final = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)
Intent = SubmitIntent | ReplaceIntent | CancelIntent


def submit(g: GateState, stamp: Stamp, intent: SubmitIntent) -> None:
    """A new child order."""
    if not _is_new(g, intent):
        return
    parent = g.parents.get(intent.parent_id)
    if parent is None or parent.order.symbol not in g.traders[intent.epoch].hello.symbols:
        _refuse(g, intent, ("R14",), f"no parent {intent.parent_id} for this trader")
        return
    if len(g.chains) >= CHAINS_MAX:
        _refuse(g, intent, (GATE,), f"{CHAINS_MAX} orders at once")
        return
    parent.strategy = g.traders[intent.epoch].hello.policy
    ord_type, price_e4 = _within_collar(g, intent, parent)
    order = NewOrder(
        cl_ord_id=g.next_cl_ord_id(),
        parent_id=intent.parent_id,
        account=parent.order.account,
        symbol=parent.order.symbol,
        mic=parent.order.mic,
        side=intent.side,
        qty=intent.qty,
        ord_type=ord_type,
        price_e4=price_e4,
        time_in_force=intent.time_in_force,
        post_only=intent.post_only,
        locate_id=parent.order.locate_id,
    )
    verdict = g.risk.check(order, _context(g, stamp, None, parent, intent))
    if isinstance(verdict, Refused):
        _record_refusal(g, intent, parent, verdict)
        return
    chain = ChildOrder(
        chain_id=order.cl_ord_id,
        terms=order,
        cl_ord_id=order.cl_ord_id,
        order_qty=order.qty,
        price_e4=order.price_e4 or 0,
        asked_mono_ns=stamp.mono_ns,
    )
    trader = g.traders[intent.epoch]
    trader.decision_orders = _orders_of(trader, intent.decision_id) + 1
    trader.decision_id = intent.decision_id
    g.chains[chain.chain_id] = chain
    g.strategies[chain.chain_id] = parent.strategy
    g.chain_of[chain.chain_id] = chain.chain_id
    parent.chains[chain.chain_id] = None
    parent.refused = ""
    parent.update(children=parent.progress.children + 1)
    g.counters["orders"] += 1
    g.effects.append(SendOrder(verdict, intent.cause_mono_ns, intent.decided_mono_ns))
    gate_chains.track(g, chain)
    g.tell_order(chain, stamp.ts_ns, intent.epoch, intent.n)


def replace(g: GateState, stamp: Stamp, intent: ReplaceIntent) -> None:
    """New terms for a working chain."""
    if not _is_new(g, intent):
        return
    chain = gate_retiring.look_up(g, intent.chain_id)
    fault = _unchangeable(g, intent, chain)
    if chain is None or fault:
        _refuse(g, intent, (GATE,), fault)
        return
    cl_ord_id = g.next_cl_ord_id()
    terms = msgspec.structs.replace(
        chain.terms, cl_ord_id=cl_ord_id, qty=intent.qty, price_e4=intent.price_e4
    )
    order = ReplaceOrder(
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=chain.cl_ord_id,
        order_id=chain.order_id or None,
        terms=terms,
    )
    parent = g.parents[chain.terms.parent_id]
    verdict = g.risk.check(order, _context(g, stamp, chain, parent, intent))
    if isinstance(verdict, Refused):
        _record_refusal(g, intent, parent, verdict)
        return
    chain.request_replace(cl_ord_id, intent.qty, intent.price_e4, stamp.mono_ns)
    g.name(cl_ord_id, chain)
    g.counters["replaces"] += 1
    g.effects.append(SendOrder(verdict, intent.cause_mono_ns, intent.decided_mono_ns))
    gate_chains.track(g, chain)
    g.tell_order(chain, stamp.ts_ns, intent.epoch, intent.n)


def cancel(g: GateState, stamp: Stamp, intent: CancelIntent) -> None:
    """A working chain shall go. Never blocked by a control (GR6)."""
    if not _is_new(g, intent):
        return
    chain = gate_retiring.look_up(g, intent.chain_id)
    if chain is None or chain.terms.symbol not in g.traders[intent.epoch].hello.symbols:
        _refuse(g, intent, (GATE,), f"no chain {intent.chain_id} of this trader")
    elif not chain.live:
        _refuse(g, intent, (GATE,), f"{chain.chain_id} is {chain.status.name}")
    elif not g.session.up:
        _refuse(g, intent, ("R60",), "no order session")
    else:
        if chain.status is not OrdStatus.PENDING_CANCEL:
            gate_chains.request_cancel(g, stamp, chain)
        g.tell_order(chain, stamp.ts_ns, intent.epoch, intent.n)


def _is_new(g: GateState, intent: Intent) -> bool:
    """Admit an intent once: of a connected trader's epoch, counting up."""
    trader = g.traders.get(intent.epoch)
    if trader is None:
        g.counters["intents_of_old_epochs"] += 1
        _refuse(g, intent, (GATE,), f"epoch {intent.epoch} is not connected")
        return False
    if intent.n <= trader.last_n:
        g.counters["intents_twice"] += 1
        return False
    trader.last_n = intent.n
    trader.silent_ns = 0
    trader.intents += 1
    return True


def _unchangeable(g: GateState, intent: ReplaceIntent, chain: ChildOrder | None) -> str:
    if chain is None or chain.terms.symbol not in g.traders[intent.epoch].hello.symbols:
        return f"no chain {intent.chain_id} of this trader"
    if chain.status not in REPLACEABLE:
        return f"{chain.chain_id} is {chain.status.name}"
    if intent.qty <= chain.traded_qty:
        return f"OrderQty {intent.qty} is not above CumQty {chain.traded_qty}; cancel it instead"
    if chain.chain_id in g.unwanted:
        return f"{chain.chain_id} is being cancelled by the gate"
    return ""


def _within_collar(g: GateState, intent: SubmitIntent, parent: Parent) -> tuple[OrdType, int | None]:
    """R05: a market order leaves as a limit order at the collar; as it is, the overlay refuses it."""
    if intent.ord_type is OrdType.MARKET and intent.price_e4 is None:
        order = parent.order
        law = g.risk.scopes.law(order.account, parent.strategy, order.symbol)
        price_e4 = price_of_market(g.risk, law.market, order.symbol, intent.side)
        if price_e4 and OrdType.MARKET.name in law.allowed.order_types:
            return OrdType.LIMIT, price_e4
    return intent.ord_type, intent.price_e4


def _orders_of(trader: Trader, decision_id: int) -> int:
    """Return how many new orders a decision has had; one older than the last has had all of them."""
    if decision_id == trader.decision_id:
        return trader.decision_orders
    return 0 if decision_id > trader.decision_id else ORDERS_A_DECISION_MAX


def _context(
    g: GateState,
    stamp: Stamp,
    chain: ChildOrder | None,
    parent: Parent,
    intent: SubmitIntent | ReplaceIntent,
) -> Context:
    trader = g.traders[intent.epoch]
    hello, decided_ns, number = trader.hello, intent.decided_mono_ns, intent.decision_id
    decision = Decision(decided_ns, hello.policy, hello.policy_sha256, number, _orders_of(trader, number))
    return Context(
        stamp=stamp,
        chain=chain,
        parent=parent.order,
        progress=parent.progress,
        decision=decision,
        overdue=g.overdue.get(parent.order.symbol, 0),
    )


def _record_refusal(g: GateState, intent: Intent, parent: Parent, verdict: Refused) -> None:
    parent.refused = " ".join(dict.fromkeys(verdict.controls))
    g.counters["refused"] += 1
    text = "; ".join(map(repr, verdict.failures))
    g.note("warning", "refused", parent=parent.order.parent_id, controls=verdict.controls, text=text)
    _refuse(g, intent, verdict.controls, text)
    g.touched[parent.order.parent_id] = None


def _refuse(g: GateState, intent: Intent, controls: tuple[str, ...], text: str) -> None:
    if GATE in controls:
        g.counters["refused_by_gate"] += 1
    refusal = IntentRefused(epoch=intent.epoch, n=intent.n, controls=controls, text=text)
    g.effects.append(Tell(intent.epoch, refusal))
