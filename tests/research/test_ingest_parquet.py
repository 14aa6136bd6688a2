import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from market.book_events import Flag, Kind
from market.instruments import Instrument
from market.tape import Tape
from market.types import Symbol
from research.ingest import command_options, parquet

SHARES = Instrument(symbol=Symbol("ABC"), zone="UTC")
COIN = Instrument(symbol=Symbol("BTC-USD"), zone="UTC", size_unit="0.00001")
T0 = 1_700_000_000_000_000_000


def messages(path: Path, rows, **types) -> Path:
    names = ("ts_ns", "type", "order_id", "size", "price", "dir")
    kinds = {name: pa.int64() for name in names} | types
    columns = {name: pa.array([row[i] for row in rows], kinds[name]) for i, name in enumerate(names)}
    pq.write_table(pa.table(columns), path)
    return path


def snapshot(path: Path, rows) -> Path:
    names = ("order_id", "dir", "price", "size")
    pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)}), path)
    return path


def tuples(tape):
    return [
        (int(e["kind"]), int(e["order_id"]), int(e["size"]), int(e["price_e4"]), int(e["side"]))
        for e in tape.events
    ]


def test_full_depth_needs_no_window(tmp_path):
    path = messages(
        tmp_path / "m.parquet",
        [
            (T0, 0, 9, 5, 100, 1),  # received: skipped
            (T0 + 1, 1, 10, 50, 10_000, 1),
            (T0 + 2, 1, 11, 60, 10_100, -1),
            (T0 + 3, 2, 10, 20, 10_000, 1),
            (T0 + 4, 4, 11, 15, 10_100, -1),
            (T0 + 5, 3, 10, None, None, 1),
            (T0 + 6, 3, 99, None, None, 1),  # nobody knows it
            (T0 + 7, 5, 0, 7, 10_050, 1),
        ],
    )
    quality = parquet.ingest(path, tmp_path / "store", SHARES)

    assert tuples(Tape.open(tmp_path / "store")) == [
        (Kind.ADD, 10, 50, 10_000, 1),
        (Kind.ADD, 11, 60, 10_100, -1),
        (Kind.CANCEL, 10, 20, 10_000, 1),
        (Kind.EXECUTE, 11, 15, 10_100, -1),
        (Kind.DELETE, 10, 30, 10_000, 1),
        (Kind.HIDDEN, 0, 7, 10_050, 1),
    ]
    assert quality["unknown_references"] == 1
    assert quality["hidden_share"] == pytest.approx(7 / 22)


def test_snapshot_stands_before_the_first_message_and_the_end_is_compared(tmp_path):
    begin = snapshot(
        tmp_path / "begin.parquet", [(1, 1, 10_000, 40), (2, 1, 10_000, 30), (3, -1, 10_200, 20)]
    )
    end = snapshot(tmp_path / "end.parquet", [(2, 1, 10_000, 25), (3, -1, 10_200, 20), (5, 1, 1, 1)])
    path = messages(tmp_path / "m.parquet", [(T0, 4, 2, 5, 10_000, 1), (T0, 3, 1, 40, 10_000, 1)])
    quality = parquet.ingest(path, tmp_path / "store", SHARES, snapshot=begin, end_snapshot=end)

    tape = Tape.open(tmp_path / "store")

    assert tape.meta.standing == 3
    assert list(tape.events["flags"]) == [Flag.REVEAL] * 3 + [Flag.OFF_FIFO, 0]
    assert quality["off_fifo"] == 1
    ends = {name: quality[name] for name in quality if name.startswith("end_")}
    assert ends == {"end_snapshot_orders": 3, "end_snapshot_matched": 2, "end_snapshot_surplus": 0}


