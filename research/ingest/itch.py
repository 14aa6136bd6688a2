"""Reads one symbol out of an ITCH 5.0 file into a tick store.

Orders, executions, replaces, prints, crosses and halts of the symbol are played through a full-depth
book; a replace leaves as a delete and an add, since the store knows no replace. What refers to an order
that the file never added (an excerpt begins in mid-day) is counted and left out.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from gateways.feeds.itch import Decoder, FeedError, new_batch, symbol_text
from gateways.feeds.itch import Framing as FeedFraming
from gateways.feeds.itch_encode import pack_symbol
from gateways.feeds.itch_kernels import ERROR_AT
from market.book_events import MARKET_EVENT, Flag, Kind
from market.instruments import US_TICKS, Instrument
from market.tape import TapeWriter
from market.types import Symbol
from research.ingest import full_depth as full
from research.ingest.columns import Columns, refuse_first
from research.ingest.itch_files import AGAIN, Chunk, Framing, Packets, chunks, framing_of
from research.ingest.itch_kernels import STOCK_AT, WHY, locate_of, survey, unfold
from research.ingest.lobster import midnight_ns
from research.ingest.progress import progress
from research.ingest.recording import commit, gather, play, report
from research.ingest.source import PRICE_E4_MAX, ROWS_MAX, SourceError

BATCH_ROWS: Final = 1 << 16  # events decoded at a time, 4 MiB
NAMED_MAX: Final = 8  # symbols shown to somebody who asked for one that is not there
# 01302019.NASDAQ_ITCH50.gz, S081321-v50.txt.gz, 20190130..., 2019-01-30...
DAYS: Final = (
    (re.compile(r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)(?!\d)"), (1, 2, 3)),
    (re.compile(r"(?<!\d)(\d\d)(\d\d)(\d{4})(?!\d)"), (3, 1, 2)),
    (re.compile(r"^S(\d\d)(\d\d)(\d\d)-"), (3, 1, 2)),
)
ORDERS: Final = (Kind.ADD, Kind.CANCEL, Kind.DELETE, Kind.EXECUTE, Kind.EXECUTE_PRICE, Kind.REPLACE)
OTHERS: Final = (Kind.HIDDEN, Kind.CROSS, Kind.HALT)


@dataclass
class Found:
    """What a file holds of the symbol."""

    framing: Framing
    locate: int = -1
    round_lot: int = 100
    messages: int = 0  # of all symbols
    events: list[NDArray[np.void]] = field(default_factory=list)
    types: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    others: set[str] = field(default_factory=set)  # symbols that were named while ours was not
    packets: Packets = field(default_factory=Packets)


def ingest(
    path: Path,
    out: Path,
    symbol: str,
    *,
    day: date | None = None,
    instrument: Instrument | None = None,
    zone: str = "America/New_York",
    framing: Framing | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Read the file, write the store, return the quality report.

    Raises:
        SourceError: one line with file and byte (or message).
        TapeError: where the store cannot be written.
    """
    zone = instrument.zone if instrument else zone
    midnight_ns(date(2000, 1, 1), zone)  # refuses a zone that is none
    with TapeWriter(out, force=force) as writer:
        found = read(path, symbol, framing or framing_of(path))
        on = day or day_of(path, found, zone)
        traded = instrument or Instrument(
            symbol=Symbol(symbol), zone=zone, round_lot=found.round_lot, ticks=US_TICKS
        )
        messages, lost = columns(np.concatenate(found.events), midnight_ns(on, zone))
        refuse(path, messages)
        recording = gather(messages)
        played = play(recording, writer, traded, 1)
        quality = report(recording, played, found.packets.notes)
        quality |= tally(found, messages, int(played.depth.counters[full.UNKNOWN]), lost)
        commit(
            writer, traded, recording, played, quality, form="itch", files=[path], rows=int(quality["rows"])
        )
    return quality


def read(path: Path, symbol: str, framing: Framing) -> Found:
    """Decode all that the file says of the symbol."""
    try:
        packed = pack_symbol(symbol)
    except (ValueError, UnicodeEncodeError) as error:
        raise SourceError(
            f"--symbol {symbol}", None, "is no symbol of ITCH", "give up to eight ASCII letters"
        ) from error
    found = Found(framing)
    decoder: Decoder | None = None
    last_ns = kept = 0
    batch = new_batch(BATCH_ROWS)
    with progress(f"reading {symbol}", path.stat().st_size if path.exists() else 0) as tell:
        for chunk in chunks(path, framing, found.packets, tell):
            view = np.frombuffer(chunk.data, np.uint8)
            if decoder is None and (locate := int(locate_of(view, packed))) >= 0:
                found.locate = locate
                decoder = Decoder(0, found.messages + 1, FeedFraming.LENGTH, (locate,))
            messages, last_ns, why, at = survey(view, found.locate, last_ns, found.types)
            if why:
                raise wrong(path, chunk, int(at), WHY[int(why)])
            found.messages += int(messages)
            if decoder is None:
                note_others(view, found)
                continue
            kept += decode(path, chunk, decoder, batch, found)
            if kept > ROWS_MAX:
                raise SourceError(str(path), None, f"more than {ROWS_MAX} messages of {symbol}", "split it")
    if not found.events:
        named = ", ".join(sorted(found.others)[:NAMED_MAX]) or "none"
        raise SourceError(str(path), None, f"says nothing of {symbol!r}", f"symbols that it names: {named}")
    return found


