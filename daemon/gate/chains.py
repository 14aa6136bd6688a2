"""What the gate does with chains by itself: cancel what is unwanted, ask after what nobody answers."""

from typing import Final

from daemon.gate.effects import AskStatus, SendCancel
from daemon.gate.ended_parents import parent_of
from daemon.gate.state import GateState, Parent, Unwanted
from market.child_order import ChildOrder
from market.events import Stamp
from market.orders import CancelOrder, StatusRequest
from market.types import ClOrdID, Symbol
from risk import checks

CANCEL_AGAIN_NS: Final = 1_000_000_000  # a refused or lost cancel is repeated after a second
CANCEL_TRIES_MAX: Final = 60  # then a person must look: the order is listed at every stop


def request_cancel(g: GateState, stamp: Stamp, chain: ChildOrder) -> None:
    """Send a cancel for a live chain, under a ClOrdID of its own."""
    cl_ord_id = g.next_cl_ord_id()
    terms = chain.terms
    order = CancelOrder(
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=chain.cl_ord_id,
        order_id=chain.order_id or None,
        account=terms.account,
        symbol=terms.symbol,
        side=terms.side,
        qty=chain.order_qty,
    )
    chain.request_cancel(cl_ord_id, stamp.mono_ns)
    g.name(cl_ord_id, chain)
    g.counters["cancels"] += 1
    g.risk.note_cancel(chain, g.strategies.get(chain.chain_id, ""), stamp.mono_ns)
    g.effects.append(SendCancel(order))


def unwant(g: GateState, chain_id: ClOrdID) -> None:
    """Mark a chain to be cancelled, and again until it is gone."""
    chain = g.chains[chain_id]
    if chain.live and chain_id not in g.unwanted and chain_id not in g.external:
        g.unwanted[chain_id] = Unwanted()


def pull(g: GateState, stamp: Stamp) -> None:
    """Cancel what is unwanted and has no cancel on its way."""
    if not g.session.up:
        return
    for chain_id, wish in list(g.unwanted.items()):
        chain = g.chains[chain_id]
        if not chain.may_cancel or stamp.mono_ns < wish.next_mono_ns:
            continue
        if wish.tries >= CANCEL_TRIES_MAX:
            continue
        wish.tries += 1
        wish.next_mono_ns = stamp.mono_ns + CANCEL_AGAIN_NS
        request_cancel(g, stamp, chain)
        g.tell_order(chain, stamp.ts_ns)


def pull_parent(g: GateState, parent: Parent) -> None:
    """Everything that works for a parent shall go."""
    for chain_id in parent.chains:
        unwant(g, chain_id)


def pull_scope(g: GateState, scope: str) -> None:
    """Cancel what works in a scope; "" is everything."""
    for chain_id in list(g.ledger.held):
        if in_scope(g, g.chains[chain_id], scope):
            unwant(g, chain_id)


def pull_opening(g: GateState, scope: str) -> None:
    """R18: cancel what could enlarge or turn a position; what only brings it to zero may stand."""
    for book in g.ledger.books.values():
        opening: list[tuple[ClOrdID, ChildOrder]] = []
        if book.buy_leaves > max(0, -book.position):
            opening += book.buys.items()
        if book.sell_leaves > max(0, book.position):
            opening += book.sells.items()
        for chain_id, chain in opening:
            if in_scope(g, chain, scope):
                unwant(g, chain_id)


def in_scope(g: GateState, chain: ChildOrder, scope: str) -> bool:
    """Return whether a chain belongs to a scope."""
    letter, _, name = scope.partition("/")
    terms = chain.terms
    names = {
        "A": terms.account,
        "T": g.strategies.get(chain.chain_id, ""),
        "P": terms.parent_id,
        "S": terms.symbol,
    }
    return letter in ("", "C") or names.get(letter) == name


def ask_status(g: GateState, chain: ChildOrder) -> None:
    """Ask the EMS what became of a chain and of a replace that has no answer (35=H).

    A cancel is not asked for: where the order still stands it is sent again, which can do no harm.
    """
    terms = chain.terms
    for cl_ord_id in filter(None, (chain.cl_ord_id, chain.replace_id)):
        request = StatusRequest(
            cl_ord_id=cl_ord_id,
            # A replace is asked for by its own id alone: by the order's it is found whatever became of it.
            order_id=(chain.order_id or None) if cl_ord_id == chain.cl_ord_id else None,
            account=terms.account,
            symbol=terms.symbol,
            side=terms.side,
        )
        g.counters["status_requests"] += 1
        g.effects.append(AskStatus(request))


