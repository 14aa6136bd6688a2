"""Numbers and dates that no journal can hold end at the reader; a journal that lost its beginning is kept."""

import json
from pathlib import Path

import pytest

from daemon.gate import recovery
from daemon.gate.recovery import event_of
from daemon.gate.requests import Amend, journaled
from daemon.journal import Journal
from daemon.parent_text import ParentTextError, price_e4, share_bp
from daemon.segments.layout import HEADER, JournalError
from daemon.segments.verifying import verify
from gateways.fix.wire import read_utc_ns
from market import events as ev
from market.types import ParentID
from risk.commands import CommandError
from tests.daemon.gate_harness import World

SOH = "\x01"
FAR = ["00010101-00:00:00", "19691231-23:59:59", "22620412-00:00:00", "99991231-23:59:59.999"]


@pytest.mark.parametrize("text", FAR)
def test_a_date_of_nobody_is_no_time(text: str) -> None:
    assert read_utc_ns(text) is None


@pytest.mark.parametrize("text", FAR)
def test_a_report_with_such_a_date_is_told_and_journaled(text: str) -> None:
    report = "35=8|37=O1|17=E1|150=F|39=1|11=X|55=SYN|54=1|32=5|31=100|151=5|14=5|6=100|60="

    event = event_of((report + text + "|").replace("|", SOH), {})

    assert event is not None
    journaled(event)
    World().step(event)


def test_a_number_beyond_64_bits_is_refused_at_the_control_socket() -> None:
    assert Amend(cmd="amend", parent_id="P1", qty=5).qty == 5
    with pytest.raises(CommandError, match="out of range"):
        journaled(ev.AmendParent(request_id=1, parent_id=ParentID("P1"), qty=10**30))


@pytest.mark.parametrize("text", ["1e30", "1E999999999", "1e9", "inf", "nan", "-1", "0"])
def test_prices_that_no_market_has(text: str) -> None:
    with pytest.raises(ParentTextError, match="limit="):
        price_e4(text, "limit")


@pytest.mark.parametrize("text", ["1E999999999", "1E999999999%", "nan", "2", "200%"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(ParentTextError, match="pov="):
        share_bp(text, "pov")


def made(folder: Path, name: str, frames: int = 40) -> Path:
    journal = Journal.open(folder, name, lock=False)
    journal.append(*(json.dumps({"n": n}).encode() for n in range(frames)))
    journal.close()
    return next((folder / name).glob("*.seg"))


def test_a_journal_whose_beginning_is_gone_is_refused_and_not_touched(tmp_path: Path) -> None:
    segment = made(tmp_path, "journal")
    left = bytes(HEADER.size) + segment.read_bytes()[HEADER.size :]
    segment.write_bytes(left)

    assert not verify(segment.parent).clean
    with pytest.raises(JournalError, match="restore"):
        Journal.open(tmp_path, "journal", lock=False)
    assert segment.read_bytes() == left


def test_an_emptied_journal_is_no_new_day_where_the_ems_has_spoken(tmp_path: Path) -> None:
    made(tmp_path, "inbound.journal")
    journal = Journal.open(tmp_path, "gate.journal", lock=False)
    inbound = Journal.open(tmp_path, "inbound.journal", lock=False)
    try:
        with pytest.raises(JournalError, match="restore it"):
            recovery.refuse_forgotten(journal, inbound)
        recovery.refuse_forgotten(inbound, inbound)
        recovery.refuse_forgotten(journal, journal)
    finally:
        journal.close()
        inbound.close()
