"""Bounds of what people type, at both of their ends."""

import pytest

from daemon.gate.people import identity
from risk import commands as co
from risk.commands import CommandError
from risk.limits import Limits
from tests.daemon.gate_harness import LIMITS, World, limits


@pytest.mark.parametrize(
    ("urgency", "taken"), [(-1, False), (0, False), (1, True), (5, True), (6, False), (None, True)]
)
def test_urgency_is_one_to_five_or_not_said(urgency: int | None, taken: bool) -> None:
    w = World(limits())
    w.open()

    assert w.parent(urgency=urgency)["ok"] is taken


@pytest.mark.parametrize(("reason", "taken"), [("seven..", False), ("eight...", True), ("seven..  ", False)])
def test_a_reason_has_eight_letters_at_least(reason: str, taken: bool) -> None:
    w = World(limits())
    text = co.write(identity(w.core.state), "0" * 32, 10**9, co.RearmAsk(reason=reason))

    if taken:
        assert co.read(text).body == co.RearmAsk(reason=reason)
        return
    with pytest.raises(CommandError, match="at least 8"):
        co.read(text)


def test_every_number_of_the_limits_has_a_bound_a_unit_and_a_word() -> None:
    seen = 0
    for name, section in Limits.model_fields.items():
        for key, field in getattr(section.annotation, "model_fields", {}).items():
            if field.annotation is not int:
                continue
            seen += 1
            tops = [m.le for m in field.metadata if hasattr(m, "le")]
            assert tops, f"{name}.{key} has no bound"
            assert getattr(getattr(LIMITS, name), key) <= min(tops)
            assert field.description or field.metadata, f"{name}.{key} says nothing"
    assert seen > 50
