"""What a policy is: observations in, one of thirteen actions out, and nothing remembered.

All memory lives in `StateBuilder`; a policy can be swapped between two decisions without a trace.
Baselines, rules and frozen networks stand behind this one Protocol, so comparison is like with like.
"""

from typing import Annotated, Any, Protocol

import msgspec
from numpy.typing import NDArray

from policies.schedule import Situation

Observation = NDArray[Any]  # float32, shape (state.OBS_SIZE,)
Mask = int  # bit i set: action i may be taken (actions.mask)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One action of the table, and how clear the choice was."""

    action: int
    margin: float = 0.0  # best logit minus second best; rules are certain and say 0


class Cadence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often a policy is asked, and how far it may stray: part of what was trained and proven."""

    interval_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)]  # market time between two decisions
    gap_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)]  # least between two, whatever happens
    on_fill: bool  # a fill or an order's end brings the next decision forward
    on_touch: bool  # so does a move of the touch
    corridor: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]  # half width around the schedule, of the parent


class Policy(Protocol):
    """Pure: the same observation and mask give the same decision, on every call."""

    @property
    def name(self) -> str:
        """How the operator calls it."""

    @property
    def sha256(self) -> str:
        """Hash of everything that makes its decisions; the gate admits it by this."""

    @property
    def completes(self) -> bool:
        """Whether the whole parent is due when the schedule ends, or only what it says."""

    @property
    def cadence(self) -> Cadence | None:
        """How it must be asked; None: as the trader is configured."""

    def describe(self) -> str:
        """Say in one line what it does and where its numbers come from."""

    def schedule(self, situation: Situation) -> float:
        """Return the fraction of the parent that should be done now, 0 to 1, never falling."""

    def act(self, obs: Observation, mask: Mask) -> Decision:
        """Choose."""
