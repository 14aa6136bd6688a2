import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemon.report import main as report
from daemon.report import options as report_options
from daemon.report import sums
from daemon.report.charts import axis_digits, clock_ticks, round_values
from daemon.report.market import FROM_BOOK, FROM_SAMPLES
from market.types import NS
from tests.daemon.made_run import SOH, MadeRun


def wire_fills(path: Path) -> dict[str, tuple[str, int, Decimal]]:
    """Reads the trade reports of a gate's log with nothing of the house: exec id -> chain, qty, price."""
    fills = {}
    for line in path.read_text().splitlines():
        fields = dict(pair.split("=", 1) for pair in line.split(" ", 2)[2].split(SOH) if pair)
        if fields["35"] == "8" and fields["150"] == "F":
            fills[fields["17"]] = (fields["11"], int(fields["32"]), Decimal(fields["31"]))
    return fills


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_numbers_follow_from_the_raw_log(tmp_path: Path, side: str) -> None:
    made = MadeRun(side=side, minutes=4, qty=1_000)
    run = made.write(tmp_path / "run")

    parent = report.build(run)["parents"][0]

    fills = wire_fills(run / "fix-gate.log")
    qty = sum(q for _, q, _ in fills.values())
    notional = sum(q * p for _, q, p in fills.values())
    sign = 1 if side == "BUY" else -1
    assert parent["filled_qty"] == qty == 1_000
    assert parent["avg_price"] == pytest.approx(float(notional / qty), abs=1e-9)
    assert parent["arrival_price"] == made.arrival / 1e6
    cost = sign * (float(notional / qty) / parent["arrival_price"] - 1) * 1e4
    assert parent["shortfall_bps"] == pytest.approx(cost, abs=1e-9)
    assert parent["side"] == side


def test_parts_of_the_shortfall_add_up_and_use_the_mid_before_each_fill(tmp_path: Path) -> None:
    made = MadeRun(side="BUY", minutes=4, qty=1_000, fill_all=False)
    parent = report.build(made.write(tmp_path / "run"))["parents"][0]

    value = 1_000 * made.arrival
    shares = [(f["qty"], f["price_e4"] * 100, mid) for f, mid in zip(made.fills, made.mids, strict=True)]
    spread = sum(q * (p - m) for q, p, m in shares) / value * 1e4
    drift = sum(q * (m - made.arrival) for q, _, m in shares) / value * 1e4
    rest = 500 * (made.last_mid - made.arrival) / value * 1e4
    assert parent["components"] == pytest.approx(
        {"spread": spread, "timing_and_impact": drift, "opportunity": rest, "fees": 0.0}, abs=1e-9
    )
    assert parent["shortfall_bps"] == pytest.approx(spread + drift + rest, abs=1e-9)
    assert parent["components_basis"]["mid"] == FROM_BOOK
    assert parent["components_basis"]["fills_without_mid"] == 0
    assert "cannot be told apart" in parent["components_basis"]["timing_and_impact"]
    assert parent["remainder_reason"] == "end of the window"


def test_passive_fills_make_the_spread_a_gain(tmp_path: Path) -> None:
    made = MadeRun(minutes=4, qty=1_000)
    parent = report.build(made.write(tmp_path / "run"))["parents"][0]

    resting = sum(f["qty"] for f in made.fills if f["maker"])
    assert parent["passive_share"] == pytest.approx(resting / 1_000)
    assert parent["components"]["spread"] < 0


