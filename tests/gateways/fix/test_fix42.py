"""FIX 4.2 both ways: what a venue of 4.2 says is what 4.4 would have said; what it lacks is not known."""

import itertools

import msgspec
import pytest

from gateways.fix import fix42, inbound, venue_inbound, venue_outbound
from gateways.fix.inbound import PRICED
from market.events import ExecutionReport, OrderCancelReject
from market.types import CxlRejReason, CxlRejResponseTo, ExecType, OrdStatus, Side

HEAD = "8=FIX.4.2\x019=100\x0135={}\x0134=7\x0149=VENUE\x0152=20240102-15:00:00.000\x0156=DESK\x01"
SEEN = (
    OrdStatus.NEW,
    OrdStatus.PARTIALLY_FILLED,
    OrdStatus.FILLED,
    OrdStatus.CANCELED,
    OrdStatus.PENDING_CANCEL,
)

TAKES_BACK = (ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT)


def report(kind: ExecType, status: OrdStatus) -> ExecutionReport:
    last = {"last_qty": 40, "last_price_e4": 1_000_100} if kind in PRICED else {}
    return ExecutionReport(
        cl_ord_id="A", orig_cl_ord_id="B", exec_type=kind, ord_status=status, exec_id="E1", order_id="O1",
        symbol="SYN", side=Side.SELL, order_qty=100, cum_qty=40, leaves_qty=60, avg_price="100.01",
        price_e4=1_000_000, exec_ref_id="E0" if kind in TAKES_BACK else None, text="why",
        transact_ns=1_704_207_600_000_000_000, **last,
    )  # fmt: skip


def whole(body: str) -> str:
    msg_type = body[3 : body.index("\x01")]
    return HEAD.format(msg_type) + body[body.index("\x01") + 1 :]


@pytest.mark.parametrize(("kind", "status"), list(itertools.product(ExecType, SEEN)))
def test_what_a_venue_says_in_42_is_what_it_means(kind: ExecType, status: OrdStatus) -> None:
    said = report(kind, status)
    told = inbound.decode(whole(fix42.told(venue_outbound.encode_report(said))))

    assert told == said


@pytest.mark.parametrize(
    ("kind", "status", "fields"),
    [
        (ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, ("20=0", "150=1", "39=1")),
        (ExecType.TRADE, OrdStatus.FILLED, ("20=0", "150=2", "39=2")),
        (ExecType.TRADE_CANCEL, OrdStatus.NEW, ("20=1", "150=0", "39=0", "19=E0")),
        (ExecType.TRADE_CORRECT, OrdStatus.PARTIALLY_FILLED, ("20=2", "150=1", "39=1", "19=E0")),
        (ExecType.ORDER_STATUS, OrdStatus.NEW, ("20=3", "150=0", "39=0")),
        (ExecType.CANCELED, OrdStatus.CANCELED, ("20=0", "150=4", "39=4")),
        (ExecType.PENDING_REPLACE, OrdStatus.NEW, ("20=0", "150=E", "39=0")),
    ],
)
def test_exec_trans_type_says_what_a_report_is(
    kind: ExecType, status: OrdStatus, fields: tuple[str, ...]
) -> None:
    assert set(fields) <= set(fix42.told(venue_outbound.encode_report(report(kind, status))).split("\x01"))


def test_what_came_with_44_is_left_away_or_said_otherwise() -> None:
    answer = msgspec.structs.replace(
        report(ExecType.ORDER_STATUS, OrdStatus.NEW), mass_status_req_id="M1", ord_rej_reason="13"
    )
    tags = dict(f.split("=", 1) for f in fix42.told(venue_outbound.encode_report(answer)).split("\x01")[:-1])
    assert not {"584", "911", "912"} & tags.keys()
    assert tags["103"] == "0"

    reject = OrderCancelReject(
        cl_ord_id="A", orig_cl_ord_id="B", order_id="O1", ord_status=OrdStatus.NEW,
        response_to=CxlRejResponseTo.CANCEL, reason=CxlRejReason.DUPLICATE_CL_ORD_ID, text="used",
    )  # fmt: skip
    assert "102=2\x01" in fix42.told(venue_outbound.encode_cancel_reject(reject))


@pytest.mark.parametrize("body", ["584=M1\x01585=7\x01", "11=Q\x01530=7\x01", "710=P\x01724=0\x011=A\x01"])
def test_messages_of_later_versions_are_not_known(body: str) -> None:
    msg_type = {"5": "AF", "1": "q", "7": "AN"}[body[0]]
    raw = HEAD.format(msg_type) + body

    assert venue_inbound.decode_request(raw) is None
    assert venue_inbound.decode_request(raw.replace("FIX.4.2", "FIX.4.4")) is not None
