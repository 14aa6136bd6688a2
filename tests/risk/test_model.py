"""The overlay against a slow, obvious model of it, through anything that can happen to a desk.

`STEADYHAND_LONG=1` drives a million steps by seeds, and Hypothesis ten thousand.
"""

import os
import random
from typing import Any

import pytest

from market.types import OrdStatus
from tests.risk.model_desk import STRATEGIES, SYMBOLS, Desk

LONG = bool(os.environ.get("STEADYHAND_LONG"))
STEPS = 1_000_000 if LONG else 24_000
WORLDS = 2
TURNS = 200  # of one desk: the model adds up everything anew at each

EVERYWHERE = {  # what must have refused in any of the worlds
    *(
        "R02",
        "R03",
        "R04",
        "R05",
        "R06",
        "R07",
        "R08",
        "R10",
        "R11",
        "R12",
        "R13",
        "R14",
        "R15",
        "R16",
        "R17",
    ),
    *("R18", "R20", "R24", "R30", "R41", "R50", "R61"),
}


class Driver:
    """Does something to a desk, by chance alone."""

    def __init__(self, seed: int) -> None:
        self.seed, self.rng, self.desk = seed, random.Random(seed), Desk(seed)
        self.mid = dict.fromkeys(SYMBOLS, 1_000_000)
        self.volume = dict.fromkeys(SYMBOLS, 0)

        self.desk.wait(1_000)

    def turn(self) -> None:
        if self.desk.posture.latched and self.rng.random() < 0.3:
            self.desk.rearm()
        for symbol, quote in self.desk.model.quotes.items():
            if quote.halted and self.rng.random() < 0.2:
                self.desk.venue(symbol, False, (0, 0), False, False)
        dice = self.rng.random()
        if dice < 0.40:
            self.submit()
        elif dice < 0.70:
            self.order()
        elif dice < 0.82:
            self.move()
        elif dice < 0.95:
            self.desk.wait(
                self.rng.choice((0, 10, 50, 200, 500, 1_000, 1_000)), alive=self.rng.random() < 0.99
            )
        else:
            self.world()

    def submit(self) -> None:
        rng, desk = self.rng, self.desk
        parent = rng.choice(list(desk.model.parents))
        symbol = desk.model.parents[parent][3]
        lies: dict[str, Any] = {}
        if rng.random() < 0.1:
            lies = rng.choice((
                {"late": 300_000_000}, {"late": -1}, {"late": 200_000_000}, {"number": 0}, {"had": 2},
                {"had": 1}, {"overdue": 1}, {"other_side": True},
            ))  # fmt: skip
        if rng.random() < 0.08:
            lies["cross"] = True
        desk.submit(parent, rng.choice(STRATEGIES), self.qty(), self.price(symbol), **lies)

    def qty(self) -> int:
        rng = self.rng
        qty = rng.choice((10, 20, 50, 100, rng.randint(1, 20) * 10, rng.randint(1, 70) * 10))
        return qty + (rng.random() < 0.02)

    def price(self, symbol: str) -> int:
        far = self.rng.choice((200, 200, 200, 500, 500, 500, 500, 3_000, 3_000, 25_000))
        return self.mid[symbol] + self.rng.randint(-far, far) // 100 * 100 + (self.rng.random() < 0.02)

    def order(self) -> None:
        """Something happens to an order."""
        rng, desk = self.rng, self.desk
        if not desk.chains:
            return
        chain = rng.choice(desk.chains[-12:])
        mine, price = desk.mirror[chain.chain_id], self.price(chain.terms.symbol)
        dice = rng.random()
        if not chain.live:
            owed = mine.stated - mine.cum
            if owed > 0 and dice < 0.5:
                desk.fill(chain, rng.randint(1, owed), max(100, price))
            elif chain.status is OrdStatus.CANCELED and dice < 0.6 and mine.qty > mine.cum:
                desk.state(chain, rng.randint(mine.cum, mine.qty))
            return
        if chain.status is OrdStatus.PENDING_NEW:
            (desk.reject if dice < 0.1 else desk.accept)(chain)
        elif dice < 0.35 and mine.qty > mine.cum:
            desk.fill(chain, rng.randint(1, mine.qty - mine.cum), max(100, price))
        elif dice < 0.42 and mine.qty > mine.cum:
            desk.state(chain, rng.randint(mine.cum, mine.qty))
        elif dice < 0.6:
            desk.replace(chain, self.qty(), price)
        elif dice < 0.7 and chain.may_cancel:
            desk.cancel(chain)
        elif dice < 0.8 and chain.replace_id:
            desk.confirm(chain)
        elif dice < 0.88 and (chain.replace_id or chain.cancel_id):
            desk.refuse(chain)
        elif dice < 0.94:
            desk.end(chain)
        elif chain.trades and dice < 0.97:
            desk.bust(chain, rng.choice(list(chain.trades)))

    def move(self) -> None:
        rng, symbol = self.rng, self.rng.choice(SYMBOLS)
        step = rng.choice((0, 100, -100, 100, -100, 1_000, -1_000, 1_000, -1_000, 20_000, -20_000))
        self.mid[symbol] = min(1_200_000, max(800_000, self.mid[symbol] + step))
        self.volume[symbol] += rng.choice((0, 100, 2_000))
        mid, half = self.mid[symbol], rng.choice((*(100,) * 12, 0, 3_000, -100))
        last = rng.choice((0, mid, mid + 500))
        self.desk.price(
            symbol, mid, half, rng.choice((0, 100, 1_000, 1_000, 5_000)), last, 0, self.volume[symbol]
        )

    def world(self) -> None:
        """The venue, people, other parts."""
        rng, desk, dice = self.rng, self.desk, self.rng.random()
        symbol = rng.choice(SYMBOLS)
        if dice < 0.2:
            low = rng.choice((0, self.mid[symbol] - 500))
            desk.venue(
                symbol, rng.random() < 0.2, (low, low and low + 1_000), rng.random() < 0.3, rng.random() < 0.5
            )
        elif dice < 0.3:
            desk.unfit(symbol, rng.random() < 0.5)
        elif dice < 0.38:
            desk.restrict(rng.random() < 0.3)
        elif dice < 0.44:
            desk.power(rng.choice((None, 30_000 * 10**6, 10**14)))
        elif dice < 0.5:
            scope = rng.choice(("F", "A/ONE", "T/pov", "S/AAA"))
            desk.signal(scope, rng.choice((9_000, 5_000, 500)))
        elif dice < 0.65:
            scope = rng.choice(("", "A/ONE", "T/twap", f"S/{symbol}", "P/ONE-AAA-0"))
            desk.stop(rng.choice(("R76", "R76", "R70H", "R70")), scope, rng.random() < 0.3)
        elif dice < 0.85:
            desk.rearm()
        elif dice < 0.87:
            desk.restart()
        elif dice < 0.91:
            desk.tighten(rng)
        elif dice < 0.94:
            desk.roll(rng)
        else:
            parent = rng.choice(list(desk.model.parents))
            desk.model.parents[parent][5] = rng.random() < 0.8
            desk.model.parents[parent][4] = rng.choice((300, 700, 5_000))


@pytest.mark.parametrize("world", range(WORLDS))
def test_overlay_and_model_agree(world: int) -> None:
    steps, seed, failed, passed = 0, world, set(), 0
    while steps < STEPS // WORLDS:
        driver = Driver(seed)
        for turn in range(TURNS):
            try:
                driver.turn()
            except AssertionError as error:
                raise AssertionError(f"seed {seed} turn {turn}: {error}") from error
        steps, seed = steps + TURNS, seed + WORLDS
        failed |= driver.desk.failed
        passed += driver.desk.passed
    assert passed > steps // 40, "a desk that is refused everything proves nothing"
    assert failed >= EVERYWHERE, EVERYWHERE - failed


def test_short_walks_agree() -> None:
    """The same in a third of a second: what is asked thousands of times over (deploy/setup/mutation.py)."""
    for seed in range(24):
        driver = Driver(seed)
        for _ in range(60):
            driver.turn()
