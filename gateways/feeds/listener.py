"""Who listens to a feed, however its messages travel."""

from typing import Protocol


class FeedListener(Protocol):
    """Who listens to a client. Nothing here may block."""

    def feed_up(self, session: str, next_seq: int) -> None:
        """Logged in; the next message will be `next_seq`."""

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        """Whole packets of one read, sequenced ones and heartbeats, valid only during the call.

        `first_seq` belongs to the first sequenced packet; `mono_ns` is when the read was made.
        """

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        """A server heartbeat: nothing was held back; we are up to date at `next_seq`."""

    def feed_down(self, reason: str) -> None:
        """The line is gone; the client dials again unless the session ended."""

    def feed_ended(self) -> None:
        """End of session: nothing more will come."""
