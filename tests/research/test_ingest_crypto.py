from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from market.book import OrderBook
from market.book_events import Flag, Kind
from market.instruments import Instrument
from market.tape import Tape
from market.types import Symbol
from research.ingest import binance, bitstamp, coinbase, command_options
from tests.research import made_crypto as made

COIN = Instrument(symbol=Symbol("BTC-USD"), zone="UTC", size_unit="0.001")
FINE = Instrument(symbol=Symbol("BTC-USD"), zone="UTC", size_unit="0.00001")
INSTRUMENT = 'symbol = "BTC-USD"\nzone = "UTC"\nsize_unit = "0.001"\n'


def replayed(folder: Path) -> tuple[Tape, OrderBook]:
    """Apply a whole store; nothing in it may be unknown to the book."""
    tape = Tape.open(folder)
    book = OrderBook()
    assert book.apply(tape.events.copy()) == 0
    return tape, book


def edited(path: Path, change) -> Path:
    """Rewrite a parquet file, its rows passed through a function."""
    table = pq.read_table(path)
    rows = change([tuple(row.values()) for row in table.to_pylist()])
    columns = {
        name: pa.array([row[i] for row in rows], pa.int64()) for i, name in enumerate(table.schema.names)
    }
    pq.write_table(pa.table(columns), path)
    return path


# --- Coinbase -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_coinbase_ends_in_the_end_snapshot(tmp_path, seed):
    messages, begin, end = made.coinbase(tmp_path, seed)

    quality = coinbase.ingest(messages, tmp_path / "s", COIN, snapshot=begin, end_snapshot=end)

    assert quality["end_snapshot_equal"]
    assert quality["end_snapshot_orders"] > 0
    assert quality["never_open"] > 0
    assert quality["ends_of_filled"] > 0
    assert quality["unknown_references"] == quality["missing_messages"] == quality["crossed_books"] == 0
    tape, _ = replayed(tmp_path / "s")
    assert len(tape.standing_at(tape.rows)) == quality["end_snapshot_orders"]


def test_coinbase_message_that_is_missing_is_counted_and_noted(tmp_path):
    messages, begin, end = made.coinbase(tmp_path, 1)
    edited(messages, lambda rows: rows[:50] + rows[52:])

    quality = coinbase.ingest(messages, tmp_path / "s", COIN, snapshot=begin, end_snapshot=end)

    assert quality["missing_messages"] == 2
    assert quality["notes"] == ["2 messages are missing: the book may be wrong"]


def test_coinbase_sequence_that_goes_back_is_refused_by_row(tmp_path, capsys):
    messages, begin, _ = made.coinbase(tmp_path, 1)
    edited(messages, lambda rows: [*rows[:5], (rows[4][0], *rows[5][1:]), *rows[6:]])
    (tmp_path / "i.toml").write_text(INSTRUMENT)
    options = [
        "--snapshot",
        str(begin),
        "--instrument",
        str(tmp_path / "i.toml"),
        "--out",
        str(tmp_path / "s"),
    ]

    assert command_options.main(["coinbase", str(messages), *options]) == 2

    told = capsys.readouterr().err
    assert told.startswith(f"{messages}:6: the sequence number 5004 is not beyond the last; ")
    assert told.count("\n") == 1
    assert not (tmp_path / "s").exists()


# --- Bitstamp -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_bitstamp_trades_find_their_orders_and_aggressors_never_cross(tmp_path, seed):
    messages, trades, book = made.bitstamp(tmp_path, seed)

    quality = bitstamp.ingest(messages, tmp_path / "s", COIN, trades=trades, book=book)

    assert quality["trades"] > 10
    assert quality["trades_matched"] == 1
    assert quality["crossed_books"] == quality["unknown_references"] == quality["purged"] == 0
    assert quality["book_levels_agree"] == quality["book_best_prices_agree"] == 1
    assert quality["book_rows_compared"] == 460
    tape, _ = replayed(tmp_path / "s")
    assert int((tape.events["kind"] == Kind.EXECUTE).sum()) == quality["trades"]


