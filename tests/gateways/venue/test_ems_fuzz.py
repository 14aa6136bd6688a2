"""Whatever a client sends, the EMS answers or refuses it and its accounts stay right; it never breaks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.fix import inbound, wire
from tests.gateways.venue.desk import SOH, Desk

ID = st.sampled_from(["A", "B", "C", "D", "E"])
WEIRD = st.one_of(
    st.text(max_size=12).filter(lambda t: SOH not in t),
    st.sampled_from(["", " ", "=", "\udcff\udcfe", "A" * 300, "-1", "0", "1e9", "9" * 40, "NaN", "Y", "ü"]),
)
TAGS = (11, 41, 37, 1, 55, 54, 38, 40, 44, 59, 18, 60, 100, 584, 585, 530, 262, 263, 264, 269, 146, 324, 97)


def base(kind: str, number: int, orig: str, side: str, qty: int, price: int) -> list[tuple[int, object]]:
    return [
        (11, f"N{number}"),
        (41, orig),
        (1, "ACC"),
        (55, "SYN"),
        (54, side),
        (38, qty),
        (40, 2),
        (44, f"{price / 100:.2f}"),
        (584, "MS"),
        (585, "7"),
        (530, "7"),
        (262, "M"),
        (263, "1"),
        (324, "S"),
    ]


REQUEST = st.tuples(
    st.sampled_from(["D", "D", "D", "F", "G", "G", "H", "AF", "q", "V", "e", "B", "8", "zz", ""]),
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from(["1", "2", "5", "6"]),
    st.integers(0, 500),
    st.integers(990, 1_010),
    st.dictionaries(st.sampled_from(TAGS), WEIRD, max_size=2),
    st.lists(st.sampled_from(TAGS), max_size=2),
)


@given(st.lists(REQUEST, max_size=40), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_requests_leave_the_accounts_right(requests: list[tuple], pending: bool) -> None:  # type: ignore[type-arg]
    desk = Desk(pending_reports=pending).opened()
    for i in range(5):
        desk.rest(1, 99_900 - 100 * i, 300)
        desk.rest(-1, 100_100 + 100 * i, 300)

    for kind, number, orig, side, qty, price, weird, missing in requests:
        fields = [
            (tag, weird.get(tag, value))
            for tag, value in base(kind, number, f"N{orig}", side, qty, price)
            if tag not in missing
        ]
        raw = desk.message(kind, *fields)
        desk.ems.request(raw)
        desk.reference.request(raw)
    desk.reference.tell(1 << 60)

    table, book = desk.ems.table, desk.engine.book
    for order in table.orders:
        fills = [f for f in table.fills if f.order_id == order.order_id]
        assert sum(f.qty for f in fills) == order.cum_qty <= order.qty
        assert book.leaves(order.engine_id) == order.leaves_qty
    reports = [fields for fields in desk.sent if fields["35"] == "8"]
    exec_ids = [r["17"] for r in reports if r["17"] != "0"]
    assert len(exec_ids) == len(set(exec_ids))
    for r in reports:
        if "38" in r and r["39"] in ("0", "1", "6", "A", "E"):
            assert int(r["14"]) + int(r["151"]) == int(r["38"])
    assert desk.rebuilt().state_hash() == book.state_hash()
    for body in desk.bodies + desk.reference_bodies:
        assert not isinstance(inbound.decode(f"8=FIX.4.4{SOH}{body}"), wire.Malformed)


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    desk = Desk().opened()

    desk.ems.request(text)
    desk.reference.request(text)

    assert len(desk.sent) == len(desk.reference_bodies) == 1
