"""What the gate sends, against messages written from the standard, with simplefix as second parser."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import simplefix

from daemon.config import load_profile
from daemon.strict_toml import load_model
from gateways.fix.market_data import encode_market_data_request, encode_security_status_request
from gateways.fix.outbound import Encoder
from gateways.fix.profile import PROFILES, Profile
from gateways.fix.wire import Unencodable
from market.orders import CancelOrder, MassCancel, MassStatus, NewOrder, ReplaceOrder, StatusRequest
from market.types import ClOrdID, OrderID, OrdType, ParentID, Side, Symbol, TimeInForce
from tests.gateways.fix import golden
from tests.gateways.fix.golden import NOW_NS, soh

NEW = NewOrder(
    cl_ord_id=ClOrdID("SH261121-1-17"),
    parent_id=ParentID("P1"),
    account="PAPER",
    symbol=Symbol("GOOG"),
    mic="XNAS",
    side=Side.BUY,
    qty=300,
    ord_type=OrdType.LIMIT,
    price_e4=5_801_200,
    time_in_force=TimeInForce.DAY,
)
REPLACE = ReplaceOrder(
    cl_ord_id=ClOrdID("SH261121-1-18"),
    orig_cl_ord_id=ClOrdID("SH261121-1-17"),
    order_id=OrderID("O-1"),
    terms=msgspec.structs.replace(NEW, cl_ord_id="SH261121-1-18", qty=200, price_e4=5_801_301),
)
CANCEL = CancelOrder(
    cl_ord_id=ClOrdID("SH261121-1-19"),
    orig_cl_ord_id=ClOrdID("SH261121-1-18"),
    order_id=OrderID("O-1"),
    account="PAPER",
    symbol=Symbol("GOOG"),
    side=Side.BUY,
    qty=200,
)
STATUS = StatusRequest(
    cl_ord_id=ClOrdID("SH261121-1-17"),
    order_id=OrderID("O-1"),
    account="PAPER",
    symbol=Symbol("GOOG"),
    side=Side.BUY,
)
# What FIX 4.4 requires of each message's body (volume 4), header and trailer apart.
REQUIRED = {
    "D": {11, 55, 54, 60, 40},
    "G": {11, 41, 55, 54, 60, 40},
    "F": {11, 41, 55, 54, 60},
    "H": {11, 55, 54},
    "AF": {584, 585},
    "q": {11, 530, 60},
    "V": {262, 263, 264, 267, 269, 146, 55},
    "e": {324, 55, 263},
}


def with_(order: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(order, **changes)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_profile("venue"))


def parsed(body: str) -> simplefix.FixMessage:
    parser = simplefix.FixParser()
    parser.append_buffer(b"8=FIX.4.4\x019=0\x01" + body.encode() + b"10=000\x01")
    message = parser.get_message()
    assert message is not None
    return message


SHORT = {"side": Side.SELL_SHORT, "locate_id": "LOC7"}
MARKET = {"side": Side.SELL, "ord_type": OrdType.MARKET, "price_e4": None, "time_in_force": TimeInForce.IOC}


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        (NEW, golden.NEW_LIMIT),
        (with_(NEW, post_only=True), golden.NEW_POST_ONLY),
        (with_(NEW, **MARKET), golden.NEW_MARKET_IOC),
        (with_(NEW, **SHORT), golden.NEW_SHORT),
    ],
)
def test_new_order_is_as_the_standard_writes_it(encoder: Encoder, order: NewOrder, wanted: str) -> None:
    assert encoder.new(order, NOW_NS) == soh(wanted)


def test_replace_resends_every_instruction_field(encoder: Encoder) -> None:
    body = encoder.replace(REPLACE, NOW_NS)

    assert body == soh(golden.REPLACE)
    new = {tag for tag, _ in parsed(encoder.new(REPLACE.terms, NOW_NS)).pairs}
    assert new <= {tag for tag, _ in parsed(body).pairs}


def test_cancel_status_and_mass_requests(encoder: Encoder) -> None:
    assert encoder.cancel(CANCEL, NOW_NS) == soh(golden.CANCEL)
    assert encoder.cancel(with_(CANCEL, order_id=None), NOW_NS) == soh(golden.CANCEL_UNACKNOWLEDGED)
    assert encoder.status(STATUS, NOW_NS) == soh(golden.STATUS)
    assert encoder.mass_status(MassStatus(req_id="MS-1")) == soh(golden.MASS_STATUS)
    mass_cancel = MassCancel(cl_ord_id=ClOrdID("SH261121-1-20"))
    assert encoder.mass_cancel(mass_cancel, NOW_NS) == soh(golden.MASS_CANCEL)


def test_reference_requests_are_the_golden_ones() -> None:
    assert encode_market_data_request("MD-1", ("GOOG", "AAPL")) == soh(golden.MARKET_DATA_REQUEST)
    assert encode_security_status_request("SS-1-1", "GOOG") == soh(golden.SECURITY_STATUS_REQUEST)


@pytest.mark.parametrize(
    "body",
    [v for k, v in vars(golden).items() if isinstance(v, str) and v.startswith("35=")],
)
def test_second_parser_finds_every_required_field(body: str) -> None:
    message = parsed(soh(body))

    assert REQUIRED[message.get(35).decode()] <= {int(tag) for tag, _ in message.pairs}


@pytest.mark.parametrize(
    "change",
    [
        {"cl_ord_id": "A\x0138=9"},
        {"cl_ord_id": ""},
        {"cl_ord_id": "a-lower-case-id"},
        {"cl_ord_id": "X" * 21},
        {"parent_id": "P=1"},
        {"account": "PAPER\n"},
        {"symbol": "GOOG\x01"},
        {"symbol": "ГООГ"},
        {"mic": "X NAS"},
        {"qty": 0},
        {"qty": -1},
        {"qty": 10**12},
        {"price_e4": None},
        {"price_e4": 0},
        {"price_e4": -1},
        {"price_e4": 10**13},
        {"time_in_force": TimeInForce.GTC},
        {"side": Side.SELL_SHORT, "locate_id": None},
    ],
)
def test_what_is_not_fit_for_a_wire_is_refused(encoder: Encoder, change: dict[str, Any]) -> None:
    with pytest.raises(Unencodable):
        encoder.new(with_(NEW, **change), NOW_NS)


def test_hostile_order_id_of_a_broker_is_not_echoed(encoder: Encoder) -> None:
    with pytest.raises(Unencodable):
        encoder.cancel(with_(CANCEL, order_id="O\x0138=1"), NOW_NS)


def test_time_out_of_range_is_refused(encoder: Encoder) -> None:
    with pytest.raises(Unencodable):
        encoder.new(NEW, 0)


def test_symbol_mapping_and_microseconds_come_from_the_profile(tmp_path: Path) -> None:
    text = (PROFILES / "venue.toml").read_text()
    text = text.replace("[symbols]", '[symbols]\nGOOG = "GOOG US"').replace(
        "time_digits = 3", "time_digits = 6"
    )
    (tmp_path / "other.toml").write_text(text)

    body = Encoder(load_model(tmp_path / "other.toml", Profile)).new(NEW, NOW_NS)

    assert "\x0155=GOOG US\x01" in body
    assert "\x0160=20261121-11:26:00.123456\x01" in body


def test_profile_asks_for_cancel_on_disconnect_only_where_wanted() -> None:
    profile = load_profile("venue")

    assert profile.logon_fields(cancel_on_disconnect=True) == ((7001, "Y"),)
    assert profile.logon_fields(cancel_on_disconnect=False) == ()
