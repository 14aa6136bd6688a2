"""What a scenario lets happen to the market, at its minute, on feed and reference session alike."""

from typing import Any

import pytest

from gateways.venue.scenario import Scenario
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from tests.gateways.venue.desk import BEGIN_NS, END_NS, INSTRUMENT, Desk
from tests.gateways.venue.test_auctions import said, statuses

S = 10**9


def desk(*actions: dict[str, Any], flow: bool = False) -> Desk:
    """Return an opened desk where these happen a second after one another, from 10:00:01 on."""
    rules = [{"when": {"at": f"10:00:{1 + n:02d}"}, "do": action} for n, action in enumerate(actions)]
    scenario = Scenario.model_validate({"rule": rules})
    played = ZeroIntelligenceFlow(3, BEGIN_NS, END_NS, INSTRUMENT) if flow else None
    d = Desk(played, scenario=scenario, close_e4=100_000).opened()
    if not flow:
        d.rest(1, 99_000, 100)
        d.rest(-1, 101_000, 100)
    d.reference.request(d.message("e", (324, "S"), (55, "SYN"), (263, 1)))
    return d


def played(d: Desk, seconds: int) -> None:
    for _ in range(seconds):
        d.wait(1)
        d.reference.tell(d.exchange.now_ns)


@pytest.mark.parametrize(
    ("action", "feed", "told"),
    [
        (
            {"action": "halt", "seconds": 5.0, "reason": "LUDP", "paused": True},
            ["H", "H"],
            ["paused LUDP", ""],
        ),
        ({"action": "halt", "seconds": 5.0, "operational": True}, ["h", "h", "H"], ["operational halt", ""]),
        (
            {"action": "mwcb", "level": 1, "seconds": 5.0},
            ["V", "W", "H", "H"],
            ["market-wide circuit breaker, level 1", ""],
        ),
        ({"action": "mwcb", "level": 3}, ["V", "W", "H"], ["market-wide circuit breaker, level 3"]),
        ({"action": "ipo", "seconds": 5.0}, ["K", "H", "H"], ["quotation only IPOQ", ""]),
        ({"action": "collar", "seconds": 5.0, "ticks": 20}, ["H", "J", "H"], ["paused LUDP", ""]),
        ({"action": "noii", "imbalance": -300}, ["I"], []),
        ({"action": "cross", "shares": 700}, ["Q"], []),
        ({"action": "ssr", "seconds": 5.0}, ["Y", "Y"], ["", ""]),
        ({"action": "bands", "ticks": 10, "seconds": 5.0}, [], ["", ""]),
        ({"action": "crossed", "ticks": 2, "seconds": 5.0}, ["A", "D"], []),
    ],
)
def test_each_action_is_said_on_the_feed_and_told_by_the_reference_session(
    action: dict[str, Any], feed: list[str], told: list[str]
) -> None:
    d = desk(action)
    before = len(said(d, *"HhVWKJIQYAD"))
    played(d, 8)

    assert [m.kind for m in said(d, *"HhVWKJIQYAD")][before:] == feed
    assert [s.text for s in statuses(d)][1:] == told


def test_bands_are_told_with_their_limits_and_lifted() -> None:
    d = desk({"action": "bands", "ticks": 10, "limit_state": True, "seconds": 3.0})
    played(d, 6)
    (_, narrow, wide) = statuses(d)
    assert (narrow.band_low_e4, narrow.band_high_e4, narrow.limit_state) == (99_000, 101_000, True)
    assert (wide.limit_state, wide.band_low_e4, wide.band_high_e4) == (False, 1, 2**32 - 1)


def test_a_later_stop_outlasts_the_end_of_an_earlier_one() -> None:
    d = desk({"action": "halt", "seconds": 2.0}, {"action": "halt", "seconds": 10.0, "reason": "T2"})
    played(d, 5)
    assert not d.exchange.trading
    played(d, 8)
    assert d.exchange.trading


def test_resume_ends_a_stop_early() -> None:
    d = desk({"action": "halt"}, {"action": "resume"})
    played(d, 3)
    assert d.exchange.trading


def test_the_same_scenario_gives_the_same_bytes() -> None:
    def run() -> bytes:
        d = desk(
            {"action": "collar", "seconds": 4.0},
            {"action": "ssr"},
            {"action": "bands"},
            {"action": "crossed", "seconds": 2.0},
            flow=True,
        )
        d.new("A", 1, 100, "9.00")
        played(d, 20)
        return d.store.read(0, d.store.size)

    assert run() == run()


def test_a_scenario_that_is_wrong_is_refused() -> None:
    for do in (
        {"action": "mwcb", "level": 4},
        {"action": "halt", "reason": "too long"},
        {"action": "noii", "x": 1},
    ):
        with pytest.raises(ValueError, match="Scenario"):
            desk(do)
