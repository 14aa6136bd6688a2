"""Reference prices as the gate asks for them (V, e) and hears them (W, X, Y, f).

Groups are read by hand from the flat text: an entry begins with MDEntryType(269) in W and with
MDUpdateAction(279) in X. Decoding never raises.
"""

from typing import Final

import msgspec

from gateways.fix.wire import (
    SOH,
    Malformed,
    echo_text,
    malformed,
    read_id,
    read_int,
    read_price_e4,
    read_qty,
    read_text,
)

BID: Final = "0"
ASK: Final = "1"
TRADE: Final = "2"
CLOSE: Final = "5"
VOLUME: Final = "B"
SUBSCRIBE, STOP = "1", "2"  # SubscriptionRequestType(263)
ENTRY_TYPES: Final = (BID, ASK, TRADE, CLOSE, VOLUME)
DEPTH: Final = 5  # MarketDepth(264) that the gate asks for
ENTRIES_MAX: Final = 256  # of one message; the gate asks for 5 levels of two sides and 3 more
HALT, RESUME, READY = "2", "3", "17"
TRADING: Final = frozenset([RESUME, READY])  # SecurityTradingStatus(326); 18 is the end of the session
# ShortSaleRestriction(1687), of FIX 5.0 SP2: 0 none, 2 not at or below the best bid; others read as 2
UNRESTRICTED: Final = "0"
RESTRICTED: Final = "2"
LIMIT_STATES: Final = frozenset(["B", "S", "Y"])  # our 7002: which side stands at its band; N = none
NEW: Final = "0"
CHANGE: Final = "1"
DELETE: Final = "2"


class MarketDataEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of W or X. Price and quantity are None where the message has none."""

    entry_type: str
    symbol: str
    action: str = NEW
    entry_id: str = ""
    price_e4: int | None = None
    qty: int | None = None


class MarketData(msgspec.Struct, frozen=True, kw_only=True):
    """35=W (`full`: the whole picture) or 35=X (changes)."""

    full: bool
    req_id: str
    symbol: str
    entries: tuple[MarketDataEntry, ...]


class MarketDataReject(msgspec.Struct, frozen=True, kw_only=True):
    """35=Y: a subscription was refused."""

    req_id: str
    reason: str = ""
    text: str = ""


def decode(msg_type: str, raw: str) -> MarketData | MarketDataReject | Malformed | None:
    """Return W, X or Y, None for any other type."""
    if msg_type in ("W", "X"):
        return _picture(msg_type, raw)
    if msg_type == "Y":
        tags = dict(_pairs(raw))
        return MarketDataReject(
            req_id=read_text(tags.get("262", "")),
            reason=read_text(tags.get("281", "")),
            text=read_text(tags.get("58", "")),
        )
    return None


def _pairs(raw: str) -> list[tuple[str, str]]:
    pairs = []
    for field in raw.split(SOH):
        tag, _, value = field.partition("=")
        pairs.append((tag, value))
    return pairs


def _picture(msg_type: str, raw: str) -> MarketData | Malformed:
    full = msg_type == "W"
    start = "269" if full else "279"
    head: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    count: int | None = -1
    for tag, value in _pairs(raw):
        if tag == "268":
            count = read_int(value, 4) if count == -1 else None
            if count is None:
                return malformed(msg_type, "268 is no count or comes twice", raw)
        elif tag == start:
            rows.append({tag: value})
        elif rows and tag in ("269", "270", "271", "278", "55"):
            if tag in rows[-1]:
                return malformed(msg_type, f"{tag} comes twice in an entry", raw)
            rows[-1][tag] = value
        else:
            head[tag] = value
    if count != len(rows) or len(rows) > ENTRIES_MAX:
        return malformed(msg_type, f"268 says {count}, {len(rows)} entries found", raw)
    symbol = head.get("55", "")
    if full and read_id(symbol) is None:
        return malformed(msg_type, "55 is missing", raw)
    entries = []
    for row in rows:
        entry = _entry(row, symbol)
        if isinstance(entry, str):
            return malformed(msg_type, entry, raw)
        entries.append(entry)
    return MarketData(full=full, req_id=read_text(head.get("262", "")), symbol=symbol, entries=tuple(entries))


def _entry(row: dict[str, str], symbol: str) -> MarketDataEntry | str:
    price_e4 = qty = None
    if row.get("270"):
        price_e4 = read_price_e4(row["270"])
        if price_e4 is None:
            return "270 is not a price of 4 decimals"
    if row.get("271"):
        qty = read_qty(row["271"])
        if qty is None:
            return "271 is not a whole quantity"
    name = row.get("55", symbol)
    if read_id(name) is None:
        return "an entry without 55"
    action = row.get("279", NEW)
    if action not in (NEW, CHANGE, DELETE):
        return "279 is unknown"
    return MarketDataEntry(
        entry_type=row.get("269", ""),
        symbol=name,
        action=action,
        entry_id=read_text(row.get("278", "")),
        price_e4=price_e4,
        qty=qty,
    )


# --- the gate's requests ------------------------------------------------------------------------


def encode_market_data_request(req_id: str, symbols: tuple[str, ...], kind: str = SUBSCRIBE) -> str:
    """Return 35=V: snapshot and updates of touch, trade, close and volume; or no more of them."""
    types = "".join(f"269={t}{SOH}" for t in ENTRY_TYPES)
    names = "".join(f"55={echo_text(s)}{SOH}" for s in symbols)
    return (
        f"35=V{SOH}262={echo_text(req_id)}{SOH}263={kind}{SOH}264={DEPTH}{SOH}265=0{SOH}"
        f"267={len(ENTRY_TYPES)}{SOH}{types}146={len(symbols)}{SOH}{names}"
    )


def encode_security_status_request(req_id: str, symbol: str, kind: str = SUBSCRIBE) -> str:
    """Return 35=e: status now and whenever it changes; or no more of it."""
    return f"35=e{SOH}324={echo_text(req_id)}{SOH}55={echo_text(symbol)}{SOH}263={kind}{SOH}"
