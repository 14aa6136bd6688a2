"""The trader's shell: journal before step before send; a journal steps again to the same decisions."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import numba
import pytest
from numba.core import event as numba_events

from daemon import replay_options
from daemon.journal import Journal
from daemon.replay import TraderReplay
from daemon.segments.layout import FIRST
from daemon.trader import options as trader_options
from daemon.trader.events import FeedIdle, LinkUp
from daemon.trader.journal import Begin, Input, Output, Read, StateHash, decode, encode, read
from daemon.trader.setup import Epochs, warm_up
from market import events as ev
from market.types import ParentID, ParentStatus
from tests.artefacts.shelf import CLONED
from tests.daemon.trader_world import ShellRun, begin_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    warm_up()


@pytest.fixture(scope="module")
def journaled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ShellRun]:
    folder = tmp_path_factory.mktemp("run")
    run = ShellRun("twap-passive", folder)
    run.play()
    run.shell.close()
    return folder / "trader-1.journal", run


def test_the_shell_works_a_parent_in_lockstep(journaled: tuple[Path, ShellRun]) -> None:
    _, run = journaled

    assert run.gate.progress[ParentID("P1")].status is ParentStatus.FILLED
    assert [tock.tick for tock in run.tocks] == list(range(1, len(run.tocks) + 1))
    assert all(tock.next_ts_ns == 0 or tock.next_ts_ns > 0 for tock in run.tocks)


def test_a_journal_gives_the_same_decisions_observations_and_state(journaled: tuple[Path, ShellRun]) -> None:
    path, run = journaled

    verdict = TraderReplay(path).run()

    assert verdict.differences == []
    assert verdict.decisions == run.core.decisions > 30
    assert verdict.outputs > 30
    assert verdict.hashes >= 1


def test_every_input_is_journaled_before_what_it_led_to(journaled: tuple[Path, ShellRun]) -> None:
    path, run = journaled
    frames = [frame for _, frame in read(path)]

    assert isinstance(frames[0], Begin)
    assert isinstance(frames[-1], StateHash)
    sent = [intent for frame in frames if isinstance(frame, Output) for intent in frame.intents]
    assert sent == run.sent
    for before, frame in pairwise(frames):
        if isinstance(frame, Output):
            assert isinstance(before, Read | Input | Output)


def rewritten(path: Path, folder: Path, change: object) -> Path:
    """Write a journal again with one frame changed."""
    journal = Journal.open(folder, "trader-2.journal")
    for number, (_, frame) in enumerate(read(path)):
        changed = change(number, frame)  # type: ignore[operator]
        if changed is not None:
            journal.append(encode(changed))
    journal.close()
    return folder / "trader-2.journal"


def test_a_changed_output_is_found(journaled: tuple[Path, ShellRun], tmp_path: Path) -> None:
    seen = []

    def change(_: int, frame: object) -> object:
        if isinstance(frame, Output) and frame.intents and not seen:
            seen.append(frame)
            other = msgspec.structs.replace(frame.intents[0], decision_id=10**6)
            return msgspec.structs.replace(frame, intents=(other,))
        return frame

    verdict = TraderReplay(rewritten(journaled[0], tmp_path, change)).run()

    assert len(verdict.differences) == 1
    assert "decides submit n=1 where submit n=1 was journaled" in verdict.differences[0]


def test_a_changed_observation_is_found(journaled: tuple[Path, ShellRun], tmp_path: Path) -> None:
    def change(number: int, frame: object) -> object:
        return None if isinstance(frame, Read) and number > 200 and number % 50 == 0 else frame

    verdict = TraderReplay(rewritten(journaled[0], tmp_path, change)).run()

    assert not verdict.clean


def test_a_journal_that_ends_anywhere_is_still_the_same(
    journaled: tuple[Path, ShellRun], tmp_path: Path
) -> None:
    raw = (journaled[0] / "00000001.seg").read_bytes()
    for number, cut in enumerate((len(raw) // 3, len(raw) // 2, len(raw) - 5)):
        path = tmp_path / f"trader-{number}.journal"
        path.mkdir()
        (path / "00000001.seg").write_bytes(raw[:cut])

        assert TraderReplay(path).run().clean


def test_replay_says_its_verdict_and_its_exit_code(
    journaled: tuple[Path, ShellRun], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = journaled[0].parent
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    raw = bytearray((broken / "trader-1.journal" / "00000001.seg").read_bytes())
    raw[FIRST + 2_000] ^= 1
    (broken / "trader-1.journal" / "00000001.seg").write_bytes(raw)

    assert replay_options.main([str(folder)]) == 0
    assert "same decisions and state" in capsys.readouterr().out
    assert replay_options.main([str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True
    assert replay_options.main([str(broken)]) == 2
    assert "corrupt frame" in capsys.readouterr().err
    assert replay_options.main([str(tmp_path / "nothing")]) == 2
    assert "no journal" in capsys.readouterr().err


def test_a_journal_of_another_policy_or_version_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = msgspec.structs.replace(begin_of("twap", "0" * 64))
    for number, (begin, text) in enumerate(
        (
            (other, "the journal was written with 0000"),
            (msgspec.structs.replace(other, state_spec_sha256="1"), "another version wrote it"),
            (msgspec.structs.replace(other, policy="script:/none"), "cannot be read"),
        )
    ):
        folder = tmp_path / str(number)
        journal = Journal.open(folder, "trader-1.journal")
        journal.append(encode(begin))
        journal.close()

        assert replay_options.main([str(folder)]) == 2
        assert text in capsys.readouterr().err


@pytest.mark.parametrize("frame", [b"", b"?", b"F123", b"E" + b"\0" * 16 + b"\xc1", b"O", b"B\x80"])
def test_a_frame_that_is_none_is_refused(frame: bytes) -> None:
    with pytest.raises(ValueError, match="frame of kind"):
        decode(frame)


def test_a_broken_feed_ends_decisions_and_replays() -> None:
    run = ShellRun("twap", None, seconds=20)
    run.begin()
    run.shell.read(memoryview(b"\x00\x05SA???"), run.seen_seq, 0)

    run.instant(run.now_ns + 1)

    assert "was refused" in run.core.why_unfit
    assert run.core.next_due_ns() == 0


def test_no_kernel_compiles_after_the_warm_up() -> None:
    @numba.njit
    def control(x: int) -> int:
        return x + 1

    with numba_events.install_recorder("numba:compile") as compiled:
        for policy in ("twap-passive", str(CLONED)):
            ShellRun(policy, None, seconds=15).play()
        control(1)

    names = {event.data["dispatcher"].__name__ for _, event in compiled.buffer}
    assert "control" in names  # the recorder does see what compiles
    assert names & TRADING_KERNELS == set()


# What runs in a trader; the exchange in this process compiles kernels of its own.
TRADING_KERNELS = {
    *("decode_frames", "decode_message", "book_apply", "levels_into", "size_at", "observe", "others"),
    *("features", "forget", "volume_before", "count_kinds", "forward", "act", "best", "scan_run"),
}


def test_epochs_only_rise_over_restarts(tmp_path: Path) -> None:
    first = Epochs(tmp_path).next()
    again = Epochs(tmp_path).next()
    (tmp_path / "epoch").write_text(f"{10**30}\n")

    assert again > first
    assert Epochs(tmp_path).next() == 10**30 + 1


def test_in_lockstep_epochs_count_from_one(tmp_path: Path) -> None:
    assert [Epochs(tmp_path, counted=True).next() for _ in range(3)] == [1, 2, 3]


def test_events_of_the_core_travel_through_the_journal() -> None:
    for event in (FeedIdle(), LinkUp(epoch=3), ev.Timer()):
        frame = Input(ev.Stamp(1, 2), event)
        assert decode(encode(frame)) == frame


CONFIG = """
[[instrument]]
symbol = "SYN"

