"""A venue, a gate and a trader as real processes, each of which may be killed and started again.

The venue's raw log is the truth (`tests.kill_sweep.truth`); the gate is asked over its control socket, as a
person would.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from daemon.strict_toml import load_model
from risk.limits import Limits
from tests.independent.test_hostile_policy import law_of
from tests.kill_sweep.truth import Truth

ROOT: Final = Path(__file__).parents[2]
LIMITS: Final = ROOT / "deploy" / "limits.paper.toml"
# A script does not look at its headroom (R20 after each start), a busy machine decides late (R50), lines
# break again and again: no reason to stop the world.
NEVER: Final = {
    "\nbreaches_to_halt = 3": "\nbreaches_to_halt = 2_000_000_000",
    "\nrelapses_max = 100": "\nrelapses_max = 2_000_000_000",
    "\ninvalid_to_halt = 3": "\ninvalid_to_halt = 2_000_000_000",
    "\ncollar_breaches_to_halt = 5": "\ncollar_breaches_to_halt = 2_000_000_000",
}
WAIT_S: Final = 60.0
ANSWER_S: Final = 5.0
SETTLE_S: Final = 10.0  # for the venue's log and the gate to say the same once nothing works
SETTLE_MOST_S: Final = 60.0  # ... while what differs still changes
POLL_S: Final = 0.02
ON_ITS_WAY_S: Final = 0.5  # from the venue's log to the gate's books
PARENT, QTY, HELD = "P1", 150_000, 500
SYMBOL: Final = "SYN"

CONFIG: Final = """
mode = "paper"
[clock]
source = "anchor"
[gate]
state_dir = "state"
control_socket = "{sockets}/control.sock"
link_socket = "{sockets}/link.sock"
limits = "{limits}"
kill_file = "KILL"
positions = "positions.csv"
cancel_on_disconnect = {on_disconnect}
reconcile_wait_s = 2.0
{gate}
[gate.order_session]
port = {fix}
heartbeat_s = 5
[gate.reference_session]
port = {reference}
sender_comp_id = "STEADYREF"
heartbeat_s = 1
[trader]
symbols = ["SYN"]
policy = "{policy}"
journal_dir = "{journal}"
[trader.feed]
port = {itch}
[[instrument]]
symbol = "SYN"
"""
# Orders that rest, orders that trade, replaces, cancels: every path of the gate, some forty a second.
SCRIPT: Final = """
every 70ms   submit 3 @ bid-2
every 90ms   submit 5 @ ask ioc
every 110ms  replace first 7 @ bid-1
every 150ms  cancel first
"""


class Ended(Exception):  # noqa: N818  (no error of the test's)
    """A process ended before it said what it was asked for."""


def stop_in_order() -> None:
    """Let whoever runs worlds end them, and take their folders away, where it is itself asked to end."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it


