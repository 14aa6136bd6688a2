"""`steadyhand journal verify|show|export`: check, read and export journals; a gate may be running.

Exit codes: 0 done, and what was verified is whole; 1 it is not (each fault with file and offset); 2 usage, or
nothing to read.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.options import USAGE
from daemon.people.journal_view import Event, Wanted, events
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN
from daemon.segments.layout import JournalError
from daemon.segments.reading import files
from daemon.segments.verifying import Verified, verify

NAME: Final = "steadyhand journal"
SHOWN_MAX: Final = 20  # faults that are printed; --json has all of them
ROWS_MAX: Final = 20_000  # rows of an export in memory at once
COMMON: Final = ("cl_ord_id", "parent_id", "symbol", "side", "qty", "price_e4", "exec_id")


def main(args: argparse.Namespace) -> int:
    """Do it; every failure is one line."""
    try:
        found = journals(args.path)
        if args.what == "verify":
            return check(found, args)
        wanted = Wanted(
            frozenset(kind.lower() for kind in args.kind),
            tuple(args.holding),
            seconds(args.since, "--since"),
            seconds(args.until, "--until"),
            args.first or 1,
        )
        if args.what == "show":
            return show(found, wanted, args)
        return export(found, wanted, args.out)
    except (JournalError, ValueError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return USAGE


def journals(path: Path) -> list[Path]:
    """Return the journals of a place.

    Raises:
        JournalError: there is none.

    """
    try:
        if path.is_file():
            files(path)  # says what it is
    except OSError as error:  # a name that is too long
        raise JournalError(f"{path}: {error.strerror}") from None
    folders = [path] if path.is_dir() and files(path) else []
    if not folders and path.is_dir():
        folders = sorted(p for p in path.rglob("*.journal") if "rehearsal" not in p.parts)
    if not folders:
        raise JournalError(f"{path}: no journal there")
    return folders


def seconds(text: str | None, option: str) -> float | None:
    """Return a time of day in seconds.

    Raises:
        ValueError: it is none.

    """
    if text is None:
        return None
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{option} {text!r}: write HH:MM or HH:MM:SS, UTC") from None
    return clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond * 1e-6


# --- verify -----------------------------------------------------------------------------------------


def check(folders: list[Path], args: argparse.Namespace) -> int:
    """Verify each of them."""
    found = [verify(folder, tuple(args.key)) for folder in folders]
    clean = all(v.clean for v in found)
    if args.json:
        print(json.dumps({"clean": clean, "journals": [msgspec.to_builtins(v) for v in found]}))
    else:
        for v in found:
            tell(v)
    return EXIT_DONE if clean else EXIT_NOT_CLEAN


def tell(v: Verified) -> None:
    """Print what was found in one journal."""
    word = "whole" if v.clean else f"{len(v.faults)} FAULTS"
    print(
        f"{v.journal}: {word}: {v.frames} frames, {v.segments} segments ({v.packed} packed), "
        f"{v.bytes} bytes, {v.checkpoints} checkpoints by {', '.join(v.signed_by) or 'nobody'}"
    )
    print(f"       head {v.head}")
    for text in v.faults[:SHOWN_MAX]:
        print(f"       {text}")
    for text in v.notes:
        print(f"       note: {text}")
    if v.unsigned_frames:
        print(f"       note: {v.unsigned_frames} frames came after the last checkpoint")


# --- show -------------------------------------------------------------------------------------------


def show(folders: list[Path], wanted: Wanted, args: argparse.Namespace) -> int:
    """Print events, and say so where there are none."""
    shown = 0
    for folder in folders:
        found: Iterator[Event] | deque[Event] = events(folder, wanted)
        if args.last:
            found = deque(found, maxlen=args.last)
        if len(folders) > 1 and not args.json:
            print(f"# {folder}")
        for event in found:
            shown += 1
            if args.json:
                named = {"journal": str(folder)} | msgspec.to_builtins(event)
                print(json.dumps(named))
            else:
                print(event.line())
    if not shown:
        print(f"{NAME}: no such event in {', '.join(map(str, folders))}", file=sys.stderr)
    return EXIT_DONE


# --- export -----------------------------------------------------------------------------------------


def export(folders: list[Path], wanted: Wanted, out: Path) -> int:
    """Write events as rows of a parquet file, a bounded number at a time."""
    import pyarrow as pa  # no gate ever loads it
    import pyarrow.parquet as pq

    numbers, texts = (
        ("number", "offset", "ts_ns", "mono_ns", "qty", "price_e4"),
        ("journal", "kind", "fields"),
    )
    names = [*texts[:2], "number", "offset", "ts_ns", "mono_ns", *COMMON, "fields"]
    schema = pa.schema([(name, pa.int64() if name in numbers else pa.string()) for name in names])
    rows, count = [], 0
    half = out.with_name(out.name + ".half")
    try:
        with pq.ParquetWriter(half, schema, compression="zstd") as writer:
            for folder, event in ((f, e) for f in folders for e in events(f, wanted)):
                rows.append(row(folder, event))
                if len(rows) >= ROWS_MAX:
                    count += write(writer, schema, rows)
            count += write(writer, schema, rows)
        half.replace(out)
    except OSError as error:
        raise JournalError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        half.unlink(missing_ok=True)
    print(f"{out}: {count} events of {len(folders)} journals")
    return EXIT_DONE


def write(writer: Any, schema: Any, rows: list[dict[str, Any]]) -> int:
    """Write rows and forget them; return how many there were."""
    import pyarrow as pa

    count = len(rows)
    if count:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        rows.clear()
    return count


def row(folder: Path, event: Event) -> dict[str, Any]:
    """Return an event as a row: what orders have in common as columns, all of it as JSON."""
    fields = event.fields
    inner = fields.get("sent", [{}])[0] if isinstance(fields.get("sent"), list) and fields["sent"] else fields
    found = {name: inner.get(name) for name in COMMON}
    for name in ("qty", "price_e4"):
        found[name] = found[name] if isinstance(found[name], int) else None
    for name in ("cl_ord_id", "parent_id", "symbol", "side", "exec_id"):
        found[name] = str(found[name]) if found[name] is not None else None
    head = {"journal": folder.name, "kind": event.kind, "number": event.number, "offset": event.offset}
    times = {"ts_ns": event.ts_ns or None, "mono_ns": event.mono_ns or None}
    return head | times | found | {"fields": msgspec.json.encode(fields).decode()}
