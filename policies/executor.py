"""The executor: what should be standing against what stands, as the fewest moves.

It never lets more be committed than the parent holds, leaves chains with something in flight alone,
asks at most one thing of a chain at a time, and moves an order only where the plan wants another
price or a clearly other size: a place in the queue is worth more than a tidy quantity.
The sums are a kernel (policies.executor_kernels); here are names, Structs, and the packing between.
"""

import struct
from enum import IntEnum
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.types import ClOrdID, OrdStatus, OrdType, Side, TimeInForce
from policies import executor_kernels as k
from policies import layout
from policies.actions import Plan

CHAINS_MAX: Final = k.CHAINS_MAX
RESTING: Final = frozenset({OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED})


NO_CHAIN: Final = ClOrdID("")


class Act(IntEnum):
    """What is asked of the gate."""

    SUBMIT = layout.SUBMIT
    REPLACE = layout.REPLACE
    CANCEL = layout.CANCEL


ACTS: Final = (Act.SUBMIT, Act.SUBMIT, Act.REPLACE, Act.CANCEL)  # by code


class Move(msgspec.Struct, frozen=True, gc=False):
    """One intent, before it is numbered."""

    act: Act
    qty: int = 0  # SUBMIT: shares; REPLACE: OrderQty of the chain, CumQty included
    price_e4: int = 0
    chain_id: ClOrdID = ClOrdID("")
    crossing: bool = False  # SUBMIT: takes liquidity, immediate or cancel
    # What only a script asks for:
    side: Side | None = None  # None: the parent's
    ord_type: OrdType = OrdType.LIMIT
    time_in_force: TimeInForce | None = None  # None: IOC where it crosses, DAY where it rests
    post_only: bool = False


class Chain(msgspec.Struct, frozen=True, gc=False):
    """A live child order as the executor needs it."""

    chain_id: ClOrdID
    price_e4: int
    qty: int
    cum_qty: int
    worst_leaves: int  # what can still trade, a pending replace at its larger size
    idle: bool  # rests in the book and nothing of ours is in flight
    crossing: bool  # sent to take liquidity


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Everything of one parent that lives or is on its way."""

    sign: int  # +1 buying, -1 selling
    qty: int  # of the parent, as amended
    cum_qty: int
    chains: tuple[Chain, ...]  # oldest first
    submits: int = 0  # submits that the gate has not answered
    submits_resting_qty: int = 0
    submits_crossing_qty: int = 0

    @property
    def working_qty(self) -> int:
        """Shares working at worst, or asked for."""
        leaves = sum(c.worst_leaves for c in self.chains)
        return leaves + self.submits_resting_qty + self.submits_crossing_qty


# One desk for every call, as in policies.actions: one thread packs, computes and reads.
_DESK: Final = np.zeros(layout.DESK_SIZE, dtype=np.int64)
_ROOM: Final = _DESK.data
_PLAN: Final = struct.Struct(f"={layout.PLAN_SIZE + layout.STANDING_SIZE}q")
_PLAN_AT: Final = 8 * layout.PLAN
_TERMS: Final = struct.Struct(f"={layout.TERMS_SIZE}q")
_TERMS_AT: Final = 8 * layout.TERMS
_CHAIN: Final = struct.Struct(f"={layout.CHAIN_COLUMNS}q")
_MOVE: Final = struct.Struct(f"={layout.MOVE_COLUMNS}q")
ROWS: Final = 64  # chains of one parent for which there is room at once: state.OWN_MAX; more make room anew


class _Tables:
    """Chains and moves as the kernel takes them."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.chains: NDArray[Any] = np.zeros((rows, layout.CHAIN_COLUMNS), dtype=np.int64)
        self.moves: NDArray[Any] = np.zeros((rows + layout.MOVES_BEYOND, layout.MOVE_COLUMNS), dtype=np.int64)
        self.chains_room = self.chains.data.cast("B")
        self.moves_room = self.moves.data.cast("B")


_TABLES: Final = _Tables(ROWS)


def reconcile(plan: Plan, standing: Standing, rate_free: int, orders_free: int, lot: int) -> list[Move]:
    """Return the moves from what stands to what is wanted: cancels and replaces, then submits."""
    if plan.hold:
        return []
    chains = standing.chains
    tables = _TABLES if len(chains) <= ROWS else _Tables(len(chains))
    _pack(plan, standing, rate_free, orders_free, lot)
    at = 0
    for c in chains:
        _CHAIN.pack_into(
            tables.chains_room, at, c.price_e4, c.qty, c.cum_qty, c.worst_leaves, c.idle, c.crossing
        )
        at += _CHAIN.size
    count = k.reconcile(_DESK, tables.chains, tables.moves)
    moves = []
    for row in range(count):
        act, qty, price_e4, chain, crossing = _MOVE.unpack_from(tables.moves_room, row * _MOVE.size)
        chain_id = chains[chain].chain_id if chain >= 0 else NO_CHAIN
        moves.append(Move(ACTS[act], qty, price_e4, chain_id, crossing != 0))
    return moves


def _pack(plan: Plan, standing: Standing, rate_free: int, orders_free: int, lot: int) -> None:
    rest, cross = plan.rest, plan.cross
    _TERMS.pack_into(_ROOM, _TERMS_AT, standing.qty, standing.cum_qty, 0, 0, 0, 0, lot, standing.sign)
    _PLAN.pack_into(
        _ROOM,
        _PLAN_AT,
        False,
        layout.FREE,
        rest.qty if rest is not None else 0,
        rest.price_e4 if rest is not None else 0,
        cross.qty if cross is not None else 0,
        cross.price_e4 if cross is not None else 0,
        plan.allowed_qty,
        plan.slack_qty,
        plan.slack_e4,
        plan.worst_e4,
        len(standing.chains),
        standing.submits,
        standing.submits_resting_qty,
        standing.submits_crossing_qty,
        rate_free,
        orders_free,
    )
