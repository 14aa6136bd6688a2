"""What a venue is started with: flags, a configuration file, flags beside it."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from daemon.strict_toml import ConfigError
from daemon.venue.options import parser
from daemon.venue.parts import build_flow, publishable
from daemon.venue.settings import SYNTHETIC, Options, read
from market.book_events import Kind
from market.flow.queue_reactive import QueueReactiveFlow
from risk.calendar import load
from tests.market.flow.tapes import add, event, tape

PAPER = str(Path(__file__).parents[3] / "deploy" / "paper.toml")
TEN_NS = 1_704_207_600_000_000_000  # 2024-01-02 10:00 New York
MINUTE_NS = 60 * 10**9


def given(*argv: str) -> Options:
    return read(parser().parse_args(argv))


def test_the_defaults_are_a_whole_synthetic_day() -> None:
    options = given()

    assert options.instrument == load().with_short_days(SYNTHETIC)
    assert options.window == (TEN_NS - 30 * MINUTE_NS, TEN_NS + 360 * MINUTE_NS)
    assert (options.seed, options.speed, options.lockstep_socket) == (1, 1.0, None)
    assert options.midnight_ns == TEN_NS - 600 * MINUTE_NS


def test_a_configuration_file_says_it_all() -> None:
    options = given("--config", PAPER)

    assert options.instrument.symbol == "SYN"
    assert options.window == (TEN_NS, TEN_NS + 300 * MINUTE_NS)
    assert (options.speed, options.day) == (10.0, date(2024, 1, 2))


def test_flags_win_over_the_file() -> None:
    options = given("--config", PAPER, "--to", "10:05:30", "--speed", "3", "--seed", "9")

    assert options.window == (TEN_NS, TEN_NS + 5 * MINUTE_NS + MINUTE_NS // 2)
    assert (options.speed, options.seed) == (3.0, 9)


def test_the_day_and_the_symbol_of_a_synthetic_flow_can_be_chosen() -> None:
    options = given("--symbol", "ABC", "--day", "2024-07-01", "--from", "10:00", "--to", "11:00")

    assert options.instrument.symbol == "ABC"
    assert options.window[0] % (86_400 * 10**9) == 14 * 3_600 * 10**9  # summer time: UTC-4


def test_lockstep_and_its_latencies(tmp_path: Path) -> None:
    socket = str(tmp_path / "lock.sock")

    options = given("--lockstep", "--lockstep-socket", socket, "--order-latency-us", "0")

    assert options.lockstep_socket == Path(socket)
    assert (options.order_latency_ns, options.feed_latency_ns) == (0, 500_000)


def test_the_flow_that_answers_to_the_book_can_be_chosen_by_name() -> None:
    flow = build_flow(given("--flow", "queue-reactive:large-tick"))

    assert isinstance(flow, QueueReactiveFlow)
    with pytest.raises(ConfigError, match="neither a file nor one of large-tick"):
        build_flow(given("--flow", "queue-reactive:nothing"))


@pytest.mark.parametrize(("argv", "close_e4"), [([], 0), (["--close", "99.9950"], 999_950)])
def test_the_close_of_the_day_before_is_unknown_unless_given(argv: list[str], close_e4: int) -> None:
    assert given(*argv).close_e4 == close_e4


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["--from", "10:00", "--to", "10:00"], "not before"),
        (["--feed-username", "seventy"], "--feed-username"),
        (["--lockstep"], "--lockstep-socket"),
        (["--lockstep", "--lockstep-socket", "/" + "x" * 120], "107"),
        (["--tape", "/nonexistent/store"], "/nonexistent/store"),
        (["--flow", "queue-reactive"], "--flow"),
        (["--flow", "noise"], "--flow"),
        (["--comp-id", "X", "--client-comp-id", "Y", "--reference-comp-id", "X",
          "--reference-client-comp-id", "Y"], "CompIDs"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(argv: list[str], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        given(*argv)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--from", "9.30"],
        ["--to", "10:00+02:00"],
        ["--day", "2024-02-30"],
        ["--close", "0"],
        ["--close", "1.00001"],
        ["--close", "inf"],
        ["--close", "1e9"],
        ["--speed", "-1"],
        ["--speed", "nan"],
        ["--speed", "10001"],
        ["--seed", "-1"],
        ["--seed", str(2**63)],
        ["--itch-port", "65536"],
        ["--gate-wait-s", "0"],
        ["--feed-latency-us", "-5"],
        ["--order-latency-us", "2ms"],
    ],
)
def test_values_out_of_bounds_are_refused_in_one_line(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        given(*wrong)

    told = capsys.readouterr().err
    assert told.startswith(f"steadyhand venue: argument {wrong[0]}: {wrong[1]!r}: ")
    assert told.count("\n") == 1


FEED_END_E4 = 2**32 - 1  # of a price in ITCH 5.0


def test_an_order_whose_price_the_feed_cannot_say_is_left_out_of_the_tape() -> None:
    high = add(2, -1, FEED_END_E4 + 1, 5)
    cut, gone = event(Kind.CANCEL, order_id=2, size=1), event(Kind.DELETE, order_id=2)
    last = add(3, -1, FEED_END_E4, 5)

    kept = publishable(tape(add(1, 1, 100_000, 5), high, last, cut, gone), Path("t"))

    assert kept["order_id"].tolist() == [1, 3]


@pytest.mark.parametrize(
    "met",
    [
        event(Kind.EXECUTE, order_id=2, size=1),
        event(Kind.HIDDEN, price_e4=FEED_END_E4 + 1, size=1),
        add(3, 1, FEED_END_E4 + 1, 5),
    ],
)
def test_a_market_beyond_the_feed_s_prices_is_refused(met: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="it trades above 429,496"):
        publishable(tape(add(2, -1, FEED_END_E4 + 1, 5), met), Path("t"))
