"""A gate core and an OMS that speaks raw FIX to it, written by hand; what it hears is read by tag."""

from typing import Any

from daemon.gate.effects import TellOms
from gateways.fix.oms_intake import Rights, read
from gateways.fix.oms_reports import body
from market import oms_events as oms
from tests.daemon.gate_harness import World

SOH = "\x01"
RIGHTS = Rights(accounts=("PAPER",), symbols=("SYN",), currencies={"SYN": "USD"})
END = "20240102-15:10:00"  # ten minutes after the test's window opens


class OmsWorld(World):
    """`say` sends a request and returns what came back, each a dict by tag."""

    rights = RIGHTS

    def say(self, text: str, client: str = "OMS") -> list[dict[str, str]]:
        """Send `35=D|11=A1|..` and return the reports of this step."""
        raw = f"8=FIX.4.4|9=0|{text}|10=000|".replace("|", SOH)
        return self.heard(self.step(read(raw, client, self.rights)), client)

    def heard(self, effects: list[Any], client: str = "OMS") -> list[dict[str, str]]:
        """Return the reports that effects put into an OMS's outbox."""
        told = [e for e in effects if isinstance(e, TellOms) and e.client == client]
        return [by_tag(body(self.outbox(client)[e.place])) for e in told]

    def outbox(self, client: str = "OMS") -> list[oms.OmsReport]:
        """Return everything that an OMS was told."""
        return self.core.state.oms.client(client).reports

    def all_heard(self, client: str = "OMS") -> list[dict[str, str]]:
        """Return everything that an OMS was told, by tag."""
        return [by_tag(body(report)) for report in self.outbox(client)]

    def new(
        self, cl_ord_id: str = "A1", qty: int = 2_000, more: str = "", **fields: str
    ) -> list[dict[str, str]]:
        """Send 35=D of a buy until END."""
        return self.say(new_text(cl_ord_id, qty, more))


def new_text(cl_ord_id: str = "A1", qty: int = 2_000, more: str = "") -> str:
    """Return a 35=D of a buy until END."""
    text = f"35=D|34=2|11={cl_ord_id}|1=PAPER|55=SYN|54=1|38={qty}|40=1|59=6|126={END}|60=20240102-15:00:00"
    return text + (f"|{more}" if more else "")


def by_tag(text: str) -> dict[str, str]:
    """Return a body by tag."""
    return dict(field.split("=", 1) for field in text.split(SOH)[:-1])


def brief(reports: list[dict[str, str]]) -> list[str]:
    """Return `150/39 11 cum/leaves` of each execution report, `9 102` of each cancel reject."""
    return [
        f"9 102={r['102']} 39={r['39']} {r['11']}"
        if r["35"] == "9"
        else f"{r['150']}/{r['39']} {r['11']} {r['14']}/{r['151']}"
        if r["35"] == "8"
        else f"j {r['380']}"
        for r in reports
    ]
