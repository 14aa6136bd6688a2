"""What a paper run starts from: the market it plays, its folder and configuration."""

import argparse
import datetime as dt
import json
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.config import load_profile
from daemon.people.keys import make_paper_keys
from daemon.strict_toml import ConfigError
from daemon.venue.options import SYNTHETIC_DAY
from daemon.venue.settings import SYNTHETIC, open_tape
from gateways.fix.wire import decimal_text
from market.instruments import Instrument
from market.parents import ParentOrder
from market.types import NS
from risk import calendar

DEFAULT_QTY: Final = 2_000
SCRIPT: Final = "script:"
LEAD_NS: Final = 30 * NS  # market time before the first parent: features and reference prices settle
TAIL_NS: Final = 20 * NS  # market time after the last parent: cancels come back
REHEARSE_US: Final = 2_000  # decision 14: 1 ms brings no more, 3 ms a good deal less
SYNTHETIC_START: Final = dt.time(10, 0)
SYNTHETIC_MINUTES: Final = 10
TAPE_ADV: Final = 2_000_000  # declared for tapes whose store does not know one; paper says so


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """The market of a run: a recorded day or synthetic flow, and the part of it that is played."""

    instrument: Instrument
    day: dt.date
    tape: Path | None
    from_ns: int
    to_ns: int


def choose_market(args: argparse.Namespace, parents: Sequence[ParentOrder] = ()) -> Market:
    """Return the market that the options name; the windows of the parents set the part that is played.

    Raises:
        ConfigError: an option cannot be met.
    """
    if args.scenario is not None and not parents:
        from daemon.venue.scenario_file import check_scenario  # a second that other runs need not wait

        check_scenario(args.scenario, lockstep=args.lockstep)
    if args.tape is None:
        if args.symbol not in (None, SYNTHETIC.symbol):
            raise ConfigError(
                f"--symbol {args.symbol}: synthetic flow is {SYNTHETIC.symbol}; give --tape DIR"
            )
        instrument, day = SYNTHETIC, SYNTHETIC_DAY
        first_ns, last_ns = instrument.session(day)
    else:
        instrument, day, first_ns, last_ns = tape_of(args.tape)
        if args.symbol not in (None, instrument.symbol):
            raise ConfigError(f"--symbol {args.symbol}: the tape {args.tape} is of {instrument.symbol}")
    from_ns = instrument.at(day, args.start) if args.start else None
    to_ns = instrument.at(day, args.end) if args.end else None
    check_parents(parents, instrument, from_ns or first_ns, to_ns or last_ns)
    if parents:
        from_ns = from_ns or max(first_ns, min(p.start_ns for p in parents) - LEAD_NS)
        to_ns = to_ns or min(last_ns, max(p.end_ns for p in parents) + TAIL_NS)
    if args.tape is None and from_ns is None:
        from_ns = instrument.at(day, SYNTHETIC_START) - LEAD_NS
        to_ns = to_ns or from_ns + LEAD_NS + SYNTHETIC_MINUTES * 60 * NS + TAIL_NS
    from_ns, to_ns = from_ns or first_ns, to_ns or last_ns
    if not first_ns <= from_ns < to_ns <= last_ns:
        raise ConfigError(
            f"--from/--to: {instrument.clock(from_ns)[:8]}-{instrument.clock(to_ns)[:8]} is not inside "
            f"{instrument.clock(first_ns)[:8]}-{instrument.clock(last_ns)[:8]}, which is what there is of "
            f"{instrument.symbol}"
        )
    return Market(instrument=instrument, day=day, tape=args.tape, from_ns=from_ns, to_ns=to_ns)


def check_parents(parents: Sequence[ParentOrder], instrument: Instrument, from_ns: int, to_ns: int) -> None:
    """Refuse a parent that would work where there is no market to work in."""
    for parent in parents:
        if not from_ns <= parent.start_ns < parent.end_ns <= to_ns:
            begin, end, first, last = (
                instrument.clock(t)[:8] for t in (parent.start_ns, parent.end_ns, from_ns, to_ns)
            )
            raise ConfigError(
                f"--parent {parent.side.name} {parent.qty} {parent.symbol}: {begin}-{end} is not inside the "
                f"market that is played, {first}-{last}"
            )


