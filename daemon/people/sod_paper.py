"""The dated files of a paper day: what the configuration and the gate's prices say, from nobody who knows."""

import csv
from collections.abc import Mapping
from pathlib import Path

from daemon.people.sod_files import COLUMNS, E4, DayFilesError, place_of
from market.instruments import Instrument
from market.types import Symbol


def synthesise(
    folder: Path,
    day: str,
    instruments: Mapping[str, Instrument],
    positions: Path | None,
    closes_e4: Mapping[Symbol, int],
) -> None:
    """Write files for a paper day: what the configuration and the gate's prices say, and nothing else.

    Raises:
        DayFilesError

    """
    held: list[list[str]] = []
    if positions is not None:
        try:
            held = [row for row in csv.reader(positions.read_text().splitlines()[1:]) if row]
        except OSError as error:
            raise DayFilesError(f"{positions}: cannot be read: {error.strerror}") from None
    rows: dict[str, list[list[str]]] = {
        "positions.csv": held,
        "closes.csv": [[s, f"{c // E4}.{c % E4:04d}"] for s, c in closes_e4.items() if c],
        "adv.csv": [[s, str(i.adv)] for s, i in instruments.items()],
        "volatility.csv": [[s, f"{i.daily_volatility_bps:g}"] for s, i in instruments.items()],
        "symbols.csv": [[s, i.mic, s] for s, i in instruments.items()],
    }
    place = place_of(folder, day)
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, columns in COLUMNS.items():
            with (place / name).open("w", newline="", encoding="ascii") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["day", *columns])
                writer.writerows([day, *row] for row in rows.get(name, []))
    except OSError as error:
        raise DayFilesError(f"{error.filename}: cannot be written: {error.strerror}") from None
