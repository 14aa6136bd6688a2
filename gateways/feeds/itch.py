"""ITCH 5.0: bytes of a full-depth feed into batches of MARKET_EVENT, and back.

`Decoder` reads SoupBinTCP packets or length-prefixed messages, many at a time, in one kernel call.
Decoded are A F E C X D U P Q S R H; every other type of the specification is passed over by its
length and counted, and so is a type that the specification does not have. A frame that is wrong in
itself (length, side, reference, time) is refused: the decoder stops before it and says why.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateways.feeds import itch_kernels as k
from market.book_events import MARKET_EVENT, Kind

LOCATES = 65_536  # the range of a stock locate code
Buffer = bytes | bytearray | memoryview


class Framing(IntEnum):
    """Bytes before each message."""

    LENGTH = 2  # big-endian length, then the message (itch.bin, MoldUDP64 blocks)
    SOUP = 3  # SoupBinTCP packets as they come: length, packet type, message


class FeedError(IntEnum):
    """Why a frame was refused."""

    NONE = k.NO_ERROR
    EMPTY_FRAME = k.EMPTY_FRAME
    WRONG_LENGTH = k.WRONG_LENGTH
    BAD_FIELD = k.BAD_FIELD


class Decoder:
    """Where a feed stands: next sequence number, counters, symbols by stock locate."""

    def __init__(
        self,
        midnight_ns: int,
        next_seq: int = 1,
        framing: Framing = Framing.SOUP,
        locates: tuple[int, ...] | None = None,
    ) -> None:
        """`midnight_ns`: UTC ns of the day's start in the exchange's zone. `locates`: None wants all."""
        self.state: NDArray[np.int64] = np.zeros(k.STATE_SIZE, dtype=np.int64)
        self.state[k.NEXT_SEQ] = next_seq
        self.state[k.MIDNIGHT] = midnight_ns
        self.symbols: dict[int, str] = {}
        self._framing = int(framing)
        self._wanted: NDArray[np.uint8] = np.full(LOCATES, locates is None, dtype=np.uint8)
        for locate in locates or ():
            self._wanted[locate] = 1

    def decode(self, buffer: Buffer, batch: NDArray[Any]) -> tuple[int, int]:
        """Fill `batch` from the front of `buffer`; return (events, bytes used).

        Bytes used < len(buffer): the batch is full (call again with the rest), a frame is not
        complete yet (keep the rest), or `error` says why the next frame was refused.
        """
        data = np.frombuffer(buffer, dtype=np.uint8)
        directories = self.state[k.DIRECTORIES]
        events, used = k.decode_frames(data, self._framing, self.state, self._wanted, batch)
        if self.state[k.DIRECTORIES] != directories:
            self._learn(batch[:events])
        return events, used

    @property
    def next_seq(self) -> int:
        """Sequence number of the next message."""
        return int(self.state[k.NEXT_SEQ])

    @property
    def error(self) -> FeedError:
        """Why decoding stopped; NONE while the feed is sound."""
        return FeedError(int(self.state[k.ERROR]))

    def forgive(self) -> None:
        """Go on behind a frame that was refused."""
        self.state[k.ERROR] = k.NO_ERROR

    @property
    def counters(self) -> dict[str, int]:
        """Messages seen, events made, and what was passed over."""
        slots = (k.MESSAGES, k.EVENTS, k.SKIPPED, k.UNKNOWN, k.FILTERED)
        names = ("messages", "events", "skipped", "unknown", "filtered")
        return {name: int(self.state[slot]) for name, slot in zip(names, slots, strict=True)}

    def want(self, symbol: str) -> None:
        """Also decode the events of a symbol, once its directory message has named its locate."""
        for locate, name in self.symbols.items():
            if name == symbol:
                self._wanted[locate] = 1

    def _learn(self, batch: NDArray[Any]) -> None:
        for row in batch[batch["kind"] == Kind.DIRECTORY]:
            self.symbols[int(row["locate"])] = symbol_text(int(row["new_id"]))


def symbol_text(packed: int) -> str:
    """Return the symbol of a DIRECTORY event: `new_id` holds its eight ASCII bytes."""
    return (packed & (2**64 - 1)).to_bytes(8, "big").decode("ascii", "replace").rstrip(" ")


def new_batch(rows: int) -> NDArray[Any]:
    """Return an empty batch for `Decoder.decode` and `OrderBook.apply`."""
    return np.zeros(rows, dtype=MARKET_EVENT)


WARM_BYTES: Final = b"\x00\x0d\x53S\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01O"


def warm() -> None:
    """Compile the kernels (or load them from the cache), for read-only and writable buffers."""
    batch = new_batch(1)
    for buffer in (WARM_BYTES, bytearray(WARM_BYTES)):
        events, _ = Decoder(0).decode(buffer, batch)
        assert events == 1, "the warm-up message decodes"
