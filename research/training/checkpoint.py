"""A checkpoint: everything that a run needs to go on, as tensors and JSON, written whole or not at all.

`NAME.safetensors` holds arrays, `NAME.json` numbers, arguments, and hashes: of the arrays, of the
observation and of the action table. The JSON is renamed into place last, so a checkpoint that can be
seen is whole. Nothing in it is ever executed.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from research.training.learner import Numbers, Tensors, TrainingError

SCHEMA: Final = 1
KEPT: Final = 2  # the last one, and the one before in case it is looked at
JSON_BYTES_MAX: Final = 4 * 1024 * 1024  # numbers and arguments: some kilobytes


class CheckpointError(Exception):
    """A checkpoint that cannot be used: which, and what is wrong with it. The process exits with 78."""


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of a checkpoint's JSON."""

    schema: int
    learner: str
    args: dict[str, Any]  # of the run: a checkpoint goes on under the arguments that it was made with
    hashes: dict[str, str]  # of the observation and of the action table
    numbers: Numbers
    tensors_sha256: str


def write_whole(path: Path, raw: bytes) -> None:
    """Write a file so that it is there whole, or as it was before.

    Raises:
        TrainingError: naming the file and what stands in the way.

    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TrainingError(f"{path}: cannot be written: {error.strerror}") from None


def save(
    folder: Path,
    learner: str,
    args: dict[str, Any],
    hashes: dict[str, str],
    state: tuple[Tensors, Numbers],
) -> Path:
    """Write a checkpoint, named by its step; forget all but the last few."""
    tensors, numbers = state
    name = f"step-{numbers['steps']:012d}"
    raw = save_tensors(tensors)
    header = Header(
        schema=SCHEMA,
        learner=learner,
        args=args,
        hashes=hashes,
        numbers=numbers,
        tensors_sha256=hashlib.sha256(raw).hexdigest(),
    )
    write_whole(folder / f"{name}.safetensors", raw)
    # The standard library writes integers of any size: the state of a generator has 128 bits.
    text = json.dumps(msgspec.to_builtins(header), sort_keys=True, indent=1)
    write_whole(folder / f"{name}.json", text.encode() + b"\n")
    for old in sorted(folder.glob("step-*.json"))[:-KEPT]:
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)
    return folder / f"{name}.json"


def latest(folder: Path) -> Path:
    """Return the newest checkpoint of a folder.

    Raises:
        CheckpointError: there is none.

    """
    found = sorted(folder.glob("step-*.json"))
    if not found:
        raise CheckpointError(f"{folder}: holds no checkpoint")
    return found[-1]


def load(path: Path, hashes: dict[str, str]) -> tuple[Header, Tensors]:
    """Return a checkpoint, held to the observation and the action table of this version.

    Raises:
        CheckpointError: naming the file and what is wrong with it.

    """
    try:
        with path.open("rb") as file:
            text = file.read(JSON_BYTES_MAX)
        raw = path.with_suffix(".safetensors").read_bytes()
    except OSError as error:
        raise CheckpointError(f"{error.filename}: cannot be read: {error.strerror}") from None
    try:
        header = msgspec.convert(json.loads(text), Header)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise CheckpointError(f"{path}: is not a checkpoint: {error}") from None
    if header.schema != SCHEMA:
        raise CheckpointError(f"{path}: schema {header.schema}; this version reads {SCHEMA}")
    for what, due in hashes.items():
        if header.hashes.get(what) != due:
            raise CheckpointError(f"{path}: was made for another {what}; train anew")
    if hashlib.sha256(raw).hexdigest() != header.tensors_sha256:
        raise CheckpointError(f"{path.with_suffix('.safetensors')}: is not what was written: SHA-256 differs")
    try:
        tensors: Tensors = load_tensors(raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path.with_suffix('.safetensors')}: {error}") from None
    return header, tensors