def test_crypto_sizes_are_told_in_whole_units_and_never_add_up_to_an_error(tmp_path):
    path = messages(
        tmp_path / "m.parquet",
        [
            (T0, 1, 1, 10_999, 600_000_000, 1),  # 10.999 units
            (T0, 2, 1, 1_000, 600_000_000, 1),  # 9.999
            (T0, 2, 1, 1_998, 600_000_000, 1),  # 8.001
            (T0, 2, 1, 7_999, 600_000_000, 1),  # 0.002: dust, gone
            (T0, 3, 1, 2, 600_000_000, 1),
            (T0, 1, 2, 999, 600_000_000, 1),  # dust from the beginning
        ],
    )
    quality = parquet.ingest(path, tmp_path / "store", COIN)

    shown = [(kind, size) for kind, _, size, _, _ in tuples(Tape.open(tmp_path / "store"))]

    assert shown == [(Kind.ADD, 10), (Kind.CANCEL, 1), (Kind.CANCEL, 1), (Kind.DELETE, 8)]
    assert (quality["dust_orders"], quality["rounded_sizes"]) == (1, 2)


def test_changes_that_tell_what_is_left_are_read_so(tmp_path):
    path = messages(
        tmp_path / "m.parquet",
        [
            (T0, 1, 1, 100, 10_000, 1),
            (T0, 2, 1, 90, 10_000, 1),
            (T0, 2, 1, 70, 10_000, 1),
            (T0, 3, 1, 70, 10_000, 1),
        ],
    )
    quality = parquet.ingest(path, tmp_path / "store", SHARES)

    assert [size for _, _, size, _, _ in tuples(Tape.open(tmp_path / "store"))] == [100, 10, 20, 70]
    assert quality["notes"] == ["type 2 was read as what is left: 0 contradictions"]


def test_order_whose_delete_was_lost_is_purged_when_it_keeps_the_book_crossed(tmp_path):
    second = 1_000_000_000
    path = messages(
        tmp_path / "m.parquet",
        [
            (T0, 1, 1, 10, 10_300, 1),  # never deleted
            (T0 + second, 1, 2, 10, 10_200, -1),
            (T0 + 20 * second, 1, 3, 10, 10_100, 1),
        ],
    )
    quality = parquet.ingest(path, tmp_path / "store", SHARES)

    last = Tape.open(tmp_path / "store").events[-1]

    assert (last["kind"], last["order_id"], last["flags"]) == (Kind.DELETE, 1, Flag.CONCEAL)
    assert (quality["purged"], quality["crossed_books"]) == (1, 2)


def test_an_id_that_comes_again_goes_out_under_another(tmp_path):
    rows = [(T0, 1, 1, 10, 10_000, 1), (T0, 3, 1, 10, 10_000, 1), (T0, 1, 1, 20, 10_000, 1)]
    parquet.ingest(messages(tmp_path / "m.parquet", rows), tmp_path / "store", SHARES)

    tape = Tape.open(tmp_path / "store")

    assert len(set(tape.events["order_id"])) == 2
    assert list(tape.standing_at(tape.rows)["size"]) == [20]


INSTRUMENT = 'symbol = "BTC-USD"\nzone = "UTC"\nsize_unit = "0.00001"\n'


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((T0 - 1, 1, 7, 10, 10_000, 1), "the time goes back"),
        ((T0, 9, 7, 10, 10_000, 1), "unknown type 9"),
        (
            (T0, 1, 7, 2**32 * 1_000, 10_000, 1),
            "more than 32 bits; give the instrument file a larger",
        ),
        ((T0, 1, 7, None, 10_000, 1), "size -1"),
        ((T0, 1, 7, 10, None, 1), "price -1"),
        ((T0, 1, 7, 10, 10_000, 0), "dir 0"),
        ((T0, 1, None, 10, 10_000, 1), "no order_id"),
        ((None, 1, 7, 10, 10_000, 1), "no time"),
        ((T0, 4, 7, None, 10_000, 1), "size -1"),
    ],
)
def test_bad_row_is_named(tmp_path, capsys, row, says):
    path = messages(tmp_path / "m.parquet", [(T0, 1, 1, 5_000, 10_000, 1), row])
    (tmp_path / "btc.toml").write_text(INSTRUMENT)

    code = command_options.main(
        ["parquet", str(path), "--instrument", str(tmp_path / "btc.toml"), "--out", str(tmp_path / "store")]
    )

    text = capsys.readouterr().err
    assert code == 2
    assert text.startswith(f"{path}:2: ")
    assert says in text
    assert text.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["btc.toml", "m.parquet"]


