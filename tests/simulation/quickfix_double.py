"""A module that stands in for `quickfix` under the house's own engine, which is loaded on it anew.

So the simulation runs every line of `gateways/fix/engine.py`: its guard, what it refuses in toApp, how it
counts. Only quickfix's C++ is a double (`fix_session.FixSession`). `world` says where a session dials.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from gateways.fix.sessions import DROP_COPY, REFERENCE, VENUE_DROP_COPY_COMP_ID
from tests.simulation.fix_session import SOH, FixSession, Out
from tests.simulation.loop import SECOND, Died, Process

ENGINE: Final = Path(__file__).parents[2] / "gateways" / "fix" / "engine.py"
world: Any = None  # the world that runs now; it has loop, wall_ns, engine (a Process), roads, heartbeat_s
NAME: Final = "gateways.fix.engine"


class DoNotSend(Exception):  # noqa: N818
    """quickfix's."""


class RejectLogon(Exception):  # noqa: N818
    """quickfix's."""


class ConfigError(Exception):
    """quickfix's."""


class SessionNotFound(Exception):  # noqa: N818
    """quickfix's."""


class Application:
    """Base of ours."""


class Log:
    """Base of ours."""

    def __disown__(self) -> None:
        """Owned by C++."""


class LogFactory:
    """Base of ours."""


class DataDictionary:
    def __init__(self, path: str) -> None:
        self.path = path


class Dictionary(dict[str, str]):
    def setString(self, key: str, value: str) -> None:  # noqa: N802
        self[key] = value


class SessionSettings:
    def __init__(self) -> None:
        self.sessions: dict[str, Dictionary] = {}

    def set(self, *args: Any) -> None:
        if len(args) == 2:
            self.sessions[args[0].toString()] = args[1]


class SessionID:
    def __init__(self, version: str, sender: str, target: str) -> None:
        self.names = (sender, target)
        self._text = f"{version}:{sender}->{target}"

    def toString(self) -> str:  # noqa: N802
        return self._text


class StringField:
    def __init__(self, tag: int, value: str) -> None:
        self.text = f"{tag}={value}{SOH}"


class UtcTimeStamp:
    pass


class MemoryStoreFactory:
    pass


class Header:
    def __init__(self, out: Out) -> None:
        self._out = out

    def isSetField(self, tag: int) -> bool:  # noqa: N802
        return tag == 43 and self._out.poss_dup


class Message:
    """What a callback is given, and what is sent."""

    def __init__(self, text: str = "", *rest: Any, out: Out | None = None) -> None:
        self._text = text
        self._out = out

    def toString(self) -> str:  # noqa: N802
        return self._text if self._out is None else self._out.raw

    def getHeader(self) -> Header:  # noqa: N802
        assert self._out is not None
        return Header(self._out)

    def setField(self, field: StringField) -> None:  # noqa: N802
        assert self._out is not None
        self._out.body += field.text


def name_of(sender: str, target: str) -> str:
    """Return which of the gate's sessions goes by these names."""
    if target == VENUE_DROP_COPY_COMP_ID:
        return DROP_COPY
    return REFERENCE if "REF" in sender else "order"