def test_participation_counts_every_print_of_the_parents_life(tmp_path: Path) -> None:
    made = MadeRun(minutes=4, qty=1_000)
    parent = report.build(made.write(tmp_path / "run"))["parents"][0]

    first, last = made.start_ns, made.fills[-1]["ts_ns"]
    before = max(row for row in made.series if row[0] < first)[4]
    after = max(row for row in made.series if row[0] <= last - NS)[4]
    hidden_of_that_second = made.series[[r[0] for r in made.series].index(last - 3 * NS // 4)][4] - after
    assert parent["participation"] == pytest.approx(1_000 / (after + hidden_of_that_second - before))


@pytest.mark.parametrize(
    "spoil", [lambda run: (run / "itch.bin").unlink(), lambda run: cut(run / "itch.bin")]
)
def test_without_published_bytes_the_venues_samples_stand_in_and_it_says_so(
    tmp_path: Path, spoil: Any
) -> None:
    run = MadeRun(minutes=4, qty=1_000).write(tmp_path / "run")
    spoil(run)

    parent = report.build(run)["parents"][0]

    assert parent["components_basis"]["mid"] == FROM_SAMPLES
    assert sum(parent["components"].values()) == pytest.approx(parent["shortfall_bps"], abs=1e-9)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def test_everything_that_must_be_there_is_there(tmp_path: Path) -> None:
    run = MadeRun(minutes=4, qty=1_000).write(tmp_path / "run")

    told = report.build(run)

    assert json.loads((run / "report.json").read_text()) == told
    assert {"mode", "seed", "speed", "lockstep"} <= set(told)
    assert set(told["policy"]) == {"name", "sha256"}
    wanted = {"id", "side", "symbol", "qty", "filled_qty", "avg_price", "arrival_price", "shortfall_bps"}
    assert wanted | {"components", "participation", "children", "status"} <= set(told["parents"][0])
    assert told["gate"] == told["gate"] | {"orders": 10, "cancels": 0, "rejects_by_control": {"R08": 3}}
    assert told["venue"] == told["venue"] | {
        "orders": 10,
        "fills": 20,
        "displaced": 120,
        "voided": 20,
        "purged": 0,
    }
    assert told["reconciliation"] == told["reconciliation"] | {"clean": True, "breaks": []}
    assert (
        told["reconciliation"]["position_gate"] == told["reconciliation"]["position_venue"] == {"SYN": -1_000}
    )
    assert told["latency_us"]["tick_to_order"] == {"p50": 212.0, "p99": 540.0, "p999": 910.0, "count": 10}


def venue_fill(made: MadeRun, **change: Any) -> None:
    made.venue["fills"] = [dict(made.fills[0], **change), *made.fills[1:]]


def another_fill(made: MadeRun) -> None:
    made.venue["fills"] = [*made.fills, dict(made.fills[0], exec_id="X999")]


def booked_less(made: MadeRun) -> None:
    made.status["orders"][0]["cum_qty"] = 60


def still_live(made: MadeRun) -> None:
    made.status["orders"][0] |= {"ord_status": "1", "status": "PARTIALLY_FILLED"}


def told_twice(made: MadeRun) -> None:
    line = next(text for text in made.gate_log if f"{SOH}150=F{SOH}" in text)
    made.gate_log.append(line.replace(f"{SOH}32=60{SOH}", f"{SOH}32=61{SOH}"))


def unreadable(made: MadeRun) -> None:
    made.gate_log = [
        text.replace(f"{SOH}17=X1{SOH}150=F", f"{SOH}17=X1{SOH}150=F{SOH}31=abc") for text in made.gate_log
    ]


def strange_order(made: MadeRun) -> None:
    made.status["orders"] = made.status["orders"][1:]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda m: venue_fill(m, qty=61), "ExecID X1: gate 60 @"),
        (lambda m: venue_fill(m, price_e4=1), "ExecID X1: gate 60 @"),
        (lambda m: venue_fill(m, exec_id="Y1"), "ExecID X1: the venue does not know it"),
        (lambda m: venue_fill(m, exec_id="X2"), "the venue used an ExecID twice"),
        (another_fill, "ExecID X999: it never reached the gate"),
        (
            lambda m: m.venue.update(positions={"PAPER": {"SYN": -900}}),
            "position SYN: gate -1000, venue -900",
        ),
        (lambda m: m.venue.update(positions={}), "position SYN: gate -1000, venue 0"),
        (
            lambda m: m.venue.update(open_orders=[{"order_id": "V1", "cl_ord_id": "SH1-1"}]),
            "V1 (SH1-1) is still open",
        ),
        (booked_less, "order SH1-1: gate booked 60, its log says 100"),
        (still_live, "order SH1-1: the gate still holds it as PARTIALLY_FILLED"),
        (strange_order, "order SH1-1: filled, but the gate does not know it"),
        (
            lambda m: m.status["parents"][0].update(cum_qty=900),
            "parent P1: gate booked 900, its log says 1000",
        ),
        (lambda m: m.status.update(breaks=["overfill of SH1-1"]), "gate: overfill of SH1-1"),
        (told_twice, "ExecID X1 was told twice, differently"),
        (unreadable, "ExecID X1 has no readable LastQty and LastPx"),
    ],
)
def test_every_difference_is_a_break_with_a_name(tmp_path: Path, capsys: Any, spoil: Any, says: str) -> None:
    made = MadeRun(minutes=4, qty=1_000)
    spoil(made)
    run = made.write(tmp_path / "run")

    assert report_options.main([str(run)]) == 1

    check = json.loads((run / "report.json").read_text())["reconciliation"]
    assert not check["clean"]
    assert any(says in text for text in check["breaks"])
    assert "NOT reconciled" in capsys.readouterr().out
    assert "not reconciled" in (run / "report.html").read_text()


