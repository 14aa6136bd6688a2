"""A trader that dies is started again, also where it dies on its way, and not for ever."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from daemon.paper.children import ChildError, Interrupted, Late
from daemon.paper.main import TRADER_RESTARTS_MAX, Paper

KILLED = ChildError("trader", -9, "")


def keep(*starts: Exception | None) -> tuple[list[str], int]:
    """Let a trader die, and each next start end like this (None: it gets ready); return the notes, and how
    many starts there were.
    """
    notes: list[str] = []
    began = 0

    async def wait() -> int:
        return -9

    async def start(_: object) -> None:
        nonlocal began
        began += 1
        failure = starts[began - 1]
        if failure is not None:
            raise failure

    trader = SimpleNamespace(wait=wait)
    paper = cast(
        "Any",
        SimpleNamespace(
            _view=SimpleNamespace(ending=False, note=notes.append), _trader_restarts=0, _trader=trader
        ),
    )
    paper._start_trader = start
    paper._keep_trader = lambda runtime, child: Paper._keep_trader(paper, runtime, child)
    asyncio.run(paper._keep_trader(cast("Any", None), trader))
    return notes, began


def test_a_trader_that_is_killed_on_its_way_is_started_once_more() -> None:
    notes, began = keep(KILLED, None)

    assert began == 2
    assert notes == ["the trader was killed by SIGKILL: started again"] * 2


def test_a_trader_that_dies_again_and_again_is_given_up() -> None:
    notes, began = keep(*[KILLED] * 9)

    assert began == TRADER_RESTARTS_MAX
    assert notes[-1] == "the trader died 4 times: not started again"


def test_one_that_is_late_is_said_and_still_watched() -> None:
    notes, began = keep(Late("trader", None, "not yet"), None)

    assert began == 2
    assert notes[1] == "trader does not go on: not yet"


def test_nobody_is_started_again_who_was_asked_to_stop() -> None:
    assert keep(Interrupted())[1] == 1
