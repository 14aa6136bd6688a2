"""The command `steadyhand`: finds a sub-command among the entry points and hands over.

It imports nothing heavy, so that `--help` is there at once, and knows no sub-command by itself: each
is an entry point of the group `steadyhand.commands`, loaded by name when it is called.
"""

import os
import signal
import sys
from importlib.metadata import EntryPoint, entry_points, version
from typing import Final

GROUP: Final = "steadyhand.commands"
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141  # what a shell reports for SIGPIPE

# They handle signals themselves once they run; until then, kernels are loading, an interrupt ends them at
# once: as KeyboardInterrupt it could be swallowed by a callback of the compiler.
DAEMONS: Final = frozenset({"paper", "gate", "guard", "trader", "venue", "metrics"})

# What the trading side does without; `pip install -e '.[EXTRA]'` brings it.
EXTRAS: Final = {"torch": "torch", "scipy": "research", "gymnasium": "research", "ray": "cluster"}

# In the order of a day's work; a command that is not listed here is shown last.
SUMMARIES: Final = {
    "paper": "replay a market through venue, gate and trader, and work a parent order to its end",
    "ingest": "turn recorded market data into a tick store",
    "generate": "write a synthetic recording in LOBSTER's format",
    "calibrate": "fit the reactive market to a recording",
    "simcheck": "hold a calibrated market against its recording",
    "train": "train a policy in the simulated market",
    "validate": "hold a policy against every baseline on the same markets",
    "curve": "write the volume curve that VWAP follows, from recorded days",
    "check": "check configuration, limits, artefact and FIX profile",
    "freeze": "make the artefact that the trader runs out of a training run",
    "policy": "look at a frozen policy, check it, compare it, run it for another simulator",
    "gate": "run the gate: orders, risk, journal, FIX",
    "guard": "watch a gate from outside, and end it where its loop is stuck",
    "trader": "run the trader: feed, book, policy, executor",
    "venue": "run the paper exchange and its EMS",
    "metrics": "serve the processes' metrics to Prometheus",
    "submit": "give the gate a parent order",
    "amend": "change a parent order",
    "pause": "pause a parent order",
    "resume": "resume a paused parent order",
    "cancel": "cancel a parent order",
    "status": "show posture, sessions, positions, parents and orders",
    "kill": "stop trading now and cancel what is open, everything or one scope",
    "halt": "let no new order leave, everything or one scope",
    "rearm": "allow trading again after a kill or halt: two people, two keys",
    "lease": "renew the dead-man's lease",
    "why": "say what keeps a parent, a symbol or the desk from trading",
    "limits": "show, compare, change and explain the gate's limits",
    "sod": "begin a trading day with its prepared files",
    "eod": "end a trading day: nothing open, positions compared, journal sealed",
    "keys": "make keys, sign files, see whose word counts",
    "clock": "begin market time where processes are started one by one",
    "report": "write the report of a run folder",
    "certify": "run a broker's certification script, write the sign-off pack",
    "journal": "check, read and export journals",
    "replay": "step the journals again and compare every decision",
}


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command and return its exit code."""
    args = sys.argv[1:] if argv is None else argv
    try:
        return dispatch(args)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`steadyhand status | head`): say nothing more, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


def dispatch(args: list[str]) -> int:
    """Find the sub-command and call it with the rest of the arguments."""
    if not args or args[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if args else sys.stderr)
        return 0 if args else EXIT_USAGE
    if args[0] in ("-V", "--version"):
        print(f"steadyhand {version('steadyhand')}")
        return 0
    commands = {point.name: point for point in entry_points(group=GROUP)}
    command = commands.get(args[0])
    if command is None:
        print(unknown(args[0], list(commands)), file=sys.stderr)
        return EXIT_USAGE
    return run(command, args[1:])


def run(command: EntryPoint, args: list[str]) -> int:
    """Load and call a sub-command; argparse's own exits become codes."""
    if command.name in DAEMONS:
        signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
    try:
        code = command.load()(args)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"steadyhand {command.name}: needs {error.name}: pip install -e '.[{extra}]'", file=sys.stderr)
        return EXIT_USAGE
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    assert isinstance(code, int), f"{command.value} must return its exit code"
    return code


def usage() -> str:
    """Return the help of the command as a whole."""
    names = {point.name for point in entry_points(group=GROUP)}
    ordered = [n for n in SUMMARIES if n in names] + sorted(names - set(SUMMARIES))
    width = max(map(len, ordered), default=0)
    lines = [f"  {name:<{width}}  {SUMMARIES.get(name, '')}".rstrip() for name in ordered]
    return "\n".join(
        [
            "usage: steadyhand COMMAND [options]      steadyhand COMMAND --help      steadyhand --version",
            "",
            "Works large parent orders with a frozen policy, inside hard limits that it cannot touch.",
            "",
            *lines,
            "",
            "exit codes: 0 done, 1 not clean, 2 usage or data, 78 config/limits/artefact, 130 interrupted",
        ]
    )


def unknown(name: str, commands: list[str]) -> str:
    """Return one line for a command that is not there."""
    import difflib

    near = difflib.get_close_matches(name, commands, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "`steadyhand --help` lists them"
    return f"steadyhand: no command {name!r}; {hint}"


if __name__ == "__main__":
    sys.exit(main())
