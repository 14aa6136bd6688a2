"""Numbers, prices and times of the wire: exact, bounded, never through a float."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.fix import wire
from gateways.fix.wire import Unencodable


@given(st.integers(1, 10**13 - 1))
def test_price_round_trip_is_exact(price_e4: int) -> None:
    text = wire.price_text(price_e4)

    assert Decimal(text) == Decimal(price_e4).scaleb(-4)
    assert wire.read_price_e4(text) == price_e4


@given(st.decimals(0, 999_999_999, places=8, allow_nan=False))
def test_price_is_read_exactly_or_not_at_all(value: Decimal) -> None:
    exact = value * 10_000

    read = wire.read_price_e4(f"{value:f}")

    assert read == (int(exact) if exact == int(exact) else None)


@given(st.text(max_size=20))
def test_readers_never_raise(text: str) -> None:
    for read in (
        wire.read_price_e4,
        wire.read_int,
        wire.read_qty,
        wire.read_utc_ns,
        wire.read_id,
        wire.read_text,
    ):
        read(text)


@pytest.mark.parametrize(
    ("price_e4", "text"),
    [(1, "0.0001"), (100, "0.01"), (10_000, "1.00"), (1_012_500, "101.25"), (1_012_501, "101.2501")],
)
def test_prices_have_two_decimals_or_four(price_e4: int, text: str) -> None:
    assert wire.price_text(price_e4) == text


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "+1", "-1", "1e3", "1_000", " 1", "1 ", "٣", "1.2.3", "9" * 10]
)
def test_what_is_no_price(text: str) -> None:
    assert wire.read_price_e4(text) is None


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("20261121-11:26:00", 0),
        ("20261121-11:26:00.1", 100_000_000),
        ("20261121-11:26:00.123", 123_000_000),
        ("20261121-11:26:00.123456", 123_456_000),
        ("20261121-11:26:00.123456789", 123_456_789),
    ],
)
def test_times_of_every_precision(text: str, ns: int) -> None:
    second = int(datetime(2026, 11, 21, 11, 26, tzinfo=UTC).timestamp())

    assert wire.read_utc_ns(text) == second * 10**9 + ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261121",
        "20261121-11:26",
        "20261121-11:26:00.",
        "20261121-11:26:00.1234567890",
        "20261131-11:26:00",
        "20261121-24:00:00",
        "20261121-11:26:61",
        "20261121-1:26:00x",
        "20261121-11:26:00Z",
        "20261121-11:26:00,123",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert wire.read_utc_ns(text) is None


@given(st.integers(1, 4 * 10**18), st.sampled_from([3, 6, 9]))
def test_time_round_trip_cuts_and_never_rounds(ts_ns: int, digits: int) -> None:
    unit = 10 ** (9 - digits)

    assert wire.read_utc_ns(wire.utc_text(ts_ns, digits)) == ts_ns // unit * unit


@given(st.integers(0, 10**15), st.integers(1, 10**6))
def test_average_is_exact_to_ten_decimals(notional_e4: int, qty: int) -> None:
    exact = Decimal(notional_e4).scaleb(-4) / qty

    assert abs(Decimal(wire.average_text(notional_e4, qty)) - exact) <= Decimal("0.5e-10")


@pytest.mark.parametrize("qty", [0, -1, 10**12])
def test_no_quantity_is_sent_that_is_none(qty: int) -> None:
    with pytest.raises(Unencodable):
        wire.qty_text(qty)


@pytest.mark.parametrize("text", ["", "a", "A B", "A\x01", "A=B", "A\n", "Ä", "X" * 21])
def test_ids_that_the_gate_never_sends(text: str) -> None:
    with pytest.raises(Unencodable):
        wire.id_text(text)


def test_first_repeated_tag_is_named() -> None:
    assert wire.repeated("1=a\x0138=1\x0138=2\x01", frozenset(["38"])) == "38"
    assert wire.repeated("448=a\x01448=b\x0138=2\x01", frozenset(["38"])) is None
