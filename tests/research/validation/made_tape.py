"""A tick store of a synthetic market: what the exchange publishes is recorded, order by order."""

from datetime import date, time
from pathlib import Path

import numpy as np

from market import tape
from market.book_events import MARKET_EVENT, Flag, Kind
from market.flow.zero_intelligence import SYN, ZeroIntelligenceFlow
from market.matching import MatchingEngine
from market.matching_events import Outcome, OutcomeFlag
from market.types import NS

DAY = date(2024, 1, 2)


def made_tape(folder: Path, minutes: int, seed: int = 5) -> Path:
    begin = SYN.at(DAY, time(10, 0))
    until = begin + minutes * 60 * NS
    engine = MatchingEngine(orders_max=20_000, levels_max=4_000, outcomes_max=200_000)
    flow = ZeroIntelligenceFlow(seed, begin - 120 * NS, until)
    flow.advance(engine, begin)
    standing = np.zeros(len(engine.book), MARKET_EVENT)
    for row, order in zip(standing, engine.book.orders(), strict=True):
        row["ts_ns"], row["order_id"], row["price_e4"] = begin, order.order_id, order.price_e4
        row["size"], row["side"], row["kind"], row["flags"] = order.leaves, order.side, Kind.ADD, Flag.REVEAL
    steps = [min(until, at + 10 * NS) for at in range(begin, until, 10 * NS)]
    events = np.concatenate([standing, *(recorded(flow.advance(engine, at).copy()) for at in steps)])
    source = tape.Source(format="made", name="made", sha256="0" * 64, rows=len(events) - len(standing))
    tape.write(
        folder, [events], instrument=SYN, symbol=SYN.symbol, day=DAY, levels=0, source=source,
        standing=len(standing), quality={},
    )  # fmt: skip
    return folder


def recorded(outcomes: np.ndarray) -> np.ndarray:
    rows = []
    for o in outcomes:
        event = np.zeros(1, MARKET_EVENT)[0]
        event["ts_ns"], event["price_e4"], event["side"] = o["ts_ns"], o["price_e4"], o["side"]
        if o["kind"] == Outcome.RESTED:
            event["kind"], event["order_id"], event["size"] = Kind.ADD, o["order_id"], o["leaves"]
        elif o["kind"] == Outcome.TRADE:
            event["kind"], event["order_id"], event["size"] = Kind.EXECUTE, o["resting_id"], o["size"]
        elif o["kind"] == Outcome.CANCELED and o["flags"] & OutcomeFlag.RESTING:
            event["kind"] = Kind.CANCEL if o["leaves"] > 0 else Kind.DELETE
            event["order_id"], event["size"] = o["order_id"], o["size"]
        else:
            continue
        rows.append(event)
    return np.array(rows, MARKET_EVENT)
