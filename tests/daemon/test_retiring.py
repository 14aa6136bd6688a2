"""Orders that have ended leave the state; what speaks of one later finds it. None is lost, none doubled."""

from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.gate import archive_store, retiring, snapshot_process, snapshots
from daemon.gate.archive import ArchiveError
from daemon.gate.core import GateCore
from daemon.gate.journal import Input, frames, replay
from daemon.gate.people import open_break
from daemon.gate.recovery import recover
from market import events as ev
from market.types import ExecType, OrdStatus
from tests.daemon.gate_harness import BID, World, limits
from tests.daemon.test_snapshots import written

LOOSE = limits(sessions={"in_flight_max": 10**6}, rates={"judged_after": 10**8, "duplicates": 10**6})


def world(retire_after_ms: int | None = 0, **more: Any) -> World:
    w = World(LOOSE, retire_after_ms=retire_after_ms, **more)
    w.open()
    w.parent(qty=2_000)
    return w


def ended(w: World, qty: int = 100) -> str:
    """Return a chain that was filled in part, canceled, and is gone."""
    chain = w.working(qty)
    w.fill(chain, 40, BID)
    w.cancel(chain)
    name = w.core.state.chains[chain].cancel_id
    w.report(name, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chain, cum_qty=40, order_qty=qty)
    w.wait(0.1)
    return chain


def test_an_ended_order_leaves_and_a_late_fill_finds_it() -> None:
    w = world()
    chain = ended(w)
    g = w.core.state
    assert not g.chains
    assert not g.chain_of
    assert not g.executions
    assert g.archived.orders == 1

    w.report(chain, ExecType.TRADE, OrdStatus.CANCELED, last_qty=10, last_price_e4=BID, cum_qty=50)

    assert g.ledger.positions["PAPER SYN"] == 50
    assert g.counters["fills"] == 2
    assert not g.breaks
    assert g.archived.orders == 1
    assert g.archived.records == 2
    found = retiring.look_up(g, chain)
    assert found is not None
    assert found.cum_qty == 50
    status = w.core.status(ev.Stamp(w.ts, w.now))
    assert [o["cum_qty"] for o in status["orders"]] == [50]
    assert status["archived_orders"] == 1
    asked = w.core.status(ev.Stamp(w.ts, w.now), found.terms.cl_ord_id)
    assert [o["chain_id"] for o in asked["orders"]] == [chain]
    assert w.core.status(ev.Stamp(w.ts, w.now), "held")["orders"] == []


def test_what_is_quiet_for_too_short_stays() -> None:
    w = world(retire_after_ms=60_000)
    chain = ended(w)
    w.wait(59.0)
    assert chain in w.core.state.chains
    w.wait(1.0)
    assert chain not in w.core.state.chains


def test_a_replay_retires_alike_and_so_does_a_recovery_from_a_snapshot(tmp_path: Path) -> None:
    w = world(retire_after_ms=500)
    chains = [ended(w) for _ in range(12)]
    half = len(w.log)
    w.report(chains[0], ExecType.TRADE, OrdStatus.CANCELED, last_qty=10, last_price_e4=BID, cum_qty=50)
    for _ in range(12):
        ended(w)
    w.report(chains[1], ExecType.TRADE, OrdStatus.CANCELED, last_qty=10, last_price_e4=BID, cum_qty=50)
    path = written(tmp_path, w)
    again = GateCore()
    assert replay(path, again).differences == []
    assert again.state_hash() == w.core.state_hash()

    snapshot_process.make(tmp_path, places(path)[half])
    started = GateCore()

    assert recover(tmp_path, started).differences == []
    assert started.state_hash() == w.core.state_hash()
    assert started.state.archive.stored > 0


def places(path: Path) -> list[int]:
    return [offset for offset, frame in frames(path) if isinstance(frame, Input)]


def test_an_execution_of_an_archived_order_is_no_execution_of_another() -> None:
    w = world()
    ended(w)
    exec_id = "E2"  # its fill
    other = w.working(50)

    w.fill(other, 10, BID, exec_id=exec_id)

    assert w.core.state.ledger.positions["PAPER SYN"] == 40
    assert "E2: this ExecID was an execution of SH1-1" in " ".join(w.core.state.breaks)


def test_what_is_open_stays_until_people_have_looked() -> None:
    w = world()
    chain = w.working(100)
    w.report(chain, ExecType.CANCELED, OrdStatus.CANCELED, cum_qty=30, order_qty=100)  # 30 that nobody told
    w.wait(1.0)
    w.wait(1.0)

    assert chain in w.core.state.chains
    assert open_break(w.core.state).startswith(f"{chain}: the EMS says that 30 shares")


def test_more_than_may_wait_go_before_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "ENDED_MAX", 3)
    w = world(retire_after_ms=60_000)
    for _ in range(8):
        ended(w)
    w.wait(0.1)

    assert len(w.core.state.ended) == 3
    assert w.core.state.archived.orders == 5


