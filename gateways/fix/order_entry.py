"""The only way an order leaves: `send` takes an `Approved`, which only the risk overlay can make.

    entry = OrderEntry(engine, Encoder(profile))
    entry.send(approved, transact_ns) -> SendResult
    entry.cancel(order, transact_ns); entry.status(...); entry.mass_status(...); entry.mass_cancel(...)

`sent = False` is a definite local refusal: no byte left, no sequence number was used. `sent = True`
says nothing of the order's fate: it is unknown until the counterparty speaks. Nothing is ever
queued or sent again.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from gateways.fix.outbound import Encoder
from gateways.fix.sessions import ORDER
from gateways.fix.wire import Unencodable
from market.orders import (
    CancelOrder,
    DontKnow,
    MassCancel,
    MassStatus,
    NewOrder,
    PositionsRequest,
    StatusRequest,
)
from risk.verdict import Approved


class Sender(Protocol):
    """What order entry needs of the engine; the tests' recorder is the other one."""

    def send(self, name: str, body: str) -> bool:
        """Send a body on a session; False is a local refusal."""
        ...


class SendResult(msgspec.Struct, frozen=True):
    """Whether a message left, and if not, why."""

    sent: bool
    reason: str = ""
    unsupported: bool = False  # this broker never takes such a message


SENT = SendResult(True)
NOT_LOGGED_ON = SendResult(False, "the order session is not logged on")


class OrderEntry:
    """One order session of one broker."""

    def __init__(self, engine: Sender, encoder: Encoder, session: str = ORDER) -> None:
        self._engine = engine
        self._encoder = encoder
        self._session = session

    def send(self, approved: Approved, transact_ns: int) -> SendResult:
        """Send a new order or a replace; the approval is spent whatever comes of it."""
        assert isinstance(approved, Approved), "only what the overlay approved is sent"
        order = approved.spend()
        if isinstance(order, NewOrder):
            new = order
            return self._send(lambda: self._encoder.new(new, transact_ns))
        replace = order
        if not self._encoder.profile.supports.replace:
            return SendResult(False, "the broker knows no OrderCancelReplaceRequest(G)", True)
        return self._send(lambda: self._encoder.replace(replace, transact_ns))

    def cancel(self, order: CancelOrder, transact_ns: int) -> SendResult:
        """Cancel one chain."""
        return self._send(lambda: self._encoder.cancel(order, transact_ns))

    def status(self, request: StatusRequest, transact_ns: int) -> SendResult:
        """Ask what became of one order; refused where the broker does not answer."""
        if not self._encoder.profile.supports.order_status:
            return SendResult(False, "the broker knows no OrderStatusRequest(H)", True)
        return self._send(lambda: self._encoder.status(request, transact_ns))

    def mass_status(self, request: MassStatus) -> SendResult:
        """Ask for every order; refused where the caller must ask for each instead."""
        if not self._encoder.profile.supports.mass_status:
            return SendResult(False, "the broker knows no OrderMassStatusRequest(AF)", True)
        return self._send(lambda: self._encoder.mass_status(request))

    def positions(self, request: PositionsRequest, transact_ns: int) -> SendResult:
        """Ask what an account holds; refused where the broker does not tell."""
        if self._encoder.profile.supports.positions == "none":
            return SendResult(False, "the broker knows no RequestForPositions(AN)", True)
        return self._send(lambda: self._encoder.positions(request, transact_ns))

    def mass_cancel(self, request: MassCancel, transact_ns: int) -> SendResult:
        """Cancel everything; refused where the caller must cancel each instead."""
        if not self._encoder.profile.supports.mass_cancel:
            return SendResult(False, "the broker knows no OrderMassCancelRequest(q)", True)
        return self._send(lambda: self._encoder.mass_cancel(request, transact_ns))

    def dont_know(self, order: DontKnow) -> SendResult:
        """Tell the broker that an execution is not ours; refused where it does not listen."""
        if not self._encoder.profile.supports.dont_know:
            return SendResult(False, "the broker knows no DontKnowTrade(Q)", True)
        return self._send(lambda: self._encoder.dont_know(order))

    def _send(self, encode: Callable[[], str]) -> SendResult:
        try:
            body = encode()
        except Unencodable as error:
            return SendResult(False, str(error))
        return SENT if self._engine.send(self._session, body) else NOT_LOGGED_ON
