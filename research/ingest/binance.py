"""Reads recorded depth diffs, trades and best quotes of Binance futures into a tick store of single orders.

The feed tells the absolute size of a level (0 = gone), never orders, so orders are made up:

- What a level holds in the snapshot is one anonymous order, and every growth of a level is another at
  the end of its queue. A level that the snapshot was too short to show stands up flagged REVEAL.
- A trade belongs to the first diff that is not older than it. It takes from its level, oldest first, at
  the trade's own time; better levels of that side that still show are cancelled then, since price goes
  before time. What the level does not show goes out as a print that changes no level: `unmatched`.
- Then the diff brings every level to its size. What a trade took and the level lacks not is `matched`
  by a decrease, what it has again was `refilled`. All other decreases are cancels: of the newest order
  of exactly that size, or else from the newest backwards.

The recording of one session may be cut into several files; a later one goes on from the book of the one
before. After every diff the book is compared with the best bid and ask, which are a feed of their own.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.book_events import Kind
from market.instruments import Instrument
from market.tape import TapeWriter
from research.ingest import level_kernels as lv
from research.ingest.columns import Check, Columns, read_columns, refuse_first, source_units
from research.ingest.level_kernels import Levels
from research.ingest.progress import progress
from research.ingest.recording import Recording, commit, gather, play, report
from research.ingest.source import PRICE_E4_MAX, SIZE_MAX, SourceError

DEPTH = ("ts_exch_ns", "U", "u", "dir", "price", "size")
TRADES = ("ts_exch_ns", "trade_id", "price", "size", "dir")
QUOTES = ("ts_exch_ns", "u", "bid_px", "bid_sz", "ask_px", "ask_sz")
SNAPSHOT = ("lastUpdateId", "dir", "price", "size")
PARTS_MAX: Final = 100  # files of one session
DIFF_ROWS_MAX: Final = 20_000_000  # the made-up orders of all rows are held in memory, some 200 bytes each
ROOM_FIRST: Final = 1 << 16  # rows of arrays that are doubled when they run out
CHUNK_BATCHES: Final = 4_096  # diffs between two looks at the progress bar
AGAIN: Final = "fetch the file again"


class Session(NamedTuple):
    """A whole session as columns, checked."""

    snapshot: Columns
    depth: Columns
    trades: Columns
    quotes: Columns | None
    files: list[Path]
    stale: int  # rows of diffs that are older than the snapshot
    early: int  # trades that are older than the first diff


class Made(NamedTuple):
    """Messages about made-up orders, and what the book showed after each diff."""

    messages: Columns
    standing: int
    counters: NDArray[np.int64]
    tops: NDArray[np.int64]
    updates: NDArray[np.int64]  # the update id of each diff


def ingest(stems: list[Path], out: Path, instrument: Instrument, *, force: bool = False) -> dict[str, Any]:
    """Read STEM.depth.parquet and its sisters, write the store, return the quality report.

    Raises:
        SourceError: one line with file and row.
        TapeError: where the store cannot be written.
    """
    unit = source_units(instrument)
    with TapeWriter(out, force=force) as writer:
        session = read(stems, unit)
        made = make(session, str(instrument.symbol))
        recording = recorded(made)
        played = play(recording, writer, instrument, unit)
        quality = report(recording, played, notes(session))
        quality |= tally(session, made, unit)
        rows = int(quality["rows"])
        commit(writer, instrument, recording, played, quality, form="binance", files=session.files, rows=rows)
    return quality


def read(stems: list[Path], unit: int) -> Session:
    """Read and check all parts of a session."""
    if len(stems) > PARTS_MAX:
        raise SourceError(str(stems[0]), None, f"{len(stems)} parts", f"{PARTS_MAX} at most")
    names = ("snapshot", "depth", "trades", "bbo")
    paths = {name: [stem.with_name(f"{stem.name}.{name}.parquet") for stem in stems] for name in names}
    snapshot = checked(paths["snapshot"][:1], SNAPSHOT, unit)
    depth = checked(paths["depth"], DEPTH, unit)
    trades = checked(paths["trades"], TRADES, unit)
    quoted = [path for path in paths["bbo"] if path.is_file()]
    quotes = checked(quoted, QUOTES, unit) if quoted else None
    fresh = meet(paths["snapshot"][0], paths["depth"][0], snapshot, depth)
    early = int(np.searchsorted(trades["ts_exch_ns"], depth["ts_exch_ns"][fresh]))
    files = [*paths["depth"], *paths["trades"], paths["snapshot"][0], *quoted]
    return Session(
        snapshot,
        {name: column[fresh:] for name, column in depth.items()},
        {name: column[early:] for name, column in trades.items()},
        quotes,
        files,
        fresh,
        early,
    )


def checked(paths: list[Path], names: tuple[str, ...], unit: int) -> Columns:
    """Read the parts of one feed, check each, and put them one after the other."""
    parts: list[Columns] = []
    last: dict[str, int] = {}
    for path in paths:
        part = read_columns(path, names)
        refuse_first(str(path), part, checks_of(part, unit, last))
        for name in ("ts_exch_ns", "u", "trade_id"):
            if name in part and len(part[name]):
                last[name] = int(part[name][-1])
        parts.append(part)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in names}
    rows = len(whole[names[0]])
    if not rows and names is not TRADES:  # a quiet session may have none
        raise SourceError(str(paths[0]), 1, "there are no rows", "give a file that holds some")
    if rows > DIFF_ROWS_MAX:
        raise SourceError(str(paths[0]), None, f"more than {DIFF_ROWS_MAX} rows", "split it by time")
    return whole


def checks_of(part: Columns, unit: int, last: dict[str, int]) -> list[Check]:
    """Return what the rows of a feed must be; `last` is where the part before ended."""
    checks: list[Check] = []
    for name, what in (("ts_exch_ns", "the time goes back"), ("u", "update ids go back")):
        if name in part:
            before = np.concatenate([[last.get(name, 1)], part[name][:-1]])
            checks.append((part[name] < before, what, "give the parts in order of time, each once"))
    if "trade_id" in part:
        before = np.concatenate([[last.get("trade_id", -1)], part["trade_id"][:-1]])
        checks.append((part["trade_id"] <= before, "trade ids go back", "give the parts in order, each once"))
    if "U" in part:
        checks.append((part["U"] > part["u"], "U {U} is beyond u {u}", AGAIN))
    if "dir" not in part:
        return checks
    size, price = part["size"], part["price"]
    least = 0 if "U" in part else 1
    return [
        *checks,
        (size < least, "size {size}", "sizes are positive, 0 takes a level away"),
        (size // unit > SIZE_MAX, "size {size} needs more than 32 bits", "use a larger size_unit"),
        ((price <= 0) | (price > PRICE_E4_MAX), "price {price}", "prices are in 1e-4 of the currency"),
        (np.abs(part["dir"]) != 1, "dir {dir}", "give 1 for a bid or a buyer, -1 for an ask or a seller"),
    ]


def meet(snapshot_path: Path, depth_path: Path, snapshot: Columns, depth: Columns) -> int:
    """Return the first row of the diffs that goes on from the snapshot, as the exchange prescribes."""
    taken_at = int(snapshot["lastUpdateId"][0])
    if (snapshot["lastUpdateId"] != taken_at).any():
        row = int(np.argmax(snapshot["lastUpdateId"] != taken_at)) + 1
        raise SourceError(str(snapshot_path), row, "a second lastUpdateId", "give one snapshot")
    fresh = int(np.searchsorted(depth["u"], taken_at))
    if fresh == len(depth["u"]) or depth["U"][fresh] > taken_at:
        what = f"no diff goes on from the snapshot's update {taken_at}"
        raise SourceError(
            str(depth_path), min(fresh, len(depth["u"]) - 1) + 1, what, "give the files of one session"
        )
    return fresh


def make(session: Session, symbol: str) -> Made:
    """Turn diffs and trades into messages about made-up orders."""
    depth, trades, snapshot = session.depth, session.trades, session.snapshot
    named = (snapshot["price"], depth["price"], trades["price"])
    prices, numbers = np.unique(np.concatenate(named), return_inverse=True)
    at, to = len(named[0]), len(named[0]) + len(named[1])
    reach = {side: snapshot["price"][snapshot["dir"] == side] for side in (1, -1)}
    low = reach[1].min() if len(reach[1]) else np.iinfo(np.int64).max
    high = reach[-1].max() if len(reach[-1]) else 0
    known = np.where(depth["dir"] > 0, depth["price"] >= low, depth["price"] <= high)
    rows = np.column_stack([side_of(depth["dir"]), numbers[at:to], depth["size"], known]).astype(np.int64)
    standing = np.column_stack(
        [side_of(snapshot["dir"]), numbers[:at], snapshot["size"], snapshot["size"]]
    ).astype(np.int64)
    # a trade's direction is the taker's: what it takes stands on the other side
    flow = np.column_stack(
        [trades["ts_exch_ns"], side_of(-trades["dir"]), numbers[to:], trades["size"]]
    ).astype(np.int64)
    begins = np.flatnonzero(np.diff(depth["u"], prepend=depth["u"][0] - 1))
    ends = np.append(begins[1:], len(depth["u"]))
    batches = np.column_stack([begins, ends, depth["ts_exch_ns"][begins]]).astype(np.int64)
    book = empty_levels(prices, len(standing))
    lv.stand(book, standing, int(depth["ts_exch_ns"][0]))
    tops = np.zeros((len(batches), 4), np.int64)
    done = due = 0
    with progress(f"making orders of {symbol}", len(batches)) as tell:
        while done < len(batches):
            last = min(done + CHUNK_BATCHES, len(batches))
            ahead, due = lv.play(book, batches, rows, flow, tops, done, last, due)
            if ahead < last:
                book = grown(book)
            done = int(ahead)
            tell(done)
    out = book.out[: book.counters[lv.ROWS]]
    order = out[:, lv.ORDER] + 1
    messages = {
        "ts_ns": out[:, lv.TS].copy(),
        "type": out[:, lv.KIND].copy(),
        "order_id": order,
        "size": np.where(out[:, lv.KIND] == Kind.DELETE, 0, out[:, lv.SIZE]),
        "price": out[:, lv.PRICE].copy(),
        "dir": out[:, lv.SIDE].copy(),
        "code": out[:, lv.CODE].copy(),
        "seq": out[:, lv.SEQ].copy(),
    }
    return Made(messages, len(standing), book.counters, tops, depth["u"][begins])


def side_of(direction: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0 for the bid's side and 1 for the ask's."""
    return np.where(direction > 0, 0, 1)


