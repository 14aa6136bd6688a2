"""FIX tag=value frames, made and read by hand: the plain acceptor's own, nothing of `gateways.fix` in it.

Venue and gate share an engine and a codec, so a mistake in either could cancel out; here is neither. A
frame that is garbled (BodyLength or CheckSum wrong) is passed over, as the standard wants it.
"""

import re
from datetime import UTC, datetime
from typing import Final

from market.types import NS

SOH: Final = b"\x01"
HEAD: Final = re.compile(rb"8=(FIX\.\d\.\d)\x019=(\d{1,6})\x01")
BODY_BYTES_MAX: Final = 1 << 16  # a mass status of thousands of orders comes in as many messages
HEAD_BYTES_MAX: Final = 32  # of 8 and 9
TRAILER: Final = re.compile(rb"10=(\d{1,3})\x01")
TRAILER_BYTES_MIN: Final = 7  # 10=nnn and its end; with less digits the next message has come, too
NUMBER: Final = re.compile(r"[0-9]{1,9}")
TWICE: Final = "twice"  # no tag: tags are numbers
WRONG: Final = 1  # how much a garbled length or checksum is off


def framed(version: str, body: bytes, garble: str = "") -> bytes:
    """Return a whole message; `garble`: "", "checksum", "length" or "byte"."""
    length = len(body) + (WRONG if garble == "length" else 0)
    whole = b"8=%s\x019=%d\x01%s" % (version.encode(), length, body)
    checksum = sum(whole) % 256
    if garble == "checksum":
        checksum = (checksum + WRONG) % 256
    elif garble == "byte":  # the last value's last letter
        broken = b"~" if body[-2:-1] != b"~" else b"!"
        whole = whole[:-2] + broken + whole[-1:]
    return b"%s10=%03d\x01" % (whole, checksum)


def time_text(ts_ns: int) -> str:
    """Return a UTCTimestamp with milliseconds."""
    second, part = divmod(ts_ns, NS)
    return f"{datetime.fromtimestamp(second, UTC):%Y%m%d-%H:%M:%S}.{part // 1_000_000:03d}"


def time_ns(text: str) -> int | None:
    """Return UTC ns of a UTCTimestamp, None where it is none; what is finer than 1 us is left away."""
    try:
        return round(datetime.fromisoformat(f"{text[:26]}+00:00").timestamp() * 1_000_000) * 1_000
    except ValueError:
        return None


def number_of(text: str) -> int:
    """Return a number of nine digits at most, -1 where it is none."""
    return int(text) if NUMBER.fullmatch(text) else -1


def tags_of(frame: bytes) -> dict[str, str]:
    """Return tag -> value of a frame that was checked; of a repeated tag the first.

    TWICE names the first tag that comes again.
    """
    out: dict[str, str] = {}
    for field in frame.decode("utf-8", "surrogateescape").split("\x01")[:-1]:
        tag, _, value = field.partition("=")
        if tag in out:
            out.setdefault(TWICE, tag)
        out.setdefault(tag, value)
    return out


class Framer:
    """Cuts a stream into messages."""

    def __init__(self) -> None:
        self.garbled = 0
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the whole messages among them."""
        self._buffer += data
        out: list[bytes] = []
        while True:
            start = self._buffer.find(b"8=FIX")
            if start < 0:
                self._buffer = self._buffer[-len(b"8=FI") :]
                return out
            head = HEAD.match(self._buffer, start)
            if head is None:
                if len(self._buffer) - start < HEAD_BYTES_MAX:
                    self._buffer = self._buffer[start:]
                    return out
                self._skip(start)
                continue
            if int(head[2]) > BODY_BYTES_MAX:
                self._skip(start)
                continue
            trailer_at = head.end() + int(head[2])
            if len(self._buffer) < trailer_at + TRAILER_BYTES_MIN:
                self._buffer = self._buffer[start:]
                return out
            trailer = TRAILER.match(self._buffer, trailer_at)
            if trailer is None or self._buffer[trailer_at - 1 : trailer_at] != SOH:
                self._skip(start)
                continue
            if int(trailer[1]) == sum(self._buffer[start:trailer_at]) % 256:
                out.append(self._buffer[start : trailer.end()])
            else:
                self.garbled += 1
            self._buffer = self._buffer[trailer.end() :]

    def _skip(self, start: int) -> None:
        """Pass over a beginning that leads nowhere, up to the next."""
        self.garbled += 1
        self._buffer = self._buffer[start + 1 :]
