"""Reference prices: whole pictures, changes, halts, and garbage that makes every price unknown."""

import msgspec
import pytest

from gateways.fix.market_data import ASK, BID, CLOSE, TRADE, VOLUME
from gateways.fix.reference import LEVELS_MAX, RESUBSCRIPTIONS_MAX, Reference
from gateways.fix.sessions import Alarm, Alive, LoggedOn, LoggedOut, Received
from gateways.fix.venue_outbound import encode_security_status
from gateways.fix.wire import SOH, decimal_text
from market.events import (
    Event,
    MessageRejected,
    ReferenceAlive,
    ReferencePrice,
    SecurityStatus,
    SessionDown,
    SessionUp,
)
from market.types import Symbol
from tests.gateways.fix.golden import soh

PRICE = ReferencePrice(
    symbol=Symbol("SYN"), bid_e4=999_900, bid_qty=300, ask_e4=1_000_100, ask_qty=200, last_e4=1_000_000,
    close_e4=990_000, volume=5,
)  # fmt: skip
UNKNOWN = ReferencePrice(symbol=Symbol("SYN"))


class Source:
    """A reference session whose sends are kept."""

    def __init__(self, symbols: tuple[str, ...] = ("SYN",)) -> None:
        self.sent: list[str] = []
        self.reference = Reference(self.send, tuple(Symbol(s) for s in symbols), lambda s: f"{s}.US")
        self.tell(LoggedOn({}))

    def send(self, body: str) -> bool:
        self.sent.append(body)
        return True

    def tell(self, message: object) -> tuple[Event, ...]:
        return self.reference.receive(message)  # type: ignore[arg-type]

    def hear(self, text: str) -> tuple[Event, ...]:
        return self.tell(Received(soh(text), -1, 0, 1))


def picture(price: ReferencePrice) -> str:
    """Return 35=W as some venue sends it."""
    rows = []
    for kind, price_e4, qty in (
        (BID, price.bid_e4, price.bid_qty),
        (ASK, price.ask_e4, price.ask_qty),
        (TRADE, price.last_e4, 0),
        (CLOSE, price.close_e4, 0),
        (VOLUME, 0, price.volume),
    ):
        if price_e4 or (kind == VOLUME):
            price_field = f"270={decimal_text(price_e4)}{SOH}" if price_e4 else ""
            qty_field = f"271={qty}{SOH}" if qty or kind == VOLUME else ""
            rows.append(f"269={kind}{SOH}{price_field}{qty_field}")
    return f"35=W{SOH}262=MD-1{SOH}55={price.symbol}.US{SOH}268={len(rows)}{SOH}{''.join(rows)}"


def changes(*entries: str) -> str:
    return f"35=X|262=MD-1|268={len(entries)}|{''.join(entries)}10=000|"


def test_logon_subscribes_by_the_names_of_the_source() -> None:
    source = Source(("SYN", "GOOG"))

    assert [body.split("\x01")[0] for body in source.sent] == ["35=V", "35=e", "35=e"]
    assert "146=2\x0155=SYN.US\x0155=GOOG.US\x01" in source.sent[0]
    assert source.tell(LoggedOn({})) == (SessionUp(session="reference"),)
    assert "262=MD-2" in source.sent[3], "a request id is never used twice"


LOST = "8=FIX.4.4|35=2|34=148|7=21|16=0|10=031|"  # the source asks for messages of ours again


def test_a_subscription_that_was_lost_is_made_again() -> None:
    source = Source()

    assert source.hear(LOST) == ()
    assert [body.split("\x01")[0] for body in source.sent] == ["35=V", "35=e"] * 3
    assert "262=MD-1\x01263=2" in source.sent[2], "had it come after all, everything would come twice"
    assert "263=2" in source.sent[3]
    assert "262=MD-2\x01263=1" in source.sent[4]
    assert source.hear("35=Y|262=MD-1|281=0|58=unknown MDReqID|10=000|") == (), "it never had it"
    for _ in range(2 * RESUBSCRIPTIONS_MAX):
        source.hear(LOST)
    asked = 2 * (2 * RESUBSCRIPTIONS_MAX + 1)
    assert len(source.sent) == asked, "who asks again and again is not answered"


