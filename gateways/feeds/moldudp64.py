"""MoldUDP64: a sequenced feed over UDP on two lines, made whole again.

`Arbiter` is pure: datagrams and times in, calls to a `FeedListener` and requests out. The same packets come
on every line; the first copy of each message counts. What is missing is first waited for (the other
line may bring it), then asked for, and while it is missing the feed is down: nobody decides on a book
with a hole. UDP proves nothing: a datagram that makes no sense is counted and forgotten, a number that its
line does not come back to is not believed for long, and two copies that differ are a loss, since one lies.

    arbiter = Arbiter(listener, lines=2)
    arbiter.receive(arbiter.lines[0], datagram, mono_ns)
    for request in arbiter.due(mono_ns): send(request)     # every few milliseconds while there is a gap
"""

import struct
from enum import IntEnum
from heapq import heappop, heappush
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateways.feeds.listener import FeedListener
from gateways.feeds.moldudp64_copies import Copies, alike
from gateways.feeds.moldudp64_kernels import HEADER_BYTES, sequenced_packets
from gateways.feeds.moldudp64_lines import WORD_NS, Line, named, other_session, successor
from market.types import MS

HEADER: Final = struct.Struct(">10sQH")
HEARTBEAT: Final = 0  # in place of a count
END_OF_SESSION: Final = 0xFFFF
DATAGRAM_BYTES_MAX: Final = 65_507  # of UDP over IPv4; exchanges stay below 1,500
# Copies of a packet come microseconds apart; what neither line has brought by then is lost on both.
ARBITRATION_NS: Final = 2 * MS
RETRY_NS: Final = 50 * MS  # a loopback or a machine room answers in less than one
TRIES_MAX: Final = 40  # two seconds of asking; after that only a snapshot helps
REQUEST_MESSAGES_MAX: Final = 1_000  # of one request: some 40 datagrams of an answer
# Every line is behind us for longer than a heartbeat: what we took was not theirs.
AHEAD_NS: Final = 1_500 * MS
# A second of 100,000 messages at 40 bytes, while an older one is asked for; beyond it a snapshot is cheaper.
HELD_BYTES_MAX: Final = 4 << 20


class Refusal(IntEnum):
    """Why a datagram was forgotten."""

    SHORT = 0  # no header, or a count that does not fit the bytes
    SESSION = 1  # another session's, or a name that nobody can write
    RANGE = 2  # sequence numbers from 1 up, and below 2**63
    ENDED = 3  # after the session's end, or an end before what has come
    UNASKED = 4  # an answer beyond what was asked for


class Gap(msgspec.Struct):
    """Messages that no line has brought, while later ones wait."""

    since_mono_ns: int
    seq: int  # the first that is missing
    told: bool = False  # the listener knows
    tries: int = 0
    asked_mono_ns: int = 0
    asked_to: int = 0  # the sequence number behind what was asked for last


class Counters(msgspec.Struct):
    """What became of everything."""

    gaps: int = 0  # that outlived the wait for the other line
    recovered: int = 0  # gaps that were filled
    requests: int = 0
    refused: dict[int, int] = {}  # by `Refusal`
    overflows: int = 0  # datagrams that found no room behind a gap
    snapshots: int = 0  # losses that a snapshot mended
    contradictions: int = 0  # messages of which two copies differed
    disowned: int = 0  # datagrams that were held, at numbers that no line speaks of any more
    sessions: int = 0  # that came in place of another