class Process:
    """One of the three, in one of its lives."""

    def __init__(
        self, folder: Path, name: str, argv: list[str], more: dict[str, str], code: str = ""
    ) -> None:
        """`more`: for its environment."""
        self.folder, self.name = folder, name
        self.started_s = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "BOUNDARIES": str(folder)}
        with (folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(("-c", code) if code else ("-m", "tests.kill_sweep.victim")), *argv],
                cwd=ROOT,
                env=environment | more,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def said(self, event: str) -> dict[str, Any]:
        """Return the announcement of that name.

        Raises:
            Ended: it came to its end first.

        """
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            with contextlib.suppress(ValueError):
                said = dict(json.loads(line))
                if said.get("event") == event:
                    return said
        last = (self.folder / f"{self.name}.log").read_text().splitlines()[-1:]
        raise Ended(f"{self.name} ended with {self.process.wait()} before it said {event!r}: {last}")

    def tell(self, command: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    @property
    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def dead(self) -> bool:
        return self.process.poll() is not None

    def wait_dead(self, seconds: float) -> bool:
        """Return whether it ended by itself in so long."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, whatever it was doing."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class World:
    """Three processes on one folder."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        on_disconnect: bool = True,
        policy: str = "",
        gate: str = "",
        small: bool = False,
        window: tuple[str, str] = ("10:00", "15:30"),
    ) -> None:
        """`small`: segments and snapshots by the hundred kilobytes, orders that go to the archive at once."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.seed, self.window, self.small = folder, seed, window, small
        self.sockets = Path(tempfile.mkdtemp(prefix="steadyhand-"))
        self.config = folder / "config.toml"
        self.script = folder / "script.txt"
        self.script.write_text(SCRIPT)
        self.options = {
            "on_disconnect": "true" if on_disconnect else "false",
            "policy": policy or f"script:{self.script}",
            "gate": gate + ("\nkeep_ended_s = 0.5" if small else ""),
            "journal": "trader",
        }
        (folder / "positions.csv").write_text(f"account,symbol,qty\nPAPER,{SYMBOL},{HELD}\n")
        text = LIMITS.read_text()
        for old, new in NEVER.items():
            assert old in text
            text = text.replace(old, new)
        self.limits = folder / "limits.toml"
        self.limits.write_text(text)
        self.law = law_of(load_model(self.limits, Limits))
        self.law = type(self.law)(**{**vars(self.law), "order_types": frozenset("12")})
        self.processes: list[Process] = []
        self.venue: Process | None = None
        self.gate: Process | None = None
        self.trader: Process | None = None
        self.ports: dict[str, int] = {}
        self.anchor: dict[str, Any] = {}
        self.lives = 0  # of the venue
        self.parents = {PARENT: ("1", QTY)}
        self.truth: Truth

    # --- processes ------------------------------------------------------------------------------

    def start(self, kill_at: str = "") -> None:
        """Start all three, the first time; the parent is handed over."""
        self.start_venue(kill_at)
        self.write_config()
        self.start_gate()
        self.begin_time()
        self.start_trader().said("ready")
        self.until(lambda s: s["posture"] == "ACTIVE" and SYMBOL in s["reference"] and s["trader"]["fit"])
        self.submit()

    def start_venue(self, kill_at: str = "") -> None:
        """Begin a life of the venue, with a folder of its own; the ports stay."""
        self.lives += 1
        out = self.folder / f"venue{self.lives}"
        argv = ["venue", "--symbol", SYMBOL, "--from", self.window[0], "--to", self.window[1]]
        argv += ["--seed", str(self.seed), "--start", "command", "--out", str(out)]
        for name, port in self.ports.items():
            argv += [f"--{name}-port", str(port)]
        self.venue = self._process("venue", argv, kill_at)
        endpoints = self.venue.said("ready")["endpoints"]
        self.ports = {name: endpoints[name] for name in ("fix", "reference", "itch")}
        self.venue.tell({"start": {"anchor_mono_ns": time.monotonic_ns()}})
        self.anchor = self.venue.said("started")["anchor"]
        self.truth = Truth(out / "fix-venue.log", self.law, {SYMBOL: HELD}, self.parents)

    def write_config(self, **changes: str) -> None:
        """Write the configuration; `changes` of what the world began with."""
        self.options |= changes
        ports = {name: str(port) for name, port in self.ports.items()}
        text = CONFIG.format(sockets=self.sockets, limits=self.limits, **(ports | self.options))
        self.config.write_text(text)

    def start_gate(self, kill_at: str = "") -> Process:
        self.gate = self._process("gate", ["gate", "--config", str(self.config)], kill_at)
        return self.gate

    def start_trader(self, kill_at: str = "", code: str = "") -> Process:
        self.trader = self._process("trader", ["trader", "--config", str(self.config)], kill_at, code)
        return self.trader

    def _process(self, name: str, argv: list[str], kill_at: str, code: str = "") -> Process:
        for watched in (name, "snapshot") if name == "gate" else (name,):
            self.counts(watched).unlink(missing_ok=True)  # of the life before
        more = ({"KILL_AT": kill_at} if kill_at else {}) | ({"SMALL": "1"} if self.small else {})
        self.processes.append(Process(self.folder, name, argv, more, code))
        return self.processes[-1]

    def counts(self, name: str) -> Path:
        """Return where a process counts its boundaries."""
        return self.folder / f"{name}.boundaries"

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        shutil.rmtree(self.sockets, ignore_errors=True)

    # --- the gate -------------------------------------------------------------------------------

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask over the control socket; OSError where nobody answers."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_S)
            line.connect(str(self.sockets / "control.sock"))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile() as answers:
                text = answers.readline()
        if not text:
            raise ConnectionError("the gate hung up")
        return dict(json.loads(text))

    def status(self, orders: str = "live") -> dict[str, Any]:
        return self.ask(cmd="status", orders=orders)

    def until(self, test: Any, seconds: float = WAIT_S) -> dict[str, Any]:
        """Ask for the status until something holds; TimeoutError, or Ended with the gate."""
        deadline = time.monotonic() + seconds
        status: dict[str, Any] = {}
        while time.monotonic() < deadline:
            if status.get("posture") == "KILLED":
                break
            with contextlib.suppress(OSError, ValueError):
                status = self.status()
                if test(status):
                    return status
            for process in (self.gate, self.venue):
                if process is not None and process.dead:
                    raise Ended(f"the {process.name} ended")
            time.sleep(POLL_S)
        shown = {
            key: status.get(key) for key in ("posture", "posture_reason", "breaks", "sessions", "trader")
        }
        raise TimeoutError(json.dumps(shown))

    def wrote(self, name: str, words: str) -> None:
        """Wait until a process has written that into its log."""
        deadline = time.monotonic() + WAIT_S
        while words not in (self.folder / f"{name}.log").read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} never wrote {words!r}")
            time.sleep(POLL_S)

    def begin_time(self) -> None:
        """Tell the gate of market time, as soon as it listens."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            assert self.gate is not None
            if self.gate.dead:
                raise Ended("the gate ended")
            with contextlib.suppress(OSError, ValueError):
                self.ask(cmd="clock", anchor=self.anchor)
                return
            time.sleep(POLL_S)
        raise TimeoutError("the gate does not listen")

    def submit(self) -> None:
        """Hand the parent over; one that is there already is left alone."""
        start_ns = self.anchor["anchor_ts_ns"]
        parent = {"parent_id": PARENT, "account": "PAPER", "side": "1", "qty": QTY, "symbol": SYMBOL}
        window = {"mic": "XNAS", "start_ns": start_ns, "end_ns": start_ns + 5 * 3_600 * 10**9}
        answer = self.ask(cmd="submit", parent=parent | window)
        assert answer["ok"] or "used before" in answer["error"], answer

    def reconciled(self) -> dict[str, Any]:
        """Wait until a gate that was just started trades, or is halted by a break that it names.

        Its status, with how long that took: since the start, and as on a machine that does nothing else (its
        own processor time until it was ready, and what passed from there).
        """
        assert self.gate is not None
        began_s = self.gate.started_s
        self.gate.said("ready")
        ready_s, quiet_s = time.monotonic(), self.gate.cpu_s
        self.begin_time()
        status = self.until(lambda s: s["sessions"]["order"]["state"] == "trading" or s["breaks"])
        now_s = time.monotonic()
        status["reconciled_s"], status["quiet_s"] = now_s - began_s, quiet_s + now_s - ready_s
        return status

    # --- the comparison -------------------------------------------------------------------------

    def compare(self) -> list[str]:
        """Stop the parent for a moment and hold the gate against the venue's truth: what differs."""
        self.truth.read()  # a long log takes longer than the settling that follows
        self.ask(cmd="pause", parent_id=PARENT)
        latest_s = time.monotonic() + SETTLE_MOST_S
        deadline_s, differences = time.monotonic() + SETTLE_S, ["never compared"]
        while differences and time.monotonic() < min(deadline_s, latest_s):
            status = self.status()
            self.truth.read()
            found = self.differences(status)
            if found != differences:  # it moves: a machine with other work to do is slow, not wrong
                deadline_s = time.monotonic() + SETTLE_S
            differences = found
            time.sleep(POLL_S)
        self.ask(cmd="resume", parent_id=PARENT)
        return [*differences, *self.truth.breaches]

    def differences(self, status: dict[str, Any]) -> list[str]:
        """Return where the gate's word and the venue's log differ, with nothing at work."""
        truth, found = self.truth, []
        position = status["positions"].get(SYMBOL, 0)
        if position != truth.position(SYMBOL):
            found.append(f"position {position}, the venue's {truth.position(SYMBOL)}")
        filled = {p["parent_id"]: p["cum_qty"] for p in status["parents"]}
        if filled.get(PARENT, 0) != truth.filled(PARENT):
            found.append(f"{PARENT} filled {filled.get(PARENT)}, the venue's {truth.filled(PARENT)}")
        if status["open_orders"] or truth.live:
            ours = [o["chain_id"] for o in status["orders"]][:5]
            found.append(f"{status['open_orders']} open here {ours}, there {list(truth.live)[:5]}")
        return found

    def compare_all(self) -> list[str]:
        """Hold every execution of the gate's life against the venue's log."""
        self.truth.read()
        before = set(self.truth.fills)
        time.sleep(ON_ITS_WAY_S)
        ours = {e for o in self.status("all")["orders"] for e in o["exec_ids"]}
        self.truth.read()
        lost, invented = before - ours, ours - set(self.truth.fills)
        found = [f"executions lost: {sorted(lost)[:5]}"] if lost else []
        return found + ([f"executions of nobody: {sorted(invented)[:5]}"] if invented else [])
