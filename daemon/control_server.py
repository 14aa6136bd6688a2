"""The gate's side of the control socket: JSON lines in, events out; this user alone may speak.

Commands are checked here for shape (unknown commands and fields are named), and for sense by the core.
A client that does not read its answers is cut off.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import structlog

from daemon.control import REQUEST_BYTES_MAX
from daemon.gate_links import free_socket
from daemon.runtime import umask_private
from market import events as ev
from market.parents import ParentOrder

CLIENTS_MAX: Final = 32  # people and scripts at one gate
UNREAD_BYTES_MAX: Final = 64 * 1_048_576  # one status with every order of a day must fit
PENDING_MAX: Final = 10_000  # requests whose answer is still to come (lockstep)
PEER_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid
log = structlog.get_logger()


class Command(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every command may carry."""

    cmd: str
    id: int = 0


class Submit(Command, kw_only=True):
    """Admit a parent."""

    parent: ParentOrder
    dry_run: bool = False


class Amend(Command, kw_only=True):
    """Change a parent."""

    parent_id: str
    qty: int | None = None
    limit_price_e4: int | None = None
    end_ns: int | None = None
    max_participation_bp: int | None = None


class OfParent(Command, kw_only=True):
    """Pause, resume, cancel."""

    parent_id: str


class KillCommand(Command, kw_only=True):
    """R70."""

    reason: str = ""
    source: str = "cli"


class RearmCommand(Command, kw_only=True):
    """Lift the latch."""

    reason: str
    person: str


