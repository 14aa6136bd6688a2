"""Orders that have ended leave the state; what speaks of one later finds it, and nothing is lost or doubled."""

from pathlib import Path
from typing import Any

import pytest

from daemon.gate import retiring, snapshot_process
from daemon.gate.core import GateCore
from daemon.gate.journal import JOURNAL_NAME, replay
from daemon.gate.recovery import recover
from market import events as ev
from market.types import ExecType, OrdStatus
from tests.daemon.gate_harness import BID, SECOND, World, limits
from tests.daemon.test_snapshots import written

LOOSE = limits(sessions={"in_flight_max": 10**6}, rates={"judged_after": 10**8, "duplicates": 10**6})


def world(retire_after_ms: int | None = 0, **more: Any) -> World:
    w = World(LOOSE, retire_after_ms=retire_after_ms, **more)
    w.open()
    w.parent(qty=2_000)
    return w


def ended(w: World, qty: int = 100) -> str:
    """Return a chain that was filled in part, canceled, and is gone."""
    chain = w.working(qty)
    w.fill(chain, 40, BID)
    w.cancel(chain)
    name = w.core.state.chains[chain].cancel_id
    w.report(name, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chain, cum_qty=40, order_qty=qty)
    w.wait(0.1)
    return chain


def test_an_ended_order_leaves_and_a_late_fill_finds_it() -> None:
    w = world()
    chain = ended(w)
    g = w.core.state
    assert not g.chains
    assert not g.chain_of
    assert not g.executions
    assert g.archived.orders == 1

    w.report(chain, ExecType.TRADE, OrdStatus.CANCELED, last_qty=10, last_price_e4=BID, cum_qty=50)

    assert g.ledger.positions["PAPER SYN"] == 50
    assert g.counters["fills"] == 2
    assert not g.breaks
    assert g.archived.orders == 1
    assert g.archived.records == 2
    found = retiring.look_up(g, chain)
    assert found is not None
    assert found.cum_qty == 50
    status = w.core.status(ev.Stamp(w.ts, w.now))
    assert [o["cum_qty"] for o in status["orders"]] == [50]
    assert status["archived_orders"] == 1


def test_what_is_quiet_for_too_short_stays() -> None:
    w = world(retire_after_ms=60_000)
    chain = ended(w)
    w.wait(59.0)
    assert chain in w.core.state.chains
    w.wait(1.0)
    assert chain not in w.core.state.chains


def test_a_replay_retires_alike_and_so_does_a_recovery_from_a_snapshot(tmp_path: Path) -> None:
    w = world(retire_after_ms=500)
    chains = [ended(w) for _ in range(12)]
    half = len(w.log)
    w.report(chains[0], ExecType.TRADE, OrdStatus.CANCELED, last_qty=10, last_price_e4=BID, cum_qty=50)
    for _ in range(12):
        ended(w)
    w.report(chains[1], ExecType.TRADE, OrdStatus.CANCELED, last_qty=10, last_price_e4=BID, cum_qty=50)
    path = written(tmp_path, w)
    again = GateCore()
    assert replay(path, again).differences == []
    assert again.state_hash() == w.core.state_hash()

    snapshot_process.make(tmp_path, places(path)[half])
    started = GateCore()

    assert recover(tmp_path, started).differences == []
    assert started.state_hash() == w.core.state_hash()
    assert started.state.archive.stored > 0


def places(path: Path) -> list[int]:
    from daemon.gate.journal import Input, frames

    return [offset for offset, frame in frames(path) if isinstance(frame, Input)]
