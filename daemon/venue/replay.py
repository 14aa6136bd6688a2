"""`steadyhand venue --replay RUN`: a run again, from what reached it and when; the same bytes, or not.

A venue writes to `inbound.jsonl` each message with the market time at which it arrived, and what its shell
did: sessions that came and went, prices that were told. Flow, seed, window and scenario stand in
`venue.json`. Everything else follows from these: the replay must publish the same feed, report the same
fills and send the same messages, to the byte. A record that was cut or changed since is refused: it would
be the same as nothing.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from pydantic import ValidationError

from daemon import logs
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN
from daemon.strict_toml import ConfigError
from daemon.venue.outbound import OUTBOUND_FILE, Outbound
from daemon.venue.parts import Parts, build_flow
from daemon.venue.settings import Options
from gateways.venue import record
from gateways.venue.actions import LineAction
from gateways.venue.exchange import Exchange
from gateways.venue.line import Marks
from gateways.venue.scenario import SEED_MAX, Scenario

INBOUND_FILE: Final = "inbound.jsonl"
FEED_FILE: Final = "itch.bin"
LINE_BYTES_MAX: Final = 1 << 20  # of a record: a FIX message of 64 KiB, each byte of it escaped
AFTER_NS: Final = 86_400 * 10**9  # a venue serves on when its window is over; nobody kept one for a day
SETUP: Final = ("instrument", "day", "tape", "window", "close_e4", "seed", "flow", "pending_reports")


class Inbound:
    """Writes down what reached a run; without a folder it keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._file: IO[str] | None = (folder / INBOUND_FILE).open("w", buffering=1) if folder else None

    def note(self, ts_ns: int, what: str, text: str) -> None:
        """Write one line; `happen` knows what it can be."""
        if self._file is not None:
            self._file.write(json.dumps([ts_ns, what, text]) + "\n")

    def close(self) -> None:
        """Bring it to the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def account_of(options: Options, parts: Parts, outbound: Outbound) -> dict[str, Any]:
    """Return what venue.json tells of a run: how it was set up, what happened, what left."""
    setup = {name: getattr(options, name) for name in SETUP}
    setup["tape"] = str(options.tape.resolve()) if options.tape else None
    setup = {**msgspec.to_builtins(setup), "run": parts.run}
    if options.scenario is not None:
        setup["scenario"] = options.scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    out = {"outbound": outbound.account()}
    faults = {"faults": parts.director.fired} if options.scenario is not None else {}
    return {"setup": setup, **record.account(parts.exchange, parts.ems), **faults, **out}


def replay(folder: Path, out: Path | None) -> int:
    """Play a run again; write it to `out`; return 0 where feed, fills and messages are the same."""
    want = _account(folder)
    options = _options(want["setup"], folder)
    _check_outbound(folder / OUTBOUND_FILE, want["outbound"]["order"])
    feed_then = _read(folder / FEED_FILE)
    target = out or folder / "replay"
    if target.resolve() == folder.resolve():
        raise ConfigError(f"--out {target}: is the run itself; name another folder")
    try:
        lines = RecordOnly(Outbound(target))
    except OSError as error:
        raise ConfigError(f"--out {target}: {error.strerror}; name a folder that can be written") from None
    try:
        parts = Parts(options, build_flow(options), lines, lines.reference, want["setup"]["run"])
        lines.exchange = parts.exchange
        for place, ts_ns, what, text in _lines(folder / INBOUND_FILE, options.window[1] + AFTER_NS):
            _again(parts, place, ts_ns, what, text)
        account = account_of(options, parts, lines.record)
    finally:
        lines.record.close()
    record.write(target, account, parts.store)
    feed = feed_then == (target / FEED_FILE).read_bytes()
    same = json.loads(json.dumps(account))
    fills, messages = same["fills"] == want["fills"], same["outbound"] == want["outbound"]
    logs.announce(
        "replayed",
        same_feed=feed,
        same_fills=fills,
        same_messages=messages,
        out=str(target),
        **record.summary(account),
    )
    return EXIT_DONE if feed and fills and messages else EXIT_NOT_CLEAN


def _again(parts: Parts, place: str, ts_ns: int, what: str, text: str) -> None:
    try:
        if parts.exchange.opened:
            parts.director.advance(ts_ns)
        happen(parts, what, text)
    except (AssertionError, ValueError, OverflowError) as error:
        raise ConfigError(f"{place}: {what} cannot have happened there: {error}") from None


def happen(parts: Parts, what: str, text: str) -> None:
    """Let happen again what reached a run, or what its shell did."""
    match what:
        case "open":
            parts.director.open()
        case "request":
            parts.director.request(text)
        case "cancel_all":
            parts.director.cancel_all(text)
        case "logon":
            parts.director.logon(text)
        case "logout":
            parts.director.logout(text)
        case "reference":
            parts.prices.request(text)
        case "tell":
            parts.prices.tell(int(text))
        case "reference_gone":
            parts.prices.forget()
        case "close":
            exchange = parts.exchange
            parts.publisher.close(min(exchange.now_ns, exchange.window[1]))
        case _:
            raise ValueError("no venue of this version writes that")


class RecordOnly:
    """Lines without anybody at their end."""

    def __init__(self, outbound: Outbound) -> None:
        self.record = outbound
        self.exchange: Exchange | None = None

    def report(self, body: str, marks: Marks) -> None:
        """Note it."""
        self.record.report(self._now_ns, body, marks)

    def command(self, action: LineAction, begin: bool) -> None:
        """Note it."""
        self.record.command(self._now_ns, action, begin)

    def reference(self, body: str) -> None:
        """Note it."""
        self.record.reference(self._now_ns, body)

    @property
    def _now_ns(self) -> int:
        return self.exchange.now_ns if self.exchange is not None else 0


def _account(folder: Path) -> dict[str, Any]:
    try:
        account = json.loads((folder / "venue.json").read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"--replay {folder}: no venue.json of a finished run: {error}") from None
    if not isinstance(account, dict) or not isinstance(account.get("setup"), dict):
        raise ConfigError(f"--replay {folder}: venue.json says nothing of how the run was set up")
    try:
        account["setup"]["run"], account["fills"], account["outbound"]["order"]["messages"]
    except (KeyError, TypeError):
        raise ConfigError(f"--replay {folder}: venue.json says nothing of what left the venue") from None
    return account


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; there is nothing to compare with") from None


def _check_outbound(path: Path, told: dict[str, Any]) -> None:
    """Refuse a record of what left that is not the one whose hash the run wrote down at its end."""
    lines = _read(path).splitlines()
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    if len(lines) != told["messages"]:
        raise ConfigError(f"{path}: holds {len(lines)} messages, the run sent {told['messages']}: cut since")
    if digest != told.get("sha256"):
        raise ConfigError(f"{path}: is not what the run wrote: changed since")


def _options(setup: dict[str, Any], folder: Path) -> Options:
    """Return the options of the run, with no door open."""
    closed: dict[str, Any] = {
        "speed": 1.0,
        "lockstep_socket": None,
        "start_now": False,
        "out": None,
        "comp_id": "",
        "client_comp_id": "",
        "reference_comp_id": "",
        "reference_client_comp_id": "",
        "username": "",
        "password": "",
        "log_level": "info",
    }
    unused = ("order_latency_ns", "feed_latency_ns", "fix_port", "reference_port", "itch_port")
    tree: dict[str, Any] = {**closed, **dict.fromkeys(unused, 0)}
    tree |= {name: setup[name] for name in SETUP if name in setup}
    try:
        options = msgspec.convert(tree, Options, dec_hook=lambda kind, value: kind(value))
        if not 0 <= options.seed <= SEED_MAX:
            raise ConfigError(f"--replay {folder}: venue.json: seed: must lie in 0..{SEED_MAX}")
        scenario = setup.get("scenario")
        if not (options.midnight_ns <= options.window[0] < options.window[1]):
            raise ConfigError(f"--replay {folder}: venue.json: window: is not of the day")
        if scenario is None:
            return options
        return msgspec.structs.replace(options, scenario=Scenario.model_validate(scenario))
    except (KeyError, OSError) as error:  # a zone that this host does not know
        raise ConfigError(f"--replay {folder}: venue.json: instrument.zone: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"--replay {folder}: venue.json: scenario: {error.errors()[0]['msg']}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"--replay {folder}: venue.json: {error}") from None


def _lines(path: Path, until_ns: int) -> Iterator[tuple[str, int, str, str]]:
    """Yield each line's place, instant, word and text."""
    before_ns = 0
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LINE_BYTES_MAX):
                number += 1
                ts_ns, what, text = _line(f"{path}:{number}", line)
                if ts_ns < before_ns:
                    raise ConfigError(f"{path}:{number}: is earlier than the line before it") from None
                if ts_ns > until_ns:
                    raise ConfigError(f"{path}:{number}: is days after the run's window") from None
                before_ns = ts_ns
                yield f"{path}:{number}", ts_ns, what, text
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; the run has no inbound record") from None


def _line(place: str, line: bytes) -> tuple[int, str, str]:
    try:
        ts_ns, what, text = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        raise ConfigError(f"{place}: is not a line of a run") from None
    if (type(ts_ns), type(what), type(text)) != (int, str, str):
        raise ConfigError(f"{place}: is not a line of a run")
    return ts_ns, what, text
