"""An episode of an environment, given again to the daemon's own TraderCore: what it sees, masks and asks."""

from typing import Any

import msgspec
import numpy as np

from daemon.trader.core import TraderCore
from daemon.trader.events import FeedIdle, FeedUp, LinkUp
from daemon.trader.events import Settings as CoreSettings
from market import events as ev
from market import updates as up
from market.book_layout import new_arena
from market.flow.calibration import Calibration
from market.flow.queue_reactive_tables import tables
from market.flow.zero_intelligence import SYN
from market.instruments import Instrument, TickBand
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdStatus, ParentID, ParentStatus, Side, TimeInForce
from policies import layout as desk
from policies import schedule
from policies.policy import Decision
from research.environment import layout as e
from research.environment import openings as op
from research.environment.opening_kernels import burn_in, watch
from research.environment.scenarios import Scenario
from research.environment.vector import VectorEnv

STATUSES = {
    e.PENDING_NEW: OrdStatus.PENDING_NEW,
    e.NEW: OrdStatus.NEW,
    e.PARTIAL: OrdStatus.PARTIALLY_FILLED,
    e.PENDING_CANCEL: OrdStatus.PENDING_CANCEL,
    e.PENDING_REPLACE: OrdStatus.PENDING_REPLACE,
    e.FILLED: OrdStatus.FILLED,
    e.CANCELED: OrdStatus.CANCELED,
    e.REJECTED: OrdStatus.REJECTED,
}
PARENT = {e.P_WORKING: ParentStatus.WORKING, e.P_PAUSED: ParentStatus.PAUSED, e.P_FILLED: ParentStatus.FILLED}
TAPED = ("ts_ns", "order_id", "price_e4", "bid_e4", "ask_e4", "size", "kind", "side")
LOG_MAX = 60_000
EPISODE = tuple[list[np.ndarray], list[np.ndarray], list[int], np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def opening_tape(scenario: Scenario, i: int) -> np.ndarray:
    """Play opening i again and return what the feed showed."""
    sizes = scenario.orders_max, scenario.levels_max
    reactive = isinstance(scenario.market, Calibration)
    words, reals = (op.FLOW_WORDS, op.q.REALS) if reactive else (op.z.STATE_WORDS, 1)
    w = e.new_world(i + 1, *sizes, words, reals, 1, LOG_MAX)
    table = tables(scenario.market) if isinstance(scenario.market, Calibration) else np.zeros(1)
    row, out = op.scenario_row(scenario), e.new_scratch(sizes[0]).out
    w.book[i] = new_arena(*sizes)
    begin_ns = op.market(scenario, i, table, w)
    burn_in(w.book[i], w.flow[i], w.reals[i], table, row, begin_ns, out)
    watch(
        w.book[i], w.flow[i], w.reals[i], table, w.head[i], w.chains[i], w.reports[i], w.fills[i],
        w.events[i], w.money[i], row, w.ints[i], w.floats[i], w.own[i], op.standing(w.book[i], begin_ns), out,
        begin_ns + op.WATCHED_NS, w.tape[i],
    )  # fmt: skip
    return w.tape[i, : w.head[i, e.TAPED]].copy()


def episodes(env: VectorEnv, seed: int, steps_max: int = 5_000, choose: Any = None) -> list[EPISODE]:
    """Play an episode in each environment, any legal action or `choose`; keep what the trader was given."""
    chance = np.random.default_rng(seed)
    obs, mask = env.reset()
    w = env.world
    kept: list[Any] = [None] * env.envs
    seen: list[tuple[list[Any], list[Any], list[int]]] = [([], [], []) for _ in range(env.envs)]
    finished = [False] * env.envs
    for _ in range(steps_max):
        if choose is not None:
            taken = choose(obs, mask)
        else:
            taken = np.array([chance.choice(np.flatnonzero(row)) for row in mask])
        for i in range(env.envs):
            if not finished[i]:
                seen[i][0].append(obs[i].copy())
                seen[i][1].append(mask[i].copy())
                seen[i][2].append(int(taken[i]))
                log, tape = w.log[i, : w.head[i, e.LOGGED]], w.tape[i, : w.head[i, e.TAPED]]
                kept[i] = (log.copy(), tape.copy(), w.head[i].copy(), w.desk[i].copy())
        obs, _, done, mask, _ = env.step(taken)
        finished = [a or bool(b) for a, b in zip(finished, done, strict=True)]
        if all(finished):
            return [(*seen[i], *kept[i]) for i in range(env.envs)]
    raise AssertionError("an episode did not end")


class Recorder:
    """Does what was done, and keeps what it was shown."""

    def __init__(self, actions: list[int]) -> None:
        self.name, self.sha256, self.completes, self.cadence = "recorder", "", True, None
        self.actions = actions
        self.seen: list[np.ndarray] = []
        self.masks: list[int] = []

    def describe(self) -> str:
        return "records"

    def schedule(self, situation: schedule.Situation) -> float:
        return schedule.twap(situation)

    def act(self, obs: np.ndarray, mask: int) -> Decision:
        n = len(self.seen)
        self.seen.append(obs.copy())
        self.masks.append(mask)
        return Decision(self.actions[n] if n < len(self.actions) else 0)


class Replay:
    """One episode through one core."""

    def __init__(self, env: VectorEnv, episode: EPISODE, opening: np.ndarray) -> None:
        self.obs, self.masks, self.actions, self.log, self.tape, self.head, self.desk = episode
        self.policy = Recorder(self.actions)
        settings = env.settings
        tick, adv = int(self.desk[desk.TICK]), int(self.desk[desk.ADV])
        lots = int(self.desk[desk.LOT]), int(self.desk[desk.ROUND_LOT])
        base = msgspec.structs.asdict(SYN)
        changes = {"ticks": (TickBand(0, tick),), "adv": adv, "lot": lots[0], "round_lot": lots[1]}
        self.instrument = Instrument(**base | changes)
        self.core = TraderCore(
            CoreSettings(
                interval_ns=settings.interval_ns,
                gap_ns=settings.gap_ns,
                corridor=settings.corridor,
                on_fill=settings.on_fill,
                on_touch=settings.on_touch,
                orders_max=20_000,
                levels_max=4_000,
            ),
            {SYN.symbol: self.instrument},
            self.policy,  # type: ignore[arg-type]
        )
        self.core.markets[SYN.symbol].locate = 1
        self.seq = 1
        self.intents: list[Any] = []
        self.touch_faults = 0
        self.move_faults = 0
        self.moves = 0
        first = int(self.tape["ts_ns"][0]) if len(self.tape) else 0
        self.begin(opening, first)

    def stamp(self, ts_ns: int) -> ev.Stamp:
        return ev.Stamp(ts_ns, ts_ns)

    def begin(self, opening: np.ndarray, _: int) -> None:
        start = self.stamp(int(opening["ts_ns"][0]))
        self.core.step(start, LinkUp(epoch=1))
        self.core.step(start, FeedUp(next_seq=1))
        for at in range(0, len(opening), 1_000):
            piece = opening[at : at + 1_000]
            self.feed(int(piece["ts_ns"][-1]), piece)
        self.core.unfit = ""

    def feed(self, ts_ns: int, events: np.ndarray) -> None:
        batch = events.copy()
        batch["bid_e4"] = batch["ask_e4"] = 0
        step = self.core.feed(self.stamp(ts_ns), batch, self.seq, self.seq + len(batch))
        self.seq += len(batch)
        self.intents += step.intents
        for name in TAPED:
            self.touch_faults += int((batch[name] != events[name]).sum())
        if self.core.unfit:
            self.step(ts_ns, FeedIdle())

    def step(self, ts_ns: int, event: Any) -> None:
        self.intents += self.core.step(self.stamp(ts_ns), event).intents

    def play(self) -> None:
        before, synced = 0, False
        rows = self.log.tolist()
        for at, row in enumerate(rows):
            kind, ts_ns = row[0], row[1]
            if kind == e.LOG_FEED:
                self.feed(ts_ns, self.tape[row[2] : row[2] + row[3]])
            elif kind == e.LOG_PARENT:
                self.parent(row, rows[at + 1])
                if not synced:
                    self.step(ts_ns, up.Synced())
                    synced = True
            elif kind == e.LOG_TIMER:
                self.step(ts_ns, ev.Timer())
            elif kind == e.LOG_MOVE:
                self.move(row)
            elif kind == e.LOG_ORDER:
                self.order(row, self.intents[rows[at - 1][7]].n if before == e.LOG_MOVE else 0)
            elif kind == e.LOG_REFUSED:
                n = self.intents[row[2]].n
                self.step(ts_ns, up.IntentRefused(epoch=1, n=n, controls=("R03",)))
            if kind in (e.LOG_ORDER, e.LOG_REFUSED) and not (
                at + 1 < len(rows) and rows[at + 1][0] == e.LOG_MOVE
            ):
                self.intents = [] if before == e.LOG_MOVE else self.intents
            before = kind

    def parent(self, row: list[int], more: list[int]) -> None:
        _, ts_ns, status, qty, cum, limit, end_ns, *_ = row
        h = more[1:9]
        side = Side.BUY if self.head[e.SIGN_] > 0 else Side.SELL
        cap = int(self.head[e.CAP_BP])
        parent = ParentOrder(
            parent_id=ParentID("P1"), account="A", side=side, qty=qty, symbol=SYN.symbol, mic=SYN.mic,
            start_ns=int(self.head[e.STARTED]), end_ns=end_ns, limit_price_e4=limit or None,
            max_participation_bp=None if cap < 0 else cap, must_complete=bool(self.desk[desk.MUST]),
        )  # fmt: skip
        progress = Progress(
            status=PARENT[status], qty=qty, cum_qty=cum, arrival_ns=int(self.head[e.STARTED]),
            arrival_mid_micros=int(self.desk[desk.ARRIVAL2]) * 50,
        )  # fmt: skip
        headroom = up.Headroom(
            order_qty_max=h[0], collar_low_e4=h[1], collar_high_e4=h[2], can_trade=bool(h[3]),
            buy_qty_max=h[4], sell_qty_max=h[5], orders_free=h[6], rate_free=h[7],
        )  # fmt: skip
        self.step(ts_ns, up.ParentUpdate(parent=parent, progress=progress, headroom=headroom))

    def order(self, row: list[int], n: int) -> None:
        _, ts_ns, chain, status, price_e4, qty, done, pending, last, at_ns = row
        order = up.WorkingOrder(
            chain_id=ClOrdID(f"C{chain}"), parent_id=ParentID("P1"), symbol=SYN.symbol,
            side=Side.BUY if self.head[e.SIGN_] > 0 else Side.SELL, price_e4=price_e4, qty=qty, cum_qty=done,
            status=STATUSES[status], pending_qty=pending,
        )  # fmt: skip
        self.step(
            ts_ns,
            up.OrderUpdate(order=order, epoch=1 if n else 0, n=n, last_qty=last, ts_ns=0 if n else at_ns),
        )

    def move(self, row: list[int]) -> None:
        _, _, act, qty, price_e4, chain, crossing, number, *_ = row
        self.moves += 1
        if number >= len(self.intents):
            self.move_faults += 1
            raise AssertionError(f"move {row}: the core asked for {self.intents}")
        intent = self.intents[number]
        if act == desk.SUBMIT:
            tif = TimeInForce.IOC if crossing else TimeInForce.DAY
            same = isinstance(intent, ev.SubmitIntent) and (
                intent.qty, intent.price_e4, intent.time_in_force
            ) == (qty, price_e4, tif)  # fmt: skip
        elif act == desk.REPLACE:
            same = isinstance(intent, ev.ReplaceIntent) and (
                intent.qty, intent.price_e4, intent.chain_id
            ) == (qty, price_e4, f"C{chain}")  # fmt: skip
        else:
            same = isinstance(intent, ev.CancelIntent) and intent.chain_id == f"C{chain}"
        self.move_faults += not same

    def differences(self) -> tuple[int, int, int]:
        """Return decisions compared, and observations and masks that differ by any bit."""
        count = min(len(self.obs), len(self.policy.seen))
        obs = sum(a.tobytes() != b.tobytes() for a, b in zip(self.obs, self.policy.seen, strict=False))
        masks = sum(
            int((m * (1 << np.arange(13))).sum()) != bits
            for m, bits in zip(self.masks, self.policy.masks, strict=False)
        )
        return count, obs + abs(len(self.obs) - len(self.policy.seen)), masks
