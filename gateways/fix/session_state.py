"""What the engine knows of one session; written where quickfix works, read by the loop."""

from pathlib import Path
from typing import Any, Final, NamedTuple

from gateways.fix.inbound import seq_num
from gateways.fix.numbers import SequenceNumbers
from gateways.fix.sessions import NO_OFFSET, Alive, Message, Missing, Received, SessionSpec
from gateways.fix.wire import SOH, read_int

RESEND_REQUEST: Final = "2"
SEQUENCE_RESET: Final = "4"
HANDED_OVER: Final = ("3", SEQUENCE_RESET)  # Reject
# quickfix counts these two whatever their number is; ahead of a gap, what they ran ahead of would be lost.
COUNTED_ALWAYS: Final = ("3", "5")
POSS_DUP: Final = f"{SOH}43=Y{SOH}"
HEARTBEAT_S_MAX: Final = 3_600  # of a client; a line that is looked at less than hourly is not looked at
GAP_WAIT_S: Final = 5.0  # for the next of the messages that were asked for; who has them sends them at once
# What quickfix says of every connection; it comes after the reason of a refusal and must not hide it.
ROUTINE: Final = (
    "Created session",
    "Connecting to",
    "Initiated logon",
    "Received logout",
    "Sending logout",
    "Disconnecting",
)


class Gap(NamedTuple):
    """Messages that we lack, and have asked for."""

    until: int  # the number of the one that showed it
    wanted: int  # the first that is missing
    since_s: float  # since when it is this one


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
        self.last_in = ""  # the message that was read last, whether it came in its turn or not
        self.gap: Gap | None = None

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
        return message if kind in HANDED_OVER else Alive(mono_ns, raw)

    def asks(self, kind: str, mono_s: float) -> Message | None:
        """Return what it means to us that the engine asks for what it lacks, or will not send again."""
        if kind == RESEND_REQUEST:  # below the message that it read last; it asks once
            wanted = self.session.getExpectedTargetNum()
            self.gap = Gap(seq_num(self.last_in), wanted, mono_s)
            return Missing(wanted)
        return self.resend_asked if kind == SEQUENCE_RESET else None

    def reads(self, raw: str) -> Message | None:
        """Note a message before the engine looks at it; return that none is missing any more."""
        self.last_in = raw
        return self._whole()

    def waits(self, mono_s: float) -> Message | None:
        """Return that none is missing any more; break a line on which what was asked for does not come.

        Whatever follows would wait for it, unseen.
        """
        told = self._whole()
        wanted, last = self.session.getExpectedTargetNum(), seq_num(self.last_in)
        if self.gap is None and last > wanted:
            # A hole right behind one that a gap fill closed: quickfix says that it has asked, and has not.
            self.gap = Gap(last, wanted, mono_s)
            return Missing(wanted)
        if self.gap is None:
            return told
        if wanted != self.gap.wanted:
            self.gap = Gap(self.gap.until, wanted, mono_s)
        elif mono_s - self.gap.since_s > GAP_WAIT_S:
            self.reason = f"messages from {wanted} on were asked for and not sent again"
            self.session.disconnect()
        return None

    def _whole(self) -> Message | None:
        if self.gap is None or self.session.getExpectedTargetNum() < self.gap.until:
            return None
        self.gap = None
        return Missing(0)

    def taken(self, raw: str) -> None:
        """Note the number after an application message that is safe with us; each comes in its turn."""
        if self.numbers is not None:
            self.numbers.set_theirs(seq_num(raw) + 1)

    def counted(self, kind: str, raw: str) -> None:
        """Note the number that the engine will want next, after a session message."""
        wanted = self.session.getExpectedTargetNum()
        in_turn = seq_num(raw) == wanted
        if kind in COUNTED_ALWAYS and not in_turn:
            self.session.setNextTargetMsgSeqNum(wanted - 1)  # it adds 1 when this returns
        if self.numbers is not None:
            # A Logon or Logout may come with a number ahead of a gap: that gap must still be asked for.
            self.numbers.set_theirs(wanted + 1 if in_turn else wanted)

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


def logon_fault(tags: dict[str, str]) -> str:
    """Return why a client's Logon is not answered by one, "" where it is."""
    if tags.get("98", "0") != "0":
        return "EncryptMethod(98) is not 0: no encryption here"
    if not 1 <= (read_int(tags.get("108", ""), 9) or 0) <= HEARTBEAT_S_MAX:
        return f"HeartBtInt(108) is not 1 to {HEARTBEAT_S_MAX}"
    return ""


class OwnSend(NamedTuple):
    """The message that a caller is sending just now; told apart from the engine's by its thread."""

    session: SessionState
    thread: int
    is_new_risk: bool
