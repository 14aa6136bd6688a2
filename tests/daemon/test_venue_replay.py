"""Same scenario, seed and arrivals: same messages, same feed, whatever the pace and the hash seed."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from daemon.strict_toml import ConfigError
from daemon.venue.options import parser
from daemon.venue.outbound import OUTBOUND_FILE, Outbound
from daemon.venue.parts import Parts, build_flow
from daemon.venue.replay import INBOUND_FILE, Inbound, RecordOnly, account_of, happen, replay
from daemon.venue.settings import Options, read
from gateways.venue import record
from tests.gateways.venue.desk import SOH

ROOT: Final = Path(__file__).parents[2]
REQUESTS: Final = 400
NS: Final = 10**9
MANY: Final = """
seed = 11
rule = [
  { when = { on = "ack", probability = 0.1 }, do = { action = "delay", seconds = 0.7 } },
  { when = { on = "ack", every = 17 }, do = { action = "drop" } },
  { when = { on = "report", probability = 0.05 }, do = { action = "duplicate", seconds = 0.2 } },
  { when = { on = "new", probability = 0.05 }, do = { action = "reject", reason = 3 } },
  { when = { on = "cancel", probability = 0.1 }, do = { action = "delay", seconds = 1.5 } },
  { when = { on = "cancel", every = 9 }, do = { action = "drop" } },
  { when = { on = "fill", every = 5, after = 0.3 }, do = { action = "bust" } },
  { when = { on = "fill", every = 7 }, do = { action = "correct", ticks = -1 } },
  { when = { on = "fill", every = 11 }, do = { action = "same_exec_id" } },
  { when = { on = "fill", every = 13 }, do = { action = "alter", set = { "58" = "hello" } } },
  { when = { on = "ack", every = 6, after = 0.05 }, do = { action = "fill", part = 0.5 } },
  { when = { at = "10:00:10", every_s = 7.0 }, do = { action = "cancel", pick = "newest" } },
  { when = { at = "10:00:12", every_s = 9.0 }, do = { action = "restate", qty = -10, ticks = 1 } },
  { when = { at = "10:00:13", every_s = 20.0, probability = 0.5 }, do = { action = "unknown_order" } },
  { when = { at = "10:00:40" }, do = { action = "overfill", pick = "all" } },
  { when = { at = "10:00:20" }, do = { action = "silence", of = "reference", seconds = 5.0 } },
  { when = { at = "10:00:25" }, do = { action = "feed_gap" } },
  { when = { on = "ack", every = 12 }, do = { action = "garble" } },
  { when = { on = "ack", every = 14 }, do = { action = "lose" } },
  { when = { at = "10:00:50" }, do = { action = "half_open", seconds = 3.0 } },
  { when = { on = "logout" }, do = { action = "skew", seconds = 9.0, by = 300.0 } },
]
"""


class Client:
    """Asks at random, and remembers what of it may still work."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.n = 0
        self.names: list[str] = []

    def request(self) -> str:
        """Return the next one: orders around the touch, cancels and replaces of earlier ones, questions."""
        self.n += 1
        r, name = self.random, f"C{self.n}"
        kind = r.choice("DDDDFGH") if self.names else "D"
        side, price = r.choice("12"), f"{100 + r.randrange(-20, 20) / 100:.2f}"
        fields: list[tuple[int, Any]] = [(11, name), (1, "ACC"), (55, "SYN"), (54, side)]
        if kind in "FG":
            fields.append((41, r.choice(self.names[-8:])))
        if kind in "DG":
            fields += [(38, 100 * r.randrange(1, 5)), (40, 2), (44, price)]
            self.names.append(name)
        if kind == "H":
            fields[0] = (11, r.choice(self.names))
        head = f"8=FIX.4.4{SOH}9=0{SOH}35={kind}{SOH}34={self.n}{SOH}49=C{SOH}56=V{SOH}"
        return head + "".join(f"{tag}={value}{SOH}" for tag, value in fields) + f"10=000{SOH}"


