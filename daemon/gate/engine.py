"""How the gate sets its FIX engine up: an order session, and one for its own reference prices."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from daemon.clock_source import late_ns
from daemon.config import GateSection, SessionSection
from daemon.gate import power
from daemon.gate.journal import INBOUND_NAME
from daemon.journal import Journal
from daemon.segments.layout import FIRST
from daemon.strict_toml import ConfigError
from gateways.fix.profile import Profile
from gateways.fix.reference import Reference, no_age
from gateways.fix.sessions import (
    ORDER,
    REFERENCE,
    VENUE_REFERENCE_COMP_ID,
    Inbox,
    Role,
    SessionSpec,
)
from market.types import Symbol

if TYPE_CHECKING:
    from gateways.fix.engine import Engine

log = structlog.get_logger()
RUN_LOG: Final = "fix-gate.log"  # every raw message with its time, beside the state directory


class NoEngine:
    """Before the engine stands nothing leaves."""

    def send(self, name: str, body: str) -> bool:  # noqa: ARG002  (a Sender)
        """Refuse."""
        return False


def build(
    specs: list[SessionSpec], state_dir: Path, inbox: Inbox, loop: asyncio.AbstractEventLoop
) -> "Engine":
    """Return the engine, not yet started. quickfix is imported here: no other command waits for it.

    Raises:
        ConfigError: the place of its numbers is taken by something else.

    """
    from gateways.fix.engine import Engine

    numbers = state_dir / "fix"
    if numbers.exists() and not numbers.is_dir():
        raise ConfigError(f"{numbers}: is no directory, the FIX numbers lie there; move it away")
    return Engine(Role.INITIATOR, specs, numbers, state_dir.parent / RUN_LOG, inbox, loop)


def session_specs(
    section: GateSection, profile: Profile, inbound: Journal, lost: bool, more: list[SessionSpec]
) -> list[SessionSpec]:
    """Return the sessions of the configuration; `lost`: the host was started anew (daemon.gate.power)."""
    fields = profile.logon_fields(cancel_on_disconnect=section.cancel_on_disconnect)
    numbers = section.state_dir / "fix" / f"{ORDER}.numbers"
    if inbound.end > FIRST and not numbers.exists():
        log.error(
            "numbers begin at 1", gone=str(numbers), how="right where the broker agreed to a reset alone"
        )
    specs = [
        SessionSpec(
            name=ORDER,
            version=profile.version,
            logon_fields=fields,
            append_inbound=inbound.append,
            theirs_at_most=power.next_wanted(section.state_dir / INBOUND_NAME) if lost else 0,
            **dial(section.order_session),
        )
    ]
    reference = section.reference_session
    if reference is not None:
        where = dial(reference)
        names = (reference.sender_comp_id, reference.target_comp_id)
        if names == (section.order_session.sender_comp_id, section.order_session.target_comp_id):
            where["target_comp_id"] = VENUE_REFERENCE_COMP_ID  # the engine tells sessions by CompIDs
        specs.append(SessionSpec(name=REFERENCE, persist=False, **where))
    return specs + more


def reference(
    engine: "Engine", symbols: tuple[Symbol, ...], theirs: Callable[[Symbol], str], lockstep: bool
) -> Reference:
    """Return the gate's own prices over the engine; in lockstep wall time says nothing of their age."""
    late = no_age if lockstep else late_ns
    return Reference(lambda body: engine.send(REFERENCE, body), symbols, theirs, late)


def dial(section: SessionSection) -> dict[str, Any]:
    """Return where a session is dialled and under which names."""
    names = ("host", "port", "sender_comp_id", "target_comp_id", "heartbeat_s", "reconnect_s")
    return {name: getattr(section, name) for name in names}
