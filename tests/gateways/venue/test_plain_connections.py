"""The plain acceptor's connections: whoever says nothing, or half of it, keeps nobody out."""

import asyncio
import socket
import time

from gateways.fix.sessions import LoggedOn, Message, SessionSpec
from gateways.venue.plain_acceptor import CONNECTIONS_MAX, PlainAcceptor
from gateways.venue.plain_frames import framed, time_text

WAIT_S = 10.0


def logon() -> bytes:
    head = f"35=A\x0134=1\x0149=C\x0152={time_text(time.time_ns())}\x0156=V\x0198=0\x01108=30\x01141=Y\x01"
    return framed("FIX.4.4", head.encode())


def logs_on_after(before: bytes, count: int) -> None:
    """Let so many connect and say so much; then a client logs on."""

    async def run() -> None:
        loop, up = asyncio.get_running_loop(), asyncio.Event()

        def inbox(_: str, message: Message) -> None:
            if isinstance(message, LoggedOn):
                up.set()

        spec = SessionSpec(name="order", sender_comp_id="V", target_comp_id="C")
        acceptor = PlainAcceptor([spec], None, inbox, lambda _: None, loop)
        await acceptor.listen()
        port = acceptor.port("order")
        others = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        for other in others[:1]:
            other.sendall(before)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(logon())
        answer = await asyncio.wait_for(reader.readuntil(b"\x0110="), WAIT_S)
        assert b"\x0135=A\x01" in answer
        assert up.is_set()
        for other in others:
            other.close()
        acceptor.stop()
        writer.close()

    asyncio.run(run())


def test_idle_connections_up_to_every_place_keep_nobody_out() -> None:
    logs_on_after(b"", CONNECTIONS_MAX + 4)


def test_half_a_logon_keeps_nobody_out() -> None:
    logs_on_after(logon()[:30], 1)
