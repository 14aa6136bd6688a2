"""Every metric that a process of this house may write: name, kind, labels and their values, help.

A name is here when something writes it, and not before. Units are base units (seconds, bytes,
ratio); `_bps` is the one exception, the desk's own unit. Times are timestamps, not ages. No label
holds an order's or a parent's id except `steadyhand_parent_info`, whose `slot` is bounded.
The label `process` is added by the side process that serves the block.
"""

import enum
from dataclasses import dataclass
from typing import Final

from risk.posture import CAUSES, Posture


class Kind(enum.Enum):
    """What a metric does."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


# Seconds, 1-2.5-5 per decade from a microsecond to a second.
LATENCY_S: Final = (
    *(1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4),
    *(1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0),
)
LABEL_CHARS_MAX: Final = 128  # a SHA-256 in hex and some words

Labels = dict[str, tuple[str, ...] | None]  # None: bounded by the configuration (symbols, ids of artefacts)


@dataclass(frozen=True)
class Metric:
    """One line of the catalogue."""

    name: str
    kind: Kind
    help: str
    labels: Labels
    buckets: tuple[float, ...] = ()

    def check(self, given: dict[str, str]) -> None:
        """Refuse labels that the catalogue does not list: a bug of the writer."""
        assert set(given) == set(self.labels), f"{self.name} takes the labels {sorted(self.labels)}"
        for key, value in given.items():
            allowed = self.labels[key]
            assert allowed is None or value in allowed, f"{self.name}: {key}={value!r}, not one of {allowed}"
            assert len(value) <= LABEL_CHARS_MAX, f"{self.name}: {key} is longer than {LABEL_CHARS_MAX}"


def counter(name: str, text: str, **labels: tuple[str, ...] | None) -> Metric:
    """Return a counter's line."""
    return Metric(name, Kind.COUNTER, text, labels)


def gauge(name: str, text: str, **labels: tuple[str, ...] | None) -> Metric:
    """Return a gauge's line."""
    return Metric(name, Kind.GAUGE, text, labels)


def histogram(name: str, text: str, **labels: tuple[str, ...] | None) -> Metric:
    """Return a latency histogram's line, in seconds."""
    return Metric(name, Kind.HISTOGRAM, text, labels, LATENCY_S)


