"""`plan` and `mask`, as plainly as they can be written: what policies.plan_kernels must equal."""

from market.types import Side
from market.updates import Headroom
from policies.actions import ACTIONS, IMPROVE, NONE, SECOND, Child, Plan, Terms, Touch
from policies.schedule import Corridor

PASSIVE_SLICES = 4
CATCH_UP_SLICES = 4
SWEEP_LEVELS = 3
REPEG_SPREADS = 8
HOLD_NO_TRADING = Plan(hold=True, constraint="risk: not allowed to trade now")
HOLD_NO_BOOK = Plan(hold=True, constraint="market: a side of the book is empty")


def plan(action: int, terms: Terms, corridor: Corridor, touch: Touch, headroom: Headroom) -> Plan:
    """Return the orders wanted after `action`."""
    if not headroom.can_trade:
        return HOLD_NO_TRADING
    if not (touch.own_e4 > 0 and touch.other_e4 and touch.other_e4[0] > 0):
        return HOLD_NO_BOOK
    where, halves = ACTIONS[action]
    allowed, constraint = allowance(terms)
    cross = crossing(halves, terms, corridor, touch, headroom, allowed)
    crossed = cross.qty if cross is not None else 0
    rest = resting(where, terms, corridor, touch, headroom, allowed - crossed, crossed)
    if cross is None and corridor.low > terms.cum_qty and limited(terms, touch):
        constraint = "limit price"
    spread_e4 = abs(touch.other_e4[0] - touch.own_e4)
    return Plan(
        rest=rest,
        cross=cross,
        constraint=constraint,
        allowed_qty=allowed,
        slack_qty=corridor.slice_qty,
        slack_e4=spread_e4 // REPEG_SPREADS,
        worst_e4=worst_price(terms, headroom),
    )


def allowance(terms: Terms) -> tuple[int, str]:
    """Return how many shares may be working and crossing in all, and what sets that."""
    allowed, constraint = terms.qty - terms.cum_qty, ""
    if terms.cap_qty is not None and not (allowed <= terms.cap_qty - terms.cum_qty):
        allowed, constraint = terms.cap_qty - terms.cum_qty, "participation cap"
    if not (allowed <= terms.risk_qty - terms.cum_qty):
        allowed, constraint = terms.risk_qty - terms.cum_qty, "risk: position or committed quantity"
    return max(0, allowed), constraint


