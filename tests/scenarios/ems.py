"""A broker that says what a scenario tells it to, as FIX text of 4.4 or 4.2, written from the standard.

It imports nothing of our encoder: what it writes is read by our decoder, so that both are held to the text.
"""

from typing import Final

from daemon.certify.notation import Line
from daemon.certify.play import Player
from daemon.certify.words import REPORTS
from daemon.gate.retiring import look_up
from market.types import ExecType, OrdStatus

SOH: Final = "\x01"
SIDES: Final = {"buy": "1", "sell": "2", "short": "5", "short_exempt": "6"}
CXL_REASONS: Final = {
    "too_late": "0",
    "unknown": "1",
    "broker": "2",
    "pending": "3",
    "unable": "4",
    "duplicate": "6",
    "other": "99",
}
E, S = ExecType, OrdStatus
TRANS_TYPES: Final = {E.TRADE_CANCEL: "1", E.TRADE_CORRECT: "2", E.ORDER_STATUS: "3"}  # ExecTransType(20)
OWN_STATUS: Final = {
    E.NEW: S.NEW,
    E.PENDING_NEW: S.PENDING_NEW,
    E.CANCELED: S.CANCELED,
    E.REJECTED: S.REJECTED,
    E.PENDING_CANCEL: S.PENDING_CANCEL,
    E.PENDING_REPLACE: S.PENDING_REPLACE,
    E.STOPPED: S.STOPPED,
    E.SUSPENDED: S.SUSPENDED,
    E.DONE_FOR_DAY: S.DONE_FOR_DAY,
    E.CALCULATED: S.CALCULATED,
    E.EXPIRED: S.EXPIRED,
}


def message(line: Line, player: Player, version: str) -> str:
    """Return the whole FIX message that a `<` line stands for."""
    if line.verb in REPORTS:
        body = execution_report(line, player, version)
    elif line.verb == "cancel_reject":
        body = cancel_reject(line, player)
    elif line.verb == "business_reject":
        kind = line.options.get("type", "D")
        body = [("35", "j"), ("372", kind), ("379", _id(player, line.name)), ("380", "4")]
    elif line.verb == "session_reject":
        kind = line.options.get("type", "D")
        body = [("35", "3"), ("45", "12"), ("372", kind), ("373", "5")]
    elif line.verb == "mass_canceled":
        response = "0" if "refused" in line.options else "7"
        body = [("35", "r"), ("37", "M1"), ("11", "Q"), ("530", "7"), ("531", response)]
        body.append(("533", line.options.get("affected", "0")))
    else:
        raise NotImplementedError(line.verb)
    if "text" in line.options:
        body.append(("58", line.options["text"]))
    return whole(body, line, version)


def whole(body: list[tuple[str, str]], line: Line, version: str) -> str:
    """Return a message with header and trailer."""
    head = [body[0], ("34", str(line.number + 1)), ("49", "VENUE"), ("52", "20240102-15:00:00.000")]
    head.append(("56", "DESK"))
    if "dup" in line.options:
        head += [("43", "Y"), ("122", "20240102-15:00:00.000")]
    if "resend" in line.options:
        head.append(("97", "Y"))
    text = "".join(f"{tag}={value}{SOH}" for tag, value in head + body[1:])
    start = f"8={version}{SOH}9={len(text)}{SOH}{text}"
    return f"{start}10={sum(start.encode()) % 256:03d}{SOH}"


