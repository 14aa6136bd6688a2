"""The codec of the gate's core: whatever a step may put into a state comes back as the same kind of thing."""

from collections import Counter, deque
from datetime import date
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NewType

import msgspec
import pytest

from daemon.gate.core import GateCore
from daemon.gate.state_codec import StateError, decode, encode
from daemon.gate.value_types import class_of, is_leaf
from daemon.segments.layout import JournalError
from market.types import ParentID, Side
from risk.lease import Lease
from risk.rates import Ring
from tests.daemon.gate_harness import SYN, World, limits

INT_MAX = 2**63  # beyond it msgpack has no room
Name = NewType("Name", str)
Ratio = NewType("Ratio", float)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Flat(msgspec.Struct, frozen=True):
    n: int
    day: date | None = None


class Loose(msgspec.Struct):
    n: int


class Deep(msgspec.Struct, frozen=True):
    inner: Flat


class Shared(msgspec.Struct, frozen=True):
    inner: Loose


class Unknown(msgspec.Struct):
    what: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


def of(hint: Any) -> type[msgspec.Struct]:
    """A struct of one field."""
    return msgspec.defstruct("One", [("field", hint)])


def there_and_back(value: Any) -> Any:
    core = GateCore()
    core.state.breaks = value
    return decode(encode(core)).state.breaks


