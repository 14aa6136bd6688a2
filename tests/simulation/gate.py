"""The gate as it ships, one life after another, on simulated ground; and the ends of its two sockets."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from daemon.config import Config, load_profile
from daemon.gate.main import Gate
from daemon.strict_toml import load_model
from risk.limits import Limits
from tests.simulation import quickfix_double
from tests.simulation.ground import Ground
from tests.simulation.loop import MS, Flag, Loop, Process

STATE: Final = Path("state")
CONFIG: Final[dict[str, Any]] = {
    "mode": "paper",
    "instrument": [{"symbol": "SYN", "adv": 2_000_000}],
    "gate": {
        "state_dir": STATE,
        "control_socket": Path("control.sock"),
        "link_socket": Path("link.sock"),
        "limits": Path("limits.toml"),
        "kill_file": Path("KILL"),
        "positions": Path("positions.csv"),
        "keyring": Path("keyring.toml"),
        "order_session": {"port": 9001, "heartbeat_s": 2},
        "reference_session": {"port": 9002, "sender_comp_id": "STEADYREF", "heartbeat_s": 1},
    },
}
PAPER: Final = load_model(Path(__file__).parents[2] / "deploy" / "limits.paper.toml", Limits)
START_QTY: Final = 2_000
PROFILE: Final = load_profile("venue")


class Transport:
    """One end of a unix socket, as the gate's protocols see it; reads and writes are late and in order."""

    def __init__(self, loop: Loop, process: Process, protocol: Any, heard: Callable[[bytes], None]) -> None:
        self._loop, self._process, self._protocol, self._heard = loop, process, protocol, heard
        self.closed = False
        self.gone: Callable[[], None] = lambda: None
        self._last_ns = 0
        self.unread = False  # the peer does not read
        self._paused = False  # nor does the gate
        self._unheard: list[bytes] = []
        self._kept = 0
        loop.after(0, protocol.connection_made, self, owner=process)

    # the gate's words

    def get_extra_info(self, name: str) -> "Transport":
        return self

    def fileno(self) -> int:
        return -1

    def getsockopt(self, *_: Any) -> bytes:
        return struct.pack("3i", 1, os.getuid(), 0)

    def get_write_buffer_size(self) -> int:
        return self._kept or 1  # never empty: the gate then writes here and not into a descriptor

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        if not self.closed:
            if self.unread:
                self._kept += len(data)
            else:
                self._loop.after(50_000, self._heard, data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.after(0, self._protocol.connection_lost, None, owner=self._process)
            self._loop.after(MS, self.gone)

    abort = close

    def pause_reading(self) -> None:
        """Leave what comes to the kernel."""
        self._paused = True

    def resume_reading(self) -> None:
        """Take what came meanwhile, in order."""
        self._paused = False
        self._loop.after(0, self._catch_up, owner=self._process)

    def _catch_up(self) -> None:
        while self._unheard and not (self._paused or self.closed):
            self._protocol.data_received(self._unheard.pop(0))

    def lost(self) -> None:
        """The gate is dead: its kernel hangs up."""
        if not self.closed:
            self.closed = True
            self._loop.after(MS, self.gone)

    # the peer's

    def send(self, data: bytes, late_ns: int = 50_000) -> None:
        """Let the gate read something."""
        self._last_ns = max(self._last_ns, self._loop.now_ns + late_ns)
        self._loop.at(self._last_ns, self._receive, data, owner=self._process)

    def _receive(self, data: bytes) -> None:
        self._unheard.append(data)
        self._catch_up()

    def hang_up(self) -> None:
        """The peer is gone."""
        if not self.closed:
            self.closed = True
            self._loop.after(MS, self._protocol.connection_lost, None, owner=self._process)


class Runtime:
    """daemon.runtime.Runtime, as far as the gate uses it."""

    def __init__(self, loop: Loop, process: Process) -> None:
        self._loop, self._process = loop, process
        self.stopping = Flag()
        self.signal_no: int | None = None
        self.handlers: dict[int, Callable[[], None]] = {}

    def spawn(self, work: Any, name: str) -> None:
        self._loop.spawn(work, self._process)

    def on_signal(self, number: Any, act: Callable[[], None]) -> None:
        self.handlers[int(number)] = act

    def stop(self, number: int | None = None) -> None:
        if self.stopping.is_set():
            raise SystemExit(128 + (number or 15))
        self.signal_no = number
        self.stopping.set()


class Lives:
    """One gate's state directory, and whoever runs in it."""

    def __init__(self, ground: Ground, limits: Limits, durability: str, keep_ended_s: float = 60.0) -> None:
        self.ground, self.limits = ground, limits
        tree = CONFIG | {"gate": CONFIG["gate"] | {"durability": durability, "keep_ended_s": keep_ended_s}}
        self.config = Config.model_validate(tree)
        assert self.config.gate is not None
        self.section = self.config.gate
        self.process = Process("none")
        self.process.alive = False
        self.engine = self.process
        self.gate: Gate | None = None
        self.runtime: Runtime | None = None
        self.number = 0
        self.exit_code: int | None = None
        self.transports: list[Transport] = []

    def copied(self) -> None:
        """Have every life from now on dial a drop copy as well."""
        tree = self.config.model_dump(exclude_unset=True)
        tree["gate"]["drop_copy"] = {"port": 9003, "heartbeat_s": 2}
        self.config = Config.model_validate(tree)
        assert self.config.gate is not None
        self.section = self.config.gate

    @property
    def alive(self) -> bool:
        return self.process.alive

    @property
    def ready(self) -> bool:
        """True once its sockets listen."""
        return self.alive and "control.sock" in self.ground.face.servers

    def start(self) -> None:
        """One more life."""
        assert not self.alive
        self.number += 1
        process = self.process = Process(f"gate {self.number}")
        self.engine = Process(f"engine {self.number}")
        process.children.append(self.engine)
        process.bury = self._bury
        self.ground.begin(process)
        self.runtime = Runtime(self.ground.loop, process)
        self.exit_code = None
        quickfix_double.world.engine = self.engine
        quickfix_double.world.sides = {}
        self.ground.loop.after(0, self._begin, owner=process)

    def _begin(self) -> None:
        self.gate = Gate(self.config, self.section, self.limits, PROFILE)
        self.ground.loop.spawn(self.gate.main(self.runtime), self.process, self._done)

    def _bury(self) -> None:
        """The kernel closes what the dead held."""
        for road in quickfix_double.world.roads.values():
            if road.now is not None:
                road.now.ends[0].close()
        for transport in self.transports:
            transport.lost()
        self.transports.clear()

    def _done(self, code: int) -> None:
        self.exit_code = code
        self.process.die(f"exit {code}")

    def connect(self, name: str, heard: Callable[[bytes], None]) -> Transport | None:
        """Dial one of its sockets."""
        factory = self.ground.face.servers.get(name) if self.alive else None
        if factory is None:
            return None
        self.transports.append(Transport(self.ground.loop, self.process, factory(), heard))
        return self.transports[-1]


def make_files(keys: str) -> None:
    """Write what a gate reads at its start into the current folder."""
    STATE.mkdir()
    Path("positions.csv").write_text(f"account,symbol,qty\nPAPER,SYN,{START_QTY}\n")
    Path("limits.toml").write_text("# held in memory: the gate of a simulation is handed its limits\n")
    Path("keyring.toml").write_text(keys)
