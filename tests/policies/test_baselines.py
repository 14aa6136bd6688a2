"""Each baseline works a parent to its end in a market of its own, and says what it does."""

from datetime import date, time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.paper.options import DEFAULT_POLICY
from daemon.trader.core import TraderCore
from daemon.trader.events import Settings
from market.flow.zero_intelligence import SYN, ZeroIntelligenceFlow
from market.parents import ParentOrder
from market.types import ParentID, ParentStatus, Side
from policies import baselines, curves
from policies.baselines import NAMES, RULES, PolicyError, baseline
from policies.choose import absolute, choose
from policies.policy import Policy
from policies.scripted import Scripted
from policies.state import INDEX, OBS_SIZE
from research.training.offline import Run
from research.training.stand_in_gate import Gate
from tests.artefacts.shelf import CLONED

NS = 1_000_000_000
START = SYN.at(date(2024, 1, 2), time(10, 0))
ALL = (1 << 13) - 1


def worked(
    policy: Policy | Scripted, seed: int = 3, minutes: int = 3, **more: Any
) -> tuple[Gate, TraderCore]:
    end = START + minutes * 60 * NS
    fields: dict[str, Any] = {"side": Side.BUY if seed % 2 else Side.SELL, "qty": 600} | more
    parent = ParentOrder(
        parent_id=ParentID("P1"),
        account="A",
        symbol=SYN.symbol,
        mic=SYN.mic,
        start_ns=START + NS,
        end_ns=end - NS,
        **fields,
    )
    settings = Settings(interval_ns=NS, gap_ns=NS // 4, corridor=0.2, orders_max=20_000, levels_max=4_000)
    core = TraderCore(settings, {SYN.symbol: SYN}, policy)
    run = Run(core, ZeroIntelligenceFlow(seed, START, end), SYN, (START, end), [parent])
    run.play()
    return run.gate, core


def obs(**values: float) -> np.ndarray:
    out = np.zeros(OBS_SIZE, dtype=np.float32)
    for name, value in values.items():
        out[INDEX[name]] = value
    return out


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("name", [*NAMES, str(CLONED)])
def test_every_policy_finishes_a_parent(name: str, seed: int) -> None:
    gate, core = worked(choose(name), seed)

    progress = gate.progress[ParentID("P1")]
    assert progress.status is ParentStatus.FILLED
    assert progress.cum_qty == 600
    assert core.invalid == 0
    assert core.why_unfit == ""
    passive = sum(f.qty for f in gate.fills if f.passive) / 600
    if name not in RULES:  # they rest and cross as the book says
        assert passive > 0.5 if "passive" in name or "improve" in name else passive == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["twap", "twap-passive", "pov"])
def test_a_participation_cap_holds_at_every_fill(name: str) -> None:
    gate, _ = worked(choose(name), 5, qty=5_000, max_participation_bp=500)

    done, book = 0, gate.exchange.series
    assert book
    for fill in gate.fills:
        done += fill.qty
        printed = next(s.volume for s in book if s.ts_ns >= fill.ts_ns)
        assert done <= 0.05 * printed
    assert 0 < done < 5_000


@pytest.mark.slow
def test_a_limit_price_is_never_crossed_and_leaves_a_remainder() -> None:
    gate, _ = worked(choose("twap"), 7, limit_price_e4=999_000)

    assert gate.progress[ParentID("P1")].status in (ParentStatus.EXPIRED, ParentStatus.FILLED)
    assert all(f.price_e4 <= 999_000 for f in gate.fills)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run() -> None:
    first, one = worked(choose("twap-passive"), 9)
    second, other = worked(choose("twap-passive"), 9)

    assert first.fills == second.fills
    assert one.state_hash() == other.state_hash()
    assert one.obs_hash == other.obs_hash


def test_crossing_takes_whole_slices_as_they_fall_due() -> None:
    policy = baseline("twap")

    actions = [policy.act(obs(lag_slices=lag / 10), ALL).action for lag in (-1, 0, 0.99, 1, 1.9, 2, 5)]

    assert actions == [0, 0, 0, 2, 2, 12, 12]


def test_passive_joins_and_catches_up_at_the_edge_of_the_corridor() -> None:
    policy = baseline("twap-passive")

    assert [policy.act(obs(corridor=c), ALL).action for c in (-1, 0, 0.8, 0.95)] == [3, 3, 3, 5]


