"""The action table, and `plan`: from one action to the child orders that should be standing.

Precedence, always: limit price > risk (Headroom) > participation cap > completion. A policy cannot
ask for anything outside: it moves inside the corridor, and where the schedule is too far behind,
the plan crosses whatever the policy said. What could not be done is named, never forced through.
The sums are kernels (policies.plan_kernels); here are names, Structs, and the packing between.
"""

import hashlib
import json
import struct
from typing import Final

import msgspec
import numpy as np

from market.types import Side
from market.updates import Headroom
from policies import layout
from policies import plan_kernels as k
from policies.schedule import Corridor

NONE, JOIN, IMPROVE, SECOND = k.REST_NONE, k.REST_JOIN, k.REST_IMPROVE, k.REST_SECOND
PASSIVE_NAMES: Final = ("none", "join", "improve", "second")
ACTIONS: Final = k.ACTIONS
ACTION_TABLE_VERSION: Final = 1
PASSIVE_SLICES: Final = k.PASSIVE_SLICES
CATCH_UP_SLICES: Final = k.CATCH_UP_SLICES
SWEEP_LEVELS: Final = k.SWEEP_LEVELS


def action_table() -> list[dict[str, object]]:
    """Return the table as artefacts carry it."""
    return [
        {"index": i, "passive": PASSIVE_NAMES[passive], "cross_half_slices": halves}
        for i, (passive, halves) in enumerate(ACTIONS)
    ]


def action_table_sha256() -> str:
    """Return the hash that the gate and artefacts know the table by."""
    tree = {
        "version": ACTION_TABLE_VERSION,
        "actions": action_table(),
        "passive_slices": PASSIVE_SLICES,
        "catch_up_slices": CATCH_UP_SLICES,
        "sweep_levels": SWEEP_LEVELS,
    }
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


ACTION_TABLE_SHA256: Final = action_table_sha256()


class Touch(msgspec.Struct, frozen=True, gc=False):
    """The market from one side, our own displayed size taken out. 0 = nobody is there."""

    own_e4: int  # best price of the side on which we rest
    own_second_e4: int
    other_e4: tuple[int, ...]  # prices that we would take, best first
    other_qty: tuple[int, ...]
    tick_e4: int


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What of the parent and its progress a plan needs."""

    side: Side
    qty: int  # as amended
    cum_qty: int
    risk_qty: int  # most that may be done and working in all, as the gate's headroom says
    limit_e4: int | None
    cap_qty: int | None  # most that may be done by now under the participation cap; None = no cap
    must_complete: bool
    lot: int


class Child(msgspec.Struct, frozen=True, gc=False):
    """One order that should be standing (or, crossing, be sent once)."""

    qty: int
    price_e4: int


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What should be: one resting order, one crossing order, and what stood in the way."""

    rest: Child | None = None
    cross: Child | None = None
    hold: bool = False  # touch nothing: neither send nor cancel
    constraint: str = ""  # the strongest constraint that cut this plan
    allowed_qty: int = 0  # most that may work and cross in all
    slack_qty: int = 0  # a standing quantity that is over by less is left alone
    slack_e4: int = 0  # so is a price that is off by no more, unless it is worse than `worst_e4`
    worst_e4: int = 0  # limit and collar


HOLD_NO_TRADING: Final = Plan(hold=True, constraint="risk: not allowed to trade now")
HOLD_NO_BOOK: Final = Plan(hold=True, constraint="market: a side of the book is empty")
CONSTRAINTS: Final = (  # texts by code, policies.layout.WHY
    "",
    "participation cap",
    "risk: position or committed quantity",
    "limit price",
    HOLD_NO_TRADING.constraint,
    HOLD_NO_BOOK.constraint,
)

