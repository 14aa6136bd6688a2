"""`steadyhand eod`: the gate ends the day where nothing is open and the broker's positions are its own.

The broker's file is `<day_dir>/<day>/broker_positions.csv`; the signature names its hash. What the gate
answers, with the hash of its journal up to there, is written beside it as `seal.json` and signed.
Exit codes: 0 ended, 1 refused (each reason in the line), 2 files, 78 configuration.
"""

import argparse
import json
from pathlib import Path
from typing import Final

from daemon.config import Config, load
from daemon.people.keys import load_private, sign_file
from daemon.people.one_line import DONE, in_one_line
from daemon.people.operator import ask, ask_signed, paper_key
from daemon.people.sod_command import day_dir
from daemon.people.sod_files import BROKER, DayFilesError, read, sha256
from daemon.segments.layout import JournalError
from daemon.segments.reading import head_sha256
from risk.commands import DayEnd

NAME: Final = "steadyhand eod"
SEAL: Final = "seal.json"


def main(args: argparse.Namespace) -> int:
    """Compare, end and seal; every failure is one line."""
    files = (DayFilesError, JournalError)
    return in_one_line(NAME, args.json, lambda: end(load(args.config), args), files)


def end(config: Config, args: argparse.Namespace) -> int:
    """Have the gate end the day, then seal it."""
    day = args.day.isoformat()
    place = day_dir(config) / day
    read(place / BROKER, day)
    answer = ask_signed(config, DayEnd(day=day, positions=sha256(place / BROKER)), args.key, "first")
    journal = ask(config, {"cmd": "status", "orders": "live"})["journal"]
    facts = {
        "day": day,
        "positions": answer["positions"],
        "state": answer["state"],
        "journal": {
            "bytes": journal["bytes"],
            "sha256": head_sha256(Path(journal["path"]), journal["bytes"]),
        },
    }
    seal = place / SEAL
    try:
        seal.write_text(json.dumps(facts, indent=1) + "\n")
    except OSError as error:
        raise DayFilesError(f"{seal}: cannot be written: {error.strerror}") from None
    sign_file(seal, load_private(args.key if args.key is not None else paper_key(config, "first")))
    held = len(answer["positions"])
    text = f"the day {day} has ended: {held} positions as the broker has them; sealed in {seal}"
    print(json.dumps({"ok": True, "seal": str(seal)} | facts, indent=2) if args.json else text)
    return DONE
