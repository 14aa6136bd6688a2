"""TraderCore: market events and the gate's updates in, intents out. No clock, no socket, no log.

It decides only while it is fit: the link is synced, the feed is whole and recent, the parent is
WORKING and the gate lets it trade. Everything it knows came through `feed` and `step`, so the
journal of those calls gives the same decisions again, and the same hashes.
"""

import hashlib
import struct
from typing import Any, Final

from numpy.typing import NDArray

from daemon.trader.events import (
    NOTHING,
    FeedDown,
    FeedIdle,
    FeedReset,
    FeedResumed,
    FeedUp,
    Intent,
    LinkDown,
    LinkUp,
    Settings,
    Step,
)
from daemon.trader.intents import intent_of
from daemon.trader.market import Market, shared_out
from daemon.trader.parents import ParentView
from market import events as ev
from market import updates as up
from market.book import OrderBook
from market.instruments import Instrument
from market.parents import TERMINAL
from market.types import ParentID, Symbol
from policies import actions, executor, schedule, scripted, state
from policies.executor import Act, Move
from policies.policy import Policy
from policies.schedule_kernels import NEVER
from policies.script_language import Line, Trigger, Verb
from policies.scripted import Scripted
from policies.state_kernels import of_one_symbol
from policies.working import Asked, WorkingTable

FRESH_NS: Final = 1_000_000_000  # market time: an older feed is history, not a market
BACKOFF_NS: Final = 1_000_000_000  # machine time, after a refusal: asking again at once gives the same answer
BACKOFF_DOUBLINGS: Final = 5  # refusals in a row make it longer, up to 32 s
CROSSED: Final = ("GATE",)  # what the gate itself refuses: the chain has ended, or is not known
ANOMALIES_MAX: Final = 10  # events that cannot be true of the book; more, and the book is not believed
PARENTS_MAX: Final = 256  # live parents of one trader: 16 are ordinary, the gate allows fewer
DECISION: Final = struct.Struct("<QqB")  # number, market time, action: what the hash chain covers


