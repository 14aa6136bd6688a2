"""The gate's side of the control socket: JSON lines in, events out.

Who speaks is known from the kernel (peer credentials): this user may operate, others what the configuration
says, and nobody else is heard. What needs more comes signed, by whatever connection. Commands are checked
here for shape (daemon.gate.requests), and for sense by the core. A client that does not read its answers is
cut off. Looks take a share of the loop and no more, and no connection keeps others from their turn: orders
do not wait for who only looks, and a status of all orders of a day, which takes seconds, is made in pieces.
"""

import asyncio
import os
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import structlog

from daemon.control import REQUEST_BYTES_MAX
from daemon.gate.archive import ArchiveError
from daemon.gate.links import free_socket
from daemon.gate.requests import (
    LOOKS,
    VIEWS,
    ClockCommand,
    Command,
    LookCommand,
    RequestError,
    SignedText,
    StatusCommand,
    event_of,
    journaled,
    read,
)
from daemon.people.keys import SignatureError
from daemon.runtime import umask_private
from market import events as ev
from market import people_events as people
from risk.commands import CommandError, Role

CLIENTS_MAX: Final = 32  # people and scripts at one gate
UNREAD_BYTES_MAX: Final = 64 * 1_048_576  # one status with every order of a day must fit
PENDING_MAX: Final = 10_000  # requests whose answer is still to come (lockstep)
REFUSED_MAX: Final = 8  # connections that are told no when they ask; more are cut off at once
LOOKS_SHARE: Final = 10  # looks have one part in so many of the loop's time; the next one waits for its own
LOOKS_WAIT_S_MAX: Final = 1.0  # however long one took
PIECE_WAIT_S_MIN: Final = 0.001  # between two pieces of all orders of a day, else as long as a piece took
TELLING_WAIT_S: Final = 0.1  # between two looks at whether another's status of all orders is done
LINES_A_TURN: Final = 16  # requests of one connection, some 20 us each; then others have their turn
BAD_SIGNATURES_MAX: Final = 5  # of one connection; then it is cut off
PEER_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid
Status = Generator[None, None, dict[str, Any]]  # a step is a piece of the work
log = structlog.get_logger()


