"""When the guard acts, on heartbeats and instants that the test makes."""

import os
from pathlib import Path

import pytest

from daemon import heartbeat
from daemon.guard.killing import Target, gone, is_zombie
from daemon.guard.watch import POLL_NS, Watch, Word
from daemon.heartbeat import Beat, Heartbeat

STUCK_NS = 1_000_000_000


def looks(watch: Watch, beat: Beat | None, start_ns: int, count: int) -> list[Word]:
    return [watch.observe(beat, start_ns + n * POLL_NS) for n in range(count)]


def test_a_gate_is_stuck_when_no_beat_came_for_so_long_and_only_once() -> None:
    watch = Watch(STUCK_NS)

    words = looks(watch, Beat(7, 1, 5, False), 0, 120)

    assert words.index(Word.STUCK) == STUCK_NS // POLL_NS
    assert words.count(Word.STUCK) == 1
    assert set(words[51:]) == {Word.IDLE}


def test_a_gate_that_beats_is_alive() -> None:
    watch = Watch(STUCK_NS)

    words = [watch.observe(Beat(7, 1, n // 40, False), n * POLL_NS) for n in range(1_000)]

    assert set(words) == {Word.ALIVE}


def test_a_guard_that_was_held_up_itself_accuses_nobody() -> None:
    watch, beat = Watch(STUCK_NS), Beat(7, 1, 5, False)
    watch.observe(beat, 0)

    words = [watch.observe(beat, n * 30 * STUCK_NS) for n in range(1, 10)]

    assert set(words) == {Word.ALIVE}
    assert watch.still_ns == 9 * 2 * POLL_NS


def test_the_next_gate_is_watched_anew() -> None:
    watch = Watch(STUCK_NS)
    looks(watch, Beat(7, 1, 5, False), 0, 60)

    for gate in (Beat(8, 1, 5, False), Beat(8, 2, 5, False)):  # another pid; the same pid, used again
        words = looks(watch, gate, 10 * STUCK_NS, 60)
        assert words.count(Word.STUCK) == 1


def test_a_gate_that_ended_in_order_is_nobodys_business() -> None:
    watch = Watch(STUCK_NS)

    assert set(looks(watch, Beat(7, 1, 5, True), 0, 200) + looks(watch, None, STUCK_NS, 200)) == {Word.IDLE}


def test_the_slot_says_who_lives_and_when_it_beat(tmp_path: Path) -> None:
    assert heartbeat.read(tmp_path) is None
    beat = Heartbeat.make(tmp_path, 5)
    beat.write(9)

    seen = heartbeat.read(tmp_path)
    assert seen == Beat(os.getpid(), heartbeat.started(os.getpid()), 9, False)
    beat.stop()
    assert heartbeat.read(tmp_path) == Beat(seen.pid, seen.started, 9, True)


def test_what_lies_in_the_slots_place_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.write_text("not ours")
    (tmp_path / heartbeat.NAME).symlink_to(others)
    Heartbeat.make(tmp_path, 5).stop()

    assert others.read_text() == "not ours"
    heartbeat.clear(tmp_path)
    assert heartbeat.read(tmp_path) is None, "the guard sees no gate before the next one lives"
    (tmp_path / heartbeat.NAME).mkdir()
    with pytest.raises(OSError, match="directory"):
        heartbeat.clear(tmp_path)


def test_a_slot_that_is_none_is_no_gate(tmp_path: Path) -> None:
    for raw in (b"", b"STEADYHB", b"x" * 40, heartbeat.MAGIC + b"\0" * 32):
        (tmp_path / heartbeat.NAME).write_bytes(raw)
        assert heartbeat.read(tmp_path) is None


def test_no_other_process_is_killed_than_the_one_that_beat() -> None:
    mine = os.getpid()

    assert Target.of(Beat(mine, heartbeat.started(mine) + 1, 0, False)).kill() == "gone before"
    assert heartbeat.started(mine) > 0
    assert not is_zombie(mine)
    assert callable(gone)