def tape_of(path: Path) -> tuple[Instrument, dt.date, int, int]:
    """Return instrument, day and the first and last market time (UTC ns, whole seconds) of a tick store."""
    tape = open_tape(path)
    instrument = calendar.load().with_short_days(tape.instrument)
    if not instrument.adv:
        instrument = msgspec.structs.replace(instrument, adv=TAPE_ADV)
    open_ns, close_ns = instrument.session(tape.day)
    first_ns, last_ns = tape.first_ns // NS * NS, -(-tape.last_ns // NS) * NS
    if not max(open_ns, first_ns) < min(close_ns, last_ns):
        told, session = (
            "-".join(instrument.clock(t)[:8] for t in pair)
            for pair in ((first_ns, last_ns), (open_ns, close_ns))
        )
        raise ConfigError(
            f"--tape {path}: it is of {told}, outside {instrument.symbol}'s session {session}; ingest it "
            "again with an instrument file that says when it is open"
        )
    return instrument, tape.day, max(open_ns, first_ns), min(close_ns, last_ns)


def default_parent(market: Market) -> str:
    """Return the parent text of a run that names none: 2,000 shares over the window."""
    lead = LEAD_NS if market.to_ns - market.from_ns > 2 * (LEAD_NS + TAIL_NS) else 0
    tail = TAIL_NS if lead else 0
    begin, end = (market.instrument.clock(t)[:8] for t in (market.from_ns + lead, market.to_ns - tail))
    return f"SELL {DEFAULT_QTY} {market.instrument.symbol} {begin}-{end}"


def make_run_folder(out: Path | None) -> Path:
    """Create and return the run folder; one that holds something is refused, never overwritten."""
    path = out or Path("runs") / f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}"
    try:
        if path.exists() and any(path.iterdir()):
            raise ConfigError(f"--out {path}: is not empty; name a new folder")
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror}") from None
    return path.resolve()


def make_socket_folder() -> Path:
    """Return a short private folder: a unix socket's path may hold 107 bytes, a run folder's more."""
    return Path(tempfile.mkdtemp(prefix="steadyhand-"))


def venue_argv(args: argparse.Namespace, market: Market, run: Path, lockstep: Path | None) -> list[str]:
    """Return the venue's command line."""
    clock = market.instrument.clock
    argv = ["venue", "--symbol", market.instrument.symbol, "--seed", str(args.seed)]
    argv += ["--from", clock(market.from_ns)[:8], "--to", clock(market.to_ns)[:8]]
    argv += ["--start", "command", "--out", str(run)]
    if market.tape is not None:
        argv += ["--tape", str(market.tape.resolve())]
    if args.scenario is not None:
        argv += ["--scenario", str(args.scenario.resolve())]
    if args.close_e4 is not None:
        argv += ["--close", decimal_text(args.close_e4)]
    if args.auctions:
        argv += ["--auctions", ",".join(args.auctions)]
    version = load_profile(args.profile).version
    argv += ["--fix-version", version.removeprefix("FIX.")]
    if args.feed == "moldudp64":
        argv += ["--mold", _free_lines()]
    if lockstep is not None:
        return [*argv, "--lockstep", "--lockstep-socket", str(lockstep)]
    return [*argv, "--speed", str(args.speed)]


def write_positions(path: Path, account: str, sells: dict[str, int]) -> None:
    """Write start-of-day positions that make every SELL of the run long."""
    rows = [f"{account},{symbol},{qty}" for symbol, qty in sorted(sells.items())]
    path.write_text("\n".join(["account,symbol,qty", *rows]) + "\n")


def absolute_policy(policy: str) -> str:
    """Return the policy with its file or folder made absolute; a word without a slash is a name."""
    if policy.startswith(SCRIPT):
        return SCRIPT + str(Path(policy.removeprefix(SCRIPT)).resolve())
    return str(Path(policy).absolute()) if "/" in policy else policy  # a link stays one: it is refused


