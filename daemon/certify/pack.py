"""The sign-off pack: a folder that a broker's desk can read, and anybody can check.

summary.md           what was certified, against whom, by which versions, and each case's verdict
cases/REF.md         each line of a case, what held, and every message as it crossed the wire
fix.log              the raw log of the sessions
profile.toml, script/   what was played, as it was
SHA256SUMS           of every file but itself
"""

import hashlib
import importlib.metadata
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from daemon.certify.notation import Case

SUMS: Final = "SHA256SUMS"
VERSIONS: Final = ("steadyhand", "quickfix", "msgspec", "pydantic", "uvloop")
OUTCOMES: Final = ("passed", "failed", "not played", "not applicable")
PASSWORD: Final = re.compile("\x01554=[^\x01]*\x01")
WIRE_BYTES_MAX: Final = 4 << 20  # of one case in its page; the rest is in fix.log


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case."""

    case: Case
    outcome: str  # one of OUTCOMES
    text: str = ""  # why it failed, was not played, or does not apply
    held: tuple[int, ...] = ()  # lines that held
    skipped: tuple[int, ...] = ()  # lines of what may come and did not
    wire: str = ""  # the raw log of the case
    took_s: float = 0.0


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole run was."""

    profile: str
    version: str
    counterparty: str
    sender: str
    target: str
    began: datetime
    limits_sha256: str
    positions: str


def write(folder: Path, about: About, verdicts: list[Verdict], sources: list[Path], profile: Path) -> None:
    """Write every file of the pack but the raw log, and then the sums."""
    cases = folder / "cases"
    cases.mkdir(parents=True, exist_ok=True)
    for verdict in verdicts:
        (cases / f"{verdict.case.ref}.md").write_text(page(verdict))
    (folder / "profile.toml").write_bytes(profile.read_bytes())
    script = folder / "script"
    script.mkdir(exist_ok=True)
    for source in sources:
        (script / source.name).write_bytes(source.read_bytes())
    (folder / "summary.md").write_text(summary(about, verdicts))
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    lines = [f"{sha256(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / SUMS).write_text("".join(lines))


def sha256(path: Path) -> str:
    """Return a file's hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def summary(about: About, verdicts: list[Verdict]) -> str:
    """Return the first page."""
    lines = [
        f"# Certification of {about.profile} ({about.version})",
        "",
        f"**{'PASSED' if passed(verdicts) else 'NOT PASSED'}**: {counts(verdicts)}.",
        "",
        f"Counterparty {about.counterparty}, {about.sender} to {about.target},"
        f" began {about.began:%Y-%m-%d %H:%M:%S} UTC.",
        "",
        f"Limits SHA-256 {about.limits_sha256}.",
        "",
        f"Positions at logon (35=AN): {about.positions}.",
        "",
        "| case | title | verdict | seconds | why |",
        "|---|---|---|---|---|",
    ]
    for v in verdicts:
        link = f"[{v.case.ref}](cases/{v.case.ref}.md)"
        lines.append(f"| {link} | {v.case.title} | {v.outcome} | {v.took_s:.1f} | {_cell(v.text)} |")
    lines += ["", "| program | version |", "|---|---|", f"| python | {platform.python_version()} |"]
    lines += [f"| {name} | {_version(name)} |" for name in VERSIONS]
    lines += ["", "Signed for the firm: ______________________   for the broker: ______________________", ""]
    return "\n".join(lines)


def passed(verdicts: list[Verdict]) -> bool:
    """Return whether every case that applies was played and passed."""
    return {v.outcome for v in verdicts} - {"not applicable"} == {"passed"}


def counts(verdicts: list[Verdict]) -> str:
    """Return how many cases came to what."""
    return ", ".join(f"{sum(v.outcome == kind for v in verdicts)} {kind}" for kind in OUTCOMES)


def page(verdict: Verdict) -> str:
    """Return the page of one case."""
    case = verdict.case
    lines = [f"# {case.ref}: {case.title}", "", f"**{verdict.outcome}** {_cell(verdict.text)}", ""]
    file, _, number = case.source.rpartition(":")
    lines += [f"From script/{Path(file).name}, line {number}.", "", "```"]
    for line in case.lines:
        mark = " - " if line.number in verdict.skipped else "ok " if line.number in verdict.held else "   "
        lines.append(f"{mark} {line.text}")
    lines += ["```", "", "Messages as they crossed the wire (`|` for SOH):", "", "```"]
    lines += [verdict.wire.replace("\x01", "|").rstrip("\n"), "```", ""]
    return "\n".join(lines)


def wire_since(log: Path, offset: int, comp_ids: tuple[str, str]) -> str:
    """Return what the raw log says of one session since an offset, bounded, without its password."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read(WIRE_BYTES_MAX).decode("utf-8", "replace")
    ours, theirs = comp_ids
    ways = [(f"\x0149={a}\x01", f"\x0156={b}\x01") for a, b in ((ours, theirs), (theirs, ours))]
    lines = [line for line in text.splitlines() if any(a in line and b in line for a, b in ways)]
    return PASSWORD.sub("\x01554=(not shown)\x01", "\n".join(lines))


def size(log: Path) -> int:
    """Return the raw log's length so far."""
    return log.stat().st_size if log.exists() else 0


def now() -> datetime:
    """Return the wall's time."""
    return datetime.now(UTC)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("\x01", "\\|")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