def test_a_subscription_that_was_answered_stands_whatever_was_lost_before_it() -> None:
    source = Source()
    source.hear(picture(PRICE))

    assert source.hear(LOST) == ()
    assert len(source.sent) == 2


def test_a_whole_picture_comes_through_unchanged() -> None:
    assert Source().hear(picture(PRICE)) == (PRICE,)


def test_whole_picture_replaces_the_one_before() -> None:
    source = Source()
    source.hear(picture(PRICE))

    assert source.hear("35=W|262=MD-1|55=SYN.US|268=0|10=000|") == (UNKNOWN,)


def test_a_change_by_price_moves_its_level_and_leaves_the_rest() -> None:
    source = Source()
    source.hear(picture(PRICE))

    better = source.hear(changes("279=0|269=0|55=SYN.US|270=100.00|271=50|"))
    gone = source.hear(changes("279=2|269=0|55=SYN.US|270=100.00|", "279=0|269=2|55=SYN.US|270=99.99|"))

    assert [(p.bid_e4, p.bid_qty) for p in (*better, *gone)] == [(1_000_000, 50), (999_900, 300)]
    assert gone[0].last_e4 == 999_900
    assert gone[0].close_e4 == PRICE.close_e4


def test_changes_by_entry_id_keep_what_they_do_not_say() -> None:
    source = Source()

    source.hear(
        changes(
            "279=0|269=1|278=a|55=SYN.US|270=10.00|271=5|", "279=0|269=1|278=b|55=SYN.US|270=10.00|271=7|"
        )
    )
    changed = source.hear(changes("279=1|269=1|278=a|55=SYN.US|271=1|"))
    deleted = source.hear(changes("279=2|269=1|278=b|55=SYN.US|"))

    assert [(p.ask_e4, p.ask_qty) for p in (*changed, *deleted)] == [(100_000, 8), (100_000, 1)]


def test_change_of_two_symbols_yields_two_pictures() -> None:
    source = Source(("SYN", "GOOG"))

    events = source.hear(changes("279=0|269=0|55=SYN.US|270=1|271=1|", "279=0|269=0|55=GOOG.US|270=2|271=1|"))

    assert [(e.symbol, e.bid_e4) for e in events] == [("SYN", 10_000), ("GOOG", 20_000)]  # type: ignore[attr-defined]


def test_symbols_that_nobody_asked_for_are_skipped() -> None:
    source = Source()

    assert source.hear("35=W|262=MD-1|55=OTHER|268=0|10=000|") == ()
    assert source.hear("35=f|324=x|55=OTHER|326=2|10=000|") == ()
    assert source.hear(changes("279=0|269=0|55=OTHER|270=1|271=1|")) == ()


@pytest.mark.parametrize(("code", "trading"), [("17", True), ("3", True), ("2", False), ("", False)])
def test_only_an_explicit_yes_lets_a_symbol_trade(code: str, trading: bool) -> None:
    events = Source().hear(f"35=f|324=SS|55=SYN.US|326={code}|10=000|")

    assert events == (SecurityStatus(symbol=Symbol("SYN"), trading=trading),)


def test_status_of_the_venue_is_understood() -> None:
    body = encode_security_status("SS", SecurityStatus(symbol=Symbol("SYN.US"), trading=True))

    assert Source().hear(body) == (SecurityStatus(symbol=Symbol("SYN"), trading=True),)


def test_garbage_makes_every_price_unknown_and_asks_again() -> None:
    source = Source(("SYN", "GOOG"))
    source.hear(picture(PRICE))

    events = source.hear("35=W|55=SYN.US|268=1|269=0|270=abc|10=000|")

    assert events == (UNKNOWN, ReferencePrice(symbol=Symbol("GOOG")))
    assert "262=MD-1\x01263=2" in source.sent[3]
    assert "262=MD-2\x01263=1" in source.sent[6]


