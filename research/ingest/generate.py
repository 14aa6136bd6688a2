"""`steadyhand generate lobster`: a seeded LOBSTER-format day for those who have no recording, and for tests.

A small full book is simulated order by order; the files show of it only what an L-level window
shows. So they have what makes real ones hard: deletes that are missing because the order had drifted
out, ids that were never added, levels that leave and come back, hidden prints off the cent grid,
several messages at one time. It is no model of a market: nothing is to be learned from it.
"""

import argparse
import io
import sys
import zipfile
from bisect import bisect_left, insort
from dataclasses import dataclass, field, fields, replace
from datetime import date

import numpy as np

from research.ingest.generate_options import CENT_E4, OPEN_S
from research.whole import put

NS = 1_000_000_000
DUMMY = {1: (-9_999_999_999, 0), -1: (9_999_999_999, 0)}
ZIP_TIME = (2000, 1, 1, 0, 0, 0)  # fixed, so that the same seed gives the same bytes
UNSEEN_MAX = 20  # things that happen beyond the window between two messages
ADD, CUT, DELETE, TRADE, HIDDEN, CROSS, HALT = 1, 2, 3, 4, 5, 6, 7


@dataclass(frozen=True)
class Shape:
    """What kind of day."""

    symbol: str = "SYN"
    day: date = date(2024, 3, 5)
    minutes: int = 20
    levels: int = 10
    events: int = 15_000  # about how many messages
    price_e4: int = 1_800_000
    spread_bps: float = 4.0
    orders: int = 200  # about how many stand; few of them leave levels empty
    range_bps: float = 60.0  # how far the price wanders, one standard deviation over the whole
    halt: bool = False  # a trading halt with a cross in the middle

    @property
    def spread_cents(self) -> int:
        """Return how wide the market wants to be: some cents at $100, twenty at $500."""
        return max(2, round(self.price_e4 * self.spread_bps / 10_000 / CENT_E4))


@dataclass
class Book:
    """The full book: per side price -> {order id: size} in order of priority; keys are best first."""

    queues: dict[int, dict[int, dict[int, int]]] = field(default_factory=lambda: {1: {}, -1: {}})
    keys: dict[int, list[int]] = field(default_factory=lambda: {1: [], -1: []})
    where: dict[int, tuple[int, int]] = field(default_factory=dict)
    live: list[int] = field(default_factory=list)

    def best(self, side: int) -> int:
        """Return the best price of a side, 0 = none."""
        return abs(self.keys[side][0]) if self.keys[side] else 0

    def rank(self, side: int, price: int) -> int:
        """Return at which level a price stands or would stand."""
        return bisect_left(self.keys[side], -side * price)

    def add(self, order: int, side: int, price: int, size: int) -> None:
        """Put an order at the end of its queue."""
        if price not in self.queues[side]:
            insort(self.keys[side], -side * price)
            self.queues[side][price] = {}
        self.queues[side][price][order] = size
        self.where[order] = (side, price)
        self.live.append(order)

    def take(self, order: int, size: int) -> int:
        """Take shares off an order; return what it has left."""
        side, price = self.where[order]
        queue = self.queues[side][price]
        queue[order] -= size
        left = queue[order]
        if left == 0:
            del queue[order], self.where[order]
            if not queue:
                del self.queues[side][price]
                del self.keys[side][self.rank(side, price)]
        return left

    def row(self, levels: int) -> str:
        """Return the book row of an L-level file."""
        cells = []
        sides = {side: [self._level(side, key) for key in self.keys[side][:levels]] for side in (1, -1)}
        for side in (1, -1):
            sides[side] += [DUMMY[side]] * (levels - len(sides[side]))
        for ask, bid in zip(sides[-1], sides[1], strict=True):
            cells += [*ask, *bid]
        return ",".join(map(str, cells))

    def _level(self, side: int, key: int) -> tuple[int, int]:
        return abs(key), sum(self.queues[side][abs(key)].values())


class Writer:
    """Keeps the messages that an L-level window shows, each with its book row."""

    def __init__(self, book: Book, levels: int) -> None:
        self.book = book
        self.levels = levels
        self.messages: list[str] = []
        self.rows: list[str] = []
        self.on = False

    def write(self, ns: int, kind: int, order: int, size: int, price: int, side: int) -> None:
        """Write one message and the book after it."""
        if not self.on:
            return
        clock = f"{ns // NS}.{ns % NS:09d}".rstrip("0").rstrip(".")
        self.messages.append(f"{clock},{kind},{order},{size},{price},{side}")
        self.rows.append(self.book.row(self.levels))

    def sees(self, side: int, price: int) -> bool:
        """Say whether the window shows this price now."""
        return self.book.rank(side, price) < self.levels