class ControlServer:
    """Listens, parses, hands events to `post`, and routes answers back."""

    def __init__(
        self,
        post: Callable[[ev.Event], None],
        status: Callable[[str], Status],
        set_clock: Callable[[ev.ClockAnchor], str],
        look: Callable[[LookCommand], dict[str, Any]],
        signed: Callable[[SignedText, int], people.SignedCommand],
        roles: dict[int, Role] | None = None,
    ) -> None:
        """`signed` checks a signature (SignatureError, CommandError); `roles` are other users', by uid."""
        self._post = post
        self._status = status
        self._set_clock = set_clock
        self._look = look
        self._signed = signed
        self._roles = {**(roles or {}), os.getuid(): Role.OPERATE}
        self._clients: dict[Client, None] = {}  # in the order in which they last spoke
        self._refused: set[Client] = set()
        self._pending: dict[int, tuple[Client, int]] = {}
        self._next_id = 0
        self._server: asyncio.AbstractServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looks_at_s = 0.0  # from when on the next look may be, by the loop's time
        self._telling: tuple[Client, Status] | None = None  # the one status of all orders in the making

    async def listen(self, path: Path) -> None:
        """Begin to listen; others of the group may connect where they have a role."""
        free_socket(path)
        self._loop = loop = asyncio.get_running_loop()
        with umask_private():
            self._server = await loop.create_unix_server(lambda: Client(self), str(path))
        shared = len(self._roles) > 1
        path.chmod(0o660 if shared else 0o600)  # noqa: ASYNC240  (one call, before anybody waits)

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

    def role_of(self, uid: int) -> Role | None:
        """Return what a user of this host may do, None for nothing."""
        return self._roles.get(uid)

    def joined(self, client: "Client") -> bool:
        """Admit a connection; where all are taken, the one that has been silent for longest gives way.

        So nobody keeps a `kill` out by connections that say nothing; who may less gives way first.
        """
        if len(self._clients) >= CLIENTS_MAX:
            waiting = {c for c, _ in self._pending.values()}
            silent = [c for c in self._clients if c not in waiting and c.role <= client.role]
            if not silent:
                return False
            longest = min(silent, key=lambda c: c.role)  # the first of its role: they stand as they spoke
            log.warning("control: every connection is taken; a silent one is closed", uid=longest.uid)
            self.left(longest)
            longest.close()
        self._clients[client] = None
        return True

    def heard(self, client: "Client") -> None:
        """A connection has said something."""
        if client in self._clients:
            del self._clients[client]
            self._clients[client] = None

    def refused(self, client: "Client") -> bool:
        """Let a connection that is not admitted wait for its answer; False where too many do."""
        if len(self._refused) >= REFUSED_MAX:
            return False
        self._refused.add(client)
        return True

    def left(self, client: "Client") -> None:
        """Forget a connection."""
        self._clients.pop(client, None)
        self._refused.discard(client)
        if self._telling is not None and self._telling[0] is client:
            self._telling = None
        for request_id in [n for n, (c, _) in self._pending.items() if c is client]:
            del self._pending[request_id]

    def line(self, client: "Client", line: bytes) -> float:
        """Carry out one request; return the seconds that it must wait, 0 where it was carried out."""
        try:
            command = read(line)
        except RequestError as error:
            body = {} if error.asked is None else {"id": error.asked}
            client.send(body | {"ok": False, "error": f"not a request: {error}"})
            return 0.0
        if command.cmd not in VIEWS and client.role < Role.OPERATE:
            text = f"this user may look, and not {command.cmd}"
            client.send({"ok": False, "id": command.id, "error": text})
            return 0.0
        if command.cmd not in LOOKS or self._loop is None:
            self._carry_out(client, command)
            return 0.0
        began_s, goes_on = self._loop.time(), self._telling is not None and self._telling[0] is client
        if began_s < self._looks_at_s and not goes_on:
            return self._looks_at_s - began_s
        if not client.there:
            self._telling = None if goes_on else self._telling
            return 0.0
        whole = isinstance(command, StatusCommand) and self._which(client, command) == "all"
        if whole and self._telling is not None and not goes_on:
            return TELLING_WAIT_S
        done = self._seen(client, command, whole)
        took_s = self._loop.time() - began_s
        self._looks_at_s = began_s + took_s + min(LOOKS_WAIT_S_MAX, took_s * (LOOKS_SHARE - 1))
        return 0.0 if done else max(took_s, PIECE_WAIT_S_MIN)

    def _seen(self, client: "Client", command: Command, whole: bool) -> bool:
        """Answer a look; an archive that cannot be read stops the core that needs it, not one who looks."""
        try:
            return self._piece(client, command.id) if whole else self._carry_out(client, command)
        except (ArchiveError, msgspec.DecodeError) as error:
            if whole:
                self._telling = None
            log.error("control: the archive cannot be read", error=str(error))
            client.send({"ok": False, "id": command.id, "error": str(error)})
            return True

    def _piece(self, client: "Client", asked: int) -> bool:
        """Do a piece of a status of all orders; return whether that was the last."""
        _, steps = self._telling = self._telling or (client, self._status("all"))
        body = stepped(steps)
        if body is None:
            return False
        self._telling = None
        client.send(body | {"ok": True, "id": asked})
        return True

    @property
    def paces(self) -> bool:
        """Whether there is a loop whose time is shared out."""
        return self._loop is not None

    def later(self, wait_s: float, act: Callable[[], None]) -> None:
        """Do something when its time has come, and others have had their turn."""
        if self._loop is None:
            act()
        else:
            self._loop.call_later(wait_s, act)

    def _which(self, client: "Client", command: StatusCommand) -> str:
        """Return which orders are told: all of a day are for who may operate."""
        return "held" if command.orders == "all" and client.role < Role.OPERATE else command.orders

    def _carry_out(self, client: "Client", command: Command) -> bool:
        if command.cmd == "ping" or isinstance(command, LookCommand):
            look = command if isinstance(command, LookCommand) else LookCommand(cmd="ping")
            client.send(self._look(look) | {"id": command.id})
        elif isinstance(command, StatusCommand):
            steps, body = self._status(self._which(client, command)), None
            while body is None:
                body = stepped(steps)
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
            self._order(client, command)
        return True

    def _order(self, client: "Client", command: Command) -> None:
        """Post what a command means, and remember who waits for the answer."""
        number = self._next_id + 1
        try:
            if isinstance(command, SignedText):
                event: ev.Event = self._signed(command, number)
            else:
                event = event_of(command, number)
            journaled(event)
        except (SignatureError, CommandError) as error:
            log.error("control: refused", uid=client.uid, error=str(error))
            client.send({"ok": False, "id": command.id, "error": str(error)})
            client.bad_signatures += isinstance(error, SignatureError)
            if client.bad_signatures >= BAD_SIGNATURES_MAX:
                client.close()
            return
        self._next_id = number
        self._pending[number] = (client, command.id)
        self._post(event)


