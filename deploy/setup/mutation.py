"""Mutation testing: `python deploy/setup/mutation.py [--sample 500] [--log FILE] [--only PATH]`.

One small fault at a time is put into the code, and some test must notice. All of risk/controls,
risk/checks.py and risk/overlay.py are mutated; of the rest of risk/, daemon/gate and market/order_table.py a
seeded sample. Tests are collected once; each mutant is a fork of that process, in which the code of one
function (or one table) is replaced and the tests that run its line are tried, those that found the last ones
first. The log, one JSON line a mutant, lies outside the tree: what stands in it is not tried again
(`--survivors`: what survived is). What survived has its reason in docs/MUTATION.md.
"""

import argparse
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
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple, Protocol

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final = (
    "tests/risk", "tests/market/test_order_table.py", "tests/daemon/test_gate_core.py",
    "tests/daemon/test_gate_day.py", "tests/daemon/test_gate_people.py",
    "tests/daemon/test_gate_scenarios.py", "tests/daemon/test_gate_disagreement.py",
    "tests/daemon/test_gate_metrics.py",
    "tests/daemon/test_gate_drop_copy.py", "tests/daemon/test_gate_oms.py", "tests/daemon/test_close_pct.py",
    "tests/daemon/test_external_orders.py", "tests/daemon/test_why.py", "tests/daemon/test_bad_limits.py",
    "tests/daemon/test_two_keys.py", "tests/daemon/test_absence.py", "tests/daemon/test_basket.py",
    "tests/daemon/test_held.py", "tests/daemon/test_line_faults.py", "tests/daemon/test_out_of_range.py",
    "tests/daemon/test_power.py", "tests/daemon/test_recovery.py", "tests/daemon/test_snapshots.py",
    "tests/daemon/test_sod_files.py", "tests/daemon/test_control_server.py",
    "tests/daemon/test_gate_journal.py",
    "tests/daemon/test_lost_requests.py", "tests/daemon/test_oms_crashes.py",
    "tests/daemon/test_gate_disk.py",
    "tests/daemon/test_positions.py", "tests/daemon/test_gate_counts.py", "tests/daemon/test_beginnings.py",
    "tests/scenarios", "tests/simulation/test_simulation.py",
)  # fmt: skip
WHOLE: Final = ("risk/controls/*.py", "risk/checks.py", "risk/overlay.py")
SAMPLED: Final = ("risk/*.py", "daemon/gate/*.py", "market/order_table.py")
# They wait, read and write: tests of whole processes hold them, minutes a mutant.
SHELLS: Final = frozenset(
    f"daemon/gate/{name}.py"
    for name in (
        "main", "engine", "control_server", "links", "shell", "lockstep", "options", "files", "journal",
        "rehearsal",
    )
)  # fmt: skip
REVIEWED: Final = ROOT / "docs" / "MUTATION.md"
NOT_IN_PLACE: Final = 2  # exit code of a child: the change is made while the module is imported
# Of the boundary rows one state; what Hypothesis and other seeds drive the seeded model drives as well.
SKIPPED: Final = ("pending new]", "pending cancel]", "pending replace]", "unknown]", "agree[0]", "agree[1]")
EVERYTHING: Final = "test_model.py::test_short_walks_agree"
DEFAULTS: Final = "test_beginnings.py"  # looks at the defaults of classes, which run no line of a module
LAST_S: Final = 60.0  # what such a test may take
BUDGET_S: Final = 10.0  # of the tests of one mutant, followed line by line: two seconds
SEED: Final = 4
TIMEOUT_S: Final = 20  # and four times what its tests took without a fault: then it loops, and that is seen
WAITS_S: Final = 900  # a mutant that waits for ever uses no time of the processor
SAMPLE: Final = 500
COMPARE: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Div: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
SWAPPED: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """One fault: where it is, and what it is; the n-th of its module."""

    path: str
    n: int
    line: int
    last: int  # of the lines that a test must run to meet it
    scope: str
    what: str
    key: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.scope}: {self.what}"

    def tree(self) -> ast.Module:
        """Return the module with the fault."""
        tree = ast.parse(source(self.path))
        n = 0
        for node, _, statement in places(tree):
            for _, undo in changes(node, statement):
                if n == self.n:
                    return ast.fix_missing_locations(tree)
                n += 1
                undo()
        raise LookupError(str(self))


