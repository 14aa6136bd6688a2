"""The writer's block and the reader's page: whole, truthful, and about living processes only."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.metrics.block import FILE_BYTES, SUFFIX, Metrics, apart
from daemon.metrics.catalogue import CATALOGUE, LABEL_CHARS_MAX, LATENCY_S
from daemon.metrics.server import BlockCollector, read_block
from daemon.metrics.slots import ParentSlots
from daemon.trader.metrics import TraderMetrics
from market.parents import ParentOrder
from market.types import ParentID, Side, Symbol
from policies.choose import choose

FEED_BYTES = "steadyhand_feed_bytes_total"
READY = "steadyhand_ready"
CHECKS_S = "steadyhand_intent_to_wire_seconds"


def parent(parent_id: str) -> ParentOrder:
    return ParentOrder(
        parent_id=ParentID(parent_id),
        account="PAPER",
        side=Side.SELL,
        qty=100,
        symbol=Symbol("SYN"),
        mic="XNAS",
        start_ns=0,
        end_ns=1,
    )


def samples(directory: Path) -> dict[tuple[str, str], float]:
    """What a scrape sees, by sample name and labels."""
    return {
        (s.name, ",".join(f"{k}={v}" for k, v in sorted(s.labels.items()))): s.value
        for family in BlockCollector(directory).collect()
        for s in family.samples
    }


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Metrics]:
    metrics = Metrics(tmp_path, "gate")
    yield metrics
    metrics.close()


def test_a_scrape_sees_what_was_written(gate: Metrics, tmp_path: Path) -> None:
    gate.counter(FEED_BYTES).inc(7)
    gate.gauge(READY).set(1)

    seen = samples(tmp_path)

    assert seen[(FEED_BYTES, "process=gate")] == 7
    assert seen[(READY, "process=gate")] == 1
    assert seen[("steadyhand_process_up", "process=gate")] == 1
    assert seen[("steadyhand_metric_series", "process=gate")] == 2


def test_a_value_on_a_bound_counts_in_the_bucket_of_that_bound(gate: Metrics, tmp_path: Path) -> None:
    histogram = gate.histogram(CHECKS_S)
    for value in (LATENCY_S[0], LATENCY_S[1] * 0.99, LATENCY_S[1] * 1.01, 99.0):
        histogram.observe(value)

    seen = samples(tmp_path)

    buckets = [seen[(CHECKS_S + "_bucket", f"le={bound},process=gate")] for bound in (*LATENCY_S[:3], "+Inf")]
    assert buckets == [1, 2, 3, 4]
    assert seen[(CHECKS_S + "_count", "process=gate")] == histogram.count == 4
    assert seen[(CHECKS_S + "_sum", "process=gate")] == pytest.approx(99, abs=1e-4)


def test_the_same_labels_give_the_same_handle_in_any_order(gate: Metrics) -> None:
    one = gate.counter("steadyhand_fills_total", symbol="SYN", side="buy")
    two = gate.counter("steadyhand_fills_total", side="buy", symbol="SYN")

    assert one is two


def test_without_a_directory_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    metrics = Metrics(None, "gate")

    metrics.counter(FEED_BYTES).inc()
    metrics.close()

    assert metrics.counter(FEED_BYTES).value == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("steadyhand_nowhere_total", {}),
        (READY, {}),
        (FEED_BYTES, {"type": "A"}),
        ("steadyhand_feed_messages_total", {}),
        ("steadyhand_feed_messages_total", {"type": "Z"}),
        ("steadyhand_fill_notional_total", {"currency": "x" * (LABEL_CHARS_MAX + 1)}),
    ],
    ids=["unknown", "other kind", "label too much", "label missing", "value not listed", "value too long"],
)
def test_what_the_catalogue_does_not_list_is_refused(
    gate: Metrics, name: str, labels: dict[str, str]
) -> None:
    with pytest.raises(AssertionError):
        gate.counter(name, **labels)


def test_labels_without_a_bound_end_in_an_assertion_and_leave_the_block_whole(
    gate: Metrics, tmp_path: Path
) -> None:
    def write_without_end() -> None:
        for n in range(FILE_BYTES):
            gate.gauge("steadyhand_position_quantity", symbol=f"S{n}").set(n)

    with pytest.raises(AssertionError, match="labels without a bound"):
        write_without_end()

    block = read_block(tmp_path / f"gate{SUFFIX}")
    assert block is not None
    assert [s.values[0] for s in block.series] == list(range(len(block.series)))


def test_a_process_that_ended_in_order_leaves_nothing(tmp_path: Path) -> None:
    Metrics(tmp_path, "gate").close()

    assert samples(tmp_path) == {}


def test_a_restarted_process_starts_from_nothing(tmp_path: Path) -> None:
    first = Metrics(tmp_path, "gate")
    first.counter(FEED_BYTES).inc(5)
    second = Metrics(tmp_path, "gate")
    second.counter(FEED_BYTES).inc(1)

    seen = samples(tmp_path)

    assert seen[(FEED_BYTES, "process=gate")] == 1
    first.close()
    second.close()


def test_a_killed_process_counts_as_down_and_its_numbers_do_not_look_alive(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from daemon.metrics.block import Metrics\n"
        "m = Metrics(Path(sys.argv[1]), 'trader'); m.counter('steadyhand_feed_bytes_total').inc(3)\n"
        "print('written', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        alive = samples(tmp_path)
        writer.kill()

    dead = samples(tmp_path)

    assert alive[(FEED_BYTES, "process=trader")] == 3
    assert dead[("steadyhand_process_up", "process=trader")] == 0
    assert (FEED_BYTES, "process=trader") not in dead


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(FILE_BYTES)], ids=["empty", "short", "zeroes"])
def test_a_file_that_is_no_block_is_passed_over(gate: Metrics, tmp_path: Path, content: bytes) -> None:
    gate.gauge(READY).set(1)
    (tmp_path / f"stranger{SUFFIX}").write_bytes(content)

    seen = samples(tmp_path)

    assert seen[(READY, "process=gate")] == 1
    assert not [key for key in seen if "stranger" in key[1]]


def test_the_catalogue_keeps_to_its_own_rules() -> None:
    for metric in CATALOGUE.values():
        assert metric.name.startswith("steadyhand_")
        assert (metric.kind.value == "counter") == metric.name.endswith("_total")
        assert metric.help.endswith(".")
        assert not set(metric.labels) & {"cl_ord_id", "order_id", "process", "le"}


def test_the_server_says_where_it_listens_serves_and_ends_on_sigterm(gate: Metrics, tmp_path: Path) -> None:
    gate.counter(FEED_BYTES).inc(11)
    command = [sys.executable, "-m", "daemon.cli", "metrics", "--dir", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        with urllib.request.urlopen(ready["url"], timeout=10) as answer:
            page = answer.read().decode()
        os.kill(server.pid, signal.SIGTERM)

        code = server.wait(timeout=10)

    assert ready["event"] == "ready"
    assert ready["url"].startswith("http://127.0.0.1:")
    assert 'steadyhand_feed_bytes_total{process="gate"} 11.0' in page
    assert code == 0


def test_a_busy_port_gives_one_line(gate: Metrics, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "daemon.cli", "metrics", "--dir", str(tmp_path), "--port"]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        port = json.loads(first.stdout.readline())["endpoints"]["metrics"]

        second = subprocess.run([*command, str(port)], capture_output=True, text=True)
        first.terminate()

    assert second.returncode == 2
    assert len(second.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in second.stderr


def test_a_login_after_the_first_is_counted_and_so_is_one_to_another_session(tmp_path: Path) -> None:
    trader = TraderMetrics(Metrics(tmp_path, "trader"), choose("twap"), "paper")
    for session in ("RUN1", "RUN1", "RUN2"):
        trader.logged_in(session)
    seen = samples(tmp_path)
    assert seen["steadyhand_feed_reconnects_total", "process=trader"] == 2.0
    assert seen["steadyhand_feed_session_changes_total", "process=trader"] == 1.0


def test_an_info_shows_its_last_words_and_then_nothing(gate: Metrics, tmp_path: Path) -> None:
    info = gate.info("steadyhand_parent_info")
    words = {"slot": "0", "symbol": "SYN", "side": "SELL"}
    before = samples(tmp_path)
    info.show(parent_id="P1", **words)
    info.show(parent_id="P2-with-a-longer-name", **words)
    shown = samples(tmp_path)
    info.hide()
    hidden = samples(tmp_path)

    def of(seen: dict[tuple[str, str], float]) -> list[tuple[str, float]]:
        return [(key[1], value) for key, value in seen.items() if key[0] == "steadyhand_parent_info"]

    labels = "parent_id=P2-with-a-longer-name,process=gate,side=SELL,slot=0,symbol=SYN"
    assert of(before) == []
    assert of(shown) == [(labels, 1.0)]
    assert of(hidden) == [(labels, 0.0)]


def test_parents_take_slots_and_let_them_go(gate: Metrics) -> None:
    slots = ParentSlots(gate)
    parents = [parent(f"P{n}") for n in range(17)]

    first = [slots.of(p) for p in parents]
    again = slots.of(parents[3])
    ended = slots.keep([p.parent_id for p in parents if p.parent_id != "P5"])
    last = slots.of(parents[16])

    assert first == [*map(str, range(16)), None]
    assert again == "3"
    assert ended == ["5"]
    assert last == "5"


def test_a_gauge_that_fails_ends_nothing_and_is_told_once() -> None:
    seen: list[int] = []

    def refresh(core: int) -> None:
        seen.append(core)
        assert 12 // (core - core % 2), "divides by its core"

    gauges = apart(refresh)
    with capture_logs() as logs:
        for core in (1, 0, 2):
            gauges(core)

    assert seen == [1, 0, 2], "the next refresh is tried all the same"
    assert [(line["event"], line["log_level"]) for line in logs] == [("gauges are not whole", "error")]
    assert "ZeroDivisionError" in logs[0]["error"]
