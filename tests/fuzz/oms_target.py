"""An OMS's requests with wrong bytes, through reader and core: answers are whole, and can be sent."""

from typing import Final

from gateways.fix.oms_frames import frame
from gateways.fix.oms_intake import read
from gateways.fix.oms_reports import body
from market.oms_events import OmsNew
from tests.daemon.oms_world import RIGHTS, OmsWorld, new_text

STEPS_MAX: Final = 500  # then a new core: its outbox is looked at once
REQUESTS: Final = (
    new_text("A1", 300, "847=2|849=0.1|848=urgency=3;must_complete=Y"),
    new_text("A2", 100, "957=1|958=urgency|959=1|960=2|111=50|21=1|528=A|15=USD|168=20240102-15:01:00"),
    "35=G|34=3|11=A3|41=A1|1=PAPER|55=SYN|54=1|38=200|40=2|44=99.90|59=6|126=20240102-15:09:00",
    "35=F|34=4|11=A4|41=A3|55=SYN|54=1|60=20240102-15:00:10",
    "35=H|34=5|11=A1|55=SYN|54=1|790=Q1",
)


def corpus() -> tuple[bytes, ...]:
    """Return right requests."""
    return tuple((text.replace("|", "\x01") + "\x01").encode() for text in REQUESTS)


class OmsCore:
    """A core that any request is given to."""

    def __init__(self) -> None:
        self.world = OmsWorld()
        self.world.open()
        self.steps = 0

    def __call__(self, data: bytes) -> None:
        """Step one request."""
        self.steps += 1
        if self.steps > STEPS_MAX:
            self.__init__()  # type: ignore[misc]
        event = read(data.decode("utf-8", "surrogateescape"), "OMS", RIGHTS)
        told = len(self.world.outbox())
        self.world.step(event)
        if isinstance(event, OmsNew) and not event.fault:
            assert event.parent is not None
            assert event.parent.qty > 0
        assert len(self.world.outbox()) > told, "every request has an answer"
        for report in self.world.outbox()[told:]:
            assert frame(body(report))
        assert not self.world.core.state.breaks
