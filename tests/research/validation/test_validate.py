"""`steadyhand validate` from its command line: what it writes, twice the same, and what it refuses."""

import json

import pytest

from policies import manifest as m
from research.environment import scenarios
from research.validation import results, validate_options
from tests.research.test_whole import room_for
from tests.research.validation.made import tiny


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(scenarios.SCENARIOS, "tiny", tiny())
    monkeypatch.setattr(
        "research.validation.results.commit", lambda: "abc"
    )  # who edits beside us is no matter
    monkeypatch.setattr("research.validation.prepared.code_sha256", lambda: "code")


def validate(capsys, *argv):
    code = validate_options.main([str(a) for a in argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_rule_is_validated_and_the_same_command_writes_the_same_bytes(small, tmp_path, capsys):
    asked = ("twap-passive", "--tiers", "T1", "--scenarios", "tiny", "--orders", 12, "--quick")
    asked = (*asked, "--baselines", "twap,random")

    first = validate(capsys, *asked, "--out", tmp_path / "a")
    again = validate(capsys, *asked, "--out", tmp_path / "b")

    assert first[0] == again[0] == 0, first[2]
    assert "against twap" in first[1]
    assert "passive edge not identified" in first[1]
    assert "fitted to no recording" in first[1]
    for name in ("validation.json", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    found = json.loads((tmp_path / "a" / "validation.json").read_text())
    assert found["seeds"]["frozen"]
    assert found["tiers"]["T1"]["cells"][0]["orders"] == 12
    assert found["tiers"]["T1"]["contenders"]["twap"]["identity_off_max"] < 1e-6
    assert not (tmp_path / "a" / "evaluation.json").exists(), "a rule has no weights to freeze"


def test_what_was_played_is_not_played_again(small, tmp_path, capsys, monkeypatch):
    asked = ("twap-passive", "--tiers", "T1", "--scenarios", "tiny", "--orders", 8, "--quick")
    asked = (*asked, "--baselines", "twap", "--out", tmp_path)
    assert validate(capsys, *asked)[0] == 0

    from research.validation.play import Stage

    monkeypatch.setattr(Stage, "play", lambda *_: pytest.fail("played again"))
    assert validate(capsys, *asked)[0] == 0


@pytest.mark.slow
def test_processes_side_by_side_give_what_one_gives(tmp_path, capsys):
    asked = ("twap-passive", "--tiers", "T1,T3", "--scenarios", "plain", "--orders", 8, "--quick")
    asked = (*asked, "--baselines", "twap")

    one = validate(capsys, *asked, "--out", tmp_path / "one")
    two = validate(capsys, *asked, "--workers", 2, "--out", tmp_path / "two")

    assert one[0] == two[0] == 0, two[2]
    texts = [(tmp_path / name / "validation.json").read_bytes() for name in ("one", "two")]
    assert texts[0] == texts[1]


def test_what_others_would_play_is_what_one_plays(small, tmp_path, capsys):
    from research.validation.jobs import Jobs
    from research.validation.prepared import Prepared

    asked = (
        "twap-passive",
        "--also",
        "twap",
        "--tiers",
        "T1",
        "--scenarios",
        "tiny",
        "--orders",
        8,
        "--budget",
        0,
    )
    asked = (*asked, "--baselines", "twap,almgren-chriss", "--aa", 512, "--out", tmp_path)
    args = validate_options.parser().parse_args([str(a) for a in asked])
    args.quick = True
    ready = Prepared(args, lambda _: None)
    jobs = Jobs(ready, lambda _: None)

    todo = jobs.playing()
    for job in todo:
        assert jobs.named(job)
        jobs.do(job)
    ready.session.close()

    assert {job.kind for job in todo} == {"beside", "cell"}
    assert jobs.tuning() == []
    assert jobs.playing() == []


def test_a_full_disk_is_one_line_that_says_how_to_go_on(small, tmp_path, capsys):
    asked = ("twap-passive", "--tiers", "T1", "--scenarios", "tiny", "--orders", 8, "--quick")

    with room_for(1_000):
        code, _, said = validate(capsys, *asked, "--baselines", "twap", "--out", tmp_path)

    assert code == 2
    assert said.splitlines()[-1].endswith(
        "File too large; mend it and the same command goes on where it was, or give another --out"
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["cells"]


def test_an_interrupt_leaves_what_was_played_and_says_how_to_go_on(small, tmp_path, capsys, monkeypatch):
    from research.validation.play import Stage

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stage, "play", interrupted)
    asked = ("twap-passive", "--tiers", "T1", "--scenarios", "tiny", "--orders", 8, "--quick")

    code, _, said = validate(capsys, *asked, "--out", tmp_path)

    assert code == 130
    assert "the same command goes on" in said
    assert not (tmp_path / "validation.json").exists()


@pytest.mark.parametrize(
    ("argv", "code", "part"),
    [
        (("no/such",), 78, "no/such"),
        (("twap", "--scenarios", "moon"), 2, "--scenarios moon"),
        (("twap", "--baselines", "moon"), 2, "--baselines moon"),
        (("twap", "--tiers", "T4"), 2, "give the tick stores"),
        (("twap", "--tape", "/no/tape"), 2, "no tick store"),
        (("script:/no/file",), 78, "/no/file"),
    ],
)
def test_what_makes_no_sense_is_one_line(argv, code, part, tmp_path, capsys):
    found, _, said = validate(capsys, *argv, "--out", tmp_path)

    assert found == code
    assert part in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "argv", [("--tiers", "T9"), ("--seed-set", "mine"), ("--orders", "0"), ("--ablate", "x")]
)
def test_a_mistake_on_the_command_line_is_told_at_once(argv, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        validate_options.main(["twap", *argv, "--out", str(tmp_path)])

    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_rows_for_an_artefact_are_what_freeze_reads():
    from research.validation.results import evaluated

    row = {"mean": -0.1, "low": -0.2, "high": -0.05, "orders": 10, "clusters": 5, "is": "rule"}

    made = m.Evaluation(**evaluated("T1", "all", "best", row))

    assert made.against == "best (rule)"


# --- which markets --------------------------------------------------------------------------------
def cells_of(trained, **asked):
    from research.validation.tiers import cells

    args = {"tiers": ["T1", "T2", "T3"], "scenarios": [], "orders": 8, "run": 0, "known": scenarios.SCENARIOS}
    return cells(trained=trained, **{**args, **asked})


def test_what_a_policy_was_trained_in_is_t1_and_what_it_was_not_is_t2():
    made = cells_of(("small-base", "small-calm"))

    names = {tier: {c.scenario.name for c in made if c.tier == tier} for tier in ("T1", "T2", "T3")}
    assert names["T1"] == {"small-base", "small-calm"}
    assert "small-volatile" in names["T2"]
    assert "small-tick beyond volatile" in names["T2"]
    assert not names["T1"] & names["T2"]
    assert {"zero intelligence", "small-base + propagator", "small-base c high"} <= names["T3"]


def test_books_of_regimes_beyond_the_list_have_room_for_what_piles_up():
    made = cells_of(("small-base",))

    crowded = [
        c.scenario for c in made if c.scenario.name.endswith(("beyond volatile", "beyond trend", "c high"))
    ]
    assert len(crowded) == 3
    assert all(s.orders_max == 8_192 for s in crowded)


def test_every_market_is_tried_in_other_simulators():
    made = cells_of(("small-base", "large-base", "small-heavy"), tiers=["T3"])

    names = [c.scenario.name for c in made]
    for base in ("small-base", "large-base"):
        assert {f"{base} c low", f"{base} c high", f"{base} + propagator"} <= set(names)
    assert "small-heavy c low" not in names
    assert {"goog-2012-base", "goog-2012-mixed"} <= set(names), "a market that was not trained in"
    assert not {"small-mixed", "large-mixed", "MIDCAP-15"} & set(names)


def test_a_regime_of_long_orders_plays_fewer():
    made = {c.scenario.name: len(c.seeds) for c in cells_of(("small-base", "small-long"), orders=64)}

    assert made["small-base"] == 64
    assert made["small-long"] == 16


def test_a_market_that_no_recording_was_fitted_to_is_told_from_one_that_was():
    names = ("plain", "small-base", "large-base", "goog-2012-base", "btc-large-tick-base", "MIDCAP-15")

    told = results.gates([scenarios.SCENARIOS[name] for name in names])["made_up"]

    assert {"small-tick", "large-tick"} <= set(told)
    assert not {"goog-2012", "btc-large-tick"} & set(told)


def test_a_policy_of_unknown_markets_is_asked_where_to_be_tried():
    from research.validation.tiers import TierError

    with pytest.raises(TierError, match="give --scenarios"):
        cells_of(("moon",))


def test_a_runs_own_scenarios_come_from_the_run():
    import msgspec

    from research.validation.subjects import SubjectError, own

    mine, shipped = tiny("of my own"), scenarios.SCENARIOS["plain"]
    facts = {"world": {"scenarios": [msgspec.to_builtins(mine), msgspec.to_builtins(shipped)]}}

    assert own(None, facts) == (mine,)
    with pytest.raises(SubjectError, match="scenario plain: 'market'"):
        own("run.json", {"world": {"scenarios": [{"name": "plain"}]}})
