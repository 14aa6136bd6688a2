"""What a venue reads: a client's request (35=D G F H q AF AN V e) as a struct of `gateways.fix.requests`.

`decode_request` never raises; a request that lacks what it needs comes back as `Malformed`, to be
answered with a reject. Ids come as they were sent, to be echoed.
"""

from collections.abc import Callable
from typing import Any, Final

from gateways.fix import fix42
from gateways.fix import requests as rq
from gateways.fix.inbound import SIDES, Fields, Refusal, read_once
from gateways.fix.wire import (
    SOH,
    Malformed,
    fields,
    malformed,
    read_id,
    read_int,
    read_text,
)
from market.types import OrdType, Side, TimeInForce

ORD_TYPES: Final = {t.value: t for t in OrdType}
TIMES_IN_FORCE: Final = {t.value: t for t in TimeInForce}
POST_ONLY: Final = "6"  # ExecInst(18): participate, do not initiate
EXEC_INSTS: Final = frozenset(("", "1", "5", POST_ONLY))  # not held and held change nothing here
# Instructions that would change how an order trades, and that no venue of ours obeys: refused by name,
# since an order that trades without its minimum or before its time is not the order that was sent.
UNSERVED: Final = {
    "99": "StopPx",
    "110": "MinQty",
    "111": "MaxFloor",
    "126": "ExpireTime",
    "168": "EffectiveTime",
    "211": "PegOffsetValue",
    "388": "DiscretionInst",
    "423": "PriceType",
    "432": "ExpireDate",
    "847": "TargetStrategy",
}
SYMBOLS_MAX: Final = 64  # of one market data request

Requests = (
    rq.NewOrderSingle
    | rq.ReplaceRequest
    | rq.CancelRequest
    | rq.StatusRequest
    | rq.MassStatusRequest
    | rq.MassCancelRequest
    | rq.PositionsRequest
    | rq.MarketDataRequest
    | rq.SecurityStatusRequest
)


def decode_request(raw: str) -> Requests | Malformed | None:
    """Return what a client asks; None for a message type that no venue of ours serves."""
    tags = fields(raw)
    if tags is None:
        return malformed("", "a field is not tag=value", raw)
    msg_type = tags.get("35", "")
    if msg_type == "V":
        return _market_data_request(raw)
    reader = READERS.get(msg_type)
    if reader is None or (msg_type in fix42.UNKNOWN and tags.get("8") == fix42.VERSION):
        return None
    return read_once(reader, msg_type, tags, raw)


def _side(f: Fields) -> Side:
    side = SIDES.get(f.tags.get("54", ""))
    if side is None:
        raise Refusal("54 is missing or unknown")
    return side


def _terms(f: Fields) -> dict[str, Any]:
    """Return what D and G say of the order itself."""
    qty = f.qty("38")
    if not qty:
        raise Refusal("38 is missing or 0")
    ord_type = ORD_TYPES.get(f.tags.get("40", ""))
    if ord_type is None:
        raise Refusal("40 is missing or unsupported")
    price_e4 = f.price_e4("44")
    if ord_type is OrdType.LIMIT and not price_e4:
        raise Refusal("44 is missing or 0")
    time_in_force = TIMES_IN_FORCE.get(f.tags.get("59", TimeInForce.DAY.value))
    if time_in_force is None:
        raise Refusal("59 is unknown")
    unserved = next((tag for tag in UNSERVED if tag in f.tags), None)
    if unserved is not None:
        raise Refusal(f"{unserved} ({UNSERVED[unserved]}) is not served here")
    exec_insts = frozenset(f.tags.get("18", "").split(" "))
    if not exec_insts <= EXEC_INSTS:
        raise Refusal("18 (ExecInst) is served as 1, 5 or 6 alone")
    return {
        "qty": qty,
        "ord_type": ord_type,
        "price_e4": price_e4,
        "time_in_force": time_in_force,
        "post_only": POST_ONLY in exec_insts,
    }


def _head(f: Fields) -> dict[str, Any]:
    return {"seq_num": f.count("34") or 0, "poss_dup": f.flag("43"), "poss_resend": f.flag("97")}


