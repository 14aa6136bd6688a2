"""The tables of the limits file that speak of the desk: money, people, sessions, machines, the day."""

from risk.limit_tables import Part
from risk.limit_units import count, millis, money, points, times


class Loss(Part):
    """R30, R31: two ledgers. Execution (own fills) kills; inventory (start-of-day positions) reduces."""

    execution_max_ccy: int = money("R30", "loss of own fills: killed", "2.7 % of 16 parents")
    reduce_at_bp: int = points("R30", "of that loss: reduce only", "half")
    inventory_max_ccy: int = money("R30", "loss of start-of-day positions: reduce only", "paper")
    drawdown_max_ccy: int = money("R31", "fall from the day's best: halted", "four fifths of the loss")
    fee_e4: int = count(
        "R30", "assumed per unit of quantity", "the paper venue charges none", "higher", "1e-4 ccy"
    )
    stale_haircut_bp: int = points("R30", "off the last mark of a stale market", "1 %", "higher")


class Slippage(Part):
    """R32: shortfall of a parent against its arrival."""

    pause_bps: int = times("R32", "shortfall of what is filled: the parent pauses", "a paper day's range")
    halt_bps: int = times("R32", "the same: the parent is halted", "twice that")
    after_bp: int = points("R32", "filled share before it is judged", "a tenth")


class Session(Part):
    """R40: when new orders are allowed."""

    opening_ms: int = millis("R40", "no new orders for so long after the open", "paper", "higher")
    closing_ms: int = millis("R40", "no new orders for so long before the close", "paper", "higher")


class Restricted(Part):
    """R42: the list of what may not be traded."""

    age_max_ms: int = millis("R42", "age of the list, market time", "a day")


class Policy(Part):
    """R50: what the trader may send."""

    decision_age_max_ms: int = millis("R50", "from decision to check, machine time", "small shared machines")
    invalid_to_halt: int = count("R50", "refusals within the window: trading stops", "3")
    invalid_window_ms: int = millis("R50", "that window, machine time", "a minute", "higher")


class Sessions(Part):
    """R61, R65: orders that nobody answers."""

    ack_age_max_ms: int = millis(
        "R61", "then the EMS is asked, and the symbol waits; machine time", "busy hosts"
    )
    unacked_max: int = count("R61", "so many overdue at once: trading stops", "a busy paper host")
    queries_max: int = count("R61", "status requests for one order", "5")
    in_flight_max: int = count("R65", "orders without an answer", "64 parents, two orders each, and replaces")


class Machine(Part):
    """R62 to R66: what the shells measure."""

    drop_copy_lag_max_ms: int = millis("R62", "drop copy late by so much: reduce only", "5 s")
    clock_reduce_us: int = count("R63", "clock off by so much: reduce only", "10 ms", unit="us")
    clock_halt_us: int = count("R63", "clock off by so much: halted", "50 ms", unit="us")
    loop_lag_max_ms: int = millis("R64", "a timer late by so much: reduce only", "small shared machines")
    disk_reduce_mb: int = count("R66", "less free than that: reduce only", "a small disk", "higher", "MB")
    disk_halt_mb: int = count("R66", "less free than that: halted", "a small disk", "higher", "MB")


class Start(Part):
    """R67: after a stop that was none."""

    reduce_only_ms: int = millis("R67", "reduce only for so long after an abnormal exit", "paper", "higher")
    exits_max: int = count("R67", "abnormal exits within the window: halted", "paper kills its gate in tests")
    exits_window_ms: int = millis("R67", "that window", "10 minutes", "higher")


class Canary(Part):
    """R68: orders that must be refused."""

    every_ms: int = millis("R68", "between two self-tests, machine time", "a minute")


class Return(Part):
    """GR8, R72: how trading comes back."""

    reduce_only_ms: int = millis(
        "GR8", "reduce only for so long after a halt that cleared", "paper", "higher"
    )
    relapses_max: int = count("GR8", "returns of one cause in an hour, then it latches", "tests break often")
    rearmed_ms: int = millis("R72", "reduce only for so long after a rearm", "paper", "higher")


class Lease(Part):
    """R71: somebody watches."""

    reduce_after_ms: int = millis("R71", "without a renewal: reduce only", "a paper day needs no supervisor")
    kill_after_ms: int = millis("R71", "without a renewal: killed", "a paper day needs no supervisor")


class Dynamic(Part):
    """R75: what signals may do to limits: lower them."""

    multiplier_min_bp: int = points("R75", "no signal lowers a limit further", "a tenth")
    multiplier_stale_bp: int = points("R75", "where a signal is missing or old", "a quarter")
    relax_bp: int = points("R75", "of the static limit, back within each window", "a tenth")
    relax_window_ms: int = millis("R75", "that window, machine time", "5 minutes", "higher")


__all__ = [
    "Canary", "Dynamic", "Lease", "Loss", "Machine", "Policy", "Restricted", "Return", "Session", "Sessions",
    "Slippage", "Start",
]  # fmt: skip
