"""The checksums of a run folder: what a run left, so that a report says where it is something else today.

`SHA256SUMS` is what `sha256sum -c` reads. It stands for the files that a report is made of and for the
journals that a replay steps; a run that ended before it could write one has none.
"""

import hashlib
from pathlib import Path
from typing import Final

SUMS: Final = "SHA256SUMS"
NAMES: Final = (
    *("run.json", "gate-status.json", "venue.json", "fix-gate.log", "fix-venue.log", "itch.bin"),
    *("inbound.jsonl", "outbound.jsonl", "config.toml", "positions.csv"),
)
JOURNALS: Final = ("gate/*.journal/*", "trader/*.journal/*")
SUMS_BYTES_MAX: Final = 1 << 20  # a line a file, and a day has some thousand segments at most


def write(run: Path) -> None:
    """Write down what each file of a finished run is."""
    found = [run / name for name in NAMES if (run / name).is_file()]
    found += sorted(path for pattern in JOURNALS for path in run.glob(pattern))
    (run / SUMS).write_text("".join(f"{of(path)}  {path.relative_to(run)}\n" for path in found))


def differences(run: Path) -> list[str]:
    """Return what is not as the run left it, each in one line; nothing where there are no sums."""
    try:
        with (run / SUMS).open("rb") as file:
            lines = file.read(SUMS_BYTES_MAX).decode("ascii").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        return [f"{SUMS} cannot be read: {error}"]
    said = []
    for number, line in enumerate(lines, start=1):
        told, gap, name = line.partition("  ")
        if not gap or ".." in Path(name).parts or Path(name).is_absolute():
            said.append(f"{SUMS}:{number} is no checksum")
        elif not (run / name).is_file():
            said.append(f"{name} is missing")
        elif of(run / name) != told:
            said.append(f"{name} is not as the run left it ({SUMS})")
    return said


def of(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
