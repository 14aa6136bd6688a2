"""A state directory knows where it was born: a copy of it, or one with parts of another, starts HALTED.

What a copy says is of the past: positions, counts, latches, ClOrdIDs. A start cannot see that from the bytes,
which are whole and signed; a copy has other inodes and another birth, and those were written down here before
the journal's first record. So two people look, agree positions with the EMS, and rearm (R67C); from then on
the copy is at home. What is copied over the files that are there keeps their inodes: so the note tells its
own, and is made anew, as another file, while the journal grows. A disk that is rolled back as a whole keeps
it all: that the EMS alone can tell, by its executions and positions.

    said = birthplace.fault(state_dir, account, mode)     # before anything is opened, which would make parts
    birthplace.note(state_dir, account, mode)             # once all parts are there, and again and again
"""

import contextlib
import ctypes
import hashlib
import os
import struct
from pathlib import Path
from typing import Final

import msgspec

from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME
from daemon.segments.checkpoints import NAME as CHECKPOINTS
from daemon.segments.layout import JournalError
from daemon.segments.reading import segments

NAME: Final = "birthplace.json"
FIX: Final = "fix"
SIGNED: Final = (
    f"{JOURNAL_NAME}/{CHECKPOINTS}",
    f"{INBOUND_NAME}/{CHECKPOINTS}",
)  # without, a cut is not seen
PARTS: Final = (".", JOURNAL_NAME, INBOUND_NAME, FIX, *SIGNED)  # and the note itself
KEY: Final = "journal.pem"
SIZE_MAX: Final = 4_096  # a handful of numbers and names
MACHINE_ID: Final = Path("/etc/machine-id")
# statx(2): the birth is no part of what os.stat tells on Linux.
STATX_BTIME, AT_FDCWD, STATX_SIZE = 0x800, -100, 256
BIRTH: Final = struct.Struct("<qI")
BIRTH_AT: Final = 80  # offset in struct statx

_statx = getattr(ctypes.CDLL(None), "statx", None)


class Birthplace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a state directory belongs to."""

    account: str
    mode: str
    host: str  # of /etc/machine-id, hashed; "" where there is none
    parts: dict[str, tuple[int, int]]  # inode and birth in ns, 0 where the file system keeps none
    key: str  # of the journal's own key, hashed; "" where the operator has given one
    journals: dict[str, str] = {}  # ids of both: another's, copied over ours, has our inodes


def fault(state_dir: Path, account: str, mode: str) -> str:
    """Return what is not as it was when this state began, "" where all is; a new one has no parts yet."""
    if not (state_dir / JOURNAL_NAME).exists():
        return ""
    place = state_dir / NAME
    try:
        was = msgspec.json.decode(place.read_bytes()[:SIZE_MAX], type=Birthplace)
    except FileNotFoundError:
        return f"{place} is missing"
    except (OSError, ValueError) as error:  # what msgspec does not take, and what is no text
        return f"{place} cannot be read: {error}"
    now = _here(state_dir, account, mode, place)
    wrong = [name for name in ("account", "mode", "host") if getattr(was, name) != getattr(now, name)]
    if was.key and was.key != now.key:
        wrong.append(KEY)
    for name, journal in was.journals.items():
        if now.journals.get(name, journal) != journal:
            wrong.append(f"{name} (another journal)")
    for name, facts in was.parts.items():
        found = now.parts.get(name)
        if found is None:
            wrong.append(f"{name} (missing)")
        elif found != facts:
            wrong.append("the directory itself" if name == "." else name)
    return f"{state_dir}: not as it was begun: {', '.join(wrong)}" if wrong else ""


def note(state_dir: Path, account: str, mode: str) -> None:
    """Write down where this state is at home.

    Raises:
        OSError: the disk does not take it.

    """
    place = state_dir / NAME
    half = place.with_name(f"{NAME}.half")
    (state_dir / FIX).mkdir(exist_ok=True)
    half.unlink(missing_ok=True)  # of a process that was killed over it; another birth than the one before
    fd = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, msgspec.json.encode(_here(state_dir, account, mode, half)))
        os.fsync(fd)
    finally:
        os.close(fd)
    half.replace(place)


def _here(state_dir: Path, account: str, mode: str, me: Path) -> Birthplace:
    places = {name: state_dir / name for name in PARTS} | {NAME: me}
    parts = {name: facts for name, path in places.items() if (facts := _facts(path)) is not None}
    key = host = ""
    with contextlib.suppress(OSError):
        key = hashlib.sha256((state_dir / KEY).read_bytes()).hexdigest()[:16]
    with contextlib.suppress(OSError):
        host = hashlib.sha256(MACHINE_ID.read_bytes()).hexdigest()[:16]
    journals = {name: _id(state_dir / name) for name in (JOURNAL_NAME, INBOUND_NAME)}
    known = {name: journal for name, journal in journals.items() if journal}
    return Birthplace(account, mode, host, parts, key, known)


def _id(folder: Path) -> str:
    """Return a journal's id, "" where it has none that can be read: to open it will say why."""
    try:
        found = segments(folder)
    except (JournalError, OSError):
        return ""
    return found[-1].header.journal.hex() if found else ""


def _facts(path: Path) -> tuple[int, int] | None:
    """Return inode and birth of a file; None where there is none."""
    try:
        inode = path.stat().st_ino
    except OSError:
        return None
    buffer = ctypes.create_string_buffer(STATX_SIZE)
    if _statx is None or _statx(AT_FDCWD, os.fsencode(path), 0, STATX_BTIME, buffer) != 0:
        return inode, 0
    mask = int.from_bytes(buffer.raw[:4], "little")
    seconds, nanos = BIRTH.unpack_from(buffer, BIRTH_AT)
    return inode, seconds * 10**9 + nanos if mask & STATX_BTIME else 0
