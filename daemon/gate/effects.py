"""What a step of the gate asks of its shell, in order. Values: the shell acts, the core never does."""

from typing import Any

import msgspec

from market.orders import CancelOrder, DontKnow, MassCancel, MassStatus, PositionsRequest, StatusRequest
from market.types import ClOrdID, ParentID
from market.updates import Update
from risk.verdict import Approved


class Effect(msgspec.Struct, frozen=True):
    """One thing to do."""


class SendOrder(Effect, frozen=True):
    """Send a new order (35=D) or a replace (35=G); the approval is good for one message."""

    approved: Approved
    cause_mono_ns: int = 0  # when the feed bytes that caused it were readable; 0: not known
    decided_mono_ns: int = 0


class SendHeld(Effect, frozen=True):
    """Send the order of this ClOrdID, which waited for the disk."""

    cl_ord_id: ClOrdID


class DropHeld(Effect, frozen=True):
    """Do not send it: it never was."""

    cl_ord_id: ClOrdID


class SendCancel(Effect, frozen=True):
    """35=F."""

    order: CancelOrder


class AskStatus(Effect, frozen=True):
    """35=H."""

    request: StatusRequest


class AskMassStatus(Effect, frozen=True):
    """35=AF."""

    request: MassStatus


class AskPositions(Effect, frozen=True):
    """35=AN."""

    request: PositionsRequest


class SendMassCancel(Effect, frozen=True):
    """35=q."""

    request: MassCancel


class SendDontKnow(Effect, frozen=True):
    """35=Q."""

    order: DontKnow


class Tell(Effect, frozen=True):
    """An update for the trader of this epoch."""

    epoch: int
    update: Update


class DropTrader(Effect, frozen=True):
    """Close the link to a trader that was not accepted."""

    epoch: int
    reason: str


class Reply(Effect, frozen=True):
    """The answer to a control command."""

    request_id: int
    body: dict[str, Any]


class TellOms(Effect, frozen=True):
    """The outbox of an OMS session has another report, at this place."""

    client: str
    place: int


class LatchKill(Effect, frozen=True):
    """Make the kill durable outside of the journal too."""

    reason: str
    scope: str = ""  # "" = the firm


class ClearKill(Effect, frozen=True):
    """A person rearmed."""


class Note(Effect, frozen=True):
    """Something for the log."""

    level: str
    event: str
    fields: dict[str, Any]


class ParentEnded(Effect, frozen=True):
    """A parent has come to its end, for metrics and logs."""

    parent_id: ParentID
    status: str


class Step(msgspec.Struct, frozen=True):
    """The outcome of one event."""

    effects: tuple[Effect, ...]
