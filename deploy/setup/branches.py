"""Branch coverage of a package: `python deploy/setup/branches.py risk tests/risk [pytest options]`.

Every conditional jump of every code object of the package is a branch with two ways; what a test run never
took is printed as file:line and which way, and the exit code is 1. Ways that end in a failed assertion are
not asked for: an assertion is there so that nobody takes it. Needs nothing but CPython 3.11 and pytest.
"""

import dis
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSERTION = "LOAD_ASSERTION_ERROR"
NAMES = ("_IF_", "FOR_ITER")  # of conditional jumps: POP_JUMP_FORWARD_IF_FALSE and the like


class Branches:
    """The ways of one code object."""

    def __init__(self, code: CodeType) -> None:
        self.ways: dict[tuple[int, int], str] = {}  # offset of the jump, of where it leads: what that is
        self.fused: dict[tuple[int, int], tuple[int, int]] = {}  # as the interpreter's fused compare-and-jump
        steps = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
        at = {step.offset: n for n, step in enumerate(steps)}
        line = code.co_firstlineno
        for n, step in enumerate(steps):
            line = step.starts_line or line
            if not any(name in step.opname for name in NAMES):
                continue
            seen = n  # a wide jump is seen at its first EXTENDED_ARG
            while seen and steps[seen - 1].opname == "EXTENDED_ARG":
                seen -= 1
            for offset, kind in ((steps[n + 1].offset, "goes on"), (step.argval, "jumps")):
                if steps[at[offset]].opname != ASSERTION:
                    self.fused[steps[max(0, seen - 1)].offset, offset] = (steps[seen].offset, offset)
                    self.ways[steps[seen].offset, offset] = (
                        f"{line}: never {kind} to line {line_at(steps, at[offset])}"
                    )


def line_at(steps: list[dis.Instruction], n: int) -> int:
    """Return the line of an instruction."""
    return next((s.starts_line for s in reversed(steps[: n + 1]) if s.starts_line), 0)


class Watch:
    """Sees every jump that code of the package takes."""

    def __init__(self, package: Path) -> None:
        self._prefix = str(package) + os.sep
        self._branches: dict[CodeType, Branches] = {}
        self._left: dict[CodeType, set[tuple[int, int]]] = {}
        self._last: dict[int, int] = {}  # by frame: offset of the instruction before

    def call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        """Follow frames of the package that have ways left."""
        code = frame.f_code
        if not code.co_filename.startswith(self._prefix):
            return None
        left = self._left.get(code)
        if left is None:
            left = self._left[code] = set(self._of(code).ways)
        if not left:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        last, fused = -1, self._of(code).fused

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            if event == "opcode":
                way = (last, frame.f_lasti)
                left.discard(way)
                left.discard(fused.get(way, way))
                last = frame.f_lasti
            return step

        return step

    def _of(self, code: CodeType) -> Branches:
        found = self._branches.get(code)
        if found is None:
            found = self._branches[code] = Branches(code)
        return found

    def missing(self, package: Path) -> Iterator[str]:
        """Yield what was never taken, in the order of files and lines."""
        taken = {key(code): left for code, left in self._left.items()}
        for path in sorted(package.rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for code in codes(compile(path.read_text(), str(path), "exec")):
                left = taken.get(key(code))
                if left is None and code.co_name == "<module>":
                    continue  # imported before anybody watched
                ways = self._of(code).ways
                for way in ways if left is None else sorted(left):
                    yield f"{name}:{ways[way]} ({code.co_qualname})"


class Again:
    """Watches each test anew: one that recurses without an end takes the trace away."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def pytest_runtest_setup(self) -> None:
        """Trace it."""
        sys.settrace(self._watch.call)


def key(code: CodeType) -> tuple[str, str, int]:
    """Return what a code object is known by in two compilations."""
    return code.co_filename, code.co_qualname, code.co_firstlineno


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from codes(inner)


def main(argv: list[str]) -> int:
    """Run the tests and report."""
    package = ROOT / argv[0]
    sys.path.insert(0, str(ROOT))
    watch = Watch(package)
    sys.settrace(watch.call)
    code = pytest.main(["-q", "-n0", "-p", "no:cacheprovider", *argv[1:]], plugins=[Again(watch)])
    sys.settrace(None)
    missing = list(watch.missing(package))
    print(*missing, sep="\n")
    print(f"{len(missing)} ways of {argv[0]} were never taken")
    return int(code) or bool(missing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
