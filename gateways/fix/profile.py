"""A broker's FIX as data: which fields, from where, when; what it supports. TOML, strictly checked.

    profile = load_profile("venue")    # daemon.config reads profiles/venue.toml, as it reads all our TOML
    profile.supports.mass_status
    profile.logon_fields(cancel_on_disconnect=True)

Unknown keys, sources, types of value and double tags refuse the file, each with its line and key.
"""

from enum import Enum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

PROFILES: Final = Path(__file__).parent / "profiles"
# Tags that the engine writes itself; a profile that named one would send it twice.
ENGINE_TAGS: Final = frozenset([8, 9, 10, 34, 35, 43, 49, 52, 56, 97, 122])

ACCOUNT_TAG: Final = 1

Value = Annotated[str, Field(pattern=r"^[A-Za-z0-9 ._/+-]{1,40}$")]
Tag = Annotated[int, Field(ge=1, le=99_999)]


class Source(Enum):
    """Where a field's value comes from."""

    CL_ORD_ID = "cl_ord_id"
    ORIG_CL_ORD_ID = "orig_cl_ord_id"
    ORDER_ID = "order_id"
    PARENT_ID = "parent_id"
    ACCOUNT = "account"
    SYMBOL = "symbol"
    MIC = "mic"
    SIDE = "side"
    QTY = "qty"
    ORD_TYPE = "ord_type"
    PRICE = "price"
    TIME_IN_FORCE = "time_in_force"
    TRANSACT_TIME = "transact_time"
    LOCATE_ID = "locate_id"
    SECURITY_ID = "security_id"  # of [security_ids], by our symbol
    SYMBOL_SFX = "symbol_sfx"  # of [suffixes], by our symbol


OF_SYMBOL: Final = frozenset([Source.SYMBOL, Source.SECURITY_ID, Source.SYMBOL_SFX])


class When(Enum):
    """When a field is sent. A field that is due and has no value refuses the message."""

    ALWAYS = "always"
    KNOWN = "known"  # if there is a value
    LIMIT = "limit"  # orders with a price
    POST_ONLY = "post_only"
    SHORT = "short"  # sell short and sell short exempt
    IDENTIFIED = "identified"  # if [security_ids] holds the symbol, as SecurityIDSource(22) needs


_TERMS: Final = frozenset(
    [Source.PARENT_ID, Source.MIC, Source.ORD_TYPE, Source.PRICE, Source.TIME_IN_FORCE, Source.LOCATE_ID]
)
_CHAIN: Final = frozenset([Source.ORIG_CL_ORD_ID, Source.ORDER_ID])
# What a message has no value for, so that a profile cannot ask for it.
ABSENT: Final[dict[str, frozenset[Source]]] = {
    "new": _CHAIN,
    "replace": frozenset(),
    "cancel": _TERMS,
    "status": _TERMS | {Source.ORIG_CL_ORD_ID, Source.QTY},
}
OF_ANY: Final = frozenset(
    [When.ALWAYS, When.KNOWN, When.IDENTIFIED]
)  # the others ask for the terms of an order


