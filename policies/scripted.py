"""Scripted: a policy written by hand, line by line (script_language), for tests, drills and measurements.

Unlike other policies it remembers: which lines have fired, what happened since. That memory is part
of the core's state and of its hash.
"""

import hashlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from market.types import OrdType, ParentID, Side
from market.updates import Headroom, WorkingOrder
from policies.actions import (
    HOLD_NO_BOOK,
    HOLD_NO_TRADING,
    Child,
    Plan,
    Terms,
    Touch,
    allowance,
    bounded,
    worst_price,
)
from policies.executor import Act, Move
from policies.policy import Decision, Mask, Observation
from policies.schedule import Situation
from policies.script_language import Line, PriceTerm, Trigger, Verb, load
from policies.working import Heard

PENDING_MAX: Final = 1_000  # fired lines that wait for a step: more is a loop in the script


class Quote(NamedTuple):
    """The market that a script's prices speak of; 0 = not there."""

    bid_e4: int
    ask_e4: int
    last_e4: int
    tick_e4: int


class Parent(NamedTuple):
    """What a script is told of a live parent."""

    parent_id: ParentID
    start_ns: int
    midnight_ns: int  # of the instrument's zone


class Scripted:
    """The script and where it stands."""

    def __init__(self, name: str, raw: bytes, lines: tuple[Line, ...]) -> None:
        self.name = name
        self.sha256 = hashlib.sha256(raw).hexdigest()
        self.completes = True
        self.cadence: None = None
        self.lines = lines
        self.dropped = 0
        self._wants: dict[ParentID, Line | None] = {}
        self._fired: set[tuple[int, ParentID]] = set()  # AT and AFTER, once a parent
        self._next_ns: dict[int, int] = {}  # EVERY: line -> market time
        self._turn = 0
        self._counts: dict[Trigger, int] = {}
        self._pending: list[tuple[Line, ParentID | None]] = []

    @staticmethod
    def of_file(path: Path) -> "Scripted":
        """Read a script.

        Raises:
            ScriptError: with file:line.

        """
        raw, lines = load(path)
        return Scripted(f"script:{path.name}", raw, lines)

    def describe(self) -> str:
        """Say in one line what it is."""
        return f"{self.name}: {len(self.lines)} lines, by hand"

    def schedule(self, situation: Situation) -> float:  # noqa: ARG002  (a script has no schedule)
        """Nothing is ever due."""
        return 0.0

    def act(self, obs: Observation, mask: Mask) -> Decision:  # noqa: ARG002  (it wants orders, not actions)
        """Do nothing of the table."""
        return Decision(0)

    # --- what happened ---

    def heard(self, order: WorkingOrder, heard: Heard) -> None:
        """Take what an order update meant."""
        if heard.acknowledged:
            self.happened(Trigger.ACK, order.parent_id)
        if heard.filled_qty > 0:
            self.happened(Trigger.FILL, order.parent_id)
        if heard.ended is not None:
            self.happened(Trigger.END, order.parent_id)

    def happened(self, trigger: Trigger, parent_id: ParentID | None) -> None:
        """Count an event and queue the lines that wait for it. `None`: it concerns every parent."""
        count = self._counts[trigger] = self._counts.get(trigger, 0) + 1
        for line in self.lines:
            if line.trigger is trigger and line.count in (0, count):
                if len(self._pending) < PENDING_MAX:
                    self._pending.append((line, parent_id))
                else:
                    self.dropped += 1

    # --- what is due ---

    def due(self, now_ns: int, parents: list[Parent], fed: bool) -> list[tuple[Line, ParentID]]:
        """Return the lines to carry out now; those of `every` without `timer` wait for a feed read."""
        out: list[tuple[Line, ParentID]] = []
        pending, self._pending = self._pending, []
        ids = [p.parent_id for p in parents]
        for line, parent_id in pending:
            out += [(line, p) for p in ids if parent_id is None or p == parent_id]
        for line in self.lines:
            if line.trigger is Trigger.EVERY:
                if ids and (fed or line.on_timer) and now_ns >= self._next_ns.get(line.number, 0):
                    due_ns = self._next_ns.get(line.number, now_ns) + line.time_ns
                    self._next_ns[line.number] = max(due_ns, now_ns)
                    self._turn += 1
                    out.append((line, ids[self._turn % len(ids)]))
            elif line.trigger in (Trigger.AT, Trigger.AFTER):
                out += [(line, p.parent_id) for p in parents if self._once(line, p, now_ns)]
        for line, parent_id in out:
            if line.verb is Verb.WANT:
                self._wants[parent_id] = line if line.qty is not None else None
        return out

    def next_due_ns(self, parents: list[Parent]) -> list[int]:
        """Return the market times at which a line falls due by the clock."""
        times = [
            when_ns(line, p)
            for line in self.lines
            if line.trigger in (Trigger.AT, Trigger.AFTER)
            for p in parents
            if (line.number, p.parent_id) not in self._fired
        ]
        if parents:
            timed = (line.number for line in self.lines if line.on_timer)
            times += [self._next_ns.get(number, 1) for number in timed]
        return times

    def plan(self, parent_id: ParentID, terms: Terms, touch: Touch, quote: Quote, headroom: Headroom) -> Plan:
        """Return what a `want` of this parent stands for now."""
        if not headroom.can_trade:
            return HOLD_NO_TRADING
        if parent_id not in self._wants:
            return Plan(hold=True)
        line = self._wants[parent_id]
        allowed, constraint = allowance(terms)
        rest = None
        if line is not None and line.price is not None:
            price_e4 = price_of(line.price, quote, terms.side)
            if price_e4 <= 0:
                return HOLD_NO_BOOK
            price_e4 = bounded(price_e4, terms, headroom, touch.tick_e4)
            qty = min(line.qty or 0, allowed, headroom.order_qty_max)
            rest = Child(qty, price_e4) if qty > 0 and price_e4 > 0 else None
        return Plan(
            rest=rest, constraint=constraint, allowed_qty=allowed, worst_e4=worst_price(terms, headroom)
        )

    def memory(self) -> Any:
        """Return everything remembered, for the state hash."""
        wants = sorted((p, line.number if line else 0) for p, line in self._wants.items())
        counts = sorted((t.value, n) for t, n in self._counts.items())
        pending = [(line.number, p) for line, p in self._pending]
        return wants, sorted(self._fired), sorted(self._next_ns.items()), self._turn, counts, pending

    def _once(self, line: Line, parent: Parent, now_ns: int) -> bool:
        key = (line.number, parent.parent_id)
        if key in self._fired or now_ns < when_ns(line, parent):
            return False
        self._fired.add(key)
        return True


