"""The guard: a process of its own that ends a gate whose loop is stuck, so that no order of it lives on.

It looks at the gate's heartbeat (daemon.heartbeat). Where that stands still for `guard.stuck_ms` it
  1. kills the process, by its pidfd: nobody else's process, however late that is; and shuts its order session
     down, so that a venue that cancels on disconnect has canceled everything a round trip later;
  2. sets the kill latch: whoever starts the gate again starts it killed, and it cancels what it finds;
  3. sends a mass cancel on a session of its own, where the broker's profile says that one reaches all
     orders of the firm (`mass_cancel_scope = "firm"`) and `[guard.session]` names one;
  4. with `guard.takeover`, starts the gate again: killed, it replays its journal, logs on in its own session
     and cancels order by order. Under systemd the unit's Restart= does the same.
It needs no policy, no journal, and no word of the gate. It acts once for each gate. At its start, for each
gate and every hour it drills (daemon.guard.drill), and writes down what it has shown (daemon.guard.proof).
"""

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from daemon import heartbeat, notify
from daemon.config import Config, GateSection, GuardSection, load, load_profile
from daemon.ending import Ending
from daemon.guard import proof
from daemon.guard.drill import drill
from daemon.guard.killing import Target, cut, gone
from daemon.guard.watch import POLL_NS, Watch, Word
from daemon.heartbeat import Beat
from daemon.logs import announce, configure
from daemon.metrics.block import Metrics
from daemon.runtime import EXIT_CONFIG, EXIT_DONE, EXIT_NOT_CLEAN, Runtime, run_and_exit
from daemon.segments.layout import JournalError
from daemon.segments.lock import DirectoryLock, lock_directory
from daemon.strict_toml import ConfigError
from gateways.fix.inbound import decode
from gateways.fix.order_entry import OrderEntry
from gateways.fix.outbound import Encoder
from gateways.fix.profile import Profile
from gateways.fix.sessions import (
    EngineError,
    LoggedOn,
    LoggedOut,
    Message,
    Received,
    Role,
    SessionSpec,
    UnknownHostError,
)
from market.events import MassCancelReport
from market.orders import MassCancel
from market.types import ClOrdID
from risk.kill_switch import LATCH_NAME, KillLatch

if TYPE_CHECKING:
    from gateways.fix.engine import Engine

SESSION: Final = "guard"
LOGON_S: Final = 10.0  # a drill waits so long for a session of our own
DRILL_LATCH: Final = "KILLED.drill"  # beside the gate's: set and cleared by each drill
RUN_LOG: Final = "fix-guard.log"
log = structlog.get_logger()


