"""Reads columns of whole numbers out of CSV bytes, exactly, and says which row is wrong.

A time like 34200.004241176 is read digit by digit into nanoseconds: a float would lose them. The
general CSV readers guess types, skip what they cannot read or lose the row number, so this is not one.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.kernels import kernel
from research.ingest.source import SourceError

DIGITS_MAX = 18  # fits int64 whatever the digits
NS_DIGITS = 9
BLANK_MAX = 64  # bytes of line ends behind the last row; more is no file of rows
SECONDS_DIGITS_MAX = 6  # a day has 86,400; six keep the nanoseconds far inside int64


class Fault(IntEnum):
    """What can be wrong with a row."""

    NONE = 0
    NOT_A_NUMBER = 1
    TOO_FEW = 2
    TOO_MANY = 3
    TOO_LONG = 4


FAULT_MEND = {
    Fault.NOT_A_NUMBER: "give whole numbers (times: seconds with decimals), no header and no text",
    Fault.TOO_FEW: "every row needs the same columns; fetch the file again if it was cut",
    Fault.TOO_MANY: "every row needs the same columns; check the level count in the file name",
    Fault.TOO_LONG: "no column has more than 18 digits; fetch the file again",
}


class Parsed(NamedTuple):
    """What one call read: whole rows only, the rest stays for the next chunk."""

    rows: NDArray[np.int64]
    used: int  # bytes eaten
    truncated: int  # times with digits beyond the nanosecond


@kernel
def parse_rows(
    text: NDArray[np.uint8], columns: int, has_time: bool, final: bool, out: NDArray[np.int64]
) -> tuple[int, int, int, int, int]:
    """Parse whole lines; return (rows, bytes used, truncated times, fault, faulty column)."""
    n = text.size
    start = row = truncated = 0
    while start < n and row < out.shape[0]:
        if text[start] in (10, 13) and n - start <= BLANK_MAX and not _any_ink(text, start):
            start = n if final else start  # blank lines may end a file, where nothing follows
            break
        at = start
        column = cut = 0
        while True:
            digits = dot = 0
            value = 0
            minus = at < n and text[at] == 45
            at += 1 if minus else 0
            while at < n and text[at] not in (44, 10, 13):
                byte = text[at]
                if byte == 46 and has_time and column == 0 and dot == 0 and digits > 0:
                    dot = 1
                elif 48 <= byte <= 57:
                    if dot == 0 or dot <= NS_DIGITS:
                        value = value * 10 + (byte - 48)
                        digits += 1
                    dot += 1 if dot > 0 else 0
                    if digits > DIGITS_MAX:
                        return row, start, truncated, 4, column
                else:
                    return row, start, truncated, 1, column
                at += 1
            if at >= n and not final:
                return row, start, truncated, 0, 0
            ended = at >= n or text[at] != 44
            if digits == 0:
                return row, start, truncated, 2 if ended and column + 1 < columns else 1, column
            if column >= columns:
                return row, start, truncated, 3, column
            if has_time and column == 0:
                if digits - min(max(dot - 1, 0), NS_DIGITS) > SECONDS_DIGITS_MAX:
                    return row, start, truncated, 4, column
                for _ in range(NS_DIGITS - min(max(dot - 1, 0), NS_DIGITS)):
                    value *= 10
                cut = 1 if dot - 1 > NS_DIGITS else 0
            out[row, column] = -value if minus else value
            column += 1
            if ended:
                break
            at += 1
        if column < columns:
            return row, start, truncated, 2, column
        if at < n and text[at] == 13:
            at += 1
            if (at < n and text[at] != 10) or (at >= n and not final):
                return row, start, truncated, 1 if at < n else 0, columns - 1
        start = at + 1 if at < n else n
        row += 1
        truncated += cut
    return row, start, truncated, 0, 0


@kernel
def _any_ink(text: NDArray[np.uint8], start: int) -> bool:
    """Say whether anything but line ends follows."""
    for at in range(start, text.size):  # noqa: SIM110 - numba has no any() over a generator
        if text[at] not in (10, 13):
            return True
    return False


def parse(text: bytes, columns: int, where: str, first_row: int, *, has_time: bool, final: bool) -> Parsed:
    """Parse a chunk of CSV.

    Raises:
        SourceError: naming file, row and column of the first thing that is not as it must be.
    """
    view = np.frombuffer(text, np.uint8)
    out = np.empty((text.count(b"\n") + 1, columns), np.int64)
    rows, used, truncated, code, column = parse_rows(view, columns, has_time, final, out)
    if code:
        fault = Fault(code)
        line = text[used : used + 4_096].split(b"\n", 1)[0].rstrip(b"\r")
        fields = line.split(b",")
        if fault in (Fault.TOO_FEW, Fault.TOO_MANY):
            what = f"{len(fields)} columns where {columns} are expected"
        else:
            shown = fields[column][:24].decode("ascii", "replace") if column < len(fields) else ""
            kind = "is not a number" if fault is Fault.NOT_A_NUMBER else "has too many digits"
            what = f"column {column + 1} {shown!r} {kind}"
        raise SourceError(where, first_row + rows, what, FAULT_MEND[fault])
    return Parsed(out[:rows], used, truncated)
