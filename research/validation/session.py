"""A session of validation: contenders in cells, tuned where they have numbers, played once, kept.

What was played is asked for by what it depends on (cells.py); a stage, an environment with its openings,
is made only where something is missing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from research.baselines import tuning
from research.baselines.contenders import NAMES, TUNED, Contender, contender
from research.baselines.tuning import ALMGREN_CHRISS, Told
from research.environment.scenarios import Scenario
from research.environment.vector import Settings
from research.validation.cells import Cells, scenario_sha256, seeds_sha256
from research.validation.play import Stage, Table
from research.validation.propagator import Propagator
from research.validation.seeds import TUNE, seeds
from research.validation.tiers import Cell, family

TUNE_SEEDS: Final = 4_096
TOLD_ORDERS: Final = 128  # on which Almgren-Chriss is told its regime
Say = Callable[[str], None]


class Session:
    """Plays, tunes and keeps."""

    def __init__(
        self, out: Path, cells: Cells, settings: Settings, budget: int, threads: int, say: Say
    ) -> None:
        self.out, self.cells, self.settings = out, cells, settings
        self.budget, self.threads, self.say = budget, threads, say
        self.tuned: dict[str, dict[str, Any]] = {}
        self.told: dict[str, Told] = {}
        self._stage: tuple[str, Stage] | None = None

    # --- playing ---

    def table(self, cell: Cell, who: Contender) -> Table:
        """Return a contender's episodes of a cell, played now or before."""
        found = self.cells.read(facts_of(cell, who))
        if found is not None:
            return found
        overlay = None
        if cell.overlay > 0.0:
            told = self.told_of(cell._replace(overlay=0.0))
            overlay = Propagator(cell.overlay, told["sigma_bps_per_root_s"], told["volume_per_s"])
        table = self.stage(cell.scenario, cell.seeds).play(who, overlay)
        self.cells.write(facts_of(cell, who), table)
        return table

    def has(self, cell: Cell, who: Contender) -> bool:
        """Say whether a contender's episodes of a cell are there."""
        return self.cells.has(facts_of(cell, who))

    def stage(self, scenario: Scenario, picked: NDArray[np.int64]) -> Stage:
        """Return the environment of a scenario and seeds; the last one is kept."""
        key = scenario_sha256(scenario) + seeds_sha256(picked)
        if self._stage is None or self._stage[0] != key:
            self.close()
            self._stage = key, Stage(scenario, picked, self.threads)
        return self._stage[1]

    def close(self) -> None:
        """Let the last environment go."""
        if self._stage is not None:
            self._stage[1].close()
            self._stage = None

    # --- tuning ---

    def baselines(self, cell: Cell, wanted: list[str]) -> list[Contender]:
        """Return the baselines of a cell: tuned for its market, Almgren-Chriss told this very regime."""
        numbers = self.numbers_of(cell.scenario) if self.budget else {}
        made = []
        for name in wanted:
            found = numbers.get(name)
            if name == "constant" and found is None:
                continue
            row = tuple(found["numbers"]) if found else ()
            about, told = "", None
            if found:
                shown = ", ".join(f"{x:g}" for x in row)
                about = f"{name} ({shown}), best of {found['tried']} on {found['budget']:,} episodes"
                told = self.told_of(cell) if name.startswith(ALMGREN_CHRISS) else None
            budget = found["budget"] if found else 0
            made.append(tuning.contender_of(name, self.settings, row, told, about, budget))
        return made

    def numbers_of(self, scenario: Scenario) -> dict[str, Any]:
        """Return tuned numbers for a market, from this session or an earlier one."""
        market = family(scenario)
        if market not in self.tuned:
            base = training_part(scenario)
            facts = [
                "tuning", market, scenario_sha256(base), self.budget, self.cells.code,
                msgspec.to_builtins(self.settings), {name: list(grid) for name, grid in tuning.GRIDS.items()},
            ]  # fmt: skip
            path = self.out / "tuning" / f"{market}.json"
            self.tuned[market] = tuning.cached(path, facts, lambda: self.search(market, scenario))
        return dict(self.tuned[market]["numbers"])

    def search(self, market: str, scenario: Scenario) -> dict[str, Any]:
        """Tune every baseline that has numbers, in the openings for training of one scenario of a market."""
        found: dict[str, Any] = {}
        every = seeds(TUNE, TUNE_SEEDS)
        told = self.told_of(Cell("", scenario, every))
        stage = self.stage(training_part(scenario), every[: tuning.EACH_MIN])
        for name, budget in tuning.budgets(self.budget).items():
            self.say(f"tuning {name} for {market}: {budget:,} episodes")

            def costs(who: Contender, first: int, last: int) -> NDArray[np.float64]:
                return stage.costs(who, np.resize(every, last)[first:last])

            best = tuning.tune(name, self.settings, budget, costs, told=told)
            found[name] = msgspec.to_builtins(best)
        return {"market": market, "scenario": scenario.name, "numbers": found}

    def told_of(self, cell: Cell) -> Told:
        """Return sigma, eta, gamma and volume of a regime, regressed on the seeds for tuning."""
        key = f"{scenario_sha256(cell.scenario)} {cell.overlay:g}"
        if key not in self.told:
            self.told[key] = tuning.regressed(self.table(telling(cell), contender("twap", self.settings)))
        return self.told[key]

    def knows(self, cell: Cell) -> bool:
        """Say whether what Almgren-Chriss is told of a regime was played before."""
        return self.has(telling(cell), contender("twap", self.settings))


def telling(cell: Cell) -> Cell:
    """Return the cell in which a regime is measured: its openings of training, the seeds for tuning."""
    return Cell("", training_part(cell.scenario), seeds(TUNE, TOLD_ORDERS), cell.overlay)


def facts_of(cell: Cell, who: Contender) -> list[str]:
    """Return what a contender's episodes of a cell depend on, beside the code."""
    scenario, picked = scenario_sha256(cell.scenario), seeds_sha256(cell.seeds)
    return [who.sha256, scenario, picked, f"overlay {cell.overlay:g}"]


def training_part(scenario: Scenario) -> Scenario:
    """Return a scenario with the openings of training alone."""
    return msgspec.structs.replace(scenario, openings=max(1, scenario.openings // 2))


def wanted(asked: list[str], budget: int) -> list[str]:
    """Return the baselines that are played."""
    every = [name for name in NAMES if budget or name != "constant"]
    return [name for name in every if name in asked] if asked else every


assert set(TUNED) <= set(tuning.GRIDS)