[gate]
state_dir = "gate"
control_socket = "c.sock"
link_socket = "l.sock"
limits = "limits.toml"
kill_file = "KILL"
[gate.order_session]
port = 1

[trader]
symbols = ["{symbol}"]
policy = "{policy}"
journal_dir = "journal"
[trader.feed]
port = 1
"""


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"policy": "twop"}, "policy 'twop': neither"),
        ({"policy": "script:/nowhere"}, "/nowhere: cannot be read"),
        ({"policy": "spoilt"}, "weights.safetensors: SHA-256 is"),
        ({"symbol": "XYZ"}, "no [[instrument]] XYZ"),
    ],
)
def test_what_cannot_start_says_so_in_one_line_and_exits_with_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, str], text: str
) -> None:
    spoilt = shutil.copytree(CLONED, tmp_path / "spoilt")
    raw = bytearray((spoilt / "weights.safetensors").read_bytes())
    raw[5_000] ^= 1
    (spoilt / "weights.safetensors").write_bytes(raw)
    given = {"symbol": "SYN", "policy": "twap"} | fields
    given["policy"] = given["policy"].replace("spoilt", str(spoilt))
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(**given))

    assert trader_options.main(["--config", str(config)]) == 78

    err = capsys.readouterr().err
    assert err.startswith("steadyhand trader: ")
    assert err.count("\n") == 1
    assert text in err


def test_a_journal_directory_has_one_trader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(symbol="SYN", policy="twap"))
    holder = Journal.open(tmp_path / "journal", "trader-0.journal")

    assert trader_options.main(["--config", str(config)]) == 78

    assert "held by process" in capsys.readouterr().err
    holder.close()


@pytest.mark.slow
def test_the_trader_stays_small_and_knows_no_framework() -> None:
    code = """
import sys
import daemon.trader.main
from daemon.trader.setup import warm_up
warm_up()
heavy = sorted({"torch", "pyarrow", "quickfix", "pandas", "sklearn"} & set(sys.modules))
# VmHWM and not getrusage: that one begins with the high-water mark of whoever started us.
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak_kb) // 1024, heavy)
"""

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    rss_mb, heavy = run.stdout.split(maxsplit=1)
    assert heavy.strip() == "[]"
    assert int(rss_mb) <= 350
