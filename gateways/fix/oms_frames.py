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
TRAILER: Final = re.compile(rb"10=([0-9]{3})\x01")
TRAILER_BYTES: Final = 7  # `10=123|`
FIX_44: Final = "FIX.4.4"


class TooLong(Exception):  # noqa: N818
    """A message that no OMS has reason to send."""


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
        self._rest += received
        found: list[str] = []
        while True:
            start = self._rest.find(BEGIN)
            if start < 0:
                self._rest = self._rest[-(len(BEGIN) - 1) :]
                return found
            if start:
                self._rest = self._rest[start:]
            size = self._size()
            if size == 0:  # more must come
                return found
            if size < 0 or not self._whole(size):
                self.garbled += 1
                self._rest = self._rest[1:]
                continue
            found.append(self._rest[:size].decode("utf-8", "surrogateescape"))
            self._rest = self._rest[size:]

    def _size(self) -> int:
        """Return the size of the message at the front: 0 not known yet, -1 garbled."""
        head = HEAD.match(self._rest)
        if head is None:
            return -1 if len(self._rest) >= HEAD_BYTES_MAX or self._rest.count(b"\x01") >= 2 else 0
        length = int(head[2])
        if length > BODY_BYTES_MAX:
            raise TooLong(f"a message of {length} bytes; {BODY_BYTES_MAX} are allowed")
        size = head.end() + length + TRAILER_BYTES
        return size if len(self._rest) >= size else 0

    def _whole(self, size: int) -> bool:
        end = size - TRAILER_BYTES
        trailer = TRAILER.fullmatch(self._rest[end:size])
        return trailer is not None and int(trailer[1]) == sum(self._rest[:end]) % 256


def frame(body: str) -> bytes:
    """Return the bytes of a message whose fields from 35 on are `body`."""
    text = body.encode("utf-8", "surrogateescape")
    head = f"8={FIX_44}{SOH}9={len(text)}{SOH}".encode() + text
    return head + f"10={sum(head) % 256:03d}{SOH}".encode()
