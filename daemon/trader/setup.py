"""What a trader starts from: its epochs, its core, its journal, and kernels that are compiled already."""

import gc
import time
from pathlib import Path
from typing import Final

from daemon.config import Config, TraderSection
from daemon.journal import Journal
from daemon.strict_toml import ConfigError
from daemon.trader.core import TraderCore
from daemon.trader.events import Settings
from daemon.trader.journal import FORMAT, Begin, encode
from gateways.feeds import itch, soupbintcp
from market import book
from market.instruments import Instrument
from market.types import Symbol
from policies import choose, frozen, state
from policies.actions import ACTION_TABLE_SHA256
from policies.policy import Cadence, Policy
from policies.scripted import Scripted
from policies.state import STATE_SPEC_SHA256
from risk import calendar

NS_PER_MS: Final = 1_000_000


class Epochs:
    """Numbers of trader starts and links: each larger than any before, over restarts as well."""

    def __init__(self, directory: Path | None, counted: bool = False) -> None:
        """`counted`: from 1, so that a run in lockstep repeats to the letter."""
        self._path = directory / "epoch" if directory is not None else None
        self._last = 0
        self._counted = counted and directory is not None

    def next(self) -> int:
        """Return a new epoch; with a journal directory it is written down first."""
        if self._path is not None and self._path.exists():
            text = self._path.read_text().strip()
            self._last = max(self._last, int(text) if text.isdigit() else 0)
        self._last = self._last + 1 if self._counted else max(self._last + 1, time.time_ns())
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(f"{self._last}\n")
            fresh.replace(self._path)
        return self._last


def warm_up() -> None:
    """Compile, or load, every kernel of the trading path, and have the collector forget the start."""
    itch.warm()
    soupbintcp.warm()
    book.warm()
    state.warm()
    frozen.warm()
    gc.collect()
    gc.freeze()


def build_core(config: Config, policy: Policy | Scripted) -> TraderCore:
    """Return the core that a configuration describes."""
    trader = config.trader
    assert trader is not None
    known = config.instruments
    missing = [s for s in trader.symbols if s not in known]
    if missing or not trader.symbols:
        raise ConfigError(f"trader.symbols: no [[instrument]] {', '.join(missing) or '(none given)'}")
    settings = settings_of(trader, policy.cadence)
    days = calendar.load()
    instruments: dict[Symbol, Instrument] = {
        Symbol(s): days.with_short_days(known[s]) for s in trader.symbols
    }
    return TraderCore(settings, instruments, policy)


def settings_of(trader: TraderSection, cadence: Cadence | None) -> Settings:
    """Return how the core decides: as its policy was trained to be asked, else as configured."""
    if cadence is not None:
        return Settings(
            interval_ns=cadence.interval_ms * NS_PER_MS,
            gap_ns=cadence.gap_ms * NS_PER_MS,
            corridor=cadence.corridor,
            on_fill=cadence.on_fill,
            on_touch=cadence.on_touch,
        )
    return Settings(
        interval_ns=trader.decision_interval_ms * NS_PER_MS,
        gap_ns=trader.decision_gap_ms * NS_PER_MS,
        corridor=trader.corridor,
    )


def open_journal(config: Config, core: TraderCore, policy: Policy | Scripted) -> Journal | None:
    """Begin this start's journal, None where none is configured."""
    trader = config.trader
    assert trader is not None
    if trader.journal_dir is None:
        return None
    journal = Journal.open(trader.journal_dir, f"trader-{time.time_ns()}.journal", on_failure=None)
    begin = Begin(
        format=FORMAT,
        settings=core.settings,
        instruments={s: m.instrument for s, m in core.markets.items()},
        policy=choose.absolute(trader.policy),
        policy_options=trader.policy_options,
        volume_curve=str(trader.volume_curve) if trader.volume_curve else None,
        policy_sha256=policy.sha256,
        state_spec_sha256=STATE_SPEC_SHA256,
        action_table_sha256=ACTION_TABLE_SHA256,
    )
    journal.append(encode(begin))
    return journal
