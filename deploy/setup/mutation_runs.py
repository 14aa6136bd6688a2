"""Tests against small faults: collected once, and tried on each mutant in a fork of that process."""

import ast
import functools
import gc
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, Protocol

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.setup.mutants import ROOT, SAMPLED, WHOLE, Mutant, files, install

COMMAND: Final = Path(__file__).with_name("mutation.py")
NOT_IN_PLACE: Final = 2  # exit code of a child: the change is made while the module is imported
# Of the boundary rows one state; what Hypothesis and other seeds drive the seeded model drives as well.
SKIPPED: Final = ("pending new]", "pending cancel]", "pending replace]", "unknown]", "agree[0]", "agree[1]")
EVERYTHING: Final = "test_model.py::test_short_walks_agree"
# They look at defaults, constants and tables, which run no line of a module.
DEFAULTS: Final = ("test_beginnings", "test_written_", "test_states.py", "test_traceability.py")
LAST_S: Final = 60.0  # what such a test may take
BUDGET_S: Final = 10.0  # of the tests of one mutant, followed line by line: two seconds
TIMEOUT_S: Final = 20  # and four times what its tests took without a fault: then it loops, and that is seen
WAITS_S: Final = 900  # a mutant that waits for ever uses no time of the processor


class Lines:
    """Which lines of the targets a test runs."""

    def __init__(self, paths: list[str]) -> None:
        self._names = {str(ROOT / path): path for path in paths}
        self.seen: set[tuple[str, int]] = set()

    def call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        """Follow frames of the targets."""
        path = self._names.get(frame.f_code.co_filename)
        if path is None:
            return None
        seen = self.seen
        seen.add((path, frame.f_lineno))

        def step(frame: FrameType, _event: str, _arg: Any) -> Any:
            seen.add((path, frame.f_lineno))
            return step

        return step


class Runner:
    """A pytest plugin: takes the collected tests and forks."""

    def __init__(
        self, chosen: list[Mutant], done: dict[str, dict[str, Any]], log: Path, words: list[str]
    ) -> None:
        self.chosen, self.done, self.log, self.words = chosen, done, log, words
        self.failed = False
        self.reach: dict[tuple[str, int], list[int]] = {}
        self.took: list[float] = []  # of a test, while its lines are followed: five times what it takes
        self.wide: list[int] = []  # lines that a test runs
        self.sound: dict[int, bool] = {}  # of tests that found something: they pass without any mutant
        self.unasked: set[int] = set()  # tests that fail as they are
        self.deep = files(WHOLE)  # these the model is asked about as well
        self.last: list[int] = []
        self.finders: Counter[int] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Look once which test runs which line, then try each mutant."""
        items = session.items[:] = [
            item
            for item in session.items
            if wanted(item.nodeid)
            and not starts_processes(item)
            and (not self.words or any(word in item.nodeid for word in self.words))
        ]
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all forks
        self.look(items)
        gc.freeze()
        for n, mutant in enumerate(self.chosen):
            self.try_one(mutant, items, f"{n + 1}/{len(self.chosen)}")
        return True

    def look(self, items: list[pytest.Item]) -> None:
        """Run each test once and note its lines and its time; what a run before has noted stands."""
        paths = files((*WHOLE, *SAMPLED))
        watch = Lines(paths)
        noted = self.log.with_suffix(".lines.json")
        code = digest(paths)
        known: dict[str, Any] = json.loads(noted.read_text()) if noted.exists() else {}
        for n, item in enumerate(items):
            if EVERYTHING in item.nodeid:  # slow, and it runs nearly every line: last of all, never looked at
                self.took.append(LAST_S)
                self.wide.append(0)
                self.last.append(n)
                continue
            as_it_is = f"{code} {digest([item.location[0]])}"
            if known.get(item.nodeid, {}).get("code") != as_it_is:
                watch.seen.clear()
                began = time.process_time()
                sys.settrace(watch.call)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                sys.settrace(None)
                known[item.nodeid] = {"code": as_it_is, "s": time.process_time() - began}
                known[item.nodeid]["lines"] = [] if self.failed else sorted(watch.seen)
                if self.failed:  # it fails without any mutant: nothing is asked of it
                    print(f"fails while its lines are followed: {item.nodeid}", flush=True)
                    self.failed = False
                    self.unasked.add(n)
            self.took.append(known[item.nodeid]["s"])
            self.wide.append(len(known[item.nodeid]["lines"]))
            for path, line in known[item.nodeid]["lines"]:
                self.reach.setdefault((path, line), []).append(n)
        noted.write_text(json.dumps(known))

    def nearest(self, tests: set[int]) -> list[int]:
        """Return tests to try, as many as there is time for: finders of others, then what runs few lines."""
        order = sorted(tests - set(self.last), key=lambda n: (-self.finders[n], self.wide[n], self.took[n]))
        chosen, left_s = [], BUDGET_S
        for n in order:
            if n not in self.unasked and self.took[n] <= left_s:
                chosen.append(n)
                left_s -= self.took[n]
        return chosen + sorted(tests & set(self.last))

    def try_one(self, mutant: Mutant, items: list[pytest.Item], place: str) -> None:
        """Try one mutant in a fork and write down what became of it."""
        tests = {
            n for line in range(mutant.line, mutant.last + 1) for n in self.reach.get((mutant.path, line), ())
        }
        if not mutant.scope or not tests:  # a table or a class: whoever runs a line of its module may use it
            tests = {n for (path, _), found in self.reach.items() if path == mutant.path for n in found}
            tests |= {n for n, item in enumerate(items) if any(name in item.nodeid for name in DEFAULTS)}
        tests = tests or set(range(len(items)))
        if mutant.path in self.deep:
            tests |= set(self.last)
        order = self.nearest({n for n in tests if near(mutant.path, items[n].nodeid)} or tests)
        began = time.perf_counter()
        timeout_s = TIMEOUT_S + int(4 * sum(self.took[n] for n in order))
        code, finder = 0, -1
        while order:
            code, finder = fork(functools.partial(self.child, mutant, items, order), timeout_s)
            if finder < 0 or self.is_sound(items, finder):
                break
            order, code, finder = [n for n in order if n != finder], 0, -1
        if finder >= 0:
            self.finders[finder] += 1
        if code == NOT_IN_PLACE:
            names = [items[n].nodeid for n in order]
            code = anew(mutant.path, ast.unparse(mutant.tree()), names)
            if code == 1 and anew(mutant.path, (ROOT / mutant.path).read_text(), names):
                print(f"fails without any mutant: one of {len(names)} tests of {mutant.path}", flush=True)
                code = 0
        fate = {0: "survived", 1: "killed"}.get(code, "timeout")
        row = {"key": mutant.key, "mutant": str(mutant), "fate": fate, "tests": len(order)}
        row |= {"by": items[finder].nodeid if finder >= 0 else "", "s": round(time.perf_counter() - began, 2)}
        self.done[mutant.key] = row
        with self.log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if fate != "killed":
            print(f"{place} {fate} ({len(order)} tests) {mutant}", flush=True)

    def is_sound(self, items: list[pytest.Item], n: int) -> bool:
        """Return whether a test that found something passes in a fork without any mutant; looked at once."""
        if n not in self.sound:
            self.sound[n] = fork(lambda _: int(not passes(items[n], self)), 10 * TIMEOUT_S)[0] == 0
            if not self.sound[n]:
                print(f"fails without any mutant: {items[n].nodeid}", flush=True)
                self.unasked.add(n)
        return self.sound[n]

    def child(self, mutant: Mutant, items: list[pytest.Item], order: list[int], write: int) -> int:
        """Run tests until one fails."""
        if not install(mutant):
            return NOT_IN_PLACE
        self.failed = False
        for n in order:
            if not passes(items[n], self):
                os.write(write, str(n).encode())
                return 1
        return 0


class Failing(Protocol):
    """A plugin that notes failures."""

    failed: bool


def passes(item: pytest.Item, plugin: Failing) -> bool:
    """Run one test; one that needs nothing of pytest is called as it is, in half of the time."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if not isinstance(item, pytest.Function) or set(item.fixturenames) - set(params):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not plugin.failed
    try:
        item.obj(**params)
    except pytest.skip.Exception:
        return True
    except BaseException:  # whatever it is, a test has seen the fault
        return False
    return True