# One desk for every call: a decision is packed, computed and read by one thread before the next.
_DESK: Final = np.zeros(layout.DESK_SIZE, dtype=np.int64)
_ROOM: Final = _DESK.data
_TERMS: Final = struct.Struct(f"={layout.TERMS_SIZE}q")
_TERMS_AT: Final = 8 * layout.TERMS
_SEEN: Final = struct.Struct(f"={layout.TERMS_SIZE + layout.BAND_SIZE + layout.TOUCH_SIZE}q")
_LIMITS: Final = struct.Struct("=4q")  # of the headroom, what a plan needs
_LIMITS_AT: Final = 8 * layout.HEADROOM
_PLAN: Final = struct.Struct(f"={layout.PLAN_SIZE}q")
_PLAN_AT: Final = 8 * layout.PLAN
_BUY: Final = Side.BUY
_NOBODY: Final = (0,) * layout.TAKE_LEVELS


def plan(action: int, terms: Terms, corridor: Corridor, touch: Touch, headroom: Headroom) -> Plan:
    """Return the orders wanted after `action`."""
    _pack(terms, corridor, touch)
    _pack_limits(headroom)
    k.plan(action, _DESK)
    hold, why, rest, rest_e4, cross, cross_e4, allowed, slack, slack_e4, worst_e4 = _PLAN.unpack_from(
        _ROOM, _PLAN_AT
    )
    if hold:
        return HOLD_NO_TRADING if why == layout.NO_TRADING else HOLD_NO_BOOK
    return Plan(
        Child(rest, rest_e4) if rest_e4 else None,
        Child(cross, cross_e4) if cross_e4 else None,
        False,
        CONSTRAINTS[why],
        allowed,
        slack,
        slack_e4,
        worst_e4,
    )


def mask(touch: Touch, corridor: Corridor, terms: Terms) -> int:
    """Return the actions that mean something here, as bits; bit 0 (do nothing) is always set."""
    _pack(terms, corridor, touch)
    return k.mask(_DESK)


def allowance(terms: Terms) -> tuple[int, str]:
    """Return how many shares may be working and crossing in all, and what sets that."""
    _pack_terms(terms)
    k.allowance(_DESK)
    return int(_DESK[layout.ALLOWED]), CONSTRAINTS[_DESK[layout.WHY]]


def bounded(price_e4: int, terms: Terms, headroom: Headroom, tick_e4: int) -> int:
    """Return the price no worse than limit and collar, on the tick grid; 0 = no price may be sent."""
    _pack_terms(terms)
    _pack_limits(headroom)
    _DESK[layout.TICK] = tick_e4
    return int(k.bounded(price_e4, _DESK))


def worst_price(terms: Terms, headroom: Headroom) -> int:
    """Return the last price that limit and collar allow; 0 = none."""
    _pack_terms(terms)
    _pack_limits(headroom)
    return int(k.worst_price(_DESK))


def _pack(terms: Terms, corridor: Corridor, touch: Touch) -> None:
    prices, sizes = touch.other_e4, touch.other_qty
    if not len(prices) == len(sizes) == layout.TAKE_LEVELS:
        prices = (*prices, *_NOBODY)[: layout.TAKE_LEVELS]
        sizes = (*sizes, *_NOBODY)[: layout.TAKE_LEVELS]
    _SEEN.pack_into(
        _ROOM,
        _TERMS_AT,
        terms.qty,
        terms.cum_qty,
        terms.risk_qty,
        terms.limit_e4 or 0,
        layout.NO_CAP if terms.cap_qty is None else terms.cap_qty,
        terms.must_complete,
        terms.lot,
        1 if terms.side is _BUY else -1,
        corridor.target,
        corridor.low,
        corridor.high,
        corridor.slice_qty,
        corridor.closing,
        touch.own_e4,
        touch.own_second_e4,
        touch.tick_e4,
        *prices,
        *sizes,
    )


def _pack_terms(terms: Terms) -> None:
    _TERMS.pack_into(
        _ROOM,
        _TERMS_AT,
        terms.qty,
        terms.cum_qty,
        terms.risk_qty,
        terms.limit_e4 or 0,
        layout.NO_CAP if terms.cap_qty is None else terms.cap_qty,
        terms.must_complete,
        terms.lot,
        1 if terms.side is _BUY else -1,
    )


def _pack_limits(headroom: Headroom) -> None:
    _LIMITS.pack_into(
        _ROOM,
        _LIMITS_AT,
        headroom.order_qty_max,
        headroom.collar_low_e4,
        headroom.collar_high_e4,
        headroom.can_trade,
    )