def test_source_of_nothing_but_garbage_is_asked_a_bounded_number_of_times() -> None:
    source = Source()

    for _ in range(50):
        assert source.hear("35=W|55=SYN.US|10=000|") == (UNKNOWN,)

    assert len(source.sent) == 2 * (1 + 2 * RESUBSCRIPTIONS_MAX)


def test_levels_are_bounded() -> None:
    source = Source()

    for level in range(LEVELS_MAX):
        assert source.hear(changes(f"279=0|269=0|55=SYN.US|270={level + 1}|271=1|"))[0] != UNKNOWN

    assert source.hear(changes("279=0|269=0|55=SYN.US|270=9999|271=1|")) == (UNKNOWN,)


def test_the_line_lives_alarms_no_one_and_says_why_it_ended() -> None:
    source = Source()

    assert source.tell(Alive(1)) == (ReferenceAlive(),)
    assert source.tell(Alarm("x")) == ()
    assert source.tell(LoggedOut("gone")) == (SessionDown(session="reference", reason="gone"),)


def test_refused_subscription_is_told() -> None:
    events = Source().hear("35=Y|262=MD-1|281=0|58=no such symbol|10=000|")

    assert events == (MessageRejected(ref_msg_type="V", ref_id="MD-1", reason="0", text="no such symbol"),)


def status(**more: object) -> SecurityStatus:
    return SecurityStatus(symbol=Symbol("SYN"), trading=True, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ("", {}),
        ("1148=99.50|1149=100.50|", {"band_low_e4": 995_000, "band_high_e4": 1_005_000}),
        ("333=99.50|332=100.50|", {"band_low_e4": 995_000, "band_high_e4": 1_005_000}),
        ("1687=0|7002=N|", {"short_restricted": False, "limit_state": False}),
        ("1687=2|7002=B|", {"short_restricted": True, "limit_state": True}),
        ("1687=1|7002=?|", {"short_restricted": True, "limit_state": False}),
    ],
)
def test_bands_and_restrictions_are_read_and_what_is_absent_is_not_known(
    fields: str, read: dict[str, object]
) -> None:
    assert Source().hear(f"35=f|324=SS|55=SYN.US|326=17|{fields}10=000|") == (status(**read),)


@pytest.mark.parametrize("fields", ["1148=99.50|", "1149=99|", "1148=101|1149=100|", "1148=x|1149=100|"])
def test_half_a_band_makes_every_price_unknown(fields: str) -> None:
    assert UNKNOWN in Source().hear(f"35=f|324=SS|55=SYN.US|326=17|{fields}10=000|")


def test_the_end_of_a_session_is_no_word_to_trade() -> None:
    (said,) = Source().hear("35=f|324=SS|55=SYN.US|326=18|10=000|")
    assert isinstance(said, SecurityStatus)
    assert not said.trading


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"band_low_e4": 1, "band_high_e4": 2**32 - 1, "limit_state": False, "short_restricted": False},
        {"band_low_e4": 995_000, "band_high_e4": 1_005_000, "limit_state": True, "short_restricted": True},
        {"text": "halted T1"},
    ],
)
def test_what_the_venue_tells_is_what_the_gate_reads(more: dict[str, object]) -> None:
    told = msgspec.structs.replace(status(**more), symbol=Symbol("SYN.US"))
    assert Source().hear(encode_security_status("SS", told)) == (status(**more),)


def test_every_word_of_the_line_says_how_late_it_was() -> None:
    source = Source()
    source.reference = Reference(source.send, (Symbol("SYN"),), lambda s: f"{s}.US", len)
    source.tell(LoggedOn({}))
    (price,) = source.hear(picture(PRICE))
    (halted,) = source.hear("35=f|55=SYN.US|326=2|10=000|")
    (alive,) = source.tell(Alive(1, "12345"))
    assert price == msgspec.structs.replace(PRICE, late_ns=len(picture(PRICE)))
    assert isinstance(halted, SecurityStatus)
    assert halted.late_ns == len("35=f|55=SYN.US|326=2|10=000|")
    assert alive == ReferenceAlive(late_ns=5)
