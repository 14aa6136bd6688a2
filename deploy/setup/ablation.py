"""Take each control away, one at a time: some test must fail. `python deploy/setup/ablation.py [--write]`.

What is taken away: an id as a whole (nothing is refused by it and no cause of that name is raised), and then
each single place that refuses or raises, in risk/ and in the gate. The tests are collected once and run in
forks, those that name the id first; what the log says was found is not tried again. `--write`
writes docs/ABLATION.md; a hole is printed, exit code 1.
"""

import argparse
import ast
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.setup.mutants import ROOT, Mutant, files, install, mutants, source
from deploy.setup.mutation import TESTS
from deploy.setup.mutation_runs import NOT_IN_PLACE, fork, passes, wanted
from deploy.setup.traceability import WRITERS

TARGET: Final = ROOT / "docs" / "ABLATION.md"
TIMEOUT_S: Final = 600  # of one removal: ten times what all of the tests take
PLACES: Final = ("risk/*.py", "risk/controls/*.py", "daemon/gate/*.py")
NOT_ASKED: Final = "test_ablation"  # it takes away by itself
NOT_ORDERS: Final = frozenset({"risk/canary.py"})  # its calls set scenes, they guard nothing
HEAD: Final = """# Ablation

Each control taken away, and the test that then fails first: an id as a whole (nothing is refused by it, no
cause of its name is raised), and below that each single place that refuses or raises. Written by
`python deploy/setup/ablation.py --write`, which takes some minutes and fails where no test does.
`tests/risk/test_ablation.py` does the same for ids in a second, with boundary rows and canaries alone.

"""


class Removal:
    """Something that is taken away in a child, and the words that its tests are likely to use."""

    def __init__(self, name: str, control: str, key: str, act: Callable[[], bool]) -> None:
        self.name, self.control, self.key, self.act = name, control, key, act
        self.found = ""


def silence(control: str, put: Callable[[Any, str, Any], None] = setattr) -> bool:
    """Take an id away: no order is refused by it, no parent, and no cause of its name is raised.

    `put` replaces an attribute; a test gives one that can be undone.
    """
    from risk import admission
    from risk.case import Case
    from risk.posture import PostureTable

    fail, raise_, faults, values = Case.fail, PostureTable.raise_, admission.faults, admission.value_faults

    def quiet(self: Case, name: str, *rest: Any) -> None:
        if name != control:
            fail(self, name, *rest)

    def silent(self: PostureTable, name: str, *rest: Any, **more: Any) -> bool:
        return raise_(self, name, *rest, **more) if name != control else False

    def others(found: list[str]) -> list[str]:
        return [fault for fault in found if not fault.startswith(control)]

    put(Case, "fail", quiet)
    put(PostureTable, "raise_", silent)
    put(admission, "faults", lambda *a, **k: others(faults(*a, **k)))
    put(admission, "value_faults", lambda *a, **k: others(values(*a, **k)))
    return True


def ids() -> list[str]:
    """Return every id that refuses an order or holds trading back."""
    from daemon.metrics.catalogue import CAUSE_IDS, CONTROLS

    return sorted({*CONTROLS, *CAUSE_IDS})


def written(statement: str) -> str:
    """Return the id that a removed statement refuses or raises by, "" where it is none."""
    tree = ast.parse(statement)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if called in WRITERS and words and words[0][:1] in "RGS":
            return words[0]
        if called == "append" and node.args and isinstance(node.args[0], ast.JoinedStr | ast.Constant):
            text = ast.unparse(node.args[0]).lstrip("f'\"")
            if text[:1] == "R" and text[1:3].isdigit():
                return text[:3]
    return ""


def single_places() -> Iterator[tuple[str, Mutant]]:
    """Yield each statement that refuses or raises, as the mutant that lacks it."""
    for path in files(PLACES):
        if path in NOT_ORDERS:
            continue
        lines = source(path).splitlines()
        for mutant in mutants(path):
            if mutant.what.endswith("-> removed"):
                text = "\n".join(lines[mutant.line - 1 : mutant.last]).strip()
                control = written(text)
                if control:
                    yield control, mutant


