"""A seeded little market of single orders, told in the formats of three venues.

It is no model of a market: its use is that the truth is known, order by order.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

T0 = 1_700_000_000_000_000_000
MS = 1_000_000
MIDDLE = 100_000_000  # 1e-4 of the quote currency
TICK = 1_000
UNIT = 100_000  # 1e-8 of the base unit: sizes are multiples of 0.001
ADD, CHANGE, DELETE, TRADE, TAKE = "add", "change", "delete", "trade", "take"


@dataclass
class Event:
    """What happened: `order` rests, `taker` came and took."""

    ts_ns: int
    what: str
    order: int
    side: int
    price: int
    size: int  # new, cut off, deleted or executed
    left: int
    taker: int = 0


@dataclass
class Market:
    """A book of single orders and what happened to it."""

    seed: int
    queues: dict[int, dict[int, dict[int, int]]] = field(default_factory=lambda: {1: {}, -1: {}})
    events: list[Event] = field(default_factory=list)
    ts_ns: int = T0
    next_id: int = 1_000

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def best(self, side: int) -> int:
        """Return the best price, 0 = none."""
        prices = self.queues[side]
        return (max(prices) if side > 0 else min(prices)) if prices else 0

    def orders(self) -> list[tuple[int, int, int, int]]:
        """Return all orders as (id, side, price, size)."""
        return [
            (order, side, price, size)
            for side, prices in self.queues.items()
            for price, queue in prices.items()
            for order, size in queue.items()
        ]

    def levels(self, side: int) -> list[tuple[int, int]]:
        """Return (price, size), best first."""
        prices = self.queues[side]
        return [(price, sum(prices[price].values())) for price in sorted(prices, reverse=side > 0)]

    def add(self, side: int, price: int, size: int, order: int = 0) -> None:
        """Let an order rest."""
        if not order:
            self.next_id += 1
            order = self.next_id
        self.queues[side].setdefault(price, {})[order] = size
        self.events.append(Event(self.ts_ns, ADD, order, side, price, size, size))

    def off(self, order: int, side: int, price: int, size: int, what: str, taker: int = 0) -> None:
        """Take a size off an order."""
        queue = self.queues[side][price]
        queue[order] -= size
        left = queue[order]
        if not left:
            del queue[order]
            if not queue:
                del self.queues[side][price]
        self.events.append(Event(self.ts_ns, what, order, side, price, size, left, taker))

    def take(self, side: int, size: int) -> None:
        """Send a marketable order of this side with a limit at the other's second level."""
        other = self.levels(-side)
        limit = other[min(1, len(other) - 1)][0]
        self.next_id += 1
        taker, left = self.next_id, size
        begin = len(self.events)
        self.events.append(Event(self.ts_ns, TAKE, taker, side, limit, size, size, taker))
        while left and self.queues[-side] and side * (limit - self.best(-side)) >= 0:
            price = self.best(-side)
            order, there = next(iter(self.queues[-side][price].items()))
            part = min(left, there)
            left -= part
            self.off(order, -side, price, part, TRADE, taker)
        self.events[begin].left = left
        if left:
            self.add(side, limit, left, taker)

    def step(self) -> None:
        """Let something happen."""
        self.ts_ns += self.rng.randrange(1, 40) * MS
        side = self.rng.choice((1, -1))
        size = self.rng.randrange(1, 50) * UNIT
        draw = self.rng.random()
        standing = self.orders()
        if draw < 0.5 or len(standing) < 20:
            other = self.best(-side) or MIDDLE + side * TICK
            price = other - side * self.rng.randrange(1, 12) * TICK
            self.add(side, price, size)
        elif draw < 0.85:
            order, of, price, there = self.rng.choice(standing)
            if len(self.queues[of]) > 2:
                part = there if draw < 0.8 or there == UNIT else UNIT
                self.off(order, of, price, part, DELETE if part == there else CHANGE)
        elif len(self.queues[-side]) > 2:
            self.take(side, size)


def market(
    seed: int, before: int = 60, steps: int = 400
) -> tuple[Market, list[tuple[int, int, int, int]], list[Event]]:
    """Return a market, the orders that stood when its recording began, and what was recorded."""
    made = Market(seed)
    for _ in range(before):
        made.step()
    stood, begin = made.orders(), len(made.events)
    for _ in range(steps):
        made.step()
    return made, stood, made.events[begin:]


def table(path: Path, names: str, rows: list[tuple[int | None, ...]]) -> Path:
    """Write whole-number columns."""
    columns = {name: pa.array([row[i] for row in rows], pa.int64()) for i, name in enumerate(names.split())}
    pq.write_table(pa.table(columns), path)
    return path


