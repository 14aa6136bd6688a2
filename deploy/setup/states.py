"""Draw the state machines of the code into docs/STATES.md: `python deploy/setup/states.py` (`make docs`)."""

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from market import order_table, parents  # noqa: E402
from risk import posture  # noqa: E402

TARGET = ROOT / "docs" / "STATES.md"
HEAD = """# States

Drawn from the tables in the code (`make docs`), and a test holds this page to them. An arrow carries
what moves the state; what has no arrow changes nothing, or is a break (an execution report that fits no
row: its shares are booked, trading stops, a person looks).
"""


def build() -> str:
    """Return the whole page."""
    orders = [(a.name, e.name, b.name) for (a, e), b in order_table.TRANSITIONS.items() if a is not b]
    repairs = [
        (a.name, f"refused {r.name}", b.name) for (a, r), b in order_table.REPAIRS.items() if a is not b
    ]
    parent = [
        (a.value, t.value, "expired or canceled" if b is parents.P.EXPIRED else b.value)
        for (a, t), b in parents.TRANSITIONS.items()
    ]
    return "\n".join(
        [
            HEAD,
            "## A child order (`market/order_table.py`)\n",
            "By ExecType(150). Where an arrow leads to PARTIALLY_FILLED the arithmetic decides:",
            "NEW with nothing filled, FILLED with nothing left.\n",
            diagram(orders),
            "A cancel or replace that the EMS refuses (35=9):\n",
            diagram(repairs),
            "## A parent order (`market/parents.py`)\n",
            diagram(parent),
            "## The posture (`risk/posture.py`)\n",
            "The worst of the causes that hold, for the firm or a scope of it. A cause lives by one table:\n",
            diagram([(a.value, t.value, b.value) for (a, t), b in posture.LIFE.items()]),
            "RETURNING means reduce only. A person signs, and another one with another key countersigns.\n",
            *causes(),
            "",
        ]
    )


def diagram(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a Mermaid diagram, one arrow a pair of states."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for before, trigger, after in rows:
        arrows.setdefault((before, after), []).append(trigger)
    names = {n: f"S{i}" for i, n in enumerate(dict.fromkeys(n for pair in arrows for n in pair))}
    states = [f'    state "{name}" as {key}' for name, key in names.items()]
    lines = [f"    {names[a]} --> {names[b]}: {', '.join(triggers)}" for (a, b), triggers in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *states, *lines, "```\n"])


def causes() -> list[str]:
    """Return the table of causes."""
    rows = [
        f"| {name} | {cause.posture.name} | {'a person' if cause.latched else 'itself'} | {cause.doc} |"
        for name, cause in posture.CAUSES.items()
    ]
    return ["| cause | posture | lifted by | what happened |", "|---|---|---|---|", *rows]


if __name__ == "__main__":
    TARGET.write_text(build())
