"""The OMS port of a gate, in one process: who may speak, what is told and when, and what a start takes up.

Gate, session layer, store and sockets are the real ones; the journal is memory, and on the disk when the test
says so.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.config import Config
from daemon.gate import oms_desk
from daemon.gate.metrics import GateMetrics
from daemon.gate.oms_desk import FOLDER, RUN_LOG, OmsDesk
from daemon.gate.power import boot_id
from daemon.gate.rehearsal import NoLatch
from daemon.gate.shell import GateShell
from daemon.metrics.block import Metrics
from daemon.strict_toml import ConfigError
from gateways.fix.oms_frames import Frames, frame
from gateways.fix.oms_server import CONNECTIONS_MAX
from gateways.fix.oms_store import OmsStore
from market import events as ev
from market.types import ParentID
from tests.daemon.gate_harness import LIMITS
from tests.daemon.oms_world import END, SOH, OmsWorld, by_tag
from tests.daemon.test_line_faults import BASE, read

HEARD_S = 10.0  # the longest that anybody waits for a message: a loopback answers in a millisecond
PORT = BASE.replace("port = 9854", 'port = 0\ncomp_id = "GATE"').replace('"OMS1"', '"OMS"')
NEW = f"55=SYN|54=1|40=1|59=6|126={END}|60=20240102-15:00:00"


class Disk:
    """A journal in memory."""

    def __init__(self) -> None:
        self.end = self.durable_offset = 0
        self.hurried = 0

    def append(self, *records: bytes) -> int:
        self.end += sum(map(len, records))
        return self.end

    def hurry(self) -> None:
        self.hurried += 1


class Gate(OmsWorld):
    """A world whose events go through a shell with an OMS port."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.begin(config)

    def begin(self, config: Config) -> None:
        """A process begins, its state replayed."""
        self.disk = Disk()
        self.lines: list[asyncio.StreamWriter] = []
        metrics = GateMetrics(Metrics(None, "gate"), LIMITS, "USD")
        self.shell = GateShell(self.core, self, self.disk, NoLatch(), metrics, False)  # type: ignore[arg-type]
        self.shell.note = lambda _: None
        self.shell.entry = None
        self.stepped = asyncio.Event()
        self.desk = OmsDesk(config, self.shell, self.post)

    def post(self, event: ev.Event) -> None:
        self.shell.post(event)
        self.stepped.set()

    async def until(self, parent_id: str) -> None:
        """Wait until a parent is admitted."""
        while ParentID(parent_id) not in self.core.state.parents:
            self.stepped.clear()
            await asyncio.wait_for(self.stepped.wait(), HEARD_S)

    def stamp(self) -> ev.Stamp:
        return ev.Stamp(self.ts, self.now)

    def say_in(self, oms: "Oms", cl_ord_id: str, qty: int = 500, more: str = "") -> None:
        oms.say(f"35=D|11={cl_ord_id}|1=PAPER|38={qty}|{NEW}{more}")


