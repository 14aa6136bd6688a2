"""The EMS against FIX 4.4's order state matrices (volume 4, appendix D), row by row."""

import pytest

from tests.gateways.venue.desk import BEGIN_NS, Desk, Fields, brief


@pytest.fixture
def desk() -> Desk:
    return Desk().opened()


# --- D ------------------------------------------------------------------------------------------


def test_a_new_order_is_acknowledged(desk: Desk) -> None:
    (report,) = desk.new("A", 1, 100, "10.00")

    assert brief(report) == ("0", "0", "100", "0", "100")
    assert report["11"] == "A"
    assert report["37"] != "NONE"
    assert report["60"] == "20240102-15:00:00.000"


def test_fills_add_up(desk: Desk) -> None:
    desk.rest(-1, 100_000, 30)
    desk.rest(-1, 100_100, 30)

    new, first, second = desk.new("A", 1, 100, "10.01")

    assert brief(new) == ("0", "0", "100", "0", "100")
    assert brief(first) == ("F", "1", "100", "30", "70")
    assert brief(second) == ("F", "1", "100", "60", "40")
    assert (first["32"], first["31"], first["6"]) == ("30", "10.00", "10")
    assert (second["32"], second["31"], second["6"]) == ("30", "10.01", "10.005")
    desk.rest(-1, 100_100, 50)
    assert brief(desk.sent[-1]) == ("F", "2", "100", "100", "0")
    assert desk.sent[-1]["6"] == "10.007"
    assert len({report["17"] for report in desk.sent}) == 4


def test_a_market_order_takes_what_there_is_and_ends(desk: Desk) -> None:
    desk.rest(-1, 100_000, 30)

    new, trade, end = desk.new("A", 1, 100, None)

    assert "44" not in new
    assert brief(trade) == ("F", "1", "100", "30", "70")
    assert brief(end) == ("4", "4", "100", "30", "0")
    assert "liquidity" in end["58"]


def test_fok_is_all_or_nothing_and_ioc_takes_what_is_there(desk: Desk) -> None:
    desk.rest(-1, 100_000, 30)

    new, killed = desk.new("A", 1, 100, "10.00", (59, 4))
    assert [brief(r) for r in (new, killed)] == [("0", "0", "100", "0", "100"), ("4", "4", "100", "0", "0")]
    _, trade, rest = desk.new("B", 1, 100, "10.00", (59, 3))
    assert brief(trade) == ("F", "1", "100", "30", "70")
    assert brief(rest) == ("4", "4", "100", "30", "0")


def test_post_only_never_takes(desk: Desk) -> None:
    desk.rest(-1, 100_000, 30)

    (rejected,) = desk.new("A", 1, 100, "10.00", (18, 6))
    (accepted,) = desk.new("B", 1, 100, "9.99", (18, 6))

    assert brief(rejected) == ("8", "8", "100", "0", "0")
    assert "post-only" in rejected["58"]
    assert brief(accepted) == ("0", "0", "100", "0", "100")


def test_a_duplicate_is_rejected_and_leaves_the_first_alone(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")

    (duplicate,) = desk.new("A", 1, 100, "10.00")

    assert (duplicate["150"], duplicate["39"], duplicate["103"], duplicate["37"]) == ("8", "8", "6", "NONE")
    assert desk.engine.book.size_at(1, 100_000) == 100


def test_a_possible_resend_of_a_known_order_is_answered_with_its_state(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")

    (status,) = desk.new("A", 1, 100, "10.00", (97, "Y"))
    (fresh,) = desk.new("B", 1, 100, "9.00", (97, "Y"))

    assert (status["150"], status["39"], status["17"]) == ("I", "0", "0")
    assert fresh["150"] == "0"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([(55, "OTHER")], "1"),
        ([(59, 1)], "11"),
        ([(59, 6)], "11"),
        ([(18, 6), (59, 3)], "11"),
        ([(40, 3)], "11"),
        ([(38, 20_000_000)], "3"),
        ([(38, 0)], "13"),
        ([(38, "1.5")], None),
        ([(44, "10.005")], "99"),
        ([(44, "500000")], "99"),
        ([(44, "ten")], None),
    ],
)
def test_what_cannot_be_is_rejected_with_its_reason(
    desk: Desk, fields: list[tuple[int, object]], reason: str | None
) -> None:
    (report,) = desk.new("A", 1, 100, "10.00", *fields)

    assert (report["35"], report["150"], report["39"], report["151"]) == ("8", "8", "8", "0")
    assert report["58"]
    if reason:
        assert report["103"] == reason
    assert len(desk.engine.book) == 0


