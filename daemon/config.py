"""Configuration: one TOML file for all processes, strict, every key with a unit and a line of doc.

Unknown keys, wrong types and values out of range refuse the start with file:line:key and a
suggestion. Paths are relative to the file that names them.
"""

from datetime import date, time
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from daemon.strict_toml import ConfigError, load_model
from gateways.fix import profile
from market.instruments import Auction, Instrument, TickBand
from market.types import Symbol

SCRIPT: Final = "script:"  # of trader.policy; what follows is a path
TICK_BANDS_MAX: Final = 64  # the longest table of an exchange, MiFID II's, has 19


class Section(BaseModel):
    """Strict: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Port = Annotated[int, Field(ge=0, le=65_535)]
PortToDial = Annotated[int, Field(ge=1, le=65_535)]
ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]  # a name, never a path
SYMBOL_PATTERN: Final = r"^[A-Z][A-Z0-9.\-]{0,7}$"  # eight bytes on the ITCH wire
SymbolName = Annotated[str, Field(pattern=SYMBOL_PATTERN)]
RehearsePeriod = Annotated[int, Field(ge=0, le=100_000, multiple_of=1_000)]  # the loop's timers count in ms
HostPort = Annotated[str, Field(pattern=r"^[0-9.]{7,15}:[0-9]{1,5}$")]
RoleName = Literal["view", "operate"]  # more than that needs a key
CompID = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,20}$")]


class TickSection(Section):
    """From a price upwards prices are multiples of a tick."""

    from_price_e4: Annotated[int, Field(ge=0, le=10**13)]
    tick_e4: Annotated[int, Field(gt=0, le=10**9)]


class InstrumentSection(Section):
    """One tradable symbol."""

    symbol: SymbolName
    mic: Annotated[str, Field(pattern=r"^[A-Z0-9]{4}$")] = "XNAS"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    zone: str = "America/New_York"
    tick_e4: Annotated[int, Field(gt=0, le=10**9)] = 100
    ticks: Annotated[tuple[TickSection, ...], Field(max_length=TICK_BANDS_MAX)] = ()  # in place of tick_e4
    lot: Annotated[int, Field(gt=0, le=10**9)] = 1
    round_lot: Annotated[int, Field(gt=0, le=10**9)] = 100
    size_unit: str = "1"
    open: time = time(9, 30)
    close: Annotated[time, Field(validate_default=True)] = time(16, 0)
    adv: Annotated[int, Field(ge=0, le=10**12)] = 0
    daily_volatility_bps: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] = 0.0
    calendar: Annotated[str, Field(max_length=8)] = ""  # of risk/calendars.json, 24x7, tape; "": the MIC's
    auctions: tuple[Auction, ...] = ()  # open, close, reopen: crosses that orders may take part in
    close_cutoff_s: Annotated[int, Field(ge=0, le=3_600)] = 300  # before the close, of orders for it

    @field_validator("zone")
    @classmethod
    def known(cls, value: str) -> str:
        """Refuse a zone that this host does not know: the first look at a clock would end the process."""
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # ZoneInfo's own, a path, a folder of zones
            raise ValueError("no such time zone; write Area/City") from None
        return value

    @field_validator("ticks")
    @classmethod
    def bands(cls, value: tuple[TickSection, ...]) -> tuple[TickSection, ...]:
        """Refuse a table that does not say one tick for each price."""
        begins = [band.from_price_e4 for band in value]
        if value and (begins[0] != 0 or begins != sorted(set(begins))):
            raise ValueError("bands begin at from_price_e4 = 0 and rise")
        return value

    @field_validator("close")
    @classmethod
    def after_open(cls, value: time, info: ValidationInfo) -> time:
        """Refuse a session that ends before it begins."""
        if "open" in info.data and not info.data["open"] < value:
            raise ValueError(f"closes before it opens, at {info.data['open']}")
        return value

    def instrument(self) -> Instrument:
        """Return the value that the rest of the house works with."""
        fields = self.model_dump(exclude={"tick_e4", "ticks", "symbol"})
        bands = tuple(TickBand(band.from_price_e4, band.tick_e4) for band in self.ticks)
        return Instrument(symbol=Symbol(self.symbol), ticks=bands or (TickBand(0, self.tick_e4),), **fields)


class ClockSection(Section):
    """Where market time comes from."""

    # wall: UTC (live). anchor: handed over at the start of a paper run (control command `clock`).
    source: Literal["wall", "anchor"] = "wall"
    lockstep_socket: Path | None = None  # unix socket of a venue in lockstep
    reference: Literal["none", "fix"] = "none"  # R63; fix: SendingTime of the counterparties' messages


class SessionSection(Section):
    """One FIX session that the gate dials."""

    host: str = "127.0.0.1"
    port: PortToDial
    sender_comp_id: CompID = "STEADYHAND"
    target_comp_id: CompID = "VENUE"
    profile: ProfileName = "venue"  # gateways/fix/profiles/<name>.toml
    heartbeat_s: Annotated[int, Field(ge=1, le=60)] = 10
    reconnect_s: Annotated[int, Field(ge=1, le=60)] = 1


class OmsClientSection(Section):
    """One OMS that may give parent orders; what is not listed it may not use."""

    comp_id: CompID
    accounts: tuple[Annotated[str, Field(pattern=r"^[A-Z0-9._-]{1,20}$")], ...] = Field(min_length=1)
    symbols: tuple[SymbolName, ...] = Field(min_length=1)
    username: Annotated[str, Field(max_length=40)] = ""
    password_file: Path | None = None  # its first line is the password; this user's alone (mode 0600)
    ignore_tags: tuple[Annotated[int, Field(ge=1, le=99_999)], ...] = ()  # agreed to instruct nothing
    reset_on_logon: bool = False  # it may begin its numbers again (141=Y); it is then told how all stands


class OmsSection(Section):
    """A FIX 4.4 acceptor for parent orders, on loopback."""

    host: Annotated[str, Field(pattern=r"^(127\.[0-9.]{5,11}|::1)$")] = "127.0.0.1"  # TLS stands before it
    port: Port
    comp_id: CompID = "STEADYHAND"
    client: tuple[OmsClientSection, ...] = Field(min_length=1, max_length=16)

    @field_validator("client")
    @classmethod
    def once(cls, value: tuple[OmsClientSection, ...]) -> tuple[OmsClientSection, ...]:
        """Refuse two sessions of one name."""
        names = [c.comp_id for c in value]
        if len(set(names)) != len(names):
            raise ValueError("the same comp_id is there twice")
        return value


class GateSection(Section):
    """The authority."""

    state_dir: Path
    control_socket: Path
    link_socket: Path
    limits: Path
    kill_file: Path  # its existence is a kill
    positions: Path | None = None  # start-of-day positions, CSV: account,symbol,qty
    account: Annotated[str, Field(pattern=r"^[A-Z0-9._-]{1,20}$")] = "PAPER"
    order_session: SessionSection
    reference_session: SessionSection | None = None  # none: R06 refuses every order
    oms: OmsSection | None = None  # none: parents come over the control socket alone
    drop_copy: SessionSection | None = None  # R62: what the order session says is held against this one
    reconcile_wait_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    cancel_on_disconnect: bool = True  # asked for at logon, never trusted
    trader_silent_s: Annotated[float, Field(ge=2, le=60)] = 5.0  # then it is let go; a word comes each second
    without_trader: Literal["cancel", "keep"] = "cancel"  # working orders of a symbol that no trader works
    without_trader_s: Annotated[float, Field(gt=0, le=3_600)] = 10.0  # before they are canceled
    rehearse_us: RehearsePeriod = 0  # between two walks of a stand-in order (decision 14); 0 = off
    day_dir: Path | None = None  # folders of trading days (daemon/people/sod_files.py); none: no sod, no eod
    keyring: Path | None = None  # whose signatures count (daemon/people/keys.py); none: nobody rearms
    # Orders of the account that are not ours: say so, count them in every exposure, or stop
    external_orders: Literal["note", "adopt", "halt"] = "note"
    # When an order may leave: its intent is in the kernel (survives this process), or on the disk
    durability: Literal["kernel", "disk"] = "kernel"
    journal_key: Path | None = None  # Ed25519, signs the journal; none: one is made in state_dir
    journal_keep_mb: Annotated[int, Field(ge=0)] = 0  # of packed old segments; 0 = all of them
    keep_ended_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0  # orders, in memory; then archived
    roles: dict[str, RoleName] = {}  # other users of this host: view or operate; this one may operate

    @property
    def without_trader_ms(self) -> int:
        """Return after how long orders of a symbol without a trader are canceled, 0 = never."""
        return int(self.without_trader_s * 1000) if self.without_trader == "cancel" else 0


class GuardSection(Section):
    """The process that ends a gate whose loop is stuck."""

    stuck_ms: Annotated[int, Field(ge=1_000, le=10_000)] = 3_000  # without a beat; one comes each 250 ms
    session: SessionSection | None = None  # its own, where the profile's mass_cancel_scope is "firm"
    state_dir: Path | None = None  # none: the folder `guard` beside the gate's
    takeover: bool = False  # start the gate again, killed, so that it cancels; systemd's Restart= does too


class FeedSection(Section):
    """ITCH 5.0 over SoupBinTCP, or over MoldUDP64."""

    protocol: Literal["soupbintcp", "moldudp64"] = "soupbintcp"
    host: str = "127.0.0.1"
    port: Port = 0  # soupbintcp
    username: Annotated[str, Field(max_length=6)] = "trader"
    password: Annotated[str, Field(max_length=10)] = "paper"  # noqa: S105  (of the paper venue)
    lines: tuple[HostPort, ...] = ()  # moldudp64: addresses or groups on which the same packets come
    requests: HostPort | None = None  # moldudp64: where to ask for what both lines lost
    interface: str = "127.0.0.1"  # moldudp64: the one that joins groups
    snapshot: HostPort | None = None  # GLIMPSE: the book anew, where a gap cannot be filled any more
    start: Literal["replay", "snapshot"] = "replay"  # the day from its first message on, or the book as it is

    @model_validator(mode="after")
    def _whole(self) -> "FeedSection":
        if self.protocol == "moldudp64" and not self.lines:
            raise ValueError('moldudp64 needs lines = ["HOST:PORT", ...]')
        if self.start == "snapshot" and self.snapshot is None:
            raise ValueError('start = "snapshot" needs snapshot = "HOST:PORT"')
        return self


class TraderSection(Section):
    """The replaceable side: book, state, policy, executor."""

    feed: FeedSection
    symbols: tuple[SymbolName, ...]
    policy: str = "twap"  # a baseline or shipped artefact by name, script:FILE, or a folder written with a /
    policy_options: dict[str, float | int | str] = {}
    policy_key: Path | None = (
        None  # an Ed25519 public key (PEM): only an artefact that it has signed may decide
    )
    journal_dir: Path | None = None
    decision_interval_ms: Annotated[int, Field(ge=10, le=60_000)] = 1_000  # market time
    decision_gap_ms: Annotated[int, Field(ge=0, le=60_000)] = 250  # market time
    corridor: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2  # of the parent, around the schedule
    volume_curve: Path | None = None  # none: the shipped generic one
    busy_poll_us: Annotated[int, Field(ge=0, le=1_000)] = 0  # spin before sleeping; 0 = off
    rehearse_us: RehearsePeriod = 0  # between two walks of a stand-in tick (decision 14); 0 = off


class VenueSection(Section):
    """The paper exchange and EMS."""

    tape: Path | None = None  # a tick store; none: synthetic flow
    symbol: SymbolName
    day: date = date(2024, 1, 2)  # of synthetic flow
    window: tuple[time, time]  # clock times of the instrument's zone
    close_e4: Annotated[int, Field(ge=0)] = 0  # of the day before, for reference prices; 0: not known
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    speed: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    lockstep: bool = False
    order_latency_us: Annotated[int, Field(ge=0)] = 2_000  # lockstep only
    feed_latency_us: Annotated[int, Field(ge=0)] = 500  # lockstep only


class MetricsSection(Section):
    """The side process that serves Prometheus."""

    host: str = "127.0.0.1"
    port: Port = 9464
    directory: Path  # of the shared counters


class LogsSection(Section):
    """Logs go to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Section):
    """The whole file; a process reads its own sections."""

    mode: Literal["paper", "live"] = "paper"
    instrument: tuple[InstrumentSection, ...] = Field(min_length=1)
    clock: ClockSection = ClockSection()
    gate: GateSection | None = None
    guard: GuardSection | None = None
    trader: TraderSection | None = None
    venue: VenueSection | None = None
    metrics: MetricsSection | None = None
    logs: LogsSection = LogsSection()

    @field_validator("instrument")
    @classmethod
    def once(cls, value: tuple[InstrumentSection, ...]) -> tuple[InstrumentSection, ...]:
        """Refuse a symbol that is there twice: one of the two would be ignored."""
        symbols = [i.symbol for i in value]
        twice = sorted({s for s in symbols if symbols.count(s) > 1})
        if twice:
            raise ValueError(f"symbol {', '.join(twice)} is there twice")
        return value

    @property
    def instruments(self) -> dict[str, Instrument]:
        """Return instruments by symbol."""
        return {i.symbol: i.instrument() for i in self.instrument}


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with file:line:key and a suggestion; the process exits with 78.

    """
    return with_absolute_policy(load_model(path, Config), path.parent.resolve())


def with_absolute_policy(config: Config, base: Path) -> Config:
    """Return a configuration whose policy, where it is a file or a folder, is the same from anywhere."""
    trader = config.trader
    if trader is None:
        return config
    kind, is_script, place = trader.policy.partition(SCRIPT)
    if is_script and not kind:
        policy = f"{SCRIPT}{base / place}"
    elif "/" in trader.policy:
        policy = str(base / trader.policy)
    else:
        return config
    return config.model_copy(update={"trader": trader.model_copy(update={"policy": policy})})


def load_profile(name: str) -> profile.Profile:
    """Read a FIX profile by the name that a session gives it.

    Raises:
        ConfigError: with file:line:key.

    """
    path = profile_path(name)
    if not path.exists():
        shipped = ", ".join(sorted(p.stem for p in profile.PROFILES.glob("*.toml")))
        raise ConfigError(f"there is no FIX profile {name!r}; shipped profiles: {shipped}")
    return load_model(path, profile.Profile)


def profile_path(name: str) -> Path:
    """Return where a FIX profile stands."""
    return profile.PROFILES / f"{name}.toml"
