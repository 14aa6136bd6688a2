"""What every reader of foreign data shares: one line for what is wrong, and the bounds on sizes."""

LEVELS_MAX = 200  # LOBSTER sells up to 200 levels a side
ROWS_MAX = 50_000_000  # four times the busiest US symbol's busiest day
SIZE_MAX = 2**32 - 1  # shares travel as 32 bits unsigned on the ITCH wire
PRICE_E4_MAX = 2**53  # beyond it a float of a report would no longer be exact
WIRE_PRICE_E4_MAX = 2**32 - 1  # of ITCH 5.0: `paper` leaves out orders above it, or refuses the tape
ORDER_ID_MAX = 2**39  # ids above are ours: anonymous orders of a window's edge
DAY_NS = 86_400_000_000_000


class SourceError(Exception):
    """A source that cannot be read: one line with file, row, what is wrong and how to mend it."""

    def __init__(self, where: str, row: int | None, what: str, mend: str) -> None:
        place = where if row is None else f"{where}:{row}"
        super().__init__(f"{place}: {what}; {mend}")
