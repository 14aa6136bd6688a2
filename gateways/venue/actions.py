"""What a scenario can let happen: one small model an action, its `action` word is what a file says.

Three kinds, by what they need (`gateways.venue.scenario` checks that `when` gives it):

* of a message: done to the very message that matched (`on` a request, a report or a logon);
* of an order: done to the order of the message that matched, or with `at` to those that `pick` names;
* of session, feed and market: need nothing. The market's stand in `gateways.venue.market_actions`.

A new action is a model here (or there), a member of its union, and a branch where its kind is done:
`rules_of_messages`, `order_faults`, `line_faults` or `market_actions`.
"""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SECONDS_MAX: Final = 86_400  # nothing that happens in a session lasts longer than a day
COUNT_MAX: Final = 1_000_000  # messages, firings: more than a run has
TEXT_MAX: Final = 128  # of Text(58) that a rule sends

Seconds = Annotated[float, Field(ge=0, le=SECONDS_MAX, allow_inf_nan=False)]
Lasting = Annotated[float, Field(gt=0, le=SECONDS_MAX, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=COUNT_MAX)]
Text = Annotated[str, Field(max_length=TEXT_MAX, pattern=r"^[ -~]*$")]
Session = Literal["order", "reference"]
TagText = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}$")]
ValueText = Annotated[str, Field(max_length=TEXT_MAX, pattern=r"^[ -~]*$")]
Pick = Literal["oldest", "newest", "all"]


class Strict(BaseModel):
    """Strict: what is not known is refused, and so is what would change nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    CHANGES: ClassVar[tuple[str, ...]] = ()  # keys of which one at least must say something

    @model_validator(mode="after")
    def something(self) -> Self:
        """Refuse what does nothing."""
        if self.CHANGES and not any(getattr(self, key) for key in self.CHANGES):
            raise ValueError(
                f"{getattr(self, 'action', '')}: changes nothing; give {' or '.join(self.CHANGES)}"
            )
        return self


# --- of a message -----------------------------------------------------------------------------------


class Delay(Strict):
    """The message comes (or arrives) so much later; others overtake it."""

    action: Literal["delay"]
    seconds: Lasting


class Drop(Strict):
    """The report is never sent, or the request is never looked at; no sequence number is used for it."""

    action: Literal["drop"]


class Duplicate(Strict):
    """The report is sent again, as it was: the same ExecID under another sequence number."""

    action: Literal["duplicate"]
    seconds: Seconds = 0.0
    poss_resend: bool = False  # with PossResend(97)=Y


class Alter(Strict):
    """Fields of the report are changed before it leaves: `set` writes, `drop` leaves away."""

    action: Literal["alter"]
    set: dict[TagText, ValueText] = {}
    drop: tuple[TagText, ...] = Field(default=(), strict=False)
    CHANGES = ("set", "drop")

    @model_validator(mode="after")
    def whole(self) -> "Alter":
        """Refuse a tag that is written and left away, and one that frames a message."""
        both = sorted({*self.set} & {*self.drop})
        if both:
            raise ValueError(f"alter: {', '.join(both)} cannot be set and dropped")
        framing = sorted({"8", "9", "10", "34", "35", "49", "52", "56"} & {*self.set, *self.drop})
        if framing:
            raise ValueError(f"alter: {', '.join(framing)} frames every message; see garble, renumber, skew")
        return self


class SameExecId(Strict):
    """The report carries the ExecID of the execution before it: two fills, one name."""

    action: Literal["same_exec_id"]


class Copy(Strict):
    """What the drop copy session tells of the report: nothing, or later, or with fields changed."""

    action: Literal["copy"]
    withhold: bool = False
    seconds: Seconds = 0.0
    set: dict[TagText, ValueText] = {}
    CHANGES = ("withhold", "seconds", "set")


class Reject(Strict):
    """The request is refused: a D by 8, F and G by 9, with FIX's reason; or any by 35=j."""

    action: Literal["reject"]
    reason: Annotated[int, Field(ge=0, le=99)] = 99  # OrdRejReason(103), CxlRejReason(102), 35=j: 380
    text: Text = "rejected by scenario"
    business: bool = False  # by BusinessMessageReject(35=j)


class RefuseLogon(Strict):
    """The logon is answered by a Logout with this text, or (silent) by nothing but a closed line."""

    action: Literal["refuse_logon"]
    text: Text = "logon refused by scenario"
    silent: bool = False


class ResetOnLogon(Strict):
    """The logon is answered with ResetSeqNumFlag(141)=Y: both sides begin at 1, what was missed is gone."""

    action: Literal["reset_on_logon"]


class Garble(Strict):
    """The message leaves with a wrong CheckSum(10), a wrong BodyLength(9), or a broken byte in its body."""

    action: Literal["garble"]
    what: Literal["checksum", "length", "byte"] = "checksum"


class Lose(Strict):
    """The message is sent and kept but its bytes are lost: a gap, closed when the client asks."""

    action: Literal["lose"]


class Renumber(Strict):
    """MsgSeqNum(34) of the message is off by so many. Below: too low, fatal. Above: a gap; it is filled."""

    action: Literal["renumber"]
    by: Annotated[int, Field(ge=-COUNT_MAX, le=COUNT_MAX)]
    CHANGES = ("by",)


class PossDup(Strict):
    """The message is sent again under its old number with PossDupFlag(43)=Y and its OrigSendingTime(122)."""

    action: Literal["poss_dup"]


# --- of an order ------------------------------------------------------------------------------------


class OfOrder(Strict):
    """Which orders, where no message names one: working ones, or for bust and correct ones with fills."""

    pick: Pick = "oldest"


