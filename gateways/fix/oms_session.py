"""One FIX 4.4 session of an OMS, the accepting side: numbers, resends, gaps, heartbeats. No socket, no clock.

    session = OmsSession(terms, store, desk)
    session.logon(wire, message, now_ns)     # the first message of a connection, which names this session
    session.receive(message, now_ns)         # each one after it
    session.flush(); session.tick(now_ns); session.lost(reason)

Requests go to `desk.take` and are counted when that returns, so that a number that is counted is journaled.
Reports come from the desk's outbox by their place, each numbered once; asked for again, it leaves again under
its number with PossDupFlag(43), after any death of this process. What is no report is filled as a gap.
"""

import hmac
from collections.abc import Callable
from typing import Final

import msgspec

from gateways.fix.oms_checks import ADMIN_TYPES, TIME, malformed
from gateways.fix.oms_frames import FIX_44, frame
from gateways.fix.oms_sides import Desk, Wire
from gateways.fix.oms_store import OmsStore
from gateways.fix.wire import SOH, fields, read_id, read_int, read_text, read_utc_ns, utc_text
from market.types import NS

LATENCY_MAX_S: Final = 120  # of SendingTime(52), the FIX default
GAP_WAIT_S: Final = 10  # until what was asked for again is asked for once more
GAP_ASKS_MAX: Final = 3  # then the line is closed: an OMS that does not resend cannot be served
PIECE_MAX: Final = 200  # messages sent in one turn: some 5 ms of the gate's loop
REQUESTS_MAX: Final = 100  # of one session in a second: parents come by hand or by basket, not by algorithm
NOT_AVAILABLE: Final = "4"  # BusinessRejectReason(380)
BAD_TAG, COMP_ID, INCORRECT = "0", "9", "5"  # SessionRejectReason(373)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed with one OMS."""

    client: str  # its CompID
    ours: str
    username: str = ""
    password: str = ""
    heartbeat_s_max: int = 60
    reset_on_logon: bool = False  # it may begin again at 1


