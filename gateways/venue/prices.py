"""The reference session as a run keeps it: what came and what was told are noted, and it can fall silent."""

from collections.abc import Callable
from typing import Final

from gateways.venue.ems import Note
from gateways.venue.exchange import Exchange
from gateways.venue.reference import Reference

NEVER: Final = 2**63 - 1


class Prices:
    """A `Reference`, its record and its silence."""

    def __init__(
        self, exchange: Exchange, send: Callable[[str], None], close_e4: int, note: Note | None = None
    ) -> None:
        self.silent = False
        self._exchange = exchange
        self._out = send
        self._note = note
        self._sent = 0
        self._reference = Reference(exchange, self._send, close_e4)

    def request(self, raw: str) -> None:
        """Answer one application message of the session."""
        self._noted("reference", raw)
        self._reference.request(raw)

    def tell(self, clock_ns: int) -> None:
        """Send what has changed, if it is time to; `clock_ns` is of the clock that conflates."""
        before = self._sent
        if not self.silent:
            self._reference.tell(clock_ns)
        if self._sent != before:
            self._noted("tell", str(clock_ns))

    def next_due_ns(self, clock_ns: int) -> int:
        """Return when `tell` has something that it held back, 2**63 - 1 = nothing."""
        return NEVER if self.silent else self._reference.next_due_ns(clock_ns)

    def forget(self) -> None:
        """The session is gone and its subscriptions with it."""
        self._noted("reference_gone", "")
        self._reference.forget()

    def _send(self, body: str) -> None:
        self._sent += 1
        self._out(body)

    def _noted(self, what: str, text: str) -> None:
        if self._note is not None:
            self._note(self._exchange.now_ns, what, text)
