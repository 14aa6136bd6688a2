"""The dated files of a trading day: read strictly, hashed, and told to the gate as one start of day.

A folder `<day_dir>/<day>` holds CSV files, each with its header and with the day in its first column, and
`manifest.json`, which names every file with its SHA-256. The manifest's own hash is what a person signs. A
symbol that a required file lacks may not trade that day: it goes on the restricted list, with the reason.
"""

import csv
import hashlib
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from market.desk_events import DayStarted, RestrictedListed
from market.instruments import Instrument
from market.people_events import DayCompared
from market.types import Symbol

MANIFEST: Final = "manifest.json"
BROKER: Final = "broker_positions.csv"  # what an end of day is held against
ROWS_MAX: Final = 10_000  # of one file: accounts times symbols of a desk
BYTES_MAX: Final = 4_194_304  # of one file
QTY_MAX: Final = 10**12  # shares, or currency units: no desk has more
DIGITS_MAX: Final = 12  # of a volatility; more is no number of this world
PRICE_E4_MAX: Final = 10**13  # a thousand million a share: nothing trades there
E4: Final = 10_000
MICROS: Final = 1_000_000
# Columns after `day`. What a symbol needs in order to trade is in REQUIRED.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "positions.csv": ("account", "symbol", "qty"),
    "cash.csv": ("account", "currency", "amount"),
    "closes.csv": ("symbol", "close"),
    "adv.csv": ("symbol", "shares"),
    "volatility.csv": ("symbol", "daily_bps"),
    "symbols.csv": ("symbol", "mic", "theirs"),
    "actions.csv": ("symbol", "kind", "new", "old"),  # a split: `new` shares for `old` ones
    "restricted.csv": ("symbol", "reason"),
    "locates.csv": ("account", "symbol", "qty"),
}
NAMED: Final = frozenset({"account", "symbol", "currency", "mic", "theirs"})
NAME: Final = re.compile(r"[!-~]{1,40}")  # a name with a blank is another name, and restricts nothing
INTEGER: Final = re.compile(r"-?[0-9]{1,13}")
REQUIRED: Final = ("closes.csv", "adv.csv", "volatility.csv", "symbols.csv")


class DayFilesError(Exception):
    """A day's files are not what they must be: file:line and what is wrong."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was prepared for a day."""

    day: str
    synthetic: bool  # made for paper, not by anybody who knows
    files: dict[str, str]  # name: SHA-256
    untradable: dict[str, str]  # symbol: why


Row = tuple[int, list[str]]


def read(path: Path, day: str) -> list[Row]:
    """Return the rows of one file of a day, with their line numbers, without the day's column.

    Raises:
        DayFilesError

    """
    columns = ("day", *(COLUMNS["positions.csv"] if path.name == BROKER else COLUMNS[path.name]))
    try:
        if path.stat().st_size > BYTES_MAX:
            raise DayFilesError(f"{path}: more than {BYTES_MAX} bytes")
        with path.open(newline="", encoding="ascii") as file:
            rows = list(csv.reader(file, strict=True))
    except FileNotFoundError:
        raise DayFilesError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DayFilesError(f"{path}: cannot be read: {error}") from None
    if not rows or tuple(rows[0]) != columns:
        raise DayFilesError(f"{path}:1: the first line is {','.join(columns)}")
    if len(rows) > ROWS_MAX:
        raise DayFilesError(f"{path}: more than {ROWS_MAX} rows")
    found, seen = [], set()
    keys = 2 if columns[1:3] in (("account", "symbol"), ("account", "currency")) else 1
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(columns):
            raise DayFilesError(f"{path}:{number}: {len(row)} columns instead of {len(columns)}")
        if row[0] != day:
            raise DayFilesError(f"{path}:{number}: of day {row[0]}, not {day}")
        key = tuple(row[1 : 1 + keys])
        if key in seen or not all(key):
            raise DayFilesError(f"{path}:{number}: {' '.join(key)!r} is empty or comes twice")
        for column, cell in zip(columns, row, strict=True):
            if column in NAMED and not NAME.fullmatch(cell):
                raise DayFilesError(f"{path}:{number}: {column} {cell[:40]!r} has blanks, or is too long")
        seen.add(key)
        found.append((number, row[1:]))
    return found


def whole(path: Path, number: int, text: str, least: int = -QTY_MAX) -> int:
    """Return a whole number of a cell."""
    value = int(text) if INTEGER.fullmatch(text) else least - 1
    if not least <= value <= QTY_MAX:
        raise DayFilesError(f"{path}:{number}: a whole number from {least} is needed, got {text[:40]!r}")
    return value


def price_e4(path: Path, number: int, text: str) -> int:
    """Return a price of a cell in 1e-4 currency units."""
    whole_part, _, part = text.partition(".")
    if not (whole_part + part).isdecimal() or len(part) > 4 or not 0 < len(whole_part) <= 9:
        raise DayFilesError(f"{path}:{number}: a price with at most 4 decimals is needed, got {text[:40]!r}")
    value = int(whole_part) * E4 + int(part.ljust(4, "0") or "0")
    if not 0 < value <= PRICE_E4_MAX:
        raise DayFilesError(f"{path}:{number}: a price above 0 is needed, got {text[:40]!r}")
    return value