class Arbiter:
    """Lines in, one sequence out.

    `lost` says why requests do not help any more: it keeps what comes, tells nobody, and waits for `resume`.
    """

    def __init__(self, listener: FeedListener, lines: int = 2, session: str = "", next_seq: int = 1) -> None:
        """`session` blank: that of the first datagram. `next_seq` 0: from what comes first."""
        self.next_seq = next_seq
        self.session = session.rjust(10).encode("ascii") if session else b""
        self.lines = [Line() for _ in range(lines)]
        self.answers = Line()  # what we asked for
        self.counters = Counters()
        self.ended = False
        self.lost = ""  # why only a snapshot or a new start helps
        self.gap: Gap | None = None
        self._listener = listener
        self._up = False
        self._end_seq = 0  # where the session ends; 0 = not known
        self._end_mono_ns = 0
        self._known_seq = 0  # the sequence number that the publisher is at, by its last word
        self._ahead_mono_ns = 0  # since when we are ahead of it; 0 = we are not
        self._held: dict[int, tuple[int, bytes]] = {}  # first sequence number: messages, datagram
        self._order: list[int] = []  # a heap of its keys
        self._held_bytes = 0
        self._held_end = 0  # behind the last of them
        self._copies = Copies()
        self._out: NDArray[np.uint8] = np.zeros(DATAGRAM_BYTES_MAX * 3 // 2, dtype=np.uint8)

    def receive(self, line: Line, datagram: bytes, mono_ns: int) -> None:
        """Take a datagram that came on one of `lines`, or among `answers`."""
        if len(datagram) < HEADER_BYTES or len(datagram) > DATAGRAM_BYTES_MAX:
            self._forget(Refusal.SHORT)
            return
        session, seq, count = HEADER.unpack_from(datagram)
        if not 1 <= seq < 2**63 - END_OF_SESSION:
            self._forget(Refusal.RANGE)
            return
        if session != self.session and (self.session or not named(session)):
            line.carries(session, mono_ns)
            self._forget(Refusal.SESSION)
            return
        messages = 0 if count == END_OF_SESSION else count
        next_seq = self.next_seq or seq
        used = self._unpack(datagram, messages, max(0, next_seq - seq))
        if used < 0:
            self._forget(Refusal.SHORT)
            return
        if line is self.answers:
            if seq + messages > max(next_seq, self.gap.asked_to if self.gap is not None else 0):
                self._forget(Refusal.UNASKED)
                return
        elif not self._heard(line, seq, count, mono_ns):
            repeated = min(messages, max(0, self.next_seq - seq))
            if repeated and not self.lost:
                self._differs(seq, repeated, datagram)
            return
        self.session = session
        if not self.lost:
            self.next_seq = next_seq
        line.packets += 1
        self._take(line, seq, messages, datagram, used, mono_ns)
        if self.lost:
            return
        self._settle(mono_ns)
        if not messages and seq == self.next_seq and self.gap is None and self._up and not self.ended:
            self._listener.feed_idle(self.next_seq, mono_ns)

    def _heard(self, line: Line, seq: int, count: int, mono_ns: int) -> bool:
        """Take a line's word on where the publisher is, or has ended; return whether the datagram counts."""
        if count == END_OF_SESSION:
            if seq < self.next_seq:
                self._forget(Refusal.ENDED)
                return False
            self._end_seq, self._end_mono_ns = seq, mono_ns
        elif self._end_seq:
            # Who ends says nothing else any more: one who goes on has not ended.
            if seq + count > self._end_seq or mono_ns - self._end_mono_ns >= WORD_NS:
                self._end_seq, self.ended = 0, False
            elif self.ended:
                self._forget(Refusal.ENDED)
                return False
        line.says(seq + (count if count != END_OF_SESSION else 0), mono_ns)
        self._believe(mono_ns)
        return True

    def _believe(self, mono_ns: int) -> None:
        """Believe the highest word of a line that has come back to it lately; the last one where none has."""
        said = [line.said_seq for line in self.lines if mono_ns - line.said_mono_ns < AHEAD_NS]
        self._known_seq = max(said, default=self._known_seq)

    def _take(self, line: Line, seq: int, messages: int, datagram: bytes, used: int, mono_ns: int) -> None:
        """Pass on what is new in a datagram and due, keep what is early, compare what is repeated."""
        repeated = min(messages, max(0, self.next_seq - seq))
        line.repeated += repeated
        if repeated and not self.lost and self._differs(seq, repeated, datagram):
            return
        if not used:
            return
        if seq <= self.next_seq and not self.lost:
            line.first += messages - repeated
            self._pass_on(seq, messages, datagram, used, mono_ns)
            self._release(mono_ns)
        else:
            line.first += self._hold(seq, messages, datagram)

    def due(self, mono_ns: int) -> list[bytes]:
        """Return the requests to be sent now; declare what has been missing or silent for too long."""
        if self.ended or self.lost:
            return []
        if self._up and all(line.silent(mono_ns) for line in self.lines):
            self._down("every line is silent" + self._other(mono_ns))
        if self._up and self._ahead_mono_ns and mono_ns - self._ahead_mono_ns >= AHEAD_NS:
            self._down(f"every line is at {self._known_seq}, and we have messages up to {self.next_seq - 1}")
        if self.gap is not None:
            self._believe(mono_ns)
            self._settle(mono_ns)
        gap = self.gap
        if gap is None or self.ended or mono_ns - gap.since_mono_ns < ARBITRATION_NS:
            return []
        missing = self._missing
        if not gap.told:
            gap.told = True
            self.counters.gaps += 1
            self._down(f"{missing} messages from {self.next_seq} on are missing")
        if gap.tries and self.next_seq >= gap.asked_to:
            gap.tries = 0  # answered in full, and there is more
        elif gap.tries and mono_ns - gap.asked_mono_ns < RETRY_NS:
            return []
        if gap.tries >= TRIES_MAX:
            self.give_up(f"did not come in {TRIES_MAX} requests")
            return []
        count = min(missing, REQUEST_MESSAGES_MAX)
        gap.tries, gap.asked_mono_ns, gap.asked_to = gap.tries + 1, mono_ns, self.next_seq + count
        self.counters.requests += 1
        return [HEADER.pack(self.session, self.next_seq, count)]

    def resume(self, next_seq: int, mono_ns: int, session: str = "") -> bool:
        """Go on from a snapshot's end; False where it is older than what was heard, or of another session.

        What came meanwhile and is newer follows at once; a hole behind it is asked for like any other.
        """
        if self.ended or next_seq < self.wanted_seq:
            return False
        if self.session and session and session != plain(self.session):
            return False
        self.counters.snapshots += 1
        self.session = self.session or session.rjust(10).encode("ascii", "replace")
        self.lost, self.gap, self.next_seq = "", None, next_seq
        self._copies.clear()
        while self._order and self._order[0] < next_seq:
            seq = self._order[0]
            if seq + self._held[seq][0] > next_seq:
                break  # its end is new
            heappop(self._order)
            self._held_bytes -= len(self._held.pop(seq)[1])
        self._release(mono_ns)
        self._settle(mono_ns)
        return True

    def give_up(self, why: str) -> None:
        """The gap cannot be filled: only a snapshot or a new start helps."""
        self.lost = f"{self._missing} messages from {self.next_seq} on {why}"
        self._down(self.lost)

    def succeed(self, mono_ns: int) -> bool:
        """Go over to the session that came in place of ours, where one has: a loss, from its beginning on.

        For whom can have a snapshot of it: that is asked for by the session's name, over TCP: the proof.
        """
        session = b"" if self.ended else successor(self.lines, mono_ns)
        if not session:
            return False
        reason = f"session {plain(session)} came in place of {plain(self.session) or 'none'}"
        self.counters.sessions += 1
        self.session, self.next_seq, self.gap = session, 1, None
        self._let_go()
        self._known_seq = self._held_end = self._end_seq = self._ahead_mono_ns = 0
        for line in self.lines:
            line.begin()
        self.lost = reason
        self._down(reason)
        return True

    def begin_lost(self, reason: str) -> None:
        """Begin with a snapshot: keep what comes until `resume`."""
        self.lost = reason

    @property
    def wanted_seq(self) -> int:
        """Return what a snapshot must reach: our number, or the lines', where none of them is there yet."""
        return max(1, min(self.next_seq, self._known_seq))

    @property
    def _missing(self) -> int:
        """Messages up to the first that waits, or to where the publisher says it is."""
        return (self._order[0] if self._order else self._known_seq) - self.next_seq

    def _unpack(self, datagram: bytes, messages: int, skip: int) -> int:
        """Lay the messages that are new into `_out`; return the bytes, -1 where the datagram is malformed."""
        return int(sequenced_packets(np.frombuffer(datagram, dtype=np.uint8), messages, skip, self._out))

    def _pass_on(self, seq: int, messages: int, datagram: bytes, used: int, mono_ns: int) -> None:
        """Give the listener what lies in `_out`: what is new of a datagram."""
        if not self._up and self.gap is None:
            self._rise()
        first, self.next_seq = self.next_seq, seq + messages
        self._copies.append(seq, datagram)
        self._listener.feed_bytes(self._out[:used].data, first, mono_ns)

    def _differs(self, seq: int, messages: int, datagram: bytes) -> bool:
        """Return whether one of its first messages is not what was passed on under its number: a loss."""
        number = self._copies.differing(seq, messages, datagram)
        if number:
            self._contradicted(number)
        return number > 0

    def _contradicted(self, seq: int) -> None:
        """Two copies of a message differ: from it on nothing that came can be trusted."""
        self.counters.contradictions += 1
        self._let_go()
        if not self.lost:
            self.next_seq = min(seq, self.next_seq)
            self.distrust(f"message {seq} came twice, and not the same")

    def distrust(self, reason: str) -> None:
        """What was passed on cannot be true: a loss; what came before an end was no truth either."""
        self._let_go()
        self.gap, self._end_seq, self.ended, self.lost = None, 0, False, reason
        self._down(reason)

    def _let_go(self) -> None:
        """Forget what waits, and what a second copy would be held against."""
        self._held.clear()
        self._order.clear()
        self._held_bytes = 0
        self._copies.clear()

    def _hold(self, seq: int, messages: int, datagram: bytes) -> int:
        """Keep a datagram that is too early; return the messages that were not held yet."""
        held = self._held.get(seq)
        if held is not None:
            if not alike(held[1], datagram):
                self._contradicted(seq)
            return 0
        if self._held_bytes + len(datagram) > HELD_BYTES_MAX:
            self.counters.overflows += 1
            return 0
        self._held[seq] = (messages, datagram)
        self._held_end = max(self._held_end, seq + messages)
        heappush(self._order, seq)
        self._held_bytes += len(datagram)
        return messages

    def _release(self, mono_ns: int) -> None:
        """Pass on what waited, as far as it goes without a hole."""
        while self._order and self._order[0] <= self.next_seq:
            seq = heappop(self._order)
            messages, datagram = self._held.pop(seq)
            self._held_bytes -= len(datagram)
            skip = self.next_seq - seq
            if skip and self._differs(seq, min(skip, messages), datagram):
                return
            if skip < messages:
                used = self._unpack(datagram, messages, skip)
                self._pass_on(seq, messages, datagram, used, mono_ns)

    def _disown(self) -> None:
        """Let go of what waits at numbers that no line speaks of any more."""
        for seq, (messages, datagram) in list(self._held.items()):
            if seq + messages > self._known_seq:
                del self._held[seq]
                self._held_bytes -= len(datagram)
                self.counters.disowned += 1
        self._order = sorted(self._held)
        self._held_end = self._known_seq

    def _settle(self, mono_ns: int) -> None:
        """Open or close the gap, and end with the session."""
        if self._held_end > self._known_seq:
            self._disown()
        if self.next_seq > self._known_seq:
            self._ahead_mono_ns = self._ahead_mono_ns or mono_ns
        else:
            self._ahead_mono_ns = 0
        if self.next_seq < self._known_seq:
            gap = self.gap
            if gap is None or (not gap.told and gap.seq != self.next_seq):  # each hole has its own wait
                self.gap = Gap(since_mono_ns=mono_ns, seq=self.next_seq)
            return
        if self.gap is not None:
            self.counters.recovered += self.gap.told
            self.gap = None
        if not self._up and not self._ahead_mono_ns and not self.ended:
            self._rise()
        if self._end_seq and not self.ended:
            self.ended, self._up = True, False
            self._listener.feed_ended()

    def _other(self, mono_ns: int) -> str:
        """Return that another session is heard, where it is."""
        other = other_session(self.lines, mono_ns)
        if not other:
            return ""
        return f": they carry session {plain(other)} instead of {plain(self.session)}"

    def _rise(self) -> None:
        self._up = True
        self._listener.feed_up(plain(self.session), self.next_seq)

    def _down(self, reason: str) -> None:
        self._up = False
        self._listener.feed_down(reason)

    def _forget(self, why: Refusal) -> None:
        refused = self.counters.refused
        refused[why] = refused.get(why, 0) + 1


def plain(session: bytes) -> str:
    """Return a session's name as people write it."""
    return session.decode("ascii", "replace").strip()
