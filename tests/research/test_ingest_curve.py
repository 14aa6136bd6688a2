"""The volume curve of recorded days: what VWAP follows, by the bins and the medians that a hand finds."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from market.book_events import MARKET_EVENT, Flag, Kind
from market.instruments import Instrument
from market.tape import Source, write
from market.types import NS, Symbol
from policies import curves
from policies.choose import choose
from research.ingest import curve_options, generate, lobster
from research.ingest.generate import Shape

HALVES = ["--bin-minutes", "195"]
GOOD = Instrument(symbol=Symbol("ABC"))


def store(
    folder: Path,
    day: date,
    prints: list[tuple[int, int, Kind, Flag]],
    instrument: Instrument = GOOD,
    last_minute: int = 389,
) -> str:
    """A tick store with prints at minutes of the session; events at its ends make it whole."""
    rows = [(0, 1, Kind.HIDDEN, Flag.NON_PRINTABLE), *prints, (last_minute, 1, Kind.HALT, Flag.NONE)]
    events = np.zeros(len(rows), MARKET_EVENT)
    begin_ns = instrument.session(day)[0]
    for event, (minute, size, kind, flag) in zip(events, sorted(rows, key=lambda r: r[0]), strict=True):
        event["ts_ns"], event["size"] = begin_ns + minute * 60 * NS, size
        event["kind"], event["flags"] = kind, flag
    source = Source(format="made", name="made", sha256="", rows=len(rows))
    facts = {"instrument": instrument, "symbol": instrument.symbol, "day": day, "levels": 0, "quality": {}}
    write(folder, [events], source=source, standing=0, **facts)
    return str(folder)


def day_of(tmp_path: Path, number: int, morning: int, afternoon: int) -> str:
    prints = [(10, morning, Kind.EXECUTE, Flag.NONE), (200, afternoon, Kind.HIDDEN, Flag.NONE)]
    return store(tmp_path / f"day-{number}", date(2024, 1, number), prints)


def shares(path: Path) -> list[tuple[str, float]]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [(line.split(",")[0], float(line.split(",")[1])) for line in lines]


def test_a_curve_is_the_median_of_each_bins_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores = [day_of(tmp_path, n, *volumes) for n, volumes in enumerate([(9, 1), (60, 40), (1, 3)], start=1)]
    out = tmp_path / "curve.csv"

    assert curve_options.main([*stores, "--out", str(out), *HALVES]) == 0

    assert shares(out) == [("09:30", 0.6), ("12:45", 0.4)]
    assert curves.load(out).steps == pytest.approx((0.0, 0.6, 1.0))
    assert "3 sessions, 2024-01-01 to 2024-01-03, 2 bins" in capsys.readouterr().out
    assert "# sessions 2024-01-01 2024-01-02 2024-01-03\n" in out.read_text()


def test_what_was_printed_in_continuous_trading_counts_and_nothing_else(tmp_path: Path) -> None:
    prints = [
        (0, 100, Kind.EXECUTE, Flag.NONE),
        (194, 50, Kind.EXECUTE_PRICE, Flag.NONE),
        (195, 250, Kind.HIDDEN, Flag.NONE),
        (100, 999, Kind.CROSS, Flag.NONE),
        (100, 999, Kind.ADD, Flag.NONE),
        (100, 999, Kind.EXECUTE_PRICE, Flag.NON_PRINTABLE),
        (390, 999, Kind.EXECUTE, Flag.NONE),  # at the close: no longer continuous
    ]
    out = tmp_path / "curve.csv"

    code = curve_options.main([store(tmp_path / "s", date(2024, 1, 2), prints), "--out", str(out), *HALVES])

    assert code == 0
    assert shares(out) == [("09:30", 0.375), ("12:45", 0.625)]


@pytest.mark.slow
def test_a_generated_day_makes_a_curve_that_vwap_takes(tmp_path: Path) -> None:
    made = generate.lobster(5, replace(Shape(), minutes=390, events=4_000, levels=5, orders=80))
    (tmp_path / "day.zip").write_bytes(made)
    lobster.ingest(tmp_path / "day.zip", tmp_path / "store")
    out = tmp_path / "curve.csv"

    assert curve_options.main([str(tmp_path / "store"), "--out", str(out)]) == 0

    assert len(shares(out)) == 26
    assert "earlier sessions, curve.csv" in choose("vwap", volume_curve=out).describe()


def test_bad_input_is_one_line_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = day_of(tmp_path, 2, 5, 5)
    again = store(tmp_path / "again", date(2024, 1, 2), [(10, 5, Kind.EXECUTE, Flag.NONE)])
    other = store(tmp_path / "other", date(2024, 1, 3), [], Instrument(symbol=Symbol("XYZ")))
    quiet = store(tmp_path / "quiet", date(2024, 1, 3), [])
    short = store(tmp_path / "short", date(2024, 1, 3), [], last_minute=60)
    (tmp_path / "there.csv").write_text("mine")
    out = str(tmp_path / "curve.csv")
    before = sorted(tmp_path.iterdir())

    for argv, says in (
        ([str(tmp_path / "nowhere"), "--out", out], "there is no tick store here"),
        ([good, other, "--out", out], "the first store is ABC 09:30-16:00 (America/New_York)"),
        ([good, again, "--out", out], "2024-01-02 is there already"),
        ([good, quiet, "--out", out], "nothing was traded in ABC"),
        ([good, short, "--out", out], "covers 09:30:00-10:30:00 of ABC 09:30-16:00"),
        ([good, "--before", "2024-01-02", "--out", out], "not before 2024-01-02; leave it out"),
        ([good, "--bin-minutes", "7", "--out", out], "--bin-minutes 7: does not divide"),
        ([good, "--out", str(tmp_path / "there.csv")], "exists already"),
        ([good, "--out", str(tmp_path / "no" / "curve.csv")], "No such file or directory"),
    ):
        assert curve_options.main(argv) == 2
        told = capsys.readouterr().err
        assert says in told
        assert told.count("\n") == 1

    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.csv").read_text() == "mine"
