"""The double under the simulation behaves as quickfix does: the same scripts on both."""

import queue
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.engine_bench import (
    Step,
    bench,
    crash,
    drop,
    expect,
    got,
    logon,
    none,
    numbers,
    out,
    peer,
    refuse,
    send,
)

DUP = {43: "Y", 122: "20240102-15:00:00.000"}
FILL = {123: "Y"} | DUP
SCRIPTS: dict[str, list[Step]] = {
    "logon": [logon(), numbers(2, 2)],
    "a logon is refused, with the reason": [refuse("MsgSeqNum too low, expecting 40 but received 1"),
        out("MsgSeqNum too low, expecting 40")],
    "test request": [logon(), peer("1", {112: "ARE-YOU-THERE"}), expect("0", {112: "ARE-YOU-THERE"})],
    "an order leaves with the next number": [logon(), send(True), expect("D", {34: "2"}), numbers(3, 2)],
    "offline nothing is stored and no number used": [
        send(False), logon(), numbers(2, 2), send(True), expect("D", {34: "2"}), drop(), out(""), send(False),
        logon(), numbers(4, 3), none(),
    ],
    "a gap is asked for, and what is sent again comes in order": [
        logon(), peer("8", seq=4), expect("2", {7: "2", 16: "0"}),
        peer("4", FILL | {36: "3"}, seq=2), peer("8", {17: "E0"} | DUP, seq=3), peer("8", DUP, seq=4),
        got("E0"), got("E1"), numbers(3, 5),
    ],
    "what came ahead of a gap is kept until the gap is filled": [
        logon(), peer("8", {17: "E4"}, seq=4), expect("2", {7: "2"}), peer("4", FILL | {36: "4"}, seq=2),
        got("E4"), numbers(3, 5),
    ],
    "a gap is asked for once": [
        logon(), peer("8", {17: "E4"}, seq=4), peer("8", {17: "E5"}, seq=5), expect("2", {7: "2"}),
        peer("4", FILL | {36: "4"}, seq=2), got("E4"), got("E5"), numbers(3, 6),
    ],
    "a gap fill may skip what was kept": [
        logon(), peer("8", {17: "E4"}, seq=4), expect("2"), peer("4", FILL | {36: "5"}, seq=2),
        peer("8", {17: "E5"}, seq=5), got("E5"), numbers(3, 6),
    ],
    "PossDup with an old number is dropped": [
        logon(), peer("8", {17: "E2"}), got("E2"), peer("8", {17: "E2"} | DUP, seq=2), none(), numbers(3, 4),
    ],
    "PossDup with the number that is due is taken": [logon(), peer("8", {17: "E2"} | DUP), got("E2")],
    "PossResend is taken": [logon(), peer("8", {17: "E2", 97: "Y"}), got("E2")],
    "too low ends the session, and says so": [
        logon(), peer("8", seq=1), expect("5", {58: "MsgSeqNum too low, expecting 2 but received 1"}),
        out("MsgSeqNum too low"),
    ],
    "orders are not sent again": [
        logon(), send(True), expect("D"), send(True), expect("D"), peer("2", {7: "1", 16: "0"}),
        expect("4", {34: "1", 36: "4", 123: "Y", 43: "Y"}), none(), numbers(5, 4),
    ],
    "a part of them is not sent again either": [
        logon(), send(True), expect("D"), send(True), expect("D"), peer("2", {7: "2", 16: "2"}),
        expect("4", {34: "2", 36: "3", 123: "Y"}), none(),
    ],
    "numbers outlive a crash": [
        logon(), send(True), expect("D"), peer("8", {17: "E2"}), got("E2"), crash(), logon(), numbers(4, 4),
        send(True), expect("D", {34: "4"}),
    ],
    "what was missed while dead is asked for, even after a second death": [
        logon(), crash(), logon(7), expect("2", {7: "2"}), crash(), logon(8), expect("2", {7: "2"}),
        peer("4", FILL | {36: "9"}, seq=2), numbers(6, 9),
    ],
    "a Logon ahead of a gap": [
        logon(), drop(), out(""), logon(5), expect("2", {7: "2", 16: "0"}),
        peer("8", {17: "E2"} | DUP, seq=2), got("E2"), peer("4", FILL | {36: "6"}, seq=3), numbers(4, 6),
    ],
    "SequenceReset forward": [
        logon(), peer("4", {36: "10"}), numbers(2, 10), peer("8", {17: "E9"}, seq=10), got("E9"),
    ],
    "SequenceReset backward is rejected": [
        logon(), peer("8", {17: "E2"}), got("E2"), peer("4", {36: "2"}), expect("3", {372: "4"}),
    ],
    "the peer logs out": [logon(), peer("5", {58: "end of day"}), expect("5"), out("")],
    "an unasked reset at logon is followed": [
        logon(), send(True), expect("D"), drop(), out(""), logon(1, t141="Y"), expect("A", {34: "1"}),
        numbers(2, 2),
    ],
    "a session reject is handed over": [
        logon(), peer("3", {45: "2", 372: "D", 373: "5", 58: "no", 17: "X"}), got("X"),
    ],
}  # fmt: skip


SILENCE = [logon(), expect("1"), out("Timed out waiting for heartbeat")]
AT_ONCE = 6  # quickfix wakes once a second: its scripts mostly wait


def fault(kind: str, folder: Path, script: list[Step], heartbeat_s: int = 30) -> str:
    """Play a script; return what does not hold, "" where everything does.

    A machine that is so busy that a line breaks or an answer takes half a minute is asked once more.
    """
    for again in (True, False):
        place = folder / str(again)
        place.mkdir(parents=True)
        try:
            with bench(kind, place, heartbeat_s) as engine:
                engine.play(script)
        except (OSError, queue.Empty) as error:
            if not again:
                return f"{type(error).__name__} {error}"
        except AssertionError as error:
            return f"{error}"
        else:
            return ""
    raise AssertionError("unreachable")


@pytest.fixture(scope="module")
def of_quickfix(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What quickfix makes of every script."""
    base = tmp_path_factory.mktemp("quickfix")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {
            name: pool.submit(fault, "quickfix", base / str(n), script)
            for n, (name, script) in enumerate(SCRIPTS.items())
        }
        jobs["silence"] = pool.submit(fault, "quickfix", base / "silence", SILENCE, 1)
    return {name: job.result() for name, job in jobs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SCRIPTS, "silence"])
def test_quickfix_behaves_as_scripted(name: str, of_quickfix: dict[str, str]) -> None:
    assert of_quickfix[name] == ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_double_behaves_as_scripted(name: str, tmp_path: Path) -> None:
    assert fault("double", tmp_path / "state", SCRIPTS[name]) == ""


def test_the_double_ends_a_silent_session(tmp_path: Path) -> None:
    assert fault("double", tmp_path / "state", SILENCE, heartbeat_s=1) == ""
