"""A gate as a process with an EMS of raw bytes: prices that flow by themselves, a trader of plain frames."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from market import events as ev
from market import updates as up
from market.types import ParentID, Side
from tests.conformance.wire import RIGHT, Line, Pairs, Slip
from tests.conformance.wire import WAIT_S as LINE_WAIT_S
from tests.daemon.gate_process import ASK, BID, OPEN_NS, WAIT_S, GateProcess

PRICE_EVERY_S: Final = 0.4  # well inside what the gate calls fresh
PING_S, PINGS = 1.0, 8
ASKED_S: Final = 0.3
PARENT_QTY: Final = 1_000


class Prices(threading.Thread):
    """The reference session's other side: logs on whenever the gate comes, and quotes one market."""

    def __init__(self, gate: GateProcess) -> None:
        super().__init__(name="prices", daemon=True)
        self._gate = gate
        self._end = threading.Event()

    def run(self) -> None:
        """Serve until told to stop."""
        while not self._end.is_set():
            try:
                self._gate.prices, _ = self._gate.reference.log_on(seq=self._gate.seqs["reference"])
                while not self._end.wait(PRICE_EVERY_S):
                    self._gate.price(BID, ASK)
            except (OSError, ConnectionError):
                pass
            if hasattr(self._gate, "prices"):
                self._gate.seqs["reference"] = self._gate.prices.seq

    def stop(self) -> None:
        """End it."""
        self._end.set()
        self.join(WAIT_S)


