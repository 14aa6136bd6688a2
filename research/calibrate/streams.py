"""Where a stream of events comes from: a tick store, seen through a coarser tick if wanted, or outcomes.

A coarser tick rounds bids down and asks up, so that a book never crosses by it. Rates and sizes stay, what
stood on several prices stands in one queue. It turns a market whose tick is too small to matter into one
where queues do, and every result made that way says so.
"""

from datetime import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.book_events import MARKET_EVENT, Flag, Kind
from market.matching_events import Outcome, OutcomeFlag
from market.tape import Tape
from research.calibrate.facts import FactsError


class Stream(NamedTuple):
    """Events with their interval, tick and origin."""

    events: NDArray[np.void]
    begin_ns: int
    end_ns: int
    tick_e4: int
    source: str
    sha256: str


def recorded(folder: Path, begin: time | None, end: time | None, tick_e4: int | None) -> Stream:
    """Return the events of a tick store between two clock times of its zone.

    Raises:
        TapeError: there is no whole store.
        FactsError: the interval is empty, or the tick is no multiple of the instrument's.
    """
    tape = Tape.open(folder)
    begin_ns = tape.instrument.at(tape.day, begin) if begin else tape.first_ns
    end_ns = tape.instrument.at(tape.day, end) if end else tape.last_ns + 1
    begin_ns, end_ns = max(begin_ns, tape.first_ns), min(end_ns, tape.last_ns + 1)
    if end_ns <= begin_ns:
        first, last = tape.instrument.clock(tape.first_ns), tape.instrument.clock(tape.last_ns)
        raise FactsError(f"{folder}: nothing between --from and --to; it holds {first} to {last}")
    events = tape.read(begin_ns, end_ns)
    adds = events[events["kind"] == Kind.ADD]
    if not len(adds):
        raise FactsError(f"{folder}: no order was ever added between --from and --to")
    own_e4 = tape.instrument.tick_e4(int(np.median(adds["price_e4"])))
    tick_e4 = tick_e4 or own_e4
    if tick_e4 % own_e4:
        raise FactsError(f"{folder}: --tick {tick_e4} is no multiple of its tick, {own_e4} (1e-4)")
    if tick_e4 != own_e4:
        events = coarser(events, tick_e4)
    return Stream(events, begin_ns, end_ns, tick_e4, tape.meta.source.name, tape.meta.events_sha256)


def coarser(events: NDArray[np.void], tick_e4: int) -> NDArray[np.void]:
    """Return the events with bids rounded down and asks up to a tick."""
    events = events.copy()
    price, side = events["price_e4"], events["side"]
    down = price // tick_e4 * tick_e4
    up = -(-price // tick_e4) * tick_e4
    shown = events["kind"] != Kind.HIDDEN  # a hidden print is where it is
    events["price_e4"] = np.where(shown & (side > 0), down, np.where(shown & (side < 0), up, price))
    return events


def of_outcomes(outcomes: NDArray[np.void]) -> NDArray[np.void]:
    """Return what a feed would show of a matching engine's outcomes."""
    kind, flags = outcomes["kind"], outcomes["flags"]
    assert not (kind == Outcome.REPLACED).any(), "no flow replaces orders"
    rested, traded = kind == Outcome.RESTED, kind == Outcome.TRADE
    gone = (kind == Outcome.CANCELED) & (flags & OutcomeFlag.RESTING != 0)
    public = rested | traded | gone
    rows = outcomes[public]
    rested, traded = rested[public], traded[public]
    events = np.zeros(len(rows), MARKET_EVENT)
    events["ts_ns"], events["price_e4"], events["side"] = rows["ts_ns"], rows["price_e4"], rows["side"]
    events["order_id"] = np.where(traded, rows["resting_id"], rows["order_id"])
    events["size"] = np.where(rested, rows["leaves"], rows["size"])
    whole = np.where(rows["leaves"] == 0, int(Kind.DELETE), int(Kind.CANCEL))
    events["kind"] = np.where(rested, int(Kind.ADD), np.where(traded, int(Kind.EXECUTE), whole))
    revealed = rested & (rows["flags"] & OutcomeFlag.REVEALED != 0)
    events["flags"] = np.where(revealed, int(Flag.REVEAL), 0)
    return events
