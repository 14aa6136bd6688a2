"""Orders through the gate and back, beside a bare quickfix pair that does nothing else, in the same rounds.

    python -m benchmarks.gate_throughput [--seconds 10] [--rounds 5] [--window 32] [--own-core]
                                         [--rate 1000 --sustain 10]

Both sides talk to one acceptor, a plain quickfix application in a process of its own that answers each D with
one ExecutionReport (expired: an order that ends at once keeps the books small). The floor is a plain quickfix
initiator that keeps `window` orders on their way. The gate is `steadyhand gate` as it ships, with limits that
do not bind; a client of its link keeps as many intents on their way: intent, journal, every control, FIX,
report, inbound log, step, update. Then the gate alone at a steady `rate` for `sustain` seconds: how long a
report takes from the acceptor's send to the update at the trader (p50, p99), and whether the rate was held:
one that leaves more than BACKLOG_S of it without an answer is not, and ends with a line. Rounds are
interleaved. Beside the rates stands the processor time of an order in the gate and in the floor's client: a
machine that does other things changes the former much and the latter little. `--own-core` gives the gate, in
its turn the floor's client, a core of its own (as `CPUAffinity=` does for a service), all else another.
"""

import argparse
import json
import mmap
import os
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final, NoReturn

from gateways.fix.engine import fix
from gateways.fix.settings import DICTIONARIES, free_port
from market import events as ev
from market import updates as up
from market.types import OrdStatus, ParentID, Side, TimeInForce
from tests.daemon.gate_process import BID, CONFIG, OPEN_NS, ROOT, Trader

SLOT: Final = struct.Struct("<Q")
SLOTS: Final = 1 << 20  # orders of one run of the acceptor; the number within the id picks one
FREE: Final = {
    "orders_per_second": 1_000_000,
    "orders_per_second_symbol": 1_000_000,
    "duplicates": 1_000_000,
    "messages_max": 100_000_000,
    "judged_after": 100_000_000,
    "in_flight_max": 100_000,
    "queries_max": 5,
}
SESSIONS: Final = ("BARE", "STEADYHAND", "STEADYREF")
WARM_S: Final = 1.5  # of each measured stretch that is not counted
NAP_S: Final = 0.0005  # between two looks at whether the next order is due
BACKLOG_S: Final = 1.0  # intents without an end, in seconds of the rate that was asked for
TURN_MAX: Final = 50  # intents between two looks at what has come
PRICE: Final = "100.00"


def settings(role: str, folder: Path, port: int, names: tuple[str, ...]) -> Any:
    """Return quickfix's settings as its own examples have them: file store, dictionary."""
    text = [
        *(
            "[DEFAULT]",
            f"ConnectionType={role}",
            "StartTime=00:00:00",
            "EndTime=00:00:00",
            "NonStopSession=Y",
        ),
        *(f"FileStorePath={folder / role}", "SocketNodelay=Y", "UseDataDictionary=Y", "HeartBtInt=10"),
        *("ReconnectInterval=1", f"DataDictionary={DICTIONARIES['FIX.4.4']}", "AllowUnknownMsgFields=Y"),
        *("ValidateUserDefinedFields=N", "ValidateFieldsHaveValues=N", "ValidateFieldsOutOfOrder=N"),
        *(f"SocketAcceptPort={port}", f"SocketConnectPort={port}", "SocketConnectHost=127.0.0.1"),
    ]
    for name in names:
        ours, theirs = ("VENUE", name) if role == "acceptor" else (name, "VENUE")
        text += ["[SESSION]", "BeginString=FIX.4.4", f"SenderCompID={ours}", f"TargetCompID={theirs}"]
    path = folder / f"{role}.cfg"
    path.write_text("\n".join(text) + "\n")
    return fix.SessionSettings(str(path))


