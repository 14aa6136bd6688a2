"""A frozen policy works an order in a market that is not ours, and says clearly what it cannot take."""

import io
import json
import subprocess
import sys
from datetime import date, time
from typing import Any

import pytest

from daemon.policy import command as policy_command
from daemon.policy import options as policy_options
from daemon.policy import serve as policy_serve
from daemon.policy.lines import LINE_MAX
from market.flow.zero_intelligence import SYN
from policies.choose import choose
from tests.artefacts.shelf import CLONED
from tests.daemon.serve_market import NS, Market

START = SYN.at(date(2024, 1, 2), time(10, 0))
END = START + 130 * NS
QTY = 1_500
OVER = ("filled", "expired", "canceled")


def hello(market: Market) -> dict[str, Any]:
    return {"type": "hello", "protocol": 1, "symbol": "SYN", "ts_ns": START, "book": market.standing}


def parent(**changes: Any) -> dict[str, Any]:
    return {
        "type": "parent", "side": "SELL", "qty": QTY, "start_ns": START + 5 * NS, "end_ns": END - 5 * NS
    } | changes  # fmt: skip


class Talk:
    """The other side of the line, in this process."""

    def __init__(self, policy: str) -> None:
        self.policy, self.desk = choose(policy), None
        self.said: list[str] = []

    def __call__(self, line: dict[str, Any]) -> dict[str, Any]:
        from daemon.policy.lines import parse

        self.desk, answer = policy_serve.take(self.policy, self.desk, parse(json.dumps(line).encode()))
        self.said.append(json.dumps(answer))
        return answer


def play(policy: str, seed: int, **changes: Any) -> tuple[Market, dict[str, Any], Talk]:
    market, talk = Market(seed, START, END), Talk(policy)
    talk(hello(market))
    answer = talk(parent(**changes))
    while market.now_ns < END and (answer["status"] not in OVER or answer["working"]):
        market.advance(min(END, market.now_ns + 250_000_000))
        answer = talk(market.step())
        for ask in answer["send"]:
            market.do(ask)
    return market, answer, talk


@pytest.mark.parametrize("policy", [str(CLONED), "twap"])
def test_it_works_the_order_to_its_end_and_both_sides_agree(policy: str) -> None:
    market, answer, _ = play(policy, seed=3)
    assert answer["status"] == "filled"
    assert answer["cum_qty"] == QTY == sum(qty for qty, _ in market.fills)
    assert answer["working"] == []
    assert market.open == {}
    assert abs(answer["shortfall_bps"]) < 20


def test_the_same_market_gives_the_same_lines() -> None:
    assert play(str(CLONED), seed=4)[2].said == play(str(CLONED), seed=4)[2].said


def test_events_that_are_not_true_of_the_book_are_counted() -> None:
    talk = Talk("twap")
    talk(hello(Market(3, START, END)) | {"book": [[17, 300, 999_900, 1], [18, 200, 1_000_100, -1]]})
    assert "anomalies" not in talk(parent())
    rows = [[START + 1, 3, 99, 100, 999_900, 1], [START + 2, 1, 17, 100, 999_900, 1],
            [START + 3, 4, 18, 5_000, 1_000_100, -1]]  # fmt: skip

    answer = talk({"type": "step", "ts_ns": START + NS, "events": rows})

    assert answer["anomalies"] == 3  # an order that is not there, one that is, more than there was


def test_a_limit_away_from_the_market_leaves_a_remainder_and_nothing_open() -> None:
    market, answer, _ = play("twap", seed=3, limit_price_e4=1_020_000)
    assert answer["status"] == "expired"
    assert answer["cum_qty"] == 0 == len(market.fills)
    assert market.open == {}


def ask(lines: list[Any]) -> tuple[int, list[Any]]:
    out = io.StringIO()
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    code = policy_serve.serve(choose("twap"), raw, out)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


