"""The gate's state: one object that the steps of daemon.gate change. Everything in it is replayable."""

import functools
import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from daemon.gate.archive import Archive
from daemon.gate.archived import Archived
from daemon.gate.drop_copy_state import DropCopy
from daemon.gate.effects import Effect, Note, Reply, Tell
from daemon.gate.oms_state import Oms
from daemon.gate.positions_state import NONE, Positions
from market.child_order import ChildOrder
from market.events import ClockAnchor, GateStarted, TraderHello
from market.instruments import Instrument
from market.parents import TERMINAL, ParentOrder, Progress
from market.types import ClOrdID, ExecID, ParentID, ParentStatus, Symbol
from market.updates import OrderUpdate, Update
from risk.calendar import Table, load
from risk.commands import People
from risk.controls import machine
from risk.ledger import Ledger
from risk.limits import Limits
from risk.memory import Memory
from risk.overlay import RiskOverlay
from risk.posture import Posture, PostureTable
from risk.rates import Rates
from risk.reference import References

ORDER_PREFIX: Final = "SH"  # of every ClOrdID of ours
BREAKS_KEPT: Final = 100  # the first ones tell what broke
DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Parent(msgspec.Struct):
    """One parent order and what became of it."""

    order: ParentOrder
    progress: Progress
    admitted_ts_ns: int
    chains: dict[ClOrdID, None] = {}  # live ones
    ended_ts_ns: int = 0
    refused: str = ""  # the last controls that refused a child of it
    strategy: str = ""  # the policy that last asked for a child of it
    costly: str = ""  # "pause" once its shortfall has paused it (R32)
    priced: bool = True  # False: admitted before a price was known, judged at its start
    told: Any = None  # (progress, headroom) as the trader last heard
    told_mono_ns: int = 0
    ceiling_qty: int = 0  # amended below what works: what may trade until that is gone; 0: no such

    @property
    def live(self) -> bool:
        """True until it has ended."""
        return self.progress.status not in TERMINAL

    def update(self, **changes: Any) -> None:
        """Change progress."""
        self.progress = msgspec.structs.replace(self.progress, **changes)


class Trader(msgspec.Struct):
    """A connected trader."""

    hello: TraderHello
    last_n: int = 0
    fit: bool = False
    text: str = ""
    decisions: int = 0
    intents: int = 0
    decision_id: int = 0  # of the last new order
    decision_orders: int = 0  # new orders that it has had
    silent_ns: int = 0  # since its last frame, by the gate's timers


class Absence(msgspec.Struct):
    """Symbols that no trader works, and what is done about it (daemon.gate.absence)."""

    silent_ns: int = 0  # of a trader that is let go; 0 = never
    cancel_after_ns: int = 0  # without a trader; 0 = never
    ticked_mono_ns: int = 0
    since_mono_ns: dict[Symbol, int] = {}


class Unwanted(msgspec.Struct):
    """A live chain that shall go: asked for again until it is gone."""

    next_mono_ns: int = 0
    tries: int = 0


class Session(msgspec.Struct):
    """The order session, from logon to trading."""

    up: bool = False
    trading: bool = False
    reason: str = "never logged on"
    logons: int = 0
    mass_status_id: str = ""  # of the one that we wait for; "" = answered
    mass_reports: int = 0
    awaited: dict[ClOrdID, None] = {}  # chains whose status was asked for
    deadline_mono_ns: int = 0
    asks_by_cancel: bool = False  # the broker knows no 35=H
    missing: int = 0  # the first number of theirs that we lack and have asked for; 0 = none


