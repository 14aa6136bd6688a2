"""The drop copy of the venue: what the EMS did, whatever became of its report; what scenarios make of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateways.venue.desk import Desk, Fields
from tests.gateways.venue.process import VenueProcess
from tests.gateways.venue.raw_fix import RawFix, transact
from tests.gateways.venue.test_director import desk, on, rule

SOH = "\x01"


def traded(d: Desk) -> list[Fields]:
    """Trade 40 of 100 against somebody; return what the drop copy told."""
    copies: list[Fields] = []
    d.director.copied = lambda body: copies.append(dict(f.split("=", 1) for f in body.split(SOH)[:-1]))
    d.rest(-1, 900_000, 40)
    d.new("A", 1, 100, "90.00")
    d.wait(1)
    return [c for c in copies if c.get("150") in ("F", "G", "H")]


@pytest.mark.parametrize(
    ("action", "more"),
    [("drop", {}), ("alter", {"set": {"32": "99"}}), ("duplicate", {}), ("delay", {"seconds": 5.0})],
)
def test_the_copy_tells_the_truth_once(action: str, more: dict[str, Any]) -> None:
    (copy,) = traded(desk(rule(on("fill"), action, **more)))

    assert (copy["32"], copy["31"]) == ("40", "90.00")


def test_a_copy_is_withheld_altered_or_late() -> None:
    assert traded(desk(rule(on("fill"), "copy", withhold=True))) == []
    (altered,) = traded(desk(rule(on("fill"), "copy", set={"32": "41"})))
    assert altered["32"] == "41"
    late = desk(rule(on("fill"), "copy", seconds=2.0))
    assert traded(late) == []
    assert [r["32"] for r in late.sent if r.get("150") == "F"] == ["40"], "the report itself is as it was"
    seen: list[str] = []
    late.director.copied = seen.append
    late.wait(2)
    assert len(seen) == 1


@pytest.mark.slow
def test_executions_are_told_on_a_second_session_and_kept_for_who_comes_late(tmp_path: Path) -> None:
    options = ("--from", "10:00", "--to", "10:20", "--speed", "20", "--drop-copy-port", "0")
    with VenueProcess(*options, out=tmp_path / "run") as venue, RawFix(venue.endpoints["fix"]) as client:
        venue.wait("started")
        client.logon()
        order = [(11, "A1"), (1, "ACC1"), (21, 1), (55, "SYN"), (54, 1), (38, 100), (40, 1), (59, 3)]
        client.send("D", *order, (60, transact()))
        fills = []
        while (report := client.report())[39] not in "24":
            fills += [report] if report[150] == "F" else []
        fills += [report] if report[150] == "F" else []
        assert fills
        with RawFix(venue.endpoints["drop_copy"], target="VENUE-DC") as copies:
            copies.logon()
            told = [copies.until("8") for _ in fills]

    assert [(c[17], c[37], c[32], c[31]) for c in told] == [(f[17], f[37], f[32], f[31]) for f in fills]


@pytest.mark.slow
def test_in_lockstep_there_is_none(tmp_path: Path) -> None:
    code, log = VenueProcess(
        *("--lockstep", "--lockstep-socket", str(tmp_path / "s"), "--drop-copy-port", "0")
    ).end()

    assert code in (2, 78)
    assert "--drop-copy-port needs real time" in log
