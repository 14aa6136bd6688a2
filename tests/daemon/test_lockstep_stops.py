"""In lockstep a command waits for the next instant; what stops does not."""

from typing import Any

import pytest

from daemon.clock import Clock
from daemon.gate.lockstep import LockstepGate
from market import events as ev
from market.people_events import SignedCommand, StopScope
from market.types import ParentID
from risk import commands as co


class Shell:
    def __init__(self) -> None:
        self.posted: list[ev.Event] = []

    def post(self, event: ev.Event) -> None:
        self.posted.append(event)


def signed(body: Any) -> SignedCommand:
    text = co.write("PAPER/paper/1", "0" * 32, 1, body)
    return SignedCommand(request_id=1, key="k", person="a", role=2, text=text, signature="s")


@pytest.mark.parametrize(
    ("event", "at_once"),
    [
        (ev.Kill(source="cli"), True),
        (StopScope(source="cli", scope="S/SYN"), True),
        (StopScope(source="cli", halt=True), True),
        (signed(co.KillOrder(reason="x")), True),
        (signed(co.HaltOrder(reason="x")), True),
        (signed(co.RearmAsk(reason="looked into it")), False),
        (signed(co.LeaseRenew()), False),
        (ev.PauseParent(request_id=1, parent_id=ParentID("P1")), False),
    ],
)
def test_what_stops_does_not_wait(event: ev.Event, at_once: bool) -> None:
    shell = Shell()
    nothing: Any = None
    gate = LockstepGate(shell, Clock(), nothing, nothing, nothing, nothing)  # type: ignore[arg-type]

    gate.command(event)

    assert (shell.posted == [event]) is at_once
