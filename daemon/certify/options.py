"""The command line of `steadyhand certify`: read first, so that help and a mistake are answered at once."""

from pathlib import Path
from typing import Final

from daemon.options import PORT_MAX, Parser, whole

WAIT_S: Final = 10  # for one answer
WAIT_S_MAX: Final = 3_600  # where a person at the broker has to do something first


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand certify",
        description="Play a broker's certification script over a FIX session, and write the sign-off pack.",
        epilog="Exit 0: every case passed. 1: one did not. 2: the script cannot be read. 78: the profile.",
    )
    p.add_argument("profile", help="a shipped FIX profile (venue, fix44, fix42), or a profile file")
    p.add_argument("--host", help="the broker's; none: a venue of our own is started")
    p.add_argument("--port", type=whole(1, PORT_MAX), help="of the order session")
    p.add_argument("--sender", default="STEADYHAND", help="our SenderCompID")
    p.add_argument("--target", default="VENUE", help="the broker's")
    p.add_argument("--script", type=Path, action="append", help="file or folder of cases; again for more")
    p.add_argument("--case", action="append", help="play this case alone; again for more")
    p.add_argument("--out", type=Path, help="folder of the pack (default ./certify-PROFILE-TIME)")
    p.add_argument("--symbol", default="SYN", help="what is traded")
    p.add_argument("--mic", default="XNAS", help="where")
    p.add_argument("--account", default="PAPER", help="for whom")
    p.add_argument(
        "--price", metavar="BID,ASK", help="of the symbol there, where we get no prices (100,100.02)"
    )
    p.add_argument("--limits", type=Path, help="limits file (default: the paper limits)")
    p.add_argument(
        "--wait-s", type=whole(1, WAIT_S_MAX), default=WAIT_S, help=f"for one answer (default {WAIT_S})"
    )
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what certifies and run it."""
    args = parser().parse_args(argv)
    from daemon.certify import main as certify

    return certify.main(args)
