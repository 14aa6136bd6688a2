"""Exhaustive: from KILLED no sequence of people, times and restarts trades again with fewer than two keys."""

import copy
import itertools
import os

import pytest

from daemon.gate.people import identity
from market import events as ev
from market.people_events import SignedCommand, StopScope
from risk import commands as co
from risk.posture import Posture
from tests.daemon.gate_harness import SECOND, World
from tests.daemon.people import NONCES, PEOPLE, sign

STEPS = (
    *("ask A", "ask B", "confirm A", "confirm B", "confirm O"),
    *("replay", "typed", "wait", "restart", "kill", "halt"),
)
DEPTH = 4 if os.environ.get("STEADYHAND_LONG") else 3  # 16,105 states, 25 s; 1,464 states, 2 s
PERSON = {"A": "alice", "B": "bob", "O": "olga"}


class Desk:
    """A killed gate, and what was signed at it."""

    def __init__(self) -> None:
        self.w = World()
        self.w.open(trader=None)
        self.w.step(ev.Kill(source="cli"))
        self.digest = "0" * 64
        self.last: SignedCommand | None = None
        self.signed: set[str] = set()

    def act(self, step: str) -> None:
        w = self.w
        what, _, who = step.partition(" ")
        if what == "wait":
            w.wait(10.0)
        elif what == "restart":
            w.step(ev.GateStarted(**w.start_fields | {"epoch": w.core.state.epoch + 1}))
            w.step(ev.SessionUp(session="order"))
            w.step(w.mass_status_empty())
        elif what == "kill":
            w.step(ev.Kill(source="signal"))
        elif what == "halt":
            w.step(StopScope(source="cli", halt=True))
        elif what == "typed":
            w.step(ev.Rearm(request_id=1, reason="looked into it", person="me"))
        elif what == "replay" and self.last is not None:
            w.step(self.last)
        elif what in ("ask", "confirm"):
            self.order(PERSON[who], what)

    def order(self, person: str, what: str) -> None:
        body = co.RearmAsk(reason="looked into it") if what == "ask" else co.RearmConfirm(digest=self.digest)
        key, role = PEOPLE[person]
        w = self.w
        text = co.write(identity(w.core.state), f"{next(NONCES):032x}", w.now + 60 * SECOND, body)
        fields = {"key": key, "person": person, "role": int(role), "text": text, "signature": ""}
        self.last = SignedCommand(request_id=1, **fields)
        before = len(w.log)
        answer = next(e.body for e in w.step(self.last) if hasattr(e, "body"))
        assert len(w.log) == before + 1
        if answer["ok"]:
            self.signed.add(person)
            self.digest = answer.get("digest", self.digest)


def walk(desk: Desk, depth: int, path: tuple[str, ...]) -> int:
    """Walk every way of some steps; return how many states were seen."""
    seen = 1
    if desk.w.core.posture < Posture.HALTED:
        assert {"alice", "bob"} <= desk.signed, path
        return seen
    if depth:
        for step in STEPS:
            following = copy.deepcopy(desk)
            following.act(step)
            seen += walk(following, depth - 1, (*path, step))
    return seen


@pytest.mark.slow
def test_no_way_of_so_many_steps_leads_out_with_fewer_than_two_keys() -> None:
    seen = walk(Desk(), DEPTH, ())

    assert seen > 1_000


def test_ways_that_nearly_lead_out() -> None:
    """The ways of five steps that hold a question and an answer."""
    out = 0
    for middle in itertools.permutations(("wait", "restart", "kill", "halt", "replay"), 2):
        for first, second in (("ask A", "confirm A"), ("ask A", "confirm B"), ("ask B", "confirm O")):
            desk = Desk()
            for step in (first, *middle, second, "replay"):
                desk.act(step)
            free = desk.w.core.posture < Posture.HALTED
            assert not free or desk.signed == {"alice", "bob"}
            out += free
    assert out > 0, "the right way leads out"
    assert sign(Desk().w, "alice", co.RearmAsk(reason="looked into it"))["ok"]