def removals() -> list[Removal]:
    """Return everything that is taken away."""
    found = [Removal(name, name, name, lambda name=name: silence(name)) for name in ids()]
    seen: Counter[str] = Counter()
    for control, mutant in single_places():
        place = f"{mutant.path}: {mutant.scope}"
        seen[f"{control} {place}"] += 1
        n = seen[f"{control} {place}"]
        name = f"{control} in `{place}`" + (f" ({n})" if n > 1 else "")
        found.append(Removal(name, control, mutant.key, lambda mutant=mutant: install(mutant)))
    return found


class Runner:
    """A pytest plugin: takes the collected tests and forks once a removal."""

    def __init__(self, chosen: list[Removal], log: Path) -> None:
        self.chosen, self.log = chosen, log
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every removal."""
        keys = keys_of()
        session.items[:] = [i for i in session.items if wanted(i.nodeid) and NOT_ASKED not in i.nodeid]
        texts = {item.nodeid: source_of(item) for item in session.items}
        nothing = Removal("nothing", "", "", lambda: True)
        _, finder = fork(lambda write: self.child(nothing, session.items, write), TIMEOUT_S)
        if finder >= 0:
            raise pytest.UsageError(f"fails as it is: {session.items[finder].nodeid}")
        for removal in self.chosen:
            words = [removal.control, *keys.get(removal.control[:3], ())]
            near = {n: sum(word in text for word in words) for n, text in texts.items()}
            items = sorted(session.items, key=lambda item: -near[item.nodeid])
            code, finder = fork(lambda write, r=removal, i=items: self.child(r, i, write), TIMEOUT_S)
            assert code != NOT_IN_PLACE, removal.name
            removal.found = items[finder].nodeid if finder >= 0 else ""
            if not removal.found:
                print(f"no test fails without {removal.name}", flush=True)
                continue
            with self.log.open("a") as file:
                file.write(json.dumps({"key": removal.key, "found": removal.found}) + "\n")
        return True

    def child(self, removal: Removal, items: list[pytest.Item], write: int) -> int:
        """Run tests until one fails."""
        if not removal.act():
            return NOT_IN_PLACE
        for n, item in enumerate(items):
            if not passes(item, self):
                os.write(write, str(n).encode())
                return 1
        return 0


def keys_of() -> dict[str, list[str]]:
    """Return the limits that belong to a control: tests name them."""
    from risk.limits import explain

    found: dict[str, list[str]] = {}
    for doc in explain():
        found.setdefault(doc.control, []).append(doc.key)
    return found


def source_of(item: pytest.Item) -> str:
    """Return what a test says of itself: its name, and its code where it has some."""
    function = getattr(item, "function", None)
    if function is None:
        return item.nodeid
    lines = source(str(Path(function.__code__.co_filename).relative_to(ROOT))).splitlines()
    begin = function.__code__.co_firstlineno - 1
    return item.nodeid + "\n".join(lines[begin : begin + 30])


def page(found: list[Removal]) -> str:
    """Return docs/ABLATION.md."""
    rows = ["| without | fails first |", "|---|---|"]
    for removal in found:
        path, _, test = removal.found.partition("::")
        rows.append(f"| {removal.name} | `{path.removeprefix('tests/')}` {test.partition('[')[0]} |")
    return HEAD + "\n".join(rows) + "\n"


def main() -> int:
    """Take away, one at a time, and report."""
    parser = argparse.ArgumentParser(description="Take each control away: some test must fail.")
    parser.add_argument("--write", action="store_true", help="write docs/ABLATION.md")
    parser.add_argument("--only", default="", help="removals whose name contains this")
    parser.add_argument("--log", type=Path, default=Path.home() / ".cache" / "steadyhand-ablation.jsonl")
    args = parser.parse_args()
    chosen = [removal for removal in removals() if args.only in removal.name]
    args.log.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in args.log.read_text().splitlines()] if args.log.exists() else []
    done = {row["key"]: row["found"] for row in rows}
    for removal in chosen:
        removal.found = done.get(removal.key, "")
    todo = [removal for removal in chosen if not removal.found]
    os.chdir(ROOT)
    plugins = [f"-pno:{name}" for name in ("cacheprovider", "terminal", "asyncio")]
    options = ["-o", "addopts=--import-mode=importlib", *plugins, *TESTS]
    if todo:
        pytest.main(options, plugins=[Runner(todo, args.log)])
    holes = [removal.name for removal in chosen if not removal.found]
    print(f"{len(chosen)} removals, {len(holes)} that no test finds")
    if args.write and not args.only and not holes:
        TARGET.write_text(page(chosen))
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
