"""A FIX 4.4 client on a plain socket: bytes made here by hand, read by simplefix; none of our codec."""

import socket
import time
from datetime import UTC, datetime
from typing import Self

import simplefix

WAIT_S = 10.0
SOH = "\x01"
Fields = dict[int, str]


class RawFix:
    """One session, as initiator."""

    def __init__(self, port: int, sender: str = "STEADYHAND", target: str = "VENUE") -> None:
        self._names = sender, target
        self._socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self._parser = simplefix.FixParser()
        self._seq = 0
        self.corrupt = False  # send a wrong checksum
        self.log: list[Fields] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, msg_type: str, *fields: tuple[int, object], seq: int | None = None) -> None:
        """Send one message; the header and the checksum are computed here."""
        if seq is None:
            self._seq += 1
            seq = self._seq
        now = f"{datetime.now(UTC):%Y%m%d-%H:%M:%S.%f}"[:-3]
        sender, target = self._names
        head = [(35, msg_type), (34, seq), (49, sender), (52, now), (56, target)]
        body = "".join(f"{tag}={value}{SOH}" for tag, value in [*head, *fields])
        message = f"8=FIX.4.4{SOH}9={len(body)}{SOH}{body}"
        checksum = (sum(message.encode()) + self.corrupt) % 256
        self._socket.sendall(f"{message}10={checksum:03d}{SOH}".encode())

    def receive(self) -> Fields:
        """Return the next message that is not a heartbeat; TestRequests are answered."""
        while True:
            message = self._parser.get_message()
            if message is None:
                data = self._socket.recv(65_536)
                if not data:
                    raise ConnectionError("the venue closed the connection")
                self._parser.append_buffer(data)
                continue
            fields = {int(tag): value.decode() for tag, value in message.pairs}
            self.pairs = [(int(tag), value.decode()) for tag, value in message.pairs]
            self.log.append(fields)
            if fields[35] == "1":
                self.send("0", (112, fields[112]))
            elif fields[35] != "0":
                return fields

    def until(self, msg_type: str) -> Fields:
        """Return the next message of a type, passing over others."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            fields = self.receive()
            if fields[35] == msg_type:
                return fields
        raise TimeoutError(msg_type)

    def report(self) -> Fields:
        """Return the next execution report, checked: FIX's own arithmetic holds in every one."""
        fields = self.until("8")
        check_report(fields)
        return fields

    def resume(self, before: "RawFix") -> None:
        """Go on with the sequence numbers of an earlier connection."""
        self._seq = before._seq

    def logon(self, heartbeat_s: int = 10, *extra: tuple[int, object]) -> Fields:
        """Log on; reset numbers where `extra` says so."""
        self.send("A", (98, 0), (108, heartbeat_s), *extra)
        return self.until("A")

    def new(
        self,
        cl_ord_id: str,
        side: str,
        qty: int,
        price: str | None,
        symbol: str = "SYN",
        seq: int | None = None,
        **more: object,
    ) -> None:
        """Send D."""
        fields: list[tuple[int, object]] = [(11, cl_ord_id), (1, "ACC1"), (21, 1), (55, symbol), (54, side)]
        fields += [(60, transact()), (38, qty), (40, 2 if price else 1)]
        if price:
            fields.append((44, price))
        fields += [(int(tag[1:]), value) for tag, value in more.items()]
        self.send("D", *fields, seq=seq)

    def cancel(self, cl_ord_id: str, orig: str, side: str, qty: int, symbol: str = "SYN") -> None:
        """Send F."""
        self.send("F", (11, cl_ord_id), (41, orig), (55, symbol), (54, side), (60, transact()), (38, qty))

    def replace(self, cl_ord_id: str, orig: str, side: str, qty: int, price: str, **more: object) -> None:
        """Send G."""
        fields: list[tuple[int, object]] = [(11, cl_ord_id), (41, orig), (1, "ACC1"), (21, 1), (55, "SYN")]
        fields += [(54, side), (60, transact()), (38, qty), (40, 2), (44, price)]
        fields += [(int(tag[1:]), value) for tag, value in more.items()]
        self.send("G", *fields)


def transact() -> str:
    """Return TransactTime."""
    return f"{datetime.now(UTC):%Y%m%d-%H:%M:%S.%f}"[:-3]


LIVE = ("0", "1", "6", "A", "E")


def check_report(f: Fields) -> None:
    """What FIX 4.4 says of every execution report."""
    for tag in (37, 17, 150, 39, 55, 54, 151, 14, 6):
        assert tag in f, f"{tag} is required"
    cum, leaves = int(f[14]), int(f[151])
    if f[39] in LIVE:
        assert cum + leaves == int(f[38])
    else:
        assert leaves == 0
    if f[150] == "F":
        assert int(f[32]) > 0
        assert float(f[31]) > 0
