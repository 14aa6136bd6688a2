"""MoldUDP64: what was passed on lately, so that a second copy of a message can be held against it.

Two lines, and answers to requests, bring the same messages. Where two copies differ one of them lies, and
nobody can say which: whoever followed the first may have a false book.
"""

from bisect import bisect_right
from typing import Final

from gateways.feeds.moldudp64_kernels import HEADER_BYTES

# Copies on two lines come within milliseconds of each other; so many bytes take a quarter of a second.
COPIES_BYTES_MAX: Final = 1 << 20


class Copies:
    """The last datagrams that were passed on, in order."""

    def __init__(self) -> None:
        self._seqs: list[int] = []  # where each begins
        self._datagrams: list[bytes] = []
        self._bytes = 0

    def append(self, seq: int, datagram: bytes) -> None:
        """Keep the next one; where they are too many, forget the older half."""
        self._seqs.append(seq)
        self._datagrams.append(datagram)
        self._bytes += len(datagram)
        if self._bytes > COPIES_BYTES_MAX:
            older = (len(self._seqs) + 1) // 2
            self._bytes -= sum(map(len, self._datagrams[:older]))
            del self._seqs[:older], self._datagrams[:older]

    def clear(self) -> None:
        """Forget them."""
        self._seqs.clear()
        self._datagrams.clear()
        self._bytes = 0

    def differing(self, seq: int, count: int, datagram: bytes) -> int:
        """Return the first of a datagram's first `count` messages that was passed on otherwise; 0: none."""
        at = max(0, bisect_right(self._seqs, seq) - 1)
        if at < len(self._seqs) and self._seqs[at] == seq and self._datagrams[at] == datagram:
            return 0
        said = dict(enumerate(blocks(datagram)[:count], seq))
        for n in range(at, len(self._seqs)):
            first = self._seqs[n]
            if first >= seq + count:
                break
            for number, message in enumerate(blocks(self._datagrams[n]), first):
                if said.get(number, message) != message:
                    return number
        return 0


def blocks(datagram: bytes) -> list[bytes]:
    """Return the messages of a datagram that is well formed."""
    found, at = [], HEADER_BYTES
    while at < len(datagram):
        end = at + 2 + int.from_bytes(datagram[at : at + 2], "big")
        found.append(datagram[at + 2 : end])
        at = end
    return found


def alike(one: bytes, other: bytes) -> bool:
    """Return whether two datagrams that begin at one number say the same, as far as both go."""
    return one == other or all(a == b for a, b in zip(blocks(one), blocks(other), strict=False))
