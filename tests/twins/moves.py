"""`reconcile`, as plainly as it can be written: what policies.executor_kernels must equal."""

from policies.actions import Child, Plan
from policies.executor import Act, Chain, Move, Standing

CHAINS_MAX = 6


def reconcile(plan: Plan, standing: Standing, rate_free: int, orders_free: int, lot: int) -> list[Move]:
    """Return the moves from what stands to what is wanted: cancels and replaces, then submits."""
    if plan.hold:
        return []
    working = standing.working_qty
    room = max(0, min(standing.qty - standing.cum_qty, plan.allowed_qty) - working)
    crossing = standing.submits_crossing_qty + sum(c.worst_leaves for c in standing.chains if c.crossing)
    cross_qty = max(0, plan.cross.qty - crossing) if plan.cross is not None else 0
    # Over the allowance, or no room to cross: what rests must give way, to the share.
    pressed = working > plan.allowed_qty or cross_qty > room
    moves, missing = rest_moves(plan, standing, 0 if pressed else plan.slack_qty, rate_free, lot)
    free = min(orders_free, rate_free - sum(move.act is Act.REPLACE for move in moves))
    if plan.cross is not None and cross_qty and free > 0:
        take = cross_qty if cross_qty <= room else room // lot * lot
        if take > 0:
            moves.append(Move(Act.SUBMIT, take, plan.cross.price_e4, crossing=True))
            room, free = room - take, free - 1
    if plan.rest is not None and not pressed and free > 0:
        fits = missing if missing <= room else room // lot * lot
        if fits >= max(lot, plan.rest.qty // 2):
            moves += top_up(plan.rest, standing, moves, fits)
    return moves


def top_up(rest: Child, standing: Standing, moves: list[Move], qty: int) -> list[Move]:
    """Return the order that adds what is missing; where there are many, the smallest one grows instead."""
    if len(standing.chains) + standing.submits < CHAINS_MAX:
        return [Move(Act.SUBMIT, qty, rest.price_e4)]
    asked = {move.chain_id for move in moves}
    idle = [c for c in standing.chains if c.idle and not c.crossing and c.chain_id not in asked]
    if not idle:
        return []
    smallest = min(idle, key=lambda c: c.worst_leaves)
    return [Move(Act.REPLACE, smallest.qty + qty, rest.price_e4, smallest.chain_id)]


def rest_moves(
    plan: Plan, standing: Standing, slack_qty: int, rate_free: int, lot: int
) -> tuple[list[Move], int]:
    """Return what to ask of resting chains, and the shares still missing at the wanted price."""
    idle = [c for c in standing.chains if c.idle and not c.crossing]
    busy = sum(c.worst_leaves for c in standing.chains if not (c.idle or c.crossing))
    unmet = (plan.rest.qty if plan.rest is not None else 0) - busy - standing.submits_resting_qty
    moves: list[Move] = []
    # The chains that already stand well come first: they keep their place in the queue.
    for chain in sorted(idle, key=lambda c: not well_placed(c, plan, standing.sign)):
        leaves = chain.qty - chain.cum_qty
        take = min(leaves, max(0, unmet))
        if plan.rest is not None and leaves - take <= slack_qty:
            slack_qty, size = slack_qty - (leaves - take), leaves
        else:
            size = take // lot * lot
        if plan.rest is None or size == 0:
            moves.append(Move(Act.CANCEL, chain_id=chain.chain_id))
            continue
        unmet -= size
        stay = well_placed(chain, plan, standing.sign)
        if stay and size == leaves:
            continue
        if rate_free > 0:
            rate_free -= 1
            price_e4 = chain.price_e4 if stay else plan.rest.price_e4
            moves.append(Move(Act.REPLACE, chain.cum_qty + size, price_e4, chain.chain_id))
        elif size < leaves or worse(chain.price_e4, plan.worst_e4, standing.sign):
            moves.append(Move(Act.CANCEL, chain_id=chain.chain_id))
    return moves, max(0, unmet)


def well_placed(chain: Chain, plan: Plan, sign: int) -> bool:
    """Say whether a chain's price is the wanted one, or too near to it to be worth its place."""
    if plan.rest is None or worse(chain.price_e4, plan.worst_e4, sign):
        return False
    return abs(chain.price_e4 - plan.rest.price_e4) <= plan.slack_e4


def worse(price_e4: int, worst_e4: int, sign: int) -> bool:
    """Say whether a price lies beyond the last that limit and collar allow."""
    return sign * (price_e4 - worst_e4) > 0
