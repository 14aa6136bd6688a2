"""What was asked of positions at a logon, and what the broker has said so far."""

from typing import Final

import msgspec

NONE: Final = "none"  # the broker is not asked
ASKED: Final = "asked"  # where it does not answer, that is noted
DEMANDED: Final = "demanded"  # where it does not answer, that is a break


class Question(msgspec.Struct):
    """One account's."""

    account: str
    total: int = -1  # reports that will come; -1 = not said yet
    told: dict[str, tuple[bool, int]] = {}  # symbol -> all of it or today's trades alone, shares

    @property
    def answered(self) -> bool:
        """True where all has come."""
        return 0 <= self.total <= len(self.told)


class Positions(msgspec.Struct):
    """The comparison of a logon."""

    wanted: str = NONE
    wait_ns: int = 0
    settled: bool = False  # of this logon
    questions: dict[str, Question] = {}  # by PosReqID
    tries: int = 0
    deadline_mono_ns: int = 0
    refused: str = ""
    result: str = "never asked"