def test_missing_column_and_wrong_kind_of_column(tmp_path, capsys):
    (tmp_path / "btc.toml").write_text(INSTRUMENT)
    bare = tmp_path / "bare.parquet"
    pq.write_table(pa.table({"ts_ns": [T0], "type": [1]}), bare)
    texts = tmp_path / "texts.parquet"
    columns = {name: [1] for name in ("ts_ns", "type", "order_id", "price", "dir")}
    pq.write_table(pa.table(columns | {"size": ["10"]}), texts)
    (tmp_path / "junk.parquet").write_bytes(b"PAR1 no")

    for path, says in (
        (bare, "no column 'order_id'"),
        (texts, "column 'size' holds string"),
        (tmp_path / "junk.parquet", "cannot be read as parquet"),
        (tmp_path / "none.parquet", "no such file"),
    ):
        out = tmp_path / "store"
        options = ["parquet", str(path), "--instrument", str(tmp_path / "btc.toml"), "--out", str(out)]
        assert command_options.main(options) == 2
        assert says in capsys.readouterr().err
        assert not out.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('symbol = "X"\ntickk = 1\n', "unknown key 'tickk'"),
        ("symbol = \n", "TOML"),
        ('symbol = "X"\nlot = "many"\n', "Expected `int`"),
        ('symbol = "X"\nsize_unit = "tiny"\n', "size_unit 'tiny'"),
        ('symbol = "X"\nsize_unit = "0.000000001"\n', "multiple of 0.00000001"),
        ('zone = "UTC"\n', "symbol"),
    ],
)
def test_bad_instrument_file_is_one_line(tmp_path, capsys, text, says):
    path = messages(tmp_path / "m.parquet", [(T0, 1, 1, 5_000, 10_000, 1)])
    (tmp_path / "i.toml").write_text(text)

    code = command_options.main(
        ["parquet", str(path), "--instrument", str(tmp_path / "i.toml"), "--out", str(tmp_path / "store")]
    )

    said = capsys.readouterr().err
    assert code == 2
    assert said.count("\n") == 1
    assert says.lower() in said.lower()


def test_report_as_json(tmp_path, capsys):
    path = messages(tmp_path / "m.parquet", [(T0, 1, 1, 5_000, 10_000, 1)])
    (tmp_path / "btc.toml").write_text(INSTRUMENT)
    options = ["parquet", str(path), "--instrument", str(tmp_path / "btc.toml"), "--out", str(tmp_path / "s")]

    assert command_options.main([*options, "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["quality"] == Tape.open(tmp_path / "s").quality


@pytest.mark.data
@pytest.mark.slow
def test_coinbase_ends_in_its_own_end_snapshot_order_by_order(tmp_path, data):
    folder, name = data / "crypto", "COINBASE_BTC-USD_2018-07-13"
    quality = parquet.ingest(
        folder / f"{name}_2047-2056.messages.parquet",
        tmp_path / "store",
        COIN,
        snapshot=folder / f"{name}.snapshot_begin.parquet",
        end_snapshot=folder / f"{name}.snapshot_end.parquet",
    )

    assert (quality["end_snapshot_matched"], quality["end_snapshot_orders"]) == (66_833, 66_833)
    assert quality["end_snapshot_surplus"] == quality["unreconciled_events"] == quality["crossed_books"] == 0
    tape = Tape.open(tmp_path / "store")
    assert len(tape.standing_at(tape.rows)) == 66_833


@pytest.mark.data
@pytest.mark.slow
def test_bitstamp_changes_tell_what_is_left_and_lost_deletes_are_purged(tmp_path, data):
    path = data / "crypto" / "BITSTAMP_BTCUSD_2015-05-01_full.messages.parquet"
    quality = parquet.ingest(path, tmp_path / "store", COIN)

    assert "what is left" in quality["notes"][0]
    assert quality["purged"] > 0
    assert quality["unreconciled_events"] < 10
