"""The venue's side: what it says is what the gate reads, and what FIX 4.4 requires is there."""

import msgspec
import pytest
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from gateways.fix import inbound, venue_inbound, venue_outbound
from gateways.fix import requests as rq
from gateways.fix.wire import Malformed, Unencodable
from market.events import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    SecurityStatus,
)
from market.types import CxlRejReason, CxlRejResponseTo, ExecType, OrdStatus, OrdType, Side, TimeInForce
from tests.gateways.fix import golden
from tests.gateways.fix.golden import NOW_NS, soh

REQUIRED = {
    "8": {37, 17, 150, 39, 55, 54, 151, 14, 6},
    "9": {37, 11, 41, 39, 434},
    "r": {37, 530, 531},
    "j": {372, 380},
    "W": {55, 268, 269},
    "Y": {262},
    "f": {55},
}

PRICED = (ExecType.TRADE, ExecType.TRADE_CORRECT)  # these tell an execution
ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
qtys = st.integers(0, 10**12 - 1)
prices = st.integers(1, 10**13 - 1)
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
reports = st.builds(
    ExecutionReport,
    cl_ord_id=ids,
    exec_type=st.sampled_from([e for e in ExecType if e not in PRICED]),
    ord_status=st.sampled_from(OrdStatus),
    exec_id=ids,
    order_id=ids,
    orig_cl_ord_id=st.one_of(st.none(), ids),
    symbol=ids,
    side=st.sampled_from(Side),
    order_qty=st.one_of(st.none(), qtys),
    cum_qty=qtys,
    leaves_qty=qtys,
    avg_price=st.just("101.25"),
    price_e4=st.one_of(st.none(), prices),
    exec_ref_id=st.one_of(st.none(), ids),
    ord_rej_reason=st.sampled_from(["", "0", "99"]),
    text=texts,
    transact_ns=st.integers(10**18, 2 * 10**18).map(lambda ns: ns // 10**6 * 10**6),
)


def parsed(body: str) -> simplefix.FixMessage:
    parser = simplefix.FixParser()
    parser.append_buffer(b"8=FIX.4.4\x019=0\x01" + body.encode() + b"10=000\x01")
    message = parser.get_message()
    assert message is not None
    tags = {int(tag) for tag, _ in message.pairs}
    assert REQUIRED[message.get(35).decode()] <= tags
    return message


@given(reports)
def test_report_round_trip(report: ExecutionReport) -> None:
    body = venue_outbound.encode_report(report)

    parsed(body)
    assert inbound.decode(body) == report


@given(reports, prices, st.integers(1, 10**12 - 1))
def test_trade_round_trip(report: ExecutionReport, price_e4: int, qty: int) -> None:
    trade = msgspec.structs.replace(report, exec_type=ExecType.TRADE, last_qty=qty, last_price_e4=price_e4)

    assert inbound.decode(venue_outbound.encode_report(trade)) == trade


def test_answers_to_mass_status_round_trip() -> None:
    report = ExecutionReport(
        cl_ord_id="", exec_type=ExecType.ORDER_STATUS, ord_status=OrdStatus.REJECTED, exec_id="X1",
        mass_status_req_id="MS-1", total_reports=0, last_report=True, avg_price="0",
    )  # fmt: skip

    decoded = inbound.decode(venue_outbound.encode_report(report))

    assert decoded == msgspec.structs.replace(report, order_id="NONE", symbol="NONE")


def test_account_and_digits_of_time_are_the_venues_choice() -> None:
    report = ExecutionReport(
        cl_ord_id="A", exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, exec_id="X", transact_ns=NOW_NS
    )

    message = parsed(venue_outbound.encode_report(report, account="PAPER", digits=6))

    assert message.get(1) == b"PAPER"
    assert message.get(60) == b"20261121-11:26:00.123456"


@given(
    st.builds(
        OrderCancelReject,
        cl_ord_id=ids,
        orig_cl_ord_id=ids,
        order_id=ids,
        ord_status=st.sampled_from(OrdStatus),
        response_to=st.sampled_from(CxlRejResponseTo),
        reason=st.sampled_from(CxlRejReason),
        text=texts,
    )
)
def test_cancel_reject_round_trip(reject: OrderCancelReject) -> None:
    body = venue_outbound.encode_cancel_reject(reject)

    parsed(body)
    assert inbound.decode(body) == reject


def test_mass_cancel_report_and_rejects_round_trip() -> None:
    done = MassCancelReport(cl_ord_id="Q1", accepted=True, total_affected=3)
    refused = MassCancelReport(cl_ord_id="Q1", accepted=False, text="no")
    reject = MessageRejected(ref_msg_type="D", ref_id="A1", reason="5", text="38 is missing")

    for report in (done, refused):
        body = venue_outbound.encode_mass_cancel_report(report, "M1", "7")
        parsed(body)
        assert inbound.decode(body) == report
    body = venue_outbound.encode_business_reject(reject, 12)
    assert parsed(body).get(45) == b"12"
    assert inbound.decode(body) == reject


def test_a_status_round_trips() -> None:
    status = SecurityStatus(symbol="SYN", trading=False, text="halt")

    assert inbound.decode(venue_outbound.encode_security_status("SS-1", status)) == status


def test_free_text_is_cleaned_before_it_is_sent() -> None:
    body = venue_outbound.encode_business_reject(
        MessageRejected(ref_msg_type="D", ref_id="A1", text="a\x0135=8\x01é" + "x" * 999), 1
    )

    text = parsed(body).get(58).decode()
    assert text.startswith("a?35=8??x")
    assert len(text) == 256


@pytest.mark.parametrize("field", ["cl_ord_id", "exec_id", "order_id", "symbol", "avg_price"])
def test_report_that_would_inject_a_field_is_refused(field: str) -> None:
    report = ExecutionReport(cl_ord_id="A", exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, exec_id="X")

    with pytest.raises(Unencodable):
        venue_outbound.encode_report(msgspec.structs.replace(report, **{field: "1\x0139=2"}))


def test_requests_are_read_as_the_standard_writes_them() -> None:
    head = "8=FIX.4.4|9=1|34=7|"

    def read(text: str) -> object:
        return venue_inbound.decode_request(soh(head + text))

    assert read(golden.NEW_POST_ONLY) == rq.NewOrderSingle(
        seq_num=7, cl_ord_id="SH261121-1-17", symbol="GOOG", side=Side.BUY, qty=300, ord_type=OrdType.LIMIT,
        price_e4=5_801_200, time_in_force=TimeInForce.DAY, account="PAPER", post_only=True, mic="XNAS",
        parent_id="P1", transact_ns=NOW_NS // 10**6 * 10**6,
    )  # fmt: skip
    assert read(golden.REPLACE) == rq.ReplaceRequest(
        seq_num=7, cl_ord_id="SH261121-1-18", orig_cl_ord_id="SH261121-1-17", order_id="O-1", symbol="GOOG",
        side=Side.BUY, qty=200, ord_type=OrdType.LIMIT, price_e4=5_801_301, account="PAPER",
        transact_ns=NOW_NS // 10**6 * 10**6,
    )  # fmt: skip
    assert read(golden.CANCEL) == rq.CancelRequest(
        seq_num=7, cl_ord_id="SH261121-1-19", orig_cl_ord_id="SH261121-1-18", order_id="O-1", symbol="GOOG",
        side=Side.BUY, qty=200, account="PAPER", transact_ns=NOW_NS // 10**6 * 10**6,
    )  # fmt: skip
    assert read(golden.STATUS) == rq.StatusRequest(
        seq_num=7, cl_ord_id="SH261121-1-17", order_id="O-1", symbol="GOOG", side=Side.BUY, account="PAPER"
    )
    assert read(golden.MASS_STATUS) == rq.MassStatusRequest(seq_num=7, req_id="MS-1", req_type="7")
    assert read(golden.MASS_CANCEL) == rq.MassCancelRequest(
        seq_num=7, cl_ord_id="SH261121-1-20", request_type="7", transact_ns=NOW_NS // 10**6 * 10**6
    )
    assert read(golden.MARKET_DATA_REQUEST) == rq.MarketDataRequest(
        seq_num=7, req_id="MD-1", subscription="1", depth=5, entry_types=("0", "1", "2", "5", "B"),
        symbols=("GOOG", "AAPL"),
    )  # fmt: skip
    assert read(golden.SECURITY_STATUS_REQUEST) == rq.SecurityStatusRequest(
        seq_num=7, req_id="SS-1-1", symbol="GOOG", subscription="1"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("38=300|", ""),
        ("38=300|", "38=0|"),
        ("38=300|", "38=1.5|"),
        ("40=2|", "40=P|"),
        ("44=580.12|", ""),
        ("44=580.12|", "44=580.12345|"),
        ("54=1|", ""),
        ("55=GOOG|", ""),
        ("11=SH261121-1-17|", ""),
        ("59=0|", "59=Z|"),
        ("38=300|", "38=300|38=3|"),
    ],
)
def test_request_that_lacks_what_it_needs_is_malformed(old: str, new: str) -> None:
    assert isinstance(venue_inbound.decode_request(soh(golden.NEW_LIMIT.replace(old, new, 1))), Malformed)


def test_request_that_nobody_serves_is_none() -> None:
    assert venue_inbound.decode_request(soh("8=FIX.4.4|35=E|66=L1|")) is None
