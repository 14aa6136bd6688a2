"""Baskets: all or none, judged together; files are read strictly, each mistake with its place."""

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from daemon.gate.effects import Reply
from daemon.people import operator
from daemon.people.basket import BasketError, Place, read
from market.people_events import BASKET_MAX, SubmitBasket
from market.types import Side
from tests.daemon.gate_harness import INSTRUMENT, OPEN_NS, World, limits, parent_order
from tests.daemon.gate_process import GateProcess

PLACE = Place({"SYN": INSTRUMENT}, "PAPER", OPEN_NS, lambda _: date(2024, 1, 2))


def submit(w: World, *orders: object, dry_run: bool = False) -> dict[str, object]:
    event = SubmitBasket(request_id=3, parents=orders, dry_run=dry_run)  # type: ignore[arg-type]
    return next(e.body for e in w.step(event) if isinstance(e, Reply))


def test_a_basket_is_admitted_whole_in_one_step() -> None:
    w = World()
    w.open()

    answer = submit(w, parent_order(pid=""), parent_order(pid="X1"), parent_order(pid=""))

    assert answer["ok"]
    assert list(w.core.state.live_parents) == ["P1", "X1", "P2"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_cannot_be_admitted_keeps_all_out(place: int) -> None:
    w = World()
    w.open()
    orders = [parent_order(pid="") for _ in range(3)]
    orders[place] = parent_order(pid="", qty=50_000_000)

    answer = submit(w, *orders)

    assert not answer["ok"]
    assert [bool(row["faults"]) for row in answer["rows"]] == [n == place for n in range(3)]  # type: ignore[attr-defined]
    assert not w.core.state.parents


def test_two_that_could_not_stand_together_are_not_admitted() -> None:
    w = World(positions=(("PAPER", "SYN", 5_000),))
    w.open()

    answer = submit(w, parent_order(pid="A"), parent_order(pid="B", side=Side.SELL), parent_order(pid="A"))

    assert not answer["ok"]
    assert "live on the other side" in str(answer["rows"][1])  # type: ignore[index]
    assert "used before" in str(answer["rows"][2])  # type: ignore[index]


def test_a_dry_run_admits_nothing_and_a_basket_has_a_bound() -> None:
    w = World()
    w.open()

    assert submit(w, parent_order(pid=""), dry_run=True)["ok"]
    assert "1 to 200" in str(submit(w, *[parent_order(pid="")] * (BASKET_MAX + 1))["error"])
    assert "1 to 200" in str(submit(w)["error"])
    assert not w.core.state.parents


def test_a_basket_that_r23_would_stop_is_not_admitted() -> None:
    w = World(limits(repeats={"starts_max": 3}))
    w.open()

    alike = submit(w, *[parent_order(pid="", qty=100)] * 3)
    unlike = submit(w, parent_order(pid=""), parent_order(pid="", qty=100), parent_order(pid="", qty=10))

    assert "R23 3 of BUY SYN of about this size" in str(alike["rows"])
    assert unlike["ok"]


# --- files ------------------------------------------------------------------------------------------


def mistakes(text: str) -> list[str]:
    with pytest.raises(BasketError) as caught:
        read(text, "b.csv", PLACE)
    return caught.value.faults


def test_csv_and_json_lines_say_the_same() -> None:
    csv = (
        "# for the morning\nside,qty,symbol,window,limit\n"
        'BUY,"2,000",SYN,10:05-10:25,100.01\nsell,5,syn,now-10:25,\n'
    )
    lines = (
        '{"side": "BUY", "qty": 2000, "symbol": "SYN", "window": "10:05-10:25", "limit": "100.01"}\n'
        '{"side": "sell", "qty": "5", "symbol": "syn", "window": "now-10:25"}\n'
    )

    one, two = read(csv, "b.csv", PLACE), read(lines, "b.jsonl", PLACE)

    assert [r.parent for r in one] == [r.parent for r in two]
    assert (one[0].parent.qty, one[0].parent.limit_price_e4, one[1].parent.side) == (
        2_000,
        1_000_100,
        Side.SELL,
    )
    assert one[0].line == 3


def test_every_mistake_is_told_with_its_place() -> None:
    text = (
        "side,qty,symbol,window,pov\nBUY,x,SYN,10:05-10:25,\nHOLD,1,SYN,25:00-10:25,2\n"
        "BUY,1,SYN\nBUY,1,ABC,10:05-10:25,\n"
    )

    assert mistakes(text) == [
        "b.csv:2:5: quantity 'x': a whole number above 0",
        "b.csv:3:1: side 'HOLD': one of BUY, SELL, SELL_SHORT, SHORT, SHORT_EXEMPT",
        "b.csv:3:12: window '25:00-10:25': '25:00' is no clock time HH:MM",
        "b.csv:3:24: pov=2: above 0, at most 1 (or 100%), in steps of 0.0001",
        "b.csv:4:7: 3 values under 5 columns",
        "b.csv:5:7: symbol 'ABC': not configured; there is SYN",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "b.csv:1:1: 0 parents"),
        ("side,qty,symbol,window\n", "b.csv:1:1: 0 parents"),
        ("side,qty,symbol,windw\n", "b.csv:1:17: no column 'windw'"),
        ("side,qty,symbol\nBUY,1,SYN\n", "b.csv:1:1: there is no column window"),
        ("side,side,qty,symbol,window\n", "b.csv:1:1: column side comes twice"),
        ('side,qty,symbol,window\n"BUY,1,SYN,+5m\n', "b.csv:2:1: a quote without its end"),
        ('side,qty,symbol,window\n"BUY"x,1,SYN,+5m\n', "b.csv:2:6: a comma is wanted"),
        ("side,qty,symbol,window\n,1,SYN,+5m\n", "b.csv:2:1: side is missing"),
        (
            "side,qty,symbol,window,id\nBUY,1,SYN,+5m,A\nBUY,1,SYN,+5m,A\n",
            "b.csv:3:1: id A is that of line 2",
        ),
        (
            '{"side": "BUY", "qty": 1.5, "symbol": "SYN", "window": "+5m"}',
            "b.csv:1:17: qty: a text, or a whole",
        ),
        ('{"side": "BUY", "qty": 1, "qty": 2}', "b.csv:1:17: qty comes twice"),
        ('{"side": "BUY"', "b.csv:1:15: not JSON"),
        ('{"side": "BUY", "hue": 1}', "b.csv:1:17: no field 'hue'"),
        ('{"a": 1}\n[1]', "b.csv:2:1: a line is one object"),
    ],
)
def test_what_is_no_basket(text: str, fault: str) -> None:
    assert any(f.startswith(fault) for f in mistakes(text)), mistakes(text)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    yield process
    process.close()


