"""Reads a recording of Bitstamp's order events (with its trades) into a tick store.

The venue tells of every order: new, changed (what is left of it), deleted (0 left: filled). It tells of
the aggressor too, so a replay as it stands crosses at every trade. What is done about it:

- A trade and the two orders that shrank by its size at about its time belong together; the older order
  must be at the trade's price: it was executed, the younger one was the aggressor (`trades_matched`).
- An aggressor is not shown until its last trade; what it has left then joins the book.
- A delete that comes before its order's new: neither counts (`early_deletes`).
- A delete of what was deleted already changes nothing (`deleted_again`).
- An order whose first event is no new stood there before: it stands from the beginning (`stood_before`).
- An order whose delete was never sent stays until it has kept the book locked or crossed for PURGE_NS;
  then the older of the two orders at the touch is purged, as a DELETE flagged CONCEAL (`purged`).
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from market.book_events import Kind
from market.instruments import Instrument
from market.tape import TapeWriter
from research.ingest import full_depth as full
from research.ingest.columns import Columns, order_checks, read_columns, refuse_first, source_units
from research.ingest.full_depth import RECEIVED, Depth
from research.ingest.parquet import PURGE_NS, read_messages
from research.ingest.recording import commit, gather, play, report
from research.ingest.source import LEVELS_MAX, PRICE_E4_MAX, SourceError

TRADES = ("ts_ns", "price", "size")
MATCH_NS: Final = (
    2_000_000_000  # a trade and its orders' events came over two sockets, seconds apart at worst
)


@dataclass
class Life:
    """What the events of each order amount to; rows are rows of the messages."""

    added: dict[int, int] = field(default_factory=dict)  # row of the new
    taken: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # by which a row shrank
    early: set[int] = field(default_factory=set)  # orders deleted before they were new
    before: list[int] = field(default_factory=list)  # rows that are the first of an order without a new
    again: list[int] = field(default_factory=list)  # rows that delete what was deleted


@dataclass
class Matches:
    """Trades found among the rows."""

    resting: dict[int, int] = field(default_factory=dict)  # row -> size executed
    aggressor: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # order -> rows
    one_sided: int = 0
    unmatched: list[int] = field(default_factory=list)  # trades


def ingest(
    path: Path,
    out: Path,
    instrument: Instrument,
    *,
    trades: Path | None = None,
    book: Path | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Read the messages, write the store, return the quality report.

    Raises:
        SourceError: one line with file and row.
        TapeError: where the store cannot be written.
    """
    unit = source_units(instrument)
    with TapeWriter(out, force=force) as writer:
        messages = read_messages(path, unit)
        rows = {str(kind): int((messages["type"] == kind).sum()) for kind in range(8)}
        life = live(messages)
        prints = (
            read_trades(trades) if trades is not None else {name: np.zeros(0, np.int64) for name in TRADES}
        )
        found = match(messages, life, prints)
        snapshot = standing(messages, life)
        refuse_first(str(path), snapshot, order_checks(snapshot, np.ones(len(snapshot["dir"]), bool), unit))
        played_rows = rewrite(messages, life, found, prints)
        recording = gather(played_rows, snapshot)
        seen = Recorded(read_book(book), recording.feed.ts_ns) if book is not None else None
        played = play(
            recording, writer, instrument, unit, absolute=True, purge_ns=PURGE_NS,
            stops=seen.stops if seen else None, look=seen.look if seen else None,
        )  # fmt: skip
        quality = report(recording, played, [])
        quality |= {"rows": len(messages["type"]), "types": rows} | tally(life, found, prints)
        quality |= seen.agreement() if seen else {}
        files = [path, *(extra for extra in (trades, book) if extra is not None)]
        commit(
            writer, instrument, recording, played, quality, form="bitstamp", files=files, rows=quality["rows"]
        )
    return quality


