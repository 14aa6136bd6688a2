"""Each shipped broker profile against messages written from its standard; simplefix is the second parser."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import simplefix

from daemon.config import load_profile
from gateways.fix.inbound import decode
from gateways.fix.outbound import Encoder
from market.events import ExecutionReport
from market.orders import CancelOrder, DontKnow, MassCancel, MassStatus, NewOrder, ReplaceOrder, StatusRequest
from market.types import DKReason, ExecType, OrdType, Side, TimeInForce
from tests.gateways.fix.golden import NOW_NS, soh

FOLDER = Path(__file__).parent / "golden"
PROFILES = ("fix44", "fix42")
# What the standard requires of a message's body, header and trailer apart (conditional fields left out).
REQUIRED = {
    "fix44": {
        "D": {11, 55, 54, 60, 40}, "G": {41, 11, 55, 54, 60, 40}, "F": {41, 11, 55, 54, 60},
        "H": {11, 55, 54}, "AF": {584, 585}, "q": {11, 530, 60}, "Q": {37, 17, 127, 55, 54},
        "8": {37, 17, 150, 39, 55, 54, 151, 14, 6}, "9": {37, 11, 41, 39, 434}, "j": {372, 380}, "3": {45},
    },
    "fix42": {
        "D": {11, 21, 55, 54, 60, 40}, "G": {41, 11, 21, 55, 54, 60, 40}, "F": {41, 11, 55, 54, 60},
        "H": {11, 55, 54}, "Q": {37, 17, 127, 55, 54},
        "8": {37, 17, 20, 150, 39, 55, 54, 151, 14, 6}, "9": {37, 11, 41, 39, 434}, "j": {372, 380},
        "3": {45},
    },
}  # fmt: skip
NEW = NewOrder(
    cl_ord_id="SH1-17", parent_id="P1", account="DESK", symbol="GOOG", mic="XNAS", side=Side.BUY, qty=300,
    ord_type=OrdType.LIMIT, price_e4=5_801_200, time_in_force=TimeInForce.DAY,
)  # fmt: skip


def with_(order: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(order, **changes)


def lines(profile: str, direction: str) -> dict[str, str]:
    found = {}
    for line in (FOLDER / f"{profile}.txt").read_text().splitlines():
        if line.startswith(direction):
            _, name, text = line.split(None, 2)
            found[name] = text
    return found


def encoder(name: str) -> Encoder:
    profile = load_profile(name)
    return Encoder(profile.model_copy(update={"security_ids": {"GOOG": "US38259P5089"}}))


def sent(e: Encoder) -> dict[str, str]:
    """Everything that a profile can say, as its encoder says it."""
    chain = {"order_id": "O-1", "account": "DESK", "symbol": "GOOG", "side": Side.BUY}
    terms = with_(NEW, cl_ord_id="SH1-18", qty=200, price_e4=5_801_301)
    replace = ReplaceOrder(cl_ord_id="SH1-18", orig_cl_ord_id="SH1-17", order_id="O-1", terms=terms)
    market = {
        "side": Side.SELL,
        "ord_type": OrdType.MARKET,
        "price_e4": None,
        "time_in_force": TimeInForce.IOC,
    }
    dont_know = DontKnow(
        order_id="O-9", exec_id="X-9", reason=DKReason.NO_MATCHING_ORDER, symbol="GOOG", side=Side.BUY,
        qty=300, last_qty=100, last_price_e4=5_801_200, text="no order",
    )  # fmt: skip
    said = {
        "new_limit": e.new(NEW, NOW_NS),
        "new_market_ioc": e.new(with_(NEW, **market), NOW_NS),
        "new_short": e.new(with_(NEW, side=Side.SELL_SHORT, locate_id="LOC7"), NOW_NS),
        "new_fok": e.new(with_(NEW, symbol="SYN", time_in_force=TimeInForce.FOK), NOW_NS),
        "replace": e.replace(replace, NOW_NS),
        "cancel": e.cancel(
            CancelOrder(cl_ord_id="SH1-19", orig_cl_ord_id="SH1-18", qty=200, **chain), NOW_NS
        ),
        "status": e.status(StatusRequest(cl_ord_id="SH1-17", **chain), NOW_NS),
        "dont_know": e.dont_know(dont_know),
    }
    if e.profile.supports.mass_status:
        said["mass_status"] = e.mass_status(MassStatus(req_id="MS-1"))
    if e.profile.supports.mass_cancel:
        said["mass_cancel"] = e.mass_cancel(MassCancel(cl_ord_id="SH1-20"), NOW_NS)
    return said


@pytest.mark.parametrize("profile", PROFILES)
def test_what_we_send_is_as_the_standard_writes_it(profile: str) -> None:
    wanted = {name: soh(text) for name, text in lines(profile, ">").items()}

    assert sent(encoder(profile)) == wanted


@pytest.mark.parametrize("profile", PROFILES)
def test_a_second_parser_finds_every_field_that_the_standard_requires(profile: str) -> None:
    for name, text in (lines(profile, ">") | lines(profile, "<")).items():
        parser = simplefix.FixParser()
        body = text if text.startswith("8=") else f"8=FIX|9=0|{text}10=000|"
        parser.append_buffer(soh(body).encode())
        message = parser.get_message()

        assert message is not None, name
        tags = {int(tag) for tag, _ in message.pairs}
        assert REQUIRED[profile][message.get(35).decode()] <= tags, name


def test_both_versions_tell_the_same() -> None:
    """20=0/1/2/3 with 150=1/2 of 4.2 is 150=F/H/G/I of 4.4, and a promise is no fill in either."""
    new, old = lines("fix44", "<"), lines("fix42", "<")

    assert new.keys() == old.keys()
    for name in new:
        event = decode(soh(new[name]))
        assert event == decode(soh(old[name])), name
        if isinstance(event, ExecutionReport):
            assert event.account == "DESK"
    kinds = {name: decode(soh(text)).exec_type for name, text in old.items() if "|35=8|" in text}
    assert (kinds["bust"], kinds["correct"], kinds["stopped"]) == (
        ExecType.TRADE_CANCEL,
        ExecType.TRADE_CORRECT,
        ExecType.STOPPED,
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("|20=0|", "|"),
        ("|20=0|", "|20=9|"),
        ("|20=0|", "|20=0|20=1|"),
        ("|150=1|", "|150=F|"),
        ("|150=1|", "|"),
    ],
)
def test_a_report_of_42_that_is_none_is_malformed(old: str, new: str) -> None:
    text = lines("fix42", "<")["part_fill"]
    assert old in text

    assert type(decode(soh(text.replace(old, new, 1)))).__name__ == "Malformed"


@pytest.mark.parametrize(
    ("cum", "leaves", "wanted"), [("0", "300", "0"), ("100", "200", "1"), ("300", "0", "2")]
)
def test_ord_status_replaced_of_old_is_read_by_its_quantities(cum: str, leaves: str, wanted: str) -> None:
    text = lines("fix42", "<")["replaced"].replace("|39=1|", "|39=5|")
    text = text.replace("|151=100|14=100|", f"|151={leaves}|14={cum}|")

    assert decode(soh(text)).ord_status.value == wanted


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("name", "field"), [("part_fill", "32=100|"), ("part_fill", "31=580.12|"),
                                             ("correct", "32=90|"), ("correct", "31=580.11|")])  # fmt: skip
def test_an_execution_without_quantity_or_price_is_malformed(profile: str, name: str, field: str) -> None:
    text = lines(profile, "<")[name]
    assert field in text

    assert type(decode(soh(text.replace(field, "", 1)))).__name__ == "Malformed"