class Plain(fix.Application):  # type: ignore[misc]
    """What every quickfix application has to have."""

    def __init__(self) -> None:
        super().__init__()
        self.up = threading.Event()

    def onCreate(self, session_id: Any) -> None:  # noqa: N802
        """Nothing."""

    def onLogon(self, session_id: Any) -> None:  # noqa: N802, ARG002
        """The session can be used."""
        self.up.set()

    def onLogout(self, session_id: Any) -> None:  # noqa: N802
        """Nothing."""

    def toAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Nothing."""

    def toApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Nothing."""

    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Nothing."""


class Acceptor(Plain):
    """Answers D, AF, V and e."""

    def __init__(self, slots: mmap.mmap) -> None:
        super().__init__()
        self.slots = slots
        self.n = 0
        self.dictionary = fix.DataDictionary(str(DICTIONARIES["FIX.4.4"]))

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Answer."""
        kind = message.getHeader().getField(35)
        if kind == "D":
            self._report(message, session_id)
        elif kind == "AF":
            asked = message.getField(584)
            fields = {37: "NONE", 17: "0", 150: "I", 39: "8", 11: "NONE", 55: "SYN", 54: "1", 151: "0"}
            self._send("8", fields | {14: "0", 6: "0", 584: asked, 911: "0"}, session_id)
        elif kind == "V":
            rows = "".join(
                f"269={k}\x01270={p}\x01271=500\x01" for k, p in (("0", "100.00"), ("1", "100.02"))
            )
            body = f"35=W\x01262={message.getField(262)}\x0155=SYN\x01268=2\x01{rows}10=000\x01"
            fix.Session.sendToTarget(fix.Message(body, self.dictionary, False), session_id)
        elif kind == "e":
            self._send("f", {324: message.getField(324), 55: "SYN", 326: "17"}, session_id)

    def _report(self, order: Any, session_id: Any) -> None:
        self.n += 1
        cl_ord_id = order.getField(11)
        fields = {
            37: f"O{self.n}",
            17: f"E{self.n}",
            150: "C",
            39: "C",
            11: cl_ord_id,
            55: order.getField(55),
        }
        fields |= {54: order.getField(54), 38: order.getField(38), 151: "0", 14: "0", 6: "0"}
        number = int(cl_ord_id.rpartition("-")[2]) % SLOTS
        SLOT.pack_into(self.slots, number * SLOT.size, time.monotonic_ns())
        self._send("8", fields, session_id)

    def _send(self, kind: str, fields: dict[int, str], session_id: Any) -> None:
        message = fix.Message()
        message.getHeader().setField(fix.MsgType(kind))
        for tag, value in fields.items():
            message.setField(fix.StringField(tag, value))
        fix.Session.sendToTarget(message, session_id)


def shared(folder: Path) -> mmap.mmap:
    """Return the instants at which reports were sent, by the number of their order."""
    with (folder / "slots").open("a+b") as file:
        file.truncate(SLOTS * SLOT.size)
        return mmap.mmap(file.fileno(), SLOTS * SLOT.size)


def serve(folder: Path) -> None:
    """Run the acceptor's process."""
    port = free_port()
    setting = settings("acceptor", folder, port, SESSIONS)
    application, store = Acceptor(shared(folder)), fix.FileStoreFactory(setting)
    acceptor = fix.SocketAcceptor(application, store, setting)
    acceptor.start()
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()
    os._exit(0)


class Bare(Plain):
    """The floor's client: an order for each report, a window of them on their way."""

    def __init__(self) -> None:
        super().__init__()
        self.n = self.answered = 0
        self.over = True
        self.session_id: Any = None

    def onLogon(self, session_id: Any) -> None:  # noqa: N802
        """Remember whom to send to."""
        self.session_id = session_id
        self.up.set()

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802, ARG002
        """Take a report, and send the next order."""
        if message.getField(150) == "C":
            self.answered += 1
            if not self.over:
                self.order()

    def order(self) -> None:
        """Send one."""
        self.n += 1
        message = fix.Message()
        message.getHeader().setField(fix.MsgType("D"))
        fields = {11: f"B-{self.n}", 55: "SYN", 54: "1", 38: "1", 40: "2", 44: PRICE, 59: "3", 1: "PAPER"}
        for tag, value in fields.items():
            message.setField(fix.StringField(tag, value))
        message.setField(fix.TransactTime())
        fix.Session.sendToTarget(message, self.session_id)


def bare(folder: Path, port: int, window: int) -> None:
    """Run the floor's process: a line of stdin is a number of seconds, the answer is orders a second."""
    setting = settings("initiator", folder, port, ("BARE",))
    client, store = Bare(), fix.FileStoreFactory(setting)
    initiator = fix.SocketInitiator(client, store, setting)
    initiator.start()
    client.up.wait()
    for line in sys.stdin:
        client.over = False
        for _ in range(window):
            client.order()
        time.sleep(WARM_S)
        began, before, used = time.monotonic(), client.answered, time.process_time()
        time.sleep(float(line))
        count = client.answered - before
        rate = count / (time.monotonic() - began)
        us = (time.process_time() - used) * 1e6 / max(1, count)
        client.over = True
        while client.answered < client.n:
            time.sleep(0.01)
        print(json.dumps([rate, us]), flush=True)
    os._exit(0)


