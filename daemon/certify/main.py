"""`steadyhand certify PROFILE`: a broker's certification script over a real session, and its sign-off pack.

What is certified is the road that orders take in production: the gate's core, its limits, order entry, the
profile's encoder, the FIX engine. By default the counterparty is a venue of our own, started here.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from daemon.certify import pack
from daemon.certify.desk import Desk
from daemon.certify.live import LivePlayer, Silent, Wire, clock
from daemon.certify.notation import Case, ScriptError, parse
from daemon.certify.pack import About, Verdict
from daemon.certify.play import Mismatch
from daemon.certify.words import SUPPORT
from daemon.config import load_profile, profile_path
from daemon.logs import configure
from daemon.paper.children import Child, ChildError
from daemon.runtime import (
    EXIT_CONFIG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_NOT_CLEAN,
    EXIT_USAGE,
    Runtime,
    run_and_exit,
)
from daemon.strict_toml import ConfigError, load_model
from gateways.fix.outbound import Encoder
from gateways.fix.profile import Profile
from gateways.fix.reference import Reference
from gateways.fix.sessions import ORDER, REFERENCE, EngineError, Role, SessionSpec
from market.types import Symbol
from risk.limits import Limits

if TYPE_CHECKING:
    from gateways.fix.engine import Engine

HERE: Final = Path(__file__).parent
SCRIPTS: Final = HERE / "scripts"
PAPER_LIMITS: Final = HERE.parents[1] / "deploy" / "limits.paper.toml"
OWN_VENUE: Final = "venue.scenario.toml"  # of a script: what our own venue does of itself while it is played
READY_WAIT_S: Final = 60.0  # for a venue to compile its kernels
PRICE_WAIT_S: Final = 30.0  # for the first price of a venue of our own
NO_POSITIONS: Final = (  # what stands for 35=AN
    "not told by this broker; the start-of-day and end-of-day files and the drop copy compare them"
)
FILES_MAX: Final = 200  # of a script
log = structlog.get_logger()


class Certification:
    """One run."""

    def __init__(
        self, args: argparse.Namespace, profile: Profile, cases: list[Case], sources: list[Path]
    ) -> None:
        self._args, self._profile, self._cases, self._sources = args, profile, cases, sources
        self._limits_path: Path = args.limits or PAPER_LIMITS
        self._limits = load_model(self._limits_path, Limits)
        self._out: Path = args.out or Path(f"certify-{profile.name}-{time.strftime('%Y%m%d-%H%M%S')}")
        self._wire = Wire()
        self._venue: Child | None = None
        self._engine: Engine | None = None
        self._epoch = int(time.time())  # part of each ClOrdID: above those of every run before
        self.verdicts: list[Verdict] = []
        self._fault = ""  # why it ended before its time
        self._positions = NO_POSITIONS if profile.supports.positions == "none" else "not compared"

    async def main(self, runtime: Runtime) -> int:
        """Start what is needed, play, write, and end."""
        began = pack.now()
        self._out.mkdir(parents=True, exist_ok=True)
        try:
            await self._connect(runtime)
            await self._play(runtime)
        except (ChildError, EngineError) as error:
            self._fault = str(error)
        except TimeoutError:
            self._fault = f"no price of {self._args.symbol} came"
        finally:
            if self._engine is not None:
                self._engine.stop()
            if self._venue is not None:
                await self._venue.stop()
        if self._fault:
            print(f"steadyhand certify: {self._fault}", file=sys.stderr)
        if not any(v.wire for v in self.verdicts):
            return self._code(runtime)  # nobody was there: nothing to sign, or to refuse to
        about = About(
            profile=self._profile.name,
            version=self._profile.version,
            counterparty=f"{self._args.host}:{self._args.port}" if self._args.host else "our own venue",
            sender=self._args.sender,
            target=self._args.target,
            began=began,
            limits_sha256=pack.sha256(self._limits_path),
            positions=self._positions,
        )
        pack.write(self._out, about, self.verdicts, self._sources, _profile_file(self._args.profile))
        for v in self.verdicts:
            print(f"{v.outcome:<15} {v.case.ref:<24} {v.text}")
        passed = sum(v.outcome == "passed" for v in self.verdicts)
        told = f"{passed} of {len(self.verdicts)} cases passed ({pack.counts(self.verdicts)})"
        print(f"{told}; {self._out}/summary.md")
        return self._code(runtime)

    def _code(self, runtime: Runtime) -> int:
        if runtime.signal_no == signal.SIGINT:
            return EXIT_INTERRUPTED
        return EXIT_DONE if pack.passed(self.verdicts) else EXIT_NOT_CLEAN

    # --- the session ----------------------------------------------------------------------------

    async def _connect(self, runtime: Runtime) -> None:
        args = self._args
        host, port, reference = args.host, args.port, 0
        if host is None:
            host, port, reference = await self._start_venue(runtime)
        fields = self._profile.logon_fields(cancel_on_disconnect=True)
        specs = [
            SessionSpec(
                name=ORDER,
                version=self._profile.version,
                sender_comp_id=args.sender,
                target_comp_id=args.target,
                host=host,
                port=port,
                logon_fields=fields,
            )
        ]
        if reference:
            specs.append(
                SessionSpec(
                    name=REFERENCE,
                    sender_comp_id="STEADYREF",
                    target_comp_id="VENUE",
                    host=host,
                    port=reference,
                    heartbeat_s=1,
                    persist=False,
                )
            )
        from gateways.fix.engine import Engine  # quickfix: nothing before this waits for it

        loop = asyncio.get_running_loop()
        engine = Engine(
            Role.INITIATOR, specs, self._out / "fix", self._out / "fix.log", self._wire.inbox, loop
        )
        self._engine = engine
        if reference:
            theirs = Encoder(self._profile).theirs
            symbols = (Symbol(args.symbol),)
            self._wire.reference = Reference(lambda body: engine.send(REFERENCE, body), symbols, theirs)
        engine.start()
        if reference:
            await asyncio.wait_for(self._wire.priced.wait(), PRICE_WAIT_S)

    async def _start_venue(self, runtime: Runtime) -> tuple[str, int, int]:
        args = self._args
        argv = ["venue", "--symbol", args.symbol, "--seed", "1", "--out", str(self._out / "venue")]
        argv += ["--fix-version", self._profile.version.removeprefix("FIX.")]
        argv += ["--comp-id", args.target, "--client-comp-id", args.sender, "--from", "10:00"]
        scenario = next((s for s in self._sources if s.name == OWN_VENUE), None)
        if scenario is not None:
            argv += ["--scenario", str(scenario)]
        self._venue = Child("venue", argv, self._out / "venue.log")
        await self._venue.start(runtime.spawn)
        ready = await self._venue.said("ready", READY_WAIT_S, runtime.stopping)
        endpoints = ready["endpoints"]
        return "127.0.0.1", int(endpoints["fix"]), int(endpoints["reference"])

    # --- the cases ------------------------------------------------------------------------------

    async def _play(self, runtime: Runtime) -> None:
        for case in self._cases:
            why_not = inapplicable(case, self._profile)
            over = "interrupted" if runtime.stopping.is_set() else self._fault
            if why_not:
                verdict = Verdict(case=case, outcome="not applicable", text=why_not)
            elif over:
                verdict = Verdict(case=case, outcome="not played", text=over)
            else:
                print(f"{case.ref}: {case.title}", file=sys.stderr)
                verdict = await self._one(case)
            self.verdicts.append(verdict)

    async def _one(self, case: Case) -> Verdict:
        assert self._engine is not None, "connected before"
        wire_log = self._out / "fix.log"
        offset, began_s = pack.size(wire_log), time.monotonic()
        self._epoch += 1
        desk = self._desk()
        self._wire.desk = desk
        player = OnEngine(case, desk, self._wire, self._args.wait_s, self._engine)
        text = ""
        try:
            await player.play()
        except Mismatch as mismatch:
            text = str(mismatch)
        except Silent as silent:
            text = self._fault = f"the session does not log on: {silent}"
        left = await player.clean() if not self._fault else []
        if desk.core.state.positions.tries:
            self._positions = desk.core.state.positions.result
        if left and not text:
            text = f"orders not confirmed canceled: {' '.join(left)}"
        self._wire.desk = None
        return Verdict(
            case=case,
            outcome="failed" if text else "passed",
            text=text,
            held=tuple(player.passed),
            skipped=tuple(player.skipped),
            wire=pack.wire_since(wire_log, offset, (self._args.sender, self._args.target)),
            took_s=time.monotonic() - began_s,
        )

    def _desk(self) -> Desk:
        assert self._engine is not None, "connected before"
        args = self._args
        desk = Desk(
            self._profile,
            self._limits,
            self._engine,
            symbol=Symbol(args.symbol),
            mic=args.mic,
            account=args.account,
            clock=clock,
            wall_ns=time.time_ns,
            epoch=self._epoch,
        )
        prices = self._wire.prices
        if prices is not None:
            desk.prices = (prices.bid_e4, prices.ask_e4)
        elif args.price:
            desk.prices = read_prices(args.price)
        return desk


class OnEngine(LivePlayer):
    """A player that can log its session on and out."""

    def __init__(self, case: Case, desk: Desk, wire: Wire, wait_s: float, engine: "Engine") -> None:
        super().__init__(case, desk, wire, wait_s)
        self._engine = engine

    def session(self, up: bool) -> None:
        """Log on or out."""
        if up:
            self._engine.logon(ORDER)
        else:
            self._engine.logout(ORDER, "certification")


def inapplicable(case: Case, profile: Profile) -> str:
    """Return why a case says nothing of this broker, "" where it does."""
    for key, wanted in (("needs", True), ("without", False)):
        for name in filter(None, case.given.get(key, "").split(",")):
            if getattr(profile.supports, SUPPORT[name]) is not wanted:
                return f"the broker {'lacks' if wanted else 'has'} {name}"
    return ""


def read_prices(text: str) -> tuple[int, int]:
    """Return bid and ask of BID,ASK.

    Raises:
        ScriptError: it is not two prices.

    """
    parts = text.split(",")
    try:
        case = parse(f"case price price\n0 ! price {' '.join(parts)}\n", "--price")[0]
    except ScriptError as error:
        raise ScriptError(f"--price {text!r}: {error}; give BID,ASK") from None
    bid_e4, ask_e4 = case.lines[0].numbers
    if not 0 < bid_e4 < ask_e4:
        raise ScriptError(f"--price {text!r}: the bid is not below the ask")
    return bid_e4, ask_e4


def read_scripts(given: list[Path] | None, only: list[str] | None) -> tuple[list[Case], list[Path]]:
    """Return the cases of files and folders, and the files.

    Raises:
        ScriptError: one cannot be read, or is not in the notation.

    """
    files: list[Path] = []
    for path in given or [SCRIPTS]:
        files += sorted(path.glob("*.txt")) + sorted(path.glob(OWN_VENUE)) if path.is_dir() else [path]
    if not files or len(files) > FILES_MAX:
        raise ScriptError(f"{len(files)} script files; give 1 to {FILES_MAX}")
    cases: list[Case] = []
    for file in files:
        if file.name == OWN_VENUE:
            continue
        try:
            text = file.read_text()
        except OSError as error:
            raise ScriptError(f"{file}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ScriptError(f"{file}: is not UTF-8 text") from None
        cases += parse(text, str(file))
    names = [case.ref for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ScriptError(f"case {twice} stands in two files")
    unknown = [name for name in only or [] if name not in names]
    if unknown:
        raise ScriptError(f"no case {unknown[0]!r}; there are {' '.join(names)}")
    return [case for case in cases if not only or case.ref in only], files


def _profile_file(name: str) -> Path:
    return Path(name) if name.endswith(".toml") else profile_path(name)


def main(args: argparse.Namespace) -> int:
    """Run `steadyhand certify PROFILE`."""
    configure("certify", "warning")
    check: Callable[[str], object] = read_prices
    try:
        by_file = args.profile.endswith(".toml")
        profile = load_model(Path(args.profile), Profile) if by_file else load_profile(args.profile)
        cases, sources = read_scripts(args.script, args.case)
        if args.price:
            check(args.price)
        if (args.host is None) != (args.port is None):
            raise ScriptError("give --host and --port, or neither for a venue of our own")
        if args.host is not None and not args.price:
            raise ScriptError("give --price BID,ASK: where the symbol stands at the counterparty")
        certification = Certification(args, profile, cases, sources)
    except ConfigError as error:
        print(f"steadyhand certify: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except ScriptError as error:
        print(f"steadyhand certify: {error}", file=sys.stderr)
        return EXIT_USAGE
    return run_and_exit(certification.main)
