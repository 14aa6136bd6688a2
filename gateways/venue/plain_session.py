"""A FIX session on the acceptor's side, without a socket, whose bytes can be made to go wrong.

    session = PlainSession(spec, host)
    session.connected(); session.received(data); session.tick(mono_s); session.lost("closed")
    session.send(body, marks)            # True: sent, or on record for who asks for it again

It does what a session must: logon, heartbeats, test requests, gaps either way, gap fills, logout. What was
sent is kept for the life of the process. `gateways.venue.plain_acceptor` gives it sockets.
"""

import re
from typing import Final, NamedTuple

from gateways.venue.actions import RefuseLogon, ResetOnLogon
from gateways.venue.line import PLAIN, Marks
from gateways.venue.plain_frames import TWICE, Framer, framed, number_of, tags_of, time_ns, time_text
from gateways.venue.plain_host import Host
from market.types import NS

LATENCY_NS_MAX: Final = 120 * NS  # of SendingTime(52), the standard's
LOGON_S: Final = 10.0  # a client that needs longer has nothing to say
LOGOUT_S: Final = 2.0  # for the answer to a Logout
SILENT, DEAD = 1.2, 2.4  # heartbeats: until a TestRequest, until the line is given up
HEARTBEAT_S_MAX: Final = 3_600  # a line that is looked at less than hourly is not looked at
MISSING, VALUE, COMP_ID, TIME, REPEATED = 1, 5, 9, 10, 13  # SessionRejectReason(373)
GROUPED: Final = frozenset("V")  # in which a tag may come again
AHEAD_MAX: Final = 10_000  # messages beyond a gap that wait for it to close
KEPT_MAX: Final = 1 << 20  # of messages sent; older ones are gap-filled


class Sent(NamedTuple):
    """A message that can be sent again."""

    body: str
    sending_time: str


