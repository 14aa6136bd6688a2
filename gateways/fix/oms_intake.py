"""Parent orders in FIX 4.4, pure both ways: D, G, F and H of an OMS decoded, 8, 9 and j encoded.

    read(raw, client, rights) -> OmsNew | OmsReplace | OmsCancel | OmsStatus | OmsUnfit
    body(report) -> "35=8|.."          # for the session layer, which adds header, number and checksum

`read` never raises. Every tag of a request is read, agreed to be without meaning (`Rights.ignored`), or named
in the refusal: an instruction that is not understood is never ignored.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from gateways.fix.inbound import SIDES
from gateways.fix.oms_strategy import (
    BENCHMARKS,
    GROUP_MAX,
    STRATEGIES,
    Fault,
    parameter_of,
    share_bp,
)
from gateways.fix.wire import SOH, fields, read_id, read_price_e4, read_qty, read_text, read_utc_ns
from market.oms_events import OmsCancel, OmsNew, OmsReplace, OmsStatus, OmsUnfit
from market.parents import ParentOrder
from market.types import NS, CxlRejReason, OrdRejReason, ParentID, Side, Symbol

HEADER: Final = frozenset(["8", "9", "35", "34", "49", "56", "52", "43", "97", "122", "50", "57", "10"])
IDLE: Final = frozenset(["58", "60"])  # of a request: free text and its time instruct nothing
GTD, DAY = "6", "0"
LATE_S: Final = 3_600  # a new order that was sent again so long after it was sent is not what is wanted now
# What a replace may say again, and cannot change.
FIXED: Final = ("1", "15", "18", "21", "59", "100", "110", "111", "114", "168", "207", "528", "529")
FIXED_STRATEGY: Final = ("847", "848", "957")
REQUEST_TYPES: Final = ("D", "F", "G", "H")
MISSING: Final = "5"  # BusinessRejectReason(380): conditionally required field missing
UNKNOWN_TYPE: Final = "3"  # unsupported message type
OTHER: Final = "0"
TOO_LATE: Final = "4"  # OrdRejReason(103): too late to enter


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What one OMS may do; what is not listed is refused."""

    accounts: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    currencies: dict[str, str] = {}  # of the symbols
    ignored: frozenset[str] = frozenset()  # tags that both sides agreed to be without meaning


R = TypeVar("R", OmsNew, OmsReplace, OmsCancel, OmsStatus)
Request = OmsNew | OmsReplace | OmsCancel | OmsStatus | OmsUnfit


def read(raw: str, client: str, rights: Rights) -> Request:
    """Return what an OMS asks for, with why it is refused where it is."""
    tags = fields(raw) or {}
    kind, seq_num = tags.get("35", ""), read_qty(tags.get("34", "")) or 0

    def unfit(reason: str, text: str) -> OmsUnfit:
        ref_id = read_id(tags.get("11", "")) or ""
        return OmsUnfit(
            client=client,
            seq_num=seq_num,
            ref_msg_type=read_text(kind)[:10],
            ref_id=ref_id,
            reason=reason,
            text=text,
        )

    if kind not in REQUEST_TYPES:
        return unfit(UNKNOWN_TYPE, "this session takes D, F, G and H")
    if not tags:
        return unfit(OTHER, "a field is not tag=value")
    cl_ord_id = read_id(tags.get("11", ""))
    if cl_ord_id is None:
        return unfit(MISSING, "11 is missing or no identifier")
    orig = tags.get("41", "")
    if kind in "FG" and read_id(orig) is None:
        return unfit(MISSING, "41 is missing or no identifier")
    base: dict[str, Any] = {
        "client": client,
        "seq_num": seq_num,
        "cl_ord_id": cl_ord_id,
        "terms": terms_of(raw),
        "symbol": Symbol(read_id(tags.get("55", "")) or "NONE"),
        "side": SIDES.get(tags.get("54", ""), Side.BUY),
    }
    order_id = read_id(tags.get("37", "")) or ""
    message = Message(raw, tags, rights)
    if kind == "D":
        return _fit(message.new, OmsNew, base | _shown(tags))
    if kind == "G":
        return _fit(message.replace, OmsReplace, base | {"orig_cl_ord_id": orig, "order_id": order_id})
    if kind == "F":
        return _fit(message.cancel, OmsCancel, base | {"orig_cl_ord_id": orig, "order_id": order_id})
    req_id = read_id(tags.get("790", "")) or ""
    return _fit(message.status, OmsStatus, base | {"order_id": order_id, "req_id": req_id})


def _fit(reader: Callable[[], dict[str, Any]], kind: type[R], base: dict[str, Any]) -> R:
    try:
        more = reader()
    except Fault as fault:
        reason = fault.reason if kind is OmsNew else CxlRejReason.OTHER.value
        more = {"fault": str(fault), "reason": reason}
    return kind(**(base | more))


