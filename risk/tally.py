"""What one scope has sent and traded today: counts of messages, fills and value, and how fast they come.

A scope is the firm, or an account, strategy, symbol or session that has limits of its own.
"""

from typing import Final

from risk.rates import SECOND_NS, Prices, Ring

BLOCK: Final = 100  # messages of an allowance that a start counts as used, whatever was sent of them


class Allowance:
    """R21: messages of a day, taken in blocks. A start uses up the block that was begun."""

    __slots__ = ("reserved", "used")

    def __init__(self, used: int = 0) -> None:
        self.used = used
        self.reserved = used

    def take(self) -> None:
        """Use one message."""
        self.used += 1
        if self.used > self.reserved:
            self.reserved += BLOCK

    def restart(self) -> None:
        """Whatever was reserved counts as used: a crash can only lose allowance."""
        self.used = self.reserved


class Tally:
    """Counters of a day. Cancels are counted and never refused (GR6)."""

    __slots__ = (
        "changes", "fills", "messages", "sent", "traded_e4", "traded_qty", "velocity",
    )  # fmt: skip

    def __init__(self, velocity_ns: int, sent: Ring | None = None) -> None:
        self.sent = sent if sent is not None else Ring(SECOND_NS)  # R20: new and replace
        self.changes = Ring(SECOND_NS)  # R22: replace and cancel
        self.messages = Allowance()  # R21
        self.fills = 0
        self.traded_qty = 0  # R19: executed, busts not taken off
        self.traded_e4 = 0
        self.velocity = Prices(velocity_ns)  # R25

    def note_change(self, mono_ns: int) -> None:
        """A replace or a cancel is about to leave."""
        self.changes.count(mono_ns)
        self.changes.add(mono_ns)

    def note_fill(self, ts_ns: int, qty: int, notional_e4: int) -> None:
        """Shares were executed."""
        self.fills += 1
        self.traded_qty += qty
        self.traded_e4 += notional_e4
        self.velocity.expire(ts_ns)
        self.velocity.add_value(ts_ns, qty, notional_e4)

    def new_day(self) -> None:
        """A start of day: counts begin anew, rates go on."""
        self.messages = Allowance()
        self.fills = self.traded_qty = self.traded_e4 = 0

    def state(self) -> list[object]:
        """Return everything, for the state hash."""
        return [
            self.sent.state(),
            self.changes.state(),
            [self.messages.used, self.messages.reserved],
            [self.fills, self.traded_qty, self.traded_e4],
            [self.velocity.qty, self.velocity.value_e4],
        ]