def test_a_scope_that_is_new_counts_archived_orders_too() -> None:
    w = world()
    for _ in range(3):
        ended(w)
    tree = LOOSE.model_dump()
    tree["level"]["symbol"] = {"SYN": {"order": {"qty_max": 900}}}
    law = type(LOOSE).model_validate(tree)

    w.step(ev.GateStarted(**{**w.start_fields, "epoch": 2, "limits": law.model_dump_json()}))

    scope = w.core.state.risk.scopes.own["S/SYN"]
    assert scope.ledger.books["SYN"].exec_qty == 120  # type: ignore[index]
    assert (scope.tally.fills, scope.tally.traded_qty) == (3, 120)


def busy(folder: Path) -> tuple[World, Path]:
    """Return a world of many ended orders, some heard of again, and its journal."""
    w = world(retire_after_ms=300)
    chains = []
    for n in range(30):
        chains.append(ended(w, 50))
        if n % 7 == 6:
            late = retiring.look_up(w.core.state, chains[n - 5])
            assert late is not None
            cum = late.cum_qty + 5
            w.report(
                late.chain_id, ExecType.TRADE, OrdStatus.CANCELED, last_qty=5, last_price_e4=BID, cum_qty=cum
            )
    return w, written(folder, w)


def recovered(folder: Path) -> GateCore:
    core = GateCore()
    assert recover(folder, core).differences == []
    return core


def test_whatever_becomes_of_the_archive_a_start_ends_in_the_same_state(tmp_path: Path) -> None:
    w, path = busy(tmp_path)
    at = places(path)
    for third in (1, 2):
        snapshot_process.make(tmp_path, at[len(at) * third // 3])
    assert recovered(tmp_path).state_hash() == w.core.state_hash()
    first, last = sorted((tmp_path / snapshots.FOLDER).glob("*.snapshot"))
    file = tmp_path / archive_store.NAME
    good = file.read_bytes()

    # Killed after the archive and before the snapshot: the archive has more than the snapshot knows.
    snapshot = last.read_bytes()
    last.unlink()
    assert recovered(tmp_path).state_hash() == w.core.state_hash()
    last.write_bytes(snapshot)

    for damage in (b"", b"no database", good[:-5_000], good[:4_096] + bytes(len(good) - 4_096)):
        for rest in tmp_path.glob(f"{archive_store.NAME}-*"):
            rest.unlink()
        file.write_bytes(damage)
        assert recovered(tmp_path).state_hash() == w.core.state_hash(), len(damage)
    file.unlink()
    assert recovered(tmp_path).state_hash() == w.core.state_hash()

    # The next one is made of the whole journal, and the archive with it.
    file.write_bytes(b"no database")
    first.unlink()
    last.unlink()
    snapshot_process.make(tmp_path, at[-1])
    started = recovered(tmp_path)
    assert started.state_hash() == w.core.state_hash()
    assert started.state.archive.stored > 20
    assert [c.chain_id for c in retiring.every_chain(started.state)] == [
        c.chain_id for c in retiring.every_chain(w.core.state)
    ]


def test_no_bit_of_the_archive_can_change_unseen(tmp_path: Path) -> None:
    w, path = busy(tmp_path)
    snapshot_process.make(tmp_path, places(path)[-1])
    with closing(archive_store.opened(tmp_path / archive_store.NAME, "rw")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    archived = recovered(tmp_path).state.archived
    file = tmp_path / archive_store.NAME
    good = bytearray(file.read_bytes())
    names = [f"C{chain}" for chain in (c.chain_id for c in retiring.every_chain(w.core.state))]
    told = [archive_store.ArchiveStore(tmp_path).find(name, archived.records) for name in names]
    chance, seen, lied = Random(4), 0, 0
    for _ in range(200):
        spoilt = bytearray(good)
        spoilt[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        file.write_bytes(spoilt)
        store = archive_store.ArchiveStore(tmp_path)
        try:
            sound = store.holds(archived.records, archived.digest)
            now = [store.find(name, archived.records) for name in names]
        except ArchiveError:
            sound, now = False, told
        seen += not sound
        lied += sum(new not in (None, old) for new, old in zip(now, told, strict=True))
        lied += sound and now != told
        store.close()

    assert lied == 0
    assert seen > 50


class OtherPast(archive_store.ArchiveStore):
    """A store of the same length that holds something else."""

    def __init__(self, number: int) -> None:
        self.number = number

    def last(self) -> tuple[int, bytes]:
        return self.number, b"of another past"


def test_what_a_store_has_is_let_go_from_memory(tmp_path: Path) -> None:
    w, path = busy(tmp_path)
    archive = w.core.state.archive
    held = len(archive)
    snapshot_process.make(tmp_path, places(path)[-1])
    archive.store = OtherPast(held)
    archive.follow()
    assert archive.stored == 0
    archive.store = archive_store.ArchiveStore(tmp_path)
    archive.follow()
    ended(w)
    w.wait(1.0)
    for _ in range(held // 8):
        ended(w)

    assert archive.stored >= held - 2
    assert len(archive) < held // 2
    assert len(archive._waiting) < held // 2
    assert retiring.look_up(w.core.state, "SH1-1") is not None
    w.report("SH1-1", ExecType.TRADE, OrdStatus.CANCELED, last_qty=3, last_price_e4=BID, cum_qty=43)
    assert not w.core.state.breaks
