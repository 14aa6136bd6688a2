"""The slow twin of OrderBook: dicts and lists, one obvious line after the other, no code of the kernels."""

from dataclasses import dataclass, field

from market.book_events import Flag, Kind

WORD = (1 << 64) - 1


@dataclass
class TwinOrder:
    order_id: int
    side: int
    price_e4: int
    leaves: int
    owner: int = 0


def mixed(state: int, value: int) -> int:
    word = ((state ^ (value & WORD)) * 0x9E3779B97F4A7C15) & WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


@dataclass
class TwinBook:
    orders_max: int = 1 << 17
    levels_max: int = 1 << 14
    queues: dict[int, dict[int, list[TwinOrder]]] = field(default_factory=lambda: {1: {}, -1: {}})
    orders: dict[int, TwinOrder] = field(default_factory=dict)
    trading: bool = True
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("unknown", "duplicate", "oversize", "invalid", "orders_full", "levels_full"), 0
        )
    )

    def best(self, side: int) -> int:
        prices = self.queues[side]
        if not prices:
            return 0
        return max(prices) if side == 1 else min(prices)

    def room(self, side: int, price_e4: int) -> str | None:
        if len(self.orders) >= self.orders_max:
            return "orders_full"
        if price_e4 not in self.queues[side] and len(self.queues[side]) >= self.levels_max:
            return "levels_full"
        return None

    def join(self, order: TwinOrder) -> None:
        self.queues[order.side].setdefault(order.price_e4, []).append(order)
        self.orders[order.order_id] = order

    def leave(self, order: TwinOrder) -> None:
        queue = self.queues[order.side][order.price_e4]
        queue.remove(order)
        if not queue:
            del self.queues[order.side][order.price_e4]
        del self.orders[order.order_id]

    def size_at(self, side: int, price_e4: int) -> int:
        return sum(order.leaves for order in self.queues[side].get(price_e4, []))

    def queue_ahead(self, order_id: int) -> int:
        order = self.orders.get(order_id)
        if order is None:
            return -1
        queue = self.queues[order.side][order.price_e4]
        return sum(before.leaves for before in queue[: queue.index(order)])

    def in_order(self) -> list[TwinOrder]:
        bids = [o for price in sorted(self.queues[1], reverse=True) for o in self.queues[1][price]]
        asks = [o for price in sorted(self.queues[-1]) for o in self.queues[-1][price]]
        return bids + asks

    def levels(self, depth: int) -> list[list[int]]:
        rows = []
        for side in (1, -1):
            prices = sorted(self.queues[side], reverse=side == 1)[:depth]
            blank = [0] * (depth - len(prices))
            rows += [prices + blank, [self.size_at(side, price) for price in prices] + blank]
        return rows

    def state_hash(self) -> int:
        state = 0
        for index, side in enumerate((1, -1)):
            state = mixed(state, index + 1)
            for price in sorted(self.queues[side], reverse=side == 1):
                state = mixed(state, price)
                for order in self.queues[side][price]:
                    state = mixed(mixed(state, order.order_id), order.leaves)
        return state >> 1

    # --- recorded events --------------------------------------------------------------------------
    def apply(self, event: dict[str, int]) -> dict[str, int]:
        """Return the event as `OrderBook.apply` should complete it."""
        flags = self._apply(event)
        return event | {
            "flags": event["flags"] | flags,
            "bid_e4": self.best(1),
            "ask_e4": self.best(-1),
        }

    def _wrong(self, count: str, flag: int = Flag.REFUSED) -> int:
        self.counts[count] += 1
        return flag

    def _add(self, order_id: int, side: int, price_e4: int, size: int) -> int:
        if side not in (1, -1) or size <= 0 or price_e4 <= 0 or order_id == 0:
            return self._wrong("invalid")
        if order_id in self.orders:
            return self._wrong("duplicate")
        full = self.room(side, price_e4)
        if full is not None:
            return self._wrong(full)
        self.join(TwinOrder(order_id, side, price_e4, size))
        return 0

    def _apply(self, event: dict[str, int]) -> int:
        kind = event["kind"]
        if kind > max(Kind):
            return self._wrong("invalid")
        if kind == Kind.HALT:
            self.trading = event["code"] == ord("T")
        if kind == Kind.ADD:
            return self._add(event["order_id"], event["side"], event["price_e4"], event["size"])
        if kind not in (Kind.CANCEL, Kind.DELETE, Kind.EXECUTE, Kind.EXECUTE_PRICE, Kind.REPLACE):
            return 0
        order = self.orders.get(event["order_id"])
        if order is None:
            return self._wrong("unknown", Flag.UNKNOWN_ORDER)
        event["side"] = order.side
        if kind == Kind.REPLACE:
            self.leave(order)
            return self._add(event["new_id"], order.side, event["price_e4"], event["size"])
        if kind != Kind.EXECUTE_PRICE:
            event["price_e4"] = order.price_e4
        if kind == Kind.DELETE:
            event["size"] = order.leaves
            self.leave(order)
            return 0
        if event["size"] == 0:
            return self._wrong("invalid")
        taken = min(event["size"], order.leaves)
        order.leaves -= taken
        if order.leaves == 0:
            self.leave(order)
        if event["size"] > taken:
            event["size"] = taken
            return self._wrong("oversize", Flag.CLAMPED)
        return 0
