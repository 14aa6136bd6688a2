"""What is fed with wrong bytes, and what must hold whatever they are.

A target has right inputs to begin from (`corpus`) and `feed`, which raises nothing but what the reader says
it raises, and asserts what must not change.
"""

import random
import struct
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

from daemon.gate.control_server import Client, ControlServer
from daemon.gate.recovery import event_of
from daemon.journal import Journal
from daemon.people.keys import SignatureError
from daemon.segments.layout import JournalError
from daemon.segments.reading import read
from gateways import link
from gateways.feeds import itch, moldudp64
from gateways.feeds import soupbintcp as soup
from gateways.fix import inbound, venue_inbound
from gateways.fix.oms_frames import BODY_BYTES_MAX, Frames, TooLong, frame
from market import events as ev
from market import updates as up
from market.book import OrderBook
from market.types import ParentID, Side
from tests.daemon.gate_harness import BID, World
from tests.fuzz import oms_target
from tests.fuzz.mutate import mutated

SOH = "\x01"
ROWS = 64


class Target(NamedTuple):
    """One reader."""

    name: str
    corpus: tuple[bytes, ...]
    feed: Callable[[bytes], None]


def body(text: str) -> bytes:
    return (text.replace("|", SOH) + SOH).encode()


REPORT = "35=8|34=7|49=V|56=S|52=20240102-15:00:00.000|37=O1|17=E1|150=F|39=1|11=SHA-1|55=SYN|54=1|38=100"
REPORT += "|44=100.00|32=40|31=100.00|151=60|14=40|6=100.00|60=20240102-15:00:00.000"
INBOUND = (
    REPORT,
    "35=8|34=8|37=NONE|17=0|150=I|39=8|55=SYN|54=1|151=0|14=0|6=0|584=M1|911=0",
    "35=9|34=9|37=O1|11=SHA-2|41=SHA-1|39=0|434=1|102=0|58=too late",
    "35=r|34=10|11=Q1|37=O1|530=7|531=7|533=2",
    "35=j|34=11|45=4|372=D|379=SHA-1|380=0|58=no",
    "35=3|34=12|45=4|372=D|373=5|371=44|58=no",
    "35=f|34=13|55=SYN|326=17|324=S1",
    "35=W|34=14|262=M1|55=SYN|268=3|269=0|270=100.00|271=500|269=1|270=100.02|271=400|269=2|270=100.01|271=5",
    "35=X|34=15|262=M1|268=2|279=0|269=0|55=SYN|270=99.99|271=300|279=2|269=1|55=SYN|270=100.02",
    "35=Y|34=16|262=M1|281=0|58=unknown",
)
REQUESTS = (
    "35=D|34=2|11=C1|1=ACC1|21=1|55=SYN|54=1|38=100|40=2|44=90.00|59=0|60=20240102-15:00:00",
    "35=G|34=3|11=C2|41=C1|1=ACC1|21=1|55=SYN|54=1|38=200|40=2|44=90.10|59=0|60=20240102-15:00:00",
    "35=F|34=4|11=C3|41=C2|55=SYN|54=1|38=200|60=20240102-15:00:00",
    "35=H|34=5|11=C2|55=SYN|54=1",
    "35=AF|34=6|584=M1|585=7",
    "35=q|34=7|11=Q1|530=7|60=20240102-15:00:00",
    "35=V|34=8|262=M1|263=1|264=5|265=0|267=2|269=0|269=1|146=1|55=SYN",
    "35=e|34=9|324=S1|55=SYN|263=1",
)


def text_of(data: bytes) -> str:
    """Return bytes as the engine hands them over."""
    return data.decode("utf-8", "surrogateescape")


def feed_inbound(data: bytes) -> None:
    """A report that is taken has counts that can be booked."""
    got = inbound.decode(text_of(data))
    if isinstance(got, ev.ExecutionReport):
        counts = (got.cum_qty, got.leaves_qty, got.last_qty, got.order_qty)
        assert all(n is None or 0 <= n < 2**53 for n in counts), got
        assert (
            got.exec_type is not ev.ExecType.TRADE or got.last_price_e4 is None or got.last_price_e4 >= 0
        ), got
        assert got.cl_ord_id.isprintable(), got


