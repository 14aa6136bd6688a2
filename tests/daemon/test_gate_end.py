"""A gate ends in order: orders first, then those who speak to it, then its session, then its journals."""

import asyncio
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from daemon.gate.ending import Parts, end
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN
from market import events as ev
from market.types import ClOrdID, ExecType, OrdStatus
from tests.daemon.gate_harness import BID, World


class Part:
    """Something that is closed: it says so, and what the end was at just then."""

    def __init__(self, ended: "Ended", name: str) -> None:
        self.ended, self.name = ended, name

    def close(self, *said: str) -> None:
        self.ended.order.append(" ".join((self.name, *said)))

    def stop(self) -> None:
        self.ended.order.append(f"{self.name}, at {self.ended.stages[-1][0]}")


class Ended:
    """A world with a working order that comes to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, **more: Any) -> None:
        self.world = World(**more)
        self.world.open()
        self.world.parent()
        self.order: list[str] = []
        self.stages: list[tuple[str, list[str]]] = []
        self.slept: list[float] = []
        self.answers: dict[int, Any] = {}  # what comes in while the end waits, by how often it has waited
        self.told: list[dict[str, Any]] = []
        self.closed = False
        self.core = self.world.core
        self.socket = folder / "control"
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(str(self.socket))
        monkeypatch.setattr("daemon.gate.ending.asyncio.sleep", self.sleep)
        monkeypatch.setattr("daemon.gate.ending.announce", lambda event, **facts: self.told.append(facts))
        monkeypatch.setattr("daemon.gate.ending.notify.stopping", lambda: self.order.append("systemd"))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.answers.pop(len(self.slept), lambda: None)()

    def post(self, event: ev.Event) -> None:
        self.order.append(f"{type(event).__name__}, at {self.stages[-1][0]}")
        self.world.step(event)

    def at(self, stage: str, left: list[str]) -> None:
        self.stages.append((stage, left))

    def write_digest(self) -> None:
        assert self.closed, "nothing is taken in after the hash of the end"
        self.order.append(f"hash, at {self.stages[-1][0]}")

    def end(self, failure: str = "") -> int:
        """Go through the end; return the exit code."""
        parts = {name: Part(self, name) for name in ("links", "control", "engine", "beat", "metrics", "oms")}
        journals = (Part(self, "journal"), Part(self, "inbound"))
        whole = Parts(shell=self, journals=journals, sockets=(self.socket,), **parts)  # type: ignore[arg-type]
        return asyncio.run(end(whole, cast("Any", self), lambda: failure))

    def canceled(self, chain_id: str) -> None:
        """The EMS confirms the cancel of an order."""
        asked = self.core.state.chains[ClOrdID(chain_id)].cancel_id
        assert asked is not None
        more = {"orig_cl_ord_id": chain_id, "order_qty": 100}
        self.world.report(asked, ExecType.CANCELED, OrdStatus.CANCELED, **more)


CLOSED = [
    "oms",
    "links the gate stops",
    "control",
    "engine, at logout",
    "hash, at the journal's last bytes",
    "journal",
    "inbound",
    "beat, at the journal's last bytes",
]


def test_an_end_waits_for_its_cancels_and_closes_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Ended(monkeypatch, tmp_path)
    chain = gate.world.working(100, BID)
    gate.answers[3] = lambda: gate.canceled(chain)

    assert gate.end() == EXIT_DONE

    assert gate.order == ["systemd", "Shutdown, at the journal of the shutdown", *CLOSED, "metrics"]
    assert gate.slept[:3] == pytest.approx([5.0 / 120] * 3)
    assert len(gate.slept) == 4  # and one turn for what the closed ones still say
    assert [left for _, left in gate.stages] == [[chain]] * 4 + [[]] * 3
    assert gate.told == [{"clean": True, "open_orders": [], "failure": ""}]
    assert not gate.socket.exists()


def test_an_order_that_nobody_confirms_is_named_and_the_end_is_not_clean(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = Ended(monkeypatch, tmp_path)
    chain = gate.world.working(100, BID)

    assert gate.end() == EXIT_NOT_CLEAN

    assert sum(gate.slept) == pytest.approx(5.0)
    assert gate.told == [{"clean": False, "open_orders": [chain], "failure": ""}]
    assert gate.order[2:] == CLOSED  # the counters stay, for who looks
    assert gate.stages[-2:] == [("logout", [chain]), ("the journal's last bytes", [chain])]
    assert "orders not confirmed cancelled" in capsys.readouterr().out


def test_where_the_session_is_gone_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Ended(monkeypatch, tmp_path)
    gate.world.working(100, BID)
    gate.world.step(ev.SessionDown(session="order", reason="gone"))

    assert gate.end() == EXIT_NOT_CLEAN
    assert gate.slept == [0]


@pytest.mark.parametrize("why", ["a failure", "a break"])
def test_an_end_with_a_failure_or_a_break_is_not_clean(
    why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Ended(monkeypatch, tmp_path)
    if why == "a break":
        gate.world.step(ev.EngineAlarm(text="unreadable 8"))

    assert gate.end("the loop stood still" if why == "a failure" else "") == EXIT_NOT_CLEAN
    assert gate.told[0]["clean"] is False
    assert gate.told[0]["failure"] == ("the loop stood still" if why == "a failure" else "")


def test_an_order_of_another_desk_is_not_ours_to_wait_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Ended(monkeypatch, tmp_path, external_orders="adopt")
    fields: dict[str, Any] = {
        "symbol": "SYN", "account": "PAPER", "order_qty": 100, "leaves_qty": 100, "price_e4": BID,
    }  # fmt: skip
    gate.world.report("THEIRS", ExecType.NEW, OrdStatus.NEW, **fields)
    assert gate.world.core.state.external

    assert gate.end() == EXIT_DONE
    assert gate.slept == [0]
    assert gate.told[0]["open_orders"] == []
