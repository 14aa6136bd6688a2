"""A move of the executor as the intent that asks the gate for it."""

from daemon.trader.events import Intent
from market import events as ev
from market.parents import ParentOrder
from market.types import OrdType, TimeInForce
from policies.executor import Act, Move


def intent_of(
    move: Move, parent: ParentOrder, epoch: int, n: int, decision: int, mono_ns: int, cause_mono_ns: int
) -> Intent:
    """Return it; `decision`, `mono_ns`: what led to it, when; `cause_mono_ns`: by which bytes (0: none)."""
    if move.act is Act.CANCEL:
        return ev.CancelIntent(epoch=epoch, n=n, chain_id=move.chain_id, decision_id=decision)
    if move.act is Act.REPLACE:
        return ev.ReplaceIntent(
            epoch=epoch,
            n=n,
            chain_id=move.chain_id,
            qty=move.qty,
            price_e4=move.price_e4,
            decision_id=decision,
            decided_mono_ns=mono_ns,
            cause_mono_ns=cause_mono_ns,
        )
    return ev.SubmitIntent(
        epoch=epoch,
        n=n,
        parent_id=parent.parent_id,
        side=move.side or parent.side,
        qty=move.qty,
        price_e4=move.price_e4 if move.ord_type is OrdType.LIMIT else None,
        ord_type=move.ord_type,
        time_in_force=move.time_in_force or (TimeInForce.IOC if move.crossing else TimeInForce.DAY),
        post_only=move.post_only,
        decision_id=decision,
        decided_mono_ns=mono_ns,
        cause_mono_ns=cause_mono_ns,
    )
