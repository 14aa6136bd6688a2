"""Write docs/TRACEABILITY.md: regulation, control, code, limits, tests, metric, alert (`make docs`).

The regulations' items and the controls that answer them are said here; all else is read from the code: which
functions refuse or trip by a control's id, which keys of the limits file belong to it, which tests name it,
how it is counted, and which alert looks at that. A hole (no code, no test, no metric, no alert, or a control
that no item asks for) is printed, and the exit code is 1.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from daemon.metrics.catalogue import CAUSE_IDS, CONTROLS  # noqa: E402
from risk.limits import explain  # noqa: E402

TARGET = ROOT / "docs" / "TRACEABILITY.md"
HEAD = """# Traceability

What the rules ask, which control answers, where that is, which tests hold it, how it is counted and which
alert looks. Written from the code (`make docs`); a hole fails the build and a test. Rules: SEC 15c3-5 (market
access), MiFID II RTS 6 (algorithmic trading), Regulation SHO, the FIA's practices of July 2024, and what went
wrong elsewhere (Knight 2012, Citi 2022).

"""
# (rule, what it asks, controls)
ITEMS: list[tuple[str, str, tuple[str, ...]]] = [
    ("15c3-5 (c)(1)(i)", "pre-set credit and capital thresholds", ("R10", "R11", "R12", "R13", "R19")),
    ("15c3-5 (c)(1)(ii)", "no erroneous orders: price, size, rate, duplicates",
     ("R01", "R03", "R04", "R05", "R07", "R20", "R24")),
    ("15c3-5 (c)(2)(i)", "regulatory requirements before an order", ("R17", "R40", "R41")),
    ("15c3-5 (c)(2)(ii)", "no order in a restricted security", ("R02", "R42")),
    ("15c3-5 (c)(2)(iii)", "only authorised persons and systems trade", ("R50", "R70", "R72")),
    ("15c3-5 (c)(2)(iv)", "immediate post-trade reports", ("R60", "R61", "R62")),
    ("15c3-5 (d)", "controls under direct and exclusive control", ("R67", "R68", "GR1")),
    ("RTS 6 art. 8", "limits on instruments and venues", ("R02",)),
    ("RTS 6 art. 12", "kill functionality", ("R70", "R70H", "R71", "R72")),
    ("RTS 6 art. 14", "business continuity, orderly restart", ("R60", "R66", "R67", "STOPPING")),
    ("RTS 6 art. 15 (1)(a)", "price collars", ("R05", "R07")),
    ("RTS 6 art. 15 (1)(b)", "maximum order value", ("R04", "R08")),
    ("RTS 6 art. 15 (1)(c)", "maximum order volume", ("R03", "R08", "R14", "R15")),
    ("RTS 6 art. 15 (1)(d)", "maximum messages", ("R20", "R21", "R22", "R65")),
    ("RTS 6 art. 15 (2)", "credit and risk limits, market risk", ("R10", "R11", "R13", "R30", "R31")),
    ("RTS 6 art. 15 (3)", "repeated automated execution throttle", ("R23", "R25")),
    ("RTS 6 art. 15 (5)", "block orders without permission to trade", ("R02", "R08", "R42")),
    ("RTS 6 art. 15 (6)", "no override of hard blocks; changes by two people", ("R70", "R72", "R18")),
    ("RTS 6 art. 16", "real-time monitoring, stale data, latency", ("R06", "R26", "R61", "R63", "R64")),
    ("RTS 6 art. 17", "post-trade controls, reconciliation", ("R32", "R62", "R19")),
    ("RTS 6 art. 18", "security and access", ("R50", "R51", "R70")),
    ("Reg SHO 201, 203", "marking, locates, short-sale restriction", ("R17",)),
    ("Exchange rules", "self-trade prevention, halts and bands", ("R16", "R41")),
    ("FIA 2024 2.x", "intraday position, drop copy, clocks, dynamic controls",
     ("R10", "R18", "R30", "R62", "R63", "R76")),
    ("Knight 2012", "children within their parent; repeats stop a strategy", ("R14", "R23", "R51")),
    ("Citi 2022", "a basket is admitted whole or refused whole", ("R08",)),
    ("House", "what the policy was not trained on; what the market does not do", ("R52", "R76", "R76H")),
]  # fmt: skip
# Where a control lives whose id is no argument of a call there.
ELSEWHERE = {
    "R51": ("daemon/gate/traders.py: hello_fault", "policies/manifest.py"),
    "R52": ("daemon/gate/conditions.py: condition",),
    "R70": ("daemon/gate/stops.py: kill_scope",),
    "R72": ("daemon/gate/people.py: rearm_ask", "daemon/gate/people.py: rearm_confirm"),
    "R76": ("daemon/gate/conditions.py: condition",),
    "R76H": ("daemon/gate/conditions.py: condition",),
}
WRITERS = ("fail", "raise_", "hold", "reduce_for")  # calls that refuse, or raise a cause


def families() -> dict[str, set[str]]:
    """Return every id of the code by its control: R63S belongs to R63."""
    found: dict[str, set[str]] = {}
    for name in {*CONTROLS, *CAUSE_IDS}:
        base = re.match(r"R\d\d", name)
        key = name if base is None or name in ("R70H", "R76H") else base[0]
        found.setdefault(key, set()).add(name)
    return found


def code_of() -> dict[str, list[str]]:
    """Return `module: function` of every call that refuses or raises by an id."""
    found: dict[str, list[str]] = {}
    for path in [*sorted((ROOT / "risk").rglob("*.py")), *sorted((ROOT / "daemon" / "gate").glob("*.py"))]:
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for name in ids_in(function):
                    place = f"{path.relative_to(ROOT)}: {function.name}"
                    if place not in found.setdefault(name, []):
                        found[name].append(place)
    return found


def ids_in(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the ids that a function's calls refuse or raise by, and those of faults that it words."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in WRITERS:
                words = [
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                ]
                yield from (w for w in words if w in CONTROLS or w in CAUSE_IDS)
            elif called == "append" and node.args and isinstance(node.args[0], ast.JoinedStr | ast.Constant):
                text = ast.unparse(node.args[0])
                match = re.match(r"f?['\"](R\d\d)\b", text)
                if match:
                    yield match[1]


def tests_of() -> dict[str, list[str]]:
    """Return test modules that name an id."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.name in ("test_traceability.py", "test_prometheus.py"):
            continue
        for name in set(re.findall(r"\b(R\d\d[A-Z]?|GR1|STOPPING)\b", path.read_text())):
            found.setdefault(name, []).append(str(path.relative_to(ROOT / "tests")))
    return found


