"""`steadyhand sod`: check a day's dated files, hash them into a manifest, and have the gate begin the day.

The signature names the manifest's hash, so that the gate takes those files and no others. A symbol that a
required file lacks is untradable that day, and is told. Exit codes: 0 begun, 1 refused, 2 files, 78 config.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

from daemon.config import Config, load, load_profile
from daemon.people.one_line import DONE, NoGate, in_one_line
from daemon.people.operator import ask, ask_signed
from daemon.people.sod_files import DayFilesError, prepare
from daemon.people.sod_paper import synthesise
from daemon.strict_toml import ConfigError
from market.types import Symbol
from risk.commands import DayBegin

NAME: Final = "steadyhand sod"


def main(args: argparse.Namespace) -> int:
    """Prepare and begin; every failure is one line."""
    return in_one_line(NAME, args.json, lambda: begin(load(args.config), args), (DayFilesError,))


def begin(config: Config, args: argparse.Namespace) -> int:
    """Check the files; then the gate's word is what counts."""
    folder, day = day_dir(config), args.day.isoformat()
    assert config.gate is not None
    if args.synthetic:
        if config.mode != "paper":
            raise ConfigError("--synthetic: a live day has files from those who know")
        synthesise(folder, day, config.instruments, config.gate.positions, closes(config))
    sent = load_profile(config.gate.order_session.profile).symbols
    manifest, digest = prepare(folder, day, config.instruments, args.synthetic, sent)
    lines = [f"{day}: {len(manifest.files)} files, manifest {digest}"]
    if manifest.synthetic:
        lines.append("synthetic files: what the configuration says, from nobody who knows")
    lines += [f"untradable: {symbol}: {why}" for symbol, why in sorted(manifest.untradable.items())]
    facts: dict[str, Any] = {
        "day": day,
        "manifest": digest,
        "synthetic": manifest.synthetic,
        "untradable": manifest.untradable,
    }
    if not args.check:
        facts |= ask_signed(config, DayBegin(day=day, manifest=digest), args.key, "first")
        lines.append(f"the day {day} has begun")
    print(json.dumps({"ok": True} | facts, indent=2) if args.json else "\n".join(lines))
    return DONE


def day_dir(config: Config) -> Path:
    """Return where days' folders are.

    Raises:
        ConfigError: nowhere.

    """
    if config.gate is None or config.gate.day_dir is None:
        raise ConfigError("gate.day_dir is not configured: there is no place for a day's files")
    return config.gate.day_dir


def closes(config: Config) -> dict[Symbol, int]:
    """Return the last prices that the running gate knows, for want of a close; none where none runs."""
    try:
        known = ask(config, {"cmd": "status", "orders": "live"})["reference"]
    except NoGate:
        return {}
    return {Symbol(s): p["close_e4"] or p["last_e4"] or p["bid_e4"] for s, p in known.items()}
