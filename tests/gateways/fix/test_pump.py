"""quickfix called from the loop: when it is, and whose descriptors the loop listens to."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from gateways.fix.pump import Pump, connections


class Connector:
    """An initiator that always finds something to read, and so never thinks of its timers."""

    def __init__(self) -> None:
        self.polls = 0

    def poll(self) -> None:
        self.polls += 1


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def test_heartbeats_are_thought_of_however_much_there_is_to_read() -> None:
    async def run() -> None:
        done, kept = asyncio.Event(), 0

        def keep_time() -> None:
            nonlocal kept
            kept += 1
            if kept == 3:
                done.set()

        connector = Connector()
        Pump(connector, set(), set(), keep_time, asyncio.get_running_loop()).start()
        await asyncio.wait_for(done.wait(), 10)
        assert connector.polls >= 3

    asyncio.run(run())


def test_a_line_is_found_by_the_address_that_it_goes_to(listener: socket.socket) -> None:
    address = listener.getsockname()
    with socket.create_connection(address) as line, socket.create_server(("127.0.0.1", 0)):
        found = connections({address})
        assert [fd for fd, _ in found] == [line.fileno()]
        assert not connections({("127.0.0.1", 1)})
    assert not connections({address})


def test_a_descriptor_that_soon_stands_for_another_line_is_another(listener: socket.socket) -> None:
    address = listener.getsockname()
    with socket.create_connection(address) as line:
        number, before = line.fileno(), connections({address})
    with contextlib.closing(socket.create_connection(address)) as line:
        assert line.fileno() == number
        assert not connections({address}) & before


def test_what_can_be_read_is_read_at_once(listener: socket.socket) -> None:
    async def run() -> None:
        loop, read = asyncio.get_running_loop(), asyncio.Event()
        with socket.create_connection(listener.getsockname()) as line:
            other, _ = listener.accept()

            class Reader(Connector):
                def poll(self) -> None:
                    super().poll()
                    line.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        if line.recv(16):
                            read.set()

            Pump(Reader(), {listener.getsockname()}, set(), lambda: None, loop).start()
            other.sendall(b"8=FIX")
            await asyncio.wait_for(read.wait(), 10)
            other.close()

    asyncio.run(run())


def test_a_line_that_a_timer_closed_is_let_go_before_its_descriptor_is_somebody_elses(
    listener: socket.socket,
) -> None:
    async def run() -> None:
        loop, later, done = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        wrong: list[dict[str, object]] = []
        loop.set_exception_handler(lambda _, context: wrong.append(context))
        line = socket.create_connection(listener.getsockname())
        number, polls = line.fileno(), 0

        class Other(asyncio.Protocol):
            """Somebody who comes right after: a person at the control socket."""

        async def comes() -> None:
            ours, _theirs = socket.socketpair()
            with contextlib.closing(_theirs):
                assert ours.fileno() == number
                transport, _ = await loop.create_connection(Other, sock=ours)
                await later.wait()
                transport.close()
            done.set()

        def keep_time() -> None:
            nonlocal polls
            polls += 1
            if polls == 2:  # no heartbeat: quickfix hangs up
                line.close()
                pump.changed = True
                tasks.append(asyncio.ensure_future(comes()))
            elif polls == 4:
                later.set()

        tasks: list[asyncio.Future[None]] = []
        pump = Pump(Connector(), {listener.getsockname()}, set(), keep_time, loop)
        pump.start()
        await asyncio.wait_for(done.wait(), 10)
        assert not wrong

    asyncio.run(run())
