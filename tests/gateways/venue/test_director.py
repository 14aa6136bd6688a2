"""Scenarios between a client and the EMS, without sockets: each action, and what FIX says of it then."""

from typing import Any

import pytest

from gateways.venue.actions import Disconnect, HalfOpen, Silence
from gateways.venue.line import Marks
from gateways.venue.scenario import Scenario
from tests.gateways.venue.desk import Desk, Fields, brief


def desk(*rules: dict[str, Any], seed: int = 1) -> Desk:
    """Return an open desk whose scenario has these rules, each {"when": .., "do": ..}."""
    return Desk(scenario=Scenario.model_validate({"seed": seed, "rule": rules})).opened()


def on(event: str, **more: Any) -> dict[str, Any]:
    return {"on": event, **more}


def rule(when: dict[str, Any], action: str, **more: Any) -> dict[str, Any]:
    return {"when": when, "do": {"action": action, **more}}


def kinds(reports: list[Fields]) -> list[str]:
    return [r.get("150") or r["35"] for r in reports]


def test_without_rules_everything_passes_through_unmarked() -> None:
    d = Desk().opened()
    (ack,) = d.new("A", 1, 100, "90.00")

    assert brief(ack) == ("0", "0", "100", "0", "100")
    assert d.marks == [Marks()]


# --- messages ---------------------------------------------------------------------------------------


def test_a_delayed_ack_is_overtaken_and_comes_on_the_grid() -> None:
    d = desk(rule(on("ack", nth=1), "delay", seconds=0.5))
    assert d.new("A", 1, 100, "90.00") == []
    assert kinds(d.new("B", 1, 100, "90.00")) == ["0"]
    assert d.wait(0.499) == []
    (late,) = d.wait(0.01)

    assert (late["11"], late["150"]) == ("A", "0")


def test_a_delayed_request_meets_the_book_later() -> None:
    d = desk(rule(on("new"), "delay", seconds=1.0))
    assert d.new("A", 1, 100, "90.00") == []
    assert d.engine.book.best_bid_e4 == 0
    assert kinds(d.wait(1.1)) == ["0"]
    assert d.engine.book.best_bid_e4 == 900_000


def test_a_dropped_ack_is_never_sent_but_the_order_works() -> None:
    d = desk(rule(on("ack"), "drop"))
    assert d.new("A", 1, 100, "90.00") == []
    (status,) = d.ask("H", (11, "A"), (55, "SYN"), (54, 1))

    assert status["39"] == "0"


def test_a_dropped_request_never_happened() -> None:
    d = desk(rule(on("new"), "drop"))
    assert d.new("A", 1, 100, "90.00") == []
    (status,) = d.ask("H", (11, "A"), (55, "SYN"), (54, 1))

    assert status["39"] == "8"


def test_a_duplicate_has_the_same_exec_id() -> None:
    d = desk(rule(on("fill"), "duplicate", seconds=0.2), rule(on("ack"), "duplicate"))
    d.rest(-1, 1_000_000, 100)
    first, second, fill = d.new("A", 1, 100, "100.00")
    (again,) = d.wait(0.3)

    assert first == second
    assert fill == again


def test_two_fills_may_have_one_exec_id() -> None:
    d = desk(rule(on("fill", nth=2), "same_exec_id"))
    d.rest(-1, 1_000_000, 100)
    d.rest(-1, 1_000_100, 100)
    _, one, two = d.new("A", 1, 200, "100.01")

    assert one["17"] == two["17"]
    assert (one["14"], two["14"]) == ("100", "200")


def test_fields_are_altered_added_and_left_away() -> None:
    d = desk(rule(on("ack"), "alter", set={"14": "7", "9999": "X"}, drop=["38"]))
    (ack,) = d.new("A", 1, 100, "90.00")

    assert (ack["14"], ack["9999"], "38" in ack) == ("7", "X", False)