def empty_levels(prices: NDArray[np.int64], standing: int) -> Levels:
    """Return a book that holds nothing."""
    levels = np.zeros((2, len(prices), lv.LEVEL_FIELDS), np.int64)
    levels[:, :, (lv.HEAD, lv.TAIL)] = -1
    counters = np.zeros(lv.COUNTERS, np.int64)
    counters[lv.BEST_BID], counters[lv.BEST_ASK] = -1, len(prices)
    room = ROOM_FIRST + 2 * standing
    return Levels(
        orders=np.zeros((room, 4), np.int64),
        levels=levels,
        prices=prices,
        counters=counters,
        touched=np.zeros((lv.TOUCHED_MAX, 2), np.int64),
        out=np.zeros((room, lv.FIELDS), np.int64),
    )


def grown(book: Levels) -> Levels:
    """Return the book with twice the room."""
    return book._replace(
        orders=np.concatenate([book.orders, np.zeros_like(book.orders)]),
        out=np.concatenate([book.out, np.zeros_like(book.out)]),
    )


def recorded(made: Made) -> Recording:
    """Return the recording; its first rows are the snapshot, which stands."""
    first = made.standing
    snapshot = {name: made.messages[name][:first] for name in ("order_id", "dir", "price", "size")}
    return gather({name: column[first:] for name, column in made.messages.items()}, snapshot, anonymous=True)


