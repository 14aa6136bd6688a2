"""The line language says what it means, or refuses with the line."""

from pathlib import Path

import pytest

from market.types import OrdType, Side, TimeInForce
from policies.script_language import PriceTerm, ScriptError, Trigger, Verb, load, parse

NS = 1_000_000_000


def test_every_form_is_understood() -> None:
    text = """
    # a comment alone
    at 10:05:00.5      submit BUY 100 @ bid        # behind
    at +5s             cancel all
    every 20ms         submit 1 @ bid-5 ioc
    every 1s timer     want SELL 200 @ ask+2
    on fill            want none
    on ack 3           replace last 50 @ 579.50
    on end             replace first 70
    on touch           replace all @ mid
    on refuse          submit 5 market
    on decision 10     submit 7 @ last fok postonly
    """

    at, after, every, timer, fill, ack, end, touch, refuse, decision = parse(text, "x")

    assert (at.trigger, at.time_ns) == (Trigger.AT, 36_300 * NS + NS // 2)
    assert (at.verb, at.side, at.qty, at.price) == (Verb.SUBMIT, Side.BUY, 100, PriceTerm("bid"))
    assert at.number == 3
    assert (after.trigger, after.time_ns, after.verb, after.target) == (
        Trigger.AFTER,
        5 * NS,
        Verb.CANCEL,
        "all",
    )
    assert (every.time_ns, every.on_timer, every.price) == (20_000_000, False, PriceTerm("bid", 0, -5))
    assert every.time_in_force is TimeInForce.IOC
    assert timer.on_timer
    assert timer.price == PriceTerm("ask", 0, 2)
    assert (fill.verb, fill.qty) == (Verb.WANT, None)
    assert (ack.count, ack.qty, ack.price) == (3, 50, PriceTerm("", 5_795_000))
    assert (end.trigger, end.qty, end.price, end.target) == (Trigger.END, 70, None, "first")
    assert (touch.qty, touch.price) == (None, PriceTerm("mid"))
    assert (refuse.ord_type, refuse.price) == (OrdType.MARKET, None)
    assert (decision.count, decision.time_in_force, decision.post_only) == (10, TimeInForce.FOK, True)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("whenever submit 1 @ bid", "begins with at, every or on"),
        ("at", "ends where a time is due"),
        ("at 25:00 cancel all", "not a time of day"),
        ("at 10h cancel all", "neither HH:MM"),
        ("at +5 cancel all", "no length of time"),
        ("at +0s cancel all", "no length of time"),
        ("every 1h cancel all", "no length of time"),
        ("on moon cancel all", "no event 'moon'"),
        ("on fill 0 cancel all", "counted from 1"),
        ("on fill", "ends where an action"),
        ("on fill jump", "no action 'jump'"),
        ("on fill cancel", "ends where first, last or all"),
        ("on fill cancel most", "first, last or all, not 'most'"),
        ("on fill cancel all now", "'now' is too much"),
        ("on fill submit", "ends where a quantity"),
        ("on fill submit 0 @ bid", "not a quantity"),
        ("on fill submit -5 @ bid", "not a quantity"),
        ("on fill submit 5", "a price is written as @ PRICE"),
        ("on fill submit 5 @", "ends where a price"),
        ("on fill submit 5 @ bud", "no price"),
        ("on fill submit 5 @ 1.23456", "no price"),
        ("on fill submit 5 @ bid ioc fok", "'fok' is too much"),
        ("on fill want 5 market", "a price is written as"),
        ("on fill want 5 @ bid ioc", "'ioc' is too much"),
        ("on fill replace last", "needs a quantity, a price, or both"),
        ("on fill submit \u0663 @ bid", "only ASCII"),
    ],
)
def test_what_is_not_understood_is_refused_by_line(line: str, error: str) -> None:
    with pytest.raises(ScriptError) as refusal:
        parse(f"\nat 10:00 cancel all\n{line}\n", "drill.txt")

    assert str(refusal.value).startswith("drill.txt:3: ")
    assert error in str(refusal.value)


def test_a_script_that_does_nothing_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("# nothing\n")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    for path, text in ((empty, "no line"), (binary, "not UTF-8"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ScriptError, match=text):
            load(path)
