"""Classic pcap captures of MoldUDP64: packet headers off, sequence numbers followed, messages out.

Only what such a feed uses is read: Ethernet with up to two VLAN tags, IPv4 without fragments, UDP,
MoldUDP64. Packets of other kinds are counted and passed over; a packet that is cut or does not fit its
own lengths is refused with its byte. Nothing is allocated by a length that the file merely claims.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from research.ingest.source import SourceError

HEADER: Final = 24
RECORD: Final = 16
# magic as it lies in the file: byte order, nanoseconds of one unit of the second's fraction
MAGICS: Final = {
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
PACKET_BYTES_MAX: Final = 65_535 + 64  # the largest IPv4 packet and its link headers
ETHERNET: Final = 1  # link type
MACS: Final = 12
VLANS: Final = (0x8100, 0x88A8)
VLANS_MAX: Final = 2  # a tag and an outer tag
IPV4, UDP = 0x0800, 17
UDP_HEADER: Final = 8
MOLD = struct.Struct(">10sQH")  # session, sequence number of the first message, count
END_OF_SESSION: Final = 0xFFFF
NS: Final = 1_000_000_000
AGAIN: Final = "fetch the file again"


class Capture:
    """A capture being read."""

    def __init__(self, where: str, read: Callable[[int], bytes]) -> None:
        self.missing = 0
        self.repeated = 0
        self.foreign = 0  # packets that are not MoldUDP64 over UDP and IPv4
        self.unnumbered = 0
        self.sessions: dict[bytes, int] = {}  # next sequence number of each
        self._where = where
        self._read = read
        self._at = 0

    def messages(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (time, byte of the first, length-prefixed messages) for each packet of the feed."""
        head = self._take(HEADER, "the header of a capture")
        if head[:4] not in MAGICS:
            raise self._wrong(0, "is no classic pcap capture")
        order, unit = MAGICS[head[:4]]
        major, _, _, _, _, link = struct.unpack(order + "HHiIII", head[4:])
        if major != 2 or link & 0xFFFF != ETHERNET:
            raise self._wrong(4, f"version {major}, link type {link & 0xFFFF}: only 2 and Ethernet are read")
        record = struct.Struct(order + "IIII")
        while True:
            at = self._at
            raw = self._read(RECORD)
            self._at += len(raw)
            if not raw:
                return
            if len(raw) < RECORD:
                raise self._wrong(at, "the file ends inside a packet's header")
            seconds, fraction, kept, full = record.unpack(raw)
            if kept > PACKET_BYTES_MAX or fraction * unit >= NS:
                raise self._wrong(at, f"a packet of {kept} bytes or a time that cannot be")
            if kept < full:
                raise self._wrong(at, f"the capture kept {kept} of a packet's {full} bytes")
            packet = self._take(kept, "a packet")
            begin, end = payload(packet)
            if not end:
                self.foreign += 1
                continue
            made, used = self._follow(packet[begin:end], at + RECORD + begin)
            yield seconds * NS + fraction * unit, at + RECORD + begin + used, made

    def notes(self) -> list[str]:
        """Say what a reader should know."""
        said = []
        if self.foreign:
            said.append(f"{self.foreign} packets were no MoldUDP64 over UDP and IPv4 and were passed over")
        if self.unnumbered:
            said.append(f"{self.unnumbered} packets had no sequence number and were taken as they came")
        if self.missing:
            said.append(f"{self.missing} messages are missing from the capture: the book may be wrong")
        return said

    def _follow(self, block: bytes, place: int) -> tuple[bytes, int]:
        """Return the messages of a packet that are new, and where in the packet they begin."""
        session, first, count = MOLD.unpack_from(block)
        if count == END_OF_SESSION:
            count = 0
        ends = message_ends(block, count)
        if ends is None:
            raise self._wrong(place, f"a packet of {count} messages does not fit its {len(block)} bytes")
        if first == 0:
            self.unnumbered += 1 if count else 0
            return block[MOLD.size : ends[-1]], MOLD.size
        due = self.sessions.get(session, first)
        self.sessions[session] = max(due, first + count)
        self.missing += max(0, first - due)
        seen = min(max(0, due - first), count)
        self.repeated += seen
        return block[ends[seen] : ends[-1]], ends[seen]

    def _take(self, count: int, what: str) -> bytes:
        got = self._read(count)
        if len(got) < count:
            raise self._wrong(self._at, f"the file ends inside {what}")
        self._at += count
        return got

    def _wrong(self, at: int, what: str) -> SourceError:
        return SourceError(f"{self._where}, byte {at}", None, what, AGAIN)


def payload(packet: bytes) -> tuple[int, int]:
    """Return where what UDP carries begins and ends, (0, 0) where the packet is of another kind."""
    at = MACS
    for _ in range(VLANS_MAX + 1):
        if len(packet) < at + 2:
            return 0, 0
        kind = int.from_bytes(packet[at : at + 2], "big")
        at += 2
        if kind not in VLANS:
            break
        at += 2
    if kind != IPV4 or len(packet) < at + 20:
        return 0, 0
    words, total = packet[at] & 15, int.from_bytes(packet[at + 2 : at + 4], "big")
    fragment = int.from_bytes(packet[at + 6 : at + 8], "big") & 0x3FFF
    if packet[at] >> 4 != 4 or words < 5 or packet[at + 9] != UDP or fragment:
        return 0, 0
    udp, stop = at + 4 * words, at + total
    if stop > len(packet) or udp + UDP_HEADER > stop:
        return 0, 0
    length = int.from_bytes(packet[udp + 4 : udp + 6], "big")
    if length < UDP_HEADER + MOLD.size or udp + length > stop:
        return 0, 0
    return udp + UDP_HEADER, udp + length


def message_ends(block: bytes, count: int) -> list[int] | None:
    """Return where the messages of a packet begin and the last one ends; None where they do not fit."""
    at = MOLD.size
    ends = [at]
    for _ in range(count):
        length = int.from_bytes(block[at : at + 2], "big")
        at += 2 + length
        if length == 0 or at > len(block):
            return None
        ends.append(at)
    return ends if at == len(block) else None
