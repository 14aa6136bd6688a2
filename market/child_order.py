"""One child order, which lives by the order table: what was asked, what was answered, what was traded.

A `ChildOrder` is a chain: replaces change its ClOrdID, price and quantity, never its identity
(`chain_id` is the first ClOrdID). Quantities are per chain. Shares that were executed are booked
whatever the status says; what does not add up is named as a break, never smoothed over.
"""

from typing import Final

import msgspec

from market import report_checks as checks
from market.events import ExecutionReport, OrderCancelReject
from market.order_table import AWAITING, LIVE, REPAIRS, TERMINAL, TRANSITIONS
from market.orders import NewOrder
from market.types import (
    ClOrdID,
    CxlRejReason,
    CxlRejResponseTo,
    ExecID,
    ExecType,
    OrderID,
    OrdStatus,
    Side,
)
from market.updates import WorkingOrder

S, E = OrdStatus, ExecType
# How an order ends after a bust or a correction where the report says that nothing is left.
ENDED: Final = frozenset({S.CANCELED, S.EXPIRED, S.DONE_FOR_DAY})
NAMED: Final = frozenset({E.NEW, E.TRADE, E.TRADE_CORRECT, E.TRADE_CANCEL})  # OrderID is the order's own
PRICES_KEPT: Final = 16  # limits before this one, for fills that are on their way
ASKED_AGAIN_MAX: Final = 3  # a copy of an old answer comes once or twice; who insists contradicts us


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a report did to a chain. Negative quantities take executed shares back (bust, correction)."""

    qty: int = 0
    notional_e4: int = 0
    last_price_e4: int = 0
    exec_id: ExecID = ExecID("")
    duplicate: bool = False
    breaks: tuple[str, ...] = ()  # what does not add up; trading stops until a person has looked
    ask_status: bool = False  # the EMS and we see the order differently
    doubt: str = ""  # what does not fit in a report; asked for, and the symbol waits


class ChildOrder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One chain: changes by `observe`, `observe_reject` and our own requests, and by nothing else."""

    chain_id: ClOrdID
    terms: NewOrder  # as first sent; price and quantity as last accepted are below
    cl_ord_id: ClOrdID  # last accepted
    orig_cl_ord_id: ClOrdID | None = None
    order_id: OrderID = OrderID("")
    status: OrdStatus = S.PENDING_NEW
    order_qty: int
    price_e4: int  # 0 = market order
    cum_qty: int = 0
    notional_e4: int = 0  # sum of LastQty x LastPx
    replace_id: ClOrdID | None = None  # in flight
    replace_qty: int = 0
    replace_price_e4: int = 0
    cancel_id: ClOrdID | None = None  # in flight
    issued: dict[ClOrdID, tuple[int, int]] = {}  # replaces asked for since cl_ord_id: quantity, price
    stands: bool = False  # since the last request the EMS said that the order is still there
    stated_qty: int = 0  # the highest CumQty that the EMS stated; what it busted is off
    asked_mono_ns: int = 0  # when the request went out that has no answer yet
    queries: int = 0  # status requests since then
    doubt: str = ""  # why the EMS was asked how it stands, until it answers
    prices_e4: tuple[int, ...] = ()  # limits that it had before; a late fill may come at one of them
    text: str = ""  # of the last reject
    reports: dict[ExecID, tuple[ExecType, int, int]] = {}  # every ExecID seen: type, LastQty, LastPx
    trades: dict[ExecID, tuple[int, int]] = {}  # executions that stand
    old_answers: int = 0  # status answers in a row that were behind what we know

    @property
    def live(self) -> bool:
        """True while shares can still trade."""
        return self.status not in TERMINAL

    @property
    def leaves_qty(self) -> int:
        """Shares that can still trade, as accepted."""
        return max(0, self.order_qty - self.traded_qty) if self.live else 0

    @property
    def traded_qty(self) -> int:
        """Shares that are booked, or that the EMS says have traded, whichever is more."""
        return max(self.cum_qty, self.stated_qty)

    @property
    def leaves_worst(self) -> int:
        """Shares that are not booked but may be ours if every open question goes against us (GR4)."""
        most = max(self.traded_qty, self.order_qty, self.replace_qty) if self.live else self.traded_qty
        return most - self.cum_qty

    @property
    def may_cancel(self) -> bool:
        """True where no cancel is on its way, or the EMS said since that the order is still there."""
        return self.cancel_id is None or self.stands

    @property
    def most_qty(self) -> int:
        """Shares that this chain may have traded in the end."""
        return self.cum_qty + self.leaves_worst

    @property
    def price_worst_e4(self) -> int:
        """The worse of the accepted price and the one asked for; 0 = any (market order)."""
        if not self.replace_id:
            return self.price_e4
        prices = (self.price_e4, self.replace_price_e4)
        return max(prices) if self.terms.side is Side.BUY else min(prices)

    def working(self) -> WorkingOrder:
        """Return the chain as the trader sees it."""
        return WorkingOrder(
            chain_id=self.chain_id,
            parent_id=self.terms.parent_id,
            symbol=self.terms.symbol,
            side=self.terms.side,
            price_e4=self.price_e4,
            qty=self.order_qty,
            cum_qty=self.cum_qty,
            status=self.status,
            pending_price_e4=self.replace_price_e4,
            pending_qty=self.replace_qty,
            time_in_force=self.terms.time_in_force,
        )

    def request_replace(self, cl_ord_id: ClOrdID, qty: int, price_e4: int, mono_ns: int) -> None:
        """Note that new terms were asked for."""
        assert self.status in (S.NEW, S.PARTIALLY_FILLED), (
            f"{self.chain_id}: replace while {self.status.name}"
        )
        self.replace_id, self.replace_qty, self.replace_price_e4 = cl_ord_id, qty, price_e4
        self.issued[cl_ord_id] = (qty, price_e4)
        self._ask(S.PENDING_REPLACE, mono_ns)

    def request_cancel(self, cl_ord_id: ClOrdID, mono_ns: int) -> None:
        """Note that a cancel was asked for; it outranks a replace in flight."""
        assert self.live, f"{self.chain_id}: cancel while {self.status.name}"
        self.cancel_id = cl_ord_id
        self._ask(S.PENDING_CANCEL, mono_ns)

    def _ask(self, status: OrdStatus, mono_ns: int) -> None:
        self.status, self.asked_mono_ns, self.queries, self.stands = status, mono_ns, 0, False

    def withdraw(self, cl_ord_id: ClOrdID) -> None:
        """The request never left: the engine refused it, definitely."""
        if cl_ord_id == self.replace_id:
            self._drop_replace()
            if self.status is S.PENDING_REPLACE:
                self._enter(LIVE)
        elif cl_ord_id == self.cancel_id:
            self.cancel_id = None
            self._enter(S.PENDING_NEW if self._never_answered() else LIVE)
        elif cl_ord_id == self.chain_id and self.status is S.PENDING_NEW:
            self._enter(S.REJECTED)

    def lost(self, cl_ord_id: ClOrdID) -> None:
        """The EMS does not know a request of ours: it is gone, if the order itself was seen to stand since.

        Its ClOrdID is remembered: should the EMS carry the request out after all, the chain follows.
        """
        if self.stands:
            self.withdraw(cl_ord_id)

    def observe(self, report: ExecutionReport) -> Change:
        """Book an execution report (35=8)."""
        if report.exec_type is E.ORDER_STATUS:
            return self._adopt(report)
        seen = (report.exec_type, report.last_qty, report.last_price_e4)
        if report.exec_id not in ("", "0"):
            known = self.reports.get(report.exec_id)
            if known is not None:
                same = known == seen
                clash = f"{report.exec_id} came twice, with other contents"
                return Change(duplicate=True, breaks=() if same else (clash,))
            self.reports[report.exec_id] = seen
        if report.exec_type is E.REJECTED and report.cl_ord_id in (self.replace_id, self.cancel_id):
            return self._request_rejected(report)
        if report.exec_type is E.TRADE and (counted := self._counted(report)) is not None:
            return counted
        breaks: list[str] = []
        doubtful, was_live = self._doubt(report), self.live
        stands = self.live and checks.ends_nothing(report)
        after = self.status if stands else TRANSITIONS.get((self.status, report.exec_type))
        if after is None:
            breaks.append(f"{report.exec_type.name} while {self.status.name}")
        qty, notional_e4 = self._book(report, breaks)
        self.state(report)
        self.order_id = self.order_id or report.order_id
        self._take_terms(report)
        asked_qty = self.replace_qty  # a fill may be the first word of a replace, and end the order
        if after is not None and not stands:
            self._enter_by(report, after)
        if self.live and not was_live:
            doubtful = self._doubt(report) or checks.without_leaves(report)
        self.text = report.text or self.text
        breaks += checks.against_booked(report, self.cum_qty, self.order_qty, asked_qty)
        if doubtful and self.live:
            self.doubt = doubtful
        return Change(
            qty=qty,
            notional_e4=notional_e4,
            last_price_e4=report.last_price_e4 if qty > 0 else 0,
            exec_id=report.exec_id,
            breaks=tuple(breaks),
            ask_status=bool(doubtful),
            doubt=doubtful,
        )

    def observe_reject(self, reject: OrderCancelReject) -> Change:
        """Repair the status after a refused cancel or replace (35=9)."""
        if reject.cl_ord_id == self.replace_id:
            self._drop_replace()
        elif reject.cl_ord_id == self.cancel_id:
            self.cancel_id = None
        else:
            return Change(duplicate=True)  # of a request that was settled long ago
        self.text = reject.text or self.text
        after = REPAIRS.get((self.status, reject.response_to))
        if after is LIVE and reject.response_to is CxlRejResponseTo.CANCEL and self._never_answered():
            after = S.PENDING_NEW
        if after is not None:
            self._enter(after)
        lost = reject.reason is CxlRejReason.UNKNOWN_ORDER or reject.ord_status in TERMINAL
        return Change(ask_status=self.live and lost)

    def _request_rejected(self, report: ExecutionReport) -> Change:
        """A broker that answers a cancel or replace by 150=8 under its ClOrdID: the request is refused.

        Where OrdStatus(39) says that the order has ended as well, it is asked for, and lives until then.
        """
        to = CxlRejResponseTo.REPLACE if report.cl_ord_id == self.replace_id else CxlRejResponseTo.CANCEL
        return self.observe_reject(checks.as_cancel_reject(report, self.cl_ord_id, to))

    def _counted(self, report: ExecutionReport) -> Change | None:
        """Return what to do with an execution that CumQty says we have: sent again, or under two ExecIDs."""
        again = report.poss_dup or report.poss_resend
        if self.stated_qty > self.cum_qty:
            return None  # we lack shares: this may be one that we missed
        if not (report.cum_qty == self.cum_qty > 0 or (again and report.cum_qty < self.cum_qty)):
            return None
        text = f"{report.exec_id}: CumQty stays {report.cum_qty} with LastQty {report.last_qty}; not booked"
        return Change(duplicate=True, breaks=() if again else (text,))

    def _doubt(self, report: ExecutionReport) -> str:
        """Return what does not fit in a report of a live order."""
        asked = (qty for qty, _ in self.issued.values())
        found = checks.doubt(report, (self.order_qty, self.replace_qty, *asked)) if self.live else ""
        known, said = self.order_id, report.order_id
        if report.exec_type in (E.REPLACED, E.RESTATED, E.PENDING_REPLACE):
            self.order_id = said or known  # a broker may give a replaced order a new one
        elif self.live and known and said not in ("", known) and report.exec_type in NAMED:
            found = found or f"OrderID {said}, it was {known}"
        return found

    def _enter_by(self, report: ExecutionReport, after: OrdStatus) -> None:
        """Take the status of the table; a bust or a correction may say that the order has ended."""
        nothing_left = report.exec_type in checks.TAKEN_BACK and report.leaves_qty == 0
        ended = nothing_left and report.ord_status in ENDED and (self.live or self.status is S.FILLED)
        self._enter(report.ord_status if ended else after)

    def _book(self, report: ExecutionReport, breaks: list[str]) -> tuple[int, int]:
        """Book shares and money of a trade, a bust or a correction; return what changed."""
        qty = notional_e4 = 0
        if report.exec_type in checks.TAKEN_BACK:
            before = self.trades.pop(report.exec_ref_id, None) if report.exec_ref_id else None
            if before is None:
                breaks.append(f"{report.exec_type.name} of {report.exec_ref_id}, which we never booked")
                return 0, 0
            qty, notional_e4 = -before[0], -before[0] * before[1]
        if report.exec_type in (E.TRADE, E.TRADE_CORRECT):
            if report.last_qty <= 0 or report.last_price_e4 <= 0:
                breaks.append(f"{report.exec_id}: LastQty {report.last_qty} at {report.last_price_e4}")
            last_qty = max(0, report.last_qty)  # no execution takes shares back: that is a bust
            self.trades[report.exec_id] = (last_qty, report.last_price_e4)
            qty += last_qty
            notional_e4 += last_qty * report.last_price_e4
            limits = (self.price_e4, *self.prices_e4, *(price for _, price in self.issued.values()))
            if fault := checks.price_fault(self.terms.side, limits, report.last_price_e4):
                breaks.append(f"{report.exec_id}: {fault}")
        self.cum_qty += qty
        self.notional_e4 += notional_e4
        return qty, notional_e4

    def state(self, report: ExecutionReport) -> None:
        """Keep what the EMS says has traded: until it is booked it counts all the same."""
        back = report.exec_type in checks.TAKEN_BACK
        self.stated_qty = report.cum_qty if back else max(self.stated_qty, report.cum_qty)

    def _take_terms(self, report: ExecutionReport) -> None:
        """Adopt the terms that a replace or a restatement brings."""
        if report.exec_type is E.REPLACED and report.cl_ord_id in self.issued:
            self._take_name(report)
        elif report.exec_type in (E.REPLACED, E.RESTATED):
            self._take(report.order_qty or self.order_qty, report.price_e4 or self.price_e4)

    def _take(self, qty: int, price_e4: int) -> None:
        """Take terms; a fill that was on its way may still come at the price before."""
        if price_e4 != self.price_e4:
            self.prices_e4 = (*self.prices_e4[-PRICES_KEPT + 1 :], self.price_e4)
        self.order_qty, self.price_e4 = qty, price_e4

    def _take_name(self, report: ExecutionReport) -> None:
        """A replace went through: its ClOrdID is the chain's now, and those before it are history."""
        qty, price_e4 = self.issued[report.cl_ord_id]
        self._take(report.order_qty or qty, report.price_e4 or price_e4)
        self.orig_cl_ord_id, self.cl_ord_id = self.cl_ord_id, report.cl_ord_id
        names = list(self.issued)
        for name in names[: names.index(report.cl_ord_id) + 1]:
            del self.issued[name]
        if self.replace_id not in self.issued:
            self._drop_replace()

    def _adopt(self, report: ExecutionReport) -> Change:
        """Take the answer to a status request: the EMS's view of status and terms, never of shares.

        One that is behind what we know may be an old one, come late: a new question is asked. One that speaks
        of the order as it was says nothing of a request that is still on its way.
        """
        status = report.ord_status
        if status is S.REJECTED:
            return Change(duplicate=True) if report.poss_dup else self._adopt_unknown(report)
        renamed = report.cl_ord_id in {self.chain_id, self.orig_cl_ord_id} - {self.cl_ord_id, *self.issued}
        late = checks.behind(report, self.live, self.cum_qty, self.order_qty, self.price_e4, renamed)
        self.old_answers = self.old_answers + 1 if late or report.poss_dup else 0
        if report.poss_dup or 0 < self.old_answers <= ASKED_AGAIN_MAX:
            ask = self.old_answers <= ASKED_AGAIN_MAX and (self.live or not report.poss_dup)
            return Change(duplicate=True, ask_status=ask)
        self.order_id = report.order_id or self.order_id
        self.state(report)
        if report.cum_qty != self.cum_qty:
            return Change(breaks=(f"CumQty {report.cum_qty} at the EMS, {self.cum_qty} booked",))
        short = checks.short(report, self.order_qty, self.issued) if self.live else ""
        if self.doubt and (short or checks.arithmetic(report)):
            return Change()  # no answer: it is asked for again
        self.doubt = short
        if short:
            return Change(ask_status=True, doubt=short)
        if status in AWAITING or not checks.as_issued(report, self.issued):
            self._calm()
            return Change()  # it has the request; the answer is still to come
        revived = not self.live and status not in checks.ENDED
        if not (self.live or revived):
            return Change()
        breaks = (f"{status.name} at the EMS, {self.status.name} here",) if revived else ()
        if report.cl_ord_id in self.issued:
            self._take_name(report)
        else:
            self._take(report.order_qty or self.order_qty, report.price_e4 or self.price_e4)
        waits = self.replace_id is not None or self.cancel_id is not None
        if waits and status not in TERMINAL:
            self.stands = True
        else:
            self._enter(status if status in TERMINAL or status in (S.STOPPED, S.SUSPENDED) else LIVE)
        return Change(breaks=breaks)

    def _adopt_unknown(self, report: ExecutionReport) -> Change:
        """The EMS knows no such ClOrdID."""
        if report.cl_ord_id in (self.replace_id, self.cancel_id):
            self.lost(report.cl_ord_id)
        elif report.cl_ord_id not in (self.cl_ord_id, self.orig_cl_ord_id, self.chain_id):
            return Change()  # a request that never arrived, of an order that went on without it
        elif self._never_answered():
            self._enter(S.REJECTED)  # it never arrived, and is never sent again
        elif self.status is not S.REJECTED:
            return Change(breaks=("the EMS does not know it",))
        return Change()

    def _never_answered(self) -> bool:
        return not (self.reports or self.order_id or self.cum_qty or self.issued)

    def _drop_replace(self) -> None:
        self.replace_id, self.replace_qty, self.replace_price_e4 = None, 0, 0

    def _enter(self, status: OrdStatus) -> None:
        """Take a status; LIVE, and what waits with nothing left, become what the arithmetic says."""
        wanted = max(self.order_qty, self.replace_qty)
        if status is LIVE and self.replace_id is not None:
            status = S.PENDING_REPLACE
        elif status is LIVE:
            status = S.NEW if self.cum_qty == 0 else S.PARTIALLY_FILLED
            wanted = self.order_qty
        if status not in TERMINAL and self.cum_qty >= wanted:
            status = S.FILLED
        self.status = status
        if status in TERMINAL:
            self._drop_replace()
            self.cancel_id, self.doubt = None, ""
        self._calm()

    def _calm(self) -> None:
        if self.status not in AWAITING and not self.doubt:
            self.asked_mono_ns, self.queries = 0, 0
