"""The gate's rim to the drop copy: its session, its own log of what came, and what a crash left unstepped."""

from collections.abc import Callable
from typing import Any, Final

from daemon.config import Config
from daemon.gate import power
from daemon.gate.core import GateCore
from daemon.gate.engine import dial
from daemon.journal import RESERVE_BYTES, Journal
from daemon.segments.layout import FIRST
from daemon.segments.reading import read
from daemon.strict_toml import ConfigError
from gateways.fix import drop_copy
from gateways.fix.sessions import (
    DROP_COPY,
    VENUE_DROP_COPY_COMP_ID,
    LoggedOn,
    LoggedOut,
    Message,
    Missing,
    Received,
    SessionSpec,
)
from market.copy_events import DropCopyLine
from market.events import Event

LOG_NAME: Final = "dropcopy.journal"


class DropCopyDesk:
    """One drop copy session, or none."""

    def __init__(
        self,
        config: Config,
        core: GateCore,
        ours: dict[str, str],
        post: Callable[[Event], None],
        on_failure: Any,
    ) -> None:
        """`ours`: our symbols by the broker's. ConfigError: it cannot be had in lockstep."""
        assert config.gate is not None, "a gate has its section"
        self._section, self._core, self._ours, self._post = config.gate, core, ours, post
        self._log: Journal | None = None
        self._missing = 0  # the engine knows before the session is up
        if config.gate.drop_copy is None:
            return
        if config.clock.lockstep_socket is not None:
            raise ConfigError("gate.drop_copy: in lockstep time is not the wire's; remove one of the two")
        state_dir = config.gate.state_dir
        self._log = Journal.open(
            state_dir, LOG_NAME, lock=False, on_failure=on_failure, reserve_bytes=RESERVE_BYTES
        )

    @property
    def configured(self) -> bool:
        """Return whether there is one."""
        return self._log is not None

    @property
    def journals(self) -> tuple[Journal, ...]:
        """Return what must be closed at the end."""
        return (self._log,) if self._log is not None else ()

    def recover(self) -> int:
        """Step what came and was not stepped before the crash; return how much."""
        if self._log is None:
            return 0
        path, stepped = self._section.state_dir / LOG_NAME, 0
        done = power.aligned(path, self._core.state.drop_copy.offset)  # a power cut may have taken its end
        for offset, payload in read(path, max(done, FIRST)):
            if offset <= done:
                continue
            event = drop_copy.read(payload.decode("utf-8", "surrogateescape"), offset, self._ours)
            if event is not None:
                self._post(event)
                stepped += 1
        return stepped

    def specs(self, lost: bool) -> list[SessionSpec]:
        """Return the session for the engine; `lost`: what its log lacks is asked for again."""
        section = self._section.drop_copy
        if section is None or self._log is None:
            return []
        where = dial(section)
        if where["target_comp_id"] == self._section.order_session.target_comp_id:
            where["target_comp_id"] = VENUE_DROP_COPY_COMP_ID  # the engine tells sessions by CompIDs
        where["theirs_at_most"] = power.next_wanted(self._section.state_dir / LOG_NAME) if lost else 0
        return [SessionSpec(name=DROP_COPY, append_inbound=self._log.append, **where)]

    def take(self, message: Message) -> None:
        """Take what the engine says of this session."""
        if isinstance(message, Received):
            event = drop_copy.read(message.raw, message.offset, self._ours)
            if event is not None:
                self._post(event)
        elif isinstance(message, LoggedOn):
            self._post(DropCopyLine(up=True, missing=self._missing))
        elif isinstance(message, Missing):
            self._missing = message.begin
            if self._core.state.drop_copy.up:
                self._post(DropCopyLine(up=True, missing=self._missing))
        elif isinstance(message, LoggedOut):
            known, self._missing = self._core.state.drop_copy, 0
            reason = message.reason or "nobody answers"
            if known.up or reason != known.reason:
                self._post(DropCopyLine(up=False, reason=reason))