class GateDesk:
    """The gate, its EMS's line, its prices, one trader."""

    def __init__(self, folder: Path) -> None:
        self.gate = GateProcess(folder)
        self.gate.start()
        self._prices = Prices(self.gate)
        self._prices.start()
        self.line = self.accept(None)
        self.settle()
        self._trader: Any = None
        self._parents = 0

    def accept(self, before: Line | None) -> Line:
        """Return the gate's next connection of the order session; nothing is said on it yet."""
        if before is not None:
            before.close()
        connection, _ = self.gate.order.listener.accept()
        line = Line(connection, "VENUE", "STEADYHAND")
        if before is not None:
            line.seq, line.floor, line.gaps = before.seq, before.heard + 1, before.gaps
        return line

    def log_on(self, line: Line, fields: Pairs, slip: Slip = RIGHT) -> Pairs:
        """Hear the gate's Logon and answer it."""
        logon = line.receive()
        assert dict(logon)[35] == "A", logon
        line.send(line.frame("A", [(98, "0"), (108, "10"), *fields], slip))
        return logon

    def settle(self) -> None:
        """Log on and answer that no order is known, as on a new day."""
        self.log_on(self.line, [])
        self.answer_mass_status()

    def answer_mass_status(self) -> None:
        """Say that no order is known."""
        asked = self.next("AF")
        none = [(37, "NONE"), (17, "0"), (150, "I"), (39, "8"), (55, "SYN"), (54, "1"), (151, "0")]
        none += [(14, "0"), (6, "0"), (584, asked[584]), (911, "0")]
        self.line.send(self.line.frame("8", none))

    def answer_positions(self) -> None:
        """Say that nothing was traded today."""
        asked = self.next("AN")[710]
        none = [(721, asked), (710, asked), (727, "0"), (728, "2"), (729, "0"), (1, "PAPER")]
        self.line.send(self.line.frame("AO", none))

    def next(self, *msg_types: str, wait_s: float = LINE_WAIT_S) -> dict[int, str]:
        """Return the next message of these types, passing over others; what the gate lacks is filled."""
        while True:
            fields = dict(self.line.receive(wait_s))
            if fields[35] == "1":
                self.line.send(self.line.frame("0", [(112, fields[112])]))
            if fields[35] == "2" and fields[35] not in msg_types:
                gap: Pairs = [(123, "Y"), (36, str(self.line.seq)), (43, "Y"), (122, transact())]
                self.line.send(self.line.frame("4", gap, Slip(seq=fields[7])))
            if fields[35] in msg_types:
                return fields

    def fresh_line(self) -> Line:
        """Return a line that lives: this one, or the gate's next."""
        try:
            self.ping()
        except (OSError, AssertionError):
            self.line = self.accept(self.line)
            self.settle()
            self.ping()
        return self.line

    def ping(self) -> None:
        """Look that the session answers; what is sent while numbers are missing is swallowed by the fill."""
        for _ in range(PINGS):
            self.line.send(self.line.frame("1", [(112, "LIVE")]))
            try:
                while self.next("0", wait_s=PING_S).get(112) != "LIVE":
                    pass
            except TimeoutError:
                continue
            return
        raise TimeoutError("the session does not answer")

    def unknown(self, cl_ord_id: str) -> None:
        """Answer a status request, where one comes, as an EMS that never heard of the order."""
        try:
            self.next("H", wait_s=ASKED_S)
        except TimeoutError:
            return
        none = [(37, "NONE"), (17, "0"), (150, "I"), (39, "8"), (55, "SYN"), (54, "1")]
        none += [(11, cl_ord_id), (151, "0"), (14, "0"), (6, "0")]
        self.line.send(self.line.frame("8", none))

    # --- orders -----------------------------------------------------------------------------------

    def trade(self) -> None:
        """Bring up prices, clock and trader."""
        self.gate.until("trading", lambda s: s["posture"] == "ACTIVE" and "SYN" in s["reference"])
        anchor = {"anchor_ts_ns": OPEN_NS, "anchor_mono_ns": time.monotonic_ns(), "speed": 1.0}
        assert self.gate.ask(cmd="clock", anchor=anchor)["ok"]
        self._trader = self.gate.trader(7)
        self._trader.expect(up.Synced)

    def parent(self) -> None:
        """Hand over a parent of the case's own."""
        self._parents += 1
        parent = {"parent_id": f"P{self._parents}", "account": "PAPER", "side": "1", "qty": PARENT_QTY}
        window = {"symbol": "SYN", "mic": "XNAS", "start_ns": OPEN_NS, "end_ns": OPEN_NS + 600_000_000_000}
        answer = self.gate.ask(cmd="submit", parent=parent | window)
        assert answer["ok"], answer
        try:
            self._trader.until_free()
        except TimeoutError:
            status = self.status()
            raise AssertionError(f"no headroom: {status['posture_reason']} {status['parents'][-1]}") from None

    def buy(self, qty: int, price_e4: int) -> None:
        """Let the trader ask for a child order of the latest parent."""
        self._trader.n += 1
        now = time.monotonic_ns()
        self._trader.send(
            ev.SubmitIntent(
                epoch=self._trader.epoch,
                n=self._trader.n,
                parent_id=ParentID(f"P{self._parents}"),
                side=Side.BUY,
                qty=qty,
                price_e4=price_e4,
                decision_id=self._trader.n,
                decided_mono_ns=now,
                cause_mono_ns=now,
            )
        )

    def cancel(self) -> None:
        """Cancel the latest parent, as a person would."""
        answer = self.gate.ask(cmd="cancel", parent_id=f"P{self._parents}")
        assert answer["ok"], answer

    def nothing_sent(self) -> None:
        """Look that no order comes for a while."""
        self.line.send(self.line.frame("1", [(112, "STILL")]))
        while (fields := dict(self.line.receive())).get(112) != "STILL":
            assert fields[35] not in ("D", "G"), fields

    def status(self) -> dict[str, Any]:
        """Return the gate's status."""
        return self.gate.ask(cmd="status")

    def close(self) -> None:
        """Stop everything."""
        self._prices.stop()
        self.line.close()
        self.gate.close()


def transact() -> str:
    """Return now as FIX writes it."""
    return f"{datetime.now(UTC):%Y%m%d-%H:%M:%S.%f}"[:-3]
