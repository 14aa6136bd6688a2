"""T4: recorded tapes, cut into windows, and what stood in them without us.

Only hours that nothing was trained or calibrated on make a claim: `VALIDATION_FROM` names where they
begin on the recordings that were, and a calibration says itself which hours of which recording it was
fitted to. The touch of a window without us is the recording itself.
"""

from collections.abc import Iterable
from datetime import date, time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.book import OrderBook
from market.book_events import Kind
from market.flow.calibration import Calibration
from market.tape import Tape, TapeError
from policies.layout import ALMGREN_CHRISS, OBIZHAEVA_WANG, POV, VWAP
from policies.policy import Cadence, Decision, Mask, Observation
from policies.schedule import Situation, almgren_chriss, obizhaeva_wang, pov, twap, vwap
from research.baselines.contenders import Contender
from research.environment.scenarios import Scenario
from research.validation.play import PlayError

NS: Final = 1_000_000_000
VALIDATION_FROM: Final = {("GOOG", date(2012, 6, 21)): time(14, 30)}  # before: training and calibration
WARM_NS: Final = 120 * NS  # the feed is watched for so long before a parent begins
TAIL_NS: Final = 2 * NS  # a window ends before its tape does ...
SLACK_NS: Final = 8 * NS  # ... and the last one may be shorter by so much
SHARES: Final = (0.02, 0.05, 0.10)  # of the window's printed volume
WINDOWS_MIN: Final = 2  # one window has no interval
ORDERS_MAX, LEVELS_MAX = 20_000, 4_000
IMPROVE_BITS: Final = 0b111 << 6  # a tape has nobody who undercuts: no action may improve on the touch


class Window(NamedTuple):
    """One stretch of a tape."""

    tape: Tape
    begin_ns: int
    end_ns: int
    volume: int
    name: str


