"""A simulated stream of a calibration, through the same matching engine as everything else."""

import numpy as np

from market.flow.calibration import Calibration
from market.flow.queue_reactive import QueueReactiveFlow
from market.flow.queue_reactive_state import Episode
from market.matching import MatchingEngine
from research.calibrate.blocks import NS
from research.calibrate.streams import Stream, of_outcomes

BEGIN_NS = 1_700_000_000 * NS  # any instant: a simulated market has no date
PIECE_NS = 60 * NS
ORDERS_MAX = 1 << 14  # the market holds some hundreds
LEVELS_MAX = 1 << 12  # per side; hundreds at most
OUTCOMES_MAX = 1 << 16  # a full book and a minute of events


def simulate(
    calibration: Calibration, seed: int, seconds: int, episode: Episode | None = None
) -> tuple[Stream, dict[str, int]]:  # fmt: skip
    """Return a stream without anybody of ours, and the counters of its flow."""
    end_ns = BEGIN_NS + seconds * NS
    flow = QueueReactiveFlow(seed, BEGIN_NS, end_ns, calibration, episode)
    engine = MatchingEngine(ORDERS_MAX, LEVELS_MAX, OUTCOMES_MAX)
    instants = range(BEGIN_NS, end_ns + 1, PIECE_NS)
    pieces = [of_outcomes(flow.advance(engine, until_ns)) for until_ns in instants]
    events = np.concatenate(pieces)
    stream = Stream(events, BEGIN_NS, end_ns, calibration.tick_e4, f"{calibration.name}, seed {seed}", "")
    return stream, flow.counters