class Day:
    """One simulated day."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.book = Book()
        self.out = Writer(self.book, shape.levels)
        self.fair = float(shape.price_e4)
        self.next_id = int(self.rng.integers(10_000_000, 20_000_000))

    def run(self) -> tuple[list[str], list[str]]:
        """Simulate; return the lines of the message and of the book file."""
        shape = self.shape
        for _ in range(3 * shape.orders):  # fill the book, unseen
            self.step(0, self.rng.random(6))
        self.out.on = True
        times = np.sort(self.rng.integers(0, shape.minutes * 60 * NS, shape.events)) + OPEN_S * NS
        draws = self.rng.random((shape.events, 6))
        moves = self.rng.standard_normal(shape.events)
        stride = shape.price_e4 * shape.range_bps / 10_000 / shape.events**0.5
        halt_at = shape.events // 2 if shape.halt else -1
        for at in range(shape.events):
            self.fair = max(self.fair + stride * float(moves[at]), 50.0 * CENT_E4)
            if at == halt_at:
                self.halt(int(times[at]))
            self.step(int(times[at]), draws[at])
            for _ in range(UNSEEN_MAX):
                if len(self.out.messages) > at:
                    break
                self.step(int(times[at]), self.rng.random(6))
        return self.out.messages, self.out.rows

    def step(self, ns: int, draw: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> None:
        """Let one thing happen."""
        kind, side_draw, far, size_draw, pick, small = (float(x) for x in draw)
        side = 1 if side_draw < 0.5 else -1
        adds = 0.50 if len(self.book.where) < self.shape.orders else 0.44
        if kind < adds or not self.book.where:
            self.limit(ns, side, far, size_draw)
        elif kind < 0.93:
            self.withdraw(ns, pick, small)
        elif kind < 0.97:
            self.market(ns, pick, size_draw)
        else:
            self.hidden(ns, side, far, size_draw)

    def limit(self, ns: int, side: int, far: float, size_draw: float) -> None:
        """Add an order around the fair price, never through the other side."""
        ticks = self.shape.spread_cents / 2 + -np.log(1 - far) * 3 * self.shape.spread_cents
        price = round((self.fair - side * ticks * CENT_E4) / CENT_E4) * CENT_E4
        other = self.book.best(-side)
        least = 1 + int(size_draw * self.shape.spread_cents)  # improving by a cent each time would close it
        if other and side * (other - price) < least * CENT_E4:
            price = other - side * least * CENT_E4
        if price <= 0:
            return
        self.next_id += 1 + int(size_draw * 7)
        size = 100 * (1 + int(size_draw**3 * 10)) if size_draw > 0.25 else 1 + int(size_draw * 396)
        self.book.add(self.next_id, side, price, size)
        if self.out.sees(side, price):
            self.out.write(ns, ADD, self.next_id, size, price, side)

    def withdraw(self, ns: int, pick: float, small: float) -> None:
        """Delete an order, or a part of it."""
        order = self.pick(pick)
        side, price = self.book.where[order]
        if len(self.book.keys[side]) <= 2:
            return  # a market without a side is not what this is for
        size = self.book.queues[side][price][order]
        seen = self.out.sees(side, price)
        part = size // 2 if small < 0.03 else 0
        self.book.take(order, part or size)
        if seen:
            self.out.write(ns, CUT if part else DELETE, order, part or size, price, side)

    def pick(self, pick: float) -> int:
        """Return a random standing order."""
        live = self.book.live
        while True:
            at = int(pick * len(live))
            order = live[at]
            if order in self.book.where:
                return order
            live[at] = live[-1]
            live.pop()

    def market(self, ns: int, pick: float, size_draw: float) -> None:
        """Send a marketable order against the side that is out of line with the fair price."""
        bid, ask = self.book.best(1), self.book.best(-1)
        if not bid or not ask:
            return
        lean = (self.fair - (bid + ask) / 2) / (self.shape.spread_cents * CENT_E4)
        side = -1 if pick < 0.5 + max(-0.45, min(0.45, lean)) else 1  # of the resting orders
        left = 100 * (1 + int(size_draw**4 * 12)) if size_draw > 0.2 else 1 + int(size_draw * 400)
        while left and len(self.book.keys[side]) > 2:
            price = self.book.best(side)
            order, size = next(iter(self.book.queues[side][price].items()))
            done = min(size, left)
            self.book.take(order, done)
            self.out.write(ns, TRADE, order, done, price, side)
            left -= done

    def hidden(self, ns: int, side: int, far: float, size_draw: float) -> None:
        """Print an execution of hidden interest inside the spread, often at half a cent."""
        bid, ask = self.book.best(1), self.book.best(-1)
        if bid and ask:
            price = bid + int(far * (ask - bid) / 50) * 50
            self.out.write(ns, HIDDEN, 0, 1 + int(size_draw * 300), price or 50, side)

    def halt(self, ns: int) -> None:
        """Halt, quote, cross, trade on."""
        for price in (-1, 0):
            self.out.write(ns, HALT, 0, 0, price, -1)
        self.out.write(ns, CROSS, -1, 1_000, round(self.fair / CENT_E4) * CENT_E4, -1)
        self.out.write(ns, HALT, 0, 0, 1, -1)


def lobster(seed: int, shape: Shape | None = None) -> bytes:
    """Return the bytes of a LOBSTER zip; the same for the same seed and shape."""
    shape = shape or Shape()
    messages, rows = Day(shape, seed).run()
    end = (OPEN_S + shape.minutes * 60) * 1_000
    stem = f"{shape.symbol}_{shape.day}_{OPEN_S * 1_000}_{end}"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for what, lines in (("message", messages), ("orderbook", rows)):
            member = zipfile.ZipInfo(f"{stem}_{what}_{shape.levels}.csv", ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, "\n".join(lines) + "\n")
    return made.getvalue()


def main(options: argparse.Namespace) -> int:
    """Run the sub-command."""
    known = {field.name: getattr(options, field.name, None) for field in fields(Shape)}
    shape = replace(Shape(), **{name: value for name, value in known.items() if value is not None})
    try:
        if options.out.exists() and not options.force:
            raise FileExistsError
        put(options.out, lobster(options.seed, shape))
    except FileExistsError:
        sys.stderr.write(f"{options.out}: exists already; give another --out or --force\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{options.out}: {error.strerror}; give an --out that can be written\n")
        return 2
    sys.stdout.write(
        f"{options.out}: {shape.symbol} {shape.day}, seed {options.seed}, {shape.levels} levels\n"
    )
    return 0
