"""An OMS that stays connected and does not read: told of, cut off in the end, and nothing is lost by it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateways.fix import oms_server
from gateways.fix.oms_frames import Frames, frame
from gateways.fix.oms_server import FULL_BYTES, UNREAD_TOLD_S, UNREAD_WAIT_S, Connection, OmsServer
from tests.gateways.fix.oms_line import NS, SOH, OmsLine

REPORTS = 12_000  # of half a KiB: more than both kernels hold, and the bound of what waits
WAIT_S = 20.0


class Port:
    """A listening session with a full outbox, and what was said of it."""

    def __init__(self, folder: Path) -> None:
        self.line = OmsLine(folder, heartbeat_s_max=10_000)
        self.line.bodies = [f"35=8{SOH}17=X{n}{SOH}58={'x' * 450}{SOH}" for n in range(REPORTS)]
        self.unread: list[float] = []
        self.server = OmsServer(
            "GATE", {"OMS": self.line.session}, None, lambda: self.line.now, self.unread.append
        )

    async def dial(self) -> socket.socket:
        """Connect without any wish to read."""
        loop = asyncio.get_running_loop()
        dialled = socket.socket()
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        dialled.setblocking(False)
        await loop.sock_connect(dialled, ("127.0.0.1", self.port))
        return dialled

    async def say(self, dialled: socket.socket, text: str, number: int) -> None:
        raw = self.line.message(text, number).split(SOH, 2)[2]
        body = raw[: raw.rindex("10=")]
        await asyncio.get_running_loop().sock_sendall(dialled, frame(body))

    async def logon(self, number: int = 1) -> socket.socket:
        dialled = await self.dial()
        await self.say(dialled, "35=A|98=0|108=9999", number)
        await self.until(lambda: self.line.session.up)
        return dialled

    async def until(self, true: Callable[[], bool]) -> None:
        """Let the loop turn until something holds; the session's clock stands."""
        async with asyncio.timeout(WAIT_S):
            while not true():
                self.server.look()
                await asyncio.sleep(0)

    async def full(self) -> None:
        """Let as much be sent as there is room for: long the same means that nobody reads."""
        (connection,) = self.server._open
        await self.until(connection.is_full)
        before = -1.0
        while self.unread[-1] != before:
            before = self.unread[-1]
            for _ in range(100):
                self.server.look()
                await asyncio.sleep(0)

    def wait(self, seconds: float) -> None:
        self.line.now += int(seconds * NS)
        self.server.look()


def run(folder: Path, story: Callable[[Port], Awaitable[None]]) -> Port:
    async def whole() -> Port:
        port = Port(folder)
        port.port = await port.server.listen("127.0.0.1", 0)
        try:
            await story(port)
        finally:
            port.server.close()
        return port

    return asyncio.run(whole())


async def read(dialled: socket.socket, until: int) -> list[dict[str, str]]:
    """Read until a report of that place has come, or the line's end."""
    loop, frames, heard = asyncio.get_running_loop(), Frames(), []
    async with asyncio.timeout(WAIT_S):
        while not any(m.get("17") == f"X{until}" for m in heard[-1_000:]):
            try:
                received = await loop.sock_recv(dialled, 1 << 16)
            except ConnectionResetError:
                break
            if not received:
                break
            heard += [dict(f.split("=", 1) for f in raw.split(SOH)[:-1]) for raw in frames.feed(received)]
    return heard


