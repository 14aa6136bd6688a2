"""The command line of `steadyhand paper`: read first, so that help and a mistake are answered at once."""

from pathlib import Path
from typing import Final

from daemon.options import PORT_MAX, SEED_MAX, Parser, clock, crosses, price_e4, speed, whole

DEFAULT_POLICY: Final = "ppo-three-markets"  # the frozen policy that ships
DEFAULT_SPEED: Final = 10.0
LIMITS: Final = Path(__file__).parents[2] / "deploy" / "limits.paper.toml"


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand paper",
        description="Replay a market day through a simulated exchange and work parent orders in it.",
    )
    p.add_argument("--tape", type=Path, help="a tick store made by `steadyhand ingest`; none: synthetic SYN")
    p.add_argument("--symbol", help="symbol of the tape (checked against it)")
    p.add_argument(
        "--from", dest="start", type=clock, metavar="HH:MM", help="begin of the window, exchange's"
    )
    p.add_argument("--to", dest="end", type=clock, metavar="HH:MM", help="end of the window, exchange's")
    p.add_argument(
        "--close",
        dest="close_e4",
        type=price_e4,
        metavar="PRICE",
        help="of the day before: R05 holds orders against it too, where it is known",
    )
    p.add_argument(
        "--parent",
        action="append",
        default=[],
        metavar="TEXT",
        help='"SELL 2000 GOOG 10:05-10:25 [limit=… pov=…]", repeatable',
    )
    p.add_argument(
        "--policy",
        default=DEFAULT_POLICY,
        help=f"a baseline's name, script:FILE, or an artefact's folder (./mine) (default {DEFAULT_POLICY})",
    )
    p.add_argument(
        "--volume-curve", type=Path, metavar="FILE", help="of `vwap`, by `steadyhand curve` (default: a U)"
    )
    add_market(p)
    p.add_argument("--limits", type=Path, default=LIMITS, help="risk limits (TOML)")
    p.add_argument("--out", type=Path, help="run folder (default runs/<time>)")
    p.add_argument(
        "--metrics-port",
        type=whole(0, PORT_MAX),
        default=0,
        help="port of the metrics page (default: a free one)",
    )
    p.add_argument("--json", action="store_true", help="print report.json instead of the summary")
    return p


def add_market(p: Parser) -> None:
    """Add how the market is played."""
    pace = p.add_mutually_exclusive_group()
    pace.add_argument(
        "--speed", type=speed, default=DEFAULT_SPEED, help=f"times real time (default {DEFAULT_SPEED:g})"
    )
    pace.add_argument("--lockstep", action="store_true", help="virtual time: the same seed, the same fills")
    p.add_argument(
        "--feed",
        choices=("soupbintcp", "moldudp64"),
        default="soupbintcp",
        help="how ITCH comes to the trader",
    )
    p.add_argument(
        "--auctions", type=crosses, metavar="open,close,reopen", help="crosses of the exchange (default none)"
    )
    p.add_argument(
        "--scenario", type=Path, metavar="FILE", help="what goes wrong at the venue: see deploy/scenarios"
    )
    p.add_argument(
        "--profile", default="venue", help="the broker's FIX: a profile's name (default venue; fix42, ..)"
    )
    p.add_argument("--seed", type=whole(0, SEED_MAX), default=1, help="of synthetic flow (default 1)")


def main(argv: list[str]) -> int:
    """Parse, then load what runs it all and run it."""
    args = parser().parse_args(argv)
    from daemon.paper import main as paper

    return paper.main(args)
