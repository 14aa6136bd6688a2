"""What a service tells systemd: READY, STATUS, WATCHDOG, STOPPING. Silent anywhere else.

The protocol is one datagram of `KEY=value` lines to the socket that NOTIFY_SOCKET names; a name
that begins with `@` is an abstract one. Nothing here may stop the daemon: a manager that does
not listen is not our trouble, so that a failed send is dropped.
"""

import contextlib
import os
import socket
from typing import Final

STATUS_CHARS_MAX: Final = 200  # systemd shows one line


def send(*lines: str) -> bool:
    """Send one datagram; return False where nobody asked for it or nobody took it."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@"):
        return False
    address = "\0" + name[1:] if name.startswith("@") else name
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.connect(address)
        line.sendall("\n".join(lines).encode())
        return True
    return False


def ready(text: str = "ready") -> bool:
    """Say that start-up is over: the unit counts as started."""
    return send("READY=1", _status(text))


def watchdog() -> bool:
    """Give one sign of life; without one for WatchdogSec the service is killed."""
    return send("WATCHDOG=1")


def stopping(text: str = "stopping") -> bool:
    """Say that shutdown has begun."""
    return send("STOPPING=1", _status(text))


def _status(text: str) -> str:
    return "STATUS=" + text.replace("\n", " ")[:STATUS_CHARS_MAX]