class Anchor(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """When market time begins."""

    anchor_ts_ns: int
    anchor_mono_ns: int
    speed: float = 1.0


class ClockCommand(Command, kw_only=True):
    """Begin market time."""

    anchor: Anchor


class StatusCommand(Command, kw_only=True):
    """How everything stands."""

    orders: str = "all"  # or live: chains that can still trade


KINDS: Final[dict[str, type[Command]]] = {
    "ping": Command,
    "status": StatusCommand,
    "clock": ClockCommand,
    "submit": Submit,
    "amend": Amend,
    "pause": OfParent,
    "resume": OfParent,
    "cancel": OfParent,
    "kill": KillCommand,
    "rearm": RearmCommand,
}


class ControlServer:
    """Listens, parses, hands events to `post`, and routes answers back."""

    def __init__(
        self,
        post: Callable[[ev.Event], None],
        status: Callable[[bool], dict[str, Any]],
        set_clock: Callable[[ev.ClockAnchor], str],
    ) -> None:
        self._post = post
        self._status = status
        self._set_clock = set_clock
        self._clients: set[Client] = set()
        self._pending: dict[int, tuple[Client, int]] = {}
        self._next_id = 0
        self._server: asyncio.AbstractServer | None = None

    async def listen(self, path: Path) -> None:
        """Begin to listen; only this user may connect."""
        free_socket(path)
        loop = asyncio.get_running_loop()
        with umask_private():
            self._server = await loop.create_unix_server(lambda: Client(self), str(path))
        path.chmod(0o600)  # noqa: ASYNC240  (one call, before anybody waits)

    def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.close()

    def answer(self, request_id: int, body: dict[str, Any]) -> None:
        """Send the answer to a request."""
        client, their_id = self._pending.pop(request_id, (None, 0))
        if client is not None:
            client.send(body | {"id": their_id})

    def joined(self, client: "Client") -> bool:
        """Admit a connection."""
        if len(self._clients) >= CLIENTS_MAX:
            return False
        self._clients.add(client)
        return True

    def left(self, client: "Client") -> None:
        """Forget a connection."""
        self._clients.discard(client)
        for request_id in [n for n, (c, _) in self._pending.items() if c is client]:
            del self._pending[request_id]

    def line(self, client: "Client", line: bytes) -> None:
        """Carry out one request."""
        tree: Any = None
        try:
            tree = json.loads(line)
            name = tree.get("cmd") if isinstance(tree, dict) else None
            kind = KINDS.get(name) if isinstance(name, str) else None
            if kind is None:
                raise ValueError(f"unknown command {name!r}; there is {', '.join(KINDS)}")
            command = msgspec.convert(tree, kind)
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            asked = tree.get("id") if isinstance(tree, dict) else None
            body = {"id": asked} if type(asked) is int else {}
            client.send(body | {"ok": False, "error": f"not a request: {error}"})
            return
        self._carry_out(client, command)

    def _carry_out(self, client: "Client", command: Command) -> None:
        if command.cmd == "ping":
            client.send({"ok": True, "id": command.id})
        elif isinstance(command, StatusCommand):
            body = self._status(command.orders == "all")
            client.send(body | {"ok": True, "id": command.id})
        elif isinstance(command, ClockCommand):
            a = command.anchor
            anchor = ev.ClockAnchor(
                anchor_ts_ns=a.anchor_ts_ns, anchor_mono_ns=a.anchor_mono_ns, speed=a.speed
            )
            error = self._set_clock(anchor)
            client.send({"ok": not error, "id": command.id} | ({"error": error} if error else {}))
        elif len(self._pending) >= PENDING_MAX:
            client.send({"ok": False, "id": command.id, "error": f"{PENDING_MAX} requests are waiting"})
        else:
            self._next_id += 1
            self._pending[self._next_id] = (client, command.id)
            self._post(event_of(command, self._next_id))


def event_of(command: Command, request_id: int) -> ev.Event:
    """Return the event that a command means."""
    n = request_id
    if isinstance(command, Submit):
        return ev.SubmitParent(request_id=n, parent=command.parent, dry_run=command.dry_run)
    if isinstance(command, Amend):
        fields = {f: getattr(command, f) for f in ("qty", "limit_price_e4", "end_ns", "max_participation_bp")}
        return ev.AmendParent(request_id=n, parent_id=cast(Any, command.parent_id), **fields)
    if isinstance(command, KillCommand):
        return ev.Kill(request_id=n, source=command.source[:40], reason=command.reason[:200])
    if isinstance(command, RearmCommand):
        return ev.Rearm(request_id=n, reason=command.reason[:200], person=command.person[:40])
    assert isinstance(command, OfParent)
    kinds = {"pause": ev.PauseParent, "resume": ev.ResumeParent, "cancel": ev.CancelParent}
    return kinds[command.cmd](request_id=n, parent_id=cast(Any, command.parent_id))


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check who it is: the socket's file mode already keeps others out."""
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
        _, uid, _ = PEER_CREDENTIALS.unpack(credentials)
        if uid != os.getuid():
            log.error("control: refused", uid=uid)
            self.send({"ok": False, "error": f"user {uid} may not control this gate"})
            self.close()
        elif not self._server.joined(self):
            self.send({"ok": False, "error": f"more than {CLIENTS_MAX} connections"})
            self.close()

    def data_received(self, received: bytes) -> None:
        """Take whole lines; a line without end is cut off."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > REQUEST_BYTES_MAX or any(len(line) > REQUEST_BYTES_MAX for line in lines):
            self.send({"ok": False, "error": f"a request of more than {REQUEST_BYTES_MAX} bytes"})
            self.close()
            return
        for line in lines:
            if self._transport is None or self._transport.is_closing():
                return
            if line.strip():
                self._server.line(self, line)

    def connection_lost(self, _: Exception | None) -> None:
        """The client went away; what it asked for is carried out all the same."""
        self._transport = None
        self._server.left(self)

    def send(self, body: dict[str, Any]) -> None:
        """Send one line."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._transport.abort()
            return
        self._transport.write(msgspec.json.encode(body) + b"\n")

    def close(self) -> None:
        """Hang up after what was sent has left."""
        if self._transport is not None:
            self._transport.close()