def test_bitstamp_without_trades_shows_aggressors_and_says_so(tmp_path):
    messages, _, _ = made.bitstamp(tmp_path, 1)

    quality = bitstamp.ingest(messages, tmp_path / "s", COIN)

    assert quality["trades_matched"] is None
    assert quality["crossed_books"] > 0


def test_bitstamp_races_lost_deletes_and_orders_from_before(tmp_path):
    second = 1_000_000_000
    t, rows = made.T0, []
    rows.append((t, 3, 7, 500_000, 99_000_000, 1))  # stood before the recording
    rows.append((t, 3, 7, 500_000, 99_000_000, 1))  # deleted again
    rows.append((t + 1, 3, 8, 300_000, 100_000_000, 1))  # overtook its own new
    rows.append((t + 2, 1, 8, 300_000, 100_000_000, 1))
    rows.append((t + 3, 1, 9, 200_000, 100_500_000, 1))  # its delete was never sent
    rows.append((t + second, 1, 10, 200_000, 100_200_000, -1))
    rows.append((t + 12 * second, 1, 11, 200_000, 99_500_000, 1))
    messages = made.table(tmp_path / "m.parquet", "ts_ns type order_id size price dir", rows)

    quality = bitstamp.ingest(messages, tmp_path / "s", COIN)

    assert (quality["early_deletes"], quality["stood_before"], quality["purged"]) == (1, 1, 1)
    assert (quality["deleted_again"], quality["unknown_references"]) == (1, 0)
    tape, _ = replayed(tmp_path / "s")
    told = [(int(e["kind"]), int(e["order_id"]), int(e["flags"])) for e in tape.events]
    assert told == [
        (Kind.ADD, 7, Flag.REVEAL),
        (Kind.DELETE, 7, 0),
        (Kind.ADD, 9, 0),
        (Kind.ADD, 10, 0),
        (Kind.ADD, 11, 0),
        (Kind.DELETE, 9, Flag.CONCEAL),
    ]


def test_bitstamp_trade_that_fits_no_order_is_a_print(tmp_path):
    messages, trades, book = made.bitstamp(tmp_path, 2)
    edited(trades, lambda rows: [*rows[:3], (rows[3][0], rows[3][1], rows[3][2] + 7), *rows[4:]])

    quality = bitstamp.ingest(messages, tmp_path / "s", COIN, trades=trades, book=book)

    assert quality["unmatched_trades"] == 1
    tape, _ = replayed(tmp_path / "s")
    assert int((tape.events["kind"] == Kind.HIDDEN).sum()) == 1


# --- Binance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_binance_two_parts_are_one_session_and_agree_with_the_best_quotes(tmp_path, seed):
    parts, truth = made.binance(tmp_path, seed, depth_of_snapshot=100)

    quality = binance.ingest(parts, tmp_path / "s", COIN)

    assert quality["bbo_agree"] == quality["bbo_prices_agree"] == 1
    assert quality["bbo_diffs_compared"] == quality["diffs"] > 100
    assert quality["trades_matched"] > 0.3
    shares = ("trades_matched", "trades_refilled", "trades_unmatched", "trades_after_last_diff")
    assert sum(quality[name] for name in shares) == pytest.approx(1)
    assert quality["crossed_books"] == quality["unknown_references"] == 0
    tape, _ = replayed(tmp_path / "s")
    standing = tape.standing_at(tape.rows)
    for side in (1, -1):
        ours: dict[int, int] = {}
        for order in standing[standing["side"] == side]:
            ours[int(order["price_e4"])] = (
                ours.get(int(order["price_e4"]), 0) + int(order["size"]) * made.UNIT
            )
        assert ours == dict(truth.levels(side))
    executed = tape.events["size"][np.isin(tape.events["kind"], (Kind.EXECUTE, Kind.HIDDEN))].sum()
    trades = [pq.read_table(f"{part}.trades.parquet").to_pandas() for part in parts]
    begin = pq.read_table(f"{parts[0]}.depth.parquet")["ts_exch_ns"][0].as_py()  # those before are left out
    traded = sum(part["size"][part["ts_exch_ns"] >= begin].sum() for part in trades)
    assert int(executed) * made.UNIT == traded


