"""The log is no reason to stop: what it cannot take is counted, lost, and told when it can again."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from daemon import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Full(io.StringIO):
    """A stream on a disk that fills up and has room again."""

    fault: OSError | None = None

    def flush(self) -> None:
        if self.fault is not None:
            self.seek(0)
            self.truncate()
            raise self.fault


def said(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


def test_a_full_disk_or_a_reader_that_has_gone_ends_nobody_and_is_told_afterwards() -> None:
    stream = Full()
    logs.configure("gate", stream=stream)
    log = structlog.get_logger()

    log.info("before")
    assert said(stream) == ["before"]
    stream.fault = OSError(28, "No space left on device")
    log.info("lost")
    stream.fault = BrokenPipeError(32, "Broken pipe")
    log.info("lost too")
    stream.fault = None
    log.info("after")
    log.info("later")

    assert said(stream) == ["lines of the log lost", "after", "later"]
    assert json.loads(stream.getvalue().splitlines()[0])["count"] == 2


def test_a_device_that_takes_nothing_takes_no_daemon_with_it() -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full, Path(os.devnull).open("w") as nothing:
        logs.configure("gate", stream=full)
        for _ in range(10_000):
            structlog.get_logger().info("a line")
        os.dup2(nothing.fileno(), full.fileno())  # what it still holds goes there
