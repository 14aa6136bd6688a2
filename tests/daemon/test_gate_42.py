"""A gate as a process against a broker of FIX 4.2 in raw bytes, from logon to a corrected fill and a kill."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from market import events as ev
from market import updates as up
from market.types import ClOrdID, OrdStatus
from tests.daemon.gate_process import BID, OPEN_NS, GateProcess, Trader
from tests.gateways.fix.raw_peer import RawAcceptor

WINDOW = {"mic": "XNAS", "start_ns": OPEN_NS, "end_ns": OPEN_NS + 600_000_000_000}


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    gate = GateProcess(tmp_path)
    gate.order.close()
    old = gate.order.port
    gate.order = RawAcceptor(version="FIX.4.2")
    text = gate.config.read_text()
    gate.config.write_text(text.replace(f"port = {old}", f'port = {gate.order.port}\nprofile = "fix42"', 1))
    yield gate
    gate.close()


def report(gate: GateProcess, cl_ord_id: str, kind: str, exec_type: str, status: str, **more: str) -> None:
    """35=8 of 4.2: ExecTransType(20) says what it is."""
    fields = {"cum": "0", "leaves": "0", "qty": "100", "exec_id": f"E{gate.ems.seq}"} | more
    extra = [(int(tag[1:]), value) for tag, value in fields.items() if tag[0] == "t"]
    gate.ems.send(
        "8",
        *[(37, "O1"), (11, cl_ord_id), (17, fields["exec_id"]), (20, kind), (150, exec_type), (39, status)],
        *[
            (1, "PAPER"),
            (55, "SYN"),
            (54, "1"),
            (38, fields["qty"]),
            (151, fields["leaves"]),
            (14, fields["cum"]),
        ],
        *[(6, "0"), (60, "20240102-15:00:00"), *extra],
    )


def replaced(gate: GateProcess, trader: Trader, name: str) -> str:
    """Replace an order of 100 by one of 150; a fill overtakes it and is corrected twice. Return its name."""
    now = time.monotonic_ns()
    times = {"decision_id": 9, "decided_mono_ns": now, "cause_mono_ns": now}
    trader.n += 1
    chain = ClOrdID(name)
    trader.send(ev.ReplaceIntent(epoch=7, n=trader.n, chain_id=chain, qty=150, price_e4=BID, **times))
    request = gate.ems.expect("G")
    after = request.get(11).decode()
    assert (request.get(41).decode(), request.get(38)) == (name, b"150")
    report(gate, after, "0", "E", "E", leaves="100", t41=name)
    assert trader.expect(up.OrderUpdate, status=OrdStatus.PENDING_REPLACE).order.qty == 100
    report(gate, name, "0", "1", "1", exec_id="T4", cum="10", leaves="90", t32="10", t31="100.00")
    assert trader.expect(up.OrderUpdate, cum_qty=10).order.status is OrdStatus.PENDING_REPLACE
    more = {"qty": "150", "t41": name}
    report(gate, after, "0", "5", "5", cum="10", leaves="140", **more)  # 39=5, as brokers of 4.2 say it
    assert trader.expect(up.OrderUpdate, qty=150).order.status is OrdStatus.PARTIALLY_FILLED
    fixed = {"leaves": "130", "cum": "20", "t19": "T4", "t32": "20", "t31": "100.00"} | more
    report(gate, after, "2", "1", "1", exec_id="T5", **fixed)
    assert trader.expect(up.OrderUpdate, cum_qty=20).order.leaves_qty == 130
    report(
        gate,
        after,
        "2",
        "1",
        "1",
        exec_id="T6",
        **(fixed | {"t19": "T5", "cum": "15", "leaves": "135", "t32": "15"}),
    )
    assert trader.expect(up.OrderUpdate, cum_qty=15).order.leaves_qty == 135
    report(gate, after, "1", "0", "0", exec_id="T7", leaves="150", t19="T6", **more)
    assert trader.expect(up.OrderUpdate, cum_qty=0).order.status is OrdStatus.NEW
    return after


def test_the_gate_trades_with_a_broker_of_fix_42(gate: GateProcess) -> None:
    gate.start()
    gate.log_on()
    gate.price()
    gate.until("trading", lambda s: s["posture"] == "ACTIVE" and "SYN" in s["reference"])
    anchor = {"anchor_ts_ns": OPEN_NS, "anchor_mono_ns": time.monotonic_ns(), "speed": 1.0}
    assert gate.ask(cmd="clock", anchor=anchor)["ok"]
    trader = gate.trader(7)
    trader.expect(up.Synced)
    parent = {"parent_id": "P1", "account": "PAPER", "side": "1", "qty": 1000, "symbol": "SYN"}
    assert gate.ask(cmd="submit", parent=parent | WINDOW)["ok"]
    trader.until_free()

    trader.submit(100, BID)
    order = gate.ems.expect("D")
    name = order.get(11).decode()
    assert (order.get(21), order.get(47), order.get(526)) == (b"1", b"A", None)
    report(gate, name, "0", "0", "0", leaves="100")
    assert trader.expect(up.OrderUpdate, status=OrdStatus.NEW).order.cum_qty == 0
    report(gate, name, "0", "1", "1", exec_id="T1", cum="40", leaves="60", t32="40", t31="100.00")
    assert trader.expect(up.OrderUpdate, status=OrdStatus.PARTIALLY_FILLED).last_qty == 40
    report(gate, name, "2", "1", "1", exec_id="T2", cum="30", leaves="70", t19="T1", t32="30", t31="99.99")
    assert trader.expect(up.OrderUpdate, status=OrdStatus.PARTIALLY_FILLED).order.cum_qty == 30
    report(gate, name, "1", "0", "0", exec_id="T3", cum="0", leaves="100", t19="T2")
    assert trader.expect(up.OrderUpdate, status=OrdStatus.NEW).order.cum_qty == 0

    name = replaced(gate, trader, name)

    gate.ems.close()  # the line breaks: 4.2 knows no 35=AF, so the order is asked for by itself
    gate.ems, _ = gate.order.log_on(seq=gate.ems.seq)
    asked = gate.ems.expect("H")
    assert asked.get(11).decode() == name
    assert gate.ask(cmd="status")["posture"] == "HALTED"
    report(gate, name, "3", "0", "0", exec_id="0", leaves="150", qty="150")
    gate.until("trading again", lambda s: s["posture"] == "ACTIVE")

    assert gate.ask(cmd="kill", reason="test")["ok"]  # no 35=q either: the order is cancelled by itself
    cancel = gate.ems.expect("F")
    assert cancel.get(41).decode() == name
    report(gate, cancel.get(11).decode(), "0", "4", "4", t41=name, qty="150")
    status = gate.until("flat", lambda s: not s["open_orders"])
    assert status["posture"] == "KILLED"
    assert not status.get("breaks")
