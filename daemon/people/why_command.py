"""`steadyhand why [PARENT|SYMBOL] [--at TIME]`: what keeps it from trading, and what would clear that.

Without --at the running gate is asked. With it the gate's journal is replayed up to then, which also tells
since when each thing held; nothing is written, and a gate may be running. `end` is the last that the gate saw
of its market: that it was then shut down is said, and is no answer to what kept it from trading.
Exit codes: 0 nothing keeps it, 1 something does, 2 usage, 3 no gate, 78 configuration or journal.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import date, time
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.config import Config, load
from daemon.gate import why
from daemon.gate.core import GateCore
from daemon.gate.ended_parents import look_up
from daemon.gate.journal import JOURNAL_NAME, Input, frames, stepped
from daemon.options import USAGE
from daemon.people.one_line import CONFIG, DONE, DOWN, REFUSED, NoGate, Refused
from daemon.people.operator import ask
from daemon.segments.layout import JournalError
from daemon.strict_toml import ConfigError
from market.events import GateStarted, Kill, SessionDown, Shutdown, Stamp, Timer
from market.people_events import SignedCommand, StopScope
from market.types import ParentID

NAME: Final = "steadyhand why"
END: Final = "end"
S: Final = 1_000_000_000
FOREVER_NS: Final = 2**62
LOOK_NS: Final = S  # between two looks: a look is some milliseconds, a day has 23,400 seconds
SILENT_NS: Final = 30 * S  # a gate that runs steps a timer each quarter of a second


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
    """Replay the journal until the time that is asked for, and look once a second on the way.

    Raises:
        JournalError, Refused

    """
    assert config.gate is not None
    path: Path = config.gate.state_dir / JOURNAL_NAME
    until_ns = FOREVER_NS if args.at == END else instant(config, args.at, path)
    inputs, ended = last_word(path) if args.at == END else (None, "")
    core, since, stamp, looked_ns = GateCore(), why.Since(), Stamp(0, 0), 0
    parent, symbol = subject(config, args.what)
    for frame in islice(until(path, until_ns), inputs):
        stepped(core, frame)
        stamp = frame.stamp
        known = not parent or look_up(core.state, ParentID(parent)) is not None
        if isinstance(frame.event, Timer) and known and abs(stamp.mono_ns - looked_ns) >= LOOK_NS:
            since.observe(why.blockers(core.state, stamp, parent, symbol), stamp.mono_ns)
            looked_ns = stamp.mono_ns
    if not core.state.started:
        raise Refused(f"{path} holds nothing up to {args.at}")
    answer = why.answer(core.state, stamp, parent, symbol)
    if not answer["ok"]:
        raise Refused(answer["error"], USAGE)
    found = since.observe(why.blockers(core.state, stamp, parent, symbol), stamp.mono_ns)
    if args.at != END and until_ns - stamp.ts_ns > SILENT_NS * answer["speed"]:
        found = [silent(stamp.ts_ns), *found]
    return answer | {"ended": ended, "blockers": [msgspec.to_builtins(b) for b in found]}


def last_word(path: Path) -> tuple[int, str]:
    """Return how many inputs came before the gate's orderly end, and what ended it; "" where nothing did.

    In lockstep time is the venue's: what came after its last instant happened at none.
    """
    inputs, before, ended, lockstep = 0, 0, "", False
    for _, frame in frames(path):
        if not isinstance(frame, Input):
            continue
        match frame.event:
            case GateStarted(lockstep=lockstep):
                ended = ""
            case Kill() | StopScope() | SignedCommand():
                ended = ""  # somebody's word counts, even after the end
            case Timer() if lockstep:
                ended = ""
            case Shutdown() if not ended:
                before, ended = inputs, "the gate was shut down"
            case SessionDown() if lockstep and not ended:
                before, ended = inputs, "the venue was gone"
        inputs += 1
    return (before, ended) if ended else (inputs, "")


def until(path: Path, until_ns: int) -> Iterator[Input]:
    """Yield what the gate stepped up to an instant of market time.

    After a restart market time is not known at first: what comes then belongs to the first instant that is.
    """
    timeless: list[Input] = []
    for _, frame in frames(path):
        if not isinstance(frame, Input):
            continue
        if frame.stamp.ts_ns > until_ns:
            return
        timeless.append(frame)
        if frame.stamp.ts_ns or until_ns == FOREVER_NS:
            yield from timeless
            timeless.clear()


def silent(last_ns: int) -> why.Blocker:
    """Return that no gate ran at the time that is asked for."""
    text = "no gate ran then: what follows is of its last word"
    return why.Blocker("GATE", why.DESK, text, since_ts_ns=last_ns, clears="start it: `steadyhand gate`")


def subject(config: Config, what: str) -> tuple[str, str]:
    """Return (parent id, symbol) of what was typed."""
    return ("", what.upper()) if what.upper() in config.instruments else (what, "")


def instant(config: Config, text: str, path: Path) -> int:
    """Return the market time of a clock time on the journal's last day, or on the day that is named.

    Raises:
        JournalError
        Refused: no clock time.

    """
    day, _, clock = text.rpartition("T")
    instrument = next(iter(config.instruments.values()))
    try:
        at = time.fromisoformat(clock)
        if at.tzinfo is not None:
            raise ValueError("the zone is the exchange's")
        if day:
            return instrument.at(date.fromisoformat(day), at)
    except ValueError:
        raise Refused(f"--at {text!r}: write HH:MM, HH:MM:SS, YYYY-MM-DDTHH:MM, or end", USAGE) from None
    last_ns = max((f.stamp.ts_ns for _, f in frames(path) if isinstance(f, Input)), default=0)
    return instrument.at(instrument.day_of(last_ns), at)


def show(config: Config, answer: dict[str, Any]) -> None:
    """Print the list for people."""
    instrument = next(iter(config.instruments.values()))
    now_ns, mono_ns = answer["ts_ns"], answer["mono_ns"]
    when = f" at {instrument.clock(now_ns)[:8]}" if now_ns else ""
    if answer.get("ended"):
        when += f", before {answer['ended']}"
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
