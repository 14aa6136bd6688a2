"""What the control socket asks of the gate itself: looks, signatures, and files that a signature names.

Nothing here changes the core: a signed command becomes an event, and the core judges it.
"""

import pwd
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from daemon.config import GateSection
from daemon.gate import people as gate_people
from daemon.gate import why
from daemon.gate.requests import LookCommand, SignedText
from daemon.gate.shell import GateShell
from daemon.gate.telling import with_archived
from daemon.guard import proof
from daemon.people.keys import Keyring
from daemon.people.sod_files import DayFilesError, compared, prepared
from daemon.strict_toml import ConfigError
from market.people_events import SignedCommand
from risk import commands
from risk.commands import CommandError, Role
from risk.kill_switch import KillLatch


class ControlDesk:
    """The rim of what people may see and sign."""

    def __init__(
        self, shell: GateShell, section: GateSection, keyring: Keyring, latch: KillLatch, guarded: bool
    ) -> None:
        self._shell, self._section, self._keyring, self._latch = shell, section, keyring, latch
        self._guarded = guarded

    def status(self, orders: str) -> Generator[None, None, dict[str, Any]]:
        """Make the core's status and what the shell alone knows, as of the first step; a day's takes many.

        `orders`: which (StatusCommand).
        """
        shell = self._shell
        body = shell.core.status(shell.clock.stamp(), "held" if orders == "all" else orders)
        if orders == "live":
            body["orders"] = [o for o in body["orders"] if o["leaves_qty"]]
        body["latency_us"] = {name: found.summary_us() for name, found in shell.latency.items()}
        body["journal"] = {
            "path": str(shell.journal.path),
            "sequence": shell.inputs,
            "bytes": shell.journal.end,
            "durable_bytes": shell.journal.durable_offset,
        }
        if orders == "all":
            yield from with_archived(shell.core.state, body)
        return body

    def look(self, asked: LookCommand) -> dict[str, Any]:
        """Answer ping, limits, why."""
        g, stamp = self._shell.core.state, self._shell.clock.stamp()
        if asked.cmd == "limits":
            law = g.risk.limits
            return {"ok": True, "limits": law.model_dump(mode="json"), "sha256": law.digest()}
        if asked.cmd == "why":
            return why.answer(g, stamp, asked.parent_id, asked.symbol)
        return {"ok": True, "gate": gate_people.identity(g), "mono_ns": stamp.mono_ns, "ts_ns": stamp.ts_ns}

    def signed(self, sent: SignedText, request_id: int) -> SignedCommand:
        """Return the event of a signed command.

        Raises:
            SignatureError: it is not whom it says it is.
            CommandError: no command, its files are not what was signed, or no guard has proven itself today.

        """
        signer = self._keyring.verify(sent.key, sent.text, sent.signature)
        body = commands.read(sent.text).body
        event: dict[str, Any] = {}
        if isinstance(body, commands.RearmConfirm) and self._latch.touched():
            raise CommandError(f"remove {self._section.kill_file} first: while it exists, trading is killed")
        if isinstance(body, commands.DayBegin) and self._guarded:
            unproven = proof.fault(self._section.state_dir, time.time_ns())
            if unproven:
                raise CommandError(unproven)
        try:
            if isinstance(body, commands.DayBegin):
                event["day"], event["listed"] = prepared(self._folder(), body.day, body.manifest)
            elif isinstance(body, commands.DayEnd) and body.positions:
                event["compared"] = compared(self._folder(), body.day, body.positions)
        except DayFilesError as error:
            raise CommandError(str(error)) from None
        return SignedCommand(
            request_id=request_id,
            key=signer.key,
            person=signer.person,
            role=int(signer.role),
            text=sent.text,
            signature=sent.signature,
            **event,
        )

    def _folder(self) -> Path:
        folder = self._section.day_dir
        if folder is None:
            raise CommandError("gate.day_dir is not configured: there is no place for a day's files")
        return folder


def roles_of(section: GateSection) -> dict[int, Role]:
    """Return what other users of this host may do, by uid.

    Raises:
        ConfigError: no such user.

    """
    found = {}
    for name, role in section.roles.items():
        try:
            found[pwd.getpwnam(name).pw_uid] = Role[role.upper()]
        except KeyError:
            raise ConfigError(f"gate.roles: there is no user {name!r} on this host") from None
    return found
