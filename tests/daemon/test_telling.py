"""`status --all` in pieces is what it is in one go, as of its first piece, whatever happens meanwhile."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.gate import ended_parents, snapshot_process, telling
from daemon.gate.core import GateCore
from market import events as ev
from tests.daemon.gate_harness import BID, World
from tests.daemon.test_ended_parents import filled, world
from tests.daemon.test_retiring import busy, places, recovered

EVERY = ("parents", "orders")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_parents, "KEPT_MAX", 2)
    monkeypatch.setattr(telling, "PIECE", 2)


def plain(rows: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(rows))


def told(core: GateCore, stamp: ev.Stamp, meanwhile: Any = lambda: None) -> tuple[dict[str, Any], int]:
    """Return the rows of a status made in pieces, and of how many; something happens after each."""
    body, pieces = core.status(stamp, "held"), 1
    for _ in telling.with_archived(core.state, body):
        pieces += 1
        meanwhile()
    return plain({name: body[name] for name in EVERY}), pieces


def in_one(core: GateCore, stamp: ev.Stamp) -> Any:
    whole = core.status(stamp, "all")
    return plain({name: whole[name] for name in EVERY})


def test_pieces_come_to_the_whole() -> None:
    w, _ = world()
    stamp = ev.Stamp(w.ts, w.now)
    assert (w.core.state.archived.parents, w.core.state.archived.orders) == (4, 6)

    rows, pieces = told(w.core, stamp)

    assert rows == in_one(w.core, stamp)
    assert pieces > 5


def test_what_happens_between_two_pieces_is_not_in_it() -> None:
    w, chains = world()
    stamp, before = ev.Stamp(w.ts, w.now), in_one(w.core, ev.Stamp(w.ts, w.now))
    later = iter(range(100))

    def meanwhile() -> None:
        n = next(later)
        filled(w, f"B{n}")  # a parent, an order, and older ones go to the archive
        w.fill(
            chains[n % len(chains)], 100, BID, exec_id=f"E-A{n % len(chains)}"
        )  # told again: one comes back

    rows, pieces = told(w.core, stamp, meanwhile)

    assert rows == before
    assert pieces > 5
    assert in_one(w.core, stamp) != before


def test_out_of_the_file_as_well(tmp_path: Path) -> None:
    w, path = busy(tmp_path)
    snapshot_process.make(tmp_path, places(path)[-1])
    core = recovered(tmp_path)
    stamp = ev.Stamp(w.ts, w.now)
    assert core.state.archive.stored > 20

    rows, pieces = told(core, stamp)

    assert rows == in_one(w.core, stamp)
    assert pieces > 5


def test_nothing_archived_is_one_more_piece_at_most() -> None:
    w = World()
    w.open()
    rows, pieces = told(w.core, ev.Stamp(w.ts, w.now))
    assert (rows, pieces) == ({"parents": [], "orders": []}, 1)
