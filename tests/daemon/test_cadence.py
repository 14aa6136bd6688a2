"""A policy is asked as often as it was trained to be, not as the trader happens to be configured."""

from datetime import date, time

import numpy as np
import pytest

from daemon.config import TraderSection
from daemon.trader.core import TraderCore
from daemon.trader.events import Settings
from daemon.trader.parents import ParentView
from daemon.trader.setup import settings_of
from market.flow.zero_intelligence import SYN, ZeroIntelligenceFlow
from market.parents import ParentOrder
from market.types import ParentID, Side
from policies.choose import choose
from policies.policy import Cadence
from policies.schedule_kernels import schedule_end_ns
from research.training.offline import Run

NS = 1_000_000_000
START = SYN.at(date(2024, 1, 2), time(10, 0))
END = START + 120 * NS
CADENCE = Cadence(interval_ms=5_000, gap_ms=500, on_fill=False, on_touch=False, corridor=0.15)


def decision_times(settings: Settings) -> list[int]:
    """Play a parent under the passive TWAP; return when it decided."""
    core = TraderCore(settings, {SYN.symbol: SYN}, choose("twap-passive"))
    parent = ParentOrder(
        parent_id=ParentID("P1"), account="A", side=Side.BUY, qty=2_000, symbol=SYN.symbol, mic=SYN.mic,
        start_ns=START + 10 * NS, end_ns=END - 10 * NS,
    )  # fmt: skip
    times: list[int] = []
    decide = core._decide
    core._decide = lambda stamp, *rest: (times.append(stamp.ts_ns), decide(stamp, *rest))[1]  # type: ignore[method-assign]
    Run(core, ZeroIntelligenceFlow(1, START, END), SYN, (START, END), [parent]).play()
    return times


def settings(**changes: object) -> Settings:
    base = {"interval_ns": 5 * NS, "gap_ns": NS // 2, "corridor": 0.2, "on_fill": False, "on_touch": False}
    return Settings(**base | {"orders_max": 20_000, "levels_max": 4_000} | changes)  # type: ignore[arg-type]


def test_without_events_decisions_come_by_the_interval_alone_until_the_close_out() -> None:
    times = decision_times(settings())
    through_ns = schedule_end_ns(START + 10 * NS, END - 10 * NS)
    assert through_ns in times
    gaps = np.diff([t for t in times if t < through_ns])
    assert len(gaps) >= 15
    assert gaps.min() >= 5 * NS


@pytest.mark.parametrize("name", ["twap", "twap-passive"])
@pytest.mark.parametrize("seconds", [20, 60, 120, 250])
def test_the_schedules_end_is_a_decision_and_what_must_complete_does(name: str, seconds: int) -> None:
    core = TraderCore(settings(), {SYN.symbol: SYN}, choose(name))
    begin_ns = START + 20 * NS + 137_000_000
    parent = ParentOrder(
        parent_id=ParentID("P1"), account="A", side=Side.BUY, qty=10 * seconds, symbol=SYN.symbol,
        mic=SYN.mic, start_ns=begin_ns, end_ns=begin_ns + seconds * NS, must_complete=True,
    )  # fmt: skip
    times: list[int] = []
    decided = ParentView.decided

    def noted(view: ParentView, now_ns: int, touch: tuple[int, int]) -> None:
        times.append(now_ns)
        decided(view, now_ns, touch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParentView, "decided", noted)
        window = START, parent.end_ns + 5 * NS
        run = Run(core, ZeroIntelligenceFlow(seconds, *window), SYN, window, [parent])
        run.play()

    through_ns = schedule_end_ns(parent.start_ns, parent.end_ns)
    assert run.gate.progress[ParentID("P1")].cum_qty == parent.qty
    assert through_ns in times or times[-1] < through_ns  # filled before
    assert times[-1] < parent.end_ns


def test_fills_and_touches_bring_the_next_decision_forward_but_not_below_the_gap() -> None:
    calm = len(decision_times(settings()))
    filled = np.diff(decision_times(settings(on_fill=True)))
    touched = np.diff(decision_times(settings(on_touch=True)))
    assert len(filled) > calm
    assert len(touched) > len(filled)
    assert min(filled.min(), touched.min()) >= NS // 2


def test_an_artefacts_cadence_goes_before_the_configuration() -> None:
    configured = TraderSection.model_construct(decision_interval_ms=1_000, decision_gap_ms=250, corridor=0.2)
    assert settings_of(configured, CADENCE) == Settings(
        interval_ns=5 * NS, gap_ns=NS // 2, corridor=0.15, on_fill=False, on_touch=False
    )
    assert settings_of(configured, None) == Settings(interval_ns=NS, gap_ns=NS // 4, corridor=0.2)
