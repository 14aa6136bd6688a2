"""The core hears of every message of a step that did not leave, however many there were."""

from pathlib import Path
from typing import Any

from gateways.fix.order_entry import SendResult
from market import events as ev
from tests.daemon.test_held import Disked

MANY = 5_000  # a desk may have as many open orders, and a kill cancels each


def test_of_thousands_that_did_not_leave_none_is_forgotten(tmp_path: Path) -> None:
    w = Disked(tmp_path)
    w.open()
    heard: list[str] = []
    real = w.shell.core.step

    def step(stamp: ev.Stamp, event: ev.Event, more: bool = False) -> Any:
        heard.extend([event.ref_id] if isinstance(event, ev.SendFailed) else [])
        return real(stamp, event, more)

    w.shell.core.step = step  # type: ignore[method-assign]
    names = [f"C-{n}" for n in range(MANY)]
    for name in names:
        w.shell._heed("F", name, SendResult(False, "the line is down"))

    w.shell.post(ev.Timer())
    w.journal.close()

    assert heard == names
