"""The limits file: every limit is mandatory, has a unit and a reason, and none can be switched off.

Its own TOML file, apart from the configuration: another person may own it. Units and ranges are told in
risk.limit_units. 0 means that nothing is allowed. What is not known is refused.

    [order]                               # the firm's: every key of every table
    qty_max = 5_000
    [level.symbol.GOOG.order]             # may be there: of an account, strategy, symbol or session,
    qty_max = 1_000                       # and only tighter; the most restrictive wins (GR7)

A level's value holds for what that level counts: an account's `long_max` for the account's own position.
What is counted once for the whole desk stands under no level (`limits explain` says which keys may).
"""

import hashlib
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import Field, create_model

from risk.ceiling import CEILING
from risk.limit_tables import (
    Allowed,
    Day,
    Exposure,
    Fills,
    Impact,
    Market,
    OrderCaps,
    Parents,
    Part,
    Participation,
    Rates,
    Rejects,
    Repeats,
    Shorts,
)
from risk.limit_tables_desk import (
    Canary,
    Dynamic,
    Lease,
    Loss,
    Machine,
    Policy,
    Restricted,
    Return,
    Session,
    Sessions,
    Slippage,
    Start,
)

ANY = "*"  # paper only: whatever the configuration names
LEVELS: Final = ("account", "strategy", "symbol", "session")
# What a level may have of its own; the other tables speak of the desk as a whole.
LEVELLED: Final[dict[str, type[Part]]] = {
    "order": OrderCaps,
    "impact": Impact,
    "market": Market,
    "exposure": Exposure,
    "participation": Participation,
    "day": Day,
    "rates": Rates,
    "fills": Fills,
    "loss": Loss,
    "slippage": Slippage,
    "policy": Policy,
}
# What reduces comes before what halts or kills; a file that has it the other way round is a mistake.
SOFT_THEN_HARD: Final = (
    ("slippage", "pause_bps", "halt_bps"),
    ("machine", "clock_reduce_us", "clock_halt_us"),
    ("machine", "disk_halt_mb", "disk_reduce_mb"),  # of free space the less is the worse
    ("lease", "reduce_after_ms", "kill_after_ms"),
    ("dynamic", "multiplier_min_bp", "multiplier_stale_bp"),
)
# Zero would make a control look at nothing, or forbid what it is there to lower.
ABOVE_ZERO: Final = (
    ("market", "vwap_window_ms"),
    ("rejects", "share_of"),
    ("canary", "every_ms"),
    ("dynamic", "multiplier_min_bp"),
)
COUNTED: Final = ("exposure", "day", "rates", "fills", "loss")  # tables that a level counts for itself
# Of these tables what is counted, or done, once for the whole desk: a level's own value would hold nowhere.
OF_THE_DESK: Final = frozenset({
    "market.vwap_window_ms", "market.cancel_after_ms", "market.collar_breaches_to_halt",
    "market.breach_window_ms", "participation.window_ms", "rates.breaches_to_halt", "rates.breach_window_ms",
    "rates.duplicate_window_ms", "loss.fee_e4", "policy.invalid_to_halt", "policy.invalid_window_ms",
})  # fmt: skip
NOT_OF: Final = {"strategy": "loss.inventory_max_ccy"}  # start-of-day positions are no strategy's


def partial(part: type[Part]) -> Any:
    """Return a table of which any key may be missing."""
    fields: dict[str, Any] = {
        name: (Annotated[field.annotation, *field.metadata, Field(strict=True)] | None, None)
        for name, field in part.model_fields.items()
    }
    return create_model(f"{part.__name__}OfLevel", __base__=Part, **fields)


_own: Final[dict[str, Any]] = {name: (partial(part) | None, None) for name, part in LEVELLED.items()}
Overrides: Final[Any] = create_model("Overrides", __base__=Part, **_own)


