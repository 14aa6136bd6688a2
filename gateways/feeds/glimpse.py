"""GLIMPSE-style snapshots over SoupBinTCP: the book as it stands, for whom a gap cannot be filled any more.

A client logs in and gets the stock's directory, the states that hold, an Add for each resting order in
price-time order, and at last G: the sequence number at which the feed goes on from it. `fetch` (the client's
side) gives all of that or nothing: a snapshot that was cut short changes nothing.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateways.feeds.itch import Decoder, new_batch
from gateways.feeds.soupbintcp import HEARTBEAT_CLIENT, LOGOUT, ClientSession, Login, ProtocolError

END: Final = ord("G")
END_BYTES: Final = 21  # type, twenty digits
TAIL: Final = b"\x00\x16S"  # the packet's header before it
SNAPSHOT_BYTES_MAX: Final = 64 << 20  # 1.6 million orders; the fullest book at hand holds 66,833
SNAPSHOT_S: Final = 30.0  # a book of a hundred thousand orders takes less than one
PIECE_BYTES: Final = 1 << 18  # as one read of a feed
CHECK_ROWS: Final = 4_096  # of one kernel call
SEQ_MAX: Final = 2**63 - 1  # what a decoder counts with


class Snapshot(NamedTuple):
    """A whole one: SoupBinTCP packets as the feed has them, and where the feed goes on."""

    session: str
    packets: bytes
    next_seq: int


class SnapshotError(Exception):
    """There is none to be had: one line."""


class SnapshotDenied(SnapshotError):  # noqa: N818
    """Nor will there be, for this name and password."""


def end_message(next_seq: int) -> bytes:
    """Return G: the feed goes on with this sequence number."""
    return b"G" + str(next_seq).rjust(20).encode("ascii")


def read_end(packets: bytes) -> int | None:
    """Return the sequence number of the G that ends a snapshot, None where it does not end with one."""
    tail = packets[-(END_BYTES + len(TAIL)) :]
    if len(tail) < END_BYTES + len(TAIL) or not tail.startswith(TAIL + b"G"):
        return None
    digits = tail[len(TAIL) + 1 :].strip()
    if not digits.isdigit() or not 1 <= int(digits) <= SEQ_MAX:
        return None
    return int(digits)


def pieces(packets: bytes, size_max: int = PIECE_BYTES) -> Iterator[bytes]:
    """Yield whole packets, so many bytes at a time at most."""
    begin = at = 0
    while at < len(packets):
        end = at + 2 + int.from_bytes(packets[at : at + 2], "big")
        if end - begin > size_max:
            yield packets[begin:at]
            begin = at
        at = end
    if at > begin:
        yield packets[begin:at]


def check(packets: bytes) -> None:
    """Hold every message to the specification: one that nobody can read would end whoever takes it.

    Raises:
        ProtocolError: it cannot be read.

    """
    decoder, batch, at = Decoder(0), new_batch(CHECK_ROWS), 0
    while at < len(packets):
        _, used = decoder.decode(memoryview(packets)[at:], batch)
        at += used
        if not used:
            reason = decoder.error.name.lower().replace("_", " ")
            raise ProtocolError(f"message {decoder.next_seq} of it is refused: {reason}")


class Collector:
    """A `FeedListener` that keeps what comes until its end."""

    def __init__(self) -> None:
        self.packets = bytearray()
        self.session = ""
        self.full = False
        self.ended = False

    def feed_up(self, session: str, next_seq: int) -> None:  # noqa: ARG002  (a snapshot begins at 1)
        """Logged in."""
        self.session = session

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:  # noqa: ARG002
        """Keep sequenced packets; heartbeats between them say nothing here."""
        if len(self.packets) + len(packets) > SNAPSHOT_BYTES_MAX:
            self.full = True
            return
        self.packets += packets

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        """A heartbeat."""

    def feed_down(self, reason: str) -> None:
        """The line is gone; whoever waits sees that there is no end."""

    def feed_ended(self) -> None:
        """Nothing more will come."""
        self.ended = True

    def whole(self) -> Snapshot | None:
        """Return the snapshot once its end is here."""
        next_seq = read_end(bytes(self.packets[-(END_BYTES + len(TAIL)) :]))
        if next_seq is None:
            return None
        return Snapshot(self.session, bytes(self.packets[: -(END_BYTES + len(TAIL))]), next_seq)


async def fetch(host: str, port: int, login: Login) -> Snapshot:
    """Dial, log in, and return the snapshot.

    Raises:
        SnapshotError: nobody answers, the login is refused, or it does not come whole in time.

    """
    where = f"the snapshot at {host}:{port}"
    try:
        return await asyncio.wait_for(_fetch(host, port, login), SNAPSHOT_S)
    except TimeoutError:
        raise SnapshotError(f"{where} did not come whole in {SNAPSHOT_S:g} s") from None
    except (OSError, ProtocolError) as error:
        raise SnapshotError(f"{where}: {error}") from None


async def _fetch(host: str, port: int, login: Login) -> Snapshot:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        collector = Collector()
        session = ClientSession(collector, login._replace(next_seq=1))
        writer.write(session.request() + HEARTBEAT_CLIENT)
        buffer = b""
        while True:
            data = await reader.read(1 << 18)
            if not data:
                raise ProtocolError("cut short")
            buffer += data
            buffer = buffer[session.receive(memoryview(buffer), time.monotonic_ns()) :]
            if collector.full:
                raise ProtocolError(f"over {SNAPSHOT_BYTES_MAX >> 20} MiB")
            if session.denied:
                raise SnapshotDenied(f"the snapshot at {host}:{port}: {session.refused}")
            if session.refused:
                raise ProtocolError(session.refused)
            found = collector.whole()
            if found is not None:
                writer.write(LOGOUT)
                check(found.packets)
                return found
    finally:
        writer.close()
