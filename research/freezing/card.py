"""The model card: what a person must know of a policy before it trades, from its manifest alone."""

import json
from collections.abc import Sequence
from typing import Final

import msgspec

from policies.manifest import Evaluation, Provenance
from policies.policy import Cadence

NOT_FOR: Final = """It decides how to work a parent order that a person or an OMS has decided on, and has no
view on what to buy or sell. It was not trained for auctions, halts, options, or instruments whose tick or
spread lies far outside those of its simulator. It trades within the gate's limits and cannot loosen them."""


def card(
    name: str,
    label: str,
    cadence: Cadence,
    evaluation: list[Evaluation],
    provenance: Provenance,
    goals: Sequence[dict[str, str]] = (),
    not_claimed: Sequence[str] = (),
) -> str:
    """Return the card as Markdown."""
    events = [word for word, on in (("fills", cadence.on_fill), ("touch moves", cadence.on_touch)) if on]
    asked = f"every {cadence.interval_ms} ms" + (f", and after {' and '.join(events)}" if events else "")
    parts = [
        f"# {name}",
        label,
        f"## How it is asked\n\nOnce {asked}, {cadence.gap_ms} ms apart at least, in a corridor of "
        f"{cadence.corridor:.0%} of the parent to either side of its schedule. The trader takes this from "
        "the artefact.",
        f"## What it is not for\n\n{NOT_FOR}",
        *aims(goals),
        *(
            []
            if not not_claimed
            else ["## What is not claimed\n\n" + "\n".join(f"- {s}" for s in not_claimed)]
        ),
        f"## What was measured\n\n{measured(evaluation)}",
        f"## Where it comes from\n\n{origin(provenance)}",
    ]
    return "\n\n".join(parts) + "\n"


def aims(goals: Sequence[dict[str, str]]) -> list[str]:
    """Return the goals of a release, missed ones as large as met ones."""
    if not goals:
        return []
    rows = ["| verdict | goal | measured | aimed at |", "|---|---|---|---|"]
    rows += [f"| {g['verdict']} | {g['goal']} | {g['measured']} | {g['aim']} |" for g in goals]
    note = (
        "T1: held-out seeds; T2: regimes not trained in; T3: other simulators; T4: recorded tapes. "
        "† rests on more passive fills than theirs in markets whose fills are not shown to be real: no claim."
    )
    return ["## Goals\n\n" + "\n".join(rows) + f"\n\n{note}"]


def measured(evaluation: list[Evaluation]) -> str:
    """Return the table of claims."""
    if not evaluation:
        return "Nothing. No claim is made."
    head = (
        "Implementation shortfall in bps of arrival value, ours less theirs on the same markets: negative is "
        "better. Intervals are of 95 %, drawn over clusters."
    )
    rows = ["| tier | scenario | against | difference | interval | orders |", "|---|---|---|---|---|---|"]
    rows += [
        f"| {e.tier} | {e.scenario} | {e.against} | {e.mean_bps:+.3f} | "
        f"[{e.low_bps:+.3f}, {e.high_bps:+.3f}] | {e.orders} |"
        for e in evaluation
    ]
    return head + "\n\n" + "\n".join(rows)


def origin(provenance: Provenance) -> str:
    """Return the provenance as a list."""
    lines = []
    for key, value in msgspec.to_builtins(provenance).items():
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        lines.append(f"- {key}: `{text or '-'}`")
    return "\n".join(lines)
