"""The director: plays a scenario between a client and the EMS, in market time.

    director = Director(scenario, exchange, ems, prices, lines, day, note)
    director.open(); director.advance(until_ns)      # instead of the exchange's own
    director.request(raw)                            # instead of the EMS's
    director.report(body)                            # what the EMS sends goes here
    director.logon("order") -> RefuseLogon | ResetOnLogon | None;  director.logout("order")

Without rules everything passes through. With rules the market is played from one point of a 1 ms grid to
the next wherever something happens, and an action that a message brings about is done at the grid's next
point: so what happens depends on scenario, seed, flow and requests with their times, and on nothing else.
"""

import heapq
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

import structlog

from gateways.venue import actions as a
from gateways.venue.ems import Ems, Note
from gateways.venue.exchange import Exchange
from gateways.venue.line import PLAIN, Lines, Marks, altered
from gateways.venue.market_actions import MarketActions
from gateways.venue.order_faults import OrderFaults
from gateways.venue.orders import VenueOrder
from gateways.venue.prices import Prices
from gateways.venue.rules import RuleState, Shown, shown
from gateways.venue.scenario import GRID_NS, LOGON, LOGOUT, SIDES, Rule, Scenario
from market.types import NS

log = structlog.get_logger()

NEVER: Final = 2**63 - 1
DUE_MAX: Final = 100_000  # actions and messages that wait; a scenario that defers more never catches up
AnswerToLogon = a.RefuseLogon | a.ResetOnLogon


