"""Slots: how parents appear in metrics without their ids becoming labels of every series.

Each live parent holds one of a few numbered slots; `steadyhand_parent_info` alone says which parent
that is, and is 0 once it has ended. More parents than slots go uncounted, not unworked.
"""

from collections.abc import Iterable

from daemon.metrics.block import Metrics
from daemon.metrics.catalogue import LABEL_CHARS_MAX, SLOTS
from market.parents import ParentOrder


class ParentSlots:
    """Which parent holds which slot."""

    def __init__(self, metrics: Metrics) -> None:
        self._infos = {slot: metrics.info("steadyhand_parent_info") for slot in SLOTS}
        self._free = list(SLOTS)
        self._held: dict[str, str] = {}

    def of(self, parent: ParentOrder) -> str | None:
        """Return the parent's slot, a free one at first; None where all are taken."""
        slot = self._held.get(parent.parent_id)
        if slot is None and self._free:
            slot = self._held[parent.parent_id] = self._free.pop(0)
            parent_id = parent.parent_id[:LABEL_CHARS_MAX]
            self._infos[slot].show(
                slot=slot, parent_id=parent_id, symbol=parent.symbol, side=parent.side.name
            )
        return slot

    def keep(self, live: Iterable[str]) -> list[str]:
        """Let the slots of all other parents go, and return them."""
        ended = [self._held.pop(parent_id) for parent_id in set(self._held) - set(live)]
        for slot in ended:
            self._infos[slot].hide()
        self._free += ended
        return ended
