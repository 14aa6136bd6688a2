"""Volume curves for VWAP: how a day's volume spreads over the session. Causal: earlier sessions only.

A curve file has one line a bin, `HH:MM,volume`, bins of equal length from the session's open.
Without one, the generic U below is used, and `describe` of the policy says so.
"""

import itertools
from pathlib import Path
from typing import Final

import msgspec

from policies.schedule import curve_from_shares

BINS_MAX: Final = 1_440  # minutes of a day
# A generic U of US equities, 26 quarter hours, in per mille of the day: an assumption, not a measurement.
GENERIC_SHARES: Final = (
    *(92.0, 56.0, 48.0, 44.0, 41.0, 38.0, 35.0, 33.0, 31.0, 30.0, 28.0, 27.0, 26.0),
    *(26.0, 26.0, 27.0, 28.0, 29.0, 30.0, 32.0, 34.0, 37.0, 41.0, 48.0, 60.0, 53.0),
)


class CurveError(Exception):
    """A volume curve file that cannot be used: file:line and what is wrong."""


class VolumeCurve(msgspec.Struct, frozen=True):
    """Cumulative share of the day's volume at equal steps of the session, and where it comes from."""

    steps: tuple[float, ...]
    source: str


GENERIC: Final = VolumeCurve(curve_from_shares(GENERIC_SHARES), "shipped generic U-shaped curve")


def load(path: Path) -> VolumeCurve:
    """Read a curve file.

    Raises:
        CurveError: with file:line; the process exits with 78.

    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CurveError(f"{path}: cannot be read: {error}") from None
    minutes: list[int] = []
    shares: list[float] = []
    for number, line in enumerate(lines, 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        clock, _, volume = text.partition(",")
        hour, _, minute = clock.strip().partition(":")
        if not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
            raise CurveError(f"{path}:{number}: {clock!r} is not HH:MM")
        try:
            share = float(volume)
        except ValueError:
            raise CurveError(f"{path}:{number}: {volume.strip()!r} is not a volume") from None
        if not 0.0 <= share < 1e15:
            raise CurveError(f"{path}:{number}: a volume is 0 or more, got {volume.strip()}")
        minutes.append(int(hour) * 60 + int(minute))
        shares.append(share)
    steps = {b - a for a, b in itertools.pairwise(minutes)}
    if not 2 <= len(shares) <= BINS_MAX or len(steps) != 1 or min(steps) <= 0 or not sum(shares) > 0:
        raise CurveError(f"{path}: needs 2 to {BINS_MAX} bins of equal length with some volume in them")
    return VolumeCurve(curve_from_shares(tuple(shares)), f"earlier sessions, {path.name}")
