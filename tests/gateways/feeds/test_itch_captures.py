"""Messages captured from a live ITCH 5.0 line (MoldUDP64 in pcap), one file a type."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways.feeds import itch_encode as encode
from gateways.feeds import itch_messages
from gateways.feeds.itch import Decoder, FeedError, Framing, new_batch
from gateways.feeds.itch_kernels import LENGTHS
from market.book_events import Kind

FOLDER = Path(os.environ.get("STEADYHAND_DATA", Path(__file__).parents[4] / "shared" / "data")) / (
    "fixtures/itch50_pcap"
)
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no captures at {FOLDER} (set STEADYHAND_DATA)"),
]
EXPECTED = {
    "AddOrderNoMPID": ("A", Kind.ADD),
    "AddOrderWithMPID": ("F", Kind.ADD),
    "CrossTrade": ("Q", Kind.CROSS),
    "NonCrossTrade": ("P", Kind.HIDDEN),
    "OrderCancel": ("X", Kind.CANCEL),
    "OrderDelete": ("D", Kind.DELETE),
    "OrderExecuted": ("E", Kind.EXECUTE),
    "OrderExecutedWithPrice": ("C", Kind.EXECUTE_PRICE),
    "OrderReplace": ("U", Kind.REPLACE),
    "StockTradingAction": ("H", Kind.HALT),
    "SystemEvent": ("S", Kind.SYSTEM),
    "LULDAuctionCollar": ("J", Kind.NOTICE),
    "MarketParticipantPosition": ("L", None),
    "NetOrderImbalanceIndicator": ("I", Kind.NOTICE),
    "RegSHORestriction": ("Y", Kind.NOTICE),
}


def blocks(path: Path) -> Iterator[bytes]:
    """Yield length-prefixed messages: pcap record, Ethernet with VLAN tag, IPv4, UDP, MoldUDP64."""
    raw = path.read_bytes()
    at = 24
    while at < len(raw):
        size = struct.unpack_from("<I", raw, at + 8)[0]
        frame = raw[at + 16 : at + 16 + size]
        at += 16 + size
        start = 12
        while frame[start : start + 2] == b"\x81\x00":
            start += 4
        start += 2
        datagram = frame[start + 4 * (frame[start] & 15) + 8 :]
        count = struct.unpack_from(">H", datagram, 18)[0]
        body = 20
        for _ in range(count):
            length = struct.unpack_from(">H", datagram, body)[0]
            yield datagram[body : body + 2 + length]
            body += 2 + length


@pytest.mark.parametrize("name", EXPECTED)
def test_captured_messages_decode(name: str) -> None:
    letter, kind = EXPECTED[name]
    messages = list(blocks(FOLDER / f"{name}.pcap"))
    assert messages
    assert {chr(m[2]) for m in messages} == {letter}
    decoder, batch = Decoder(0, framing=Framing.LENGTH), new_batch(len(messages))

    events, used = decoder.decode(b"".join(messages), batch)

    assert decoder.error is FeedError.NONE
    assert used == sum(2 + int(LENGTHS[ord(letter)]) for _ in messages)
    if kind is None:
        assert events == 0
        assert decoder.counters["skipped"] == len(messages)
    else:
        assert (batch["kind"] == kind).all()
        assert ((batch["ts_ns"] > 0) & (batch["ts_ns"] < 86_400 * 10**9)).all()


@pytest.mark.parametrize("name", EXPECTED)
def test_captured_messages_come_back_byte_for_byte(name: str) -> None:
    for message in blocks(FOLDER / f"{name}.pcap"):
        decoded = itch_messages.decode(message[2:])
        assert decoded is not None
        assert itch_messages.encode(decoded) == message[2:]


@pytest.mark.parametrize("name", EXPECTED)
def test_both_decoders_read_the_same(name: str) -> None:
    messages = list(blocks(FOLDER / f"{name}.pcap"))
    decoder, batch = Decoder(0, framing=Framing.LENGTH), new_batch(len(messages))
    events, _ = decoder.decode(b"".join(messages), batch)
    for row, message in zip(batch[:events], messages, strict=events > 0):
        told = itch_messages.decode(message[2:])
        assert told is not None
        assert (row["ts_ns"], row["locate"]) == (told.since_ns, told.locate)
        for field, column in (("order", "order_id"), ("shares", "size"), ("price", "price_e4")):
            if field in told.fields:
                assert row[column] == told.fields[field], field
        for field in ("match", "new_order"):
            if field in told.fields:
                assert row["new_id"] == told.fields[field], field


def test_the_venue_makes_what_the_exchange_made() -> None:
    """Our own encoders, given what a captured message says, give its bytes (but for the tracking number)."""
    made = {
        "A": lambda m, f: encode.add(
            m.locate,
            m.since_ns,
            f["order"],
            1 if f["side"] == "B" else -1,
            f["shares"],
            f["stock"],
            f["price"],
        ),
        "E": lambda m, f: encode.executed(m.locate, m.since_ns, f["order"], f["shares"], f["match"]),
        "C": lambda m, f: encode.executed_at(
            m.locate, m.since_ns, f["order"], f["shares"], f["match"], f["price"], f["printable"] == "Y"
        ),
        "X": lambda m, f: encode.canceled(m.locate, m.since_ns, f["order"], f["shares"]),
        "D": lambda m, f: encode.deleted(m.locate, m.since_ns, f["order"]),
        "U": lambda m, f: encode.replaced(
            m.locate, m.since_ns, f["order"], f["new_order"], f["shares"], f["price"]
        ),
        "P": lambda m, f: encode.print_(
            m.locate, m.since_ns, f["shares"], f["stock"], f["price"], f["match"]
        ),
        "Q": lambda m, f: encode.cross(
            m.locate, m.since_ns, f["shares"], f["stock"], f["price"], f["match"], f["cross"]
        ),
        "H": lambda m, f: encode.trading_action(m.locate, m.since_ns, f["stock"], f["state"], f["reason"]),
        "S": lambda m, f: encode.system(m.since_ns, f["event"]),
    }
    seen = set()
    for path in FOLDER.glob("*.pcap"):
        for raw in blocks(path):
            message = itch_messages.decode(raw[2:])
            assert message is not None
            if message.kind in made:
                seen.add(message.kind)
                ours = made[message.kind](message, message.fields)  # type: ignore[no-untyped-call]
                assert ours == itch_messages.encode(message._replace(tracking=0))
    assert seen == set(made)


def test_every_capture_has_its_row() -> None:
    assert {path.stem for path in FOLDER.glob("*.pcap")} == set(EXPECTED)


def test_an_add_as_captured() -> None:
    first = next(blocks(FOLDER / "AddOrderNoMPID.pcap"))
    decoder, batch = Decoder(0, framing=Framing.LENGTH), new_batch(1)

    decoder.decode(first, batch)

    row = batch[0]
    assert (row["order_id"], row["side"], row["size"], row["price_e4"]) == (0x166B53E, 1, 0x640, 0xD55AC)