class Absent(NamedTuple):
    """The touch without us: when it changed and to what mid; volatility and depth of the window."""

    times: NDArray[np.int64]
    mids: NDArray[np.float64]
    half_spreads: NDArray[np.float64]
    sigma_bps: float  # of the whole window
    touch_depth: float
    vwap: float

    def mid(self, ts_ns: NDArray[np.int64], *, before: bool) -> NDArray[np.float64]:
        """Return the mid at some instants; `before`: just before what happened then."""
        return self.mids[self._at(ts_ns, before)]

    def half_spread(self, ts_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return half of the spread just before some instants."""
        return self.half_spreads[self._at(ts_ns, before=True)]

    def _at(self, ts_ns: NDArray[np.int64], before: bool) -> NDArray[np.int64]:
        at = np.searchsorted(self.times, ts_ns, side="left" if before else "right") - 1
        return np.asarray(np.maximum(at, 0), dtype=np.int64)


class TapeUseError(Exception):
    """A tape on which nothing can be validated: one line."""


Fitted = dict[str, tuple[int, int]]  # from when to when, of a tape by its events' SHA-256


def fitted(scenarios: Iterable[Scenario]) -> Fitted:
    """Return the hours that the markets of some scenarios were calibrated on."""
    found: Fitted = {}
    for scenario in scenarios:
        told = scenario.market.provenance if isinstance(scenario.market, Calibration) else {}
        begin, between, end = told.get("interval_utc_ns", "").partition("..")
        if between and "events_sha256" in told:
            found[told["events_sha256"]] = int(begin), int(end)
    return found


def windows(
    folder: Path, first: time | None, last: time | None, minutes: int, known: Fitted
) -> tuple[list[Window], str]:
    """Return the windows of a tape that may be used, and a word on hours that were left out.

    Args:
        folder: of the tape store.
        first: clock time to begin at; None: the tape's.
        last: clock time to end at; None: the tape's.
        minutes: of a window.
        known: hours that a market was fitted to; no window may touch them.

    Raises:
        TapeUseError: there is no whole store, or too few windows with both sides in it.

    """
    try:
        tape = Tape.open(folder)
    except TapeError as error:
        raise TapeUseError(str(error)) from None
    open_ns, close_ns = tape.instrument.session(tape.day)
    begin_ns = max(tape.first_ns + WARM_NS, open_ns)
    end_ns = min(tape.last_ns, close_ns) - TAIL_NS
    said = ""
    allowed = VALIDATION_FROM.get((str(tape.symbol), tape.day))
    if allowed is not None and tape.instrument.at(tape.day, allowed) > begin_ns:
        begin_ns = tape.instrument.at(tape.day, allowed)
        said = f"{tape.symbol}: hours before {allowed:%H:%M} are for training and were left out"
    if first is not None:
        begin_ns = max(begin_ns, tape.instrument.at(tape.day, first))
    if last is not None:
        end_ns = min(end_ns, tape.instrument.at(tape.day, last))
    made = cut(tape, begin_ns, end_ns, minutes * 60 * NS)
    since, until = known.get(tape.meta.events_sha256, (0, 0))
    unseen = [w for w in made if w.end_ns <= since or w.begin_ns >= until]
    if len(unseen) < len(made):
        clocks = f"{tape.instrument.clock(since)[:8]} to {tape.instrument.clock(until)[:8]}"
        said = f"{tape.symbol}: {clocks} were calibrated on and were left out"
        made = unseen
    if len(made) < WINDOWS_MIN:
        mend = "give shorter ones with --minutes, or a longer tape"
        if until:
            mend = "a market was calibrated on this tape; give another one, or other hours of it"
        elif not made and end_ns - begin_ns >= WINDOWS_MIN * minutes * 60 * NS:
            mend = "this tape has no trades there, or one side is empty"
        elif end_ns <= begin_ns:
            mend = "the tape has nothing there: other --from and --to"
        raise TapeUseError(
            f"{folder}: {len(made)} windows of {minutes} minutes with both sides and volume lie between "
            f"{tape.instrument.clock(begin_ns)[:8]} and {tape.instrument.clock(end_ns)[:8]}; "
            f"{WINDOWS_MIN} are needed: {mend}"
        )
    return made, said


def training_windows(folder: Path, minutes: int) -> list[Window]:
    """Return the windows of the hours that rules may be tuned on; none where a tape has no such hours."""
    tape = Tape.open(folder)
    until = VALIDATION_FROM.get((str(tape.symbol), tape.day))
    if until is None:
        return []
    begin_ns = max(tape.first_ns + WARM_NS, tape.instrument.session(tape.day)[0])
    return cut(tape, begin_ns, tape.instrument.at(tape.day, until), minutes * 60 * NS)


def cut(tape: Tape, begin_ns: int, end_ns: int, length_ns: int) -> list[Window]:
    """Return whole windows that have two sides when they begin and some volume."""
    made: list[Window] = []
    at = begin_ns
    while at + length_ns - SLACK_NS <= end_ns:
        until = min(at + length_ns, end_ns)
        events = tape.read(at, until)
        prints = np.isin(events["kind"], (int(Kind.EXECUTE), int(Kind.EXECUTE_PRICE), int(Kind.HIDDEN)))
        volume = int(events["size"][prints].sum())
        standing = events[events["ts_ns"] <= at]
        sides = set(standing["side"][standing["kind"] == int(Kind.ADD)].tolist())
        if SHARES[0] * volume >= 1.0 and {1, -1} <= sides:
            name = f"{tape.symbol} {tape.day} {tape.instrument.clock(at)[:8]}"
            made.append(Window(tape, at, until, volume, name))
        at += length_ns
    return made


def absent(window: Window) -> Absent:
    """Return the touch of a window as recorded.

    Raises:
        TapeUseError: one side is empty throughout.

    """
    events = window.tape.read(window.begin_ns, window.end_ns)
    book = OrderBook(ORDERS_MAX, LEVELS_MAX)
    book.apply(events)
    both = (events["bid_e4"] > 0) & (events["ask_e4"] > 0)
    if not both.any():
        raise TapeUseError(f"{window.name}: one side of the book is empty; nothing can be compared there")
    kept = events[both]
    bid, ask = kept["bid_e4"].astype(np.float64), kept["ask_e4"].astype(np.float64)
    mids, times = 0.5 * (bid + ask), kept["ts_ns"].astype(np.int64)
    grid = np.arange(window.begin_ns, window.end_ns, NS)
    path = mids[np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)]
    sigma = float(np.sqrt((np.diff(np.log(path)) ** 2).sum()) * 1e4)
    kinds = (int(Kind.EXECUTE), int(Kind.EXECUTE_PRICE), int(Kind.HIDDEN))
    prints = kept[np.isin(kept["kind"], kinds)]
    sizes = prints["size"].astype(np.float64)
    vwap_e4 = float((sizes * prints["price_e4"]).sum() / max(1.0, sizes.sum()))
    depth = float(np.mean([book.size_at(1, book.best_bid_e4), book.size_at(-1, book.best_ask_e4)]))
    return Absent(times, mids, 0.5 * (ask - bid), sigma, depth, vwap_e4)


class OnTape:
    """A contender as the trader's policy: one parent at a time, improving on the touch masked."""

    name = "contender"
    completes = True

    def __init__(self, who: Contender) -> None:
        self.sha256 = who.sha256
        self._act = who.begin()
        s = who.settings
        self._kind, self._params, self._curve = s.schedule, s.params, s.curve
        self.cadence = Cadence(
            interval_ms=s.interval_ns // 1_000_000,
            gap_ms=max(1, s.gap_ns // 1_000_000),
            on_fill=s.on_fill,
            on_touch=s.on_touch,
            corridor=s.corridor,
        )
        self._mask: NDArray[np.bool_] = np.zeros((1, 13), dtype=np.bool_)

    def describe(self) -> str:
        """Say what it is."""
        return f"a contender, {self.sha256[:12]}"

    def schedule(self, situation: Situation) -> float:
        """Return the fraction that should be done now."""
        if self._kind == VWAP:
            return vwap(situation, self._curve)
        if self._kind == POV:
            return pov(situation, self._params[0])
        if self._kind == ALMGREN_CHRISS:
            return almgren_chriss(situation, self._params[0] if self._params[0] >= 0 else 1.5)
        if self._kind == OBIZHAEVA_WANG:
            return obizhaeva_wang(situation, self._params[0])
        return twap(situation)

    def act(self, obs: Observation, mask: Mask) -> Decision:
        """Choose."""
        if not np.isfinite(obs).all():
            raise PlayError("a contender on a tape: an observation is not a number")
        bits = mask & ~IMPROVE_BITS
        for action in range(13):
            self._mask[0, action] = (bits >> action) & 1
        return Decision(int(self._act(np.ascontiguousarray(obs[None, :]), self._mask)[0]))
