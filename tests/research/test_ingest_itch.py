import gzip
import struct
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from market.book import OrderBook
from market.book_events import Flag, Kind
from market.tape import Tape
from research.ingest import command_options, itch, itch_files
from research.ingest.itch_files import Framing, Packets, chunks, framing_of
from research.ingest.source import SourceError
from tests.research import made_itch as made

DAY = date(2023, 11, 14)
CASES = {
    "20231114.bin": made.binary,
    "x20231114.bin.gz": lambda day: gzip.compress(made.binary(day)),
    "x_2023-11-14.itch8": made.itch8,
    "x.pcap": made.pcap,
    "big.pcap": lambda day: made.pcap(day, order=">", unit=1_000, size=1),
    "x.pcap.gz": lambda day: gzip.compress(made.pcap(day)),
}


def ingested(tmp_path: Path, name: str, content: bytes, **options) -> tuple[dict, Tape]:
    path = tmp_path / name
    path.write_bytes(content)
    quality = itch.ingest(path, tmp_path / f"{name}.store", made.SYMBOL, **options)
    tape = Tape.open(tmp_path / f"{name}.store")
    book = OrderBook()
    assert book.apply(tape.events.copy()) == 0
    return quality, tape


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Tape:
    """The same day out of a BinaryFILE."""
    return ingested(tmp_path_factory.mktemp("r"), "20231114.bin", made.binary(made.messages(3)[0]))[1]


@pytest.mark.parametrize("name", CASES)
def test_every_framing_gives_the_same_day(tmp_path, reference, name):
    day, _ = made.messages(3)
    if name.endswith("itch8"):
        day = [m for m in day if chr(m[0]) != "C"]  # its prices lie off the cent grid
        reference = ingested(tmp_path, "20231114.plain", made.binary(day))[1]

    quality, tape = ingested(tmp_path, name, CASES[name](day))

    assert tape.day == reference.day == DAY
    assert (tape.events == reference.events).all()
    assert quality["file_messages"] == len(day)
    assert quality["missing_messages" if "pcap" in name else "unknown_references"] == 0


@pytest.mark.parametrize("name", ["20231114.bin", "x20231114.bin.gz", "x.pcap"])
@pytest.mark.parametrize("size", [1, 100, 4_001])
def test_however_a_file_is_cut_into_reads_the_day_is_the_same(tmp_path, reference, monkeypatch, name, size):
    monkeypatch.setattr(itch_files, "CHUNK_BYTES", size)
    monkeypatch.setattr(itch, "BATCH_ROWS", 3)

    _, tape = ingested(tmp_path, name, CASES[name](made.messages(3)[0]))

    assert (tape.events == reference.events).all()


@pytest.mark.parametrize("seed", range(4))
def test_book_at_the_end_is_the_truth(tmp_path, seed):
    day, standing = made.messages(seed)

    quality, tape = ingested(tmp_path, "20231114.bin", made.binary(day))

    ours = tape.standing_at(tape.rows)
    assert {
        int(o["order_id"]): (int(o["side"]), int(o["price_e4"]), int(o["size"])) for o in ours
    } == standing
    assert quality["references_matched"] == 1
    counts = {letter: sum(chr(m[0]) == letter and m[1:3] == b"\0M" for m in day) for letter in "AFEXDUPQC"}
    assert {letter: quality["types"].get(letter, 0) for letter in counts} == counts
    assert tape.instrument.round_lot == 40


def test_prints_crosses_halts_and_executions_at_a_price_keep_what_they_say(tmp_path):
    day, _ = made.messages(3)

    _, tape = ingested(tmp_path, "20231114.bin", made.binary(day))

    events = tape.events
    assert list(events["code"][events["kind"] == Kind.HALT]) == [ord("T")]
    cross = events[events["kind"] == Kind.CROSS]
    assert [(int(e["size"]), int(e["price_e4"]), chr(e["code"])) for e in cross] == [(500, 1_000_000, "O")]
    priced = events[events["kind"] == Kind.EXECUTE_PRICE]
    wanted = [m for m in day if chr(m[0]) == "C"]
    assert [int(e["price_e4"]) for e in priced] == [int.from_bytes(m[32:36], "big") for m in wanted]
    unprinted = [bool(e["flags"] & Flag.NON_PRINTABLE) for e in priced]
    assert unprinted == [m[31:32] == b"N" for m in wanted]
    assert True in unprinted
    hidden = events[events["kind"] == Kind.HIDDEN]
    assert len(hidden) == sum(chr(m[0]) == "P" for m in day)
    assert set(hidden["side"]) == {0}