def read_trades(path: Path) -> Columns:
    """Read and check the trades."""
    trades = read_columns(path, TRADES)
    price, size = trades["price"], trades["size"]
    back = np.diff(trades["ts_ns"], prepend=trades["ts_ns"][:1]) < 0
    checks = [
        (trades["ts_ns"] <= 0, "no time", "ts_ns is UTC nanoseconds since 1970"),
        (back, "the time goes back", "sort the file or fetch it again"),
        (size <= 0, "size {size}", "sizes are positive"),
        ((price <= 0) | (price > PRICE_E4_MAX), "price {price}", "prices are in 1e-4 of the currency"),
    ]
    refuse_first(str(path), trades, checks)
    return trades


def live(messages: Columns) -> Life:
    """Follow every order through its events."""
    kind, order, size = (messages[name].tolist() for name in ("type", "order_id", "size"))
    life = Life(taken=np.zeros(len(kind), np.int64))
    left: dict[int, int] = {}
    first: dict[int, int] = {}
    gone: set[int] = set()
    for row, (what, who, told) in enumerate(zip(kind, order, size, strict=True)):
        if what == Kind.ADD:
            if who in first and who not in life.added and kind[first[who]] == Kind.DELETE:
                life.early.add(who)
            life.added.setdefault(who, row)
            left[who] = told
        elif what in (Kind.CANCEL, Kind.DELETE):
            now = told if what == Kind.CANCEL or told == 0 else left.get(who, told)
            if who in gone:
                life.again.append(row)
            elif who in left:
                life.taken[row] = max(left[who] - now, 0)
            if what == Kind.DELETE:
                gone.add(who)
            left[who] = now if what == Kind.CANCEL else 0
        first.setdefault(who, row)
    events = (Kind.CANCEL, Kind.DELETE)
    life.before = [row for who, row in first.items() if who not in life.added and kind[row] in events]
    return life


def match(messages: Columns, life: Life, trades: Columns) -> Matches:
    """Find for each trade the two rows that shrank by its size."""
    found = Matches()
    ts_ns, order, price, side = (messages[name].tolist() for name in ("ts_ns", "order_id", "price", "dir"))
    by: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in np.flatnonzero(life.taken).tolist():
        by[side[row], int(life.taken[row])].append(row)
    used: set[int] = set()

    def near(direction: int, size: int, when: int) -> list[int]:
        rows = by.get((direction, size), [])
        at = bisect_left(rows, when - MATCH_NS, key=lambda row: ts_ns[row])
        until = bisect_left(rows, when + MATCH_NS + 1, key=lambda row: ts_ns[row])
        return [row for row in rows[at:until] if row not in used]

    for n, (when, at_price, size) in enumerate(zip(*(trades[name].tolist() for name in TRADES), strict=True)):
        bids, asks = near(1, size, when), near(-1, size, when)
        pairs = [
            (abs(ts_ns[a] - when) + abs(ts_ns[b] - when), a, b)
            for a in bids
            for b in asks
            if price[a if order[a] < order[b] else b] == at_price
        ]
        if pairs:
            _, a, b = min(pairs)
            rests, takes = (a, b) if order[a] < order[b] else (b, a)
            found.aggressor[order[takes]].append(takes)
            used |= {a, b}
        else:
            alone = [(abs(ts_ns[row] - when), row) for row in bids + asks if price[row] == at_price]
            if not alone:
                found.unmatched.append(n)
                continue
            rests = min(alone)[1]
            found.one_sided += 1
            used.add(rests)
        found.resting[rests] = size
    return found


def standing(messages: Columns, life: Life) -> Columns:
    """Return the orders that stood before the first row, as far as they are known, oldest first."""
    rows = np.array(life.before, np.int64)
    rows = rows[messages["size"][rows] > 0]
    rows = rows[np.argsort(messages["order_id"][rows], kind="stable")]
    return {name: messages[name][rows] for name in ("order_id", "dir", "price", "size")}


