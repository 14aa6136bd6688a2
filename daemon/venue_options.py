"""What a venue is started with: the command line, or a configuration file's [venue] section."""

import argparse
from datetime import date, time
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.config import ConfigError, load
from market.instruments import NS, Instrument
from market.types import Symbol

SYNTHETIC: Final = Instrument(symbol=Symbol("SYN"), adv=2_000_000, daily_volatility_bps=150.0)
SYNTHETIC_DAY: Final = date(2024, 1, 2)
SOCKET_PATH_MAX: Final = 107  # bytes of a unix socket's path
GATE_WAIT_S: Final = 60  # a person starts a gate by hand, or one that crashed is started again
GATE_WAIT_S_MAX: Final = 3_600  # nobody is waited for longer
PORT_MAX: Final = 65_535  # of TCP


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's run. Times are UTC ns, latencies ns of market time."""

    instrument: Instrument
    day: date
    tape: Path | None
    window: tuple[int, int]
    seed: int
    speed: float
    lockstep_socket: Path | None  # None: not in lockstep
    gate_wait_s: int = GATE_WAIT_S  # lockstep: wall time without any gate, then the run is given up
    order_latency_ns: int
    feed_latency_ns: int
    fix_port: int
    reference_port: int
    itch_port: int
    start_now: bool
    out: Path | None
    comp_id: str
    client_comp_id: str
    reference_comp_id: str
    reference_client_comp_id: str
    username: str
    password: str
    pending_reports: bool
    log_level: str

    @property
    def midnight_ns(self) -> int:
        """The day's start in the exchange's zone: ITCH counts from there."""
        return self.instrument.at(self.day, time(0))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = argparse.ArgumentParser(
        prog="steadyhand venue",
        description="The paper exchange and EMS: FIX 4.4 orders and reference prices, ITCH 5.0 feed.",
    )
    p.add_argument("--config", type=Path, help="configuration file; options given beside it win")
    p.add_argument("--tape", type=Path, help="a tick store made by `steadyhand ingest`; none: synthetic flow")
    p.add_argument("--symbol", help="symbol (checked against the tape)")
    p.add_argument("--from", dest="begin", metavar="HH:MM", help="begin of the window, exchange time")
    p.add_argument("--to", dest="end", metavar="HH:MM", help="end of the window, exchange time")
    p.add_argument("--day", type=date.fromisoformat, help=f"of synthetic flow (default {SYNTHETIC_DAY})")
    p.add_argument("--seed", type=int, help="of synthetic flow and modelled latencies (default 1)")
    pace = p.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=float, help="times real time (default 1)")
    pace.add_argument("--lockstep", action="store_true", help="market time waits for gate and trader")
    p.add_argument("--lockstep-socket", type=Path, help="unix socket that the gate dials in lockstep")
    p.add_argument(
        "--gate-wait-s",
        type=int,
        default=GATE_WAIT_S,
        help=f"lockstep: give up after so long without a gate (default {GATE_WAIT_S})",
    )
    p.add_argument("--order-latency-us", type=int, help="lockstep: of an order (default 2000)")
    p.add_argument("--feed-latency-us", type=int, help="lockstep: of feed and reports (default 500)")
    for name, what in (("fix", "orders"), ("reference", "reference prices"), ("itch", "feed")):
        p.add_argument(f"--{name}-port", type=int, default=0, help=f"{what}; 0 = a free one")
    p.add_argument("--start", choices=("now", "command"), default="now", help="command: wait for stdin")
    p.add_argument("--out", type=Path, help="folder of itch.bin, fix-venue.log, venue.json; none: no files")
    p.add_argument("--comp-id", default="VENUE", help="our SenderCompID of the order session")
    p.add_argument("--client-comp-id", default="STEADYHAND", help="whose orders are taken")
    p.add_argument("--reference-comp-id", default="VENUE", help="our SenderCompID of reference prices")
    p.add_argument("--reference-client-comp-id", default="STEADYREF", help="who gets reference prices")
    p.add_argument("--feed-username", default="trader", help="of the feed's login, 6 letters at most")
    p.add_argument("--feed-password", default="paper", help="of the feed's login, 10 letters at most")
    p.add_argument("--replay", type=Path, metavar="RUN", help="play a finished run's folder again, compare")
    p.add_argument("--pending-reports", action="store_true", help="send PENDING_NEW and its like first")
    p.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    return p


