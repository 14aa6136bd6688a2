"""The venue's shell: sockets, time, and the way between them and the cores.

stdout is JSON lines: `ready` with the endpoints, `started`, `ended` (the window is over; orders are
still served), `summary`. stdin takes `{"start": {"anchor_mono_ns": N}}` and `{"stop": true}`.
Realtime, the flow is played as its time comes (anchor + monotonic x speed); in lockstep the gate is
waited for. Either way a request meets the book after everything that was due before it.
"""

import asyncio
import errno
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from daemon import logs
from daemon.runtime import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_NOT_CLEAN,
    Runtime,
    umask_private,
)
from daemon.venue.lines import Acceptor, ClientLines
from daemon.venue.outbound import Outbound
from daemon.venue.parts import LockstepServer, Parts, acceptor
from daemon.venue.replay import Inbound, account_of
from daemon.venue.settings import Options
from daemon.venue.stdin import Commands
from gateways.fix.sessions import (
    DROP_COPY,
    ORDER,
    REFERENCE,
    Alarm,
    EngineError,
    LoggedOn,
    LoggedOut,
    Message,
    Received,
)
from gateways.venue import record
from gateways.venue.director import AnswerToLogon
from gateways.venue.lockstep import Latency, Lockstep
from gateways.venue.reference import INTERVAL_NS
from market.events import LockAdvance
from market.flow.flow import Flow
from market.types import NS

log = structlog.get_logger()

WAKE_NS: Final = 1_000_000  # events due within a millisecond are one batch
WAKE_NS_MAX: Final = 50_000_000  # between two looks at the clock, however quiet the flow
ANSWER_S: Final = 30.0  # a gate in lockstep that is silent for so long has died
SESSIONS_S: Final = 5.0  # lockstep: both FIX sessions are up long before, or will not come
LOG_FILE: Final = "fix-venue.log"
LOCALHOST: Final = "127.0.0.1"


