"""The session and order lists against a gate process: what FIX 4.4 asks of an initiator, byte by byte."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.cases import Case, read_cases
from tests.conformance.gate_desk import GateDesk
from tests.conformance.play import Play
from tests.conformance.wire import Line, LineClosedError, Pairs, Slip

pytestmark = pytest.mark.slow
HERE: Final = Path(__file__).parent
SESSION: Final = read_cases(HERE / "gate_session.txt")
ORDERS: Final = read_cases(HERE / "gate_orders.txt")
WAIT_S: Final = 12.0
DIALS: Final = 5
PRICE_E4: Final = 1_000_000
ENDS: Final = ("FILLED", "CANCELED", "REJECTED", "EXPIRED", "DONE_FOR_DAY")


class Shelf:
    """The gate that cases share, until one of them spoils it."""

    def __init__(self) -> None:
        self._desk: GateDesk | None = None
        self._folder: Path | None = None

    def desk(self, *, trading: bool) -> GateDesk:
        """Return a gate that is up."""
        if self._desk is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sh-"))  # short enough for unix sockets
            self._desk = GateDesk(self._folder)
            if trading:
                self._desk.trade()
        return self._desk

    def spoiled(self) -> None:
        """Close it; the next case gets a new one."""
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.close()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    yield shelf
    shelf.spoiled()


class Doing:
    """What a case does besides the wire, and what it looks at."""

    def __init__(self, desk: GateDesk) -> None:
        self._desk = desk
        self._position = position(desk.status())

    def __call__(self, text: str) -> None:
        """Do it."""
        verb, *words = text.split()
        match verb:
            case "buy":
                self._desk.parent()
                self._desk.buy(100, PRICE_E4)
            case "cancel":
                self._desk.cancel()
            case "kill":
                assert self._desk.gate.ask(cmd="kill", reason="test")["ok"]
            case "posture":
                self._until(lambda s: s["posture"] in words[0].split(";"), f"posture {words[0]}")
            case "session":
                self._until(lambda s: s["sessions"]["order"]["state"] == words[0], f"session {words[0]}")
            case "position":
                want = self._position + int(words[0])
                self._until(lambda s: position(s) == want, f"position {want}")
            case "ended":
                self._until(lambda s: found(s, words[0]).get("status") in ENDS, f"{words[0]} ended")
            case "order":
                wanted = dict(word.split("=", 1) for word in words[1:])
                self._until(lambda s: fits(found(s, words[0]), wanted), f"{words[0]} {wanted}")
            case "mass":
                self._desk.answer_mass_status()
            case "live":
                self._desk.ping()
            case "resolved":
                self._until(lambda s: self._ended(s, words[0]), f"{words[0]} ended")
            case "notsent":
                self._desk.nothing_sent()
            case _:
                raise AssertionError(text)

    def _ended(self, status: dict[str, Any], cl_ord_id: str) -> bool:
        self._desk.unknown(cl_ord_id)
        return found(status, cl_ord_id).get("status") in ENDS

    def _until(self, test: Any, what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            status = self._desk.status()
            if test(status):
                return
        orders = [(o["cl_ord_id"], o["status"], o["cum_qty"], o["leaves_qty"]) for o in status["orders"]]
        raise AssertionError(
            f"not {what}: {status['posture']} {status['posture_reason']} {status['positions']} {orders}"
        )


def position(status: dict[str, Any]) -> int:
    return int(status["positions"].get("SYN", 0))


def found(status: dict[str, Any], cl_ord_id: str) -> dict[str, Any]:
    return next((o for o in status["orders"] if cl_ord_id in (o["chain_id"], o["cl_ord_id"])), {})


def fits(order: dict[str, Any], wanted: dict[str, str]) -> bool:
    for name, text in wanted.items():
        got = str(order.get(name))
        if not (re.search(text[1:], got) if text.startswith("~") else got == text):
            return False
    return bool(order)


def play(desk: GateDesk, case: Case, unique: str) -> None:
    def again(before: Line, fields: Pairs, slip: Slip) -> Line:
        desk.line = desk.accept(before)
        for _ in range(DIALS):
            try:
                desk.log_on(desk.line, fields, slip)
            except LineClosedError:  # the engine gave this one up, and dials again
                desk.line = desk.accept(desk.line)
            else:
                break
        return desk.line

    if "raw" in case.options:
        desk.line = desk.accept(desk.line)
    else:
        desk.fresh_line()
    desk.line.gaps = "gaps" in case.options
    playing = Play(case, unique, again, desk.line, Doing(desk), asides=frozenset({"AF", "AN"}))
    playing.run()
    desk.line = playing.line


@pytest.mark.parametrize("case", SESSION, ids=lambda case: case.name)
def test_session_case_against_gate(shelf: Shelf, case: Case) -> None:
    try:
        play(shelf.desk(trading=False), case, f"S{SESSION.index(case)}")
    except BaseException:
        shelf.spoiled()
        raise
    if "fresh-after" in case.options:
        shelf.spoiled()


@pytest.fixture(scope="module")
def trading() -> Iterator[Shelf]:
    shelf = Shelf()
    yield shelf
    shelf.spoiled()


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case.name)
def test_order_case_against_gate(trading: Shelf, case: Case) -> None:
    try:
        play(trading.desk(trading=True), case, f"O{ORDERS.index(case)}")
    except BaseException:
        trading.spoiled()
        raise
    if "fresh-after" in case.options:
        trading.spoiled()
