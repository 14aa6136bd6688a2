"""The slow twin of MatchingEngine: price-time priority as one would explain it, over the slow book."""

from market.matching_events import OUTCOME, Command, CommandFlag, Outcome, OutcomeFlag, Tif, Why
from tests.twins.book import TwinBook, TwinOrder

BLANK = dict.fromkeys(OUTCOME.names or (), 0)
LARGEST = 2**32 - 1
Row = dict[str, int]


class TwinEngine:
    def __init__(self, orders_max: int = 1 << 16, levels_max: int = 1 << 14) -> None:
        self.book = TwinBook(orders_max, levels_max)
        self.match_id = 0
        self.halted = False

    def submit(self, command: Row) -> list[Row]:
        """Return the outcomes of one COMMAND."""
        verbs = {Command.NEW: self._new, Command.CANCEL: self._cancel, Command.REPLACE: self._replace}
        verb = verbs.get(command["kind"])
        return verb(command) if verb else [self._rejected(command, Why.BAD_COMMAND)]

    def _rejected(self, c: Row, why: Why) -> Row:
        return self._about(
            c, Outcome.REJECTED, c["order_id"], c["side"], c["price_e4"], c["size"], 0, reason=why
        )

    def _about(
        self,
        c: Row,
        kind: Outcome,
        order_id: int,
        side: int,
        price_e4: int,
        size: int,
        leaves: int,
        **more: int,
    ) -> Row:
        row = BLANK | {"ts_ns": c["ts_ns"], "owner": c["owner"], "kind": kind, "order_id": order_id}
        return row | {"side": side, "price_e4": price_e4, "size": size, "leaves": leaves} | more

    # --- new --------------------------------------------------------------------------------------
    def _new_fault(self, c: Row) -> Why | None:
        market, post_only = c["flags"] & CommandFlag.MARKET, c["flags"] & CommandFlag.POST_ONLY
        if c["side"] not in (1, -1) or c["order_id"] == 0 or c["owner"] < 0:
            return Why.BAD_COMMAND
        if c["flags"] > 3 or c["tif"] not in list(Tif):
            return Why.BAD_COMMAND
        if post_only and (market or c["tif"] != Tif.DAY):
            return Why.BAD_COMMAND
        if not 0 < c["size"] <= LARGEST:
            return Why.BAD_SIZE
        if not market and not 0 < c["price_e4"] <= LARGEST:
            return Why.BAD_PRICE
        if self.halted:
            return Why.HALTED
        if c["order_id"] in self.book.orders:
            return Why.DUPLICATE_ID
        if post_only and self._opposite(c["side"], c["price_e4"]):
            return Why.POST_ONLY
        return None

    def _opposite(self, side: int, limit_e4: int | None) -> list[TwinOrder]:
        """Everything that an order of `side` may hit, in the order in which it would."""
        others = [order for order in self.book.in_order() if order.side == -side]
        return [o for o in others if limit_e4 is None or side * o.price_e4 <= side * limit_e4]

    def _new(self, c: Row) -> list[Row]:
        why = self._new_fault(c)
        if why is not None:
            return [self._rejected(c, why)]
        side, order_id, size = c["side"], c["order_id"], c["size"]
        limit_e4 = None if c["flags"] & CommandFlag.MARKET else c["price_e4"]
        within = self._opposite(side, limit_e4)
        if limit_e4 is not None and c["tif"] == Tif.DAY and not within:
            full = self.book.room(side, limit_e4)
            if full is not None:
                return [self._rejected(c, self._full(full))]
        rows = [self._about(c, Outcome.ACCEPTED, order_id, side, c["price_e4"], size, size)]
        rest_why = Why.NO_LIQUIDITY if limit_e4 is None else Why.IOC if c["tif"] == Tif.IOC else Why.NONE
        if c["tif"] == Tif.FOK:
            reachable = 0
            for order in within:
                if c["owner"] > 0 and order.owner == c["owner"]:
                    break
                reachable += order.leaves
            if reachable < size:
                return [
                    *rows,
                    self._about(c, Outcome.CANCELED, order_id, side, c["price_e4"], size, 0, reason=Why.FOK),
                ]
        return rows + self._trade(c, order_id, side, c["price_e4"], size, within, rest_why)

    def _full(self, count: str) -> Why:
        self.book.counts[count] += 1
        return Why.ORDERS_FULL if count == "orders_full" else Why.LEVELS_FULL

    def _trade(
        self, c: Row, order_id: int, side: int, price_e4: int, size: int, within: list[TwinOrder], why: Why
    ) -> list[Row]:
        rows, left = [], size
        for order in within:
            if left == 0:
                break
            if c["owner"] > 0 and order.owner == c["owner"]:
                why = Why.SELF_TRADE
                break
            shares = min(left, order.leaves)
            left -= shares
            order.leaves -= shares
            self.match_id += 1
            about = self._about(c, Outcome.TRADE, order_id, -side, order.price_e4, shares, left)
            rows.append(about | {
                "resting_id": order.order_id, "resting_leaves": order.leaves, "resting_owner": order.owner,
                "match_id": self.match_id, "flags": OutcomeFlag.ON_ENTRY,
            })  # fmt: skip
            if order.leaves == 0:
                self.book.leave(order)
        if left == 0:
            return rows
        if why is Why.NONE:
            full = self.book.room(side, price_e4)
            if full is None:
                self.book.join(TwinOrder(order_id, side, price_e4, left, c["owner"]))
                return [*rows, self._about(c, Outcome.RESTED, order_id, side, price_e4, left, left)]
            why = self._full(full)
        return [*rows, self._about(c, Outcome.CANCELED, order_id, side, price_e4, left, 0, reason=why)]

    # --- cancel and replace -----------------------------------------------------------------------
    def _cancel(self, c: Row) -> list[Row]:
        order = self.book.orders.get(c["order_id"])
        if order is None:
            return [self._rejected(c, Why.UNKNOWN_ORDER)]
        if order.owner != c["owner"]:
            return [self._rejected(c, Why.NOT_OWNER)]
        if c["size"] < 0:
            return [self._rejected(c, Why.BAD_SIZE)]
        shares = min(c["size"] or order.leaves, order.leaves)
        order.leaves -= shares
        if order.leaves == 0:
            self.book.leave(order)
        about = self._about(
            c,
            Outcome.CANCELED,
            order.order_id,
            order.side,
            order.price_e4,
            shares,
            order.leaves,
            reason=Why.USER,
        )
        return [about | {"flags": OutcomeFlag.RESTING}]

    def _replace_fault(self, c: Row, order: TwinOrder | None) -> Why | None:
        if order is None:
            return Why.UNKNOWN_ORDER
        if order.owner != c["owner"]:
            return Why.NOT_OWNER
        if c["new_id"] == 0 or c["tif"] != Tif.DAY or c["flags"] not in (0, CommandFlag.POST_ONLY):
            return Why.BAD_COMMAND
        if not 0 < c["size"] <= LARGEST:
            return Why.BAD_SIZE
        if not 0 < c["price_e4"] <= LARGEST:
            return Why.BAD_PRICE
        if self.halted:
            return Why.HALTED
        if c["new_id"] != c["order_id"] and c["new_id"] in self.book.orders:
            return Why.DUPLICATE_ID
        if self._opposite(order.side, c["price_e4"]):
            return Why.POST_ONLY if c["flags"] & CommandFlag.POST_ONLY else None
        levels = self.book.queues[order.side]
        freed = len(levels[order.price_e4]) == 1
        if c["price_e4"] not in levels and len(levels) == self.book.levels_max and not freed:
            return self._full("levels_full")
        return None

    def _replace(self, c: Row) -> list[Row]:
        order = self.book.orders.get(c["order_id"])
        why = self._replace_fault(c, order)
        if why is not None or order is None:
            return [self._rejected(c, why or Why.NONE)]
        side, leaves, new_id, price_e4, size = order.side, order.leaves, c["new_id"], c["price_e4"], c["size"]
        about = self._about(c, Outcome.REPLACED, new_id, side, price_e4, size, size)
        about |= {"resting_id": c["order_id"], "resting_leaves": leaves}
        if price_e4 == order.price_e4 and size <= leaves:
            del self.book.orders[order.order_id]
            order.order_id, order.leaves = new_id, size
            self.book.orders[new_id] = order
            return [about | {"flags": OutcomeFlag.RESTING | OutcomeFlag.KEPT_PRIORITY}]
        self.book.leave(order)
        within = self._opposite(side, price_e4)
        if not within:
            self.book.join(TwinOrder(new_id, side, price_e4, size, c["owner"]))
            return [about | {"flags": OutcomeFlag.RESTING}]
        return [about, *self._trade(c, new_id, side, price_e4, size, within, Why.NONE)]
