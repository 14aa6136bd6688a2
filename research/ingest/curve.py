"""`steadyhand curve`: how a day's volume spreads over the session, as VWAP follows it.

The curve is the median over sessions of each bin's share of its day, so that one day with news does not
bend it. Volume is what was printed in continuous trading, hidden executions included, auctions left
out. Which sessions are earlier than the day of trading only the caller knows: `--before` holds him to it.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.book_events import Flag, Kind
from market.instruments import Instrument
from market.tape import Tape, TapeError
from market.types import NS
from research.whole import put

PRINTS: Final = (Kind.EXECUTE, Kind.EXECUTE_PRICE, Kind.HIDDEN)
DIGITS: Final = 9  # of a share; a bin of a liquid day holds some 1e-2


class CurveRefused(Exception):  # noqa: N818
    """Stores that make no curve: one line with the store, what is wrong and how to mend it."""


def main(options: argparse.Namespace) -> int:
    """Run the sub-command; 0 done, 2 where a store or the place are not as they must be."""
    try:
        if options.out.exists() and not options.force:
            raise CurveRefused(f"{options.out}: exists already; give another --out or --force")
        days, instrument, shares = read(options.stores, options.bin_minutes, options.before)
        write(options.out, text_of(days, instrument, np.median(shares, axis=0), options.bin_minutes))
    except (CurveRefused, TapeError) as error:
        print(f"steadyhand curve: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"steadyhand curve: {options.out}: {error.strerror}; give another --out", file=sys.stderr)
        return 2
    span = f"{days[0]}" if len(days) == 1 else f"{len(days)} sessions, {days[0]} to {days[-1]}"
    print(f"{options.out}: {instrument.symbol}, {span}, {shares.shape[1]} bins")
    return 0


def read(
    stores: Sequence[Path], bin_minutes: int, before: date | None
) -> tuple[list[date], Instrument, NDArray[np.float64]]:
    """Return the days in order, what was traded, and each day's share of volume by bin.

    Raises:
        CurveRefused: a store does not fit.
        TapeError: a store cannot be read.
    """
    of_day: dict[date, tuple[Path, NDArray[np.float64]]] = {}
    first: Instrument | None = None
    for store in stores:
        tape = Tape.open(store)
        traded = tape.instrument
        first = first or traded
        if (traded.symbol, traded.zone, *hours(traded)) != (first.symbol, first.zone, *hours(first)):
            raise CurveRefused(
                f"{store}: {described(traded)}, the first store is {described(first)}; one symbol at a time"
            )
        if tape.day in of_day:
            raise CurveRefused(f"{store}: {tape.day} is there already, {of_day[tape.day][0]}; leave one out")
        if before is not None and tape.day >= before:
            raise CurveRefused(f"{store}: is of {tape.day}, not before {before}; leave it out")
        of_day[tape.day] = store, shares_of(tape, bin_minutes)
    assert first is not None, "the command line asks for one store at least"
    days = sorted(of_day)
    return days, first, np.array([of_day[day][1] for day in days])


def shares_of(tape: Tape, bin_minutes: int) -> NDArray[np.float64]:
    """Return each bin's share of the volume of one whole session.

    Raises:
        CurveRefused: the bins do not fit the session, the store does not cover it, or nothing traded.
    """
    begin_ns, end_ns = tape.instrument.session(tape.day)
    bin_ns = bin_minutes * 60 * NS
    if (end_ns - begin_ns) % bin_ns or end_ns - begin_ns < 2 * bin_ns:
        raise CurveRefused(f"--bin-minutes {bin_minutes}: does not divide {described(tape.instrument)}")
    if tape.first_ns >= begin_ns + bin_ns or tape.last_ns < end_ns - bin_ns:
        covered = "-".join(tape.instrument.clock(ts_ns)[:8] for ts_ns in (tape.first_ns, tape.last_ns))
        raise CurveRefused(
            f"{tape.folder}: covers {covered} of {described(tape.instrument)}; a curve needs whole sessions"
        )
    events = tape.events[tape.meta.standing :]
    printed = np.isin(events["kind"], PRINTS) & (events["flags"] & Flag.NON_PRINTABLE == 0)
    printed &= (events["ts_ns"] >= begin_ns) & (events["ts_ns"] < end_ns)
    bins = (events["ts_ns"][printed] - begin_ns) // bin_ns
    volume = np.bincount(bins, events["size"][printed], (end_ns - begin_ns) // bin_ns)
    if not volume.sum() > 0:
        raise CurveRefused(f"{tape.folder}: nothing was traded in {described(tape.instrument)}; leave it out")
    shares: NDArray[np.float64] = volume / volume.sum()
    return shares


def hours(instrument: Instrument) -> tuple[str, str]:
    """Return the clock times of the session."""
    return f"{instrument.open:%H:%M}", f"{instrument.close:%H:%M}"


def described(instrument: Instrument) -> str:
    """Return symbol and session as a person reads them."""
    return f"{instrument.symbol} {'-'.join(hours(instrument))} ({instrument.zone})"


def text_of(
    days: Sequence[date], instrument: Instrument, shares: NDArray[np.float64], bin_minutes: int
) -> str:
    """Return the file that `policies.curves` reads; where it comes from stands in comments."""
    lines = [
        f"# {described(instrument)}: median over sessions of each bin's share of the day's volume",
        f"# sessions {' '.join(map(str, days))}",
    ]
    clock = datetime.combine(days[0], instrument.open)
    for share in shares:
        lines.append(f"{clock:%H:%M},{share:.{DIGITS}f}")
        clock += timedelta(minutes=bin_minutes)
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Write a file whole, or leave what was there."""
    put(path, text.encode())
