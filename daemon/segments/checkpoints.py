"""Checkpoints of a journal: signed words that it had this chain at this offset, in a file of their own.

    signer = Signer(private_key)                         # Ed25519
    checkpoint = sign(journal_id, Mark(number, offset, digest), signer)
    for place, checkpoint in read(folder): ...           # JournalError: corrupt
    fault(journal_id, checkpoint)                        # why its signature is not good, ""

They are made of what is on the disk already, so that a journal which ends before its last checkpoint has
been cut. They stand beside the segments, so that neither the loop nor a reader of frames meets them.
"""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import google_crc32c
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from daemon.segments.layout import CRC, JournalError

NAME: Final = "checkpoints"
RECORD: Final = struct.Struct("<4sIQQ32s32s64sI")  # magic, 0, number, offset, chain, key, signature, CRC-32C
MAGIC: Final = b"CHK2"
SIGNED: Final = struct.Struct("<QQ")
CONTEXT: Final = b"steadyhand journal 2\n"  # what a signature is for: no other text of ours can pass as one
NOBODY: Final = bytes(32)
UNSIGNED: Final = bytes(64)


class Signer(Protocol):
    """A private key."""

    public: bytes

    def sign_bytes(self, data: bytes) -> bytes:
        """Return the 64 bytes of a signature."""


class Mark(msgspec.Struct, frozen=True):
    """How far a journal was."""

    number: int  # of the next frame
    offset: int
    chain: bytes  # SHA-256 of the segment up to there; its header holds the one before


class Checkpoint(msgspec.Struct, frozen=True):
    """A mark and who says so."""

    mark: Mark
    key: bytes  # public; zeros: nobody
    signature: bytes

    def encode(self) -> bytes:
        """Return its bytes."""
        mark = self.mark
        fields = (MAGIC, 0, mark.number, mark.offset, mark.chain, self.key, self.signature)
        bare = RECORD.pack(*fields, 0)[: -CRC.size]
        return bare + CRC.pack(google_crc32c.value(bare))


def sign(journal: bytes, mark: Mark, signer: Signer | None) -> Checkpoint:
    """Return a checkpoint; without a signer it only holds the chain."""
    if signer is None:
        return Checkpoint(mark, NOBODY, UNSIGNED)
    return Checkpoint(mark, signer.public, signer.sign_bytes(text(journal, mark)))


def text(journal: bytes, mark: Mark) -> bytes:
    """Return what is signed."""
    return CONTEXT + journal + SIGNED.pack(mark.number, mark.offset) + mark.chain


def fault(journal: bytes, checkpoint: Checkpoint) -> str:
    """Return why a signature is not good, "" where it is, or where nobody signed."""
    if checkpoint.key == NOBODY:
        return ""
    try:
        key = Ed25519PublicKey.from_public_bytes(checkpoint.key)
        key.verify(checkpoint.signature, text(journal, checkpoint.mark))
    except (InvalidSignature, ValueError):
        return f"the signature of key {key_id(checkpoint.key)} is not good"
    return ""


def key_id(public: bytes) -> str:
    """Return the name of a key, as daemon.people.keys makes it; "nobody" where there is none."""
    return "nobody" if public == NOBODY else hashlib.sha256(public).hexdigest()[:16]


def read(folder: Path) -> Iterator[tuple[int, Checkpoint]]:
    """Yield (place in the file, checkpoint); an unfinished last one is left out.

    Raises:
        JournalError: corrupt.

    """
    path = folder / NAME
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from None
    for place in range(0, len(raw) - RECORD.size + 1, RECORD.size):
        record = raw[place : place + RECORD.size]
        magic, _, number, offset, chain, key, signature, checksum = RECORD.unpack(record)
        if magic != MAGIC or google_crc32c.value(record[: -CRC.size]) != checksum:
            if not raw[place:].strip(b"\0"):
                return  # what a power cut left
            raise JournalError(f"{path}:{place}: corrupt checkpoint; restore the file")
        yield place, Checkpoint(Mark(number, offset, chain), key, signature)
    rest = raw[len(raw) - len(raw) % RECORD.size :]
    if rest.strip(b"\0") and not rest.startswith(MAGIC[: len(rest)]):
        raise JournalError(f"{path}:{len(raw) - len(rest)}: no checkpoint; restore the file")


def last(folder: Path) -> tuple[Checkpoint | None, int]:
    """Return the last one, and the size of all that are whole."""
    found, end = None, 0
    for place, checkpoint in read(folder):
        found, end = checkpoint, place + RECORD.size
    return found, end