def decode(path: Path, chunk: Chunk, decoder: Decoder, batch: NDArray[np.void], found: Found) -> int:
    """Decode a chunk; keep the symbol's events and return how many."""
    at = kept = 0
    while at < len(chunk.data):
        made, used = decoder.decode(memoryview(chunk.data)[at:], batch)
        events = batch[:made]
        named = events[(events["kind"] == Kind.DIRECTORY) & (events["locate"] == found.locate)]
        if len(named):
            found.round_lot = int(named["size"][-1])
        ours = (events["locate"] == found.locate) & np.isin(events["kind"], ORDERS + OTHERS)
        if ours.any():
            found.events.append(events[ours].copy())
            kept += int(ours.sum())
        if decoder.error is not FeedError.NONE:
            refused = at + int(decoder.state[ERROR_AT])
            raise wrong(path, chunk, refused, "a side, reference, size or time that cannot be")
        at += used
    return kept


def wrong(path: Path, chunk: Chunk, at: int, what: str) -> SourceError:
    """Return the refusal of the message at a place of a chunk."""
    return SourceError(f"{path}, byte {chunk.place(at)}", None, what, AGAIN)


def note_others(view: NDArray[np.uint8], found: Found) -> None:
    """Remember some symbols that a chunk names, for the message of refusal."""
    at = 0
    while at < view.size and len(found.others) < NAMED_MAX:
        length, stock = int(view[at]) * 256 + int(view[at + 1]), int(STOCK_AT[view[at + 2]])
        if stock:
            letters = bytes(view[at + 2 + stock : at + 10 + stock])
            found.others.add(symbol_text(int.from_bytes(letters, "big")))
        at += 2 + length


def day_of(path: Path, found: Found, zone: str) -> date:
    """Return the day that the name of the file or the capture's clock says."""
    for pattern, order in DAYS:
        if match := pattern.search(path.name):
            year, month, day = (int(match[group]) for group in order)
            try:
                return date(year + 2000 if year < 100 else year, month, day)
            except ValueError:
                continue
    if found.packets.first_ns:
        return datetime.fromtimestamp(found.packets.first_ns // 10**9, UTC).astimezone(ZoneInfo(zone)).date()
    raise SourceError(str(path), None, "the day is not in the file's name", "give --day YYYY-MM-DD")


def columns(events: NDArray[np.void], midnight: int) -> tuple[Columns, int]:
    """Return events as message columns, and how many replaces were of orders that nobody added."""
    assert events.dtype == MARKET_EVENT, "what the decoder makes"
    order = np.isin(events["kind"], ORDERS)
    old = np.where(order, events["order_id"], 0)
    new = np.where(events["kind"] == Kind.REPLACE, events["new_id"], 0)
    ids, numbers = np.unique(np.concatenate([old, new]), return_inverse=True)
    rows = np.zeros((2 * len(events), 4), np.int64)
    sides = np.zeros(len(ids), np.int8)
    count, lost = unfold(events, numbers[: len(events)], numbers[len(events) :], sides, rows)
    number, kind, side, at = rows[:count].T
    of = events[at]
    size = of["size"].astype(np.int64)
    size[kind == Kind.DELETE] = 0
    unprinted = (of["flags"] & Flag.NON_PRINTABLE) > 0
    made = {
        "ts_ns": midnight + of["ts_ns"],
        "type": kind.copy(),
        "order_id": ids[number],
        "size": size,
        "price": of["price_e4"].copy(),
        "dir": side.copy(),
        "code": np.where(unprinted, full.NOT_PRINTED, of["code"]).astype(np.int64),
        "seq": of["seq_lo"].astype(np.int64),
    }
    empty = (kind == Kind.CROSS) & (size == 0)  # an auction in which nothing traded
    return {name: column[~empty] for name, column in made.items()}, int(lost)


def refuse(path: Path, messages: Columns) -> None:
    """Refuse orders and prints that cannot be; the rows named are messages of the file."""
    kind, size, price = messages["type"], messages["size"], messages["price"]
    priced = np.isin(kind, (Kind.ADD, Kind.EXECUTE_PRICE, Kind.HIDDEN, Kind.CROSS))
    sized = priced | np.isin(kind, (Kind.CANCEL, Kind.EXECUTE))
    checks = [
        (sized & (size <= 0), "size {size}", "sizes are positive"),
        (priced & ((price <= 0) | (price > PRICE_E4_MAX)), "price {price}", "prices are in 1e-4 dollars"),
    ]
    refuse_first(str(path), messages, checks, messages["seq"])


def tally(found: Found, messages: Columns, unknown: int, lost: int) -> dict[str, Any]:
    """Return what is said of an ITCH file beyond the common report."""
    kind = messages["type"]
    letters = np.flatnonzero(found.types)
    references = int(np.isin(kind, (Kind.CANCEL, Kind.DELETE, Kind.EXECUTE, Kind.EXECUTE_PRICE)).sum())
    said: dict[str, Any] = {
        "rows": int(found.types.sum()),
        "file_messages": found.messages,
        "framing": str(found.framing),
        "types": {chr(letter): int(found.types[letter]) for letter in letters},
        "references_matched": 1 - unknown / references if references else None,
        "replaces_of_unknown": lost,
    }
    if found.framing is Framing.PCAP:
        packets = found.packets
        said |= {
            "packets": packets.count,
            "missing_messages": packets.missing,
            "repeated_messages": packets.repeated,
        }
    return said
