"""The configuration refuses what would be ignored, could not work, or would lead out of its place."""

from pathlib import Path

import msgspec
import pytest

from daemon.config import load
from daemon.paper.options import parser
from daemon.paper.setup import Market, compose_config
from daemon.strict_toml import ConfigError
from daemon.venue.options import SYNTHETIC_DAY
from daemon.venue.settings import SYNTHETIC
from market.instruments import TickBand

GOOD = """
[gate]
state_dir = "state"
control_socket = "c.sock"
link_socket = "l.sock"
limits = "limits.toml"
kill_file = "KILL"
[gate.order_session]
port = 9001
[[instrument]]
symbol = "SYN"
"""


def read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    load(path)


def test_the_configuration_of_these_tests_is_good(tmp_path: Path) -> None:
    read(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\ufeff" + GOOD, "config.toml:1: begins with a byte order mark; save it as UTF-8 without one"),
        (GOOD.replace("9001", "0"), ":9:gate.order_session.port: input should be greater than or equal to 1"),
        (GOOD.replace("port =", 'profile = "../../x"\nport ='), "gate.order_session.profile: string should"),
        (GOOD + '[[instrument]]\nsymbol = "SYN"\n', "instrument: symbol SYN is there twice"),
        (GOOD + 'zone = "Mars/X"\n', "instrument.0.zone: no such time zone; write Area/City, got 'Mars/X'"),
        (GOOD + 'zone = "America"\n', "instrument.0.zone: no such time zone; write Area/City, got 'America'"),
        (
            GOOD + "ticks = [{ from_price_e4 = 1, tick_e4 = 1 }]\n",
            "bands begin at from_price_e4 = 0 and rise",
        ),
        (GOOD + "ticks = [{ from_price_e4 = 0, tick_e4 = 0 }]\n", "instrument.0.ticks.0.tick_e4"),
        (GOOD + "open = 17:00:00\n", "instrument.0.close: closes before it opens, at 17:00:00"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)

    assert reason in str(refused.value)


def test_a_paper_run_s_configuration_has_the_whole_tick_table_of_its_tape(tmp_path: Path) -> None:
    table = (TickBand(0, 1), TickBand(10_000, 100))
    instrument = msgspec.structs.replace(SYNTHETIC, ticks=table)
    first_ns, last_ns = instrument.session(SYNTHETIC_DAY)
    market = Market(instrument=instrument, day=SYNTHETIC_DAY, tape=None, from_ns=first_ns, to_ns=last_ns)
    ports = {"fix": 9001, "reference": 9002, "itch": 9003, "glimpse": 9004}

    path = compose_config(parser().parse_args([]), market, tmp_path, tmp_path, ports)

    assert load(path).instrument[0].instrument().ticks == table
