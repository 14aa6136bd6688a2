"""From the bytes of one feed read to steps of the core; the shell and the replay go the same way."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.trader.core import TraderCore
from daemon.trader.events import NOTHING, Step
from gateways.feeds.itch import Decoder, FeedError, new_batch
from gateways.feeds.itch_kernels import NEXT_SEQ
from market import events as ev
from market.book_events import Flag

BATCH_ROWS: Final = 4_096  # of one kernel call; a larger read takes several


class Intake:
    """A decoder, its batch, and the core that takes what it makes."""

    def __init__(self, core: TraderCore, midnight_ns: int) -> None:
        self.decoder = Decoder(midnight_ns)
        self._core = core
        self._batch = new_batch(BATCH_ROWS)

    def take(self, stamp: ev.Stamp, packets: bytes, first: int) -> Iterator[tuple[Step, NDArray[Any], int]]:
        """Yield (step, batch, bytes used) for each kernel call; it stops where the decoder refuses.

        `first` 0: packets of a snapshot. They have no numbers of the feed, and its orders are no flow.
        """
        decoder, view, at = self.decoder, memoryview(packets), 0
        snapshot = first == 0
        if snapshot:
            decoder.forgive()  # what was refused before it lies behind us
        else:
            decoder.state[NEXT_SEQ] = first
        while at < len(packets):
            events, used = decoder.decode(view[at:], self._batch)
            batch = self._batch[:events]
            if snapshot:
                batch["flags"] |= np.uint16(Flag.REVEAL)
                step = self._core.reveal(batch)
            else:
                step = self._core.feed(stamp, batch, first, decoder.next_seq) if used else NOTHING
                first = decoder.next_seq
            at += used
            yield step, batch, used
            if not used or (at < len(packets) and self.fault):
                return

    @property
    def fault(self) -> str:
        """Return why the feed cannot be followed any more, "" while it can."""
        error = self.decoder.error
        if error is FeedError.NONE:
            return ""
        return f"feed: message {self.decoder.next_seq} was refused: {error.name.lower().replace('_', ' ')}"