@pytest.mark.parametrize(
    ("event", "ask", "kind", "tag"),
    [
        ("new", lambda d: d.new("B", 1, 100, "90.00"), "8", "103"),
        ("cancel", lambda d: d.cancel("B", "A"), "9", "102"),
        ("replace", lambda d: d.replace("B", "A", 1, 200, "90.00"), "9", "102"),
    ],
)
def test_a_request_is_rejected_with_the_reason_and_text_of_the_rule(
    event: str, ask: Any, kind: str, tag: str
) -> None:
    d = desk(rule(on(event, cl_ord_id="B*"), "reject", reason=3, text="too much today"))
    d.new("A", 1, 100, "90.00")
    (refusal,) = ask(d)

    assert (refusal["35"], refusal[tag], refusal["58"]) == (kind, "3", "too much today")
    assert kinds(d.new("B", 1, 100, "90.00")) == ["8"]  # its ClOrdID is used up
    assert kinds(d.cancel("Z", "A")) == ["4"]  # the order is as it was


def test_any_request_can_be_rejected_by_35_j() -> None:
    d = desk(rule(on("mass_status"), "reject", reason=3), rule(on("new"), "reject", business=True, reason=4))
    (no,) = d.ask("AF", (584, "M"), (585, 7))
    (nor,) = d.new("A", 1, 100, "90.00")

    assert (no["35"], no["372"]) == ("j", "AF")
    assert (nor["35"], nor["372"], nor["379"], nor["380"]) == ("j", "D", "A", "4")


def test_marks_of_the_wire_go_with_the_message() -> None:
    d = desk(
        rule(on("ack", nth=1), "garble", what="length"),
        rule(on("ack", nth=2), "lose"),
        rule(on("ack", nth=3), "renumber", by=-2),
        rule(on("ack", nth=3), "poss_dup"),
        rule(on("ack", nth=4), "duplicate", poss_resend=True),
    )
    for name in "ABCD":
        d.new(name, 1, 100, "90.00")

    assert d.marks == [
        Marks(garble="length"),
        Marks(lose=True),
        Marks(renumber=-2, poss_dup=True),
        Marks(),
        Marks(poss_resend=True),
    ]


# --- which message ----------------------------------------------------------------------------------


def test_filters_nth_every_times_and_window() -> None:
    d = desk(
        {"name": "nth", **rule(on("ack", nth=2), "alter", set={"9001": "Y"})},
        {"name": "every", **rule(on("ack", every=3, times=1), "alter", set={"9002": "Y"})},
        {"name": "qty", **rule(on("ack", qty_min=200, qty_max=300), "alter", set={"9003": "Y"})},
        {"name": "side", **rule(on("ack", side="sell"), "alter", set={"9004": "Y"})},
        {"name": "id", **rule(on("ack", cl_ord_id="X*"), "alter", set={"9005": "Y"})},
        {"name": "later", **rule(on("ack", **{"from": "10:00:05"}), "alter", set={"9006": "Y"})},
        {"name": "sooner", **rule(on("ack", until="10:00:05"), "alter", set={"9007": "Y"})},
        {"name": "others", **rule(on("ack", symbol="ABC", account="NOT"), "alter", set={"9008": "Y"})},
    )
    (a,) = d.new("A", 1, 100, "90.00")
    (b,) = d.new("X1", 2, 200, "95.00")
    d.wait(10)
    (c,) = d.new("X2", 1, 301, "90.00")
    got = [{tag for tag in report if tag.startswith("900")} for report in (a, b, c)]

    assert got == [{"9007"}, {"9001", "9003", "9004", "9005", "9007"}, {"9002", "9005", "9006"}]
    assert d.director.fired == {
        "nth": 1, "every": 1, "qty": 1, "side": 1, "id": 2, "later": 1, "sooner": 2, "others": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("at", "fired"), [("08:00:00", 3), ("09:59:55", 2), ("10:00:00", 3), ("10:00:05", 2), ("10:00:30", 0)]
)
def test_what_comes_again_and_again_does_not_make_up_for_the_time_before_the_window(
    at: str, fired: int
) -> None:
    d = desk({"name": "again", **rule({"at": at, "every_s": 10.0}, "cancel")})
    d.wait(21)
    assert d.director.fired == {"again": fired}