def options(folder: Path, scenario: str = MANY) -> Options:
    (folder / "scenario.toml").write_text(scenario)
    argv = ["--from", "10:00", "--to", "10:01", "--seed", "5", "--scenario", str(folder / "scenario.toml")]
    return read(parser().parse_args(argv))


def run(folder: Path, opts: Options, pace_ms: int) -> Parts:
    """Let a client trade through the faults, and leave what a venue leaves."""
    inbound = Inbound(folder)
    lines = RecordOnly(Outbound(folder))
    parts = Parts(opts, build_flow(opts), lines, lines.reference, "R", inbound.note)
    lines.exchange = parts.exchange
    client, r = Client(3), random.Random(4)
    arrivals = sorted(opts.window[0] + r.randrange(70 * NS) for _ in range(REQUESTS))
    parts.director.logon("order")
    inbound.note(opts.window[0], "open", "")
    parts.director.open()
    parts.prices.request(
        f"8=FIX.4.4{SOH}35=V{SOH}34=1{SOH}262=M{SOH}263=1{SOH}264=5{SOH}146=1{SOH}55=SYN{SOH}267=1{SOH}"
        f"269=0{SOH}10=000{SOH}"
    )
    now_ns = opts.window[0]
    for arrival in arrivals:
        while now_ns + pace_ms * 1_000_000 < arrival:
            now_ns += pace_ms * 1_000_000
            parts.director.advance(now_ns)
            parts.prices.tell(now_ns)
        parts.director.advance(arrival)
        parts.director.request(client.request())
    parts.director.logout("order")
    parts.director.cancel_all("cancel on disconnect")
    inbound.note(parts.exchange.now_ns, "close", "")
    happen(parts, "close", "")
    account = account_of(opts, parts, lines.record)
    inbound.close()
    lines.record.close()
    record.write(folder, account, parts.store)
    return parts


