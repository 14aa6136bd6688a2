"""The venue's role against a raw-byte client, and what refuses to start."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateways.fix.engine_process import EngineProcess
from tests.gateways.fix.raw_peer import RawPeer, dial

REPORT = "35=8|37=O1|17=E1|150=0|39=0|55=SYN|54=1|151=100|14=0|6=0|11=C1|"
PICTURE = "35=W|262=R1|55=SYN|268=2|269=0|270=99.99|271=300|269=1|270=100.01|271=200|"
CHANGES = "35=X|262=R1|268=2|279=0|269=0|55=SYN|270=99.99|271=300|279=2|269=1|55=SYN|270=100.01|"

Start = Callable[..., EngineProcess]
Client = Callable[..., RawPeer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[EngineProcess] = []

    def go(port: int = 0, **options: Any) -> EngineProcess:
        spec = {"name": "order", "sender_comp_id": "VENUE", "target_comp_id": "STEADYHAND", "port": port}
        engine = EngineProcess(
            role="acceptor",
            sessions=[spec],
            state_dir=str(tmp_path / "state"),
            tap=str(tmp_path / "fix.log"),
            **options,
        )
        running.append(engine)
        return engine

    yield go
    for engine in running:
        engine.close()


@pytest.fixture
def client() -> Iterator[Client]:
    peers: list[RawPeer] = []

    def go(engine: EngineProcess, *extra: tuple[int, str], **ids: str) -> RawPeer:
        peer = dial(port_of(engine), **ids)
        peers.append(peer)
        peer.send("A", (98, "0"), (108, "10"), *extra)
        return peer

    yield go
    for peer in peers:
        peer.close()


def port_of(engine: EngineProcess) -> int:
    line = engine.next("ports")
    engine.kept.append(line)
    return int(line["ports"]["order"])


def test_logon_fields_of_the_client_are_handed_over(start: Start, client: Client) -> None:
    engine = start()

    peer = client(engine, (7001, "Y"))

    assert peer.expect("A").get(108) == b"10"
    assert engine.next("kind", "LoggedOn")["fields"]["7001"] == "Y"


def test_order_comes_in_and_report_goes_out(start: Start, client: Client) -> None:
    engine = start()
    peer = client(engine)
    peer.expect("A")

    terms = [(11, "C1"), (55, "SYN"), (54, "1"), (38, "100"), (40, "2"), (44, "10.5"), (59, "0")]
    peer.send("D", *terms, (60, "20261121-11:26:00.000"))

    assert "\x0111=C1\x01" in engine.next("kind", "Received")["raw"]
    assert engine.send(REPORT)
    report = peer.expect("8")
    assert (report.get(17), report.get(34)) == (b"E1", b"2")


@pytest.mark.parametrize("body", [PICTURE, CHANGES])
def test_groups_keep_their_order_on_the_wire(start: Start, client: Client, body: str) -> None:
    engine = start()
    peer = client(engine)
    peer.expect("A")
    engine.next("kind", "LoggedOn")

    assert engine.send(body)

    message = peer.receive()
    pairs = [(tag.decode(), value.decode()) for tag, value in message.pairs]
    count = pairs.index(("268", "2"))
    wanted = [tuple(f.split("=")) for f in body.rstrip("|").split("|")]
    group = wanted[wanted.index(("268", "2")) :]
    assert pairs[count : count + len(group)] == group


def test_reports_are_sent_again_on_request(start: Start, client: Client) -> None:
    engine = start()
    peer = client(engine)
    peer.expect("A")
    engine.next("kind", "LoggedOn")
    assert engine.send(REPORT)
    peer.expect("8")

    peer.send("2", (7, "2"), (16, "0"))

    again = peer.expect("8")
    assert (again.get(43), again.get(34), again.get(17)) == (b"Y", b"2", b"E1")


def test_report_while_nobody_is_there_is_refused(start: Start, client: Client) -> None:
    engine = start()
    port_of(engine)

    assert not engine.send(REPORT)
    assert engine.numbers() == [1, 1]


@pytest.mark.parametrize("ids", [{"sender": "STRANGER"}, {"target": "OTHER"}])
def test_stranger_gets_no_answer(start: Start, client: Client, ids: dict[str, str]) -> None:
    peer = client(start(), **ids)

    assert peer.is_closed()


def test_second_logon_of_a_session_is_refused(start: Start, client: Client) -> None:
    engine = start()
    first = client(engine)
    first.expect("A")

    second = client(engine)

    assert second.is_closed()
    first.send("1", (112, "STILL-HERE"))
    assert first.receive().get(112) == b"STILL-HERE"


def test_garbage_instead_of_fix_is_dropped(start: Start, client: Client) -> None:
    engine = start()
    stranger = dial(port_of(engine))
    stranger.connection.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 40)
    stranger.close()

    peer = client(engine)

    assert peer.expect("A")
    assert not engine.status()["halted"]


def test_no_report_waits_for_the_answer_to_the_one_before(start: Start, client: Client) -> None:
    engine = start()
    assert client(engine).expect("A")

    assert engine.status()["at_once"] == [True]


def test_busy_port_is_one_clear_line(start: Start) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]

        error = start(port=port).next("error")["error"]

    assert error == f"FIX port {port}: is in use; stop what holds it or choose another (0 = any)"


def test_port_taken_between_look_and_bind_is_looked_for_again(start: Start, client: Client) -> None:
    with socket.create_server(("", 0)) as taken:
        engine = start(taken_port=taken.getsockname()[1])

        assert port_of(engine) != taken.getsockname()[1]
        assert client(engine).expect("A")


def test_import_leaves_the_interrupt_handler_in_place() -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, lambda *_: os._exit(42))\n"
        "import gateways.fix.engine\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.pause()\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], timeout=30)

    assert done.returncode == 42


def test_two_sessions_must_differ_in_their_comp_ids(tmp_path: Path) -> None:
    spec = {"name": "order", "sender_comp_id": "VENUE", "target_comp_id": "STEADYHAND"}
    engine = EngineProcess(
        role="acceptor",
        sessions=[spec, {**spec, "name": "reference"}],
        state_dir=str(tmp_path),
        tap=str(tmp_path / "fix.log"),
    )

    assert "CompIDs" in engine.next("error")["error"]
    engine.close()
