"""What a venue is started with: its command line, and a configuration file's [venue] section under it."""

import argparse
import re
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from daemon.config import SYMBOL_PATTERN, load
from daemon.control import SOCKET_PATH_BYTES_MAX
from daemon.strict_toml import ConfigError
from daemon.venue.options import GATE_WAIT_S, LATENCY_US_MAX, SYNTHETIC_DAY
from gateways.fix.sessions import FIX_44
from market.instruments import Auction, Instrument
from market.types import Symbol
from risk import calendar

if TYPE_CHECKING:
    from market.tape import Tape

SYNTHETIC: Final = Instrument(symbol=Symbol("SYN"), adv=2_000_000, daily_volatility_bps=150.0)
ZERO_INTELLIGENCE: Final = "zero-intelligence"
QUEUE_REACTIVE: Final = "queue-reactive"  # :CALIBRATION


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's run. Times are UTC ns, latencies ns of market time."""

    instrument: Instrument
    day: date
    tape: Path | None
    window: tuple[int, int]
    close_e4: int = 0  # of the day before, for reference prices; 0: nobody knows it
    seed: int
    flow: str = ZERO_INTELLIGENCE  # where there is no tape
    speed: float
    lockstep_socket: Path | None  # None: not in lockstep
    gate_wait_s: int = GATE_WAIT_S  # lockstep: wall time without any gate, then the run is given up
    order_latency_ns: int
    feed_latency_ns: int
    fix_port: int
    fix_version: str = FIX_44  # of the order session
    reference_port: int
    itch_port: int
    drop_copy_port: int | None = None  # None: no drop copy session
    start_now: bool
    out: Path | None
    comp_id: str
    client_comp_id: str
    reference_comp_id: str
    reference_client_comp_id: str
    username: str
    password: str
    mold_lines: tuple[tuple[str, int], ...] = ()  # MoldUDP64: where each packet goes
    mold_port: int = 0  # ... and where retransmissions are asked for; 0 = any
    glimpse_port: int = 0  # of snapshots; 0 = any
    pending_reports: bool
    scenario: Any = None  # a `Scenario` of gateways.venue.scenario, which loads what plays it
    plain: bool = False  # the venue's own acceptor instead of the FIX engine
    log_level: str

    @property
    def midnight_ns(self) -> int:
        """The day's start in the exchange's zone: ITCH counts from there."""
        return self.instrument.at(self.day, time(0))


def read(args: argparse.Namespace) -> Options:
    """Return what a command line means.

    Raises:
        ConfigError: one line, what is wrong and how to mend it.

    """
    base = _from_config(args)
    tape: Path | None = args.tape or base.get("tape")
    instrument, day = _market(tape, base.get("instrument"), args)
    if args.auctions:
        crosses = tuple(Auction(name) for name in args.auctions)
        instrument = msgspec.structs.replace(instrument, auctions=crosses)
    opens_ns, closes_ns = instrument.session(day)
    begin, end = args.begin or base.get("begin"), args.end or base.get("end")
    window = (
        instrument.at(day, begin) if begin else opens_ns,
        instrument.at(day, end) if end else closes_ns,
    )
    if not window[0] < window[1]:
        first, last = (instrument.clock(ts_ns)[:8] for ts_ns in window)
        raise ConfigError(f"--from {first} is not before --to {last}")
    _check_names(args)
    lockstep = _lockstep_socket(args, base)
    scenario = _scenario(args, lockstep is not None, time.fromisoformat(instrument.clock(window[0])))
    return Options(
        instrument=instrument,
        day=day,
        tape=tape,
        window=window,
        close_e4=args.close_e4 or base.get("close_e4", 0),
        seed=base.get("seed", 1) if args.seed is None else args.seed,
        flow=_flow(args.flow, tape),
        speed=args.speed or base.get("speed", 1.0),
        lockstep_socket=lockstep,
        gate_wait_s=args.gate_wait_s,
        order_latency_ns=_us(args.order_latency_us, base.get("order_latency_us", 2_000)),
        feed_latency_ns=_us(args.feed_latency_us, base.get("feed_latency_us", 500)),
        fix_port=args.fix_port,
        fix_version=f"FIX.{args.fix_version}",
        reference_port=args.reference_port,
        itch_port=args.itch_port,
        drop_copy_port=_drop_copy_port(args, lockstep=lockstep is not None),
        start_now=args.start == "now",
        out=args.out,
        comp_id=args.comp_id,
        client_comp_id=args.client_comp_id,
        reference_comp_id=args.reference_comp_id,
        reference_client_comp_id=args.reference_client_comp_id,
        username=args.feed_username,
        password=args.feed_password,
        mold_lines=args.mold,
        mold_port=args.mold_port,
        glimpse_port=args.glimpse_port,
        pending_reports=args.pending_reports,
        scenario=scenario,
        plain=args.acceptor == "plain" or (scenario is not None and scenario.of_the_wire is not None),
        log_level=args.log_level,
    )