class Gate:
    """A gate core with orders that work; it is made anew when a report has stopped it."""

    LIFE = 200  # inputs

    def __init__(self) -> None:
        self._fed = self.LIFE
        self._world = World()

    def __call__(self, data: bytes) -> None:
        """What cannot be read books nothing; what can, books what the orders then say, to the share."""
        self._fed += 1
        if self._fed > self.LIFE or self._world.core.state.posture.posture:
            self._begin()
        state = self._world.core.state
        event = event_of(text_of(data), {})
        before = self._booked()
        if event is not None:
            self._world.step(event)
        traded = sum(c.terms.side.sign * c.cum_qty for c in state.chains.values())
        assert state.ledger.positions.get("PAPER SYN", 0) == traded, event
        if event is None or isinstance(event, ev.EngineAlarm):
            assert self._booked() == before, event

    def _begin(self) -> None:
        self._fed = 0
        self._world = World()
        self._world.open()
        self._world.parent(qty=2_000)
        for number in range(3):
            name = self._world.working(100, BID)
            state = self._world.core.state
            state.chain_of[f"SHA-{number}"] = state.chain_of[name]  # the name that the corpus uses

    def _booked(self) -> list[Any]:
        state = self._world.core.state
        return [(c.cum_qty, c.notional_e4) for c in state.chains.values()]


def feed_requests(data: bytes) -> None:
    """An order that is taken has a size and a name."""
    got = venue_inbound.decode_request(text_of(data))
    if got is not None and hasattr(got, "cl_ord_id") and hasattr(got, "ord_type"):
        assert got.qty > 0, got
        assert got.cl_ord_id, got


