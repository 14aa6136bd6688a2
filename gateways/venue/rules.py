"""Which rules of a scenario fire on a message: pure but for each rule's own counters and its own chance."""

import random
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from gateways.fix.wire import fields, read_qty
from gateways.venue.actions import COUNT_MAX
from gateways.venue.scenario import OTHER_REPORTS, REPORT, REPORTS, REQUEST, REQUESTS, SIDES, Rule

SIDE_TEXT: Final = {side.value: word for side, word in SIDES.items()}
EXECUTION: Final = "F"  # ExecType(150) of a fill


class Shown(NamedTuple):
    """A message, or the start or end of a session, as rules see it."""

    events: tuple[str, ...]
    session: str = "order"
    cl_ord_id: str = ""
    orig_cl_ord_id: str = ""
    symbol: str = ""
    side: str = ""
    qty: int = 0
    account: str = ""
    exec_id: str = ""  # of a fill

    @property
    def order_ids(self) -> tuple[str, str]:
        """ClOrdIDs under which the EMS may know the order of this message."""
        return self.cl_ord_id, self.orig_cl_ord_id


def shown(text: str, requests: bool) -> Shown:
    """Return a request or report of the order session as rules see it."""
    tags = fields(text) or {}
    msg_type = tags.get("35", "")
    if requests:
        events = (REQUESTS[msg_type], REQUEST) if msg_type in REQUESTS else (REQUEST,)
    else:
        word = OTHER_REPORTS.get(msg_type) or REPORTS.get(tags.get("150", ""))
        events = (word, REPORT) if word else (REPORT,)
    return Shown(
        events=events,
        cl_ord_id=tags.get("11", ""),
        orig_cl_ord_id=tags.get("41", ""),
        symbol=tags.get("55", ""),
        side=SIDE_TEXT.get(tags.get("54", ""), ""),
        qty=read_qty(tags.get("38", "")) or 0,
        account=tags.get("1", ""),
        exec_id=tags.get("17", "") if tags.get("150") == EXECUTION else "",
    )


class RuleState:
    """One rule's life in a run."""

    def __init__(self, rule: Rule, number: int, seed: int, begin_ns: int, until_ns: int) -> None:
        """`begin_ns`, `until_ns`: market time from which and until which it may fire."""
        self.rule = rule
        self.name = rule.name or f"rule {number}"
        self.fired = 0
        self.seen = 0  # messages that passed every filter
        self._begin_ns, self._until_ns = begin_ns, until_ns
        self._chance = random.Random(f"{seed}:{number}")  # noqa: S311  (a scenario, no secret)

    @property
    def spent(self) -> bool:
        """True where `times` are over."""
        times = self.rule.when.times
        return self.fired >= (COUNT_MAX if times is None else times)

    def over(self, ts_ns: int) -> bool:
        """Return whether it can fire no more."""
        return self.spent or ts_ns >= self._until_ns

    def fires(self, message: Shown, ts_ns: int) -> bool:
        """Return whether it fires on this message; draws a chance only where all else fits."""
        when = self.rule.when
        if when.on is None or when.on not in message.events or ts_ns < self._begin_ns or self.over(ts_ns):
            return False
        if not self.fits(message):
            return False
        if when.probability < 1.0 and self._chance.random() >= when.probability:
            return False
        self.seen += 1
        if when.nth is not None and self.seen != when.nth:
            return False
        if when.every is not None and self.seen % when.every:
            return False
        self.fired += 1
        return True

    def fires_at(self, ts_ns: int) -> bool:
        """Return whether it still fires at a time of its own."""
        if self.over(ts_ns):
            return False
        if self.rule.when.probability < 1.0 and self._chance.random() >= self.rule.when.probability:
            return False
        self.fired += 1
        return True

    def fits(self, message: Shown) -> bool:
        """Return whether a message, or an order shown as one, passes every filter."""
        when = self.rule.when
        wanted = ((when.symbol, message.symbol), (when.side, message.side), (when.account, message.account))
        if any(want is not None and want != got for want, got in wanted):
            return False
        if when.session is not None and when.session != message.session:
            return False
        if when.cl_ord_id is not None and not fnmatchcase(message.cl_ord_id, when.cl_ord_id):
            return False
        if when.qty_min is not None and not message.qty >= when.qty_min:
            return False
        return when.qty_max is None or message.qty <= when.qty_max
