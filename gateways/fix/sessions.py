"""The words of the FIX engine: what a session is, and what comes out of it. Free of quickfix.

    engine = Engine(Role.INITIATOR, [spec], state_dir, tap, inbox, loop)   # gateways.fix.engine
    inbox(session_name, message)   # on the loop: LoggedOn, LoggedOut, Received, Alive, Missing, Alarm

Two sessions of one process, and two of one acceptor, must differ in their CompIDs: the engine knows
a session by (version, sender, target) alone. So reference prices have a TargetCompID of their own.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

ORDER: Final = "order"
REFERENCE: Final = "reference"
DROP_COPY: Final = "drop_copy"
VENUE_DROP_COPY_COMP_ID: Final = "VENUE-DC"
VENUE_REFERENCE_COMP_ID: Final = "VENUE-MD"  # two sessions of one process must differ
FIX_44: Final = "FIX.4.4"
NO_OFFSET: Final = -1  # of a message that no inbound log holds


class Role(Enum):
    """Who dials."""

    INITIATOR = "initiator"
    ACCEPTOR = "acceptor"


class SessionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One FIX session."""

    name: str
    sender_comp_id: str
    target_comp_id: str
    host: str = "127.0.0.1"  # initiator only; the engine's acceptor listens on every interface
    port: int = 0  # acceptor: 0 = any free one, see `Engine.port`
    version: str = FIX_44
    heartbeat_s: int = 10
    reconnect_s: int = 1
    persist: bool = True  # acceptor: keep what was sent, for resends (a client of ours resends nothing)
    in_memory: bool = False  # sequence numbers do not outlive the process
    theirs_at_most: int = 0  # client: the next number to want, where the one that was kept is higher; 0 = it
    logon_fields: tuple[tuple[int, str], ...] = ()  # added to our Logon(A), e.g. ((7001, "Y"),)
    # Called where the engine reads, before it advances its sequence number; returns the
    # offset of the frame. None: the session is not logged.
    append_inbound: Callable[[bytes], int] | None = None


class LoggedOn(msgspec.Struct, frozen=True):
    """The session is up; `fields` are the counterparty's Logon(A) by tag."""

    fields: dict[str, str]


class LoggedOut(msgspec.Struct, frozen=True):
    """The session is gone, or the dial failed."""

    reason: str


class Received(msgspec.Struct, frozen=True):
    """An application message, or a session-level Reject(3)."""

    raw: str
    offset: int  # of its frame in the inbound log, NO_OFFSET without one
    mono_ns: int  # when the engine handed it over
    n: int  # application messages of this session since logon, this one included; 0 for a Reject(3)
    last: bool = True  # False: another of its session came with it, and is handed over next


class Alive(msgspec.Struct, frozen=True):
    """A heartbeat or test request: the line is live."""

    mono_ns: int
    raw: str = ""


class Missing(msgspec.Struct, frozen=True):
    """A client lacks messages of the counterparty from `begin` on and has asked for them; 0: it has them."""

    begin: int


class Alarm(msgspec.Struct, frozen=True):
    """Something that a person must know; `fatal`: our own code failed in a callback, so halt."""

    text: str
    fatal: bool = False


Message = LoggedOn | LoggedOut | Received | Alive | Missing | Alarm
Inbox = Callable[[str, Message], None]


class EngineError(Exception):
    """The engine cannot start: one line for the operator."""


class UnknownHostError(EngineError):
    """A counterparty's name is not known now: a start that is repeated may find it."""