def replayed(folder: Path, out: Path, hash_seed: str) -> dict[str, Any]:
    """Replay in a process of its own; return what it announced."""
    argv = [sys.executable, "-m", "daemon.cli", "venue", "--replay", str(folder), "--out", str(out)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_run_with_many_faults_is_replayed_to_the_byte_under_any_hash_seed(tmp_path: Path) -> None:
    parts = run(tmp_path, options(tmp_path), pace_ms=37)
    fired = parts.director.fired
    said = [replayed(tmp_path, tmp_path / f"again{seed}", seed) for seed in ("1", "2")]

    assert min(fired.values()) > 0, fired
    assert all(one["same_feed"] and one["same_fills"] and one["same_messages"] for one in said)
    lines = [
        (folder / OUTBOUND_FILE).read_bytes()
        for folder in (tmp_path, tmp_path / "again1", tmp_path / "again2")
    ]
    assert lines[0] == lines[1] == lines[2]
    assert len(lines[0].splitlines()) > REQUESTS


def test_the_pace_at_which_a_venue_looks_at_its_market_changes_nothing(tmp_path: Path) -> None:
    folders = [tmp_path / str(pace) for pace in (3, 211)]
    for folder, pace in zip(folders, (3, 211), strict=True):
        folder.mkdir()
        run(folder, options(folder, MANY.replace("reference", "feed")), pace)
    one, two = [(folder / OUTBOUND_FILE).read_text() for folder in folders]

    assert one == two
    assert (folders[0] / "itch.bin").read_bytes() == (folders[1] / "itch.bin").read_bytes()


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    for name, text in (("a", MANY), ("b", MANY.replace("seed = 11", "seed = 12"))):
        (tmp_path / name).mkdir()
        run(tmp_path / name, options(tmp_path / name, text), 50)

    assert (tmp_path / "a" / OUTBOUND_FILE).read_text() != (tmp_path / "b" / OUTBOUND_FILE).read_text()


def test_a_changed_record_is_noticed(tmp_path: Path) -> None:
    run(tmp_path, options(tmp_path), 50)
    path = tmp_path / INBOUND_FILE
    lines = path.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if "35=D" in line)
    path.write_text("\n".join([*lines[:at], *lines[at + 1 :]]) + "\n")
    argv = [sys.executable, "-m", "daemon.cli", "venue", "--replay", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["same_messages"] is False


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, to be copied."""
    folder = tmp_path_factory.mktemp("run")
    run(folder, options(folder), 50)
    return folder


def refusal(finished: Path, folder: Path, spoil: Callable[[Path], Any], out: str = "again") -> str:
    """Return in which line a spoilt record is refused, before anything is written."""
    shutil.copytree(finished, folder / "run")
    spoil(folder / "run")
    with pytest.raises(ConfigError) as refused:
        replay(folder / "run", folder / out)
    assert "\n" not in str(refused.value)
    return str(refused.value).replace(f"{folder}/run/", "")


def cut(name: str, lines: int) -> Callable[[Path], Any]:
    return lambda run: (run / name).write_text("\n".join((run / name).read_text().splitlines()[:lines]))


def insert(line: bytes) -> Callable[[Path], Any]:
    """Put a line in the third place of what reached the run."""

    def spoil(run: Path) -> None:
        lines = (run / INBOUND_FILE).read_bytes().split(b"\n")
        then = str(json.loads(lines[1])[0]).encode()
        (run / INBOUND_FILE).write_bytes(b"\n".join([*lines[:2], line.replace(b"THEN", then), *lines[2:]]))

    return spoil


def change(run: Path) -> None:
    (run / OUTBOUND_FILE).write_text((run / OUTBOUND_FILE).read_text().replace("35=8", "35=9", 1))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda run: (run / "itch.bin").unlink(), "itch.bin: No such file or directory; there is nothing to"),
        (lambda run: (run / OUTBOUND_FILE).unlink(), "outbound.jsonl: No such file or directory; there is"),
        (lambda run: (run / INBOUND_FILE).unlink(), "inbound.jsonl: No such file or directory; the run has"),
        (cut(OUTBOUND_FILE, 3), "outbound.jsonl: holds 3 messages, the run sent"),
        (cut(OUTBOUND_FILE, 0), "outbound.jsonl: holds 0 messages, the run sent"),
        (change, "outbound.jsonl: is not what the run wrote: changed since"),
        (insert(b"\xff\xfe\x00"), "inbound.jsonl:3: is not a line of a run"),
        (insert(b"[" * 100_000), "inbound.jsonl:3: is not a line of a run"),
        (insert(b"[1]"), "inbound.jsonl:3: is not a line of a run"),
        (insert(b'[1.5, "open", ""]'), "inbound.jsonl:3: is not a line of a run"),
        (insert(b'[0, "open", ""]'), "inbound.jsonl:3: is earlier than the line before it"),
        (insert(b'[THEN, "opne", ""]'), "inbound.jsonl:3: opne cannot have happened there"),
        (insert(b'[9223372036854775000, "open", ""]'), "inbound.jsonl:3: is days after the run's window"),
    ],
)
def test_a_spoilt_record_is_refused_in_one_line(
    finished: Path, tmp_path: Path, spoil: Callable[[Path], Any], says: str
) -> None:
    assert refusal(finished, tmp_path, spoil).startswith(says)


def test_a_replay_does_not_overwrite_the_run(finished: Path, tmp_path: Path) -> None:
    says = refusal(finished, tmp_path, lambda _: None, out="run")

    assert says.endswith("is the run itself; name another folder")


def test_runs_in_real_time_share_no_feed_session_equal_runs_in_lockstep_do(tmp_path: Path) -> None:
    def session(argv: list[str], run: str) -> str:
        opts = read(parser().parse_args(["--from", "10:00", "--to", "10:01", "--seed", "5", *argv]))
        lines = RecordOnly(Outbound(None))
        return Parts(opts, build_flow(opts), lines, lines.reference, run).feed_session

    lockstep = ["--lockstep", "--lockstep-socket", str(tmp_path / "lock.sock")]

    assert session([], "V1") != session([], "V2"), "who resumes with the numbers of another run must hear it"
    assert session(lockstep, "V1") == session(lockstep, "V2")
