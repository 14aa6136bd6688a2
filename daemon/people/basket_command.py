"""`steadyhand submit --basket FILE`: read it, have the gate admit all of it or nothing, print what came."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.config import Config
from daemon.options import USAGE
from daemon.people.basket import BasketError, Place, Row, read
from daemon.people.one_line import DONE, REFUSED, NoGate, Refused
from daemon.people.operator import ask_any, day_of, say_held

STDIN: Final = "-"


def submit_basket(config: Config, args: argparse.Namespace) -> int:
    """Carry it out; the exit code: 0 admitted, 1 refused or no gate, 2 the file has mistakes."""
    assert config.gate is not None
    now_ns, down = 0, None
    try:
        now_ns = ask_any(config, {"cmd": "ping"})["ts_ns"]
    except NoGate as error:
        if not args.dry_run:
            raise
        down = error  # the file is checked all the same
    name = "(stdin)" if args.basket == STDIN else args.basket
    place = Place(config.instruments, config.gate.account, now_ns, lambda i: day_of(i, now_ns))
    try:
        rows = read(text_of(args.basket), name, place)
    except BasketError as error:
        if args.json:
            print(json.dumps({"ok": False, "errors": error.faults}, indent=2))
        print("\n".join(error.faults), file=sys.stderr)
        return USAGE
    if down is not None:
        print(f"{len(rows)} parents read well; no gate to check them against")
        return DONE
    text = msgspec.json.encode([row.parent for row in rows]).decode()
    answer = ask_any(config, {"cmd": "basket", "parents": text, "dry_run": args.dry_run})
    if args.json:
        print(json.dumps(answer, indent=2))
    else:
        show(rows, answer)
    if answer.get("ok"):
        if not args.json:
            for symbol in sorted({row.parent.symbol for row in rows}):
                say_held(config, {"symbol": symbol})
        return DONE
    print(f"{args.prog}: {answer.get('error', 'refused')}", file=sys.stderr)
    return REFUSED


def text_of(path: str) -> str:
    """Return a file's text.

    Raises:
        Refused: it cannot be read.

    """
    try:
        return sys.stdin.read() if path == STDIN else Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}", USAGE) from None
    except UnicodeDecodeError:
        raise Refused(f"{path}: is not UTF-8 text", USAGE) from None


def show(rows: list[Row], answer: dict[str, Any]) -> None:
    """Print a table: what each row is, and what became of it."""
    verdicts = answer.get("rows") or [{"parent_id": "", "faults": [answer.get("error", "")]}] * len(rows)
    whole = bool(answer.get("ok"))
    good = "would be admitted" if answer.get("dry_run") else "admitted"
    table = [("line", "id", "side", "qty", "symbol", "window", "")]
    for row, verdict in zip(rows, verdicts, strict=True):
        p, faults = row.parent, verdict["faults"]
        word = (
            "; ".join(faults) if faults else good if whole else "not admitted: others in the basket are not"
        )
        qty = f"{p.qty:,}"
        table.append((str(row.line), verdict["parent_id"], p.side.name, qty, p.symbol, row.window, word))
    widths = [max(len(line[n]) for line in table) for n in range(6)]
    for line in table:
        cells = [line[n].rjust(widths[n]) if n in (0, 3) else line[n].ljust(widths[n]) for n in range(6)]
        print("  ".join([*cells, line[6]]).rstrip())
