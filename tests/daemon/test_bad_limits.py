"""Bad limit files: each is one line with file:line:key, exit 78, and no start."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.gate.files import load_limits
from daemon.strict_toml import ConfigError
from risk.limits import explain

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "deploy" / "limits.paper.toml").read_text()
LINES = SHIPPED.splitlines()
KEYS = [doc for doc in explain() if doc.unit not in ("list", "yes or no")]
PLACE = re.compile(r"limits\.toml:\d+:[a-z_.0-9]+")
WRONG = ("-1", "1.5", "nan", "inf", '"5"', "true", "[]", "{}", "9_999_999_999_999_999", '""')


def line_of(key: str) -> int:
    """Return the index of a key's line."""
    table, name = key.split(".")
    start = next(n for n, line in enumerate(LINES) if line.startswith(f"[{table}]"))
    return next(n for n in range(start + 1, len(LINES)) if re.match(rf"{name}\s*=", LINES[n]))


def mutated() -> list[tuple[str, str]]:
    """Return (what was done, text) of 60 files: ten wrong values, six ways, by chance over all keys."""
    rng, found = random.Random(5), []
    for n in range(60):
        doc = rng.choice(KEYS)
        at, lines = line_of(doc.key), list(LINES)
        name = doc.key.split(".")[1]
        what = n % 6
        if what == 0:
            del lines[at]
            done = "missing"
        elif what == 1:
            lines[at] = lines[at].replace(name, name + "s", 1)
            done = "unknown key"
        elif what == 2:
            other = re.sub(r"_(ms|bp|ccy|max)$", "_pct", name)
            lines[at] = f"{other if other != name else name + '_pct'} = 1"
            done = "wrong unit"
        else:
            value = WRONG[(n // 6) % len(WRONG)] if what < 5 else WRONG[rng.randrange(len(WRONG))]
            lines[at] = f"{name} = {value}"
            done = value
        found.append((f"{n:02} {doc.key} {done}", "\n".join(lines) + "\n"))
    return found


MUTATED = mutated()


@pytest.mark.parametrize(("name", "text"), MUTATED, ids=[name for name, _ in MUTATED])
def test_a_mutated_file_is_one_line_with_its_place(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_limits(path, "paper")

    said = str(caught.value)
    assert "\n" not in said
    assert PLACE.search(said), said
    assert name.split()[1].split(".")[0] in said


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('mode = "paper"', 'mode = "live"', "limits are for live"),
        ('symbols = ["*"]', 'symbols = ["*", "SYN"]', "stands alone"),
        ("[order]", "[level.symbol.SYN.order]\nqty_max = 6_000\n[order]", "looser than the firm's"),
        ("version = 1", "version = 0", "version"),
        ("version = 1", "version = 1\nversion = 2", "not TOML"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "limits.toml"
    assert old in SHIPPED
    path.write_text(SHIPPED.replace(old, new, 1))

    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        load_limits(path, "paper")

    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_gate_with_a_bad_file_does_not_start(tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text(MUTATED[1][1])
    config = tmp_path / "config.toml"
    config.write_text(
        'mode = "paper"\n[gate]\nstate_dir = "s"\ncontrol_socket = "c"\nlink_socket = "l"\n'
        'limits = "limits.toml"\nkill_file = "K"\n[gate.order_session]\nport = 1\n'
        '[[instrument]]\nsymbol = "SYN"\n'
    )

    outcome = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "gate", "--config", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert outcome.returncode == 78
    assert PLACE.search(outcome.stderr)
    assert outcome.stderr.count("\n") == 1
    assert not (tmp_path / "s").exists()
