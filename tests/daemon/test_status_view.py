"""`steadyhand status` for people: at any width an order's names can be read out to the venue's desk."""

from typing import Any

import pytest
from rich.text import Text

from daemon.gate import why
from daemon.people.status_view import held_lines, show
from market.events import Stamp
from market.people_events import StopScope
from tests.daemon.gate_harness import BID, INSTRUMENT, World


def traded() -> World:
    """Return a desk with a filled order and a working one, whose names are long."""
    w = World()
    w.open()
    w.parent(qty=2_000)
    w.wait(1)
    w.fill(w.working(100), 100, BID)
    w.working(200)
    return w


def facts_of(w: World) -> dict[str, Any]:
    shell = {"latency_us": {"tick_to_order": {"count": 0}}, "journal": {"sequence": 12}}
    return w.core.status(Stamp(w.ts, w.now)) | shell


@pytest.mark.parametrize("columns", [80, 100, 140, 200])
def test_names_of_orders_and_their_states_are_whole_at_any_width(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    facts = facts_of(traded())
    for n, order in enumerate(facts["orders"]):
        order |= {"cl_ord_id": f"SHTOVVRK-10{n}", "order_id": f"V6B025E87-O10{n}", "side": "5"}
        order["status"] = "PARTIALLY_FILLED"

    show(facts, {"SYN": INSTRUMENT}, all_orders=True)

    shown = Text.from_ansi(capsys.readouterr().out).plain
    assert len(facts["orders"]) == 2
    for order in facts["orders"]:
        for name in ("cl_ord_id", "order_id", "status"):
            assert order[name] in shown, name
    assert max(len(line) for line in shown.splitlines()) <= columns
    assert "P1  BUY 2,000 SYN  10:00-" in shown


def test_money_has_its_currency_and_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    show(facts_of(traded()), {"SYN": INSTRUMENT})

    shown = capsys.readouterr().out
    assert "USD" in shown
    assert "OrigClOrdID" in shown
    assert "…" not in shown


def test_what_waits_for_people_says_so_with_the_reason_once() -> None:
    w = traded()
    w.step(StopScope(source="cli", reason="a drill", halt=True))
    w.parent(pid="P2")

    lines = held_lines(why.answer(w.core.state, Stamp(w.ts, w.now), "P2", ""), "P2")

    assert lines == [
        "  P2 waits, no order leaves: HALTED by R70H cli: a drill",
        "  clears: two people rearm: `steadyhand rearm`",
    ]
    assert held_lines(why.answer(traded().core.state, Stamp(w.ts, w.now), "P1", ""), "P1") == []