class Venue:
    """The shell: sockets, time, and the way between them and the cores."""

    def __init__(self, options: Options, flow: Flow, folder: Path) -> None:
        self._options = options
        self._inbound = Inbound(folder if options.out else None)
        self._lines = ClientLines(
            Outbound(folder if options.out else None),
            lambda: self._stop(EXIT_NOT_CLEAN),
            options.fix_version,
        )
        self._parts = Parts(options, flow, self._lines, self._lines.reference, note=self._inbound.note)
        self._lines.bind(self._parts)
        if options.drop_copy_port is not None:
            self._parts.director.copied = self._lines.copy
        self._folder = folder
        self._code = EXIT_DONE
        self._runtime: Runtime | None = None
        self._acceptor: Acceptor | None = None
        self._gate: LockstepServer | None = None
        self._lockstep: Lockstep | None = None
        self._started_ns: int | None = None  # monotonic instant of the window's begin
        self._ended = False
        self._finished = False  # the books are closed: nothing may happen any more
        self._waiting_since_s = 0.0

    # --- life ---------------------------------------------------------------------------------------

    async def main(self, runtime: Runtime) -> int:
        """Serve until told to stop; return the exit code."""
        self._runtime = runtime
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        try:
            await self._listen(loop)
        except (EngineError, OSError) as error:
            print(f"steadyhand venue: {error}", file=sys.stderr)
            self._close()
            return EXIT_NOT_CLEAN
        self._announce_ready()
        Commands(self.start, lambda: self._stop(EXIT_DONE), self._stdin_gone).listen(loop)
        if self._options.start_now:
            self.start()
        loop.call_later(INTERVAL_NS / NS, self._tell_reference)
        await runtime.stopping.wait()
        self._finish()
        if runtime.signal_no == signal.SIGINT and self._code == EXIT_DONE:
            return EXIT_INTERRUPTED
        return self._code

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        o = self._options
        tap = self._folder / LOG_FILE if o.out else None
        try:
            self._itch_port = await self._parts.server.start(LOCALHOST, o.itch_port)
        except OSError as error:
            what = "is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            raise EngineError(
                f"ITCH port {o.itch_port}: {what}; stop what holds it or choose another (0 = any)"
            ) from None
        if o.lockstep_socket is not None:
            self._lockstep = Lockstep(
                self._parts.exchange,
                self._parts.director,
                self._parts.prices,
                self,
                Latency(o.order_latency_ns, o.feed_latency_ns),
                o.seed,
                self._window_over,
            )
            self._lines.lockstep_report = self._lockstep.report
            self._gate = LockstepServer(self._lockstep.gate_idle, self._gate_came)
            with umask_private():
                await self._gate.start(o.lockstep_socket)
            loop.call_later(1.0, self._watch_gate)
        self._acceptor, self._lines.faulty = await acceptor(
            o, self._folder, tap, self._inbox, self._logon, loop
        )
        self._lines.acceptor = self._acceptor

    def start(self, anchor_mono_ns: int | None = None) -> None:
        """Begin market time: the window's first instant is at `anchor_mono_ns`, None = now."""
        if self._started_ns is not None:
            log.warning("started_already")
            return
        anchor_mono_ns = time.monotonic_ns() if anchor_mono_ns is None else anchor_mono_ns
        self._started_ns = anchor_mono_ns
        anchor = {
            "anchor_ts_ns": self._options.window[0],
            "anchor_mono_ns": anchor_mono_ns,
            "speed": self._options.speed,
        }
        if self._lockstep is None:
            logs.announce("started", anchor=anchor)
            self._wake()
        else:
            self._waiting_since_s = time.monotonic()
            self._begin_lockstep()

    def _finish(self) -> None:
        """Say what happened, write it down, close everything."""
        parts, exchange = self._parts, self._parts.exchange
        if self._lockstep is not None and exchange.opened and not parts.ems.table.working():
            # When the stop came is an accident; that the tape of a run is whole is not.
            parts.director.advance(max(exchange.window[1], exchange.now_ns))
        if exchange.opened:
            self._inbound.note(exchange.now_ns, "close", "")
            parts.publisher.close(min(exchange.now_ns, exchange.window[1]))
        self._inbound.close()
        self._lines.record.close()
        parts.publisher.release_all()
        self._finished = True
        parts.server.end_session()
        account = account_of(self._options, parts, self._lines.record)
        if self._options.out is not None:
            record.write(self._folder, account, parts.store)
        logs.announce("summary", **record.summary(account))
        self._close()

    def _close(self) -> None:
        if self._gate is not None:
            self._gate.close()
        self._parts.server.close()
        if self._acceptor is not None:
            self._acceptor.stop()

    def _stop(self, code: int) -> None:
        self._code = max(self._code, code)
        if self._runtime is not None and not self._runtime.stopping.is_set():
            self._runtime.stop()

    def _broken(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Our own error in a callback: stop, never go on in a wrong state."""
        log.error("stopped_by_an_error", what=context.get("message"), exc_info=context.get("exception"))
        self._stop(EXIT_NOT_CLEAN)

    # --- time ---------------------------------------------------------------------------------------

    def _market_ns(self) -> int:
        """Return market time, the window's begin before it."""
        begin_ns = self._options.window[0]
        if self._started_ns is None:
            return begin_ns
        elapsed_ns = time.monotonic_ns() - self._started_ns
        return begin_ns + max(0, int(elapsed_ns * self._options.speed))

    def _play(self) -> None:
        """Realtime: let happen what is due."""
        if self._finished or self._started_ns is None or time.monotonic_ns() < self._started_ns:
            return
        exchange = self._parts.exchange
        if not exchange.opened:
            self._inbound.note(exchange.window[0], "open", "")
            self._parts.director.open()
        now_ns = self._market_ns()
        self._parts.director.advance(now_ns)
        self._parts.server.publish()
        if now_ns >= exchange.window[1]:
            self._window_over()

    def _wake(self) -> None:
        self._play()
        now_ns = self._market_ns()
        next_ns = min(self._parts.exchange.next_ts_ns(), self._parts.director.next_due_ns)
        wait_ns = int((min(next_ns, now_ns + NS * 3_600) - now_ns) / self._options.speed)
        wait_ns = min(max(wait_ns, WAKE_NS), WAKE_NS_MAX)
        asyncio.get_running_loop().call_later(wait_ns / NS, self._wake)

    def _window_over(self) -> None:
        if not self._ended:
            self._ended = True
            logs.announce("ended")

    def _tell_reference(self) -> None:
        if self._lockstep is None:
            self._parts.prices.tell(time.monotonic_ns())
            asyncio.get_running_loop().call_later(INTERVAL_NS / NS, self._tell_reference)

    # --- FIX ----------------------------------------------------------------------------------------

    def _inbox(self, name: str, message: Message) -> None:
        """Take what the engine hands over, on the loop."""
        if self._finished:
            return
        if name == DROP_COPY:  # it only listens
            if isinstance(message, LoggedOn):
                self._lines.send_copies()
            return
        match message:
            case Received(raw=raw, n=n) if n:
                self._received(name, raw, n)
            case LoggedOn(fields=fields):
                log.info("logged_on", session=name)
                self._logged_on(name, fields)
            case LoggedOut(reason=reason):
                log.info("logged_out", session=name, reason=reason)
                self._logged_out(name)
            case Alarm(text=text, fatal=fatal):
                log.error("fix_alarm", text=text)
                if fatal:
                    self._stop(EXIT_NOT_CLEAN)

    def _received(self, name: str, raw: str, n: int) -> None:
        if self._lockstep is not None:
            (self._lockstep.order if name == ORDER else self._lockstep.reference)(raw, n)
            return
        self._play()
        (self._parts.director if name == ORDER else self._parts.prices).request(raw)
        self._parts.server.publish()

    def _logon(self, name: str) -> AnswerToLogon | None:
        """A client logs on; the scenario may have another answer than a Logon."""
        if name == DROP_COPY:
            return None
        self._play_if_realtime()
        return self._parts.director.logon(name)

    def _logged_on(self, name: str, fields: dict[str, str]) -> None:
        if self._lockstep is not None:
            self._lockstep.logged_on(0 if name == ORDER else 1)
        if self._lines.faulty is None:
            self._logon(name)
        if name == ORDER:
            self._lines.client_came(fields)
        self._begin_lockstep()

    def _logged_out(self, name: str) -> None:
        self._play_if_realtime()
        self._parts.director.logout(name)
        if name == REFERENCE:
            self._parts.prices.forget()
        elif self._lines.client_went():
            count = self._parts.director.cancel_all("cancel on disconnect")
            self._parts.server.publish()
            log.warning("canceled_on_disconnect", orders=count)

    def _play_if_realtime(self) -> None:
        if self._lockstep is None:
            self._play()

    def send_report(self, body: str) -> None:
        """Send on the order session, or keep it until the client is back."""
        self._lines.send_report(body)

    # --- lockstep -----------------------------------------------------------------------------------

    def sent(self) -> tuple[int, int]:
        """Application messages sent since logon on the order and the reference session."""
        assert self._acceptor is not None, "lockstep runs after the acceptor has started"
        return self._acceptor.sent(ORDER), self._acceptor.sent(REFERENCE)

    def publish(self) -> None:
        """Push what became visible of the feed."""
        self._parts.server.publish()

    def advance(self, message: LockAdvance) -> None:
        """Tell the gate that time went on."""
        self._waiting_since_s = time.monotonic()
        if self._gate is not None:
            self._gate.send(message)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after so much wall time, unless the books are closed by then."""
        asyncio.get_running_loop().call_later(seconds, lambda: None if self._finished else act())

    def _gate_came(self) -> None:
        if self._lockstep is None:
            return
        if self._lockstep.running:
            self._lockstep.resume()
        else:
            self._begin_lockstep()

    def _begin_lockstep(self) -> None:
        """Begin once started, the gate is here and both sessions are up (or will not come)."""
        lockstep, gate, fix = self._lockstep, self._gate, self._acceptor
        if lockstep is None or gate is None or fix is None or lockstep.running:
            return
        if self._started_ns is None or not gate.connected:
            return
        up = fix.logged_on(ORDER) and fix.logged_on(REFERENCE)
        if up or time.monotonic() - self._waiting_since_s > SESSIONS_S:
            logs.announce("started", anchor=None)
            self._inbound.note(self._options.window[0], "open", "")
            lockstep.begin()

    def _watch_gate(self) -> None:
        """Each second: begin late, or give up a gate that does not answer or is not there."""
        lockstep, gate = self._lockstep, self._gate
        assert lockstep is not None, "watched in lockstep only"
        assert gate is not None, "watched in lockstep only"
        self._begin_lockstep()
        silent_s = time.monotonic() - self._waiting_since_s
        if lockstep.running and gate.connected and silent_s > ANSWER_S:
            log.error("gate_silent", tick=lockstep.tick, seconds=round(silent_s))
            print(f"steadyhand venue: the gate has not answered tick {lockstep.tick}", file=sys.stderr)
            self._stop(EXIT_NOT_CLEAN)
        elif self._started_ns is not None and not gate.connected and silent_s > self._options.gate_wait_s:
            log.error("gate_absent", tick=lockstep.tick, seconds=round(silent_s))
            print(f"steadyhand venue: {self._gate_absent()}", file=sys.stderr)
            self._stop(EXIT_NOT_CLEAN)
        asyncio.get_running_loop().call_later(1.0, self._watch_gate)

    def _gate_absent(self) -> str:
        o = self._options
        what = "did not come back to" if self._lockstep and self._lockstep.running else "has not come to"
        return (
            f"lockstep: a gate {what} {o.lockstep_socket} in {o.gate_wait_s} s; "
            "start one with this clock.lockstep_socket, or wait longer with --gate-wait-s"
        )

    # --- stdin and stdout ---------------------------------------------------------------------------

    def _announce_ready(self) -> None:
        assert self._acceptor is not None, "announced after the acceptor has started"
        socket = self._options.lockstep_socket
        endpoints = {
            "fix": self._acceptor.port(ORDER),
            "reference": self._acceptor.port(REFERENCE),
            "itch": self._itch_port,
            "mold": self._parts.server.mold,
            "glimpse": self._parts.server.glimpse,
            "lockstep": str(socket) if socket else None,
        }
        if self._options.drop_copy_port is not None:
            endpoints["drop_copy"] = self._acceptor.port(DROP_COPY)
        logs.announce("ready", endpoints=endpoints, window=list(self._options.window))

    def _stdin_gone(self) -> None:
        """Whoever was to start this venue is gone."""
        if not self._options.start_now:
            log.warning("stdin_closed")
            self._stop(EXIT_DONE)
