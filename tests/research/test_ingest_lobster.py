import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from market.book_events import Flag, Kind
from market.tape import Tape, TapeWriter
from research.ingest import command_options, full_depth, lobster, window
from research.ingest.source import SourceError


def run(path, out, *more):
    return command_options.main(["lobster", str(path), "--out", str(out), *more])


def refused(path, out, capsys):
    """Ingests what must be refused: exit 2, one line, no store and no leftovers; returns the line."""
    assert run(path, out) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("replaying")]
    assert len(lines) == 1
    assert not list(out.parent.glob("*store*"))
    assert not list(out.parent.glob(".*store*"))
    return lines[0]


def test_kernel_numbers_are_the_records_own():
    for kernels in (window, full_depth):
        for name in ("ADD", "CANCEL", "DELETE", "EXECUTE"):
            assert getattr(kernels, f"K_{name}") == Kind[name]
        for name in ("REVEAL", "CONCEAL", "OFF_FIFO"):
            assert getattr(kernels, f"F_{name}") == Flag[name]
    assert full_depth.ANONYMOUS_FROM == window.ANONYMOUS_FROM
    assert (window.K_HIDDEN, window.K_CROSS, window.K_HALT) == (Kind.HIDDEN, Kind.CROSS, Kind.HALT)


def test_generated_day_replays_in_every_row_at_every_level(tmp_path, small_zip, capsys):
    path = tmp_path / "small.zip"
    path.write_bytes(small_zip)

    assert run(path, tmp_path / "store", "--json") == 0

    quality = json.loads(capsys.readouterr().out)["quality"]
    assert quality["replay_rows_matched"] == quality["replay_levels_matched"] == 1.0
    assert quality["mismatched_rows"] == quality["unreconciled_events"] == quality["repairs"] == 0
    assert quality["reveals"] > 50
    assert quality["conceals"] > 50
    assert quality["anonymous_references"] > 50
    assert Tape.open(tmp_path / "store").quality == quality


def test_every_event_refers_to_an_order_that_the_store_added_before(tmp_path, small_zip):
    path = tmp_path / "small.zip"
    path.write_bytes(small_zip)
    lobster.ingest(path, tmp_path / "store")

    left: dict[int, int] = {}
    for event in Tape.open(tmp_path / "store").events:
        kind, order, size = int(event["kind"]), int(event["order_id"]), int(event["size"])
        if kind == Kind.ADD:
            assert order not in left
            left[order] = size
        elif kind in (Kind.CANCEL, Kind.DELETE, Kind.EXECUTE):
            assert 0 < size <= left[order]
            left[order] -= size
            assert kind != Kind.DELETE or left[order] == 0


def test_standing_book_is_row_0_with_message_0_undone(tmp_path, made_zip):
    path = made_zip(
        "34200.5,4,77,30,1000000,1\n34201,1,78,5,1000300,-1\n",
        "1000200,10,1000000,70,1000400,20,999900,40\n1000200,10,1000000,70,1000300,5,999900,40\n",
    )
    lobster.ingest(path, tmp_path / "store")

    events = Tape.open(tmp_path / "store").events

    assert [(e["side"], e["price_e4"], e["size"]) for e in events[:4]] == [
        (1, 1_000_000, 100),
        (1, 999_900, 40),
        (-1, 1_000_200, 10),
        (-1, 1_000_400, 20),
    ]
    assert all(events["flags"][:4] == Flag.REVEAL)
    hit = events[4]
    assert (hit["kind"], hit["order_id"], hit["size"], hit["price_e4"]) == (
        Kind.EXECUTE,
        events[0]["order_id"],
        30,
        1_000_000,
    )
    added, forgotten = events[5], events[6]
    assert (added["kind"], added["order_id"], added["flags"]) == (Kind.ADD, 78, 0)
    assert (forgotten["kind"], forgotten["price_e4"], forgotten["flags"]) == (
        Kind.DELETE,
        1_000_400,
        Flag.CONCEAL,
    )


