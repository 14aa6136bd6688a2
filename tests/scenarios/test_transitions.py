"""The table of transitions at the head of appendix D: each that the standard illustrates, a case plays.

Held is what a broker reports of one order (OrdStatus, in reports and cancel rejects), one after the other.
"""

from typing import Any

import pytest

from market.child_order import ChildOrder
from market.types import OrdStatus
from tests.scenarios.runner import cases, play

S = OrdStatus
ILLUSTRATED = {
    S.PENDING_NEW: (S.NEW, S.REJECTED),
    S.NEW: (
        S.NEW,
        S.PARTIALLY_FILLED,
        S.FILLED,
        S.DONE_FOR_DAY,
        S.PENDING_CANCEL,
        S.PENDING_REPLACE,
        S.REJECTED,
        S.STOPPED,
    ),
    S.PARTIALLY_FILLED: (
        S.PARTIALLY_FILLED,
        S.FILLED,
        S.DONE_FOR_DAY,
        S.PENDING_CANCEL,
        S.PENDING_REPLACE,
        S.CANCELED,
    ),
    S.FILLED: (S.PARTIALLY_FILLED, S.FILLED, S.PENDING_REPLACE),
    S.DONE_FOR_DAY: (S.PARTIALLY_FILLED,),
    S.PENDING_CANCEL: (S.NEW, S.PARTIALLY_FILLED, S.FILLED, S.PENDING_CANCEL, S.CANCELED),
    S.PENDING_REPLACE: (S.NEW, S.PARTIALLY_FILLED, S.FILLED, S.PENDING_REPLACE, S.CANCELED),
    S.STOPPED: (S.PARTIALLY_FILLED,),
}


def test_each_transition_of_the_standard_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[OrdStatus, OrdStatus]] = set()
    last: dict[int, OrdStatus] = {}

    def noted(name: str) -> None:
        real = getattr(ChildOrder, name)

        def observe(self: ChildOrder, event: Any) -> Any:
            if id(self) in last:
                seen.add((last[id(self)], event.ord_status))
            last[id(self)] = event.ord_status
            return real(self, event)

        monkeypatch.setattr(ChildOrder, name, observe)

    noted("observe")
    noted("observe_reject")
    for case in cases("fix44"):
        last.clear()
        play(case)

    missing = [(a.name, b.name) for a, after in ILLUSTRATED.items() for b in after if (a, b) not in seen]
    assert not missing
