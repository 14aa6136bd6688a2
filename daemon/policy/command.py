"""`steadyhand policy show|verify|diff`: an artefact read by a person before it trades.

Nothing of it is believed: `verify` does what a start does (hashes, shapes, golden rows) and, with a key,
checks the signature. Exit 0, or 78 with one line that names what is wrong; `diff` exits 1 where two differ.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from daemon.runtime import EXIT_CONFIG, EXIT_DONE, EXIT_NOT_CLEAN
from policies import manifest as manifests
from policies import signature
from policies.actions import ACTIONS, PASSIVE_NAMES
from policies.choose import ARTEFACTS, shipped_artefacts
from policies.frozen import ALL_ACTIONS, FrozenPolicy
from policies.manifest import ArtefactError, Manifest

HIDDEN: Final = ("golden", "action_table")  # thousands of numbers that say nothing to a reader
SIZES: Final = {0: "", 1: "half a slice", 2: "a slice", 4: "two slices"}


class Artefact(msgspec.Struct, frozen=True):
    """An artefact that has passed every check."""

    folder: Path
    manifest: Manifest
    policy: FrozenPolicy


def main(args: argparse.Namespace) -> int:
    """Run one verb."""
    try:
        first = load(args.policy)
        if args.verb == "diff":
            return diff(first, load(args.other), args.json)
        signed = check_signature(first.folder, args.key if args.verb == "verify" else None)
    except (ArtefactError, signature.KeyFileError) as error:
        print(f"steadyhand policy: {error}", file=sys.stderr)
        return EXIT_CONFIG
    (verify if args.verb == "verify" else show)(first, signed, args.json)
    return EXIT_DONE


def load(spec: str) -> Artefact:
    """Return a checked artefact by name or folder.

    Raises:
        ArtefactError: one line.

    """
    known = shipped_artefacts()
    folder = Path(spec) if "/" in spec else ARTEFACTS / spec
    if "/" not in spec and spec not in known:
        raise ArtefactError(f"{spec!r} is none of {', '.join(known)}; a folder is written with a /")
    found, _, _ = manifests.load(folder)
    return Artefact(folder, found, FrozenPolicy.load(folder))


def check_signature(folder: Path, key: Path | None) -> str:
    """Return a word on the signature.

    Raises:
        ArtefactError, KeyFileError: a key is given and it is not satisfied.

    """
    if key is not None:
        signature.check(folder, signature.public_key(key))
        return f"signed, and {key} agrees"
    return "signed (not checked: give --key)" if (folder / manifests.SIGNATURE).exists() else "not signed"


# --- show, verify ---------------------------------------------------------------------------------
def verify(artefact: Artefact, signed: str, as_json: bool) -> None:
    """Say that it has passed."""
    found, policy = artefact.manifest, artefact.policy
    if as_json:
        print(json.dumps({"ok": True, "policy": policy.name, "sha256": policy.sha256, "signature": signed}))
        return
    print(f"{policy.name}  {policy.sha256}")
    print(
        f"files, hashes, shape, {len(found.golden)} golden rows ({policy.ties} too close to call): as frozen"
    )
    print(signed)


def show(artefact: Artefact, signed: str, as_json: bool) -> None:
    """Print the manifest for a reader."""
    found = artefact.manifest
    if as_json:
        tree = {k: v for k, v in msgspec.to_builtins(found).items() if k not in HIDDEN}
        print(json.dumps(tree | {"sha256": artefact.policy.sha256, "signature": signed}, sort_keys=True))
        return
    print("\n".join(lines(artefact, signed)))


def lines(artefact: Artefact, signed: str) -> list[str]:
    """Return what `show` prints."""
    found, cadence = artefact.manifest, artefact.manifest.cadence
    events = [word for word, on in (("fills", cadence.on_fill), ("touch moves", cadence.on_touch)) if on]
    text = [
        f"{found.policy_id}  ({signed})",
        f"  {found.label}",
        f"  sha256    {artefact.policy.sha256}",
        f"  network   {found.network} {' - '.join(map(str, found.shape))}, schedule {found.schedule}",
        f"  asked     every {cadence.interval_ms} ms"
        + (f" and after {' and '.join(events)}, {cadence.gap_ms} ms apart at least" if events else ""),
        f"  corridor  {cadence.corridor:.0%} of the parent to either side of the schedule",
        f"  golden    {actions_of(found)}",
        "",
    ]
    text += evaluation(found)
    for title, tree in msgspec.to_builtins(found.provenance).items():
        shown = tree if isinstance(tree, str) else json.dumps(tree, sort_keys=True)
        text.append(f"  {title:<10}{shown or '-'}")
    return text


def evaluation(found: Manifest) -> list[str]:
    """Return the table of what was measured."""
    if not found.evaluation:
        return ["  measured  nothing: no claim is made", ""]
    rows = [
        (
            e.tier,
            e.scenario,
            e.against,
            f"{e.mean_bps:+.2f} [{e.low_bps:+.2f}, {e.high_bps:+.2f}]",
            f"{e.orders}",
        )
        for e in found.evaluation
    ]
    head = ("tier", "scenario", "against", "bps, 95 % interval", "orders")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    table = [
        "  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in (head, *rows)
    ]
    return [
        "  measured  shortfall, ours less theirs: negative is better",
        *(line.rstrip() for line in table),
        "",
    ]


def actions_of(found: Manifest) -> str:
    """Say what it does on its golden rows, most frequent first."""
    counts = np.bincount([row.action for row in found.golden], minlength=len(ACTIONS))
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    return ", ".join(f"{action_name(i)} {counts[i] / counts.sum():.0%}" for i in order)


def action_name(index: int) -> str:
    """Return an action in words."""
    where, halves = ACTIONS[index]
    rest, cross = PASSIVE_NAMES[where], SIZES[halves]
    if not cross:
        return rest
    return f"cross {cross}" if rest == "none" else f"{rest} + cross {cross}"


# --- diff -----------------------------------------------------------------------------------------
def diff(first: Artefact, second: Artefact, as_json: bool) -> int:
    """Print what differs; 0 where nothing does."""
    fields = differences(msgspec.to_builtins(first.manifest), msgspec.to_builtins(second.manifest))
    decisions = disagreements(first, second)
    if as_json:
        print(json.dumps({"fields": {k: list(v) for k, v in fields.items()}, "decisions": decisions}))
    else:
        for key, (a, b) in sorted(fields.items()):
            print(f"{key}:\n  - {brief(a)}\n  + {brief(b)}")
        rows = len(first.manifest.golden) + len(second.manifest.golden)
        print(f"decisions: {decisions} of {rows} golden rows of both differ")
    return EXIT_NOT_CLEAN if fields or decisions else EXIT_DONE


def differences(first: Any, second: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the leaves in which two trees differ, by dotted key."""
    if isinstance(first, dict) and isinstance(second, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for name in sorted(first.keys() | second.keys()):
            if not key and name in HIDDEN:
                continue
            found |= differences(first.get(name), second.get(name), f"{key}.{name}" if key else name)
        return found
    return {} if first == second else {key: (first, second)}


def disagreements(first: Artefact, second: Artefact) -> int:
    """Return on how many golden rows of both the two decide differently, every action allowed."""
    count = 0
    for row in first.manifest.golden + second.manifest.golden:
        obs = np.array(row.obs, dtype=np.float32)
        count += first.policy.act(obs, ALL_ACTIONS).action != second.policy.act(obs, ALL_ACTIONS).action
    return count


def brief(value: Any) -> str:
    """Return a value on one line that a terminal can hold."""
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 100 else text[:97] + "..."
