"""The gate: the authority over parents, orders, limits and money, and the only holder of an order socket.

This module puts it together and runs it: configuration, recovery, FIX engine, sockets, timers, the end.
What is decided is decided in daemon.gate.core; what is carried out, in daemon.gate.shell.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import time
from typing import Any, Final

import structlog

from daemon import notify, positions
from daemon.clock import Clock, is_sound, wall_anchor
from daemon.clock_source import Machine
from daemon.config import Config, GateSection
from daemon.ending import Ending
from daemon.gate import engine as gate_engine
from daemon.gate import power, recovery
from daemon.gate import rehearsal as gate_rehearsal
from daemon.gate.control import ControlDesk, roles_of
from daemon.gate.control_server import ControlServer
from daemon.gate.core import GateCore
from daemon.gate.drop_copy_desk import DropCopyDesk
from daemon.gate.ending import Parts, end
from daemon.gate.files import read_files, warn_of_files
from daemon.gate.keeping import Keeping
from daemon.gate.links import BusySocket, Links
from daemon.gate.lockstep import LockstepGate
from daemon.gate.metrics import GateMetrics
from daemon.gate.oms_desk import OmsDesk
from daemon.gate.shell import GateShell
from daemon.heartbeat import Heartbeat
from daemon.logs import announce, configure
from daemon.metrics.block import Metrics, apart
from daemon.people.keys import load_keyring
from daemon.runtime import EXIT_CONFIG, EXIT_NOT_CLEAN, Runtime, run_and_exit
from daemon.segments.layout import JournalError
from daemon.strict_toml import ConfigError
from gateways.fix.order_entry import OrderEntry
from gateways.fix.outbound import Encoder
from gateways.fix.profile import Profile
from gateways.fix.reference import Reference
from gateways.fix.sessions import (
    DROP_COPY,
    ORDER,
    REFERENCE,
    Alarm,
    Alive,
    EngineError,
    LoggedOn,
    LoggedOut,
    Message,
    Missing,
    Received,
    UnknownHostError,
)
from market import events as ev
from risk.kill_switch import LATCH_NAME, KillLatch
from risk.limits import Limits
from risk.posture import Posture

TIMER_S: Final = 0.1  # machine time between timers where nothing else is due
HOUSEKEEPING_S: Final = 0.25  # kill file, gauges, watchdog
MEASURE_S: Final = 10.0  # between two looks at clock, loop and disk
log = structlog.get_logger()


class Gate:
    """One process's life."""

    def __init__(self, config: Config, section: GateSection, limits: Limits, profile: Profile) -> None:
        self._config, self._section, self._limits, self._profile = config, section, limits, profile
        self._ours = profile.ours()
        self._lockstep_path = config.clock.lockstep_socket
        self._failure = self._order_reason = ""
        self._stop_asked: Runtime | None = None
        self._ending: Ending | None = None
        self._core, self._clock = GateCore(), Clock()
        self._latch = KillLatch(section.state_dir / LATCH_NAME, section.kill_file)
        self._keyring, self._roles = load_keyring(section.keyring, config.mode), roles_of(section)
        self._machine, self._measure_s = Machine(), 0.0
        self._keep = Keeping(section, config.mode)
        self._lockstep: LockstepGate | None = None
        self._reference: Reference | None = None
        self._together: list[tuple[ev.Event, int]] = []  # what came on the order session in one read

    # --- start ----------------------------------------------------------------------------------

    async def main(self, runtime: Runtime) -> int:
        """Recover, connect, serve until told to stop, and end in order."""
        try:
            return await self._run(runtime)
        except (ConfigError, BusySocket, JournalError, EngineError) as error:
            print(f"steadyhand gate: {error}", file=sys.stderr)
            return EXIT_NOT_CLEAN if isinstance(error, UnknownHostError) else EXIT_CONFIG

    async def _run(self, runtime: Runtime) -> int:
        self._stop_asked = runtime
        self._ending = Ending("gate", asyncio.get_running_loop(), runtime.stop)
        asyncio.get_running_loop().set_exception_handler(self._broken)
        place, symbols = self._section.positions, set(self._config.instruments)
        held = positions.read(place, symbols) if place else ()
        self._recover(held)
        await self._listen()
        self._start_engine()
        if self._lockstep is not None and self._lockstep_path is not None:
            try:
                await self._lockstep.connect(self._lockstep_path)
            except OSError as error:
                raise ConfigError(
                    f"{self._lockstep_path}: no venue listens there: {error.strerror}"
                ) from None
        else:
            runtime.spawn(self._timers(), "timers")
            sent = self._shell.latency["engine"]
            await gate_rehearsal.begin(self._section, self._limits, self._profile, lambda: sent.count)
        self._beat = Heartbeat.make(self._section.state_dir, time.monotonic_ns())
        runtime.spawn(self._housekeeping(), "housekeeping")
        runtime.on_signal(signal.SIGUSR1, lambda: self._shell.post(ev.Kill(source="signal")))
        self._metrics.ready.set(1)
        endpoints = {"control": str(self._section.control_socket), "link": str(self._section.link_socket)}
        announce("ready", endpoints=endpoints | self._oms.endpoints, limits=self._limits.digest())
        notify.ready()
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection in the middle of an order is 1-10 ms; housekeeping does it
        await runtime.stopping.wait()
        return await self._stop()

    def _recover(self, held: tuple[Any, ...]) -> None:
        """Take the state directory, replay, and tell the core that it begins (again)."""
        config, section = self._config, self._section
        self._journal, self._inbound = self._keep.open()
        recovery.refuse_forgotten(self._journal, self._inbound)
        done = recovery.recover(section.state_dir, self._core)
        self._limits = recovery.holding(self._core, self._limits, section.limits)
        directory = config.metrics.directory if config.metrics else None
        currency = next(iter(config.instruments.values())).currency
        self._metrics = GateMetrics(Metrics(directory, "gate"), self._limits, currency)
        self._journal.synced = self._metrics.fsync.observe
        lockstep = self._lockstep_path is not None
        self._shell = GateShell(self._core, self._clock, self._journal, self._latch, self._metrics, lockstep)
        self._keep.begin(self._shell, (self._journal, self._inbound), lockstep)
        self._links = Links(self._from_trader, self._tock)
        desk = ControlDesk(self._shell, section, self._keyring, self._latch, config.guard is not None)
        self._control = ControlServer(
            self._from_control, desk.status, self._set_clock, desk.look, desk.signed, self._roles
        )
        self._shell.tell, self._shell.drop = self._links.tell, self._links.drop
        self._shell.answer = self._control.answer
        self._oms = OmsDesk(config, self._shell, self._from_control)
        self._drop_copy = DropCopyDesk(
            config, self._core, self._ours, self._shell.post, self._keep.disk_failed
        )
        loop = asyncio.get_running_loop()
        self._shell.beside = lambda act: loop.run_in_executor(None, act)
        if lockstep:
            self._lockstep = LockstepGate(
                self._shell, self._clock, self._links, self._sent, self._step_message, self._fail
            )
        elif config.clock.source == "wall":
            self._clock.set_anchor(wall_anchor())
        elif self._core.state.anchor is not None:
            self._clock.set_anchor(self._core.state.anchor)
        self._shell.entry = OrderEntry(gate_engine.NoEngine(), Encoder(self._profile))
        self._shell.post(self._beginning(held, lockstep))
        self._keep.at_home()  # journaled: from here on two people look, where it was displaced
        if config.clock.source == "wall" and not lockstep and self._clock.anchor is not None:
            self._shell.post(self._clock.anchor)
        late = self._drop_copy.recover()
        for offset, event in recovery.beyond(section.state_dir, done, self._ours):
            self._shell.post(event, offset)
            late += 1
        state = self._core.state
        log.info(
            "recovered" if done.inputs else "new state",
            inputs=done.inputs,
            beyond=late,
            torn_bytes=self._journal.torn,
            epoch=state.epoch,
            open_orders=self._core.open_orders,
            posture=self._core.posture.name,
        )
        warn_of_files(config, self._limits, len(self._keyring))

    def _beginning(self, held: tuple[Any, ...], lockstep: bool) -> ev.GateStarted:
        """Return all that the core needs to know of the outside."""
        config, section = self._config, self._section
        return ev.GateStarted(
            epoch=recovery.next_epoch(self._core.state.epoch, lockstep),
            mode=config.mode,
            account=section.account,
            instruments=tuple(config.instruments.values()),
            limits=self._limits.model_dump_json(),
            positions=held,
            lockstep=lockstep,
            drop_copy=section.drop_copy is not None,
            reconcile_wait_ms=int(section.reconcile_wait_s * 1000),
            external_orders=section.external_orders,
            positions_asked=self._profile.supports.positions,
            positions_wait_ms=self._profile.supports.positions_wait_ms,
            displaced=self._keep.displaced,
            killed=(self._latch.held() or "").removeprefix("R70 "),
            killed_scopes=tuple(self._latch.scopes().items()),
            trader_silent_ms=int(section.trader_silent_s * 1000),
            without_trader_ms=section.without_trader_ms,
            retire_after_ms=None if lockstep else int(section.keep_ended_s * 1000),
            short_days=True,
        )

    async def _listen(self) -> None:
        await self._links.listen(self._section.link_socket)
        await self._control.listen(self._section.control_socket)
        await self._oms.listen()

    def _start_engine(self) -> None:
        section, loop = self._section, asyncio.get_running_loop()
        lost = power.rebooted(section.state_dir)
        copies = self._drop_copy.specs(lost)
        specs = gate_engine.session_specs(section, self._profile, self._inbound, lost, copies)
        self._engine = gate_engine.build(specs, section.state_dir, self._inbox, loop)
        encoder = Encoder(self._profile)
        self._shell.entry = OrderEntry(self._engine, encoder)
        if section.reference_session is None:
            log.error("no reference_session: R06 will refuse every order")
        else:
            symbols, lockstep = tuple(self._core.state.instruments), self._lockstep_path is not None
            self._reference = gate_engine.reference(self._engine, symbols, encoder.theirs, lockstep)
        self._engine.start()

    # --- what comes in --------------------------------------------------------------------------

    def _inbox(self, session: str, message: Message) -> None:
        """Take what the FIX engine says."""
        if session == DROP_COPY and not isinstance(message, Alarm):
            self._drop_copy.take(message)
            return
        if isinstance(message, Received):
            self._metrics.received(session)
            if self._config.clock.reference != "none":
                self._machine.clock.observe(message.raw, time.time_ns())
            if self._lockstep is not None:
                self._lockstep.received(session, message)
            else:
                self._step_message(session, message)
            return
        if isinstance(message, Alarm):
            log.error("fix alarm", session=session, text=message.text)
            self._shell.post(ev.EngineAlarm(text=message.text, fatal=message.fatal))
            return
        if self._lockstep is not None:
            if isinstance(message, Alive):
                return  # heartbeats are wall time's
            if isinstance(message, LoggedOn):
                self._lockstep.logged_on(session)
        if session == REFERENCE and self._reference is not None:
            for event in self._reference.receive(message):
                if not isinstance(event, ev.SessionDown) or self._core.state.references.up:
                    self._shell.post(event)
        elif isinstance(message, Missing):
            self._shell.post(ev.MessagesMissing(begin=message.begin))
        elif isinstance(message, LoggedOn):
            self._order_reason = ""
            self._shell.post(ev.SessionUp(session=ORDER))
        elif isinstance(message, LoggedOut) and (
            self._core.state.session.up or message.reason != self._order_reason
        ):
            self._order_reason = message.reason
            self._shell.post(ev.SessionDown(session=ORDER, reason=message.reason))

    def _step_message(self, session: str, message: Received) -> None:
        """Step a FIX message, with its offset in the inbound log; those that came together, together."""
        if session == REFERENCE:
            for event in self._reference.receive(message) if self._reference is not None else ():
                self._shell.post(event)
            return
        if (meant := recovery.event_of(message.raw, self._ours)) is not None:
            self._together.append((meant, message.offset))
        if message.last or self._lockstep is not None:  # its instants end when the venue says so
            together, self._together = self._together, []
            self._shell.post_all(together)

    def _from_trader(self, event: ev.Event) -> None:
        self._metrics.frames_in.inc()
        self._shell.post(event)
        if self._lockstep is not None and isinstance(event, ev.TraderGone):
            self._lockstep.trader_gone(event.epoch)

    def _tock(self, epoch: int, tock: ev.LockTock) -> None:
        if self._lockstep is not None:
            self._lockstep.tock(epoch, tock)

    def _from_control(self, event: ev.Event) -> None:
        if self._lockstep is not None:
            self._lockstep.command(event)
        else:
            self._shell.post(event)

    def _set_clock(self, anchor: ev.ClockAnchor) -> str:
        """Begin market time; return why not."""
        if self._lockstep is not None or self._config.clock.source != "anchor":
            return "this gate's clock is not set by command: clock.source is not anchor, or time is lockstep"
        if self._clock.anchor is not None and self._clock.anchor != anchor:
            return "market time has begun with another anchor"
        if not is_sound(anchor):
            return "an anchor has a speed above 0 and at most 10000, and by it now is a time of ours"
        self._clock.set_anchor(anchor)
        self._shell.post(anchor)
        return ""

    def _sent(self, session: str) -> int:
        return self._engine.sent(session) if session == ORDER or self._reference is not None else 0

    def _measure(self) -> None:
        """Tell the core what the machine is like, now and then (R63, R64, R66)."""
        if self._config.clock.reference != "none" and time.monotonic() >= self._measure_s:
            self._measure_s = time.monotonic() + MEASURE_S
            self._shell.post(self._machine.measured(self._section.state_dir))

    # --- time -----------------------------------------------------------------------------------

    async def _timers(self) -> None:
        """Fire when the core wants to wake, and often enough for everything else."""
        while True:
            wait_s = TIMER_S
            stamp, anchor = self._clock.stamp(), self._clock.anchor
            wake_ns = self._core.next_wake_ns(stamp)
            if wake_ns and anchor is not None:
                wait_s = min(wait_s, max(0.0, (wake_ns - stamp.ts_ns) / 1e9 / anchor.speed) + 1e-4)
            due = time.monotonic() + wait_s
            await asyncio.sleep(wait_s)
            late_s = max(0.0, time.monotonic() - due)
            self._metrics.loop_lag.observe(late_s)
            self._machine.late(late_s)
            self._shell.post(ev.Timer())

    async def _housekeeping(self) -> None:
        """Look for the kill file, set gauges, give a sign of life."""
        refresh = apart(self._metrics.refresh)
        while True:
            if self._latch.called() or (self._latch.touched() and self._core.posture is not Posture.KILLED):
                self._shell.post(ev.Kill(source="file", reason=self._latch.held() or ""))
            refresh(self._core)
            self._beat.write(time.monotonic_ns())
            if self._lockstep is None:
                self._links.beat()
            self._measure()
            self._keep.look()
            notify.watchdog()
            gc.collect(1)
            await asyncio.sleep(HOUSEKEEPING_S)

    # --- the end --------------------------------------------------------------------------------

    async def _stop(self) -> int:
        """End in order, and in time."""
        assert self._ending is not None, "made at the start"
        sockets = (self._section.control_socket, self._section.link_socket)
        parts = Parts(
            *(self._shell, self._links, self._control, self._engine),
            (self._journal, self._inbound, *self._drop_copy.journals),
            *(self._beat, self._metrics, sockets, self._oms),
        )
        return await end(parts, self._ending, lambda: self._failure)

    def _fail(self, text: str) -> None:
        """Something that must not be: say it once and stop."""
        if self._failure:
            return
        self._failure = text
        log.error("gate fails", text=text)
        print(f"steadyhand gate: {text}", file=sys.stderr)
        if self._stop_asked is not None and not self._stop_asked.stopping.is_set():
            assert self._ending is not None, "made at the start"
            self._ending.ask()

    def _broken(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An assertion of ours failed in a callback: stop (P16); cancel-on-disconnect does the rest."""
        error = context.get("exception")
        log.error("stopped by an error", message=context.get("message"), exc_info=error)
        print(f"steadyhand gate: {context.get('message')}: {error!r}", file=sys.stderr, flush=True)
        os._exit(EXIT_NOT_CLEAN)


def main(args: argparse.Namespace) -> int:
    """Run `steadyhand gate --config FILE`."""
    try:
        files = read_files(args.config)
        configure("gate", files.config.logs.level)
        gate = Gate(files.config, files.gate, files.limits, files.profile)
    except ConfigError as error:
        print(f"steadyhand gate: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return run_and_exit(gate.main)
