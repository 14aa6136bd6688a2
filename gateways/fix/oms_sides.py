"""What an OMS session stands between: the wire, and the desk that takes requests and holds the reports."""

from typing import Protocol


class Wire(Protocol):
    """A connection."""

    def send(self, frame: bytes) -> None:
        """Send bytes."""
        ...

    def close(self, reason: str) -> None:
        """Hang up after what was sent has left."""
        ...

    def is_full(self) -> bool:
        """Return whether so much waits to be read that more should wait here."""
        ...


class Desk(Protocol):
    """Who takes requests, and holds the reports."""

    def take(self, client: str, raw: str) -> None:
        """Take a request: journaled and stepped when this returns."""
        ...

    def session(self, client: str, up: bool, restate: bool, reason: str) -> None:
        """Hear that a session came or went."""
        ...

    def reports(self, client: str) -> int:
        """Return how many reports there are."""
        ...

    def report(self, client: str, place: int) -> str:
        """Return the body of a report."""
        ...

    def full(self, client: str) -> str:
        """Return why no more requests are taken, "" where they are."""
        ...
