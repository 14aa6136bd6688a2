"""The replay on recorded days: without ours it gives the recorded trades and books, to the share."""

import os
from pathlib import Path

import numpy as np
import pytest

from market.book import OrderBook
from market.book_events import Kind
from market.flow.flow import ENDED
from market.flow.tape import TapeFlow
from market.matching import MatchingEngine
from market.matching_events import Outcome
from market.tape import Tape
from market.types import NS
from research.ingest.generate import Shape, lobster
from research.ingest.lobster import ingest

MINUTE = 60 * NS


def check(tape: Tape) -> TapeFlow:
    """Replay a whole tape minute by minute beside a book that only applies it."""
    events = tape.read(tape.first_ns, tape.last_ns + 1)
    flow, engine, book = TapeFlow(events), MatchingEngine(), OrderBook()
    completed = events.copy()
    outcomes = []
    at = 0
    for until_ns in range(tape.first_ns, tape.last_ns + MINUTE, MINUTE):
        outcomes.append(flow.advance(engine, until_ns).copy())
        to = int(np.searchsorted(events["ts_ns"], until_ns, side="right"))
        assert book.apply(completed[at:to]) == 0
        at = to
        assert engine.book.state_hash() == book.state_hash()
    rows = np.concatenate(outcomes)
    trades = rows[rows["kind"] == Outcome.TRADE]
    recorded = completed[np.isin(completed["kind"], (Kind.EXECUTE, Kind.EXECUTE_PRICE))]
    assert trades["resting_id"].tolist() == recorded["order_id"].tolist()
    for name in ("ts_ns", "price_e4", "size"):
        assert (trades[name] == recorded[name]).all()
    prints = rows[rows["kind"] == Outcome.PRINT]
    assert prints["size"].sum() == completed["size"][completed["kind"] == Kind.HIDDEN].sum()
    assert flow.next_ts_ns() == ENDED
    untouched = {
        name: count for name, count in flow.counters.items() if name not in ("executions", "off_fifo")
    }
    assert not any(untouched.values())
    return flow


@pytest.mark.slow
def test_a_generated_day_comes_out_as_recorded(tmp_path: Path) -> None:
    (tmp_path / "day.zip").write_bytes(lobster(3, Shape(events=4_000, minutes=20)))
    ingest(tmp_path / "day.zip", tmp_path / "tape")

    flow = check(Tape.open(tmp_path / "tape"))

    assert flow.counters["executions"] > 0


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "executions", "off_fifo"),
    [
        ("LOBSTER_SampleFile_GOOG_2012-06-21_10.zip", 7_765, 5),
        ("LOBSTER_SampleFile_AAPL_2012-06-21_30.zip", 4_067, 9),
    ],
)
def test_a_recorded_day_comes_out_as_recorded(
    name: str, executions: int, off_fifo: int, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("STEADYHAND_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
    if not (folder / "lobster" / name).is_file():
        pytest.skip(f"no recorded market data at {folder} (set STEADYHAND_DATA)")
    ingest(folder / "lobster" / name, tmp_path / "tape")

    flow = check(Tape.open(tmp_path / "tape"))

    assert flow.counters["executions"] == executions
    assert flow.counters["off_fifo"] == off_fifo
