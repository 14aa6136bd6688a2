"""The words of the trader's notation: verbs, what may stand behind them, and what a broker may lack."""

from typing import Final

from market.types import ExecType, OrdStatus

REPORTS: Final[dict[str, ExecType]] = {
    "pending_new": ExecType.PENDING_NEW,
    "new": ExecType.NEW,
    "trade": ExecType.TRADE,
    "canceled": ExecType.CANCELED,
    "replaced": ExecType.REPLACED,
    "rejected": ExecType.REJECTED,
    "pending_cancel": ExecType.PENDING_CANCEL,
    "pending_replace": ExecType.PENDING_REPLACE,
    "stopped": ExecType.STOPPED,
    "suspended": ExecType.SUSPENDED,
    "done_for_day": ExecType.DONE_FOR_DAY,
    "calculated": ExecType.CALCULATED,
    "expired": ExecType.EXPIRED,
    "restated": ExecType.RESTATED,
    "correct": ExecType.TRADE_CORRECT,
    "bust": ExecType.TRADE_CANCEL,
    "status": ExecType.ORDER_STATUS,
}
STATUSES: Final = {status.name.lower(): status for status in OrdStatus}
SIDES: Final = ("buy", "sell", "short", "short_exempt")
TIFS: Final = ("day", "gtc", "opg", "ioc", "fok", "gtx", "gtd", "close")

# What may stand behind the columns of a verb, and whether it takes a value.
REPORT_KEYS: Final = {
    "exec": True, "ref": True, "order": True, "symbol": True, "side": True, "account": True, "text": True,
    "price": True, "many": False, "dup": False, "resend": False, "mass": False, "total": True, "final": False,
}  # fmt: skip
KEYS: Final[dict[str, dict[str, bool]]] = {
    ">new": {"tif": True, "post_only": False, "refused": True, "unsent": False},
    ">replace": {"refused": True, "unsent": False},
    ">cancel": {"refused": True, "unsent": False},
    ">status": {},
    ">dk": {"reason": True, "qty": True},
    ">mass_status": {},
    ">mass_cancel": {},
    "<cancel_reject": {"to": True, "reason": True, "order": True, "text": True},
    "<business_reject": {"type": True, "reason": True, "text": True},
    "<session_reject": {"type": True, "reason": True, "text": True},
    "<mass_canceled": {"affected": True, "refused": False, "text": True},
    "!price": {},
    "!halt": {},
    "!resume": {},
    "!up": {},
    "!down": {"text": True},
    "!cut": {},
    "!kill": {"text": True},
    "!shutdown": {},
    "!restart": {},
    "!ask": {},
    "!wait": {},
    "!cancel_parent": {},
} | {f"<{verb}": REPORT_KEYS for verb in REPORTS}
EXPECTED_KEYS: Final = {
    "avg": True, "name": True, "posture": True, "break": True, "position": True, "of": True, "live": False,
    "dead": False, "cause": True,
}  # fmt: skip
GIVEN_KEYS: Final = {"parent": True, "side": True, "start": True, "without": True, "needs": True}
# What a broker may lack, as `given without` and `given needs` name it: [supports] of its profile.
SUPPORT: Final = {
    "AF": "mass_status",
    "H": "order_status",
    "q": "mass_cancel",
    "G": "replace",
    "Q": "dont_know",
    "post_only": "post_only",
    "bust": "trade_cancel",
    "correct": "trade_correct",
}
