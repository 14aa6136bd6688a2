"""`steadyhand report`: what a run did, from its folder alone: report.json and a page to read.

Nothing is asked of a running process, so a report can be made again at any time; its numbers follow
from the raw FIX logs, and where gate, wire and venue differ it says so by name.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from daemon.report import facts as report_facts
from daemon.report import html as report_html
from daemon.report import log as report_log
from daemon.report import market as report_market
from daemon.report import sums
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN, EXIT_USAGE

JSON_BYTES_MAX: Final = 1 << 30  # a full day's venue.json is some 10 MB
LATENCIES: Final = ("p50", "p99", "p999", "count")
NO_LATENCY: Final[dict[str, Any]] = dict.fromkeys(LATENCIES[:3]) | {"count": 0}


class ReportError(Exception):
    """A run folder that cannot be reported on: one line with the file and how to mend it."""


def build(run: Path) -> dict[str, Any]:
    """Write `report.json` and `report.html` into a run folder and return the report.

    Raises:
        ReportError: where the folder lacks what a report needs.
    """
    facts, status = _read(run / "run.json"), _read(run / "gate-status.json")
    wrong = sums.differences(run)
    try:
        venue = _read_or(run / "venue.json", wrong)
        log = _log_or(run / "fix-gate.log", wrong)
        log.name_parents(status["orders"])
        market = report_market.read(run, facts, venue.get("series", []))
        report = compose(facts, status, venue, log, market, wrong)
        page = report_html.page(
            report, report_html.Chapter(venue.get("series", []), log, venue, status["orders"])
        )
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        what = "; ".join(wrong[:3]) or f"{type(error).__name__}: {error}"
        raise ReportError(
            f"{run}: its files do not fit together ({what}); was it made by this version?"
        ) from error
    _write(run / "report.json", json.dumps(report, indent=2) + "\n")
    _write(run / "report.html", page)
    return report


def compose(
    facts: dict[str, Any],
    status: dict[str, Any],
    venue: dict[str, Any],
    log: report_log.FixLog,
    market: report_market.MarketView,
    wrong: list[str],
) -> dict[str, Any]:
    """Return the report's values."""
    counters = status["counters"]
    times = {fill["exec_id"]: fill for fill in venue.get("fills", [])}
    checked = report_facts.reconcile(status, venue, log)
    checked["breaks"] = wrong + checked["breaks"]
    checked["clean"] = not checked["breaks"]
    return {
        "mode": facts["mode"],
        "seed": facts["seed"],
        "speed": facts["speed"],
        "lockstep": facts["lockstep"],
        "labels": labels(facts),
        "policy": {"name": "", "sha256": None} | facts.get("policy", {}),
        "symbol": facts["symbol"],
        "zone": facts.get("zone") or "America/New_York",
        "currency": facts.get("currency", ""),
        "tape": facts.get("tape"),
        "window": facts["window"],
        "version": facts.get("version"),
        "interrupted": facts.get("interrupted", False),
        "notes": facts.get("notes", []),
        "parents": [report_facts.parent(row, log, times, market) for row in status["parents"]],
        "gate": {
            "orders": log.news,
            "replaces": log.replaces,
            "cancels": log.cancels,
            "rejects_by_control": counters.get("rejects_by_control", {}),
            "ems_rejects": counters.get("ems_rejects", 0),
            "limits_sha256": status.get("limits", {}).get("sha256"),
            "posture": status.get("posture"),
        },
        "venue": {
            "orders": venue.get("orders", 0),
            "fills": len(venue.get("fills", [])),
            "rejects": venue.get("rejects", 0),
            **{name: venue.get(name, 0) for name in ("displaced", "voided", "purged")},
        },
        "reconciliation": checked,
        "latency_us": latency(status),
    }


def labels(facts: dict[str, Any]) -> list[str]:
    """Say what a reader must know before comparing this run with another."""
    if facts["lockstep"]:
        return ["latency modelled: virtual time, the same seed gives the same fills"]
    if facts["speed"] != 1:
        return [
            f"latency-distorted: market time ran {facts['speed']:g} times as fast as the machine's latencies"
        ]
    return []


def latency(status: dict[str, Any]) -> dict[str, Any]:
    """Return the gate's latencies in microseconds; counts of 0 where it measured none."""
    told = status.get("latency_us") or status.get("latency") or {}
    return {"tick_to_order": NO_LATENCY} | {
        stage: {name: value.get(name) for name in LATENCIES} for stage, value in told.items()
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > JSON_BYTES_MAX:
            raise ReportError(f"{path}: larger than {JSON_BYTES_MAX} bytes; is this a run folder?")
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ReportError(f"{path}: no such file; give the folder of a paper run") from error
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; give the folder of a paper run") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: {error}; the run was cut off while writing it") from error
    if not isinstance(value, dict):
        raise ReportError(f"{path}: holds no object; give the folder of a paper run")
    return value


def _read_or(path: Path, wrong: list[str]) -> dict[str, Any]:
    if path.is_file():
        return _read(path)
    _note_missing(path, wrong)
    return {}


def _log_or(path: Path, wrong: list[str]) -> report_log.FixLog:
    if path.is_file():
        return report_log.read(path, "OUT")
    _note_missing(path, wrong)
    return report_log.FixLog()


def _note_missing(path: Path, wrong: list[str]) -> None:
    if (text := f"{path.name} is missing") not in wrong:
        wrong.append(text)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def main(options: argparse.Namespace) -> int:
    """Run `steadyhand report RUN`: 0 clean, 1 not reconciled, 2 no run folder."""
    try:
        report = build(options.run)
    except ReportError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    if options.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        for line in lines(report):
            sys.stdout.write(line + "\n")
        sys.stdout.write(f"{options.run / 'report.html'}\n")
    return EXIT_DONE if report["reconciliation"]["clean"] else EXIT_NOT_CLEAN


def lines(report: dict[str, Any]) -> list[str]:
    """Return the report as a few plain lines."""
    out = []
    for p in report["parents"]:
        cost = (
            "no arrival price" if p["shortfall_bps"] is None else f"shortfall {p['shortfall_bps']:+.2f} bps"
        )
        done = f"{p['filled_qty']:,} of {p['qty']:,}"
        price = "" if p["avg_price"] is None else f" at {p['avg_price']:.4f}"
        out.append(f"{p['id']} {p['side']} {p['symbol']}: {done}{price}, {cost}, {p['status']}")
    check = report["reconciliation"]
    out += [f"break: {text}" for text in check["breaks"]]
    out.append("reconciled" if check["clean"] else "NOT reconciled")
    return out
