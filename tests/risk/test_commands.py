"""Signed commands: what is read, who may, once and in time, and the second person."""

import msgspec
import pytest

from risk import commands as co
from risk.commands import Asked, Command, CommandError, People, Role, Signer, admit, read, second, write

S = 1_000_000_000
GATE = "ACCT/live/7"
A = Signer("a" * 16, "alice", Role.RISK)
B = Signer("b" * 16, "bob", Role.RISK)
NONCE = "0" * 32


def command(body: object = None, gate: str = GATE, nonce: str = NONCE, expires: int = 60 * S) -> Command:
    return read(write(gate, nonce, expires, body or co.RearmAsk(reason="looked into it")))  # type: ignore[arg-type]


def test_what_is_written_is_what_is_read() -> None:
    for body in (co.KillOrder(scope="S/GOOG", reason="x"), co.LimitsConfirm(digest="d"), co.LeaseRenew()):
        assert command(body).body == body


def test_a_command_is_admitted_once() -> None:
    people = People()

    assert admit(people, command(), Role.RISK, GATE, 0) == ""
    assert "before" in admit(people, command(), Role.RISK, GATE, 1)
    assert admit(people, command(nonce="1" * 32), Role.RISK, GATE, 1) == ""


def test_a_used_nonce_survives_being_stored() -> None:
    people = People()
    admit(people, command(), Role.RISK, GATE, 0)

    again = msgspec.json.decode(msgspec.json.encode(people), type=People)

    assert "before" in admit(again, command(), Role.RISK, GATE, 1)


@pytest.mark.parametrize(
    ("mono_ns", "passes"),
    [(0, True), (60 * S - 1, True), (60 * S, False), (61 * S, False), (-300 * S, False), (-240 * S, True)],
)
def test_a_command_holds_until_it_expires_and_not_for_long(mono_ns: int, passes: bool) -> None:
    assert (admit(People(), command(), Role.RISK, GATE, mono_ns) == "") is passes


def test_nonces_are_forgotten_when_they_could_not_be_used_again() -> None:
    people = People()
    for n in range(co.NONCES_MAX):
        assert admit(people, command(nonce=f"{n:032x}"), Role.RISK, GATE, 0) == ""

    assert "wait" in admit(people, command(nonce="f" * 32), Role.RISK, GATE, 1)
    late = command(nonce="f" * 32, expires=120 * S)
    assert admit(people, late, Role.RISK, GATE, 60 * S) == ""
    assert list(people.nonces) == ["f" * 32]


@pytest.mark.parametrize("gate", ["ACCT/live/8", "ACCT/paper/7", "OTHER/live/7", ""])
def test_a_command_for_another_gate_or_another_start_of_it_is_refused(gate: str) -> None:
    assert "gate" in admit(People(), command(gate=gate), Role.ADMIN, GATE, 0)


@pytest.mark.parametrize("nonce", ["", "0" * 31, "0" * 33, "-" * 32])
def test_a_nonce_has_its_form(nonce: str) -> None:
    assert "nonce" in admit(People(), command(nonce=nonce), Role.ADMIN, GATE, 0)


@pytest.mark.parametrize("body", sorted(co.LEAST, key=lambda b: b.__name__))
@pytest.mark.parametrize("role", list(Role))
def test_each_command_needs_its_role(body: type[co.Body], role: Role) -> None:
    required = {
        "reason": "looked into it",
        "digest": "d",
        "limits": "{}",
        "day": "2024-01-02",
        "manifest": "m",
        "parent_id": "P1",
        "control": "R07",
        "qty_max": 1,
    }
    made = body(**{k: v for k, v in required.items() if k in body.__struct_fields__})

    fault = admit(People(), command(made), role, GATE, 0)

    assert (fault == "") is (role >= co.LEAST[body])


def test_a_refused_role_has_used_its_nonce() -> None:
    people = People()

    assert "role" in admit(people, command(), Role.VIEW, GATE, 0)
    assert "before" in admit(people, command(), Role.RISK, GATE, 0)


def test_every_command_has_a_least_role() -> None:
    assert set(co.LEAST) == set(co.Order.__args__)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 10_000,
        '{"gate":"g","nonce":"n","expires_mono_ns":1,"body":{"cmd":"nothing"}}',
        '{"gate":"g","nonce":"n","expires_mono_ns":1.5,"body":{"cmd":"lease_renew"}}',
        '{"gate":"g","nonce":"n","expires_mono_ns":true,"body":{"cmd":"lease_renew"}}',
        '{"gate":"g","nonce":"n","expires_mono_ns":1,"body":{"cmd":"lease_renew","more":1}}',
        '{"gate":"g","nonce":"n","expires_mono_ns":1,"body":{"cmd":"lease_renew"},"more":1}',
        '{"gate":"g","nonce":"n","expires_mono_ns":1,"body":{"cmd":"kill","scope":"X/1"}}',
        '{"gate":"g","nonce":"n","expires_mono_ns":1,"body":{"cmd":"kill","scope":"S/"}}',
        '{"gate":"g","nonce":"n","expires_mono_ns":1,"body":{"cmd":"rearm_ask","reason":" ok     "}}',
        '"' + "x" * co.TEXT_BYTES_MAX + '"',
        "\ud800",
    ],
)
def test_what_is_no_command_is_one_line(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)

    assert "\n" not in str(caught.value)


def asked(mono_ns: int = 0) -> Asked:
    return Asked(digest="d", by=A, mono_ns=mono_ns, reason="looked into it", subject="")


@pytest.mark.parametrize(
    ("by", "digest", "mono_ns", "fault"),
    [
        (B, "d", 10 * S, ""),
        (B, "d", 300 * S, ""),
        (B, "d", 10 * S - 1, "read it first"),
        (B, "d", 300 * S + 1, "ask again"),
        (B, "e", 60 * S, "another digest"),
        (B, "", 60 * S, "another digest"),
        (A, "d", 60 * S, "another person"),
        (Signer("c" * 16, "alice", Role.ADMIN), "d", 60 * S, "another person"),  # two keys, one person
        (Signer("a" * 16, "bob", Role.ADMIN), "d", 60 * S, "another person"),  # two persons, one key
    ],
)
def test_a_second_person_confirms_what_was_read_in_time(
    by: Signer, digest: str, mono_ns: int, fault: str
) -> None:
    found = second(asked(), by, digest, mono_ns)

    assert fault in found
    assert bool(found) == bool(fault)


def test_nothing_is_confirmed_that_was_not_asked() -> None:
    assert "nothing waits" in second(None, B, "d", 0)
