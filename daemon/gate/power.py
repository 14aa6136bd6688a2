"""After a power cut: what the kernel had taken and the disk had not is gone, and of each file another part.

The inbound log may end before messages that the session's numbers count as received: nobody would send these
again, and a fill would be lost. And it may end before what the gate's journal has stepped already: the place
from which a recovery reads it would then lie beyond what comes next.

    lost = rebooted(state_dir)                     # False: the numbers are as good as they were
    at_most = next_wanted(inbound_path)            # of the order session's log, and of the drop copy's
    place = aligned(inbound_path, inbound_offset)

Only a host that was started anew has lost something of the kernel's: after any other end the numbers stand.
"""

import contextlib
from collections import deque
from pathlib import Path
from typing import Final

from daemon.gate.journal import NOT_INBOUND
from daemon.segments.layout import HEADER
from daemon.segments.reading import read, segments
from gateways.fix.inbound import seq_num

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
BOOT_NAME: Final = "boot"  # in the state directory: under which boot a gate last ran here
BEFORE_FIRST: Final = 0  # an offset before every frame of the inbound log


def boot_id() -> str:
    """Return what this boot of the host is called; "" where nobody says."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def rebooted(state_dir: Path) -> bool:
    """Return whether the host was started since a gate last ran here, and note this boot."""
    path, now = state_dir / BOOT_NAME, boot_id()
    try:
        same = bool(now) and path.read_text().strip() == now
    except (OSError, UnicodeDecodeError):  # no boot of ours: it is asked for more than need be
        same = False
    if not same:
        with contextlib.suppress(OSError):  # a full disk: the next start asks for more than it need
            path.write_text(f"{now}\n")
    return not same


def next_wanted(path: Path) -> int:
    """Return the number of the first message that the log of a session lacks, 0 where it holds none.

    What the engine counted beyond it may have been lost: it is asked for again, and known by its ExecID. The
    log holds no heartbeats, so that some of what is asked for is filled as a gap.
    """
    last = last_frame(path)
    number = seq_num(last[1].decode("utf-8", "surrogateescape")) if last is not None else 0
    return number + 1 if number else 0


def aligned(path: Path, inbound_offset: int) -> int:
    """Return where recovery stands in an inbound log: as journaled, or at the last frame that is left."""
    found = segments(path)
    if inbound_offset == NOT_INBOUND or (found and inbound_offset < found[-1].end):
        return inbound_offset
    last = last_frame(path)
    return last[0] if last is not None else BEFORE_FIRST


def last_frame(path: Path) -> tuple[int, bytes] | None:
    """Return the last frame of a journal: offset and payload."""
    for segment in reversed(segments(path)):
        if segment.size > HEADER.size:
            return deque(read(path, segment.header.offset + HEADER.size), maxlen=1).pop()
    return None
