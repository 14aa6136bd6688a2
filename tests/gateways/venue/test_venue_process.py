"""A running venue from outside: raw FIX bytes with simplefix as parser, a raw feed login, its files."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateways.feeds import soupbintcp as soup
from gateways.feeds.itch import Decoder, Framing
from gateways.link import Peer
from market.book import OrderBook
from market.events import LockAdvance, LockIdle
from tests.gateways.venue.desk import book_of
from tests.gateways.venue.process import ROOT, VenueProcess
from tests.gateways.venue.raw_fix import RawFix, transact

pytestmark = pytest.mark.slow

WINDOW = ("--from", "10:00", "--to", "10:20")
COD = (7001, "Y")
SUBSCRIBE = [(262, "M1"), (263, 1), (264, 5), (265, 0), (267, 5)]
SUBSCRIBE += [(269, t) for t in ("0", "1", "2", "5", "B")] + [(146, 1), (55, "SYN")]  # type: ignore[list-item]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    with VenueProcess(*WINDOW, "--speed", "20", "--seed", "7", out=tmp_path / "run") as running:
        running.wait("started")
        yield running


def rebuild(path: Path) -> OrderBook:
    """Return the book that the messages of itch.bin come to."""
    return book_of(path.read_bytes(), Decoder(0, framing=Framing.LENGTH), OrderBook())


def replayed(folder: Path) -> int:
    """Return the exit code of a replay of a run."""
    code, log = VenueProcess("--replay", str(folder)).end()
    assert (folder / "replay" / "itch.bin").exists(), log
    return code


def touch(reference: RawFix) -> tuple[str, str]:
    """Return best bid and ask of the last picture."""
    first = {}
    for (tag, value), (_, price) in zip(reference.pairs, reference.pairs[1:], strict=False):
        if tag == 269 and value in ("0", "1"):
            first.setdefault(value, price)
    return first["0"], first["1"]


def subscribed(venue: VenueProcess) -> RawFix:
    reference = RawFix(venue.endpoints["reference"], "STEADYREF")
    reference.logon(1)
    reference.send("V", *SUBSCRIBE)
    reference.until("W")
    return reference


def test_a_day_of_a_raw_client(venue: VenueProcess) -> None:
    with subscribed(venue) as reference, RawFix(venue.endpoints["fix"]) as client:
        bid, ask = touch(reference)
        assert float(bid) < float(ask)
        reference.send("e", (324, "S1"), (55, "SYN"), (263, 1))
        assert reference.until("f")[326] == "17"
        assert client.logon(10)[108] == "10"

        client.new("A1", "1", 100, "90.00")
        assert client.report()[39] == "0"
        client.new("A1", "1", 100, "90.00")
        assert client.report()[103] == "6"
        client.replace("A2", "A1", "1", 300, "91.00")
        replaced = client.report()
        assert (replaced[150], replaced[41], replaced[151]) == ("5", "A1", "300")
        client.cancel("A3", "A1", "1", 300)
        assert client.until("9")[102] == "1"
        client.send("H", (11, "A2"), (55, "SYN"), (54, 1))
        assert client.report()[150] == "I"
        client.cancel("A4", "A2", "1", 300)
        assert client.report()[39] == "4"

        client.new("B1", "1", 5_000, None)
        cum = 0
        while cum < 5_000:
            report = client.report()
            if report[150] == "F":
                cum += int(report[32])
                assert int(report[14]) == cum
        assert report[39] == "2"
        client.new("B2", "1", 100, "91.00")
        client.new("B3", "2", 100, "110.00")
        client.report(), client.report()
        client.send("AF", (584, "MS1"), (585, 7))
        assert [client.report()[11] for _ in range(2)] == ["B2", "B3"]
        client.send("q", (11, "Q1"), (530, 7), (60, transact()))
        assert client.until("r")[533] == "2"
        assert [client.report()[39] for _ in range(2)] == ["4", "4"]
        client.send("B", (148, "no such thing here"), (33, 0))
        assert client.until("j")[380] == "3"
        client.new("B4", "1", 100, "90.00")
        client.report()

        code, account, _ = venue.stop()

    assert code == 0
    assert venue.out is not None
    assert replayed(venue.out) == 0
    assert rebuild(venue.out / "itch.bin").state_hash() == account["book_hash"]
    assert sum(f["qty"] for f in account["fills"]) == 5_000
    assert account["positions"] == {"ACC1": {"SYN": 5_000}}
    assert [o["cl_ord_id"] for o in account["open_orders"]] == ["B4"]
    fills = [m for m in client.log if m[35] == "8" and m[150] == "F"]
    assert [m[17] for m in fills] == [f["exec_id"] for f in account["fills"]]
    log = (venue.out / "fix-venue.log").read_text()
    assert log.count("\x0135=8\x01") == sum(m[35] == "8" for m in client.log)


def test_orders_of_a_client_that_asked_for_it_are_canceled_when_it_is_gone(venue: VenueProcess) -> None:
    with RawFix(venue.endpoints["fix"]) as client:
        client.logon(10, COD)
        client.new("A1", "1", 100, "90.00")
        client.report()

    with RawFix(venue.endpoints["fix"]) as again:
        again.resume(client)
        again.logon(10, COD)

        told = again.report()

        assert (told[150], told[39], told[11], told[14]) == ("4", "4", "A1", "0")


def test_orders_of_a_client_that_did_not_ask_stay_and_its_fills_wait_for_it(venue: VenueProcess) -> None:
    with subscribed(venue) as reference:
        bid, _ = touch(reference)
    with RawFix(venue.endpoints["fix"]) as client:
        client.logon()
        client.new("A1", "1", 2_000, bid)
        client.report()

    with RawFix(venue.endpoints["fix"]) as again:
        again.resume(client)
        again.logon()
        again.send("H", (11, "A1"), (55, "SYN"), (54, 1))
        reports = [again.report()]
        while reports[-1][150] != "I":
            reports.append(again.report())

        assert reports[-1][39] in ("0", "1", "2")
        fills = [int(r[32]) for r in reports if r[150] == "F"]
        assert sum(fills) == int(reports[-1][14])


def test_the_feed_is_the_file_and_resumes_anywhere(venue: VenueProcess) -> None:
    with socket.create_connection(("127.0.0.1", venue.endpoints["itch"]), 10) as line:
        line.sendall(soup.encode_login(soup.Login("trader", "paper", "", 1)))
        live = b""
        while len(live) < 40_000:
            live += line.recv(65_536)
    with socket.create_connection(("127.0.0.1", venue.endpoints["itch"]), 10) as line:
        line.sendall(soup.encode_login(soup.Login("trader", "paper", "", 101)))
        late = b""
        while len(late) < 10_000:
            late += line.recv(65_536)
    with socket.create_connection(("127.0.0.1", venue.endpoints["itch"]), 10) as line:
        line.sendall(soup.encode_login(soup.Login("trader", "nope")))
        assert line.recv(100) == b"\x00\x02JA"

    code, _, _ = venue.stop()

    assert code == 0
    assert venue.out is not None
    file = messages(venue.out / "itch.bin")
    assert live[:33] == soup.encode_accepted(live[3:13].decode().strip(), 1)
    assert sequenced(live[33:]) == file[: len(sequenced(live[33:]))]
    assert sequenced(late[33:]) == file[100 : 100 + len(sequenced(late[33:]))]
    assert [m[:1] for m in file[:4]] == [b"S", b"R", b"H", b"S"]
    assert file[-1][:1] + file[-1][11:] == b"SC"


def messages(path: Path) -> list[bytes]:
    data, at, out = path.read_bytes(), 0, []
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        out.append(data[at + 2 : end])
        at = end
    return out


def sequenced(data: bytes) -> list[bytes]:
    """Return the whole sequenced messages in what a socket brought."""
    at, out = 0, []
    while at + 2 <= len(data) and (end := at + 2 + int.from_bytes(data[at : at + 2], "big")) <= len(data):
        if data[at + 2 : at + 3] == b"S":
            out.append(data[at + 3 : end])
        at = end
    return out


def test_before_the_start_command_it_takes_logons_and_refuses_orders(tmp_path: Path) -> None:
    with VenueProcess(*WINDOW, "--speed", "20", "--start", "command", out=tmp_path / "run") as venue:
        with RawFix(venue.endpoints["fix"]) as client:
            client.logon()
            client.new("A1", "1", 100, "90.00")
            early = client.report()
            assert (early[39], early[103]) == ("8", "2")

            venue.tell({"nonsense": 1})
            venue.tell({"start": {"anchor_mono_ns": time.monotonic_ns()}})
            anchor = venue.wait("started")["anchor"]
            client.new("A2", "1", 100, "90.00")
            assert client.report()[39] == "0"
        code, account, log = venue.stop()

    assert code == 0
    assert anchor["speed"] == 20
    assert account["rejects"] == 1
    assert "command_unknown" in log


def test_a_window_that_is_over_is_announced_and_orders_are_served_on(tmp_path: Path) -> None:
    options = ("--from", "10:00", "--to", "10:01", "--speed", "120")
    with VenueProcess(*options, out=tmp_path / "run") as venue:
        venue.wait("ended")
        with RawFix(venue.endpoints["fix"]) as client:
            client.logon()
            client.new("A1", "1", 100, "90.00")
            assert client.report()[39] == "0"
        code, account, _ = venue.stop()

    assert code == 0
    assert len(account["series"]) == 61
    assert venue.out is not None
    assert rebuild(venue.out / "itch.bin").state_hash() == account["book_hash"]


@pytest.mark.parametrize("which", ["fix", "reference", "itch"])
def test_a_busy_port_is_one_clear_line(which: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        venue = VenueProcess(*WINDOW, f"--{which}-port", str(port))
        code, log = venue.end()

    assert code == 1
    (line,) = [line for line in log.splitlines() if line.startswith("steadyhand venue:")]
    assert str(port) in line
    assert "is in use" in line
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--from", "25:00"), "25:00"),
        (("--from", "11:00", "--to", "10:00"), "not before"),
        (("--tape", "/nonexistent"), "/nonexistent"),
        (("--lockstep",), "--lockstep-socket"),
        (("--speed", "0"), "--speed"),
        (("--replay", "/nonexistent"), "venue.json"),
    ],
)
def test_wrong_options_are_one_clear_line(options: tuple[str, ...], what: str) -> None:
    code, log = VenueProcess(*options).end()

    assert code == 2
    assert what in log
    assert len(log.strip().splitlines()) == 1


def test_garbage_at_every_port_leaves_it_serving(venue: VenueProcess) -> None:
    strays = (
        b"\xff" * 70_000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"8=FIX.4.4\x019=999999999\x01",
        b"8=FIX.4.4\x01" * 9,
    )
    for port in (venue.endpoints["fix"], venue.endpoints["reference"], venue.endpoints["itch"]):
        for stray in strays:
            with socket.create_connection(("127.0.0.1", port), 10) as line:
                line.sendall(stray)
    with (
        RawFix(venue.endpoints["fix"], "STRANGER") as stranger,
        pytest.raises((ConnectionError, TimeoutError)),
    ):
        stranger.logon()

    with RawFix(venue.endpoints["fix"]) as client:
        client.logon()
        client.corrupt = True
        client.new("A0", "1", 100, "90.00", seq=2)
        client.corrupt = False
        client.new("A1", "1", 100, "90.00", seq=2)

        assert client.report()[11] == "A1"
    code, account, log = venue.stop()
    assert (code, account["orders"]) == (0, 1)
    assert "Traceback" not in log


@pytest.mark.parametrize(("number", "want"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals, want: int) -> None:
    with VenueProcess(*WINDOW, "--speed", "20", out=tmp_path / "run") as venue:
        venue.wait("started")
        venue.signal(number)
        venue.wait("summary")
        code, _ = venue.end()

    assert code == want
    assert json.loads((tmp_path / "run" / "venue.json").read_text())["orders"] == 0
    assert (tmp_path / "run" / "itch.bin").stat().st_size > 0


def test_a_gate_that_does_not_come_leaves_a_lockstep_venue_waiting(tmp_path: Path) -> None:
    options = (*WINDOW, "--lockstep", "--lockstep-socket", str(tmp_path / "lock.sock"))
    with VenueProcess(*options, out=tmp_path / "run") as venue:
        code, account, _ = venue.stop()

    assert code == 0
    assert account["series"] == []
    assert venue.said[0]["endpoints"]["lockstep"] == str(tmp_path / "lock.sock")


def test_a_folder_that_holds_a_run_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "fix-venue.log").write_text("a run")

    code, log = VenueProcess("--out", str(tmp_path)).end()

    assert code == 2
    assert "holds a run already" in log
    assert [path.name for path in tmp_path.iterdir()] == ["fix-venue.log"]


def test_a_replay_of_another_day_is_not_clean(tmp_path: Path) -> None:
    with VenueProcess(*WINDOW, "--speed", "20", out=tmp_path / "run") as venue:
        venue.wait("started")
        venue.stop()
    path = tmp_path / "run" / "venue.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))

    assert replayed(tmp_path / "run") == 1


def test_a_wrong_config_key_is_one_clear_line(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "paper.toml").read_text()
    (tmp_path / "paper.toml").write_text(text.replace("seed = 1", "sed = 1"))

    code, log = VenueProcess("--config", str(tmp_path / "paper.toml")).end()

    assert code == 78
    (line,) = log.strip().splitlines()
    assert "venue.sed" in line
    assert "did you mean 'seed'?" in line


# --- lockstep ------------------------------------------------------------------------------------


def play_lockstep(folder: Path, instants: int) -> tuple[bytes, dict[str, Any]]:
    """Play a gate by hand: an order each 20th instant; return itch.bin and the account."""
    link = folder / "lock.sock"
    options = (*WINDOW, "--seed", "3", "--lockstep", "--lockstep-socket", str(link), "--start", "command")
    with (
        VenueProcess(*options, out=folder / "run") as venue,
        subscribed(venue),
        RawFix(venue.endpoints["fix"]) as client,
    ):
        client.logon(30)

        async def gate() -> None:
            inbox: asyncio.Queue[LockAdvance] = asyncio.Queue()
            peer = Peer(LockAdvance, lambda _, got: [inbox.put_nowait(m) for m in got], lambda _, __: None)
            await asyncio.get_running_loop().create_unix_connection(lambda: peer, str(link))
            venue.tell({"start": {}})
            sent = seen = 0
            for number in range(instants):
                advance = await asyncio.wait_for(inbox.get(), 10)
                while seen < advance.order_messages:
                    client.report()
                    seen += 1
                if number % 20 == 0:
                    sent += 1
                    client.new(f"A{number}", str(1 + number // 20 % 2), 50, None)
                peer.send(
                    LockIdle(tick=advance.tick, order_messages=sent, reference_messages=1, next_ts_ns=0)
                )
            await asyncio.wait_for(inbox.get(), 10)
            peer.close("done")

        asyncio.run(gate())
        code, account, log = venue.stop()
    assert code == 0, log
    assert replayed(folder / "run") == 0
    assert rebuild(folder / "run" / "itch.bin").state_hash() == account["book_hash"]
    return (folder / "run" / "itch.bin").read_bytes(), account


def test_two_lockstep_runs_are_the_same_to_the_byte(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runs.append(play_lockstep(tmp_path / name, 300))

    assert runs[0][0] == runs[1][0]
    assert json.dumps(runs[0][1]) == json.dumps(runs[1][1])
    assert len(runs[0][1]["fills"]) >= 15
