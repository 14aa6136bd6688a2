"""Whether a journal is what was written: every header, frame, chain and signature, each fault with its place.

    found = verify(folder, keys)       # Verified; `keys`: ids of the keys that may have signed, () = whoever

It goes on after a fault, as far as anything can still be told. Nothing is written, and a gate may be running:
what it is writing this moment looks like the unfinished last frame that a crash leaves.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.segments import checkpoints
from daemon.segments.checkpoints import Checkpoint
from daemon.segments.layout import BEGINNING, FIRST_NUMBER, FRAME, HEADER, Header, JournalError, name_of
from daemon.segments.reading import Segment, View, files, frame_at, header_of, is_prepared, is_torn, opened
from daemon.segments.retention import gone

FAULTS_MAX: Final = 1_000  # that are told; a journal with more is no journal


class Verified(msgspec.Struct):
    """What was found."""

    journal: str
    segments: int = 0
    packed: int = 0
    frames: int = 0
    bytes: int = 0
    checkpoints: int = 0
    signed_by: list[str] = []  # ids of keys
    head: str = ""  # SHA-256 of the last segment: it speaks of everything
    unsigned_frames: int = 0  # after the last checkpoint
    faults: list[str] = []
    notes: list[str] = []

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def fault(self, text: str) -> None:
        """Note a fault."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(text)


def verify(folder: Path, keys: tuple[str, ...] = ()) -> Verified:
    """Look at all of it.

    Raises:
        JournalError: there is nothing to look at.

    """
    found = Verified(str(folder), signed_by=[], faults=[], notes=[])
    paths = files(folder)
    if not paths:
        raise JournalError(f"{folder}: no segment of a journal there")
    marks = _checkpoints(folder, found, keys)
    before: Segment | None = None
    chain = _beginning(folder, min(paths), found)
    number = 0
    for at, (named, path) in enumerate(paths.items()):
        header = _header(path, found)
        if header is None:
            if not is_prepared(path):
                found.fault(f"{path}:0: its beginning is gone")
            continue
        with _bytes(path, found) as view:
            segment = Segment(path, header, len(view), at == len(paths) - 1 or not _begun(paths, named))
            _follows(segment, named, before, chain, found)
            number = _frames(segment, view, found)
            digest = _marks(segment, view, marks, folder, found)
        found.segments, found.packed = found.segments + 1, found.packed + segment.packed
        found.bytes += segment.size
        before, chain, found.head = segment, digest, digest.hex()
    if before is not None:
        _end(before, number, marks, found)
    elif marks:
        found.fault(f"{folder}: {len(marks)} checkpoints, and no segment that they speak of")
    return found


def _begun(paths: dict[int, Path], number: int) -> bool:
    """Return whether a later segment was begun."""
    for later, path in paths.items():
        if later > number:
            try:
                if header_of(path) is not None:
                    return True
            except JournalError:
                return True
    return False


def _header(path: Path, found: Verified) -> Header | None:
    try:
        return header_of(path)
    except JournalError as error:
        found.fault(str(error))
        return None


class _bytes:  # noqa: N801  (used as a verb)
    """A segment's bytes; none of one that cannot be read."""

    def __init__(self, path: Path, found: Verified) -> None:
        self._opened: opened | None = None
        try:
            self._opened = opened(path)
        except JournalError as error:
            found.fault(str(error))

    def __enter__(self) -> View:
        return self._opened.__enter__() if self._opened is not None else b""

    def __exit__(self, *_: Any) -> None:
        if self._opened is not None:
            self._opened.__exit__()


def _beginning(folder: Path, first: int, found: Verified) -> bytes | None:
    """Return the chain before the first segment that is left; None: nobody says."""
    if first == FIRST_NUMBER:
        return BEGINNING
    try:
        thrown = gone(folder)
    except JournalError as error:
        found.fault(str(error))
        return None
    missing = [n for n in range(FIRST_NUMBER, first) if n not in thrown]
    if missing:
        found.fault(f"{folder / name_of(missing[0])}: the segment is missing ({len(missing)} in all)")
    else:
        found.notes.append(f"{first - FIRST_NUMBER} older segments were thrown away, as configured")
    last = thrown.get(first - 1)
    return bytes.fromhex(last.sha256) if last is not None else None