class Guard:
    """One process's life."""

    def __init__(self, path: Path, config: Config, gate: GateSection, guard: GuardSection) -> None:
        self._path, self._gate, self._guard = path, gate, guard
        self._profile: Profile = load_profile(gate.order_session.profile)
        self._latch = KillLatch(gate.state_dir / LATCH_NAME, gate.kill_file)
        self._watch = Watch(guard.stuck_ms * 1_000_000)
        self._state_dir = guard.state_dir or gate.state_dir.parent / "guard"
        self._engine: Engine | None = None
        self._entry: OrderEntry | None = None
        self._logged_on = False
        self._sent = 0
        self._fired = 0
        self._target: Target | None = None
        self._drilled_for = (0, 0)  # the gate of the last drill: pid and start
        self._drilled_s = 0.0
        self._drilling = False
        metrics = Metrics(config.metrics.directory if config.metrics else None, "guard")
        self._metrics = metrics
        self._drill_ok = metrics.gauge("steadyhand_guard_drill_ok")
        self._drill_at = metrics.gauge("steadyhand_guard_drill_timestamp_seconds")
        self._fired_total = metrics.counter("steadyhand_guard_fired_total")

    # --- life -----------------------------------------------------------------------------------

    async def main(self, runtime: Runtime) -> int:
        """Watch until told to stop."""
        ending = Ending("guard", asyncio.get_running_loop(), runtime.stop)
        try:
            held = lock_directory(self._state_dir)  # one guard a gate
            self._connect()
        except (ConfigError, EngineError, JournalError) as error:
            print(f"steadyhand guard: {error}", file=sys.stderr)
            return EXIT_NOT_CLEAN if isinstance(error, UnknownHostError) else EXIT_CONFIG
        announce("ready", stuck_ms=self._guard.stuck_ms, means=self.means())
        if not self.means():
            log.error("nothing here cancels orders of a gate that is killed", see="steadyhand check")
        notify.ready()
        await self._look(runtime)
        ending.at("logout")
        self._end(held)
        return EXIT_DONE

    def means(self) -> list[str]:
        """Return what will cancel the orders of a gate that was killed."""
        supports = self._profile.supports
        found = []
        if supports.cancel_on_disconnect and self._gate.cancel_on_disconnect:
            found.append("cancel on disconnect")
        if supports.mass_cancel and supports.mass_cancel_scope == "firm" and self._guard.session is not None:
            found.append("mass cancel of the firm")
        if self._guard.takeover:
            found.append("takeover")
        return found

    def _connect(self) -> None:
        """Log a session of our own on, where it can reach the gate's orders."""
        session = self._guard.session
        if session is None:
            return
        from gateways.fix.engine import Engine

        spec = SessionSpec(
            name=SESSION,
            version=self._profile.version,
            host=session.host,
            port=session.port,
            sender_comp_id=session.sender_comp_id,
            target_comp_id=session.target_comp_id,
            heartbeat_s=session.heartbeat_s,
            reconnect_s=session.reconnect_s,
        )
        loop = asyncio.get_running_loop()
        self._engine = Engine(
            Role.INITIATOR, [spec], self._state_dir / "fix", self._state_dir / RUN_LOG, self._inbox, loop
        )
        self._entry = OrderEntry(self._engine, Encoder(self._profile), SESSION)
        self._engine.start()

    def _inbox(self, _: str, message: Message) -> None:
        if isinstance(message, LoggedOn):
            self._logged_on = True
            announce("logged_on")
        elif isinstance(message, LoggedOut):
            self._logged_on = False
            log.warning("guard's session is down", reason=message.reason)
        elif isinstance(message, Received):
            report = decode(message.raw)
            if isinstance(report, MassCancelReport):
                announce("mass_cancel", accepted=report.accepted, affected=report.total_affected)

    async def _look(self, runtime: Runtime) -> None:
        while not runtime.stopping.is_set():
            beat = heartbeat.read(self._gate.state_dir)
            word = self._watch.observe(beat, time.monotonic_ns())
            self._take_aim(beat)
            if word is Word.STUCK and beat is not None:
                await self._fire(beat)
            self._drill_when_due(runtime, beat)
            notify.watchdog()
            await asyncio.sleep(POLL_NS / 1e9)

    def _end(self, held: DirectoryLock) -> None:
        notify.stopping()
        if self._engine is not None:
            self._engine.stop()
        held.release()
        self._metrics.close()
        announce("stopped", fired=self._fired)

    def _take_aim(self, beat: Beat | None) -> None:
        """Hold the pidfd of the gate that lives, so that nothing is left to look up."""
        aim = self._target.beat if self._target is not None else None
        if beat is None or (aim is not None and (aim.pid, aim.started) == (beat.pid, beat.started)):
            return
        if self._target is not None:
            self._target.close()
        self._target = Target.of(beat)

    # --- the drill ------------------------------------------------------------------------------

    def _drill_when_due(self, runtime: Runtime, beat: Beat | None) -> None:
        gate = (beat.pid, beat.started) if beat is not None and not beat.stopped else (0, 0)
        due = gate not in ((0, 0), self._drilled_for) or time.monotonic() >= self._drilled_s
        if due and not self._drilling:
            self._drilling, self._drilled_for = True, gate
            self._drilled_s = time.monotonic() + proof.DRILL_EVERY_S
            runtime.spawn(self._drill(gate), "drill")

    async def _drill(self, gate: tuple[int, int]) -> None:
        """Show what we can do, and write down what came of it."""
        faults = await drill(self._state_dir / "drill", self._gate.state_dir / DRILL_LATCH)
        if gate != (0, 0) and self._target is not None and (fault := self._target.signal(0)):
            faults.append(f"the gate, pid {gate[0]}: {fault}")
        if not self.means():
            faults.append("nothing here cancels orders of a gate that is killed")
        if not await self._reaches_broker():
            faults.append("the guard's own session is not logged on")
        try:
            proof.write(self._gate.state_dir, proof.now(*gate, self.means(), faults))
        except OSError as error:
            faults.append(f"the proof is not written: {error.strerror}")
        self._drilling = False
        self._drill_ok.set(not faults)
        self._drill_at.set(time.time())
        announce("drilled", pid=gate[0], faults=faults)
        if faults:
            log.error("the guard could not show what it is for", faults=faults)

    async def _reaches_broker(self) -> bool:
        """Return whether a session of our own is logged on, where there is one."""
        deadline = time.monotonic() + LOGON_S
        while self._guard.session is not None and not self._logged_on:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_NS / 1e9)
        return True

    # --- what it is for -------------------------------------------------------------------------

    async def _fire(self, beat: Beat) -> None:
        """Kill, latch, cancel; each step whatever became of the one before."""
        fired_ns = time.monotonic_ns()
        assert self._target is not None, "what was seen was aimed at"
        try:
            sessions = self._target.sessions({self._gate.order_session.port})
        finally:  # whatever came of that
            killed = self._target.kill()
        facts: dict[str, Any] = {"killed": killed, "cut": cut(sessions)}
        facts |= {"pid": beat.pid, "still_ms": self._watch.still_ns // 1_000_000}
        self._fired += 1
        self._fired_total.inc()
        facts["mass_cancel"] = self._mass_cancel()
        reason = f"guard: the gate's loop stood still for {facts['still_ms']} ms"
        try:
            self._latch.set(reason)
            facts["latched"] = True
        except OSError as error:  # the disk may be why the gate was stuck
            facts["latched"] = f"{error.strerror}"
        facts["gone"] = await gone(beat)
        facts["took_us"] = (time.monotonic_ns() - fired_ns) // 1_000
        announce("fired", fired_mono_ns=fired_ns, **facts)
        log.error("the gate was stuck and was killed", **facts)
        if self._guard.takeover and facts["gone"]:
            self._take_over()

    def _mass_cancel(self) -> str:
        """Cancel on our own session; say what came of it."""
        if "mass cancel of the firm" not in self.means():
            return "not on a session of our own"
        assert self._entry is not None, "a session is named"
        self._sent += 1
        cl_ord_id = ClOrdID(f"SHG{time.time_ns() // 1_000_000:X}-{self._sent}")
        result = self._entry.mass_cancel(MassCancel(cl_ord_id=cl_ord_id), time.time_ns())
        return "sent" if result.sent else f"not sent: {result.reason}"

    def _take_over(self) -> None:
        """Start the gate again: it finds the latch, and cancels order by order."""
        command = [sys.executable, "-P", "-m", "daemon.cli", "gate", "--config", str(self._path)]
        with (self._state_dir / "takeover.log").open("ab") as output:
            child = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
            )
        announce("takeover", pid=child.pid)


def main(args: argparse.Namespace) -> int:
    """Run `steadyhand guard --config FILE`."""
    try:
        config = load(args.config)
        if config.gate is None:
            raise ConfigError(f"{args.config}: there is no [gate] section")
        configure("guard", config.logs.level)
        guard = Guard(args.config, config, config.gate, config.guard or GuardSection())
    except ConfigError as error:
        print(f"steadyhand guard: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return run_and_exit(guard.main)