@pytest.mark.parametrize(
    ("message", "book", "ahead"),
    [
        # level removed: the next one comes into sight as one anonymous order
        ("34200,3,9,10,1000200,-1", "1000400,20,1000000,70,1000700,33,999900,40", (-1, 1_000_700, 33)),
        ("34200,4,9,70,1000000,1", "1000200,10,999900,40,1000400,20,999100,7", (1, 999_100, 7)),
    ],
)
def test_level_that_comes_into_sight_is_one_anonymous_order(tmp_path, made_zip, message, book, ahead):
    first = "34199,5,0,1,1000100,1\n"
    path = made_zip(first + message, "1000200,10,1000000,70,1000400,20,999900,40\n" + book)
    quality = lobster.ingest(path, tmp_path / "store")

    last = Tape.open(tmp_path / "store").events[-1]

    assert (quality["reveals"], quality["mismatched_rows"]) == (1, 0)
    assert (last["side"], last["price_e4"], last["size"]) == ahead
    assert (last["kind"], last["flags"]) == (Kind.ADD, Flag.REVEAL)


def test_execution_behind_the_head_of_its_queue_is_flagged(tmp_path, made_zip):
    book = "1000200,10,1000000,{},1000400,20,999900,40\n"
    rows = (
        "34200,1,5,10,1000000,1",
        "34201,1,6,10,1000000,1",
        "34202,4,6,4,1000000,1",
        "34203,4,5,10,1000000,1",
    )
    path = made_zip("\n".join(rows), "".join(book.format(size) for size in (10, 20, 16, 6)))
    quality = lobster.ingest(path, tmp_path / "store")

    flags = Tape.open(tmp_path / "store").events["flags"][-2:]

    assert quality["off_fifo"] == 1
    assert list(flags) == [Flag.OFF_FIFO, 0]


def test_empty_levels_halts_and_crosses(tmp_path, made_zip):
    rows = (
        "34200,1,5,10,1000000,1",
        "34201.000000001,7,0,0,-1,-1",
        "34202,7,0,0,0,-1",
        "34203,6,-1,500,1000100,-1",
        "34204,7,0,0,1,-1",
        "34205.123456789012,3,5,10,1000000,1",
    )
    thin = "9999999999,0,1000000,10,9999999999,0,-9999999999,0\n"
    bare = "9999999999,0,-9999999999,0,9999999999,0,-9999999999,0\n"
    quality = lobster.ingest(made_zip("\n".join(rows), thin * 5 + bare), tmp_path / "store")

    events = Tape.open(tmp_path / "store").events

    assert [chr(e["code"]) for e in events[1:5]] == ["H", "Q", "O", "T"]
    assert [int(e["kind"]) for e in events] == [1, Kind.HALT, Kind.HALT, Kind.CROSS, Kind.HALT, Kind.DELETE]
    assert (events[3]["price_e4"], events[3]["size"]) == (1_000_100, 500)
    assert quality["replay_levels_matched"] == 1.0
    assert quality["empty_books"] == 6
    assert quality["truncated_times"] == 1
    assert quality["hidden_share"] is None


def test_times_are_exact_to_the_nanosecond_in_the_exchanges_zone(tmp_path, made_zip):
    book = "1000200,10,1000000,70,1000400,20,999900,40\n"
    path = made_zip("34200.000000001,5,0,1,1000050,1\n34200.1,5,0,1,1000050,1\n", book * 2)
    lobster.ingest(path, tmp_path / "store")

    tape = Tape.open(tmp_path / "store")

    open_ns = tape.instrument.at(tape.day, tape.instrument.open)
    assert list(tape.events["ts_ns"][-2:]) == [open_ns + 1, open_ns + 100_000_000]


def test_what_does_not_fit_is_counted_and_mended_not_hidden(tmp_path, edited_zip):
    def change(lines):
        cells = lines[700].split(",")
        cells[3] = str(int(cells[3]) + 1)
        return [*lines[:700], ",".join(cells), *lines[701:]]

    quality = lobster.ingest(edited_zip("orderbook", change), tmp_path / "store")

    assert quality["mismatched_rows"] == quality["mismatched_levels"] == 2  # away and back
    assert quality["replay_rows_matched"] < 1
    assert quality["repairs"] > 0
    assert "701" in quality["notes"][0]