@pytest.mark.parametrize("name", ["venue.json", "fix-gate.log"])
def test_missing_evidence_is_not_clean(tmp_path: Path, name: str) -> None:
    run = MadeRun(minutes=4, qty=1_000).write(tmp_path / "run")
    (run / name).unlink()

    check = report.build(run)["reconciliation"]

    assert not check["clean"]
    assert check["breaks"][0] == f"{name} is missing"


EVIDENCE = ("run.json", "gate-status.json", "venue.json", "fix-gate.log", "itch.bin")


def damages(whole: bytes) -> Iterator[bytes]:
    """Bits flipped all over a file, ends cut off, pieces taken out."""
    for at in range(0, len(whole), len(whole) // 12):
        yield whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        yield whole[:at]
        yield whole[:at] + whole[at + 40 :]


@pytest.mark.parametrize("name", EVIDENCE)
def test_what_is_not_as_the_run_left_it_is_a_break_or_one_line(tmp_path: Path, name: str) -> None:
    run = MadeRun(minutes=2, qty=400).write(tmp_path / "run")
    sums.write(run)
    assert report.build(run)["reconciliation"]["clean"]
    whole = (run / name).read_bytes()

    for damaged in damages(whole):
        (run / name).write_bytes(damaged)
        try:
            said = report.build(run)["reconciliation"]["breaks"][0]
        except report.ReportError as error:
            said = str(error)
        assert name in said
        assert said.isprintable()


def test_a_file_of_another_run_is_a_break(tmp_path: Path) -> None:
    run, other = (MadeRun(minutes=2, qty=400, seed=seed).write(tmp_path / str(seed)) for seed in (1, 2))
    sums.write(run)
    (run / "itch.bin").write_bytes((other / "itch.bin").read_bytes())

    assert not report.build(run)["reconciliation"]["clean"]


@pytest.mark.parametrize(
    "text", [b"\xff", b"no checksum\n", b"0  ../run.json\n", b"0  /run.json\n", b"0  run.json\n"]
)
def test_sums_that_say_anything_else_are_a_break(tmp_path: Path, text: bytes) -> None:
    run = MadeRun(minutes=2, qty=400).write(tmp_path / "run")
    (run / sums.SUMS).write_bytes(text)

    assert not report.build(run)["reconciliation"]["clean"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda run: (run / "run.json").unlink(), "no such file"),
        (lambda run: (run / "gate-status.json").write_text("{"), "cut off"),
        (lambda run: (run / "run.json").write_text("[]"), "holds no object"),
        (lambda run: (run / "gate-status.json").write_text("{}"), "do not fit together"),
    ],
)
def test_no_run_folder_is_one_clear_line(tmp_path: Path, capsys: Any, spoil: Any, says: str) -> None:
    run = MadeRun(minutes=4, qty=1_000).write(tmp_path / "run")
    spoil(run)

    assert report_options.main([str(run)]) == 2

    text = capsys.readouterr().err
    assert says in text
    assert text.count("\n") == 1
    assert not (run / "report.json").exists()


