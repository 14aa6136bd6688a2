"""The gate's side of the link: a unix socket, one connection a trader, routed by epoch.

A connection speaks for one epoch, the one that its `TraderHello` named. The core decides whether the
trader is accepted; this module sees that nobody speaks in another's name.
"""

import asyncio
import contextlib
import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from daemon.control import SOCKET_PATH_BYTES_MAX
from daemon.runtime import umask_private
from gateways.link import Peer, ToGate
from market import events as ev
from market import updates as up

INTENTS_MAX: Final = 20_000  # frames of one trader in a second: more is a trader that has gone mad
PEERS_MAX: Final = 64  # connections at once, those without a hello included
log = structlog.get_logger()


class BusySocket(Exception):  # noqa: N818
    """The place is taken, by another process or by a file: one line for the operator."""


class Links:
    """Every connection of traders. `post` steps an event in the gate."""

    def __init__(self, post: Callable[[ev.Event], None], tock: Callable[[int, ev.LockTock], None]) -> None:
        self._post = post
        self._tock = tock
        self._peers: dict[int, Peer] = {}  # by epoch
        self._epochs: dict[Peer, int] = {}
        self._open: dict[Peer, None] = {}
        self._frames: dict[Peer, tuple[int, int]] = {}  # (second, frames in it)
        self._server: asyncio.AbstractServer | None = None
        self.told = 0  # updates sent to any trader
        self.received = 0

    async def listen(self, path: Path) -> None:
        """Begin to listen; this user and its group may connect: in production the trader is another user."""
        free_socket(path)
        loop = asyncio.get_running_loop()
        with umask_private():
            self._server = await loop.create_unix_server(self.peer, str(path))
        path.chmod(0o660)  # noqa: ASYNC240  (one call, before anybody waits)

    def peer(self) -> Peer:
        """Return our end of one more connection."""
        return Peer(ToGate, self._messages, self._closed, self._opened, at_once=False)

    def close(self, reason: str) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for peer in list(self._open):
            peer.close(reason)

    @property
    def epochs(self) -> list[int]:
        """Return the epochs that are connected."""
        return list(self._peers)

    def tell(self, epoch: int, update: up.Update) -> None:
        """Send an update; a trader that is gone hears nothing."""
        peer = self._peers.get(epoch)
        if peer is not None and peer.send(update):
            self.told += 1

    def beat(self) -> None:
        """Tell everybody that this loop runs."""
        for peer in list(self._peers.values()):
            peer.send(up.GateAlive())

    def drop(self, epoch: int, reason: str) -> None:
        """Close the connection of a trader that the core did not accept."""
        peer = self._peers.pop(epoch, None)
        if peer is not None:
            self._epochs.pop(peer, None)
            peer.close(reason)

    def _opened(self, peer: Peer) -> None:
        self._open[peer] = None
        if len(self._open) > PEERS_MAX:  # who has not said who it is keeps no trader out
            silent = next((p for p in self._open if p not in self._epochs), peer)
            silent.abort(f"more than {PEERS_MAX} connections")

    def _messages(self, peer: Peer, messages: list[Any]) -> None:
        if self._floods(peer, len(messages)):
            peer.abort(f"more than {INTENTS_MAX} frames in a second")
            return
        for message in messages:
            self.received += 1
            if isinstance(message, ev.TraderHello):
                self._hello(peer, message)
                continue
            epoch = self._epochs.get(peer)
            if epoch is None:
                peer.abort("the first frame is a TraderHello")
                return
            if isinstance(message, ev.LockTock):
                self._tock(epoch, message)
            elif message.epoch == epoch:
                self._post(message)
            elif not isinstance(message, ev.TraderStatus):
                text = f"epoch {message.epoch} is not this link's"
                peer.send(up.IntentRefused(epoch=message.epoch, n=message.n, controls=("GATE",), text=text))

    def _floods(self, peer: Peer, more: int) -> bool:
        """Count frames by second: what floods would fill the journal."""
        second = int(time.monotonic())
        then, count = self._frames.get(peer, (second, 0))
        count = count + more if then == second else more
        self._frames[peer] = (second, count)
        return count > INTENTS_MAX

    def _hello(self, peer: Peer, hello: ev.TraderHello) -> None:
        if peer in self._epochs:
            peer.abort("a second TraderHello")
            return
        if hello.epoch in self._peers:
            reason = f"epoch {hello.epoch} is connected"
            peer.send(up.HelloAck(protocol=ev.LINK_PROTOCOL, accepted=False, reason=reason, again=True))
            peer.close(reason)
            return
        self._peers[hello.epoch] = peer
        self._epochs[peer] = hello.epoch
        self._post(hello)

    def _closed(self, peer: Peer, reason: str) -> None:
        self._open.pop(peer, None)
        self._frames.pop(peer, None)
        epoch = self._epochs.pop(peer, None)
        if epoch is not None:
            self._peers.pop(epoch, None)
            self._post(ev.TraderGone(epoch=epoch, reason=reason))
        else:
            log.info("link closed", reason=reason)


def free_socket(path: Path) -> None:
    """Remove a socket that a dead process left behind.

    Raises:
        BusySocket: a living process listens there, or it is no socket.

    """
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise BusySocket(f"{path}: a socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(path):
        return
    if not is_socket(path):
        raise BusySocket(f"{path}: is no socket; move it away, or choose another path")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.setblocking(False)  # one that listens and takes nobody, as a stopped one, is asked once
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # nobody has it; any other answer is somebody's
            remove_socket(path)
            return
        except OSError as error:
            raise BusySocket(
                f"{path}: another process has it ({error.strerror}); stop it, or choose another path"
            ) from None
    raise BusySocket(f"{path}: another process listens there; stop it, or choose another path")


def is_socket(path: Path) -> bool:
    """Return whether a path itself, not what it points to, is a socket."""
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def remove_socket(path: Path) -> None:
    """Remove a socket, and nothing else."""
    if is_socket(path):
        path.unlink(missing_ok=True)
