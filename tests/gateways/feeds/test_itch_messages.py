"""Every type of ITCH 5.0 by its fields: bytes to fields to the same bytes, and nothing else is a message."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.feeds import itch_kernels
from gateways.feeds.itch_messages import HEAD_BYTES, LAYOUTS, LENGTHS, Message, build, decode, encode

bodies = st.sampled_from(sorted(LAYOUTS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.binary(min_size=LENGTHS[kind] - 1, max_size=LENGTHS[kind] - 1))
)


@settings(max_examples=600, deadline=None)
@given(bodies)
def test_bytes_come_back_as_they_were(body: tuple[str, bytes]) -> None:
    kind, rest = body
    raw = kind.encode() + rest
    message = decode(raw)
    if message is None:
        assert not rest.isascii()
    else:
        assert encode(message) == raw


def test_lengths_are_the_decoders() -> None:
    assert {chr(i): int(n) for i, n in enumerate(itch_kernels.LENGTHS) if n} == LENGTHS


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_what_is_no_message_is_none(raw: bytes) -> None:
    message = decode(raw)
    assert message is None or len(raw) == LENGTHS[message.kind] > HEAD_BYTES


def test_a_field_that_is_missing_unknown_or_too_large_is_refused() -> None:
    good = build("H", 1, 5, stock="SYN", state="H", reserved="", reason="T1")
    assert good[:1] == b"H"
    assert len(good) == LENGTHS["H"]
    for fields in (
        {"stock": "SYN", "state": "H", "reserved": ""},
        {"stock": "SYN", "state": "H", "reserved": "", "reason": "T1", "more": 1},
        {"stock": "NINELETTR", "state": "H", "reserved": "", "reason": "T1"},
        {"stock": "SÜN", "state": "H", "reserved": "", "reason": "T1"},
        {"stock": 5, "state": "H", "reserved": "", "reason": "T1"},
    ):
        with pytest.raises(ValueError, match=r"ITCH H|stock"):
            encode(Message("H", 1, 0, 5, fields))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="order"):
        build("D", 1, 5, order=1 << 64)
    with pytest.raises(ValueError, match="head"):
        build("D", 1 << 16, 5, order=1)
