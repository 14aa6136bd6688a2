"""What the trader keeps of one parent: the gate's last word on it, and what follows for schedule and caps."""

from collections import deque
from typing import Any, Final

from market import updates as up
from market.events import Stamp
from market.instruments import Instrument, closing_times
from market.types import OrdType, ParentStatus, Side, TimeInForce
from policies.actions import Terms
from policies.executor import Act, Move
from policies.schedule import Corridor, Situation
from policies.schedule_kernels import NEVER, next_decision_ns
from policies.state import Facts, StateBuilder

CLOSE_LEAD_NS: Final = 60_000_000_000  # before the cut-off: an order that comes too late is not executed
RATE_WINDOW_NS: Final = 1_000_000_000  # R20 counts messages of any one second
BP: Final = 10_000
MICROS_PER_MID2: Final = 50  # a mid in micros is (bid + ask) in 1e-4 times 50


class ParentView:
    """One live parent. `cum_qty` is the larger of what the gate booked and what its chains show."""

    def __init__(self, update: up.ParentUpdate, seen_ns: int, own_volume: int) -> None:
        self.parent = update.parent
        self.progress = update.progress
        self.headroom = update.headroom
        self.seen_ns = seen_ns  # market time at which this trader first heard of it
        self.own_base = own_volume  # own fills of the symbol before that
        self.base_qty = update.progress.cum_qty  # done before that: by an earlier trader
        self.last_decision_ns = 0
        self.event = False  # something happened that is worth a decision before the next tick
        self.touch = (0, 0)  # at the last decision
        self.wait_until_mono_ns = 0
        self.refusals = 0  # in a row
        self.constraint = ""
        self.risk_qty = 0
        self.close_qty = 0  # for the closing cross; not scheduled
        self.close_cutoff_ns = 0  # of orders for it; 0 = there is nothing for it
        self.close_done = False  # its order has been sent
        self.end_ns = update.parent.end_ns  # of the schedule
        self._sent_mono_ns: deque[int] = deque()  # new and replace messages of the last second
        self._sent = 0  # of them, since the last headroom
        self._chains_qty = 0  # filled on chains that the table knows
        self._earlier_qty = 0  # filled on chains that ended before this trader came
        self._headroom_mono_ns = 0
        self._rate_max = 0
        self._due_ns = 0  # of the next decision, once it was asked for; 0 = work it out

    def update(self, update: up.ParentUpdate, working: int, mono_ns: int) -> None:
        """Take the gate's word; `working`: leaves of the chains that it counted when it said so."""
        self.parent, self.progress, self.headroom = update.parent, update.progress, update.headroom
        room = self.headroom.buy_qty_max if self.parent.side is Side.BUY else self.headroom.sell_qty_max
        self.risk_qty = self.progress.cum_qty + working + room
        self._sent = self._due_ns = 0
        self._headroom_mono_ns = mono_ns
        self._rate_max = max(self._rate_max, self.headroom.rate_free)

    def plan_close(self, instrument: Instrument) -> None:
        """Set apart what is for the close; the rest is scheduled until the close."""
        if self.close_done and self.close_qty:
            return  # what was sent for it stands, however the parent is amended
        parent = self.parent
        self.end_ns, self.close_qty, self.close_cutoff_ns = parent.end_ns, 0, 0
        if parent.close_pct is not None:
            self.close_cutoff_ns, closes_ns = closing_times(instrument, parent.start_ns)
            self.end_ns = min(parent.end_ns, closes_ns)
            whole = self.progress.qty or parent.qty
            self.close_qty = whole * parent.close_pct // 100 // instrument.lot * instrument.lot

    def close_due_ns(self) -> int:
        """Return when the order for the close is to be sent, schedule.NEVER where there is none to send."""
        if self.close_done or not self.close_qty:
            return NEVER
        return max(self.start_ns, self.close_cutoff_ns - CLOSE_LEAD_NS)

    def close_move(self, stamp: Stamp) -> Move | None:
        """Return what is to be sent for the close now, once: at the limit, else at what the gate passes."""
        due = self.active and self.close_due_ns() <= stamp.ts_ns < self.close_cutoff_ns
        if not due or stamp.mono_ns < self.wait_until_mono_ns:
            return None
        self.close_done = True
        limit_e4 = self.parent.limit_price_e4
        kind = OrdType.LIMIT if limit_e4 else OrdType.MARKET
        return Move(Act.SUBMIT, self.close_qty, limit_e4 or 0, ord_type=kind, time_in_force=TimeInForce.CLOSE)

    def synced(self, chains_qty: int) -> None:
        """Take what the live chains had filled when everything had been told."""
        self._earlier_qty = max(0, self.progress.cum_qty - chains_qty)
        self._chains_qty = chains_qty

    def done(self, chains_qty: int) -> None:
        """Take what the chains have filled: a fill is told before the parent that it moves."""
        self._chains_qty = chains_qty

    @property
    def qty(self) -> int:
        """The parent's quantity as amended, without what is for the close."""
        return (self.progress.qty or self.parent.qty) - self.close_qty

    @property
    def cum_qty(self) -> int:
        """Shares done, as far as anything has told us."""
        return max(self.progress.cum_qty, self._earlier_qty + self._chains_qty)

    @property
    def active(self) -> bool:
        """Whether it is to be worked."""
        return self.progress.status is ParentStatus.WORKING

    @property
    def start_ns(self) -> int:
        """From when its schedule counts: the later of its start and its arrival."""
        if self.progress.arrival_ns:
            return self.progress.arrival_ns
        # An earlier trader began it: when it arrived is not known, its start is the better guess.
        return self.parent.start_ns if self.base_qty else max(self.parent.start_ns, self.seen_ns)

    def due_ns(self, interval_ns: int, gap_ns: int) -> int:
        """Return the market time of the next decision, schedule.NEVER where none fits before the end."""
        if not self.last_decision_ns:
            return self.parent.start_ns
        if not self._due_ns:
            ends_ns, event = self.end_ns, int(self.event)
            self._due_ns = next_decision_ns(
                self.last_decision_ns, event, self.start_ns, ends_ns, interval_ns, gap_ns
            )
        return self._due_ns

    def decided(self, now_ns: int, touch: tuple[int, int]) -> None:
        """Note that a decision is being taken."""
        self.last_decision_ns, self.event, self.touch, self._due_ns = now_ns, False, touch, 0

    def happened(self) -> None:
        """Note that something is worth a decision before the next tick."""
        self.event, self._due_ns = True, 0

    def sent(self, mono_ns: int) -> None:
        """Count a new or replace message."""
        self._sent += 1
        self._sent_mono_ns.append(mono_ns)

    def rate_free(self, mono_ns: int) -> int:
        """Return how many messages may be sent: what the gate left, and what a second has freed since."""
        while self._sent_mono_ns and mono_ns - self._sent_mono_ns[0] > RATE_WINDOW_NS:
            self._sent_mono_ns.popleft()
        free = self._rate_max - len(self._sent_mono_ns)
        if mono_ns - self._headroom_mono_ns <= RATE_WINDOW_NS:
            free = min(free, self.headroom.rate_free - self._sent)
        return max(0, free)

    def others_volume(self, builder: StateBuilder) -> int:
        """Return what others traded while this trader worked the parent."""
        since = builder.volume - builder.volume_before(max(self.parent.start_ns, self.seen_ns))
        return max(0, since - (builder.own_volume - self.own_base))

    def cap_qty(self, others: int, unreported: int) -> int | None:
        """Return the most that may be done and working now, None without a participation cap.

        `unreported`: own shares that may be in the printed volume already without our knowing.
        """
        cap_bp = self.parent.max_participation_bp
        if cap_bp is None or cap_bp >= BP:
            return None
        return self.base_qty + max(0, others - unreported) * cap_bp // (BP - cap_bp)

    def situation(self, now_ns: int, others: int, session: tuple[int, int]) -> Situation:
        """Return what a schedule may know."""
        return Situation(
            now_ns=now_ns,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            qty=self.qty,
            others_volume=others,
            done_qty=self.base_qty,
            session_open_ns=session[0],
            session_close_ns=session[1],
            urgency=self.parent.urgency or 0,
        )

    def terms(self, cap_qty: int | None, lot: int) -> Terms:
        """Return what a plan needs."""
        return Terms(
            side=self.parent.side,
            qty=self.qty,
            cum_qty=self.cum_qty,
            risk_qty=self.risk_qty,
            limit_e4=self.parent.limit_price_e4,
            cap_qty=cap_qty,
            must_complete=self.parent.must_complete,
            lot=lot,
        )

    def facts(self, situation: Situation, terms: Terms, band: Corridor, working: int) -> Facts:
        """Return what an observation is built from."""
        progress = self.progress
        return Facts(
            now_ns=situation.now_ns,
            start_ns=situation.start_ns,
            end_ns=situation.end_ns,
            qty=terms.qty,
            cum_qty=terms.cum_qty,
            sign=terms.side.sign,
            arrival_mid2_e4=(progress.arrival_mid_micros or 0) // MICROS_PER_MID2,
            limit_e4=terms.limit_e4 or 0,
            slice_qty=band.slice_qty,
            target=band.target,
            low=band.low,
            high=band.high,
            room_qty=max(0, terms.risk_qty - terms.cum_qty - working),
            cap_qty=-1 if terms.cap_qty is None else terms.cap_qty,
            own_fills=terms.cum_qty - self.base_qty,
            others_volume=situation.others_volume,
            must_complete=terms.must_complete,
            closing=band.closing,
        )

    def memory(self) -> tuple[Any, ...]:
        """Return everything remembered, for the state hash."""
        told = (self.parent, self.progress, self.headroom)
        seen = (self.seen_ns, self.own_base, self.base_qty, self.last_decision_ns, self.event, self.touch)
        sent = (
            self.wait_until_mono_ns,
            self.refusals,
            self.risk_qty,
            self._sent,
            list(self._sent_mono_ns),
            self.cum_qty,
        )
        if self.close_qty:
            return told, seen, sent, self.constraint, (self.close_qty, self.close_done, self.end_ns)
        return told, seen, sent, self.constraint