SESSIONS: Final = ("order", "reference")
SLOTS: Final = tuple(str(n) for n in range(16))  # parents at once: R24's ceiling
CAUSE_IDS: Final = tuple(sorted(CAUSES))
# What an order can be refused by: the controls' own ids, and every cause that halts or kills.
CONTROLS: Final = tuple(
    sorted(
        {
            *("R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "R10", "R11", "R12", "R13", "R14"),
            *("R15", "R16", "R17", "R18", "R19", "R20", "R21", "R22", "R24", "R30", "R40", "R41", "R42"),
            *("R50", "R61", "R65"),
            *(cause for cause, row in CAUSES.items() if row.posture >= Posture.HALTED),
        }
    )
)
# Whose use can be told between orders; the others judge sizes, prices and lists.
COUNTED: Final = (
    *("R02", "R10", "R11", "R12", "R13", "R19", "R20", "R21", "R22", "R25", "R26", "R30", "R31"),
    *("R62", "R63", "R64", "R65", "R67", "R71"),
)
ITCH_TYPES: Final = tuple("AFECXDUPQSRHhW")

_IDENTITY = (
    gauge("steadyhand_build_info", "Always 1; the labels say what runs.", version=None, python=None),
    gauge("steadyhand_config_info", "Always 1; hashes of what was loaded.", config=None, limits=None),
    gauge("steadyhand_policy_info", "Always 1; the policy that decides.", policy=None, sha256=None),
    gauge("steadyhand_mode", "1 for the mode that runs.", mode=("paper", "live")),
    gauge("steadyhand_ready", "1 once the process has announced itself ready."),
)
_FEED = (
    counter(
        "steadyhand_feed_messages_total", "Feed messages decoded, by ITCH type.", type=(*ITCH_TYPES, "other")
    ),
    counter("steadyhand_feed_bytes_total", "Feed bytes read."),
    counter("steadyhand_feed_gaps_total", "Times that the feed was not whole: a hole, or its line was cut."),
    counter("steadyhand_feed_recoveries_total", "Times that the feed was whole again after a hole or a cut."),
    counter(
        "steadyhand_feed_snapshots_total", "Books taken anew from a snapshot: what a gap held is unknown."
    ),
    counter("steadyhand_feed_reconnects_total", "Feed logins after the first."),
    counter("steadyhand_feed_session_changes_total", "Times that the feed went on under another session."),
    gauge("steadyhand_feed_fit", "1 while the feed is whole and recent; else nothing is decided."),
    counter(
        "steadyhand_feed_refusals_total",
        "Snapshots and logins that were refused or not to be had.",
        by=("login", "snapshot"),
    ),
    gauge("steadyhand_feed_last_message_timestamp_seconds", "Wall time of the last byte of the feed."),
    counter("steadyhand_book_anomalies_total", "Feed events that did not fit the book.", symbol=None),
    gauge("steadyhand_book_spread_bps", "Best ask over best bid, of the middle.", symbol=None),
)
_DECISIONS = (
    counter("steadyhand_policy_decisions_total", "Decisions taken.", outcome=("acted", "held", "masked")),
    histogram("steadyhand_decision_latency_seconds", "Feed bytes readable until the last intent is written."),
    histogram("steadyhand_feed_batch_seconds", "Time to decode and apply one read of the feed."),
)
_RISK = (
    counter("steadyhand_risk_refusals_total", "What the gate refused, by control.", control=CONTROLS),
    gauge("steadyhand_posture_causes", "Scopes in which a cause holds now; 0: none.", cause=CAUSE_IDS),
    counter("steadyhand_risk_checks_total", "Orders that went through every control."),
    gauge(
        "steadyhand_risk_utilization_ratio", "Fullest limit of a control, 1 is the limit.", control=COUNTED
    ),
    counter("steadyhand_risk_canaries_total", "Orders of the self-test that were refused as they must be."),
    gauge("steadyhand_risk_canary_ok", "0 once an order that must be refused was let pass."),
    gauge("steadyhand_risk_lease_remaining_seconds", "Time until nobody has looked for too long."),
    gauge("steadyhand_risk_dynamic_multiplier_ratio", "Lowest share of a static limit that signals leave."),
    gauge("steadyhand_kill_switch_engaged", "1 while the kill switch is latched."),
    counter(
        "steadyhand_kill_switch_activations_total",
        "Kills, by who pulled.",
        source=("cli", "signal", "file", "control", "other"),
    ),
    gauge("steadyhand_guard_drill_ok", "1 where the guard's last drill showed all that it is for."),
    gauge("steadyhand_guard_drill_timestamp_seconds", "When the guard's last drill ended; 0: none has."),
    counter("steadyhand_guard_fired_total", "Gates that the guard has killed."),
)
_LINES = (
    gauge("steadyhand_oms_sessions", "OMS sessions, by state.", state=("up", "down")),
    counter("steadyhand_oms_reports_total", "Messages told to OMS sessions."),
    counter("steadyhand_oms_refused_total", "Requests of OMS sessions that were refused."),
    gauge("steadyhand_oms_unread_bytes", "Bytes that wait for OMS sessions to read them."),
    gauge("steadyhand_oms_orders_live", "Parents of OMS sessions that have not ended."),
    gauge("steadyhand_drop_copy_up", "1 while the drop copy session is up; absent without one."),
    gauge("steadyhand_drop_copy_lag_seconds", "How far the drop copy is behind the order session."),
    gauge("steadyhand_drop_copy_waiting", "Executions that one of the two lines has told alone."),
    counter("steadyhand_drop_copy_matched_total", "Executions told alike by both lines, or judged."),
)
_ORDERS = (
    counter(
        "steadyhand_order_events_total",
        "What happened to child orders.",
        event=(
            "new",
            "replace",
            "cancel",
            "ack",
            "fill",
            "canceled",
            "replaced",
            "rejected",
            "cancel_rejected",
            "expired",
        ),
    ),
    counter(
        "steadyhand_order_rejects_total",
        "Orders refused, by who refused.",
        origin=("risk", "session", "venue"),
    ),
    gauge("steadyhand_orders_working", "Child orders with leaves."),
    gauge(
        "steadyhand_orders_unacked_oldest_timestamp_seconds",
        "When the oldest unanswered order was sent; 0: none.",
    ),
    histogram(
        "steadyhand_order_ack_seconds",
        "Order sent until its first answer.",
        kind=("new", "replace", "cancel"),
    ),
    histogram(
        "steadyhand_intent_to_wire_seconds", "Intent read by the gate until the FIX message is written."
    ),
)
_FIX = (
    gauge("steadyhand_fix_session_up", "1 while logged on.", session=SESSIONS),
    counter(
        "steadyhand_fix_messages_total", "Application messages.", session=SESSIONS, direction=("in", "out")
    ),
    counter("steadyhand_fix_logons_total", "Logons.", session=SESSIONS),
)
_MONEY = (
    counter("steadyhand_fills_total", "Fills.", symbol=None, side=("buy", "sell")),
    counter("steadyhand_fill_quantity_total", "Shares filled.", symbol=None, side=("buy", "sell")),
    counter("steadyhand_fill_notional_total", "Notional filled, in units of the currency.", currency=None),
    gauge("steadyhand_position_quantity", "Signed position.", symbol=None),
    gauge(
        "steadyhand_pnl",
        "Profit since the start of the day, by kind.",
        kind=("realized", "unrealized", "fees"),
        currency=None,
    ),
)
_PARENTS = (
    gauge("steadyhand_parents", "Parents by state.", state=("pending", "active", "paused", "ending", "done")),
    gauge(
        "steadyhand_parent_info",
        "1 while the parent holds the slot.",
        slot=SLOTS,
        parent_id=None,
        symbol=None,
        side=None,
    ),
    gauge("steadyhand_parent_executed_ratio", "Filled share of the parent.", slot=SLOTS),
    gauge("steadyhand_parent_schedule_ratio", "What the schedule wants filled by now.", slot=SLOTS),
    gauge("steadyhand_parent_lag_ratio", "Schedule less filled; positive is behind.", slot=SLOTS),
    counter(
        "steadyhand_parents_total",
        "Parents that ended, by how.",
        result=("filled", "expired", "canceled", "rejected"),
    ),
    gauge(
        "steadyhand_parent_shortfall_bps",
        "Shortfall of the fills so far against arrival; positive is cost.",
        slot=SLOTS,
    ),
    gauge("steadyhand_parent_deadline_timestamp_seconds", "Market time of the parent's end.", slot=SLOTS),
)
_RUNTIME = (
    gauge("steadyhand_trader_connected", "1 while a trader is synced to the gate."),
    counter("steadyhand_link_frames_total", "Frames between gate and trader.", direction=("in", "out")),
    histogram("steadyhand_event_loop_lag_seconds", "How late a timer of the loop came."),
    counter("steadyhand_journal_bytes_total", "Bytes appended to the journal."),
    histogram("steadyhand_journal_fsync_seconds", "Time of one group commit."),
)
# What the side process itself adds.
SERVED: Final = (
    gauge("steadyhand_process_up", "1 while the process that wrote the block lives, 0 when it vanished."),
    gauge("steadyhand_process_start_time_seconds", "When the process opened its block."),
    gauge("steadyhand_metric_series", "Series in the block."),
)

CATALOGUE: Final[dict[str, Metric]] = {
    m.name: m
    for m in (
        *(*_IDENTITY, *_FEED, *_DECISIONS, *_RISK, *_LINES, *_ORDERS, *_FIX, *_MONEY, *_PARENTS, *_RUNTIME),
        *SERVED,
    )
}
