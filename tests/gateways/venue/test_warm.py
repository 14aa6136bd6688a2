"""No kernel compiles once a venue has said READY: the market would stand still for seconds."""

import gc
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from daemon.venue.options import parser
from daemon.venue.outbound import Outbound
from daemon.venue.parts import Parts, build_flow
from daemon.venue.replay import RecordOnly
from daemon.venue.settings import read
from gateways.feeds.soupbintcp_server import PacketStore
from gateways.venue import record
from tests.gateways.venue.desk import SOH


def signatures() -> dict[str, int]:
    """Return how many bodies each kernel has."""
    return {
        f"{d.py_func.__module__}.{d.py_func.__qualname__}": len(d.signatures)
        for d in gc.get_objects()
        if issubclass(type(d), Dispatcher)  # isinstance asks the object, and not every one likes that
    }


def test_no_kernel_compiles_after_ready(tmp_path: Path) -> None:
    options = read(parser().parse_args(["--from", "10:00", "--to", "10:05"]))
    lines = RecordOnly(Outbound(None))
    parts = Parts(options, build_flow(options), lines, lines.reference)
    before = signatures()

    exchange = parts.exchange
    exchange.open()
    exchange.advance(options.window[0] + 60 * 10**9)
    head = f"8=FIX.4.4{SOH}35=%s{SOH}34=1{SOH}55=SYN{SOH}54=%s{SOH}38=%s{SOH}"
    for number, (side, price) in enumerate(
        (("1", "90.00"), ("2", "110.00"), ("1", "110.00"), ("2", "90.00"))
    ):
        ids = f"11=A{number}{SOH}40=2{SOH}44={price}{SOH}"
        parts.ems.request(head % ("D", side, 500) + ids)
    parts.ems.request(head % ("G", "1", 400) + f"11=B{SOH}41=A0{SOH}40=2{SOH}44=90.00{SOH}")
    parts.ems.request(head % ("G", "1", 400) + f"11=C{SOH}41=B{SOH}40=2{SOH}44=110.00{SOH}")
    parts.ems.request(head % ("D", "1", 400) + f"11=D{SOH}40=1{SOH}")
    parts.ems.request(f"8=FIX.4.4{SOH}35=q{SOH}34=1{SOH}11=Q{SOH}530=7{SOH}")
    parts.prices.request(
        f"8=FIX.4.4{SOH}35=V{SOH}262=M{SOH}263=1{SOH}264=5{SOH}146=1{SOH}55=SYN{SOH}267=1{SOH}269=0{SOH}"
    )
    exchange.advance(options.window[1])
    parts.prices.tell(1 << 60)
    parts.publisher.release_all()
    record.write(tmp_path, record.account(exchange, parts.ems), parts.store)

    assert parts.ems.table.fills
    assert isinstance(parts.store, PacketStore)
    assert signatures() == before