def execution_report(line: Line, player: Player, version: str) -> list[tuple[str, str]]:
    """Return 35=8 by the standard of a version."""
    kind = REPORTS[line.verb]
    chain_id = _chain(player, line)
    chain = look_up(player.desk.core.state, chain_id)
    if line.numbers:
        order_qty, cum_qty, leaves_qty = line.numbers[:3]
    else:
        assert chain is not None, f"line {line.number} needs columns"
        order_qty, cum_qty, leaves_qty = chain.order_qty, chain.cum_qty, chain.leaves_qty
    last_qty = line.numbers[3] if len(line.numbers) > 3 else 0
    status = line.status or OWN_STATUS.get(kind) or _by_arithmetic(order_qty, cum_qty, leaves_qty)
    unknown = kind is E.ORDER_STATUS and status is S.REJECTED
    exec_id = line.options.get("exec") or ("0" if kind is E.ORDER_STATUS else f"E{line.number}")
    body = [
        ("35", "8"),
        ("37", line.options.get("order") or ("NONE" if unknown else f"O-{chain_id or 'X'}")),
        ("11", _id(player, line.name)),
        *([("41", _id(player, line.orig))] if line.orig else []),
        ("17", exec_id),
        *([("19", line.options["ref"])] if "ref" in line.options else []),
        *_types(kind, status, leaves_qty, version, promised=last_qty > 0),
        ("1", line.options.get("account", player.desk.account)),
        ("55", line.options.get("symbol", player.desk.symbol)),
        ("54", SIDES.get(line.options.get("side", ""), chain.terms.side.value if chain else "1")),
        ("38", str(order_qty)),
        *([("44", line.options["price"])] if "price" in line.options else []),
        ("32", str(last_qty)),
        ("31", _price(line.price_e4)),
        ("151", str(leaves_qty)),
        ("14", str(cum_qty)),
        ("6", "0"),
        ("60", "20240102-15:00:00.000"),
    ]
    if "mass" in line.options:
        body.append(("584", player.desk.core.state.session.mass_status_id))
    if "total" in line.options:
        body.append(("911", line.options["total"]))
    if "final" in line.options:
        body.append(("912", "Y"))
    if kind is E.REJECTED:
        body.append(("103", "0"))
    return body


def cancel_reject(line: Line, player: Player) -> list[tuple[str, str]]:
    """Return 35=9."""
    chain_id = _chain(player, line)
    to_replace = line.options.get("to") == "replace"
    unknown = line.options.get("reason") == "unknown"
    return [
        ("35", "9"),
        ("37", line.options.get("order") or ("NONE" if unknown else f"O-{chain_id or 'X'}")),
        ("11", _id(player, line.name)),
        ("41", _id(player, line.orig)),
        ("39", (line.status or S.NEW).value),
        ("434", "2" if to_replace else "1"),
        ("102", CXL_REASONS[line.options.get("reason", "broker")]),
    ]


def _types(
    kind: ExecType, status: OrdStatus, leaves_qty: int, version: str, *, promised: bool
) -> list[tuple[str, str]]:
    """Return 20, 150 and 39: 4.2 tells what kind of report it is by ExecTransType."""
    if version == "FIX.4.4":
        return [("150", kind.value), ("39", status.value)]
    if kind in TRANS_TYPES:
        return [("20", TRANS_TYPES[kind]), ("150", status.value), ("39", status.value)]
    if kind is E.TRADE:
        return [("20", "0"), ("150", "1" if leaves_qty else "2"), ("39", status.value)]
    if kind is E.STOPPED and promised:
        return [("20", "0"), ("150", "1"), ("39", status.value)]  # 4.2's matrix D37: a fill that is none
    return [("20", "0"), ("150", kind.value), ("39", status.value)]


def _by_arithmetic(order_qty: int, cum_qty: int, leaves_qty: int) -> OrdStatus:
    if leaves_qty == 0 and cum_qty >= order_qty:
        return S.FILLED
    return S.PARTIALLY_FILLED if cum_qty else S.NEW


def _id(player: Player, name: str) -> str:
    return player.ids.get(name, name)


def _chain(player: Player, line: Line) -> str:
    for name in (line.name, line.orig):
        found = look_up(player.desk.core.state, _id(player, name))
        if found is not None:
            return found.chain_id
    return ""


def _price(price_e4: int | None) -> str:
    return "0" if price_e4 is None else f"{price_e4 // 10_000}.{price_e4 % 10_000:04d}"
