"""A trader that hangs, dies, or is replaced by another in mid-parent: real processes."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateways import link
from market import events as ev
from market import updates as up
from market.types import OrdStatus
from tests.daemon.gate_process import BID, GateProcess
from tests.kill_sweep.world import PARENT, World

pytestmark = pytest.mark.slow
SILENT = "trader_silent_s = 2\nwithout_trader_s = 2"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, 7, gate=SILENT)
    yield made
    made.close()


def parent(status: dict[str, Any]) -> dict[str, Any]:
    return next(p for p in status["parents"] if p["parent_id"] == PARENT)


def filled(world: World, more: int) -> dict[str, Any]:
    """Wait until the parent has traded so much more than now."""
    now = parent(world.status())["cum_qty"]
    return world.until(lambda s: parent(s)["cum_qty"] >= now + more)


def leave_a_silent_gate(world: World) -> None:
    """Let the gate stand until its trader leaves it; then both go on."""
    assert world.gate is not None
    world.gate.process.send_signal(signal.SIGSTOP)
    world.wrote("trader", "the gate said nothing for 3 s")
    world.gate.process.send_signal(signal.SIGCONT)

    world.until(lambda s: s["trader"]["fit"] and s["posture"] == "ACTIVE")
    filled(world, 10)
    assert world.compare() == []


def test_a_silent_gate_is_left_a_hung_trader_is_replaced_and_the_parent_goes_on(world: World) -> None:
    world.start()
    filled(world, 10)
    leave_a_silent_gate(world)

    hung = world.trader
    assert hung is not None
    hung.process.send_signal(signal.SIGSTOP)
    world.until(lambda s: not s["trader"]["connected"])
    assert "the trader said nothing for 2000 ms" in (world.folder / "gate.log").read_text()
    alone = world.until(lambda s: s["open_orders"] == 0)  # taken back
    assert parent(alone)["status"] == "working"

    world.write_config(policy="twap", journal="trader2")  # another goes on; the first holds its journal
    world.start_trader().said("ready")
    status = world.until(lambda s: s["trader"]["fit"] and s["trader"]["policy"] == "twap")
    assert "P1" in [p["parent_id"] for p in status["parents"]]
    hung.process.send_signal(signal.SIGCONT)  # the first one comes back, and finds its place taken
    assert hung.wait_dead(30.0)
    assert hung.process.returncode == 78
    assert "another trader works SYN" in (world.folder / "trader.log").read_text()

    assert world.trader is not None
    world.trader.kill()
    world.write_config(policy=f"script:{world.script}", journal="trader")  # and the first one's policy again
    world.start_trader().said("ready")
    filled(world, 10)
    assert world.compare() == []
    assert world.compare_all() == []
    hung.kill()


def test_a_trader_of_another_version_is_refused_in_one_line_on_both_sides(world: World) -> None:
    world.start_venue()
    world.write_config()
    world.start_gate().said("ready")
    old = "import sys, market.events as e; e.LINK_PROTOCOL = 1; from daemon import cli"
    trader = world.start_trader(code=f"{old}; sys.exit(cli.main(sys.argv[1:]))")

    assert trader.wait_dead(30.0)
    assert trader.process.returncode == 78
    lines = [t for t in (world.folder / "trader.log").read_text().splitlines() if t.startswith("steadyhand")]
    assert lines == [
        "steadyhand trader: the gate speaks link protocol 2, this trader 1: run both of one version"
    ]
    gate = [t for t in (world.folder / "gate.log").read_text().splitlines() if '"trader refused"' in t]
    assert len(gate) == 1
    assert "link protocol 1, the gate speaks 2: run both of one version" in gate[0]


def test_an_order_of_a_trader_that_died_is_canceled_on_the_wire(tmp_path: Path) -> None:
    gate = GateProcess(tmp_path)
    try:
        text = gate.config.read_text().replace("trader_silent_s = 60", SILENT)
        gate.config.write_text(text)
        trader = gate.trade()
        trader.submit(100, BID)
        cl_ord_id = gate.ems.expect("D").get(11).decode()
        gate.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100)
        trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
        trader.close()
        gone = time.monotonic()

        assert gate.ems.expect("F").get(41).decode() == cl_ord_id
        assert time.monotonic() - gone >= 1.5
    finally:
        gate.close()


def test_the_link_tells_that_the_gate_lives(tmp_path: Path) -> None:
    gate = GateProcess(tmp_path)
    try:
        gate.start()
        trader = gate.trader(7)
        trader.expect(up.Synced)
        began = time.monotonic()
        for _ in range(5):
            trader.expect(up.GateAlive)
        assert time.monotonic() - began < 5.0
        assert ev.LINK_PROTOCOL == 2
        assert up.GateAlive in link.ToTrader.__args__
    finally:
        gate.close()