def feed_frames() -> Callable[[bytes], None]:
    """Noise loses no more than the length that it told: what follows is found."""
    whole = frame("35=0|49=OMS|56=SH|34=1|52=20240102-15:00:00".replace("|", SOH) + SOH)
    after = whole * (BODY_BYTES_MAX // len(whole) + 2)

    def feed(data: bytes) -> None:
        frames = Frames()
        middle = len(data) // 2
        try:
            frames.feed(data[:middle])
            frames.feed(data[middle:])
            got = frames.feed(after)
        except TooLong:
            return
        assert got, "a right message after noise is never found"

    return feed


def frames_corpus() -> tuple[bytes, ...]:
    return tuple(frame((r + "|").replace("|", SOH)) for r in REQUESTS)


# --- feeds --------------------------------------------------------------------------------------


class Listener:
    """Counts what a session hands on."""

    def __init__(self) -> None:
        self.bytes = 0

    def feed_up(self, session: str, next_seq: int) -> None:
        assert session.isprintable() or session
        assert next_seq >= 0

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        assert len(packets) > 0
        self.bytes += len(packets)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("feed_"):
            raise AttributeError(name)
        return lambda *_: None


def itch_messages() -> list[bytes]:
    """Right ITCH messages of the book's kinds."""
    listing = struct.pack(">I", 100) + b"NCZ PN1N" + struct.pack(">I", 0) + b"N"
    head = struct.pack(">HH", 1, 0) + (36_000_000_000_000).to_bytes(6, "big")
    add = struct.pack(">QcI8sI", 7, b"B", 100, b"SYN     ", 1_000_000)
    return [
        b"S" + head + b"O",
        b"R" + head + b"SYN     QN" + listing,
        b"H" + head + b"SYN     " + b"T" + b" " + b"    ",
        b"A" + head + add,
        b"E" + head + struct.pack(">QIQ", 7, 40, 1),
        b"X" + head + struct.pack(">QI", 7, 10),
        b"D" + head + struct.pack(">Q", 7),
        b"U" + head + struct.pack(">QQII", 7, 8, 50, 1_000_100),
        b"P" + head + struct.pack(">QcI8sIQ", 0, b"B", 10, b"SYN     ", 1_000_000, 2),
    ]  # fmt: skip


def itch_corpus() -> tuple[bytes, ...]:
    frames = [struct.pack(">H", len(m)) + m for m in itch_messages()]
    return (*frames, b"".join(frames), b"".join(frames[3:7]))


def feed_itch() -> Callable[[bytes], None]:
    """Decoding ends, uses no byte twice, and a book takes what comes of it."""
    batch = itch.new_batch(ROWS)

    def feed(data: bytes) -> None:
        decoder = itch.Decoder(0, framing=itch.Framing.LENGTH)
        book = OrderBook()
        at = 0
        while at < len(data):
            events, used = decoder.decode(data[at:], batch)
            assert 0 <= used <= len(data) - at
            assert 0 <= events <= ROWS
            if events:
                book.apply(batch[:events])
            if not used:
                break
            at += used
        assert decoder.next_seq >= 1

    return feed


def soup_corpus() -> tuple[bytes, ...]:
    accepted = soup.encode_accepted("RUN1", 1)
    data = b"".join(soup.packet("S", m) for m in itch_messages())
    return (accepted, accepted + data, accepted + soup.packet("H") + data, accepted + soup.packet("Z"), data)


def feed_soup(data: bytes) -> None:
    """A client counts up, uses what it was given, and says why it leaves."""
    listener = Listener()
    session = soup.ClientSession(listener, soup.Login("user", "pass", "", 1))
    try:
        used = session.receive(memoryview(data), 0)
    except soup.ProtocolError:
        return
    assert 0 <= used <= len(data)
    assert session.logged_in or not listener.bytes


def mold_packet(seq: int, messages: list[bytes], session: bytes = b"      RUN1") -> bytes:
    blocks = b"".join(struct.pack(">H", len(m)) + m for m in messages)
    return session + struct.pack(">QH", seq, len(messages)) + blocks


def mold_corpus() -> tuple[bytes, ...]:
    m = itch_messages()
    return (
        mold_packet(1, m),
        mold_packet(1, m[:3]),
        mold_packet(4, m[3:]),
        mold_packet(10, []),
        mold_packet(2, m[1:2]),
    )


def feed_mold() -> Callable[[bytes], None]:
    """Whatever comes between, what is handed on is in the row; a stranger's session moves nothing."""
    right = mold_corpus()

    def feed(data: bytes) -> None:
        listener = Listener()
        arbiter = moldudp64.Arbiter(listener)
        arbiter.receive(arbiter.lines[0], right[1], 1)
        before = arbiter.next_seq
        arbiter.receive(arbiter.lines[1], data, 2)
        assert arbiter.next_seq >= before or arbiter.lost
        if data[:10] != right[0][:10]:
            assert arbiter.next_seq == before
        arbiter.receive(arbiter.lines[0], right[2], 3)
        arbiter.due(4)

    return feed


# --- our own sockets ----------------------------------------------------------------------------


def link_corpus() -> tuple[bytes, ...]:
    intent = ev.SubmitIntent(
        epoch=1, n=1, parent_id=ParentID("P1"), side=Side.BUY, qty=100, price_e4=1_000_000, decision_id=1,
        decided_mono_ns=1, cause_mono_ns=1,
    )  # fmt: skip
    hello = ev.TraderHello(
        protocol=ev.LINK_PROTOCOL, epoch=1, symbols=("SYN",), policy="twap", policy_sha256="",
        state_spec_sha256="", action_table_sha256="",
    )  # fmt: skip
    posture = up.PostureUpdate(posture="ACTIVE", reason="")
    return (*(link.encode(m) for m in (intent, hello, posture)), link.encode(hello) + link.encode(intent))


def feed_link(data: bytes) -> None:
    """The gate's side takes what a trader may say, and nothing else."""
    for kinds in (link.ToGate, link.ToTrader):
        decoder = link.Decoder(kinds)
        middle = len(data) // 3
        try:
            messages = decoder.feed(data[:middle]) + decoder.feed(data[middle:])
        except link.LinkError:
            continue
        for message in messages:
            assert isinstance(message, kinds), message


class JournalFile:
    """A segment of a journal, cut, flipped and spliced: refused, or the frames from its front."""

    FRAMES = tuple(f"input {n} of the core".encode() * (1 + n % 5) for n in range(12))

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        root = Path(self._folder.name)
        journal = Journal.open(root, "journal", lock=False)
        journal.append(*self.FRAMES)
        journal.close()
        self._file = sorted((root / "journal").iterdir())[0]
        self.corpus = (self._file.read_bytes(),)

    def __call__(self, data: bytes) -> None:
        """No frame is read that was not written, none in another place."""
        self._file.write_bytes(data)
        try:
            got = [bytes(payload) for _, payload in read(self._file.parent)]
        except JournalError:
            return
        assert got == list(self.FRAMES[: len(got)]), got


CONTROL = (
    b'{"cmd": "ping"}\n',
    b'{"cmd": "status", "id": 3, "orders": "all"}\n',
    b'{"cmd": "submit", "id": 4, "parent": {"parent_id": "P1", "account": "A", "side": "1", "qty": 100, '
    b'"symbol": "SYN", "mic": "XNAS", "start_ns": 1, "end_ns": 2}}\n',
    b'{"cmd": "cancel", "id": 5, "parent_id": "P1"}\n',
    b'{"cmd": "amend", "id": 5, "parent_id": "P1", "qty": 50}\n',
    b'{"cmd": "kill", "reason": "test"}\n',
    b'{"cmd": "clock", "anchor": {"anchor_ts_ns": 1, "anchor_mono_ns": 1, "speed": 1.0}}\n',
    b'{"cmd": "signed", "text": "x", "key": "k", "signature": "00"}\n',
    b'{"cmd": "why", "parent_id": "P1"}\n',
)


class Transport:
    """Takes answers."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


def looked(_: str) -> Generator[None, None, dict[str, Any]]:
    """Make a status in three pieces."""
    yield
    yield
    return {}


def feed_control(data: bytes) -> None:
    """Each line is answered or posted, once; nothing is posted for one that is refused."""
    posted: list[ev.Event] = []

    def refuse(*_: Any) -> Any:
        raise SignatureError("no such key")

    server = ControlServer(
        post=posted.append,
        status=looked,
        set_clock=lambda _: "",
        look=lambda _: {"ok": True},
        signed=refuse,
    )
    client = Client(server)
    transport = Transport()
    client._transport = transport  # type: ignore[assignment]
    client.role = max(server._roles.values())
    middle = len(data) // 2
    client.data_received(data[:middle])
    if not transport.closed:
        client.data_received(data[middle:])
    for event in posted:
        server.answer(event.request_id, {"ok": True})  # type: ignore[union-attr]
    whole = [line for line in data.split(b"\n")[:-1] if line.strip()]
    assert transport.closed or len(transport.said) == len(whole), (transport.said, posted)


def targets() -> tuple[Target, ...]:
    """Return every reader; what needs warming is warm."""
    itch.warm()
    journal = JournalFile()
    return (
        Target("fix-inbound", tuple(body(r) for r in INBOUND), feed_inbound),
        Target("gate", tuple(body(r) for r in INBOUND[:6]), Gate()),
        Target("fix-requests", tuple(body(r) for r in REQUESTS), feed_requests),
        Target("oms-frames", frames_corpus(), feed_frames()),
        Target("oms-requests", oms_target.corpus(), oms_target.OmsCore()),
        Target("itch", itch_corpus(), feed_itch()),
        Target("soupbintcp", soup_corpus(), feed_soup),
        Target("moldudp64", mold_corpus(), feed_mold()),
        Target("link", link_corpus(), feed_link),
        Target("journal", journal.corpus, journal),
        Target("control", CONTROL, feed_control),
    )


def fuzz(target: Target, seed: int, inputs: int) -> None:
    """Feed a target; an input is named by seed and number.

    Raises:
        AssertionError: with the input that broke it.

    """
    rng = random.Random(f"{target.name} {seed}")
    for number in range(inputs):
        data = mutated(rng, target.corpus)
        try:
            target.feed(data)
        except Exception as error:
            raise AssertionError(f"{target.name} seed {seed} input {number}: {error!r}: {data!r}") from error