def test_binance_level_beyond_a_short_snapshot_is_no_flow(tmp_path):
    parts, _ = made.binance(tmp_path, 5, depth_of_snapshot=3)

    quality = binance.ingest(parts, tmp_path / "s", COIN)

    assert quality["revealed_levels"] > 0
    tape, _ = replayed(tmp_path / "s")
    flow = tape.events[tape.meta.standing :]
    assert int((flow["flags"] == Flag.REVEAL).sum()) == quality["revealed_levels"]
    assert quality["bbo_agree"] > 0.9  # what lies beyond is known once it changes


def test_binance_arrays_grow_as_they_must(tmp_path, monkeypatch):
    parts, _ = made.binance(tmp_path, 1)
    binance.ingest(parts, tmp_path / "wide", COIN)
    monkeypatch.setattr(binance, "ROOM_FIRST", 1)

    binance.ingest(parts, tmp_path / "narrow", COIN)

    assert (Tape.open(tmp_path / "narrow").events == Tape.open(tmp_path / "wide").events).all()


def test_binance_session_without_trades_is_read(tmp_path):
    quality = binance.ingest([session(tmp_path, GOOD, [], SNAPSHOT)], tmp_path / "s", COIN)

    assert (quality["trades"], quality["trades_matched"]) == (0, None)


def test_binance_session_with_one_side_empty_is_read_and_counted(tmp_path):
    quality = binance.ingest([session(tmp_path, GOOD, PRINTS, SNAPSHOT[:2])], tmp_path / "s", COIN)

    assert quality["empty_books"] == sum(quality["types"].values()) > 0


def session(folder: Path, depth, trades, snapshot) -> Path:
    """Write a session of one part."""
    made.table(folder / "x.depth.parquet", "ts_exch_ns U u dir price size", depth)
    made.table(folder / "x.trades.parquet", "ts_exch_ns trade_id price size dir", trades)
    made.table(folder / "x.snapshot.parquet", "lastUpdateId dir price size", snapshot)
    return folder / "x"


SNAPSHOT = [(10, 1, 1_000_000, 500_000), (10, 1, 999_000, 300_000), (10, -1, 1_002_000, 400_000)]


def flow_of(folder: Path) -> list[tuple[int, int, int, int]]:
    tape, _ = replayed(folder)
    names = ("kind", "side", "price_e4", "size")
    return [tuple(int(event[name]) for name in names) for event in tape.events[tape.meta.standing :]]


def test_binance_trade_takes_what_is_shown_and_the_rest_is_a_print(tmp_path):
    t = made.T0
    depth = [
        (t, 9, 11, -1, 1_003_000, 100_000),
        (t + 10, 12, 13, 1, 1_000_000, 0),
        (t + 20, 14, 15, 1, 998_000, 100_000),
    ]
    stem = session(tmp_path, depth, [(t + 5, 1, 1_000_000, 700_000, -1)], SNAPSHOT)

    quality = binance.ingest([stem], tmp_path / "s", COIN)

    assert flow_of(tmp_path / "s") == [
        (Kind.ADD, -1, 1_003_000, 1),
        (Kind.EXECUTE, 1, 1_000_000, 5),
        (Kind.HIDDEN, 1, 1_000_000, 2),
        (Kind.ADD, 1, 998_000, 1),
    ]
    assert quality["trades_matched"] == pytest.approx(5 / 7)
    assert (quality["unmatched_trades"], quality["trades_unmatched"]) == (1, pytest.approx(2 / 7))
    assert quality["bbo_agree"] is None


