"""The drop copy over the wire: told by both lines, by one, across kill -9."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from market import updates as up
from tests.daemon.gate_process import BID, GateProcess
from tests.gateways.fix.raw_peer import RawAcceptor, RawPeer

pytestmark = pytest.mark.slow

COPY = """
[gate.drop_copy]
port = {port}
"""


class Copied:
    """A gate with a drop copy line, played by hand."""

    def __init__(self, folder: Path) -> None:
        self.gate = GateProcess(folder)
        self.copies = RawAcceptor("VENUE-DC")
        self.gate.config.write_text(self.gate.config.read_text() + COPY.format(port=self.copies.port))
        self.line: RawPeer
        self.seq = 1

    def log_on(self) -> None:
        self.line, _ = self.copies.log_on(seq=self.seq)

    def tell(self, order_id: str, exec_id: str, qty: int, price: str = "100.00") -> None:
        """Tell an execution on the drop copy line."""
        fields = ((37, order_id), (17, exec_id), (150, "F"), (39, "1"), (55, "SYN"), (54, "1"))
        self.line.send("8", *fields, (32, str(qty)), (31, price), (151, "0"), (14, "0"), (6, "0"))

    def close(self) -> None:
        self.gate.close()
        self.copies.close()


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Copied]:
    found = Copied(tmp_path)
    yield found
    found.close()


def test_both_lines_agree_across_kill_9_and_a_missing_one_halts(copied: Copied) -> None:
    gate = copied.gate
    trader = gate.trade()
    copied.log_on()
    gate.until("both lines", lambda s: s["drop_copy"]["up"])
    trader.submit(100, BID)
    name = gate.ems.expect("D").get(11).decode()
    gate.report(name, "0", "0", exec_id="N1", cum=0, leaves=100, more=((38, "100"),))
    gate.report(name, "F", "1", exec_id="E1", cum=40, leaves=60, more=((32, "40"), (31, "100.00")))
    copied.tell(f"O-{name}", "E1", 40)
    gate.until("matched", lambda s: s["drop_copy"]["matched"] == 1)
    copied.tell(f"O-{name}", "E2", 10)  # the order session will tell it after the crash
    gate.until("one waits", lambda s: s["drop_copy"]["waiting"] == ["E2"])

    copied.seq = copied.line.seq
    copied.line.close()
    gate.kill9()
    gate.start()
    gate.log_on()
    gate.answer_mass_status()
    gate.price()
    copied.log_on()
    asked = gate.ems.expect("H")
    assert asked.get(11).decode() == name
    more = ((32, "10"), (31, "100.00"))
    gate.report(name, "F", "1", exec_id="E2", cum=50, leaves=50, more=more)
    gate.report(name, "I", "1", exec_id="0", cum=50, leaves=50, more=((38, "100"),))
    gate.until("matched", lambda s: s["drop_copy"]["matched"] == 2)
    gate.trader(8).expect(up.Synced)
    gate.report(name, "F", "1", exec_id="E3", cum=60, leaves=40, more=more)
    status = gate.until("a break", lambda s: s["breaks"])

    assert status["breaks"] == [
        f"drop copy: the order session told E3, BUY 10 SYN at 100 of order O-{name}; the drop copy does not"
    ]
    assert status["posture"] == "HALTED"
    why = gate.ask(cmd="why")["blockers"]
    assert any(b["control"] == "R62" and "E3" in b["text"] for b in why)
