"""What a paper run cannot play is one line before anything starts, and leaves nothing behind."""

import shutil
from datetime import date, time
from pathlib import Path

import pytest

from daemon.paper import options
from daemon.paper.children import ChildError
from daemon.paper.main import Paper
from daemon.paper.setup import choose_market, tape_of
from daemon.strict_toml import ConfigError
from market.instruments import Instrument
from market.tape import Source, write
from market.types import NS, Symbol
from tests.policies.makers import add, events

DAY = date(2024, 1, 2)


def store(folder: Path, symbol: str = "ABC", hour: int = 10, minute: int = 0, day: date = DAY) -> Path:
    """A tick store of two minutes."""
    instrument = Instrument(symbol=Symbol(symbol))
    at_ns = instrument.at(day, time(hour, minute))
    batch = events(add(1, 1, 999_900, 100, at_ns), add(2, -1, 1_000_000, 100, at_ns + 120 * NS))
    told = Source(format="made", name="made", sha256="0", rows=2)
    write(
        folder, [batch], instrument=instrument, symbol=instrument.symbol, day=day, levels=0, source=told,
        standing=0, quality={},
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("symbol", ["abc", "A+B=C", "ABCDEFGHI", "3M"])
def test_a_symbol_that_no_feed_or_limit_can_name_is_refused(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(ConfigError, match="is none: A-Z, then up to seven") as refusal:
        tape_of(store(tmp_path / "tape", symbol))

    assert repr(symbol) in str(refusal.value)


@pytest.mark.parametrize("hour", [4, 18])
def test_a_tape_outside_its_session_is_refused(tmp_path: Path, hour: int) -> None:
    with pytest.raises(ConfigError, match=f"it is of {hour:02}:00:00-{hour:02}:02:00, outside ABC's session"):
        tape_of(store(tmp_path / "tape", hour=hour))


def test_a_tape_inside_is_taken(tmp_path: Path) -> None:
    instrument, day, first_ns, last_ns = tape_of(store(tmp_path / "tape"))

    assert (day, first_ns, last_ns) == (DAY, *(instrument.at(DAY, time(10, minute)) for minute in (0, 2)))


def test_a_tape_of_a_half_day_is_played_until_that_days_close(tmp_path: Path) -> None:
    half = date(2024, 11, 29)

    instrument, _, first_ns, last_ns = tape_of(store(tmp_path / "tape", hour=12, minute=59, day=half))

    assert (first_ns, last_ns) == (instrument.at(half, time(12, 59)), instrument.at(half, time(13)))
    with pytest.raises(ConfigError, match="outside ABC's session 09:30:00-13:00:00"):
        tape_of(store(tmp_path / "late", hour=14, day=half))


@pytest.mark.parametrize("code", [2, 78])
def test_what_a_process_refuses_at_the_start_is_the_runs_refusal(
    tmp_path: Path, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    args = options.parser().parse_args(["--out", str(tmp_path / "run")])
    paper = Paper(args, choose_market(args), [])

    try:
        assert paper._break_off(ChildError("venue", code, "it cannot be played")) == code
    finally:
        shutil.rmtree(paper._sockets)
    assert "it cannot be played" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
