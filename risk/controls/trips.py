"""Controls that trip on what happened: R11 by the market's move, R19, R21, R22 spent, R23, R25, R26, R32.

Each raises a cause of the posture table; cancelling what then works is the gate's.
"""

from typing import Final

from market.parents import ParentOrder, Progress
from market.types import MS, Side
from risk import checks
from risk.controls.day import fills_cap
from risk.limits import Limits
from risk.memory import Memory
from risk.posture import PostureTable
from risk.scopes import Scope

E4: Final = 10_000


def notional_moved(scope: Scope, posture: PostureTable, mono_ns: int) -> None:
    """R11: the market's move alone took gross or net over its limit: reduce only until it is back."""
    ledger, limits = scope.ledger, scope.limits.exposure
    net = max(abs(ledger.long_e4), abs(ledger.short_e4))
    over = not checks.within(ledger.gross_e4, limits.gross_max_ccy * E4)
    if over or not checks.within(net, limits.net_max_ccy * E4):
        text = f"gross {ledger.gross_e4 // E4:,}, net {net // E4:,}"
        posture.raise_("R11", text, mono_ns, scope.place)
    else:
        posture.clear("R11", mono_ns, scope.place)


def day_spent(scope: Scope, posture: PostureTable, mono_ns: int) -> None:
    """R19, R21, R22: the day's budget is spent: reduce only."""
    tally, day, place = scope.tally, scope.limits.day, scope.place
    if checks.trips(tally.traded_e4, day.notional_max_ccy * E4) or checks.trips(
        tally.traded_qty, day.shares_max
    ):
        posture.raise_(
            "R19", f"{tally.traded_qty:,} shares, {tally.traded_e4 // E4:,} traded", mono_ns, place
        )
    else:
        posture.clear("R19", mono_ns, place)
    used = tally.messages.used
    if checks.trips(used, day.messages_max):
        posture.raise_("R21", f"{used:,} messages", mono_ns, place)
    else:
        posture.clear("R21", mono_ns, place)
    if used > scope.limits.rates.judged_after and not checks.within(used, fills_cap(scope)):
        posture.raise_("R22", f"{used:,} messages, {tally.fills:,} fills", mono_ns, place)
    else:
        posture.clear("R22", mono_ns, place)


def moving(scope: Scope, posture: PostureTable, ts_ns: int, mono_ns: int) -> None:
    """R25: shares or value traded within the window: reduce only, and what works goes."""
    velocity, limits = scope.tally.velocity, scope.limits.fills
    velocity.expire(ts_ns)
    shares = velocity.qty > 0 and checks.trips(velocity.qty, limits.shares_max)
    value = velocity.value_e4 > 0 and checks.trips(velocity.value_e4, limits.notional_max_ccy * E4)
    if shares or value:
        text = f"{velocity.qty:,} shares, {velocity.value_e4 // E4:,} in {limits.window_ms / 1000:g} s"
        posture.raise_("R25", text, mono_ns, scope.place)


def rejected(memory: Memory, limits: Limits, posture: PostureTable, mono_ns: int) -> None:
    """R26: one more no of the EMS, to an order or a change."""
    storm = limits.rejects
    number = memory.rejected(mono_ns, storm.window_ms * MS)
    if checks.trips(number, storm.count_max):
        posture.raise_("R26", f"{number} rejects in {storm.window_ms / 1000:g} s", mono_ns)


def reject_share(memory: Memory, limits: Limits, posture: PostureTable, mono_ns: int) -> None:
    """R26: too many of the last orders were refused."""
    storm = limits.rejects
    last = max(1, storm.share_of)
    if len(memory.outcomes) < last:
        return
    number = sum(list(memory.outcomes)[-last:])
    if checks.reject_share_trips(number, last, storm.share_bp):
        posture.raise_("R26", f"{number} rejects of {last} orders", mono_ns)


def parent_began(
    memory: Memory, limits: Limits, posture: PostureTable, strategy: str, order: ParentOrder, ts_ns: int,
    mono_ns: int,
) -> None:  # fmt: skip
    """R23: a parent began; the n-th of its kind within a window stops the strategy until people say so."""
    kind = (strategy, order.symbol, order.side.value, order.qty.bit_length())
    repeats = limits.repeats
    ring = memory.started(kind, ts_ns, repeats.long_window_ms * MS)
    long = ring.count(ts_ns)
    short = ring.within(ts_ns, repeats.window_ms * MS)
    if checks.trips(short, repeats.starts_max) or checks.trips(long, repeats.starts_long_max):
        window_s = repeats.window_ms / 1000
        text = f"{short} starts of {order.side.name} {order.symbol} in {window_s:g} s, {long} in all"
        posture.raise_("R23", text, mono_ns, f"T/{strategy}")


def parent_cost(limits: Limits, order: ParentOrder, progress: Progress) -> str:
    """R32: return "halt", "pause" or "" for what a parent's fills cost against its arrival."""
    arrival, slippage = progress.arrival_mid_micros, limits.slippage
    if not arrival or not progress.cum_qty:
        return ""
    if progress.cum_qty * checks.BP < progress.qty * slippage.after_bp:
        return ""
    facts = (order.side is Side.BUY, progress.cum_qty, progress.notional_e4, arrival, progress.fees_micros)
    if checks.shortfall_trips(*facts, slippage.halt_bps):
        return "halt"
    return "pause" if checks.shortfall_trips(*facts, slippage.pause_bps) else ""