def test_excerpt_begins_in_mid_day_and_says_what_it_could_not_place(tmp_path):
    day = [
        made.head("D", made.LOCATE, 5) + struct.pack(">Q", 1),
        made.add(made.LOCATE, 6, 10, "B", 100, made.SYMBOL, 1_000_000),
        made.head("U", made.LOCATE, 7) + struct.pack(">QQII", 2, 3, 100, 1_000_000),
        made.head("X", made.LOCATE, 8) + struct.pack(">QI", 3, 50),
        made.head("U", made.LOCATE, 9) + struct.pack(">QQII", 10, 11, 200, 990_000),
    ]

    quality, tape = ingested(tmp_path, "20231114.bin", made.binary(day))

    assert [(int(e["kind"]), int(e["order_id"])) for e in tape.events] == [
        (Kind.ADD, 10),
        (Kind.DELETE, 10),
        (Kind.ADD, 11),
    ]
    assert (quality["unknown_references"], quality["replaces_of_unknown"]) == (3, 1)
    assert quality["references_matched"] == 0.25


def test_capture_with_a_gap_repeats_and_strangers(tmp_path):
    day, _ = made.messages(3)
    one, two, three = day[:20], day[20:40], day[45:60]
    capture = made.header()
    for frame in (
        made.packet(one, 1),
        made.packet(one, 1),  # the other line
        b"\1" * 12 + b"\x08\x06" + b"\0" * 40,  # ARP
        made.packet([], 21),  # a heartbeat
        made.packet(day[15:40], 16),  # overlaps
        made.packet(three, 46, tags=2),
    ):
        capture += made.record(frame, 1_700_000_000 * 10**9)

    quality, tape = ingested(tmp_path, "x.pcap", capture)

    assert quality["file_messages"] == len(one + two + three)
    assert (quality["missing_messages"], quality["repeated_messages"], quality["packets"]) == (5, 25, 5)
    assert len(quality["notes"]) == 2
    assert tape.day == DAY


def cut(capture: bytes, frame: bytes) -> bytes:
    return capture + made.record(frame[:-1], 10**18, full=len(frame))


GOOD = made.add(made.LOCATE, 6, 10, "B", 100, made.SYMBOL, 1_000_000)
LATER = made.add(made.LOCATE, 5, 11, "B", 100, made.SYMBOL, 1_000_000)
ZERO = made.add(made.LOCATE, 6, 12, "B", 0, made.SYMBOL, 1_000_000)
SIDE = made.add(made.LOCATE, 6, 12, "X", 5, made.SYMBOL, 1_000_000)
FRAME = made.packet([GOOD], 1)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("20231114.bin", made.binary([GOOD])[:-7], ", byte 0: the file ends inside a message"),
        (
            "20231114.bin",
            made.binary([GOOD]) + b"x",
            ", byte 38: a length of zero ends the session, and more",
        ),
        ("20231114.bin", made.binary([GOOD, GOOD + b"!"]), ", byte 38: a message of the wrong length"),
        ("20231114.bin", made.binary([GOOD, b"~" + GOOD[1:]]), ", byte 38: a message type that ITCH 5.0"),
        ("20231114.bin", made.binary([GOOD, LATER]), ", byte 38: the time goes back"),
        ("20231114.bin", made.binary([GOOD, SIDE]), ", byte 38: a side, reference, size or time"),
        ("20231114.bin", made.binary([GOOD, ZERO]), ":2: size 0"),
        ("20231114.bin", b"", ": says nothing of 'ABCD'; symbols that it names: none"),
        ("20231114.bin", made.binary([GOOD.replace(b"ABCD", b"EFGH")]), "symbols that it names: EFGH"),
        ("x.bin", made.binary([GOOD]), ": the day is not in the file's name; give --day"),
        ("20231114.bin.gz", gzip.compress(made.binary([GOOD] * 99))[:-20], "the gzip is damaged here"),
        ("2023-11-14.itch8", made.binary([GOOD]), ", byte 0: no message with eight bytes of time"),
        ("2023-11-14.itch8", made.itch8([GOOD, SIDE]), ", byte 40: a side, reference, size or time"),
        ("x.pcap", b"\x0a\x0d\x0d\x0a" + b"\0" * 40, ": is a pcapng capture; convert it"),
        ("x.pcap", made.header()[:20], ", byte 0: the file ends inside the header"),
        ("x.pcap", made.header()[:20] + b"\x65\0\0\0", ", byte 4: version 2, link type 101"),
        ("x.pcap", made.header() + b"\0" * 9, ", byte 24: the file ends inside a packet's header"),
        (
            "x.pcap",
            made.header() + made.record(FRAME, 10**18)[:-4],
            ", byte 40: the file ends inside a packet",
        ),
        ("x.pcap", made.header() + struct.pack("<IIII", 1, 1, 2**31, 2**31), ", byte 24: a packet of 2147"),
        ("x.pcap", cut(made.header(), FRAME), f", byte 24: the capture kept {len(FRAME) - 1} of"),
        (
            "x.pcap",
            made.header() + made.record(FRAME.replace(b"\0\1\0\x24", b"\0\2\0\x24"), 10**18),
            "a packet of 2 messages does not fit its",
        ),
    ],
    ids=lambda value: "bytes" if isinstance(value, bytes) else None,  # gzip's bytes hold the time
)
def test_bad_file_is_one_line_and_leaves_no_store(tmp_path, capsys, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)

    code = command_options.main(["itch", str(path), "--symbol", "ABCD", "--out", str(tmp_path / "s")])

    told = capsys.readouterr().err.splitlines()
    assert code == 2
    assert told[-1].startswith(str(path))
    assert says in told[-1]
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_command_names_what_is_wrong_with_its_options(tmp_path, capsys):
    path = tmp_path / "20231114.bin"
    path.write_bytes(made.binary([GOOD]))
    out = ["--out", str(tmp_path / "s")]

    for options, says in (
        ([str(path), "--symbol", "TOOLONGNAME"], "--symbol TOOLONGNAME: is no symbol of ITCH"),
        ([str(path), "--symbol", "ABCD", "--zone", "Mars/North"], "'Mars/North' is no time zone"),
        ([str(tmp_path / "none"), "--symbol", "ABCD"], "there is no such file"),
    ):
        assert command_options.main(["itch", *options, *out]) == 2
        assert says in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        command_options.main(["itch", str(path), "--symbol", "ABCD", "--framing", "morse", *out])


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("01302019.NASDAQ_ITCH50.gz", date(2019, 1, 30)),
        ("S081321-v50.txt.gz", date(2021, 8, 13)),
        ("itch_20240229.bin", date(2024, 2, 29)),
        ("AAPL_2019-12-30_excerpt.itch8", date(2019, 12, 30)),
    ],
)
def test_day_is_read_from_the_name(name, day):
    assert itch.day_of(Path(name), itch.Found(Framing.BINARY), "America/New_York") == day


