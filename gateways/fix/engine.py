"""The FIX engine, for both roles; the only importer of quickfix.

    engine = Engine(Role.INITIATOR, [spec], state_dir, tap, inbox, loop)
    engine.start()                     # EngineError: one line, e.g. a busy port
    engine.logged_on("order")          # our own flag
    engine.send("order", body)         # False: refused here, no sequence number used
    engine.port("order"), engine.sent("order")   # where it listens; messages since logon
    engine.stop()                      # log out, flush; then flush what is yours and os._exit

`body` is `35=..` and the body's fields; the engine adds header, sequence number and checksum.
A client works on the loop's thread (gateways.fix.pump), an acceptor on one of quickfix's. Callbacks append
and post to the loop, take no locks and let no exception out: one would leave a zombie, its heartbeats dead.
quickfix never stores an order for later: offline and resent orders are refused in `toApp`.
"""

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from threading import current_thread, get_ident, main_thread
from typing import Any, Final

from gateways.fix.arrivals import Arrivals
from gateways.fix.guarded import guarded
from gateways.fix.pump import Address, Pump, sockets
from gateways.fix.session_state import OwnSend, SessionState, logon_fault
from gateways.fix.sessions import (
    NO_OFFSET,
    Alarm,
    EngineError,
    Inbox,
    LoggedOn,
    LoggedOut,
    Message,
    Received,
    Role,
    SessionSpec,
)
from gateways.fix.settings import DICTIONARIES, connector_settings, listening_port, session_settings
from gateways.fix.tap import Tap
from gateways.fix.wire import SOH, fields

_SIGINT_BEFORE = signal.getsignal(signal.SIGINT)
import quickfix as fix  # noqa: E402  (between the two: its import resets SIGINT)

if current_thread() is main_thread() and _SIGINT_BEFORE is not None:
    signal.signal(signal.SIGINT, _SIGINT_BEFORE)

PORT_TRIES: Final = 3  # another process may take a free port between our look and quickfix's bind
FAILURES_KEPT: Final = 16  # the first ones tell what broke
# Bodies with groups need the dictionary to keep their order.
GROUPED: Final = ("35=V", "35=W", "35=X", "35=AP")
NEW_RISK: Final = (f"35=D{SOH}", f"35=G{SOH}")  # refused once a callback of ours has failed; cancels still go
STOP_POLL_S: Final = 0.01
STOP_POLLS_MAX: Final = 200  # 2 s for the counterparty's Logout


class _Application(fix.Application):  # type: ignore[misc]
    """quickfix's callbacks. Names are quickfix's."""

    def __init__(self, engine: "Engine") -> None:
        super().__init__()
        self.engine = engine

    def onCreate(self, session_id: Any) -> None:  # noqa: N802
        """Nothing to do."""

    @guarded
    def onLogon(self, session_id: Any) -> None:  # noqa: N802
        """The session is up: numbers of the application messages start anew."""
        session = self.engine.session_of(session_id)
        session.sent = session.received = 0
        session.logged_on = True
        self.engine.post(session, LoggedOn(session.logon_fields))

    @guarded
    def onLogout(self, session_id: Any) -> None:  # noqa: N802
        """Report the end of a session, with the last thing that the engine said of it."""
        session = self.engine.session_of(session_id)
        session.logged_on, session.gap = False, None
        self.engine.post(session, LoggedOut(session.reason))

    @guarded
    def toAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Add our fields to a Logon; tell where the engine rejects a report, or sends nothing again."""
        session = self.engine.session_of(session_id)
        tags = fields(message.toString()) or {}
        if tags.get("35") == "A":
            for tag, value in session.spec.logon_fields:
                message.setField(fix.StringField(tag, value))
        elif tags.get("35") == "3" and tags.get("372") in ("8", "9"):
            text = f"the engine rejected a {tags['372']}: {tags.get('58', '')} (seq {tags.get('45')})"
            self.engine.post(session, Alarm(text))
        elif self.engine.role is Role.INITIATOR:
            self.engine.post(session, session.asks(tags.get("35", ""), time.monotonic()))

    @guarded
    def toApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Last word on what leaves: our own sends on their thread, the rest on the engine's."""
        own = self.engine.own_send
        if own is not None and get_ident() == own.thread:
            if not own.session.logged_on or (self.engine.halted and own.is_new_risk):
                raise fix.DoNotSend
            own.session.sent += 1
        elif message.getHeader().isSetField(43):
            if self.engine.role is Role.INITIATOR:
                raise fix.DoNotSend  # an order is never sent again; the engine fills the gap
        else:
            session = self.engine.session_of(session_id)
            session.sent += 1
            self.engine.post(session, Alarm("the engine refused a message of the counterparty (j)"))

    @guarded
    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Note that the line lives; keep the Logon; hand over a Reject, and what skips messages."""
        session = self.engine.session_of(session_id)
        mono_ns = time.monotonic_ns()
        raw = message.toString()
        tags = fields(raw) or {}
        kind = tags.get("35")
        if kind == "A":
            fault = logon_fault(tags) if self.engine.role is Role.ACCEPTOR else ""
            if fault:
                raise fix.RejectLogon(fault)
            session.logon_fields = tags
        elif kind == "5":
            session.reason = tags.get("58", "the counterparty logged out")
        else:
            self.engine.post(session, session.told(kind or "", raw, mono_ns))
        session.counted(kind or "", raw)

    @guarded
    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802, ARG002
        """Log, then hand over; the engine advances its number only after this returns."""
        session = self.engine.reading
        mono_ns = time.monotonic_ns()
        raw = message.toString()
        offset = self.logged(session, raw)
        if offset is not None:
            session.taken(raw)
        session.received += 1
        # A log that fails halts us, but the shares of this message are ours all the same.
        place = NO_OFFSET if offset is None else offset
        self.engine.post(session, Received(raw, place, mono_ns, session.received))

    @guarded
    def logged(self, session: SessionState, raw: str) -> int | None:
        """Append to the inbound log; None where that failed: it is asked for again after a restart."""
        append = session.spec.append_inbound
        return NO_OFFSET if append is None else append(raw.encode("utf-8", "surrogateescape"))


class _Log(fix.Log):  # type: ignore[misc]
    """Raw bytes as they were, before any validation."""

    def __init__(self, engine: "Engine", session: SessionState | None) -> None:
        super().__init__()
        self.engine = engine
        self.session = session

    def clear(self) -> None:
        """Keep everything: the tap is a record."""

    backup = clear

    @guarded
    def onIncoming(self, raw: str) -> None:  # noqa: N802
        """Record what comes, and whose it is."""
        if self.session is not None:
            self.engine.reading = self.session
            self.engine.post(self.session, self.session.reads(raw))
        self.engine.tapped("IN", raw)

    @guarded
    def onOutgoing(self, raw: str) -> None:  # noqa: N802
        """Note the number, then record what leaves."""
        if self.session is not None:
            self.session.leaves(raw)
        self.engine.tapped("OUT", raw)

    @guarded
    def onEvent(self, text: str) -> None:  # noqa: N802
        """Remember the engine's last word, the reason of a later logout."""
        if self.session is not None:
            self.session.said(text)
        if self.engine.pump is not None:
            self.engine.pump.changed = True


