"""The first start on a machine compiles: it may take minutes, it is waited for, and it is said."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daemon.paper.children import ChildError, Late
from daemon.paper.main import SOON_S, Paper


class Slow:
    """A process that is ready after so many waits; with a code, it ends instead."""

    name = "venue"

    def __init__(self, waits: int, code: int | None = None) -> None:
        self.waits, self.code, self.waited_s = waits, code, list[float]()

    async def said(self, _: str, wait_s: float, __: object = None) -> dict[str, Any]:
        self.waited_s.append(wait_s)
        if len(self.waited_s) <= self.waits:
            raise ChildError(self.name, self.code, "no") if self.code else Late(self.name, None, "not yet")
        return {"endpoints": {}}


def ready(child: Slow) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    paper = SimpleNamespace(_view=SimpleNamespace(stage=said.append), _stopping=None)
    return asyncio.run(Paper._ready(cast("Any", paper), cast("Any", child))), said


def test_a_slow_start_is_waited_for_and_says_why_it_takes_long() -> None:
    child = Slow(waits=1)

    answer, said = ready(child)

    assert answer == {"endpoints": {}}
    assert said == ["venue: it compiles its kernels, once on this machine"]
    assert child.waited_s[0] == SOON_S < child.waited_s[1]


def test_a_start_that_is_soon_ready_says_nothing_more() -> None:
    assert ready(Slow(waits=0))[1] == []


def test_a_process_that_ended_is_not_waited_for() -> None:
    with pytest.raises(ChildError, match="ended with 78"):
        ready(Slow(waits=2, code=78))