def test_nothing_is_taken_before_the_window_begins() -> None:
    (report,) = Desk().new("A", 1, 100, "10.00")

    assert (report["39"], report["103"]) == ("8", "2")


def test_nothing_is_taken_while_trading_is_halted_but_cancels_work(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")
    desk.engine.halt(False)
    desk.exchange.trading = False

    (report,) = desk.new("B", 1, 100, "10.00")
    (gone,) = desk.cancel("C", "A")

    assert (report["39"], report["103"]) == ("8", "2")
    assert gone["39"] == "4"


def test_self_trade_prevention_goes_by_account(desk: Desk) -> None:
    desk.new("A", 2, 100, "10.00")

    other = desk.new("B", 1, 60, "10.00", (1, "OTHER"))
    mine = desk.new("C", 1, 60, "10.00")

    assert [r["150"] for r in other] == ["0", "F", "F"]
    assert [r["150"] for r in mine] == ["0", "4"]
    assert "self-trade" in mine[1]["58"]
    assert desk.ems.table.positions() == {"ACC": {"SYN": -60}, "OTHER": {"SYN": 60}}


# --- F ------------------------------------------------------------------------------------------


def test_cancel_of_a_working_order(desk: Desk) -> None:
    desk.rest(-1, 100_000, 40)
    desk.new("A", 1, 100, "10.00")

    (report,) = desk.cancel("C", "A")

    assert brief(report) == ("4", "4", "100", "40", "0")
    assert (report["11"], report["41"]) == ("C", "A")
    assert len(desk.engine.book) == 0


@pytest.mark.parametrize("end", ["filled", "canceled", "rejected"])
def test_cancel_comes_too_late(desk: Desk, end: str) -> None:
    if end == "filled":
        desk.rest(-1, 100_000, 100)
    desk.new("A", 1, 100, "10.00", *([(18, 6), (59, 3)] if end == "rejected" else []))
    if end == "canceled":
        desk.cancel("B", "A")

    (reject,) = desk.cancel("C", "B" if end == "canceled" else "A")

    assert (reject["35"], reject["434"]) == ("9", "1")
    assert reject["102"] == ("1" if end == "rejected" else "0")
    assert reject["39"] == {"filled": "2", "canceled": "4", "rejected": "8"}[end]


def test_a_cancel_of_nothing_is_refused_by_name(desk: Desk) -> None:
    (reject,) = desk.cancel("C", "NEVER")

    assert (reject["35"], reject["102"], reject["39"], reject["37"]) == ("9", "1", "8", "NONE")


def test_a_cancel_under_a_used_id_is_refused(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")

    (reject,) = desk.cancel("A", "A")

    assert (reject["35"], reject["102"], reject["39"]) == ("9", "6", "0")


# --- G ------------------------------------------------------------------------------------------


def test_replace_counts_what_has_traded(desk: Desk) -> None:
    desk.rest(-1, 100_000, 40)
    desk.new("A", 1, 100, "10.00")

    (report,) = desk.replace("B", "A", 1, 200, "9.99")

    assert brief(report) == ("5", "1", "200", "40", "160")
    assert (report["11"], report["41"], report["44"]) == ("B", "A", "9.99")
    assert desk.engine.book.size_at(1, 99_900) == 160


def test_replace_that_only_shrinks_keeps_its_place(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")
    desk.rest(1, 100_000, 50)

    desk.replace("B", "A", 1, 70, "10.00")
    desk.rest(-1, 100_000, 70)

    assert brief(desk.sent[-1]) == ("F", "2", "70", "70", "0")


def test_replace_that_grows_goes_to_the_end(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")
    desk.rest(1, 100_000, 50)

    desk.replace("B", "A", 1, 120, "10.00")
    desk.rest(-1, 100_000, 70)

    assert brief(desk.sent[-1]) == ("F", "1", "120", "20", "100")


def test_replace_to_a_price_that_trades(desk: Desk) -> None:
    desk.rest(-1, 100_100, 30)
    desk.new("A", 1, 100, "10.00")

    replaced, trade = desk.replace("B", "A", 1, 100, "10.01")

    assert brief(replaced) == ("5", "0", "100", "0", "100")
    assert brief(trade) == ("F", "1", "100", "30", "70")
    assert trade["11"] == "B"


@pytest.mark.parametrize("qty", [40, 10])
def test_replace_to_what_has_traded_or_less_fills_the_order(desk: Desk, qty: int) -> None:
    desk.rest(-1, 100_000, 40)
    desk.new("A", 1, 100, "10.00")

    (report,) = desk.replace("B", "A", 1, qty, "10.00")

    assert brief(report) == ("5", "2", "40", "40", "0")
    assert len(desk.engine.book) == 0


def test_a_chain_of_replaces_goes_by_the_last_accepted_id(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")
    desk.replace("B", "A", 1, 100, "9.99")

    (stale,) = desk.replace("C", "A", 1, 100, "9.98")
    (good,) = desk.replace("D", "B", 1, 100, "9.98")
    (gone,) = desk.cancel("E", "D")

    assert (stale["35"], stale["434"], stale["102"], stale["39"]) == ("9", "2", "1", "0")
    assert (good["11"], good["41"]) == ("D", "B")
    assert (gone["11"], gone["41"], gone["39"]) == ("E", "D", "4")
    assert len({r["37"] for r in desk.sent}) == 1


def test_a_refused_replace_leaves_the_order_as_it_was(desk: Desk) -> None:
    desk.rest(-1, 100_100, 30)
    desk.new("A", 1, 100, "10.00")

    (post_only,) = desk.replace("B", "A", 1, 100, "10.01", (18, 6))
    (off_tick,) = desk.replace("C", "A", 1, 100, "10.005")
    (other_side,) = desk.replace("D", "A", 2, 100, "10.00")
    (market,) = desk.replace("E", "A", 1, 100, "10.00", (40, 1))
    (duplicate,) = desk.replace("A", "A", 1, 100, "10.00")

    for reject in (post_only, off_tick, other_side, market):
        assert (reject["35"], reject["434"], reject["102"], reject["39"]) == ("9", "2", "2", "0")
    assert duplicate["102"] == "6"
    assert desk.engine.book.size_at(1, 100_000) == 100
    assert desk.cancel("F", "A")[0]["39"] == "4"


# --- pending ------------------------------------------------------------------------------------


def test_pending_reports_come_first_where_they_are_asked_for() -> None:
    desk = Desk(pending_reports=True).opened()

    def rows(reports: list[Fields]) -> list[tuple[str, str, str, str]]:
        return [(r["150"], r["39"], r["11"], r.get("41", "")) for r in reports]

    assert rows(desk.new("A", 1, 100, "10.00")) == [("A", "A", "A", ""), ("0", "0", "A", "")]
    assert rows(desk.replace("B", "A", 1, 90, "10.00")) == [("E", "E", "B", "A"), ("5", "0", "B", "A")]
    assert rows(desk.cancel("C", "B")) == [("6", "6", "C", "B"), ("4", "4", "C", "B")]


# --- H, AF, q -----------------------------------------------------------------------------------


def test_status_of_an_order_by_any_of_its_ids(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")
    desk.replace("B", "A", 1, 90, "10.00")

    for cl_ord_id in ("A", "B"):
        (status,) = desk.ask("H", (11, cl_ord_id), (55, "SYN"), (54, 1))

        assert brief(status) == ("I", "0", "90", "0", "90")
        assert (status["17"], status["11"], status["41"]) == ("0", "B", "A")


def test_status_of_nothing_is_rejected(desk: Desk) -> None:
    (status,) = desk.ask("H", (11, "NEVER"), (55, "SYN"), (54, 1))

    assert (status["150"], status["39"], status["103"], status["37"]) == ("I", "8", "5", "NONE")
    assert status["11"] == "NEVER"


def test_mass_status_lists_what_lives(desk: Desk) -> None:
    for name, price in (("A", "10.00"), ("B", "9.99"), ("C", "9.98")):
        desk.new(name, 1, 100, price)
    desk.cancel("D", "B")

    reports = desk.ask("AF", (584, "MS1"), (585, 7))

    assert [(r["11"], r["150"], r["584"], r["911"], r["912"]) for r in reports] == [
        ("A", "I", "MS1", "2", "N"),
        ("C", "I", "MS1", "2", "Y"),
    ]


@pytest.mark.parametrize(("req_type", "symbol"), [(7, ""), (1, "OTHER"), (3, "")])
def test_mass_status_of_nothing_says_so(desk: Desk, req_type: int, symbol: str) -> None:
    fields: list[tuple[int, object]] = [(584, "MS1"), (585, req_type)]

    (report,) = desk.ask("AF", *fields, *([(55, symbol)] if symbol else []))

    assert (report["150"], report["39"], report["911"], report["912"]) == ("I", "8", "0", "Y")


def test_mass_cancel(desk: Desk) -> None:
    for name, price in (("A", "10.00"), ("B", "9.99")):
        desk.new(name, 1, 100, price)

    report, *ends = desk.ask("q", (11, "Q1"), (530, 7))

    assert (report["35"], report["11"], report["531"], report["533"]) == ("r", "Q1", "7", "2")
    assert [(r["150"], r["39"], r["11"]) for r in ends] == [("4", "4", "A"), ("4", "4", "B")]
    assert len(desk.engine.book) == 0


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ([(11, "Q1"), (530, 3)], "0", "MassCancelRequestType is not 1 or 7"),
        ([(11, "Q1"), (530, 1), (55, "OTHER")], "1", "unknown symbol OTHER"),
        ([(11, "Q1"), (530, 1)], "1", "unknown symbol (none)"),
        ([(11, "A"), (530, 7)], "99", "ClOrdID was used before"),
    ],
)
def test_a_mass_cancel_is_refused_with_its_own_reason(
    desk: Desk, fields: list[tuple[int, object]], reason: str, text: str
) -> None:
    desk.new("A", 1, 100, "10.00")

    (report,) = desk.ask("q", *fields)

    assert (report["35"], report["531"], report["532"], report["533"]) == ("r", "0", reason, "0")
    assert report["58"] == text
    assert desk.engine.book.size_at(1, 100_000) == 100


@pytest.mark.parametrize(("symbol", "side"), [("OTHER", 1), ("SYN", 2), ("SYN", 5)])
def test_a_cancel_that_means_another_order_leaves_this_one_alone(desk: Desk, symbol: str, side: int) -> None:
    desk.new("A", 1, 100, "10.00")

    (reject,) = desk.ask("F", (11, "B"), (41, "A"), (55, symbol), (54, side), (38, 100))

    assert (reject["35"], reject["434"], reject["102"], reject["39"]) == ("9", "1", "99", "0")
    assert "is not the order's" in reject["58"]
    assert desk.engine.book.size_at(1, 100_000) == 100
    assert desk.cancel("C", "A")[0]["39"] == "4"


def test_cancel_on_disconnect_is_unasked(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")

    assert desk.ems.cancel_all("cancel on disconnect") == 1

    assert brief(desk.sent[-1]) == ("4", "4", "100", "0", "0")
    assert "41" not in desk.sent[-1]


# --- what is no request -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("msg_type", "fields", "reason"),
    [
        ("B", [(148, "news")], "3"),
        ("D", [(55, "SYN"), (54, 1), (38, 100), (40, 1)], "5"),
        ("D", [(11, "A"), (55, "SYN"), (38, 100), (40, 1)], "5"),
        ("F", [(11, "A"), (55, "SYN"), (54, 1)], "5"),
        ("H", [(55, "SYN"), (54, 1)], "5"),
        ("AF", [(585, 7)], "5"),
        ("q", [(11, "A")], "5"),
    ],
)
def test_messages_that_cannot_be_worked_with_get_a_business_reject(
    desk: Desk, msg_type: str, fields: list[tuple[int, object]], reason: str
) -> None:
    (reject,) = desk.ask(msg_type, *fields)

    assert (reject["35"], reject["45"], reject["372"], reject["380"]) == ("j", "1", msg_type, reason)


def test_a_replace_without_quantity_is_a_cancel_reject(desk: Desk) -> None:
    desk.new("A", 1, 100, "10.00")

    (reject,) = desk.ask("G", (11, "B"), (41, "A"), (55, "SYN"), (54, 1), (40, 2), (44, "10.00"))

    assert (reject["35"], reject["434"], reject["11"], reject["39"]) == ("9", "2", "B", "0")


# --- the account of it all ----------------------------------------------------------------------


def test_every_order_shows_in_the_feed_like_anybodys(desk: Desk) -> None:
    desk.rest(-1, 100_100, 300)
    desk.rest(1, 99_900, 300)
    desk.new("A", 1, 100, "10.00")
    desk.new("B", 2, 100, "10.02")
    desk.replace("C", "A", 1, 70, "10.00")  # X
    desk.replace("D", "B", 2, 100, "10.03")  # U
    desk.replace("E", "C", 1, 370, "10.01")  # D, E, A
    desk.new("F", 1, 50, None)  # takes D's
    desk.rest(-1, 100_100, 20)  # hits E
    desk.new("G", 2, 50, "9.99", (59, 3))
    desk.cancel("H", "D", 2)

    book = desk.rebuilt()

    assert book.state_hash() == desk.engine.book.state_hash()
    assert len(book) == len(desk.engine.book) > 0


def test_fills_carry_market_time(desk: Desk) -> None:
    desk.exchange.advance(BEGIN_NS + 1_234_567_000)
    desk.rest(-1, 100_000, 100)

    _, fill = desk.new("A", 1, 100, "10.00")

    assert fill["60"] == "20240102-15:00:01.234"
    assert desk.ems.table.fills[0].ts_ns == BEGIN_NS + 1_234_567_000
    assert not desk.ems.table.fills[0].maker