def mutants(path: str) -> list[Mutant]:
    """Return every mutant of a module."""
    tree = ast.parse(source(path))
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for node, scope, statement in places(tree):
        line, last = statement.lineno, statement.end_lineno or statement.lineno
        if hasattr(statement, "body") and statement.body:
            last = max(line, statement.body[0].lineno - 1)  # its head; what is in it is there for itself
        around = ast.dump(statement)
        for what, undo in changes(node, statement):
            text = f"{path} {scope} {what} {around}"
            seen[text] += 1
            key = hashlib.sha256(f"{text} {seen[text]}".encode()).hexdigest()[:20]
            found.append(Mutant(path, len(found), line, last, scope, what, key))
            undo()
    return found


@functools.cache
def source(path: str) -> str:
    """Return a module's text as it was when it was first asked for: somebody may be editing."""
    return (ROOT / path).read_text()


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, str, ast.stmt]]:
    """Yield every node that may be mutated, with the function and the statement that it is in."""

    def walk(
        node: ast.AST, scope: str, statement: ast.stmt | None
    ) -> Iterator[tuple[ast.AST, str, ast.stmt]]:
        for name, value in ast.iter_fields(node):
            if name in ("decorator_list", "annotation", "returns", "bases", "keywords") and not isinstance(
                node, ast.Call
            ):
                continue
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST) or isinstance(
                    child, ast.JoinedStr | ast.Assert | ast.Raise
                ):
                    continue  # texts are for people; assertions and the words of errors too
                at = child if isinstance(child, ast.stmt) else statement
                inner = scope
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    within = isinstance(node, ast.Module | ast.ClassDef)  # else it is a part of its function
                    inner = f"{scope}.{child.name}".lstrip(".") if within else scope
                elif at is not None:
                    yield child, scope, at
                yield from walk(child, inner, at)

    yield from walk(tree, "", None)


def changes(node: ast.AST, statement: ast.stmt) -> Iterator[tuple[str, Any]]:
    """Change a node in place; yield what was done and how to undo it."""
    was = dict(vars(node))

    def undo() -> None:
        vars(node).clear()
        vars(node).update(was)

    def said(after: str) -> tuple[str, Any]:
        return f"{before} -> {after}", undo

    before = "" if isinstance(node, ast.stmt) and hasattr(node, "body") else short(node)
    if isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            node.ops = [*node.ops[:n], COMPARE[type(op)](), *node.ops[n + 1 :]]
            yield said(short(node))
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not is_text(node.left):
        node.op = ARITHMETIC[type(node.op)]()
        yield said(short(node))
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield said(short(node))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(was["op"], ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)  # not not x
        yield said(short(node))
    elif isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        for value in [not node.value] if isinstance(node.value, bool) else [node.value + 1, node.value - 1]:
            node.value = value
            yield f"{before} -> {value} in {short(statement)}", undo
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
        node.func = ast.Name(SWAPPED[node.func.id], ast.Load())
        yield said(short(node))
    elif isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.Constant(None)
        yield said("return None")
    elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        node.op = ARITHMETIC[type(node.op)]()
        yield said(short(node))
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        head = short(node.test)
        node.test = ast.UnaryOp(ast.Not(), node.test)
        yield f"if {head} -> if not", undo
    elif isinstance(node, ast.comprehension) and node.ifs:
        node.ifs = []
        yield f"{before} -> without its if", undo
    elif isinstance(node, ast.Break | ast.Continue):
        node.__class__ = ast.Continue if isinstance(node, ast.Break) else ast.Break  # type: ignore[assignment]
        kind = ast.Break if isinstance(node, ast.Continue) else ast.Continue
        yield before, lambda: setattr(node, "__class__", kind)
    if removable(node):
        undo()
        kept = type(node)
        vars(node).clear()
        node.__class__ = ast.Pass  # type: ignore[assignment]
        vars(node).update({k: was[k] for k in ("lineno", "col_offset", "end_lineno", "end_col_offset")})

        def revive() -> None:
            node.__class__ = kept  # type: ignore[assignment]
            undo()

        yield f"{before} -> removed", revive


def removable(node: ast.AST) -> bool:
    """Return whether a statement may go: calls, and assignments to what outlives the function."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom)
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Attribute | ast.Subscript | ast.Tuple) for t in node.targets)
    return isinstance(node, ast.AugAssign | ast.Delete | ast.Break | ast.Continue)


def is_text(node: ast.AST) -> bool:
    """Return whether a node is a string: "+" joins it."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def short(node: ast.AST) -> str:
    """Return a node as code, a line of it."""
    text = ast.unparse(node).strip().partition("\n")[0]
    return text if len(text) <= 90 else text[:87] + "..."


