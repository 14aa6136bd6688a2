"""The gate as a process: what is on the wire, through kills, restarts and stops."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.people import one_line, operator
from gateways import link
from market import events as ev
from market import updates as up
from market.types import OrdStatus
from tests.daemon.gate_process import ASK, BID, OPEN_NS, ROOT, GateProcess

pytestmark = pytest.mark.slow

FLOOD_S = 60.0  # that one write of a flood may wait for the gate to read


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    yield process
    process.close()


def test_an_order_from_intent_to_fill_to_a_clean_stop(gate: GateProcess) -> None:
    trader = gate.trade()
    trader.submit(100, BID)
    new = gate.ems.expect("D")
    assert [new.get(t).decode() for t in (55, 54, 38, 44, 40, 59, 1)] == [
        *("SYN", "1", "100", "100.00", "2", "0", "PAPER"),
    ]
    cl_ord_id = new.get(11).decode()
    assert trader.expect(up.OrderUpdate).order.status is OrdStatus.PENDING_NEW
    gate.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100, more=((38, "100"),))
    assert trader.expect(up.OrderUpdate).order.status is OrdStatus.NEW
    gate.report(cl_ord_id, "F", "1", exec_id="E2", cum=40, leaves=60, more=((32, "40"), (31, "100.00")))
    fill = trader.expect(up.OrderUpdate)
    assert (fill.last_qty, fill.last_price_e4, fill.order.cum_qty) == (40, BID, 40)

    status = gate.ask(cmd="status")
    assert status["positions"] == {"SYN": 540}  # 500 at the start of the day
    assert status["latency_us"]["tick_to_order"]["count"] == 1
    assert status["orders"][0]["exec_ids"] == ["E2"]
    gate.signal(signal.SIGTERM)
    cancel = gate.ems.expect("F")
    assert cancel.get(41).decode() == cl_ord_id
    more = ((41, cl_ord_id),)
    gate.report(cancel.get(11).decode(), "4", "4", exec_id="E3", cum=40, leaves=0, more=more)
    gate.ems.expect("5")
    gate.ems.send("5")
    assert gate.end() == 0


def test_kill_9_with_a_working_order_asks_and_sends_nothing_twice(gate: GateProcess) -> None:
    trader = gate.trade()
    trader.submit(100, BID)
    cl_ord_id = gate.ems.expect("D").get(11).decode()
    gate.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100)
    trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
    gate.kill9()

    gate.start()
    gate.log_on()
    gate.answer_mass_status()
    asked = gate.ems.expect("H")  # and not D: nothing is sent again
    assert asked.get(11).decode() == cl_ord_id
    gate.report(cl_ord_id, "I", "0", exec_id="0", cum=0, leaves=100, more=((38, "100"), (44, "100.00")))
    gate.answer_positions()
    gate.price()
    status = gate.until("trading again", lambda s: s["posture"] == "ACTIVE")
    assert [(o["status"], o["leaves_qty"]) for o in status["orders"]] == [("NEW", 100)]
    assert status["parents"][0]["status"] == "working"
    again = gate.trader(8)
    assert again.expect(up.OrderUpdate).order.chain_id == cl_ord_id
    again.expect(up.Synced)
    again.until_free()
    again.submit(10, BID)
    assert gate.ems.expect("D").get(11).decode() != cl_ord_id


def test_a_fill_that_was_logged_but_not_stepped_is_booked_after_kill_9(gate: GateProcess) -> None:
    trader = gate.trade()
    trader.submit(100, BID)
    cl_ord_id = gate.ems.expect("D").get(11).decode()
    gate.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100)
    trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
    gate.signal(signal.SIGSTOP)  # the bytes wait in the socket
    gate.report(cl_ord_id, "F", "1", exec_id="E2", cum=30, leaves=70, more=((32, "30"), (31, "100.00")))
    filled_seq = gate.ems.seq - 1
    gate.kill9()

    gate.start()
    gate.ems, _ = gate.order.log_on(seq=gate.seqs["order"])
    gate.prices, _ = gate.reference.log_on(seq=gate.seqs["reference"])
    wanted = gate.ems.expect("2")  # it never counted the fill, so it wants it again
    assert wanted.get(7).decode() == str(filled_seq)
    fields = [(43, "Y"), (122, "20240102-15:00:00"), (37, "O"), (17, "E2"), (150, "F"), (39, "1")]
    fields += [(11, cl_ord_id), (55, "SYN"), (54, "1"), (32, "30"), (31, "100.00"), (151, "70"), (14, "30")]
    gate.ems.send("8", *fields, seq=filled_seq)
    gate.ems.send(
        "4", (43, "Y"), (122, "20240102-15:00:00"), (123, "Y"), (36, str(gate.ems.seq)), seq=filled_seq + 1
    )
    status = gate.until("the fill", lambda s: s["positions"]["SYN"] == 530)

    assert status["parents"][0]["cum_qty"] == 30
    assert status["breaks"] == []


@pytest.mark.parametrize("how", ["signal", "file", "command"])
def test_a_kill_cancels_on_the_wire_and_is_latched(gate: GateProcess, how: str) -> None:
    trader = gate.trade()
    trader.submit(100, BID)
    cl_ord_id = gate.ems.expect("D").get(11).decode()
    gate.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100)
    trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
    if how == "signal":
        gate.signal(signal.SIGUSR1)
    elif how == "file":
        (gate.folder / "KILL").write_text("stop it")
    else:
        assert operator.kill(["--config", str(gate.config), "--reason", "test"]) == 0
    gate.ems.expect("q")
    cancel = gate.ems.expect("F")
    assert cancel.get(41).decode() == cl_ord_id
    trader.submit(10, BID)
    assert "R70" in trader.expect(up.IntentRefused).controls
    gate.report(cancel.get(11).decode(), "4", "4", exec_id="E2", cum=0, leaves=0, more=((41, cl_ord_id),))
    gate.until("the parent's end", lambda s: s["parents"][0]["status"] == "canceled")
    gate.kill9()

    gate.start()
    assert gate.ask(cmd="status")["posture"] == "KILLED"
    assert (gate.folder / "state" / "KILLED").exists()


def test_one_gate_a_state_directory_and_one_line_for_the_second(gate: GateProcess) -> None:
    gate.start()
    second = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "gate", "--config", str(gate.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert second.returncode == 78
    assert second.stderr.strip().splitlines()[-1].startswith("steadyhand gate: ")
    assert "held by process" in second.stderr


def test_a_damaged_journal_is_refused_with_file_and_offset(gate: GateProcess) -> None:
    gate.trade()
    gate.kill9()
    path = gate.folder / "state" / "gate.journal" / "00000001.seg"
    raw = bytearray(path.read_bytes())
    raw[200] ^= 0xFF
    path.write_bytes(raw)
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "gate", "--config", str(gate.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 78
    assert f"{path}:" in done.stderr
    assert "corrupt" in done.stderr


def test_the_gate_is_small_and_knows_nothing_heavy(gate: GateProcess) -> None:
    gate.trade()
    assert gate.process is not None
    proc = Path(f"/proc/{gate.process.pid}")
    rss_kib = next(
        int(line.split()[1])
        for line in (proc / "status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    mapped = (proc / "maps").read_text()

    assert rss_kib < 120 * 1024
    for name in ("numpy", "numba", "llvmlite", "pyarrow", "torch"):
        assert f"/{name}/" not in mapped


def test_the_operator_sees_and_acts(gate: GateProcess, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(gate.config)]
    assert operator.status(config) == one_line.DOWN
    trader = gate.trade()
    trader.submit(100, ASK)
    gate.ems.expect("D")
    capsys.readouterr()

    assert operator.status(config) == one_line.DONE
    shown = capsys.readouterr().out
    assert "ACTIVE" in shown
    assert "BUY 1,000 SYN" in shown
    assert operator.status([*config, "--json"]) == one_line.DONE
    told = json.loads(capsys.readouterr().out)["orders"][0]
    assert told["order_qty"] == 100
    assert operator.status([*config, "--order", told["cl_ord_id"]]) == one_line.DONE
    assert operator.status([*config, "--order", "NOPE"]) == operator.USAGE
    assert "no order NOPE" in capsys.readouterr().err
    assert operator.submit([*config, "--dry-run", "BUY 100 SYN 10:05-10:15 pov=0.1"]) == 0
    assert operator.submit([*config, "BUY 100 SYN 10:05-10:15", "--json"]) == 0
    assert operator.submit([*config, "SELL 100 SYN 10:05-10:15"]) == one_line.REFUSED
    assert "other side" in capsys.readouterr().err
    assert operator.submit([*config, "BUY many SYN 10:05-10:15"]) == operator.USAGE
    assert operator.amend([*config, "P1", "--qty", "900", "--end", "10:08"]) == 0
    assert operator.pause([*config, "P1"]) == 0
    assert operator.resume([*config, "P1"]) == 0
    assert operator.cancel([*config, "P1"]) == 0
    assert operator.rearm([*config, "--reason", "no key here"]) == one_line.CONFIG


def test_market_time_begins_by_the_line_that_the_venue_printed(
    gate: GateProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(gate.config)]
    gate.start()
    anchor = {"anchor_ts_ns": OPEN_NS, "anchor_mono_ns": time.monotonic_ns(), "speed": 1.0}

    assert operator.clock([*config, "started"]) == operator.USAGE
    assert operator.clock([*config, json.dumps({"event": "started", "anchor": anchor})]) == 0
    assert gate.ask(cmd="status")["ts_ns"] >= OPEN_NS
    assert operator.clock([*config, json.dumps(anchor | {"anchor_ts_ns": OPEN_NS + 1})]) == one_line.REFUSED
    assert "another anchor" in capsys.readouterr().err


def test_what_is_not_a_request_gets_one_clear_line(gate: GateProcess) -> None:
    gate.start()

    assert "unknown command" in gate.ask(cmd="buy")["error"]
    assert "not a request" in gate.ask(cmd="submit", parent={"side": "1"})["error"]
    assert "unknown field" in gate.ask(cmd="pause", parent_id="P1", also=1)["error"]
    typo = {"parent_id": "P1", "account": "PAPER", "side": "1", "qty": 1, "symbol": "SYN", "mic": "XNAS"}
    typo |= {"start_ns": OPEN_NS, "end_ns": OPEN_NS + 1, "limit_price": 99.0}
    refused = gate.ask(cmd="submit", id=7, parent=typo)
    assert "unknown field `limit_price`" in refused["error"]  # and not an order without a limit
    assert refused["id"] == 7
    assert "anchor" in gate.ask(cmd="clock", anchor={"anchor_ts_ns": 0, "anchor_mono_ns": 1})["error"]
    assert "131072" in gate.ask(cmd="x" * 140_000)["error"]
    assert gate.ask(cmd="ping")["gate"].startswith("PAPER/paper/")


def test_a_stop_that_nobody_confirms_lists_what_is_open_and_a_second_signal_is_now(gate: GateProcess) -> None:
    trader = gate.trade()
    trader.submit(100, BID)
    cl_ord_id = gate.ems.expect("D").get(11).decode()
    gate.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100)
    trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
    gate.signal(signal.SIGTERM)
    gate.ems.expect("F")
    trader.submit(10, BID)
    assert "STOPPING" in trader.expect(up.IntentRefused).controls
    gate.signal(signal.SIGTERM)

    assert gate.end() == 128 + signal.SIGTERM


def test_a_stop_without_an_answer_ends_in_time_and_not_clean(gate: GateProcess) -> None:
    trader = gate.trade()
    trader.submit(100, BID)
    cl_ord_id = gate.ems.expect("D").get(11).decode()
    gate.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100)
    trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
    began = time.monotonic()
    gate.signal(signal.SIGTERM)
    assert gate.end() == 1

    assert time.monotonic() - began < 10
    assert cl_ord_id in (gate.folder / "gate.log").read_text()


def test_a_trader_that_does_not_read_is_cut_off_and_orders_go_on(gate: GateProcess) -> None:
    trader = gate.trade()
    trader.socket.settimeout(FLOOD_S)

    def flood() -> None:  # never reads an answer; a gate on a busy machine takes its time until it has enough
        for first in range(1, 400_000, 10_000):
            intents = [
                ev.CancelIntent(epoch=trader.epoch, n=first + n, chain_id="NONE") for n in range(10_000)
            ]
            trader.socket.sendall(b"".join(map(link.encode, intents)))

    with pytest.raises(ConnectionError):
        flood()
    gate.until("the trader gone", lambda s: not s["trader"]["connected"])

    assert gate.ask(cmd="ping")["ok"]


def test_a_refused_logon_leaves_the_counterpartys_reason(gate: GateProcess) -> None:
    gate.start()
    peer = gate.order.accept()
    peer.expect("A")
    peer.send("5", (58, "unknown password"))
    status = gate.until("refused", lambda s: s["sessions"]["order"]["reason"] == "unknown password")

    assert "unknown password" in status["posture_reason"]
    assert '"reason": "unknown password"' in (gate.folder / "gate.log").read_text()


@pytest.mark.parametrize("name", ["control.sock", "link.sock"])
def test_a_file_where_a_socket_should_be_is_left_alone_and_named(gate: GateProcess, name: str) -> None:
    (gate.folder / name).write_text("precious")
    command = [sys.executable, "-m", "daemon.cli", "gate", "--config", str(gate.config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 78
    assert f"{name}: is no socket" in done.stderr
    assert (gate.folder / name).read_text() == "precious"
