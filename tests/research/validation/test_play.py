"""Episodes as validation plays them: split exactly, paired by seed, resumable, the same twice."""

import msgspec
import numpy as np
import pytest

from policies.state_features import I_RETURNS, OBS_SIZE
from research.baselines import tuning
from research.baselines.contenders import NAMES, contender
from research.environment import episode
from research.environment import layout as e
from research.environment.vector import Settings
from research.validation import compare, foresight
from research.validation.cells import Cells
from research.validation.foresight import HONEST_MOST, Foresight
from research.validation.play import IDENTITY_BPS, PlayError, Stage, check
from research.validation.propagator import Propagator, decay, shifts, size, weights
from research.validation.seeds import HELD_OUT_SEEDS, TUNE, seeds
from research.validation.shuffled import MARKET, shuffled
from research.validation.tiers import chosen, held_out, opening_of
from research.worlds import almgren_chriss
from tests.research.validation.made import table, tiny

SEEDS = seeds(TUNE, 6)


@pytest.fixture(scope="module")
def stage():
    made = Stage(tiny(), SEEDS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def twap(stage):
    return stage.play(contender("twap", Settings()))


def test_the_parts_sum_to_the_shortfall_of_every_order(stage, twap):
    passive = stage.play(contender("twap-passive", Settings()))

    for found in (twap, passive):
        whole = sum(found[part] for part in ("spread", "impact", "timing", "opportunity"))
        assert np.abs(whole - found["cost"]).max() < IDENTITY_BPS
        assert (found["seed"] == SEEDS).all()
    assert passive["passive"].mean() > twap["passive"].mean()


def test_a_schedule_alone_answers_no_market(twap):
    assert compare.adaptability([twap])["word"] == "none"


def test_who_reads_no_market_loses_nothing_by_being_told_another(stage, twap):
    blind = stage.play(shuffled(contender("twap", Settings())))

    assert (blind["cost"] == twap["cost"]).all()


def test_another_instants_market_is_told_beside_ones_own_place():
    told = []
    who = contender("twap", Settings())
    listening = msgspec.structs.replace(who, begin=lambda: lambda obs, mask: told.append(obs) or mask)
    rows = np.random.default_rng(1).random((2, 50, OBS_SIZE), dtype=np.float32)

    act = shuffled(listening).begin()
    for batch in rows:
        act(batch, None)
    again = shuffled(listening).begin()
    again(rows[0], None)

    own = [i for i in range(OBS_SIZE) if not MARKET.start <= i < MARKET.stop]
    assert all((seen[:, own] == batch[:, own]).all() for seen, batch in zip(told, rows, strict=False))
    moved = (told[0][:, MARKET] != rows[0][:, MARKET]).any(axis=1).mean()
    assert moved > 0.9, "nearly every row is told another's"
    known = {row.tobytes() for row in np.ascontiguousarray(rows[:, :, MARKET].reshape(100, -1))}
    assert all(np.ascontiguousarray(row).tobytes() in known for row in told[1][:, MARKET])
    assert (told[2] == told[0]).all(), "drawn, the same way each time"


def test_costs_and_parts_are_those_of_the_environments_own_player(twap):
    class Player:
        def act_batch(self, obs, mask):
            return contender("twap", Settings()).begin()(obs, mask)

    rows = episode.play(Player(), tiny(), SEEDS, contender("twap", Settings()).settings, threads=1)

    assert rows["cost"] == pytest.approx(twap["cost"], abs=1e-9)
    assert rows["tactic"] == pytest.approx(twap["spread"], abs=1e-9)
    assert rows["twin_move"] == pytest.approx(twap["exogenous"], abs=1e-9)
    # the twin is read on a grid here, at the fill there
    assert rows["impact"].mean() == pytest.approx(twap["impact"].mean(), abs=0.5)


def test_the_same_seeds_give_the_same_rows_however_they_are_laid_out(stage, twap):
    again = stage.play(contender("twap", Settings()))
    alone = stage.costs(contender("twap", Settings()), SEEDS[3:4])

    for name, column in twap.items():
        assert (column == again[name]).all(), name
    assert alone[0] == twap["cost"][3]


def test_more_seeds_than_environments_are_played_in_turn(stage, twap, monkeypatch):
    monkeypatch.setattr("research.validation.twins.LANES_MAX", 4)
    made = Stage(tiny(), SEEDS)

    found = made.play(contender("twap", Settings()))
    made.close()

    assert (found["seed"] == SEEDS).all()
    assert (found["impact"] == twap["impact"]).all()


def test_every_baseline_plays(stage):
    for name in NAMES:
        numbers = (3.0,) if name == "constant" else ()
        assert np.isfinite(stage.costs(contender(name, Settings(), numbers), SEEDS[:2])).all(), name


def test_a_propagator_makes_trading_dearer(stage, twap):
    pushed = stage.play(contender("twap", Settings()), Propagator(20.0, 1.0, 50.0))

    assert pushed["cost"].mean() > twap["cost"].mean()


def test_rows_that_cannot_be_true_are_refused(twap):
    with pytest.raises(PlayError, match="miss it"):
        check("x", "y", twap | {"off": twap["off"] + 1.0})
    with pytest.raises(PlayError, match="cost of seed"):
        check("x", "y", twap | {"cost": twap["cost"] * np.nan})


def test_an_observation_that_is_not_a_number_ends_it(stage):
    obs = stage.env.world.obs
    before = stage.env.reset
    stage.env.reset = lambda: (before()[0] * np.nan, stage.env.world.mask)
    try:
        with pytest.raises(PlayError, match="not a number"):
            stage.play(contender("twap", Settings()))
    finally:
        stage.env.reset = before
    assert obs is stage.env.world.obs


def test_a_feature_that_sees_the_next_move_is_named(stage, twap, monkeypatch):
    step, reset, head = stage.env.step, stage.env.reset, stage.env.world.head
    moves = []

    def recorded(actions):
        before = head[:, e.MID2].copy()
        found = step(actions)
        moves.append(head[:, e.MID2] - before)
        return found

    def planted(found):
        found[0][:, I_RETURNS] = np.tanh(moves.pop(0) / 200.0) if moves else 0.0
        return found

    monkeypatch.setattr(foresight, "ROWS_LEAST", 20)
    monkeypatch.setattr(stage.env, "step", recorded)
    stage.play(contender("twap", Settings()))  # a schedule reads no market, and so plays the same again
    monkeypatch.setattr(stage.env, "step", lambda actions: planted(step(actions)))
    monkeypatch.setattr(stage.env, "reset", lambda: planted(reset()))

    with pytest.raises(PlayError, match="twap: feature return_1s tells what has not happened yet"):
        stage.play(contender("twap", Settings()))


def test_what_is_honest_but_noisy_is_no_foresight():
    chance = np.random.default_rng(3)
    move = np.where(chance.random(2_000) < 0.1, chance.normal(0.0, 100.0, 2_000), 0.0)
    side = np.where(chance.random(2_000) < 0.5, 1, -1)
    guess = 0.3 * np.sign(move) + chance.normal(0.0, 1.0, 2_000)
    honest, leaking = Foresight(), Foresight()
    honest.add(np.column_stack((guess, np.ones(2_000), side)), side, move)
    leaking.add(np.column_stack((guess, np.ones(2_000), np.clip(side * move / 30.0, -1.0, 1.0))), side, move)

    assert honest.most()[0] < HONEST_MOST / 2
    assert leaking.most()[0] > 0.95
    assert leaking.most()[1] == 2


# --- the propagator's law -------------------------------------------------------------------------
def test_an_even_execution_ends_at_the_square_root_law():
    scale = size(1_000.0, 600.0, 20.0, 10_000.0)
    times = np.arange(0.0, 600.0, 5.0)

    moved = shifts(times, np.full(len(times), 1_000.0 / len(times)), np.array([600.0]), scale)

    assert moved[0] == pytest.approx(0.7 * 20.0 * np.sqrt(0.1), rel=0.05)


def test_the_exponentials_follow_the_power_law():
    t = np.array([1.0, 10.0, 100.0, 1_000.0])
    from research.validation.propagator import RATES_S

    assert np.exp(-np.outer(t, RATES_S)) @ weights() == pytest.approx(decay(t), abs=0.03)


def test_nothing_is_moved_by_what_comes_later():
    assert shifts(np.array([10.0]), np.array([5.0]), np.array([0.0, 10.0]), 1.0).tolist() == [0.0, 0.0]


# --- seeds, cells, tuning -------------------------------------------------------------------------
def test_tiers_begin_where_no_training_ever_did():
    wide = held_out(tiny())

    picked = chosen(HELD_OUT_SEEDS, 20, wide.openings, 0)

    assert all(opening_of(int(seed), wide.openings) >= tiny().openings for seed in picked)
    assert len(set(picked.tolist())) == 20


def test_a_cell_is_read_back_whole_or_not_at_all(tmp_path):
    cells = Cells(tmp_path, "code")
    made = table(np.arange(8.0))
    cells.write(["a"], made)

    assert (cells.read(["a"])["cost"] == made["cost"]).all()
    assert cells.read(["b"]) is None
    assert Cells(tmp_path, "other code").read(["a"]) is None
    path = cells.path(["a"])
    path.write_bytes(path.read_bytes()[:200])
    assert cells.read(["a"]) is None


def test_tuning_finds_the_cheapest_and_says_what_it_cost():
    def costs(who, first, last):
        return np.full(last - first, abs(who.settings.params[0] - 4.0))

    found = tuning.tune("obizhaeva-wang", Settings(), 600, costs)

    assert found.numbers == (4.0,)
    assert found.tried == len(tuning.RHO_T)
    assert 300 <= found.budget <= 900


# --- what Almgren-Chriss is told ------------------------------------------------------------------
def regime(**fields):
    known = {
        "sigma_bps_per_root_s": 1.0,
        "gamma_bps_per_point": 0.1,
        "eta_bps_per_point": 0.2,
        "points": 10.0,
        "seconds": 600.0,
    }
    return known | fields


@pytest.mark.parametrize("risk", [0.01, 0.1])
def test_kappa_makes_the_schedule_that_is_best_in_the_world_of_the_paper(risk):
    told = regime()
    slices = round(told["seconds"] / tuning.slice_s(told["seconds"]))
    tau = told["seconds"] / slices
    world = almgren_chriss.Settings(
        periods=slices,
        sigma=told["sigma_bps_per_root_s"] * tau**0.5,
        gamma=told["gamma_bps_per_point"] * told["points"],
        eta=told["eta_bps_per_point"] * told["points"] * slices,  # for the whole parent in one slice
        risk=risk,
    )

    kappa = tuning.kappa_t(risk, told)

    held = np.sinh(kappa * (1.0 - np.arange(slices + 1) / slices)) / np.sinh(kappa)
    assert -np.diff(held) == pytest.approx(almgren_chriss.optimum(world), rel=1e-6)


def test_an_even_schedule_where_there_is_no_aversion_or_no_temporary_impact():
    assert tuning.kappa_t(0.0, regime()) == 0.0
    assert tuning.kappa_t(0.1, regime(eta_bps_per_point=-0.1)) == 0.0
    assert tuning.kappa_t(1e6, regime()) == tuning.KAPPA_T_MAX


def test_eta_and_gamma_are_found_again_in_costs_made_of_them():
    rng = np.random.default_rng(1)
    rate = rng.uniform(0.05, 0.15, 4_000)
    paid = 0.4 + 0.2 * 100 * rate + 0.5 * 0.1 * 100 * rate + rng.normal(0, 0.1, len(rate))

    found = tuning.regressed(
        {
            "participation": rate,
            "seconds": np.full(len(rate), 400.0),
            "spread": paid,
            "impact": np.zeros(len(rate)),
            "end_impact": 0.1 * 100 * rate + rng.normal(0, 0.1, len(rate)),
            "exogenous": rng.normal(0, 2.0 * 20.0, len(rate)),
            "volume": np.full(len(rate), 8_000.0),
        }
    )

    assert found["gamma_bps_per_point"] == pytest.approx(0.1, abs=0.005)
    assert found["eta_bps_per_point"] == pytest.approx(0.2, abs=0.005)
    assert found["epsilon_bps"] == pytest.approx(0.4, abs=0.05)
    assert found["sigma_bps_per_root_s"] == pytest.approx(2.0, rel=0.05)


def test_almgren_chriss_is_told_the_regime_that_it_plays():
    calm, wild = (
        tuning.contender_of(
            "almgren-chriss-passive", Settings(), (0.03,), regime(sigma_bps_per_root_s=sigma), "swept"
        )
        for sigma in (0.5, 2.0)
    )

    assert 0.0 < calm.settings.params[0] < wild.settings.params[0]
    assert "by its formula" in wild.about