class GateState:
    """All of it. Begins with the first `GateStarted`."""

    def __init__(self) -> None:
        self.started = False
        self.epoch = 0
        self.counter = 0  # ClOrdIDs of this epoch
        self.requests = 0  # other ids of this epoch
        self.mode = "paper"
        self.account = ""
        self.lockstep = False
        self.reconcile_wait_ns = 0
        self.instruments: dict[Symbol, Instrument] = {}
        self.anchor: ClockAnchor | None = None
        self.parents: dict[ParentID, Parent] = {}
        self.live_parents: dict[ParentID, Parent] = {}
        self.ended_parents: dict[
            ParentID, None
        ] = {}  # in the state, oldest first (daemon.gate.ended_parents)
        self.next_parent_ns = 0  # earliest start or end of a live parent; 0 = none
        self.chains: dict[ClOrdID, ChildOrder] = {}
        self.chain_of: dict[ClOrdID, ClOrdID] = {}  # every ClOrdID of these
        self.names: dict[ClOrdID, list[ClOrdID]] = {}  # the further ones of a chain: replaces, cancels
        self.ended: dict[ClOrdID, int] = {}  # chains that are over, by when they last changed; oldest first
        self.retire_after_ns: int | None = None  # how long they stay in the state; None: for ever
        self.archived = Archived()
        self.archive = Archive()  # a port; a snapshot does not hold it
        self.external_orders = "note"
        self.external: dict[ClOrdID, None] = {}  # chains that are not ours
        self.executions: dict[ExecID, ClOrdID] = {}  # chain of every trade, bust and correction
        self.dont_known: dict[ExecID, None] = {}  # executions that were answered by 35=Q
        self.unwanted: dict[ClOrdID, Unwanted] = {}
        self.overdue: dict[Symbol, int] = {}  # chains whose answer is late
        self.traders: dict[int, Trader] = {}
        self.epochs_seen: set[int] = set()
        self.absence = Absence()
        self.session = Session()
        self.ledger = Ledger()
        self.references = References()
        self.posture = PostureTable()
        self.told_posture = (Posture.ACTIVE, "")
        self.carried_changes = -1  # of the posture, when what it cancels was last looked at
        self.settled_changes = -1  # of the posture, when it was last told
        self.kill_done = False
        self.breaks: list[str] = []
        self.counters: Counter[str] = Counter()
        self.overlay: RiskOverlay | None = None
        self.memory: Memory | None = None
        self.volumes: dict[Symbol, tuple[int, float]] = {}  # of the day's files; they outlive a restart
        self.people = People()  # nonces, and what waits for a second person
        self.strategies: dict[ClOrdID, str] = {}  # who decided a chain
        self.drop_copy = DropCopy()  # R62: what waits for the other line's word
        self.positions = Positions()  # as the broker told them at the last logon
        self.oms = Oms()  # what OMS sessions asked for and were told
        self.effects: list[Effect] = []
        self.touched: dict[ParentID, None] = {}  # parents whose trader must hear of them

    def configure(self, event: GateStarted, mono_ns: int) -> None:
        """Take what the outside says, at every start."""
        self.epoch, self.counter, self.requests = event.epoch, 0, 0
        self.mode, self.account, self.lockstep = event.mode, event.account, event.lockstep
        self.external_orders = event.external_orders
        self.reconcile_wait_ns = event.reconcile_wait_ms * 1_000_000
        keep_ms = event.retire_after_ms
        self.retire_after_ns = None if keep_ms is None else keep_ms * 1_000_000
        self.ended = dict.fromkeys(self.ended, mono_ns)  # the machine's clock may have begun anew
        self.positions.wanted = event.positions_asked
        self.positions.wait_ns = event.positions_wait_ms * 1_000_000
        known = map(calendars().with_short_days, event.instruments) if event.short_days else event.instruments
        self.instruments = {i.symbol: self.as_of_today(i) for i in known}
        if not self.started:
            for account, symbol, qty in event.positions:
                self.ledger.start_of_day(account, symbol, qty)
        limits, before = Limits.model_validate_json(event.limits), self.overlay
        rates = before.rates if before is not None else Rates(mono_ns)
        rates.start_mono_ns = mono_ns
        if self.memory is None:
            self.memory = Memory(rates, limits.fills.window_ms * 1_000_000)
        self.judge_by(limits, rates, self.memory)
        if before is None:
            for account, symbol, qty in event.positions:
                self.risk.scopes.start_of_day(account, symbol, qty)
            self.memory.own = self.risk.scopes.own
        machine.began(self.memory, limits, self.posture, event.epoch, mono_ns)
        self.started = True

    def judge_by(self, limits: Limits, rates: Rates, memory: Memory, started: bool = True) -> None:
        """Judge by these limits from now on; what was counted stays. `started`: see `RiskOverlay.adopt`."""
        before, desk = self.overlay, (self.ledger, self.references, self.posture)
        self.overlay = RiskOverlay(limits, self.instruments, self.account, *desk, rates, calendars(), memory)
        if before is not None:
            chains = ((chain, self.strategies.get(chain_id, "")) for chain_id, chain in self.chains.items())
            self.overlay.adopt(before, chains, started, self.archived.traded())

    def as_of_today(self, instrument: Instrument) -> Instrument:
        """Return an instrument with what the day's files say of its volume and volatility."""
        told = self.volumes.get(instrument.symbol)
        if told is None:
            return instrument
        return msgspec.structs.replace(instrument, adv=told[0], daily_volatility_bps=told[1])

    @property
    def risk(self) -> RiskOverlay:
        """The overlay; there is one from the first event on."""
        assert self.overlay is not None, "the first event is GateStarted"
        return self.overlay

    @property
    def dwell(self) -> bool:
        """Whether trading comes back through a time in REDUCE_ONLY."""
        return self.risk.limits.resume.reduce_only_ms > 0

    def name(self, cl_ord_id: ClOrdID, chain: ChildOrder) -> None:
        """Give a chain a further ClOrdID."""
        self.chain_of[cl_ord_id] = chain.chain_id
        self.names.setdefault(chain.chain_id, []).append(cl_ord_id)

    def next_cl_ord_id(self) -> ClOrdID:
        """Return a ClOrdID that was never used before: the epoch is durable, the counter rises."""
        self.counter += 1
        return ClOrdID(f"{ORDER_PREFIX}{base36(self.epoch)}-{self.counter}")

    def next_request_id(self, kind: str) -> str:
        """Return an id for a request that is no order."""
        self.requests += 1
        return f"{ORDER_PREFIX}{kind}{base36(self.epoch)}-{self.requests}"

    def live_chains(self) -> Iterator[ChildOrder]:
        """Yield every chain that can still trade, oldest first."""
        return (self.chains[chain_id] for chain_id in self.ledger.held)

    @property
    def own_orders(self) -> int:
        """Chains of ours that can still trade."""
        return self.ledger.open_orders - sum(1 for chain_id in self.external if chain_id in self.ledger.held)

    def trader_of(self, symbol: Symbol) -> int | None:
        """Return the epoch of the connected trader that works a symbol."""
        for epoch, trader in self.traders.items():
            if symbol in trader.hello.symbols:
                return epoch
        return None

    def tell(self, symbol: Symbol, update: Update) -> None:
        """Send an update to the trader of a symbol, if there is one."""
        epoch = self.trader_of(symbol)
        if epoch is not None:
            self.effects.append(Tell(epoch, update))

    def tell_order(self, chain: ChildOrder, ts_ns: int, epoch: int = 0, n: int = 0, **fill: Any) -> None:
        """Tell how a chain stands, and that its parent changed with it."""
        update = OrderUpdate(order=chain.working(), epoch=epoch, n=n, ts_ns=ts_ns, **fill)
        self.tell(chain.terms.symbol, update)
        self.touched[chain.terms.parent_id] = None

    def touch_all(self) -> None:
        """What has happened concerns every parent that lives."""
        self.touched |= dict.fromkeys(self.live_parents)

    def reply(self, request_id: int, **body: Any) -> None:
        """Answer a control command; nobody waits for request 0."""
        self.effects.append(Reply(request_id, body))

    def note(self, level: str, event: str, **fields: Any) -> None:
        """Leave something for the log."""
        self.effects.append(Note(level, event, fields))

    def break_(self, text: str, mono_ns: int, cause: str = "R62") -> None:
        """Gate and EMS disagree: remember it, and stop. What is said again and again is one break."""
        self.posture.raise_(cause, text, mono_ns)
        if text in self.breaks:
            return
        if len(self.breaks) < BREAKS_KEPT:
            self.breaks.append(text)
        self.counters["breaks"] += 1
        self.note("error", "break", text=text)

    def refresh_wakeups(self) -> None:
        """Find the earliest start or end of a live parent."""
        times = []
        for parent in self.live_parents.values():
            status = parent.progress.status
            if status is ParentStatus.PENDING:
                times.append(parent.order.start_ns)
            elif status is not ParentStatus.CANCELING:
                times.append(parent.order.end_ns)
        self.next_parent_ns = min(times, default=0)

    def digest(self, whole: bool = True) -> str:
        """Return a hash of everything, or of what lives and is counted: equal after equal journals.

        The whole takes as long as there are orders; what lives is few, and the loop can wait for it.
        """
        overlay = self.risk
        parents = self.parents if whole else self.live_parents
        facts = [
            [self.epoch, self.counter, self.requests, self.account, self.lockstep],
            [
                (
                    p.order,
                    p.progress,
                    list(p.chains),
                    p.refused,
                    p.ended_ts_ns,
                    p.strategy,
                    p.costly,
                    p.ceiling_qty,
                )
                for p in parents.values()
            ],
            list(self.chains.values() if whole else self.live_chains()),
            list(self.ledger.held.items()),
            list(self.ledger.owed.items()),
            [
                (b.symbol, b.sod_qty, b.sod_mark_e4, b.exec_qty, b.paid_e4, b.realised_e4, b.fees_micros)
                for b in self.ledger.books.values()
            ],
            sorted(self.ledger.positions.items()),
            list(self.unwanted.items()),
            self.session,
            self.references,
            self.posture,
            self.breaks,
            sorted(self.counters.items()),
            sorted(overlay.refusals.items()),
            overlay.rates.state(),
            overlay.memory.state(),
            self.people,
            sorted(self.volumes.items()),
            sorted(self.epochs_seen),
            list(self.traders.items()),
            self.absence,
            [len(self.parents), len(self.chains), len(self.chain_of), len(self.executions)],
            [len(self.ended), self.retire_after_ns, self.archived],
            list(self.external),
        ]
        if self.positions.wanted != NONE:
            facts.append(self.positions)
        if whole:
            facts += [sorted(self.strategies.items()), list(self.dont_known), self.oms, self.drop_copy]
            facts += [list(self.ended.items()), list(self.names.items()), list(self.ended_parents)]
        return hashlib.blake2b(msgspec.msgpack.encode(facts), digest_size=16).hexdigest()


@functools.cache
def calendars() -> Table:
    """Return the table of trading days that ships with the code."""
    return load()


@functools.lru_cache(16)  # the epoch's
def base36(number: int) -> str:
    """Return a number in digits and capitals, which every FIX counterparty takes."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text or "0"
