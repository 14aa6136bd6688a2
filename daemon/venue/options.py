"""The command line of `steadyhand venue`: read first, so that help and a mistake are answered at once."""

from datetime import date
from pathlib import Path
from typing import Final

from daemon.options import PORT_MAX, SEED_MAX, Parser, addresses, clock, crosses, day, price_e4, speed, whole

SYNTHETIC_DAY: Final = date(2024, 1, 2)
GATE_WAIT_S: Final = 60  # a person starts a gate by hand, or one that crashed is started again
GATE_WAIT_S_MAX: Final = 3_600  # nobody is waited for longer
LATENCY_US_MAX: Final = 10_000_000  # 10 s; no line is slower
LATENCY_US: Final = whole(0, LATENCY_US_MAX)


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand venue",
        description="The paper exchange and EMS: FIX 4.4 or 4.2 orders, reference prices, ITCH 5.0 feed.",
    )
    p.add_argument("--config", type=Path, help="configuration file; options given beside it win")
    p.add_argument("--tape", type=Path, help="a tick store made by `steadyhand ingest`; none: synthetic flow")
    p.add_argument(
        "--flow",
        help="synthetic flow: zero-intelligence (default), or queue-reactive:CALIBRATION, a name or a file",
    )
    p.add_argument("--symbol", help="symbol (checked against the tape)")
    p.add_argument(
        "--from", dest="begin", type=clock, metavar="HH:MM", help="begin of the window, exchange's"
    )
    p.add_argument(
        "--to",
        dest="end",
        type=clock,
        metavar="HH:MM",
        help="end of the flow, exchange's; clients are served until the venue is told to stop",
    )
    p.add_argument("--day", type=day, help=f"of synthetic flow (default {SYNTHETIC_DAY})")
    p.add_argument("--seed", type=whole(0, SEED_MAX), help="of flow and modelled latencies (default 1)")
    p.add_argument(
        "--close", dest="close_e4", type=price_e4, metavar="PRICE", help="of the day before, if known"
    )
    pace = p.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=speed, help="times real time (default 1)")
    pace.add_argument("--lockstep", action="store_true", help="market time waits for gate and trader")
    p.add_argument("--lockstep-socket", type=Path, help="unix socket that the gate dials in lockstep")
    p.add_argument(
        "--gate-wait-s",
        type=whole(1, GATE_WAIT_S_MAX),
        default=GATE_WAIT_S,
        help=f"lockstep: give up after so long without a gate (default {GATE_WAIT_S})",
    )
    p.add_argument("--order-latency-us", type=LATENCY_US, help="lockstep: of an order (default 2000)")
    p.add_argument("--feed-latency-us", type=LATENCY_US, help="lockstep: of feed and reports (default 500)")
    p.add_argument("--start", choices=("now", "command"), default="now", help="command: wait for stdin")
    p.add_argument("--out", type=Path, help="folder of itch.bin, fix-venue.log, venue.json; none: no files")
    lines(p)
    p.add_argument(
        "--auctions", type=crosses, metavar="open,close,reopen", help="crosses of the exchange (default none)"
    )
    p.add_argument("--replay", type=Path, metavar="RUN", help="play a finished run's folder again, compare")
    p.add_argument("--pending-reports", action="store_true", help="send PENDING_NEW and its like first")
    p.add_argument("--scenario", type=Path, metavar="FILE", help="what goes wrong, and when: see RUNBOOK")
    p.add_argument(
        "--acceptor",
        choices=("quickfix", "plain"),
        help="what takes FIX connections (default quickfix; plain where a scenario breaks bytes)",
    )
    p.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    return p


def lines(p: Parser) -> None:
    """Add where the venue listens and publishes, and under which names."""
    for name, what in (("fix", "orders"), ("reference", "reference prices"), ("itch", "feed")):
        p.add_argument(f"--{name}-port", type=whole(0, PORT_MAX), default=0, help=f"{what}; 0 = a free one")
    p.add_argument(
        "--drop-copy-port",
        type=whole(0, PORT_MAX),
        help="tell executions on a second session; 0 = a free one",
    )
    p.add_argument(
        "--fix-version", choices=("4.2", "4.4"), default="4.4", help="of the order session (default 4.4)"
    )
    p.add_argument("--comp-id", default="VENUE", help="our SenderCompID of the order session")
    p.add_argument("--client-comp-id", default="STEADYHAND", help="whose orders are taken")
    p.add_argument("--reference-comp-id", default="VENUE", help="our SenderCompID of reference prices")
    p.add_argument("--reference-client-comp-id", default="STEADYREF", help="who gets reference prices")
    p.add_argument("--feed-username", default="trader", help="of the feed's login, 6 letters at most")
    p.add_argument("--feed-password", default="paper", help="of the feed's login, 10 letters at most")
    p.add_argument(
        "--mold",
        type=addresses,
        default=(),
        metavar="HOST:PORT,...",
        help="publish the feed on these MoldUDP64 lines too (unicast, or groups on loopback)",
    )
    p.add_argument(
        "--mold-port", type=whole(0, PORT_MAX), default=0, help="MoldUDP64 requests; 0 = a free one"
    )
    p.add_argument(
        "--glimpse-port", type=whole(0, PORT_MAX), default=0, help="snapshots of the book; 0 = a free one"
    )


def main(argv: list[str]) -> int:
    """Parse, then load the venue and run it."""
    args = parser().parse_args(argv)
    from daemon.venue import main as venue

    return venue.main(args)