def _feed(ports: dict[str, Any]) -> dict[str, Any]:
    mold, snapshot = ports.get("mold"), {"snapshot": f"127.0.0.1:{ports['glimpse']}"}
    if not mold:
        return {"port": ports["itch"], **snapshot}
    requests = f"127.0.0.1:{mold['requests']}"
    return {"protocol": "moldudp64", "lines": mold["lines"], "requests": requests, **snapshot}


def _free_lines() -> str:
    """Return two free UDP ports of loopback, as the venue takes them: a feed's A and B line."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    lines = ",".join(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)
    for each in sockets:
        each.close()
    return lines


def compose_config(
    args: argparse.Namespace, market: Market, run: Path, sockets: Path, ports: dict[str, Any]
) -> Path:
    """Write the run's configuration, which `steadyhand status --config` and the rest can use, too."""
    i = market.instrument
    clock: dict[str, Any] = {"source": "anchor"}
    if ports.get("lockstep"):
        clock["lockstep_socket"] = str(ports["lockstep"])
    tree: dict[str, Any] = {
        "mode": "paper",
        "clock": clock,
        "gate": {
            "state_dir": str(run / "gate"),
            "control_socket": str(sockets / "control.sock"),
            "link_socket": str(sockets / "link.sock"),
            "limits": str(args.limits.resolve()),
            "kill_file": str(run / "KILL"),
            "positions": str(run / "positions.csv"),
            "day_dir": str(run / "days"),
            "keyring": str(make_paper_keys(run / "keys")),
            "rehearse_us": REHEARSE_US,
            "order_session": {"port": ports["fix"], "profile": args.profile},
            "reference_session": {
                "port": ports["reference"],
                "heartbeat_s": 1,
                "sender_comp_id": "STEADYREF",
            },
        },
        "trader": {
            "feed": _feed(ports),
            "symbols": [i.symbol],
            "policy": absolute_policy(args.policy),
            "journal_dir": str(run / "trader"),
            "rehearse_us": REHEARSE_US,
        },
        "metrics": {"port": args.metrics_port, "directory": str(sockets / "metrics")},
    }
    if args.volume_curve is not None:
        tree["trader"]["volume_curve"] = str(args.volume_curve.resolve())
    instrument = {
        "symbol": i.symbol,
        "mic": i.mic,
        "currency": i.currency,
        "zone": i.zone,
        "lot": i.lot,
        "round_lot": i.round_lot,
        "size_unit": i.size_unit,
        "open": i.open,
        "close": i.close,
        "adv": i.adv,
        "daily_volatility_bps": i.daily_volatility_bps,
        "calendar": calendar.load().for_tape(i, market.from_ns),
        **({"auctions": list(args.auctions)} if args.auctions else {}),
    }
    path = run / "config.toml"
    bands = [f"[[instrument.ticks]]\n{toml_table(msgspec.structs.asdict(band))}" for band in i.ticks]
    head = "\n".join(toml_lines(tree, ""))
    path.write_text("\n\n".join([head, "[[instrument]]\n" + toml_table(instrument), *bands]))
    return path


def toml_lines(tree: dict[str, Any], prefix: str) -> list[str]:
    """Return a tree of plain values as TOML lines."""
    lines = [f"{key} = {toml_value(value)}" for key, value in tree.items() if not isinstance(value, dict)]
    for key, value in tree.items():
        if isinstance(value, dict):
            name = f"{prefix}{key}"
            lines += ["", f"[{name}]", *toml_lines(value, f"{name}.")]
    return lines


def toml_table(tree: dict[str, Any]) -> str:
    """Return flat keys as TOML text."""
    return "\n".join(f"{key} = {toml_value(value)}" for key, value in tree.items()) + "\n"


def toml_value(value: Any) -> str:
    """Return one plain value as TOML; a JSON string is a TOML basic string."""
    return value.isoformat() if isinstance(value, dt.time) else json.dumps(value)
