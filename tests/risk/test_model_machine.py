"""Hypothesis drives overlay and model (tests.risk.model): it finds short ways to a difference."""

import os
import random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from market.child_order import ChildOrder
from market.types import OrdStatus
from tests.risk.model_desk import STRATEGIES, SYMBOLS, Desk

LONG = bool(os.environ.get("STEADYHAND_LONG"))
EXAMPLES, STEPS = (1_000, 100) if LONG else (100, 100)  # 10,000 steps take 5 s
BASE = 1_000_000
QTYS = st.one_of(st.sampled_from((10, 50, 100, 300)), st.integers(1, 700))
PRICES = st.one_of(st.integers(-5, 5), st.sampled_from((-250, -30, 30, 250))).map(lambda n: BASE + 100 * n)


class Machine(RuleBasedStateMachine):
    """Every verb of a desk; each compares both by itself."""

    desk: Desk

    @initialize(seed=st.integers(0, 10_000))
    def begin(self, seed: int) -> None:
        self.desk = Desk(seed)
        self.desk.wait(1_000)

    def chain(self, n: int) -> ChildOrder:
        return self.desk.chains[-1 - n % len(self.desk.chains)]

    @rule(n=st.integers(0, 20), strategy=st.sampled_from(STRATEGIES), qty=QTYS, price=PRICES)
    def submit(self, n: int, strategy: str, qty: int, price: int) -> None:
        parents = list(self.desk.model.parents)
        self.desk.submit(parents[n % len(parents)], strategy, qty, price)

    @rule(
        lie=st.sampled_from(
            ({"late": -1}, {"late": 200_000_001}, {"number": 0}, {"had": 2}, {"overdue": 1}, {"cross": True})
        ),
        qty=QTYS,
    )
    def lie(self, lie: dict[str, Any], qty: int) -> None:
        self.desk.submit(next(iter(self.desk.model.parents)), "twap", qty, BASE, **lie)

    @precondition(lambda self: self.desk.chains)
    @rule(n=st.integers(0, 5), qty=QTYS, price=PRICES)
    def replace(self, n: int, qty: int, price: int) -> None:
        self.desk.replace(self.chain(n), qty, price)

    @precondition(lambda self: self.desk.chains)
    @rule(n=st.integers(0, 5))
    def cancel(self, n: int) -> None:
        chain = self.chain(n)
        if chain.live and chain.may_cancel:
            self.desk.cancel(chain)

    @precondition(lambda self: self.desk.chains)
    @rule(n=st.integers(0, 5), yes=st.booleans())
    def answer(self, n: int, yes: bool) -> None:
        """The EMS answers what was asked last."""
        chain = self.chain(n)
        if chain.status is OrdStatus.PENDING_NEW:
            (self.desk.accept if yes else self.desk.reject)(chain)
        elif chain.replace_id and yes:
            self.desk.confirm(chain)
        elif chain.replace_id or (chain.cancel_id and not yes):
            self.desk.refuse(chain)
        elif chain.cancel_id:
            self.desk.end(chain)

    @precondition(lambda self: self.desk.chains)
    @rule(n=st.integers(0, 5), qty=st.integers(1, 700), price=PRICES)
    def fill(self, n: int, qty: int, price: int) -> None:
        chain = self.chain(n)
        mine = self.desk.mirror[chain.chain_id]
        most = mine.qty - mine.cum if chain.live else mine.stated - mine.cum
        if most > 0:
            self.desk.fill(chain, min(qty, most), price)

    @precondition(lambda self: self.desk.chains)
    @rule(n=st.integers(0, 5), qty=st.integers(1, 700))
    def state(self, n: int, qty: int) -> None:
        """The EMS says that more has traded than was reported: the outcome is not known yet."""
        chain = self.chain(n)
        mine = self.desk.mirror[chain.chain_id]
        if chain.status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.CANCELED):
            self.desk.state(chain, min(mine.qty, mine.cum + qty))

    @precondition(lambda self: self.desk.chains)
    @rule(n=st.integers(0, 5))
    def bust(self, n: int) -> None:
        chain = self.chain(n)
        if chain.live and chain.trades:
            self.desk.bust(chain, next(iter(chain.trades)))

    @rule(
        symbol=st.sampled_from(SYMBOLS), mid=PRICES, half=st.sampled_from((100, 100, 100, 0, -100, 3_000)),
        shown=st.sampled_from((100, 5_000)), volume=st.integers(0, 10_000),
    )  # fmt: skip
    def price(self, symbol: str, mid: int, half: int, shown: int, volume: int) -> None:
        self.desk.price(symbol, mid, half, shown, mid, 0, volume)

    @rule(ms=st.sampled_from((10, 200, 500, 1_000, 2_000)))
    def wait(self, ms: int) -> None:
        self.desk.wait(ms)

    @rule(symbol=st.sampled_from(SYMBOLS), halted=st.booleans(), limit_state=st.booleans(), ssr=st.booleans())
    def venue(self, symbol: str, halted: bool, limit_state: bool, ssr: bool) -> None:
        self.desk.venue(symbol, halted, (0, 0), limit_state, ssr)

    @rule(
        cause=st.sampled_from(("R76", "R70", "R70H")), holds=st.booleans(),
        scope=st.sampled_from(("", "A/ONE", "T/twap", "S/AAA", "P/ONE-AAA-0")),
    )  # fmt: skip
    def stop(self, cause: str, scope: str, holds: bool) -> None:
        self.desk.stop(cause, scope, holds)

    @rule()
    def rearm(self) -> None:
        self.desk.rearm()

    @rule(seed=st.integers(0, 10))
    def people(self, seed: int) -> None:
        """Limits tighten, signals lower them, the gate starts anew, a day begins."""
        rng = random.Random(seed)
        verbs = (
            lambda: self.desk.tighten(rng), lambda: self.desk.signal("F", 5_000), self.desk.restart,
            lambda: self.desk.roll(rng), lambda: self.desk.power(rng.choice((None, 30_000 * 10**6))),
            lambda: self.desk.unfit("AAA", rng.random() < 0.5),
        )  # fmt: skip
        rng.choice(verbs)()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
