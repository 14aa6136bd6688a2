import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from market.book import OrderBook
from market.tape import Tape
from research.ingest import generate, generate_options, lobster
from research.ingest.csv_kernel import parse
from research.ingest.generate import Shape


def rows_of(made: bytes, what: str):
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        (name,) = [name for name in archive.namelist() if f"_{what}_" in name]
        text = archive.read(name)
    columns = text.split(b"\n", 1)[0].count(b",") + 1
    return parse(text, columns, name, 1, has_time=what == "message", final=True).rows


def test_same_seed_same_bytes_and_another_seed_another_day():
    shape = replace(Shape(), events=300)

    assert generate.lobster(3, shape) == generate.lobster(3, shape)
    assert generate.lobster(3, shape) != generate.lobster(4, shape)


def test_default_day_looks_like_a_recording():
    made = generate.lobster(1)
    messages, book = rows_of(made, "message"), rows_of(made, "orderbook")
    kind = messages[:, 1]
    spread = book[:, 0] - book[:, 2]
    named = np.isin(kind, (2, 3, 4))

    assert 10_000 <= len(messages) == len(book) <= 20_000
    assert book.shape[1] == 40
    assert {1, 2, 3, 4, 5} <= set(kind)
    assert 100 <= np.median(spread) <= 2_000
    assert (spread > 0).all()
    assert len(np.unique(messages[:, 0])) < len(messages)  # several messages at one time
    assert set(messages[named, 2]) - set(messages[kind == 1, 2])  # ids that were never added
    assert set(messages[:, 5]) == {1, -1}
    assert (messages[kind == 5, 4] % 100 != 0).any()  # hidden prints off the cent grid


@pytest.mark.parametrize(
    "shape",
    [
        replace(Shape(), events=2_000, minutes=3, price_e4=1_000_000),
        replace(Shape(), events=2_000, minutes=3, price_e4=5_800_000, levels=3),
        replace(Shape(), events=2_000, minutes=3, levels=30, orders=40),  # levels run out: dummies
        replace(Shape(), events=2_000, minutes=3, levels=1),
        replace(Shape(), events=2_000, minutes=3, halt=True, range_bps=300),
    ],
)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_every_generated_day_ingests_to_a_full_replay(tmp_path, shape, seed):
    (tmp_path / "day.zip").write_bytes(generate.lobster(seed, shape))

    quality = lobster.ingest(tmp_path / "day.zip", tmp_path / "store")

    assert quality["replay_rows_matched"] == quality["replay_levels_matched"] == 1.0
    assert quality["unreconciled_events"] == quality["off_fifo"] == quality["crossed_books"] == 0


def mismatches(tape: Tape, recorded: np.ndarray) -> int:
    """Plays a tape through the book; returns in how many recorded rows a level differs."""
    levels = recorded.shape[1]
    book = OrderBook(orders_max=100_000, levels_max=10_000)
    ends = np.searchsorted(tape.events["seq_lo"], np.arange(len(recorded) + 1), side="right")
    assert book.apply(tape.events[: ends[0]].copy()) == 0
    wrong = 0
    for row, cells in enumerate(recorded):
        assert book.apply(tape.events[ends[row] : ends[row + 1]].copy()) == 0
        bid_px, bid_sz, ask_px, ask_sz = book.levels(levels)
        sizes = (ask_sz == cells[:, 1]).all() and (bid_sz == cells[:, 3]).all()
        prices = (ask_px == cells[:, 0])[cells[:, 1] > 0].all() and (bid_px == cells[:, 2])[
            cells[:, 3] > 0
        ].all()
        wrong += not (sizes and prices)
    return wrong


def test_stored_tape_through_the_order_book_equals_every_recorded_row(tmp_path):
    shape = replace(Shape(), events=3_000, minutes=4, levels=5, orders=80)
    made = generate.lobster(21, shape)
    (tmp_path / "day.zip").write_bytes(made)
    lobster.ingest(tmp_path / "day.zip", tmp_path / "store")

    wrong = mismatches(Tape.open(tmp_path / "store"), rows_of(made, "orderbook").reshape(-1, shape.levels, 4))

    assert wrong == 0


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("name", "levels"), [("GOOG_2012-06-21_10", 10), ("AAPL_2012-06-21_30", 30)])
def test_recorded_day_through_the_order_book_equals_every_recorded_row(tmp_path, data, name, levels):
    path = data / "lobster" / f"LOBSTER_SampleFile_{name}.zip"
    lobster.ingest(path, tmp_path / "store")

    recorded = rows_of(path.read_bytes(), "orderbook").reshape(-1, levels, 4)

    assert mismatches(Tape.open(tmp_path / "store"), recorded) == 0


def test_book_of_a_window_is_the_book_of_the_day_at_that_moment(tmp_path):
    (tmp_path / "day.zip").write_bytes(generate.lobster(22, replace(Shape(), events=3_000, minutes=4)))
    lobster.ingest(tmp_path / "day.zip", tmp_path / "store")
    tape = Tape.open(tmp_path / "store")

    for moment in np.linspace(tape.first_ns - 1, tape.last_ns + 1, 9).astype(int).tolist():
        window, day = OrderBook(orders_max=10_000), OrderBook(orders_max=10_000)
        window.apply(tape.read(moment, moment))
        past = np.arange(tape.rows) < tape.meta.standing
        day.apply(tape.events[past | (tape.events["ts_ns"] < moment)])
        assert window.state_hash() == day.state_hash()


def test_command_writes_a_file_once(tmp_path, capsys):
    out = tmp_path / "day.zip"
    options = [
        "lobster",
        "--out",
        str(out),
        "--seed",
        "5",
        "--events",
        "200",
        "--symbol",
        "ABC",
        "--price",
        "250.5",
    ]

    assert generate_options.main(options) == 0
    first = out.read_bytes()
    assert generate_options.main(options) == 2
    assert "--force" in capsys.readouterr().err
    assert generate_options.main([*options, "--force"]) == 0
    assert out.read_bytes() == first
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist()[0].startswith("ABC_")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--levels", "0"],
        ["--levels", "201"],
        ["--events", "0"],
        ["--minutes", "400"],
        ["--symbol", "A/B"],
        ["--symbol", "NINELETTERS"],
        ["--price", "0"],
        ["--price", "nan"],
        ["--price", "12.345"],
        ["--price", "1e6"],
        ["--price", "ten"],
        ["--day", "2024-02-30"],
        ["--day", "yesterday"],
        ["--seed", "-1"],
        ["--seed", "one"],
    ],
)
def test_command_refuses_what_it_cannot_make(tmp_path, capsys, wrong):
    with pytest.raises(SystemExit, match="2"):
        generate_options.main(["lobster", "--out", str(tmp_path / "x.zip"), "--seed", "1", *wrong])

    told = capsys.readouterr().err
    assert told.startswith(f"steadyhand generate: argument {wrong[0]}: {wrong[1]!r}: ")
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
