"""The guard's drill, what it leaves behind, and the day that does not begin without it."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from daemon import heartbeat
from daemon.config import GateSection
from daemon.gate.control import ControlDesk
from daemon.gate.requests import SignedText
from daemon.guard import proof
from daemon.guard.drill import drill, latched
from daemon.guard.killing import Target, cut
from daemon.guard.proof import GOOD_S, Proof
from daemon.heartbeat import Beat
from daemon.people import keys
from daemon.people.keys import load_keyring, load_private
from risk import commands as co
from risk.commands import CommandError
from risk.kill_switch import KillLatch

NOW_NS = 1_700_000_000 * 10**9


def me() -> Beat:
    return Beat(os.getpid(), heartbeat.started(os.getpid()), 1, False)


def good(**fields: Any) -> Proof:
    beat = me()
    shown: dict[str, Any] = {
        "wall_ns": NOW_NS,
        "pid": beat.pid,
        "started": beat.started,
        "means": ["takeover"],
        "faults": [],
    }
    return Proof(**(shown | fields))


def test_a_stand_in_is_killed_and_nothing_is_left_behind(tmp_path: Path) -> None:
    assert asyncio.run(drill(tmp_path / "guard", tmp_path / "KILLED.drill")) == []

    seen = heartbeat.read(tmp_path / "guard")
    assert seen is not None
    assert Target.of(seen).kill() == "gone before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["guard"]


@pytest.mark.parametrize("came", ["not killed: Operation not permitted", "gone before"])
def test_a_guard_that_may_not_kill_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, came: str
) -> None:
    monkeypatch.setattr(Target, "kill", lambda _: came)

    assert asyncio.run(drill(tmp_path / "guard", tmp_path / "KILLED.drill")) == [
        f"a stand-in of the gate: {came}"
    ]


def test_a_latch_that_cannot_be_set_and_a_place_that_takes_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    faults = asyncio.run(drill(tmp_path / "file" / "guard", tmp_path / "nowhere" / "KILLED.drill"))

    assert faults == [
        "a stand-in of the gate: not started: Not a directory",
        "a latch beside the gate's: No such file or directory",
    ]


def test_a_latch_that_does_not_say_what_was_written_is_none(tmp_path: Path) -> None:
    KillLatch(tmp_path / "KILLED.drill", tmp_path / "none").set("of another")

    assert "of another" in latched(tmp_path / "KILLED.drill")
    assert latched(tmp_path / "KILLED.drill") == ""  # it was cleared with the rest


def test_a_session_is_shut_down_before_its_process_has_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        port = server.getsockname()[1]
        target = Target.of(me())
        with (
            socket.socket(socket.AF_UNIX),  # looked at and left alone
            socket.socket(),
            socket.create_connection(("127.0.0.1", port)),
            socket.create_connection(other.getsockname()) as kept,
            server.accept()[0] as session,
            other.accept()[0] as another,
        ):
            assert cut(target.sessions({port})) == 1
            assert session.recv(1) == b""
            kept.sendall(b"x")
            assert another.recv(1) == b"x"
        target.close()

    assert target.sessions({port}) == []
    assert target.signal(0) == "let go of"


def test_the_kernel_is_asked_whether_a_gate_might_be_killed() -> None:
    beat = me()

    assert Target.of(beat).signal(0) == ""
    assert Target.of(Beat(beat.pid, beat.started + 1, 1, False)).signal(0) == "gone before"


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (None, "no guard has proven itself"),
        (good(), ""),
        (good(wall_ns=NOW_NS - int(GOOD_S) * 10**9), ""),
        (good(wall_ns=NOW_NS - int(GOOD_S + 1) * 10**9), "7201 s ago"),
        (good(wall_ns=NOW_NS + 1), "-1 s ago"),
        (good(pid=1), "not beside this gate"),
        (good(pid=0, started=0), "not beside this gate"),
        (good(started=1), "not beside this gate"),
        (good(faults=["no latch", "no kill"]), "drill failed: no latch; no kill"),
    ],
)
def test_a_proof_is_of_this_gate_fresh_and_whole(tmp_path: Path, last: Proof | None, says: str) -> None:
    if last is not None:
        proof.write(tmp_path, last)
        assert proof.read(tmp_path) == last

    fault = proof.fault(tmp_path, NOW_NS)

    assert says in fault
    assert bool(says) is bool(fault)


def test_what_is_no_proof_is_none(tmp_path: Path) -> None:
    for raw in (b"", b"{}", b"[1]", b"\xff"):
        (tmp_path / proof.NAME).write_bytes(raw)
        assert proof.read(tmp_path) is None


@pytest.mark.parametrize("guarded", [True, False])
def test_a_gate_with_a_guard_begins_no_day_without_its_proof(tmp_path: Path, guarded: bool) -> None:
    ring = load_keyring(keys.make_paper_keys(tmp_path), "paper")
    first = load_private(tmp_path / "first.pem")
    section = GateSection.model_construct(state_dir=tmp_path, day_dir=tmp_path, kill_file=tmp_path / "KILL")
    latch = KillLatch(tmp_path / "KILLED", tmp_path / "KILL")
    desk = ControlDesk(cast("Any", None), section, ring, latch, guarded)
    text = co.write("PAPER/paper/7", "0" * 32, 60 * 10**9, co.DayBegin(day="2024-01-02", manifest="0" * 64))
    sent = SignedText(cmd="signed", key=first.key_id, text=text, signature=first.sign(text))

    with pytest.raises(CommandError) as refused:
        desk.signed(sent, 1)

    assert (
        "steadyhand guard" in str(refused.value)
    ) is guarded  # without: the files of that day are not there
    proof.write(tmp_path, proof.now(os.getpid(), heartbeat.started(os.getpid()), ["takeover"], []))
    with pytest.raises(CommandError, match=r"manifest\.json"):
        desk.signed(sent, 1)