# --- putting one in ---------------------------------------------------------------------------


def functions(module: ModuleType) -> dict[str, FunctionType]:
    """Return the functions of a module by qualified name: plain, of classes, properties, cached."""
    found: dict[str, FunctionType] = {}

    def take(value: Any) -> None:
        value = getattr(value, "__func__", value)
        value = getattr(value, "fget", value)
        value = getattr(value, "__wrapped__", value)
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            found[value.__qualname__] = value

    for value in list(vars(module).values()):
        take(value)
        if isinstance(value, type) and value.__module__ == module.__name__:
            for inner in list(vars(value).values()):
                take(inner)
    return found


def code_of(code: CodeType, scope: str) -> CodeType | None:
    """Return the code object of a qualified name."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == scope:
                return inner
            deeper = code_of(inner, scope) if scope.startswith(inner.co_qualname + ".") else None
            if deeper is not None:
                return deeper
    return None


def install(mutant: Mutant) -> bool:
    """Replace what the mutant changes in this process; False where that cannot be done in place."""
    name = mutant.path.removesuffix(".py").replace("/", ".")
    module = sys.modules.get(name)
    if module is None:
        return False
    tree = mutant.tree()
    code = compile(tree, str(ROOT / mutant.path), "exec")
    if mutant.scope:
        found, new = functions(module).get(mutant.scope), code_of(code, mutant.scope)
        if found is None or new is None:
            return False
        found.__code__ = new
        for cached in vars(module).values():
            if getattr(cached, "__wrapped__", None) is found and hasattr(cached, "cache_clear"):
                cached.cache_clear()
        return True
    if any(isinstance(node, ast.ClassDef) for node in tree.body):
        return False  # its classes would be others than those that everybody has
    fresh: dict[str, Any] = {"__name__": name, "__file__": str(ROOT / mutant.path)}
    exec(code, fresh)  # noqa: S102  (the house's own code, one fault apart)
    return swap(module, fresh)


def swap(module: ModuleType, fresh: dict[str, Any]) -> bool:
    """Give values of a module's names to it and to whoever imported them; True where one was another."""
    changed = False
    for name, new in fresh.items():
        old = vars(module).get(name)
        if isinstance(old, type | FunctionType | ModuleType) or name.startswith("__") or callable(old):
            continue
        if repr(old) == repr(new):
            continue
        changed = True
        if isinstance(old, dict):
            old.clear()
            old.update(new)
            continue
        for other in list(sys.modules.values()):
            if (
                other is not None
                and getattr(other, "__dict__", {}).get(name) is old
                and borrows(other, module, name)
            ):
                setattr(other, name, new)
    return changed


def borrows(other: ModuleType, module: ModuleType, name: str) -> bool:
    """Return whether a module has a name from another by import."""
    if other is module:
        return True
    path = getattr(other, "__file__", None)
    if not path or not str(path).startswith(str(ROOT)):
        return False
    tree = ast.parse(Path(path).read_text())
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == module.__name__
        and any(a.name == name for a in node.names)
        for node in ast.walk(tree)
    )


# --- running ----------------------------------------------------------------------------------


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
            if self.wide[n] and self.took[n] <= left_s:
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
            tests |= {n for n, item in enumerate(items) if DEFAULTS in item.nodeid}
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
            code = anew(mutant, [items[n].nodeid for n in order])
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
                self.wide[n] = 0  # nothing is asked of it
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


