"""What a trader core is configured with, what it takes beside the gate's updates, and what it gives."""

from typing import Final

import msgspec

from market import events as ev

Intent = ev.SubmitIntent | ev.ReplaceIntent | ev.CancelIntent


class FeedUp(ev.Event, frozen=True, kw_only=True):
    """The feed is logged in and goes on at `next_seq`."""

    next_seq: int


class FeedDown(ev.Event, frozen=True, kw_only=True):
    """The feed's line is gone, or its bytes make no sense."""

    reason: str
    broken: bool = False  # for good: only a new start from sequence 1 mends it
    ended: bool = False  # its session is over: no gap


class FeedIdle(ev.Event, frozen=True, kw_only=True):
    """A server heartbeat: nothing was held back, we are up to date."""


class FeedReset(ev.Event, frozen=True, kw_only=True):
    """A snapshot begins: what was known of every book is void. Its packets come as reads from number 0."""


class FeedResumed(ev.Event, frozen=True, kw_only=True):
    """The snapshot is whole; the feed goes on with `next_seq`."""

    next_seq: int


class LinkUp(ev.Event, frozen=True, kw_only=True):
    """A link to the gate opened: intents are numbered from 1 again, under a new epoch."""

    epoch: int


class LinkDown(ev.Event, frozen=True, kw_only=True):
    """The link to the gate is gone: what it told is no longer known."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a core is configured with."""

    interval_ns: int  # market time between two decisions of a parent
    gap_ns: int  # least market time between two, whatever happens
    corridor: float
    on_fill: bool = True  # a fill or an order's end brings the next decision forward
    on_touch: bool = True  # so does a move of the touch
    orders_max: int = 200_000  # of one book; the busiest recorded hour held 4,000
    levels_max: int = 20_000


class Step(msgspec.Struct, frozen=True, gc=False):
    """What one call to the core gives."""

    intents: tuple[Intent, ...] = ()
    decisions: int = 0


NOTHING: Final = Step()
