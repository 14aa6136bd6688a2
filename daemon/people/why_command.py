"""`steadyhand why [PARENT|SYMBOL] [--at TIME]`: what keeps it from trading, and what would clear that.

Without --at the running gate is asked. With it the gate's journal is replayed up to then, which also tells
since when each thing held; nothing is written, and a gate may be running. Exit codes: 0 nothing keeps it, 1
something does, 2 usage, 3 no gate, 78 configuration or journal.
"""

import argparse
import json
import sys
from datetime import time
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.config import Config, ConfigError, load
from daemon.gate import why
from daemon.gate.core import GateCore
from daemon.gate.journal import JOURNAL_NAME, Input, frames
from daemon.journal import JournalError
from daemon.options import USAGE
from daemon.people.operator import CONFIG, DONE, DOWN, REFUSED, NoGate, Refused, ask
from market.events import Stamp, Timer
from market.types import ParentID

NAME: Final = "steadyhand why"
END: Final = "end"
S: Final = 1_000_000_000


def main(args: argparse.Namespace) -> int:
    """Ask, or replay; every failure is one line."""
    try:
        config = load(args.config)
        if config.gate is None:
            raise ConfigError(f"{args.config}: there is no [gate] section")
        answer = replayed(config, args) if args.at else asked(config, args.what)
    except (ConfigError, JournalError) as error:
        text, code = str(error), CONFIG
    except NoGate as error:
        text, code = f"{error}; --at end asks its journal", DOWN
    except Refused as error:
        text, code = str(error), error.code
    else:
        if args.json:
            print(json.dumps(answer, indent=2))
        else:
            show(config, answer)
        return REFUSED if answer["blockers"] else DONE
    if args.json:
        print(json.dumps({"ok": False, "error": text}))
    print(f"{NAME}: {text}", file=sys.stderr)
    return code


def asked(config: Config, what: str) -> dict[str, Any]:
    """Ask the running gate."""
    if what.upper() in config.instruments:
        return ask(config, {"cmd": "why", "symbol": what.upper()})
    return ask(config, {"cmd": "why", "parent_id": what})


def replayed(config: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Replay the journal until the time that is asked for, and look at each timer on the way.

    Raises:
        JournalError, Refused

    """
    assert config.gate is not None
    path: Path = config.gate.state_dir / JOURNAL_NAME
    core, since, stamp = GateCore(), why.Since(), Stamp(0, 0)
    found: list[why.Blocker] = []
    parent, symbol = subject(config, args.what)
    until_ns = 0
    for _, frame in frames(path):
        if not isinstance(frame, Input):
            continue
        if frame.stamp.ts_ns and args.at != END:
            until_ns = until_ns or instant(config, args.at, frame.stamp.ts_ns)
            if frame.stamp.ts_ns > until_ns:
                break
        core.step(frame.stamp, frame.event)
        stamp = frame.stamp
        known = not parent or ParentID(parent) in core.state.parents
        if isinstance(frame.event, Timer) and known:
            found = since.observe(why.blockers(core.state, stamp, parent, symbol), stamp.mono_ns)
    if not core.state.started:
        raise Refused(f"{path} holds nothing up to {args.at}")
    answer = why.answer(core.state, stamp, parent, symbol)
    if not answer["ok"]:
        raise Refused(answer["error"], USAGE)
    found = since.observe(why.blockers(core.state, stamp, parent, symbol), stamp.mono_ns)
    return answer | {"blockers": [msgspec.to_builtins(b) for b in found]}


def subject(config: Config, what: str) -> tuple[str, str]:
    """Return (parent id, symbol) of what was typed."""
    return ("", what.upper()) if what.upper() in config.instruments else (what, "")


def instant(config: Config, text: str, near_ns: int) -> int:
    """Return the market time of a clock time on the journal's day.

    Raises:
        Refused: no clock time.

    """
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        raise Refused(f"--at {text!r}: write HH:MM or HH:MM:SS, or end", USAGE) from None
    instrument = next(iter(config.instruments.values()))
    return instrument.at(instrument.day_of(near_ns), clock)


def show(config: Config, answer: dict[str, Any]) -> None:
    """Print the list for people."""
    instrument = next(iter(config.instruments.values()))
    now_ns, mono_ns = answer["ts_ns"], answer["mono_ns"]
    when = f" at {instrument.clock(now_ns)[:8]}" if now_ns else ""
    if not answer["blockers"]:
        print(f"nothing keeps {answer['subject']} from trading{when}")
        return
    print(f"what keeps {answer['subject']} from trading{when}:")
    for n, b in enumerate(answer["blockers"], start=1):
        numbers = f": {b['value']} against {b['limit']}" if b["value"] or b["limit"] else ""
        since = ""
        if b["since_ts_ns"]:
            since = f", since {instrument.clock(b['since_ts_ns'])[:8]}"
        elif b["since_mono_ns"]:
            since = f", for {max(0, mono_ns - b['since_mono_ns']) / S:.1f} s"
        print(f"{n:>2}. {b['control']} {b['scope']}: {b['text']}{numbers}{since}")
        print(f"      clears: {b['clears']}" + (" (orders that reduce pass)" if b["reduces"] else ""))
