"""FIX over a socket by hand: frames are made and held against the standard here, with nobody's codec.

`Line` is one connection, either side of it. What it sends may be wrong in every way that a case asks for;
what it receives must be right in every way that FIX 4.4 volume 2 asks for, or the case fails.
"""

import re
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

WAIT_S = 8.0
SOH = "\x01"
HEADER_FIRST = (8, 9, 35)
Pairs = list[tuple[int, str]]


class Slip(NamedTuple):
    """How a message is wrong: the mistakes of one case line (tests.conformance.cases)."""

    begin: str = "FIX.4.4"
    sender: str = ""
    target: str = ""
    seq: str = ""  # "+5", "-1" from the next number, without using it up; "7" that very number
    late_s: int = 0  # SendingTime this much before now
    checksum: str = ""  # "bad", "short", "none"
    length: int = 0  # added to BodyLength
    drop: tuple[int, ...] = ()
    first: tuple[tuple[int, str], ...] = ()  # put before MsgType
    held: bool = False  # made, counted, not sent
    halves: bool = False  # sent in two parts


RIGHT = Slip()


class LineClosedError(ConnectionError):
    """The other side closed the connection."""


class Line:
    """One connection with numbers of its own."""

    def __init__(self, connection: socket.socket, sender: str, target: str, seq: int = 1) -> None:
        connection.settimeout(WAIT_S)
        self.connection = connection
        self.sender, self.target = sender, target
        self.seq = seq  # the next number that this side uses
        self.heard = 0  # the last number of the other side, 0: none yet
        self.floor = 0  # no number of the other side may be below it; what came before a cut may be unread
        self.gaps = False  # numbers of the other side may be missing
        self._buffer = b""

    def frame(self, msg_type: str, fields: Pairs, slip: Slip = RIGHT) -> bytes:
        """Return the bytes of one message, wrong as told."""
        number = self.seq
        if slip.seq.startswith(("+", "-")):
            number += int(slip.seq)
        elif slip.seq:
            number = int(slip.seq)
        else:
            self.seq += 1
        now = f"{datetime.now(UTC) - timedelta(seconds=slip.late_s):%Y%m%d-%H:%M:%S.%f}"[:-3]
        head = [(34, str(number)), (49, slip.sender or self.sender), (52, now)]
        head += [(56, slip.target or self.target)]
        given = {tag for tag, _ in fields}
        pairs = [*slip.first, (35, msg_type), *(p for p in head if p[0] not in given), *fields]
        body = "".join(f"{tag}={value}{SOH}" for tag, value in pairs if tag not in slip.drop)
        parts = [f"8={slip.begin}{SOH}", f"9={len(body.encode()) + slip.length}{SOH}", body]
        whole = "".join(p for p, tag in zip(parts, (8, 9, 0), strict=True) if tag not in slip.drop or not tag)
        return (whole + trailer(whole, slip.checksum)).encode()

    def send(self, data: bytes, *, halves: bool = False) -> None:
        """Send bytes, in two parts where told: a reader must not care."""
        middle = len(data) // 2 if halves else len(data)
        try:
            self.connection.sendall(data[:middle])
            if halves:
                self.connection.sendall(data[middle:])
        except (BrokenPipeError, ConnectionResetError) as e:
            raise LineClosedError from e

    def receive(self, wait_s: float = WAIT_S) -> Pairs:
        """Return the next message, after holding it against the standard.

        Raises:
            LineClosedError: the other side closed.
            TimeoutError: nothing whole came.

        """
        deadline = time.monotonic() + wait_s
        while True:
            match = re.match(rb"8=(FIX\.4\.[0-4])\x019=(\d+)\x01", self._buffer)
            if match and len(self._buffer) >= (end := match.end() + int(match[2]) + 7):
                raw, self._buffer = self._buffer[:end], self._buffer[end:]
                return self._checked(raw)
            self.connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self.connection.recv(65_536)
            except ConnectionResetError as e:
                raise LineClosedError from e
            if not more:
                raise LineClosedError
            self._buffer += more

    def _checked(self, raw: bytes) -> Pairs:
        assert int(raw[-4:-1]) == sum(raw[:-7]) % 256, raw
        pairs = [(int(tag), value) for tag, value in (p.split("=", 1) for p in raw.decode()[:-1].split(SOH))]
        tags = [tag for tag, _ in pairs]
        assert tuple(tags[:3]) == HEADER_FIRST, raw
        assert tags[-1] == 10, raw
        fields = dict(pairs)
        assert {34, 49, 52, 56} <= set(tags), raw
        assert (fields[49], fields[56]) == (self.target, self.sender), raw
        assert all(value for _, value in pairs), raw
        number = int(fields[34])
        if fields.get(43) != "Y" and fields[35] != "4":
            assert self.gaps or not self.heard or number == self.heard + 1, (
                f"{number} follows {self.heard}: {raw!r}"
            )
            self.heard = number
        if fields[35] == "4":
            self.heard = max(self.heard, int(fields[36]) - 1)
        return pairs

    def close(self) -> None:
        """Close without a word."""
        self.connection.close()


def trailer(whole: str, how: str) -> str:
    """Return CheckSum(10), right or wrong."""
    total = sum(whole.encode()) % 256
    match how:
        case "bad":
            return f"10={(total + 1) % 256:03d}{SOH}"
        case "short":
            return f"10={total % 100:02d}{SOH}"
        case "none":
            return ""
        case _:
            return f"10={total:03d}{SOH}"
