"""Nothing leaves without an approval, and a refusal says why."""

import pytest

from daemon.config import load_profile
from gateways.fix.order_entry import OrderEntry
from gateways.fix.outbound import Encoder
from gateways.fix.profile import Profile
from market.orders import MassCancel, MassStatus, NewOrder
from market.types import ClOrdID
from risk.verdict import _SEAL, Approved
from tests.gateways.fix import golden
from tests.gateways.fix.golden import NOW_NS, soh
from tests.gateways.fix.test_outbound import CANCEL, NEW, REPLACE, STATUS, with_


class Line:
    """A session that keeps what it is given, or refuses everything while it is down."""

    def __init__(self) -> None:
        self.up = True
        self.bodies: list[tuple[str, str]] = []

    def send(self, name: str, body: str) -> bool:
        if self.up:
            self.bodies.append((name, body))
        return self.up


def without(*abilities: str) -> Profile:
    profile = load_profile("venue")
    return profile.model_copy(
        update={"supports": profile.supports.model_copy(update=dict.fromkeys(abilities, False))}
    )


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def entry(line: Line) -> OrderEntry:
    return OrderEntry(line, Encoder(load_profile("venue")))


def test_approved_order_and_replace_leave_on_the_order_session(entry: OrderEntry, line: Line) -> None:
    assert entry.send(Approved(NEW, seal=_SEAL), NOW_NS).sent
    assert entry.send(Approved(REPLACE, seal=_SEAL), NOW_NS).sent

    assert line.bodies == [("order", soh(golden.NEW_LIMIT)), ("order", soh(golden.REPLACE))]


def test_bare_order_is_refused(entry: OrderEntry, line: Line) -> None:
    with pytest.raises(AssertionError):
        entry.send(NEW, NOW_NS)  # type: ignore[arg-type]

    assert line.bodies == []


def test_approval_is_good_for_one_message(entry: OrderEntry, line: Line) -> None:
    approved = Approved(NEW, seal=_SEAL)
    entry.send(approved, NOW_NS)

    with pytest.raises(RuntimeError):
        entry.send(approved, NOW_NS)

    assert len(line.bodies) == 1


def test_line_that_is_down_is_a_definite_refusal(entry: OrderEntry, line: Line) -> None:
    line.up = False

    result = entry.send(Approved(NEW, seal=_SEAL), NOW_NS)

    assert (result.sent, result.reason) == (False, "the order session is not logged on")


def test_order_that_cannot_be_encoded_never_reaches_the_line(entry: OrderEntry, line: Line) -> None:
    hostile: NewOrder = with_(NEW, symbol="GOOG\x0138=9")

    result = entry.send(Approved(hostile, seal=_SEAL), NOW_NS)

    assert not result.sent
    assert "GOOG" in result.reason
    assert line.bodies == []


def test_cancels_and_questions_need_no_approval(entry: OrderEntry, line: Line) -> None:
    assert entry.cancel(CANCEL, NOW_NS).sent
    assert entry.status(STATUS, NOW_NS).sent
    assert entry.mass_status(MassStatus(req_id="MS-1")).sent
    assert entry.mass_cancel(MassCancel(cl_ord_id=ClOrdID("SH261121-1-20")), NOW_NS).sent

    wanted = [golden.CANCEL, golden.STATUS, golden.MASS_STATUS, golden.MASS_CANCEL]
    assert [body for _, body in line.bodies] == [soh(text) for text in wanted]


def test_what_a_broker_does_not_know_is_refused_by_name(line: Line) -> None:
    entry = OrderEntry(
        line, Encoder(without("mass_status", "mass_cancel", "order_status", "replace", "post_only"))
    )

    refusals = [
        entry.mass_status(MassStatus(req_id="MS-1")),
        entry.mass_cancel(MassCancel(cl_ord_id=ClOrdID("Q")), NOW_NS),
        entry.status(STATUS, NOW_NS),
        entry.send(Approved(REPLACE, seal=_SEAL), NOW_NS),
        entry.send(Approved(with_(NEW, post_only=True), seal=_SEAL), NOW_NS),
    ]

    assert [r.sent for r in refusals] == [False] * 5
    for refusal, word in zip(refusals, ["(AF)", "(q)", "(H)", "(G)", "no post-only"], strict=True):
        assert word in refusal.reason
    assert line.bodies == []
