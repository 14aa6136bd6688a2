"""Orders of the account that are not ours: another desk's, or a person's at the broker.

What becomes of them is configured (`gate.external_orders`): `note` says so and counts; `halt` stops, for a
person to look; `adopt` takes them into the books, so that every limit on exposure counts them at their worst,
and what they trade is booked. None is ever changed or cancelled from here, and none belongs to a parent. What
cannot be counted is no order that one can adopt: it halts.
"""

from typing import Final

from daemon.gate import chains as gate_chains
from daemon.gate.state import GateState
from market.child_order import ChildOrder
from market.events import ExecutionReport, Stamp
from market.orders import NewOrder
from market.types import ClOrdID, ExecType, OrdStatus, OrdType, ParentID, TimeInForce
from risk.limits import is_listed

EXTERNAL_MAX: Final = 10_000  # at once, in memory, about 2 KiB each
NO_PARENT: Final = ParentID("")


def seen(g: GateState, stamp: Stamp, event: ExecutionReport) -> ChildOrder | None:
    """An order that is not ours: return it where it was adopted, to be treated as what it is."""
    name, status = event.cl_ord_id, event.ord_status
    if g.external_orders == "note":
        g.note("warning", "another's order", cl_ord_id=name, status=status.name)
        return None
    if g.external_orders == "halt":
        g.break_(f"another's order: {name} {status.name}", stamp.mono_ns)
        return None
    fault = unfit(g, event)
    if fault:
        g.break_(f"another's order cannot be counted: {name}: {fault}", stamp.mono_ns)
        return None
    return adopt(g, event)


def unfit(g: GateState, event: ExecutionReport) -> str:
    """Return why an order cannot be counted, "" where it can."""
    if event.symbol not in g.instruments:
        return f"symbol {event.symbol or 'not told'} is not configured"
    allowed = g.risk.limits.allowed.accounts
    if event.account and not is_listed(event.account, allowed, otherwise=event.account == g.account):
        return f"account {event.account[:20]} is none of this gate's"
    if (event.order_qty or 0) <= 0:
        return "OrderQty is not told"
    if len(g.external) >= EXTERNAL_MAX:
        return f"{EXTERNAL_MAX} of them at once"
    return ""


def adopt(g: GateState, event: ExecutionReport) -> ChildOrder:
    """Take an order into the books as the report shows it before what it now says happened.

    What it traded before we heard of it was told by nobody: the start-of-day position, or a person, knows.
    """
    assert event.order_qty is not None, "an order without a quantity is not adopted"
    name, price_e4 = ClOrdID(event.cl_ord_id), event.price_e4 or 0
    before = event.cum_qty - (event.last_qty if event.exec_type is ExecType.TRADE else 0)
    terms = NewOrder(
        cl_ord_id=name,
        parent_id=NO_PARENT,
        account=event.account or g.account,
        symbol=event.symbol,
        mic=g.instruments[event.symbol].mic,
        side=event.side,
        qty=event.order_qty,
        ord_type=OrdType.LIMIT if price_e4 else OrdType.MARKET,
        price_e4=price_e4 or None,
        time_in_force=TimeInForce.DAY,
    )
    chain = ChildOrder(
        chain_id=name,
        terms=terms,
        cl_ord_id=name,
        order_id=event.order_id,
        status=OrdStatus.NEW if not before else OrdStatus.PARTIALLY_FILLED,
        order_qty=event.order_qty,
        price_e4=price_e4,
        cum_qty=before,
        stated_qty=before,
    )
    g.chains[name], g.chain_of[name], g.external[name] = chain, name, None
    g.counters["external_orders"] += 1
    g.note("warning", "another's order is counted", cl_ord_id=name, symbol=event.symbol, traded_before=before)
    gate_chains.track(g, chain)
    return chain
