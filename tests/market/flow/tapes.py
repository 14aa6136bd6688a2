"""Small recorded days, made up: a self-consistent tape of every kind of event, from a seed."""

import numpy as np

from market.book_events import MARKET_EVENT, Flag, Kind
from tests.twins.book import TwinBook

MID = 1_000_000
TICK = 100
BUY, SELL = 1, -1


def event(kind: int, order_id: int = 0, ts_ns: int = 0, **fields: int) -> np.ndarray:
    row = np.zeros(1, dtype=MARKET_EVENT)
    row["kind"], row["order_id"], row["ts_ns"] = kind, order_id, ts_ns
    for name, value in fields.items():
        row[name] = value
    return row


def add(order_id: int, side: int, price_e4: int, size: int, ts_ns: int = 0, flags: int = 0) -> np.ndarray:
    return event(Kind.ADD, order_id, ts_ns, side=side, price_e4=price_e4, size=size, flags=flags)


def tape(*rows: np.ndarray) -> np.ndarray:
    return np.concatenate(rows)


class TapeMaker:
    """Writes a tape while it keeps the book that it means."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.book = TwinBook()
        self.rows: list[np.ndarray] = []
        self.ts_ns = 0
        self.last_id = 0
        self.off_fifo = 0

    def make(self, steps: int) -> np.ndarray:
        """Return a tape that begins with a standing book and ends with an empty one."""
        for level in range(6):
            self.write(self.addition(BUY, MID - (level + 1) * TICK, Flag.REVEAL))
            self.write(self.addition(SELL, MID + (level + 1) * TICK, Flag.REVEAL))
        verbs = [self.limit, self.withdraw, self.aggress, self.print_hidden, self.replace, self.halt]
        for verb in self.rng.choice(len(verbs), steps, p=[0.5, 0.22, 0.15, 0.06, 0.06, 0.01]):
            self.ts_ns += int(self.rng.integers(1, 1000))
            verbs[verb]()
        for order in self.book.in_order():
            self.ts_ns += 1
            self.write(event(Kind.DELETE, order.order_id))
        return np.concatenate(self.rows)

    def write(self, row: np.ndarray) -> None:
        row["ts_ns"] = self.ts_ns
        self.rows.append(row)
        fields = dict(zip(row.dtype.names, row.tolist()[0], strict=True))
        assert self.book.apply(fields)["flags"] & ~(Flag.REVEAL | Flag.CONCEAL) == 0

    def addition(self, side: int, price_e4: int, flags: int = 0) -> np.ndarray:
        self.last_id += 1
        return add(self.last_id, side, price_e4, int(self.rng.integers(1, 6)) * 50, flags=flags)

    def price(self, side: int) -> int:
        """A price that does not cross, near the opposite touch, or near the middle where there is none."""
        touch = self.book.best(-side) or MID
        return touch - side * TICK * int(self.rng.geometric(0.35))

    def limit(self) -> None:
        side = int(self.rng.choice([BUY, SELL]))
        price_e4 = self.price(side)
        opposite = self.book.best(-side)
        assert not opposite or side * price_e4 < side * opposite
        self.write(self.addition(side, price_e4, Flag.REVEAL if self.rng.random() < 0.05 else 0))

    def withdraw(self) -> None:
        orders = self.book.in_order()
        if not orders:
            return
        order = orders[int(self.rng.integers(len(orders)))]
        if order.leaves > 1 and self.rng.random() < 0.4:
            size = int(self.rng.integers(1, order.leaves + 1))
            self.write(event(Kind.CANCEL, order.order_id, size=size))
            return
        self.write(event(Kind.DELETE, order.order_id, flags=Flag.CONCEAL if self.rng.random() < 0.1 else 0))

    def aggress(self) -> None:
        """A marketable order down the queue, once in a while off its head, with hidden prints between."""
        side = int(self.rng.choice([BUY, SELL]))
        left = int(self.rng.integers(1, 16)) * 50
        while left > 0:
            queue = [order for order in self.book.in_order() if order.side == side]
            if not queue:
                return
            order = queue[0]
            if len(queue) > 1 and self.rng.random() < 0.03:
                order = queue[1]
                self.off_fifo += 1
            shares = min(left, order.leaves)
            left -= shares
            if self.rng.random() < 0.05:
                self.write(
                    event(Kind.EXECUTE_PRICE, order.order_id, size=shares, price_e4=order.price_e4 + 7)
                )
            else:
                self.write(event(Kind.EXECUTE, order.order_id, size=shares))
            if self.rng.random() < 0.1:
                self.write(event(Kind.HIDDEN, side=side, price_e4=order.price_e4 + side * 50, size=25))

    def print_hidden(self) -> None:
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        if bid and ask:
            price_e4 = int(self.rng.integers(bid, ask + 1))
            side = int(self.rng.choice([BUY, SELL, 0]))
            self.write(event(Kind.HIDDEN, side=side, price_e4=price_e4, size=int(self.rng.integers(1, 300))))

    def replace(self) -> None:
        orders = self.book.in_order()
        if not orders:
            return
        order = orders[int(self.rng.integers(len(orders)))]
        self.last_id += 1
        price_e4 = self.price(order.side)
        size = int(self.rng.integers(1, 6)) * 50
        self.write(event(Kind.REPLACE, order.order_id, new_id=self.last_id, price_e4=price_e4, size=size))

    def halt(self) -> None:
        self.write(event(Kind.HALT, code=ord("H")))
        for _ in range(int(self.rng.integers(0, 4))):
            self.ts_ns += 5
            self.limit()
        self.ts_ns += 5
        self.write(event(Kind.HALT, code=ord("T")))
