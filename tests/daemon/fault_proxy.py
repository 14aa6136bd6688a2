"""A TCP proxy that delays, stalls and cuts: the network between a client and a server, on a thread."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, Self

CHUNK = 65_536
WAIT_S = 10.0


class FaultProxy:
    """Listens on `port` and dials `upstream`; what it does to bytes may be changed at any time."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._delay_s = 0.0
        self._flows: dict[str, asyncio.Event] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._refusing = False
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    # --- what a test does -----------------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """Every read waits so long before it is passed on, in both directions."""
        self._delay_s = seconds

    def stall(self, *, up: bool = True, down: bool = True) -> None:
        """Half-open: connections stay, and nothing passes in these directions any more."""
        self._call(self._set(up=not up, down=not down))

    def flow(self) -> None:
        """Let everything pass again."""
        self._call(self._set(up=True, down=True))

    def cut(self, *, refuse: bool = False) -> None:
        """Reset every connection; `refuse`: and every later one."""
        self._refusing = refuse
        self._call(self._cut())

    # --- on its loop ----------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _set(self, **passes: bool) -> None:
        for name, flows in passes.items():
            (self._flows[name].set if flows else self._flows[name].clear)()

    async def _listen(self) -> None:
        self._flows = {"up": asyncio.Event(), "down": asyncio.Event()}
        await self._set(up=True, down=True)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there[1]}
        for name, source, sink in (("up", reader, there[1]), ("down", there[0], writer)):
            task = self._loop.create_task(self._pump(name, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, name: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._flows[name].wait()
                sink.write(data)
                await sink.drain()
        await self._flows[name].wait()  # a peer that is cut off by a stall does not see the other's end
        sink.close()

    async def _close(self) -> None:
        self._server.close()
        tasks = list(self._tasks)
        await self._cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next turn

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        for task in list(self._tasks):
            task.cancel()