class Levels(Part):
    """What single accounts, strategies, symbols and sessions have of their own."""

    account: dict[str, Overrides] = Field(default_factory=dict)
    strategy: dict[str, Overrides] = Field(default_factory=dict)
    symbol: dict[str, Overrides] = Field(default_factory=dict)
    session: dict[str, Overrides] = Field(default_factory=dict)

    def of(self, level: str, name: str) -> dict[str, dict[str, Any]]:
        """Return table, key and value of what a level has of its own."""
        found = getattr(self, level).get(name)
        return found.model_dump(exclude_none=True) if found is not None else {}


class Limits(Part):
    """The whole file."""

    version: Annotated[int, Field(ge=1, strict=True)]
    mode: Literal["paper", "live"]
    allowed: Allowed
    order: OrderCaps
    impact: Impact
    market: Market
    exposure: Exposure
    parents: Parents
    participation: Participation
    shorts: Shorts
    day: Day
    rates: Rates
    repeats: Repeats
    fills: Fills
    rejects: Rejects
    loss: Loss
    slippage: Slippage
    session: Session
    restricted: Restricted
    policy: Policy
    sessions: Sessions
    machine: Machine
    start: Start
    canary: Canary
    resume: Return
    lease: Lease
    dynamic: Dynamic
    level: Levels = Levels()

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
            found += ceiling_faults(self)
        found += [
            f"allowed.{name}: '*' stands alone or not at all"
            for name, listed in self.allowed
            if isinstance(listed, tuple) and ANY in listed and len(listed) > 1
        ]
        return found + contradictions(self) + level_faults(self)


def contradictions(limits: Limits) -> list[str]:
    """Return the keys that take one another's sense, or their own."""
    found = []
    for table, first, second in SOFT_THEN_HARD:
        low, high = getattr(getattr(limits, table), first), getattr(getattr(limits, table), second)
        if low > high:
            found.append(f"{table}.{first}: {low} is beyond {table}.{second}, {high}")
    for table, name in ABOVE_ZERO:
        if not getattr(getattr(limits, table), name):
            found.append(f"{table}.{name}: 0 leaves nothing to look at; give more")
    return found


class LimitDoc(msgspec.Struct, frozen=True):
    """What there is to know of one key."""

    key: str  # table.name
    control: str
    unit: str
    low: int
    high: int
    tightens: str  # which way is stricter: lower, higher, true, false, fewer; "-": neither
    doc: str
    why: str  # of the shipped paper value
    ceiling: int | None  # of live limits, whatever is signed
    levels: tuple[str, ...]  # that may have a value of their own


class LimitChange(msgspec.Struct, frozen=True):
    """One key that differs between two files."""

    key: str
    old: Any  # None: not there (an override that came)
    new: Any  # None: gone
    looser: bool


def explain() -> tuple[LimitDoc, ...]:
    """Return every key of the file, in its order."""
    found = []
    for table, part in tables().items():
        for name, field in part.model_fields.items():
            told: Any = field.json_schema_extra
            top = next((m.le for m in field.metadata if hasattr(m, "le")), 1)
            key = f"{table}.{name}"
            found.append(
                LimitDoc(
                    key=key,
                    control=told["control"],
                    unit=told["unit"],
                    low=0,
                    high=top,
                    tightens=told["tightens"],
                    doc=str(field.description),
                    why=told["why"],
                    ceiling=CEILING.get(key),
                    levels=levels_of(key),
                )
            )
    return tuple(found)


def levels_of(key: str) -> tuple[str, ...]:
    """Return the levels whose own value of `table.name` holds for something."""
    if key.partition(".")[0] not in LEVELLED or key in OF_THE_DESK:
        return ()
    return tuple(level for level in LEVELS if NOT_OF.get(level) != key)


def tables() -> dict[str, type[Part]]:
    """Return the firm's tables by name."""
    kinds = {name: field.annotation for name, field in Limits.model_fields.items() if name != "level"}
    return {n: k for n, k in kinds.items() if isinstance(k, type) and issubclass(k, Part)}


