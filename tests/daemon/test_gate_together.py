"""Reports that came in one read: each is booked by itself, what follows from all is done once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.gate.core import GateCore
from daemon.gate.effects import Effect
from daemon.gate.journal import Input, decode, encode, frames, replay, stepped
from daemon.journal import Journal
from market import events as ev
from market import updates as up
from tests.daemon.gate_harness import ASK, BID, World, limits, told
from tests.daemon.oms_world import OmsWorld


def together(w: World, chains: list[str], price: int = BID) -> Iterator[list[Effect]]:
    """Fill orders in reports that came in one read; yield the effects of each."""
    for chain in chains:
        w.more = chain != chains[-1]
        yield w.fill(chain, 100, price)


def opened(w: Any) -> Any:
    w.open()
    w.parent()
    return w


def test_each_fill_is_told_at_once_and_the_parent_after_the_last() -> None:
    w = opened(World())
    effects = list(together(w, [w.working() for _ in range(3)]))

    assert [len(told(step, up.OrderUpdate)) for step in effects] == [1, 1, 1]
    assert [len(told(step, up.ParentUpdate)) for step in effects] == [0, 0, 1]
    (update,) = told(effects[-1], up.ParentUpdate)
    assert update.progress.cum_qty == 300


def test_the_state_is_the_same_as_of_reports_that_came_alone() -> None:
    one, many = opened(World()), opened(World())
    chains = [(one.working(), many.working())[0] for _ in range(3)]
    list(together(many, chains))
    for chain in chains:
        one.fill(chain, 100, BID)

    assert one.core.state_hash() == many.core.state_hash()


def test_a_loss_is_marked_after_the_last_and_before_anything_else() -> None:
    w = opened(World(limits(loss={"execution_max_ccy": 100})))
    chains = [w.working() for _ in range(2)]
    w.price(BID - 10_000, ASK - 10_000)  # 100 shares lose as many dollars

    held = ["R30" in w.core.state.posture.causes for _ in together(w, chains)]

    assert held == [False, True]


def test_an_oms_hears_of_each_execution() -> None:
    w = OmsWorld()
    w.open()
    w.new()
    (parent_id,) = w.core.state.parents
    chains = [w.working(pid=parent_id) for _ in range(3)]
    heard = [w.heard(effects) for effects in together(w, chains)]

    assert [[(r["150"], r["32"], r["14"]) for r in step] for step in heard] == [
        [("F", "100", "100")],
        [("F", "100", "200")],
        [("F", "100", "300")],
    ]


def test_whoever_steps_a_journals_inputs_steps_them_as_the_gate_did() -> None:
    w = opened(World(limits(loss={"execution_max_ccy": 100})))
    chains = [w.working() for _ in range(2)]
    w.price(BID - 10_000, ASK - 10_000)
    list(together(w, chains))
    flags = [False] * (len(w.log) - 2) + [True, False]

    core = GateCore()
    steps = [
        stepped(core, Input(stamp, event, more=more))
        for (stamp, event), more in zip(w.log, flags, strict=True)
    ]

    assert core.state_hash() == w.core.state_hash()
    assert not told(list(steps[-2].effects), up.ParentUpdate)


@pytest.mark.parametrize("more", [True, False])
def test_a_replay_sees_what_came_together(more: bool, tmp_path: Path) -> None:
    w = opened(World())
    chain = w.working()
    journal = Journal.open(tmp_path, "gate.journal")
    for stamp, event in w.log:
        journal.append(encode(Input(stamp, event, more=more and isinstance(event, ev.ExecutionReport))))
    journal.close()
    core = GateCore()
    done = replay(tmp_path / "gate.journal", core)

    assert done.inputs == len(w.log)
    assert chain in core.state.chains
    read = [frame.more for _, frame in frames(tmp_path / "gate.journal") if isinstance(frame, Input)]
    assert any(read) is more
    assert bool(core.state.touched) is more, "the trader would hear of the parent with what comes next"


def test_whoever_comes_next_brings_what_was_left() -> None:
    w = opened(World())
    chain = w.working()
    w.more = True
    left = w.fill(chain, 100, BID)
    w.more = False

    assert not told(left, up.ParentUpdate)
    assert told(w.step(ev.Timer()), up.ParentUpdate)


def test_an_input_of_before_came_alone() -> None:
    frame = Input(ev.Stamp(1, 2), ev.Timer(), 5, more=True)
    *older, _ = msgspec.msgpack.decode(encode(frame))

    assert decode(msgspec.msgpack.encode(older)) == Input(ev.Stamp(1, 2), ev.Timer(), 5)
