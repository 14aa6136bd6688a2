"""From a configured name to a policy: a baseline, `script:FILE`, or the folder of an artefact.

A word without a slash is a name and never a folder: it means the same from wherever a process starts.
"""

from pathlib import Path
from typing import Final

from policies import curves, signature
from policies.baselines import NAMES, PolicyError, baseline
from policies.frozen import FrozenPolicy
from policies.manifest import ArtefactError
from policies.policy import Policy
from policies.script_language import ScriptError
from policies.scripted import Scripted

SCRIPT: Final = "script:"
ARTEFACTS: Final = Path(__file__).parent / "artifacts"
# The operator's: exit 78.
ERRORS: Final = (ArtefactError, PolicyError, ScriptError, curves.CurveError, signature.KeyFileError)


def choose(
    spec: str,
    options: dict[str, float | int | str] | None = None,
    volume_curve: Path | None = None,
    key: Path | None = None,
) -> Policy | Scripted:
    """Return the policy that a configuration names; `key`: the public key that must have signed it.

    Raises:
        ArtefactError, PolicyError, ScriptError, CurveError, KeyFileError: one line, naming what is wrong.

    """
    if key is not None:
        signature.check(artefact_of(spec), signature.public_key(key))
    if spec.startswith(SCRIPT):
        no_options(spec, options)
        return Scripted.of_file(Path(spec.removeprefix(SCRIPT)))
    if spec in NAMES:
        curve = curves.load(volume_curve) if volume_curve is not None else curves.GENERIC
        return baseline(spec, options, curve)
    no_options(spec, options)
    return FrozenPolicy.load(artefact_of(spec))


def artefact_of(spec: str) -> Path:
    """Return the folder of an artefact.

    Raises:
        PolicyError: it is none.

    """
    known = shipped_artefacts()
    folder = Path(spec) if "/" in spec else ARTEFACTS / spec
    if spec not in known and ("/" not in spec or not folder.is_dir()):
        beside = f"; write ./{spec} for the folder of that name" if Path(spec).is_dir() and spec else ""
        raise PolicyError(
            f"policy {spec!r}: neither script:FILE, nor a folder's path with a /, "
            f"nor one of {', '.join((*NAMES, *known))}{beside}"
        )
    return folder


def absolute(spec: str) -> str:
    """Return a configured name that means the same from any folder: what a journal keeps."""
    if spec.startswith(SCRIPT):
        return SCRIPT + str(Path(spec.removeprefix(SCRIPT)).absolute())
    if "/" not in spec:
        return spec
    return str(Path(spec).absolute())


def shipped_artefacts() -> tuple[str, ...]:
    """Return the names of the artefacts that come with the house."""
    return tuple(sorted(p.name for p in ARTEFACTS.iterdir() if (p / "manifest.json").is_file()))


def no_options(spec: str, options: dict[str, float | int | str] | None) -> None:
    """Refuse options where there are none."""
    if options:
        raise PolicyError(f"policy {spec!r} has no options, got {', '.join(sorted(options))}")
