"""Metrics of the lines beside the order session: OMS sessions and the drop copy, where there are any."""

from typing import Final

from daemon.gate.core import GateCore
from daemon.metrics.block import Metrics

MS_S: Final = 1e-3


class LineMetrics:
    """Set with the other gauges; what is not configured is not written."""

    def __init__(self, metrics: Metrics) -> None:
        self._m = metrics
        self._seen: dict[str, int] = {}

    def refresh(self, core: GateCore) -> None:
        """Set the gauges; counters catch up."""
        g, m = core.state, self._m
        if g.oms.clients:
            up = sum(client.up for client in g.oms.clients.values())
            m.gauge("steadyhand_oms_sessions", state="up").set(up)
            m.gauge("steadyhand_oms_sessions", state="down").set(len(g.oms.clients) - up)
            live = sum(not order.ended for order in g.oms.orders.values())
            m.gauge("steadyhand_oms_orders_live").set(live)
            self._catch_up("steadyhand_oms_reports_total", g.counters["oms_reports"])
            self._catch_up("steadyhand_oms_refused_total", g.counters["oms_refused"])
        copy = g.drop_copy
        if copy.configured:
            m.gauge("steadyhand_drop_copy_up").set(float(copy.up))
            m.gauge("steadyhand_drop_copy_lag_seconds").set(copy.lag_ms * MS_S)
            m.gauge("steadyhand_drop_copy_waiting").set(len(copy.ours) + len(copy.theirs))
            self._catch_up("steadyhand_drop_copy_matched_total", len(copy.matched) + copy.archived)

    def _catch_up(self, name: str, n: int) -> None:
        self._m.counter(name).inc(max(0, n - self._seen.get(name, 0)))
        self._seen[name] = n
