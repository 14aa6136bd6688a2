"""The battery's parts: the gate's verdict, impact as a difference of twins, bad input in one line."""

import math
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from market.flow.calibration import Layers, Reading, Regime, dump
from market.flow.queue_reactive_defaults import CALIBRATIONS, small_tick
from research.calibrate import facts
from research.calibrate.command import facts_beside
from research.calibrate.facts import Estimate, Facts
from research.calibrate.refine import ordinary
from research.simcheck import arbitrage, battery, checks, command, episodes, gate, impact, numbers
from research.simcheck.command_options import parser

ROOT = Path(__file__).parents[2]
PLAIN = msgspec.structs.replace(
    small_tick(), layers=Layers(intraday=False, hidden=False), regimes=(Regime(),) * 3
)


def recorded(**probes: Estimate) -> Facts:
    return Facts(
        source="made", begin_ns=0, end_ns=1, block_s=300.0, tick_e4=100, price_e4=1_000_000,
        events=1, trades=1,
        numbers={"spread_ticks": Estimate(4.0, 3.9, 4.1)}, distributions={}, halves={}, curves={},
        position_edges=[], probes=probes,
    )  # fmt: skip


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "made.json"
    path.write_bytes(dump(PLAIN))
    return path


def test_the_gate_passes_where_every_cell_is_inside(calibration: Path) -> None:
    facts = recorded(fill_front=Estimate(0.3, 0.2, 0.4), realised_5s=Estimate(-0.5, -0.7, -0.3))

    verdict = gate.verdict(facts, {"fill_front": 0.2, "realised_5s": -0.3}, "made", calibration)

    assert verdict.passed
    assert verdict.line == gate.IDENTIFIED


def test_a_market_in_which_resting_orders_earn_is_not_identified(calibration: Path) -> None:
    facts = recorded(fill_front=Estimate(0.3, 0.2, 0.4), realised_5s=Estimate(-0.5, -0.7, -0.3))

    verdict = gate.verdict(facts, {"fill_front": 0.3, "realised_5s": 0.4}, "made", calibration)

    assert not verdict.passed
    assert verdict.line == "passive edge not identified"


def test_the_gate_looks_at_every_position_but_judges_no_front_markout(calibration: Path) -> None:
    facts = recorded(fill_position_2=Estimate(0.3, 0.2, 0.4), realised_5s_front=Estimate(0.0, -0.1, 0.1))

    verdict = gate.verdict(facts, {"fill_position_2": 0.3, "realised_5s_front": 9.0}, "made", calibration)

    assert [cell.name for cell in verdict.cells] == ["fill_position_2"]
    assert verdict.passed


def test_a_verdict_holds_only_for_the_calibration_that_it_was_given_on(calibration: Path) -> None:
    assert not gate.read(calibration).passed  # no verdict yet
    facts = recorded(fill_front=Estimate(0.3, 0.2, 0.4))
    verdict = gate.verdict(facts, {"fill_front": 0.3}, "made", calibration)
    gate.beside(calibration).write_bytes(msgspec.json.encode(verdict))
    assert gate.read(calibration).passed

    calibration.write_bytes(dump(msgspec.structs.replace(PLAIN, name="changed")))

    assert not gate.read(calibration).passed


def test_a_quick_look_is_not_kept_as_a_verdict(
    calibration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parser().parse_args([str(calibration), "--quick", "--keep", "--out", str(tmp_path / "out")])

    assert command.main(args) == 2
    assert "--keep: a quick look is no verdict to keep" in capsys.readouterr().err
    assert not gate.beside(calibration).exists()


def test_facts_of_another_recording_judge_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made.json"
    fitted = {"source": "a.zip", "interval_utc_ns": "0..1"}
    path.write_bytes(dump(msgspec.structs.replace(PLAIN, provenance=fitted)))
    sizes = {"trade_size": Estimate(9.0, 8.0, 10.0), "trades_per_s": Estimate(1.0, 0.5, 1.5)}
    own = msgspec.structs.replace(recorded(), source="a.zip", numbers=sizes)
    command.belongs(path, command.load(path), own)
    cases = {
        "are of b.zip, 0..1; made.json was fitted to a.zip, 0..1": {"source": "b.zip"},
        "are of a.zip, 0..2; made.json was fitted to a.zip, 0..1": {"end_ns": 2},
        "trades_per_s is not there": {"numbers": {"trade_size": sizes["trade_size"]}},
    }
    for said, change in cases.items():
        facts.write(facts_beside(path), msgspec.structs.replace(own, **change))

        code = command.main(parser().parse_args([str(path), "--out", str(tmp_path / "out")]))

        assert code == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["goog-2012", "btc-large-tick"])
def test_the_shipped_calibrations_stand_beside_their_own_facts(name: str) -> None:
    path = CALIBRATIONS / f"{name}.json"
    command.belongs(path, command.load(path), facts.read(facts_beside(path)))


def test_the_sixteen_numbers_end_with_those_of_literature() -> None:
    rows = numbers.compare(recorded(), {"spread_ticks": 4.9}, 0.5, None)

    assert [(row.name, row.passed) for row in rows] == [
        ("spread_ticks", True),  # within a quarter
        ("impact_exponent", True),
        ("impact_decay", False),
    ]


def test_the_exponent_of_a_root_is_a_half() -> None:
    sizes = [1.0, 10.0, 100.0]
    rng = np.random.default_rng(1)
    found = [
        [impact.Path(math.sqrt(size) + rng.normal(0, 0.1), 0.0, 0.0, 0.0, 1) for _ in range(50)]
        for size in sizes
    ]

    law = impact.law(sizes, found)

    assert law.exponent == pytest.approx(0.5, abs=0.02)
    assert law.exponent_low < 0.5 < law.exponent_high