def rewrite(messages: Columns, life: Life, found: Matches, trades: Columns) -> Columns:
    """Return the messages that the book is to play: executions named, aggressors and races left out."""
    made = {name: column.copy() for name, column in messages.items()}
    kind, size, order = made["type"], made["size"], messages["order_id"]
    for row, executed in found.resting.items():
        kind[row], size[row] = Kind.EXECUTE, executed
    rows_of = defaultdict(list)
    concerned = np.isin(order, list(found.aggressor))
    for row in np.flatnonzero(concerned).tolist():
        rows_of[int(order[row])].append(row)
    for who, rows in found.aggressor.items():
        last = max(rows)
        for row in rows_of[who]:
            if row <= last and row not in found.resting:
                kind[row] = RECEIVED
        if messages["type"][last] == Kind.CANCEL and messages["size"][last] > 0:
            kind[last] = Kind.ADD  # what is left of it joins the book at its last price
    kind[np.isin(order, list(life.early))] = RECEIVED
    kind[np.array(life.again, np.int64)] = RECEIVED
    made["seq"] = np.arange(1, len(kind) + 1)
    made["code"] = np.zeros(len(kind), np.int64)
    lost = np.array(found.unmatched, np.int64)
    if not len(lost):
        return made
    extra = {name: np.zeros(len(lost), np.int64) for name in made}
    extra |= {name: trades[name][lost] for name in TRADES} | {"type": np.full(len(lost), int(Kind.HIDDEN))}
    joined = {name: np.concatenate([made[name], extra[name]]) for name in made}
    in_time = np.argsort(joined["ts_ns"], kind="stable")
    return {name: column[in_time] for name, column in joined.items()}


def tally(life: Life, found: Matches, trades: Columns) -> dict[str, Any]:
    """Return what is said of a Bitstamp recording beyond the common report."""
    n = len(trades["size"])
    return {
        "trades": n,
        "trades_matched": 1 - len(found.unmatched) / n if n else None,
        "trades_one_sided": found.one_sided,
        "unmatched_trades": len(found.unmatched),
        "aggressors": len(found.aggressor),
        "early_deletes": len(life.early),
        "deleted_again": len(life.again),
        "stood_before": len(life.before),
    }


def read_book(path: Path) -> Columns:
    """Read the recorded best levels."""
    names = ["ts_ns"]
    for level in range(1, LEVELS_MAX + 1):
        wanted = [f"{side}_{what}_{level}" for side in ("ask", "bid") for what in ("px", "sz")]
        try:
            read_columns(path, wanted)
        except SourceError:
            if level == 1:
                raise
            break
        names += wanted
    return read_columns(path, names)


class Recorded:
    """The recorded book beside ours: the best levels are compared at each of its rows."""

    def __init__(self, book: Columns, ts_ns: NDArray[np.int64]) -> None:
        self.levels = (len(book) - 1) // 4
        self._book = book
        self._rows = np.searchsorted(ts_ns, book["ts_ns"], side="right")
        self.stops = np.unique(self._rows)
        self._same = self._prices = self._compared = 0

    def look(self, depth: Depth, row: int) -> None:
        """Compare after the messages before `row`."""
        shown = np.zeros((2, self.levels, 2), np.int64)
        full.top(depth, shown)
        for at in np.flatnonzero(self._rows == row):
            theirs = [
                [
                    [max(int(self._book[f"{side}_{what}_{n}"][at]), 0) for what in ("px", "sz")]
                    for n in range(1, self.levels + 1)
                ]
                for side in ("bid", "ask")
            ]
            same = shown == np.array(theirs)
            self._compared += 1
            self._prices += bool(same[:, 0, 0].all())
            self._same += bool(same.all())

    def agreement(self) -> dict[str, Any]:
        """Return the shares of recorded rows that agree."""
        n = self._compared
        return {
            "book_rows_compared": n,
            "book_best_prices_agree": self._prices / n if n else None,
            "book_levels_agree": self._same / n if n else None,
        }