STEP = {"type": "step", "ts_ns": START + 6 * NS}
BOOK = [[1, 100, 999_900, 1], [2, 100, 1_000_100, -1]]
HELLO = {"type": "hello", "protocol": 1, "symbol": "SYN", "ts_ns": START, "book": BOOK}
FAULTS: dict[str, tuple[list[Any], str]] = {
    "no JSON": ([b"hello"], "line 1: JSON is malformed"),
    "no hello": ([parent()], "line 1: the first line is"),
    "another protocol": ([HELLO | {"protocol": 2}], "line 1: Invalid enum value 2"),
    "an unknown field": ([HELLO | {"colour": 1}], "line 1: Object contains unknown field `colour`"),
    "a zone that is none": ([HELLO | {"zone": "Atlantis/City"}], "line 1: instrument:"),
    "hello twice": ([HELLO, HELLO], "line 2: hello comes once"),
    "no parent": ([HELLO, STEP], "line 2: the second line is"),
    "two parents": ([HELLO, parent(), parent()], "line 3: one parent a run"),
    "a window that is over": ([HELLO, parent(end_ns=START - 1)], "line 2: the parent's window"),
    "a parent of half a lot": ([HELLO | {"lot": 100}, parent(qty=150)], "line 2: the parent's qty is no"),
    "time going back": ([HELLO, parent(), STEP, STEP | {"ts_ns": START}], "line 4: time goes back"),
    "an event of tomorrow": (
        [HELLO, parent(), STEP | {"events": [[END, 1, 5, 100, 999_900, 1]]}],
        "line 3: an event is later",
    ),
    "an unknown type": (
        [HELLO, parent(), STEP | {"events": [[START, 9, 5, 1, 1, 1]]}],
        "line 3: event 0: type 9",
    ),
    "a side that is none": ([HELLO, parent(), STEP | {"events": [[START, 1, 5, 1, 1, 0]]}], "event 0: dir 0"),
    "a report of nothing": (
        [HELLO, parent(), STEP | {"reports": [{"id": "C9", "event": "new"}]}],
        "line 3: report of C9, which is not open",
    ),
    "an order id beyond 64 bits": (
        [HELLO, parent(), STEP | {"events": [[START, 1, 10**30, 100, 999_900, 1]]}],
        "line 3: Expected `int` <= 9223372036854775807",
    ),
    "a standing size beyond 64 bits": (
        [HELLO | {"book": [[1, 10**30, 999_900, 1]]}],
        "line 1: Expected `int`",
    ),
    "an opening with a zone of its own": (
        [HELLO | {"open": "09:30+01:00"}],
        "line 1: instrument: '09:30+01:00'",
    ),
    "text that is no UTF-8": ([b'{"type":"hello","symbol":"\xff"}'], "line 1: 'utf-8' codec"),
    "a bomb of brackets": ([b"[" * 100_000], "line 1: "),
    "a long line": ([b"x" * (16 * 1024 * 1024 + 1)], "line 1: longer than"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_is_one_line_and_exit_2(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines, says = FAULTS[fault]
    code, _ = ask(lines)
    said = capsys.readouterr().err
    assert code == 2
    assert says in said
    assert said.count("\n") == 1


GONE = [START + 8 * NS, 3, 1, 100, 999_900, 1]  # the only bid
BACK = [START + 9 * NS, 1, 3, 100, 999_700, 1]


def test_the_remainder_is_marked_at_the_last_mid_that_had_two_sides() -> None:
    lines = [HELLO, parent(limit_price_e4=2_000_000), STEP, {"type": "step", "ts_ns": END, "events": [GONE]}]

    code, answers = ask(lines)

    assert code == 0
    assert answers[-1]["shortfall_bps"] == 0.0


def test_while_a_side_is_empty_nothing_is_sent_and_arrival_is_the_first_mid() -> None:
    talk = Talk("twap")
    talk(HELLO | {"book": [BOOK[1]]})
    talk(parent())
    assert [talk(STEP | {"ts_ns": START + n * NS})["send"] for n in (6, 7, 8)] == [[], [], []]

    talk({"type": "step", "ts_ns": START + 9 * NS, "events": [BACK]})
    (order,) = talk(STEP | {"ts_ns": START + 60 * NS})["send"]
    fill = {"id": order["id"], "event": "fill", "last_qty": order["qty"], "last_price_e4": 999_900}
    answer = talk({"type": "step", "ts_ns": END, "reports": [fill]})

    assert answer["status"] == "expired"
    assert answer["shortfall_bps"] == 0.0  # filled at the mid of the first two sides, and it stands


def test_an_input_that_ends_early_is_not_clean() -> None:
    code, answers = ask([HELLO, parent()])
    assert code == 1
    assert [a["type"] for a in answers] == ["ready", "state"]
    assert answers[1]["next_ns"] == START + 5 * NS


def test_over_a_pipe_it_answers_line_by_line() -> None:
    argv = [sys.executable, "-m", "daemon.cli", "policy", "serve", "twap"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for line in (HELLO, parent()):
            child.stdin.write(json.dumps(line) + "\n")
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["type"] in ("ready", "state")
        child.stdin.close()
        assert child.wait(60) == 1


# --- show, verify, diff ---------------------------------------------------------------------------
def command(*argv: str) -> int:
    return policy_command.main(policy_options.parser().parse_args(list(argv)))


def test_show_says_what_it_is_and_claims_nothing_that_was_not_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command("show", str(CLONED)) == 0
    said = capsys.readouterr().out
    assert "behaviour-cloned" in said
    assert "nothing: no claim is made" in said
    assert command("show", str(CLONED), "--json") == 0
    assert json.loads(capsys.readouterr().out)["cadence"]["interval_ms"] == 1_000


def test_verify_repeats_the_golden_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("verify", str(CLONED)) == 0
    assert "256 golden rows" in capsys.readouterr().out


def test_diff_of_one_with_itself_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("diff", str(CLONED), str(CLONED)) == 0
    assert "0 of 512" in capsys.readouterr().out


def test_a_policy_that_is_none_is_one_line_and_exit_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("verify", "dream") == 78
    assert "is none of" in capsys.readouterr().err
    assert command("verify", "./nowhere") == 78
    assert "is not a folder" in capsys.readouterr().err


def test_a_line_without_end_is_refused_before_all_of_it_is_held() -> None:
    read = 0

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            nonlocal read
            assert read <= 2 * LINE_MAX, "it goes on reading"
            read += len(into)
            into[:] = b"x" * len(into)
            return len(into)

    assert (
        policy_serve.serve(choose("twap"), policy_serve.frames(io.BufferedReader(Endless())), io.StringIO())
        == 2
    )
