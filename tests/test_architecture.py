"""The house rules that a reviewer should never have to say."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = CONFIG["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
COMMANDS = CONFIG["project"]["entry-points"]["steadyhand.commands"]
SOURCES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400
HELP_S_MAX = 0.2
IMPURE = {"asyncio", "time", "socket", "threading", "random", "uuid"}
LEARNERS = {"sklearn", "lightgbm", "gymnasium", "ray"}
WORDS_OF_THE_MARKET = {
    f"market.{n}"
    for n in (
        "types",
        "instruments",
        "events",
        "desk_events",
        "copy_events",
        "position_events",
        "oms_events",
        "people_events",
        "orders",
        "child_order",
        "order_table",
        "report_checks",
        "parents",
        "updates",
    )
}
# What a command line must not wait for. argparse and the standard library's light parts take 60 ms in all.
SLOW_TO_LOAD = [
    "asyncio", "msgspec", "numba", "numpy", "prometheus_client", "pyarrow", "pydantic", "quickfix", "rich",
    "safetensors", "structlog", "torch", "uvloop",
]  # fmt: skip
FORBIDDEN_IN_GATE = ["numpy", "numba", "pyarrow", "torch", "policies", "market.book", "market.book_events"]
MAY_CATCH_ALL = {"daemon/runtime.py": 1, "gateways/fix/guarded.py": 1, "daemon/metrics/block.py": 1}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), name_of(path))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports(path: Path) -> set[str]:
    """Return the modules that a file names, in functions too; `from daemon.gate import parents` names two."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or "."
            names |= {
                module,
                *(f"{module}.{a.name}" for a in node.names if file_of(f"{module}.{a.name}").exists()),
            }
    return names


