"""`steadyhand trader`: the replaceable side. Book, state, policy, executor; no order socket.

It dials the gate and, once market time is known, the feed from sequence 1. Everything is compiled
before it says READY; after that it only steps. Kill it at any time: the worst it does is to stop.
"""

import argparse
import asyncio
import gc
import sys
from typing import Any, Final

import structlog

from daemon import logs, notify
from daemon.clock import Clock
from daemon.config import Config, load
from daemon.ending import Ending
from daemon.metrics.block import Metrics
from daemon.rehearsal import Pacer
from daemon.runtime import EXIT_CONFIG, EXIT_DONE, EXIT_NOT_CLEAN, Runtime, run
from daemon.segments.layout import JournalError
from daemon.strict_toml import ConfigError
from daemon.trader.events import FeedDown, FeedIdle, FeedUp
from daemon.trader.gate_line import GateLine
from daemon.trader.metrics import TraderMetrics
from daemon.trader.rehearsal import TraderRehearsal
from daemon.trader.setup import Epochs, build_core, open_journal, warm_up
from daemon.trader.shell import Shell
from daemon.trader.source import Source
from daemon.trader.waking import Alarm, Wakefulness
from gateways.feeds.glimpse import Snapshot
from market import events as ev
from market import updates as up
from market.types import Symbol
from policies import choose
from policies.actions import ACTION_TABLE_SHA256
from policies.frozen import FrozenPolicy
from policies.policy import Policy
from policies.scripted import Scripted
from policies.state import STATE_SPEC_SHA256

log = structlog.get_logger()

LOCK_WAIT_S: Final = 30.0  # lockstep: wall time that one instant may take
STATUS_S: Final = 1.0