def test_delete_of_an_order_nobody_knows_is_counted(tmp_path, made_zip):
    book = "1000200,10,1000000,70,1000400,20,999900,40\n"
    rows = "34200,5,0,1,1000050,1\n34201,3,123,10,1000100,-1\n34202,4,123,99,1000200,-1\n"
    quality = lobster.ingest(made_zip(rows, book * 3), tmp_path / "store")

    assert quality["unreconciled_events"] == 2
    assert quality["mismatched_rows"] == 1


def test_ids_that_do_not_fit_are_numbered_anew(tmp_path, made_zip):
    book = "1000200,10,1000000,{},1000400,20,999900,40\n"
    path = made_zip(
        f"34200,1,{2**50},10,1000000,1\n34201,3,{2**50},10,1000000,1\n",
        book.format(80) + book.format(70),
    )
    quality = lobster.ingest(path, tmp_path / "store")

    events = Tape.open(tmp_path / "store").events

    assert "numbered anew" in quality["notes"][0]
    assert max(events["order_id"]) < 2**40
    assert list(events["kind"][-2:]) == [Kind.ADD, Kind.DELETE]


def line(n, change):
    """Returns a change of line n (counted from 1)."""
    return lambda lines: [*lines[: n - 1], *change(lines[n - 1]), *lines[n:]]


def cell(at, value):
    def change(text):
        cells = text.split(",")
        cells[at] = value
        return [",".join(cells)]

    return change


@pytest.mark.parametrize(
    ("what", "n", "change", "says"),
    [
        ("message", 40, lambda text: [text.rsplit(",", 1)[0]], "5 columns where 6"),
        ("message", 41, lambda text: [text + ",0"], "7 columns where 6"),
        ("message", 42, cell(3, "abc"), "column 4 'abc' is not a number"),
        ("message", 43, cell(4, "100.5"), "column 5 '100.5' is not a number"),
        ("message", 44, cell(3, ""), "column 4 '' is not a number"),
        ("message", 45, cell(0, "34199"), "the time goes back"),
        ("message", 46, cell(0, "nan"), "column 1 'nan' is not a number"),
        ("message", 47, cell(0, "99999999999"), "too many digits"),
        ("message", 48, cell(1, "8"), "unknown type 8"),
        ("message", 49, cell(1, "0"), "unknown type 0"),
        ("message", 50, cell(3, str(2**32)), "more than 32 bits"),
        ("message", 51, cell(3, "0"), "size 0"),
        ("message", 52, cell(3, "-5"), "size -5"),
        ("message", 53, cell(5, "0"), "direction 0"),
        ("message", 54, cell(4, "0"), "price 0"),
        ("message", 55, cell(2, "9" * 19), "too many digits"),
        ("message", 56, lambda _: [""], "1 columns where 6"),
        ("message", 57, lambda _: ["# comment"], "'# comment' is not a number"),
        ("orderbook", 60, lambda text: [text.rsplit(",", 2)[0]], "18 columns where 20"),
        ("orderbook", 61, lambda text: [text + ",1,2"], "22 columns where 20"),
        ("orderbook", 62, cell(1, "x"), "column 2 'x' is not a number"),
        ("orderbook", 63, cell(1, str(2**32)), "size is not between"),
        ("orderbook", 64, cell(1, "0"), "size is not between"),
        ("orderbook", 65, cell(0, "99990000"), "price is not beyond"),
    ],
)
def test_bad_row_is_named(tmp_path, edited_zip, capsys, what, n, change, says):
    text = refused(edited_zip(what, line(n, change)), tmp_path / "store", capsys)

    assert f"_{what}_5.csv:{n}: " in text
    assert says in text
    assert "; " in text


def test_missing_message_row_is_named(tmp_path, edited_zip, capsys):
    text = refused(edited_zip("message", lambda lines: lines[:-1]), tmp_path / "store", capsys)

    assert "without a message" in text
    assert "_orderbook_5.csv:" in text


