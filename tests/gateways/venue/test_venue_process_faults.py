"""A running venue from outside: what it refuses, and when it ends by itself; each with one clear line."""

import time
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from market.book_events import MARKET_EVENT, Kind
from market.instruments import Instrument
from market.tape import Source, write
from market.types import NS, Symbol
from tests.gateways.venue.process import VenueProcess
from tests.gateways.venue.raw_fix import RawFix, transact

pytestmark = pytest.mark.slow

WINDOW = ("--from", "10:00", "--to", "10:20")
ABC = Instrument(symbol=Symbol("ABC"))
TEN_NS = 1_709_650_800 * NS  # 2024-03-05 10:00 New York


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """An order that stands, and one that comes at 10:00:05."""
    events = np.zeros(2, MARKET_EVENT)
    for at, (ts_ns, price_e4, side) in enumerate(((TEN_NS, 10_000, 1), (TEN_NS + 5 * NS, 10_200, -1))):
        events[at]["ts_ns"], events[at]["price_e4"], events[at]["side"] = ts_ns, price_e4, side
        events[at]["kind"], events[at]["order_id"], events[at]["size"] = Kind.ADD, at + 1, 100
    write(
        tmp_path / "tape",
        [events],
        instrument=ABC,
        symbol=ABC.symbol,
        day=date(2024, 3, 5),
        levels=0,
        source=Source(format="made", name="made", sha256="0", rows=2),
        standing=1,
        quality={"rows": 2},
    )
    return tmp_path / "tape"


@pytest.mark.parametrize("window", [("03:00", "03:01"), ("10:00:06", "10:01"), ("17:00", "17:01")])
def test_a_window_without_an_event_is_one_clear_line(tape: Path, window: tuple[str, str]) -> None:
    code, log = VenueProcess("--tape", str(tape), "--from", window[0], "--to", window[1]).end()

    assert code == 2
    (line,) = log.strip().splitlines()
    assert line.startswith(f"steadyhand venue: --tape {tape}: has no event from {window[0]}")
    assert line.endswith("it has events from 10:00:05 to 10:00:05: change --from and --to")


def test_a_lockstep_venue_whose_gate_never_comes_ends_with_a_clear_line(tmp_path: Path) -> None:
    link = tmp_path / "lock.sock"
    options = (*WINDOW, "--lockstep", "--lockstep-socket", str(link), "--gate-wait-s", "1")

    code, log = VenueProcess(*options, out=tmp_path / "run").end()

    assert code == 1
    (line,) = [line for line in log.splitlines() if line.startswith("steadyhand venue:")]
    assert f"a gate has not come to {link} in 1 s" in line
    assert "--gate-wait-s" in line
    assert (tmp_path / "run" / "venue.json").exists()


def test_a_request_without_transact_time_is_rejected_as_fix_says_and_the_session_lives(
    tmp_path: Path,
) -> None:
    with (
        VenueProcess(*WINDOW, "--speed", "20", out=tmp_path / "run") as venue,
        RawFix(venue.endpoints["fix"]) as client,
    ):
        venue.wait("started")
        client.logon()
        order = [(11, "A1"), (1, "ACC1"), (21, 1), (55, "SYN"), (54, 1), (38, 100), (40, 2), (44, "90.00")]
        for msg_type, fields in (("D", order), ("F", [(11, "C"), (41, "A1"), (55, "SYN"), (54, 1)])):
            client.send(msg_type, *fields)
            reject = client.until("3")
            assert (reject[371], reject[372], reject[373]) == ("60", msg_type, "1")

        client.send("D", *order, (60, transact()))
        assert client.report()[39] == "0"
        code, account, _ = venue.stop()

    assert (code, account["orders"]) == (0, 1)


def test_an_incremental_subscriber_gets_w_and_then_x_and_can_keep_the_touch(tmp_path: Path) -> None:
    with (
        VenueProcess(*WINDOW, "--speed", "20", out=tmp_path / "run") as venue,
        RawFix(venue.endpoints["reference"], sender="STEADYREF") as client,
    ):
        venue.wait("started")
        client.logon(1)
        ask = [
            (262, "M1"),
            (263, 1),
            (264, 3),
            (265, 1),
            (267, 2),
            (269, "0"),
            (269, "1"),
            (146, 1),
            (55, "SYN"),
        ]
        client.send("V", *ask)
        held: dict[str, dict[int, str]] = {}
        kinds: list[str] = []
        deadline = time.monotonic() + 20
        while len(kinds) < 12 and time.monotonic() < deadline:
            kinds.append(client.receive()[35])
            apply(held, client.pairs)
            prices = {kind: [float(e[270]) for i, e in held.items() if i[0] == kind] for kind in "01"}
            assert all(len(side) <= 3 for side in prices.values())
            if prices["0"] and prices["1"]:
                assert max(prices["0"]) < min(prices["1"])
        venue.stop()

    assert kinds == ["W"] + ["X"] * 11


def apply(held: dict[str, dict[int, str]], pairs: list[tuple[int, str]]) -> None:
    """Take the entries of W or X into what a client holds, by MDEntryID."""
    entries: list[dict[int, str]] = []
    start = 279 if dict(pairs)[35] == "X" else 269
    for tag, value in pairs:
        if tag == start:
            entries.append({})
        if entries:
            entries[-1][tag] = value
    for entry in entries:
        action = entry.get(279, "0")
        assert (entry[278] in held) == (action != "0")
        if action == "2":
            del held[entry[278]]
        else:
            held[entry[278]] = entry
