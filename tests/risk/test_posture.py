"""The posture machine, walked from end to end: every cause, every trigger, every order of them."""

from collections import deque
from itertools import product

import pytest

from risk.posture import (
    CAUSES,
    HOUR_NS,
    LIFE,
    RELAPSES_MAX,
    Life,
    Posture,
    PostureTable,
    Trigger,
    key_of,
    posture_in,
)

FIRM_KILLS = [c for c, row in CAUSES.items() if row.posture is Posture.KILLED]
KEYS = ("ann", "bob")
SIGNING = {Trigger.SIGN, Trigger.COUNTERSIGN}


def reached(start: Life, without: set[Trigger]) -> set[Life]:
    """Every life that a cause comes to by any triggers but these."""
    seen, queue = {start}, deque([start])
    while queue:
        here = queue.popleft()
        for (life, trigger), after in LIFE.items():
            if life is here and trigger not in without and after not in seen:
                seen.add(after)
                queue.append(after)
    return seen


@pytest.mark.parametrize("missing", [{Trigger.SIGN}, {Trigger.COUNTERSIGN}, SIGNING])
def test_a_latch_does_not_open_without_both_signatures(missing: set[Trigger]) -> None:
    assert Life.NONE not in reached(Life.LATCHED, missing)
    assert Life.RETURNING not in reached(Life.LATCHED, missing)


def test_every_life_can_be_left_and_every_one_is_reached() -> None:
    assert reached(Life.NONE, set()) == set(Life)
    for life in Life:
        assert Life.NONE in reached(life, set())


def test_trading_returns_through_reduce_only() -> None:
    for before, after in ((b, a) for (b, _), a in LIFE.items()):
        for cause, row in CAUSES.items():
            if row.posture >= Posture.HALTED and posture_in(cause, before) >= Posture.HALTED:
                assert posture_in(cause, after) >= Posture.REDUCE_ONLY


# --- the table itself, by its own verbs: breadth first over every state that they can make -------

CAUSE = {"latched": "R70", "returns": "R61", "soft": "R30S"}


def moves(table: PostureTable, cause: str) -> list[tuple[str, PostureTable, set[str]]]:
    """Every verb applied to a copy: its name, the copy, and the keys that signed."""
    found = []
    for name in ("raise", "clear", "clear dwell", "settle", *(f"sign {k}" for k in KEYS), *KEYS):
        copy = PostureTable(
            **{
                f: (dict(v) if isinstance(v := getattr(table, f), dict) else v)
                for f in table.__struct_fields__
            }
        )
        if name == "raise":
            copy.raise_(cause, "again", 1)
        elif name.startswith("clear"):
            copy.clear(cause, 1, dwell="dwell" in name)
        elif name == "settle":
            copy.settle(1, 0)
        elif name.startswith("sign"):
            copy.sign(name[5:], 1)
        else:
            copy.countersign(name, 1)
        found.append((name, copy, {name.removeprefix("sign ")} & set(KEYS)))
    return found


@pytest.mark.parametrize("cause", FIRM_KILLS)
def test_no_path_leads_from_killed_to_active_with_fewer_than_two_keys(cause: str) -> None:
    start = PostureTable()
    start.raise_(cause, "killed", 1)
    assert start.posture is Posture.KILLED
    seen, queue = set(), deque([(start, frozenset[str]())])
    freed = 0
    while queue:
        table, signed = queue.popleft()
        state = (table.life(cause), tuple(sorted(table.asked.items())), signed)
        if state in seen:
            continue
        seen.add(state)
        if table.posture is not Posture.KILLED:
            assert signed == set(KEYS), f"{table.posture.name} by {sorted(signed)}"
            freed += 1
            continue
        for name, after, keys in moves(table, cause):
            by = signed | keys if name != "raise" else frozenset()
            queue.append((after, frozenset(by)))
    assert freed, "two people can lift it"
    assert len(seen) < 200


@pytest.mark.parametrize("kind", CAUSE)
def test_the_sum_of_a_scope_is_the_worst_of_its_causes(kind: str) -> None:
    cause = CAUSE[kind]
    for steps in product(range(8), repeat=4):
        table = PostureTable()
        for step in steps:
            _, table, _ = moves(table, cause)[step]
            worst = posture_in(cause, table.life(cause))
            assert table.posture is worst
            assert (cause in table.causes) is (table.life(cause) is not Life.NONE)
            assert (cause in table.since_ns) is (cause in table.causes)


def test_one_person_cannot_sign_twice() -> None:
    table = PostureTable()
    table.raise_("R70", "cli", 1)
    assert table.sign("ann", 2) == ["R70"]
    assert table.countersign("ann", 3) == []
    assert table.posture is Posture.KILLED
    assert table.countersign("bob", 4) == ["R70"]
    assert table.posture is Posture.REDUCE_ONLY
    table.settle(4 + 10, 11)
    assert table.posture is Posture.REDUCE_ONLY
    table.settle(4 + 11, 11)

    assert table.posture is Posture.ACTIVE


def test_a_kill_that_happens_again_while_it_is_lifted_needs_both_again() -> None:
    table = PostureTable()
    table.raise_("R70", "cli", 1)
    table.sign("ann", 2)
    assert table.raise_("R70", "file", 3)
    assert table.countersign("bob", 4) == []

    assert table.posture is Posture.KILLED
    assert table.causes["R70"] == "file"


def test_a_cause_that_returns_too_often_latches_and_an_hour_forgives() -> None:
    table = PostureTable()
    for n in range(RELAPSES_MAX):
        table.raise_("R61", "", n)
        table.clear("R61", n)
    assert table.latched == {}
    late = PostureTable(raised_ns={k: list(v) for k, v in table.raised_ns.items()})
    table.raise_("R61", "", RELAPSES_MAX)
    assert "R61" in table.latched
    late.raise_("R61", "", HOUR_NS + RELAPSES_MAX)

    assert late.latched == {}


def test_a_scope_is_held_by_its_own_causes_and_the_firms() -> None:
    table = PostureTable()
    table.raise_("R41", "", 1, "S/GOOG")
    table.raise_("R23", "", 1, "T/twap")
    goog, other = ("A", "pov", "P1", "GOOG"), ("A", "pov", "P1", "MSFT")
    assert table.posture is Posture.ACTIVE
    assert table.of(*goog) is Posture.HALTED
    assert table.of(*other) is Posture.ACTIVE
    assert table.of("A", "twap", "P1", "MSFT") is Posture.HALTED
    assert table.holding(*goog) == ["R41@S/GOOG"]
    table.raise_("R30S", "", 1)
    assert table.of(*other) is Posture.REDUCE_ONLY
    assert table.clear("R41", 2, "S/GOOG")

    assert table.of(*goog) is Posture.REDUCE_ONLY
    assert key_of("R41", "S/GOOG") == "R41@S/GOOG"


def test_other_words_for_a_cause_are_no_new_raise() -> None:
    table = PostureTable()
    for n in range(10):
        table.reword("R60", f"try {n}", n)

    assert table.causes == {"R60": "try 9"}
    assert table.latched == {}
    assert table.reason == "R60 try 9"
    assert not table.raise_("R60", "", 11)
