import itertools
import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from market import tape as tape_module
from market.book_events import MARKET_EVENT, Flag, Kind
from market.instruments import Instrument
from market.tape import META_FILE, Source, Tape, TapeError, write
from market.types import Symbol

BUY, SELL = 1, -1
ABC = Instrument(symbol=Symbol("ABC"))


def events(*rows):
    """Builds events from (ts_ns, kind, order_id, size, price_e4, side)."""
    made = np.zeros(len(rows), MARKET_EVENT)
    for at, (ts_ns, kind, order, size, price, side) in enumerate(rows):
        made[at]["ts_ns"], made[at]["kind"], made[at]["order_id"] = ts_ns, kind, order
        made[at]["size"], made[at]["price_e4"], made[at]["side"] = size, price, side
        made[at]["seq_lo"] = at + 1
    return made


DAY = events(
    (100, Kind.ADD, 1, 50, 10_000, BUY),
    (100, Kind.ADD, 2, 70, 10_200, SELL),
    (110, Kind.ADD, 3, 20, 10_000, BUY),
    (120, Kind.CANCEL, 1, 30, 10_000, BUY),
    (120, Kind.ADD, 4, 5, 10_100, SELL),
    (130, Kind.EXECUTE, 4, 5, 10_100, SELL),
    (140, Kind.HIDDEN, 0, 9, 10_050, BUY),
    (150, Kind.DELETE, 2, 70, 10_200, SELL),
    (160, Kind.ADD, 5, 8, 10_300, SELL),
)
META = {
    "instrument": ABC,
    "symbol": ABC.symbol,
    "day": date(2024, 3, 5),
    "levels": 0,
    "source": Source(format="made", name="made", sha256="0", rows=9),
    "standing": 2,
    "quality": {"rows": 9},
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write(tmp_path / "store", [DAY[:4], DAY[4:]], **META)
    return tmp_path / "store"


def short(batch):
    return [(int(e["ts_ns"]), int(e["kind"]), int(e["order_id"]), int(e["size"])) for e in batch]


def test_what_was_written_is_read(store):
    tape = Tape.open(store)

    assert (tape.symbol, tape.day, tape.instrument, tape.rows) == ("ABC", date(2024, 3, 5), ABC, 9)
    assert tape.quality == {"rows": 9}
    assert (tape.first_ns, tape.last_ns) == (110, 160)
    assert (tape.events == DAY).all()


def test_window_begins_with_the_book_that_stands_there(store):
    batch = Tape.open(store).read(130, 150)

    assert short(batch) == [
        (130, Kind.ADD, 1, 20),
        (130, Kind.ADD, 2, 70),
        (130, Kind.ADD, 3, 20),
        (130, Kind.ADD, 4, 5),
        (130, Kind.EXECUTE, 4, 5),
        (140, Kind.HIDDEN, 0, 9),
    ]
    assert list(batch["flags"]) == [Flag.REVEAL] * 4 + [0, 0]


def test_window_before_the_day_holds_the_standing_book(store):
    assert short(Tape.open(store).read(50, 115)) == [
        (50, Kind.ADD, 1, 50),
        (50, Kind.ADD, 2, 70),
        (110, Kind.ADD, 3, 20),
    ]


def test_window_after_the_day_and_empty_windows(store):
    tape = Tape.open(store)

    assert short(tape.read(500, 900)) == [
        (500, Kind.ADD, 1, 20),
        (500, Kind.ADD, 3, 20),
        (500, Kind.ADD, 5, 8),
    ]
    assert short(tape.read(130, 130)) == short(tape.read(130, 90))


def test_reading_leaves_the_tape_as_it_is(store):
    tape = Tape.open(store)
    tape.read(130, 150)["size"] = 0

    assert (tape.events == DAY).all()


def test_every_window_ends_in_the_same_book(store):
    tape = Tape.open(store)

    for cut in range(95, 170):
        batch = tape.read(cut, 10**6)
        left: dict[int, int] = {}
        for e in batch:
            if e["kind"] == Kind.ADD:
                left[int(e["order_id"])] = int(e["size"])
            elif e["order_id"]:
                left[int(e["order_id"])] -= int(e["size"])
        assert {order: size for order, size in left.items() if size} == {1: 20, 3: 20, 5: 8}


def edit_meta(store, **change):
    path = store / META_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"meta_sha256": ""} | change))


@pytest.mark.parametrize(
    ("spoil", "names", "says"),
    [
        (lambda s: shutil.rmtree(s), "meta.json", "steadyhand ingest"),
        (lambda s: (s / "meta.json").unlink(), "meta.json", "no tick store"),
        (lambda s: (s / "events.parquet").unlink(), "events.parquet", "no such file"),
        (lambda s: (s / "events.parquet").write_bytes(b"PAR1"), "events.parquet", "SHA-256"),
        (lambda s: (s / "meta.json").write_text("{"), "meta.json", "--force"),
        (lambda s: (s / "meta.json").write_text("[]"), "meta.json", "--force"),
        (lambda s: (s / "meta.json").write_bytes(b" " * (2 << 20)), "meta.json", "larger than"),
        (lambda s: edit_meta(s, schema_version=2), "meta.json", "schema_version 2"),
        (lambda s: edit_meta(s, rows=8), "events.parquet", "9 rows, meta.json says 8"),
        (lambda s: edit_meta(s, standing=10), "events.parquet", "rows"),
        (lambda s: edit_meta(s, extra=1), "meta.json", "extra"),
        (lambda s: edit_meta(s, events_sha256="0" * 64), "events.parquet", "SHA-256"),
    ],
)
def test_bad_store_is_one_line_with_its_file(store, spoil, names, says):
    spoil(store)

    with pytest.raises(TapeError) as caught:
        Tape.open(store)

    text = str(caught.value)
    assert text.startswith(str(store / names))
    assert says in text
    assert "\n" not in text


def test_flipped_byte_is_noticed(store):
    path = store / "events.parquet"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)

    with pytest.raises(TapeError, match="SHA-256"):
        Tape.open(store)


def test_other_columns_are_refused(store, monkeypatch):
    edit_meta(store, events_sha256=tape_module.sha256(store / "events.parquet"))
    monkeypatch.setattr(tape_module, "SCHEMA", tape_module.SCHEMA.remove(0))

    with pytest.raises(TapeError, match="its columns are not"):
        Tape.open(store)


def cut_off():
    yield DAY[:4]
    raise RuntimeError("cut off")


def test_writer_leaves_nothing_when_it_fails(tmp_path):
    with pytest.raises(RuntimeError):
        write(tmp_path / "store", cut_off(), **META)

    assert list(tmp_path.iterdir()) == []


def test_failed_writer_leaves_the_old_store(store):
    with pytest.raises(RuntimeError):
        write(store, cut_off(), force=True, **META)

    assert Tape.open(store).rows == 9
    assert [path.name for path in store.parent.iterdir()] == ["store"]


def test_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(TapeError, match="give an --out that can be written"):
        write(tmp_path / "file" / "store", [DAY], **META)


def test_every_bit_of_the_meta_file_counts(store):
    path = store / META_FILE
    whole = path.read_bytes()
    for at, bit in itertools.product(range(len(whole)), (1, 128)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        with pytest.raises(TapeError, match=META_FILE):
            Tape.open(store)


def test_a_store_from_before_its_meta_file_had_a_hash_is_read(store):
    path = store / META_FILE
    there = json.loads(path.read_text())
    del there["meta_sha256"]
    path.write_text(json.dumps(there))

    assert Tape.open(store).rows == 9
