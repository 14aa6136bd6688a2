"""What an artefact must carry, and how it is checked before a byte of it is believed.

A folder of `manifest.json` (canonical JSON), the files that it names with their SHA-256, the manifest's own
(`sha256sum -c manifest.sha256`), perhaps a detached signature over it, and nothing else. Parsing is numbers
and text; nothing in an artefact is ever executed.
"""

import hashlib
import json
import stat
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from policies.actions import ACTION_TABLE_SHA256, ACTIONS, action_table
from policies.policy import Cadence
from policies.state import OBS_SIZE, STATE_SPEC_SHA256

SCHEMA: Final = 2
MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.safetensors"
CARD: Final = "MODEL_CARD.md"  # for people; may be absent
SIGNATURE: Final = "manifest.sig"  # Ed25519 over manifest.json, hexadecimal; may be absent
CHECKSUM: Final = "manifest.sha256"  # of manifest.json; absent where frozen before there was one
BYTES_MAX: Final = 8 * 1024 * 1024  # of the whole folder: 6.9k weights are 27 KB, golden rows 300 KB
GOLDEN_ROWS: Final = 256
FLOAT32_MAX: Final = 3.4e38  # just below the largest of float32, in which the network reckons
WIDTH_MAX: Final = 1_024  # of a layer: 1024 x 1024 float32 is 4 MiB


# A name and a line of plain print: both are shown on terminals, in logs and in metrics.
PolicyId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Label = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,400}\Z")]
Number = Annotated[float, msgspec.Meta(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]


class ArtefactError(Exception):
    """An artefact that must not be used: which, and what is wrong with it."""


class GoldenRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One observation and what the network must say of it, every action allowed."""

    obs: list[Number]
    logits: list[Number]
    action: int


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One measured comparison, as the validation printed it."""

    tier: Label  # which markets: T1 held-out seeds, T2 held-out regimes, ...
    scenario: Label
    against: Label
    mean_bps: Number  # of shortfall, ours less theirs: negative is better
    low_bps: Number  # of its 95 % interval
    high_bps: Number
    orders: Annotated[int, msgspec.Meta(ge=1)]
    clusters: Annotated[int, msgspec.Meta(ge=1)]


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where it comes from: enough to make it again."""

    made_by: str  # the command or module
    commit: str  # of this repository, "" where it was not one
    simulator: dict[str, Any]  # flow, calibrations and their SHA-256, scenarios
    data: dict[str, str]  # name: SHA-256
    seeds: dict[str, Any]  # training, and hashes of those it was evaluated on
    limits: dict[str, Any]  # that it was trained under
    args: dict[str, Any]
    results: dict[str, Any]  # of the training itself


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of manifest.json."""

    schema: int
    policy_id: PolicyId
    label: Label  # what it honestly is
    network: str  # "mlp-tanh"
    shape: list[int]  # inputs, hidden, hidden, actions
    schedule: str  # the schedule that its corridor follows
    cadence: Cadence
    state_spec_sha256: str
    action_table: list[dict[str, Any]]
    action_table_sha256: str
    files: dict[str, str]  # name: SHA-256
    golden: list[GoldenRow]
    evaluation: list[Evaluation]  # empty: nothing is claimed
    provenance: Provenance


def canonical(tree: Any) -> bytes:
    """Return the one way to write a tree as JSON: sorted keys, no spaces, ASCII, no NaN."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii") + b"\n"


def load(folder: Path) -> tuple[Manifest, dict[str, bytes], str]:
    """Return a checked manifest, the bytes of its files, and the artefact's SHA-256.

    Raises:
        ArtefactError: naming the artefact and what is wrong.

    """
    try:
        raws = read_files(folder)
    except OSError as error:
        raise ArtefactError(f"{folder}: cannot be read: {error.strerror}") from None
    raw = raws.pop(MANIFEST)
    if raws.pop(CHECKSUM, checksum(raw)) != checksum(raw):
        raise ArtefactError(f"{folder / MANIFEST}: its SHA-256 is not the one in {CHECKSUM}")
    manifest = parse(folder / MANIFEST, raw)
    check_files(folder, manifest, raws)
    check_terms(folder / MANIFEST, manifest)
    return manifest, raws, hashlib.sha256(raw).hexdigest()


def checksum(raw: bytes) -> bytes:
    """Return what stands in CHECKSUM beside the manifest of these bytes."""
    return f"{hashlib.sha256(raw).hexdigest()}  {MANIFEST}\n".encode()


def read_files(folder: Path) -> dict[str, bytes]:
    """Return every file's bytes; sizes and kinds are looked at before anything is read."""
    if folder.is_symlink() or not folder.is_dir():
        raise ArtefactError(f"{folder}: is not a folder")
    sizes: dict[str, int] = {}
    for path in sorted(folder.iterdir()):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ArtefactError(f"{path}: is a link or no plain file; an artefact holds plain files only")
        sizes[path.name] = status.st_size
    if MANIFEST not in sizes:
        raise ArtefactError(f"{folder}: has no {MANIFEST}")
    total = sum(sizes.values())
    if total > BYTES_MAX:
        raise ArtefactError(f"{folder}: {total} bytes; an artefact has at most {BYTES_MAX}")
    raws = {}
    for name, size in sizes.items():
        with (folder / name).open("rb") as file:
            raws[name] = file.read(size + 1)
        if len(raws[name]) != size:
            raise ArtefactError(f"{folder / name}: changed while it was read")
    return raws


def parse(path: Path, raw: bytes) -> Manifest:
    """Return the manifest of some bytes, which must be canonical."""
    try:
        tree = json.loads(raw, parse_constant=refuse_constant)
        again = canonical(tree)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path}: is not JSON of finite numbers: {error}") from None
    if again != raw:
        raise ArtefactError(f"{path}: is not canonical JSON (sorted keys, no spaces, no duplicates)")
    try:
        return msgspec.convert(tree, Manifest)
    except msgspec.ValidationError as error:
        raise ArtefactError(f"{path}: {error}") from None


def refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity."""
    raise ValueError(f"{name} is no number")


def check_files(folder: Path, manifest: Manifest, raws: dict[str, bytes]) -> None:
    """Hold the folder to the files that the manifest names."""
    for name in sorted(manifest.files.keys() - raws.keys()):
        raise ArtefactError(f"{folder / name}: is missing")
    for name in sorted(raws.keys() - manifest.files.keys() - {SIGNATURE}):
        raise ArtefactError(f"{folder / name}: is not named by the manifest; remove it")
    if set(manifest.files) | {CARD} != {WEIGHTS, CARD}:
        raise ArtefactError(f"{folder / MANIFEST}: files: this version reads {WEIGHTS} and {CARD}")
    for name in sorted(manifest.files):
        sha256 = hashlib.sha256(raws[name]).hexdigest()
        if sha256 != manifest.files[name]:
            due = manifest.files[name]
            raise ArtefactError(
                f"{folder / name}: SHA-256 is {sha256[:16]}..., the manifest says {due[:16]}..."
            )


def check_terms(path: Path, manifest: Manifest) -> None:
    """Hold the manifest to what this house runs: schema, observation, actions, shape."""
    if manifest.schema != SCHEMA:
        raise ArtefactError(f"{path}: schema {manifest.schema}; this version reads {SCHEMA}")
    if manifest.network != "mlp-tanh":
        raise ArtefactError(f"{path}: network {manifest.network!r}; this version runs 'mlp-tanh'")
    if manifest.state_spec_sha256 != STATE_SPEC_SHA256:
        raise ArtefactError(
            f"{path}: was made for STATE_SPEC {manifest.state_spec_sha256[:16]}..., "
            f"this version has {STATE_SPEC_SHA256[:16]}...; train it anew"
        )
    if manifest.action_table_sha256 != ACTION_TABLE_SHA256 or manifest.action_table != action_table():
        raise ArtefactError(f"{path}: was made for another action table; train it anew")
    shape = manifest.shape
    if len(shape) != 4 or shape[0] != OBS_SIZE or shape[3] != len(ACTIONS):
        raise ArtefactError(
            f"{path}: shape {shape}; {OBS_SIZE} inputs, two layers, {len(ACTIONS)} actions are due"
        )
    if not all(0 < width <= WIDTH_MAX for width in shape):
        raise ArtefactError(f"{path}: shape {shape}; a layer has 1 to {WIDTH_MAX} units")
    if len(manifest.golden) != GOLDEN_ROWS:
        raise ArtefactError(f"{path}: {len(manifest.golden)} golden rows; {GOLDEN_ROWS} are due")
    for number, row in enumerate(manifest.golden):
        if len(row.obs) != shape[0] or len(row.logits) != shape[3] or not 0 <= row.action < shape[3]:
            raise ArtefactError(f"{path}: golden row {number} does not fit the shape {shape}")
