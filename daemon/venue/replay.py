"""`steadyhand venue --replay RUN`: a run again, from what reached it and when; the same bytes, or not.

A venue writes to `inbound.jsonl` each request with the market time at which it met the book, and what
it did unasked. Flow, seed and window stand in `venue.json`. Everything else follows from these: the
replay must publish the same feed and report the same fills, to the byte.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from daemon import logs
from daemon.config import ConfigError
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN
from daemon.venue.parts import Parts, build_flow
from daemon.venue.settings import Options
from gateways.venue import record

INBOUND_FILE: Final = "inbound.jsonl"
SETUP: Final = ("instrument", "day", "tape", "window", "close_e4", "seed", "flow", "pending_reports")


class Inbound:
    """Writes down what reached a run; without a folder it keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._file: IO[str] | None = (folder / INBOUND_FILE).open("w", buffering=1) if folder else None

    def note(self, ts_ns: int, what: str, text: str) -> None:
        """Write one line: open, request, cancel_all or close."""
        if self._file is not None:
            self._file.write(json.dumps([ts_ns, what, text]) + "\n")

    def close(self) -> None:
        """Bring it to the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def setup_of(options: Options, run: str) -> dict[str, Any]:
    """Return what a replay must know, for venue.json."""
    chosen = {name: getattr(options, name) for name in SETUP}
    chosen["tape"] = str(options.tape.resolve()) if options.tape else None
    return {**msgspec.to_builtins(chosen), "run": run}


def replay(folder: Path, out: Path | None) -> int:
    """Play a run again; write it to `out`; return 0 where feed and fills are the same."""
    want = _account(folder)
    setup = want["setup"]
    options = _options(setup, folder)
    parts = Parts(options, build_flow(options), lambda _: None, lambda _: None, setup["run"])
    exchange = parts.exchange
    for ts_ns, what, text in _lines(folder / INBOUND_FILE):
        if exchange.opened:
            exchange.advance(ts_ns)
        if what == "open":
            exchange.open()
        elif what == "request":
            parts.ems.request(text)
        elif what == "cancel_all":
            parts.ems.cancel_all(text)
        else:
            parts.publisher.close(min(exchange.now_ns, exchange.window[1]))
    account = {"setup": setup, **record.account(exchange, parts.ems)}
    target = out or folder / "replay"
    target.mkdir(parents=True, exist_ok=True)
    record.write(target, account, parts.store)
    feed = (folder / "itch.bin").read_bytes() == (target / "itch.bin").read_bytes()
    fills = json.loads(json.dumps(account["fills"])) == want["fills"]
    logs.announce("replayed", same_feed=feed, same_fills=fills, out=str(target), **record.summary(account))
    return EXIT_DONE if feed and fills else EXIT_NOT_CLEAN


def _account(folder: Path) -> dict[str, Any]:
    try:
        account: dict[str, Any] = json.loads((folder / "venue.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--replay {folder}: no venue.json of a finished run: {error}") from None
    if "setup" not in account:
        raise ConfigError(f"--replay {folder}: venue.json says nothing of how the run was set up")
    return account


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
        return msgspec.convert(tree, Options, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise ConfigError(f"--replay {folder}: venue.json: {error}") from None


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    try:
        with path.open() as file:
            for number, line in enumerate(file, 1):
                try:
                    ts_ns, what, text = json.loads(line)
                except ValueError:
                    raise ConfigError(f"{path}:{number}: is not a line of a run") from None
                yield int(ts_ns), str(what), str(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; the run has no inbound record") from None
