"""The ways in which ITCH 5.0 lies on a disk, each read into chunks of length-prefixed messages.

- `binary`: what the exchange publishes (BinaryFILE): two bytes of length, the message, and so on, often
  gzipped; a length of zero ends the session.
- `pcap`: a classic capture of the multicast feed: Ethernet, VLAN tags, IPv4, UDP, MoldUDP64. Its sequence
  numbers are followed: what was seen is dropped, what is missing is counted. A capture whose numbers were
  blanked (all zero) is taken as it comes.
- `itch8`: excerpts re-encoded with eight bytes of time and prices in cents, made standard again here.

Nothing is skipped in silence: what cannot be read is refused with the byte where it begins.
"""

import gzip
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, cast

from research.ingest.itch_kernels import standard, whole
from research.ingest.pcap import Capture
from research.ingest.source import SourceError

CHUNK_BYTES: Final = 8 << 20  # read at once: some 250,000 messages
LENGTH_BYTES: Final = 2  # before each message
GZIP_MAGIC: Final = b"\x1f\x8b"
PCAP_MAGICS: Final = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1")
PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
AGAIN: Final = "fetch the file again"


class Framing(StrEnum):
    """How the messages of a file are told apart."""

    BINARY = "binary"
    PCAP = "pcap"
    ITCH8 = "itch8"


@dataclass
class Chunk:
    """Whole messages, each after its length, and where in the file they came from."""

    data: bytes
    starts: list[int]  # offsets in `data` at which a stretch of the file begins
    places: list[int]  # and those stretches' own offsets
    grown: int = 0  # bytes that each message was longer in the file

    def place(self, at: int) -> int:
        """Return the byte of the file at which the message at `at` begins."""
        stretch = bisect_right(self.starts, at) - 1
        messages = 0
        walk = self.starts[stretch]
        while self.grown and walk < at:
            walk += LENGTH_BYTES + int.from_bytes(self.data[walk : walk + LENGTH_BYTES], "big")
            messages += 1
        return self.places[stretch] + at - self.starts[stretch] + self.grown * messages


@dataclass
class Packets:
    """What a capture says of itself."""

    first_ns: int = 0  # when the first packet was captured
    count: int = 0
    missing: int = 0  # messages that the sequence numbers name and the capture lacks
    repeated: int = 0  # messages that came twice
    notes: list[str] = field(default_factory=list)


def framing_of(path: Path) -> Framing:
    """Say how a file is framed, by its first bytes and its name."""
    with opened(path) as file:
        magic = file.read(4)
    if magic in PCAP_MAGICS:
        return Framing.PCAP
    if magic == PCAPNG_MAGIC:
        raise SourceError(
            str(path), None, "is a pcapng capture", "convert it to classic pcap: editcap -F pcap"
        )
    return Framing.ITCH8 if ".itch8" in path.name else Framing.BINARY


class opened:  # noqa: N801 - used like the function open
    """A file, unpacked on the way where it is gzipped; what goes wrong is one line with the byte."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = 0  # unpacked bytes read

    def __enter__(self) -> "opened":
        try:
            self.raw = self.path.open("rb")
        except FileNotFoundError as error:
            raise SourceError(
                str(self.path), None, "there is no such file", "give the path of an ITCH 5.0 file"
            ) from error
        except OSError as error:
            raise SourceError(
                str(self.path), None, f"{error.strerror}", "give a file that can be read"
            ) from error
        zipped = self.raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        self.raw.seek(0)
        self.size = self.path.stat().st_size
        self.file: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=self.raw)) if zipped else self.raw
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def read(self, count: int) -> bytes:
        """Read up to `count` unpacked bytes."""
        try:
            got = self.file.read(count)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SourceError(
                f"{self.path}, byte {self.at}", None, f"the gzip is damaged here ({error})", AGAIN
            ) from error
        self.at += len(got)
        return got

    @property
    def done(self) -> int:
        """Return how many bytes of the file itself were read."""
        return self.raw.tell()


def chunks(
    path: Path, framing: Framing, packets: Packets, tell: Callable[[int], None] = lambda _: None
) -> Iterator[Chunk]:
    """Yield a file's messages; `packets` is filled in for a capture, `tell` hears of bytes read."""
    with opened(path) as file:
        source = captured(file, packets) if framing is Framing.PCAP else lengths(file, framing)
        for chunk in source:
            tell(file.done)
            yield chunk


def lengths(file: opened, framing: Framing) -> Iterator[Chunk]:
    """Yield the messages of a file of length-prefixed ones."""
    rest, base = b"", 0
    while True:
        got = file.read(CHUNK_BYTES)
        data = rest + got
        used, ended = whole(data)
        if ended and (len(data) > used + LENGTH_BYTES or file.read(1)):
            where = f"{file.path}, byte {base + used}"
            raise SourceError(
                where, None, "a length of zero ends the session, and more follows", "cut the file here"
            )
        if not got and not ended and used < len(data):
            where = f"{file.path}, byte {base + used}"
            raise SourceError(where, None, "the file ends inside a message", AGAIN)
        yield encoded(file.path, data[:used], base, framing)
        rest, base = data[used:], base + used
        if not got or ended:
            return


def encoded(path: Path, data: bytes, base: int, framing: Framing) -> Chunk:
    """Return a chunk of standard messages."""
    if framing is Framing.BINARY:
        return Chunk(data, [0], [base])
    made, wrong_at = standard(data)
    if wrong_at >= 0:
        where = f"{path}, byte {base + wrong_at}"
        raise SourceError(
            where,
            None,
            "no message with eight bytes of time",
            "give --framing binary if the file is in the exchange's own format",
        )
    return Chunk(made, [0], [base], grown=2)


def captured(file: opened, packets: Packets) -> Iterator[Chunk]:
    """Yield the messages of a capture, in the order of their sequence numbers."""
    capture = Capture(str(file.path), file.read)
    chunk = Chunk(b"", [], [])
    parts: list[bytes] = []
    size = 0
    for ts_ns, place, messages in capture.messages():
        if not packets.count:
            packets.first_ns = ts_ns
        packets.count += 1
        if messages:
            chunk.starts.append(size)
            chunk.places.append(place)
            parts.append(messages)
            size += len(messages)
        if size >= CHUNK_BYTES:
            chunk.data = b"".join(parts)
            yield chunk
            chunk, parts, size = Chunk(b"", [], []), [], 0
    packets.missing, packets.repeated = capture.missing, capture.repeated
    packets.notes = capture.notes()
    chunk.data = b"".join(parts)
    if size:
        yield chunk
