"""What the trader writes down: every input, what it led to, and now and then a hash of the state.

It is written after what was decided has left, so that no order waits for it (docs/decisions/0010). One file a
start, `trader-<wall clock in ns>.journal`, of frames whose first byte is their kind. `replay` reads
them back and steps a new core through them.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.segments import reading
from daemon.segments.layout import JournalError
from daemon.trader.events import (
    FeedDown,
    FeedIdle,
    FeedReset,
    FeedResumed,
    FeedUp,
    Intent,
    LinkDown,
    LinkUp,
    Settings,
)
from gateways.link import ToTrader
from market import events as ev
from market.instruments import Instrument

FORMAT: Final = 1
STAMP: Final = struct.Struct("<qq")
FEED: Final = struct.Struct("<qqq")  # stamp, first sequence number
OUTPUT: Final = struct.Struct("<q32s")  # decisions so far, hash chain of their observations
BEGIN, MIDNIGHT, READ, EVENT, RESULT, HASH = b"B", b"M", b"F", b"E", b"O", b"H"
PIECE_BYTES_MAX: Final = 1 << 19  # of feed bytes a frame: half of what a journal frame holds

CoreEvent = ToTrader | FeedUp | FeedDown | FeedIdle | FeedReset | FeedResumed | LinkUp | LinkDown | ev.Timer


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """What a core was made of."""

    format: int
    settings: Settings
    instruments: dict[str, Instrument]
    policy: str  # as configured
    policy_options: dict[str, float | int | str]
    volume_curve: str | None
    policy_sha256: str
    state_spec_sha256: str
    action_table_sha256: str


class Midnight(msgspec.Struct, frozen=True):
    """The feed's day begins at this UTC ns."""

    midnight_ns: int


class Read(msgspec.Struct, frozen=True):
    """Feed bytes, whole packets; `first_seq` 0: of a snapshot."""

    stamp: ev.Stamp
    first_seq: int
    packets: bytes


class Input(msgspec.Struct, frozen=True):
    """An event that was stepped."""

    stamp: ev.Stamp
    event: Any


class Output(msgspec.Struct, frozen=True):
    """What the step before this gave."""

    decisions: int
    obs_hash: bytes
    intents: tuple[Intent, ...]


class StateHash(msgspec.Struct, frozen=True):
    """The core's state at this point."""

    state_hash: str


Frame = Begin | Midnight | Read | Input | Output | StateHash
_ENCODER: Final = msgspec.msgpack.Encoder()
_BEGIN: Final = msgspec.msgpack.Decoder(Begin)
_EVENT: Final = msgspec.msgpack.Decoder(CoreEvent)
_INTENTS: Final = msgspec.msgpack.Decoder(tuple[Intent, ...])


def encode(frame: Frame) -> bytes:
    """Return a frame's bytes."""
    match frame:
        case Read():
            return READ + FEED.pack(frame.stamp.ts_ns, frame.stamp.mono_ns, frame.first_seq) + frame.packets
        case Input():
            return EVENT + STAMP.pack(frame.stamp.ts_ns, frame.stamp.mono_ns) + _ENCODER.encode(frame.event)
        case Output():
            return RESULT + OUTPUT.pack(frame.decisions, frame.obs_hash) + _ENCODER.encode(frame.intents)
        case Begin():
            return BEGIN + _ENCODER.encode(frame)
        case Midnight():
            return MIDNIGHT + frame.midnight_ns.to_bytes(8, "little")
        case StateHash():
            return HASH + frame.state_hash.encode()


def decode(payload: bytes) -> Frame:
    """Return the frame of some bytes.

    Raises:
        ValueError: they are no frame of this format.

    """
    kind, body = payload[:1], payload[1:]
    try:
        if kind == READ:
            ts_ns, mono_ns, first_seq = FEED.unpack_from(body)
            return Read(ev.Stamp(ts_ns, mono_ns), first_seq, body[FEED.size :])
        if kind == EVENT:
            return Input(ev.Stamp(*STAMP.unpack_from(body)), _EVENT.decode(body[STAMP.size :]))
        if kind == RESULT:
            decisions, obs_hash = OUTPUT.unpack_from(body)
            return Output(decisions, obs_hash, _INTENTS.decode(body[OUTPUT.size :]))
        if kind == BEGIN:
            return _BEGIN.decode(body)
        if kind == MIDNIGHT:
            return Midnight(int.from_bytes(body, "little"))
        if kind == HASH:
            return StateHash(body.decode("ascii"))
    except (struct.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"frame of kind {kind!r}: {error}") from None
    raise ValueError(f"no frame of kind {kind!r}")


def read(path: Path) -> Iterator[tuple[int, Frame]]:
    """Yield (offset, frame).

    Raises:
        JournalError: the file is corrupt, or holds what this version does not know.

    """
    for offset, payload in reading.read(path):
        try:
            yield offset, decode(payload)
        except ValueError as error:
            raise JournalError(f"{path}:{offset}: {error}") from None
