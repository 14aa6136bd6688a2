"""Halts, states and crosses of the exchange, as its clients and the readers of its feed see them."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gateways.feeds import itch_messages
from gateways.fix import inbound
from gateways.venue.states import EXTENSIONS_MAX
from market.events import SecurityStatus
from market.instruments import Auction
from tests.gateways.venue.desk import INSTRUMENT, MIDNIGHT_NS, SOH, Desk

S = 10**9
OPEN_NS = MIDNIGHT_NS + 34_200 * S
CLOSE_NS = MIDNIGHT_NS + 57_600 * S


def desk(
    *auctions: Auction,
    begin_ns: int = CLOSE_NS - 1_800 * S,
    end_ns: int = CLOSE_NS + 60 * S,
    flow: Any = None,
    adv: int = 0,
) -> Desk:
    """Return a desk before a session with these crosses."""
    instrument = msgspec.structs.replace(INSTRUMENT, auctions=auctions, adv=adv)
    return Desk(flow, instrument=instrument, window=(begin_ns, end_ns), close_e4=100_000).opened()


def said(d: Desk, *kinds: str) -> list[itch_messages.Message]:
    """Return the messages of the feed of these types."""
    return [m for m in messages(d) if m.kind in kinds]


def messages(d: Desk) -> Iterator[itch_messages.Message]:
    data, at = d.store.read(0, d.store.size), 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        message = itch_messages.decode(data[at + 3 : end])
        assert message is not None
        yield message
        at = end


def last(d: Desk) -> tuple[str, str, str]:
    """Return OrdStatus, CumQty, Text of the last report."""
    return d.sent[-1]["39"], d.sent[-1]["14"], d.sent[-1].get("58", "")


def statuses(d: Desk) -> list[SecurityStatus]:
    out = [inbound.decode(f"8=FIX.4.4{SOH}{body}") for body in d.reference_bodies]
    return [s for s in out if isinstance(s, SecurityStatus)]


def subscribed(d: Desk) -> Desk:
    d.reference.request(d.message("e", (324, "S"), (55, "SYN"), (263, 1)))
    return d


# --- halts --------------------------------------------------------------------------------------------


def test_in_a_halt_cancels_are_taken_and_new_orders_are_not() -> None:
    d = subscribed(desk())
    d.new("A", 1, 100, "9.00")
    d.exchange.states.halt("T1")
    d.reference.tell(S)

    assert d.new("B", 1, 100, "9.00")[0]["103"] == "2"
    assert d.replace("C", "A", 1, 100, "9.01")[0]["35"] == "9"
    assert d.cancel("D", "A")[0]["39"] == "4"
    d.exchange.states.resume()
    d.reference.tell(2 * S)
    assert d.new("E", 1, 100, "9.00")[0]["39"] == "0"

    assert [(m.fields["state"], m.fields["reason"]) for m in said(d, "H")] == [
        ("T", ""),
        ("H", "T1"),
        ("T", ""),
    ]
    assert [(s.trading, s.text) for s in statuses(d)] == [(True, ""), (False, "halted T1"), (True, "")]


@pytest.mark.parametrize(
    ("stop", "letters", "text"),
    [
        (lambda s: s.operational_halt(), ["h"], "operational halt"),
        (lambda s: s.break_market(2), ["W", "H"], "market-wide circuit breaker, level 2"),
        (lambda s: s.quote(36_000, 100_000), ["K", "H"], "quotation only IPOQ"),
        (lambda s: s.halt("LUDP", "P"), ["H"], "paused LUDP"),
    ],
)
def test_whatever_stops_the_symbol_is_said_and_readers_of_the_feed_stop(
    stop: Any, letters: list[str], text: str
) -> None:
    d = desk()
    before = len(list(messages(d)))
    stop(d.exchange.states)

    assert [m.kind for m in messages(d)][before:] == letters
    assert d.exchange.states.status().text == text
    assert not d.exchange.trading
    assert not d.rebuilt().trading
    d.exchange.states.resume()
    assert d.exchange.trading
    assert d.rebuilt().trading


def test_bands_and_short_sale_restriction_are_told_and_kept() -> None:
    d = subscribed(desk())
    d.rest(1, 99_000, 100)
    d.exchange.states.bands(95_000, 105_000)
    d.exchange.states.restrict_shorts(True)
    d.exchange.states.breaker_levels((93_000, 87_000, 80_000))
    d.exchange.states.collar(100_000, 95_000, 105_000)
    d.reference.tell(S)

    status = statuses(d)[-1]
    assert (status.band_low_e4, status.band_high_e4, status.short_restricted) == (95_000, 105_000, True)
    assert d.new("A", 1, 100, "10.51")[0]["58"] == "above the upper price band"
    assert d.new("B", 2, 100, "9.49")[0]["58"] == "below the lower price band"
    assert "short sale" in d.new("C", 5, 100, "9.90")[0]["58"]
    assert d.new("D", 5, 100, "9.91")[0]["39"] == "0"
    assert [m.kind for m in said(d, "Y", "V", "J")] == ["Y", "V", "J"]
    assert d.rebuilt().notices == 3


def test_the_flow_stands_still_in_a_halt_and_goes_on_afterwards() -> None:
    from market.flow.zero_intelligence import ZeroIntelligenceFlow

    begin = CLOSE_NS - 1_800 * S
    d = desk(flow=ZeroIntelligenceFlow(3, begin, begin + 900 * S, INSTRUMENT))
    twin = desk(flow=ZeroIntelligenceFlow(3, begin, begin + 900 * S, INSTRUMENT))
    d.exchange.advance(begin + 60 * S)
    d.exchange.states.halt()
    at_halt = d.store.next_seq
    d.exchange.advance(begin + 90 * S)
    assert d.store.next_seq == at_halt
    d.exchange.states.resume()
    d.exchange.advance(begin + 130 * S)
    twin.exchange.advance(begin + 100 * S)

    assert d.engine.book.state_hash() == twin.engine.book.state_hash()
    assert [m.fields for m in said(d, "A", "E", "D", "X", "U")] == [
        m.fields for m in said(twin, "A", "E", "D", "X", "U")
    ]
    times = [m.since_ns for m in messages(d)]
    assert times == sorted(times)


# --- crosses ------------------------------------------------------------------------------------------


def test_orders_for_the_close_are_filled_in_the_cross_at_one_price() -> None:
    d = desk(Auction.CLOSE)
    d.rest(1, 99_000, 300)
    d.rest(-1, 101_000, 300)
    assert d.new("MOC", 1, 200, None, (59, 7))[0]["39"] == "0"
    assert d.new("LOC", 2, 500, "10.00", (59, 7))[0]["39"] == "0"
    assert d.new("LOW", 1, 100, "9.80", (59, 7))[0]["39"] == "0"
    d.exchange.advance(CLOSE_NS)

    (cross,) = said(d, "Q")
    assert (cross.fields["shares"], cross.fields["price"], cross.fields["cross"]) == (200, 100_000, "C")
    ends = {r["11"]: (r["39"], r["14"]) for r in d.sent}
    assert ends == {"MOC": ("2", "200"), "LOC": ("C", "200"), "LOW": ("C", "0")}
    assert {r["31"] for r in d.sent if r["150"] == "F"} == {"10.00"}
    assert (d.exchange.volume, d.exchange.last_e4) == (200, 100_000)
    notices = said(d, "I")
    assert notices
    assert notices[-1].fields["paired"] == 200
    assert (notices[-1].fields["imbalance"], notices[-1].fields["direction"]) == (300, "S")
    assert d.new("LATE", 1, 100, "9.00")[0]["39"] == "8"
    assert said(d, "S")[-1].fields["event"] == "M"


def test_what_stands_in_the_book_takes_part_and_its_readers_know() -> None:
    d = desk(Auction.CLOSE)
    d.rest(-1, 101_000, 300)
    d.new("MINE", 2, 100, "10.05")
    d.new("MOC", 1, 250, None, (59, 7))
    d.exchange.advance(CLOSE_NS)

    (cross,) = said(d, "Q")
    assert (cross.fields["shares"], cross.fields["price"]) == (250, 101_000)
    taken = [(m.fields["shares"], m.fields["printable"], m.fields["price"]) for m in said(d, "C")]
    assert taken == [(100, "N", 101_000), (150, "N", 101_000)]
    assert d.rebuilt().state_hash() == d.engine.book.state_hash()
    assert d.ems.table.of_client("MINE").cum_qty == 100  # type: ignore[union-attr]


def test_entry_for_the_close_ends_at_the_cutoff_and_needs_a_cross() -> None:
    d = desk(Auction.CLOSE)
    d.exchange.advance(CLOSE_NS - 300 * S - 1)
    assert d.new("A", 1, 100, None, (59, 7))[0]["39"] == "0"
    d.exchange.advance(CLOSE_NS - 300 * S)
    assert d.new("B", 1, 100, None, (59, 7))[0]["58"] == "entry for the close has ended"
    assert d.cancel("C", "A")[0]["39"] == "4"
    assert desk().new("A", 1, 100, None, (59, 7))[0]["58"] == "there is no closing cross"


def test_before_the_open_orders_wait_and_the_open_crosses_them() -> None:
    d = desk(Auction.OPEN, begin_ns=OPEN_NS - 120 * S, end_ns=OPEN_NS + 60 * S)
    assert not d.exchange.trading
    d.new("MOO", 1, 100, None, (59, 2))
    d.new("DAY", 2, 300, "9.95")
    assert d.new("IOC", 1, 100, "10.00", (59, 3))[0]["39"] == "8"
    assert d.replace("DAY2", "DAY", 2, 400, "9.97")[0]["150"] == "5"
    d.exchange.advance(OPEN_NS + S)

    (cross,) = said(d, "Q")
    assert (cross.fields["shares"], cross.fields["cross"]) == (100, "O")
    assert [m.fields["state"] for m in said(d, "H")] == ["Q", "T"]
    assert d.rebuilt().size_at(-1, 99_700) == 300
    assert d.ems.table.of_client("DAY2").leaves_qty == 300  # type: ignore[union-attr]
    assert d.new("AFTER", 1, 300, "9.97", (1, "OTHER"))[-1]["39"] == "2"


def test_orders_that_come_in_a_halt_meet_in_the_reopening_cross() -> None:
    d = desk(Auction.REOPEN)
    d.rest(1, 99_000, 100)
    d.exchange.states.halt("LUDP", "P")
    d.new("B", 1, 200, "10.10")
    d.new("S", 2, 300, "9.90")
    d.exchange.advance(d.exchange.now_ns + 30 * S)
    d.exchange.states.resume()

    (cross,) = said(d, "Q")
    assert (cross.fields["shares"], cross.fields["cross"]) == (300, "H")
    assert said(d, "I")
    assert d.ems.table.of_client("B").leaves_qty == 0  # type: ignore[union-attr]
    assert d.rebuilt().state_hash() == d.engine.book.state_hash()


def paused(low_e4: int, high_e4: int) -> Desk:
    """Return a desk in a volatility pause whose reopening would cross at 10.50, 200 shares."""
    d = desk(Auction.REOPEN)
    d.rest(1, 99_000, 100)
    d.rest(-1, 101_000, 100)
    d.exchange.states.halt("LUDP", "P")
    d.exchange.states.collar(100_000, low_e4, high_e4, seconds=60.0)
    d.new("B", 1, 400, "10.50")
    d.new("S", 2, 200, "10.50", (1, "OTHER"))
    return d


def collars(d: Desk) -> list[tuple[int, int, int]]:
    return [(m.fields["lower"], m.fields["upper"], m.fields["extension"]) for m in said(d, "J")]  # type: ignore[misc]


def test_a_reopening_within_its_collar_crosses() -> None:
    d = paused(95_000, 105_000)
    d.exchange.states.resume()

    assert [m.fields["price"] for m in said(d, "Q")] == [105_000]
    assert d.exchange.trading
    assert collars(d) == [(95_000, 105_000, 0)]


def test_a_reopening_outside_of_its_collar_waits_and_the_collar_widens_that_way() -> None:
    d = paused(98_000, 102_000)
    d.exchange.states.resume()
    assert not d.exchange.trading
    assert not said(d, "Q")
    assert collars(d) == [(98_000, 102_000, 0), (98_000, 107_000, 1)]

    d.exchange.advance(d.exchange.now_ns + 59 * S)
    assert not d.exchange.trading
    d.exchange.advance(d.exchange.now_ns + 2 * S)
    assert d.exchange.trading
    assert [m.fields["price"] for m in said(d, "Q")] == [105_000]
    assert [m.fields["state"] for m in said(d, "H")][-2:] == ["P", "T"]


def test_a_stop_that_comes_meanwhile_outlasts_the_extension() -> None:
    d = paused(98_000, 102_000)
    d.exchange.states.resume()
    d.exchange.states.halt("T1")
    d.exchange.advance(d.exchange.now_ns + 120 * S)

    assert not d.exchange.trading


def test_a_collar_that_never_holds_the_price_ends_after_its_extensions() -> None:
    d = desk(Auction.REOPEN)
    d.rest(1, 99_000, 100)
    d.exchange.states.halt("LUDP", "P")
    d.exchange.states.collar(100_000, 99_900, 100_100, seconds=1.0)
    d.new("B", 1, 400, "90.00")
    d.new("S", 2, 200, "90.00", (1, "OTHER"))
    d.exchange.states.resume()
    for _ in range(20):
        d.exchange.advance(d.exchange.now_ns + S)

    assert d.exchange.trading
    assert len(collars(d)) == 1 + EXTENSIONS_MAX


def test_others_bring_a_market_to_the_close() -> None:
    d = desk(Auction.CLOSE, adv=10_000_000)
    exchange = d.exchange
    d.new("MOC", 1, 1_000, None, (59, 7))
    exchange.advance(CLOSE_NS)

    assert last(d) == ("2", "1000", "")
    assert abs(exchange.last_e4 - 100_000) <= 500
    assert exchange.volume > 100_000


def test_more_for_the_close_is_no_more_taken_after_the_cutoff_by_a_replace_either() -> None:
    d = desk(Auction.CLOSE)
    d.rest(1, 99_000, 100)
    close = (59, 7)
    d.new("A", 1, 200, "10.00", close)
    d.exchange.advance(CLOSE_NS - 300 * S)

    for terms in ((300, "10.00"), (200, "10.01")):
        refused = d.replace(f"R{terms}".replace(" ", ""), "A", 1, *terms, close)[0]
        assert (refused["35"], refused["58"]) == ("9", "entry for the close has ended")
    assert d.replace("C", "A", 1, 100, "10.00", close)[0]["150"] == "5", "less is no entry"


def test_bands_and_short_sale_restriction_hold_for_replaces() -> None:
    d = desk()
    d.rest(1, 99_000, 100)
    d.new("A", 1, 100, "9.80")
    d.new("B", 5, 100, "10.20")
    d.exchange.states.bands(95_000, 105_000)
    d.exchange.states.restrict_shorts(True)

    assert d.replace("C", "A", 1, 100, "10.60")[0]["58"] == "above the upper price band"
    assert d.replace("D", "B", 5, 100, "9.90")[0]["58"] == "short sale restriction: not above the best bid"
    assert d.replace("E", "B", 5, 100, "10.10")[0]["150"] == "5"


def test_a_post_only_order_that_would_trade_behind_a_cross_is_canceled_not_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    d = desk(Auction.REOPEN)
    d.rest(-1, 99_000, 300)
    d.exchange.states.halt("T1")
    d.new("A", 1, 100, "10.00", (18, 6))
    monkeypatch.setattr(d.exchange.auctions, "reopen", lambda: None)  # it leaves everything uncrossed
    d.exchange.states.resume()

    assert last(d) == ("4", "0", "post-only order would take liquidity")


def test_orders_of_the_day_expire_with_the_close() -> None:
    d = desk(Auction.CLOSE, Auction.REOPEN)
    d.rest(1, 90_000, 100)
    d.new("A", 1, 100, "9.10")
    d.exchange.advance(CLOSE_NS + S)

    assert d.sent[-1]["150"] == "C"
    assert last(d) == ("C", "0", "the session is over")
    assert d.cancel("B", "A")[0]["102"] == "0", "too late"
    assert not d.ems.table.working()


def test_an_order_that_waits_for_a_reopening_that_never_comes_expires_with_the_close() -> None:
    d = desk(Auction.CLOSE, Auction.REOPEN)
    d.exchange.states.halt("T1")
    d.new("A", 1, 100, "9.10")
    d.exchange.advance(CLOSE_NS + S)

    assert last(d) == ("C", "0", "the session is over")


def test_without_auctions_nothing_is_different() -> None:
    d = desk()
    assert not said(d, "I", "Q", "J", "K", "V", "W", "Y", "h")
    assert d.exchange.next_ts_ns() > CLOSE_NS + 60 * S


def test_a_crossed_book_is_shown_and_goes_again() -> None:
    d = desk()
    d.rest(1, 99_000, 100)
    d.rest(-1, 101_000, 100)
    d.reference.request(d.message("V", (262, "M"), (263, 1), (264, 5), (265, 0), (146, 1), (55, "SYN")))
    d.exchange.states.show_crossed(10)
    book = d.rebuilt()
    assert book.best_bid_e4 > book.best_ask_e4
    d.reference.tell(S)
    assert f"270=10.20{SOH}" in d.reference_bodies[-1]
    d.exchange.states.hide_crossed()
    assert d.rebuilt().best_bid_e4 == 99_000