class Side:
    """One session of an engine: quickfix's Session and what its callbacks go to."""

    def __init__(self, session_id: SessionID, values: dict[str, str], application: Any, log: Any) -> None:
        self.session_id, self.application, self.log = session_id, application, log
        self.process: Process = world.engine
        self.name = name_of(*session_id.names)
        self.road = world.roads[self.name]
        self.session = FixSession(
            world.loop,
            session_id.names,
            self,
            self.process,
            world.wall_ns,
            initiator=True,
            heartbeat_s=int(values["HeartBtInt"]),
            persist=values["PersistMessages"] == "Y",
        )

    def begin(self) -> None:
        """Dial, and go on dialling."""
        if self.session.end is None and self.session.enabled:
            end = self.road.dial("gate", self.process)
            if end is not None:
                self.session.connected(end)
        else:
            self.session.tick()
        world.loop.after(SECOND, self.begin, owner=self.process)

    def on_logon(self) -> None:
        self.application.onLogon(self.session_id)

    def on_logout(self) -> None:
        self.application.onLogout(self.session_id)

    def to_admin(self, out: Out) -> None:
        self.application.toAdmin(Message(out=out), self.session_id)

    def to_app(self, out: Out) -> bool:
        try:
            self.application.toApp(Message(out=out), self.session_id)
        except DoNotSend:
            return False
        return True

    def from_admin(self, raw: str) -> None:
        if self.name == REFERENCE:
            world.priced(raw)
        self.application.fromAdmin(Message(raw), self.session_id)

    def from_app(self, raw: str) -> None:
        if self.name == REFERENCE:
            world.priced(raw)
            self.application.fromApp(Message(raw), self.session_id)
            return
        if self.name != DROP_COPY:
            world.delivered(raw)
        world.boundary("callback")
        self.application.fromApp(Message(raw), self.session_id)
        world.boundary("callback")

    def event(self, text: str) -> None:
        self.log.onEvent(text)

    def tap(self, outgoing: bool, raw: str) -> None:
        if not self.process.alive:
            raise Died
        if outgoing:
            world.boundary("send")
            self.log.onOutgoing(raw)
            world.leaves(self.session_id.names, raw)
        else:
            self.log.onIncoming(raw)

    def sent(self) -> None:
        world.boundary("sent")

    # quickfix's Session

    def getExpectedSenderNum(self) -> int:  # noqa: N802
        return self.session.next_out

    def getExpectedTargetNum(self) -> int:  # noqa: N802
        return self.session.next_in

    def setNextSenderMsgSeqNum(self, number: int) -> None:  # noqa: N802
        self.session.next_out = number

    def setNextTargetMsgSeqNum(self, number: int) -> None:  # noqa: N802
        self.session.next_in = number

    def logout(self, reason: str = "") -> None:
        self.session.logout(reason)

    def next(self, _: Any) -> None:
        self.session.tick()


class Session:
    """quickfix's class methods."""

    @staticmethod
    def lookupSession(session_id: SessionID) -> Side:  # noqa: N802
        return world.sides[session_id.toString()]  # type: ignore[no-any-return]

    @staticmethod
    def sendToTarget(message: Message, session_id: SessionID) -> bool:  # noqa: N802
        side: Side = world.sides[session_id.toString()]
        text = message.toString()
        kind = text[3 : text.index(SOH)]
        body = text[text.index(SOH) + 1 :]
        if body.endswith(f"10=000{SOH}"):
            body = body[: -len(f"10=000{SOH}")]
        return side.session.send(kind, body)


class SocketInitiator:
    def __init__(self, application: Any, store: Any, settings: SessionSettings, logs: Any) -> None:
        self._sides = []
        for text, values in settings.sessions.items():
            sender, target = text.split(":", 1)[1].split("->")
            session_id = SessionID("FIX.4.4", sender, target)
            side = Side(session_id, values, application, logs.create(session_id))
            world.sides[text] = side
            self._sides.append(side)
            application.onCreate(session_id)

    def begin(self) -> None:
        for side in self._sides:
            world.loop.after(0, side.begin, owner=side.process)


class Pump:
    """Nothing need be called for a session of this world to read, to write or to keep time."""

    def __init__(self, connector: SocketInitiator, *_: Any) -> None:
        self.changed = False
        self.start = connector.begin

    def poll(self) -> None:
        pass


def load() -> ModuleType:
    """Return `gateways.fix.engine`, loaded anew over this module instead of quickfix."""
    this, before = sys.modules[__name__], sys.modules.get("quickfix")
    sys.modules["quickfix"] = this
    try:
        spec = importlib.util.spec_from_file_location(NAME, ENGINE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        vars(module).update(Pump=Pump, sockets=frozenset)
    finally:
        if before is None:
            del sys.modules["quickfix"]
        else:
            sys.modules["quickfix"] = before
    return module


RuntimeError = type("RuntimeError", (Exception,), {})  # noqa: A001  (quickfix's)
FileStoreFactory = MemoryStoreFactory
SocketAcceptor = SocketInitiator
