"""Collect every bound of the code into docs/BOUNDS.md: `python deploy/setup/bounds.py` (`make docs`).

A bound is a constant of a module whose name says so (`_MAX`, `_MIN`, `_WAIT_S`, `_BYTES` ...) and whose
value is a number. Its reason is the comment at its line's end or the comment lines right above it.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "BOUNDS.md"
PACKAGES = ("market", "risk", "policies", "gateways", "daemon", "research")
NAME = re.compile(
    r"[A-Z0-9_]*_(MAX|MIN|CAPACITY|LIMIT|DEPTH|(WAIT|TIMEOUT|GRACE|AGE|INTERVAL|WINDOW|PERIOD)_(S|MS|US|NS)|MAX_\w+)"
    r"|[A-Z0-9_]*(_MAX|_BYTES|_SLOTS|_WAIT_S|_TIMEOUT_S|_GRACE_S)"
)
INDEX = re.compile(
    r"(H|Z|W|N)_\w+|NO_LIMIT|(HEADER|LOGIN_REQUEST)_BYTES"
)  # places in an arena, sizes of a format
HEAD = """# Bounds

Every queue, loop, retry, frame, count and wait has a bound with a name and a reason. This page is collected
from the code (`make docs`), and a test holds it to it. The limits of trading are not here: they are an
operator's, in the limits file. Limits of a configuration's keys stand with the keys in `daemon/config.py`.
"""


@dataclass(frozen=True)
class Bound:
    """One bound, as it stands in the code."""

    module: str
    name: str
    value: str
    reason: str


def collect() -> list[Bound]:
    """Return every bound of every module, in the order of the files."""
    paths = (p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py")))
    return [bound for path in paths for bound in bounds_of(path)]


def bounds_of(path: Path) -> list[Bound]:
    """Return the bounds of one module."""
    text = path.read_text()
    lines = text.splitlines()
    found = []
    for node in ast.parse(text).body:
        name, value = assigned(node)
        if name is not None and value is not None and is_bound(name) and is_number(value):
            code = ast.get_source_segment(text, value) or ""
            found.append(Bound(str(path.relative_to(ROOT)), name, code, reason_of(lines, node)))
    return found


def is_bound(name: str) -> bool:
    """Return whether a name says that it is a bound."""
    return NAME.fullmatch(name) is not None and INDEX.fullmatch(name) is None


def assigned(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    """Return name and value of `NAME = value` and `NAME: Final = value`."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    return None, None


def is_number(value: ast.expr) -> bool:
    """Return whether a value is a number or a sum of numbers and names."""
    parts = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.operator, ast.unaryop)
    numbers = [n.value for n in ast.walk(value) if isinstance(n, ast.Constant)]
    plain = all(isinstance(n, parts) for n in ast.walk(value))
    return plain and bool(numbers) and all(isinstance(n, int | float) for n in numbers)


def reason_of(lines: list[str], node: ast.stmt) -> str:
    """Return the comment behind a statement, else the comment block right above it."""
    last = lines[(node.end_lineno or node.lineno) - 1]
    _, sign, comment = last.partition("# ")
    if sign:
        return comment.strip()
    above: list[str] = []
    number = node.lineno - 2
    while number >= 0 and lines[number].startswith("# "):
        above.insert(0, lines[number][2:].strip())
        number -= 1
    return " ".join(above)


def build() -> str:
    """Return the page."""
    out, module = [HEAD], ""
    for bound in collect():
        if bound.module != module:
            module = bound.module
            out += [f"\n## {module}\n", "| bound | value | reason |", "|---|---|---|"]
        reason = bound.reason.replace("|", "\\|")
        value = bound.value.replace("**", "^")
        out.append(f"| `{bound.name}` | {value} | {reason} |")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    TARGET.write_text(build())
    print(f"written: {TARGET.relative_to(ROOT)}, {len(collect())} bounds", file=sys.stderr)