def notes(session: Session) -> list[str]:
    """Say what a reader should know."""
    said = ["orders are made up: one for what a level held, one for each growth of a level"]
    if session.stale:
        said.append(f"{session.stale} rows of diffs older than the snapshot were left out")
    if session.early:
        said.append(f"{session.early} trades older than the first diff were left out")
    return said


def tally(session: Session, made: Made, unit: int) -> dict[str, Any]:
    """Return what is said of a session of diffs beyond the common report."""
    counted = made.counters
    traded = int(session.trades["size"].sum())
    matched, refilled = int(counted[lv.MATCHED]), int(counted[lv.REFILLED])
    after = len(session.trades["size"]) and traded - matched - refilled - int(counted[lv.UNMATCHED])
    said: dict[str, Any] = {
        "rows": len(session.depth["u"]) + len(session.trades["size"]),
        "depth_rows": len(session.depth["u"]),
        "diffs": len(made.updates),
        "trades": len(session.trades["size"]),
        "hidden_share": None,  # the venue has no hidden orders; what was not matched is told below
        "trades_matched": matched / traded if traded else None,
        "trades_refilled": refilled / traded if traded else None,
        "trades_unmatched": int(counted[lv.UNMATCHED]) / traded if traded else None,
        "trades_after_last_diff": after / traded if traded else None,
        "unmatched_trades": int(counted[lv.UNMATCHED_TRADES]),
        "cleared_by_trades": int(counted[lv.CLEARED]) // unit,
        "restored_by_diffs": int(counted[lv.RESTORED]) // unit,
        "revealed_levels": int(counted[lv.REVEALS]),
        "unknown_removals": int(counted[lv.UNKNOWN]),
    }
    return said | agreement(session.quotes, made)


def agreement(quotes: Columns | None, made: Made) -> dict[str, Any]:
    """Compare the book after each diff with the last best bid and ask that is not newer."""
    if quotes is None:
        return {"bbo_diffs_compared": 0, "bbo_prices_agree": None, "bbo_agree": None}
    at = np.searchsorted(quotes["u"], made.updates, side="right") - 1
    tops, at = made.tops[at >= 0], at[at >= 0]
    theirs = np.column_stack([quotes[name][at] for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")])
    same = tops == theirs
    n = len(same)
    return {
        "bbo_diffs_compared": n,
        "bbo_prices_agree": float((same[:, 0] & same[:, 2]).mean()) if n else None,
        "bbo_agree": float(same.all(axis=1).mean()) if n else None,
    }