def file_of(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


def reached(*modules: str) -> set[str]:
    """Return the modules of ours that these ones import, and those that those import, and so on."""
    found: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in found and file_of(module).exists():
            found.add(module)
            todo += [n for n in imports(file_of(module)) if n.split(".")[0] in PACKAGES]
    return found


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def test_imports_point_down() -> None:
    tool = Path(sys.executable).with_name("lint-imports")

    outcome = subprocess.run([tool, "--no-cache"], capture_output=True, text=True, cwd=ROOT)

    assert outcome.returncode == 0, outcome.stdout


def test_no_other_distribution_owns_our_package_names() -> None:
    """A public project called python-daemon installs a package `daemon` too: docs/decisions."""
    owners = importlib.metadata.packages_distributions()
    ours = CONFIG["project"]["name"]

    strangers = {n: set(owners.get(n, ())) - {ours} for n in PACKAGES}

    assert not {n: who for n, who in strangers.items() if who}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_fits_in_the_head_and_a_function_on_the_screen(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= MODULE_LINES_MAX
    for function in functions(tree_of(path)):
        assert function.end_lineno is not None
        assert function.end_lineno - function.lineno < FUNCTION_LINES_MAX, function.name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    tree = tree_of(path)

    assert not tree.body or ast.get_docstring(tree)
    assert path.name != "__init__.py" or not tree.body, "package __init__s stay empty"


def test_tasks_are_started_in_one_module_only() -> None:
    starters = [name_of(p) for p in SOURCES for called, _ in calls(p) if called.endswith("create_task")]

    assert starters == ["daemon/runtime.py"]


def test_everything_is_caught_in_three_places_only() -> None:
    found: dict[str, int] = {}
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            ):
                if ast.unparse(node.body[-1]) == "raise":
                    continue  # it cleans up and lets it go on
                found[name_of(path)] = found.get(name_of(path), 0) + 1

    assert {n: k for n, k in found.items() if k > MAY_CATCH_ALL.get(n, 0)} == {}


def cores() -> list[Path]:
    """Return the files of the pure packages, and whatever the two cores are made of."""
    packages = {p for p in SOURCES if p.parts[len(ROOT.parts)] in ("market", "risk", "policies")}
    made_of = {file_of(n) for n in reached("daemon.gate.core", "daemon.trader.core")}
    return sorted(packages | made_of)


@pytest.mark.parametrize("path", cores(), ids=name_of)
def test_a_core_has_no_clock_no_chance_and_no_wire(path: Path) -> None:
    assert not tops(path) & IMPURE
    assert not any(isinstance(n, ast.Await | ast.AsyncFunctionDef) for n in ast.walk(tree_of(path)))


def top_names(tree: ast.Module) -> set[str]:
    """Return what a module's own statements name: what lives there."""
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {
        n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_a_name_is_imported_from_where_it_lives() -> None:
    """A module that hands on what others made hides who depends on whom."""
    lives = {name_of(p)[:-3].replace("/", "."): top_names(tree_of(p)) for p in SOURCES}
    found = [
        f"{name_of(path)}:{node.lineno} {alias.name} from {node.module}"
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module in lives
        for alias in node.names
        if alias.name not in lives[node.module]
    ]

    assert found == []


def test_risk_sees_only_the_words_of_the_market() -> None:
    seen = {n for p in SOURCES if p.parts[len(ROOT.parts)] == "risk" for n in imports(p)}

    assert {
        n for n in seen if n.split(".")[0] in PACKAGES and not n.startswith("risk")
    } <= WORDS_OF_THE_MARKET


def test_gateways_see_only_the_verdicts_of_risk() -> None:
    seen = {n for p in SOURCES if p.parts[len(ROOT.parts)] == "gateways" for n in imports(p)}

    assert {n for n in seen if n.startswith("risk")} <= {"risk.verdict"}


def test_the_gate_reaches_nothing_forbidden_not_even_late() -> None:
    """An import inside a function counts too."""
    ours = reached("daemon.gate.main")

    assert "daemon.gate.parents" in ours  # which only `from daemon.gate import parents` names
    assert not {n for n in ours if tops(file_of(n)) & {"numpy", "numba", "pyarrow", "torch", "safetensors"}}
    assert not {n for n in ours if n.startswith(("policies", "research"))}
    assert {n for n in ours if n.startswith("market.")} <= WORDS_OF_THE_MARKET


def test_quickfix_is_imported_by_the_engine_alone() -> None:
    importers = {name_of(p) for p in SOURCES if "quickfix" in tops(p)}

    assert importers <= {"gateways/fix/engine.py"}


def test_what_learns_is_imported_by_research_alone() -> None:
    importers = {name_of(p) for p in SOURCES if tops(p) & LEARNERS}

    assert {n for n in importers if not n.startswith("research/")} == set()


def test_torch_is_imported_by_nothing_that_trades() -> None:
    importers = {name_of(p) for p in SOURCES if "torch" in tops(p)}

    assert {n for n in importers if not n.startswith("research/")} == set()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path: Path) -> None:
    assert not tops(path) & {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
    for called, node in calls(path):
        assert called not in ("eval", "exec", "compile", "os.system", "os.popen", "torch.load", "__import__")
        assert not called.endswith("create_subprocess_shell")
        for keyword in node.keywords:
            assert keyword.arg != "shell", f"line {node.lineno}"
            loads_pickle = (
                keyword.arg == "allow_pickle" and getattr(keyword.value, "value", None) is not False
            )
            assert not loads_pickle, f"line {node.lineno}"


def test_the_gate_never_loads_what_it_must_not() -> None:
    asked = f"[m for m in {FORBIDDEN_IN_GATE} if m in sys.modules]"

    outcome = run_python(f"import sys, daemon.gate.main, daemon.gate.core; print({asked})")

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_loaded(command: str) -> None:
    module, function = COMMANDS[command].split(":")

    outcome = run_python(f"import {module} as m; assert callable(m.{function})")

    assert outcome.returncode == 0, outcome.stderr


def test_installed_commands_are_those_of_the_checkout() -> None:
    installed = {p.name: p.value for p in importlib.metadata.entry_points(group="steadyhand.commands")}

    assert installed == COMMANDS


def test_help_is_there_at_once_and_loads_nothing_heavy() -> None:
    heavy = ["numpy", "pydantic", "msgspec", "structlog", "asyncio", "argparse"]
    asked = f"[m for m in {heavy} if m in sys.modules]"
    code = f"import sys; from daemon.cli import main; main(['--help']); print({asked})"
    spent_s = []
    for _ in range(5):
        before = os.times()
        outcome = run_python(code)
        after = os.times()
        spent_s.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )

    assert outcome.returncode == 0
    assert outcome.stdout.splitlines()[-1] == "[]"
    assert all(command in outcome.stdout for command in COMMANDS)
    assert min(spent_s) < HELP_S_MAX  # of the processor, the least of five: others may use the machine too


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("asked", "code"), [("--help", 0), ("--no-such-option", 2)])
def test_a_command_line_is_answered_before_anything_heavy_is_loaded(
    command: str, asked: str, code: int
) -> None:
    loaded = f"[m for m in {SLOW_TO_LOAD} if m in sys.modules]"

    outcome = run_python(
        f"import sys; from daemon.cli import main; print(main({[command, asked]}), {loaded})"
    )

    assert outcome.stdout.splitlines()[-1] == f"{code} []", outcome.stderr
    assert outcome.stdout.startswith(f"usage: steadyhand {command} ") == (code == 0)
    assert outcome.stderr.count("\n") == (code != 0)  # a mistake is one line


def test_the_roads_of_the_architecture_can_be_walked() -> None:
    """Every file that docs/ARCHITECTURE.md leads through is there, and so is what it points at in it."""
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    rows = page.partition("## By file")[2].partition("\n## ")[0]
    folder, text, walked = ROOT, "", 0
    for span in re.findall(r"`([^`]+)`", rows):
        file, _, name = span.rpartition(": ") if ".py: " in span else (span, "", "")
        if file.endswith(".py"):
            folder = (ROOT / file).parent if "/" in file else folder
            text = (folder / Path(file).name).read_text()
        elif re.fullmatch(r"_?[a-z][a-z_]+", span):
            name = span  # one more of the file before
        walked += 1
        assert not name or re.search(rf"^\s*(?:(?:async )?def )?{name.split('.')[-1]}\b", text, re.M), span

    assert walked > 50


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(r"(?<![\w.])/(work|root|home|Users)/\w", id="machine paths"),
        pytest.param(r"[\w.-]*py" + r"pi\.(org|python)|pythonhosted", id="registry hosts"),
    ],
)
def test_the_tree_speaks_of_no_machine(setting: str) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files are ours cannot be told")
    found = []
    for name in os.fsdecode(listed.stdout).split("\0"):
        path = ROOT / name
        if (
            path.suffix in (".py", ".md", ".toml", ".lock", ".in", ".sh", ".yml", ".json", ".service", "")
            and path.is_file()
        ):
            text = path.read_text(errors="replace")
            found += [
                f"{name}: {m.group()}"
                for m in re.finditer(setting, text)
                if name != "tests/test_architecture.py"
            ]

    assert found == []
