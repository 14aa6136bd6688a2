"""A gate as a process, between a raw-byte EMS, a raw-byte price source and a trader of plain frames."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gateways import link
from market import events as ev
from market import updates as up
from market.types import OrdStatus, ParentID, Side
from tests.gateways.fix.raw_peer import RawAcceptor, RawPeer

ROOT = Path(__file__).parents[2]
WAIT_S = 20.0
OPEN_NS = 1_704_207_600_000_000_000  # 2024-01-02 10:00 in New York
BID, ASK = 1_000_000, 1_000_200

CONFIG = """
mode = "paper"
[clock]
source = "anchor"
[gate]
state_dir = "state"
control_socket = "control.sock"
link_socket = "link.sock"
limits = "{limits}"
kill_file = "KILL"
positions = "positions.csv"
trader_silent_s = 60
[gate.order_session]
port = {order}
[gate.reference_session]
port = {reference}
sender_comp_id = "STEADYREF"
heartbeat_s = 1
[[instrument]]
symbol = "SYN"
adv = 2_000_000
"""


class Trader:
    """A trader's end of the link, blocking."""

    def __init__(self, path: Path, epoch: int = 7) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(str(path))
        self.decoder = link.Decoder(link.ToTrader)
        self.kept: list[Any] = []
        self.epoch, self.n = epoch, 0
        self.send(
            ev.TraderHello(
                protocol=ev.LINK_PROTOCOL,
                epoch=epoch,
                symbols=("SYN",),
                policy="twap",
                policy_sha256="",
                state_spec_sha256="",
                action_table_sha256="",
            )
        )

    def send(self, message: ev.Event) -> None:
        self.socket.sendall(link.encode(message))

    def expect(self, kind: type[Any], **fields: Any) -> Any:
        """Return the next update of a kind (and with these fields of its order)."""
        while True:
            while self.kept:
                update = self.kept.pop(0)
                order = getattr(update, "order", None)
                if type(update) is kind and all(getattr(order, k) == v for k, v in fields.items()):
                    return update
            self.kept += self.decoder.feed(self.socket.recv(65_536))

    def until_free(self) -> None:
        """Wait until orders pass: the ring of R20 counts as full for a second after a start."""
        while True:
            headroom = self.expect(up.ParentUpdate).headroom
            if headroom.can_trade and headroom.rate_free:
                return

    def submit(self, qty: int, price_e4: int, n: int | None = None) -> None:
        self.n = self.n + 1 if n is None else n
        now = time.monotonic_ns()
        self.send(
            ev.SubmitIntent(
                epoch=self.epoch,
                n=self.n,
                parent_id=ParentID("P1"),
                side=Side.BUY,
                qty=qty,
                price_e4=price_e4,
                decision_id=self.n,
                decided_mono_ns=now,
                cause_mono_ns=now,
            )
        )

    def close(self) -> None:
        self.socket.close()


