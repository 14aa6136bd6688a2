"""The command line of `steadyhand ingest`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser, day


def parser() -> Parser:
    """Return the command line."""
    top = Parser(
        prog="steadyhand ingest",
        description="Turn recordings of other formats into tick stores, with a quality report.",
    )
    kinds = top.add_subparsers(dest="format", required=True, metavar="FORMAT")
    lob = kinds.add_parser("lobster", help="a LOBSTER zip of messages and an L-level book")
    lob.add_argument("source", type=Path, metavar="FILE.zip")
    lob.add_argument("--symbol", help="where the file names do not say it")
    lob.add_argument("--day", type=day, help="YYYY-MM-DD, where the file names do not say it")
    lob.add_argument("--zone", default="America/New_York", help="whose midnight the times count from")
    lob.add_argument("--instrument", type=Path, help="an instrument file (TOML) in place of the defaults")
    par = kinds.add_parser("parquet", help="order-by-order messages: ts_ns type order_id size price dir")
    par.add_argument("source", type=Path, metavar="MESSAGES.parquet")
    par.add_argument(
        "--snapshot", type=Path, help="the book before the first message: order_id dir price size"
    )
    par.add_argument("--end-snapshot", type=Path, help="the book after the last one, to be compared")
    par.add_argument("--instrument", type=Path, required=True, help="an instrument file (TOML)")
    for sub in (lob, par):
        sub.add_argument("--out", type=Path, required=True, help="the folder to make")
        sub.add_argument("--force", action="store_true", help="replace a store that is there")
        sub.add_argument("--json", action="store_true", help="print the report as JSON")
    return top


def main(argv: list[str]) -> int:
    """Parse, then load what ingests and run it."""
    options = parser().parse_args(argv)
    from research.ingest import command

    return command.main(options)
