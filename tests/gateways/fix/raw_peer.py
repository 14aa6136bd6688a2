"""A FIX counterparty made of plain sockets and simplefix: it shares no code with the house's codec.

Header, length and checksum are computed and checked here by hand, so that two mistakes cannot cancel
out. `RawAcceptor` waits for a client, `dial` is one.
"""

import re
import socket
from datetime import UTC, datetime

import simplefix

WAIT_S = 10.0  # an engine polls once a second
Fields = list[tuple[int, str]]


def checksum(data: bytes) -> int:
    return sum(data) % 256


class RawPeer:
    """One connection: sends what it is told, and holds every message that comes against the standard."""

    def __init__(self, connection: socket.socket, sender: str, target: str, version: str = "FIX.4.4") -> None:
        connection.settimeout(WAIT_S)
        self.connection, self.version = connection, version
        self.sender, self.target = sender, target
        self.seq = 1
        self.buffer = b""

    def receive(self) -> simplefix.FixMessage:
        """Return the next message, after checking its frame."""
        while True:
            match = re.match(rb"8=" + re.escape(self.version.encode()) + rb"\x019=(\d+)\x01", self.buffer)
            if match:
                end = match.end() + int(match[1]) + 7
                if len(self.buffer) >= end:
                    raw, self.buffer = self.buffer[:end], self.buffer[end:]
                    return self.checked(raw)
            more = self.connection.recv(65_536)
            if not more:
                raise ConnectionError("the engine closed the connection")
            self.buffer += more

    def checked(self, raw: bytes) -> simplefix.FixMessage:
        assert raw[-7:-4] == b"10=", raw
        assert raw[-1:] == b"\x01"
        assert int(raw[-4:-1]) == checksum(raw[:-7]), raw
        parser = simplefix.FixParser()
        parser.append_buffer(raw)
        message = parser.get_message()
        assert message is not None, raw
        assert [tag for tag, _ in message.pairs[:3]] == [b"8", b"9", b"35"], raw
        assert message.get(49).decode() == self.target
        assert message.get(56).decode() == self.sender
        return message

    def expect(self, msg_type: str) -> simplefix.FixMessage:
        """Return the next message of a type; heartbeats are no news, and positions need no answer."""
        while True:
            message = self.receive()
            got = message.get(35).decode()
            if got == msg_type:
                return message
            assert got in ("0", "AN"), f"expected {msg_type}, got {message}"

    def send(self, msg_type: str, *fields: tuple[int, str], seq: int | None = None) -> None:
        """Send one message; `seq` out of the row does not count."""
        self.connection.sendall(self.frame(msg_type, *fields, seq=seq))

    def frame(self, msg_type: str, *fields: tuple[int, str], seq: int | None = None) -> bytes:
        number = self.seq if seq is None else seq
        if seq is None:
            self.seq += 1
        now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        head: Fields = [(35, msg_type), (49, self.sender), (56, self.target), (34, str(number)), (52, now)]
        body = b"".join(f"{tag}={value}\x01".encode() for tag, value in [*head, *fields])
        whole = f"8={self.version}\x019={len(body)}\x01".encode() + body
        return whole + f"10={checksum(whole):03d}\x01".encode()

    def is_closed(self) -> bool:
        """Wait until the other side closes, whatever it says before."""
        try:
            while self.connection.recv(65_536):
                pass
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        self.connection.close()


class RawAcceptor:
    """Listens on a free port; each `accept` is the next connection of the client."""

    def __init__(self, sender: str = "VENUE", target: str = "STEADYHAND", version: str = "FIX.4.4") -> None:
        self.version = version
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WAIT_S)
        self.port = self.listener.getsockname()[1]
        self.sender, self.target = sender, target
        self.peers: list[RawPeer] = []

    def accept(self) -> RawPeer:
        connection, _ = self.listener.accept()
        self.peers.append(RawPeer(connection, self.sender, self.target, self.version))
        return self.peers[-1]

    def log_on(self, seq: int = 1, heartbeat_s: int = 10) -> tuple[RawPeer, simplefix.FixMessage]:
        """Accept and answer a Logon; return the peer and the client's Logon."""
        peer = self.accept()
        peer.seq = seq
        logon = peer.expect("A")
        peer.send("A", (98, "0"), (108, str(heartbeat_s)))
        return peer, logon

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.listener.close()


def dial(port: int, sender: str = "STEADYHAND", target: str = "VENUE") -> RawPeer:
    """Return a client's connection."""
    return RawPeer(socket.create_connection(("127.0.0.1", port), WAIT_S), sender, target)
