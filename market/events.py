"""The rare events: what the EMS reports, what a person or the trader asks, what the gate answers.

Frozen Structs without numpy: they are the journal's and the link's format as they stand. A core
knows the time only from the `Stamp` that comes with each of them.
"""

import msgspec

from market.instruments import Instrument
from market.parents import ParentOrder
from market.types import (
    ClOrdID,
    CxlRejReason,
    CxlRejResponseTo,
    ExecID,
    ExecType,
    OrderID,
    OrdStatus,
    OrdType,
    ParentID,
    Side,
    Symbol,
    TimeInForce,
)

LINK_PROTOCOL = 2  # version of the words between gate and trader


class Stamp(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """When an event reached a core."""

    ts_ns: int  # market time, UTC; 0 = not known yet
    mono_ns: int  # monotonic machine time (virtual in lockstep)


class Event(msgspec.Struct, frozen=True, tag=True, kw_only=True, forbid_unknown_fields=True):
    """What a core steps. A field that is not known is an error, never ignored."""


# --- from the EMS -----------------------------------------------------------------------------


class SessionUp(Event, frozen=True, kw_only=True):
    """A FIX session is logged on."""

    session: str  # "order" or "reference"


class SessionDown(Event, frozen=True, kw_only=True):
    """A FIX session is gone."""

    session: str
    reason: str = ""


class ExecutionReport(Event, frozen=True, kw_only=True):
    """35=8. Prices 1e-4 currency units; quantities as the EMS counts them."""

    cl_ord_id: ClOrdID
    exec_type: ExecType
    ord_status: OrdStatus
    exec_id: ExecID
    order_id: OrderID = OrderID("")
    orig_cl_ord_id: ClOrdID | None = None
    symbol: Symbol = Symbol("")
    side: Side = Side.BUY
    account: str = ""  # Account(1); "" = not said
    order_qty: int | None = None
    cum_qty: int = 0
    leaves_qty: int = 0
    avg_price: str = ""  # as sent; never used in arithmetic
    last_qty: int = 0
    last_price_e4: int = 0
    price_e4: int | None = None
    exec_ref_id: ExecID | None = None  # of the execution that G or H speaks of
    ord_rej_reason: str = ""
    text: str = ""
    transact_ns: int = 0  # TransactTime(60), UTC
    poss_dup: bool = False
    poss_resend: bool = False
    mass_status_req_id: str = ""
    total_reports: int = 0
    last_report: bool = False


class OrderCancelReject(Event, frozen=True, kw_only=True):
    """35=9."""

    cl_ord_id: ClOrdID
    orig_cl_ord_id: ClOrdID
    order_id: OrderID = OrderID("")
    ord_status: OrdStatus = OrdStatus.NEW
    response_to: CxlRejResponseTo = CxlRejResponseTo.CANCEL
    reason: CxlRejReason = CxlRejReason.OTHER
    text: str = ""


class MassCancelReport(Event, frozen=True, kw_only=True):
    """35=r."""

    cl_ord_id: ClOrdID
    accepted: bool
    total_affected: int = 0
    text: str = ""


class MessageRejected(Event, frozen=True, kw_only=True):
    """35=j or 35=3: the EMS could not work with a message of ours."""

    ref_msg_type: str
    ref_id: str  # 35=j: BusinessRejectRefID(379), our ClOrdID; 35=3: RefSeqNum(45)
    reason: str = ""
    text: str = ""
    session_level: bool = False


class ReferencePrice(Event, frozen=True, kw_only=True):
    """The gate's own market data (35=W/X, whole picture of one symbol). Price 0 = not known."""

    symbol: Symbol
    bid_e4: int = 0
    bid_qty: int = 0
    ask_e4: int = 0
    ask_qty: int = 0
    last_e4: int = 0
    close_e4: int = 0  # previous close
    volume: int = 0  # of the day so far
    bids: tuple[tuple[int, int], ...] = ()  # price, quantity of each level, best first; () = the touch alone
    asks: tuple[tuple[int, int], ...] = ()
    late_ns: int = 0  # how old it was when it was read, by the wall clock; lockstep: 0


class SecurityStatus(Event, frozen=True, kw_only=True):
    """35=f: may this symbol trade."""

    symbol: Symbol
    trading: bool
    text: str = ""
    band_low_e4: int = 0  # price bands (R41); 0 = as before, or not known
    band_high_e4: int = 0
    limit_state: bool | None = None  # one side stands at its band; None = as before
    short_restricted: bool | None = None  # short sales above the best bid alone (R17); None = as before
    late_ns: int = 0  # as of a price


class ReferenceAlive(Event, frozen=True, kw_only=True):
    """A heartbeat or message of the reference session: the line is live though prices rest."""

    late_ns: int = 0  # as of a price


class SendFailed(Event, frozen=True, kw_only=True):
    """The engine refused a message of ours, definitely: no byte left (made by the gate's shell)."""

    msg_type: str  # D, G, F, H, AF, q
    ref_id: str  # its ClOrdID or request id
    reason: str = ""
    unsupported: bool = False  # the broker knows no such message: what stands for it must do


class SendDue(Event, frozen=True, kw_only=True):
    """An order that waited for the disk may leave now, if it still may (made by the gate's shell)."""

    cl_ord_id: ClOrdID
    posture: int  # that held for it when it was approved
    decided_mono_ns: int = 0


class MessagesSkipped(Event, frozen=True, kw_only=True):
    """The counterparty goes on at a higher number (35=4): what it sent between will never come."""

    begin: int
    next: int


class MessagesUnsent(Event, frozen=True, kw_only=True):
    """The counterparty lacks messages of ours (35=2) and was told that they will not come."""

    begin: int
    end: int  # 0 = all since then


class MessagesMissing(Event, frozen=True, kw_only=True):
    """We lack messages of the counterparty from `begin` on and have asked for them; 0: none is missing."""

    begin: int


class EngineAlarm(Event, frozen=True, kw_only=True):
    """What came could not be read, or our own code failed in the FIX engine (made by the gate's shell)."""

    text: str
    fatal: bool = False


# --- from people and the OMS ------------------------------------------------------------------


class SubmitParent(Event, frozen=True, kw_only=True):
    """Admit a parent order, or say every reason why not."""

    request_id: int
    parent: ParentOrder
    dry_run: bool = False


class AmendParent(Event, frozen=True, kw_only=True):
    """Change quantity, limit, end or participation cap of a live parent; None leaves it."""

    request_id: int
    parent_id: ParentID
    qty: int | None = None
    limit_price_e4: int | None = None
    end_ns: int | None = None
    max_participation_bp: int | None = None


class PauseParent(Event, frozen=True, kw_only=True):
    """Cancel what works and hold."""

    request_id: int
    parent_id: ParentID


class ResumeParent(Event, frozen=True, kw_only=True):
    """Go on."""

    request_id: int
    parent_id: ParentID


class CancelParent(Event, frozen=True, kw_only=True):
    """End it: leaves are cancelled, the remainder is reported."""

    request_id: int
    parent_id: ParentID


class Kill(Event, frozen=True, kw_only=True):
    """The kill switch (R70), from wherever it was pulled."""

    request_id: int = 0
    source: str  # cli, signal, file, control id
    reason: str = ""


class Rearm(Event, frozen=True, kw_only=True):
    """Lift the latch: paper by a typed reason; live refuses until two keys exist."""

    request_id: int
    reason: str
    person: str


class GateStarted(Event, frozen=True, kw_only=True):
    """The first event after every start of the gate: all that its core needs to know of the outside."""

    epoch: int  # durable: above that of every start before, part of each ClOrdID
    mode: str  # paper or live
    account: str
    instruments: tuple[Instrument, ...]
    limits: str  # the limits file's values, JSON
    positions: tuple[tuple[str, Symbol, int], ...] = ()  # account, symbol, quantity at start of day
    lockstep: bool = False
    reconcile_wait_ms: int = 5_000
    drop_copy: bool = False  # R62: a second session tells our executions
    external_orders: str = "note"  # note, adopt, halt: orders of the account that are not ours
    killed: str = ""  # what the kill latch says
    killed_scopes: tuple[tuple[str, str], ...] = ()  # and of single scopes: scope, reason
    trader_silent_ms: int = 0  # of a trader that says nothing until it is let go; 0 = never
    positions_asked: str = "none"  # none, asked, demanded: the account's positions, at each logon
    positions_wait_ms: int = 1_000  # for an answer
    without_trader_ms: int = 0  # until working orders of a symbol without a trader are canceled; 0 = never
    displaced: str = ""  # how the state directory is not the one that was begun here
    retire_after_ms: int | None = None  # that an ended order stays in the state; None = for ever
    short_days: bool = False  # the instruments know those of their calendars; no journal of before says so


class Shutdown(Event, frozen=True, kw_only=True):
    """SIGTERM: no new orders, cancel what works."""

    request_id: int = 0


class ClockAnchor(Event, frozen=True, kw_only=True):
    """Market time = anchor_ts_ns + (mono - anchor_mono_ns) x speed, for every process of a run."""

    anchor_ts_ns: int
    anchor_mono_ns: int
    speed: float = 1.0


class Timer(Event, frozen=True, kw_only=True):
    """Nothing but the time."""


# --- trader to gate ---------------------------------------------------------------------------


class TraderHello(Event, frozen=True, kw_only=True):
    """First frame of a trader; the gate admits the hashes that its limits file lists."""

    protocol: int
    epoch: int  # new for each start of a trader; a gate refuses one that it has seen
    symbols: tuple[Symbol, ...]
    policy: str
    policy_sha256: str
    state_spec_sha256: str
    action_table_sha256: str


class SubmitIntent(Event, frozen=True, kw_only=True):
    """The policy wants this child order. (epoch, n) is handled at most once."""

    epoch: int
    n: int
    parent_id: ParentID
    side: Side
    qty: int
    price_e4: int | None
    ord_type: OrdType = OrdType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    post_only: bool = False
    decision_id: int = 0
    decided_mono_ns: int = 0
    cause_mono_ns: int = 0  # when the feed bytes that caused it were readable; 0: a timer did


class ReplaceIntent(Event, frozen=True, kw_only=True):
    """The policy wants other terms for a working chain."""

    epoch: int
    n: int
    chain_id: ClOrdID
    qty: int  # OrderQty of the chain, CumQty included, as FIX counts it
    price_e4: int
    decision_id: int = 0
    decided_mono_ns: int = 0
    cause_mono_ns: int = 0  # when the feed bytes that caused it were readable; 0: a timer did


class CancelIntent(Event, frozen=True, kw_only=True):
    """The policy wants a working chain gone."""

    epoch: int
    n: int
    chain_id: ClOrdID
    decision_id: int = 0


class TraderStatus(Event, frozen=True, kw_only=True):
    """Once a second: is the trader fit to decide, and if not, why."""

    epoch: int
    fit: bool
    text: str = ""
    decisions: int = 0
    volume: dict[str, int] = {}  # printed volume by symbol since the trader's feed began


class LockTock(Event, frozen=True, kw_only=True):
    """Lockstep: the trader has no more to say at this instant, and wants to wake at `next_ts_ns`."""

    tick: int
    next_ts_ns: int  # 0 = nothing planned


class TraderGone(Event, frozen=True, kw_only=True):
    """The link to a trader closed (made by the gate's shell)."""

    epoch: int
    reason: str = ""


# --- lockstep between venue and gate ----------------------------------------------------------


class LockAdvance(Event, frozen=True, kw_only=True):
    """Venue to gate: it is `ts_ns`; so many application messages were sent on each line so far."""

    tick: int
    ts_ns: int
    order_messages: int
    reference_messages: int
    feed_seq: int


class LockIdle(Event, frozen=True, kw_only=True):
    """Gate to venue: nothing more at this instant; so many application messages were sent to you."""

    tick: int
    order_messages: int
    reference_messages: int
    next_ts_ns: int  # earliest wish of gate or trader, 0 = none
