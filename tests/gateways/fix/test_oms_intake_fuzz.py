"""Whatever an OMS sends: nothing is raised, nothing unfit is sent back, and no order comes of nonsense."""

import os
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways.fix.oms_frames import BODY_BYTES_MAX, Frames, TooLong, frame
from gateways.fix.oms_intake import Rights, read
from gateways.fix.oms_reports import body
from market.oms_events import OmsNew, OmsReplace
from tests.daemon.oms_world import OmsWorld, by_tag, new_text
from tests.gateways.fix.oms_line import OmsLine

RUNS = 20_000 if os.environ.get("STEADYHAND_LONG") else 150
SOH = "\x01"
RIGHTS = Rights(accounts=("PAPER",), symbols=("SYN",), currencies={"SYN": "USD"})
TAGS = (
    "1",
    "11",
    "15",
    "18",
    "21",
    "37",
    "38",
    "40",
    "41",
    "44",
    "54",
    "55",
    "59",
    "60",
    "100",
    "110",
    "111",
)
MORE = ("114", "126", "168", "207", "528", "790", "847", "848", "849", "957", "958", "960", "5700", "9999")
VALUES = st.one_of(
    st.sampled_from(["", "0", "1", "2", "6", "A1", "SYN", "PAPER", "100", "99.99", "0.1", "Y", "-1", "1e9"]),
    st.sampled_from(["20240102-15:10:00", "urgency=3", "must_complete=Y;urgency=1", "XNAS", "USD", "\udc80"]),
    st.text(alphabet=st.characters(blacklist_characters=SOH), max_size=70),
)
FIELDS = st.lists(st.tuples(st.sampled_from(TAGS + MORE), VALUES), max_size=25)


@settings(max_examples=RUNS, deadline=None)
@given(kind=st.sampled_from(["D", "F", "G", "H", "q", "", "\x00"]), fields=FIELDS)
def test_a_request_of_any_fields_is_read_or_refused(kind: str, fields: list[tuple[str, str]]) -> None:
    raw = f"8=FIX.4.4{SOH}35={kind}{SOH}34=2{SOH}" + "".join(f"{t}={v}{SOH}" for t, v in fields)

    event = read(raw, "OMS", RIGHTS)

    if isinstance(event, OmsNew | OmsReplace) and not event.fault:
        assert event.qty > 0
        assert event.symbol == "SYN"
    if isinstance(event, OmsNew):
        assert (event.parent is None) == bool(event.fault)


@settings(max_examples=RUNS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("DGFH"), FIELDS), max_size=12))
def test_a_core_answers_any_requests_and_every_answer_can_be_sent(
    requests: list[tuple[str, list[tuple[str, str]]]],
) -> None:
    w = OmsWorld()
    w.open()
    w.say(new_text("A1"))

    for kind, fields in requests:
        raw = f"8=FIX.4.4{SOH}35={kind}{SOH}34=2{SOH}" + "".join(f"{t}={v}{SOH}" for t, v in fields)
        w.step(read(raw, "OMS", RIGHTS))

    for report in w.outbox():
        tags = by_tag(body(report))
        assert frame(body(report))
        if tags["35"] == "8":
            assert int(tags["14"]) + int(tags["151"]) in (int(tags.get("38", "0")), int(tags["14"]))
    assert not w.core.state.breaks


@settings(max_examples=RUNS, deadline=None)
@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([frame("35=0\x0134=1\x01"), b"8=FIX.4.4\x019=5\x01"]))
)
def test_any_bytes_are_cut_into_whole_messages(parts: list[bytes]) -> None:
    frames = Frames()

    for part in parts:
        try:
            found = frames.feed(part)
        except TooLong:
            return
        assert all(m.startswith("8=") and len(m) < BODY_BYTES_MAX + 64 for m in found)


KINDS = st.sampled_from(["0", "1", "2", "3", "4", "5", "A", "D", "q"])
ADMIN = st.lists(
    st.tuples(st.sampled_from(["7", "16", "36", "43", "112", "122", "123", "141", "108"]), VALUES), max_size=5
)


@settings(max_examples=RUNS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(st.tuples(KINDS, st.integers(-1, 12), ADMIN), max_size=20))
def test_a_session_keeps_its_numbers_whatever_comes(
    tmp_path_factory: object, messages: list[tuple[str, int, list[tuple[str, str]]]]
) -> None:
    line = OmsLine(Path(tmp_path_factory.mktemp("oms")))  # type: ignore[attr-defined]
    out = line.logon()[1]

    for kind, number, fields in messages:
        before = line.store.next_in
        if not line.session.up:
            out += line.logon(line.store.next_in)[1]
        line.report_up("35=8|17=X|")
        text = "|".join([f"35={kind}", *(f"{t}={v.replace('|', '')}" for t, v in fields)])
        out += line.says(text, number)
        assert line.store.next_in >= before
    fresh = [int(m["34"]) for m in out if m.get("43") != "Y"]
    assert fresh == sorted(set(fresh)), "a number is used once"
    assert line.store.places == len(line.bodies) or not line.session.up