def test_report_as_json(tmp_path: Path, capsys: Any) -> None:
    run = MadeRun(minutes=4, qty=1_000).write(tmp_path / "run")

    assert report_options.main([str(run), "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == json.loads((run / "report.json").read_text())


def test_run_without_a_fill_or_a_price(tmp_path: Path) -> None:
    made = MadeRun(minutes=4, qty=1_000)
    made.fills.clear()
    made.status["orders"] = []
    made.status["positions"] = made.status["positions_start"]
    made.status["parents"][0] |= {
        "cum_qty": 0,
        "notional_e4": 0,
        "arrival_mid_micros": None,
        "status": "canceled",
    }
    made.venue |= {"fills": [], "positions": {}, "series": []}
    made.gate_log.clear()
    run = made.write(tmp_path / "run")
    (run / "itch.bin").unlink()

    told = report.build(run)

    assert told["reconciliation"]["clean"]
    assert told["parents"][0]["avg_price"] is None
    assert told["parents"][0]["shortfall_bps"] is None
    assert told["parents"][0]["participation"] is None
    assert "No arrival price" in (run / "report.html").read_text()


def test_run_without_parents(tmp_path: Path) -> None:
    made = MadeRun(minutes=4, qty=1_000)
    made.status["parents"] = []
    run = made.write(tmp_path / "run")

    assert report.build(run)["parents"] == []
    assert "No parent order was admitted" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"speed": 10.0}, "latency-distorted"),
        ({"speed": 0.5}, "latency-distorted"),
        ({"speed": None, "lockstep": True}, "latency modelled"),
        ({"speed": 1.0}, None),
    ],
)
def test_pace_is_labelled(tmp_path: Path, facts: dict[str, Any], says: str | None) -> None:
    made = MadeRun(minutes=4, qty=1_000)
    made.facts |= facts
    run = made.write(tmp_path / "run")

    labels = report.build(run)["labels"]

    assert [label.split(":")[0] for label in labels] == ([says] if says else [])
    assert all(label in (run / "report.html").read_text().replace("&#x27;", "'") for label in labels)


def test_page_needs_nothing_from_outside_and_trusts_no_text(tmp_path: Path) -> None:
    made = MadeRun(minutes=4, qty=1_000)
    made.facts["policy"]["name"] = "<script>alert(1)</script>"
    made.status["parents"][0]["remainder_reason"] = "<b>"
    run = made.write(tmp_path / "run")
    report.build(run)

    page = (run / "report.html").read_text()

    assert not re.search(r"<script|https?://|src=|url\(|@import|<link", page)
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == 3
    for words in (
        "Done against schedule, shares",
        "Price and fills",
        "Shortfall",
        "Child orders",
        "Reconciliation",
    ):
        assert words in page
    assert page.count("<circle") == len(made.fills)
    assert "prefers-color-scheme:dark" in page


def test_an_axis_says_each_value_as_it_is() -> None:
    for low, high in ((99.925, 100.035), (99.98, 99.99), (0.011, 0.0134), (179.47, 180.26)):
        values = round_values(low, high)
        digits = axis_digits(values)

        assert [float(f"{value:.{digits}f}") for value in values] == pytest.approx(values, abs=1e-6)
        assert 3 <= len(values) <= 9


def test_axes_have_round_numbers() -> None:
    assert round_values(0, 2_120) == [0, 500, 1_000, 1_500, 2_000]
    assert round_values(179.47, 180.26) == pytest.approx([179.5 + n / 10 for n in range(8)])
    assert [text for _, text in clock_ticks(0, 600 * NS, "UTC")][:3] == ["00:00", "00:01", "00:02"]
    assert [text for _, text in clock_ticks(0, 10 * NS, "UTC")][:2] == ["00:00:00", "00:00:01"]