class TraderCore:
    """All of the trader's state."""

    def __init__(
        self,
        settings: Settings,
        instruments: dict[Symbol, Instrument],
        policy: Policy | Scripted,
    ) -> None:
        self.settings = settings
        self.policy = policy
        self.script = policy if isinstance(policy, Scripted) else None
        self.markets = {
            symbol: Market(instrument, OrderBook(settings.orders_max, settings.levels_max))
            for symbol, instrument in instruments.items()
        }
        self.parents: dict[ParentID, ParentView] = {}
        self.table = WorkingTable()
        self.decisions = 0
        self.invalid = 0  # decisions outside the table: taken as "none", and counted
        self.refusals = 0
        self.obs_hash = b"\0" * 32  # of every decision so far, chained
        self.posture = ""
        self.epoch = 0
        self.synced = False
        self.unfit = "feed not up"  # "" = the feed is whole and recent
        self._down = False  # what comes meanwhile fills a hole, however recent it is
        self._begun = False  # the feed was up once: until then it has no gaps
        self.broken = ""
        self.feed_gaps = 0  # times that the feed was not whole
        self.feed_recoveries = 0  # ... and was again
        self.feed_snapshots = 0
        self._next_seq = 1
        self._n = 0
        self._scripts: list[scripted.Parent] | None = None
        self._only = next(iter(self.markets.values())) if len(self.markets) == 1 else None

    # --- feed ---

    def feed(self, stamp: ev.Stamp, batch: NDArray[Any], first_seq: int, next_seq: int) -> Step:
        """Take the events of one read: messages `first_seq` up to, not including, `next_seq`."""
        if first_seq != self._next_seq:
            self.broken = self.broken or f"feed gap: message {first_seq} came, {self._next_seq} was due"
        self._next_seq = next_seq
        if len(batch) == 0:
            return NOTHING
        touched = self._apply(batch)
        if not self._down:
            recent = stamp.ts_ns - int(batch["ts_ns"][-1]) < FRESH_NS
            self.unfit = "" if recent else "catching up with the feed"
        if not self.fit:
            return NOTHING
        if any(market.moved for market in touched):
            self._touch_moved()
        return self._decide_due(stamp, stamp.mono_ns, fed=True)

    def _touch_moved(self) -> None:
        if self.settings.on_touch:
            for view in self.parents.values():
                if not view.event and self.markets[view.parent.symbol].touch != view.touch:
                    view.happened()
        if self.script is not None:
            self.script.happened(Trigger.TOUCH, None)

    def reveal(self, batch: NDArray[Any]) -> Step:
        """Take a part of a snapshot: what stands, not what happened."""
        if len(batch):
            self._apply(batch)
        return NOTHING

    def _apply(self, batch: NDArray[Any]) -> list[Market]:
        only = self._only
        if only is not None and of_one_symbol(batch, only.locate):
            self._apply_to(only, batch)
            return [only]
        parts = list(shared_out(self.markets, batch))
        for market, rows in parts:
            self._apply_to(market, rows)
        return [market for market, _ in parts]

    def _apply_to(self, market: Market, batch: NDArray[Any]) -> None:
        market.apply(batch)
        if not (market.anomalies <= ANOMALIES_MAX):
            symbol = market.instrument.symbol
            self.broken = self.broken or f"{symbol}: {market.anomalies} events do not fit the book"

    # --- everything else ---

    def step(self, stamp: ev.Stamp, event: ev.Event | up.Update) -> Step:
        """Take one event that is no market data."""
        match event:
            case ev.Timer():
                return self._decide_due(stamp, 0)
            case up.OrderUpdate():
                self._order(event)
            case up.ParentUpdate():
                self._parent(stamp, event)
            case up.IntentRefused():
                self._refused(stamp, event)
            case up.PostureUpdate():
                self.posture = event.posture
            case up.Synced():
                self.synced = True
                for view in self.parents.values():
                    view.synced(self.table.done_qty(view.parent.parent_id))
                    view.close_done = view.close_done or self.table.for_cross(view.parent.parent_id)
            case FeedIdle():
                self.unfit, self._down = "", False
            case FeedUp():
                self.feed_recoveries += self._down and self._begun
                self._begun = True
                self.unfit, self._down = "catching up with the feed", False
            case FeedReset():
                self.unfit, self._down, self.broken = "resynchronising from a snapshot", True, ""
                for market in self.markets.values():
                    market.forget_book()
            case FeedResumed():
                self._next_seq = event.next_seq
                self.feed_snapshots += 1
            case FeedDown():
                self.feed_gaps += self._begun and not (self._down or event.ended)
                self.unfit, self._down = event.reason or "feed down", True
                self.broken = self.broken or (event.reason if event.broken else "")
            case LinkUp():
                self._unlink()
                self.epoch, self._n = event.epoch, 0
            case LinkDown():
                self._unlink()
            case _:
                return NOTHING
        return self._decide_due(stamp, stamp.mono_ns)

    def _unlink(self) -> None:
        self.synced = False
        self.table.clear()
        self.parents.clear()
        self._scripts = None
        for market in self.markets.values():
            market.builder.forget_orders()

    def _order(self, update: up.OrderUpdate) -> None:
        order = update.order
        market = self.markets.get(order.symbol)
        if market is None:
            return
        ours = update.epoch == self.epoch
        heard = self.table.heard(update, ours)
        crossing = self.table.crossing(order.chain_id) or order.time_in_force.for_cross
        market.builder.order(order, market.book, crossing)
        market.levels = None
        view = self.parents.get(order.parent_id)
        if heard.filled_qty and self.synced:
            sign = order.side.sign if heard.took else 0
            ts_ns = update.ts_ns or market.builder.last_ts_ns
            market.builder.fill(order.parent_id, heard.filled_qty, ts_ns, sign)
        if view is not None:
            view.refusals = 0 if ours and update.n else view.refusals
            view.done(self.table.done_qty(order.parent_id))
            if self.settings.on_fill and (heard.filled_qty or heard.ended is not None):
                view.happened()
        if self.script is not None and self.synced:
            self.script.heard(order, heard)

    def _parent(self, stamp: ev.Stamp, update: up.ParentUpdate) -> None:
        parent_id = update.parent.parent_id
        market = self.markets.get(update.parent.symbol)
        if market is None:
            return
        self._scripts = None
        view = self.parents.get(parent_id)
        if view is None:
            assert len(self.parents) < PARENTS_MAX, "more parents than a trader may work"
            view = ParentView(update, stamp.ts_ns, market.builder.own_volume)
            self.parents[parent_id] = view
        working = sum(c.leaves_qty for c in self.table.of(parent_id))
        view.update(update, working, stamp.mono_ns)
        view.plan_close(market.instrument)
        if update.progress.status in TERMINAL:
            del self.parents[parent_id]

    def _refused(self, stamp: ev.Stamp, update: up.IntentRefused) -> None:
        if update.epoch != self.epoch:
            return
        asked = self.table.refused(update)
        self.refusals += 1
        view = self.parents.get(asked.parent_id) if asked is not None else None
        # A replace or cancel that crossed the chain's last fill is no refusal of what the parent wants.
        crossed = asked is not None and asked.act is not Act.SUBMIT and update.controls == CROSSED
        if view is not None and not crossed:
            view.wait_until_mono_ns = stamp.mono_ns + (BACKOFF_NS << min(view.refusals, BACKOFF_DOUBLINGS))
            view.refusals += 1
            view.close_done = view.close_done and not (asked is not None and asked.for_cross)
            view.constraint = f"refused: {' '.join(update.controls)}"
        if self.script is not None and asked is not None:
            self.script.happened(Trigger.REFUSE, asked.parent_id)

    # --- decisions ---

    @property
    def fit(self) -> bool:
        """Whether decisions may be taken at all."""
        return self.synced and not self.unfit and not self.broken

    @property
    def why_unfit(self) -> str:
        """Return what keeps us from deciding, "" while nothing does."""
        return self.broken or ("" if self.synced else "link to the gate not synced") or self.unfit

    def next_due_ns(self) -> int:
        """Return the market time of the next decision that no event has to bring about, 0 = none."""
        if not self.fit:
            return 0
        settings = self.settings
        active = [v for v in self.parents.values() if v.active]
        due = [v.due_ns(settings.interval_ns, settings.gap_ns) for v in active]
        due += [v.close_due_ns() for v in active if v.close_qty]
        if self.script is not None:
            due += self.script.next_due_ns(self._script_parents())
        return min((ts_ns for ts_ns in due if ts_ns < NEVER), default=0)

    def _decide_due(self, stamp: ev.Stamp, cause_mono_ns: int, fed: bool = False) -> Step:
        if not self.fit or not self.parents:
            return NOTHING
        intents: list[Intent] = []
        decided = 0
        settings = self.settings
        for view in self.parents.values():
            due_ns = view.due_ns(settings.interval_ns, settings.gap_ns) if view.active else NEVER
            if due_ns <= stamp.ts_ns < view.end_ns:
                intents += self._decide(stamp, view, cause_mono_ns)
                decided += 1
            if view.close_qty and (move := view.close_move(stamp)) is not None:
                self.decisions += 1
                intents.append(self._intent(stamp, view, move, 0))
        if self.script is not None:
            for line, parent_id in self.script.due(stamp.ts_ns, self._script_parents(), fed):
                intents += self._carry_out(stamp, self.parents[parent_id], line, cause_mono_ns)
        return Step(tuple(intents), decided) if intents or decided else NOTHING

    def _decide(self, stamp: ev.Stamp, view: ParentView, cause_mono_ns: int) -> list[Intent]:
        market = self.markets[view.parent.symbol]
        view.decided(stamp.ts_ns, market.touch)
        if stamp.mono_ns < view.wait_until_mono_ns or market.unfit:
            return []
        wanted = self._plan(stamp, view, market)
        view.constraint = wanted.constraint
        if wanted.hold:
            return []
        sign = view.parent.side.sign
        standing = self.table.standing(view.parent.parent_id, sign, view.qty, view.cum_qty)
        free = max(0, view.headroom.orders_free - standing.submits)
        moves = executor.reconcile(
            wanted, standing, view.rate_free(stamp.mono_ns), free, market.instrument.lot
        )
        return [self._intent(stamp, view, move, cause_mono_ns) for move in moves]

    def _plan(self, stamp: ev.Stamp, view: ParentView, market: Market) -> actions.Plan:
        """Look, choose, and plan; the choice goes into the hash chain."""
        now_ns, parent, builder, lot = stamp.ts_ns, view.parent, market.builder, market.instrument.lot
        if market.levels is None:
            market.levels = builder.look(market.book, now_ns)
        tick_e4 = market.instrument.tick_e4(market.levels[0][0])
        touch = state.touch_of(market.levels, parent.side, tick_e4)
        others = view.others_volume(builder)
        working = self.table.working_qty(parent.symbol)
        terms = view.terms(view.cap_qty(others, working), lot)
        if self.script is not None:
            self.decisions += 1
            self.script.happened(Trigger.DECISION, parent.parent_id)
            return self.script.plan(parent.parent_id, terms, touch, market.quote(), view.headroom)
        situation = view.situation(now_ns, others, market.session(now_ns))
        fraction = self.policy.schedule(situation)
        completes = self.policy.completes or parent.must_complete
        band = schedule.corridor(situation, fraction, self.settings.corridor, lot, completes)
        obs = builder.build(parent.parent_id, view.facts(situation, terms, band, working))
        mask = actions.mask(touch, band, terms)
        action = self.policy.act(obs, mask).action
        if not (0 <= action < len(actions.ACTIONS) and mask >> action & 1):
            self.invalid, action = self.invalid + 1, 0
        self.decisions += 1
        self.obs_hash = hashlib.sha256(
            self.obs_hash + DECISION.pack(self.decisions, now_ns, action) + obs.tobytes()
        ).digest()
        return actions.plan(action, terms, band, touch, view.headroom)

    def _script_parents(self) -> list[scripted.Parent]:
        """Return the parents that a script may work; made anew when the gate says something of one."""
        if self._scripts is None:
            self._scripts = []
            for parent_id, view in self.parents.items():
                if view.active:
                    market = self.markets[view.parent.symbol]
                    market.session(view.start_ns)
                    self._scripts.append(scripted.Parent(parent_id, view.start_ns, market.midnight_ns))
        return self._scripts

    def _carry_out(self, stamp: ev.Stamp, view: ParentView, line: Line, cause_mono_ns: int) -> list[Intent]:
        """Do what a line of a script says; all but `want` goes to the gate as it is."""
        if line.verb is Verb.WANT:
            return self._decide(stamp, view, cause_mono_ns)
        self.decisions += 1  # R24: each line that is due is a decision of its own
        market = self.markets[view.parent.symbol]
        chains = [c for c in self.table.of(view.parent.parent_id) if not self.table.busy(c.chain_id)]
        moves = scripted.moves_of(line, chains, market.quote(), view.parent.side)
        return [self._intent(stamp, view, move, cause_mono_ns) for move in moves]

    def _intent(self, stamp: ev.Stamp, view: ParentView, move: Move, cause_mono_ns: int) -> Intent:
        """Number a move and remember that it was asked for."""
        self._n += 1
        epoch, n, parent = self.epoch, self._n, view.parent
        for_cross = move.time_in_force is not None and move.time_in_force.for_cross
        asked = (move.act, parent.symbol, parent.parent_id, move.chain_id, move.qty, move.crossing, for_cross)
        self.table.ask(Asked(n, *asked))
        if move.act is not Act.CANCEL:
            view.sent(stamp.mono_ns)
        return intent_of(move, parent, epoch, n, self.decisions, stamp.mono_ns, cause_mono_ns)

    # --- proof ---

    def state_hash(self) -> str:
        """Return a hash of everything that decisions depend on."""
        digest = hashlib.sha256(self.obs_hash)
        for symbol, market in self.markets.items():
            digest.update(f"{symbol} {market.book.state_hash()} {market.builder.state_hash()}".encode())
        for parent_id, view in self.parents.items():
            digest.update(f"{parent_id} {view.memory()!r}".encode())
        memory = self.script.memory() if self.script is not None else None
        rest = (
            list(self.table.chains.values()),
            list(self.table.asked.values()),
            self.epoch,
            self._n,
            self._next_seq,
        )
        digest.update(repr((*rest, self.synced, self.unfit, self.broken, self.posture, memory)).encode())
        return digest.hexdigest()

    def status(self) -> ev.TraderStatus:
        """Return what the gate is told once a second."""
        return ev.TraderStatus(
            epoch=self.epoch,
            fit=self.fit,
            text=self.why_unfit or "; ".join(f"{s}: {m.unfit}" for s, m in self.markets.items() if m.unfit),
            decisions=self.decisions,
            volume={symbol: market.builder.volume for symbol, market in self.markets.items()},
        )