FIXTURES = {
    "AddOrderNoMPID": "A",
    "AddOrderWithMPID": "F",
    "CrossTrade": "Q",
    "LULDAuctionCollar": "J",
    "MarketParticipantPosition": "L",
    "NetOrderImbalanceIndicator": "I",
    "NonCrossTrade": "P",
    "OrderCancel": "X",
    "OrderDelete": "D",
    "OrderExecuted": "E",
    "OrderExecutedWithPrice": "C",
    "OrderReplace": "U",
    "RegSHORestriction": "Y",
    "StockTradingAction": "H",
    "SystemEvent": "S",
}


@pytest.mark.data
def test_recorded_captures_hold_one_type_each(data):
    folder = data / "fixtures" / "itch50_pcap"
    assert {path.stem for path in folder.iterdir()} == set(FIXTURES)
    for name, letter in FIXTURES.items():
        path = folder / f"{name}.pcap"
        packets = Packets()
        made_chunks = list(chunks(path, framing_of(path), packets))
        bytes_ = b"".join(chunk.data for chunk in made_chunks)
        kinds, at = [], 0
        while at < len(bytes_):
            kinds.append(chr(bytes_[at + 2]))
            at += 2 + int.from_bytes(bytes_[at : at + 2], "big")
        assert kinds == [letter] * packets.count
        assert len(packets.notes) == 1  # their sequence numbers were blanked


@pytest.mark.data
def test_recorded_captures_decode_to_their_values(tmp_path, data):
    folder = data / "fixtures" / "itch50_pcap"

    for name, symbol, kind, size, price in (
        ("AddOrderNoMPID", "IVOO", Kind.ADD, 1_600, 873_900),
        ("AddOrderWithMPID", "CASY", Kind.ADD, 100, 2_555_200),
        ("NonCrossTrade", "GOOGL", Kind.HIDDEN, 100, 1_284_600),
    ):
        itch.ingest(folder / f"{name}.pcap", tmp_path / name, symbol)
        tape = Tape.open(tmp_path / name)
        event = tape.events[0]
        assert (event["kind"], event["size"], event["price_e4"]) == (kind, size, price)
        assert tape.day == date(2023, 8, 22)


@pytest.mark.data
@pytest.mark.slow
def test_recorded_excerpt_is_read_whole(tmp_path, data):
    quality = itch.ingest(data / "fixtures" / "AAPL_2019-12-30_excerpt.itch8", tmp_path / "s", "AAPL")

    assert quality["unknown_references"] == 3_970  # orders that were added before the cut
    assert quality["file_messages"] + quality["types"]["U"] - quality["replaces_of_unknown"] == 51_010
    assert quality["crossed_books"] == quality["unreconciled_events"] == quality["duplicate_ids"] == 0
    tape = Tape.open(tmp_path / "s")
    events = tape.events.copy()
    assert OrderBook().apply(events) == 0
    assert tape.day == date(2019, 12, 30)
    both = (events["bid_e4"] > 0) & (events["ask_e4"] > 0)
    assert np.median((events["ask_e4"] - events["bid_e4"])[both]) < 1_000


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(SourceError, match="give a file that can be read"):
        framing_of(tmp_path)