class OmsSession:
    """One OMS, whether it is connected or not."""

    def __init__(self, terms: Terms, store: OmsStore, desk: Desk, wall_ns: Callable[[], int]) -> None:
        self.terms, self.store = terms, store
        self._desk, self._wall_ns = desk, wall_ns
        self._wire: Wire | None = None
        self._heartbeat_ns = 0
        self._last_in = self._last_out = 0
        self._now = 0
        self._tested = False  # a TestRequest of ours has no answer
        self._gap_to = 0  # the highest number that came above a gap; 0 = none
        self._gap_asked_ns, self._gap_asks = 0, 0
        self._second, self._requests = 0, 0
        self._again: tuple[int, int] | None = None  # the numbers that are still to be sent again
        self._resent = 0  # since the last look: many requests at once are no reason to hold the loop

    @property
    def up(self) -> bool:
        """True while an OMS is logged on."""
        return self._wire is not None

    @property
    def is_behind(self) -> bool:
        """Return whether something waits that can be sent now."""
        if self._wire is None or self._wire.is_full():
            return False
        return self._again is not None or self.store.places < self._desk.reports(self.terms.client)

    def holds(self, wire: Wire) -> bool:
        """Return whether a connection is the one that is logged on."""
        return self._wire is wire

    # --- logon ------------------------------------------------------------------------------------

    def logon(self, wire: Wire, raw: str, now_ns: int) -> str:
        """Log an OMS on; return why not, and then nothing was said that a stranger could learn from."""
        tags = fields(raw) or {}
        number = read_int(tags.get("34", ""), 9)
        if self.up:
            return "it is logged on already"
        if not self._knows(tags):
            return "username or password is wrong"
        if number is None or number < 1:
            return "34 is missing"
        self._wire, self._now = wire, now_ns
        self._last_in = self._last_out = now_ns
        self._tested, self._gap_to, self._gap_asks = False, 0, 0
        self._again = None
        heartbeat_s = read_int(tags.get("108", ""), 4)
        reset = tags.get("141") == "Y"
        fault = self._logon_fault(tags, heartbeat_s, reset, number)
        if fault or heartbeat_s is None:
            self._out(f"35=5{SOH}58={fault}{SOH}")
            self._wire = None
            return fault
        self._heartbeat_ns = heartbeat_s * NS
        restate = reset and self.store.places > 0  # after a death in the middle of a reset too
        if reset:
            self.store.reset()
        again = f"141=Y{SOH}" if reset else ""
        self._out(f"35=A{SOH}98=0{SOH}108={heartbeat_s}{SOH}{again}")
        if number == self.store.next_in:
            self.store.set_in(number + 1)
        else:
            self._gap(number)
        self._desk.session(self.terms.client, True, restate, "")
        self.flush()
        return ""

    def _knows(self, tags: dict[str, str]) -> bool:
        name, word = self.terms.username.encode(), self.terms.password.encode()
        said = (tags.get("553", ""), tags.get("554", ""))
        told_name, told_word = (s.encode("utf-8", "surrogateescape") for s in said)
        # Both are compared, whatever the first says: how long it takes tells nothing.
        fit = hmac.compare_digest(name, told_name) & hmac.compare_digest(word, told_word)
        return not (name or word) or fit

    def _logon_fault(self, tags: dict[str, str], heartbeat_s: int | None, reset: bool, number: int) -> str:
        most = self.terms.heartbeat_s_max
        if tags.get("98", "0") != "0":
            return "98 is not 0: no encryption here, the TLS forwarder does that"
        if heartbeat_s is None or not 1 <= heartbeat_s <= most:
            return f"108 is not 1 to {most}"
        if not self._in_time(tags):
            return f"52 is more than {LATENCY_MAX_S} s off"
        store = self.store
        if reset:
            if number != 1:
                return "141=Y comes with 34=1"
            if not self.terms.reset_on_logon and (store.next_in > 1 or store.places):  # it was never on
                return "141=Y is not agreed with this session (reset_on_logon)"
            return ""
        if number < store.next_in:
            return f"MsgSeqNum too low, expecting {store.next_in} but received {number}"
        return ""

    # --- after it ----------------------------------------------------------------------------------

    def receive(self, raw: str, now_ns: int) -> None:
        """Take one message of the OMS that is logged on."""
        tags = fields(raw)
        self._now = self._last_in = now_ns
        self._tested = False
        if tags is None:
            self._unreadable(raw)
            return
        number = read_int(tags.get("34", ""), 9)
        if not number:
            self.end("34 is missing")
            return
        kind = tags.get("35", "")
        if tags.get("8") != FIX_44:
            self.end(f"BeginString is not {FIX_44}")
            return
        if (tags.get("49"), tags.get("56")) != (self.terms.client, self.terms.ours):
            self._reject(number, kind, COMP_ID, "49 or 56 is not this session's")
            self.end("49 or 56 is not this session's")
            return
        if not self._in_time(tags):
            self._reject(number, kind, TIME, f"52 is missing or more than {LATENCY_MAX_S} s off", "52")
            self.end("SendingTime accuracy")
            return
        fault = malformed(raw, tags, kind)
        if fault:
            self._reject(number, kind, *fault)
            if number == self.store.next_in:
                self.store.set_in(number + 1)
            if fault[0] == TIME:
                self.end("OrigSendingTime is after SendingTime")
        elif kind == "4" and tags.get("123") != "Y":
            self._reset_sequence(tags, number)
        elif number > self.store.next_in:
            self._early(tags, kind, number)
        elif number < self.store.next_in:
            if tags.get("43") != "Y":
                self.end(f"MsgSeqNum too low, expecting {self.store.next_in} but received {number}")
        else:
            self._expected(raw, tags, kind, number)

    def _unreadable(self, raw: str) -> None:
        """Refuse a message whose frame is right and whose fields are not; its number must be found."""
        parts = [field for field in raw.split(SOH)[:-1] if "=" in field]
        tags = fields(SOH.join([*parts, ""])) or {}
        number = read_int(tags.get("34", ""), 9)
        if not number:
            self.end("34 is missing, and a field is not tag=value")
            return
        self._reject(number, tags.get("35", ""), BAD_TAG, "a field is not tag=value")
        if number == self.store.next_in:
            self.store.set_in(number + 1)

    def _expected(self, raw: str, tags: dict[str, str], kind: str, number: int) -> None:
        after = number + 1
        if kind == "4":
            after = self._filled(tags, number)
        elif kind not in ADMIN_TYPES:
            self._request(raw, tags, kind, number)
        if after != number:
            self.store.set_in(after)
        if self._gap_to and after > self._gap_to:
            self._gap_to, self._gap_asks = 0, 0
        self._administer(tags, kind)

    def _administer(self, tags: dict[str, str], kind: str) -> None:
        """Answer session messages, whose number is counted already."""
        if kind == "1":
            text = tags.get("112", "")
            self._out(f"35=0{SOH}" + (f"112={text}{SOH}" if read_id(text) else ""))
        elif kind == "2":
            self._resend(tags)
        elif kind == "5":
            self._out(f"35=5{SOH}")
            self.lost("the OMS logged out", close=True)
        elif kind == "A":
            self.end("a second Logon")

    def _request(self, raw: str, tags: dict[str, str], kind: str, number: int) -> None:
        second = self._now // NS
        self._requests = self._requests + 1 if second == self._second else 1
        self._second = second
        fault = self._desk.full(self.terms.client)
        if self._requests > REQUESTS_MAX:
            fault = f"more than {REQUESTS_MAX} requests in a second"
        if not fault:
            self._desk.take(self.terms.client, raw)
            return
        ref_id = tags.get("11", "")
        named = f"379={ref_id}{SOH}" if read_id(ref_id) else ""
        text = f"58={read_text(fault)}{SOH}"
        self._out(f"35=j{SOH}45={number}{SOH}372={read_text(kind)}{SOH}{named}380={NOT_AVAILABLE}{SOH}{text}")

    # --- gaps ---------------------------------------------------------------------------------------

    def _early(self, tags: dict[str, str], kind: str, number: int) -> None:
        """A number above the one that we want: ask for what lies between; it all comes again."""
        if kind == "2":
            self._resend(tags)  # first: both sides may miss something
        elif kind == "5":
            self._out(f"35=5{SOH}")
            self.lost("the OMS logged out", close=True)
            return
        self._gap(number)

    def _gap(self, number: int) -> None:
        known = self._gap_to
        self._gap_to = max(self._gap_to, number)
        if not known:
            self._ask()

    def _ask(self) -> None:
        self._gap_asked_ns = self._now
        self._gap_asks += 1
        self._out(f"35=2{SOH}7={self.store.next_in}{SOH}16=0{SOH}")

    def _filled(self, tags: dict[str, str], number: int) -> int:
        """Return the number after a gap fill."""
        after = read_int(tags.get("36", ""), 9) or 0
        if after <= number:
            self._reject(number, "4", INCORRECT, f"36={after} is not above {number}", "36")
            return number  # not counted: should the OMS count it, it is asked for, and filled anew
        return after

    def _reset_sequence(self, tags: dict[str, str], number: int) -> None:
        after = read_int(tags.get("36", ""), 9) or 0
        if after < self.store.next_in:
            self._reject(number, "4", INCORRECT, f"36={after} is below {self.store.next_in}", "36")
            return
        self.store.set_in(after)
        self._gap_to, self._gap_asks = 0, 0

    def _resend(self, tags: dict[str, str]) -> None:
        """Send again what the OMS missed: reports under their numbers, the rest as gaps."""
        last = self.store.next_out - 1
        begin, end = read_int(tags.get("7", ""), 9) or 0, read_int(tags.get("16", ""), 9) or 0
        if not 1 <= begin <= last or 0 < end < begin:
            text = f"7={begin} 16={end}: nothing was sent under these"
            self._reject(read_int(tags.get("34", ""), 9) or 0, "2", INCORRECT, text, "7")
            return
        end = min(end or last, last)
        if self._again is not None:  # nothing of what was asked for before is left out
            begin, end = min(begin, self._again[0]), max(end, self._again[1])
        self._again = begin, end
        self.flush()

    def _resend_one(self, begin: int, end: int) -> None:
        """Send the first of a range again, or fill what is no report up to the next that is."""
        found, after = self.store.sent(begin), begin + 1
        if found is not None:
            self._write(self._desk.report(self.terms.client, found.place), begin, found.wall_ns, again=True)
        else:
            while after <= end and self.store.sent(after) is None:
                after += 1
            self._fill(begin, after)
        self._again = (after, end) if after <= end else None

    def _fill(self, begin: int, after: int) -> None:
        self._write(f"35=4{SOH}123=Y{SOH}36={after}{SOH}", begin, self._wall_ns(), again=True)

    # --- out ----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what was asked for again, then reports that have no number yet; the rest follows by `tick`."""
        for _ in range(PIECE_MAX):
            if not self.is_behind:
                return
            if self._again is not None:
                if self._resent >= PIECE_MAX:
                    return
                self._resent += 1
                self._resend_one(*self._again)
                continue
            place = self.store.places
            body = self._desk.report(self.terms.client, place)
            number, wall_ns = self.store.out(place)
            self._write(body, number, wall_ns)

    def tick(self, now_ns: int) -> None:
        """Keep the line alive, or give it up."""
        self._now, self._resent = now_ns, 0
        if not self.up:
            return
        self.flush()
        silent_ns = now_ns - self._last_in
        if 5 * silent_ns >= 12 * self._heartbeat_ns:
            self.lost("no heartbeat", close=True)
            return
        if 5 * silent_ns >= 6 * self._heartbeat_ns and not self._tested:
            self._tested = True
            self._out(f"35=1{SOH}112=T{now_ns // NS}{SOH}")
        elif now_ns - self._last_out >= self._heartbeat_ns:
            self._out(f"35=0{SOH}")
        if self._gap_to and now_ns - self._gap_asked_ns >= GAP_WAIT_S * NS:
            if self._gap_asks >= GAP_ASKS_MAX:
                self.end(f"messages from {self.store.next_in} on were asked for and not sent again")
            else:
                self._ask()

    def end(self, text: str) -> None:
        """Log out, saying why, and hang up."""
        if self.up:
            self._out(f"35=5{SOH}58={read_text(text)}{SOH}")
            self.lost(text, close=True)

    def lost(self, reason: str, close: bool = False) -> None:
        """The connection is gone, or is let go."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if close:
            wire.close(reason)
        self._desk.session(self.terms.client, False, False, reason)

    def _reject(self, number: int, kind: str, reason: str, text: str, tag: str = "") -> None:
        named = f"371={tag}{SOH}" if tag else ""
        of = f"372={read_text(kind)[:10]}{SOH}" if kind else ""
        self._out(f"35=3{SOH}45={number}{SOH}{named}{of}373={reason}{SOH}58={read_text(text)}{SOH}")

    def _out(self, body: str) -> None:
        number, wall_ns = self.store.out()
        self._write(body, number, wall_ns)

    def _write(self, body: str, number: int, wall_ns: int, again: bool = False) -> None:
        """Put the header before a body and send it."""
        kind, _, rest = body.partition(SOH)
        now = self._wall_ns() if again else wall_ns
        dup = f"43=Y{SOH}" if again else ""
        # This host's clock may have been set back since; a 122 after 52 would end the session.
        orig = f"122={utc_text(min(wall_ns, now))}{SOH}" if again else ""
        head = (
            f"{kind}{SOH}49={self.terms.ours}{SOH}56={self.terms.client}{SOH}34={number}{SOH}"
            f"{dup}52={utc_text(now)}{SOH}{orig}"
        )
        self._last_out = self._now
        if self._wire is not None:
            self._wire.send(frame(head + rest))

    def _in_time(self, tags: dict[str, str]) -> bool:
        sent_ns = read_utc_ns(tags.get("52", ""))
        return sent_ns is not None and abs(sent_ns - self._wall_ns()) <= LATENCY_MAX_S * NS
