"""`steadyhand replay`: step both journals again and compare decisions, observations and state.

Nothing is sent and nothing is written. What this version would decide otherwise than was journaled is
named with file and offset, and so is a journal that is not as its run left it (a journal that was cut at the
end is whole to its reader); exit 0 where nothing differs, 1 otherwise, 2 where there is nothing to read.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from daemon.gate import journal as gate_journal
from daemon.gate.core import GateCore
from daemon.report import sums
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN, EXIT_USAGE
from daemon.segments.layout import JournalError
from daemon.trader.core import TraderCore
from daemon.trader.events import NOTHING, Step
from daemon.trader.feed import Intake
from daemon.trader.journal import FORMAT, Begin, Frame, Input, Midnight, Output, Read, StateHash, read
from market.types import Symbol
from policies import choose
from policies.actions import ACTION_TABLE_SHA256
from policies.state import STATE_SPEC_SHA256

SHOWN: Final = 5  # differences that are printed; all are counted


class Verdict(msgspec.Struct):
    """What replaying one journal found."""

    journal: str
    kind: str  # "trader" or "gate"
    inputs: int = 0
    decisions: int = 0
    outputs: int = 0
    hashes: int = 0
    differences: list[str] = []

    @property
    def clean(self) -> bool:
        """Whether nothing differed."""
        return not self.differences


class TraderReplay:
    """A new core on an old journal."""

    def __init__(self, path: Path) -> None:
        self.verdict = Verdict(str(path), "trader", differences=[])
        self._path = path
        self._core: TraderCore | None = None
        self._intake: Intake | None = None
        self._due: deque[tuple[int, Output]] = deque()

    def run(self) -> Verdict:
        """Step everything.

        Raises:
            JournalError: corruption, or a frame of another version.

        """
        for offset, frame in read(self._path):
            self._frame(offset, frame)
        # What the last input led to may be missing: a trader may be killed between two frames.
        if self._core is None:
            self.verdict.differences.append(f"{self._path}: holds no beginning")
        else:
            self.verdict.decisions = self._core.decisions
        return self.verdict

    def _frame(self, offset: int, frame: Frame) -> None:
        verdict = self.verdict
        if isinstance(frame, Begin):
            self._begin(frame)
            return
        core = self._core
        assert core is not None, "a journal begins with Begin"
        if isinstance(frame, Output):
            verdict.outputs += 1
            self._compare(offset, frame)
            return
        if isinstance(frame, StateHash):
            verdict.hashes += 1
            if core.state_hash() != frame.state_hash:
                self._differs(offset, "the state's hash differs")
            return
        if isinstance(frame, Midnight):
            self._intake = Intake(core, frame.midnight_ns)
            return
        if self._due:
            missing, output = self._due[0]
            self._differs(missing, f"decides {brief(output)} where nothing was journaled")
            self._due.clear()
        verdict.inputs += 1
        self._due.extend((offset, output) for output in self._step(core, frame))

    def _begin(self, begin: Begin) -> None:
        """Make the core that the journal was written by, or say why this version cannot."""
        hashes = (begin.state_spec_sha256, begin.action_table_sha256)
        if begin.format != FORMAT or hashes != (STATE_SPEC_SHA256, ACTION_TABLE_SHA256):
            raise JournalError(f"{self._path}: another version wrote it; replay it with that one")
        curve = Path(begin.volume_curve) if begin.volume_curve else None
        policy = choose.choose(begin.policy, begin.policy_options, curve)
        if policy.sha256 != begin.policy_sha256:
            raise JournalError(
                f"{self._path}: policy {begin.policy} is {policy.sha256[:12]}, "
                f"the journal was written with {begin.policy_sha256[:12]}"
            )
        instruments = {Symbol(s): i for s, i in begin.instruments.items()}
        self._core = TraderCore(begin.settings, instruments, policy)

    def _step(self, core: TraderCore, frame: Read | Input) -> Iterator[Output]:
        """Yield what an input leads to now."""
        if isinstance(frame, Input):
            yield from output_of(core, core.step(frame.stamp, frame.event))
            return
        assert self._intake is not None, "the feed begins after Midnight"
        for step, _, _ in self._intake.take(frame.stamp, frame.packets, frame.first_seq):
            yield from output_of(core, step)

    def _compare(self, offset: int, then: Output) -> None:
        if not self._due:
            self._differs(offset, f"decides nothing where {brief(then)} was journaled")
            return
        _, now = self._due.popleft()
        if now.obs_hash != then.obs_hash:
            self._differs(offset, f"an observation differs at or before decision {then.decisions}")
        elif now != then:
            self._differs(offset, f"decides {brief(now)} where {brief(then)} was journaled")

    def _differs(self, offset: int, text: str) -> None:
        self.verdict.differences.append(f"{self._path}:{offset}: {text}")


def output_of(core: TraderCore, step: Step) -> Iterator[Output]:
    """Yield a step as the shell journals it."""
    if step is not NOTHING:
        yield Output(core.decisions, core.obs_hash, step.intents)


def brief(output: Output) -> str:
    """Return an output as a person reads it."""
    moves = [f"{type(i).__name__.removesuffix('Intent').lower()} n={i.n}" for i in output.intents]
    return ", ".join(moves) or "no orders"


def replay_gate(path: Path) -> Verdict:
    """Step a gate's journal again.

    Raises:
        JournalError: corruption, or a frame of another version.

    """
    done = gate_journal.replay(path, GateCore())
    return Verdict(
        str(path),
        "gate",
        inputs=done.inputs,
        decisions=done.outputs,
        outputs=done.outputs,
        hashes=done.digests,
        differences=list(done.differences),
    )


def journals(folder: Path) -> list[Path]:
    """Return the journals of a run's folder, of a state directory, or the one that is named."""
    if folder.is_file() or any(folder.glob("*.seg")):
        return [folder]
    found = [p for p in sorted(folder.rglob("*.journal")) if p.name != gate_journal.INBOUND_NAME]
    return [p for p in found if p.name == gate_journal.JOURNAL_NAME or p.name.startswith("trader-")]


