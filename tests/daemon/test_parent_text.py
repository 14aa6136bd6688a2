"""Parent orders as a person types them; every mistake is one clear line."""

import datetime as dt

import pytest

from daemon.parent_text import ParentTextError, parse
from market.instruments import Instrument
from market.types import Benchmark, Side

DAY = dt.date(2012, 6, 21)
INSTRUMENTS = {"GOOG": Instrument(symbol="GOOG"), "BTC-USD": Instrument(symbol="BTC-USD", zone="UTC")}
TEN = 1_340_287_200_000_000_000  # 10:00 in New York on that day
MINUTE = 60_000_000_000


def of(text: str, now_ns: int = 0):
    return parse(text, INSTRUMENTS, DAY, "PAPER", "P1", now_ns)


def test_everything_that_can_be_said() -> None:
    order = of("sell 2,000 goog 10:05-10:25:30 limit=565.00 pov=10% benchmark=vwap must_complete=yes id=X-1")

    assert (order.side, order.qty, order.symbol, order.parent_id) == (Side.SELL, 2_000, "GOOG", "X-1")
    assert (order.start_ns, order.end_ns) == (TEN + 5 * MINUTE, TEN + 25 * MINUTE + MINUTE // 2)
    assert (order.limit_price_e4, order.max_participation_bp) == (5_650_000, 1_000)
    assert (order.benchmark, order.must_complete, order.account) == (Benchmark.VWAP, True, "PAPER")


def test_the_window_may_begin_now() -> None:
    assert of("BUY 1 GOOG now-10:25", TEN).start_ns == TEN
    assert of("BUY 1 GOOG +20m", TEN).end_ns == TEN + 20 * MINUTE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("BUY 100 GOOG", "a parent order is"),
        ("HOLD 100 GOOG 10:00-10:10", "side 'HOLD'"),
        ("BUY -5 GOOG 10:00-10:10", "quantity '-5'"),
        ("BUY 1.5 GOOG 10:00-10:10", "quantity '1.5'"),
        ("BUY 1000000000000 GOOG 10:00-10:10", "at most 999,999,999,999"),
        ("BUY ٣ GOOG 10:00-10:10", "quantity"),
        ("BUY 100 MSFT 10:00-10:10", "not configured; there is BTC-USD, GOOG"),
        ("BUY 100 GOOG 10:00", "give HH:MM-HH:MM"),
        ("BUY 100 GOOG 25:00-26:00", "'25:00' is no clock time"),
        ("BUY 100 GOOG 10:10-10:00", "ends before it begins"),
        ("BUY 100 GOOG now-10:00", "market time has not begun"),
        ("BUY 100 GOOG 10:00-10:10 limit=abc", "limit=abc: not a price"),
        ("BUY 100 GOOG 10:00-10:10 limit=nan", "limit=nan"),
        ("BUY 100 GOOG 10:00-10:10 limit=1.00001", "at most 4 decimals"),
        ("BUY 100 GOOG 10:00-10:10 limit=-1", "a price above 0"),
        ("BUY 100 GOOG 10:00-10:10 pov=1.1", "pov=1.1"),
        ("BUY 100 GOOG 10:00-10:10 pov=0", "pov=0"),
        ("BUY 100 GOOG 10:00-10:10 price=5", "'price=5': options are"),
        ("BUY 100 GOOG 10:00-10:10 limit=5 limit=6", "limit= comes twice"),
        ("BUY 100 GOOG 10:00-10:10 id=bad|id", "id=bad|id"),
        ("BUY 100 GOOG 10:00-10:10 benchmark=best", "benchmark=best"),
        ("BUY 100 GOOG 10:00-10:10 must_complete=maybe", "yes or no"),
    ],
)
def test_a_mistake_is_one_clear_line(text: str, reason: str) -> None:
    with pytest.raises(ParentTextError) as caught:
        of(text)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_supported_is_carried_so_that_the_gate_refuses_it_by_name() -> None:
    assert of("BUY 100 GOOG 10:00-10:10 max_display=10").max_display == 10
    assert of("BUY 100 GOOG 10:00-10:10 i_would=5.00x20").i_would_qty == 20
