"""`steadyhand paper`: one command plays a market day and works parent orders in it, to their end.

It starts the venue, the gate and the trader as the processes they are in production, hands the
parents over as a desk would, shows how they go, reconciles gate against venue, stops everything
and leaves a run folder behind. It holds no trading logic: whatever it shows, it was told.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon import control, parent_text
from daemon.config import load_profile
from daemon.paper.children import Child, ChildError, Interrupted, Late, ending
from daemon.paper.setup import (
    Market,
    choose_market,
    compose_config,
    default_parent,
    make_run_folder,
    make_socket_folder,
    venue_argv,
    write_positions,
)
from daemon.paper.view import View, summary
from daemon.report import main as report
from daemon.report import sums
from daemon.runtime import (
    EXIT_CONFIG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_NOT_CLEAN,
    EXIT_USAGE,
    Runtime,
    run,
)
from daemon.strict_toml import ConfigError
from market.parents import ParentOrder
from market.types import NS, Side

SOON_S: Final = 15.0  # for `ready`; a start that takes longer compiles its kernels, and says so
READY_WAIT_S: Final = 600.0  # the first start on a machine does; a slow or a busy one needs minutes
LOGON_WAIT_S: Final = 30.0  # two sessions on loopback take a second; a machine under load, some more
POLL_S: Final = 0.25
VENUE_NICE: Final = 5  # in life the exchange is another machine: here it gives way to gate and trader
METRICS_NICE: Final = 10
ENDING_WAIT_S: Final = 1.0  # for a gate that does not answer to be seen as ended
HEAD_START_NS: Final = 200_000_000  # between the order to start and market time's begin
TRADER_RESTARTS_MAX: Final = 3  # as many as a unit's StartLimitBurst; then the run ends, not clean
END_GRACE_NS: Final = 60 * NS  # market time after the last window in which parents must have ended
ACCOUNT: Final = "PAPER"


class Paper:
    """One run: its processes, what they said, and how it ended."""

    def __init__(self, args: argparse.Namespace, market: Market, parents: list[ParentOrder]) -> None:
        self._args, self._market, self._parents = args, market, parents
        self._run = make_run_folder(args.out)
        self._sockets = make_socket_folder()
        self._config = Path()
        self._venue = Child("venue", self._venue_argv(), self._run / "venue.log", VENUE_NICE)
        self._gate: Child | None = None
        self._trader: Child | None = None
        self._metrics: Child | None = None
        self._trader_restarts = 0
        self._admitted: set[str] = set()
        self._status: dict[str, Any] = {}  # the gate's last word
        self._stopping: asyncio.Event | None = None
        self._view = View(market, args, self._run)
        self._interrupted = False

    def _venue_argv(self) -> list[str]:
        lockstep = self._sockets / "lock.sock" if self._args.lockstep else None
        return venue_argv(self._args, self._market, self._run, lockstep)

    @property
    def _plays_to_the_end(self) -> bool:
        """In lockstep the market is played to its last event, so that equal runs leave equal bytes."""
        return bool(self._args.lockstep) and not self._interrupted

    @property
    def _control(self) -> Path:
        return self._sockets / "control.sock"

    async def main(self, runtime: Runtime) -> int:
        """Run to the end and return the exit code."""
        self._stopping = runtime.stopping
        try:
            with self._view:
                await self._start(runtime)
                await self._hand_over()
                await self._work(runtime)
            await self._finish()
            return self._conclude()
        except Interrupted:
            await self._stop_all()
            self._leave_nothing()
            return EXIT_INTERRUPTED
        except ChildError as failure:
            await self._stop_all()
            return self._break_off(failure)
        except OSError as error:  # a full disk, as a rule
            await self._stop_all()
            print(f"steadyhand paper: {error}; what there is: {self._run}", file=sys.stderr)
            return EXIT_NOT_CLEAN
        finally:
            await self._stop_all()
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _break_off(self, failure: ChildError) -> int:
        """Say in one line what broke, and keep what there is: a report of the part that happened."""
        if not self._admitted and failure.code in (EXIT_CONFIG, EXIT_USAGE):
            self._leave_nothing()
            print(f"steadyhand paper: {failure}", file=sys.stderr)
            return failure.code
        self._view.notes.append(str(failure))
        with contextlib.suppress(report.ReportError, OSError):  # a full disk may be what broke it
            self._write_facts()
            report.build(self._run)
        print(f"steadyhand paper: {failure}; what there is: {self._run}", file=sys.stderr)
        return EXIT_CONFIG if failure.code == EXIT_CONFIG else EXIT_NOT_CLEAN

    def _leave_nothing(self) -> None:
        """Remove the run folder of a run that never traded: the same command may be given again."""
        if not self._admitted:
            shutil.rmtree(self._run, ignore_errors=True)

    async def _start(self, runtime: Runtime) -> None:
        """Start venue, gate and trader, each ready before the next, and wait for both FIX sessions."""
        self._view.stage("venue")
        await self._venue.start(runtime.spawn)
        ready = await self._ready(self._venue)
        sells: dict[str, int] = {}
        for parent in self._parents:
            if parent.side is Side.SELL:
                sells[parent.symbol] = sells.get(parent.symbol, 0) + parent.qty
        write_positions(self._run / "positions.csv", ACCOUNT, sells)
        self._config = compose_config(self._args, self._market, self._run, self._sockets, ready["endpoints"])
        self._view.stage("gate")
        self._gate = Child("gate", ["gate", "--config", str(self._config)], self._run / "gate.log")
        await self._gate.start(runtime.spawn)
        await self._ready(self._gate)
        self._metrics = Child(
            "metrics", ["metrics", "--config", str(self._config)], self._run / "metrics.log", METRICS_NICE
        )
        await self._metrics.start(runtime.spawn)
        self._view.stage("trader")
        await self._start_trader(runtime)
        page = await self._ready(self._metrics)
        self._view.metrics_page(page["url"])
        self._view.stage("logon")
        deadline = time.monotonic() + LOGON_WAIT_S
        while not connected(status := await self._poll()):
            if runtime.stopping.is_set():
                raise Interrupted
            if time.monotonic() > deadline:
                raise ChildError("gate", None, f"not connected: {json.dumps(status.get('sessions'))}")
            await asyncio.sleep(POLL_S / 5)

    async def _ready(self, child: Child) -> dict[str, Any]:
        """Return what a process says when it is ready; of one that takes long, say what it does meanwhile."""
        with contextlib.suppress(Late):
            return await child.said("ready", SOON_S, self._stopping)
        self._view.stage(f"{child.name}: it compiles its kernels, once on this machine")
        return await child.said("ready", READY_WAIT_S, self._stopping)

    async def _start_trader(self, runtime: Runtime) -> None:
        self._trader = Child("trader", ["trader", "--config", str(self._config)], self._run / "trader.log")
        await self._trader.start(runtime.spawn)
        ready = await self._ready(self._trader)
        self._view.policy({"name": ready["policy"], "sha256": ready["sha256"], "describe": ready["describe"]})
        runtime.spawn(self._keep_trader(runtime, self._trader), "trader keeper")

    async def _keep_trader(self, runtime: Runtime, trader: Child) -> None:
        """Start the trader again when it dies, as its unit would: the parents wait in the gate."""
        code = await trader.wait()
        if self._view.ending or code == EXIT_CONFIG:
            return
        self._trader_restarts += 1
        if self._trader_restarts > TRADER_RESTARTS_MAX:
            self._view.note(f"the trader died {self._trader_restarts} times: not started again")
            return
        self._view.note(f"the trader {ending(code)}: started again")
        with contextlib.suppress(Interrupted):
            try:
                await self._start_trader(runtime)
                return
            except Late as late:
                self._view.note(str(late))
            except ChildError:
                pass  # it died on its way: counted, and said, like any other death
            assert self._trader is not None, "it was started"
            await self._keep_trader(runtime, self._trader)

    async def _hand_over(self) -> None:
        """Begin market time and submit the parents; in lockstep they wait for the first instant."""
        submits = [{"cmd": "submit", "parent": msgspec.to_builtins(p)} for p in self._parents]
        if self._args.lockstep:
            async with control.connect(self._control) as gate:
                for submit in submits:
                    gate.send(submit)
                await gate.ask({"cmd": "ping"})  # answered in order: the submits are queued
                self._venue.tell({"start": {}})
                replies = [await gate.receive() for _ in submits]
        else:
            anchor_mono_ns = time.monotonic_ns() + HEAD_START_NS
            anchor = {
                "anchor_ts_ns": self._market.from_ns,
                "anchor_mono_ns": anchor_mono_ns,
                "speed": self._args.speed,
            }
            await self._ask({"cmd": "clock", "anchor": anchor})
            self._venue.tell({"start": {"anchor_mono_ns": anchor_mono_ns}})
            await self._reference_known()
            replies = [await self._ask(submit) for submit in submits]
        for parent, reply in zip(self._parents, replies, strict=True):
            if reply.get("ok"):
                self._admitted.add(parent.parent_id)
            else:
                self._view.note(
                    f"refused {parent.side.name} {parent.qty} {parent.symbol}: {reply.get('error')}"
                )

    async def _reference_known(self) -> None:
        """Wait for the gate's own price: without one R06 and R08 refuse, rightly."""
        deadline = time.monotonic() + LOGON_WAIT_S
        while not priced(await self._poll(), self._market.instrument.symbol):
            if self._stopping is not None and self._stopping.is_set():
                raise Interrupted
            if time.monotonic() > deadline:
                raise ChildError("gate", None, "no reference price came; see fix-gate.log")
            await asyncio.sleep(POLL_S / 5)

    async def _work(self, runtime: Runtime) -> None:
        """Show progress until every parent ended, the market is over, or somebody stops the run."""
        last_end_ns = max(p.end_ns for p in self._parents)
        while self._admitted:
            status = await self._poll()
            self._view.show(status)
            market_over = self._venue.has_said("ended")
            ended = all_ended(status, self._admitted)
            if ended and (market_over or not self._plays_to_the_end):
                return
            if runtime.stopping.is_set() and not self._interrupted:
                self._interrupted = True
                self._view.note("interrupted: cancelling")
                for parent in status["parents"]:
                    await self._ask({"cmd": "cancel", "parent_id": parent["parent_id"]})
            late = status["ts_ns"] > last_end_ns + END_GRACE_NS
            if not ended and (late or (market_over and not self._args.lockstep)):
                self._view.note("the market is over and a parent has not ended: see gate.log")
                return
            self._check_alive()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(
                    runtime.stopping.wait() if not self._interrupted else asyncio.sleep(POLL_S), POLL_S
                )

    def _check_alive(self) -> None:
        for child in (self._venue, self._gate):
            if child is not None and child.returncode is not None:
                raise ChildError(child.name, child.returncode, child.last_words)
        if self._trader is not None and self._trader.returncode == EXIT_CONFIG:
            raise ChildError("trader", EXIT_CONFIG, self._trader.last_words)

    async def _finish(self) -> None:
        """Keep the gate's last word, stop trader, gate and venue in this order, and write it all down."""
        self._view.ending = True
        self._status = await self._ask({"cmd": "status"})
        if self._trader is not None:
            await self._trader.stop()
        if self._gate is not None:
            await self._gate.stop()
        self._venue.tell({"stop": True})
        await self._venue.said("summary", READY_WAIT_S)
        await self._venue.stop()  # its last line is in fix-venue.log
        self._write_facts()

    def _write_facts(self) -> None:
        """Write run.json and gate-status.json, which the report is made of."""
        args, market = self._args, self._market
        facts = {
            "mode": "paper",
            "seed": args.seed,
            "speed": None if args.lockstep else args.speed,
            "lockstep": args.lockstep,
            "policy": self._view.policy_facts,
            "symbol": market.instrument.symbol,
            "zone": market.instrument.zone,
            "currency": market.instrument.currency,
            "tape": str(market.tape.resolve()) if market.tape else None,
            "window": [market.from_ns, market.to_ns],
            "parents": [msgspec.to_builtins(p) for p in self._parents],
            "interrupted": self._interrupted,
            "notes": self._view.notes,
            "trader_restarts": self._trader_restarts,
        }
        (self._run / "run.json").write_text(json.dumps(facts, indent=1))
        if self._status:
            (self._run / "gate-status.json").write_text(json.dumps(self._status))
        sums.write(self._run)

    def _conclude(self) -> int:
        """Build the report, print it, and return the exit code."""
        facts = report.build(self._run)
        if self._args.json:
            print(json.dumps(facts, indent=2))
        else:
            summary(facts, self._run)
        if self._interrupted:
            return EXIT_INTERRUPTED
        refused = len(self._admitted) < len(self._parents)
        ended = all(p["status"] in ("filled", "expired", "canceled") for p in facts["parents"])
        return EXIT_DONE if ended and not refused and facts["reconciliation"]["clean"] else EXIT_NOT_CLEAN

    async def _stop_all(self) -> None:
        self._view.ending = True
        for child in (self._trader, self._gate, self._venue, self._metrics):
            if child is not None:
                await child.stop()

    async def _poll(self) -> dict[str, Any]:
        """Return the gate's status, with live orders alone: it is asked for four times a second."""
        self._status = await self._ask({"cmd": "status", "orders": "live"})
        return self._status

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the gate one thing.

        Raises:
            ChildError: the gate does not answer.
        """
        try:
            return await control.request(self._control, request)
        except (OSError, control.ControlError) as error:
            gate = self._gate
            assert gate is not None, "nobody is asked before there is a gate"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gate.wait(), ENDING_WAIT_S)
            why = gate.last_words if gate.returncode is not None else str(error)
            raise ChildError("gate", gate.returncode, why) from None


def connected(status: dict[str, Any]) -> bool:
    """Whether both FIX sessions and the trader are there."""
    sessions = status["sessions"]
    return bool(sessions["order"]["up"] and sessions["reference"]["up"] and status["trader"]["connected"])


def priced(status: dict[str, Any], symbol: str) -> bool:
    """Whether the gate knows a two-sided reference price."""
    price = status["reference"].get(symbol) or {}
    return bool(price.get("bid_e4") and price.get("ask_e4"))


def all_ended(status: dict[str, Any], admitted: set[str]) -> bool:
    """Whether every parent that was admitted, of this run or by `submit`, is in a terminal status."""
    parents = status["parents"]
    return admitted <= {p["parent_id"] for p in parents} and all(p["ended"] for p in parents)


def main(args: argparse.Namespace) -> int:
    """Run `steadyhand paper`."""
    try:
        first = choose_market(args)
        texts = args.parent or [default_parent(first)]
        parents = [
            parent_text.parse(text, {first.instrument.symbol: first.instrument}, first.day, ACCOUNT, f"P{n}")
            for n, text in enumerate(texts, start=1)
        ]
        market = choose_market(args, parents)
        load_profile(args.profile)  # before there is a folder to leave behind
        paper = Paper(args, market, parents)
    except (ConfigError, parent_text.ParentTextError) as error:
        print(f"steadyhand paper: {error}", file=sys.stderr)
        return EXIT_USAGE
    return run(paper.main)
