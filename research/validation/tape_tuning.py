"""Numbers for tapes from their hours for training: the rule's, and what Almgren-Chriss is told.

A replay does not react, so impact is what an order finds in the book and the propagator's charge for it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.tape import Tape
from research.baselines import tuning
from research.baselines.contenders import Contender, contender
from research.baselines.tuning import Told
from research.environment.vector import Settings
from research.validation.cells import Cells
from research.validation.tape_play import costs
from research.validation.tape_results import on_one
from research.validation.tape_world import SHARES, training_windows

GRID: Final = tuple((i, b, p) for i in (0.15, 0.35, 0.6) for b in (0.25, 0.5, 0.75, 1.0) for p in (5.0, 60.0))
BUDGET: Final = 480  # parents, over five rounds
EACH_MIN: Final = 4  # parents that a candidate is judged by: two windows, both sides
SHARE: Final = SHARES[1]
STRIDE: Final = 7  # windows of a round are spread over the day
TOLD_EVERY: Final = 3  # window of training, in which an even execution is measured


def tuned(
    folders: list[Path], minutes: int, settings: Settings, out: Path, code: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return the rule's numbers as `Session.numbers_of` gives them; {} where no tape has such hours."""
    for folder in folders:
        windows = training_windows(folder, minutes)
        if not windows:
            continue
        tape = Tape.open(folder)
        order = np.argsort([(at * STRIDE) % len(windows) for at in range(len(windows))], kind="stable")

        def paid(who: Contender, first: int, last: int, chosen: Any = windows, by: Any = order) -> Any:
            picked = [chosen[by[at % len(chosen)]] for at in range(first // 2, -(-last // 2))]
            found: NDArray[np.float64] = costs(who, picked, SHARE)
            return found

        facts = ["tape rule", tape.meta.events_sha256, minutes, code, msgspec.to_builtins(settings), GRID]

        def make(name: str = str(tape.symbol), paid: Any = paid) -> dict[str, Any]:
            say(f"tuning rule on {name}'s hours for training: {BUDGET} parents")
            found = tuning.tune("rule", settings, BUDGET, paid, GRID, EACH_MIN)
            return {"market": name, "scenario": "tape", "numbers": {"rule": msgspec.to_builtins(found)}}

        return tuning.cached(out / "tuning" / f"tape-{tape.symbol}.json", facts, make)
    return {}


def told_of(folders: list[Path], minutes: int, settings: Settings, cells: Cells) -> Told | None:
    """Return what Almgren-Chriss is told of tapes, None where none has hours for training."""
    for folder in folders:
        chosen = training_windows(folder, minutes)[::TOLD_EVERY]
        if chosen:
            table = on_one(cells, contender("twap", settings), Tape.open(folder).meta.events_sha256, chosen)
            seconds = np.full(len(table["cost"]), minutes * 60.0)
            nothing = np.zeros(len(seconds))
            return tuning.regressed(
                {**table, "seconds": seconds, "impact": table["impact_1"], "end_impact": nothing,
                 "volume": table["filled"] / np.maximum(table["participation"], 1e-9)}
            )  # fmt: skip
    return None
