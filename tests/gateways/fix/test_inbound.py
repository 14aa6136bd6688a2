"""What an EMS says: golden messages, and every kind of bytes that no EMS should send."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.fix.inbound import decode, seq_num
from gateways.fix.market_data import MarketData, MarketDataEntry
from gateways.fix.venue_inbound import decode_request
from gateways.fix.wire import Malformed
from market.events import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    SecurityStatus,
)
from market.types import CxlRejReason, CxlRejResponseTo, ExecType, OrdStatus, Side
from tests.gateways.fix import golden
from tests.gateways.fix.golden import soh

TRADE_NS = 1_795_260_360_123_456_000
GOLDEN = [v for k, v in vars(golden).items() if isinstance(v, str) and v.startswith(("8=", "35="))]


def report(text: str) -> ExecutionReport:
    event = decode(soh(text))
    assert isinstance(event, ExecutionReport), event
    return event


def test_a_trade_is_read_field_by_field() -> None:
    assert report(golden.TRADE) == ExecutionReport(
        cl_ord_id="SH261121-1-17",
        exec_type=ExecType.TRADE,
        ord_status=OrdStatus.PARTIALLY_FILLED,
        exec_id="X-9",
        order_id="O-1",
        symbol="GOOG",
        side=Side.BUY,
        order_qty=300,
        cum_qty=100,
        leaves_qty=200,
        avg_price="580.125",
        last_qty=100,
        last_price_e4=5_801_200,
        price_e4=5_801_300,
        transact_ns=TRADE_NS,
    )


def test_replaced_names_the_order_that_it_replaced() -> None:
    event = report(golden.REPLACED)

    assert (event.exec_type, event.cl_ord_id, event.orig_cl_ord_id, event.order_qty, event.price_e4) == (
        ExecType.REPLACED, "SH261121-1-18", "SH261121-1-17", 200, 5_801_301,
    )  # fmt: skip


def test_rejected_carries_its_reason() -> None:
    event = report(golden.REJECTED)

    assert (event.exec_type, event.ord_rej_reason, event.text) == (ExecType.REJECTED, "1", "no such symbol")


def test_bust_names_the_execution_and_its_flags() -> None:
    event = report(golden.BUST)

    assert (event.exec_type, event.exec_ref_id, event.poss_dup, event.poss_resend) == (
        ExecType.TRADE_CANCEL, "X-9", True, True,
    )  # fmt: skip


def test_answer_to_mass_status_says_how_many_and_which_is_last() -> None:
    event = report(golden.MASS_STATUS_ANSWER)

    assert (event.mass_status_req_id, event.total_reports, event.last_report) == ("MS-1", 2, True)


def test_rejects_reports_and_statuses_say_what_they_carry() -> None:
    assert decode(soh(golden.CANCEL_REJECT)) == OrderCancelReject(
        cl_ord_id="SH261121-1-19",
        orig_cl_ord_id="SH261121-1-18",
        order_id="O-1",
        ord_status=OrdStatus.FILLED,
        response_to=CxlRejResponseTo.CANCEL,
        reason=CxlRejReason.TOO_LATE_TO_CANCEL,
        text="too late",
    )
    assert decode(soh(golden.MASS_CANCEL_REPORT)) == MassCancelReport(
        cl_ord_id="SH261121-1-20", accepted=True, total_affected=3
    )
    assert decode(soh(golden.MASS_CANCEL_REFUSED)) == MassCancelReport(
        cl_ord_id="SH261121-1-20", accepted=False
    )
    assert decode(soh(golden.BUSINESS_REJECT)) == MessageRejected(
        ref_msg_type="D", ref_id="SH261121-1-17", reason="4", text="not now"
    )
    assert decode(soh(golden.SESSION_REJECT)) == MessageRejected(
        ref_msg_type="D", ref_id="12", reason="5", text="no", session_level=True
    )
    assert decode(soh(golden.HALTED)) == SecurityStatus(symbol="GOOG", trading=False)
    assert decode(soh(golden.TRADES_AGAIN)) == SecurityStatus(symbol="GOOG", trading=True)


def test_market_data_keeps_rows_in_order_and_none_for_what_is_absent() -> None:
    picture, changes = decode(soh(golden.PICTURE)), decode(soh(golden.CHANGES))

    assert isinstance(picture, MarketData)
    assert picture.full
    rows = [(e.entry_type, e.price_e4, e.qty) for e in picture.entries]
    assert rows == [
        ("0", 5_801_200, 300),
        ("1", 5_801_500, 200),
        ("2", 5_801_300, None),
        ("5", 5_790_000, None),
        ("B", None, 123_456),
    ]
    assert isinstance(changes, MarketData)
    assert not changes.full
    assert changes.entries[0] == MarketDataEntry(
        entry_type="0", symbol="GOOG", action="1", price_e4=5_801_300, qty=100
    )


def test_message_of_no_interest_is_none() -> None:
    assert decode(soh(golden.HEAD.format("B") + "148=news|10=000|")) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("150=F|", ""),
        ("150=F|", "150=Z|"),
        ("39=1|", "39=?|"),
        ("17=X-9|", ""),
        ("17=X-9|", "17=|"),
        ("17=X-9|", "17=X 9|"),
        ("17=X-9|", "17=" + "X" * 65 + "|"),
        ("14=100|", ""),
        ("151=200|", ""),
        ("54=1|", "54=9|"),
        ("32=100|", "32=100.5|"),
        ("32=100|", "32=-100|"),
        ("32=100|", "32=1e2|"),
        ("32=100|", "32=0|"),
        ("32=100|", ""),
        ("32=100|", "32=1234567890123|"),
        ("31=580.12|", "31=580.12345|"),
        ("31=580.12|", "31=-580.12|"),
        ("31=580.12|", "31=nan|"),
        ("31=580.12|", "31=5.8e2|"),
        ("31=580.12|", "31=580,12|"),
        ("31=580.12|", "31=.|"),
        ("31=580.12|", "31=٥٨٠|"),
        ("31=580.12|", "31=0|"),
        ("31=580.12|", "31=580.12|31=999|"),
        ("14=100|", "14=100|14=200|"),
        ("60=20261121-11:26:00.123456|", "60=20261321-11:26:00|"),
        ("60=20261121-11:26:00.123456|", "60=2026-11-21|"),
        ("11=SH261121-1-17|", "11=SH\udcff|"),
        ("6=580.125|", "no equals sign|"),
    ],
)
def test_report_that_cannot_be_believed_is_malformed(old: str, new: str) -> None:
    assert old in golden.TRADE

    event = decode(soh(golden.TRADE.replace(old, new, 1)))

    assert isinstance(event, Malformed)
    assert event.reason


def test_trade_of_a_broker_with_groups_is_read() -> None:
    parties = "453=2|448=A|447=D|452=1|448=B|447=D|452=3|"

    assert report(golden.TRADE.replace("10=000|", parties + "10=000|")) == report(golden.TRADE)


def test_trailing_zeros_do_not_count() -> None:
    text = golden.TRADE.replace("31=580.12|", "31=580.1200000|").replace("32=100|", "32=100.00|")

    assert report(text) == report(golden.TRADE)


@pytest.mark.parametrize(
    "text",
    [
        golden.PICTURE.replace("268=5", "268=4"),
        golden.PICTURE.replace("268=5|", ""),
        golden.PICTURE.replace("268=5|", "268=5|268=5|"),
        golden.PICTURE.replace("268=5", "268=-5"),
        golden.PICTURE.replace("270=580.15", "270=580.15999"),
        golden.PICTURE.replace("271=300", "271=300|271=300"),
        golden.PICTURE.replace("55=GOOG|", ""),
        golden.CHANGES.replace("279=1", "279=7"),
    ],
)
def test_picture_that_does_not_add_up_is_malformed(text: str) -> None:
    assert isinstance(decode(soh(text)), Malformed)


def test_sequence_number_is_found() -> None:
    assert seq_num(soh(golden.TRADE)) == 7
    assert seq_num("8=FIX.4.4\x01") == 0
    assert seq_num("\x0134=x\x01") == 0


tags = st.sampled_from(
    ["6", "11", "14", "17", "31", "32", "35", "39", "44", "54", "55", "60", "150", "151", "268"]
)
values = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "-1", "1e9", "NaN", "0", "8", "D", "W", "X", "V", "99999999999999999999", "\ud800", "²"]
    ),
)


@given(st.lists(st.tuples(st.one_of(tags, st.text(max_size=3)), values), max_size=40))
def test_no_list_of_fields_raises(pairs: list[tuple[str, str]]) -> None:
    raw = "".join(f"{tag}={value}\x01" for tag, value in pairs)

    decode(raw)
    decode_request(raw)


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    raw = data.decode("utf-8", "surrogateescape")

    decode(raw)
    decode_request(raw)


@given(st.sampled_from(GOLDEN), st.data())
def test_no_mutation_of_a_good_message_raises(text: str, data: Any) -> None:
    raw = list(soh(text))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.sampled_from(["", "\x01", "=", "-", ".", "9", "A", "\x00", "é", raw[at] * 2]))

    decode("".join(raw))
    decode_request("".join(raw))