class GateProcess:
    """The gate, its two counterparties, and a person at the control socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.order = RawAcceptor()
        self.reference = RawAcceptor("VENUE", "STEADYREF")
        (folder / "positions.csv").write_text("account,symbol,qty\nPAPER,SYN,500\n")
        limits = ROOT / "deploy" / "limits.paper.toml"
        self.config = folder / "config.toml"
        self.config.write_text(
            CONFIG.format(limits=limits, order=self.order.port, reference=self.reference.port)
        )
        self.process: subprocess.Popen[str] | None = None
        self.code = ""  # run instead of the command line's module: a gate of which a test holds a string
        self.ems: RawPeer
        self.prices: RawPeer
        self.seqs = {"order": 1, "reference": 1}
        self.traders: list[Trader] = []

    def start(self, stderr: int | None = None) -> dict[str, Any]:
        """Start it and wait until it says that it is ready."""
        self.end_process()
        with (self.folder / "gate.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._program(), "gate", "--config", str(self.config)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=log if stderr is None else stderr,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "gate.log").read_text()
        return dict(json.loads(line))

    def _program(self) -> tuple[str, str]:
        return ("-c", self.code) if self.code else ("-m", "daemon.cli")

    def log_on(self) -> None:
        """Let both sessions log on; each goes on with its own numbers."""
        self.ems, _ = self.order.log_on(seq=self.seqs["order"])
        self.prices, _ = self.reference.log_on(seq=self.seqs["reference"])

    def answer_mass_status(self) -> None:
        """Say that there are no orders."""
        asked = self.ems.expect("AF")
        self.report(
            "NONE", "I", "8", exec_id="0", cum=0, leaves=0, more=((584, asked.get(584).decode()), (911, "0"))
        )

    def answer_positions(self) -> None:
        """Say that nothing was traded today."""
        asked = self.ems.expect("AN").get(710).decode()
        self.ems.send("AO", (721, asked), (710, asked), (727, "0"), (728, "2"), (729, "0"), (1, "PAPER"))

    def price(self, bid_e4: int = BID, ask_e4: int = ASK) -> None:
        """Send a whole picture."""
        entries = []
        for kind, price, size in (("0", bid_e4, "500"), ("1", ask_e4, "500"), ("2", bid_e4, "1")):
            entries += [(269, kind), (270, f"{price / 10_000:.4f}"), (271, size)]
        self.prices.send("W", (262, "MD-1"), (55, "SYN"), (268, "3"), *entries)

    def report(
        self,
        cl_ord_id: str,
        exec_type: str,
        status: str,
        *,
        exec_id: str,
        cum: int,
        leaves: int,
        more: tuple[tuple[int, str], ...] = (),
    ) -> None:
        """Send an execution report."""
        fields = [(37, f"O-{cl_ord_id}"), (17, exec_id), (150, exec_type), (39, status), (11, cl_ord_id)]
        fields += [(55, "SYN"), (54, "1"), (151, str(leaves)), (14, str(cum)), (6, "0")]
        self.ems.send("8", *fields, *more)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask over the control socket."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(WAIT_S)
            line.connect(str(self.folder / "control.sock"))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile() as answers:
                return dict(json.loads(answers.readline()))

    def until(self, what: str, test: Any) -> dict[str, Any]:
        """Ask for the status until something holds."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            status = self.ask(cmd="status")
            if test(status):
                return status
        raise AssertionError(f"{what}: {json.dumps(status, indent=1)}")

    def trade(self, epoch: int = 7) -> Trader:
        """Bring everything up: sessions, price, clock, a trader and a parent of 1,000."""
        self.start()
        self.log_on()
        self.answer_mass_status()
        self.answer_positions()
        self.price()
        self.until("trading", lambda s: s["posture"] == "ACTIVE" and "SYN" in s["reference"])
        anchor = {"anchor_ts_ns": OPEN_NS, "anchor_mono_ns": time.monotonic_ns(), "speed": 1.0}
        assert self.ask(cmd="clock", anchor=anchor)["ok"]
        trader = self.trader(epoch)
        trader.expect(up.Synced)
        parent = {"parent_id": "P1", "account": "PAPER", "side": "1", "qty": 1000, "symbol": "SYN"}
        window = {"mic": "XNAS", "start_ns": OPEN_NS, "end_ns": OPEN_NS + 600_000_000_000}
        assert self.ask(cmd="submit", parent=parent | window)["ok"]
        trader.until_free()
        return trader

    def working(self) -> tuple[Trader, str]:
        """Bring everything up and one order to work; returns the trader and the ClOrdID."""
        trader = self.trade()
        trader.submit(100, BID)
        cl_ord_id = str(self.ems.expect("D").get(11).decode())
        self.report(cl_ord_id, "0", "0", exec_id="E1", cum=0, leaves=100)
        trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
        return trader, cl_ord_id

    def trader(self, epoch: int) -> Trader:
        """Let a trader come."""
        self.traders.append(Trader(self.folder / "link.sock", epoch))
        return self.traders[-1]

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)  # every thread stands, not only soon

    def kill9(self) -> None:
        """End it the hard way; both counterparties see the line drop."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.seqs = {"order": self.ems.seq, "reference": self.prices.seq}
        self.ems.close()
        self.prices.close()

    def end(self) -> int:
        """Wait for its end and return the exit code."""
        assert self.process is not None
        return self.process.wait(WAIT_S)

    def end_process(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def close(self) -> None:
        self.end_process()
        for trader in self.traders:
            trader.close()
        self.order.close()
        self.reference.close()