def _names(f: Fields) -> dict[str, Any]:
    """Return how F and G name the order that they mean."""
    return {"cl_ord_id": f.id("11"), "orig_cl_ord_id": f.id("41"), "order_id": f.id_or("37")}


def _of_what(f: Fields) -> dict[str, Any]:
    """Return what D, G and F say of where an order belongs, and when it was asked for."""
    return {
        "symbol": f.id("55"),
        "side": _side(f),
        "account": f.id_or("1"),
        "transact_ns": f.ns("60"),
    }


def _new_order(f: Fields) -> rq.NewOrderSingle:
    return rq.NewOrderSingle(
        **_terms(f),
        **_head(f),
        cl_ord_id=f.id("11"),
        **_of_what(f),
        mic=f.id_or("100") or f.id_or("207"),
        parent_id=f.id_or("526"),
        locate_id=f.id_or("5700"),
    )


def _replace(f: Fields) -> rq.ReplaceRequest:
    return rq.ReplaceRequest(
        **_terms(f),
        **_head(f),
        **_names(f),
        **_of_what(f),
    )


def _cancel(f: Fields) -> rq.CancelRequest:
    return rq.CancelRequest(
        **_head(f),
        **_names(f),
        **_of_what(f),
        qty=f.qty("38") or 0,
    )


def _status(f: Fields) -> rq.StatusRequest:
    return rq.StatusRequest(
        **_head(f),
        cl_ord_id=f.id("11"),
        order_id=f.id_or("37"),
        symbol=f.id("55"),
        side=_side(f),
        account=f.id_or("1"),
    )


def _mass_status(f: Fields) -> rq.MassStatusRequest:
    return rq.MassStatusRequest(
        seq_num=f.count("34") or 0, req_id=f.id("584"), req_type=f.id("585"), symbol=f.id_or("55")
    )


def _mass_cancel(f: Fields) -> rq.MassCancelRequest:
    return rq.MassCancelRequest(
        seq_num=f.count("34") or 0,
        cl_ord_id=f.id("11"),
        request_type=f.id("530"),
        symbol=f.id_or("55"),
        transact_ns=f.ns("60"),
    )


def _positions(f: Fields) -> rq.PositionsRequest:
    return rq.PositionsRequest(
        seq_num=f.count("34") or 0, req_id=f.id("710"), account=f.id("1"), req_type=f.id("724")
    )


def _security_status_request(f: Fields) -> rq.SecurityStatusRequest:
    return rq.SecurityStatusRequest(
        seq_num=f.count("34") or 0, req_id=f.id("324"), symbol=f.id("55"), subscription=f.id("263")
    )


READERS: Final[dict[str, Callable[[Fields], Requests]]] = {
    "D": _new_order,
    "G": _replace,
    "F": _cancel,
    "H": _status,
    "AF": _mass_status,
    "q": _mass_cancel,
    "AN": _positions,
    "e": _security_status_request,
}


def _market_data_request(raw: str) -> rq.MarketDataRequest | Malformed:
    head: dict[str, str] = {}
    types: list[str] = []
    symbols: list[str] = []
    for field in raw.split(SOH):
        tag, _, value = field.partition("=")
        if tag == "269":
            types.append(value)
        elif tag == "55":
            symbols.append(value)
        else:
            head[tag] = value
    req_id, depth = head.get("262", ""), read_int(head.get("264", "0"), 4)
    if read_id(req_id) is None or head.get("263") not in ("0", "1", "2") or depth is None:
        return malformed("V", "262, 263 or 264 is missing or unknown", raw)
    if not 0 < len(symbols) <= SYMBOLS_MAX or any(read_id(s) is None for s in (*symbols, *types)):
        return malformed("V", "146 or 267 is not fit", raw)
    return rq.MarketDataRequest(
        seq_num=read_int(head.get("34", ""), 9) or 0,
        req_id=req_id,
        subscription=head["263"],
        depth=depth,
        update_type=read_text(head.get("265", "0")),
        entry_types=tuple(types),
        symbols=tuple(symbols),
    )