class Section(BaseModel):
    """Strict: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSpec(Section):
    """One field of a message."""

    tag: Tag
    source: Source | None = None
    constant: Value | None = None
    when: When = When.ALWAYS

    @model_validator(mode="after")
    def one_of(self) -> "FieldSpec":
        """A field has a source or is constant."""
        if (self.source is None) == (self.constant is None):
            raise ValueError("a field has either a source or a constant")
        if self.tag in ENGINE_TAGS:
            raise ValueError(f"tag {self.tag} is the engine's")
        if self.when is When.KNOWN and self.source is None:
            raise ValueError("`known` speaks of a source; a constant is always known")
        return self


class LogonField(Section):
    """An extra field of Logon(A)."""

    tag: Tag
    value: Value


class Logon(Section):
    """Logon fields by what they ask for."""

    cancel_on_disconnect: LogonField | None = None
    constants: tuple[LogonField, ...] = ()


class Supports(Section):
    """What this counterparty can do; each absence has a fallback."""

    mass_status: bool
    order_status: bool
    mass_cancel: bool
    mass_cancel_scope: Literal["session", "firm"] = "session"
    replace: bool
    cancel_on_disconnect: bool
    trade_cancel: bool
    trade_correct: bool
    post_only: bool
    dont_know: bool = False  # DontKnowTrade(Q)
    positions: Literal["none", "asked", "demanded"] = "none"  # RequestForPositions(AN), at each logon
    positions_wait_ms: Annotated[int, Field(ge=100, le=60_000)] = 1_000  # for an answer
    ord_types: tuple[str, ...]
    times_in_force: tuple[str, ...]


class Profile(Section):
    """One broker."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,20}$")]
    version: Literal["FIX.4.2", "FIX.4.4"]
    time_digits: Literal[3, 6, 9] = 3
    supports: Supports
    positions: tuple[LogonField, ...] = (LogonField(tag=581, value="1"),)  # constants of AN: AccountType
    logon: Logon = Field(default=Logon(), validate_default=True)
    symbols: dict[str, Value] = {}
    accounts: dict[str, Value] = {}
    security_ids: dict[str, Value] = {}
    suffixes: dict[str, Value] = {}
    new: tuple[FieldSpec, ...]
    replace: tuple[FieldSpec, ...]
    cancel: tuple[FieldSpec, ...]
    status: tuple[FieldSpec, ...]

    @field_validator("new", "replace", "cancel", "status")
    @classmethod
    def fields_fit(cls, fields: tuple[FieldSpec, ...], info: ValidationInfo) -> tuple[FieldSpec, ...]:
        """A tag comes once a message and has a source there."""
        name, seen = info.field_name or "", set[int]()
        for field in fields:
            if field.tag in seen:
                raise ValueError(f"tag {field.tag} comes twice")
            seen.add(field.tag)
            if field.source in ABSENT[name]:
                raise ValueError(f"tag {field.tag}: {field.source.value} is not known there")
            if name in ("cancel", "status") and field.when not in OF_ANY:
                raise ValueError(f"tag {field.tag}: when = {field.when.value} is not known there")
        return fields

    @field_validator("symbols", "accounts")
    @classmethod
    def names_differ(cls, names: dict[str, str]) -> dict[str, str]:
        """Two of ours under one of theirs could not be told apart in a report."""
        theirs = list(names.values())
        twice = next((name for name in theirs if theirs.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two of ours are called {twice}")
        return names

    @field_validator("supports")
    @classmethod
    def version_fits(cls, supports: Supports, info: ValidationInfo) -> Supports:
        """FIX 4.2 has neither 35=AF, nor 35=q, nor 35=AN."""
        if info.data.get("version") == "FIX.4.2":
            named = [name for name in ("mass_status", "mass_cancel") if getattr(supports, name)]
            if supports.positions != "none":
                raise ValueError("positions: FIX 4.2 has no 35=AN; say none")
            if named:
                raise ValueError(f"{' and '.join(named)}: FIX 4.2 has no such message; say false")
        return supports

    @field_validator("logon")
    @classmethod
    def logon_fits(cls, logon: Logon, info: ValidationInfo) -> Logon:
        """Support and logon field agree."""
        supports = info.data.get("supports")  # None: it is wrong itself
        if supports is not None and supports.cancel_on_disconnect and logon.cancel_on_disconnect is None:
            raise ValueError("cancel_on_disconnect is missing here, and [supports] says that there is one")
        return logon

    def ours(self) -> dict[str, str]:
        """Return our names by theirs, where they differ: symbols as they are, accounts as `1=THEIRS`."""
        accounts = {f"{ACCOUNT_TAG}={theirs}": ours for ours, theirs in self.accounts.items()}
        return {theirs: ours for ours, theirs in self.symbols.items()} | accounts

    def logon_fields(self, *, cancel_on_disconnect: bool) -> tuple[tuple[int, str], ...]:
        """Return what to add to Logon(A)."""
        fields = list(self.logon.constants)
        if cancel_on_disconnect and self.logon.cancel_on_disconnect is not None:
            fields.append(self.logon.cancel_on_disconnect)
        return tuple((field.tag, field.value) for field in fields)