def coinbase(folder: Path, seed: int) -> tuple[Path, Path, Path]:
    """Write messages and the snapshots around them."""
    made, stood, events = market(seed)
    rows: list[tuple[int, int, int, int | None, int | None, int]] = []
    for e in events:
        if e.what == TAKE:
            rows.append((e.ts_ns, 0, e.order, e.size, e.price, e.side))
        elif e.what == TRADE:
            rows.append((e.ts_ns, 4, e.order, e.size, e.price, e.side))
            if not e.left:
                rows.append((e.ts_ns, 3, e.order, 0, e.price, e.side))
        elif e.what == ADD:
            rows.append((e.ts_ns, 1, e.order, e.size, e.price, e.side))
        else:
            told = e.left if e.what == CHANGE else e.size
            rows.append((e.ts_ns, 2 if e.what == CHANGE else 3, e.order, told, e.price, e.side))
        following = events[events.index(e) + 1 :][:1]
        if e.taker and (not following or following[0].taker != e.taker):
            taken = next(t for t in events if t.what == TAKE and t.order == e.taker)
            if not taken.left:  # filled on arrival: done without having been open
                rows.append((e.ts_ns, 3, e.taker, 0, None, taken.side))
    numbered = [(5_000 + n, *row) for n, row in enumerate(rows)]
    return (
        table(folder / "m.parquet", "sequence ts_ns type order_id size price dir", numbered),
        table(folder / "begin.parquet", "order_id dir price size", stood),
        table(folder / "end.parquet", "order_id dir price size", made.orders()),
    )


def bitstamp(folder: Path, seed: int) -> tuple[Path, Path, Path]:
    """Write messages, trades and the best three levels after each step."""
    made = Market(seed)
    rows: list[tuple[int, ...]] = []
    trades: list[tuple[int, ...]] = []
    book: list[tuple[int | None, ...]] = []
    for _ in range(460):
        begin = len(made.events)
        made.step()
        left: dict[int, int] = {}
        for e in made.events[begin:]:
            if e.what == TAKE:  # the aggressor is told of, too: new at its limit, then smaller
                rows.append((e.ts_ns, 1, e.order, e.size, e.price, e.side))
                left[e.order] = e.size
            elif e.what == TRADE:
                trades.append((e.ts_ns, e.price, e.size))
                left[e.taker] -= e.size
                for order, rest, side in ((e.order, e.left, e.side), (e.taker, left[e.taker], -e.side)):
                    rows.append((e.ts_ns, 2 if rest else 3, order, rest, e.price, side))
            elif e.what == ADD and e.order not in left:
                rows.append((e.ts_ns, 1, e.order, e.size, e.price, e.side))
            elif e.what in (CHANGE, DELETE):
                told = e.left if e.what == CHANGE else e.size
                rows.append((e.ts_ns, 2 if e.what == CHANGE else 3, e.order, told, e.price, e.side))
        sides = {side: [*made.levels(side)[:3], *[(None, None)] * 3] for side in (1, -1)}
        cells = [cell for n in range(3) for side in (-1, 1) for cell in sides[side][n]]
        book.append((made.ts_ns, *cells))
    names = " ".join(
        f"{side}_{what}_{n}" for n in (1, 2, 3) for side in ("ask", "bid") for what in ("px", "sz")
    )
    return (
        table(folder / "m.parquet", "ts_ns type order_id size price dir", rows),
        table(folder / "t.parquet", "ts_ns price size", trades),
        table(folder / "b.parquet", f"ts_ns {names}", book),
    )


def binance(folder: Path, seed: int, depth_of_snapshot: int = 5) -> tuple[list[Path], Market]:
    """Write a session in two parts: diffs of every five steps, trades, best quotes, a short snapshot."""
    made = Market(seed)
    for _ in range(80):
        made.step()
    update = 1_000
    snapshot = [
        (update, side, price, size)
        for side in (1, -1)
        for price, size in made.levels(side)[:depth_of_snapshot]
    ]
    parts: list[Path] = []
    trade_id = 0
    for name in ("one", "two"):
        depth: list[tuple[int, ...]] = []
        trades: list[tuple[int, ...]] = []
        quotes: list[tuple[int, ...]] = []
        for _ in range(60):
            before = {side: dict(made.levels(side)) for side in (1, -1)}
            begin = len(made.events)
            for _ in range(5):
                made.step()
            for e in made.events[begin:]:
                if e.what == TRADE:
                    trade_id += 1
                    trades.append((e.ts_ns, trade_id, e.price, e.size, -e.side))
            first, update = update, update + 10
            after = {side: dict(made.levels(side)) for side in (1, -1)}
            changed = [
                (made.ts_ns, first, update, side, price, after[side].get(price, 0))
                for side in (1, -1)
                for price in sorted(before[side].keys() | after[side].keys())
                if before[side].get(price) != after[side].get(price)
            ]
            depth += changed
            (bid, bid_size), (ask, ask_size) = made.levels(1)[0], made.levels(-1)[0]
            quotes.append((made.ts_ns, update, bid, bid_size, ask, ask_size))
        table(folder / f"{name}.depth.parquet", "ts_exch_ns U u dir price size", depth)
        table(folder / f"{name}.trades.parquet", "ts_exch_ns trade_id price size dir", trades)
        table(folder / f"{name}.bbo.parquet", "ts_exch_ns u bid_px bid_sz ask_px ask_sz", quotes)
        parts.append(folder / name)
    table(folder / "one.snapshot.parquet", "lastUpdateId dir price size", snapshot)
    return parts, made