class Oms:
    """The other side: a socket, numbers that count up, everything that was heard."""

    def __init__(self, gate: Gate, name: str = "OMS", number: int = 1) -> None:
        self.gate, self.name, self.number = gate, name, number
        self.heard: list[dict[str, str]] = []
        self.ended = False
        self._frames = Frames()

    async def dial(self) -> "Oms":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.gate.desk.port)
        self.gate.lines.append(self._writer)
        return self

    async def logon(self, more: str = "") -> "Oms":
        await self.dial()
        self.say(f"35=A|98=0|108=30{more}")
        await self.hear(lambda m: m["35"] == "A")
        return self

    def say(self, text: str) -> None:
        kind, _, rest = text.partition("|")
        now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S")
        head = f"{kind}|49={self.name}|56=GATE|34={self.number}|52={now}|{rest}|"
        self._writer.write(frame(head.replace("|", SOH)))
        self.number += 1

    async def hear(self, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Read until a message of this kind has come, or fail."""
        async with asyncio.timeout(HEARD_S):
            while not (found := [m for m in self.heard if wanted(m)]):
                assert await self.read(), self.heard
        return found[0]

    async def read(self) -> bool:
        """Read once; False at the end of the line."""
        received = await self._reader.read(65_536)
        self.heard += map(by_tag, self._frames.feed(received))
        self.ended = not received
        return bool(received)

    async def to_the_end(self) -> None:
        async with asyncio.timeout(HEARD_S):
            while await self.read():
                pass

    def told(self) -> list[str]:
        """Return ExecType and ClOrdID of every report that was heard."""
        return [f"{m['150']} {m['11']}" for m in self.heard if m["35"] == "8"]


def run(gate: Gate, act: Callable[[Gate], Awaitable[None]]) -> None:
    """Listen, act, close."""

    async def whole() -> None:
        await gate.desk.listen()
        try:
            await act(gate)
        finally:
            gate.desk.close()
            for line in gate.lines:
                line.close()
            await asyncio.gather(*(line.wait_closed() for line in gate.lines), return_exceptions=True)

    asyncio.run(whole())


def config_of(folder: Path, *changes: tuple[str, str]) -> Config:
    text = PORT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return read(folder, text)


def opened(config: Config) -> Gate:
    gate = Gate(config)
    gate.open()
    return gate


def test_a_parent_order_is_answered_over_the_port_and_the_end_is_told(tmp_path: Path) -> None:
    gate = opened(config_of(tmp_path))

    async def act(g: Gate) -> None:
        assert g.desk.endpoints == {"oms": str(g.desk.port)}
        oms = await Oms(g).logon()
        assert g.core.state.oms.clients["OMS"].up
        g.say_in(oms, "A1")
        await oms.hear(lambda m: m.get("150") == "0")
        assert oms.told() == ["A A1", "0 A1"]
        assert g.disk.durable_offset == 0  # in the kernel: nobody waits for the disk

    run(gate, act)

    assert not gate.core.state.oms.clients["OMS"].up
    assert gate.core.state.oms.clients["OMS"].reason == "the gate stops"
    assert (gate.desk._state_dir.parent / RUN_LOG).read_text().count("35=D") == 1
    held = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_file()]  # noqa: PTH115
    assert not [path for path in held if path.startswith(str(tmp_path)) and path.endswith(".sent")]


def test_with_durability_disk_an_oms_is_told_nothing_that_a_power_cut_could_take_back(tmp_path: Path) -> None:
    gate = opened(config_of(tmp_path, ("[gate]", '[gate]\ndurability = "disk"')))

    async def act(g: Gate) -> None:
        oms = await Oms(g).logon()
        g.say_in(oms, "A1")
        await g.until("P1")
        first = g.disk.end
        g.say_in(oms, "A2", 600)
        await g.until("P2")
        assert g.disk.hurried >= 2
        for _ in range(5):  # it has looked at the disk some times meanwhile
            await asyncio.sleep(oms_desk.DISK_POLL_S)
        g.disk.durable_offset = first - 1
        g.desk._poll()
        assert g.desk.reports("OMS") == 0

        g.disk.durable_offset = first
        await oms.hear(lambda m: m.get("150") == "0")
        assert oms.told() == ["A A1", "0 A1"]
        assert g.desk.reports("OMS") == 2

        g.disk.durable_offset = g.disk.end
        await oms.hear(lambda m: m.get("11") == "A2" and m["150"] == "0")
        assert oms.told() == ["A A1", "0 A1", "A A2", "0 A2"]
        g.say_in(oms, "A3", 700)  # and it looks anew for what comes after a pause
        await g.until("P3")
        g.disk.durable_offset = g.disk.end
        await oms.hear(lambda m: m.get("11") == "A3" and m["150"] == "0")

    run(gate, act)


def test_what_was_told_before_a_restart_is_not_told_again_and_what_was_not_is(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    gate = opened(config)

    async def first(g: Gate) -> None:
        oms = await Oms(g).logon()
        g.say_in(oms, "A1")
        await oms.hear(lambda m: m.get("150") == "0")

    run(gate, first)
    gate.wait(601)  # the parent ends while nobody listens

    gate.begin(config)

    async def second(g: Gate) -> None:
        oms = await Oms(g, number=3).logon()
        await oms.hear(lambda m: m.get("150") == "C")
        assert oms.told() == ["C A1"]

    run(gate, second)


def test_a_store_that_numbered_more_than_the_journal_makes_is_of_another_state(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    gate = opened(config)
    store = OmsStore(tmp_path / "state" / FOLDER, "OMS", boot_id())
    store.out(0)
    store.close()

    with pytest.raises(ConfigError, match=r"1 reports were numbered, the journal makes 0"):
        asyncio.run(gate.desk.listen())


def test_after_a_power_cut_what_the_journal_lost_was_never_told(tmp_path: Path) -> None:
    gate = opened(config_of(tmp_path))
    store = OmsStore(tmp_path / "state" / FOLDER, "OMS", "another boot")
    store.out(0)
    store.out(1)
    store.close()

    async def act(g: Gate) -> None:
        oms = await Oms(g).logon()
        g.say_in(oms, "A1")
        await oms.hear(lambda m: m.get("150") == "0")
        assert oms.told() == ["A A1", "0 A1"]
        assert int(oms.heard[0]["34"]) > 3  # none is used twice

    run(gate, act)


def test_each_oms_uses_what_is_its_own_and_nothing_else(tmp_path: Path) -> None:
    second = (
        '[[gate.oms.client]]\ncomp_id = "TWO"\naccounts = ["OTHER"]\nsymbols = ["SYN"]\nignore_tags = [847]\n'
    )
    config = config_of(tmp_path, ('symbols = ["SYN"]\n', 'symbols = ["SYN"]\n' + second))
    gate = opened(config)

    async def act(g: Gate) -> None:
        one, two = await Oms(g).logon(), await Oms(g, "TWO").logon()
        g.say_in(one, "A1", more="|847=9")
        refused = await one.hear(lambda m: m["35"] in "j38")
        assert refused.get("150", "8") == "8"
        assert "847" in refused["58"]
        g.say_in(two, "B1", more="|847=9")
        refused = await two.hear(lambda m: m["35"] == "8")
        assert "1=PAPER: this session may not use this account" in refused["58"]
        assert "847" not in refused["58"]
        assert not g.core.state.parents

    run(gate, act)


def test_who_does_not_know_the_password_hears_nothing(tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text("open sesame\n")
    word.chmod(0o600)
    config = config_of(
        tmp_path, ('comp_id = "OMS"', f'comp_id = "OMS"\nusername = "desk"\npassword_file = "{word}"')
    )

    async def act(g: Gate) -> None:
        stranger = await Oms(g).dial()
        stranger.say("35=A|98=0|108=30|553=desk|554=open barley")
        await stranger.to_the_end()
        assert stranger.heard == []
        await Oms(g).logon("|553=desk|554=open sesame")

    run(opened(config), act)


def test_connections_that_say_nothing_keep_no_oms_out_and_none_that_is_logged_on_makes_room(
    tmp_path: Path,
) -> None:
    async def act(g: Gate) -> None:
        for _ in range(CONNECTIONS_MAX + 4):
            await Oms(g).dial()
        oms = await Oms(g).logon()
        for _ in range(CONNECTIONS_MAX + 4):
            await Oms(g).dial()
        g.say_in(oms, "A1")
        await oms.hear(lambda m: m.get("150") == "0")

    run(opened(config_of(tmp_path)), act)


def test_a_full_outbox_takes_no_request_and_tells_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oms_desk, "REPORTS_MAX", 2)
    gate = opened(config_of(tmp_path))

    async def act(g: Gate) -> None:
        oms = await Oms(g).logon()
        assert g.desk.full("OMS") == ""
        g.say_in(oms, "A1")
        await oms.hear(lambda m: m.get("150") == "0")
        g.say_in(oms, "A2", 600)
        no = await oms.hear(lambda m: m["35"] in ("j", "3"))
        assert "2 reports in one journal" in no["58"]
        assert list(g.core.state.parents) == ["P1"]

    run(gate, act)


def test_a_wrong_configuration_is_one_line_with_all_that_is_wrong(tmp_path: Path) -> None:
    config = config_of(
        tmp_path, ('symbols = ["SYN"]', 'symbols = ["ABC", "SYN"]\nusername = "x"'),
    )  # fmt: skip
    gate = Gate(config)

    with pytest.raises(ConfigError) as told:
        asyncio.run(gate.desk.listen())

    assert "ABC is no [[instrument]]" in str(told.value)
    assert "; gate.oms.client.0: username and password_file go together" in str(told.value)
    assert gate.desk.endpoints == {}


def test_without_an_oms_nothing_listens(tmp_path: Path) -> None:
    gate = Gate(config_of(tmp_path, (PORT[PORT.index("[gate.oms]") :], "")))

    async def act(g: Gate) -> None:
        assert g.desk.endpoints == {}
        g.desk.tell("OMS")  # nobody there: nothing is done

    run(gate, act)
    assert not (tmp_path / "state" / FOLDER).exists()
