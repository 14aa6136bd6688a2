"""Tick to order: feed bytes readable in the trader until the gate's NewOrderSingle is written.

Each round measures, one after the other on the same machine: the bare hop, the relay (the same hops
without work, see relay.py), and the real thing: `steadyhand paper` driven by a script at 50 orders/s.
Ratios are taken within a round; the median over the rounds counts.

    python benchmarks/tick_to_order.py [--rounds 5] [--seconds 25] [--load calm|peak] [--set SETTINGS]...

calm: one parent, about 150 messages/s; peak: 16 parents, about 3,500 messages/s. Each `--set` is a
variant of its own, `gate.rehearse_us=0` and the like, joined by commas: every round runs all of them.
"""

import argparse
import datetime as dt
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import relay

ROOT = Path(__file__).parents[1]
PAPER = Path(__file__).with_name("paper_with.py")
QUANTILES = {"p50": 0.50, "p99": 0.99, "p999": 0.999}
ORDERS_PER_S = 50
LOADS = {"calm": (5.0, 1), "peak": (115.0, 16)}  # speed of SYN (about 30 messages/s at 1), parents
RAISED = {
    "orders_per_second": 100_000,
    "orders_per_second_symbol": 100_000,
    "duplicates": 1_000_000,
    "open_orders_max": 100_000,
    "open_orders_symbol_max": 100_000,
    "open_notional_max_ccy": 10**12,
    "long_max": 10**9,
    "short_max": 10**9,
    "notional_max_ccy": 10**12,
    "execution_max_ccy": 10**9,
    "adv_max_bp": 10_000,
    "decision_age_max_ms": 60_000,
    "ack_age_max_ms": 60_000,
    "unacked_max": 10_000,
}


def quantiles(taken_us: list[float]) -> dict[str, float]:
    ranked = sorted(taken_us)
    return {name: ranked[min(len(ranked) - 1, int(len(ranked) * q))] for name, q in QUANTILES.items()}


def floor(hops: int, seconds: float) -> dict[str, float]:
    out = subprocess.run(
        [sys.executable, str(Path(relay.__file__)), str(hops), str(int(seconds * ORDERS_PER_S))],
        capture_output=True,
        text=True,
        check=True,
    )
    return quantiles([ns / 1e3 for ns in json.loads(out.stdout)])


def bench_limits(folder: Path) -> Path:
    """The shipped paper limits, opened where a measurement at 50 orders/s would meet them."""
    text = (ROOT / "deploy" / "limits.paper.toml").read_text()
    for key, value in RAISED.items():
        text = re.sub(rf"^{key} = [\d_]+", f"{key} = {value}", text, flags=re.MULTILINE)
    path = folder / "limits.toml"
    path.write_text(text)
    return path


def full(seconds: float, load: str, seed: int, settings: str) -> dict[str, Any]:
    speed, parents = LOADS[load]
    market_s = seconds * speed
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "orders.script"
        period_ms = 1000 * speed / ORDERS_PER_S
        script.write_text(f"every {period_ms:.0f}ms submit 1 @ bid-50 ioc\n")
        begin = dt.datetime(2024, 1, 2, 10, 0, 0, tzinfo=dt.UTC)
        end = begin + dt.timedelta(seconds=market_s)
        argv = ["--from", "10:00:00", "--to", f"{end + dt.timedelta(seconds=20 * speed):%H:%M:%S}"]
        for _ in range(parents):
            argv += [
                "--parent",
                f"BUY 100000 SYN {begin + dt.timedelta(seconds=2 * speed):%H:%M:%S}-{end:%H:%M:%S}",
            ]
        argv += ["--policy", f"script:{script}", "--speed", str(speed), "--seed", str(seed)]
        argv += ["--limits", str(bench_limits(folder)), "--out", str(folder / "run"), "--json"]
        run = subprocess.run(
            [sys.executable, str(PAPER), *(settings.split(",") if settings else []), "--", *argv],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise SystemExit(f"the run ended with {run.returncode}:\n{run.stderr[-3000:]}")
        report: dict[str, Any] = json.loads(run.stdout)
    latency: dict[str, Any] = report["latency_us"]
    return latency


def print_table(name: str, rounds: list[dict[str, Any]]) -> None:
    """Print medians over the rounds of one variant, and the last round's stages."""
    orders = sum(r["full"]["count"] for r in rounds)
    print(f"\n{name or 'as shipped'}: {len(rounds)} rounds, {orders} orders")
    print("| us | bare | relay | full | full/relay | full/bare |\n|---|---|---|---|---|---|")
    for q in QUANTILES:
        cells = [statistics.median(r[k][q] for r in rounds) for k in ("bare", "relay", "full")]
        ratios = [statistics.median(r["full"][q] / r[k][q] for r in rounds) for k in ("relay", "bare")]
        print(
            f"| {q} | "
            + " | ".join(f"{c:.0f}" for c in cells)
            + " | "
            + " | ".join(f"{x:.2f}" for x in ratios)
            + " |"
        )
    print("\n| stage, us | p50 | p99 | p99.9 |\n|---|---|---|---|")
    for stage in rounds[-1]["stages"]:
        cells = [statistics.median(r["stages"][stage][q] for r in rounds) for q in QUANTILES]
        print(f"| {stage} | " + " | ".join(f"{c:.0f}" for c in cells) + " |")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=25)
    p.add_argument("--load", choices=LOADS, default="calm")
    p.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE,...", help="a variant; repeatable"
    )
    args = p.parse_args()
    rounds: dict[str, list[dict[str, Any]]] = {settings: [] for settings in args.set or [""]}
    for n in range(args.rounds):
        for settings, done in rounds.items():
            bare, hops = floor(1, args.seconds), floor(2, args.seconds)
            latency = full(args.seconds, args.load, n + 1, settings)
            one = {"bare": bare, "relay": hops, "full": latency["tick_to_order"], "stages": latency}
            done.append(one)
            print(
                f"round {n + 1} {settings}: "
                + "  ".join(f"{k} {one[k]['p50']:.0f}/{one[k]['p99']:.0f}" for k in ("bare", "relay", "full"))
                + f" us p50/p99, {one['full']['count']} orders",
                file=sys.stderr,
            )
    print(f"{platform.machine()}, {os.cpu_count()} cores, {dt.datetime.now(dt.UTC).date()}, load {args.load}")
    print(f"{args.rounds} rounds of {args.seconds:g} s")
    for settings, done in rounds.items():
        print_table(settings, done)


if __name__ == "__main__":
    main()
