"""What a service tells systemd: READY, STATUS, WATCHDOG, RELOADING, STOPPING. Silent anywhere else.

The protocol is one datagram of `KEY=value` lines to the socket that NOTIFY_SOCKET names; a name
that begins with `@` is an abstract one. Nothing here may stop the daemon: a manager that does
not listen is not our trouble, so that a failed send is dropped.
"""

import contextlib
import os
import socket
import time
from typing import Final

STATUS_CHARS_MAX: Final = 200  # systemd shows one line
USEC_PER_S: Final = 1_000_000


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


def status(text: str) -> bool:
    """Set the line that `systemctl status` shows."""
    return send(_status(text))


def watchdog() -> bool:
    """Give one sign of life; without one for WatchdogSec the service is killed."""
    return send("WATCHDOG=1")


def reloading() -> bool:
    """Say that the configuration is being read again; `ready` ends it."""
    return send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping(text: str = "stopping") -> bool:
    """Say that shutdown has begun."""
    return send("STOPPING=1", _status(text))


def extend_timeout(seconds: float) -> bool:
    """Ask for more time to start or to stop: a drain that still waits for the venue."""
    return send(f"EXTEND_TIMEOUT_USEC={int(seconds * USEC_PER_S)}")


def watchdog_interval_s() -> float | None:
    """Return how often to call `watchdog` (half of what is demanded), None where no one watches."""
    demanded, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not demanded.isdecimal() or int(demanded) == 0 or (pid is not None and pid != str(os.getpid())):
        return None
    return int(demanded) / USEC_PER_S / 2


def _status(text: str) -> str:
    return "STATUS=" + text.replace("\n", " ")[:STATUS_CHARS_MAX]
