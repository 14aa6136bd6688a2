"""Limits, postures, roles: what runs is what people have agreed, and what journals keep."""

from pathlib import Path

from risk.commands import LEAST, Role
from risk.limits import explain
from risk.posture import CAUSES, LIFE, Posture

EXPLAINED = Path(__file__).with_name("limits_explained.txt")


def test_a_limits_range_unit_and_ceiling_are_as_people_have_agreed() -> None:
    """A release alone changes the firm's ceiling, and so this file."""
    rows = [f"{d.key} {d.control} {d.unit} {d.low} {d.high} {d.tightens} {d.ceiling}" for d in explain()]

    assert rows == EXPLAINED.read_text().splitlines()
    assert all(d.doc and d.why for d in explain())


def test_postures_are_numbers_that_journals_and_gauges_keep() -> None:
    assert {p.name: p.value for p in Posture} == {"ACTIVE": 0, "REDUCE_ONLY": 1, "HALTED": 2, "KILLED": 3}


def test_what_kills_what_latches_and_what_returns_by_itself() -> None:
    kills = {name for name, row in CAUSES.items() if row.posture is Posture.KILLED}
    reduces = {name for name, row in CAUSES.items() if row.posture is Posture.REDUCE_ONLY}
    passing = {name for name, row in CAUSES.items() if not row.latched and not row.returns}

    assert kills == {"R14", "R30", "R68", "R70", "R71"}
    assert reduces == {
        "R11", "R19", "R21", "R22", "R25", "R30S", "R30I", "R52", "R62L", "R63S", "R64", "R66S", "R67S",
        "R71S", "R72", "R76",
    }  # fmt: skip
    assert {name for name, row in CAUSES.items() if row.returns} == {"R06", "R41", "R60", "R61"}
    assert passing == (reduces - {"R25"}) | {"R40", "R42", "R67", "STOPPING"}
    assert not any(row.latched and row.returns for row in CAUSES.values())
    assert all(row.clears for name, row in CAUSES.items() if not row.latched and name != "R11")
    assert len(LIFE) == 12


def test_a_role_may_do_what_those_below_it_may() -> None:
    assert [role.value for role in Role] == [0, 1, 2, 3]
    assert list(Role) == [Role.VIEW, Role.OPERATE, Role.RISK, Role.ADMIN]
    assert set(LEAST.values()) == {Role.OPERATE, Role.RISK}
