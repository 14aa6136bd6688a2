"""How far training is: on a terminal a bar, the time that is left and the learning curve; elsewhere lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from research.training.trial import Result

BLOCKS: Final = "▁▂▃▄▅▆▇█"
CURVE_COLUMNS: Final = 60  # the last evaluations, as many as fit on a line
REFRESH_HZ: Final = 4


def spark(values: list[float]) -> str:
    """Return a curve as a line of blocks, the highest value the tallest block."""
    shown = values[-CURVE_COLUMNS:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int((x - low) / span * len(BLOCKS)))] for x in shown)


class View:
    """What the person at the terminal sees."""

    def __init__(self, total: int, live: Live | None, bar: Progress | None) -> None:
        self._live, self._bar = live, bar
        self._task = bar.add_task("steps", total=total) if bar else None
        self._costs: list[float] = []
        self._line = ""
        self._speed = 0.0
        self._at: tuple[float, int] | None = None

    def step(self, steps: int, facts: dict[str, float]) -> None:
        """Show where the run is."""
        now_s = time.monotonic()
        if self._at is not None and now_s > self._at[0]:
            speed = (steps - self._at[1]) / (now_s - self._at[0])
            self._speed = speed if not self._speed else 0.9 * self._speed + 0.1 * speed
        self._at = (now_s, steps)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=steps)
            self._show(facts)

    def evaluated(self, steps: int, seconds: float, result: Result) -> None:
        """Show an evaluation."""
        self._costs.append(result.cost)
        self._line = f"{steps:>11,} steps {seconds:7.1f} s {self._speed:9,.0f}/s  {result.line()}"
        self._at = None  # the evaluation's time is not the learner's
        if self._live is None:
            print(self._line, file=sys.stderr, flush=True)

    def _show(self, facts: dict[str, float]) -> None:
        """Draw again."""
        assert self._live is not None
        assert self._bar is not None
        shown = "  ".join(f"{name} {value:.4g}" for name, value in facts.items())
        curve = Text(f"cost on the held-out set  {spark(self._costs)}", style="cyan")
        self._live.update(Group(self._bar, Text(shown, style="dim"), curve, Text(self._line)))


@contextmanager
def view(total: int) -> Iterator[View]:
    """Yield what shows progress, for as long as it is needed."""
    if not sys.stderr.isatty():
        yield View(total, None, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=REFRESH_HZ) as live:
        yield View(total, live, Progress(*columns, console=console))
