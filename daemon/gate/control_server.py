"""The gate's side of the control socket: JSON lines in, events out.

Who speaks is known from the kernel (peer credentials): this user may operate, others what the configuration
says, and nobody else is heard. What needs more comes signed, by whatever connection. Commands are checked
here for shape (unknown commands and fields are named), and for sense by the core. A client that does
not read its answers is cut off.
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
from daemon.gate.links import free_socket
from daemon.people.keys import SignatureError
from daemon.runtime import umask_private
from market import events as ev
from market import people_events as people
from market.parents import ParentOrder
from risk.commands import CommandError, Role, is_scope

CLIENTS_MAX: Final = 32  # people and scripts at one gate
UNREAD_BYTES_MAX: Final = 64 * 1_048_576  # one status with every order of a day must fit
PENDING_MAX: Final = 10_000  # requests whose answer is still to come (lockstep)
REFUSED_MAX: Final = 8  # connections that are told no when they ask; more are cut off at once
NESTED_MAX: Final = 64  # brackets in a request; a parent order has three
BAD_SIGNATURES_MAX: Final = 5  # of one connection; then it is cut off
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


class Basket(Command, kw_only=True):
    """Admit parents, all or none; they come as JSON in a text, as its bound on brackets wants it."""

    parents: str
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


class StopCommand(Command, kw_only=True):
    """R70: kill, or halt, the firm or one scope."""

    reason: str = ""
    source: str = "cli"
    scope: str = ""


class SignedText(Command, kw_only=True):
    """A command of risk.commands, with its signature."""

    key: str
    text: str
    signature: str


class LookCommand(Command, kw_only=True):
    """A look at limits, or at what keeps something from trading."""

    parent_id: str = ""
    symbol: str = ""


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

    orders: str = "all"  # live: what can still trade; held: what is in memory; else: of one ClOrdID


KINDS: Final[dict[str, type[Command]]] = {
    "ping": Command,
    "status": StatusCommand,
    "clock": ClockCommand,
    "submit": Submit,
    "basket": Basket,
    "amend": Amend,
    "pause": OfParent,
    "resume": OfParent,
    "cancel": OfParent,
    "kill": StopCommand,
    "halt": StopCommand,
    "signed": SignedText,
    "limits": LookCommand,
    "why": LookCommand,
}
# What may be asked without a signature by whom; the rest is for whoever may operate.
VIEWS: Final = frozenset({"ping", "status", "limits", "why", "signed"})


class ControlServer:
    """Listens, parses, hands events to `post`, and routes answers back."""

    def __init__(
        self,
        post: Callable[[ev.Event], None],
        status: Callable[[str], dict[str, Any]],
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

    async def listen(self, path: Path) -> None:
        """Begin to listen; others of the group may connect where they have a role."""
        free_socket(path)
        loop = asyncio.get_running_loop()
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
        for request_id in [n for n, (c, _) in self._pending.items() if c is client]:
            del self._pending[request_id]

    def line(self, client: "Client", line: bytes) -> None:
        """Carry out one request."""
        tree: Any = None
        try:
            if line.count(b"{") + line.count(b"[") > NESTED_MAX + line.count(b'\\"'):  # quoted ones: a text
                raise ValueError(f"more than {NESTED_MAX} brackets")
            tree = json.loads(line)
            if b"\\u" in line or not line.isascii():  # half a pair is no text that can be journaled
                tree = json.loads(json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace"))
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
        if command.cmd not in VIEWS and client.role < Role.OPERATE:
            text = f"this user may look, and not {command.cmd}"
            client.send({"ok": False, "id": command.id, "error": text})
            return
        self._carry_out(client, command)

    def _carry_out(self, client: "Client", command: Command) -> None:
        if command.cmd == "ping" or isinstance(command, LookCommand):
            look = command if isinstance(command, LookCommand) else LookCommand(cmd="ping")
            client.send(self._look(look) | {"id": command.id})
        elif isinstance(command, StatusCommand):
            body = self._status(command.orders)
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


def journaled(event: ev.Event) -> None:
    """Look whether a journal takes the numbers of an event: CommandError where it does not."""
    try:
        msgspec.msgpack.encode(event)
    except OverflowError:
        raise CommandError("a number is out of range: 64 bits are what a journal takes") from None


def event_of(command: Command, request_id: int) -> ev.Event:
    """Return the event that a command means."""
    n = request_id
    if isinstance(command, Submit):
        return ev.SubmitParent(request_id=n, parent=command.parent, dry_run=command.dry_run)
    if isinstance(command, Basket):
        return people.SubmitBasket(request_id=n, parents=parents_of(command.parents), dry_run=command.dry_run)
    if isinstance(command, Amend):
        fields = {f: getattr(command, f) for f in ("qty", "limit_price_e4", "end_ns", "max_participation_bp")}
        return ev.AmendParent(request_id=n, parent_id=cast(Any, command.parent_id), **fields)
    if isinstance(command, StopCommand):
        source, reason = command.source[:40], command.reason[:200]
        if not is_scope(command.scope):
            raise CommandError(
                f"no scope {command.scope[:40]!r}: give A/, T/, P/ or S/ and a name, or nothing"
            )
        if command.cmd == "kill" and not command.scope:
            return ev.Kill(request_id=n, source=source, reason=reason)
        halt = command.cmd == "halt"
        return people.StopScope(request_id=n, source=source, reason=reason, scope=command.scope, halt=halt)
    assert isinstance(command, OfParent)
    kinds = {"pause": ev.PauseParent, "resume": ev.ResumeParent, "cancel": ev.CancelParent}
    return kinds[command.cmd](request_id=n, parent_id=cast(Any, command.parent_id))


def parents_of(text: str) -> tuple[ParentOrder, ...]:
    """Return the parents of a basket; CommandError where they are none."""
    try:
        return msgspec.json.decode(text, type=tuple[ParentOrder, ...])
    except (ValueError, RecursionError) as error:
        raise CommandError(f"not parents: {error}") from None


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._rest = b""
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
