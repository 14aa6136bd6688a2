"""What the engine knows of one session; written where quickfix works, read by the loop."""

from pathlib import Path
from typing import Any, Final, NamedTuple

from gateways.fix.inbound import seq_num
from gateways.fix.numbers import SequenceNumbers
from gateways.fix.sessions import NO_OFFSET, Alive, Message, Received, SessionSpec
from gateways.fix.wire import SOH

RESEND_REQUEST: Final = "2"
HANDED_OVER: Final = ("3", "4")  # Reject, SequenceReset
POSS_DUP: Final = f"{SOH}43=Y{SOH}"
# What quickfix says of every connection; it comes after the reason of a refusal and must not hide it.
ROUTINE: Final = (
    "Created session",
    "Connecting to",
    "Initiated logon",
    "Received logout",
    "Sending logout",
    "Disconnecting",
)


class SessionState:
    """Counters and flags, each written by one thread only."""

    def __init__(self, spec: SessionSpec) -> None:
        self.spec = spec
        self.id_text = f"{spec.version}:{spec.sender_comp_id}->{spec.target_comp_id}"  # as quickfix writes it
        self.session_id: Any = None  # quickfix's
        self.session: Any = None  # quickfix's
        self.numbers: SequenceNumbers | None = None
        self.port = spec.port
        self.logged_on = False
        self.sent = 0
        self.received = 0
        self.logon_fields: dict[str, str] = {}
        self.reason = ""
        self.resend_asked: Received | None = None  # the last request to send again

    def keep_numbers(self, folder: Path) -> None:
        """Keep its sequence numbers in a file, and go on with those that stand there."""
        self.numbers = numbers = SequenceNumbers(folder / f"{self.spec.name}.numbers")
        numbers.set_theirs(min(numbers.theirs, self.spec.theirs_at_most or numbers.theirs))

    def take(self, session: Any) -> None:
        """Be quickfix's session, with the numbers that were kept."""
        self.session = session
        if self.numbers is not None:
            session.setNextSenderMsgSeqNum(self.numbers.ours)
            session.setNextTargetMsgSeqNum(self.numbers.theirs)

    def told(self, kind: str, raw: str, mono_ns: int) -> Message:
        """Return what a session message is to us: a Reject and what skips messages, or a sign of life.

        A request to send again is handed over once it has been answered: what is sent after that arrives.
        """
        message = Received(raw, NO_OFFSET, mono_ns, 0)
        if kind == RESEND_REQUEST:
            self.resend_asked = message
        return message if kind in HANDED_OVER else Alive(mono_ns)

    def taken(self, raw: str) -> None:
        """Note the number after an application message that is safe with us; each comes in its turn."""
        if self.numbers is not None:
            self.numbers.set_theirs(seq_num(raw) + 1)

    def counted(self, raw: str) -> None:
        """Note the number that the engine will want next, after a session message."""
        if self.numbers is not None:
            wanted = self.session.getExpectedTargetNum()
            # A Logon or Logout may come with a number ahead of a gap: that gap must still be asked for.
            self.numbers.set_theirs(wanted + 1 if seq_num(raw) == wanted else wanted)

    def said(self, text: str) -> None:
        """Remember why the session ended: the counterparty's word, or the engine's own, not its routine."""
        if text.startswith("Received logon"):
            self.reason = ""  # of an earlier end
        elif not text.startswith(ROUTINE):
            self.reason = text

    def leaves(self, raw: str) -> None:
        """Note the number after the one that is about to leave; what is sent again has an old one."""
        if self.numbers is not None and POSS_DUP not in raw:
            self.numbers.set_ours(seq_num(raw) + 1)


class OwnSend(NamedTuple):
    """The message that a caller is sending just now; told apart from the engine's by its thread."""

    session: SessionState
    thread: int
    is_new_risk: bool
