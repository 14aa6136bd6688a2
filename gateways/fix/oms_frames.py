"""FIX frames on a byte stream, both ways: bytes in, whole messages out; fields in, bytes out. Pure.

A message whose length or checksum is wrong is dropped, as FIX 4.4 wants it: what follows is found by the next
`8=FIX`, and its number is asked for again.
"""

import re
from typing import Final

from gateways.fix.wire import SOH

BEGIN: Final = b"8=FIX"
HEAD: Final = re.compile(rb"8=([A-Z.0-9]{1,10})\x019=([0-9]{1,6})\x01")
HEAD_BYTES_MAX: Final = 32  # of `8=..|9=..|`
BODY_BYTES_MAX: Final = 8_192  # of one message; a parent order has 500
GARBLED_MAX: Final = 100  # heads of no message in one read: whoever sends more is no OMS, and costs the loop
TRAILER: Final = re.compile(rb"10=([0-9]{3})\x01")
TRAILER_BYTES: Final = 7  # `10=123|`
# Fields of data, by the field before that says how long they are: they may hold SOH.
DATA: Final = {
    b"90": b"91", b"93": b"89", b"95": b"96", b"212": b"213", b"348": b"349", b"350": b"351",
    b"352": b"353", b"354": b"355", b"356": b"357", b"358": b"359", b"360": b"361", b"362": b"363",
    b"364": b"365", b"445": b"446", b"618": b"619", b"621": b"622",
}  # fmt: skip
LENGTH: Final = re.compile(rb"\x01(" + b"|".join(DATA) + rb")=([0-9]{1,5})\x01([0-9]{2,3})=")
FIX_44: Final = "FIX.4.4"


class TooLong(Exception):  # noqa: N818
    """Bytes that no OMS has reason to send."""


class Frames:
    """Cuts a stream into messages."""

    def __init__(self) -> None:
        self._rest = b""
        self.garbled = 0

    def feed(self, received: bytes) -> list[str]:
        """Return the whole, correct messages that are complete now.

        Raises:
            TooLong: the connection is to be closed.

        """
        held = self._rest + received
        at = 0  # what lies before it is done with
        most = self.garbled + GARBLED_MAX
        found: list[str] = []
        while (start := held.find(BEGIN, at)) >= 0:
            at = start
            size = size_at(held, at)
            if size == 0:  # more must come
                break
            if size < 0 or not is_whole(held, at, at + size - TRAILER_BYTES):
                self.garbled += 1
                if self.garbled > most:
                    raise TooLong(f"more than {GARBLED_MAX} garbled messages in one read")
                at += 1
                continue
            found.append(sealed(held[at : at + size]).decode("utf-8", "surrogateescape"))
            at += size
        else:
            at = max(at, len(held) - (len(BEGIN) - 1))
        self._rest = held[at:]
        return found


def size_at(held: bytes, at: int) -> int:
    """Return the size of the message that begins there: 0 not known yet, -1 garbled.

    Raises:
        TooLong: the connection is to be closed.

    """
    head = HEAD.match(held, at)
    if head is None:
        begun = held[at : at + HEAD_BYTES_MAX]
        return -1 if len(begun) == HEAD_BYTES_MAX or begun.count(b"\x01") >= 2 else 0
    length = int(head[2])
    if length > BODY_BYTES_MAX:
        raise TooLong(f"a message of {length} bytes; {BODY_BYTES_MAX} are allowed")
    size = head.end() - at + length + TRAILER_BYTES
    return size if len(held) - at >= size else 0


def is_whole(held: bytes, at: int, end: int) -> bool:
    """Return whether a message that begins `at` has its checksum at `end`."""
    trailer = TRAILER.fullmatch(held, end, end + TRAILER_BYTES)
    return trailer is not None and int(trailer[1]) == sum(held[at:end]) % 256


def sealed(message: bytes) -> bytes:
    """Return a message whose data fields hold no SOH, a dot stands for it: nobody here reads them."""
    at = 0
    while (found := LENGTH.search(message, at)) is not None:
        begin, end = found.end(), found.end() + int(found[2])
        at = found.end(2)
        if DATA[found[1]] == found[3] and message[end : end + 1] == b"\x01":
            message = message[:begin] + message[begin:end].replace(b"\x01", b".") + message[end:]
            at = end
    return message


def frame(body: str) -> bytes:
    """Return the bytes of a message whose fields from 35 on are `body`."""
    text = body.encode("utf-8", "surrogateescape")
    head = f"8={FIX_44}{SOH}9={len(text)}{SOH}".encode() + text
    return head + f"10={sum(head) % 256:03d}{SOH}".encode()