def looser(doc: LimitDoc, old: Any, new: Any) -> bool:
    """Return whether a new value allows what the old one did not."""
    if doc.tightens == "fewer":
        return ANY not in old and not set(new) <= set(old)
    if doc.tightens in ("lower", "false"):
        return bool(new > old)
    return bool(new < old) if doc.tightens in ("higher", "true") else bool(new != old)


def changes(old: Limits, new: Limits) -> tuple[LimitChange, ...]:
    """Return every key that differs, and whether it loosens; an override that goes loosens."""
    found = []
    docs = {doc.key: doc for doc in explain()}
    for key, doc in docs.items():
        was, now = value_of(old, key), value_of(new, key)
        if was != now:
            found.append(LimitChange(key, was, now, looser(doc, was, now)))
    if old.mode != new.mode:
        found.append(LimitChange("mode", old.mode, new.mode, True))
    before, after = overrides(old), overrides(new)
    for place in sorted(before | after):
        doc = docs[place[2]]
        mine, theirs = before.get(place), after.get(place)
        if mine != theirs:
            loosens = theirs is None or (mine is not None and looser(doc, mine, theirs))
            key = f"level.{place[0]}.{place[1]}.{place[2]}"
            found.append(LimitChange(key, mine, theirs, loosens))
    return tuple(found)


def value_of(limits: Limits, key: str) -> Any:
    """Return the firm's value of `table.name`."""
    table, name = key.split(".")
    return getattr(getattr(limits, table), name)


def overrides(limits: Limits) -> dict[tuple[str, str, str], Any]:
    """Return (level, name, table.key): value of everything that a level has of its own."""
    return {
        (level, name, f"{table}.{key}"): value
        for level in LEVELS
        for name in getattr(limits.level, level)
        for table, values in limits.level.of(level, name).items()
        for key, value in values.items()
    }


def level_faults(limits: Limits) -> list[str]:
    """Return overrides that would never hold: where no level has one, or looser than the firm's value."""
    docs = {doc.key: doc for doc in explain()}
    found = []
    for (level, name, key), value in overrides(limits).items():
        firm = value_of(limits, key)
        if level not in docs[key].levels:
            found.append(f"level.{level}.{name}.{key}: no {level} has this one of its own; take it out")
        elif looser(docs[key], firm, value):
            found.append(f"level.{level}.{name}.{key}: {value} is looser than the firm's {firm}")
    return found


def ceiling_faults(limits: Limits) -> list[str]:
    """Return what is above the firm's ceiling, which no signature lifts."""
    return [
        f"{key}: {value_of(limits, key)} is above the firm's ceiling, {top}"
        for key, top in CEILING.items()
        if value_of(limits, key) > top
    ]


def tightened(limits: Limits, *own: dict[str, dict[str, Any]]) -> Limits:
    """Return limits with levels' own values in the place of the firm's; the most restrictive wins."""
    merged: dict[str, dict[str, Any]] = {}
    docs = {doc.key: doc for doc in explain()} if any(own) else {}
    for values in own:
        for table, keys in values.items():
            for key, value in keys.items():
                now = merged.setdefault(table, {}).get(key, value_of(limits, f"{table}.{key}"))
                if not looser(docs[f"{table}.{key}"], now, value):
                    merged[table][key] = value
    if not merged:
        return limits
    parts = {table: getattr(limits, table).model_copy(update=keys) for table, keys in merged.items()}
    return limits.model_copy(update=parts)


def effective(limits: Limits, account: str, strategy: str, symbol: str, session: str = "order") -> Limits:
    """Return what holds for one order: the tightest of firm, account, strategy, symbol and session (GR7)."""
    names = zip(LEVELS, (account, strategy, symbol, session), strict=True)
    return tightened(limits, *(limits.level.of(level, name) for level, name in names))


def is_listed(name: str, listed: tuple[str, ...], otherwise: bool = True) -> bool:
    """Return whether a whitelist holds a name; `otherwise` is what "*" means for it."""
    return otherwise if listed == (ANY,) else name in listed
