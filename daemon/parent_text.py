"""A parent order as a person types it: `SELL 2000 GOOG 10:05-10:25 limit=565.00 pov=0.1`.

    side qty symbol window [option=value ...]

Clock times are in the instrument's zone, HH:MM or HH:MM:SS; `now-10:25` begins at admission, `+20m` is
a window of so long from now. Every mistake is one clear line.
"""

import datetime as dt
import re
from decimal import Decimal, InvalidOperation, Overflow
from typing import Any, Final

from market.instruments import Instrument
from market.parents import ParentOrder
from market.types import NS, PRICE_SCALE, Benchmark, ParentID, Side, Symbol

FORM: Final = "SIDE QTY SYMBOL HH:MM-HH:MM [limit= pov= benchmark= must_complete= id= account= ...]"
SIDES: Final = {
    "BUY": Side.BUY,
    "SELL": Side.SELL,
    "SELL_SHORT": Side.SELL_SHORT,
    "SHORT": Side.SELL_SHORT,
    "SHORT_EXEMPT": Side.SELL_SHORT_EXEMPT,
}
NAME: Final = re.compile(r"[A-Z0-9._-]{1,20}")
CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
SPAN: Final = re.compile(r"\+([0-9]{1,5})(s|m|h)")
SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
QTY_MAX: Final = 10**12 - 1  # what a wire and a position file can say
PRICE_E4_MAX: Final = 10**13  # a thousand million a share: nothing trades there
DECLARED_MAX: Final = 10**12  # in currency units: more than any desk is worth
TEXT_MAX: Final = 500  # every option once, with room to spare
OPTIONS: Final = (
    *("limit", "pov", "min_pov", "benchmark", "must_complete", "urgency", "id", "account", "declared"),
    *("decision_price", "i_would", "max_display", "min_qty", "locate", "policy", "close_pct"),
)


class ParentTextError(ValueError):
    """What is wrong with the text, in one line."""


def parse(
    text: str,
    instruments: dict[Any, Instrument],
    day: dt.date,
    account: str,
    parent_id: str = "",
    now_ns: int = 0,
) -> ParentOrder:
    """Return the parent order of a text; `day` is the trading day, `now_ns` market time (0: not known).

    Raises:
        ParentTextError: one line.

    """
    words = text.split()
    if len(text) > TEXT_MAX or len(words) < 4:
        raise ParentTextError(f"{text[:60]!r}: a parent order is {FORM}")
    side_text, qty_text, symbol_text, window, *options = words
    side = side_of(side_text)
    instrument = instrument_of(symbol_text, instruments)
    start_ns, end_ns = window_of(window, instrument, day, now_ns)
    return ParentOrder(
        side=side,
        qty=quantity(qty_text, "quantity"),
        symbol=instrument.symbol,
        mic=instrument.mic,
        start_ns=start_ns,
        end_ns=end_ns,
        **{"parent_id": ParentID(parent_id), "account": account, **options_of(options)},
    )


def side_of(text: str) -> Side:
    """Return a side by its name."""
    side = SIDES.get(text.upper())
    if side is None:
        raise ParentTextError(f"side {text!r}: one of {', '.join(SIDES)}")
    return side


def instrument_of(text: str, instruments: dict[Any, Instrument]) -> Instrument:
    """Return a configured instrument by its symbol."""
    instrument = instruments.get(Symbol(text.upper()))
    if instrument is None:
        known = ", ".join(sorted(str(s) for s in instruments)) or "none"
        raise ParentTextError(f"symbol {text!r}: not configured; there is {known}")
    return instrument


def window_of(text: str, instrument: Instrument, day: dt.date, now_ns: int) -> tuple[int, int]:
    """Return (start, end) of "10:05-10:25", "now-10:25" or "+20m"."""
    span = SPAN.fullmatch(text)
    if span is not None:
        if not now_ns:
            raise ParentTextError(f"window {text!r}: market time has not begun; give HH:MM-HH:MM")
        return now_ns, now_ns + int(span[1]) * SECONDS[span[2]] * NS
    begin, dash, end = text.partition("-")
    if not dash:
        raise ParentTextError(f"window {text!r}: give HH:MM-HH:MM, in {instrument.zone}")
    if begin.lower() == "now":
        if not now_ns:
            raise ParentTextError(f"window {text!r}: market time has not begun; give HH:MM-HH:MM")
        start_ns = now_ns
    else:
        start_ns = instrument.at(day, clock_of(begin, text))
    end_ns = instrument.at(day, clock_of(end, text))
    if end_ns <= start_ns:
        raise ParentTextError(f"window {text!r}: it ends before it begins")
    return start_ns, end_ns