def fork(work: Any, timeout_s: int) -> tuple[int, int]:
    """Run something in a child; return its exit code (3: it took too long) and the test that it named."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(null, descriptor)
        resource.setrlimit(resource.RLIMIT_CPU, (timeout_s, timeout_s))  # however busy the machine is
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(WAITS_S)
        code = 1
        try:
            code = work(write)
        finally:
            os._exit(code)
    os.close(write)
    named = os.read(read, 32).decode()
    os.close(read)
    _, status = os.waitpid(pid, 0)
    return (os.WEXITSTATUS(status) if os.WIFEXITED(status) else 3), int(named) if named else -1


def anew(path: str, source: str, tests: list[str]) -> int:
    """Run tests in a process that imports a module from a source: for what it does while it is imported."""
    command = [sys.executable, str(COMMAND), "--inside", path, *tests]
    limit_s = 5 * TIMEOUT_S  # of the processor, however busy the machine is
    found = subprocess.run(
        command, input=source, text=True, cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s)),
    )  # fmt: skip
    return 3 if found.returncode < 0 else int(found.returncode != 0)


def inside(path: str, source: str, tests: list[str]) -> int:
    """Import a module from a mutated source, and run tests until one fails."""
    code = compile(source, str(ROOT / path), "exec")
    sound = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        return code if self.path == str(ROOT / path) else sound(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]
    paths = sorted({test.partition("::")[0] for test in tests})
    ended = int(pytest.main(["-q", "-x", "-n0", "-p", "no:cacheprovider", *paths], plugins=[Only(tests)]))
    return 0 if ended == pytest.ExitCode.NO_TESTS_COLLECTED else ended


class Only:
    """A pytest plugin: these tests, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self._place = {test: n for n, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the others."""
        items[:] = [item for item in items if item.nodeid in self._place]
        items.sort(key=lambda item: self._place[item.nodeid])


def near(path: str, nodeid: str) -> bool:
    """Return whether a test may be asked about a module: those of the limits only open a gate's day."""
    return path.startswith(("risk/", "market/")) or "tests/risk/" not in nodeid


def starts_processes(item: pytest.Item) -> bool:
    """Return whether a test starts processes, as the slow ones of the daemon do: they import no mutant."""
    return "tests/daemon/" in item.nodeid and item.get_closest_marker("slow") is not None


def wanted(nodeid: str) -> bool:
    """Return whether a test is tried: not those that look again at what another has looked at."""
    if "test_every_promise_holds" in nodeid:  # some of its worlds
        return nodeid.endswith("[0]")
    if "test_every_row_of" in nodeid or "test_the_checker_sees" in nodeid or "same_world_again" in nodeid:
        return False
    if "test_worst_case" in nodeid or "test_two_keys" in nodeid:
        return nodeid.endswith(("[0]", "[2]", "out"))
    return not nodeid.endswith(SKIPPED) and "test_model_machine" not in nodeid


def digest(paths: list[str]) -> str:
    """Return a hash of files."""
    return hashlib.sha256(b"".join((ROOT / path).read_bytes() for path in paths)).hexdigest()[:20]
