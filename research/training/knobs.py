"""What the knobs of learners may be: the bounds keep out nonsense, and what no machine's memory holds."""

from typing import Annotated, Final

from msgspec import Meta

from research.training.learner import UsageError

Many = Annotated[int, Meta(ge=1, le=65_536)]  # side by side, or one after the other in an iteration
Count = Annotated[int, Meta(ge=1, le=1_000)]
Maybe = Annotated[int, Meta(ge=0, le=1_000_000)]
Units = Annotated[int, Meta(ge=1, le=1_024)]  # of a layer
Stored = Annotated[int, Meta(ge=1, le=50_000_000)]  # decisions in a memory
Steps = Annotated[int, Meta(ge=1, le=10**12)]  # a year at 30,000 a second
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Rate = Annotated[float, Meta(gt=0.0, le=1.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Weight = Annotated[float, Meta(ge=0.0, le=1_000.0)]
ROLLOUT_MAX: Final = 1 << 24  # decisions of one iteration: 3 GB of observations


def fits(envs: int, horizon: int) -> None:
    """Refuse an iteration that no memory holds.

    Raises:
        UsageError: it has too many decisions.

    """
    if envs * horizon > ROLLOUT_MAX:
        raise UsageError(f"envs x horizon: {envs * horizon:,} decisions, {ROLLOUT_MAX:,} at most")
