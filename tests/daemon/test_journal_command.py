"""`steadyhand journal`: whatever is done to a journal is found, with file and offset; events can be read."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon import replay_options
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME, Digest, Input, Output, decisions, encode
from daemon.journal import Journal
from daemon.people import journal_options
from daemon.people.keys import PrivateKey
from daemon.segments import checkpoints
from daemon.segments.layout import FRAME, HEADER, Header, JournalError, encode_frame
from daemon.segments.reading import chain_at, end_of, read, segments
from daemon.segments.retention import pack, throw_away
from daemon.segments.verifying import verify
from tests.daemon.gate_harness import BID, World

KEY = PrivateKey(Ed25519PrivateKey.generate(), paper=True)


def written(folder: Path, count: int = 60, **options: object) -> Path:
    """Write a journal of several segments, signed now and then."""
    journal = Journal.open(folder, "any.journal", segment_bytes=900, signer=lambda: KEY, **options)  # type: ignore[arg-type]
    for n in range(count):
        journal._attend()
        journal.append(b"%050d" % n)
        if n % 10 == 9:
            journal._due = journal._tail.mark()
            journal.sync()
            journal._checkpoint()
    journal.close()
    return journal.path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("whole"))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg*"))


def test_a_whole_journal_is_whole(whole: Path) -> None:
    found = verify(whole, (KEY.key_id,))

    assert found.clean
    assert (found.frames, found.unsigned_frames) == (60, 0)
    assert found.segments == len(files(whole)) > 4
    assert found.checkpoints >= 6
    assert found.signed_by == [KEY.key_id]


def test_any_flipped_bit_is_found_with_its_file(whole: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    copy = tmp_path / "any.journal"
    shutil.copytree(whole, copy)
    for path in [*files(copy), copy / "checkpoints"]:
        raw = path.read_bytes()
        for at in {0, 8, 20, HEADER.size - 1, HEADER.size, len(raw) - 1, *rng.sample(range(len(raw)), 40)}:
            damaged = bytearray(raw)
            damaged[at] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            found = verify(copy)
            assert not found.clean, (path.name, at)
            assert any(path.name in text for text in found.faults), (path.name, at, found.faults)
        path.write_bytes(raw)
    assert verify(copy).clean


def test_a_damaged_frame_is_named_by_its_offset(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "any.journal"
    shutil.copytree(whole, copy)
    path = files(copy)[2]
    raw = bytearray(path.read_bytes())
    place = HEADER.size + FRAME.size + 50  # of its second frame
    raw[place + FRAME.size + 3] ^= 4
    path.write_bytes(raw)

    assert f"{path}:{place}: corrupt frame" in verify(copy).faults


def damages(copy: Path) -> dict[str, tuple[Callable[[], object], str]]:
    paths = files(copy)
    third = paths[2].read_bytes()

    def swap() -> None:
        fourth = paths[3].read_bytes()
        paths[2].write_bytes(fourth)
        paths[3].write_bytes(third)

    def swap_frames() -> None:
        size = FRAME.size + 50
        a, b = third[HEADER.size : HEADER.size + size], third[HEADER.size + size : HEADER.size + 2 * size]
        paths[2].write_bytes(third[: HEADER.size] + b + a + third[HEADER.size + 2 * size :])

    def forge(last: bool) -> None:
        path = paths[-1] if last else paths[2]
        raw = path.read_bytes()
        frame = encode_frame(FRAME.unpack_from(raw, HEADER.size)[2], b"%050d" % 777)
        path.write_bytes(raw[: HEADER.size] + frame + raw[HEADER.size + len(frame) :])

    def sign_anew(key: PrivateKey) -> None:
        """Change the journal, make every header and checkpoint fit again, sign with another key."""
        forge(True)
        last = segments(copy)[-1]
        _, number = end_of(last)
        kept = (copy / "checkpoints").read_bytes()[: -checkpoints.RECORD.size]
        mark = checkpoints.Mark(number, last.end, chain_at(copy, last.end))
        (copy / "checkpoints").write_bytes(kept + checkpoints.sign(last.header.journal, mark, key).encode())

    def renumber() -> None:
        header = Header(*HEADER.unpack(third[: HEADER.size])[2:-1])
        other = Header(header.number, header.offset, header.first + 1, header.journal, header.chain)
        paths[2].write_bytes(other.encode() + third[HEADER.size :])

    end = paths[-1].read_bytes()
    return {
        "missing": (paths[2].unlink, f"{paths[2]}: the segment is missing"),
        "first missing": (paths[0].unlink, f"{paths[0]}: the segment is missing"),
        "last missing": (paths[-1].unlink, "bytes that were on the disk are missing"),
        "swapped": (swap, f"{paths[2]}:0: this is segment 4, not 3"),
        "cut": (lambda: paths[2].write_bytes(third[:-20]), f"{paths[2]}:"),
        "cut at a frame": (
            lambda: paths[2].write_bytes(third[: -FRAME.size - 50]),
            "cut: 66 bytes are missing",
        ),
        "end cut": (
            lambda: paths[-1].write_bytes(end[: -FRAME.size - 50]),
            "that were on the disk are missing",
        ),
        "end torn": (lambda: paths[-1].write_bytes(end[:-3]), "unfinished last frame"),
        "emptied": (lambda: paths[2].write_bytes(b""), f"{paths[2]}: the segment is missing"),
        "frames swapped": (swap_frames, f"{paths[2]}:{HEADER.size}: frame "),
        "numbers": (renumber, f"{paths[2]}:{HEADER.size}: frame "),
        "forged": (lambda: forge(False), f"{paths[3]}:0: {paths[2].name} is not what it was chained to"),
        "end forged": (lambda: forge(True), f"{paths[-1]}:"),
        "signed by another": (
            lambda: sign_anew(PrivateKey(Ed25519PrivateKey.generate(), True)),
            "signed by ",
        ),
        "signed by nobody": (lambda: sign_anew(None), "signed by nobody"),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize(
    "what",
    ["missing", "first missing", "last missing", "swapped", "cut", "cut at a frame", "end cut", "end torn",
     "emptied", "frames swapped", "numbers", "forged", "end forged", "signed by another", "signed by nobody"],
)  # fmt: skip
def test_what_was_done_to_a_journal_is_found(whole: Path, tmp_path: Path, what: str) -> None:
    copy = tmp_path / "any.journal"
    shutil.copytree(whole, copy)
    act, text = damages(copy)[what]

    act()

    found = verify(copy, (KEY.key_id,))
    assert any(text in fault for fault in found.faults), found.faults


def test_packed_and_thrown_away_segments_are_told_from_stolen_ones(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "any.journal"
    shutil.copytree(whole, copy)
    pack(copy, segments(copy)[1].end)
    packed = verify(copy, (KEY.key_id,))
    throw_away(copy, files(copy)[1].stat().st_size)
    assert [p.name for p in copy.glob("*.gz")] == ["00000002.seg.gz"]
    thrown = verify(copy, (KEY.key_id,))
    assert (packed.clean, packed.packed, packed.frames) == (True, 2, 60)
    assert thrown.clean
    assert thrown.notes[0].endswith("older segments were thrown away, as configured")

    files(copy)[0].unlink()

    assert "the segment is missing" in verify(copy).faults[0]


def test_a_damaged_packed_segment_is_found(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "any.journal"
    shutil.copytree(whole, copy)
    (packed, *_) = pack(copy, segments(copy)[1].end)
    packed.chmod(0o600)
    raw = bytearray(packed.read_bytes())
    raw[len(raw) // 2] ^= 8
    packed.write_bytes(raw)

    assert any(packed.name in fault for fault in verify(copy).faults)


@pytest.mark.parametrize(
    ("rest", "good"), [(checkpoints.MAGIC[:2], True), (bytes(40), True), (b"noise", False)]
)
def test_behind_the_last_checkpoint_stands_an_unfinished_one_or_nothing(
    tmp_path: Path, rest: bytes, good: bool
) -> None:
    (tmp_path / checkpoints.NAME).write_bytes(rest)

    if good:
        assert list(checkpoints.read(tmp_path)) == []
    else:
        with pytest.raises(JournalError, match="checkpoints:0: no checkpoint; restore the file"):
            list(checkpoints.read(tmp_path))


def test_what_a_crash_leaves_behind_a_checkpoint_is_named_and_counted(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "any.journal", signer=lambda: KEY)
    journal.append(b"one")
    journal._due = journal._tail.mark()
    journal.sync()
    journal._checkpoint()
    journal.append(b"two")
    journal.append(b"three")

    found = verify(journal.path)

    assert found.clean
    assert found.unsigned_frames == 2
    journal.close()
    assert verify(journal.path).unsigned_frames == 0


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    w = World()
    w.open()
    w.parent()
    w.fill(w.working(), 40, BID)
    journal = Journal.open(folder, JOURNAL_NAME, signer=lambda: KEY)
    for stamp, event in w.log:
        core = w.core
        journal.append(encode(Input(stamp, event)))
    sent = decisions(tuple(w.sent))
    journal.append(encode(Output(sent)), encode(Digest(core.state_hash())))
    journal.close()
    inbound = Journal.open(folder, INBOUND_NAME, lock=False)
    inbound.append(b"8=FIX.4.4\x0135=8\x0111=SH1-1\x0155=SYN\x0110=000\x01")
    inbound.close()
    return folder


def run(*args: object) -> int:
    return journal_options.main([str(a) for a in args])


def test_verify_says_what_it_found_and_its_exit_code(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", state, "--key", KEY.key_id) == 1  # the inbound log is nobody's
    assert run("verify", state / JOURNAL_NAME, "--key", KEY.key_id) == 0
    assert f"checkpoints by {KEY.key_id}" in capsys.readouterr().out
    assert run("verify", state, "--json") == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True
    assert run("verify", tmp_path) == 2
    assert capsys.readouterr().err == f"steadyhand journal: {tmp_path}: no journal there\n"
    (tmp_path / "old.journal").write_bytes(b"STEADYJ\n\1\0\0\0")
    assert run("verify", tmp_path / "old.journal") == 2
    assert "version 1" in capsys.readouterr().err


def test_show_filters_by_kind_order_and_time(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def lines(*args: str) -> list[str]:
        assert run("show", state / JOURNAL_NAME, *args) == 0
        return capsys.readouterr().out.splitlines()

    total = len(list(read(state / JOURNAL_NAME)))
    assert len(lines()) == total
    assert [line.split()[2] for line in lines("--holding", "SH1-1", "--kind", "executionreport")] == [
        "ExecutionReport",
        "ExecutionReport",
    ]
    assert len(lines("--holding", "P1")) == 2  # submitted, intended
    assert len(lines("--last", "2")) == 2
    assert lines("--since", "23:00") == []
    assert run("show", state / JOURNAL_NAME, "--holding", "NOPE") == 0
    assert capsys.readouterr().err == f"steadyhand journal: no such event in {state / JOURNAL_NAME}\n"
    assert len(lines("--first", str(total))) == 1
    assert all(json.loads(line)["kind"] for line in lines("--json"))
    assert run("show", state, "--since", "noon") == 2
    assert "write HH:MM" in capsys.readouterr().err
    assert run("show", state, "--kind", "35=8") == 0
    assert "11=SH1-1" in capsys.readouterr().out


def test_export_writes_every_event_as_a_row(state: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")

    assert run("export", state, tmp_path / "all.parquet") == 0

    table = pq.read_table(tmp_path / "all.parquet")
    total = sum(len(list(read(state / name))) for name in (JOURNAL_NAME, INBOUND_NAME))
    assert table.num_rows == total
    rows = table.to_pylist()
    assert {r["journal"] for r in rows} == {JOURNAL_NAME, INBOUND_NAME}
    order = next(r for r in rows if r["kind"] == "Output")
    assert (order["cl_ord_id"], order["qty"], order["price_e4"]) == ("SH1-1", 100, BID)
    assert [p.name for p in tmp_path.iterdir()] == ["all.parquet"]


@pytest.mark.parametrize("main", [journal_options.main, replay_options.main], ids=["journal", "replay"])
def test_a_name_that_is_too_long_is_a_line(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["verify"] if main is journal_options.main else []

    assert main([*argv, "x" * 5_000]) == 2
    assert "xxx: File name too long" in capsys.readouterr().err