def metrics_of(ids: set[str]) -> list[str]:
    """Return how a control is counted."""
    found = []
    if ids & set(CONTROLS):
        found.append("risk_refusals_total")
    if ids & set(CAUSE_IDS):
        found.append("posture_causes")
    return found


def alerts_of(ids: set[str]) -> list[str]:
    """Return the alerts that look at a control: at its causes, or at the share of refusals."""
    text = (ROOT / "deploy" / "prometheus" / "rules" / "alerts.yml").read_text()
    not_halted = re.search(r'causes\{cause!~"([^"]+)"', text)
    reduced = re.search(r'causes\{cause=~"([^"]+)"', text)
    assert not_halted, "the alert on halts"
    assert reduced, "the alert on reduce only"
    found = set()
    for name in ids & set(CAUSE_IDS):
        if name == "R70":
            found.add("KillSwitchEngaged")
        elif name in ("R60", "R67"):
            found.add("FixSessionDown")
        elif name == "STOPPING":
            found.add("ProcessVanished")
        elif re.fullmatch(reduced[1], name):
            found.add("TradingReduced")
        elif not re.fullmatch(not_halted[1], name):
            found.add("TradingHalted")
    if ids & set(CONTROLS) and "steadyhand:risk_reject:ratio_5m" in text:
        found.add("RejectRateHigh")
    return sorted(found)


def holes() -> list[str]:
    """Return what is missing anywhere."""
    code, tests, groups = code_of(), tests_of(), families()
    asked = {control for _, _, controls in ITEMS for control in controls}
    missing = [f"{control}: no regulation's item names it" for control in sorted(groups.keys() - asked)]
    for control in sorted(asked):
        ids = groups.get(control)
        if ids is None:
            missing.append(f"{control}: no control of the code")
            continue
        if not any(code.get(name) for name in ids) and control not in ELSEWHERE:
            missing.append(f"{control}: no code refuses or trips by it")
        for name, found in (
            ("test", any(tests.get(i) for i in ids)),
            ("metric", metrics_of(ids)),
            ("alert", alerts_of(ids)),
        ):
            if not found:
                missing.append(f"{control}: no {name}")
    return missing


def build() -> str:
    """Return the whole page."""
    code, tests, groups = code_of(), tests_of(), families()
    limits: dict[str, list[str]] = {}
    for doc in explain():
        limits.setdefault(doc.control, []).append(doc.key)
    lines = [HEAD + "## What is asked\n", "| rule | asks | controls |", "|---|---|---|"]
    lines += [f"| {rule} | {asks} | {', '.join(controls)} |" for rule, asks, controls in ITEMS]
    lines += [
        "",
        "## What answers\n",
        "| control | code | limits | tests | counted by | alert |",
        "|---|---|---|---|---|---|",
    ]
    for control in sorted(groups):
        ids = groups[control]
        places = [p for name in sorted(ids) for p in code.get(name, [])] + list(ELSEWHERE.get(control, ()))
        keys = limits.get(control, [])
        modules = sorted({m for name in ids for m in tests.get(name, [])})
        cells = (
            short(places),
            short(keys),
            short(modules),
            ", ".join(metrics_of(ids)),
            ", ".join(alerts_of(ids)),
        )
        lines.append(f"| {control} | " + " | ".join(cells) + " |")
    lines += ["", "Metrics begin with `steadyhand_`, alerts with `Steadyhand`; tests are below `tests/`.", ""]
    return "\n".join(lines)


def short(names: list[str]) -> str:
    """Return the first few of a list, and how many more there are."""
    kept = list(dict.fromkeys(names))
    more = f" and {len(kept) - 4} more" if len(kept) > 4 else ""
    return ", ".join(f"`{n}`" for n in kept[:4]) + more


def main() -> int:
    """Write the page; 1 where there is a hole."""
    missing = holes()
    for line in missing:
        print(f"traceability: {line}", file=sys.stderr)
    TARGET.write_text(build())
    print(
        f"written: docs/{TARGET.name}, {len(ITEMS)} items, {len(families())} controls, {len(missing)} holes"
    )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