def anew(mutant: Mutant, tests: list[str]) -> int:
    """Run tests in a process that imports the mutant: for what a module does while it is imported."""
    command = [sys.executable, __file__, "--inside", mutant.path, *tests]
    limit_s = 5 * TIMEOUT_S  # of the processor, however busy the machine is
    found = subprocess.run(
        command, input=ast.unparse(mutant.tree()), text=True, cwd=ROOT,
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


# --- what is tried, and what came of it -------------------------------------------------------


def files(patterns: tuple[str, ...]) -> list[str]:
    """Return the files of patterns, as paths from the root."""
    found = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(f for f in found if not f.endswith("__init__.py") and f not in SHELLS)


def choose(sample: int, only: str) -> tuple[list[Mutant], list[Mutant]]:
    """Return all mutants of the controls, and a seeded sample of the others."""
    whole = files(WHOLE)
    all_of = [m for path in whole for m in mutants(path)]
    others = [m for path in files(SAMPLED) if path not in whole for m in mutants(path)]
    # By hash and not by place: a module that changes leaves the sample of the others as it is.
    some = sorted(others, key=lambda m: hashlib.sha256(f"{SEED} {m.key}".encode()).digest())[:sample]
    some.sort(key=lambda m: (m.path, m.line))
    return ([m for m in all_of if only in m.path], [m for m in some if only in m.path])


def digest(paths: list[str]) -> str:
    """Return a hash of files."""
    return hashlib.sha256(b"".join((ROOT / path).read_bytes() for path in paths)).hexdigest()[:20]


def reviewed() -> set[tuple[str, str, str]]:
    """Return what docs/MUTATION.md says changes nothing: path, function, change."""
    found = set()
    for line in REVIEWED.read_text().splitlines() if REVIEWED.exists() else ():
        cells = [cell.strip().strip("`") for cell in line.strip("| ").split(" | ")]
        if len(cells) == 4 and cells[0].endswith(".py"):
            found.add((cells[0], cells[1], cells[2]))
    return found


def report(name: str, chosen: list[Mutant], done: dict[str, dict[str, Any]]) -> None:
    """Print the score of a group, by file."""
    fates: dict[str, Counter[str]] = {}
    same = reviewed()
    for mutant in chosen:
        fate = done.get(mutant.key, {}).get("fate", "not tried")
        if fate == "survived" and (mutant.path, mutant.scope, mutant.what) in same:
            fate = "the same"
        fates.setdefault(mutant.path, Counter())[fate] += 1
    total: Counter[str] = sum(fates.values(), Counter())
    for path, counts in [*sorted(fates.items()), (f"all: {name}", total)]:
        found = counts["killed"] + counts["timeout"]
        judged = found + counts["survived"] + counts["the same"]
        share = f"{100 * found / judged:.1f} %" if judged else "-"
        rest = " ".join(f"{name} {counts[name]}" for name in ("survived", "the same", "not tried"))
        print(f"{path:<30} {judged:>5} judged {found:>5} found {share:>8}  {rest}")


def main() -> int:
    """Try what was not tried yet, and say how it stands."""
    parser = argparse.ArgumentParser(description="Put faults into the risk code, one at a time.")
    parser.add_argument(
        "--sample", type=int, default=SAMPLE, help="mutants of the rest (default %(default)s)"
    )
    parser.add_argument("--log", type=Path, default=Path.home() / ".cache" / "steadyhand-mutation.jsonl")
    parser.add_argument("--only", default="", help="paths that contain this")
    parser.add_argument("--survivors", action="store_true", help="try again what survived")
    parser.add_argument("--tests", default="", help="only tests whose name contains one of these, by commas")
    parser.add_argument("--part", default="1/1", help="of what is to try, one of several: 2/3")
    parser.add_argument("--report", action="store_true", help="only say how it stands")
    parser.add_argument("--inside", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if args.inside:
        return inside(args.inside[0], sys.stdin.read(), args.inside[1:])
    args.log.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in args.log.read_text().splitlines()] if args.log.exists() else []
    done = {row["key"]: row for row in rows}
    whole, some = choose(args.sample, args.only)
    again = ("survived", "timeout") if args.survivors else ()
    same = reviewed()
    todo = [m for m in [*some, *whole] if m.key not in done or done[m.key]["fate"] in again]
    todo = [m for m in todo if m.key not in done or (m.path, m.scope, m.what) not in same]
    print(f"{len(whole)} mutants of the controls, {len(some)} of the rest; {len(todo)} to try", flush=True)
    words = [word for word in args.tests.split(",") if word]
    if words:  # what these cannot see the others were asked about before
        todo = [m for m in todo if m.key in done]
    part, parts = map(int, args.part.split("/"))
    todo = todo[part - 1 :: parts]
    if todo and not args.report:
        plugins = [f"-pno:{name}" for name in ("cacheprovider", "terminal", "asyncio")]
        options = ["-o", "addopts=--import-mode=importlib", *plugins, *TESTS]
        os.chdir(ROOT)
        pytest.main(options, plugins=[Runner(todo, done, args.log, words)])
    report("controls, checks, overlay", whole, done)
    report("sample of the rest", some, done)
    left = [m for m in [*whole, *some] if done.get(m.key, {}).get("fate") == "survived"]
    print(*(f"survived: {m}" for m in left if (m.path, m.scope, m.what) not in same), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
