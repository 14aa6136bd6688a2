"""What `why` says is as somebody has read it: every answer of every seeded world, words and numbers.

`STEADYHAND_WRITE=1 pytest tests/daemon/test_why_answers.py` writes why_answers.txt again; read what changed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.gate import why
from market import events as ev
from market.desk_events import Condition
from market.people_events import StopScope
from market.types import ClOrdID, ParentID, Side
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