def _follows(
    segment: Segment, named: int, before: Segment | None, chain: bytes | None, found: Verified
) -> None:
    """Check that a segment is the one that belongs here."""
    header, place = segment.header, f"{segment.path}:0"
    if header.number != named:
        found.fault(f"{place}: this is segment {header.number}, not {named}: swapped")
    if before is not None:
        old = before.header
        if header.journal != old.journal:
            found.fault(f"{place}: a segment of another journal")
        for missing in range(old.number + 1, header.number):
            found.fault(f"{segment.path.with_name(name_of(missing))}: the segment is missing")
        if header.number == old.number + 1 and header.offset != before.end:
            found.fault(f"{before.path}:{before.size}: cut: {header.offset - before.end} bytes are missing")
    if (
        chain is not None
        and header.chain != chain
        and (before is None or header.number == before.header.number + 1)
    ):
        name = before.path.name if before is not None else "what was thrown away"
        found.fault(f"{place}: {name} is not what it was chained to")


def _frames(segment: Segment, view: View, found: Verified) -> int:
    """Check every frame; return the number of the next."""
    place, number, path = HEADER.size, segment.header.first, segment.path
    while place < len(view):
        frame = frame_at(view, place)
        if frame is None:
            if segment.last and is_torn(view, place):
                found.fault(
                    f"{path}:{place}: unfinished last frame, {len(view) - place} bytes: a crash leaves one"
                )
            else:
                found.fault(f"{path}:{place}: corrupt frame")
            return number
        if frame[0] != number:
            found.fault(f"{path}:{place}: frame {frame[0]} stands where frame {number} belongs")
            number = frame[0]
        found.frames += 1
        number += 1
        place += FRAME.size + len(frame[1])
    return number


# --- checkpoints ----------------------------------------------------------------------------------


def _checkpoints(folder: Path, found: Verified, keys: tuple[str, ...]) -> list[tuple[int, Checkpoint]]:
    """Return all that are good by themselves: signed, and by whom they may be."""
    marks: list[tuple[int, Checkpoint]] = []
    path = folder / checkpoints.NAME
    try:
        marks += checkpoints.read(folder)
    except JournalError as error:
        found.fault(str(error))
    if not marks:
        found.notes.append("no checkpoint: nothing says that its end is its end")
    signers = dict.fromkeys(checkpoints.key_id(c.key) for _, c in marks)
    found.signed_by += signers
    for place, checkpoint in marks:
        if keys and checkpoints.key_id(checkpoint.key) not in keys:
            found.fault(f"{path}:{place}: signed by {checkpoints.key_id(checkpoint.key)}")
    found.checkpoints = len(marks)
    return marks


def _marks(
    segment: Segment, view: View, marks: list[tuple[int, Checkpoint]], folder: Path, found: Verified
) -> bytes:
    """Hold checkpoints against a segment; return its SHA-256."""
    digest, at = hashlib.sha256(), 0
    base, path = segment.header.offset, folder / checkpoints.NAME
    for place, checkpoint in marks:
        mark = checkpoint.mark
        if not base < mark.offset <= segment.end:
            continue
        digest.update(view[at : mark.offset - base])
        at = mark.offset - base
        fault = checkpoints.fault(segment.header.journal, checkpoint)
        if fault:
            found.fault(f"{path}:{place}: {fault}")
        if digest.digest() != mark.chain:
            found.fault(
                f"{segment.path}:{at}: before it something is not what checkpoint {path.name}:{place} saw"
            )
    digest.update(view[at:])
    return digest.digest()


def _end(last: Segment, number: int, marks: list[tuple[int, Checkpoint]], found: Verified) -> None:
    """Hold the end against the last checkpoint: what was on the disk must be there."""
    if not marks:
        found.unsigned_frames = found.frames
        return
    mark = marks[-1][1].mark
    if mark.offset > last.end:
        found.fault(
            f"{last.path}:{last.size}: cut: {mark.offset - last.end} bytes that were on the disk are missing"
        )
        return
    found.unsigned_frames = max(0, number - mark.number)
