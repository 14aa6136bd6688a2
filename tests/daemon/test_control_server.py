"""Who may ask what over the control socket, as the kernel and not the client says who that is."""

import asyncio
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from daemon.control import request
from daemon.gate import control_server as cs
from daemon.gate.control_server import ControlServer
from daemon.gate.requests import LookCommand, SignedText
from daemon.people.keys import SignatureError
from market import events as ev
from market.people_events import SignedCommand, StopScope
from risk.commands import Role

SOMEBODY = 12_345  # the gate's own user, where the test is another

WAIT_S = 30.0  # for all requests of a test


class Gate:
    """What stands behind the socket: every event is answered at once."""

    def __init__(self, roles: dict[int, Role]) -> None:
        self.events: list[ev.Event] = []
        self.server = ControlServer(self.post, self.status, lambda _: "", self.look, self.signed, roles)

    def status(self, _: str) -> Generator[None, None, dict[str, Any]]:
        yield from ()
        return {"posture": "ACTIVE"}

    def post(self, event: Any) -> None:
        self.events.append(event)
        self.server.answer(event.request_id, {"ok": True})

    def look(self, asked: LookCommand) -> dict[str, Any]:
        return {"ok": True, "looked": asked.cmd, "parent": asked.parent_id}

    def signed(self, sent: SignedText, request_id: int) -> SignedCommand:
        if sent.signature != "good":
            raise SignatureError("the signature is not alice's")
        fields = {
            "key": sent.key,
            "person": "alice",
            "role": 2,
            "text": sent.text,
            "signature": sent.signature,
        }
        return SignedCommand(request_id=request_id, **fields)


def asked(
    tmp_path: Path, roles: dict[int, Role], *requests: dict[str, Any]
) -> tuple[Gate, list[dict[str, Any]]]:
    """Ask a gate that belongs to somebody else, each on a connection of its own."""

    async def run() -> tuple[Gate, list[dict[str, Any]]]:
        gate = Gate(roles)
        path = tmp_path / "control.sock"
        await gate.server.listen(path)
        async with asyncio.timeout(WAIT_S):
            answers = [await request(path, body) for body in requests]
        gate.server.close()
        await asyncio.sleep(0)  # what was hung up on is closed in the loop's next turn
        return gate, answers

    return uvloop.run(run())


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> int:
    """The gate runs as somebody else; the test's own user is a stranger to it."""
    me = os.getuid()
    monkeypatch.setattr(cs.os, "getuid", lambda: SOMEBODY)
    return me


LOOKS = ({"cmd": "ping"}, {"cmd": "status"}, {"cmd": "limits"}, {"cmd": "why", "parent_id": "P1"})
SIGNED = {"cmd": "signed", "key": "k", "text": "t", "signature": "good"}
ACTS = (
    {"cmd": "kill"},
    {"cmd": "halt", "scope": "S/SYN"},
    {"cmd": "pause", "parent_id": "P1"},
    {"cmd": "clock", "anchor": {"anchor_ts_ns": 1, "anchor_mono_ns": 1}},
)


def test_the_gates_own_user_may_look_and_operate(tmp_path: Path) -> None:
    gate, answers = asked(tmp_path, {}, *LOOKS, *ACTS, SIGNED)

    assert all(answer["ok"] for answer in answers)
    assert [type(e) for e in gate.events] == [ev.Kill, StopScope, ev.PauseParent, SignedCommand]


def test_a_user_without_a_role_is_not_heard(tmp_path: Path, stranger: int) -> None:
    gate, answers = asked(tmp_path, {}, {"cmd": "ping"}, SIGNED)

    assert [f"user {stranger} may not control this gate" in a["error"] for a in answers] == [True, True]
    assert gate.events == []


def test_who_may_look_does_nothing_else_but_hand_on_what_is_signed(tmp_path: Path, stranger: int) -> None:
    gate, answers = asked(tmp_path, {stranger: Role.VIEW}, *LOOKS, SIGNED, *ACTS)

    assert [a["ok"] for a in answers] == [True] * 5 + [False] * 4
    assert "may look" in answers[-1]["error"]
    assert [type(e) for e in gate.events] == [SignedCommand]


def test_who_may_operate_stops_and_cannot_rearm_without_a_key(tmp_path: Path, stranger: int) -> None:
    gate, answers = asked(
        tmp_path, {stranger: Role.OPERATE}, *ACTS, {"cmd": "rearm", "reason": "looked into it"}
    )

    assert [a["ok"] for a in answers] == [True] * 4 + [False]
    assert "unknown command 'rearm'" in answers[-1]["error"]
    assert len(gate.events) == 3


HALF = "arr\udcea"  # what a terminal of another encoding makes of a name


