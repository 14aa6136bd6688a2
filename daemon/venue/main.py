"""`steadyhand venue`: the paper exchange and EMS as a process of its own."""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from daemon import logs
from daemon.runtime import EXIT_CONFIG, EXIT_USAGE, run_and_exit
from daemon.strict_toml import ConfigError
from daemon.venue.parts import build_flow
from daemon.venue.replay import replay
from daemon.venue.settings import read
from daemon.venue.shell import LOG_FILE, Venue


def main(args: argparse.Namespace) -> int:
    """Run a venue, or replay a run of one."""
    try:
        if args.replay is not None:
            logs.configure("venue", args.log_level)
            return replay(args.replay, args.out)
        options = read(args)
        logs.configure("venue", options.log_level)
        if options.out is not None and (options.out / LOG_FILE).exists():
            raise ConfigError(f"--out {options.out}: holds a run already; name a new folder")
        flow = build_flow(options)
        folder = options.out or Path(tempfile.mkdtemp(prefix="steadyhand-venue-"))
        folder.mkdir(parents=True, exist_ok=True)
    except ConfigError as error:
        print(f"steadyhand venue: {error}", file=sys.stderr)
        return EXIT_USAGE if args.config is None else EXIT_CONFIG
    except OSError as error:
        print(f"steadyhand venue: --out: {error}; name a folder that can be written", file=sys.stderr)
        return EXIT_USAGE

    def tidy() -> None:
        if options.out is None:
            with contextlib.suppress(OSError):
                folder.rmdir()

    return run_and_exit(Venue(options, flow, folder).main, tidy)
