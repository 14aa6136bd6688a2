"""The link: length-prefixed msgpack frames of the Structs in `market.events`, over a unix socket.

A frame is a u32 (big-endian) length and one msgpack map whose "type" names the Struct. Nothing
larger than FRAME_BYTES_MAX passes, an unknown type or a wrong field is an error that ends the link,
and a peer that does not read is cut off: a late order is worse than no order.

The gate listens; one trader serves a group of symbols. The exact sequence, as seen by the trader:

 1. Trader connects and sends `TraderHello` (a fresh, never used epoch; the hashes it runs).
 2. Gate answers `HelloAck`. `accepted=False` carries the reason, and the gate closes the link; `again`
    says that the reason may pass. Another version of the protocol is refused, by either side.
    An accepted one carries the clock anchor, when there is one already, and whether time is lockstep.
 3. The gate tells what lives, in this order: one `PostureUpdate`; a `ParentUpdate` for every parent of
    these symbols that has not ended (oldest first); an `OrderUpdate` (epoch=0, n=0, last_qty=0) for every
    chain that is not terminal (oldest first); then `Synced`. No intent is stepped before `Synced`:
    one that comes earlier is refused.
 4. From then on, as things happen:
    - `AnchorUpdate` once, if market time begins later than the trader came.
    - Each `SubmitIntent`, `ReplaceIntent`, `CancelIntent` is answered exactly once, under its (epoch, n):
      by an `OrderUpdate` (status PENDING_NEW with the new `chain_id`, PENDING_REPLACE with pending_price_e4
      and pending_qty, or PENDING_CANCEL) or by `IntentRefused` with every control that failed. `n` rises
      by the trader's own count; an `n` not above the last one is a duplicate and is dropped in silence.
      An epoch that is not this link's is refused.
    - Every change of a chain is an `OrderUpdate` (epoch=0, n=0): the EMS accepted it, replaced it, rejected
      a cancel (the status is back to NEW or PARTIALLY_FILLED), ended it. `last_qty > 0` marks a fill, with
      last_price_e4, exec_id and ts_ns. `order.cum_qty` includes it. A fill can come after a terminal
      status (it overtook our cancel): count it. `price_e4` is 0 for a market order. A bust or a
      correction shows as a changed `cum_qty` with last_qty = 0.
    - `ParentUpdate` follows whenever a parent is admitted, changes status, terms or progress: after
      the `OrderUpdate` that caused it (for an intent: with the order's first report, or within a
      timer; nothing stands between an approved order and the wire), after the last of several
      where the EMS's reports came in one read. It also comes alone when
      `headroom` changed: at once when `can_trade` flips, otherwise at most four times a second. A
      parent in a terminal status is told once.
    - `PostureUpdate` when the posture changes.
    - `GateAlive` four times a second, and `TraderStatus` each second: who hears nothing from the other side
      for some seconds ends the link. Not in lockstep, where each side waits for the other's word.
 5. Lockstep: updates of an instant, then `LockTick`. The trader steps them, sends its intents, then
    `LockTock`. Answers to those intents come before the next `LockTick`.
 6. The link may break at any time. Working orders stand as `gate.without_trader` says; the gate goes on
    booking and ends parents in time. A trader that comes again starts at 1 with a new epoch.

Between venue and gate in lockstep the same frames carry `LockAdvance` and `LockIdle`.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from market import events as ev
from market import updates as up

FRAME_BYTES_MAX: Final = 65_536  # a ParentUpdate is about 1 KiB; more than this is an error or an attack
# two seconds of 2,000 orders each, 1.1 KB an order: who is further behind decides on what is over
UNSENT_BYTES_MAX: Final = 4_718_592
HEADER_BYTES: Final = 4

ToGate = ev.TraderHello | ev.SubmitIntent | ev.ReplaceIntent | ev.CancelIntent | ev.TraderStatus | ev.LockTock
ToTrader = (
    up.HelloAck
    | up.Synced
    | up.AnchorUpdate
    | up.ParentUpdate
    | up.OrderUpdate
    | up.IntentRefused
    | up.PostureUpdate
    | up.GateAlive
    | up.LockTick
)
ToVenue = ev.LockIdle  # lockstep, gate to venue
FromVenue = ev.LockAdvance  # lockstep, venue to gate
Message = ToGate | ToTrader | ToVenue | FromVenue


class LinkError(Exception):
    """What arrived is not a frame of this protocol; the link ends."""


_ENCODER = msgspec.msgpack.Encoder()


def encode(message: ev.Event | up.Update) -> bytes:
    """Return the frame of one message."""
    body = _ENCODER.encode(message)
    assert len(body) <= FRAME_BYTES_MAX, "our own frame is too large"
    return len(body).to_bytes(HEADER_BYTES, "big") + body


class Decoder:
    """Bytes in, whole messages out; keeps the unfinished rest. `kinds` is what this side may receive."""

    def __init__(self, kinds: Any = Message) -> None:
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(kinds)
        self._rest = b""

    def feed(self, received: bytes) -> list[Any]:
        """Return the messages that `received` completes.

        Raises:
            LinkError: a frame is too large or is not one of the expected Structs.

        """
        buffer = self._rest + received if self._rest else received
        at, end, messages = 0, len(buffer), []
        while end - at >= HEADER_BYTES:
            size = int.from_bytes(buffer[at : at + HEADER_BYTES], "big")
            if size > FRAME_BYTES_MAX:
                raise LinkError(f"a frame of {size} bytes, at most {FRAME_BYTES_MAX} are allowed")
            if end - at - HEADER_BYTES < size:
                break
            at += HEADER_BYTES
            try:
                messages.append(self._decoder.decode(buffer[at : at + size]))
            except (msgspec.DecodeError, ValueError) as error:
                raise LinkError(f"not a message of this link: {error}") from None
            at += size
        self._rest = buffer[at:]
        return messages


class Peer(asyncio.Protocol):
    """One end of a link. `on_messages(peer, list)` and `on_close(peer, reason)` are called on the loop."""

    def __init__(
        self,
        kinds: Any,
        on_messages: "Callable[[Peer, list[Any]], None]",
        on_close: "Callable[[Peer, str], None]",
        on_open: "Callable[[Peer], None] | None" = None,
        at_once: bool = True,
    ) -> None:
        """`at_once`: a frame goes to the kernel by itself, and not with all others of the loop's turn."""
        self._decoder = Decoder(kinds)
        self._on_messages = on_messages
        self._on_close = on_close
        self._on_open = on_open
        self._transport: asyncio.Transport | None = None
        self._at_once = at_once
        self._fd = -1  # of its socket
        self._reason = "the other side closed it"

    @property
    def open(self) -> bool:
        """True while messages can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, message: ev.Event | up.Update) -> bool:
        """Send one message; False where the link is closed. A peer that does not read is cut off."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self.abort(f"it left more than {UNSENT_BYTES_MAX} bytes unread")
            return False
        self._write(self._transport, encode(message))
        return True

    def _write(self, transport: asyncio.Transport, frame: bytes) -> None:
        """Hand a frame to the kernel, now where asked to: the loop writes once its turn is over."""
        written = 0
        if self._at_once and not transport.get_write_buffer_size():
            try:
                written = os.write(self._fd, frame)
            except OSError:
                written = 0  # full, or broken: the loop knows how to wait, and how to end
        if written < len(frame):
            transport.write(frame[written:])

    def close(self, reason: str) -> None:
        """End the link after what was sent has left."""
        self._reason = reason
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """End the link at once."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the socket is connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._fd = transport.get_extra_info("socket").fileno()
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, received: bytes) -> None:
        """Asyncio: bytes came."""
        try:
            messages = self._decoder.feed(received)
        except LinkError as error:
            self.abort(str(error))
            return
        if messages:
            self._on_messages(self, messages)

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: the socket is gone."""
        self._transport = None
        self._on_close(self, str(error) if error else self._reason)
