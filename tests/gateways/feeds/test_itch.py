"""ITCH 5.0 decoding, held to bytes written out by hand from the specification's tables."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.feeds import itch
from gateways.feeds import itch_encode as enc
from gateways.feeds.itch import Decoder, FeedError, Framing, new_batch
from gateways.feeds.itch_kernels import LENGTHS
from market.book_events import Flag, Kind

MIDNIGHT_NS = 1_704_171_600_000_000_000  # 2024-01-02 00:00 New York
NS = 34_200_123_456_789  # 09:30:00.123456789
HEAD = "0007 0002 1f1ad635bd15"  # locate 7, tracking 2, 34,200,123,456,789 ns
ORDER = "00000000075bcd15"  # 123,456,789
OTHER = "000000000ee6b280"  # 250,000,000
MATCH = "00000000000186a0"  # 100,000
STOCK = "474f4f4720202020"  # "GOOG    "
PRICE = "00588124"  # 580.0228
SHARES = "0000012c"  # 300

# kind of message: (hex after the type letter, what must come out)
GOLDEN = {
    "S": (f"{HEAD} 51", {"kind": Kind.SYSTEM, "code": ord("Q")}),
    "R": (
        f"{HEAD} {STOCK} 51 4e 00000064 4e 43 5a20 50 4e 4e 31 4e 00000000 4e",
        {"kind": Kind.DIRECTORY, "size": 100, "code": ord("N")},
    ),
    "H": (f"{HEAD} {STOCK} 48 20 54312020", {"kind": Kind.HALT, "code": ord("H")}),
    "h": (f"{HEAD} {STOCK} 51 48", {"kind": Kind.OPERATIONAL, "code": ord("H")}),
    "W": (f"{HEAD} 32", {"kind": Kind.BREAKER, "code": ord("2")}),
    "Y": (f"{HEAD} {STOCK} 31", {"kind": Kind.NOTICE, "code": ord("Y"), "flags": ord("1")}),
    "K": (
        f"{HEAD} {STOCK} 00008ca0 41 {PRICE}",
        {"kind": Kind.NOTICE, "code": ord("K"), "order_id": 36_000, "flags": ord("A"), "price_e4": 5_800_228},
    ),
    "J": (
        f"{HEAD} {STOCK} {PRICE} 00588125 00588123 00000002",
        {
            "kind": Kind.NOTICE,
            "code": ord("J"),
            "price_e4": 5_800_228,
            "order_id": 5_800_229,
            "new_id": 5_800_227,
            "size": 2,
        },
    ),
    "I": (
        f"{HEAD} {ORDER} {MATCH} 53 {STOCK} 00588125 00588123 {PRICE} 43 4c",
        {
            "kind": Kind.NOTICE,
            "code": ord("I"),
            "order_id": 123_456_789,
            "new_id": 100_000,
            "side": -1,
            "price_e4": 5_800_228,
            "flags": ord("C"),
        },
    ),
    "V": (
        f"{HEAD} 0000000005f5e100 000000000bebc200 0000000011e1a300",
        {
            "kind": Kind.NOTICE,
            "code": ord("V"),
            "order_id": 10**8,
            "new_id": 2 * 10**8,
            "price_e4": 30_000,
        },
    ),
    "A": (
        f"{HEAD} {ORDER} 53 {SHARES} {STOCK} {PRICE}",
        {"kind": Kind.ADD, "order_id": 123_456_789, "side": -1, "size": 300, "price_e4": 5_800_228},
    ),
    "F": (
        f"{HEAD} {ORDER} 42 {SHARES} {STOCK} {PRICE} 4c454847",
        {"kind": Kind.ADD, "order_id": 123_456_789, "side": 1, "size": 300, "price_e4": 5_800_228},
    ),
    "E": (
        f"{HEAD} {ORDER} {SHARES} {MATCH}",
        {"kind": Kind.EXECUTE, "order_id": 123_456_789, "size": 300, "new_id": 100_000},
    ),
    "C": (
        f"{HEAD} {ORDER} {SHARES} {MATCH} 4e {PRICE}",
        {
            "kind": Kind.EXECUTE_PRICE,
            "order_id": 123_456_789,
            "size": 300,
            "new_id": 100_000,
            "price_e4": 5_800_228,
            "flags": Flag.NON_PRINTABLE,
        },
    ),
    "X": (f"{HEAD} {ORDER} {SHARES}", {"kind": Kind.CANCEL, "order_id": 123_456_789, "size": 300}),
    "D": (f"{HEAD} {ORDER}", {"kind": Kind.DELETE, "order_id": 123_456_789}),
    "U": (
        f"{HEAD} {ORDER} {OTHER} {SHARES} {PRICE}",
        {
            "kind": Kind.REPLACE,
            "order_id": 123_456_789,
            "new_id": 250_000_000,
            "size": 300,
            "price_e4": 5_800_228,
        },
    ),
    "P": (
        f"{HEAD} 0000000000000000 42 {SHARES} {STOCK} {PRICE} {MATCH}",
        {"kind": Kind.HIDDEN, "size": 300, "price_e4": 5_800_228, "new_id": 100_000, "side": 0},
    ),
    "Q": (
        f"{HEAD} 000000000000012c {STOCK} {PRICE} {MATCH} 4f",
        {"kind": Kind.CROSS, "size": 300, "price_e4": 5_800_228, "new_id": 100_000, "code": ord("O")},
    ),
}
SKIPPED = "LBNO"


def message(kind: str) -> bytes:
    return kind.encode() + bytes.fromhex(GOLDEN[kind][0].replace(" ", ""))


def framed(*messages: bytes) -> bytes:
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


def soup(*messages: bytes) -> bytes:
    return b"".join((len(m) + 1).to_bytes(2, "big") + b"S" + m for m in messages)


def decoder(framing: Framing = Framing.LENGTH, **more: object) -> Decoder:
    return Decoder(MIDNIGHT_NS, framing=framing, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", GOLDEN)
def test_golden_message_decodes_to_what_the_specification_says(kind: str) -> None:
    batch = new_batch(2)

    events, used = decoder().decode(framed(message(kind)), batch)

    assert (events, used) == (1, len(message(kind)) + 2)
    row = batch[0]
    assert row["ts_ns"] == MIDNIGHT_NS + NS
    assert row["locate"] == 7
    assert row["seq_lo"] == 1
    for name, value in GOLDEN[kind][1].items():
        assert row[name] == value, name


def test_lengths_are_those_of_the_specification() -> None:
    known = {chr(i): int(n) for i, n in enumerate(LENGTHS) if n}

    assert known == {
        "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36,
        "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20,
        "O": 48,
    }  # fmt: skip


def test_directory_names_the_locate() -> None:
    d = decoder()

    d.decode(framed(message("R")), new_batch(1))

    assert d.symbols == {7: "GOOG"}


def test_other_types_are_passed_over_by_length_and_counted() -> None:
    d, batch = decoder(), new_batch(8)
    others = [kind.encode() + bytes(int(LENGTHS[ord(kind)]) - 1) for kind in SKIPPED]

    events, _ = d.decode(framed(*others, b"zNew type of a later version", message("D")), batch)

    assert events == 1
    assert batch["seq_lo"][0] == len(SKIPPED) + 2
    assert d.counters["skipped"] == len(SKIPPED)
    assert d.counters["unknown"] == 1
    assert d.error is FeedError.NONE


def test_a_reused_batch_keeps_nothing_of_the_message_before() -> None:
    d, batch = decoder(), new_batch(1)
    d.decode(framed(message("C")), batch)
    batch["bid_e4"] = batch["ask_e4"] = 5

    d.decode(framed(message("D")), batch)

    row = batch[0]
    assert [row[n] for n in ("price_e4", "bid_e4", "ask_e4", "new_id", "size", "flags", "side")] == [0] * 7


@pytest.mark.parametrize("kind", GOLDEN)
@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_length_is_refused_and_what_came_before_stands(kind: str, change: int) -> None:
    d, batch = decoder(), new_batch(4)
    wrong = message(kind)[:-1] if change < 0 else message(kind) + b"\0"

    events, used = d.decode(framed(message("D"), wrong, message("D")), batch)

    assert (events, used) == (1, 21)
    assert d.error is FeedError.WRONG_LENGTH
    assert d.next_seq == 2


@pytest.mark.parametrize(
    "bad",
    [
        message("A").replace(b"\x53\x00\x00\x01\x2c", b"\x58\x00\x00\x01\x2c"),  # side X
        message("D")[:11] + bytes(8),  # reference 0
        message("D")[:11] + b"\xff" * 8,  # reference over 2**63
        message("D")[:5] + b"\xff" * 6 + message("D")[11:],  # a day of 78 hours
        message("Q")[:11] + b"\xff" * 8 + message("Q")[19:],  # shares over 32 bits
        message("U")[:19] + bytes(8) + message("U")[27:],  # new reference 0
    ],
)
def test_fields_that_cannot_be_are_refused(bad: bytes) -> None:
    d = decoder()

    events, used = d.decode(framed(bad), new_batch(1))

    assert (events, used) == (0, 0)
    assert d.error is FeedError.BAD_FIELD


def test_an_empty_message_is_refused() -> None:
    for framing, data in ((Framing.LENGTH, b"\0\0"), (Framing.SOUP, b"\0\1S")):
        d = decoder(framing)

        assert d.decode(data, new_batch(1)) == (0, 0)
        assert d.error is FeedError.EMPTY_FRAME


def test_heartbeats_between_packets_count_no_sequence_number() -> None:
    d, batch = decoder(Framing.SOUP), new_batch(4)

    events, used = d.decode(soup(message("D")) + b"\0\1H" + soup(message("E")) + b"\0\5+text", batch)

    assert events == 2
    assert used == 22 + 3 + 34 + 7
    assert batch["seq_lo"].tolist()[:2] == [1, 2]


def test_a_part_of_a_frame_waits_for_the_rest() -> None:
    data = framed(message("A"), message("E"), message("D"))
    whole, part = decoder(), decoder()
    want, got = new_batch(8), new_batch(8)
    whole.decode(data, want)

    at = events = 0
    for stop in range(len(data) + 1):
        made, used = part.decode(data[at:stop], got[events:])
        at, events = at + used, events + made

    assert events == 3
    assert (want == got).all()


def test_a_full_batch_stops_before_the_next_frame() -> None:
    d, batch = decoder(), new_batch(2)
    data = framed(*[message("D")] * 5)

    assert d.decode(data, batch) == (2, 42)
    assert d.decode(data[42:], batch) == (2, 42)
    assert d.decode(data[84:], batch) == (1, 21)


def test_only_wanted_symbols_are_decoded() -> None:
    d, batch = decoder(locates=(9,)), new_batch(4)
    mine = message("D").replace(b"D\x00\x07", b"D\x00\x09", 1)

    events, _ = d.decode(framed(message("R"), message("S"), message("D"), mine), batch)

    assert batch["locate"][:events].tolist() == [7, 7, 9]
    assert d.counters["filtered"] == 1
    d.want("GOOG")
    assert d.decode(framed(message("D")), batch)[0] == 1


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (enc.system(NS, "Q"), "S"),
        (enc.trading_action(7, NS, "GOOG", "H", "T1"), "H"),
        (enc.add(7, NS, 123_456_789, -1, 300, "GOOG", 5_800_228), "A"),
        (enc.executed(7, NS, 123_456_789, 300, 100_000), "E"),
        (enc.executed_at(7, NS, 123_456_789, 300, 100_000, 5_800_228, printable=False), "C"),
        (enc.canceled(7, NS, 123_456_789, 300), "X"),
        (enc.deleted(7, NS, 123_456_789), "D"),
        (enc.replaced(7, NS, 123_456_789, 250_000_000, 300, 5_800_228), "U"),
        (enc.print_(7, NS, 300, "GOOG", 5_800_228, 100_000), "P"),
        (enc.cross(7, NS, 300, "GOOG", 5_800_228, 100_000, "O"), "Q"),
    ],
)
def test_encoders_write_the_golden_bytes(made: bytes, kind: str) -> None:
    golden = message(kind)
    assert made[:3] == golden[:1] + (b"\0\0" if kind == "S" else b"\0\7")
    assert made[5:] == golden[5:]  # but for the tracking number, which is ours to choose


def test_directory_has_the_length_and_the_symbol() -> None:
    made = enc.directory(7, NS, "GOOG", 100)

    assert len(made) == 39
    assert made[11:19] == b"GOOG    "
    assert struct.unpack(">I", made[21:25]) == (100,)


@given(st.binary(max_size=400), st.sampled_from(Framing))
@settings(max_examples=500, deadline=None)
def test_random_bytes_are_never_read_out_of_bounds(data: bytes, framing: Framing) -> None:
    d, batch = decoder(framing), new_batch(16)
    fenced = np.frombuffer(data, dtype=np.uint8)

    events, used = d.decode(data, batch)

    assert 0 <= used <= len(fenced)
    assert 0 <= events <= 16


@given(
    st.lists(st.sampled_from(sorted(GOLDEN)), max_size=4),
    st.integers(0, 200),
    st.binary(max_size=2),
    st.integers(0, 60),
)
@settings(max_examples=300, deadline=None)
def test_what_lies_behind_the_buffer_makes_no_difference(
    kinds: list[str], at: int, damage: bytes, cut: int
) -> None:
    data = bytearray(framed(*(message(kind) for kind in kinds)))
    data[at : at + len(damage)] = damage
    size = max(0, len(data) - cut)
    seen = []
    for junk in (b"\x00", b"\xff", b"D"):
        memory = memoryview(data[:size] + junk * 100)
        d, batch = decoder(), new_batch(8)
        seen.append((d.decode(memory[:size], batch), batch.tobytes(), d.state.tolist()))

    assert seen[0] == seen[1] == seen[2]


@given(st.lists(st.sampled_from(sorted(GOLDEN)), max_size=20), st.integers(0, 500), st.binary(max_size=3))
@settings(max_examples=300, deadline=None)
def test_damaged_streams_are_refused_or_decoded_never_more(kinds: list[str], at: int, damage: bytes) -> None:
    data = bytearray(framed(*(message(kind) for kind in kinds)))
    data[at : at + len(damage)] = damage
    d, batch = decoder(), new_batch(32)

    events, used = d.decode(data, batch)

    assert used <= len(data)
    assert events <= len(kinds) + 2
    assert d.next_seq - 1 == d.counters["messages"]


def test_warm_leaves_no_kernel_to_compile() -> None:
    from gateways.feeds.itch_kernels import decode_frames

    itch.warm()
    before = len(decode_frames.signatures)  # type: ignore[attr-defined]
    for buffer in (bytes(5), bytearray(5), memoryview(bytes(5)), memoryview(bytearray(5))):
        decoder().decode(buffer, new_batch(3))

    assert len(decode_frames.signatures) == before  # type: ignore[attr-defined]
