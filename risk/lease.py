"""R71: the dead-man's lease. Without a person's renewal trading first reduces, then dies.

Age is counted while the gate lives, on the machine's monotonic clock: neither a restart nor a clock that is
set renews it, and a machine that was off has not traded.
"""

import msgspec


class Lease(msgspec.Struct):
    """How long nobody has looked."""

    age_ns: int = 0
    seen_mono_ns: int = 0  # up to when age is counted; 0 = not yet since this start
    person: str = ""
    renewals: int = 0

    def restart(self) -> None:
        """Another boot's clock says nothing of this one's."""
        self.seen_mono_ns = 0

    def advance(self, mono_ns: int) -> int:
        """Count the time until now; return the age."""
        if self.seen_mono_ns:
            self.age_ns += max(0, mono_ns - self.seen_mono_ns)
        self.seen_mono_ns = mono_ns
        return self.age_ns

    def renew(self, person: str, mono_ns: int) -> None:
        """Somebody has looked."""
        self.age_ns, self.seen_mono_ns, self.person = 0, mono_ns, person
        self.renewals += 1
