"""The overlay's metrics: checks, how full each limit is, the canary, the lease, lowered limits."""

import time
from typing import Final

from daemon.gate.core import GateCore
from daemon.metrics.block import Metrics
from risk.utilisation import utilisation

NS_S: Final = 1e-9
BP: Final = 10_000


class RiskMetrics:
    """Handles bound once; set with the other gauges."""

    def __init__(self, metrics: Metrics) -> None:
        self._m = metrics
        self._checks = metrics.counter("steadyhand_risk_checks_total")
        self._seen = 0
        self._canaries = metrics.counter("steadyhand_risk_canaries_total")
        self._sung = 0
        self._canary = metrics.gauge("steadyhand_risk_canary_ok")
        self._lease = metrics.gauge("steadyhand_risk_lease_remaining_seconds")

    def refresh(self, core: GateCore) -> None:
        """Set the gauges; counters catch up."""
        risk = core.state.risk
        memory = risk.memory
        self._checks.inc(max(0, memory.orders - self._seen))
        self._seen = memory.orders
        sung = sum(memory.canary_passed.values())
        self._canaries.inc(max(0, sung - self._sung))
        self._sung = sung
        self._canary.set(float("R68" not in core.state.posture.causes))
        left_ns = risk.limits.lease.kill_after_ms * 1_000_000 - memory.lease.age_ns
        self._lease.set(max(0.0, left_ns * NS_S))
        now_ns = 0 if core.state.lockstep else time.monotonic_ns()
        for control, ratio in utilisation(risk, now_ns).items():
            self._m.gauge("steadyhand_risk_utilization_ratio", control=control).set(ratio)
        lowest = min(memory.multipliers.by_signal().values(), default=BP)
        self._m.gauge("steadyhand_risk_dynamic_multiplier_ratio").set(lowest / BP)
