"""Limits of single accounts, strategies, symbols and sessions: tighter ones, counted for themselves (GR7)."""

from pathlib import Path
from typing import Any

import pytest

from daemon.strict_toml import ConfigError, load_model
from market import events as ev
from market.types import Side
from risk.limits import Limits, changes, effective, explain
from tests.daemon.gate_harness import ASK, BID, LIMITS, SECOND, World
from tests.risk.boundary_world import BUY, SELL, ask, price_of

PAPER = Path(__file__).parents[2] / "deploy" / "limits.paper.toml"
LEVELS = {"account": "PAPER", "strategy": "twap", "symbol": "SYN", "session": "order"}


def own(level: str, name: str | None = None, **tables: dict[str, Any]) -> Limits:
    """The paper limits, and tighter ones of one level."""
    tree = LIMITS.model_dump()
    tree["level"] = {level: {name or LEVELS[level]: tables}}
    return Limits.model_validate(tree)


def world(law: Limits, side: Side = BUY, **more: Any) -> World:
    w = World(law, **more)
    w.open()
    assert w.parent(qty=100_000, side=side)["ok"]
    return w


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_each_level_holds_an_order_to_its_own_caps(level: str, side: Side) -> None:
    w = world(own(level, order={"qty_max": 500}), side)
    assert ask(w, side, 500) == ()
    assert ask(w, side, 501) == ("R03",)

    assert ask(world(own(level, "OTHER", order={"qty_max": 500}), side), side, 501) == ()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("table", "values", "control"),
    [
        ("exposure", {"long_max": 700}, "R10"),
        ("exposure", {"gross_max_ccy": 70_007}, "R11"),
        ("exposure", {"net_max_ccy": 70_007}, "R11"),
        ("exposure", {"open_orders_max": 1}, "R12"),
        ("exposure", {"open_orders_symbol_max": 1}, "R12"),
        ("exposure", {"open_notional_max_ccy": 70_000}, "R12"),
        ("exposure", {"capital_max_ccy": 70_007}, "R13"),
        ("day", {"shares_max": 700}, "R19"),
        ("day", {"notional_max_ccy": 70_007}, "R19"),
        ("day", {"messages_max": 1}, "R21"),
        ("rates", {"orders_per_second": 1}, "R20"),
    ],
)
def test_each_level_counts_for_itself(level: str, table: str, values: dict[str, int], control: str) -> None:
    w = world(own(level, **{table: values}))
    w.working(300)
    text = w.intent(401, BID).text

    assert control in text
    assert f"of {LEVELS[level]}" in text


@pytest.mark.parametrize("level", LEVELS)
def test_replaces_of_a_level_are_counted(level: str) -> None:
    w = world(own(level, rates={"changes_per_second": 0}))
    chain = w.working(300)

    assert w.replace(chain, 200, BID).controls == ("R22",)


@pytest.mark.parametrize("level", LEVELS)
def test_messages_a_fill_of_a_level_are_counted(level: str) -> None:
    w = world(own(level, rates={"judged_after": 0, "messages_per_fill": 0}))
    w.working(300)

    assert any(cause.startswith("R22") for cause in w.core.state.posture.causes)


@pytest.mark.parametrize(
    ("level", "scope"), [("strategy", "T/twap"), ("symbol", "S/SYN"), ("account", "A/PAPER")]
)
def test_a_loss_of_one_level_kills_that_level_alone(level: str, scope: str) -> None:
    w = world(own(level, loss={"execution_max_ccy": 100, "reduce_at_bp": 10_000}))
    chain = w.working(1_000, ASK)
    resting = w.working(100, BID - 500)
    w.fill(chain, 1_000, ASK)
    w.price(ASK - 1_000, ASK - 800)
    w.wait(0.1)
    state = w.core.state
    assert sorted(state.posture.causes) == [f"R30@{scope}", f"R30S@{scope}"]
    assert w.core.posture.name == "ACTIVE"
    assert "R30" in ask(w, BUY, 10)
    w.wait(0.1)

    assert resting in state.unwanted
    assert state.risk.scopes.own[scope].execution_micros == -100 * 10**6


@pytest.mark.parametrize("side", [BUY, SELL])
def test_what_the_room_of_a_level_leaves_is_never_refused(side: Side) -> None:
    law = own(
        "account", exposure={"gross_max_ccy": 60_000, "capital_max_ccy": 55_000}, day={"shares_max": 540}
    )
    w = world(law, side)
    w.working(200, price_of(side), side=side)
    w.ask_parent().told = None
    w.wait(1.0)
    room = w.ask_parent().told[2]
    qty = min(room.order_qty_max, room.buy_qty_max if side is BUY else room.sell_qty_max)

    assert 300 < qty <= 340
    assert ask(w, side, qty, price_of(side)) == ()
    assert ask(w, side, qty) != ()


def test_a_level_that_comes_with_a_restart_counts_what_was_done_before() -> None:
    w = world(LIMITS)
    chain = w.working(300)
    w.fill(chain, 200, BID)
    tight = own("strategy", exposure={"long_max": 700}, day={"shares_max": 650})
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2, "limits": tight.model_dump_json()}))
    scope = w.core.state.risk.scopes.own["T/twap"]
    assert scope.ledger.books["SYN"].position == 200
    assert scope.ledger.open_qty == 100
    assert (scope.tally.traded_qty, scope.tally.fills) == (200, 1)
    reopen(w)
    assert "R19" in ask(w, BUY, 351)
    assert "R10" in ask(w, BUY, 401)
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 3, "limits": tight.model_dump_json()}))

    assert w.core.state.risk.scopes.own["T/twap"].tally is scope.tally