def test_the_rule_crosses_what_is_due_where_the_book_leans_away() -> None:
    policy = baseline("rule", {"imbalance": 0.4, "band": 0.8, "patience_s": 30})
    fresh = {"fill_age": 0.9}

    def act(**values: float) -> int:
        return policy.act(obs(**values), ALL).action

    assert act(corridor=0.1, imbalance_1=0.5, **fresh) == 4  # join, and half a slice crosses
    assert act(corridor=-0.1, imbalance_1=0.5, **fresh) == 3  # ahead of the schedule nothing has to cross
    assert act(corridor=-0.1, imbalance_1=-0.5, **fresh) == 9  # the price comes to us: wait behind
    assert act(corridor=0.1, imbalance_1=-0.5, **fresh) == 3
    assert act(corridor=0.1, **fresh) == 3
    assert act(corridor=0.1, fill_age=0.1) == 6  # out of patience: inside the spread
    assert act(corridor=0.8, **fresh) == 5  # too far behind: a slice crosses
    assert "not tuned" not in policy.describe()


def test_the_microprice_rule_crosses_before_the_price_leaves() -> None:
    policy = baseline("microprice", {"threshold": 0.4})

    def act(**values: float) -> int:
        return policy.act(obs(**values), ALL).action

    assert [act(microprice=m, corridor=0.1) for m in (-0.3, 0.0, 0.19, 0.3)] == [3, 3, 3, 5]
    assert [act(microprice=m, corridor=-0.1) for m in (-0.3, 0.0, 0.3)] == [9, 3, 3]
    assert "not tuned" in baseline("microprice").describe()


def test_a_masked_action_becomes_its_resting_part() -> None:
    no_crossing = sum(1 << i for i in (0, 3, 6, 9))

    assert baseline("twap").act(obs(lag_slices=0.5), no_crossing).action == 0
    assert baseline("twap-passive").act(obs(corridor=2.0), no_crossing).action == 3
    assert baseline("twap-improve").act(obs(), 1 | 1 << 3).action == 3


def test_a_baseline_says_where_its_numbers_come_from(tmp_path: Path) -> None:
    path = tmp_path / "june.csv"
    path.write_text("09:30,100\n10:00,50\n10:30,50\n")

    assert "generic" in baseline("vwap").describe()
    assert "june.csv" in baseline("vwap", None, curves.load(path)).describe()
    assert "10.0%" in baseline("pov").describe()
    assert baseline("vwap").sha256 != baseline("vwap", None, curves.load(path)).sha256


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("twop", None, "baselines are"),
        ("twap", {"rate": 0.1}, "has no option"),
        ("pov", {"rate": 0.9}, "from 0.001 to 0.5"),
        ("pov", {"rate": float("nan")}, "from 0.001 to 0.5"),
        ("pov", {"rate": True}, "from 0.001 to 0.5"),
        ("pov", {"kappa_t": 1}, "has no option 'kappa_t'"),
        ("obizhaeva-wang", {"rho_t": -1}, "from 0.0 to 1000.0"),
        ("rule", {"threshold": 0.1}, "it has 'imbalance', 'band', 'patience_s'"),
        ("microprice", {"threshold": 2}, "from 0.0 to 1.0"),
    ],
)
def test_what_a_baseline_cannot_be_is_refused(name: str, options: Any, text: str) -> None:
    with pytest.raises(PolicyError, match=text):
        baseline(name, options)


def test_unknown_policies_are_refused_with_what_there_is() -> None:
    with pytest.raises(PolicyError, match=DEFAULT_POLICY):
        choose("no-such-thing")
    with pytest.raises(PolicyError, match="has no options"):
        choose(str(CLONED), {"rate": 1})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("9h30,1\n10:00,1\n", ":1: '9h30'"),
        ("09:30,1\n10:00,x\n", ":2: 'x' is not a volume"),
        ("09:30,1\n10:00,-1\n", ":2: a volume is 0 or more"),
        ("09:30,nan\n10:00,1\n", ":1: a volume is 0 or more"),
        ("09:30,1\n", "needs 2 to"),
        ("09:30,1\n10:00,1\n10:10,1\n", "equal length"),
        ("09:30,0\n10:00,0\n", "some volume"),
    ],
)
def test_a_bad_curve_is_refused_by_line(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(text)

    with pytest.raises(curves.CurveError) as refusal:
        curves.load(path)

    assert error in str(refusal.value)


def test_the_kappa_of_almgren_chriss_follows_urgency() -> None:
    assert list(baselines.KAPPA_T_BY_URGENCY[1:]) == sorted(baselines.KAPPA_T_BY_URGENCY[1:])


def test_a_name_is_kept_so_that_it_means_the_same_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert absolute("twap") == "twap"
    assert absolute(DEFAULT_POLICY) == DEFAULT_POLICY
    assert absolute("script:drill.txt") == f"script:{tmp_path}/drill.txt"
    assert absolute("./mine") == f"{tmp_path}/mine"
    assert absolute("mine") == "mine"