class _LogFactory(fix.LogFactory):  # type: ignore[misc]
    """Makes logs that quickfix owns and we keep: without both, a double free (FIX engine's habit)."""

    def __init__(self, engine: "Engine") -> None:
        super().__init__()
        self.engine = engine

    def create(self, *session_id: Any) -> _Log:
        """Return a log for a session, or the global one."""
        log = _Log(self.engine, self.engine.session_of(session_id[0]) if session_id else None)
        log.__disown__()
        self.engine.kept.append(log)
        return log

    def destroy(self, log: Any) -> None:
        """Keep it: the process ends by os._exit."""


class Engine:
    """One quickfix initiator or acceptor with its sessions."""

    REFUSAL: Final = fix.DoNotSend  # of a callback that failed
    WORDS: Final = (fix.DoNotSend, fix.RejectLogon)  # that quickfix hears from us

    def __init__(
        self,
        role: Role,
        sessions: list[SessionSpec],
        state_dir: Path,
        tap: Path | None,
        inbox: Inbox,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.role = role
        self.halted = False
        self.failures: list[str] = []
        self.own_send: OwnSend | None = None
        self.reading: SessionState  # whose message the engine is at: its log hears of it first
        self._sessions = {spec.name: SessionState(spec) for spec in sessions}
        self.by_id = {s.id_text: s for s in self._sessions.values()}
        if len(self.by_id) != len(sessions):
            raise EngineError("two FIX sessions of one process must differ in their CompIDs")
        self._state_dir = state_dir
        self._tap = Tap(tap) if tap is not None else None
        self._inbox, self._loop = inbox, loop
        self._arrivals = Arrivals(inbox, loop)  # a client's
        self._connector: Any = None
        self.pump: Pump | None = None  # a client's; an acceptor has a thread of quickfix's
        self.kept: list[Any] = []  # what quickfix points to must live as long as it does
        self._dictionaries = {s.version: fix.DataDictionary(str(DICTIONARIES[s.version])) for s in sessions}

    def start(self) -> None:
        """Begin to dial or to listen.

        Raises:
            EngineError: the port is busy, or the settings are refused.

        """
        for attempt in range(PORT_TRIES):
            for session in self._sessions.values():
                if self.role is Role.ACCEPTOR:
                    session.port = listening_port(session.spec.port)
            try:
                self.prepare()
                (self.pump or self._connector).start()  # an acceptor's says here that its port is taken
                return
            except (fix.ConfigError, fix.RuntimeError) as error:
                fixed = self.role is Role.INITIATOR or all(s.spec.port for s in self._sessions.values())
                if fixed or attempt == PORT_TRIES - 1:
                    raise EngineError(f"the FIX engine does not start: {error}") from None

    def stop(self) -> None:
        """Log out and flush; the process must then end by os._exit.

        quickfix's own stop is not called: an acceptor's closes its server from two threads at once and
        crashes about one time in six, an initiator's waits a second, and the interpreter's exit after
        either crashes too.
        """
        if self._connector is not None:
            self._log_out_all()
        if self._tap is not None:
            self._tap.sync()

    def _log_out_all(self) -> None:
        """Say Logout at once, not at the engine's next second, and wait, bounded, for the answer."""
        for name in self._sessions:
            self.logout(name)
        self._keep_time()
        for _ in range(STOP_POLLS_MAX):
            if not any(session.logged_on for session in self._sessions.values()):
                return
            time.sleep(STOP_POLL_S)
            if self.pump is not None:
                self.pump.poll()

    def _keep_time(self) -> None:
        """Send and expect heartbeats, and what was asked for again."""
        for session in self._sessions.values():
            if session.logged_on:
                session.session.next(fix.UtcTimeStamp())
                self.post(session, session.waits(time.monotonic()))

    def send(self, name: str, body: str) -> bool:
        """Send a pre-encoded body; False is a definite local refusal."""
        session = self._sessions[name]
        if not session.logged_on:
            return False
        if body.startswith(GROUPED):
            # The dictionary closes a group at the first field outside it, so end with a trailer field.
            message = fix.Message(f"{body}10=000{SOH}", self._dictionaries[session.spec.version], False)
        else:
            message = fix.Message(body, False)
        self.own_send = OwnSend(session, get_ident(), body.startswith(NEW_RISK))
        try:
            return bool(fix.Session.sendToTarget(message, session.session_id))
        except fix.SessionNotFound:
            return False
        finally:
            self.own_send = None

    def logged_on(self, name: str) -> bool:
        """Return whether a session can carry orders now."""
        return self._sessions[name].logged_on

    def port(self, name: str) -> int:
        """Return where an acceptor's session listens."""
        return self._sessions[name].port

    def sent(self, name: str) -> int:
        """Return how many application messages were sent since logon."""
        return self._sessions[name].sent

    def numbers(self, name: str) -> tuple[int, int]:
        """Return the next sequence numbers (ours, theirs)."""
        session = self._sessions[name].session
        return session.getExpectedSenderNum(), session.getExpectedTargetNum()

    def logout(self, name: str, reason: str = "") -> None:
        """Log a session out, for the rest of this process's life or until `logon`."""
        self._sessions[name].session.logout(reason)

    def logon(self, name: str) -> None:
        """Let a session dial again that was logged out."""
        self._sessions[name].session.logon()

    def session_of(self, session_id: Any) -> SessionState:
        """Return the session of quickfix's id."""
        return self.by_id[session_id.toString()]

    def post(self, session: SessionState, message: Message | None) -> None:
        """Hand a message to the loop, if it is one; after the loop has closed there is nobody to tell."""
        if message is None:
            return
        if self.pump is not None:
            self._arrivals.post(session.spec.name, message)
            return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._inbox, session.spec.name, message)

    def failed(self, where: str, error: BaseException) -> None:
        """Halt: our own code failed inside a callback."""
        self.halted = True
        text = f"{where}: {error!r}"
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(text)
            for session in self._sessions.values():
                self.post(session, Alarm(text, fatal=True))

    def tapped(self, direction: str, raw: str) -> None:
        """Record raw bytes."""
        if self._tap is not None:
            self._tap.write(direction, raw)

    def prepare(self) -> None:
        """Build quickfix's side. Until it is started there is no socket, no port and no thread."""
        settings = fix.SessionSettings()
        settings.set(dictionary_of(connector_settings(s.spec for s in self._sessions.values())))
        self._state_dir.mkdir(parents=True, exist_ok=True)
        addresses: set[Address] = set()
        for session in self._sessions.values():
            spec = session.spec
            session.session_id = fix.SessionID(spec.version, spec.sender_comp_id, spec.target_comp_id)
            values = session_settings(self.role, spec, session.port, self._state_dir)
            settings.set(session.session_id, dictionary_of(values))
            addresses.add((values.get("SocketConnectHost", ""), session.port))
            if self.role is Role.INITIATOR and not spec.in_memory:
                session.keep_numbers(self._state_dir)
        # A client of ours resends nothing, so its numbers are all that must outlive the process.
        in_memory = self.role is Role.INITIATOR or all(s.spec.in_memory for s in self._sessions.values())
        store = fix.MemoryStoreFactory() if in_memory else fix.FileStoreFactory(settings)
        application, logs = _Application(self), _LogFactory(self)
        kind = fix.SocketInitiator if self.role is Role.INITIATOR else fix.SocketAcceptor
        before = sockets()
        connector = kind(application, store, settings, logs)
        if self.role is Role.INITIATOR:
            self.pump = Pump(connector, addresses, sockets() - before, self._keep_time, self._loop)
        self.kept += [settings, store, application, logs, connector]
        for session in self._sessions.values():
            session.take(fix.Session.lookupSession(session.session_id))
        self._connector = connector


def dictionary_of(values: dict[str, str]) -> Any:
    """Return settings as quickfix takes them."""
    texts = fix.Dictionary()
    for key, value in values.items():
        texts.setString(key, value)
    return texts
