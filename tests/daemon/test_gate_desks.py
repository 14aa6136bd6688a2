"""The gate's rims: what people may see and sign over its control socket, and its drop copy session."""

import os
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daemon.config import GateSection
from daemon.gate.control import ControlDesk, roles_of
from daemon.gate.control_server import stepped
from daemon.gate.drop_copy_desk import DropCopyDesk
from daemon.gate.requests import LookCommand, SignedText
from daemon.latency import Latency
from daemon.people import keys
from daemon.people.keys import load_keyring, load_private
from daemon.strict_toml import ConfigError
from gateways.fix.sessions import DROP_COPY, LoggedOn, LoggedOut, Received
from market import events as ev
from market.copy_events import DropCopied, DropCopyLine
from risk import commands as co
from risk.commands import CommandError, Role
from risk.kill_switch import KillLatch
from tests.daemon.gate_harness import BID, World
from tests.daemon.test_gate_disk import section
from tests.daemon.test_line_faults import BASE, read

DAY = "2024-01-02"


class Rim:
    """A desk over a world."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.world = World()
        self.world.open()
        self.world.parent()
        self.core, self.clock, self.inputs = self.world.core, self, 17
        self.latency = {"engine": Latency()}
        self.latency["engine"].observe(5_000)
        self.journal = SimpleNamespace(path=folder / "gate.journal", end=300, durable_offset=200)
        ring = load_keyring(keys.make_paper_keys(folder), "paper")
        self.first = load_private(folder / "first.pem")
        self.section = section(folder, **more)
        latch = KillLatch(folder / "KILLED", folder / "KILL")
        self.desk = ControlDesk(cast("Any", self), self.section, ring, latch, guarded=False)

    def stamp(self) -> ev.Stamp:
        return ev.Stamp(self.world.ts, self.world.now)

    def signed(self, body: Any, key: Any = None) -> Any:
        key = key or self.first
        text = co.write("PAPER/paper/1", "0" * 32, self.world.now + 60 * 10**9, body)
        sent = SignedText(cmd="signed", key=key.key_id, text=text, signature=key.sign(text))
        return self.desk.signed(sent, 5)


def status(rim: Rim, orders: str) -> dict[str, Any]:
    """Return a status, all of its pieces put together."""
    steps = rim.desk.status(orders)
    while True:
        whole = stepped(steps)
        if whole is not None:
            return whole


def test_status_tells_what_the_shell_alone_knows(tmp_path: Path) -> None:
    rim = Rim(tmp_path)

    told = status(rim, "all")

    assert told["journal"] == {
        "path": str(tmp_path / "gate.journal"),
        "sequence": 17,
        "bytes": 300,
        "durable_bytes": 200,
    }
    assert told["latency_us"] == {"engine": rim.latency["engine"].summary_us()}
    assert told["posture"] == "ACTIVE"


def test_live_orders_are_those_with_something_left(tmp_path: Path) -> None:
    rim = Rim(tmp_path)
    w = rim.world
    works, filled = w.working(100, BID), w.working(50, BID)
    w.fill(filled, 50, BID)

    assert [o["chain_id"] for o in status(rim, "live")["orders"]] == [works]
    assert [o["chain_id"] for o in status(rim, "held")["orders"]] == [works, filled]
    assert [o["chain_id"] for o in status(rim, filled)["orders"]] == [filled]
    assert status(rim, "SH-NONE")["orders"] == []


def test_a_look_shows_limits_reasons_or_who_is_there(tmp_path: Path) -> None:
    rim = Rim(tmp_path)

    limits = rim.desk.look(LookCommand(cmd="limits"))
    assert limits["ok"]
    assert limits["sha256"] == rim.core.state.risk.limits.digest()
    assert limits["limits"]["order"]["qty_max"] == rim.core.state.risk.limits.order.qty_max
    ping = rim.desk.look(LookCommand(cmd="ping"))
    assert ping == {"ok": True, "gate": "PAPER/paper/1", "mono_ns": rim.world.now, "ts_ns": rim.world.ts}
    rim.world.step(ev.Kill(source="cli"))
    why = rim.desk.look(LookCommand(cmd="why", symbol="SYN"))
    assert "R70" in str(why)


def test_a_signed_command_names_its_signer_and_a_stranger_has_none(tmp_path: Path) -> None:
    rim = Rim(tmp_path)

    event = rim.signed(co.RearmAsk(reason="looked into it"))

    assert event.request_id == 5
    assert event.key == rim.first.key_id
    assert event.role == int(max(Role))
    assert event.person
    assert event.day is None
    assert event.compared is None
    with pytest.raises(keys.SignatureError):
        rim.signed(
            co.RearmAsk(reason="looked into it"), keys.make_private(tmp_path / "strange.pem", paper=True)
        )


def test_nobody_rearms_while_the_kill_file_lies_there(tmp_path: Path) -> None:
    rim = Rim(tmp_path)
    confirm = co.RearmConfirm(digest="0" * 64)
    assert rim.signed(confirm).person
    (tmp_path / "KILL").touch()

    with pytest.raises(CommandError, match=r"remove .*KILL first"):
        rim.signed(confirm)
    assert rim.signed(co.RearmAsk(reason="looked into it")).person  # to ask is no rearm


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (co.DayBegin(day=DAY, manifest="0" * 64), True),
        (co.DayEnd(day=DAY, positions="0" * 64), True),
        (co.DayEnd(day=DAY, positions=""), False),
    ],
)
def test_a_days_files_need_a_place(body: Any, needed: bool, tmp_path: Path) -> None:
    rim = Rim(tmp_path)
    if not needed:
        assert rim.signed(body).compared is None
        return

    with pytest.raises(CommandError, match=r"gate\.day_dir is not configured"):
        rim.signed(body)


def test_files_that_are_not_what_was_signed_are_one_line(tmp_path: Path) -> None:
    rim = Rim(tmp_path, day_dir=tmp_path)

    with pytest.raises(CommandError, match="positions"):
        rim.signed(co.DayEnd(day=DAY, positions="0" * 64))


def test_a_role_belongs_to_a_user_of_this_host() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name

    def given(**roles: str) -> GateSection:
        return GateSection.model_construct(roles=roles)

    assert roles_of(given()) == {}
    assert roles_of(given(**{me: "operate"})) == {os.getuid(): Role.OPERATE}
    with pytest.raises(ConfigError, match="there is no user 'nobody-of-this-name'"):
        roles_of(given(**{me: "view", "nobody-of-this-name": "view"}))


# --- drop copy ------------------------------------------------------------------------------------

RAW = "8=FIX.4.4|9=0|35=8|34=2|37=O1|17=E-A|150=F|39=1|55=XYZ|54=1|32=40|31=100.00|151=0|14=0|6=0|10=000|"
COPY = ("[gate.oms]", "[gate.drop_copy]\nport = 1\n[gate.oms]")


def copying(folder: Path, *changes: tuple[str, str]) -> tuple[DropCopyDesk, World, list[Any]]:
    text = BASE
    for change in changes:
        text = text.replace(*change)
    posted: list[Any] = []
    w = World(drop_copy=True)

    def post(event: Any) -> None:
        posted.append(event)
        w.step(event)

    return DropCopyDesk(read(folder, text), w.core, {"XYZ": "SYN"}, post, None), w, posted


def test_a_gate_without_a_drop_copy_has_no_session_no_log_and_nothing_to_recover(tmp_path: Path) -> None:
    desk, _, _ = copying(tmp_path)

    assert not desk.configured
    assert desk.journals == ()
    assert desk.specs(lost=False) == []
    assert desk.recover() == 0


def test_a_drop_copy_in_lockstep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gate\.drop_copy: in lockstep"):
        copying(tmp_path, COPY, ("[gate]", "[clock]\nlockstep_socket = 'x'\n[gate]"))


def test_what_the_session_says_becomes_events_each_news_once(tmp_path: Path) -> None:
    desk, w, posted = copying(tmp_path, COPY)
    assert desk.configured

    for message in (
        LoggedOut(reason=""),
        LoggedOut(reason=""),  # the dial fails again: no news
        LoggedOut(reason="refused"),
        LoggedOn(fields={}),
        Received(raw=RAW.replace("|", "\x01"), offset=900, mono_ns=1, n=1),
        Received(raw=RAW.replace("35=8", "35=0").replace("|", "\x01"), offset=950, mono_ns=1, n=2),
        LoggedOut(reason="refused"),
        LoggedOut(reason="refused"),
    ):
        desk.take(message)

    lines = [event for event in posted if isinstance(event, DropCopyLine)]
    assert lines == [
        DropCopyLine(up=False, reason="nobody answers"),
        DropCopyLine(up=False, reason="refused"),
        DropCopyLine(up=True),
        DropCopyLine(up=False, reason="refused"),
    ]
    (copied,) = [event for event in posted if isinstance(event, DropCopied)]
    assert (copied.exec_id, copied.symbol, copied.offset) == ("E-A", "SYN", 900)
    assert not w.core.state.drop_copy.up
    desk.journals[0].close()


@pytest.mark.parametrize(("target", "named"), [("VENUE", "VENUE-DC"), ("BROKER", "BROKER")])
def test_the_session_of_the_drop_copy_is_never_named_as_the_order_session(
    target: str, named: str, tmp_path: Path
) -> None:
    desk, _, _ = copying(
        tmp_path, COPY, ("[gate.drop_copy]", f'[gate.drop_copy]\ntarget_comp_id = "{target}"')
    )

    (spec,) = desk.specs(lost=False)

    assert (spec.name, spec.target_comp_id) == (DROP_COPY, named)
    assert spec.append_inbound is not None
    assert spec.append_inbound(b"raw") > 0
    desk.journals[0].close()


def test_after_a_power_cut_the_drop_copy_is_asked_for_what_its_log_lacks(tmp_path: Path) -> None:
    desk, _, _ = copying(tmp_path, COPY)
    (spec,) = desk.specs(lost=True)
    assert spec.theirs_at_most == 0, "nothing was ever received"
    assert spec.append_inbound is not None
    spec.append_inbound(RAW.replace("34=2|", "34=7|").replace("|", "\x01").encode())

    assert [spec.theirs_at_most for lost in (False, True) for spec in desk.specs(lost)] == [0, 8]
    desk.journals[0].close()