def crossing(
    halves: int, terms: Terms, corridor: Corridor, touch: Touch, headroom: Headroom, allowed: int
) -> Child | None:
    """Return the order that takes liquidity now: what the action asks, or what the schedule lacks."""
    chosen = min(halves * corridor.slice_qty // 2, corridor.high - terms.cum_qty)
    forced = catch_up(corridor, terms)
    qty = in_lots(min(max(chosen, forced), allowed, headroom.order_qty_max), terms)
    if qty <= 0:
        return None
    price_e4 = sweep_price(qty, touch) if forced >= chosen else touch.other_e4[0]
    price_e4 = bounded(price_e4, terms, headroom, touch.tick_e4)
    if not price_e4 or beyond(touch.other_e4[0], price_e4, terms.side):
        return None  # the limit or the collar lies on our side of the touch
    return Child(qty, price_e4)


def catch_up(corridor: Corridor, terms: Terms) -> int:
    """Return what the schedule lacks: whole slices, capped; all of it where completion is a must."""
    behind = corridor.low - terms.cum_qty
    if behind <= 0:
        return 0
    if terms.must_complete and corridor.closing:
        return behind
    return min(max(behind, corridor.slice_qty), CATCH_UP_SLICES * corridor.slice_qty)


def resting(
    where: int,
    terms: Terms,
    corridor: Corridor,
    touch: Touch,
    headroom: Headroom,
    allowed: int,
    crossed: int,
) -> Child | None:
    """Return the order that waits in the book."""
    if where == NONE:
        return None
    room = corridor.high - terms.cum_qty - crossed
    unit = min(corridor.slice_qty, headroom.order_qty_max)
    wanted = min(room, allowed, PASSIVE_SLICES * corridor.slice_qty, headroom.order_qty_max)
    if wanted < terms.qty - terms.cum_qty and wanted >= unit > 0:
        wanted = wanted // unit * unit  # whole slices: a quantity that grows by the share is churn
    elif wanted < min(unit, terms.qty - terms.cum_qty) // 2:
        return None
    qty = in_lots(wanted, terms)
    price_e4 = bounded(resting_price(where, terms.side, touch), terms, headroom, touch.tick_e4)
    return Child(qty, price_e4) if qty > 0 and price_e4 else None


def resting_price(where: int, side: Side, touch: Touch) -> int:
    """Return the price of a passive order; one tick inside only where the spread has room."""
    inwards = side.sign * touch.tick_e4
    if where == IMPROVE and can_improve(touch):
        return touch.own_e4 + inwards
    if where == SECOND:
        return touch.own_second_e4 or touch.own_e4 - inwards
    return touch.own_e4


def can_improve(touch: Touch) -> bool:
    """Say whether there is a tick between the two sides."""
    return bool(touch.own_e4 and touch.other_e4) and abs(touch.other_e4[0] - touch.own_e4) > touch.tick_e4


def sweep_price(qty: int, touch: Touch) -> int:
    """Return the price that reaches `qty` shares, within the levels that a catch-up may take."""
    seen, price_e4 = 0, touch.other_e4[0]
    for level_e4, level_qty in zip(touch.other_e4[:SWEEP_LEVELS], touch.other_qty, strict=False):
        if level_e4 <= 0 or seen >= qty:
            break
        seen, price_e4 = seen + level_qty, level_e4
    return price_e4


def bounded(price_e4: int, terms: Terms, headroom: Headroom, tick_e4: int) -> int:
    """Return the price no worse than limit and collar, on the tick grid; 0 = no price may be sent."""
    worst = worst_price(terms, headroom)
    if worst <= 0:
        return 0
    if terms.side is Side.BUY:
        return min(price_e4, worst) // tick_e4 * tick_e4
    return -(-max(price_e4, worst) // tick_e4) * tick_e4


def worst_price(terms: Terms, headroom: Headroom) -> int:
    """Return the last price that limit and collar allow; 0 = none."""
    if terms.side is Side.BUY:
        worst = headroom.collar_high_e4
        return worst if terms.limit_e4 is None else min(worst, terms.limit_e4)
    worst = headroom.collar_low_e4
    if worst <= 0 or terms.limit_e4 is None:
        return worst
    return max(worst, terms.limit_e4)


def beyond(market_e4: int, price_e4: int, side: Side) -> bool:
    """Say whether the market stands where an order at `price_e4` does not reach."""
    return market_e4 > price_e4 if side is Side.BUY else market_e4 < price_e4


def limited(terms: Terms, touch: Touch) -> bool:
    """Say whether the parent's limit keeps us from taking the touch."""
    return terms.limit_e4 is not None and beyond(touch.other_e4[0], terms.limit_e4, terms.side)


def in_lots(qty: int, terms: Terms) -> int:
    """Round down to lots, except for the last odd piece of a parent."""
    if qty <= 0:
        return 0
    return qty if qty == terms.qty - terms.cum_qty else qty // terms.lot * terms.lot


def mask(touch: Touch, corridor: Corridor, terms: Terms) -> int:
    """Return the actions that mean something here, as bits; bit 0 (do nothing) is always set."""
    bits = 1
    ahead = terms.cum_qty >= corridor.high
    for i, (where, halves) in enumerate(ACTIONS):
        allowed = not (where == IMPROVE and not can_improve(touch))
        allowed &= not (halves and (ahead or limited(terms, touch)))
        bits |= allowed << i
    return bits