def test_missing_book_row_is_named(tmp_path, edited_zip, capsys):
    text = refused(edited_zip("orderbook", lambda lines: lines[:-3]), tmp_path / "store", capsys)

    assert "the book ends here" in text


def test_wrong_level_count_in_the_names(tmp_path, small_zip, capsys):
    path, old = tmp_path / "renamed.zip", tmp_path / "small.zip"
    old.write_bytes(small_zip)
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(path, "w") as new:
        for name in source.namelist():
            new.writestr(name.replace("_5.csv", "_10.csv"), source.read(name))

    text = refused(path, tmp_path / "store", capsys)

    assert "_orderbook_10.csv:1: 20 columns where 40 are expected" in text


@pytest.mark.parametrize("what", ["message", "orderbook"])
def test_lone_carriage_returns_are_no_line_ends(tmp_path, edited_zip, capsys, what):
    text = refused(edited_zip(what, lambda lines: ["\r".join(lines)]), tmp_path / "store", capsys)

    assert f"_{what}_5.csv:1: column " in text
    assert "is not a number" in text


@pytest.mark.parametrize("what", ["message", "orderbook"])
@pytest.mark.parametrize("blank", [[""], ["", "", ""]])
def test_blank_lines_may_end_a_file(tmp_path, edited_zip, what, blank):
    quality = lobster.ingest(edited_zip(what, lambda lines: lines + blank), tmp_path / "store")

    assert quality["replay_rows_matched"] == 1.0


def test_more_blank_lines_than_an_end_has_are_refused(tmp_path, edited_zip, capsys):
    text = refused(edited_zip("message", lambda lines: lines + [""] * 100), tmp_path / "store", capsys)

    assert "1 columns where 6" in text


@pytest.mark.parametrize("part", [("2024-03-05", "2024-03-06"), ("_34200000_", "_36000000_")])
def test_files_of_two_days_or_hours_are_no_pair(tmp_path, small_zip, capsys, part):
    path, old = tmp_path / "renamed.zip", tmp_path / "small.zip"
    old.write_bytes(small_zip)
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(path, "w") as new:
        for name in source.namelist():
            new.writestr(name.replace(*part) if "orderbook" in name else name, source.read(name))

    assert "do not belong together" in refused(path, tmp_path / "store", capsys)


def test_prices_that_no_feed_can_carry_are_told(tmp_path, made_zip):
    path = made_zip(
        "34200.5,1,77,30,4294967296,-1\n", "4294967296,30,1000000,70,9999999999,0,-9999999999,0\n"
    )

    notes = lobster.ingest(path, tmp_path / "store")["notes"]

    assert "1 messages are at prices above 429,496.7295" in notes[0]


@pytest.mark.parametrize(("price", "tick"), [(9_999, 1), (10_000, 100)])
def test_below_a_dollar_the_tick_is_finer(tmp_path, made_zip, price, tick):
    path = made_zip("34200.5,1,77,30,10100,-1\n", "10100,30,9900,70,9999999999,0,-9999999999,0\n")
    lobster.ingest(path, tmp_path / "store")

    assert Tape.open(tmp_path / "store").instrument.tick_e4(price) == tick


