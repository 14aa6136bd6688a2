"""Progress of a long read: a bar on a terminal, a plain line now and then elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PLAIN_LINES = 5  # of a whole read, where there is no terminal


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how much of `total` is done."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    said = 0

    def tell(done: int) -> None:
        nonlocal said
        step = done * PLAIN_LINES // max(total, 1)
        if step > said:
            said = step
            sys.stderr.write(f"{label}: {100 * done // max(total, 1)} %\n")

    yield tell
