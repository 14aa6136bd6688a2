"""The risk overlay: the only place that makes `Approved`.

It trusts nobody: it keeps its own prices (the reference session), its own books (execution reports)
and its own limits, and knows nothing of policies. Every control is run and every one that fails is
recorded; a control that cannot run is a refusal and a halt (GR1). There is no way around it.
"""

import msgspec

from market.child_order import ChildOrder
from market.events import Stamp
from market.instruments import Instrument
from market.orders import NewOrder, ReplaceOrder
from market.parents import ParentOrder, Progress
from market.types import Side, Symbol
from market.updates import Headroom
from risk import checks
from risk.case import Case, Decision
from risk.controls import exposure, loss, policy, rates, sanity
from risk.ledger import Ledger
from risk.limits import Limits
from risk.posture import Posture, PostureTable
from risk.rates import Rates
from risk.reference import References
from risk.verdict import _SEAL, Approved, Refused, Verdict

MS = 1_000_000
CONTROL_ERRORS = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError)
# R01 comes first; the others read fields that it has found sound.
AFTER_SCHEMA = (
    sanity.whitelist,
    sanity.order_qty,
    sanity.order_notional,
    sanity.price_collar,
    sanity.market_data,
    exposure.parent_terms,
    exposure.position,
    exposure.open_orders,
    exposure.parent_quantity,
    exposure.self_trade,
    rates.order_rate,
    rates.duplicates,
    policy.decision,
    policy.unanswered,
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
    ) -> None:
        self.limits = limits
        self.instruments = instruments
        self.account = account
        self.ledger = ledger
        self.references = references
        self.posture = posture
        self.rates = rates
        self.refusals: dict[str, int] = {}  # by control
        self.execution_micros = 0  # of all symbols, kept by `watch`
        self.inventory_micros = 0

    def check(self, order: NewOrder | ReplaceOrder, context: Context) -> Verdict:
        """Return a seal, good for one send, or every control that failed."""
        case = self._case(order, context)
        try:
            sanity.schema(case)
            if not case.failures:
                for control in AFTER_SCHEMA:
                    control(case)
                loss.daily_loss(case, self.execution_micros)
                if self.posture.posture is Posture.REDUCE_ONLY:
                    exposure.reduce_only(case)
        except CONTROL_ERRORS as error:
            case.fail("GR1", repr(error)[:120], "", "a control failed to run")
            self.posture.raise_("GR1", repr(error)[:120], context.stamp.mono_ns)
        if case.failures:
            self._count(case)
            return Refused(order, tuple(case.failures))
        self._reserve(case)
        return Approved(order, seal=_SEAL)

    def _case(self, order: NewOrder | ReplaceOrder, context: Context) -> Case:
        terms = order.terms if isinstance(order, ReplaceOrder) else order
        picture = self.references.picture(terms.symbol)
        book = self.ledger.book(terms.symbol)
        return Case(
            order=order,
            terms=terms,
            chain=context.chain,
            stamp=context.stamp,
            limits=self.limits,
            instrument=self.instruments.get(terms.symbol),
            symbols_used=sum(1 for b in self.ledger.books.values() if b.fills or b.open_orders or b is book),
            account=self.account,
            parent=context.parent,
            progress=context.progress,
            decision=context.decision,
            book=book,
            ledger=self.ledger,
            picture=picture,
            market_fault=self.references.fault(picture, context.stamp.mono_ns, self.limits.market),
            posture=self.posture,
            rates=self.rates,
            overdue=context.overdue,
            failures=[],
        )

    def _reserve(self, case: Case) -> None:
        """Count what is about to leave; the second order of an instant sees the first (GR5)."""
        limits, terms, stamp = self.limits, case.terms, case.stamp
        self.rates.note_sent(terms.symbol, stamp.mono_ns)
        if case.chain is None:
            self.rates.note_order(rates.equal_key(case), stamp.ts_ns, limits.rates.duplicate_window_ms * MS)
        if case.price_e4:
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

    def watch(self, mono_ns: int) -> None:
        """Mark positions; a loss at its limit kills (execution) or reduces (inventory)."""
        limits = self.limits
        self.execution_micros, self.inventory_micros = loss.losses_micros(
            self.ledger, self.references, limits, mono_ns
        )
        execution_max = limits.loss.execution_max_ccy * 1_000_000
        if self.execution_micros < 0 and checks.trips(-self.execution_micros, execution_max):
            text = f"execution loss of {-self.execution_micros / 1e6:,.2f} reached {execution_max / 1e6:,.2f}"
            self.posture.raise_("R30", text, mono_ns)
        inventory_max = limits.loss.inventory_max_ccy * 1_000_000
        if self.inventory_micros < 0 and checks.trips(-self.inventory_micros, inventory_max):
            text = f"start-of-day positions lost {-self.inventory_micros / 1e6:,.2f}"
            self.posture.raise_("R30I", text, mono_ns)
        else:
            self.posture.clear("R30I")

    def headroom(self, parent: ParentOrder, progress: Progress, stamp: Stamp, can_trade: bool) -> Headroom:
        """Return what the limits leave for one parent, so that nothing is asked for that is refused."""
        limits, book = self.limits, self.ledger.book(parent.symbol)
        picture, instrument = self.references.picture(parent.symbol), self.instruments.get(parent.symbol)
        low_e4, high_e4 = self._collar(parent.symbol)
        value_e4 = max(high_e4, picture.last_e4, picture.ask_e4)
        qty_max = limits.order.qty_max
        if instrument is not None and instrument.adv:
            qty_max = min(qty_max, checks.share_of(instrument.adv, limits.order.adv_max_bp))
        if value_e4:
            qty_max = min(qty_max, limits.order.notional_max_ccy * 10_000 // value_e4)
        uncommitted = progress.qty - progress.cum_qty - self.ledger.committed.get(parent.parent_id, 0)
        longest = limits.exposure.long_max - checks.worst_long(book.position, book.buy_leaves)
        shortest = limits.exposure.short_max + checks.worst_short(book.position, book.sell_leaves)
        per_second = self.rates.scaled(limits.rates.orders_per_second)
        per_symbol = self.rates.scaled(limits.rates.orders_per_second_symbol)
        return Headroom(
            order_qty_max=qty_max,
            buy_qty_max=max(0, min(longest, uncommitted)) if parent.side is Side.BUY else 0,
            sell_qty_max=max(0, min(shortest, uncommitted)) if parent.side is not Side.BUY else 0,
            orders_free=max(
                0,
                min(
                    limits.exposure.open_orders_max - self.ledger.open_orders,
                    limits.exposure.open_orders_symbol_max - book.open_orders,
                ),
            ),
            collar_low_e4=low_e4,
            collar_high_e4=high_e4,
            rate_free=max(
                0,
                min(
                    per_second - self.rates.sent_now(stamp.mono_ns, per_second),
                    per_symbol - self.rates.sent_now_symbol(parent.symbol, stamp.mono_ns, per_symbol),
                ),
            ),
            can_trade=can_trade,
        )

    def price_of_market(self, symbol: Symbol, side: Side) -> int:
        """R05: return at what limit price a market order leaves: the collar's, on a tick; 0 = none known."""
        low_e4, high_e4 = self._collar(symbol)
        instrument = self.instruments.get(symbol)
        if instrument is None or not high_e4:
            return 0
        if side is Side.BUY:
            return high_e4 - high_e4 % instrument.tick_e4(high_e4)
        return low_e4 + -low_e4 % instrument.tick_e4(low_e4)

    def _collar(self, symbol: Symbol) -> tuple[int, int]:
        """Return the lowest sell and the highest buy that R05 passes now; 0, 0 where there is none."""
        market, picture = self.limits.market, self.references.picture(symbol)
        if picture.mid_micros is None:
            return 0, 0
        if (market.last_required and not picture.last_e4) or (market.close_required and not picture.close_e4):
            return 0, 0
        mid_e4 = picture.price_e4
        low = checks.collar_low_e4(mid_e4, market.collar_bp)
        high = checks.collar_high_e4(mid_e4, market.collar_bp)
        if picture.last_e4:
            low = max(low, checks.collar_low_e4(picture.last_e4, market.collar_bp))
            high = min(high, checks.collar_high_e4(picture.last_e4, market.collar_bp))
        if picture.close_e4:
            low = max(low, checks.collar_low_e4(picture.close_e4, market.close_band_bp))
            high = min(high, checks.collar_high_e4(picture.close_e4, market.close_band_bp))
        return low, high