def test_decay_is_what_is_left_later() -> None:
    found = [impact.Path(2.0 + 0.1 * k, 1.0 + 0.05 * k, 0.0, 0.0, 1) for k in range(-5, 6)]

    assert impact.decay(found)[0] == pytest.approx(0.5)


@pytest.mark.slow
def test_runs_without_us_are_equal_and_a_large_order_moves_the_price() -> None:
    looks = (60.0, 61.0)
    again = [impact.run(PLAIN, 5, [], looks) for _ in range(2)]
    found = impact.paths(PLAIN, impact.Parent(6_000, 12, 60.0, 61.0), 12)

    assert again[0].state_hash == again[1].state_hash
    assert np.mean([path.at_end_bps for path in found]) > 0.5
    assert np.mean([path.paid_bps for path in found]) > 0.0


@pytest.mark.slow
def test_whoever_goes_round_pays_and_the_smallest_order_pays_half_the_spread() -> None:
    sizes = checks.Sizes(100, 20.0, 12)

    assert checks.small_order(PLAIN, sizes).outcome == checks.PASSED
    assert {check.outcome for check in checks.round_trips(PLAIN, sizes)} == {checks.PASSED}


def test_an_adversary_that_was_not_run_passes_nothing() -> None:
    left_out, without = arbitrage.check(None, 0), arbitrage.check(None, 1_000)

    assert left_out.outcome == without.outcome == checks.NOT_RUN
    assert "torch" in without.note
    assert "--adversary-steps" in left_out.note


def test_an_adversary_may_earn_by_chance_but_not_beyond_doubt() -> None:
    chance = arbitrage.Earned(1_000, 512, 0.4, -0.1, 0.9)
    doubtless = arbitrage.Earned(1_000, 512, 0.4, 0.1, 0.7)

    assert arbitrage.check(chance, 1_000).outcome == checks.PASSED
    assert arbitrage.check(doubtless, 1_000).outcome == checks.FAILED


def test_a_coded_response_is_named_and_none_is_said_to_be_none() -> None:
    kicked = msgspec.structs.replace(PLAIN, reading=Reading(kick_bps=1.02))
    off = msgspec.structs.replace(kicked, layers=msgspec.structs.replace(PLAIN.layers, reading=False))

    assert checks.coded(kicked).value == "kick 1.02 bps"
    assert checks.coded(PLAIN).value == checks.coded(off).value == "none"
    assert checks.coded(kicked).outcome == checks.STATED


def test_an_ordinary_market_has_no_hours_and_keeps_its_regimes() -> None:
    bursts = msgspec.structs.replace(
        PLAIN, layers=Layers(), intraday=(2.0, 1.0), regimes=(Regime(), Regime(limits=5.0), Regime())
    )

    assert ordinary(bursts).intraday == (1.0,)
    assert ordinary(bursts).regimes == bursts.regimes
    assert ordinary(bursts).layers.intraday


def test_twap_against_itself_passes_within_the_band_only() -> None:
    fine, narrow = episodes.Same(0.052, 8_128, 1_024), episodes.Same(0.12, 8_128, 1_024)

    assert episodes.check(fine).outcome == checks.PASSED
    assert episodes.check(narrow).outcome == checks.FAILED
    assert episodes.check(None).outcome == checks.NOT_RUN
    assert "scipy" in episodes.check(None).note


def test_how_long_the_adversary_learns_is_the_callers_choice() -> None:
    read = parser().parse_args

    asked = command.budget_of(read(["x", "--out", "y", "--quick", "--adversary-steps", "0"]))
    usual = command.budget_of(read(["x", "--out", "y"]))

    assert (asked.adversary_steps, asked.streams) == (0, 1)
    assert (usual.adversary_steps, usual.streams) == (400_000, 4)


@pytest.mark.slow
def test_buying_and_selling_are_one_path_and_the_third_run_tells_them_apart() -> None:
    parent = impact.Parent(600, 4, 30.0, 31.0)

    two, three = (impact.paths(PLAIN, parent, 2, apart=asked) for asked in (False, True))

    assert [path.at_end_bps for path in two] == [path.at_end_bps for path in three]
    assert all(math.isnan(path.apart_bps) for path in two)
    assert all(math.isfinite(path.apart_bps) for path in three)


@pytest.mark.slow
def test_a_calibration_without_facts_is_one_line_and_exit_2(calibration: Path, tmp_path: Path) -> None:
    code = "import sys; from research.simcheck.command_options import main; sys.exit(main(sys.argv[1:]))"

    outcome = subprocess.run(
        [sys.executable, "-c", code, str(calibration), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert outcome.returncode == 2
    assert outcome.stderr.count("\n") == 1
    assert "steadyhand calibrate" in outcome.stderr


def test_another_set_of_seeds_is_another_draw_of_every_run() -> None:
    children = [impact.Child(0.0, 1), impact.Child(0.5, -1)]
    first, other = (
        impact.run(PLAIN, checks.TWIN_SEED + seed_set * checks.SEED_SET, children, (60.0, 61.0))
        for seed_set in (0, 1)
    )
    seeds = (checks.ROUND_SEED, checks.TWIN_SEED, checks.SMALL_SEED, impact.IMPACT_SEED, battery.STREAM_SEED)

    assert first.state_hash != other.state_hash
    assert max(seeds) - min(seeds) < checks.SEED_SET // 10  # so that no two sets meet


def test_the_set_of_seeds_is_the_callers_choice() -> None:
    read = parser().parse_args

    assert read(["x", "--out", "y"]).seed_set == 0
    assert read(["x", "--out", "y", "--seed-set", "3"]).seed_set == 3
    with pytest.raises(SystemExit):
        read(["x", "--out", "y", "--seed-set", "-1"])
