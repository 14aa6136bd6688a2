"""The scenario: what goes wrong at a venue, when; seeded, in market time. TOML, strictly checked.

    seed = 7
    description = "acks come late, the broker cancels, then the line breaks"

    [[rule]]                                          # every 20th ack is 0.8 s late
    when = { on = "ack", every = 20 }
    do = { action = "delay", seconds = 0.8 }

    [[rule]]                                          # at 10:05:30 the oldest order is canceled
    when = { at = "10:05:30" }
    do = { action = "cancel" }

    [[rule]]                                          # two seconds after its third fill
    when = { on = "fill", nth = 3, after = 2.0, side = "sell" }
    do = { action = "bust" }

`when` has either `on`, a kind of message, or `at`, a clock time of the exchange (with `every_s`: again
and again). The rest narrows `on`: `from` and `until` (clock times), `symbol`, `side`, `qty_min` and
`qty_max` (OrderQty), `cl_ord_id` (a pattern: * and ?), `account`, `probability` (drawn from the
seed, one stream a rule), `session` (of logon and logout). Of what passes all these, `nth` takes one and
`every` each so many-th; `times` is the most that a rule fires; `after` seconds later its action is done (not
to messages, which have delay). Rules are asked in the file's order; several may fire on one message, and
a message that was dropped or rejected is shown to no further rule.

What can be done stands in `gateways.venue.actions` (orders, sessions, feed) and
`gateways.venue.market_actions` (halts, auctions, bands). Time is rounded up to `GRID_NS`: an action that
a message brings about happens at the next point of this grid, the same in every replay.
"""

from datetime import time
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from gateways.venue import actions as a
from gateways.venue.market_actions import MarketAction
from market.types import NS, Side

GRID_NS: Final = 1_000_000  # 1 ms: what happens between two looks at the market happens at the later one
RULES_MAX: Final = 256  # a page of a scenario; each message is shown to every rule
SEED_MAX: Final = 2**63 - 1  # what TOML can write
REQUESTS: Final = {
    "D": "new",
    "F": "cancel",
    "G": "replace",
    "H": "status",
    "AF": "mass_status",
    "AN": "positions",
    "q": "mass_cancel",
    "Q": "dont_know",
}
# ExecType(150) of an 8; 35=9, r and j have no ExecType.
REPORTS: Final = {
    "0": "ack",
    "F": "fill",
    "4": "canceled",
    "5": "replaced",
    "8": "rejected",
    "A": "pending",
    "6": "pending",
    "E": "pending",
    "C": "expired",
    "I": "status_answer",
    "H": "busted",
    "G": "corrected",
    "D": "restated",
}
OTHER_REPORTS: Final = {
    "9": "cancel_reject",
    "r": "mass_cancel_answer",
    "AO": "position",
    "AP": "position",
    "j": "business_reject",
}
REQUEST, REPORT = "request", "report"  # any of them
LOGON, LOGOUT = "logon", "logout"
SIDES: Final = {
    Side.BUY: "buy",
    Side.SELL: "sell",
    Side.SELL_SHORT: "short",
    Side.SELL_SHORT_EXEMPT: "exempt",
}

Event = Literal[
    "new",
    "cancel",
    "replace",
    "status",
    "mass_status",
    "mass_cancel",
    "dont_know",
    "positions",
    "request",
    "ack",
    "fill",
    "canceled",
    "replaced",
    "rejected",
    "pending",
    "expired",
    "status_answer",
    "busted",
    "corrected",
    "restated",
    "cancel_reject",
    "mass_cancel_answer",
    "business_reject",
    "position",
    "report",
    "logon",
    "logout",
]
IS_REQUEST: Final = frozenset({*REQUESTS.values(), REQUEST})
IS_REPORT: Final = frozenset({*REPORTS.values(), *OTHER_REPORTS.values(), REPORT})
NAMES_NO_ORDER: Final = frozenset({
    "mass_status", "mass_cancel", "mass_cancel_answer", "business_reject", "positions", "position",
})  # fmt: skip
OF_MESSAGES_ONLY: Final = ("symbol", "side", "qty_min", "qty_max", "cl_ord_id", "account")

Action = Annotated[
    a.MessageAction | a.OrderAction | a.LineAction | MarketAction, Field(discriminator="action")
]
Qty = Annotated[int, Field(ge=1, le=10**9)]


