"""One script, two engines: quickfix over loopback in a process of its own, and the double in simulated time.

A script is a list of steps. `Real` plays it with raw bytes over TCP, `Double` with texts on a simulated line;
both drive `gateways.fix.engine.Engine`, the one over quickfix and the other over the double.

    logon(seq=1)              the peer takes the connection and answers the Logon
    refuse("too low")         ... or answers with a Logout
    peer("8", {17: "E1"}, seq=4)    the peer says something; `seq` out of the row does not count
    expect("2", {7: "2"})     the engine's next message that is no heartbeat
    send(True)                an order through Engine.send: it left, or was refused
    got("E1") / none()        a report reached the gate; nothing more did
    out("too low")            the session ended, and why
    numbers(2, 2)             next numbers: ours, theirs
    drop() / crash()          the peer hangs up; the engine is killed and started again
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from gateways.fix.sessions import LoggedOut, Received, Role, SessionSpec
from tests.gateways.fix.engine_process import EngineProcess
from tests.gateways.fix.raw_peer import RawAcceptor, RawPeer
from tests.simulation import quickfix_double
from tests.simulation.fix_session import SOH, tags_of
from tests.simulation.ground import ENGINE
from tests.simulation.loop import MS, SECOND, Loop, Process
from tests.simulation.network import End, Road

Step = tuple[Any, ...]
ORDER: Final = (
    "35=D|11=SH-1-1|526=P1|1=PAPER|21=1|55=SYN|54=1|60=20261121-11:26:00.000|38=100|40=2|44=101.25|59=0|"
)
REPORT: Final = {
    37: "O1", 17: "E1", 150: "0", 39: "0", 55: "SYN", 54: "1", 151: "100", 14: "0", 6: "0", 11: "SH-1-1",
}  # fmt: skip
PATIENCE_S: Final = 30.0
ASKED_MAX: Final = 20_000
START_NS: Final = 1_704_207_600 * SECOND


def logon(seq: int | None = None, **more: str) -> Step:
    return ("logon", seq, more)


def refuse(reason: str) -> Step:
    """The peer answers the Logon with a Logout."""
    return ("refuse", reason)


def peer(kind: str, fields: dict[int, str] | None = None, seq: int | None = None) -> Step:
    return ("peer", kind, (REPORT if kind == "8" else {}) | (fields or {}), seq)


def expect(kind: str, fields: dict[int, str] | None = None) -> Step:
    return ("expect", kind, fields or {})


def send(leaves: bool) -> Step:
    return ("send", leaves)


def got(exec_id: str) -> Step:
    return ("got", exec_id)


def none() -> Step:
    """Nothing came to the gate: a test request goes round, and no report stands before it."""
    return ("none",)


def out(reason: str) -> Step:
    return ("out", reason)


def numbers(ours: int, theirs: int) -> Step:
    return ("numbers", ours, theirs)


def drop() -> Step:
    return ("drop",)


def crash() -> Step:
    return ("crash",)


def is_report(raw: str) -> bool:
    """Return whether it is more than what tells of lost messages (2, 4), which is handed over too."""
    return f"{SOH}17=" in raw


class Bench:
    """Plays a script; what differs between the two is below."""

    heartbeat_s = 10

    def play(self, script: list[Step]) -> None:
        """Play every step; an AssertionError names the first that does not hold."""
        for n, (name, *args) in enumerate(script):
            try:
                getattr(self, name)(*args)
            except AssertionError as error:
                raise AssertionError(f"step {n} {name} {args}: {error}") from None

    def receive(self) -> dict[str, str]:
        raise NotImplementedError

    def say(self, kind: str, fields: dict[int, str], seq: int | None) -> None:
        raise NotImplementedError

    def peer(self, kind: str, fields: dict[int, str], seq: int | None) -> None:
        self.say(kind, fields, seq)

    def expect(self, kind: str, fields: dict[int, str]) -> None:
        while True:
            message = self.receive()
            if message["35"] == kind:
                break
            assert message["35"] == "0", f"came {message}"
        for tag, value in fields.items():
            assert value in message.get(str(tag), ""), f"{tag} of {message}"

    def none(self) -> None:
        self.say("1", {112: "BARRIER"}, None)
        while self.receive().get("112") != "BARRIER":
            pass
        assert not self.waiting(), "something came to the gate"

    def waiting(self) -> bool:
        raise NotImplementedError


class Real(Bench):
    """quickfix."""

    def __init__(self, folder: Path, heartbeat_s: int) -> None:
        self.folder, self.heartbeat_s = folder, heartbeat_s
        self.acceptor = RawAcceptor()
        self.line: RawPeer | None = None
        self.seq = 1
        self.begin()

    def begin(self) -> None:
        spec = {
            "name": "order",
            "sender_comp_id": "STEADYHAND",
            "target_comp_id": "VENUE",
            "port": self.acceptor.port,
            "logon_fields": [(7001, "Y")],
            "heartbeat_s": self.heartbeat_s,
        }
        self.engine = EngineProcess(
            role="initiator",
            sessions=[spec],
            state_dir=str(self.folder / "state"),
            tap=str(self.folder / "fix.log"),
            append="journal",
        )
        self.engine.next("ports")

    def logon(self, seq: int | None, more: dict[str, str]) -> None:
        self.line = self.acceptor.accept()
        self.line.seq = self.seq if seq is None else seq
        self.logon_message = {str(int(t)): v.decode() for t, v in self.line.expect("A").pairs}
        extra = [(int(t[1:]), v) for t, v in more.items()]
        self.line.send("A", (98, "0"), (108, str(self.heartbeat_s)), *extra)
        self.engine.next("kind", "LoggedOn", PATIENCE_S)

    def refuse(self, reason: str) -> None:
        self.line = self.acceptor.accept()
        self.line.seq = self.seq
        self.line.expect("A")
        self.line.send("5", (58, reason))
        self.seq = self.line.seq

    def say(self, kind: str, fields: dict[int, str], seq: int | None) -> None:
        assert self.line is not None
        self.line.send(kind, *fields.items(), seq=seq)

    def receive(self) -> dict[str, str]:
        assert self.line is not None
        return {str(int(tag)): value.decode() for tag, value in self.line.receive().pairs}

    def send(self, leaves: bool) -> None:
        assert self.engine.send(ORDER) is leaves

    def got(self, exec_id: str) -> None:
        raw = ""
        while not is_report(raw):
            raw = self.engine.next("kind", "Received")["raw"]
        assert f"{SOH}17={exec_id}{SOH}" in raw, raw

    def waiting(self) -> bool:
        self.engine.numbers()  # goes through the same pipe, behind what was posted
        return any(line.get("kind") == "Received" and is_report(line["raw"]) for line in self.engine.kept)

    def out(self, reason: str) -> None:
        found = self.engine.next("kind", "LoggedOut", PATIENCE_S)["reason"]
        assert reason in found, found

    def numbers(self, ours: int, theirs: int) -> None:
        for _ in range(ASKED_MAX):  # what was said last may still be on its way
            found = self.engine.numbers()
            if found == [ours, theirs]:
                return
        raise AssertionError(f"{found}")

    def drop(self) -> None:
        assert self.line is not None
        self.seq = self.line.seq
        self.line.close()

    def crash(self) -> None:
        self.engine.process.kill()
        self.engine.process.wait(15)
        self.engine.close()
        if self.line is not None:
            self.seq = self.line.seq
        self.begin()

    def close(self) -> None:
        self.engine.close()
        self.acceptor.close()


class Double(Bench):
    """The double, under the house's engine."""

    def __init__(self, folder: Path, heartbeat_s: int) -> None:
        self.folder, self.heartbeat_s = folder, heartbeat_s
        self.loop = Loop(START_NS)
        self.roads = {n: Road(self.loop, random.Random(1), (MS, MS)) for n in ("order", "reference")}
        self.roads["order"].accept = self._accept
        self.ends: list[End] = []
        self.heard: list[str] = []
        self.inbox: list[Any] = []
        self.seq = 1
        self.logged: list[bytes] = []
        self.begin()

    # what the double of quickfix asks of its world

    def wall_ns(self) -> int:
        return self.loop.now_ns

    def boundary(self, kind: str) -> None:
        pass

    def delivered(self, raw: str) -> None:
        pass

    priced = delivered

    def leaves(self, names: tuple[str, str], raw: str) -> None:
        pass

    def call_soon(self, act: Callable[..., None], *args: Any) -> None:
        act(*args)

    def begin(self) -> None:
        self.engine_process = self.engine = Process("engine")
        self.sides: dict[str, Any] = {}
        spec = SessionSpec(
            name="order",
            sender_comp_id="STEADYHAND",
            target_comp_id="VENUE",
            port=1,
            logon_fields=((7001, "Y"),),
            heartbeat_s=self.heartbeat_s,
            append_inbound=self._append,
        )
        quickfix_double.world = self
        self.under_test = ENGINE.Engine(
            Role.INITIATOR,
            [spec],
            self.folder / "state",
            None,
            lambda _, message: self.inbox.append(message),
            self,
        )
        self.under_test.start()

    def _append(self, raw: bytes) -> int:
        self.logged.append(raw)
        return len(self.logged)

    def _accept(self, end: End) -> bool:
        self.ends.append(end)
        end.on_text = self.heard.append
        return True

    def _until(self, what: Callable[[], Any]) -> Any:
        end_ns = self.loop.now_ns + int(PATIENCE_S * SECOND)
        while self.loop.now_ns < end_ns:
            found = what()
            if found:
                return found
            self.loop.run(self.loop.now_ns + 5 * MS)
        raise AssertionError("nothing came")

    def logon(self, seq: int | None, more: dict[str, str]) -> None:
        self.heard.clear()
        before = len(self.ends)
        self._until(lambda: (self.ends and self.ends[-1].open) or len(self.ends) > before)
        self.seq = self.seq if seq is None else seq
        self.expect("A", {})
        extra = {int(t[1:]): v for t, v in more.items()}
        self.say("A", {98: "0", 108: str(self.heartbeat_s)} | extra, None)
        self._until(lambda: self.under_test.logged_on("order"))

    def refuse(self, reason: str) -> None:
        self._until(lambda: self.ends and self.ends[-1].open)
        self.expect("A", {})
        self.say("5", {58: reason}, None)

    def say(self, kind: str, fields: dict[int, str], seq: int | None) -> None:
        number = self.seq if seq is None else seq
        if seq is None:
            self.seq += 1
        body = "".join(f"{tag}={value}{SOH}" for tag, value in fields.items())
        head = f"8=FIX.4.4{SOH}9=0{SOH}35={kind}{SOH}34={number}{SOH}49=VENUE{SOH}56=STEADYHAND{SOH}"
        self.ends[-1].send(f"{head}{body}10=000{SOH}")

    def receive(self) -> dict[str, str]:
        self._until(lambda: self.heard)
        return tags_of(self.heard.pop(0))

    def send(self, leaves: bool) -> None:
        assert self.under_test.send("order", ORDER.replace("|", SOH)) is leaves

    def _next(self, kind: type[Any]) -> Any:
        def find() -> Any:
            return next((m for m in self.inbox if isinstance(m, kind)), None)

        found = self._until(find)
        self.inbox.remove(found)
        return found

    def got(self, exec_id: str) -> None:
        raw = ""
        while not is_report(raw):
            raw = self._next(Received).raw
        assert f"{SOH}17={exec_id}{SOH}" in raw, raw

    def waiting(self) -> bool:
        return any(isinstance(m, Received) and is_report(m.raw) for m in self.inbox)

    def out(self, reason: str) -> None:
        found = self._next(LoggedOut).reason
        assert reason in found, found

    def numbers(self, ours: int, theirs: int) -> None:
        self.loop.run(self.loop.now_ns + 50 * MS)
        found = self.under_test.numbers("order")
        assert found == (ours, theirs), found

    def drop(self) -> None:
        self.ends[-1].close()

    def crash(self) -> None:
        self.engine.die("crash")
        for end in self.ends:
            end.open = False
        self.inbox.clear()
        self.begin()

    def close(self) -> None:
        quickfix_double.world = None


@contextlib.contextmanager
def bench(kind: str, folder: Path, heartbeat_s: int) -> Iterator[Bench]:
    """Return one of the two."""
    made: Any = (Real if kind == "quickfix" else Double)(folder, heartbeat_s)
    try:
        yield made
    finally:
        made.close()
