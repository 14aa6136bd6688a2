"""Frames of the link: whole, in pieces, too large, of the wrong kind."""

import pytest

from gateways import link
from market import events as ev
from market import updates as up

TOCK = ev.LockTock(tick=1, next_ts_ns=5)


def test_messages_come_out_however_the_bytes_are_cut() -> None:
    stream = b"".join(link.encode(m) for m in (TOCK, up.Synced(), TOCK))
    decoder = link.Decoder()
    got = [m for n in range(len(stream)) for m in decoder.feed(stream[n : n + 1])]

    assert got == [TOCK, up.Synced(), TOCK]
    assert link.Decoder().feed(stream) == got


@pytest.mark.parametrize(
    "frame",
    [
        (link.FRAME_BYTES_MAX + 1).to_bytes(4, "big"),
        (2).to_bytes(4, "big") + b"\xc1\xc1",
        (1).to_bytes(4, "big") + b"\x80",
        link.encode(up.Synced()),  # not of this direction
    ],
)
def test_what_is_no_frame_ends_the_link(frame: bytes) -> None:
    with pytest.raises(link.LinkError):
        link.Decoder(link.ToGate).feed(frame)


def test_fields_of_the_wrong_type_are_refused() -> None:
    import msgspec

    body = msgspec.msgpack.encode({"type": "LockTock", "tick": "one", "next_ts_ns": 5})

    with pytest.raises(link.LinkError):
        link.Decoder(link.ToGate).feed(len(body).to_bytes(4, "big") + body)