def doubt(g: GateState, stamp: Stamp, chain: ChildOrder, text: str) -> None:
    """A report does not fit: ask how the order stands; its symbol gets no new order until the answer."""
    g.counters["doubts"] += 1
    g.note("warning", "doubt", order=chain.chain_id, text=text)
    chain.asked_mono_ns, chain.queries = stamp.mono_ns, 0
    ask_status(g, chain)


def ask_by_cancel(g: GateState, chain: ChildOrder) -> None:
    """A broker without 35=H: a cancel is the question; what it answers tells how the order stands."""
    g.session.asks_by_cancel = True
    if g.session.mass_status_id:
        return  # the answers to 35=AF come first
    g.counters["asked_by_cancel"] += 1
    unwant(g, chain.chain_id)


def overdue(g: GateState, stamp: Stamp) -> None:
    """R61: ask after orders that nobody answers; too many of them stop trading. Never presumed dead."""
    limits = g.risk.limits.sessions
    age_max_ns = limits.ack_age_max_ms * 1_000_000
    for chain in list(g.live_chains()):
        age_ns = stamp.mono_ns - chain.asked_mono_ns
        if not chain.asked_mono_ns or age_ns < (chain.queries + 1) * age_max_ns:
            continue
        if g.session.trading and chain.queries < limits.queries_max:
            chain.queries += 1
            ask_status(g, chain)
        elif g.session.trading and chain.doubt:
            text, chain.doubt = chain.doubt, ""
            g.break_(
                f"{chain.chain_id}: asked {chain.queries} times, no answer that fits: {text}", stamp.mono_ns
            )
    count_overdue(g, stamp)


def count_overdue(g: GateState, stamp: Stamp) -> None:
    """R61: count, by symbol, the orders whose answer is late, and those that are in doubt."""
    limits = g.risk.limits.sessions
    age_max_ns = limits.ack_age_max_ms * 1_000_000
    late: dict[Symbol, int] = {}
    for chain in g.live_chains():
        asked_ns = chain.asked_mono_ns
        if chain.doubt or (asked_ns and stamp.mono_ns - asked_ns >= age_max_ns):
            late[chain.terms.symbol] = late.get(chain.terms.symbol, 0) + 1
    if late != g.overdue:
        g.overdue = late
        g.touch_all()
    total = sum(late.values())
    if checks.trips(total, limits.unacked_max):
        g.posture.raise_("R61", f"{total} orders without an answer", stamp.mono_ns)
    elif not total:
        g.posture.clear("R61", stamp.mono_ns, dwell=g.dwell)


def track(g: GateState, chain: ChildOrder) -> None:
    """Let the ledger see the chain, and the parent what is committed."""
    g.risk.track(chain, g.strategies.get(chain.chain_id, ""))
    parent = parent_of(g, chain.terms.parent_id)
    if parent is not None:
        leaves = g.ledger.committed.get(chain.terms.parent_id, 0)
        parent.update(committed_qty=parent.progress.cum_qty + leaves)


def pull_unfit(g: GateState, stamp: Stamp) -> None:
    """R06: where a symbol's prices have been unfit for too long, its working orders are pulled."""
    for symbol, picture in g.references.pictures.items():
        limits = g.risk.market_of(symbol)
        if not g.references.fault(picture, stamp.mono_ns, limits):
            picture.unfit_since_ns = 0
            fit_again(g, stamp, symbol)
            continue
        picture.unfit_since_ns = picture.unfit_since_ns or stamp.mono_ns
        book = g.ledger.books.get(symbol)
        unfit_ns = stamp.mono_ns - picture.unfit_since_ns
        if unfit_ns < limits.cancel_after_ms * 1_000_000:
            continue
        # What has not been told yet is no halt, a halt is R41's, and a book out of hours may be empty (R40).
        if picture.current and picture.trading and g.risk.phase(symbol, stamp.ts_ns).open:
            g.posture.raise_("R06", f"unfit for {unfit_ns // 1_000_000} ms", stamp.mono_ns, f"S/{symbol}")
        if book is None or not book.open_orders:
            continue
        for chain_id in [*book.buys, *book.sells]:
            unwant(g, chain_id)


def fit_again(g: GateState, stamp: Stamp, symbol: Symbol) -> None:
    """R06: prices are fit: a halt for them is over."""
    if f"R06@S/{symbol}" in g.posture.causes:
        g.posture.clear("R06", stamp.mono_ns, f"S/{symbol}", g.dwell)