class Fill(OfOrder):
    """The broker fills a part from its own book, at the order's price: no print, a fill like any other."""

    action: Literal["fill"]
    qty: Count | None = None  # None: by `part`
    part: Annotated[float, Field(gt=0, le=1)] = 1.0  # of what is left, at least one lot


class Cancel(OfOrder):
    """The order is canceled, unasked."""

    action: Literal["cancel"]
    text: Text = "canceled by the broker"


class Bust(OfOrder):
    """The order's last execution never was (ExecType H)."""

    action: Literal["bust"]


class Correct(OfOrder):
    """The order's last execution was another one (ExecType G)."""

    action: Literal["correct"]
    ticks: Annotated[int, Field(ge=-1000, le=1000)] = 0  # price, by so many
    qty: Annotated[int, Field(ge=-COUNT_MAX, le=COUNT_MAX)] = 0  # quantity, by so many
    CHANGES = ("ticks", "qty")


class Restate(OfOrder):
    """The broker restates the order (ExecType D): its OrderQty shrinks (`qty` = -100) or price moves."""

    action: Literal["restate"]
    qty: Annotated[int, Field(ge=-COUNT_MAX, le=0)] = 0
    ticks: Annotated[int, Field(ge=-1000, le=1000)] = 0
    CHANGES = ("ticks", "qty")


class Overfill(OfOrder):
    """A fill of all that is left and so many shares more. They are the client's: the venue counts them."""

    action: Literal["overfill"]
    qty: Count = 100


class UnknownOrder(Strict):
    """A report of an order that the client never sent; no share of it is the client's."""

    action: Literal["unknown_order"]
    cl_ord_id: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")] = "NOBODYS-1"
    side: Literal["buy", "sell"] = "buy"
    qty: Count = 100
    filled: bool = False  # a fill of it, else ExecType 0


# --- of a session -----------------------------------------------------------------------------------


class OfSession(Strict):
    """Which FIX session."""

    session: Session = "order"


class Disconnect(OfSession):
    """The line breaks, without a Logout. Orders: as asked at logon, always canceled, or never."""

    action: Literal["disconnect"]
    cancel: Literal["asked", "always", "never"] = "asked"
    seconds: Seconds = 0.0  # nobody gets through again before


class LogOut(OfSession):
    """A Logout(5) with a text, then the line breaks."""

    action: Literal["log_out"]
    text: Text = "end of service"
    seconds: Seconds = 0.0  # nobody gets through again before


class HalfOpen(OfSession):
    """The line stands and is dead: nothing is read, nothing comes, no FIN, no RST."""

    action: Literal["half_open"]
    seconds: Lasting


class SlowReader(OfSession):
    """The venue reads nothing, while it goes on to send."""

    action: Literal["slow_reader"]
    seconds: Lasting


class Skew(OfSession):
    """SendingTime(52) is off by so much (ahead: positive)."""

    action: Literal["skew"]
    seconds: Lasting
    by: Annotated[float, Field(ge=-SECONDS_MAX, le=SECONDS_MAX, allow_inf_nan=False)]
    CHANGES = ("by",)


class NoResend(OfSession):
    """Who asks for messages again gets a gap fill over all of them: what was missed is gone."""

    action: Literal["no_resend"]
    seconds: Lasting


class ResetSequence(OfSession):
    """SequenceReset(4) without gap fill: the next message has a number so many above."""

    action: Literal["reset_sequence"]
    by: Annotated[int, Field(ge=-COUNT_MAX, le=COUNT_MAX)] = 10


# --- of feed and reference prices -------------------------------------------------------------------


class Silence(Strict):
    """Nothing is published, while the line stays up: heartbeats go on unless `dead`."""

    action: Literal["silence"]
    of: Literal["feed", "reference"]
    seconds: Lasting
    dead: bool = False  # of the feed: no heartbeats either


class FeedGap(Strict):
    """So many messages of the feed are lost.

    On MoldUDP64 lines that `line` names they are not sent. On SoupBinTCP, which loses nothing, the
    line breaks and a login is answered that many messages further on.
    """

    action: Literal["feed_gap"]
    messages: Count = 10
    line: Literal["a", "b", "both", "soup"] = "both"


class FeedDisconnect(Strict):
    """Every SoupBinTCP client is cut off; each may log in again at once."""

    action: Literal["feed_disconnect"]


MessageAction = (
    Delay
    | Drop
    | Duplicate
    | Alter
    | SameExecId
    | Copy
    | Reject
    | RefuseLogon
    | ResetOnLogon
    | Garble
    | Lose
    | Renumber
    | PossDup
)
OrderAction = Fill | Cancel | Bust | Correct | Restate | Overfill
LineAction = (
    UnknownOrder
    | Disconnect
    | LogOut
    | HalfOpen
    | SlowReader
    | Skew
    | NoResend
    | ResetSequence
    | Silence
    | FeedGap
    | FeedDisconnect
)
# What each action of a message may be done to.
OF_REQUESTS: Final = (Delay, Drop, Reject)
OF_REPORTS: Final = (Delay, Drop, Duplicate, Alter, SameExecId, Copy, Garble, Lose, Renumber, PossDup)
OF_LOGONS: Final = (RefuseLogon, ResetOnLogon)
# What the FIX engine cannot do: these need the venue's own acceptor, and real time.
OF_THE_WIRE: Final = (
    RefuseLogon,
    ResetOnLogon,
    Garble,
    Lose,
    Renumber,
    PossDup,
    Disconnect,
    LogOut,
    HalfOpen,
    SlowReader,
    Skew,
    NoResend,
    ResetSequence,
)