class Trader:
    """The wires between gate, feed, loop and shell."""

    def __init__(self, config: Config, runtime: Runtime, shell: Shell, policy: Policy | Scripted) -> None:
        assert config.trader is not None
        assert config.gate is not None
        self.exit_code = EXIT_DONE
        self._config = config.trader
        self._runtime = runtime
        self._shell = shell
        self._policy = policy
        self._epochs = Epochs(config.trader.journal_dir, config.clock.lockstep_socket is not None)
        self._client: Source | None = None
        self._tick: up.LockTick | None = None
        self._tick_watch: asyncio.TimerHandle | None = None
        self._pacer: Pacer | None = None
        self._wakefulness = Wakefulness(config.trader.busy_poll_us)
        self._line = GateLine(config.gate.link_socket, self._hello, shell, self._told, self.fail)
        self._loop = asyncio.get_running_loop()
        self._ending = Ending("trader", self._loop, runtime.stop)
        shell.send = self._line.send
        shell.wake_in = Alarm(shell.wake).wake_in
        shell.broken = lambda reason: self._loop.call_soon(self._broken, reason)

    async def serve(self) -> int:
        """Run until asked to stop."""
        self._loop.set_exception_handler(self._broke)
        gc.disable()  # a collection in the middle of a tick is 1-10 ms; it is done once a second
        self._runtime.spawn(self._line.keep(self._runtime.stopping), "link")
        self._runtime.spawn(self._keep_status(), "status")
        await self._runtime.stopping.wait()
        notify.stopping()
        self._ending.at("the journal's last bytes")
        if self._client is not None:
            self._client.close()
        self._line.close()
        self._shell.close()
        return self.exit_code

    def fail(self, text: str, code: int = EXIT_NOT_CLEAN) -> None:
        """End with one clear line."""
        if not self._runtime.stopping.is_set():
            print(f"steadyhand trader: {text}", file=sys.stderr, flush=True)
            self.exit_code = code
            self._ending.ask()

    def _broke(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback raised: our own error, and the end of trading."""
        error = context.get("exception")
        log.error("stopped by an error", message=context.get("message"), error=repr(error), exc_info=error)
        self.fail(f"stopped by an error of its own: {error!r}")

    # --- what the gate tells ---

    def _hello(self) -> ev.TraderHello:
        policy = self._policy
        return ev.TraderHello(
            protocol=ev.LINK_PROTOCOL,
            epoch=self._epochs.next(),
            symbols=tuple(Symbol(s) for s in self._config.symbols),
            policy=policy.name,
            policy_sha256=policy.sha256 if isinstance(policy, FrozenPolicy) else "",
            state_spec_sha256=STATE_SPEC_SHA256,
            action_table_sha256=ACTION_TABLE_SHA256,
        )

    def _told(self, message: Any) -> None:
        match message:
            case up.HelloAck():
                self._taken(message)
            case up.AnchorUpdate():
                self._begin_market(message.anchor)
            case up.LockTick():
                self._ticked(message)
            case _:
                self._shell.event(message)
        self._wakefulness.prolong()

    def _taken(self, ack: up.HelloAck) -> None:
        """The gate has taken us: market time may be known by now."""
        self._shell.lockstep = ack.lockstep
        if ack.lockstep:
            return
        if ack.anchor is not None:
            self._begin_market(ack.anchor)
        if self._config.rehearse_us and self._pacer is None:
            self._runtime.spawn(self._rehearse(), "rehearsal")

    async def _rehearse(self) -> None:
        """Keep the way of a tick warm, by a stand-in that knows nothing of us; real time only."""
        config = self._config
        rehearsal = TraderRehearsal(
            lambda: choose.choose(config.policy, config.policy_options, config.volume_curve),
            config.journal_dir,
            config.rehearse_us,
            self._loop,
        )
        self._pacer = Pacer(config.rehearse_us, rehearsal.walk, lambda: self._line.sent)
        await rehearsal.connect()
        self._pacer.begin(self._loop)
        gc.freeze()
        await self._runtime.stopping.wait()
        self._pacer.end()
        rehearsal.close()

    # --- feed ---

    def _begin_market(self, anchor: ev.ClockAnchor) -> None:
        if not self._shell.lockstep:
            self._shell.clock.set_anchor(anchor)
            self._dial_feed(self._shell.clock.market_ns())

    def _dial_feed(self, ts_ns: int) -> None:
        if self._client is None:
            self._shell.begin_market(ts_ns)
            refused = self._shell.refused
            self._client = Source(self._config.feed, self, self._resynchronised, self.fail, refused)
            self._runtime.spawn(self._client.follow(), "feed")

    def _resynchronised(self, snapshot: Snapshot) -> None:
        """Take the book anew."""
        self._shell.resynchronised(snapshot)
        if self._tick is not None:
            self._loop.call_soon(self._try_tick)

    def _broken(self, reason: str) -> None:
        """The book cannot be believed any more; what comes next may be a snapshot."""
        if self._client is not None:
            self._client.distrust(reason)

    def feed_up(self, session: str, next_seq: int) -> None:
        """Logged in."""
        log.info("feed up", session=session, next_seq=next_seq)
        self._shell.logged_in(session)
        self._shell.event(FeedUp(next_seq=next_seq))

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        """Take one read."""
        self._shell.read(packets, first_seq, mono_ns)
        if self._tick is not None:
            self._loop.call_soon(self._try_tick)  # the client counts them when this returns
        self._wakefulness.prolong()

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:  # noqa: ARG002  (the core counts itself)
        """Take a heartbeat; in lockstep the instants say more."""
        self._shell.heard()
        if not self._shell.lockstep:
            self._shell.event(FeedIdle(), mono_ns)

    def feed_down(self, reason: str) -> None:
        """The line is gone; the client dials again."""
        self._shell.event(FeedDown(reason=f"feed down: {reason}"))

    def feed_ended(self) -> None:
        """Nothing more will come."""
        log.info("feed ended")
        self._shell.event(FeedDown(reason="the feed's session ended", ended=True))

    # --- time ---

    def _ticked(self, tick: up.LockTick) -> None:
        self._dial_feed(tick.ts_ns)
        self._tick = tick
        if self._tick_watch is None:
            self._tick_watch = self._loop.call_later(LOCK_WAIT_S, self._tick_late)
        self._try_tick()

    def _try_tick(self) -> None:
        tick, client = self._tick, self._client
        if tick is None or client is None or client.next_seq <= tick.feed_seq:
            return
        self._tick = None
        if self._tick_watch is not None:
            self._tick_watch.cancel()
            self._tick_watch = None
        self._shell.tick(tick)

    def _tick_late(self) -> None:
        assert self._tick is not None
        self.fail(f"lockstep: message {self._tick.feed_seq} of the feed did not come in {LOCK_WAIT_S:g} s")

    async def _keep_status(self) -> None:
        while True:
            await asyncio.sleep(STATUS_S)
            self._shell.second()
            self._line.look()
            notify.watchdog()
            gc.collect(1)


def main(args: argparse.Namespace) -> int:
    """Start the trader; return the exit code."""
    try:
        config = load(args.config)
        if config.trader is None or config.gate is None:
            raise ConfigError(f"{args.config}: needs the sections [trader] and [gate] (for its link_socket)")
        trader = config.trader
        policy = choose.choose(trader.policy, trader.policy_options, trader.volume_curve, trader.policy_key)
        core = build_core(config, policy)
        journal = open_journal(config, core, policy)
    except (ConfigError, JournalError, *choose.ERRORS) as error:
        print(f"steadyhand trader: {error}", file=sys.stderr)
        return EXIT_CONFIG
    logs.configure("trader", config.logs.level)
    directory = config.metrics.directory if config.metrics is not None else None
    metrics = TraderMetrics(Metrics(directory, "trader"), policy, config.mode)
    warm_up()

    async def serve(runtime: Runtime) -> int:
        shell = Shell(core, Clock(), metrics, journal)
        running = Trader(config, runtime, shell, policy)
        log.info("policy", describe=policy.describe())
        logs.announce("ready", policy=policy.name, sha256=policy.sha256, describe=policy.describe())
        metrics.ready()
        notify.ready(policy.describe())
        return await running.serve()

    code = run(serve)
    if code == EXIT_DONE:
        metrics.close()
    return code
