"""The gate's rim to OMS sessions: from the configuration to a listening port, from requests to events.

The core judges and remembers; the session layer numbers and sends; this joins the two, and reads passwords.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from daemon.config import Config, OmsClientSection, OmsSection
from daemon.gate.line_faults import faults, password
from daemon.gate.oms_state import REPORTS_MAX
from daemon.gate.power import boot_id
from daemon.gate.shell import GateShell
from daemon.strict_toml import ConfigError
from gateways.fix.oms_intake import Rights, read
from gateways.fix.oms_reports import body
from gateways.fix.oms_server import OmsServer
from gateways.fix.oms_session import OmsSession, Terms
from gateways.fix.oms_store import OmsStore
from gateways.fix.tap import Tap
from market.events import Event
from market.oms_events import OmsSession as SessionEvent

FOLDER: Final = "oms"  # in the state directory: numbers of each session
RUN_LOG: Final = "fix-oms.log"  # every raw message with its time, passwords left out
DISK_POLL_S: Final = 0.002  # a group commit takes 0.2-4 ms
log = structlog.get_logger()


class OmsDesk:
    """Every OMS of this gate; does nothing where none is configured."""

    def __init__(self, config: Config, shell: GateShell, post: Callable[[Event], None]) -> None:
        self._core, self._post, self._journal = shell.core, post, shell.journal
        shell.tell_oms = self.tell
        self._unread = shell.metrics.oms_unread.set
        self._config = config
        self._section = config.gate.oms if config.gate is not None else None
        self._currencies = {symbol: i.currency for symbol, i in config.instruments.items()}
        self._rights: dict[str, Rights] = {}
        self._stores: list[OmsStore] = []
        self._server: OmsServer | None = None
        self._state_dir = config.gate.state_dir if config.gate is not None else Path()
        self._waits_for_disk = config.gate is not None and config.gate.durability == "disk"
        self._unsafe: deque[tuple[int, str, int]] = deque()  # end in the journal, client, reports up to there
        self._safe: dict[str, int] = {}
        self._polling = False
        self.port = 0

    @property
    def endpoints(self) -> dict[str, str]:
        """Return where it listens, {} where no OMS is configured."""
        return {"oms": str(self.port)} if self.port else {}

    async def listen(self) -> None:
        """Begin to listen; ConfigError, EngineError: one line."""
        wrong = [f"{key}: {text}" for key, text in faults(self._config)]
        if wrong:
            raise ConfigError("; ".join(wrong))
        section = self._section
        if section is None:
            return
        sessions = {c.comp_id: self._session(section, c) for c in section.client}
        tap = Tap(self._state_dir.parent / RUN_LOG)
        self._server = OmsServer(section.comp_id, sessions, tap, unread=self._unread)
        self.port = await self._server.listen(section.host, section.port)
        log.info("oms port", host=section.host, port=self.port, clients=sorted(sessions))

    def close(self) -> None:
        """Log every OMS out; nothing more is taken from any."""
        if self._server is not None:
            self._server.close()
        for store in self._stores:
            store.close()

    def tell(self, client: str) -> None:
        """Send what is new in an outbox; with durability = "disk" when what it says is on the disk."""
        if self._waits_for_disk:
            self._unsafe.append((self._journal.end, client, self._made(client)))
            self._journal.hurry()
            if not self._polling:
                self._poll()
        else:
            self._flush(client)

    def _poll(self) -> None:
        """Look whether the disk has come as far as the reports that wait."""
        self._polling = False
        while self._unsafe and self._unsafe[0][0] <= self._journal.durable_offset:
            _, client, count = self._unsafe.popleft()
            self._safe[client] = max(count, self._safe.get(client, 0))
            self._flush(client)
        if self._unsafe:
            self._polling = True
            asyncio.get_running_loop().call_later(DISK_POLL_S, self._poll)

    def _flush(self, client: str) -> None:
        session = self._server.sessions.get(client) if self._server is not None else None
        if session is not None:
            session.flush()

    def _session(self, section: OmsSection, client: OmsClientSection) -> OmsSession:
        self._rights[client.comp_id] = Rights(
            accounts=client.accounts,
            symbols=client.symbols,
            currencies=self._currencies,
            ignored=frozenset(map(str, client.ignore_tags)),
        )
        terms = Terms(
            client=client.comp_id,
            ours=section.comp_id,
            username=client.username,
            password=password(client.password_file),
            reset_on_logon=client.reset_on_logon,
        )
        store = OmsStore(self._state_dir / FOLDER, client.comp_id, boot_id())
        self._stores.append(store)
        self._safe[client.comp_id] = self._made(client.comp_id)  # replayed from the disk
        if store.places > self._made(client.comp_id):
            if store.cut:
                lost = store.places - self._made(client.comp_id)
                log.error("oms: told, and lost in a power cut", client=client.comp_id, reports=lost)
                store.forget(self._made(client.comp_id))
                return OmsSession(terms, store, self, time.time_ns)
            raise ConfigError(
                f"{self._state_dir / FOLDER}: {store.places} reports were numbered, the journal makes "
                f"{self._made(client.comp_id)}: the two are not of one state"
            )
        return OmsSession(terms, store, self, time.time_ns)

    # --- what the session layer asks ----------------------------------------------------------------

    def take(self, client: str, raw: str) -> None:
        """Take a request: journaled and stepped when this returns."""
        self._post(read(raw, client, self._rights[client]))

    def session(self, client: str, up: bool, restate: bool, reason: str) -> None:
        """Hear that a session came or went."""
        self._post(SessionEvent(client=client, up=up, restate=restate, reason=reason))

    def reports(self, client: str) -> int:
        """Return how many reports there are that may leave."""
        return self._safe.get(client, 0) if self._waits_for_disk else self._made(client)

    def _made(self, client: str) -> int:
        known = self._core.state.oms.clients.get(client)
        return len(known.reports) if known is not None else 0

    def report(self, client: str, place: int) -> str:
        """Return the body of a report."""
        return body(self._core.state.oms.clients[client].reports[place])

    def full(self, client: str) -> str:
        """Return why no more requests are taken; executions are told all the same."""
        if self._made(client) < REPORTS_MAX:
            return ""
        return f"{REPORTS_MAX} reports in one journal; the desk begins a new day in a new state_dir"