class When(a.Strict):
    """When a rule fires; see the module."""

    on: Event | None = None
    at: time | None = None
    every_s: Annotated[float, Field(ge=GRID_NS / NS, le=a.SECONDS_MAX)] | None = None
    begin: time | None = Field(default=None, alias="from")
    until: time | None = None
    symbol: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.\-]{0,7}$")] | None = None
    side: Literal["buy", "sell", "short", "exempt"] | None = None
    qty_min: Qty | None = None
    qty_max: Qty | None = None
    cl_ord_id: Annotated[str, Field(max_length=64)] | None = None
    account: Annotated[str, Field(max_length=64)] | None = None
    session: a.Session | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    nth: a.Count | None = None
    every: a.Count | None = None
    times: a.Count | None = None
    after: a.Seconds = 0.0

    @field_validator("at", "begin", "until", mode="before")
    @classmethod
    def clock(cls, value: object) -> object:
        """Take "10:05", "10:05:30" and "10:05:30.250"; TOML's own times too."""
        if not isinstance(value, str):
            return value
        try:
            return time.fromisoformat(value)
        except ValueError:
            raise ValueError('is no clock time such as "10:05:30.250"') from None

    @model_validator(mode="after")
    def whole(self) -> "When":
        """Refuse what contradicts itself."""
        if (self.on is None) == (self.at is None):
            raise ValueError('give either on = "MESSAGE" or at = "HH:MM:SS"')
        if self.every_s is not None and self.at is None:
            raise ValueError("every_s goes with at; of messages say every")
        if self.nth is not None and self.every is not None:
            raise ValueError("give nth or every, not both")
        if self.on is None and (self.nth, self.every, self.begin) != (None, None, None):
            raise ValueError("nth, every and from go with on; with at say every_s, times, until")
        if self.on in (LOGON, LOGOUT):
            unfit = [name for name in OF_MESSAGES_ONLY if getattr(self, name) is not None]
            if unfit:
                raise ValueError(f"{self.on}: has no {unfit[0]}")
        elif self.session is not None:
            raise ValueError("session goes with on = logon or logout")
        begin = self.begin or self.at
        if begin is not None and self.until is not None and not begin < self.until:
            raise ValueError(f"{'from' if self.begin else 'at'} is not before until: it would never happen")
        if self.qty_min is not None and self.qty_max is not None and self.qty_min > self.qty_max:
            raise ValueError("qty_min is above qty_max: it would never happen")
        if self.nth is not None and self.times is not None:
            raise ValueError("nth takes one message: times does not go with it")
        return self


class Rule(a.Strict):
    """One thing that goes wrong."""

    name: Annotated[str, Field(max_length=60, pattern=r"^[ -~]*$")] = ""
    when: When
    do: Action

    @model_validator(mode="after")
    def fits(self) -> "Rule":
        """Refuse an action that `when` gives nothing to do it to."""
        word, on = self.do.action, self.when.on
        may = [("a request", IS_REQUEST)] * isinstance(self.do, a.OF_REQUESTS)
        may += [("a report", IS_REPORT)] * isinstance(self.do, a.OF_REPORTS)
        may += [("logon", frozenset({LOGON}))] * isinstance(self.do, a.OF_LOGONS)
        if may and not any(on in kinds for _, kinds in may):
            what = " or ".join(name for name, _ in may)
            raise ValueError(f"{word} is done to a message: say on = {what}, not {on or 'at'}")
        if may and self.when.after:
            raise ValueError(f"{word} is done to the message itself: after does not go with it; see delay")
        if isinstance(self.do, a.OfOrder) and on is not None and on in {LOGON, LOGOUT, *NAMES_NO_ORDER}:
            raise ValueError(f"{word} is done to an order, and {on} names none; say at")
        return self

    @property
    def of_the_wire(self) -> bool:
        """True where the venue's own acceptor is needed."""
        return isinstance(self.do, a.OF_THE_WIRE) or (
            isinstance(self.do, a.Duplicate) and self.do.poss_resend
        )


class Scenario(a.Strict):
    """A file."""

    description: Annotated[str, Field(max_length=2_000)] = ""
    seed: Annotated[int, Field(ge=0, le=SEED_MAX)] = 1
    rule: tuple[Rule, ...] = Field(default=(), max_length=RULES_MAX, strict=False)

    @model_validator(mode="after")
    def names(self) -> "Scenario":
        """Refuse two rules of one name: what became of each is told by it."""
        names = [rule.name for rule in self.rule if rule.name]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two rules are called {twice!r}")
        return self

    @property
    def of_the_wire(self) -> Rule | None:
        """The first rule that needs the venue's own acceptor and real time."""
        return next((rule for rule in self.rule if rule.of_the_wire), None)

    @property
    def of_a_silent_feed(self) -> Rule | None:
        """The first rule that needs real time: in lockstep an instant ends when the feed has told it."""
        found = (r for r in self.rule if isinstance(r.do, a.Silence) and r.do.of == "feed")
        return next(found, None)
