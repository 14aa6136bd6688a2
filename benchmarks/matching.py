"""Events a second on one core: matching, feed to book, replay; beside hftbacktest on the same events.

    python -m benchmarks.matching [--hours 8] [--rounds 5] [--peer-python PATH]

The stream is what the synthetic flow does in so many market hours: limit orders, cancels (one in ten
partial), market orders. `matching` gets it as commands; `book` as the public events that came of them;
`replay` runs these events through TapeFlow (each into the tape's own book and, matched again, into the one
that ours may stand in). The peer replays the same events, one row each, in its L3 mode (order by order, FIFO)
with an idle strategy; its Python is a venv of its own, since it needs numpy < 2.3 and numba 0.61:

    python -m venv PEER && PEER/bin/pip install hftbacktest==2.4.4 'numpy<2.3' 'numba~=0.61.0'

Rounds are interleaved. Wall and CPU seconds are both taken: on a shared machine the CPU figure says more.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from market.book import OrderBook
from market.book_events import MARKET_EVENT, Kind
from market.flow.flow import ENDED
from market.flow.tape import TapeFlow
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from market.matching import MatchingEngine
from market.matching_events import COMMAND, Command, CommandFlag, Outcome, OutcomeFlag
from market.types import NS

BATCH = 256  # commands or events a call: a busy read of a feed
TICK = 0.01
PEER = Path(__file__).with_name("peer_hftbacktest.py")
PEER_EVENT = np.dtype(
    [
        *(("ev", "u8"), ("exch_ts", "i8"), ("local_ts", "i8"), ("px", "f8"), ("qty", "f8")),
        *(("order_id", "u8"), ("ival", "i8"), ("fval", "f8")),
    ]
)
PEER_ADD, PEER_CANCEL, PEER_MODIFY = 10, 11, 12
PEER_BOTH, PEER_BUY, PEER_SELL = (1 << 31) | (1 << 30), 1 << 29, 1 << 28
Round = Callable[[], tuple[float, float]]


def outcomes_of(hours: float, seed: int = 1) -> np.ndarray:
    flow, engine = ZeroIntelligenceFlow(seed, 0, int(hours * 3600) * NS), MatchingEngine()
    pieces = []
    until_ns = 0
    while flow.next_ts_ns() != ENDED:
        pieces.append(flow.advance(engine, until_ns).copy())
        until_ns += 60 * NS
    return np.concatenate(pieces)


def commands_of(outcomes: np.ndarray) -> np.ndarray:
    """Ask for what came out: one command for each arrival and each cancel."""
    kind = outcomes["kind"]
    trade = kind == Outcome.TRADE
    again = np.zeros(len(outcomes), dtype=bool)
    again[1:] = trade[1:] & trade[:-1] & (outcomes["order_id"][1:] == outcomes["order_id"][:-1])
    canceled = (kind == Outcome.CANCELED) & (outcomes["flags"] & OutcomeFlag.RESTING > 0)
    rows = outcomes[(kind == Outcome.RESTED) | canceled | (trade & ~again)]
    commands = np.zeros(len(rows), dtype=COMMAND)
    for name in ("ts_ns", "order_id", "side", "price_e4", "size"):
        commands[name] = rows[name]
    commands["kind"] = np.where(rows["kind"] == Outcome.CANCELED, Command.CANCEL, Command.NEW)
    market = rows["kind"] == Outcome.TRADE
    commands["side"][market] *= -1
    commands["size"][market] += rows["leaves"][market]
    commands["price_e4"][market] = 0
    commands["flags"][market] = CommandFlag.MARKET
    return commands


def events_of(outcomes: np.ndarray) -> np.ndarray:
    """The public events of outcomes."""
    kind = outcomes["kind"]
    public = (
        (kind == Outcome.RESTED) | (kind == Outcome.TRADE) | (outcomes["flags"] & OutcomeFlag.RESTING > 0)
    )
    rows = outcomes[public]
    events = np.zeros(len(rows), dtype=MARKET_EVENT)
    traded = rows["kind"] == Outcome.TRADE
    gone = (rows["kind"] == Outcome.CANCELED) & (rows["leaves"] == 0)
    events["ts_ns"], events["size"], events["side"] = rows["ts_ns"], rows["size"], rows["side"]
    events["price_e4"] = rows["price_e4"]
    events["order_id"] = np.where(traded, rows["resting_id"], rows["order_id"])
    events["kind"] = np.select(
        [rows["kind"] == Outcome.RESTED, traded, gone], [Kind.ADD, Kind.EXECUTE, Kind.DELETE], Kind.CANCEL
    )
    return events


def peer_events(events: np.ndarray) -> np.ndarray:
    """The same events, one row each: add, modify (what is left), cancel (nothing is left)."""
    left: dict[int, int] = {}
    rows = np.zeros(len(events), dtype=PEER_EVENT)
    rows["exch_ts"] = rows["local_ts"] = events["ts_ns"] + NS  # it takes 0 for no time
    rows["px"] = events["price_e4"] / 10_000
    rows["order_id"] = events["order_id"]
    names = np.zeros(len(events), dtype=np.uint64)
    quantities = np.zeros(len(events))
    for at, (kind, order_id, size) in enumerate(
        zip(events["kind"].tolist(), events["order_id"].tolist(), events["size"].tolist(), strict=True)
    ):
        if kind == Kind.ADD:
            left[order_id] = size
            names[at] = PEER_ADD
        else:
            left[order_id] -= left[order_id] if kind == Kind.DELETE else size
            names[at] = PEER_MODIFY if left[order_id] else PEER_CANCEL
        quantities[at] = left[order_id]
    side = np.where(events["side"] == 1, PEER_BUY, PEER_SELL).astype(np.uint64)
    rows["ev"] = names | side | np.uint64(PEER_BOTH)
    rows["qty"] = quantities
    return rows


def timed(work: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def matching(commands: np.ndarray) -> tuple[float, float]:
    engine = MatchingEngine()

    def work() -> None:
        for at in range(0, len(commands), BATCH):
            engine.submit(commands[at : at + BATCH])

    spent = timed(work)
    assert engine.counters.rejected == 0
    return spent


def book(events: np.ndarray) -> tuple[float, float]:
    target, batch = OrderBook(), events.copy()

    def work() -> None:
        for at in range(0, len(batch), BATCH):
            target.apply(batch[at : at + BATCH])

    spent = timed(work)
    assert target.counters.anomalies == 0
    return spent


def replay(events: np.ndarray) -> tuple[float, float]:
    flow, engine = TapeFlow(events), MatchingEngine()
    times = [*events["ts_ns"][BATCH - 1 :: BATCH].tolist(), ENDED - 1]
    flow.shadow_of(engine)

    def work() -> None:
        for until_ns in times:
            flow.advance(engine, until_ns)

    spent = timed(work)
    assert flow.counters["anomalies"] == flow.counters["voided"] == 0
    return spent


class Peer:
    """hftbacktest in its own interpreter, one round a line."""

    def __init__(self, python: Path, events: np.ndarray, folder: Path) -> None:
        path = folder / "events.npy"
        np.save(path, peer_events(events))
        prices = events["price_e4"] / 10_000
        bounds = [str(prices.min() - 1), str(prices.max() + 1), str(TICK)]
        self.process = subprocess.Popen(
            [str(python), str(PEER), str(path), *bounds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._line()[1]

    def _line(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the peer ended; what it said stands above")
        return line.split()

    def round(self) -> tuple[float, float]:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        wall, cpu, self.bid, self.ask = (float(word) for word in self._line())
        return wall, cpu

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)


def table(rounds: dict[str, list[tuple[float, float]]], counts: dict[str, int]) -> None:
    print(f"{'':24}{'M/s wall':>10}{'M/s CPU':>10}{'ns each, CPU':>14}")
    for name, spent in rounds.items():
        wall = statistics.median(one[0] for one in spent)
        cpu = statistics.median(one[1] for one in spent)
        count = counts[name]
        print(f"{name:24}{count / wall / 1e6:10.2f}{count / cpu / 1e6:10.2f}{cpu / count * 1e9:14.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-python", type=Path)
    options = parser.parse_args()
    outcomes = outcomes_of(options.hours)
    commands, events = commands_of(outcomes), events_of(outcomes)
    runs: dict[str, Round] = {
        "matching": lambda: matching(commands),
        "book": lambda: book(events),
        "replay": lambda: replay(events),
    }
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(options.peer_python, events, Path(folder)) if options.peer_python else None
        if peer is not None:
            runs["hftbacktest " + peer.version] = peer.round
        for run in runs.values():
            run()  # warm
        rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, run in runs.items():
                rounds[name].append(run())
        if peer is not None:
            peer.close()
            check = OrderBook()
            check.apply(events.copy())
            print(f"touch at the end: ours {check.best_bid_e4 / 1e4} {check.best_ask_e4 / 1e4}, "
                  f"peer {round(peer.bid, 4)} {round(peer.ask, 4)}")  # fmt: skip
    print(f"{len(commands):,} commands, {len(events):,} events, batches of {BATCH}, {options.rounds} rounds")
    table(rounds, {name: len(commands) if name == "matching" else len(events) for name in rounds})
    if peer is None:
        print("hftbacktest: absent, no ratio (give --peer-python, see the head of this file)")
        return
    last = list(rounds)[-1]
    for name in ("matching", "book", "replay"):
        ratios = [theirs[1] / ours[1] for ours, theirs in zip(rounds[name], rounds[last], strict=True)]
        print(f"{name} / hftbacktest, CPU, median of rounds: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
