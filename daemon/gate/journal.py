"""The gate's journal: what was stepped and what was decided, as frames; recovery and replay read it.

Three kinds of frame: an input (stamp, event, and for a FIX message its offset in the inbound log), the
orders that the input led to (so that a replay can compare), and a hash of the state now and then.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from daemon.gate.core import GateCore
from daemon.gate.effects import AskStatus, Effect, SendCancel, SendOrder, Step
from daemon.segments.layout import FIRST, FRAME, JournalError
from daemon.segments.reading import read
from market import copy_events as copy
from market import desk_events as desk
from market import events as ev
from market import oms_events as oms
from market import people_events as people
from market import position_events as position
from market.events import Stamp
from market.orders import ReplaceOrder

JOURNAL_NAME: Final = "gate.journal"
INBOUND_NAME: Final = "inbound.journal"
NOT_INBOUND: Final = -1  # offset of an input that did not come from the FIX inbound log
DIFFERENCES_MAX: Final = 10_000  # of a replay: once the state differs, nearly every decision may
DIGEST_EVERY: Final = 5_000  # inputs between two hashes of the state

Input_ = (
    ev.GateStarted
    | ev.SessionUp
    | ev.SessionDown
    | ev.ExecutionReport
    | ev.OrderCancelReject
    | ev.MassCancelReport
    | ev.MessageRejected
    | ev.SendFailed
    | ev.SendDue
    | ev.MessagesSkipped
    | ev.MessagesUnsent
    | ev.MessagesMissing
    | ev.EngineAlarm
    | ev.ReferencePrice
    | ev.ReferenceAlive
    | ev.SecurityStatus
    | ev.SubmitParent
    | ev.AmendParent
    | ev.PauseParent
    | ev.ResumeParent
    | ev.CancelParent
    | ev.Kill
    | ev.Rearm
    | ev.Shutdown
    | desk.Condition
    | desk.MachineMeasured
    | desk.LeaseRenewed
    | desk.RestrictedListed
    | desk.LimitSignal
    | desk.DayStarted
    | people.StopScope
    | people.SubmitBasket
    | people.SignedCommand
    | oms.OmsNew
    | oms.OmsReplace
    | oms.OmsCancel
    | oms.OmsStatus
    | oms.OmsUnfit
    | oms.OmsSession
    | copy.DropCopied
    | copy.DropCopyLine
    | position.PositionsAcked
    | position.PositionTold
    | ev.ClockAnchor
    | ev.Timer
    | ev.TraderHello
    | ev.TraderGone
    | ev.TraderStatus
    | ev.SubmitIntent
    | ev.ReplaceIntent
    | ev.CancelIntent
)


class Input(msgspec.Struct, frozen=True, array_like=True, tag="i"):
    """One event that was stepped."""

    stamp: Stamp
    event: Input_
    offset: int = NOT_INBOUND
    more: bool = False  # it came together with the next one (GateCore.step)


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """One message that the step decided to send."""

    msg_type: str  # D, G, F, H
    cl_ord_id: str
    orig_cl_ord_id: str
    symbol: str
    side: str
    qty: int
    price_e4: int


class Output(msgspec.Struct, frozen=True, array_like=True, tag="o"):
    """What the input before it led to; durable before the first byte leaves."""

    sent: tuple[Sent, ...]


class Digest(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """The state's hash after everything before."""

    state: str
    whole: bool = True  # False: of what lives, which is few: the loop waits for it


Frame = Input | Output | Digest
SENT: Final = (SendOrder, SendCancel, AskStatus)
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """Return the payload of a frame."""
    return _encoder.encode(frame)


def decode(payload: bytes) -> Frame:
    """Return the frame of a payload.

    Raises:
        msgspec.DecodeError, ValueError: it is none of this version's.

    """
    frame: Frame = _decoder.decode(payload)
    return frame


def decisions(effects: tuple[Effect, ...]) -> tuple[Sent, ...]:
    """Return the messages about orders that a step wants sent, in order."""
    return tuple([sent(effect) for effect in effects if isinstance(effect, SENT)])


def sent(effect: SendOrder | SendCancel | AskStatus) -> Sent:
    """Return the record of one message."""
    if isinstance(effect, SendCancel):
        c = effect.order
        return Sent("F", c.cl_ord_id, c.orig_cl_ord_id, c.symbol, c.side, c.qty, 0)
    if isinstance(effect, AskStatus):
        r = effect.request
        return Sent("H", r.cl_ord_id, "", r.symbol, r.side, 0, 0)
    order = effect.approved.order
    if isinstance(order, ReplaceOrder):
        t = order.terms
        return Sent("G", order.cl_ord_id, order.orig_cl_ord_id, t.symbol, t.side, t.qty, t.price_e4 or 0)
    return Sent("D", order.cl_ord_id, "", order.symbol, order.side, order.qty, order.price_e4 or 0)


def frames(path: Path, from_offset: int = FIRST) -> Iterator[tuple[int, Frame]]:
    """Yield (offset, frame) of a journal, from an offset on.

    Raises:
        JournalError: corruption, or frames of another version of this program.

    """
    return ((offset, frame) for offset, _, frame in bounded(path, from_offset))


def bounded(path: Path, from_offset: int) -> Iterator[tuple[int, int, Frame]]:
    """Yield (offset, offset behind it, frame).

    Raises:
        JournalError: see `frames`.

    """
    for offset, payload in read(path, from_offset):
        try:
            frame = _decoder.decode(payload)
        except (msgspec.DecodeError, ValueError) as error:
            raise JournalError(f"{path}:{offset}: a frame that this version cannot read: {error}") from None
        yield offset, offset + FRAME.size + len(payload), frame


class Replayed(msgspec.Struct):
    """How far a journal led."""

    inputs: int = 0
    outputs: int = 0
    digests: int = 0
    offset: int = FIRST  # of the first frame that was not stepped
    inbound_offset: int = NOT_INBOUND  # last FIX message that was stepped
    differences: list[str] = []  # where this version decides otherwise than what was journaled

    def differs(self, text: str) -> None:
        """Note a difference."""
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(text)


def stepped(core: GateCore, frame: Input) -> Step:
    """Step an input as the gate did: whoever replays, replays by this."""
    return core.step(frame.stamp, frame.event, frame.more)


def replay(path: Path, core: GateCore, done: Replayed | None = None, until: int | None = None) -> Replayed:
    """Step a journal, or the rest of it, and compare decisions and hashes. Nothing is sent.

    `done`: how far the core is already; `until`: the offset at which to stop, between two inputs.

    Raises:
        JournalError: see `frames`.

    """
    done = Replayed() if done is None else done
    step, at = Step(()), 0
    for offset, end, frame in bounded(path, done.offset):
        if until is not None and offset >= until and not isinstance(frame, Output):
            break
        done.offset = end
        if isinstance(frame, Input):
            # A crash may have come between an input and what it led to: that never left, the EMS will say so.
            step, at = stepped(core, frame), offset
            done.inputs += 1
            if frame.offset != NOT_INBOUND:
                done.inbound_offset = frame.offset
        elif isinstance(frame, Output):
            done.outputs += 1
            _compare(done, path, at, decisions(step.effects), frame.sent)
        else:
            done.digests += 1
            if core.state_hash(frame.whole) != frame.state:
                done.differs(f"{path}:{offset}: the state's hash differs")
    return done


def _compare(done: Replayed, path: Path, at: int, now: tuple[Sent, ...], then: tuple[Sent, ...]) -> None:
    if now != then:
        done.differs(f"{path}:{at}: decided {list(now)} where {list(then)} was journaled")