@pytest.mark.slow
def test_a_basket_by_command_line(
    gate: GateProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.trade()
    config = ["--config", str(gate.config)]
    file = gate.folder / "b.csv"
    rows = "".join(f"BUY,{100 + n},SYN,+5m\n" for n in range(60))
    file.write_text("side,qty,symbol,window\n" + rows)

    assert operator.submit(["--basket", str(file), "--dry-run", *config]) == 0
    assert operator.submit(["--basket", str(file), *config]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[62].split() == ["2", "P2", "BUY", "100", "SYN", "+5m", "admitted"]
    assert len(gate.ask(cmd="status")["parents"]) == 61

    monkeypatch.setattr(
        "sys.stdin", io.StringIO('{"side": "SELL", "qty": 1, "symbol": "SYN", "window": "+5m"}')
    )
    assert operator.submit(["--basket", "-", "--json", *config]) == 1
    said = capsys.readouterr()
    assert (
        "live on the other side"
        in json.loads(
            said.out[: said.out.rindex("}{") + 1] if "}{" in said.out else said.out.split("\n}\n")[0] + "\n}"
        )["rows"][0]["faults"][0]
    )
    file.write_text("side,qty\n")
    assert operator.submit(["--basket", str(file), *config]) == 2
    assert f"{file}:1:1: there is no column symbol" in capsys.readouterr().err