def test_chance_is_the_seeds_own_and_each_rules_own() -> None:
    def fired(seed: int, *more: dict[str, Any]) -> list[int]:
        d = desk(*more, rule(on("ack", probability=0.5), "alter", set={"9001": "Y"}), seed=seed)
        return [n for n in range(40) if "9001" in d.new(f"A{n}", 1, 100, "90.00")[0]]

    assert fired(1) == fired(1)
    assert fired(1) != fired(2)
    assert 8 < len(fired(1)) < 32


def test_a_message_that_was_dropped_is_shown_to_no_further_rule() -> None:
    d = desk(rule(on("new", nth=1), "drop"), {"name": "after", **rule(on("new", nth=1), "reject")})
    d.new("A", 1, 100, "90.00")
    (refused,) = d.new("B", 1, 100, "90.00")

    assert refused["39"] == "8"  # the first that the second rule saw


# --- orders -----------------------------------------------------------------------------------------


def test_the_broker_fills_a_part_from_its_own_book() -> None:
    d = desk(rule(on("ack"), "fill", part=0.4))
    d.new("A", 1, 100, "90.00")
    (fill,) = d.wait(0.01)

    assert brief(fill) == ("F", "1", "100", "40", "60")
    assert (fill["32"], fill["31"]) == ("40", "90.00")
    assert d.ems.table.positions() == {"ACC": {"SYN": 40}}
    assert d.rebuilt().levels(1).tolist()[1] == [60]  # the feed shows what is left


def test_an_unsolicited_cancel_takes_the_newest_and_says_why() -> None:
    d = desk(rule({"at": "10:00:30"}, "cancel", text="desk closed", pick="newest"))
    d.new("A", 1, 100, "90.00")
    d.new("B", 1, 100, "90.00")
    (gone,) = d.wait(31)

    assert brief(gone) == ("4", "4", "100", "0", "0")
    assert (gone["11"], gone["58"]) == ("B", "desk closed")


def test_a_bust_of_a_working_order_gives_its_shares_back_to_the_market() -> None:
    d = desk(rule(on("fill"), "bust"))
    d.rest(-1, 1_000_000, 60)
    _, fill = d.new("A", 1, 100, "100.00")
    (bust,) = d.wait(0.01)

    assert brief(bust) == ("H", "0", "100", "0", "100")
    assert (bust["19"], bust["32"], bust["31"]) == (fill["17"], "60", "100.00")
    assert d.ems.table.fills == []
    assert d.engine.book.best_bid_e4 == 1_000_000
    d.rest(-1, 1_000_000, 100)
    assert brief(d.sent[-1]) == ("F", "2", "100", "100", "0")


def test_a_bust_of_a_filled_order_ends_it_with_less() -> None:
    d = desk(rule(on("fill", nth=2), "bust"))
    d.rest(-1, 1_000_000, 60)
    d.rest(-1, 1_000_000, 40)
    d.new("A", 1, 100, "100.00")
    (bust,) = d.wait(0.01)

    assert brief(bust) == ("H", "4", "100", "60", "0")
    assert d.ems.table.positions() == {"ACC": {"SYN": 60}}


def test_a_correction_of_price_and_quantity() -> None:
    d = desk(rule(on("fill"), "correct", ticks=-2, qty=-10))
    d.rest(-1, 1_000_000, 60)
    _, fill = d.new("A", 1, 100, "100.00")
    (right,) = d.wait(0.01)

    assert brief(right) == ("G", "1", "100", "50", "50")
    assert (right["19"], right["32"], right["31"]) == (fill["17"], "50", "99.98")
    (only,) = d.ems.table.fills
    assert (only.exec_id, only.qty, only.price_e4) == (right["17"], 50, 999_800)