class PlainSession:
    """One session through all its connections."""

    def __init__(self, sender: str, target: str, version: str, host: Host) -> None:
        self.ours = self.theirs = 1  # the next numbers
        self.logged_on = False
        self.sent = 0  # application messages since logon
        self.skew_ns = 0
        self.no_resend = False
        self.frozen = False  # the line is dead: nothing is written
        self.deaf = False  # ... or nothing is read
        self._names = sender, target
        self._version = version
        self._host = host
        self._kept: dict[int, Sent] = {}
        self._framer = Framer()
        self._up = False
        self._heartbeat_s = 0
        self._since_s = self._heard_s = self._said_s = 0.0
        self._tested = False
        self._leaving = False  # we have said Logout
        self._forced = False  # we have reset the numbers unasked
        self._ahead: dict[int, bytes] = {}
        self._asked_to = 0  # up to which number they were asked for
        self._n = 0  # application messages received since logon

    # --- the line -----------------------------------------------------------------------------------

    def connected(self) -> None:
        """A client is there; it has to log on."""
        self._framer, self._up, self._leaving = Framer(), True, False
        self._since_s = self._host.mono_s()

    def lost(self, reason: str) -> None:
        """The line is gone."""
        self._up = False
        self._ahead.clear()
        if self.logged_on:
            self.logged_on = False
            self._host.logged_out(reason)

    def received(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._heard_s, self._tested = self._host.mono_s(), False
        for frame in self._framer.feed(data):
            self._host.tapped("IN", frame)
            if self._up:
                self._frame(frame)

    def awake(self) -> None:
        """The line lives again: the client was not silent, it was not heard."""
        self._heard_s = self._said_s = self._host.mono_s()

    def tick(self) -> None:
        """Look at the clock: call it each second."""
        now_s = self._host.mono_s()
        if not self._up or self.frozen:
            return
        if not self.logged_on:
            if now_s - self._since_s > (LOGOUT_S if self._leaving else LOGON_S):
                self._host.close()
            return
        if self._leaving and now_s - self._said_s > LOGOUT_S:
            self._host.close()
            return
        if now_s - self._said_s >= self._heartbeat_s:
            self._admin("0")
        silent_s = 0.0 if self.deaf else now_s - self._heard_s
        if silent_s > DEAD * self._heartbeat_s:
            self._host.close()
        elif silent_s > SILENT * self._heartbeat_s and not self._tested:
            self._tested = True
            self._admin("1", (112, "TEST"))

    # --- out ----------------------------------------------------------------------------------------

    def send(self, body: str, marks: Marks = PLAIN) -> bool:
        """Send `35=..` and the body's fields; False: nobody is logged on, no number is used."""
        if not self.logged_on:
            return False
        number = self.ours
        if marks.renumber > 0:
            number = self.ours = self.ours + marks.renumber
        sending_time = self._sending_time()
        self._keep(number, Sent(body, sending_time))
        self.ours += 1
        self.sent += 1
        resend = ((97, "Y"),) if marks.poss_resend else ()
        shown = number + min(marks.renumber, 0)
        frame = self._made(body, max(1, shown), sending_time, *resend, garble=marks.garble)
        if not marks.lose:
            self._write(frame)
        if marks.poss_dup:
            self._again(number)
        return True

    def log_out(self, text: str) -> None:
        """Say Logout; the line is closed once it is answered."""
        self._leaving = True
        self._admin("5", *(((58, text),) if text else ()))

    def reset_sequence(self, by: int) -> None:
        """SequenceReset without gap fill: go on so many numbers above."""
        new = max(1, self.ours + 1 + by)
        self._admin("4", (36, str(new)))
        self.ours = new

    def _admin(self, msg_type: str, *fields: tuple[int, str]) -> None:
        body = f"35={msg_type}\x01" + "".join(f"{tag}={value}\x01" for tag, value in fields)
        frame = self._made(body, self.ours, self._sending_time())
        self.ours += 1
        self._write(frame)

    def _made(
        self, body: str, number: int, sending_time: str, *header: tuple[int, str], garble: str = ""
    ) -> bytes:
        msg_type, _, rest = body.partition("\x01")
        sender, target = self._names
        more = "".join(f"{tag}={value}\x01" for tag, value in header)
        text = f"{msg_type}\x0134={number}\x0149={sender}\x0152={sending_time}\x0156={target}\x01{more}{rest}"
        return framed(self._version, text.encode("utf-8", "surrogateescape"), garble)

    def _write(self, frame: bytes) -> None:
        self._said_s = self._host.mono_s()
        if not self.frozen:
            self._host.write(frame)

    def _sending_time(self) -> str:
        return time_text(self._host.now_ns() + self.skew_ns)

    def _keep(self, number: int, sent: Sent) -> None:
        self._kept[number] = sent
        self._kept.pop(number - KEPT_MAX, None)

    def _again(self, number: int) -> None:
        sent = self._kept[number]
        header = (43, "Y"), (122, sent.sending_time)
        self._write(self._made(sent.body, number, self._sending_time(), *header))

    def _resend(self, begin: int, end: int) -> None:
        """Send again what the client asks for; what is no application message is gap-filled."""
        last = self.ours - 1 if end == 0 else min(end, self.ours - 1)
        gap = begin
        for number in range(begin, last + 1):
            if number in self._kept and not self.no_resend:
                self._fill(gap, number)
                self._again(number)
                gap = number + 1
        self._fill(gap, last + 1)

    def _fill(self, begin: int, new: int) -> None:
        if begin < new:
            now = self._sending_time()
            body = f"35=4\x01123=Y\x0136={new}\x01"
            self._write(self._made(body, begin, now, (43, "Y"), (122, now)))

    # --- in -----------------------------------------------------------------------------------------

    def _frame(self, frame: bytes) -> None:
        tags = tags_of(frame)
        sender, target = self._names
        number = number_of(tags.get("34", ""))
        missing = next((tag for tag in ("49", "56") if tag not in tags), "")
        if number < 1 or "35" not in tags:
            self._refuse("MsgSeqNum(34) or MsgType(35) is missing")
        elif tags["8"] != self._version:
            self._refuse(f"BeginString is not {self._version}")
        elif missing and self.logged_on and number == self.theirs:
            self.theirs += 1
            self._reject(tags, MISSING, missing)
        elif (tags.get("56"), tags.get("49")) != (sender, target):
            self._reject_and_leave(tags, number, COMP_ID, "CompID problem")
        elif not self._in_time(tags):
            self._reject_and_leave(tags, number, TIME, "SendingTime accuracy problem")
        elif not self.logged_on:
            self._log_on(tags, number)
        elif tags["35"] == "A" and tags.get("141") == "Y" and number == 1 and not self._forced:
            self._begin_anew()
        else:
            self._numbered(frame, tags, number)

    def _log_on(self, tags: dict[str, str], number: int) -> None:
        if tags["35"] != "A":
            self._host.close()
            return
        beat = tags.get("108", "0")
        if not re.fullmatch(r"-?\d{1,9}", beat):
            return  # no Logon that could be read
        answer = self._host.logon()
        if isinstance(answer, RefuseLogon):
            self.theirs += number == self.theirs
            if answer.silent:
                self._host.close()
            else:
                self._refuse(answer.text)
            return
        reset = tags.get("141") == "Y"
        if reset or isinstance(answer, ResetOnLogon):
            self.ours = self.theirs = 1
            self._kept.clear()
        self._heartbeat_s = int(beat)
        if tags.get("98", "0") != "0":
            self._refuse("EncryptMethod(98) is not 0")
        elif not 0 < self._heartbeat_s <= HEARTBEAT_S_MAX:
            self._refuse("HeartBtInt(108) is no heartbeat")
        elif number < self.theirs:
            self._refuse(f"MsgSeqNum too low, expecting {self.theirs} but received {number}")
        else:
            self._answer_logon(tags, number, reset, isinstance(answer, ResetOnLogon))

    def _answer_logon(self, tags: dict[str, str], number: int, reset: bool, forced: bool) -> None:
        self.logged_on, self.sent, self._n, self._asked_to = True, 0, 0, 0
        flag = ((141, "Y"),) if reset or forced else ()
        self._admin("A", (98, "0"), (108, str(self._heartbeat_s)), *flag)
        self._forced = forced  # the client begins anew with its next message, maybe another Logon
        if forced:
            pass
        elif number == self.theirs:
            self.theirs += 1
        else:
            self._ahead[number] = b""
            self._ask(number - 1)
        self._host.logged_on(tags)

    def _begin_anew(self) -> None:
        """Both sides agree to go on at 1, in mid-session."""
        self.ours, self.theirs, self._asked_to = 1, 2, 0
        self._kept.clear()
        self._ahead.clear()
        self._admin("A", (98, "0"), (108, str(self._heartbeat_s)), (141, "Y"))

    def _numbered(self, frame: bytes, tags: dict[str, str], number: int) -> None:
        msg_type = tags["35"]
        if msg_type == "4" and (tags.get("123") != "Y" or number == self.theirs):
            self._new_number(tags)
        elif number > self.theirs:
            if msg_type == "2":
                self._asked(tags)
            elif msg_type == "5":
                self._logged_out(tags)
                return
            if len(self._ahead) < AHEAD_MAX:
                self._ahead[number] = b"" if msg_type == "2" else frame
            self._ask(number - 1)
        elif number < self.theirs:
            self._old(tags, number)
        else:
            self.theirs += 1
            self._take(frame, tags)
            self._drain()

    def _old(self, tags: dict[str, str], number: int) -> None:
        """A number that was used: an honest duplicate is passed over."""
        if tags.get("43") != "Y":
            self._refuse(f"MsgSeqNum too low, expecting {self.theirs} but received {number}")
        elif "122" not in tags:
            self._reject(tags, MISSING, "122")
        elif (time_ns(tags["122"]) or 0) > (time_ns(tags["52"]) or 0):
            self._reject_and_leave(tags, number, TIME, "OrigSendingTime is after SendingTime")

    def _drain(self) -> None:
        """Take what waited for a gap to close."""
        for number in [n for n in self._ahead if n < self.theirs]:
            del self._ahead[number]
        while self._up and self.theirs in self._ahead:
            frame = self._ahead.pop(self.theirs)
            self.theirs += 1
            if frame:
                self._take(frame, tags_of(frame))

    def _take(self, frame: bytes, tags: dict[str, str]) -> None:
        """Act on a message in its turn."""
        if TWICE in tags and tags["35"] not in GROUPED:
            self._reject(tags, REPEATED, tags[TWICE])
            return
        match tags["35"]:
            case "0":
                return
            case "A" if self._forced and tags.get("141") == "Y":
                self._forced = False  # it agrees
            case "A":
                self._host.close()
            case "1":
                self._admin("0", *(((112, tags["112"]),) if "112" in tags else ()))
            case "2":
                self._asked(tags)
            case "3":
                self._host.took(frame.decode("utf-8", "surrogateescape"), 0)
            case "4":
                self._new_number(tags)  # it waited for a gap to close
            case "5":
                self._logged_out(tags)
            case _:
                self._n += 1
                self._host.took(frame.decode("utf-8", "surrogateescape"), self._n)

    def _asked(self, tags: dict[str, str]) -> None:
        begin, end = number_of(tags.get("7", "")), number_of(tags.get("16", ""))
        if begin > 0 and end >= 0:
            self._resend(begin, end)
        else:
            self._reject(tags, MISSING, "16" if begin > 0 else "7")

    def _new_number(self, tags: dict[str, str]) -> None:
        """SequenceReset: go on at NewSeqNo(36); what waited below it did come, and is taken."""
        new = number_of(tags.get("36", ""))
        if new < 0:
            return  # nowhere to go on at: as if it had not come
        if new < self.theirs + (tags.get("123") == "Y"):
            self._reject(tags, VALUE, "36")
            return
        for number in sorted(n for n in self._ahead if self.theirs <= n < new):
            frame = self._ahead.pop(number)
            self.theirs = number + 1
            if frame and self._up:
                self._take(frame, tags_of(frame))
        self.theirs = max(self.theirs, new)
        self._drain()

    def _ask(self, to: int) -> None:
        """Ask for what is missing up to `to`, once."""
        missing = next((n for n in range(self.theirs, to + 1) if n not in self._ahead), 0)
        if missing > self._asked_to:
            self._asked_to = to
            self._admin("2", (7, str(missing)), (16, "0"))

    def _logged_out(self, tags: dict[str, str]) -> None:
        if not self._leaving:
            self.log_out("")
        self.lost(tags.get("58", "the client logged out"))
        self._host.close()

    def _in_time(self, tags: dict[str, str]) -> bool:
        sent_ns = time_ns(tags.get("52", ""))
        return sent_ns is not None and abs(self._host.now_ns() - sent_ns) <= LATENCY_NS_MAX

    def _reject_and_leave(self, tags: dict[str, str], number: int, reason: int, text: str) -> None:
        if self.logged_on:
            self.theirs += number == self.theirs
            self._reject(tags, reason, "", text)
        self._refuse(text)

    def _reject(self, tags: dict[str, str], reason: int, tag: str, text: str = "") -> None:
        """Reject(3) of a message, which is not acted on."""
        fields = [(45, tags["34"]), (372, tags["35"]), (373, str(reason))]
        fields += [(371, tag)] if tag else []
        self._admin("3", *fields, *(((58, text),) if text else ()))

    def _refuse(self, text: str) -> None:
        """Say why in a Logout, and close."""
        self.log_out(text)
        self.lost(text)
        self._host.close()
