"""After a power cut the inbound log is the shortest of all: what it lacks is asked for again."""

import os
from pathlib import Path

import pytest

from daemon.gate import power
from daemon.gate.journal import INBOUND_NAME, NOT_INBOUND, Replayed
from daemon.gate.recovery import beyond
from daemon.journal import Journal
from daemon.segments.reading import read
from market import events as ev

REPORT = "8=FIX.4.4|9=0|35=8|34={n}|37=O1|17=E{n}|150=0|39=0|55=SYN|54=1|151=1|14=0|11=SH1-1|10=000|"


def frame(n: int) -> bytes:
    return REPORT.format(n=n).replace("|", "\x01").encode()


@pytest.fixture
def inbound(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path, INBOUND_NAME, lock=False)


def boot(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(power, "boot_id", lambda: name)


def test_the_numbers_are_trusted_while_the_host_stays_up(
    tmp_path: Path, inbound: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot(monkeypatch, "first")
    assert power.rebooted(tmp_path), "nobody knows what was before"
    assert power.next_wanted(tmp_path / INBOUND_NAME) == 0, "nothing was ever received"
    inbound.append(frame(7))
    assert not power.rebooted(tmp_path)
    inbound.close()


@pytest.mark.parametrize("name", ["second", ""])
def test_after_another_boot_what_the_log_lacks_is_wanted_again(
    tmp_path: Path, inbound: Journal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    boot(monkeypatch, "first")
    power.rebooted(tmp_path)
    inbound.append(frame(7), frame(9))
    boot(monkeypatch, name)
    assert power.rebooted(tmp_path)
    assert power.next_wanted(tmp_path / INBOUND_NAME) == 10
    inbound.close()


def test_a_log_that_ends_before_what_was_stepped_is_taken_up_at_its_end(
    tmp_path: Path, inbound: Journal
) -> None:
    kept = inbound.append(frame(2))
    lost = inbound.end + 500
    path = tmp_path / INBOUND_NAME
    assert power.aligned(path, NOT_INBOUND) == NOT_INBOUND
    assert power.aligned(path, kept) == kept
    assert power.aligned(path, lost) == kept

    found = list(beyond(tmp_path, Replayed(inbound_offset=lost), {}))
    assert found == [(kept, ev.Timer())], "journaled, so that the next start knows it too"
    after = inbound.append(frame(3))
    assert [offset for offset, _ in beyond(tmp_path, Replayed(inbound_offset=kept), {})] == [after]
    inbound.close()


def test_a_log_that_lost_everything_is_read_from_its_beginning(tmp_path: Path, inbound: Journal) -> None:
    ((place, _),) = beyond(tmp_path, Replayed(inbound_offset=4_000), {})
    first = inbound.append(frame(2))
    assert [offset for offset, _ in beyond(tmp_path, Replayed(inbound_offset=place), {})] == [first]
    inbound.close()


def rotated(folder: Path) -> Path:
    """Return the first segment of a journal that has gone on in a second one."""
    journal = Journal.open(folder, lock=False, segment_bytes=2_000)
    while journal.end < 2_500:
        journal.append(bytes(100))
        journal._attend()  # as its thread does: the next segment is prepared
    journal.close()
    first, _ = sorted((folder / "journal").glob("*.seg"))
    return first


def test_a_segment_that_reached_the_disk_before_the_end_of_its_predecessor_is_dropped(tmp_path: Path) -> None:
    first = rotated(tmp_path)
    os.truncate(first, first.stat().st_size - 30)
    (tmp_path / "journal" / "checkpoints").write_bytes(b"")  # nothing was known to be on the disk

    journal = Journal.open(tmp_path, lock=False)
    frames = list(read(tmp_path / "journal"))
    assert journal.torn > 30
    assert len(frames) > 5
    assert journal.append(b"goes on") > frames[-1][0]
    journal.close()
