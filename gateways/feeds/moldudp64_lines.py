"""MoldUDP64: what is known of each line, and the session that every line has gone over to.

An exchange that fails over in mid-day goes on under another session, whose numbers begin at 1 again. UDP
proves nothing: one datagram names a session, so no datagram brings it in. Another session counts
once ours is silent on every line, and nothing else but it came for as long on every line that speaks.
"""

from typing import Final

import msgspec

from market.types import MS

SILENCE_NS: Final = 3_000 * MS  # three heartbeats missed: a line is dead, or has left its session
# A line that speaks on, and does not come back to a number for so long, takes it back.
WORD_NS: Final = 500 * MS
NOT_SEEN: Final = -1


class Line(msgspec.Struct):
    """One of the ways on which the same packets come."""

    packets: int = 0
    first: int = 0  # messages that came here first
    repeated: int = 0  # messages that had come already
    heard_mono_ns: int = NOT_SEEN
    said_seq: int = 0  # the sequence number that the publisher is at, by its word here
    said_mono_ns: int = 0
    other: bytes = b""  # the session, not ours, that was heard here last
    other_since_mono_ns: int = 0
    other_mono_ns: int = 0

    def says(self, seq: int, mono_ns: int) -> None:
        """Take its word: a higher one at once, a lower one where it does not come back to the higher."""
        self.heard_mono_ns = mono_ns
        if seq >= self.said_seq or mono_ns - self.said_mono_ns >= WORD_NS:
            self.said_seq, self.said_mono_ns = seq, mono_ns

    def silent(self, mono_ns: int) -> bool:
        """Return whether it has said nothing for too long, heartbeats included."""
        return self.heard_mono_ns == NOT_SEEN or mono_ns - self.heard_mono_ns >= SILENCE_NS

    def carries(self, session: bytes, mono_ns: int) -> None:
        """Note another session's datagram; a third session, or a silence, and it counts from here."""
        if not named(session):
            return
        if session != self.other or mono_ns - self.other_mono_ns >= SILENCE_NS:
            self.other_since_mono_ns = mono_ns
        self.other, self.other_mono_ns = session, mono_ns

    def begin(self) -> None:
        """Another session is ours: nothing that was said counts for it."""
        self.heard_mono_ns, self.said_seq, self.said_mono_ns = NOT_SEEN, 0, 0
        self.other = b""


def named(session: bytes) -> bool:
    """Return whether a session has a name that a login can carry."""
    return session.isascii() and session.decode("ascii").isprintable() and not session.isspace()


def other_session(lines: list[Line], mono_ns: int) -> bytes:
    """Return the other session that was heard last, where it still is."""
    last = max(lines, key=lambda line: line.other_mono_ns if line.other else NOT_SEEN)
    return last.other if mono_ns - last.other_mono_ns < SILENCE_NS else b""


def successor(lines: list[Line], mono_ns: int) -> bytes:
    """Return the session that every line which speaks has gone over to; b"" where there is none."""
    if not all(line.silent(mono_ns) for line in lines):
        return b""
    speaking = [line for line in lines if line.other and mono_ns - line.other_mono_ns < SILENCE_NS]
    if len({line.other for line in speaking}) != 1:
        return b""
    for line in speaking:
        if line.other_mono_ns - line.other_since_mono_ns < SILENCE_NS:
            return b""
    return speaking[0].other
