"""Snapshots of the gate's core: where a recovery begins, so that it need not step the whole journal.

    path = write(state_dir, core, done, journal)       # whole or not at all
    found = newest(state_dir, journal, say)            # the last one that is good, None where none is

A snapshot is what stepping the journal up to an offset leads to, no more: any may be deleted, and one that is
damaged, of another journal, or made by other code than this is passed over for the one before, in the end for
the whole journal. It names the code by the hash of its sources: what other code would have made of the same
journal is not guessed, it is stepped. It names the journal by the chain at its offset.

They are made by a process of its own (daemon.gate.snapshot_process) from the journal, not from the gate's
memory: the gate's loop does not wait for them, and each is a replay that was compared to what was decided.
"""

import functools
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from daemon.gate.archive import Archive, ArchiveError
from daemon.gate.archive_store import ArchiveStore
from daemon.gate.archive_store import write as write_archive
from daemon.gate.core import GateCore
from daemon.gate.journal import Replayed, replay
from daemon.gate.state_codec import StateError, decode, encode
from daemon.segments.layout import JournalError
from daemon.segments.reading import chain_at, segments

FOLDER: Final = "snapshots"
SUFFIX: Final = ".snapshot"
MAGIC: Final = b"STEADYS\n"
VERSION: Final = 1
HEAD: Final = struct.Struct("<8sI32s")  # magic, version, SHA-256 of the rest
SNAPSHOT_BYTES_MAX: Final = 1 << 30  # a hundred thousand orders are 100 MB
KEPT_MAX: Final = 2  # the last one, and one to fall back on
ROOT: Final = Path(__file__).parents[2]
CODE: Final = ("market/**/*.py", "risk/**/*.py", "risk/*.json", "daemon/gate/*.py")  # what a state depends on


class SnapshotError(Exception):
    """A snapshot that cannot be used: one line."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A state and the place in the journal that it stands for."""

    code: str
    offset: int  # of the first frame that is not in it
    chain: bytes  # of the journal, there
    done: Replayed
    state: str  # hash
    core: bytes


def write(state_dir: Path, core: GateCore, done: Replayed, journal: Path) -> Path:
    """Write a snapshot, throw away those that are one too many, return its path.

    Raises:
        SnapshotError: the state or the disk does not allow it; nothing of it remains.

    """
    folder = state_dir / FOLDER
    path = folder / f"{done.offset:020d}{SUFFIX}"
    try:
        chain = chain_at(journal, done.offset)
        write_archive(state_dir, core.state.archive)  # first: a snapshot counts on it
        snapshot = Snapshot(code_hash(), done.offset, chain, done, core.state_hash(), encode(core))
        body = msgspec.msgpack.encode(snapshot)
        folder.mkdir(mode=0o700, exist_ok=True)
        for half in folder.glob("*.half"):
            half.unlink(missing_ok=True)  # of a process that was killed over it
        _replace(path, HEAD.pack(MAGIC, VERSION, hashlib.sha256(body).digest()) + body)
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from None
    except (StateError, JournalError, ArchiveError) as error:
        raise SnapshotError(f"{path}: {error}") from None
    for old in found(state_dir)[KEPT_MAX:]:
        old.unlink(missing_ok=True)
    return path


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    half = path.with_name(f"{path.name}.{os.getpid()}.half")
    try:
        fd = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        half.rename(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def found(state_dir: Path) -> list[Path]:
    """Return the snapshots of a state directory, the last one first; nothing is known of them yet."""
    return sorted((state_dir / FOLDER).glob(f"*{SUFFIX}"), reverse=True)


def newest(state_dir: Path, journal: Path, say: Callable[[str], None]) -> tuple[GateCore, Replayed] | None:
    """Return the core of the last snapshot that is good, and how far it led; say why others are not."""
    for path in found(state_dir):
        try:
            return read(path, journal)
        except SnapshotError as error:
            say(str(error))
    return None


def resume(
    state_dir: Path, journal: Path, say: Callable[[str], None], until: int | None = None
) -> tuple[GateCore, Replayed]:
    """Return the core that a journal leads to, from the last good snapshot on, and how far.

    Raises:
        JournalError: see `daemon.gate.journal.frames`.

    """
    core, done = newest(state_dir, journal, say) or (GateCore(), Replayed())
    try:
        return core, replay(journal, core, done, until)
    except ArchiveError as error:
        say(f"{error}: nor any snapshot")  # damaged inside
    core = GateCore()
    return core, replay(journal, core, None, until)


def read(path: Path, journal: Path) -> tuple[GateCore, Replayed]:
    """Return the core of a snapshot, and how far it led.

    Raises:
        SnapshotError: damaged, of another version of this program, or of another journal.
        JournalError: the journal ends before it. What a snapshot is made of was on the disk: it has been cut.

    """
    snapshot = _opened(path)
    end = max((segment.end for segment in segments(journal)), default=0)
    if snapshot.offset > end:
        raise JournalError(
            f"{journal}: ends at offset {end}, and {path} was made of what stood before {snapshot.offset}: "
            "it was cut; restore it, or remove the snapshot where that is another journal's"
        )
    if snapshot.code != code_hash():
        raise SnapshotError(f"{path}: made by other code than this; the journal is stepped instead")
    try:
        same = chain_at(journal, snapshot.offset) == snapshot.chain
    except JournalError as error:
        raise SnapshotError(f"{path}: {error}") from None
    if not same:
        raise SnapshotError(f"{path}: of another journal than {journal}")
    try:
        core = decode(snapshot.core)
    except StateError as error:
        raise SnapshotError(f"{path}: {error}") from None
    if core.state_hash() != snapshot.state:
        raise SnapshotError(f"{path}: the state's hash differs from what was written")
    try:
        core.state.archive = archive_of(path.parents[1], core)
    except ArchiveError as error:
        raise SnapshotError(f"{path}: {error}") from None
    return core, snapshot.done


def archive_of(state_dir: Path, core: GateCore) -> Archive:
    """Return the archive of a core that a snapshot gave.

    Raises:
        ArchiveError: what lies in the directory is not what the core has put there.

    """
    store, archived = ArchiveStore(state_dir), core.state.archived
    if archived.records and not store.holds(archived.records, archived.digest):
        raise ArchiveError(f"{store.path}: not the archive of its {archived.records} records")
    return Archive(store, archived.records)


def place_of(path: Path, journal: Path) -> Replayed | None:
    """Return how far a snapshot led, None where it is not good; its core is not made."""
    try:
        snapshot = _opened(path)
        if snapshot.code == code_hash() and chain_at(journal, snapshot.offset) == snapshot.chain:
            return snapshot.done
    except (SnapshotError, JournalError):
        return None
    return None


def _opened(path: Path) -> Snapshot:
    try:
        if path.stat().st_size > SNAPSHOT_BYTES_MAX:
            raise SnapshotError(f"{path}: larger than {SNAPSHOT_BYTES_MAX} bytes")
        raw = path.read_bytes()
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from None
    head, body = raw[: HEAD.size], raw[HEAD.size :]
    if head != HEAD.pack(MAGIC, VERSION, hashlib.sha256(body).digest()):
        known = head.startswith(MAGIC) and head[8:12] != struct.pack("<I", VERSION)
        raise SnapshotError(f"{path}: {'of another version' if known else 'damaged'}")
    try:
        return msgspec.msgpack.decode(body, type=Snapshot)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"{path}: {error}") from None


@functools.cache
def code_hash() -> str:
    """Return the hash of all code that a state depends on."""
    digest = hashlib.sha256()
    for pattern in CODE:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