# --- preparing ----------------------------------------------------------------------------------


def prepare(
    folder: Path,
    day: str,
    instruments: Mapping[str, Instrument],
    synthetic: bool,
    sent: Mapping[str, str] | None = None,
) -> tuple[Manifest, str]:
    """Check a day's files and write their manifest; return it and its hash.

    `sent`: symbols that orders name otherwise than we do, as the profile of the broker says.

    Raises:
        DayFilesError

    """
    place = folder / day
    untradable: dict[str, str] = {}
    for name in COLUMNS:
        rows = read(place / name, day)
        misspelt(place / name, rows, instruments)
        if name in REQUIRED:
            known = {row[0] for _, row in rows}
            for symbol in [s for s in instruments if s not in known]:
                untradable.setdefault(symbol, f"{name} does not have it")
    positions, closes = adjusted(place, day)
    for symbol, shares, volatility_bps in volumes(place, day):
        if not synthetic and not (shares and volatility_bps):
            untradable.setdefault(symbol, "its volume or its volatility is 0")
    locates(place, day)
    cash(place, day)
    strange = {row[1] for _, row in read(place / "cash.csv", day)} - {
        i.currency for i in instruments.values()
    }
    if strange:
        raise DayFilesError(f"{place / 'cash.csv'}: {', '.join(sorted(strange))}: no instrument trades in it")
    for symbol, why in misnamed(place, day, instruments, sent or {}).items():
        untradable.setdefault(symbol, why)
    for name, close_e4 in closes.items():
        if name in instruments and close_e4 <= 0:
            untradable.setdefault(name, "its close is not known after a corporate action")
    unknown = sorted({s for _, s in positions} - {str(s) for s in instruments})
    if unknown:
        raise DayFilesError(f"{place / 'positions.csv'}: {', '.join(unknown[:5])}: no configured instruments")
    hashes = {name: sha256(place / name) for name in COLUMNS}
    manifest = Manifest(day, synthetic, hashes, untradable)
    raw = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
    try:
        (place / MANIFEST).write_bytes(raw)
    except OSError as error:
        raise DayFilesError(f"{place / MANIFEST}: cannot be written: {error.strerror}") from None
    return manifest, hashlib.sha256(raw).hexdigest()


def misspelt(path: Path, rows: list[Row], instruments: Mapping[str, Instrument]) -> None:
    """Refuse a symbol of ours in small letters: a list or a split that names it so would do nothing.

    Raises:
        DayFilesError

    """
    columns = COLUMNS[path.name]
    if "symbol" not in columns:
        return
    place = columns.index("symbol")
    for number, row in rows:
        if row[place] not in instruments and row[place].upper() in instruments:
            raise DayFilesError(f"{path}:{number}: {row[place]} is written {row[place].upper()}")


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DayFilesError(f"{path}: cannot be read: {error.strerror}") from None