def _check_names(args: argparse.Namespace) -> None:
    """Refuse names that the sessions cannot have."""
    if len(args.feed_username) > 6 or len(args.feed_password) > 10:
        raise ConfigError("--feed-username has at most 6 letters, --feed-password 10 (SoupBinTCP)")
    names = (args.comp_id, args.client_comp_id), (args.reference_comp_id, args.reference_client_comp_id)
    if names[0] == names[1]:
        raise ConfigError("both FIX sessions have the same CompIDs; change --reference-client-comp-id")


def _drop_copy_port(args: argparse.Namespace, lockstep: bool) -> int | None:
    """Return where executions are told a second time, None for nowhere."""
    port: int | None = args.drop_copy_port
    if port is not None and lockstep:
        raise ConfigError("--drop-copy-port needs real time; give --speed instead of --lockstep")
    return port


def _scenario(args: argparse.Namespace, lockstep: bool, begin: time) -> Any:
    """Return what goes wrong, None: nothing does."""
    if args.scenario is None:
        return None
    from daemon.venue.scenario_file import check_scenario  # a second that other runs need not wait

    engine = args.acceptor == "quickfix"
    return check_scenario(args.scenario, lockstep=lockstep, engine=engine, begin=begin)


def _flow(text: str | None, tape: Path | None) -> str:
    """Return which synthetic flow plays."""
    if text is None:
        return ZERO_INTELLIGENCE
    if tape is not None:
        raise ConfigError("--flow goes with synthetic flow, --tape plays what was recorded; leave one away")
    kind, _, calibration = text.partition(":")
    if text != ZERO_INTELLIGENCE and not (kind == QUEUE_REACTIVE and calibration):
        raise ConfigError(f"--flow {text}: is neither {ZERO_INTELLIGENCE} nor {QUEUE_REACTIVE}:CALIBRATION")
    return text


def _from_config(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the configuration file says, in the words of the command line."""
    if args.config is None:
        return {}
    config = load(args.config)
    if config.venue is None:
        raise ConfigError(f"{args.config}: has no [venue] section")
    venue = config.venue
    instrument = config.instruments.get(venue.symbol)
    if instrument is None:
        raise ConfigError(f"{args.config}: venue.symbol {venue.symbol} is no [[instrument]]")
    args.symbol = args.symbol or venue.symbol
    args.day = args.day or venue.day
    lockstep_socket = config.clock.lockstep_socket if venue.lockstep and args.speed is None else None
    return {
        "instrument": instrument,
        "tape": venue.tape,
        "begin": venue.window[0],
        "end": venue.window[1],
        "close_e4": venue.close_e4,
        "seed": venue.seed,
        "speed": venue.speed,
        "order_latency_us": venue.order_latency_us,
        "feed_latency_us": venue.feed_latency_us,
        "lockstep": venue.lockstep and args.speed is None,
        "lockstep_socket": lockstep_socket,
    }


def _market(
    tape: Path | None, instrument: Instrument | None, args: argparse.Namespace
) -> tuple[Instrument, date]:
    """Return what is traded, with its short days, and on which day."""
    days = calendar.load()
    if tape is None:
        chosen = instrument or SYNTHETIC
        if args.symbol not in (None, chosen.symbol):
            chosen = msgspec.structs.replace(chosen, symbol=Symbol(args.symbol))
        return days.with_short_days(chosen), args.day or SYNTHETIC_DAY
    opened = open_tape(tape)
    if args.symbol not in (None, opened.symbol):
        raise ConfigError(f"--symbol {args.symbol}: the tape {tape} is of {opened.symbol}")
    return days.with_short_days(opened.instrument), opened.day


def open_tape(path: Path) -> "Tape":
    """Return a tick store whose symbol feed, limits and configuration can name.

    Raises:
        ConfigError: it is none, or is of another kind of symbol.

    """
    from market.tape import Tape, TapeError  # pyarrow: synthetic runs need not wait for it

    try:
        tape = Tape.open(path)
    except TapeError as error:
        raise ConfigError(f"--tape {error}") from None
    if not re.fullmatch(SYMBOL_PATTERN, tape.symbol):
        raise ConfigError(
            f"--tape {path}: its symbol {tape.symbol!r} is none: A-Z, then up to seven of A-Z 0-9 . and -; "
            "ingest it again with another one"
        )
    return tape


def _us(given: int | None, base: int) -> int:
    value = base if given is None else given
    if not value <= LATENCY_US_MAX:
        raise ConfigError(f"a latency of {value} us: must be between 0 and 10 s")
    return value * 1_000


def _lockstep_socket(args: argparse.Namespace, base: dict[str, Any]) -> Path | None:
    if not (args.lockstep or base.get("lockstep")):
        return None
    path: Path | None = args.lockstep_socket or base.get("lockstep_socket")
    if path is None:
        raise ConfigError("--lockstep needs --lockstep-socket PATH (or clock.lockstep_socket)")
    if len(str(path).encode()) > SOCKET_PATH_BYTES_MAX:
        raise ConfigError(
            f"--lockstep-socket {path}: over {SOCKET_PATH_BYTES_MAX} bytes; name a shorter path"
        )
    return path
