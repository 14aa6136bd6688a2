"""The limits file: every limit is mandatory, has a unit and a reason, and none can be switched off.

Its own TOML file, apart from the configuration: another person may own it. Names end in their unit:
`_ccy` whole currency units, `_bp` basis points, `_ms` milliseconds, `_e4` 1e-4 currency units.
0 means that nothing is allowed. What is not known is refused.
"""

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ANY = "*"  # paper only: whatever the configuration names

Count = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Money = Annotated[int, Field(ge=0, lt=2**43, strict=True)]  # in micros it still fits 64 bits
BasisPoints = Annotated[int, Field(ge=0, le=10_000, strict=True)]
Milliseconds = Annotated[int, Field(ge=0, le=86_400_000, strict=True)]
Switch = Annotated[bool, Field(strict=True)]


class Part(BaseModel):
    """Strict: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Allowed(Part):
    """R02, R50: what may be traded, how, and by which policy. ["*"] only in paper."""

    symbols: tuple[str, ...]  # "*": every instrument of the configuration
    accounts: tuple[str, ...]  # "*": the account of the configuration
    order_types: tuple[Literal["LIMIT", "MARKET"], ...]
    times_in_force: tuple[Literal["DAY", "IOC", "FOK"], ...]  # GTC, GTD outlive cancel on disconnect
    policies: tuple[str, ...]  # names of baselines; "*": any
    artefacts: tuple[str, ...]  # SHA-256 of frozen policies; "*": any
    symbols_max: Count  # number of symbols traded (RTS 6, article 8)


class OrderCaps(Part):
    """R03, R04: size of one child order."""

    qty_max: Count
    adv_max_bp: BasisPoints  # of average daily volume, where that is known
    notional_max_ccy: Money


class Market(Part):
    """R05, R06: the gate's own reference prices, and how far an order may be from them."""

    collar_bp: BasisPoints  # limit price against mid and last
    close_band_bp: BasisPoints  # limit price against the previous close
    last_required: Switch  # false: an unknown last trade passes (a day's first minutes)
    close_required: Switch  # false: an unknown previous close passes (recorded tapes carry none)
    vwap_collar_bp: BasisPoints  # own orders' average price over the window against mid
    vwap_window_ms: Milliseconds  # market time
    age_max_ms: Milliseconds  # since the reference session's last message or heartbeat, machine time
    locked_max_ms: Milliseconds  # bid = ask for longer is unfit
    spread_max_bp: BasisPoints
    cancel_after_ms: Milliseconds  # unfit for so long: working orders of the symbol are pulled
    collar_breaches_to_halt: Count
    breach_window_ms: Milliseconds  # market time


class Exposure(Part):
    """R10, R12: worst case of positions and open orders, per symbol."""

    long_max: Count
    short_max: Count
    open_orders_max: Count  # all symbols together
    open_orders_symbol_max: Count
    open_notional_max_ccy: Money


class Parents(Part):
    """R08: what is admitted."""

    adv_max_bp: BasisPoints
    adv_unknown_ok: Switch  # true: a parent is admitted where average daily volume is not known
    price_unknown_ok: Switch  # true: admitted before a price is known, judged at its start
    notional_max_ccy: Money
    declared_tolerance_bp: BasisPoints
    live_max: Count  # parents that have not ended


class Rates(Part):
    """R20, R24: times the speed of a paper run where they are rates."""

    orders_per_second: Count  # new and replace, in any one second
    orders_per_second_symbol: Count
    breaches_to_halt: Count
    breach_window_ms: Milliseconds  # machine time
    duplicates: Count  # the k-th equal order within the window is refused
    duplicate_window_ms: Milliseconds  # market time


class Loss(Part):
    """R30: two ledgers. Execution (own fills) kills; inventory (start-of-day positions) reduces."""

    execution_max_ccy: Money
    inventory_max_ccy: Money
    fee_e4: Count  # assumed per unit of quantity
    stale_haircut_bp: BasisPoints  # off the last mark once the market has been unfit for cancel_after_ms


class Policy(Part):
    """R50: what the trader may send."""

    decision_age_max_ms: Milliseconds  # machine time from decision to check
    invalid_to_halt: Count
    invalid_window_ms: Milliseconds


class Sessions(Part):
    """R61: orders that nobody answers."""

    ack_age_max_ms: Milliseconds  # machine time; then the EMS is asked, and the symbol waits
    unacked_max: Count  # so many overdue at once: trading stops
    queries_max: Count  # status requests for one order


class Limits(Part):
    """The whole file."""

    version: Annotated[int, Field(ge=1, strict=True)]
    mode: Literal["paper", "live"]
    allowed: Allowed
    order: OrderCaps
    market: Market
    exposure: Exposure
    parents: Parents
    rates: Rates
    loss: Loss
    policy: Policy
    sessions: Sessions

    def digest(self) -> str:
        """Return the SHA-256 of the limits' values, however the file is laid out."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def open_ends(self) -> list[str]:
        """Return the lists that allow anything, to be printed at every start."""
        return [f"allowed.{name}" for name, listed in self.allowed if listed == (ANY,)]

    def faults(self, mode: str) -> list[str]:
        """Return what makes this file unfit for a mode; empty is fit."""
        found = []
        if self.mode != mode:
            found.append(f"mode: limits are for {self.mode}, the configuration says {mode}")
        if mode == "live":
            found += [f"{name}: '*' is for paper alone; list what is allowed" for name in self.open_ends()]
        found += [
            f"allowed.{name}: '*' stands alone or not at all"
            for name, listed in self.allowed
            if isinstance(listed, tuple) and ANY in listed and len(listed) > 1
        ]
        return found


def is_listed(name: str, listed: tuple[str, ...], otherwise: bool = True) -> bool:
    """Return whether a whitelist holds a name; `otherwise` is what "*" means for it."""
    return otherwise if listed == (ANY,) else name in listed
