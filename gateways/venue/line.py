"""What a director tells the lines to the client: messages with marks, and commands to a session or feed."""

from typing import Protocol

import msgspec

from gateways.fix.wire import SOH
from gateways.venue import actions as a


class Marks(msgspec.Struct, frozen=True):
    """What happens to the bytes of one message on their way."""

    garble: str = ""  # checksum, length or byte
    lose: bool = False
    renumber: int = 0
    poss_dup: bool = False  # sent again under its old number
    poss_resend: bool = False

    def merged(self, other: "Marks") -> "Marks":
        """Return both."""
        return Marks(
            self.garble or other.garble,
            self.lose or other.lose,
            self.renumber + other.renumber,
            self.poss_dup or other.poss_dup,
            self.poss_resend or other.poss_resend,
        )


PLAIN = Marks()


def altered(text: str, changes: dict[str, str], drop: tuple[str, ...] = ()) -> str:
    """Return a message with some fields written anew (added at its end where they were not) or left away."""
    out, left = [], dict(changes)
    for field in text.split(SOH)[:-1]:
        tag = field.split("=", 1)[0]
        if tag in changes:
            if tag in left:
                out.append(f"{tag}={left.pop(tag)}")
        elif tag not in drop:
            out.append(field)
    out += [f"{tag}={value}" for tag, value in left.items()]
    return SOH.join(out) + SOH


class Lines(Protocol):
    """The ways out of a venue."""

    def report(self, body: str, marks: Marks) -> None:
        """Send a message of the order session."""

    def command(self, action: a.LineAction, begin: bool) -> None:
        """Let something begin on a line, or end (of those that last)."""
