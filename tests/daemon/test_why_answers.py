"""What `why` says is as somebody has read it: every answer of every seeded world, words and numbers.

`STEADYHAND_WRITE=1 pytest tests/daemon/test_why_answers.py` writes why_answers.txt again; read what changed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from daemon.gate import why
from market import events as ev
from market.desk_events import Condition
from market.orders import NewOrder
from market.parents import ParentOrder, Progress
from market.people_events import StopScope
from market.types import ClOrdID, OrdType, ParentID, ParentStatus, Side, TimeInForce
from risk.case import Decision
from risk.overlay import Context
from tests.daemon.gate_harness import ASK, BID, SECOND, SYN, World, limits
from tests.daemon.why_seeds import SEEDS, P, S, Seed, after, at, fresh

ANSWERS = Path(__file__).with_name("why_answers.txt")
FIELDS = why.Blocker.__struct_fields__


def sold(limit_price_e4: int) -> Callable[[], World]:
    return lambda: fresh(parent={"side": Side.SELL, "limit_price_e4": limit_price_e4})


def odd(last_e4: int) -> ev.ReferencePrice:
    return ev.ReferencePrice(symbol=SYN, bid_e4=0, ask_e4=0, last_e4=last_e4)


def returning() -> World:
    w = fresh()
    w.step(ev.SecurityStatus(symbol=SYN, trading=False, text="LULD"))
    w.wait(1.0)
    w.core.state.posture.clear("R41", w.now, "S/SYN", dwell=True)
    return w


def first_signature() -> World:
    w = fresh()
    w.step(ev.Kill(source="cli", reason="drill"))
    w.core.state.posture.sign("alice", w.now + SECOND)
    return w


def many() -> World:
    """Kill, halt, reduce at once, of the desk and of a symbol that nobody asks for."""
    w = fresh()
    w.step(Condition(cause="R52", text="far away"))
    w.step(StopScope(source="cli", halt=True, scope="S/OTHER"))
    w.step(StopScope(source="cli", scope="T/vwap"))
    w.step(ev.Kill(source="cli", reason="drill"))
    w.step(StopScope(source="cli", halt=True))
    return w


def untouched() -> World:
    """A desk without a price, whose parent is stopped by a strategy that nobody runs."""
    w = fresh()
    w.step(ev.TraderGone(epoch=7, reason="closed"))
    w.step(StopScope(source="cli", scope="T/vwap"))
    return w


def awaiting() -> World:
    w = fresh()
    session = w.core.state.session
    session.trading = False
    session.awaited = {ClOrdID(f"SH1-{n}"): None for n in range(7)}
    return w


def costly() -> World:
    w = fresh()
    w.step(ev.PauseParent(request_id=1, parent_id=ParentID("P1")))
    w.ask_parent().costly = "pause"
    return w


def not_begun() -> World:
    """Before the open, and by the procedure of the day too."""
    w = at(-3_600)()
    w.core.state.posture.raise_("R40", "no start of day", w.now)
    w.core.state.posture.raise_("R06", "unfit for 5 s", w.now)
    return w


def instant(ts_ns: int) -> World:
    w = fresh()
    w.ts = ts_ns
    return w


def unpriced() -> World:
    w = fresh()
    w.ask_parent().priced = False
    return w


MORE = {
    "a seller's limit above the market": Seed(sold(ASK + 5_000), P, "", "R08"),
    "a seller's limit at the market": Seed(sold(ASK), P, "", ""),
    "a buyer's limit at the market": Seed(lambda: fresh(parent={"limit_price_e4": BID}), P, "", ""),
    "returning": Seed(returning, P, "", "R41"),
    "returning, asked for the desk": Seed(returning, "", "", "R41"),
    "a first signature": Seed(first_signature, "", "", "R70"),
    "many at once": Seed(many, P, "", "R70"),
    "many at once, asked for the symbol": Seed(many, "", S, "R70"),
    "many at once, asked for the desk": Seed(many, "", "", "R70"),
    "a stopped strategy that nobody runs": Seed(untouched, "", S, "R70"),
    "a stopped strategy that nobody runs, asked for the parent": Seed(untouched, P, "", "R70"),
    "answers are awaited": Seed(awaiting, "", "", "R60"),
    "paused by its cost": Seed(costly, P, "", "PARENT"),
    "no price at admission": Seed(unpriced, P, "", "PARENT"),
    "at the instant of the open": Seed(at(-1_801), "", S, ""),
    "just before the open": Seed(at(-1_802), "", S, "R40"),
    "the desk before the open": Seed(at(-3_600), "", "", "R40"),
    "no book, and a last trade between two ticks": Seed(after(odd(1_000_050)), "", S, "R06"),
    "no book, and a last trade below a tick": Seed(after(odd(50)), "", S, "R06"),
    "no book and no trade": Seed(after(odd(0)), "", S, "R06"),
    "a limit below the market": Seed(lambda: fresh(parent={"limit_price_e4": BID - 4_900}), P, "", "R08"),
    "no price of the symbol": Seed(lambda: World(), "", S, "R06"),
    "a line that is silent, asked for the desk": Seed(SEEDS["reference line silent"].seed, "", "", "R06"),
    "a book that is locked, asked for the desk": Seed(SEEDS["locked"].seed, "", "", "R06"),
    "a halted venue, asked for the desk": Seed(SEEDS["halted by the venue"].seed, "", "", "R41"),
    "the day has not begun, asked for the desk": Seed(not_begun, "", "", "R40"),
    "the day has not begun": Seed(not_begun, "", S, "R40"),
    "one share, and nothing sent": Seed(lambda: fresh(parent={"qty": 1}), P, "", ""),
    "a nanosecond after 1970": Seed(lambda: instant(1), "", S, "R40"),
    "no time": Seed(lambda: instant(0), "", S, "R40"),
    "a symbol that is no instrument": Seed(fresh, "", "XYZ", "R02"),
    "only sells may be sent": Seed(lambda: fresh(limits(shorts={"mark_required": True})), "", S, ""),
}  # fmt: skip


def told(seed: Seed) -> list[str]:
    w = seed.seed()
    found = why.blockers(w.core.state, ev.Stamp(w.ts, w.now), seed.parent, seed.symbol)
    return [" | ".join(str(getattr(b, name)) for name in FIELDS) for b in found]


def written() -> dict[str, list[str]]:
    parts = (part.splitlines() for part in ANSWERS.read_text().split("\n\n")[1:])
    return {name: lines for name, *lines in parts}


def test_the_answers_are_of_these_worlds() -> None:
    if os.environ.get("STEADYHAND_WRITE"):
        parts = ["\n".join((name, *told(seed))) for name, seed in (SEEDS | MORE).items()]
        ANSWERS.write_text("\n\n".join((" | ".join(FIELDS), *parts)) + "\n")
    assert list(written()) == [*SEEDS, *MORE]


@pytest.mark.parametrize("name", [*SEEDS, *MORE])
def test_an_answer_is_as_it_was_read(name: str) -> None:
    assert told((SEEDS | MORE)[name]) == written()[name]


def probed(w: World, side: Side, parent: str = "") -> tuple[NewOrder, Context]:
    g = w.core.state
    return why.probe(
        g, ev.Stamp(w.ts, w.now), g.parents.get(ParentID(parent)), SYN, side, "vwap" if parent else ""
    )


@pytest.mark.parametrize(("side", "near"), [(Side.BUY, BID), (Side.SELL, ASK)])
def test_a_symbol_is_asked_by_an_order_of_one_lot_at_the_near_touch(side: Side, near: int) -> None:
    w = fresh(limits(allowed={"policies": ("twap", "vwap")}))
    w.core.state.overdue[SYN] = 3
    order, context = probed(w, side)

    assert order == NewOrder(
        cl_ord_id=ClOrdID("WHY"), parent_id=ParentID("WHY"), account="PAPER", symbol=SYN, mic="XNAS",
        side=side, qty=1, ord_type=OrdType.LIMIT, price_e4=near, time_in_force=TimeInForce.DAY,
    )  # fmt: skip
    assert context == Context(
        ev.Stamp(w.ts, w.now),
        None,
        ParentOrder(
            parent_id=ParentID("WHY"), account="PAPER", side=side, qty=2**31 - 1, symbol=SYN, mic="XNAS",
            start_ns=1, end_ns=2**61,
        ),
        Progress(qty=2**31 - 1, status=ParentStatus.WORKING),
        Decision(w.now, "twap", "", 1, 0),
        3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (Side.BUY, BID + 1, BID),
        (Side.BUY, BID, BID),
        (Side.BUY, BID - 1, BID - 100),
        (Side.BUY, 99, 99),
        (Side.SELL, ASK - 1, ASK),
        (Side.SELL, ASK, ASK),
        (Side.SELL, ASK + 1, ASK),
        (Side.SELL, ASK + 100, ASK + 100),
    ],
)
def test_a_parent_is_asked_by_an_order_that_is_not_beyond_its_limit(
    side: Side, limit: int, price: int
) -> None:
    w = fresh(parent={"side": side})
    parent = w.ask_parent()
    parent.order = msgspec.structs.replace(parent.order, limit_price_e4=limit, locate_id="L1")
    parent.update(status=ParentStatus.PAUSED, cum_qty=7)

    order, context = probed(w, side, P)

    assert (order.price_e4, order.parent_id, order.locate_id, order.qty) == (price, P, "L1", 1)
    assert context.parent == parent.order
    assert context.progress == msgspec.structs.replace(parent.progress, status=ParentStatus.WORKING)
    assert context.decision == Decision(w.now, "vwap", "", 1, 0)


def test_who_is_asked_for_is_named_and_an_unknown_name_is_told_what_there_is() -> None:
    w = fresh()
    stamp = ev.Stamp(w.ts, w.now)
    for parent, symbol, subject in (("P1", "", "parent P1"), ("", "SYN", "symbol SYN"), ("", "", "the desk")):
        assert why.answer(w.core.state, stamp, parent, symbol) == {
            "ok": True, "subject": subject, "ts_ns": w.ts, "mono_ns": w.now, "speed": 1.0, "blockers": [],
        }  # fmt: skip
    for n in range(2, 8):
        w.parent(pid=f"P{n}", qty=1)
    assert why.answer(w.core.state, stamp, "X" * 50, "") == {
        "ok": False, "error": f"no parent {'X' * 40}; live: P1, P2, P3, P4, P5",
    }  # fmt: skip
    assert why.answer(w.core.state, stamp, "", "Y" * 30) == {
        "ok": False, "error": f"no instrument {'Y' * 20}; there is SYN",
    }  # fmt: skip
    w.step(ev.Kill(source="cli"))
    assert "none is live" in why.answer(w.core.state, stamp, "P9", "")["error"]


@pytest.mark.parametrize(
    ("since_mono_ns", "since_ts_ns", "told_ns"), [(0, 0, 50), (1, 0, 1), (50, 0, 50), (51, 0, 50), (0, 9, 0)]
)
def test_what_does_not_know_since_when_is_told_when_it_was_first_seen(
    since_mono_ns: int, since_ts_ns: int, told_ns: int
) -> None:
    one = why.Blocker("R06", "S/SYN", "x", since_mono_ns=since_mono_ns, since_ts_ns=since_ts_ns)

    assert [b.since_mono_ns for b in why.Since().observe([one], 50)] == [told_ns]


def test_what_knows_since_when_is_told_that_and_not_when_it_was_seen() -> None:
    since, one = why.Since(), why.Blocker("R06", "S/SYN", "x")
    since.observe([one], 40)

    (found,) = since.observe([msgspec.structs.replace(one, since_mono_ns=50)], 50)

    assert found.since_mono_ns == 50


def test_since_when_begins_anew_after_a_break_and_after_a_restart_of_the_host() -> None:
    since, one = why.Since(), why.Blocker("R06", "S/SYN", "x")
    other = why.Blocker("R06", "S/OTH", "x")
    looks = [([one], 50), ([one, other], 60), ([other], 70), ([one], 80), ([one], 40), ([one], 90)]

    told = [[b.since_mono_ns for b in since.observe(found, now)] for found, now in looks]

    assert told == [[50], [50, 60], [60], [80], [40], [40]]