def _shown(tags: dict[str, str]) -> dict[str, Any]:
    """Return what a refusal of a new order echoes."""
    return {"account": read_id(tags.get("1", "")) or "", "qty": read_qty(tags.get("38", "")) or 0}


def terms_of(raw: str) -> str:
    """Return a hash of all that a request asks for: header, time and free text left out."""
    parts = [f for f in raw.split(SOH) if f and f.partition("=")[0] not in HEADER | IDLE]
    return hashlib.blake2b(SOH.join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Message:
    """One request, read tag by tag; what nobody has asked for in the end is refused by name."""

    def __init__(self, raw: str, tags: dict[str, str], rights: Rights) -> None:
        self._raw, self._tags, self._rights = raw, tags, rights
        self._read = {"11", "41", "37"}

    def new(self) -> dict[str, Any]:
        """Return the fields of OmsNew."""
        self._once()
        self._in_time()
        order = self._order()
        day = self._day()
        self._done()
        return {
            "parent": order,
            "account": order.account,
            "qty": order.qty,
            "day": day,
            "fixed": self._fixed(),
        }

    def replace(self) -> dict[str, Any]:
        """Return the fields of OmsReplace."""
        self._once()
        self._instrument()
        strategy = self._strategy()
        price_e4 = self._price_e4()
        found = {
            "qty": self._qty(),
            "limit_price_e4": price_e4,
            "market": price_e4 is None,
            "end_ns": self._ns("126"),
            "max_participation_bp": strategy.get("max_participation_bp"),
            "fixed": self._fixed(),
        }
        self._account()
        for tag in FIXED:
            self._take(tag)
        self._done()
        return found

    def cancel(self) -> dict[str, Any]:
        """Return the fields of OmsCancel."""
        self._once()
        self._instrument()
        self._account()
        self._take("38")  # a cancel is of all that is left; an amendment is a replace
        self._done()
        return {}

    def status(self) -> dict[str, Any]:
        """Return the fields of OmsStatus."""
        self._once()
        self._instrument()
        self._account()
        self._take("790")
        self._done()
        return {}

    def _in_time(self) -> None:
        """Refuse an order that lay in a store: a day order of yesterday is none of today."""
        first_ns, sent_ns = (read_utc_ns(self._tags.get(tag, "")) for tag in ("122", "52"))
        if self._tags.get("43") == "Y" and first_ns and sent_ns and sent_ns - first_ns > LATE_S * NS:
            raise Fault(f"sent at {self._tags['122']} and not read here until now: give it anew", TOO_LATE)

    # --- parts --------------------------------------------------------------------------------------

    def _order(self) -> ParentOrder:
        symbol, side = self._instrument()
        account = self._account()
        if not account:
            if len(self._rights.accounts) != 1:
                raise Fault("1 is missing, and this session may use several accounts", "15")
            account = self._rights.accounts[0]
        self._plain(symbol)
        strategy = self._strategy()
        end_ns = self._ns("126")
        return ParentOrder(
            parent_id=ParentID(""),
            account=account,
            side=side,
            qty=self._qty(),
            symbol=Symbol(symbol),
            mic=self._take("100") or self._take("207"),
            start_ns=self._ns("168") or 0,
            end_ns=end_ns or 0,
            limit_price_e4=self._price_e4(),
            max_display=self._number("111"),
            min_qty=self._number("110"),
            locate_id=self._locate(),
            **strategy,
        )

    def _plain(self, symbol: str) -> None:
        """Take the tags that may hold one thing only."""
        if self._take("21") not in ("", "1", "2"):
            raise Fault("21=3, manual handling, is not supported; send 1 or 2")
        if self._take("18") not in ("", "1"):
            raise Fault("18 is not supported but for 1 (not held)")
        currency = self._take("15")
        if currency and currency != self._rights.currencies.get(symbol):
            raise Fault(f"15={currency} is not the currency of {symbol}")
        if self._take("528") not in ("", "A", "P"):
            raise Fault("528 is not supported but for A and P")
        if self._tags.get("100") and self._tags.get("207") not in (None, self._tags["100"]):
            raise Fault("100 and 207 differ")
        self._read |= {"100", "207"}

    def _day(self) -> bool:
        tif = self._take("59") or DAY
        if tif == GTD:
            if not self._tags.get("126"):
                raise Fault("59=6 needs ExpireTime(126)")
            return False
        if tif != DAY:
            raise Fault(f"59={tif} is not supported; a parent is day (0), or 6 with ExpireTime(126)")
        if self._tags.get("126"):
            raise Fault("126 is supported with 59=6 alone")
        return True

    def _instrument(self) -> tuple[str, Side]:
        symbol, side = self._take("55"), SIDES.get(self._take("54"))
        if symbol not in self._rights.symbols:
            raise Fault(f"55={symbol or '(missing)'}: this session may not trade it", "1")
        if side is None:
            raise Fault("54 is missing or not 1, 2, 5 or 6", OrdRejReason.OTHER.value)
        return symbol, side

    def _account(self) -> str:
        account = self._take("1")
        if account and account not in self._rights.accounts:
            raise Fault(f"1={account}: this session may not use this account", "15")
        return account

    def _qty(self) -> int:
        qty = read_qty(self._take("38"))
        if not qty:
            raise Fault("38 is missing or no whole quantity above 0", OrdRejReason.INCORRECT_QUANTITY.value)
        return qty

    def _price_e4(self) -> int | None:
        ord_type, text = self._take("40"), self._take("44")
        if ord_type == "1":
            if text:
                raise Fault("44 is given, and 40=1 has no price")
            return None
        if ord_type != "2":
            raise Fault(f"40={ord_type or '(missing)'} is not supported; 1 (no limit) or 2 (limit)")
        price_e4 = read_price_e4(text)
        if not price_e4:
            raise Fault("44 is missing or no price of 4 decimals at most", OrdRejReason.OTHER.value)
        return price_e4

    def _locate(self) -> str | None:
        if self._take("114") == "Y":
            raise Fault("114=Y: shares are located before an order is sent; give 5700")
        text = self._take("5700")
        if text and read_id(text) is None:
            raise Fault("5700 is no identifier")
        return text or None

    def _strategy(self) -> dict[str, Any]:
        """Read 847, 848, 849 and the group 957."""
        code = self._take("847")
        name = STRATEGIES.get(code, "")
        if code and not name:
            known = ", ".join(f"{c} {n}" for c, n in STRATEGIES.items())
            raise Fault(f"847={code[:20]} is not supported; there is {known}")
        found: dict[str, Any] = {}
        rate = self._take("849")
        if rate:
            found["max_participation_bp"] = share_bp(rate, "849")
        for text, where in [(t, "848") for t in self._take("848").split(";") if t.strip()] + self._group():
            parameter, _, value = text.partition("=")
            field, fit = parameter_of(parameter.strip(), value.strip(), where)
            if field in found:
                raise Fault(f"{where}: {field} is given twice")
            found[field] = fit
        if name == "participate" and "max_participation_bp" not in found:
            raise Fault("847=2, participate, needs ParticipationRate(849)")
        return found | ({"benchmark": BENCHMARKS[name]} if name in BENCHMARKS else {})

    def _group(self) -> list[tuple[str, str]]:
        """Return the parameters of NoStrategyParameters(957) as name=value."""
        count = self._take("957")
        parts = [f.partition("=") for f in self._raw.split(SOH)]
        of_group = [(tag, value) for tag, _, value in parts if tag in ("958", "959", "960")]
        self._read |= {"958", "959", "960"}
        if not count and not of_group:
            return []
        names = [value for tag, value in of_group if tag == "958"]
        values = [value for tag, value in of_group if tag == "960"]
        in_turn = [tag for tag, _ in of_group if tag != "959"] == ["958", "960"] * len(names)
        if read_qty(count) != len(names) or not in_turn or len(names) > GROUP_MAX:
            raise Fault("957: its entries are 958, 959, 960, as many as it says")
        return [(f"{name}={value}", "958") for name, value in zip(names, values, strict=True)]

    # --- tags ---------------------------------------------------------------------------------------

    def _take(self, tag: str) -> str:
        self._read.add(tag)
        return self._tags.get(tag, "")

    def _ns(self, tag: str) -> int | None:
        text = self._take(tag)
        if not text:
            return None
        ns = read_utc_ns(text)
        if not ns:
            raise Fault(f"{tag} is not YYYYMMDD-HH:MM:SS[.sss] in UTC", OrdRejReason.OTHER.value)
        return ns

    def _number(self, tag: str) -> int | None:
        text = self._take(tag)
        if not text:
            return None
        value = read_qty(text)
        if not value:
            raise Fault(f"{tag} is no whole quantity above 0", OrdRejReason.OTHER.value)
        return value

    def _once(self) -> None:
        """Refuse a tag that comes twice: two quantities in one message are none."""
        seen: set[str] = set()
        for field in self._raw.split(SOH)[:-1]:
            tag = field.partition("=")[0]
            if tag in seen and tag not in ("958", "959", "960") and tag not in self._rights.ignored:
                raise Fault(f"{tag} comes twice", OrdRejReason.OTHER.value)
            seen.add(tag)

    def _fixed(self) -> tuple[tuple[str, str], ...]:
        known = [(tag, self._tags[tag]) for tag in FIXED + FIXED_STRATEGY if self._tags.get(tag)]
        group = [f for f in self._raw.split(SOH) if f.startswith(("958=", "960="))]
        return tuple(known + ([("958", ";".join(group))] if group else []))

    def _done(self) -> None:
        """Refuse by name what was not read."""
        left = [t for t in self._tags if t not in self._read | HEADER | IDLE | self._rights.ignored]
        if left:
            shown = ", ".join(f"{t[:8]}={self._tags[t][:20]}" for t in left[:5])
            raise Fault(f"{read_text(shown)} is not supported")
