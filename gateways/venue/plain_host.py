"""What a plain FIX session asks of whoever has its socket and its clocks."""

from typing import Protocol

from gateways.venue.actions import RefuseLogon, ResetOnLogon


class Host(Protocol):
    """Who has the socket."""

    def write(self, frame: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Close the line, after what was written."""

    def logon(self) -> RefuseLogon | ResetOnLogon | None:
        """How a Logon is answered, None: by a Logon."""

    def logged_on(self, fields: dict[str, str]) -> None:
        """The session is up."""

    def logged_out(self, reason: str) -> None:
        """It is down."""

    def took(self, raw: str, n: int) -> None:
        """An application message, the n-th since logon; 0: a Reject(3)."""

    def tapped(self, direction: str, frame: bytes) -> None:
        """Keep a frame as it crossed the line."""

    def now_ns(self) -> int:
        """Wall time."""

    def mono_s(self) -> float:
        """Machine time."""
