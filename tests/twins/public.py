"""The book as the public sees it: rebuilt from outcomes alone, each checked against what stands there."""

import numpy as np

from market.matching_events import Outcome, OutcomeFlag
from tests.twins.book import TwinBook, TwinOrder


class PublicBook(TwinBook):
    def follow(self, outcomes: np.ndarray) -> None:
        """Apply outcomes in order."""
        names = outcomes.dtype.names or ()
        for row in outcomes.tolist():
            self.follow_one(dict(zip(names, row, strict=True)))

    def follow_one(self, row: dict[str, int]) -> None:
        kind, resting = row["kind"], bool(row["flags"] & OutcomeFlag.RESTING)
        if kind == Outcome.RESTED:
            self.join(self._order(row, row["order_id"]))
        elif kind == Outcome.TRADE:
            self._check(row["resting_id"], row["side"], row["resting_owner"])
            self._take(row["resting_id"], row["size"], row["resting_leaves"])
        elif kind == Outcome.CANCELED and resting:
            self._check(row["order_id"], row["side"], row["owner"])
            self._take(row["order_id"], row["size"], row["leaves"])
        elif kind == Outcome.REPLACED:
            self._check(row["resting_id"], row["side"], row["owner"])
            self._replace(row, resting)

    def _order(self, row: dict[str, int], order_id: int) -> TwinOrder:
        return TwinOrder(order_id, row["side"], row["price_e4"], row["leaves"], row["owner"])

    def _check(self, order_id: int, side: int, owner: int) -> None:
        order = self.orders[order_id]
        assert (order.side, order.owner) == (side, owner)

    def _take(self, order_id: int, size: int, leaves: int) -> None:
        order = self.orders[order_id]
        assert size > 0
        assert order.leaves - size == leaves
        order.leaves = leaves
        if leaves == 0:
            self.leave(order)

    def _replace(self, row: dict[str, int], resting: bool) -> None:
        old = self.orders[row["resting_id"]]
        assert old.leaves == row["resting_leaves"]
        if row["flags"] & OutcomeFlag.KEPT_PRIORITY:
            del self.orders[old.order_id]
            old.order_id, old.leaves = row["order_id"], row["leaves"]
            self.orders[old.order_id] = old
            return
        self.leave(old)
        if resting:
            self.join(self._order(row, row["order_id"]))