def test_binance_level_that_did_not_shrink_was_refilled(tmp_path):
    t = made.T0
    depth = [(t, 9, 11, 1, 998_000, 0), (t + 10, 12, 13, -1, 1_002_000, 500_000)]
    stem = session(tmp_path, depth, [(t + 10, 1, 1_000_000, 200_000, -1)], SNAPSHOT)

    quality = binance.ingest([stem], tmp_path / "s", COIN)

    assert flow_of(tmp_path / "s") == [
        (Kind.EXECUTE, 1, 1_000_000, 2),
        (Kind.ADD, -1, 1_002_000, 1),
        (Kind.ADD, 1, 1_000_000, 2),
    ]
    assert quality["trades_refilled"] == 1


def test_binance_trade_proves_that_better_levels_are_gone(tmp_path):
    t = made.T0
    depth = [
        (t, 9, 11, 1, 997_000, 0),
        (t + 10, 12, 13, 1, 1_000_000, 0),
        (t + 10, 12, 13, 1, 999_000, 100_000),
    ]
    stem = session(tmp_path, depth, [(t + 4, 1, 999_000, 200_000, -1)], SNAPSHOT)

    quality = binance.ingest([stem], tmp_path / "s", COIN)

    assert flow_of(tmp_path / "s") == [(Kind.DELETE, 1, 1_000_000, 5), (Kind.EXECUTE, 1, 999_000, 2)]
    assert (quality["cleared_by_trades"], quality["restored_by_diffs"]) == (5, 0)


def test_binance_cancel_prefers_the_order_of_its_size(tmp_path):
    t = made.T0
    sizes = (600_000, 900_000, 1_000_000, 700_000, 600_000)  # grows 1, 3, 1; shrinks 3, 1
    depth = [(t + n, 9 + 2 * n, 11 + 2 * n, 1, 1_000_000, size) for n, size in enumerate(sizes)]
    stem = session(tmp_path, depth, [(t + 90, 1, 1_000_000, 100_000, -1)], SNAPSHOT)

    binance.ingest([stem], tmp_path / "s", COIN)

    assert [(kind, size) for kind, _, _, size in flow_of(tmp_path / "s")] == [
        (Kind.ADD, 1),
        (Kind.ADD, 3),
        (Kind.ADD, 1),
        (Kind.DELETE, 3),
        (Kind.DELETE, 1),
    ]


GOOD = [(made.T0, 9, 11, 1, 998_000, 100_000), (made.T0 + 5, 12, 13, 1, 998_000, 0)]
PRINTS = [(made.T0 + 1, 1, 1_000_000, 100_000, -1)]


@pytest.mark.parametrize(
    ("depth", "trades", "file", "says"),
    [
        ([GOOD[0], (made.T0 - 5, *GOOD[1][1:])], PRINTS, "depth.parquet:2", "the time goes back"),
        ([GOOD[0], (made.T0, 5, 7, 1, 998_000, 0)], PRINTS, "depth.parquet:2", "update ids go back"),
        ([(made.T0, 12, 11, 1, 998_000, 0)], PRINTS, "depth.parquet:1", "U 12 is beyond u 11"),
        ([(made.T0, 11, 12, 1, 998_000, 0)], PRINTS, "depth.parquet:1", "no diff goes on from the snapshot"),
        ([(made.T0, 5, 9, 1, 998_000, 0)], PRINTS, "depth.parquet:1", "no diff goes on from the snapshot"),
        ([(made.T0, 9, 11, 2, 998_000, 0)], PRINTS, "depth.parquet:1", "dir 2"),
        ([(made.T0, 9, 11, 1, 0, 0)], PRINTS, "depth.parquet:1", "price 0"),
        ([(made.T0, 9, 11, 1, 998_000, -4)], PRINTS, "depth.parquet:1", "size -4"),
        ([(made.T0, 9, 11, 1, 998_000, 2**60)], PRINTS, "depth.parquet:1", "more than 32 bits"),
        (GOOD, [*PRINTS, PRINTS[0]], "trades.parquet:2", "trade ids go back"),
        (GOOD, [(made.T0, 1, 1_000_000, 0, -1)], "trades.parquet:1", "size 0"),
    ],
)
def test_binance_bad_row_is_named(tmp_path, capsys, depth, trades, file, says):
    stem = session(tmp_path, depth, trades, SNAPSHOT)
    (tmp_path / "i.toml").write_text(INSTRUMENT)
    options = ["--instrument", str(tmp_path / "i.toml"), "--out", str(tmp_path / "s")]

    assert command_options.main(["binance", str(stem), *options]) == 2

    told = capsys.readouterr().err
    assert told.startswith(f"{stem}.{file}: ")
    assert says in told
    assert told.count("\n") == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".s", "s"))]