def read(argv: list[str]) -> Options:
    """Return the options of a command line.

    Raises:
        ConfigError: one line, what is wrong and how to mend it.

    """
    args = parser().parse_args(argv)
    base = _from_config(args)
    tape: Path | None = args.tape or base.get("tape")
    instrument, day = _market(tape, base.get("instrument"), args)
    window = (
        _clock(args.begin, base.get("begin"), instrument, day, instrument.open),
        _clock(args.end, base.get("end"), instrument, day, instrument.close),
    )
    if not window[0] < window[1]:
        raise ConfigError(f"--from {args.begin} is not before --to {args.end}")
    speed = args.speed if args.speed is not None else base.get("speed", 1.0)
    if not 0 < speed <= 10_000:
        raise ConfigError(f"--speed {speed}: must be above 0 and at most 10000")
    seed = args.seed if args.seed is not None else base.get("seed", 1)
    if not 0 <= seed < 2**63:
        raise ConfigError(f"--seed {seed}: must lie in 0..2^63-1")
    if not 0 < args.gate_wait_s <= GATE_WAIT_S_MAX:
        raise ConfigError(f"--gate-wait-s {args.gate_wait_s}: must lie in 1..{GATE_WAIT_S_MAX}")
    for name in ("fix_port", "reference_port", "itch_port"):
        if not 0 <= getattr(args, name) <= PORT_MAX:
            raise ConfigError(f"--{name.replace('_', '-')} {getattr(args, name)}: must lie in 0..{PORT_MAX}")
    if len(args.feed_username) > 6 or len(args.feed_password) > 10:
        raise ConfigError("--feed-username has at most 6 letters, --feed-password 10 (SoupBinTCP)")
    names = (args.comp_id, args.client_comp_id), (args.reference_comp_id, args.reference_client_comp_id)
    if names[0] == names[1]:
        raise ConfigError("both FIX sessions have the same CompIDs; change --reference-client-comp-id")
    return Options(
        instrument=instrument,
        day=day,
        tape=tape,
        window=window,
        seed=seed,
        speed=speed,
        lockstep_socket=_lockstep_socket(args, base),
        gate_wait_s=args.gate_wait_s,
        order_latency_ns=_us(args.order_latency_us, base.get("order_latency_us", 2_000)),
        feed_latency_ns=_us(args.feed_latency_us, base.get("feed_latency_us", 500)),
        fix_port=args.fix_port,
        reference_port=args.reference_port,
        itch_port=args.itch_port,
        start_now=args.start == "now",
        out=args.out,
        comp_id=args.comp_id,
        client_comp_id=args.client_comp_id,
        reference_comp_id=args.reference_comp_id,
        reference_client_comp_id=args.reference_client_comp_id,
        username=args.feed_username,
        password=args.feed_password,
        pending_reports=args.pending_reports,
        log_level=args.log_level,
    )


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
    """Return what is traded and on which day."""
    if tape is None:
        chosen = instrument or SYNTHETIC
        if args.symbol not in (None, chosen.symbol):
            chosen = msgspec.structs.replace(chosen, symbol=Symbol(args.symbol))
        return chosen, args.day or SYNTHETIC_DAY
    from market.tape import Tape, TapeError  # pyarrow: synthetic runs need not wait for it

    try:
        opened = Tape.open(tape)
    except TapeError as error:
        raise ConfigError(f"--tape {error}") from None
    if args.symbol not in (None, opened.symbol):
        raise ConfigError(f"--symbol {args.symbol}: the tape {tape} is of {opened.symbol}")
    return opened.instrument, opened.day


def _clock(text: str | None, base: time | None, instrument: Instrument, day: date, default: time) -> int:
    """Return UTC ns of a clock time of the instrument's zone."""
    if text is None:
        return instrument.at(day, base or default)
    try:
        return instrument.at(day, time.fromisoformat(text))
    except ValueError:
        raise ConfigError(f"{text}: not a clock time, write HH:MM or HH:MM:SS") from None


def _us(given: int | None, base: int) -> int:
    value = base if given is None else given
    if not 0 <= value <= 10 * NS // 1_000:
        raise ConfigError(f"a latency of {value} us: must be between 0 and 10 s")
    return value * 1_000


def _lockstep_socket(args: argparse.Namespace, base: dict[str, Any]) -> Path | None:
    if not (args.lockstep or base.get("lockstep")):
        return None
    path: Path | None = args.lockstep_socket or base.get("lockstep_socket")
    if path is None:
        raise ConfigError("--lockstep needs --lockstep-socket PATH (or clock.lockstep_socket)")
    if len(str(path).encode()) > SOCKET_PATH_MAX:
        raise ConfigError(f"--lockstep-socket {path}: over {SOCKET_PATH_MAX} bytes; name a shorter path")
    return path
