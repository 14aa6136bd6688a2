"""Messages captured from a live ITCH 5.0 line (MoldUDP64 in pcap), one file a type."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    "LULDAuctionCollar": ("J", None),
    "MarketParticipantPosition": ("L", None),
    "NetOrderImbalanceIndicator": ("I", None),
    "RegSHORestriction": ("Y", None),
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


def test_every_capture_has_its_row() -> None:
    assert {path.stem for path in FOLDER.glob("*.pcap")} == set(EXPECTED)


def test_an_add_as_captured() -> None:
    first = next(blocks(FOLDER / "AddOrderNoMPID.pcap"))
    decoder, batch = Decoder(0, framing=Framing.LENGTH), new_batch(1)

    decoder.decode(first, batch)

    row = batch[0]
    assert (row["order_id"], row["side"], row["size"], row["price_e4"]) == (0x166B53E, 1, 0x640, 0xD55AC)