@pytest.mark.parametrize(
    "value",
    [
        0, -5, 2.5, "", "x", True, None, b"", b"\x00x", (), (1, (2, "a")), [], [1, [2]], {}, {"a": {1: None}},
        {1: 2}, {2.5: 1}, {None: 1}, {(1, "a"): [2]}, set(), {1, 2}, frozenset({"a"}),
        INT_MAX - 1, INT_MAX, -INT_MAX, -INT_MAX - 1, 10**40, [INT_MAX], {"a": INT_MAX}, {INT_MAX: "a"},
        {"a": -INT_MAX - 1}, Counter({"a": 1}), Counter({(1, 2): 3}), Side.BUY, [ParentID("P1")],
        {Side.SELL: 1},
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_comes_back_equal_and_of_its_kind(value: Any) -> None:
    found = there_and_back(value)

    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value)


@pytest.mark.parametrize("most", [None, 0, 3, 5])
def test_a_bounded_queue_keeps_its_bound(most: int | None) -> None:
    found = there_and_back(deque([1, 2, 3], most))

    assert (list(found), found.maxlen) == (list(deque([1, 2, 3], most)), most)


@pytest.mark.parametrize("one", [[1], {"a": 1}, {"a": [1]}, {1}, deque([1]), Counter("ab"), Lease(age_ns=5)])
def test_what_two_hold_is_one_thing_again(one: Any) -> None:
    first, second = there_and_back([one, one])

    assert first is second
    assert first == one
    apart = there_and_back([one, type(one)(one) if not isinstance(one, Lease) else Lease(age_ns=5)])
    assert apart[0] is not apart[1]
    assert apart[0] == apart[1]


def test_what_holds_itself_comes_back_holding_itself() -> None:
    ring: list[Any] = [1]
    ring.append(ring)

    found = there_and_back(ring)

    assert found[1] is found
    assert found[0] == 1


def test_objects_of_the_gates_own_classes_come_back_with_all_they_have() -> None:
    ring = Ring(7)
    ring.add(3)

    found = there_and_back([ring])[0]

    assert type(found) is Ring
    assert (found.window_ns, found.state()) == (7, [3])


@pytest.mark.parametrize("value", [Path("x"), JournalError("x"), Loose(1), Colour.RED, object(), len])
def test_what_is_no_value_of_the_gate_is_refused_by_its_path(value: Any) -> None:
    with pytest.raises(StateError, match=r"core.*breaks"):
        there_and_back([value])


def test_equal_states_have_equal_bytes_in_whatever_order_a_set_was_made() -> None:
    def written(names: list[str]) -> bytes:
        core = GateCore()
        core.state.breaks = set(names)  # type: ignore[assignment]
        return encode(core)

    names = [f"N{n}" for n in range(50)]
    assert written(names) == written(names[::-1])


@pytest.mark.parametrize(
    ("hint", "leaf"),
    [
        (int, True), (str, True), (bytes, True), (date, True), (type(None), True), (Name, True),
        (Ratio, True),
        (int | None, True), (None | Name, True), (int | str, False),
        (int | str | None, False),
        (list | None, False), (object, False), (Any, False),
        (tuple[int, ...], True), (tuple[int, str], True), (tuple[list[Any], ...], False),
        (tuple[int, object], False), (list[int], True), (list[object], False), (list[list[int]], True),
        (dict[str, int], True), (dict[Name, int], True), (dict[Side, int], True), (dict[int, str], True),
        (dict[float, int], False), (dict[tuple[int, int], int], False), (dict[str, object], False),
        (dict[object, str], False), (set[int], False), (frozenset[int], False),
        (Colour, True), (Level, True), (dict[Level, int], True), (Flat, True), (Deep, True), (Loose, False),
        (Shared, False), (dict[str, Flat], True), (dict[str, Loose], False), (Path, False), (Counter, False),
        (dict[Ratio, int], False), (Lease, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_leaf_is_of_values_alone_that_nobody_else_can_hold(hint: Any, leaf: bool) -> None:
    assert is_leaf(of(hint)) is leaf


def test_a_leaf_is_a_struct_all_of_whose_fields_are_known() -> None:
    assert is_leaf(Loose)
    assert not is_leaf(Unknown)
    assert not is_leaf(int)
    assert not is_leaf(msgspec.defstruct("Two", [("good", int), ("bad", object)]))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("risk.rates:Ring", Ring),
        ("risk.rates:Nothing", None),
        ("risk.nothing:Ring", None),
        ("risk.rates:", None),
        ("risk.rates:Ring.add", None),
        ("risk.rates:SECOND_NS", None),
        ("risk.tally:Ring", None),  # borrowed: its name is another
        ("builtins:int", None),
        ("daemon.journal:Journal", None),
        ("", None),
    ],
)
def test_a_class_is_found_by_the_name_of_its_own_module_alone(name: str, found: Any) -> None:
    assert class_of(name) is found


def test_bytes_that_are_none_are_one_line() -> None:
    whole = encode(GateCore())
    for bad in (b"", b"x", whole[:-1], whole + b"x", msgspec.msgpack.encode([])):
        with pytest.raises(StateError, match="no state of this program"):
            decode(bad)
    format_, *rest = msgspec.msgpack.decode(whole)
    with pytest.raises(StateError, match="format 2"):
        decode(msgspec.msgpack.encode([format_ + 1, *rest]))
    with pytest.raises(StateError, match="it is no core"):
        decode(msgspec.msgpack.encode([format_, [], {}, [], 5]))
    known = [["risk.rates:Ring", ["_times", "window_ns"]]]
    for nodes, root in (
        ([["z"]], 0), ([["z", 0]], 0), ([], ["z"]), ([], ["n", 0]), ([["o", 5]], 0), ([["o", 0, 7]], 0),
        ([["o", 0, 7, 7, 7]], 0),
    ):  # fmt: skip
        with pytest.raises(StateError, match=r"no state of this program: (?!it is no core)"):
            decode(msgspec.msgpack.encode([format_, known, {}, nodes, root]))
    with pytest.raises(StateError, match="there is no risk"):
        decode(msgspec.msgpack.encode([format_, [["risk.rates:Rong", []]], {}, [], 0]))


def test_what_is_no_core_is_no_core_even_where_it_is_of_the_gate() -> None:
    document = [
        1,
        [["risk.rates:Ring", ["_times", "window_ns"]]],
        {},
        [["l"], ["o", 0, ["n", 0], 7]],
        ["n", 1],
    ]

    with pytest.raises(StateError, match="it is no core"):
        decode(msgspec.msgpack.encode(document))


def test_a_day_that_has_begun_comes_back_with_its_limits_and_its_calendars() -> None:
    w = World(limits(order={"qty_max": 77}))
    w.open()
    w.parent()
    w.working(50)
    core = decode(encode(w.core))

    assert core.state_hash() == w.core.state_hash()
    assert core.state.risk.limits == w.core.state.risk.limits
    assert core.state.risk.phase(SYN, w.ts) == w.core.state.risk.phase(SYN, w.ts)
    assert encode(core) == encode(w.core)