def stepped(steps: Status) -> dict[str, Any] | None:
    """Do a piece of a status; return the whole of it after the last one."""
    try:
        next(steps)
    except StopIteration as done:
        whole: dict[str, Any] = done.value
        return whole
    return None


def hung_up(descriptor: int) -> bool:
    """Return whether the other side of a connection is closed; what has no descriptor is not known to be."""
    if descriptor < 0:
        return False
    looked = select.poll()
    looked.register(descriptor, 0)  # POLLHUP is told unasked
    return bool(looked.poll(0))


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._lines: deque[bytes] = deque()  # of one read: while some wait, no more is read
        self._waiting = False
        self._cut = False
        self.uid = -1
        self.role = Role.VIEW
        self.bad_signatures = 0
        self._refusal = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the kernel who it is."""
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
        _, self.uid, _ = PEER_CREDENTIALS.unpack(credentials)
        role = self._server.role_of(self.uid)
        if role is None:
            log.error("control: refused", uid=self.uid)
            self._refusal = f"user {self.uid} may not control this gate"
        else:
            self.role = role
            if not self._server.joined(self):
                self._refusal = f"more than {CLIENTS_MAX} connections"
        if self._refusal and not self._server.refused(self):
            self._transport.abort()

    def data_received(self, received: bytes) -> None:
        """Take whole lines; a line without end is cut off."""
        if self._refusal:  # said when something was asked: a client that has yet to write would not read it
            self.send({"ok": False, "error": self._refusal})
            self.close()
            return
        self._server.heard(self)
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > REQUEST_BYTES_MAX or any(len(line) > REQUEST_BYTES_MAX for line in lines):
            self.send({"ok": False, "error": f"a request of more than {REQUEST_BYTES_MAX} bytes"})
            self.close()
            return
        self._lines.extend(line for line in lines if line.strip())
        if not self._waiting:
            self._work()

    @property
    def there(self) -> bool:
        """Whether somebody still listens; the loop does not hear who hangs up while no more is read."""
        if self._transport is None or self._transport.is_closing():
            return False
        return not hung_up(self._transport.get_extra_info("socket").fileno())

    def _work(self) -> None:
        """Carry out what waits, a turn's worth; nothing of a connection that was cut off."""
        wait_s, self._waiting = 0.0, False
        for _ in range(min(LINES_A_TURN, len(self._lines))):
            if self._cut:
                self._lines.clear()
                break
            wait_s = self._server.line(self, self._lines[0])
            if wait_s > 0:
                break
            self._lines.popleft()
        self._waiting = bool(self._lines)
        if self._waiting:
            self._server.later(wait_s, self._work)
        if self._transport is not None and self._server.paces:
            (self._transport.pause_reading if self._waiting else self._transport.resume_reading)()

    def connection_lost(self, _: Exception | None) -> None:
        """The client went away; what it asked for is carried out all the same."""
        self._transport = None
        self._server.left(self)

    def send(self, body: dict[str, Any]) -> None:
        """Send one line."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._cut = True
            self._transport.abort()
            return
        self._transport.write(msgspec.json.encode(body) + b"\n")

    def close(self) -> None:
        """Hang up after what was sent has left."""
        self._cut = True
        if self._transport is not None:
            self._transport.close()
