"""FIX tag=value text: fields, numbers, prices and times, exactly, without floats.

Readers return None for what they refuse and never raise, whatever the bytes; writers raise
`Unencodable` for what must not go on a wire. Text is `str` as the engine hands it over: bytes that
are no UTF-8 come as surrogates, which no reader accepts.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

SOH: Final = "\x01"
PRICE_DIGITS_MAX: Final = 9  # before the point: a billion per share is an error, not a price
QTY_DIGITS_MAX: Final = 12  # fits every counter that sums quantities in 64 bits
ID_LENGTH_MAX: Final = 64  # of an identifier of the other side; ours are 20 at most
TEXT_LENGTH_MAX: Final = 256  # of Text(58) kept or sent
RAW_KEPT_MAX: Final = 512  # of a malformed message, for the log
TIMES_CACHED: Final = 64  # seconds whose text is remembered: those of now, by two clocks

OUTBOUND: Final = re.compile(r"[A-Z0-9._-]{1,20}", re.ASCII)  # every string that the gate sends
FRACTION: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
SECOND: Final = re.compile(r"[0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)


class Unencodable(ValueError):  # noqa: N818  (a word of the trade reads better than "...Error")
    """A value that must not be put on a wire: control characters, wrong charset, no price."""


class Malformed(msgspec.Struct, frozen=True, kw_only=True):
    """A message that could not be read, and why. Never an exception: bytes are the world's."""

    msg_type: str
    reason: str
    raw: str = ""  # the first RAW_KEPT_MAX characters


def fields(raw: str) -> dict[str, str] | None:
    """Return tag -> value, None if a field is not `tag=value`. Of a repeated tag the last stays."""
    try:
        return dict([f.split("=", 1) for f in raw.split(SOH)[:-1]])
    except ValueError:
        return None


def repeated(raw: str, tags: frozenset[str]) -> str | None:
    """Return the first of `tags` that occurs twice: two quantities in one message are none."""
    seen: set[str] = set()
    for field in raw.split(SOH):
        tag = field.split("=", 1)[0]
        if tag in tags:
            if tag in seen:
                return tag
            seen.add(tag)
    return None


def malformed(msg_type: str, reason: str, raw: str) -> Malformed:
    """Return the value that stands for a message that could not be read."""
    return Malformed(msg_type=msg_type, reason=reason, raw=raw[:RAW_KEPT_MAX])


# --- numbers ------------------------------------------------------------------------------------


def read_price_e4(text: str) -> int | None:
    """Return a price in 1e-4, None unless it is a plain decimal with at most 4 decimals that count."""
    whole, point, rest = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= PRICE_DIGITS_MAX):
        return None
    if not point:
        return int(whole) * 10_000
    if not FRACTION.fullmatch(rest):
        return None
    if len(rest) > 4 and rest[4:].strip("0"):
        return None  # a part of 1e-4 that counts: refused, never rounded
    return int(whole) * 10_000 + int((rest + "000")[:4])


def read_int(text: str, digits_max: int = QTY_DIGITS_MAX) -> int | None:
    """Return a plain non-negative integer, None otherwise."""
    if text.isascii() and text.isdigit() and len(text) <= digits_max:
        return int(text)
    return None


def read_qty(text: str) -> int | None:
    """Return a whole quantity; FIX's Qty is a float, so `100.00` is 100 and `100.5` is refused."""
    if text.isdigit():
        return read_int(text)
    whole, point, rest = text.partition(".")
    if point and (not FRACTION.fullmatch(rest) or rest.strip("0")):
        return None
    return read_int(whole)


def price_text(price_e4: int) -> str:
    """Return `101.25` or `101.2501`: two decimals, or four where they count.

    Raises:
        Unencodable: not positive, or too large to be a price.

    """
    if not 0 < price_e4 < 10 ** (PRICE_DIGITS_MAX + 4):
        raise Unencodable(f"no price to send: {price_e4}")
    return decimal_text(price_e4)


def decimal_text(price_e4: int) -> str:
    """Return a non-negative number of 1e-4 as decimal text (zero included, as LastPx(31) may be)."""
    whole, part = divmod(price_e4, 10_000)
    return f"{whole}.{part // 100:02d}" if part % 100 == 0 else f"{whole}.{part:04d}"


def average_text(notional_e4: int, qty: int) -> str:
    """Return notional / qty with 10 decimals, rounded half up in integers (AvgPx(6) is for people)."""
    if qty <= 0:
        return "0"
    scaled = (2 * notional_e4 * 10**6 + qty) // (2 * qty)  # 1e-10 units
    whole, part = divmod(scaled, 10**10)
    return f"{whole}.{part:010d}".rstrip("0").rstrip(".")


def qty_text(qty: int) -> str:
    """Return a positive whole quantity as text."""
    if not 0 < qty < 10**QTY_DIGITS_MAX:
        raise Unencodable(f"no quantity to send: {qty}")
    return str(qty)


# --- strings ------------------------------------------------------------------------------------


def read_id(text: str) -> str | None:
    """Return an identifier of the other side: printable ASCII without blanks, bounded."""
    fit = 0 < len(text) <= ID_LENGTH_MAX and text.isascii() and text.isprintable() and " " not in text
    return text if fit else None


def id_text(text: str) -> str:
    """Return an identifier that the gate may send, letter by letter checked.

    Raises:
        Unencodable: anything but 1 to 20 of A-Z 0-9 . _ -

    """
    if not OUTBOUND.fullmatch(text):
        raise Unencodable(f"not fit for a wire: {text[:40]!r}")
    return text


def echo_text(text: str) -> str:
    """Return an identifier of a counterparty that is sent back as it came."""
    if read_id(text) is None:
        raise Unencodable(f"not fit for a wire: {text[:40]!r}")
    return text


def read_text(text: str) -> str:
    """Return free text for logs: printable ASCII, the rest as `?`, bounded."""
    text = text[:TEXT_LENGTH_MAX]
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c <= "~" else "?" for c in text)


# --- times --------------------------------------------------------------------------------------


TS_NS_END: Final = 2**63  # no journal takes more than 64 bits


@lru_cache(TIMES_CACHED)
def _second_of(text: str) -> int | None:
    if not SECOND.fullmatch(text):  # strptime alone takes blanks and missing zeros
        return None
    try:
        moment = datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp())


@lru_cache(TIMES_CACHED)
def _second_text(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y%m%d-%H:%M:%S}"


def read_utc_ns(text: str) -> int | None:
    """Return UTC ns of a UTCTimestamp with none to nine decimals, None otherwise.

    Years outside 1970 to 2261 are no times of ours: a null date of somebody's language, or never.
    """
    second = _second_of(text[:17])
    if second is None:
        return None
    part = text[18:]
    if len(text) > 17 and (text[17] != "." or not FRACTION.fullmatch(part) or len(part) > 9):
        return None
    ts_ns = second * 10**9 + int(part.ljust(9, "0"))
    return ts_ns if 0 <= ts_ns < TS_NS_END else None


def utc_text(ts_ns: int, digits: int = 3) -> str:
    """Return a UTCTimestamp; FIX 4.4 knows milliseconds, 6 and 9 digits are an agreed extension."""
    if not 0 < ts_ns < 2**63:
        raise Unencodable(f"no time to send: {ts_ns}")
    second, part = divmod(ts_ns, 10**9)
    return f"{_second_text(second)}.{part // 10 ** (9 - digits):0{digits}d}"
