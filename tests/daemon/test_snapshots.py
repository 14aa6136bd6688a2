"""Snapshots: all of the state and nothing but the state; what is not good is passed over, never guessed."""

import itertools
import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from daemon.gate import keeper, snapshot_process, snapshots
from daemon.gate.archive import Archive
from daemon.gate.core import GateCore
from daemon.gate.journal import JOURNAL_NAME, Digest, Input, Output, Replayed, decisions, encode, replay
from daemon.gate.recovery import recover
from daemon.gate.state_codec import EMPTY, StateError, fields_of
from daemon.gate.state_codec import decode as read_state
from daemon.gate.state_codec import encode as write_state
from daemon.gate.value_types import name_of
from daemon.journal import Journal
from daemon.segments.layout import JournalError
from daemon.segments.reading import read
from daemon.segments.retention import gone, throw_away
from market import events as ev
from market.desk_events import Condition, LimitSignal, MachineMeasured, RestrictedListed
from market.people_events import StopScope
from tests.daemon.gate_harness import ASK, BID, LIMITS, SYN, World, limits

LEVELS = {"level": {"symbol": {"SYN": {"order": {"qty_max": 900}}}, "account": {"PAPER": {"day": {}}}}}


def day(law: Any = LIMITS, seed: int = 0) -> World:
    """Return a world in which much of what can happen has happened."""
    rng = random.Random(seed)
    w = World(law, positions=(("PAPER", SYN, 500),))
    w.open()
    w.step(RestrictedListed(symbols=("BAD",), issued_ns=w.ts))
    w.parent()
    w.parent(pid="P2", qty=300)
    chains = []
    for turn in range(40):
        w.wait(0.3)
        w.price(BID + 100 * rng.randrange(-2, 3), ASK + 100 * rng.randrange(0, 3), volume=1000 * turn)
        order = w.intent(rng.choice((10, 50, 10**9)), BID, pid=rng.choice(("P1", "P2", "P9")))
        if hasattr(order, "cl_ord_id"):
            w.accept(order)
            chains.append(order.cl_ord_id)
        if chains and rng.random() < 0.6:
            chain = w.core.state.chains[rng.choice(chains)]
            move = rng.randrange(4)
            if move == 0 and chain.leaves_qty > 1:
                w.fill(chain.chain_id, chain.leaves_qty // 2, BID)
            elif move == 1:
                w.replace(chain.chain_id, chain.order_qty + 5, BID)
            elif move == 2:
                w.cancel(chain.chain_id)
            else:
                w.fill(chain.chain_id, max(1, chain.leaves_qty), BID)
    w.step(LimitSignal(scope="S/SYN", signal="volatility", multiplier_bp=7_000))
    w.step(Condition(cause="R76", text="a storm"))
    w.step(MachineMeasured(clock_offset_us=5, loop_lag_ms=1, disk_free_mb=100_000))
    w.step(StopScope(source="test", scope="S/SYN", halt=True, request_id=5))
    w.step(ev.SessionDown(session="order", reason="gone"))
    w.wait(3.0)
    w.step(ev.SessionUp(session="order"))
    w.step(ev.GateStarted(**{**w.start_fields, "epoch": 2}))
    w.wait(1.0)
    w.step(ev.Kill(source="test"))
    return w


def worlds() -> Iterator[World]:
    yield day()
    yield day(seed=1)
    tree = LIMITS.model_dump()
    tree["level"]["symbol"] = {"SYN": {"order": {"qty_max": 900}}}
    tree["level"]["account"] = {"PAPER": {"order": {"qty_max": 800}}}
    yield day(type(LIMITS).model_validate(tree), seed=2)


def written(folder: Path, w: World, **options: Any) -> Path:
    """Write the journal that a gate would have left of a world's events."""
    journal = Journal.open(folder, JOURNAL_NAME, **options)
    core = GateCore()
    for stamp, event in w.log:
        journal._attend()
        sent = decisions(core.step(stamp, event).effects)
        frames = [encode(Input(stamp, event))] + ([encode(Output(sent))] if sent else [])
        journal.append(*frames)
    journal.append(encode(Digest(core.state_hash())))
    journal.close()
    return folder / JOURNAL_NAME


# --- the state as bytes -------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(3))
def test_a_state_comes_back_as_it_was(n: int) -> None:
    core = next(itertools.islice(worlds(), n, None)).core
    data = write_state(core)

    again = read_state(data)

    assert again.state_hash() == core.state_hash()
    assert write_state(again) == data
    assert facts(again) == facts(core)


def facts(core: GateCore) -> list[Any]:
    """Return everything that can be reached, by a walk of its own: path, type, value, who else holds it."""
    found: list[Any] = []
    first: dict[int, str] = {}
    kept = []

    def walk(thing: Any, path: str) -> None:
        if isinstance(thing, str | int | float | bytes | bool | type(None) | tuple) and not hasattr(
            thing, "_"
        ):
            if isinstance(thing, tuple):
                for n, item in enumerate(thing):
                    walk(item, f"{path}({n})")
                found.append((path, "tuple", len(thing)))
                return
            found.append((path, type(thing), thing))
            return
        frozen = isinstance(thing, msgspec.Struct) and thing.__struct_config__.frozen
        if not frozen and id(thing) in first:
            found.append((path, "is", first[id(thing)]))
            return
        first[id(thing)] = path
        kept.append(thing)
        found.append((path, type(thing), None))
        if isinstance(thing, dict):
            for n, (key, value) in enumerate(thing.items()):
                walk(key, f"{path}.key{n}")
                walk(value, f"{path}[{key!r}]")
        elif isinstance(thing, list | deque):
            found.append((path, getattr(thing, "maxlen", None), len(thing)))
            for n, item in enumerate(thing):
                walk(item, f"{path}[{n}]")
        elif isinstance(thing, set | frozenset):
            found.append((path, "set", sorted(thing, key=repr)))
        elif isinstance(thing, BaseModel):
            found.append((path, "model", thing))
        elif type(thing).__module__ != "datetime":
            for name in fields_of(thing):
                if name not in EMPTY.get(name_of(type(thing)), {}):
                    walk(getattr(thing, name), f"{path}.{name}")

    walk(core, "core")
    return found


def test_no_attribute_of_the_state_is_left_out() -> None:
    """Change any attribute of any object, and the bytes differ."""
    core = day().core
    data = write_state(core)
    objects = [core, core.state, *[getattr(core.state, n) for n in fields_of(core.state)]]
    objects += [core.state.overlay, *[getattr(core.state.overlay, n) for n in fields_of(core.state.overlay)]]
    objects += [getattr(core.state.memory, n) for n in fields_of(core.state.memory)]
    touched = 0
    for thing in objects:
        ours = type(thing).__module__.startswith(("daemon.", "risk."))
        if not ours or isinstance(thing, BaseModel | Archive):
            continue
        config = getattr(thing, "__struct_config__", None)
        names = () if config is not None and config.frozen else fields_of(thing)
        for name in names:
            if name in EMPTY.get(name_of(type(thing)), {}):
                continue
            before = getattr(thing, name)
            setattr(thing, name, ["something", "else"])
            assert write_state(core) != data, f"{type(thing).__name__}.{name}"
            setattr(thing, name, before)
            touched += 1
    assert write_state(core) == data
    assert touched > 100


def test_what_is_no_value_is_refused_by_its_path() -> None:
    for thing in (lambda: None, object(), (n for n in ()), open):
        core = day().core
        core.state.parents["P1"].told = ("now", thing)

        with pytest.raises(StateError, match=r"core\.state\..*parents.*told"):
            write_state(core)


@pytest.mark.parametrize("change", ["class", "method", "module", "format", "field", "cut", "noise"])
def test_bytes_of_another_schema_make_nothing(change: str) -> None:
    data = write_state(day().core)
    tree = msgspec.msgpack.decode(data)
    if change == "class":
        tree[1][0][0] = "daemon.gate.core:Nobody"
    elif change == "method":
        tree[1][0][0] = "daemon.gate.core:GateCore.step"
    elif change == "module":
        tree[1][0][0] = "subprocess:Popen"
    elif change == "format":
        tree[0] = 99
    elif change == "field":
        tree[1][0][1].append("more")
    bad = msgspec.msgpack.encode(tree)
    if change == "cut":
        bad = data[: len(data) // 2]
    elif change == "noise":
        bad = b"\xc1" * 100

    with pytest.raises(StateError, match="no state of this program"):
        read_state(bad)


# --- snapshot and tail --------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(3))
def test_snapshot_and_tail_are_the_whole_journal_wherever_it_is_cut(tmp_path: Path, n: int) -> None:
    w = next(itertools.islice(worlds(), n, None))
    path = written(tmp_path, w, segment_bytes=20_000)
    whole = GateCore()
    replay(path, whole)
    offsets = [offset for offset, _ in read(path)]
    core, done = GateCore(), Replayed()

    for until in offsets[1 :: max(1, len(offsets) // 25)]:
        replay(path, core, done, until)
        made = snapshots.write(tmp_path, core, done, path)
        again, so_far = snapshots.read(made, path)
        rest = replay(path, again, so_far)

        assert rest.differences == []
        assert write_state(again) == write_state(whole)
        assert again.state_hash() == whole.state_hash()


def test_recovery_takes_the_last_good_snapshot_then_the_one_before_then_the_journal(tmp_path: Path) -> None:
    path = written(tmp_path, day())
    offsets = [offset for offset, _ in read(path)]
    for until in (offsets[40], offsets[90], offsets[120]):
        snapshot_process.make(tmp_path, until)
    kept = snapshots.found(tmp_path)
    assert [int(p.stem) for p in kept] == [offsets[120], offsets[90]]
    expected = GateCore()
    inputs = replay(path, expected).inputs

    def recovered(passed_over: int) -> None:
        said: list[str] = []
        assert bool(snapshots.newest(tmp_path, path, said.append)) == (passed_over < 2)
        assert len(said) == passed_over
        core = GateCore()
        assert recover(tmp_path, core).inputs == inputs
        assert write_state(core) == write_state(expected)

    recovered(0)
    damage(kept[0])
    recovered(1)
    damage(kept[1])
    recovered(2)


def damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_a_snapshot_of_other_code_or_of_another_journal_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a", day())
    other = written(tmp_path / "b", day())
    offsets = [offset for offset, _ in read(path)]
    made = snapshot_process.make(tmp_path / "a", offsets[50])

    with pytest.raises(snapshots.SnapshotError, match="of another journal"):
        snapshots.read(made, other)
    monkeypatch.setattr(snapshots, "code_hash", lambda: "another")
    with pytest.raises(snapshots.SnapshotError, match="made by other code"):
        snapshots.read(made, path)
    assert recover(tmp_path / "a", GateCore()).differences == []


def test_a_journal_that_ends_before_its_snapshot_was_cut_and_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, day())
    offsets = [offset for offset, _ in read(path)]
    made = snapshot_process.make(tmp_path, offsets[-1])
    first = next(path.glob("*.seg"))
    first.write_bytes(first.read_bytes()[: offsets[60]])
    (path / "checkpoints").write_bytes(b"")

    with pytest.raises(JournalError, match=f"ends at offset {offsets[60]}, and {made} was made"):
        recover(tmp_path, GateCore())


def test_a_journal_that_would_be_another_state_makes_no_snapshot(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, JOURNAL_NAME)
    w = day()
    for stamp, event in w.log[:10]:
        journal.append(encode(Input(stamp, event)))
    journal.append(encode(Digest("0" * 32)))
    journal.close()

    with pytest.raises(JournalError, match="would be another state"):
        snapshot_process.make(tmp_path, journal.end)
    assert snapshots.found(tmp_path) == []


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
def test_a_snapshot_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = written(tmp_path, day())
    offsets = [offset for offset, _ in read(path)]
    before = snapshot_process.make(tmp_path, offsets[50])
    with monkeypatch.context() as patch:

        def fails(*_: Any, **__: Any) -> Any:
            raise OSError(28, "No space left on device")

        if call == "rename":
            patch.setattr(Path, "rename", fails)
        else:
            patch.setattr(snapshots.os, call, fails)
        with pytest.raises(snapshots.SnapshotError, match="No space left"):
            snapshot_process.make(tmp_path, offsets[90])

    assert snapshots.found(tmp_path) == [before]
    assert list(before.parent.iterdir()) == [before]
    assert snapshots.read(before, path)


# --- retention ----------------------------------------------------------------------------------


def test_what_no_start_needs_is_packed_and_what_is_packed_still_replays(tmp_path: Path) -> None:
    path = written(tmp_path, day(), segment_bytes=6_000)
    offsets = [offset for offset, _ in read(path)]
    whole = GateCore()
    replay(path, whole)

    snapshot_process.make(tmp_path, offsets[60])
    snapshot_process.tidy(tmp_path, 0)
    assert not list(path.glob("*.gz")), "one snapshot is none to fall back on"

    snapshot_process.make(tmp_path, offsets[150])
    snapshot_process.tidy(tmp_path, 0)
    packed = sorted(p.name for p in path.glob("*.gz"))
    assert packed
    assert packed[0] == "00000001.seg.gz"
    assert not {p.removesuffix(".gz") for p in packed} & {p.name for p in path.glob("*.seg")}

    again = GateCore()
    assert replay(path, again).differences == []
    assert write_state(again) == write_state(whole)
    journal = Journal.open(tmp_path, JOURNAL_NAME)
    journal.close()
    assert recover(tmp_path, GateCore()).differences == []


def test_what_is_thrown_away_is_never_what_a_start_needs(tmp_path: Path) -> None:
    path = written(tmp_path, day(), segment_bytes=6_000)
    offsets = [offset for offset, _ in read(path)]
    whole = GateCore()
    replay(path, whole)
    for until in (offsets[100], offsets[200]):
        snapshot_process.make(tmp_path, until)
    snapshot_process.tidy(tmp_path, 0)
    packed = list(path.glob("*.gz"))

    throw_away(path, 0)

    assert not list(path.glob("*.gz"))
    assert len(gone(path)) == len(packed)
    core = GateCore()
    recover(tmp_path, core)
    assert write_state(core) == write_state(whole)
    with pytest.raises(JournalError, match="older ones are gone"):
        replay(path, GateCore())
    Journal.open(tmp_path, JOURNAL_NAME).close()


def test_laws_of_levels_are_in_it() -> None:
    tree = limits().model_dump()
    tree["level"]["symbol"] = {"SYN": {"order": {"qty_max": 7}}}
    w = day(type(LIMITS).model_validate(tree))
    again = read_state(write_state(w.core))

    assert again.state.risk.scopes.own["S/SYN"].limits.order.qty_max == 7
    assert again.state.memory is not None
    assert again.state.memory.own is again.state.risk.scopes.own


# --- the gate's keeper ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_keeper_has_a_snapshot_made_by_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, day())
    journal = Journal.open(tmp_path, JOURNAL_NAME)
    monkeypatch.setattr(keeper, "SNAPSHOT_BYTES", 1 << 30)
    held = keeper.Keeper(journal, tmp_path, 0, lambda act: act(), Archive)
    held.look()
    assert held._process is None, "too little has come since the last one"
    monkeypatch.setattr(keeper, "SNAPSHOT_BYTES", 1_000)

    held.look()

    process = held._process
    assert process is not None
    assert process.wait(60) == 0
    (made,) = snapshots.found(tmp_path)
    assert int(made.stem) == journal.end
    again = keeper.Keeper(journal, tmp_path, 0, lambda act: act(), Archive)
    again.look()
    assert again._process is None, "the last one is known by its name"
    journal.close()
    whole, core = GateCore(), GateCore()
    replay(path, whole)
    recover(tmp_path, core)
    assert write_state(core) == write_state(whole)
