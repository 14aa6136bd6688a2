"""What the trader counts; handles are bound once, so that counting costs a store."""

import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.metrics.block import Metrics
from daemon.metrics.slots import ParentSlots
from daemon.trader.core import TraderCore
from daemon.trader.events import Step
from market.book_events import Kind
from policies.policy import Policy
from policies.scripted import Scripted
from policies.state_kernels import count_kinds

ITCH_TYPES: Final = {
    Kind.ADD: "A",
    Kind.EXECUTE: "E",
    Kind.EXECUTE_PRICE: "C",
    Kind.CANCEL: "X",
    Kind.DELETE: "D",
    Kind.REPLACE: "U",
    Kind.HIDDEN: "P",
    Kind.CROSS: "Q",
    Kind.SYSTEM: "S",
    Kind.DIRECTORY: "R",
    Kind.HALT: "H",
    Kind.OPERATIONAL: "h",
    Kind.BREAKER: "W",
    Kind.NOTICE: "other",  # Y J K I V
}


class TraderMetrics:
    """Bound handles."""

    def __init__(self, metrics: Metrics, policy: Policy | Scripted, mode: str) -> None:
        self._kinds: NDArray[np.int64] = np.zeros(16, dtype=np.int64)
        self._told: NDArray[np.int64] = np.zeros(16, dtype=np.int64)
        self._messages = {
            int(kind): metrics.counter("steadyhand_feed_messages_total", type=letter)
            for kind, letter in ITCH_TYPES.items()
        }
        self._bytes = metrics.counter("steadyhand_feed_bytes_total")
        self._gaps = metrics.counter("steadyhand_feed_gaps_total")
        self._mended = {
            "recoveries": metrics.counter("steadyhand_feed_recoveries_total"),
            "snapshots": metrics.counter("steadyhand_feed_snapshots_total"),
        }
        self._logins = metrics.counter("steadyhand_feed_reconnects_total")
        self._last_s = metrics.gauge("steadyhand_feed_last_message_timestamp_seconds")
        self._acted = metrics.counter("steadyhand_policy_decisions_total", outcome="acted")
        self._held = metrics.counter("steadyhand_policy_decisions_total", outcome="held")
        self._masked = metrics.counter("steadyhand_policy_decisions_total", outcome="masked")
        self._latency = metrics.histogram("steadyhand_decision_latency_seconds")
        self._batch = metrics.histogram("steadyhand_feed_batch_seconds")
        self._metrics = metrics
        self._slots = ParentSlots(metrics)
        self._ready = metrics.gauge("steadyhand_ready")
        self._bytes_seen = 0
        self._anomalies: dict[str, int] = {}
        self._masked_told = 0
        self._feed_told: dict[str, int] = {}
        self._sessions = metrics.counter("steadyhand_feed_session_changes_total")
        self._session = ""
        self._logged_in = 0
        self._fit = metrics.gauge("steadyhand_feed_fit")
        self._refusals = {
            by: metrics.counter("steadyhand_feed_refusals_total", by=by) for by in ("login", "snapshot")
        }
        metrics.gauge("steadyhand_policy_info", policy=policy.name, sha256=policy.sha256).set(1)
        metrics.gauge("steadyhand_mode", mode=mode).set(1)

    def ready(self) -> None:
        """The process has announced itself."""
        self._ready.set(1)

    def close(self) -> None:
        """Take the counters away: the trader ends in order."""
        self._metrics.close()

    def logged_in(self, session: str) -> None:
        """The feed is up; every time after the first is a reconnect."""
        self._logged_in += 1
        if self._logged_in > 1:
            self._logins.inc()
            self._sessions.inc(session != self._session)
        self._session = session

    def refused(self, by: str) -> None:
        """The book cannot be taken anew, or the feed not followed, for now."""
        self._refusals[by].inc()

    def heard(self) -> None:
        """A heartbeat of the feed's server: the line lives."""
        self._last_s.set(time.time())

    def read(self, batch: NDArray[Any], used: int) -> None:
        """Count what one read held."""
        count_kinds(batch, self._kinds)
        self._bytes_seen += used

    def applied(self, duration_ns: int) -> None:
        """One read was decoded, applied and decided on."""
        self._batch.observe(duration_ns * 1e-9)

    def stepped(self, step: Step, cause_mono_ns: int) -> None:
        """Count decisions, and the time from bytes to intents."""
        if step.intents:
            self._acted.inc()
            if cause_mono_ns:
                self._latency.observe((time.monotonic_ns() - cause_mono_ns) * 1e-9)
        elif step.decisions:
            self._held.inc(step.decisions)

    def second(self, core: TraderCore) -> None:
        """Publish what is summed up between two seconds."""
        for kind, counter in self._messages.items():
            counter.inc(int(self._kinds[kind] - self._told[kind]))
        self._told[:] = self._kinds
        if self._bytes_seen:
            self._bytes.inc(self._bytes_seen)
            self._bytes_seen = 0
            self._last_s.set(time.time())
        self._fit.set(float(not (core.unfit or core.broken)))
        self._masked.inc(core.invalid - self._masked_told)
        self._masked_told = core.invalid
        for name, counter, number in (
            ("gaps", self._gaps, core.feed_gaps + ("gap" in core.broken)),
            ("recoveries", self._mended["recoveries"], core.feed_recoveries),
            ("snapshots", self._mended["snapshots"], core.feed_snapshots),
        ):
            counter.inc(number - self._feed_told.get(name, 0))
            self._feed_told[name] = number
        for symbol, market in core.markets.items():
            before = self._anomalies.get(symbol, 0)
            anomalies = self._metrics.counter("steadyhand_book_anomalies_total", symbol=symbol)
            anomalies.inc(market.anomalies - before)
            self._anomalies[symbol] = market.anomalies
            bid_e4, ask_e4 = market.builder.bid_ask_e4
            if 0 < bid_e4 < ask_e4:
                spread = self._metrics.gauge("steadyhand_book_spread_bps", symbol=symbol)
                spread.set(2e4 * (ask_e4 - bid_e4) / (ask_e4 + bid_e4))
        self._parents(core)

    def _parents(self, core: TraderCore) -> None:
        """Say where each schedule stands; a script has none."""
        active = {parent_id: view for parent_id, view in core.parents.items() if view.active}
        for ended in self._slots.keep(active):
            self._metrics.gauge("steadyhand_parent_schedule_ratio", slot=ended).set(0)
            self._metrics.gauge("steadyhand_parent_lag_ratio", slot=ended).set(0)
        if isinstance(core.policy, Scripted):
            return
        for view in active.values():
            slot = self._slots.of(view.parent)
            market = core.markets[view.parent.symbol]
            if slot is None or not view.last_decision_ns or not view.qty:
                continue  # all of it is for the close: it has no schedule
            now_ns = view.last_decision_ns
            others = view.others_volume(market.builder)
            due = core.policy.schedule(view.situation(now_ns, others, market.session(now_ns)))
            self._metrics.gauge("steadyhand_parent_schedule_ratio", slot=slot).set(due)
            lag = self._metrics.gauge("steadyhand_parent_lag_ratio", slot=slot)
            lag.set(due - view.cum_qty / view.qty)