def test_truncated_zip(tmp_path, small_zip, capsys):
    path = tmp_path / "cut.zip"
    path.write_bytes(small_zip[: len(small_zip) // 2])

    assert "cannot be read as a zip" in refused(path, tmp_path / "store", capsys)


def test_damaged_zip(tmp_path, small_zip, capsys):
    path = tmp_path / "damaged.zip"
    middle = len(small_zip) // 2
    path.write_bytes(small_zip[:middle] + bytes(200) + small_zip[middle + 200 :])

    assert "the zip is damaged" in refused(path, tmp_path / "store", capsys)


@pytest.mark.parametrize("missing", ["message", "orderbook"])
def test_missing_file(tmp_path, small_zip, capsys, missing):
    path, old = tmp_path / "half.zip", tmp_path / "small.zip"
    old.write_bytes(small_zip)
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(path, "w") as new:
        for name in source.namelist():
            if f"_{missing}_" not in name:
                new.writestr(name, source.read(name))

    assert f"holds no {missing} file" in refused(path, tmp_path / "store", capsys)


def test_absent_and_empty(tmp_path, made_zip, capsys):
    assert "no such file" in refused(tmp_path / "none.zip", tmp_path / "store", capsys)
    assert "there are no messages" in refused(made_zip("", ""), tmp_path / "store", capsys)


def test_symbol_and_day_where_the_names_do_not_say_them(tmp_path, made_zip, capsys):
    path = tmp_path / "plain.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("message_1.csv", "1,5,0,1,10000,1\r\n")
        archive.writestr("orderbook_1.csv", "20000,5,10000,5\r\n")
    assert "give --symbol and --day" in refused(path, tmp_path / "store", capsys)

    assert run(path, tmp_path / "store", "--symbol", "ABC", "--day", "2020-02-03", "--zone", "UTC") == 0

    tape = Tape.open(tmp_path / "store")
    assert (tape.symbol, str(tape.day), tape.instrument.zone) == ("ABC", "2020-02-03", "UTC")


def test_no_such_zone(tmp_path, small_zip, capsys):
    path = tmp_path / "small.zip"
    path.write_bytes(small_zip)

    assert run(path, tmp_path / "store", "--zone", "Mars/Base") == 2
    assert "'Mars/Base' is no time zone" in capsys.readouterr().err


def test_a_store_that_is_there_is_not_overwritten_unasked(tmp_path, small_zip, capsys):
    path = tmp_path / "small.zip"
    path.write_bytes(small_zip)
    assert run(path, tmp_path / "store") == 0
    before = (tmp_path / "store" / "meta.json").stat().st_ino

    assert run(path, tmp_path / "store") == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "store" / "meta.json").stat().st_ino == before
    assert run(path, tmp_path / "store", "--force") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.zip", "store"]


def test_force_does_not_replace_what_is_no_store(tmp_path, small_zip, capsys):
    path = tmp_path / "small.zip"
    path.write_bytes(small_zip)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")

    assert run(path, tmp_path / "mine", "--force") == 2
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_member_that_would_unpack_to_too_much(tmp_path, small_zip, monkeypatch):
    path = tmp_path / "small.zip"
    path.write_bytes(small_zip)
    monkeypatch.setattr(lobster, "MEMBER_BYTES_MAX", 1_000)

    with pytest.raises(SourceError, match="unpacks to"):
        lobster.ingest(path, tmp_path / "store")


def test_bomb_of_one_endless_line_is_refused_at_its_first_row(tmp_path, made_zip, capsys):
    text = refused(made_zip("0" * 20_000_000, "1,1,1,1,1,1,1,1"), tmp_path / "store", capsys)

    assert "_message_2.csv:1: " in text


@pytest.mark.parametrize(
    ("trouble", "code", "says"),
    [(OSError(28, "No space left on device"), 2, "No space left"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_trouble_while_writing_leaves_nothing(tmp_path, small_zip, monkeypatch, capsys, trouble, code, says):
    path = tmp_path / "small.zip"
    path.write_bytes(small_zip)

    def fail(*_):
        raise trouble

    monkeypatch.setattr(TapeWriter, "append", fail)

    assert run(path, tmp_path / "store") == code
    assert says in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["small.zip"]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "off_fifo", "edges"),
    [
        ("GOOG_2012-06-21_10", 147_916, 5, (45_108, 44_451)),
        ("AAPL_2012-06-21_30", 86_616, 9, (27_982, 27_798)),
    ],
)
def test_recorded_days_replay_in_every_row_at_every_level(tmp_path, data: Path, name, rows, off_fifo, edges):
    quality = lobster.ingest(data / "lobster" / f"LOBSTER_SampleFile_{name}.zip", tmp_path / "store")

    assert quality["rows"] == rows
    assert quality["mismatched_rows"] == quality["mismatched_levels"] == quality["unreconciled_events"] == 0
    assert quality["off_fifo"] == off_fifo
    assert (quality["conceals"], quality["reveals"]) == edges
    assert np.isin(Tape.open(tmp_path / "store").events["kind"], list(Kind)).all()
