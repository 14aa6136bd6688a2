"""The command line of `steadyhand ingest`: read first, so that help and a mistake are answered at once."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.options import Parser, day

if TYPE_CHECKING:
    Kinds = argparse._SubParsersAction[Parser]

FRAMINGS: Final = ("binary", "pcap", "itch8")


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
    others = (_binance(kinds), _bitstamp(kinds), _coinbase(kinds), _itch(kinds))
    for sub in (lob, par, *others):
        sub.add_argument("--out", type=Path, required=True, help="the folder to make")
        sub.add_argument("--force", action="store_true", help="replace a store that is there")
        sub.add_argument("--json", action="store_true", help="print the report as JSON")
    return top


def _binance(kinds: "Kinds") -> Parser:
    sub = kinds.add_parser("binance", help="depth diffs, trades and best quotes of Binance futures")
    sub.add_argument(
        "source",
        type=Path,
        nargs="+",
        metavar="STEM",
        help="of STEM.depth.parquet, .trades, .bbo and the first one's .snapshot; a session's parts in order",
    )
    sub.add_argument("--instrument", type=Path, required=True, help="an instrument file (TOML)")
    return sub


def _bitstamp(kinds: "Kinds") -> Parser:
    sub = kinds.add_parser("bitstamp", help="order events of Bitstamp, with its trades")
    sub.add_argument("source", type=Path, metavar="MESSAGES.parquet")
    sub.add_argument("--trades", type=Path, help="ts_ns price size: which of the changes are executions")
    sub.add_argument("--book", type=Path, help="recorded best levels, to be compared")
    sub.add_argument("--instrument", type=Path, required=True, help="an instrument file (TOML)")
    return sub


def _coinbase(kinds: "Kinds") -> Parser:
    sub = kinds.add_parser("coinbase", help="the full channel of Coinbase between two snapshots")
    sub.add_argument("source", type=Path, metavar="MESSAGES.parquet")
    sub.add_argument("--snapshot", type=Path, required=True, help="the book before the first message")
    sub.add_argument("--end-snapshot", type=Path, help="the book after the last one, to be compared")
    sub.add_argument("--instrument", type=Path, required=True, help="an instrument file (TOML)")
    return sub


def _itch(kinds: "Kinds") -> Parser:
    sub = kinds.add_parser("itch", help="ITCH 5.0: BinaryFILE (gzipped or not), pcap of MoldUDP64, itch8")
    sub.add_argument("source", type=Path, metavar="FILE")
    sub.add_argument("--symbol", required=True, help="whose orders to take")
    sub.add_argument("--day", type=day, help="YYYY-MM-DD, where neither name nor capture say it")
    sub.add_argument("--zone", default="America/New_York", help="whose midnight the times count from")
    sub.add_argument(
        "--framing", choices=FRAMINGS, help="where the file itself does not say it (by content, then name)"
    )
    sub.add_argument("--instrument", type=Path, help="an instrument file (TOML) in place of the defaults")
    return sub


def main(argv: list[str]) -> int:
    """Parse, then load what ingests and run it."""
    options = parser().parse_args(argv)
    from research.ingest import command

    return command.main(options)
