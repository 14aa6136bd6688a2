"""Simulated time: one heap of calls, coroutines without asyncio's loop, and processes that can die.

Nothing waits: the clock jumps to the next call. A call belongs to a process or to the world; what a dead
process had planned is not carried out. `Died` is no `Exception`, so that nobody on its way catches it.
"""

import contextlib
import heapq
from collections.abc import Callable, Generator
from typing import Any, Final

SECOND: Final = 1_000_000_000
MS: Final = 1_000_000
CALLS_MAX: Final = 400_000  # of one run: more is a loop that never ends


class Died(BaseException):
    """The process ends in this very instruction."""


class Process:
    """What dies together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.how = ""
        self.children: list[Process] = []  # its threads
        self.bury: Callable[[], None] = lambda: None  # what its kernel does then

    def die(self, how: str) -> None:
        """End it; whoever calls this from inside raises `Died` after it."""
        if self.alive:
            self.alive, self.how = False, how
            for child in self.children:
                child.die(how)
            self.bury()


class Call:
    """One planned call."""

    __slots__ = ("act", "args", "owner")

    def __init__(self, owner: Process | None, act: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.owner, self.act, self.args = owner, act, args

    def cancel(self) -> None:
        """Do not carry it out (asyncio's word)."""
        self.act = _nothing
        self.args = ()


def _nothing() -> None:
    pass


class Loop:
    """Time and what is planned."""

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self.calls = 0
        self.survived: list[str] = []  # errors after which their process lived on
        self.failed: Callable[[Process, Exception], None] | None = None
        self.blocked: Process | None = None  # its thread sleeps, while others go on
        self.blocked_until_ns = 0
        self._heap: list[tuple[int, int, Call]] = []
        self._planned = 0

    def at(self, when_ns: int, act: Callable[..., Any], *args: Any, owner: Process | None = None) -> Call:
        """Plan a call at an instant; equal instants keep their order."""
        call = Call(owner, act, args)
        self._planned += 1
        heapq.heappush(self._heap, (max(when_ns, self.now_ns), self._planned, call))
        return call

    def after(self, ns: int, act: Callable[..., Any], *args: Any, owner: Process | None = None) -> Call:
        """Plan a call some time from now."""
        return self.at(self.now_ns + ns, act, *args, owner=owner)

    def run(self, until_ns: int, each: Callable[[], None] | None = None) -> None:
        """Carry out what is planned up to an instant; `each` looks after every call."""
        heap = self._heap
        while heap and heap[0][0] <= until_ns:
            self.now_ns, planned, call = heapq.heappop(heap)
            if call.owner is not None and call.owner is self.blocked:
                heapq.heappush(heap, (self.blocked_until_ns, planned, call))
                continue
            self.calls += 1
            assert self.calls < CALLS_MAX, "this run does not end"
            self.carry_out(call)
            if each is not None:
                each()
        self.now_ns = max(self.now_ns, until_ns)

    def carry_out(self, call: Call) -> None:
        """Carry out one call on behalf of its process."""
        owner = call.owner
        if owner is not None and not owner.alive:
            self._forget(call)
            return
        try:
            call.act(*call.args)
        except Died:
            pass
        except Exception as error:
            if owner is None or self.failed is None:
                raise
            with contextlib.suppress(Died):
                self.failed(owner, error)
            if owner.alive:
                self.survived.append(repr(error))

    def close(self) -> None:
        """Nothing more will happen: let go of the coroutines that wait."""
        for _, _, call in self._heap:
            self._forget(call)
        self._heap.clear()

    def _forget(self, call: Call) -> None:
        if call.act == self._resume:
            with contextlib.suppress(Died):
                call.args[0].close()

    def sleep(self, process: Process, ns: int) -> None:
        """Let a process's thread sleep: whatever else is planned goes on meanwhile."""
        before = (self.blocked, self.blocked_until_ns)
        self.blocked, self.blocked_until_ns = process, self.now_ns + ns
        self.run(self.blocked_until_ns - 1)
        self.blocked, self.blocked_until_ns = before
        self.now_ns += 1
        if not process.alive:
            raise Died

    # --- coroutines -------------------------------------------------------------------------------

    def spawn(
        self, work: Generator[Any, None, Any] | Any, owner: Process, done: Callable[[Any], None] | None = None
    ) -> None:
        """Run a coroutine of a process; `done` is told its result."""
        self.after(0, self._resume, work, owner, done, owner=owner)

    def _resume(self, work: Any, owner: Process, done: Callable[[Any], None] | None) -> None:
        try:
            wanted = work.send(None)
        except StopIteration as end:
            if done is not None:
                done(end.value)
            return
        if isinstance(wanted, int):
            self.after(wanted, self._resume, work, owner, done, owner=owner)
        else:
            wanted.waiting.append((self, work, owner, done))


class Sleep:
    """Awaitable: some time."""

    def __init__(self, ns: int) -> None:
        self.ns = ns

    def __await__(self) -> Generator[int, None, None]:
        yield self.ns


class Flag:
    """asyncio.Event, as far as the gate uses it."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for loop, work, owner, done in self.waiting:
            loop.after(0, loop._resume, work, owner, done, owner=owner)
        self.waiting.clear()

    async def wait(self) -> bool:
        while not self._set:
            await _Until(self)
        return True


class _Until:
    def __init__(self, flag: Flag) -> None:
        self.flag = flag

    def __await__(self) -> Generator[Flag, None, None]:
        yield self.flag
