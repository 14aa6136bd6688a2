"""What every command line shares: a mistake is one line and exit 2, and kinds of values with their bounds.

A module that reads a command line imports this, argparse and nothing heavy: `--help` and a mistake are
answered before anything else is loaded (docs/ARCHITECTURE.md).
"""

import argparse
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn

USAGE: Final = 2
SEED_MAX: Final = 2**63 - 1  # what an int64 holds
SPEED_MAX: Final = 10_000  # times real time; nothing plays faster than that
PORT_MAX: Final = 65_535  # of TCP
LINES_MAX: Final = 4  # of a MoldUDP64 feed: exchanges have two
PRICE_MAX: Final = 100_000  # currency units; beyond it ITCH has no room (200,000), and no share trades


class Parser(argparse.ArgumentParser):
    """The standard library's, but for the page of usage that it puts before each error."""

    def error(self, message: str) -> NoReturn:
        """Say one line and exit."""
        self.exit(USAGE, f"{self.prog}: {message} (see --help)\n")


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return the reader of a whole number within bounds."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number, {least} to {most}")
        return value

    return read


def addresses(text: str) -> tuple[tuple[str, int], ...]:
    """Read HOST:PORT,HOST:PORT; hosts are IPv4 addresses."""
    found = []
    for part in text.split(","):
        host, _, port = part.rpartition(":")
        octets = host.split(".")
        four = len(octets) == 4 and all(o.isdecimal() and int(o) < 256 for o in octets)
        if not (four and port.isdecimal() and 1 <= int(port) <= PORT_MAX):
            raise argparse.ArgumentTypeError(f"{part!r}: give an IPv4 address and a port, HOST:PORT")
        found.append((host, int(port)))
    if len(found) > LINES_MAX:
        raise argparse.ArgumentTypeError(f"{len(found)} lines, {LINES_MAX} at most")
    return tuple(found)


CROSSES: Final = ("open", "close", "reopen")  # market.instruments.Auction, without loading it


def crosses(text: str) -> tuple[str, ...]:
    """Read crosses: open,close,reopen."""
    names = tuple(dict.fromkeys(text.split(",")))
    if not set(names) <= set(CROSSES):
        raise argparse.ArgumentTypeError(f"{text!r}: give some of {','.join(CROSSES)}")
    return names


def speed(text: str) -> float:
    """Read a multiple of real time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= SPEED_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0, {SPEED_MAX} at most")
    return value


def price_e4(text: str) -> int:
    """Read a price into 1e-4 currency units, exactly."""
    try:
        scaled = Decimal(text) * 10_000
    except InvalidOperation:
        scaled = Decimal(0)
    if not (scaled.is_finite() and 0 < scaled <= PRICE_MAX * 10_000 and scaled == scaled.to_integral_value()):
        raise argparse.ArgumentTypeError(
            f"{text!r}: give a price above 0, {PRICE_MAX} at most, with 4 decimals at most"
        )
    return int(scaled)


def day(text: str) -> date:
    """Read a calendar day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: no such day; write YYYY-MM-DD") from None


def clock(text: str) -> time:
    """Read a clock time; whose zone is the instrument's matter."""
    try:
        value = time.fromisoformat(text)
    except ValueError:
        value = None
    if value is None or value.tzinfo is not None:
        raise argparse.ArgumentTypeError(f"{text!r}: not a clock time; write HH:MM or HH:MM:SS")
    return value
