"""`steadyhand policy serve`: a frozen policy for a simulator that is not ours, by JSON lines, in lock-step.

One line in, one line out, nothing else on stdout; a line that cannot be is one line on stderr and exit 2.
The road is production's: the same core that the trader runs, so what is measured elsewhere is what trades.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import time
from typing import Any, BinaryIO, TextIO

from daemon.policy import lines as pl
from daemon.policy.desk import Desk
from daemon.runtime import EXIT_CONFIG, EXIT_DONE, EXIT_NOT_CLEAN, EXIT_USAGE
from daemon.trader.core import TraderCore
from daemon.trader.events import Settings
from market.instruments import Instrument, TickBand
from market.parents import shortfall_bps
from market.types import Symbol
from policies import choose
from policies.policy import Cadence, Policy
from policies.scripted import Scripted

DEFAULT = Cadence(interval_ms=1_000, gap_ms=250, on_fill=True, on_touch=True, corridor=0.2)  # the trader's


def main(args: argparse.Namespace) -> int:
    """Serve until the input ends."""
    try:
        policy = choose.choose(args.policy)
    except choose.ERRORS as error:
        print(f"steadyhand policy: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return serve(policy, frames(sys.stdin.buffer), sys.stdout)


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Return the lines of a stream; of one that has no end no more than shows that it is too long."""
    return iter(lambda: stream.readline(pl.LINE_MAX + 1), b"")


def serve(policy: Policy | Scripted, lines: Iterable[bytes], out: TextIO) -> int:
    """Answer each line; return the exit code: 0 where the parent ended, 1 where the input ended before."""
    desk: Desk | None = None
    for number, raw in enumerate(lines, 1):
        try:
            desk, answer = take(policy, desk, pl.parse(raw))
        except pl.LineError as error:
            print(f"steadyhand policy serve: line {number}: {error}", file=sys.stderr)
            return EXIT_USAGE
        out.write(json.dumps(answer, separators=(",", ":")) + "\n")
        out.flush()
    return EXIT_DONE if desk is not None and desk.ended else EXIT_NOT_CLEAN


def take(policy: Policy | Scripted, desk: Desk | None, line: pl.Line) -> tuple[Desk, dict[str, Any]]:
    """Take one line; return the desk and the answer."""
    if desk is None:
        if not isinstance(line, pl.Hello):
            raise pl.LineError('the first line is {"type":"hello",...}')
        desk = desk_of(policy, line)
        desk.open(line.ts_ns)
        return desk, welcome(policy)
    if isinstance(line, pl.Hello):
        raise pl.LineError("hello comes once")
    if isinstance(line, pl.Parent):
        desk.begin(line)
    elif desk.parent is None:
        raise pl.LineError('the second line is {"type":"parent",...}')
    else:
        desk.step(line)
    return desk, state_of(desk)


def desk_of(policy: Policy | Scripted, hello: pl.Hello) -> Desk:
    """Return a desk with a core as the trader builds it.

    Raises:
        LineError: a clock time or zone that is none.

    """
    cadence = policy.cadence or DEFAULT
    try:
        instrument = Instrument(
            symbol=Symbol(hello.symbol),
            zone=hello.zone,
            ticks=(TickBand(0, hello.tick_e4),),
            lot=hello.lot,
            round_lot=hello.round_lot,
            open=clock(hello.open),
            close=clock(hello.close),
            adv=hello.adv,
        )
        instrument.session(instrument.day_of(hello.ts_ns))
    except (ValueError, OSError, KeyError, OverflowError) as error:
        raise pl.LineError(f"instrument: {error}") from None
    settings = Settings(
        interval_ns=cadence.interval_ms * 1_000_000,
        gap_ns=cadence.gap_ms * 1_000_000,
        corridor=cadence.corridor,
        on_fill=cadence.on_fill,
        on_touch=cadence.on_touch,
    )
    core = TraderCore(settings, {instrument.symbol: instrument}, policy)
    return Desk(core, instrument.symbol, instrument.mic, hello.limits, pl.standing_batch(hello))


def clock(text: str) -> time:
    """Return a clock time; whose zone is `zone`'s matter."""
    value = time.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError(f"{text!r} is no clock time: write HH:MM")
    return value


def welcome(policy: Policy | Scripted) -> dict[str, Any]:
    """Return the answer to hello."""
    return {
        "type": "ready",
        "protocol": pl.PROTOCOL,
        "policy": policy.name,
        "sha256": policy.sha256,
        "about": policy.describe(),
    }


def state_of(desk: Desk) -> dict[str, Any]:
    """Return what is to be sent, what should then stand, and how far the parent is."""
    progress, parent = desk.progress, desk.parent
    assert parent is not None
    due_ns = desk.core.next_due_ns() or (parent.start_ns if desk.now_ns < parent.start_ns else parent.end_ns)
    answer: dict[str, Any] = {
        "type": "state",
        "ts_ns": desk.now_ns,
        "next_ns": max(desk.now_ns + 1, min(due_ns, parent.end_ns)),
        "send": desk.sent,
        "working": [
            {
                "id": o.chain_id,
                "qty": o.qty,
                "cum_qty": o.cum_qty,
                "price_e4": o.price_e4,
                "status": o.status.name.lower(),
            }
            for o in desk.orders.values()
        ],
        "status": progress.status.value,
        "cum_qty": progress.cum_qty,
        "decisions": desk.core.decisions,
    }
    market = desk.core.markets[desk.symbol]
    if why := desk.core.why_unfit:
        answer["unfit"] = why
    if market.anomalies:
        answer["anomalies"] = market.anomalies
    if desk.ended and progress.arrival_mid_micros:
        answer["shortfall_bps"] = shortfall_bps(
            parent.side, progress.qty, progress.cum_qty, progress.notional_e4, progress.arrival_mid_micros,
            desk.mid_micros,
        )  # fmt: skip
    return answer
