"""Positions on the wire, both ways: RequestForPositions (AN), its Ack (AO), PositionReport (AP). Pure.

PosType(703) says which shares a row of an AP means, LongQty(704) and ShortQty(705) how many.
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
    read_qty,
    read_text,
    utc_text,
)
from market.position_events import PositionsAcked, PositionTold
from market.types import Symbol

VALID, NONE_FOUND = "0", "2"  # PosReqResult(728)
UNSUPPORTED: Final = "4"
COMPLETED, REJECTED = "0", "2"  # PosReqStatus(729)
TRADED: Final = "TQ"  # PosType(703): transaction quantity, what was traded since the start of the day
KINDS_MAX: Final = 16  # rows of one report: FIX 4.4 has 18 types, no account all of them
GROUP: Final = frozenset(["703", "704", "705"])
HEAD: Final = frozenset(["710", "1", "55", "727", "728", "729", "702"])


class Held(msgspec.Struct, frozen=True):
    """What an account has traded in one symbol, as the venue tells it."""

    symbol: str
    qty: int


def decode(msg_type: str, raw: str) -> PositionsAcked | PositionTold | Malformed:
    """Return what an AO or AP says."""
    head: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    for field in raw.split(SOH):
        tag, _, value = field.partition("=")
        if tag in HEAD:
            if tag in head:
                return malformed(msg_type, f"{tag} comes twice", raw)
            head[tag] = value
        elif tag in GROUP:
            if tag == "703" or not rows:
                rows.append({})
            if tag in rows[-1] or len(rows) > KINDS_MAX:
                return malformed(msg_type, f"{tag} comes twice in a row of 702, or rows are too many", raw)
            rows[-1][tag] = value
        elif tag == "58":
            head[tag] = read_text(value)
    req_id, reports = read_id(head.get("710", "")), read_int(head.get("727") or "0", 6)
    if req_id is None or reports is None:
        return malformed(msg_type, "710 or 727 cannot be read", raw)
    refused = _refusal(head)
    account, symbol = read_id(head.get("1", "")) or "", read_id(head.get("55", ""))
    nothing = refused or (symbol is None and head.get("728") == NONE_FOUND)
    if msg_type == "AO" or nothing:
        return PositionsAcked(req_id=req_id, reports=0 if nothing else reports, refused=refused)
    if symbol is None or not rows or head.get("702", str(len(rows))) != str(len(rows)):
        return malformed(msg_type, "55 or 702 is missing, or 702 is not the number of rows", raw)
    kinds: dict[str, int] = {}
    for row in rows:
        kind, long, short = row.get("703"), read_qty(row.get("704", "0")), read_qty(row.get("705", "0"))
        if not kind or read_id(kind) is None or kind in kinds or long is None or short is None:
            return malformed(msg_type, "a row of 702 cannot be read", raw)
        kinds[kind] = long - short
    return PositionTold(
        req_id=req_id, account=account, symbol=Symbol(symbol), kinds=tuple(kinds.items()), reports=reports
    )


def _refusal(head: dict[str, str]) -> str:
    """Return why there is no answer, "" where there is one (with nothing in it, perhaps)."""
    if head.get("728", VALID) in (VALID, NONE_FOUND) and head.get("729", COMPLETED) != REJECTED:
        return ""
    return head.get("58") or f"PosReqResult(728)={read_text(head.get('728', '')) or 'not given'}"


# --- the venue's side ---------------------------------------------------------------------------


def encode_ack(req_id: str, report_id: str, account: str, count: int, fault: str = "") -> str:
    """Return 35=AO: `count` reports follow, or `fault` says why none does."""
    result = UNSUPPORTED if fault else VALID if count else NONE_FOUND
    status = REJECTED if fault else COMPLETED
    text = f"58={read_text(fault)}{SOH}" if fault else ""
    return (
        f"35=AO{SOH}721={echo_text(report_id)}{SOH}710={echo_text(req_id)}{SOH}727={count}{SOH}"
        f"728={result}{SOH}729={status}{SOH}1={echo_text(account)}{SOH}581=1{SOH}{text}"
    )


def encode_report(req_id: str, report_id: str, account: str, held: Held, count: int, ts_ns: int) -> str:
    """Return 35=AP: what an account has traded in one symbol since the start of the day."""
    long, short = max(held.qty, 0), max(-held.qty, 0)
    return (
        f"35=AP{SOH}721={echo_text(report_id)}{SOH}710={echo_text(req_id)}{SOH}724=0{SOH}727={count}{SOH}"
        f"728={VALID}{SOH}715={utc_text(ts_ns)[:8]}{SOH}1={echo_text(account)}{SOH}581=1{SOH}"
        f"55={echo_text(held.symbol)}{SOH}702=1{SOH}703={TRADED}{SOH}704={long}{SOH}705={short}{SOH}"
    )