def main(args: argparse.Namespace) -> int:
    """Replay; return the exit code."""
    try:
        paths = journals(args.path) if args.path.exists() else []
    except OSError as error:  # a folder that may not be read, a name that is too long
        print(f"steadyhand replay: {args.path}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    if not paths:
        print(f"steadyhand replay: {args.path}: no journal of gate or trader there", file=sys.stderr)
        return EXIT_USAGE
    verdicts: list[Verdict] = []
    changed = sums.differences(args.path)
    for path in paths:
        try:
            gate = path.name == gate_journal.JOURNAL_NAME
            verdict = replay_gate(path) if gate else TraderReplay(path).run()
            verdict.differences += [t for t in changed if t.startswith(f"{path.relative_to(args.path)}/")]
            verdicts.append(verdict)
        except (JournalError, *choose.ERRORS) as error:
            print(f"steadyhand replay: {error}", file=sys.stderr)
            return EXIT_USAGE
    show(verdicts, args.json)
    return EXIT_DONE if all(v.clean for v in verdicts) else EXIT_NOT_CLEAN


def show(verdicts: list[Verdict], as_json: bool) -> None:
    """Print what was found."""
    if as_json:
        clean = all(v.clean for v in verdicts)
        print(json.dumps({"clean": clean, "journals": msgspec.to_builtins(verdicts)}))
        return
    for v in verdicts:
        word = "same decisions and state" if v.clean else f"{len(v.differences)} DIFFERENCES"
        print(f"{v.kind:6s} {v.journal}: {v.inputs} inputs, {v.outputs} outputs, {v.hashes} hashes: {word}")
        for text in v.differences[:SHOWN]:
            print(f"       {text}")
