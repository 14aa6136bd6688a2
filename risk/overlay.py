"""The risk overlay: the only place that makes `Approved`.

It trusts nobody: it keeps its own prices (the reference session), its own books (execution reports)
and its own limits, and knows nothing of policies. Every control is run and every one that fails is
recorded; a control that cannot run is a refusal and a halt (GR1). There is no way around it.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from market.child_order import ChildOrder
from market.events import ReferencePrice, Stamp
from market.instruments import Instrument
from market.orders import NewOrder, ReplaceOrder
from market.parents import ParentOrder, Progress
from market.types import MS, Side, Symbol
from risk import checks
from risk.calendar import UNKNOWN, DayCalendar, DayPhase, Table
from risk.case import Case, Decision
from risk.controls import day, exposure, loss, machine, market, money, policy, rates, sanity, trips
from risk.ledger import Ledger, SymbolBook
from risk.limit_tables import Market
from risk.limits import Limits
from risk.memory import Memory
from risk.posture import PostureTable
from risk.rates import Rates
from risk.reference import References
from risk.scopes import FIRM, Scope, Scopes
from risk.verdict import _SEAL, Approved, Refused, Verdict

BUY: Final = Side.BUY
CONTROL_ERRORS: Final = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError)
# R01 comes first; the others read fields that it has found sound.
AFTER_SCHEMA: Final[tuple[Callable[[Case], None], ...]] = (
    sanity.whitelist,
    sanity.order_qty,
    sanity.order_notional,
    sanity.price_collar,
    sanity.market_data,
    market.impact,
    exposure.parent_terms,
    exposure.position,
    money.notional,
    exposure.open_orders,
    money.capital,
    exposure.parent_quantity,
    market.participation,
    exposure.self_trade,
    market.short_sale,
    day.traded,
    rates.order_rate,
    day.messages,
    day.change_rate,
    day.messages_per_fill,
    rates.duplicates,
    loss.daily_loss,
    market.session,
    market.halted,
    market.restricted,
    policy.decision,
    policy.unanswered,
    policy.in_flight,
    policy.posture,
)


class Context(msgspec.Struct, frozen=True):
    """What the gate knows about where an order comes from."""

    stamp: Stamp
    chain: ChildOrder | None
    parent: ParentOrder | None
    progress: Progress | None
    decision: Decision | None
    overdue: int = 0


class RiskOverlay:
    """Judges orders against limits; owns rates and posture; reads ledger and references."""

    def __init__(
        self,
        limits: Limits,
        instruments: dict[Symbol, Instrument],
        account: str,
        ledger: Ledger,
        references: References,
        posture: PostureTable,
        rates: Rates,
        calendars: Table,
        memory: Memory,
    ) -> None:
        self.limits = limits
        self.instruments = instruments
        self.account = account
        self.ledger = ledger
        self.references = references
        self.posture = posture
        self.rates = rates
        self.memory = memory
        self.memory.tally.sent = rates.sent
        self.memory.tally.velocity.window_ns = limits.fills.window_ms * MS
        self.firm = Scope(FIRM, limits, ledger, self.memory.tally)
        self.firm.peak_micros = self.memory.peak_micros
        self.scopes = Scopes(limits, self.firm)
        self.posture.relapses_max = limits.resume.relapses_max
        self.refusals: dict[str, int] = {}  # by control
        self.know_days(calendars)

    def know_days(self, calendars: Table) -> None:
        """Take the trading days of every symbol; a state that was read back has none."""
        self._calendars: dict[Symbol, DayCalendar] = {s: calendars.of(i) for s, i in self.instruments.items()}

    def twin(self, chains: Iterable[ChildOrder]) -> "RiskOverlay":
        """Return a copy that can be asked without any count or cache of this one moving.

        It shares what no control changes: limits, instruments, days, and these orders.
        """
        kept: list[Any] = [self.limits, self.instruments, self._calendars, *self.instruments.values()]
        kept += [*(scope.limits for scope in self.scopes), *chains]
        return copy.deepcopy(self, {id(value): value for value in kept})

    @property
    def execution_micros(self) -> int:
        """Profit of own fills, kept by `watch`."""
        return self.firm.execution_micros

    @property
    def inventory_micros(self) -> int:
        """Profit of start-of-day positions, kept by `watch`."""
        return self.firm.inventory_micros

    def market_of(self, symbol: Symbol) -> Market:
        """Return the market limits of a symbol, whoever trades it."""
        return self.scopes.law("", "", symbol).market

    def phase(self, symbol: Symbol, ts_ns: int) -> DayPhase:
        """R40: return where an instant lies in a symbol's day."""
        calendar = self._calendars.get(symbol)
        return calendar.phase(ts_ns) if calendar is not None else UNKNOWN

    # --- before an order ------------------------------------------------------------------------

    def check(self, order: NewOrder | ReplaceOrder, context: Context) -> Verdict:
        """Return a seal, good for one send, or every control that failed."""
        case = self.case(order, context)
        self.memory.orders += 1
        if self.run(case):
            self._count(case)
            return Refused(order, tuple(case.failures))
        self._reserve(case)
        return Approved(order, seal=_SEAL)

    def run(self, case: Case) -> bool:
        """Run every control; True where one of them said no."""
        try:
            sanity.schema(case)
            if not case.failures:
                case.adds = exposure.added_leaves(case)
                money.settle_others(case, self.references)
                loss.settle(case, self.references)
                for control in AFTER_SCHEMA:
                    control(case)
        except CONTROL_ERRORS as error:
            case.fail("GR1", repr(error)[:120], "", "a control failed to run")
            self.posture.raise_("GR1", repr(error)[:120], case.stamp.mono_ns)
        return bool(case.failures)

    def case(self, order: NewOrder | ReplaceOrder, context: Context) -> Case:
        """Gather what the controls look at."""
        terms = order.terms if isinstance(order, ReplaceOrder) else order
        symbol, stamp, made = terms.symbol, context.stamp, context.decision
        strategy = made.policy if made is not None else ""
        picture, book = self.references.picture(symbol), self.ledger.book(symbol)
        law = self.scopes.law(terms.account, strategy, symbol)
        return Case(
            terms=terms,
            chain=context.chain,
            stamp=stamp,
            limits=law,
            instrument=self.instruments.get(symbol),
            account=self.account,
            parent=context.parent,
            progress=context.progress,
            decision=made,
            book=book,
            ledger=self.ledger,
            picture=picture,
            market_fault=self.references.fault(picture, stamp.mono_ns, law.market),
            posture=self.posture,
            rates=self.rates,
            memory=self.memory,
            counted=self._counted(terms.account, strategy, symbol, book),
            tightening=self.memory.multipliers.of(terms.account, strategy, symbol),
            day=self.phase(symbol, stamp.ts_ns),
            venues_used=self._venues(symbol),
            overdue=context.overdue,
            failures=[],
            is_buy=terms.side is BUY,
            price_e4=terms.price_e4 or 0,
            value_e4=picture.price_e4,
        )

    def _counted(
        self, account: str, strategy: str, symbol: Symbol, book: SymbolBook
    ) -> tuple[tuple[Scope, SymbolBook], ...]:
        if not self.scopes.own:
            return ((self.firm, book),)
        return tuple((s, s.ledger.book(symbol)) for s in self.scopes.of(account, strategy, symbol))

    def _venues(self, symbol: Symbol) -> int:
        """Return venues of the symbols that are used, this one's too."""
        used = self.ledger.used
        if len(used) <= 1 and (not used or symbol in used):
            return 1
        instruments = self.instruments
        return len({instruments[s].mic for s in (*used, symbol) if s in instruments})

    def _reserve(self, case: Case) -> None:
        """Count what is about to leave; the second order of an instant sees the first (GR5)."""
        limits, terms, stamp = self.limits, case.terms, case.stamp
        self.rates.note_sent(terms.symbol, stamp.mono_ns)
        for scope, _ in case.counted:
            scope.tally.sent.add(stamp.mono_ns)
            scope.tally.messages.take()
            if case.chain is not None:
                scope.tally.note_change(stamp.mono_ns)
        if case.chain is None:
            self.rates.note_order(rates.equal_key(case), stamp.ts_ns, limits.rates.duplicate_window_ms * MS)
        if case.exempt:
            del self.memory.exempt[terms.parent_id]
            self.memory.exempted += 1
        own = self.rates.own_prices(terms.symbol, terms.side, limits.market.vwap_window_ms * MS)
        own.add(stamp.ts_ns, terms.qty, case.price_e4)

    def _count(self, case: Case) -> None:
        """Count refusals; the same fault again and again stops trading."""
        limits, stamp, first = self.limits, case.stamp, case.failures[0]
        controls = {f.control for f in case.failures}
        for control in sorted(controls):
            self.refusals[control] = self.refusals.get(control, 0) + 1
        repeating = (
            ("R05", stamp.ts_ns, limits.market.breach_window_ms, limits.market.collar_breaches_to_halt),
            ("R20", stamp.mono_ns, limits.rates.breach_window_ms, limits.rates.breaches_to_halt),
            ("R50", stamp.mono_ns, limits.policy.invalid_window_ms, limits.policy.invalid_to_halt),
        )
        for control, now_ns, window_ms, limit in repeating:
            if control in controls:
                number = self.rates.fault(control, now_ns, window_ms * MS)
                if checks.trips(number, limit):
                    text = f"{number} refusals in {window_ms // 1000} s, the last: {first!r}"
                    self.posture.raise_(control, text, stamp.mono_ns)

    # --- after it ---------------------------------------------------------------------------------

    def note_cancel(self, chain: ChildOrder, strategy: str, mono_ns: int) -> None:
        """A cancel is about to leave: counted (R21, R22, R65), never judged (GR6)."""
        self.ledger.unanswered[chain.chain_id] = None
        for scope in self.scopes.of(chain.terms.account, strategy, chain.terms.symbol):
            scope.tally.messages.take()
            scope.tally.note_change(mono_ns)

    def track(self, chain: ChildOrder, strategy: str) -> None:
        """Let every ledger that counts a chain see how it stands."""
        self.ledger.track(chain)
        for scope in self.scopes.of(chain.terms.account, strategy, chain.terms.symbol)[1:]:
            scope.ledger.track(chain)

    def execute(self, chain: ChildOrder, strategy: str, qty: int, notional_e4: int, stamp: Stamp) -> None:
        """Book executed shares, or shares taken back, in every ledger that counts them."""
        terms, fee_e4 = chain.terms, self.limits.loss.fee_e4
        for scope in self.scopes.of(terms.account, strategy, terms.symbol):
            scope.ledger.execute(chain, qty, notional_e4, fee_e4)
            if qty > 0:
                scope.tally.note_fill(stamp.ts_ns, qty, notional_e4)
                trips.moving(scope, self.posture, stamp.ts_ns, stamp.mono_ns)
        if qty > 0:
            window_ns = self.limits.participation.window_ms * MS
            self.memory.volumes.traded(terms.symbol, qty, stamp.ts_ns, window_ns)
            if terms.side is not Side.BUY and terms.side is not Side.SELL:
                self.memory.sold_short(terms.account, terms.symbol, qty)

    def answered(self, no: bool, mono_ns: int) -> None:
        """R26: the EMS took an order, or refused it."""
        self.memory.outcomes.append(no)
        if no:
            trips.reject_share(self.memory, self.limits, self.posture, mono_ns)
            trips.rejected(self.memory, self.limits, self.posture, mono_ns)

    def refused_change(self, mono_ns: int) -> None:
        """R26: the EMS refused a replace or a cancel."""
        trips.rejected(self.memory, self.limits, self.posture, mono_ns)

    def priced(self, event: ReferencePrice, stamp: Stamp) -> None:
        """A picture came: worst cases are worth something else, and others have traded."""
        picture = self.references.picture(event.symbol)
        for scope in self.scopes:
            book = scope.ledger.books.get(event.symbol)
            if book is not None:
                book.first_mark(picture)
                scope.ledger.unvalued[event.symbol] = None
                scope.moved = True
        window_ns = self.limits.participation.window_ms * MS
        self.memory.volumes.printed(event.symbol, event.volume, stamp.ts_ns, window_ns)

    def watch(self, stamp: Stamp) -> None:
        """Judge what moves by itself: marks, budgets, time."""
        mono_ns, posture = stamp.mono_ns, self.posture
        for scope in self.scopes:
            for symbol in scope.ledger.books:
                scope.ledger.unvalued[symbol] = None
            money.settle_values(scope.ledger, self.references, scope.limits, mono_ns)
            loss.watch(scope, self.references, posture, mono_ns)
            trips.notional_moved(scope, posture, mono_ns)
            trips.day_spent(scope, posture, mono_ns)
            trips.moving(scope, posture, stamp.ts_ns, mono_ns)
        self.memory.peak_micros = self.firm.peak_micros
        machine.lease(self.memory, self.limits, posture, mono_ns)
        machine.time_over(self.memory, posture, mono_ns)
        self.memory.multipliers.relax(self.limits.dynamic, mono_ns)

    def adopt(
        self,
        before: "RiskOverlay",
        chains: Iterable[tuple[ChildOrder, str]],
        started: bool,
        sums: Iterable[tuple[ChildOrder, str, int]],
    ) -> None:
        """Go on where another overlay ended: counts stay, and scopes that are new are fed with the day.

        `sums`: what is not in `chains` any more, many orders made one, with the number of their fills.
        `started`: after a start of the gate, which uses up the block of messages that was begun (R21).
        """
        self.refusals = before.refusals
        self.firm.execution_micros = before.firm.execution_micros
        self.firm.inventory_micros = before.firm.inventory_micros
        fed = [*sums, *((chain, strategy, len(chain.trades)) for chain, strategy in chains)]
        for name, scope in self.scopes.own.items():
            was = self.memory.own.get(name)
            if was is not None:
                scope.ledger, scope.tally, scope.peak_micros = was.ledger, was.tally, was.peak_micros
                scope.execution_micros, scope.inventory_micros = was.execution_micros, was.inventory_micros
            else:
                self.scopes.rebuild(name, fed, self.limits.loss.fee_e4)
        self.memory.own = self.scopes.own
        for scope in self.scopes:
            if started:
                scope.tally.messages.restart()
