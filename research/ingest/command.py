"""`steadyhand ingest`: recordings of other formats into tick stores, with a quality report."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from market.instruments import Instrument
from market.tape import TapeError
from research.ingest import binance, bitstamp, coinbase, itch, lobster, parquet
from research.ingest.itch_files import Framing
from research.ingest.quality import show
from research.ingest.source import SourceError


def main(options: argparse.Namespace) -> int:
    """Run the sub-command; 0 done, 2 where source or place are not as they must be, 130 interrupted."""
    try:
        quality = RUNS[options.format](options)
    except (SourceError, TapeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:  # a full disk, a folder taken away: the unfinished store is gone already
        why = os.strerror(error.errno) if error.errno else str(error)  # pyarrow tells it with a detail
        sys.stderr.write(f"{options.out}: {why}; make room or give another --out\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: no store was written\n")
        return 130
    if options.json:
        sys.stdout.write(json.dumps({"out": str(options.out), "quality": quality}) + "\n")
    else:
        sources = options.source if isinstance(options.source, list) else [options.source]
        show(f"{', '.join(source.name for source in sources)} -> {options.out}", quality)
    return 0


def run_lobster(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest a LOBSTER zip."""
    instrument = read_instrument(options.instrument) if options.instrument else None
    return lobster.ingest(
        options.source,
        options.out,
        symbol=options.symbol,
        day=options.day,
        instrument=instrument,
        zone=options.zone,
        force=options.force,
    )


def run_parquet(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest order-by-order parquet messages."""
    return parquet.ingest(
        options.source,
        options.out,
        read_instrument(options.instrument),
        snapshot=options.snapshot,
        end_snapshot=options.end_snapshot,
        force=options.force,
    )


def run_binance(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest the parts of one session of Binance futures."""
    return binance.ingest(
        options.source, options.out, read_instrument(options.instrument), force=options.force
    )


def run_bitstamp(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest order events of Bitstamp."""
    return bitstamp.ingest(
        options.source,
        options.out,
        read_instrument(options.instrument),
        trades=options.trades,
        book=options.book,
        force=options.force,
    )


def run_coinbase(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest the full channel of Coinbase."""
    return coinbase.ingest(
        options.source,
        options.out,
        read_instrument(options.instrument),
        snapshot=options.snapshot,
        end_snapshot=options.end_snapshot,
        force=options.force,
    )


def run_itch(options: argparse.Namespace) -> dict[str, Any]:
    """Ingest one symbol of an ITCH 5.0 file."""
    return itch.ingest(
        options.source,
        options.out,
        options.symbol,
        day=options.day,
        instrument=read_instrument(options.instrument) if options.instrument else None,
        zone=options.zone,
        framing=Framing(options.framing) if options.framing else None,
        force=options.force,
    )


RUNS: Final[dict[str, Callable[[argparse.Namespace], dict[str, Any]]]] = {
    "lobster": run_lobster,
    "parquet": run_parquet,
    "binance": run_binance,
    "bitstamp": run_bitstamp,
    "coinbase": run_coinbase,
    "itch": run_itch,
}


def read_instrument(path: Path) -> Instrument:
    """Read an instrument file; unknown keys are refused."""
    try:
        raw = msgspec.toml.decode(path.read_bytes())
        known = {field.name for field in msgspec.structs.fields(Instrument)}
        unknown = sorted(set(raw) - known)
        if unknown:
            raise SourceError(
                str(path), None, f"unknown key {unknown[0]!r}", f"known are {', '.join(sorted(known))}"
            )
        return msgspec.convert(raw, Instrument)
    except FileNotFoundError as error:
        raise SourceError(
            str(path), None, "there is no such file", "give an instrument file (TOML)"
        ) from error
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise SourceError(str(path), None, text, "see docs for the keys of an instrument") from error
