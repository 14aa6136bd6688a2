"""The verdict on a market is of that market: not of its name, and not of its passive fills alone."""

import msgspec
import pytest

from market.flow.calibration import dump
from research.calibrate.facts import Estimate
from research.environment.scenarios import SCENARIOS
from research.simcheck import checks, gate
from research.validation import goals, results, spoken, subjects
from research.validation.gate import doubtful, verdict_of
from tests.research.test_simcheck import recorded

GOOG = SCENARIOS["goog-2012-base"]


@pytest.fixture
def kept(tmp_path):
    """A calibration of one's own, fitted to a recording, and what `simcheck --keep` put beside it."""
    path = tmp_path / "mine.json"
    market = msgspec.structs.replace(GOOG.market, name="mine", clip=0.5)
    path.write_bytes(dump(market))

    def keep(*unsound):
        found = gate.verdict(recorded(fill_front=Estimate(0.3, 0.2, 0.4)), {"fill_front": 0.3}, "mine", path)
        found = msgspec.structs.replace(found, unsound=unsound)
        gate.beside(path).write_bytes(msgspec.json.encode(found))
        return path, msgspec.structs.replace(GOOG, name="mine-base", market=market)

    return keep


def test_a_verdict_that_was_kept_beside_a_calibration_of_ones_own_is_found(kept):
    path, scenario = kept()

    assert verdict_of(scenario, (path,))["passed"]
    without = verdict_of(scenario)
    assert not without["passed"]
    assert "--keep" in without["line"]
    assert without["unsound"] == ["never checked"]


def test_a_market_that_was_changed_has_no_verdict_whatever_its_name(kept, monkeypatch):
    path, scenario = kept()
    monkeypatch.setattr("research.validation.gate.CALIBRATIONS", path.parent)
    assert verdict_of(scenario)["passed"]

    planted = msgspec.structs.replace(scenario, market=msgspec.structs.replace(scenario.market, clip=0.9))

    assert not verdict_of(planted)["passed"]
    assert verdict_of(planted)["unsound"] == ["never checked"]


def test_the_shipped_markets_are_known_and_not_doubted_anew():
    assert verdict_of(GOOG)["source"].startswith("LOBSTER")
    for name in ("goog-2012-base", "small-base", "MIDCAP-15", "plain"):
        assert not verdict_of(SCENARIOS[name]).get("unsound"), name


def test_a_gain_in_a_market_where_round_trips_earn_is_said_and_is_no_claim(kept):
    path, scenario = kept("round trip, even in, even out")
    found = {"gate": results.gates([scenario], (path,))}
    crossing = {"rests_on_passive_fills": False}

    assert found["gate"]["passed"], "its passive fills are those of the recording"
    assert doubtful(found, crossing)
    assert goals.word(True, doubtful(found, crossing)) == "met †"
    assert spoken.doubt(found, crossing)
    assert "round trip, even in, even out" in spoken.footnote(found)
    assert "simcheck" in results.marked(found, "T1", crossing)
    assert not doubtful({"gate": results.gates([kept()[1]], (path,))}, crossing)


def test_two_markets_of_one_name_have_the_worse_verdict(kept):
    path, scenario = kept()
    other = msgspec.structs.replace(scenario, market=msgspec.structs.replace(scenario.market, clip=0.9))

    for order in ([scenario, other], [other, scenario]):
        assert not results.gates(order, (path,))["passed"]


def test_a_market_that_is_played_with_a_layer_taken_away_is_none_of_those_that_are_judged(kept):
    path, scenario = kept()

    assert results.judged_tier("T1")
    assert results.judged_tier("T3")
    assert not results.judged_tier("without latent")
    assert results.gates([scenario], (path,))["passed"]


def test_what_fails_in_simcheck_is_kept_with_the_gates_verdict():
    rows = [
        checks.Check("mirror", checks.PASSED, "", ""),
        checks.Check("round trip, even in, even out", checks.FAILED, "+1", "gain < 0"),
        checks.Check("no dynamic arbitrage (adversarial PPO)", checks.NOT_RUN, "", ""),
        checks.Check("impact exponent, fixed horizon", checks.FAILED, "0.8", ""),
        checks.Check("held back for a thin side", checks.FAILED, "3 %", ""),
    ]

    assert checks.unsound(rows) == (
        "round trip, even in, even out",
        "no dynamic arbitrage (adversarial PPO): not run",
    )


def run_in(scenario, calibration):
    where = {"calibration": calibration}
    return {"plan": {"where": where}, "world": {"scenarios": [msgspec.to_builtins(scenario)]}}


def test_a_run_is_played_in_the_market_that_it_was_trained_in_whatever_its_name(tmp_path):
    planted = msgspec.structs.replace(GOOG, market=msgspec.structs.replace(GOOG.market, clip=0.9))

    assert subjects.own(tmp_path, run_in(GOOG, "")) == ()
    assert subjects.own(tmp_path, run_in(planted, "x/goog-2012.json")) == (planted,)
