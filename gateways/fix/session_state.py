"""What the engine knows of one session; written by quickfix's thread, read by the loop."""

from typing import Any, NamedTuple

from gateways.fix.numbers import SequenceNumbers
from gateways.fix.sessions import SessionSpec


class SessionState:
    """Counters and flags, each written by one thread only."""

    def __init__(self, spec: SessionSpec) -> None:
        self.spec = spec
        self.id_text = f"{spec.version}:{spec.sender_comp_id}->{spec.target_comp_id}"  # as quickfix writes it
        self.session_id: Any = None  # quickfix's
        self.session: Any = None  # quickfix's
        self.numbers: SequenceNumbers | None = None
        self.port = spec.port
        self.logged_on = False
        self.sent = 0
        self.received = 0
        self.logon_fields: dict[str, str] = {}
        self.reason = ""


class OwnSend(NamedTuple):
    """The message that a caller is sending just now; told apart from the engine's by its thread."""

    session: SessionState
    thread: int
    is_new_risk: bool