class Gate:
    """`steadyhand gate` between the acceptor and us."""

    def __init__(self, folder: Path, port: int, core: int | None) -> None:
        self.folder = folder
        limits = (ROOT / "deploy" / "limits.paper.toml").read_text()
        for key, value in FREE.items():
            limits, count = re.subn(rf"^{key} = [\d_]+", f"{key} = {value}", limits, flags=re.M)
            assert count == 1, key
        (folder / "limits.toml").write_text(limits)
        (folder / "positions.csv").write_text("account,symbol,qty\nPAPER,SYN,0\n")
        text = CONFIG.format(limits=folder / "limits.toml", order=port, reference=port)
        (folder / "config.toml").write_text(text)
        with (folder / "gate.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", "gate", "--config", str(folder / "config.toml")],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=on_core(core),
            )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), (folder / "gate.log").read_text()
        self.n = 0

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask over the control socket."""
        from tests.daemon.gate_process import GateProcess

        return GateProcess.ask(self, **request)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Bring it to where orders pass."""
        while self.ask(cmd="status")["posture"] != "ACTIVE":
            time.sleep(0.05)
        anchor = {"anchor_ts_ns": OPEN_NS, "anchor_mono_ns": time.monotonic_ns(), "speed": 1.0}
        assert self.ask(cmd="clock", anchor=anchor)["ok"]
        parent = {"parent_id": "P1", "account": "PAPER", "side": "1", "qty": 100_000, "symbol": "SYN"}
        window = {"mic": "XNAS", "start_ns": OPEN_NS, "end_ns": OPEN_NS + 3_600 * 10**9}
        self.trader = Trader(self.folder / "link.sock")
        answer = self.ask(cmd="submit", parent=parent | window)
        assert answer["ok"], answer
        self.trader.until_free()

    def intent(self) -> None:
        """Ask for one order."""
        self.n += 1
        now_ns = time.monotonic_ns()
        intent = ev.SubmitIntent(
            epoch=self.trader.epoch, n=self.n, parent_id=ParentID("P1"), side=Side.BUY, qty=1,
            price_e4=BID, time_in_force=TimeInForce.IOC, decision_id=self.n, decided_mono_ns=now_ns,
            cause_mono_ns=now_ns,
        )  # fmt: skip
        try:
            self.trader.send(intent)
        except OSError as error:
            self.cut(error.strerror or "broken")

    def cut(self, how: str) -> NoReturn:
        """Say why the gate let us go, in its own words, and end."""
        said = [line for line in (self.folder / "gate.log").read_text().splitlines() if "trader gone" in line]
        raise SystemExit(f"the link is cut ({how}) after {self.n} intents; the gate: {said[-1:] or 'silent'}")

    def ended(self) -> list[str]:
        """Wait for the link and return the orders that ended."""
        found = []
        received = self.trader.socket.recv(1 << 18)
        if not received:
            self.cut("closed")
        for update in self.trader.decoder.feed(received):
            if isinstance(update, up.IntentRefused):
                raise SystemExit(f"refused: {update.controls} {update.text}")
            if isinstance(update, up.OrderUpdate) and update.order.status is OrdStatus.EXPIRED:
                found.append(update.order.chain_id)
        return found

    def rate(self, seconds: float, window: int) -> float:
        """Keep a window of intents on their way; orders ended a second."""
        for _ in range(window):
            self.intent()
        counted, began, end = 0, 0.0, time.monotonic() + WARM_S + seconds
        warm = time.monotonic() + WARM_S
        while (now := time.monotonic()) < end:
            ended = self.ended()
            if now >= warm:
                began = began or now
                counted += len(ended)
            for _ in ended:
                self.intent()
        rate = counted / (time.monotonic() - began)
        left = window
        while left > 0:
            left -= len(self.ended())
        return rate

    def handling(self, seconds: float, rate: float, slots: mmap.mmap) -> dict[str, Any]:
        """Ask at a steady rate; milliseconds from the acceptor's send to our reading of the update."""
        took: list[float] = []
        begin = time.monotonic()
        asked, total, held, worst = 0, int(seconds * rate), True, 0
        while asked < total or len(took) < asked:
            due = min(total, int((time.monotonic() - begin) * rate)) if held else asked
            for _ in range(min(due - asked, TURN_MAX)):
                self.intent()
                asked += 1
            worst = max(worst, due - len(took))
            if worst > rate * BACKLOG_S:
                held, total = False, asked
            if select.select([self.trader.socket], [], [], 0 if due > asked else NAP_S)[0]:
                ended = self.ended()
                read_ns = time.monotonic_ns()
                for chain in ended:
                    number = int(chain.rpartition("-")[2]) % SLOTS
                    took.append((read_ns - SLOT.unpack_from(slots, number * SLOT.size)[0]) / 1e6)
        took.sort()
        line = f"{rate:.0f}/s held for {seconds:.0f} s" if held else f"{rate:.0f}/s not held, {asked} asked"
        print(f"{line}; {worst} unanswered at most", file=sys.stderr, flush=True)
        return {
            "asked_per_s": rate,
            "held": held,
            "orders": len(took),
            "unanswered_at_most": worst,
            "p50": round(took[len(took) // 2], 3),
            "p99": round(took[len(took) * 99 // 100], 3),
        }


def on_core(number: int | None) -> Any:
    """Return what a process does first to stay on one core with all its threads; None: it goes anywhere."""
    return None if number is None else lambda: os.sched_setaffinity(0, {number})


def cpu_s(pid: int) -> float:
    """Return processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child(core: int | None, *argv: str) -> "subprocess.Popen[str]":
    """Start a process of this benchmark."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gate_throughput", *argv],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=on_core(core),
    )  # fmt: skip


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run the rounds."""
    own, others = (0, 1) if options.own_core else (None, None)
    acceptor = child(others, "--serve", str(folder))
    assert acceptor.stdout is not None
    port = json.loads(acceptor.stdout.readline())["port"]
    floor = child(own, "--bare", str(folder), "--port", str(port), "--window", str(options.window))
    assert floor.stdin is not None
    assert floor.stdout is not None
    slots, gate = shared(folder), Gate(folder, port, own)
    if others is not None:
        os.sched_setaffinity(0, {others})
    gate.begin()
    floors, gates, bare_us, gate_us = [], [], [], []
    for _ in range(options.rounds):
        floor.stdin.write(f"{options.seconds}\n")
        floor.stdin.flush()
        rate, us = json.loads(floor.stdout.readline())
        floors.append(float(rate))
        bare_us.append(float(us))
        before, orders = cpu_s(gate.process.pid), gate.n
        gates.append(gate.rate(options.seconds, options.window))
        gate_us.append((cpu_s(gate.process.pid) - before) * 1e6 / (gate.n - orders))
    before, orders = cpu_s(gate.process.pid), gate.n
    handled = gate.handling(options.sustain, options.rate, slots)
    handled["cpu_us_an_order"] = round((cpu_s(gate.process.pid) - before) * 1e6 / (gate.n - orders))
    latency = gate.ask(cmd="status", orders="live")["latency_us"]
    for process in (floor, acceptor, gate.process):
        process.kill()
    ratios = [g / f for g, f in zip(gates, floors, strict=True)]
    costs = [f / g for g, f in zip(gate_us, bare_us, strict=True)]
    return {
        "bare_per_s": [round(f) for f in floors],
        "gate_per_s": [round(g) for g in gates],
        "ratio": round(statistics.median(ratios), 3),
        "bare_cpu_us_an_order": [round(us) for us in bare_us],
        "gate_cpu_us_an_order": [round(us) for us in gate_us],
        "cpu_ratio": round(statistics.median(costs), 3),
        "ack_ms": handled,
        "gate_latency_us": latency,
    }


def main() -> None:
    """Run the command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--serve", type=Path)
    p.add_argument("--bare", type=Path)
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--seconds", type=float, default=10.0)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--window", type=int, default=32)
    p.add_argument("--rate", type=float, default=1_000.0)
    p.add_argument("--sustain", type=float, default=10.0)
    p.add_argument("--own-core", action="store_true")
    options = p.parse_args()
    if options.serve:
        serve(options.serve)
    elif options.bare:
        bare(options.bare, options.port, options.window)
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), options), indent=1), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
