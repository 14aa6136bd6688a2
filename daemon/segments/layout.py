"""What a journal is made of on the disk: a folder of segments, each a header and frames.

    gate.journal/00000001.seg 00000002.seg ... checkpoints journal.key

A frame is u32 CRC-32C of all that follows, u32 length, u64 number, payload; little-endian. Numbers rise by
one over all segments. An offset counts the bytes of all segments from the first header on, so that it names
one place for ever, whatever of the journal has been compressed or thrown away since.

A segment's header holds its number, its offset, the number of its first frame, and the SHA-256 of the segment
before, whole: each hash therefore speaks of everything before it (the chain). Nothing here touches a file.
"""

import struct
from pathlib import Path
from typing import Final

import google_crc32c
import msgspec

MAGIC: Final = b"STEADYJ\n"
VERSION: Final = 2
HEADER: Final = struct.Struct("<8sIIQQ16s32sI12x")  # see Header; then the CRC-32C of all before it
FRAME: Final = struct.Struct("<IIQ")  # CRC-32C, length of the payload, number of the frame
BODY: Final = struct.Struct("<IQ")  # what the CRC covers beside the payload
CRC: Final = struct.Struct("<I")
FRAME_MAX: Final = 1 << 20  # a feed read is 64 KiB, an event a few hundred bytes
FIRST: Final = HEADER.size  # offset of the first frame of a journal
FIRST_NUMBER: Final = 1  # of a frame, of a segment
BEGINNING: Final = bytes(32)  # the chain before the first segment
SUFFIX: Final = ".seg"
PACKED: Final = ".seg.gz"


class JournalError(Exception):
    """What the operator must mend (busy directory, corruption), or a disk that failed: one line."""


class Header(msgspec.Struct, frozen=True):
    """The first bytes of a segment."""

    number: int
    offset: int  # of this header, in the journal
    first: int  # number of its first frame
    journal: bytes  # an id: segments of two journals do not fit together
    chain: bytes  # SHA-256 of the whole segment before

    def encode(self) -> bytes:
        """Return its bytes."""
        fields = (MAGIC, VERSION, self.number, self.offset, self.first, self.journal, self.chain)
        bare = HEADER.pack(*fields, 0)[: HEADER.size - 12 - CRC.size]
        return HEADER.pack(*fields, google_crc32c.value(bare))


def decode_header(path: Path, head: bytes) -> Header | None:
    """Return a segment's header, None for one that was never finished.

    Raises:
        JournalError: it is no segment, or one of another version.

    """
    whole = head[: HEADER.size]
    if not whole.strip(b"\0"):
        return None  # prepared, or torn by a power cut
    if not whole.startswith(MAGIC[: len(whole)]):
        raise JournalError(f"{path}:0: not a segment of a journal")
    if len(whole) >= 12 and whole[8:12] != CRC.pack(VERSION):
        version = int.from_bytes(whole[8:12], "little")
        mend = "start the program that wrote it, or begin in a new state_dir"
        raise JournalError(f"{path}:8: journal version {version} is not known, {VERSION} is; {mend}")
    if len(whole) < HEADER.size:
        return None
    header = Header(*HEADER.unpack(whole)[2:-1])
    if header.encode() != whole:
        raise JournalError(f"{path}:0: corrupt header; restore the file or start a new directory")
    return header


def encode_frame(number: int, payload: bytes) -> bytes:
    """Return a frame's bytes."""
    body = BODY.pack(len(payload), number) + payload
    return CRC.pack(google_crc32c.value(body)) + body


def name_of(number: int) -> str:
    """Return the file name of a segment."""
    return f"{number:08d}{SUFFIX}"


def number_of(name: str) -> int | None:
    """Return the number in a file's name, None where it is no segment's."""
    stem, dot, rest = name.partition(".")
    if f"{dot}{rest}" not in (SUFFIX, PACKED) or len(stem) != 8 or not stem.isdigit():
        return None
    return int(stem)


def old_version(path: Path) -> JournalError:
    """Return what to say of a journal that is one file: those of version 1 were."""
    return JournalError(
        f"{path}: is a file, and a journal is a folder; if it is a journal of version 1 (this is {VERSION}), "
        "finish the day with the program that wrote it, or begin in a new directory"
    )