def test_binance_parts_in_the_wrong_order_or_missing_are_refused(tmp_path, capsys):
    parts, _ = made.binance(tmp_path, 1)
    (tmp_path / "i.toml").write_text(INSTRUMENT)
    options = ["--instrument", str(tmp_path / "i.toml"), "--out", str(tmp_path / "s")]

    assert command_options.main(["binance", str(parts[0]), str(parts[0]), *options]) == 2
    assert "the time goes back" in capsys.readouterr().err
    assert command_options.main(["binance", str(parts[1]), *options]) == 2
    assert "two.snapshot.parquet: no such file" in capsys.readouterr().err


# --- on the recordings --------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.slow
def test_recorded_coinbase_ends_in_its_end_snapshot(tmp_path, data):
    folder, name = data / "crypto", "COINBASE_BTC-USD_2018-07-13"
    quality = coinbase.ingest(
        folder / f"{name}_2047-2056.messages.parquet",
        tmp_path / "s",
        FINE,
        snapshot=folder / f"{name}.snapshot_begin.parquet",
        end_snapshot=folder / f"{name}.snapshot_end.parquet",
    )

    assert quality["end_snapshot_equal"]
    assert quality["end_snapshot_orders"] == 66_833
    assert quality["unknown_references"] == quality["missing_messages"] == quality["crossed_books"] == 0


@pytest.mark.data
@pytest.mark.slow
def test_recorded_bitstamp_matches_its_trades_and_its_book(tmp_path, data):
    stem = data / "crypto" / "BITSTAMP_BTCUSD_2015-05-01_full"
    paths = {name: stem.with_name(f"{stem.name}.{name}.parquet") for name in ("messages", "trades", "book")}
    quality = bitstamp.ingest(
        paths["messages"], tmp_path / "s", FINE, trades=paths["trades"], book=paths["book"]
    )

    assert quality["trades_matched"] > 0.98
    assert quality["book_best_prices_agree"] > 0.99
    assert quality["crossed_books"] < 0.002 * quality["rows"]
    assert (quality["early_deletes"], quality["purged"]) == (13, 0)
    replayed(tmp_path / "s")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("symbol", "days", "matched"),
    [
        ("btcusdt", ("20230404", "20230405"), 0.91),
        ("btcusdt", ("20240718", "20240719"), 0.84),
        ("ethusdt", ("20240718", "20240719"), 0.88),
    ],
)
def test_recorded_binance_agrees_with_its_best_quotes(tmp_path, data, symbol, days, matched):
    stems = [data / "crypto" / f"BINANCE_usdm_{symbol}_{day}" for day in days]

    quality = binance.ingest(stems, tmp_path / "s", COIN)

    assert quality["bbo_agree"] == 1
    assert quality["bbo_diffs_compared"] > 8_000
    assert quality["trades_matched"] > matched
    assert quality["trades_unmatched"] < 0.07
    assert quality["restored_by_diffs"] == quality["crossed_books"] == quality["unknown_references"] == 0
    replayed(tmp_path / "s")
