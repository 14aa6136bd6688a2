"""What a gate still does when its disk has failed: cancel. Nothing of it can be remembered.

A cancel cannot harm, and the disk is no reason to leave orders alone in the market: cancel-on-disconnect is
asked for, never trusted. Their ClOrdIDs (an X before the number) are of a kind that no journal gives, so that
none is used twice; what becomes of them is asked for at the next start, as of everything.
"""

import threading
from typing import Final

from daemon.gate.shell import GateShell
from daemon.gate.state import ORDER_PREFIX, base36
from market.orders import CancelOrder, MassCancel
from market.types import ClOrdID

CANCELS_MAX: Final = 1_000  # in a tenth of a second; R12 allows some dozens of open orders


def say(shell: GateShell, done: threading.Event) -> None:
    """Cancel everything, on the loop, and take nothing in any more."""
    shell.closed = True
    try:
        cancel_all(shell)
    finally:
        done.set()


def cancel_all(shell: GateShell) -> None:
    """Send a mass cancel, and a cancel for each order beside it; none of it is journaled."""
    entry, state = shell.entry, shell.core.state
    if entry is None or not state.session.up:
        return
    prefix, ts_ns = f"{ORDER_PREFIX}{base36(state.epoch)}-X", shell.clock.stamp().ts_ns
    entry.mass_cancel(MassCancel(cl_ord_id=ClOrdID(f"{prefix}0")), ts_ns)
    for number, chain in enumerate(state.live_chains(), start=1):
        if number > CANCELS_MAX:
            return
        terms = chain.terms
        order = CancelOrder(
            cl_ord_id=ClOrdID(f"{prefix}{number}"),
            orig_cl_ord_id=chain.cl_ord_id,
            order_id=chain.order_id or None,
            account=terms.account,
            symbol=terms.symbol,
            side=terms.side,
            qty=chain.order_qty,
        )
        entry.cancel(order, ts_ns)
