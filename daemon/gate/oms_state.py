"""What the gate remembers of its OMS sessions: requests by ClOrdID, their parents, everything told.

The reports are the session's outbox. The session layer numbers them, in order, each once, so that a replay of
the journal makes the same outbox, and nothing that an OMS must hear depends on a file of the session layer.
"""

from typing import Final

import msgspec

from market.oms_events import OmsReport
from market.types import ExecID, ParentID

REPORTS_MAX: Final = 200_000  # of one session in one journal, about 300 bytes each; requests end at this
NO_ANSWER: Final = -1


class OmsRequestMade(msgspec.Struct):
    """One ClOrdID that an OMS has used."""

    kind: str  # D, F, G
    terms: str
    parent_id: ParentID = ParentID("")  # "" = none came of it
    answer: int = NO_ANSWER  # report that refused it


class OmsOrder(msgspec.Struct):
    """A parent that an OMS gave, and what it has been told of it."""

    client: str
    cl_ord_id: str  # last accepted
    day: bool
    qty: int
    price_e4: int | None = None
    fixed: dict[str, str] = {}
    cum_qty: int = 0
    notional_e4: int = 0
    cancel_id: str = ""  # asked for, not done
    replace_id: str = ""  # accepted, waiting for what works above the new quantity to go
    paused: bool = False
    ended: bool = False
    executions: dict[ExecID, ExecID] = {}  # ours by the EMS's


class OmsClient(msgspec.Struct):
    """One OMS session."""

    up: bool = False
    reason: str = "never logged on"
    requests: dict[str, OmsRequestMade] = {}
    reports: list[OmsReport] = []


class Oms(msgspec.Struct):
    """All of them."""

    clients: dict[str, OmsClient] = {}
    orders: dict[ParentID, OmsOrder] = {}
    executions: int = 0  # ExecIDs given, of all epochs

    def restarted(self) -> None:
        """Begin without connections: the process that had them is gone."""
        for found in self.clients.values():
            found.up, found.reason = False, "the gate was started"

    def client(self, name: str) -> OmsClient:
        """Return a session, new where it was never heard of."""
        found = self.clients.get(name)
        if found is None:
            found = self.clients[name] = OmsClient()
        return found