def adjusted(place: Path, day: str) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Return positions and closes with the day's splits: shares times new/old, prices by old/new.

    A split that leaves a fraction of a share needs a person: what becomes of it is the broker's choice.
    """
    splits = splits_of(place, day)
    positions = {}
    path = place / "positions.csv"
    for number, (account, symbol, text) in read(path, day):
        new, old = splits.get(symbol, (1, 1))
        qty, rest = divmod(whole(path, number, text) * new, old)
        if rest:
            raise DayFilesError(
                f"{path}:{number}: {symbol} split {new} for {old} leaves a fraction of a share"
            )
        positions[(account, symbol)] = qty
    closes = {}
    path = place / "closes.csv"
    for number, (symbol, text) in read(path, day):
        new, old = splits.get(symbol, (1, 1))
        closes[symbol] = price_e4(path, number, text) * old // new
    return positions, closes


def splits_of(place: Path, day: str) -> dict[str, tuple[int, int]]:
    """Return (new shares, for old ones) by symbol."""
    splits: dict[str, tuple[int, int]] = {}
    path = place / "actions.csv"
    for number, (symbol, kind, gives, takes) in read(path, day):
        if kind != "split":
            raise DayFilesError(f"{path}:{number}: kind {kind!r} is not known, split is")
        splits[symbol] = (whole(path, number, gives, 1), whole(path, number, takes, 1))
    return splits


# --- what the gate reads ------------------------------------------------------------------------


def prepared(folder: Path, day: str, signed_sha256: str) -> tuple[DayStarted, RestrictedListed]:
    """Return a day from its files, whole as they were signed.

    Raises:
        DayFilesError: a file is missing, is another day's, or has changed since.

    """
    place = place_of(folder, day)
    if sha256(place / MANIFEST) != signed_sha256:
        raise DayFilesError(f"{place / MANIFEST}: is not the one that was signed")
    try:
        manifest = msgspec.json.decode((place / MANIFEST).read_bytes(), type=Manifest)
    except (ValueError, OSError) as error:
        raise DayFilesError(f"{place / MANIFEST}: {error}") from None
    if manifest.day != day or set(manifest.files) != set(COLUMNS):
        raise DayFilesError(f"{place / MANIFEST}: not the files of {day}")
    as_signed(place, manifest)
    positions, closes = adjusted(place, day)
    started = DayStarted(
        day=day,
        volumes=volumes(place, day),
        positions=tuple((a, Symbol(s), q) for (a, s), q in sorted(positions.items())),
        closes_e4=tuple((Symbol(s), c) for s, c in sorted(closes.items())),
        locates=locates(place, day),
        buying_power_micros=cash(place, day),
    )
    listed = {row[0] for _, row in read(place / "restricted.csv", day)} | set(manifest.untradable)
    restricted = RestrictedListed(
        symbols=tuple(sorted(listed)),
        issued_ns=_midnight_utc_ns(day),
        sha256=manifest.files["restricted.csv"],
    )
    as_signed(place, manifest)  # what was read is what was hashed, if nobody wrote meanwhile
    return started, restricted


def as_signed(place: Path, manifest: Manifest) -> None:
    """Look whether the files are those of the manifest.

    Raises:
        DayFilesError

    """
    for name, expected in manifest.files.items():
        if sha256(place / name) != expected:
            raise DayFilesError(f"{place / name}: has changed since it was signed")


def locates(place: Path, day: str) -> tuple[tuple[str, Symbol, int], ...]:
    """Return what may be sold short, by account and symbol (R17)."""
    path = place / "locates.csv"
    return tuple((a, Symbol(s), whole(path, n, q, 0)) for n, (a, s, q) in read(path, day))


def cash(place: Path, day: str) -> int | None:
    """Return what accounts may spend, in micros, None where nobody says: it can only lower R13.

    A gate trades in one currency (daemon.live_check), and so does its cash.
    """
    path = place / "cash.csv"
    rows = read(path, day)
    if len({currency for _, (_, currency, _) in rows}) > 1:
        raise DayFilesError(f"{path}: several currencies, and no rates between them")
    amounts = [whole(path, number, amount) for number, (_, _, amount) in rows]
    return max(0, sum(amounts)) * MICROS if amounts else None


def misnamed(
    place: Path, day: str, instruments: Mapping[str, Instrument], sent: Mapping[str, str]
) -> dict[str, str]:
    """Return symbols that the broker knows by another venue or name than orders would say."""
    found = {}
    for _, (symbol, mic, theirs) in read(place / "symbols.csv", day):
        instrument, name = instruments.get(symbol), sent.get(symbol, symbol)
        if instrument is not None and (mic, theirs) != (instrument.mic, name):
            found[symbol] = f"the broker calls it {theirs} at {mic}, orders say {name} at {instrument.mic}"
    return found


def volumes(place: Path, day: str) -> tuple[tuple[Symbol, int, float], ...]:
    """Return average daily volume, splits accounted for, and volatility of every symbol that has both."""
    path = place / "volatility.csv"
    moves = {symbol: volatility(path, number, text) for number, (symbol, text) in read(path, day)}
    path, splits = place / "adv.csv", splits_of(place, day)
    found = []
    for number, (symbol, text) in read(path, day):
        gives, takes = splits.get(symbol, (1, 1))
        shares = whole(path, number, text, 0) * gives // takes
        if symbol in moves:
            found.append((Symbol(symbol), shares, moves[symbol]))
    return tuple(sorted(found))


def volatility(path: Path, number: int, text: str) -> float:
    """Return a daily volatility in basis points."""
    if not text.replace(".", "", 1).isdecimal() or len(text) > DIGITS_MAX:
        raise DayFilesError(f"{path}:{number}: basis points a day are needed, got {text[:40]!r}")
    return float(text)


def compared(folder: Path, day: str, signed_sha256: str) -> DayCompared:
    """Return the broker's positions at the end of a day.

    Raises:
        DayFilesError

    """
    path = place_of(folder, day) / BROKER
    if sha256(path) != signed_sha256:
        raise DayFilesError(f"{path}: is not the one that was signed")
    rows = tuple((a, s, whole(path, n, q)) for n, (a, s, q) in read(path, day))
    return DayCompared(day=day, positions=rows, sha256=signed_sha256)


def place_of(folder: Path, day: str) -> Path:
    """Return a day's folder; the day came over a socket, and is a date or nothing."""
    try:
        return folder / date.fromisoformat(day).isoformat()
    except ValueError:
        raise DayFilesError(f"no day {day[:20]!r}; write YYYY-MM-DD") from None


def _midnight_utc_ns(day: str) -> int:
    """Return when a day begins in UTC: the list is the day's own, and old a day later."""
    since = date.fromisoformat(day) - date(1970, 1, 1)
    return since.days * 86_400 * 1_000_000_000