def clock_of(text: str, window: str) -> dt.time:
    """Return a clock time."""
    match = CLOCK.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return dt.time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        raise ParentTextError(f"window {window!r}: {text!r} is no clock time HH:MM") from None


def options_of(words: list[str]) -> dict[str, Any]:
    """Return the fields that options set."""
    fields: dict[str, Any] = {}
    seen: set[str] = set()
    for word in words:
        name, equals, value = word.partition("=")
        name = name.lower()
        if not equals or name not in OPTIONS:
            raise ParentTextError(f"{word!r}: options are {'= '.join(OPTIONS)}=")
        if name in seen:
            raise ParentTextError(f"{name}= comes twice")
        seen.add(name)
        fields |= option(name, value)
    return fields


def option(name: str, value: str) -> dict[str, Any]:
    """Return the fields of one option."""
    if name == "limit":
        return {"limit_price_e4": price_e4(value, "limit")}
    if name == "decision_price":
        return {"decision_price_e4": price_e4(value, name)}
    if name in ("pov", "min_pov"):
        field = "max_participation_bp" if name == "pov" else "min_participation_bp"
        return {field: share_bp(value, name)}
    if name == "benchmark":
        try:
            return {"benchmark": Benchmark(value.lower())}
        except ValueError:
            raise ParentTextError(f"benchmark={value}: one of {', '.join(Benchmark)}") from None
    if name == "must_complete":
        if value.lower() not in ("yes", "no", "true", "false"):
            raise ParentTextError(f"must_complete={value}: yes or no")
        return {"must_complete": value.lower() in ("yes", "true")}
    if name in ("urgency", "max_display", "min_qty", "close_pct"):
        return {name: quantity(value, name)}
    if name == "i_would":
        price, at, qty = value.partition("x")
        fields: dict[str, Any] = {"i_would_price_e4": price_e4(price, name)}
        return fields | ({"i_would_qty": quantity(qty, name)} if at else {})
    if name == "declared":
        declared = quantity(value, name)
        if declared > DECLARED_MAX:
            raise ParentTextError(f"{name}={value[:40]}: at most {DECLARED_MAX:,}")
        return {"declared_notional_micros": declared * 1_000_000}
    field = {"id": "parent_id", "account": "account", "locate": "locate_id", "policy": "policy"}[name]
    if name != "policy" and not NAME.fullmatch(value):
        raise ParentTextError(f"{name}={value[:40]}: 1 to 20 of A-Z 0-9 . _ -")
    return {field: value}


def quantity(text: str, what: str) -> int:
    """Return a whole number above zero; 2,000 and 2000 are the same."""
    plain = text.replace(",", "").replace("_", "")
    if not plain.isascii() or not plain.isdigit() or not int(plain):
        raise ParentTextError(f"{what} {text!r}: a whole number above 0")
    if int(plain) > QTY_MAX:
        raise ParentTextError(f"{what} {text!r}: at most {QTY_MAX:,}")
    return int(plain)


def price_e4(text: str, what: str) -> int:
    """Return a price in 1e-4 currency units, exactly."""
    try:
        scaled = Decimal(text) * PRICE_SCALE
    except (InvalidOperation, Overflow):
        raise ParentTextError(f"{what}={text[:40]}: not a price") from None
    if not scaled.is_finite() or not 0 < scaled < PRICE_E4_MAX or scaled != scaled.to_integral_value():
        raise ParentTextError(f"{what}={text[:40]}: a price above 0 and under 10^9 with at most 4 decimals")
    return int(scaled)


def share_bp(text: str, what: str) -> int:
    """Return a share of volume in basis points: 0.1 and 10% are the same."""
    try:
        share = Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)
        scaled = share * 10_000
    except (InvalidOperation, Overflow):
        raise ParentTextError(f"{what}={text[:40]}: a share such as 0.1 or 10%") from None
    if not scaled.is_finite() or not 0 < scaled <= 10_000 or scaled != scaled.to_integral_value():
        raise ParentTextError(f"{what}={text}: above 0, at most 1 (or 100%), in steps of 0.0001")
    return int(scaled)
