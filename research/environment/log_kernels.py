"""What a trader was given, kept row by row where a test asks for it: a table without rows keeps nothing."""

from typing import Any

from research.environment import layout as e
from research.environment.compiled import env_kernel


@env_kernel
def note(
    head: Any, log: Any, kind: int, stamp_ns: int, a: int, b: int, c: int, d: int, f: int, g: int, h: int,
    i: int,
) -> None:  # fmt: skip
    """Append a row."""
    n = head[e.LOGGED]
    if log.shape[0] == 0:
        return
    if n == log.shape[0]:
        head[e.DROPPED] += 1
        return
    head[e.LOGGED] += 1
    row = log[n]
    row[0], row[1], row[2], row[3], row[4] = kind, stamp_ns, a, b, c
    row[5], row[6], row[7], row[8], row[9] = d, f, g, h, i


@env_kernel
def note_order(head: Any, log: Any, chain: Any, last_qty: int, ts_ns: int, move: int) -> None:
    """Append a chain as the trader is told it; `move`: which one of the decision it answers, -1 none."""
    note(
        head, log, e.LOG_ORDER, head[e.NOW_NS], chain[e.K_ID], chain[e.K_STATUS], chain[e.K_PX],
        chain[e.K_QTY], chain[e.K_DONE], chain[e.K_PQTY], last_qty, ts_ns if move < 0 else move,
    )  # fmt: skip


@env_kernel
def keep(head: Any, tape: Any, events: Any, first: int, last: int) -> None:
    """Append public events."""
    for at in range(first, last):
        n = head[e.TAPED]
        if n == tape.shape[0]:
            head[e.DROPPED] += tape.shape[0] > 0
            return
        head[e.TAPED] += 1
        tape[n] = events[at]