def moves_of(line: Line, chains: list[WorkingOrder], quote: Quote, side: Side) -> list[Move]:
    """Return what a line other than `want` asks of the gate. `chains`: the parent's, oldest first."""
    side = line.side or side
    price_e4 = price_of(line.price, quote, side) if line.price is not None else 0
    if line.price is not None and price_e4 <= 0:
        return []  # the market has no such side now
    if line.verb is Verb.SUBMIT:
        far_e4 = quote.ask_e4 if side is Side.BUY else quote.bid_e4
        reaches = far_e4 > 0 and side.sign * (price_e4 - far_e4) >= 0
        return [
            Move(
                Act.SUBMIT,
                line.qty or 0,
                price_e4,
                crossing=line.ord_type is OrdType.MARKET or reaches,
                side=line.side,
                ord_type=line.ord_type,
                time_in_force=line.time_in_force,
                post_only=line.post_only,
            )
        ]
    if not chains:
        return []
    meant = chains if line.target == "all" else [chains[0 if line.target == "first" else -1]]
    if line.verb is Verb.CANCEL:
        return [Move(Act.CANCEL, chain_id=c.chain_id) for c in meant]
    return [Move(Act.REPLACE, line.qty or c.qty, price_e4 or c.price_e4, c.chain_id) for c in meant]


def when_ns(line: Line, parent: Parent) -> int:
    """Return the market time of an `at` line for a parent."""
    base = parent.midnight_ns if line.trigger is Trigger.AT else parent.start_ns
    return base + line.time_ns


def price_of(term: PriceTerm, quote: Quote, side: Side) -> int:
    """Return the price that a term stands for, 0 where the market has no such side. Mid: rounded inwards."""
    if not term.anchor:
        return term.price_e4
    if term.anchor == "mid":
        if not (quote.bid_e4 > 0 and quote.ask_e4 > 0):
            return 0
        half = (quote.bid_e4 + quote.ask_e4) // (2 * quote.tick_e4)
        odd = (quote.bid_e4 + quote.ask_e4) % (2 * quote.tick_e4) and side is not Side.BUY
        base = (half + bool(odd)) * quote.tick_e4
    else:
        base = {"bid": quote.bid_e4, "ask": quote.ask_e4, "last": quote.last_e4}[term.anchor]
        if term.anchor == "last":
            base = base // quote.tick_e4 * quote.tick_e4
    return max(0, base + term.ticks * quote.tick_e4) if base > 0 else 0