def test_half_a_pair_of_utf16_stops_nobody_and_no_kill(tmp_path: Path) -> None:
    """It ended the gate, whoever sent it: no journal and no answer can hold it."""
    gate, answers = asked(
        tmp_path,
        {},
        {"cmd": "kill", "reason": HALF},
        {"cmd": "pause", "parent_id": HALF},
        {"cmd": "why", "parent_id": HALF},
        {"cmd": "basket", "parents": f'["{HALF}"]'},
        {"cmd": HALF, HALF: 1},
    )

    assert [a["ok"] for a in answers] == [True, True, True, False, False]
    assert [getattr(e, "reason", "") or e.parent_id for e in gate.events] == ["arr?", "arr?"]


def test_the_socket_is_for_its_user_and_for_its_group_where_others_have_a_role(tmp_path: Path) -> None:
    async def mode(roles: dict[int, Role]) -> int:
        gate, path = Gate(roles), tmp_path / "control.sock"
        await gate.server.listen(path)
        found = path.stat().st_mode & 0o777
        gate.server.close()
        return found

    assert uvloop.run(mode({})) == 0o600
    assert uvloop.run(mode({SOMEBODY: Role.VIEW})) == 0o660


def test_bad_signatures_are_counted_and_end_the_connection(tmp_path: Path) -> None:
    async def run() -> list[dict[str, Any]]:
        gate, path = Gate({}), tmp_path / "control.sock"
        await gate.server.listen(path)
        reader, writer = await asyncio.open_unix_connection(str(path))
        line = json.dumps(SIGNED | {"signature": "bad"}).encode() + b"\n"
        writer.write(line * 20)
        answers = [json.loads(text) for text in (await reader.read()).splitlines()]
        writer.close()
        gate.server.close()
        assert gate.events == []
        return answers

    answers = uvloop.run(run())

    assert len(answers) == cs.BAD_SIGNATURES_MAX
    assert "not alice's" in answers[0]["error"]


def test_strangers_that_say_nothing_are_cut_off_beyond_a_few(tmp_path: Path, stranger: int) -> None:
    async def run() -> list[bytes]:
        gate, path = Gate({}), tmp_path / "control.sock"
        await gate.server.listen(path)
        lines = [await asyncio.open_unix_connection(str(path)) for _ in range(cs.REFUSED_MAX + 1)]
        cut = await lines[-1][0].read()
        first_reader, first_writer = lines[0]
        first_writer.write(b'{"cmd":"ping"}\n')
        said = await first_reader.readline()
        for _, writer in lines:
            writer.close()
        gate.server.close()
        await asyncio.sleep(0)
        return [cut, said]

    cut, said = uvloop.run(run())

    assert cut == b""
    assert b"may not control" in said


def test_silent_connections_keep_nobody_from_a_kill(tmp_path: Path) -> None:
    async def run() -> tuple[bytes, bytes, dict[str, Any]]:
        gate, path = Gate({}), tmp_path / "control.sock"
        await gate.server.listen(path)
        lines = [await asyncio.open_unix_connection(str(path)) for _ in range(cs.CLIENTS_MAX)]
        lines[0][1].write(b'{"cmd":"ping"}\n')
        spoke = await lines[0][0].readline()
        killed = await request(path, {"cmd": "kill"})
        longest_silent = await lines[1][0].read()
        for _, writer in lines:
            writer.close()
        gate.server.close()
        await asyncio.sleep(0)
        return spoke, longest_silent, killed

    spoke, longest_silent, killed = uvloop.run(run())

    assert b'"ok":true' in spoke
    assert killed["ok"]
    assert longest_silent == b"", "the one that has been silent for longest was closed"


def test_who_may_only_look_closes_no_connection_of_who_may_operate() -> None:
    server = Gate({}).server

    def client(role: Role) -> cs.Client:
        made = cs.Client(server)
        made.role = role
        return made

    operators = [client(Role.OPERATE) for _ in range(cs.CLIENTS_MAX - 1)]
    viewer = client(Role.VIEW)
    assert all(server.joined(c) for c in (*operators, viewer))
    assert server.joined(client(Role.VIEW)), "in the place of the other viewer"
    assert server.joined(client(Role.OPERATE)), "in the place of this one"
    assert not server.joined(client(Role.VIEW)), "there are operators alone"
    assert server.joined(client(Role.OPERATE))


@pytest.mark.parametrize(
    "body",
    [
        {"cmd": "kill", "scope": "X/1"},
        {"cmd": "kill", "scope": "S/" + "x" * 65},
        {"cmd": "halt", "scope": "SYN"},
        {"cmd": "signed", "text": "t"},
        {"cmd": "why", "what": "P1"},
    ],
)
def test_what_makes_no_sense_is_one_line_and_no_event(tmp_path: Path, body: dict[str, Any]) -> None:
    gate, (answer,) = asked(tmp_path, {}, body)

    assert not answer["ok"]
    assert "\n" not in answer["error"]
    assert gate.events == []