def reopen(w: World) -> None:
    w.step(ev.SessionUp(session="reference"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.price()
    w.hello(w.epoch + 1)
    w.wait(1.0)


def test_start_of_day_positions_belong_to_account_symbol_and_session_and_to_no_strategy() -> None:
    for level, qty in (("account", 300), ("symbol", 300), ("session", 300), ("strategy", 0)):
        w = World(own(level, exposure={"long_max": 500}), positions=(("PAPER", "SYN", 300),))
        (scope,) = w.core.state.risk.scopes.own.values()
        assert scope.ledger.book("SYN").position == qty


# --- the file ---------------------------------------------------------------------------------


def test_an_override_that_loosens_is_a_fault_with_its_key() -> None:
    faults = own("symbol", order={"qty_max": 5_001}).faults("paper")

    assert faults == ["level.symbol.SYN.order.qty_max: 5001 is looser than the firm's 5000"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[level.symbol.SYN.order]\nqty_max = -1\n", "level.symbol.SYN.order.qty_max"),
        ("[level.symbol.SYN.order]\nqty_max = nan\n", "level.symbol.SYN.order.qty_max"),
        ("[level.symbol.SYN.order]\nquantity = 1\n", "level.symbol.SYN.order.quantity"),
        ("[level.desk.SYN.order]\nqty_max = 1\n", "level.desk"),
        ("[level.symbol.SYN.lease]\nkill_after_ms = 1\n", "level.symbol.SYN.lease"),
    ],
)
def test_a_bad_override_has_one_line_with_its_place(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(PAPER.read_text() + "\n" + text)
    with pytest.raises(ConfigError, match=where) as caught:
        load_model(path, Limits)

    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_the_tightest_of_all_levels_wins() -> None:
    tree = LIMITS.model_dump()
    tree["level"] = {
        "account": {"PAPER": {"order": {"qty_max": 900}}},
        "strategy": {"twap": {"order": {"qty_max": 700}}},
        "symbol": {"SYN": {"order": {"qty_max": 800, "adv_max_bp": 3}}},
    }
    law = effective(Limits.model_validate(tree), "PAPER", "twap", "SYN")

    assert (law.order.qty_max, law.order.adv_max_bp) == (700, 3)
    assert law.order.notional_max_ccy == LIMITS.order.notional_max_ccy
    assert effective(LIMITS, "PAPER", "twap", "SYN") is LIMITS


def test_every_key_has_control_unit_range_and_reason() -> None:
    docs = explain()
    keys = {
        f"{t}.{k}" for t, v in LIMITS.model_dump().items() if isinstance(v, dict) and t != "level" for k in v
    }
    assert {d.key for d in docs} == keys
    for doc in docs:
        assert doc.control[0] in "RG"
        assert doc.doc
        assert doc.why
        assert doc.unit
        assert doc.high > doc.low or doc.unit in ("list", "yes or no")


NEUTRAL = {"participation.window_ms", "rejects.share_of"}


@pytest.mark.parametrize("doc", explain(), ids=lambda d: d.key)
def test_a_change_of_any_key_is_named_and_known_to_loosen_or_not(doc: Any) -> None:
    table, name = doc.key.split(".")
    value = getattr(getattr(LIMITS, table), name)
    if isinstance(value, tuple):
        less, more = value[:-1] if value != ("*",) else ("A",), value
    elif isinstance(value, bool):
        less, more = False, True
    else:
        less, more = value, value + 1
    old, new = (changed(table, name, v) for v in (less, more))
    up, down = changes(old, new), changes(new, old)

    assert [(c.key, c.old, c.new) for c in up] == [(doc.key, less, more)]
    loosens = (up[0].looser, down[0].looser)
    if doc.key in NEUTRAL:
        assert loosens == (True, True)
    else:
        assert loosens == ((False, True) if doc.tightens in ("higher", "true") else (True, False))


def changed(table: str, name: str, value: Any) -> Limits:
    part = getattr(LIMITS, table).model_copy(update={name: value})
    return LIMITS.model_copy(update={table: part})


def test_an_override_that_comes_tightens_and_one_that_goes_loosens() -> None:
    plain, tight, tighter = LIMITS, own("symbol", order={"qty_max": 9}), own("symbol", order={"qty_max": 8})
    found = [
        [(c.key, c.old, c.new, c.looser) for c in changes(a, b)]
        for a, b in ((plain, tight), (tight, tighter), (tighter, tight), (tight, plain), (tight, tight))
    ]
    key = "level.symbol.SYN.order.qty_max"

    assert found == [
        [(key, None, 9, False)],
        [(key, 9, 8, False)],
        [(key, 8, 9, True)],
        [(key, 9, None, True)],
        [],
    ]
    assert [c.key for c in changes(plain, plain.model_copy(update={"mode": "live"}))] == ["mode"]


def test_no_live_limit_is_above_the_firms_ceiling() -> None:
    faults = LIMITS.faults("live")

    assert any(f.startswith("exposure.gross_max_ccy") and "ceiling" in f for f in faults)
    assert not any("ceiling" in f for f in LIMITS.faults("paper"))


def test_the_live_example_is_fit_for_live_but_for_its_placeholders() -> None:
    limits = load_model(PAPER.with_name("limits.live.example.toml"), Limits)

    assert limits.faults("live") == []
    assert SECOND