def test_it_is_told_once_and_cut_off_at_the_bound_and_gets_everything_at_its_next_logon(
    tmp_path: Path,
) -> None:
    async def story(p: Port) -> None:
        deaf = await p.logon()
        await p.full()
        with capture_logs() as logs:
            p.wait(UNREAD_TOLD_S - 0.001)
            assert logs == []
            for _ in range(5):
                p.wait(1)
            (told,) = logs
            assert (told["event"], told["log_level"], told["client"]) == (
                "oms: it does not read",
                "warning",
                "OMS",
            )
            assert told["unread_bytes"] == p.unread[-1] > FULL_BYTES
            assert f"after {UNREAD_WAIT_S} s it is cut off" in told["mend"]
            p.wait(UNREAD_WAIT_S - UNREAD_TOLD_S - 5)
            assert p.line.session.up, "a millisecond is left"
            p.wait(0.001)
            assert not p.line.session.up
        reason = f"it read nothing for {UNREAD_WAIT_S} s"
        assert p.line.came[-1][:2] == (False, False)
        assert p.line.came[-1][2].startswith(reason)
        assert [e["client"] for e in logs if e["event"] == "oms: connection closed"] == ["OMS"]
        heard = await read(deaf, REPORTS)
        assert len(heard) < REPORTS
        deaf.close()

        again = await p.logon(2)
        last = max((int(m["34"]) for m in heard), default=0)
        await p.say(again, f"35=2|7={last + 1}|16=0", 3)
        ticking = asyncio.create_task(p.until(lambda: False))
        heard += await read(again, REPORTS - 1)
        ticking.cancel()
        again.close()
        numbers = {int(m["34"]): m["17"] for m in heard if m["35"] == "8"}
        assert [numbers[n] for n in sorted(numbers)] == [f"X{n}" for n in range(REPORTS)]

    run(tmp_path, story)


def test_who_reads_slowly_is_not_cut_off(tmp_path: Path) -> None:
    async def story(p: Port) -> None:
        slow = await p.logon()
        await p.full()
        with capture_logs() as logs:
            for _ in range(5):
                p.wait(UNREAD_WAIT_S - 1)
                before = p.unread[-1]
                while p.unread[-1] == before:
                    await asyncio.get_running_loop().sock_recv(slow, 1 << 16)
                    p.server.look()
                assert p.line.session.up
        assert all(entry["event"] == "oms: it does not read" for entry in logs), "told anew each time"
        assert len(logs) == 5
        slow.close()

    run(tmp_path, story)


def test_who_reads_is_never_told_of(tmp_path: Path) -> None:
    async def story(p: Port) -> None:
        line = await p.logon()
        ticking = asyncio.create_task(p.until(lambda: False))
        with capture_logs() as logs:
            assert len(await read(line, REPORTS - 1)) >= REPORTS
            await p.until(lambda: p.unread[-1] == 0)
            p.wait(10 * UNREAD_WAIT_S)
        ticking.cancel()
        assert logs == []
        assert p.line.session.up
        line.close()

    run(tmp_path, story)


def test_a_line_that_is_let_go_and_never_read_is_no_longer_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hanging up waits for what was sent; who never reads would keep one of 16 places for ever."""
    monkeypatch.setattr(oms_server, "TICK_S", 1_000.0)

    async def story(p: Port) -> None:
        deaf = await p.logon()
        await p.full()
        p.line.session.end("a test")
        p.wait(UNREAD_WAIT_S - 1)
        assert len(p.server._open) == 1
        p.wait(1)
        await p.until(lambda: not p.server._open)
        deaf.close()

    run(tmp_path, story)


class Slow(asyncio.Transport):
    """A line of which nothing has left yet."""

    def __init__(self) -> None:
        gone = socket.socket()
        gone.close()  # the kernel holds nothing of it
        super().__init__({"peername": ("127.0.0.1", 40_000), "socket": gone})
        self.waits, self.aborted = 0, False

    def get_write_buffer_size(self) -> int:
        return self.waits

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.waits += len(data)

    def abort(self) -> None:
        self.aborted = True


def test_the_first_bytes_of_a_line_have_as_long_as_any_on_a_host_that_is_up_for_days(tmp_path: Path) -> None:
    async def story(p: Port) -> None:
        p.wait(1_000_000)
        slow = Slow()
        line = Connection(p.server)
        line.connection_made(slow)
        line.send(b"8=FIX.4.4")
        p.wait(UNREAD_WAIT_S - 1)
        p.server.look()
        assert not slow.aborted
        p.wait(1)
        p.server.look()
        assert slow.aborted
        line.connection_lost(None)

    run(tmp_path, story)