class Director:
    """One scenario's run."""

    def __init__(
        self,
        scenario: Scenario,
        exchange: Exchange,
        ems: Ems,
        prices: Prices,
        lines: Lines,
        day: date,
        note: Note | None = None,
    ) -> None:
        """`day`: whose clock times the scenario means; `note` keeps what came in, and when."""
        self._exchange = exchange
        self._ems = ems
        self._prices = prices
        self._lines = lines
        self._day = day
        self._note = note
        self._orders = OrderFaults(ems)
        self._market = MarketActions(exchange, self._later)
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._n = 0
        self._lasting: dict[tuple[str, str], int] = {}  # what goes on, on which line -> how often begun
        self._last_exec_id = ""
        self.copied: Callable[[str], None] = lambda _: None  # the drop copy session, where there is one
        self._rules = [self._state(scenario, n, rule) for n, rule in enumerate(scenario.rule, 1)]
        for state in self._rules:
            at, every_s = state.rule.when.at, state.rule.when.every_s
            if at is not None:
                first_ns = exchange.instrument.at(day, at)
                if every_s is not None:  # what was before the window has not happened
                    step_ns = round(every_s * NS)
                    first_ns += max(0, -(-(exchange.now_ns - first_ns) // step_ns)) * step_ns
                self._timed_at(state, first_ns)

    @property
    def fired(self) -> dict[str, int]:
        """How often each rule has fired."""
        return {state.name: state.fired for state in self._rules}

    # --- time ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin: the window's first instant."""
        self._exchange.open()
        self._settle()

    def advance(self, until_ns: int) -> None:
        """Let everything happen that is due up to and including `until_ns`, of market and scenario."""
        exchange = self._exchange
        if not self._rules:
            exchange.advance(until_ns)
            return
        while True:
            step_ns = min(until_ns, self.next_due_ns, on_grid(exchange.next_ts_ns()))
            exchange.advance(max(step_ns, exchange.now_ns))
            self._settle()
            if step_ns >= until_ns:
                return

    @property
    def next_due_ns(self) -> int:
        """When something is due of the scenario, 2**63 - 1 = nothing is."""
        return self._due[0][0] if self._due else NEVER

    def _settle(self) -> None:
        while self._due and self._due[0][0] <= self._exchange.now_ns:
            heapq.heappop(self._due)[2]()

    def _later(self, ts_ns: int, act: Callable[[], None]) -> None:
        """Call `act` at the first point of the grid that is neither before `ts_ns` nor past."""
        if len(self._due) >= DUE_MAX:
            log.error("scenario_full", due=DUE_MAX)
            return
        self._n += 1
        at_ns = max(on_grid(ts_ns), on_grid(self._exchange.now_ns + 1))
        heapq.heappush(self._due, (at_ns, self._n, act))

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        self._later(self._exchange.now_ns + round(seconds * NS), act)

    # --- messages -----------------------------------------------------------------------------------

    def request(self, raw: str) -> None:
        """Take in one application message of the order session."""
        self._noted("request", raw)
        if not self._rules:
            self._ems.request(raw)
            return
        message, delay_s = shown(raw, requests=True), 0.0
        for state in self._firing(message):
            match state.rule.do:
                case a.Drop():
                    return
                case a.Reject() as reject:
                    self._reject(reject, raw)
                    return
                case a.Delay(seconds=seconds):
                    delay_s += seconds
                case _:
                    self._soon(state, message)
        if delay_s:
            self._in(delay_s, lambda: self._ems.request(raw))
        else:
            self._ems.request(raw)

    def report(self, body: str) -> None:
        """Send what the EMS says, or what the scenario makes of it."""
        if not self._rules:
            self._lines.report(body, PLAIN)
            self.copied(body)
            return
        message, delay_s, marks = shown(body, requests=False), 0.0, PLAIN
        told, fault = body, None
        copies: list[a.Duplicate] = []
        for state in self._firing(message):
            action = state.rule.do
            match action:
                case a.Drop():
                    self._copy(told, fault)
                    return
                case a.Copy():
                    fault = action
                case a.Delay(seconds=seconds):
                    delay_s += seconds
                case a.Duplicate():
                    copies.append(action)
                case a.Alter():
                    body = altered(body, action.set, action.drop)
                case a.SameExecId():
                    body = altered(body, {"17": self._last_exec_id} if self._last_exec_id else {})
                case a.Garble() | a.Lose() | a.Renumber() | a.PossDup():
                    marks = marks.merged(mark_of(action))
                case _:
                    self._soon(state, message)
        self._last_exec_id = message.exec_id or self._last_exec_id
        self._copy(told, fault)
        self._send(body, marks, delay_s)
        for copy in copies:
            self._send(body, Marks(poss_resend=copy.poss_resend), delay_s + copy.seconds)

    def cancel_all(self, text: str) -> int:
        """Take every order of the client off the market: its line broke, and it had asked for that."""
        self._noted("cancel_all", text)
        return self._ems.cancel_all(text)

    def _copy(self, body: str, fault: a.Copy | None) -> None:
        """Tell the drop copy what the EMS said, whatever became of the report itself."""
        if fault is None:
            self.copied(body)
        elif not fault.withhold:
            body = altered(body, fault.set)
            self._in(fault.seconds, lambda: self.copied(body)) if fault.seconds else self.copied(body)

    def _send(self, body: str, marks: Marks, delay_s: float) -> None:
        if delay_s:
            self._in(delay_s, lambda: self._lines.report(body, marks))
        else:
            self._lines.report(body, marks)

    def _reject(self, action: a.Reject, raw: str) -> None:
        if action.business:
            self._ems.refuse_by_business(raw, str(action.reason), action.text)
        else:
            self._ems.refuse(raw, str(action.reason), action.text)

    def _noted(self, what: str, text: str) -> None:
        if self._note is not None:
            self._note(self._exchange.now_ns, what, text)

    # --- sessions -----------------------------------------------------------------------------------

    def logon(self, session: str) -> AnswerToLogon | None:
        """A client logs on; return how else than by a Logon it is answered, None: as ever."""
        self._noted(LOGON, session)
        answer: AnswerToLogon | None = None
        message = Shown((LOGON,), session)
        for state in self._firing(message):
            action = state.rule.do
            if isinstance(action, a.RefuseLogon | a.ResetOnLogon):
                answer = answer or action
            else:
                self._soon(state, message)
        return answer

    def logout(self, session: str) -> None:
        """A session ended."""
        self._noted(LOGOUT, session)
        message = Shown((LOGOUT,), session)
        for state in self._firing(message):
            self._soon(state, message)

    # --- rules --------------------------------------------------------------------------------------

    def _state(self, scenario: Scenario, number: int, rule: Rule) -> RuleState:
        when, at = rule.when, self._exchange.instrument.at
        begin_ns = 0 if when.begin is None else at(self._day, when.begin)
        until_ns = NEVER if when.until is None else at(self._day, when.until)
        return RuleState(rule, number, scenario.seed, begin_ns, until_ns)

    def _firing(self, message: Shown) -> Iterator[RuleState]:
        """Yield the rules that fire, in the file's order; who stops asking spends no later rule."""
        for state in self._rules:
            if state.fires(message, self._exchange.now_ns):
                log.info("fault", rule=state.name, action=state.rule.do.action, cl_ord_id=message.cl_ord_id)
                yield state

    def _soon(self, state: RuleState, message: Shown) -> None:
        self._in(state.rule.when.after, lambda: self._do(state, message))

    def _timed_at(self, state: RuleState, ts_ns: int) -> None:
        self._later(ts_ns, lambda: self._timed(state, ts_ns))

    def _timed(self, state: RuleState, ts_ns: int) -> None:
        """A rule's own time has come."""
        when = state.rule.when
        if state.fires_at(self._exchange.now_ns):
            log.info("fault", rule=state.name, action=state.rule.do.action)
            if when.after:
                self._in(when.after, lambda: self._do(state, None))
            else:
                self._do(state, None)
        if when.every_s is not None and not state.over(ts_ns):
            self._timed_at(state, ts_ns + round(when.every_s * NS))

    def _do(self, state: RuleState, message: Shown | None) -> None:
        action = state.rule.do
        if isinstance(action, a.OrderAction):
            for order in self._meant(action, state, message):
                self._orders.do(action, order)
        elif isinstance(action, a.UnknownOrder):
            self._orders.unknown_order(action)
        elif isinstance(action, a.LineAction):
            self._line(action)
        elif not isinstance(action, a.MessageAction):
            self._market.do(action)

    def _meant(self, action: a.OrderAction, state: RuleState, message: Shown | None) -> list[VenueOrder]:
        """Return the orders that an action is done to."""
        if message is not None:
            known = [self._ems.table.of_client(cl_ord_id) for cl_ord_id in message.order_ids if cl_ord_id]
            return [order for order in known if order is not None][:1]
        fit = [o for o in self._orders.candidates(action) if state.fits(as_shown(o))]
        if action.pick == "all":
            return fit
        return fit[-1:] if action.pick == "newest" else fit[:1]

    def _line(self, action: a.LineAction) -> None:
        """Let something happen on a line; what lasts ends by itself, once for all that overlap."""
        key = action.action, getattr(action, "session", getattr(action, "of", ""))
        self._command(action, True)
        seconds = getattr(action, "seconds", 0.0)
        if seconds:
            self._lasting[key] = self._lasting.get(key, 0) + 1
            self._in(seconds, lambda: self._line_ends(action, key))

    def _line_ends(self, action: a.LineAction, key: tuple[str, str]) -> None:
        self._lasting[key] -= 1
        if not self._lasting[key]:
            self._command(action, False)

    def _command(self, action: a.LineAction, begin: bool) -> None:
        if isinstance(action, a.Silence) and action.of == "reference":
            self._prices.silent = begin
        self._lines.command(action, begin)


def mark_of(action: a.Garble | a.Lose | a.Renumber | a.PossDup) -> Marks:
    """Return what an action does to a message's bytes."""
    match action:
        case a.Garble(what=what):
            return Marks(garble=what)
        case a.Lose():
            return Marks(lose=True)
        case a.Renumber(by=by):
            return Marks(renumber=by)
        case a.PossDup():
            return Marks(poss_dup=True)


def as_shown(order: VenueOrder) -> Shown:
    """Return an order as rules see it."""
    return Shown(
        events=(),
        cl_ord_id=order.cl_ord_id,
        symbol=order.symbol,
        side=SIDES[order.side],
        qty=order.qty,
        account=order.account,
    )


def on_grid(ts_ns: int) -> int:
    """Return the first point of the grid that is not before `ts_ns`."""
    return -(-ts_ns // GRID_NS) * GRID_NS