def test_a_restatement_of_quantity_and_price() -> None:
    d = desk(
        rule({"at": "10:00:10"}, "restate", qty=-30),
        rule({"at": "10:00:20"}, "restate", ticks=5),
    )
    d.new("A", 1, 100, "90.00")
    (less,) = d.wait(11)
    (other,) = d.wait(10)

    assert brief(less) == ("D", "0", "70", "0", "70")
    assert (less["378"], other["378"], other["44"]) == ("5", "3", "90.05")
    assert d.engine.book.best_bid_e4 == 900_500


def test_an_overfill_is_the_clients_all_the_same() -> None:
    d = desk(rule(on("ack"), "overfill", qty=50))
    d.new("A", 1, 100, "90.00")
    (fill,) = d.wait(0.01)

    assert brief(fill) == ("F", "2", "100", "150", "0")
    assert d.ems.table.positions() == {"ACC": {"SYN": 150}}


def test_a_report_of_an_order_that_nobody_sent_is_nobodys_position() -> None:
    d = desk(rule({"at": "10:00:01"}, "unknown_order", cl_ord_id="WHO-1", qty=300, filled=True, side="sell"))
    (fill,) = d.wait(2)

    assert brief(fill) == ("F", "2", "300", "300", "0")
    assert fill["11"] == "WHO-1"
    assert d.ems.table.positions() == {}


def test_nothing_is_done_to_an_order_that_is_past_it() -> None:
    d = desk(*[rule(on("canceled", after=0.1), action) for action in ("cancel", "fill", "overfill", "bust")])
    d.new("A", 1, 100, "90.00")
    d.cancel("B", "A")

    assert d.wait(1) == []


def test_an_action_again_and_again_until() -> None:
    d = desk(rule({"at": "10:00:01", "every_s": 1.0, "until": "10:00:04"}, "fill", qty=10))
    d.new("A", 1, 100, "90.00")

    assert [r["14"] for r in d.wait(20)] == ["10", "20", "30"]


def test_a_rule_that_feeds_itself_ends_with_its_times() -> None:
    d = desk(rule(on("restated", times=5), "restate", ticks=1), rule(on("ack"), "restate", ticks=1))
    d.new("A", 1, 100, "90.00")

    assert len(d.wait(60)) == 6


# --- lines ------------------------------------------------------------------------------------------


def test_what_lasts_on_a_line_ends_by_itself_and_once() -> None:
    d = desk(
        rule({"at": "10:00:01"}, "half_open", seconds=2.0),
        rule({"at": "10:00:02"}, "half_open", seconds=3.0),
        rule({"at": "10:00:03"}, "disconnect", cancel="never"),
    )
    d.wait(10)
    seconds = [(round((ts - d.exchange.window[0]) / 1e9, 3), type(a), begin) for ts, a, begin in d.commands]

    assert seconds == [
        (1.0, HalfOpen, True),
        (2.0, HalfOpen, True),
        (3.0, Disconnect, True),
        (5.0, HalfOpen, False),
    ]


def test_a_logon_is_refused_so_often_as_the_rule_says() -> None:
    d = desk(rule(on("logon", session="order", times=2), "refuse_logon", text="not today"))
    answers = [d.director.logon(name) for name in ("order", "reference", "order", "order")]

    assert [a is not None for a in answers] == [True, False, True, False]


def test_reference_prices_fall_silent_and_come_back() -> None:
    d = desk(rule({"at": "10:00:01"}, "silence", of="reference", seconds=5.0))
    d.reference.request(
        d.message("V", (262, "M"), (263, 1), (264, 1), (146, 1), (55, "SYN"), (267, 1), (269, 0))
    )
    d.rest(1, 900_000, 100)
    d.reference.tell(10**9)
    told = len(d.reference_bodies)
    d.wait(2)
    d.rest(1, 900_100, 100)
    d.reference.tell(3 * 10**9)
    assert len(d.reference_bodies) == told
    assert d.reference.next_due_ns(0) == 2**63 - 1
    d.wait(5)
    d.reference.tell(9 * 10**9)

    assert len(d.reference_bodies) == told + 1
    assert isinstance(d.commands[0][1], Silence)
