"""The command line of `steadyhand metrics`: read first, so that help and a mistake are answered at once."""

from pathlib import Path
from typing import Final

from daemon.options import PORT_MAX, Parser, whole

PORT: Final = 9464


def parser() -> Parser:
    """Return the command line."""
    p = Parser(prog="steadyhand metrics", description="Serve the processes' metrics to Prometheus.")
    p.add_argument("--config", type=Path, metavar="FILE", help="take directory, host and port from [metrics]")
    p.add_argument("--dir", type=Path, help="directory of the blocks, instead of the file's")
    p.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    p.add_argument("--port", type=whole(0, PORT_MAX), help=f"port, 0 for any free one (default {PORT})")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what serves and run it."""
    p = parser()
    args = p.parse_args(argv)
    if args.config is None and args.dir is None:
        p.error("say where the blocks are: --config FILE or --dir DIR")
    from daemon.metrics import server as metrics_server

    return metrics_server.main(args)
