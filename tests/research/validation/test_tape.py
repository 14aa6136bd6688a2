"""T4: windows of a tape, its touch without us, our real orders in the replay."""

from datetime import date, time

import numpy as np
import pytest

from research.baselines.contenders import contender
from research.environment.scenarios import SCENARIOS
from research.environment.vector import Settings
from research.validation import tape_world
from research.validation.tape_play import TIMES, play
from research.validation.tape_results import compared, costs, word
from research.validation.tape_world import TapeUseError, absent, windows
from tests.research.validation.made_tape import made_tape


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    return made_tape(tmp_path_factory.mktemp("tape") / "SYN", minutes=9)


@pytest.fixture(scope="module")
def found(tape):
    return windows(tape, None, None, 2, {})[0]


@pytest.fixture(scope="module")
def played(found):
    return {name: play(contender(name, Settings()), found[:2]) for name in ("twap", "twap-passive")}


def test_windows_are_whole_and_their_touch_is_the_recording(found):
    world = absent(found[0])

    assert all(w.end_ns - w.begin_ns == 120_000_000_000 and w.volume > 0 for w in found)
    assert (world.half_spreads > 0).all()
    assert world.mid(np.array([found[0].begin_ns]), before=False)[0] > 0


def test_hours_of_training_are_left_out(tape, found, monkeypatch):
    key = (str(found[0].tape.symbol), found[0].tape.day)
    monkeypatch.setitem(tape_world.VALIDATION_FROM, key, time(10, 5))

    kept, said = windows(tape, None, None, 2, {})

    assert len(kept) < len(found)
    assert "before 10:05 are for training" in said


def test_hours_that_a_market_was_fitted_to_are_left_out(tape, found):
    sha256, second = found[0].tape.meta.events_sha256, found[1]
    known = {sha256: (second.begin_ns + 1, second.begin_ns + 2)}

    kept, said = windows(tape, None, None, 2, known)

    assert [w.begin_ns for w in kept] == [w.begin_ns for w in found if w is not second]
    assert "were calibrated on and were left out" in said
    with pytest.raises(TapeUseError, match="a market was calibrated on this tape; give another one"):
        windows(tape, None, None, 2, {sha256: (found[0].begin_ns, found[-1].end_ns)})
    kept, said = windows(tape, None, None, 2, {"0" * 64: (0, 2**62)})
    assert len(kept) == len(found)
    assert not said


def test_a_calibration_names_the_hours_that_it_was_fitted_to():
    hours = tape_world.fitted(SCENARIOS.values())

    assert len(hours) == 2  # GOOG's and Coinbase's; the built-in markets were fitted to nothing
    assert hours["00f78b77d8b9567d9dae00d1f55adbe250c68b599204e95797d7c6768fc02d5a"] == (
        1_340_285_400_015_105_074,
        1_340_303_400_000_000_000,
    )


def test_the_recording_that_was_trained_on_is_named():
    assert tape_world.VALIDATION_FROM[("GOOG", date(2012, 6, 21))] == time(14, 30)


def test_a_tape_that_is_too_short_is_refused_in_one_line(tape):
    with pytest.raises(TapeUseError, match="give shorter ones with --minutes"):
        windows(tape, None, None, 60, {})


def test_a_tape_without_trades_and_hours_that_it_lacks_say_so(tape, monkeypatch):
    with pytest.raises(TapeUseError, match="nothing there: other --from and --to"):
        windows(tape, time(23, 0), None, 2, {})
    monkeypatch.setattr(tape_world, "cut", lambda *_: [])
    with pytest.raises(TapeUseError, match="no trades there, or one side is empty"):
        windows(tape, None, None, 2, {})


def test_parents_of_both_sides_and_all_sizes_split_exactly(played):
    for table in played.values():
        assert len(table["cost"]) == 2 * 2 * 3
        assert np.abs(table["off"]).max() < 1e-6
        assert (table["filled"] <= table["qty"]).all()
    assert played["twap-passive"]["passive"].mean() > played["twap"]["passive"].mean()


def test_a_contender_is_asked_at_its_own_pace_and_not_on_fills_or_touches(found, monkeypatch):
    asked = []
    act = tape_world.OnTape.act
    monkeypatch.setattr(tape_world.OnTape, "act", lambda *a: asked.append(1) or act(*a))

    play(contender("twap-passive", Settings(interval_ns=20_000_000_000, corridor=0.3)), found[:1])
    slowly, asked[:] = len(asked), []
    often = Settings(interval_ns=20_000_000_000, corridor=0.3, on_fill=True, on_touch=True)
    play(contender("twap-passive", often), found[:1])

    assert slowly <= 6 * 7  # six parents of 119 s
    assert len(asked) > 2 * slowly


def test_the_propagator_charges_and_hidden_improvement_refunds(played):
    table = played["twap"]

    assert (costs(table, 2.0, False) >= costs(table, 1.0, False)).all()
    assert costs(table, 1.0, False).mean() > costs(table, 0.0, False).mean()
    assert costs(table, 0.0, True).mean() < costs(table, 0.0, False).mean()


def test_every_comparison_says_what_could_have_been_found(played):
    for times in TIMES:
        row = compared(played["twap-passive"], played["twap"], "twap", times, False)
        assert row["detectable"] > 0
        assert row["clusters"] == 2
        assert "2 windows tell nothing" in row["word"]


@pytest.mark.parametrize(("clusters", "said"), [(5, "lower, not resolved: 5 windows"), (6, "better")])
def test_few_windows_are_never_better(clusters, said):
    row = {"mean": -0.3, "low": -0.5, "high": -0.1, "se": 0.1, "detectable": 0.2, "clusters": clusters}

    assert word(row).startswith(said)


def test_improving_on_the_touch_is_masked(found):
    table = play(contender("twap-improve", Settings()), found[:1])
    passive = play(contender("twap-passive", Settings()), found[:1])

    assert table["cost"] == pytest.approx(passive["cost"])
