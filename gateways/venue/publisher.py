"""The exchange's public side: outcomes become ITCH 5.0 messages in the store that the feed serves.

In lockstep a message becomes visible `delay_ns` of market time after it happened; otherwise at once.
"""

from collections import deque
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateways.feeds import itch_encode
from gateways.feeds.itch_encode import PACKET_BYTES_MAX
from gateways.feeds.soupbintcp import packet
from gateways.feeds.soupbintcp_server import PacketStore
from market.instruments import Instrument

OUTCOMES_CHUNK: Final = 4_096  # encoded at a time; bounds the scratch buffer to 200 KiB
LOCATE: Final = 1  # one symbol a venue


class Publisher:
    """Encodes, holds back, appends to the store."""

    def __init__(
        self, store: PacketStore, instrument: Instrument, midnight_ns: int, delay_ns: int = 0
    ) -> None:
        self.store = store
        self.midnight_ns = midnight_ns
        self._delay_ns = delay_ns
        self._symbol = instrument.symbol
        self._packed = itch_encode.pack_symbol(instrument.symbol)
        self._round_lot = instrument.round_lot
        self._out: NDArray[np.uint8] = np.zeros(OUTCOMES_CHUNK * PACKET_BYTES_MAX, dtype=np.uint8)
        self._index: NDArray[np.int64] = np.zeros((OUTCOMES_CHUNK, 2), dtype=np.int64)
        self._last_ns = 0  # of the last message
        self._held: deque[tuple[bytes, NDArray[np.int64]]] = deque()

    def open(self, ts_ns: int, state: str = "T") -> None:
        """Say that messages start, which stock there is, and that it trades (or is only quoted)."""
        since_ns = ts_ns - self.midnight_ns
        for message in (
            itch_encode.system(since_ns, "O"),
            itch_encode.directory(LOCATE, since_ns, self._symbol, self._round_lot),
            itch_encode.trading_action(LOCATE, since_ns, self._symbol, state),
            *([itch_encode.system(since_ns, "Q")] if state == "T" else []),
        ):
            self.say(message, ts_ns)

    def system(self, ts_ns: int, code: str) -> None:
        """Say a system event: Q and M, begin and end of market hours."""
        self.say(itch_encode.system(ts_ns - self.midnight_ns, code), ts_ns)

    def say(self, message: bytes, ts_ns: int) -> None:
        """Make one message a part of the feed."""
        self._keep(packet("S", message), np.array([[len(message) + 3, ts_ns]], dtype=np.int64))

    def close(self, ts_ns: int) -> None:
        """Say that messages end, at `ts_ns` or with the last of them."""
        ts_ns = max(ts_ns, self._last_ns)
        self.system(ts_ns, "C")

    def publish(self, outcomes: NDArray[Any]) -> None:
        """Make what is public of these outcomes a part of the feed."""
        for start in range(0, len(outcomes), OUTCOMES_CHUNK):
            chunk = outcomes[start : start + OUTCOMES_CHUNK]
            count, used = itch_encode.encode_outcomes(
                chunk, LOCATE, self._packed, self.midnight_ns, self._out, self._index
            )
            if count:
                self._keep(self._out[:used].tobytes(), self._index[:count])

    def release(self, now_ns: int) -> None:
        """Lockstep: show what happened up to `now_ns` less the delay."""
        until_ns = now_ns - self._delay_ns
        while self._held:
            packets, index = self._held[0]
            count = int(np.searchsorted(index[:, 1], until_ns, side="right"))
            if count == 0:
                return
            self._held.popleft()
            cut = int(index[:count, 0].sum())
            self.store.append(packets[:cut], index[:count, 0])
            if count < len(index):
                self._held.appendleft((packets[cut:], index[count:]))

    def release_all(self) -> None:
        """Show everything: the run is over."""
        self.release(2**63 - 1)

    @property
    def next_due_ns(self) -> int:
        """When something held back becomes visible, 2**63 - 1 = nothing is."""
        return int(self._held[0][1][0, 1]) + self._delay_ns if self._held else 2**63 - 1

    @property
    def last_seq(self) -> int:
        """The last sequence number that anybody can see."""
        return self.store.next_seq - 1

    def _keep(self, packets: bytes, index: NDArray[np.int64]) -> None:
        self._last_ns = int(index[-1, 1])
        if self._delay_ns:
            self._held.append((packets, index.copy()))
        else:
            self.store.append(packets, index[:, 0])
