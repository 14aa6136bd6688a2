"""Set up `.venv` once: `python3 bootstrap.py base` for paper trading, `all` for the tests too.

Only the standard library is used, and the parts that check the machine run on old Pythons too, so
that they can say what is missing. Packages come from wherever pip's own configuration says, each
held to the hash in requirements/*.lock. quickfix has no wheel: it is compiled in the background of
the rest, once, and the wheel is kept by version, Python and flags in the user's cache.
What was done is stamped by the hash of what it was made from; a second call does nothing.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "setup.log"
REQUIREMENTS = ROOT / "requirements"
PYTHON_MIN = (3, 11)
TORCH = "torch==2.13.0"
QUICKFIX = "quickfix-1.16.0"
# -O1 compiles in half the time of -O3 (benchmarks/RESULTS.md); -g0 makes a wheel of 3 MB, not 24.
CXXFLAGS = os.environ.get("STEADYHAND_CXXFLAGS", "-O1 -g0")
REPORT_S = 10.0  # between two lines of progress where there is no terminal


class SetupError(Exception):
    """One line for the operator: what is missing, and how to mend it."""


class Progress:
    """One line that says how far each part is; rewritten on a terminal, repeated now and then elsewhere."""

    def __init__(self):
        self.start_s = time.monotonic()
        self.parts = {}
        self.printed_s = 0.0
        self.lock = threading.Lock()
        self.terminal = sys.stderr.isatty()

    def show(self, part, text, now=False):
        """Set one part's text and show the line."""
        with self.lock:
            self.parts[part] = text
            mono_s = time.monotonic()
            line = f"  [{mono_s - self.start_s:4.0f} s] " + "   ".join(
                f"{k}: {v}" for k, v in self.parts.items()
            )
            if self.terminal:
                columns = shutil.get_terminal_size().columns
                print("\r\x1b[K" + line[: columns - 1], end="", file=sys.stderr, flush=True)
            elif now or mono_s - self.printed_s >= REPORT_S:
                self.printed_s = mono_s
                print(line, file=sys.stderr, flush=True)

    def end(self):
        """Leave the line as it stands."""
        if self.terminal and self.parts:
            print(file=sys.stderr)


def main(argv):
    """Set up what `argv` names and return the exit code."""
    if len(argv) != 1 or argv[0] not in ("base", "all"):
        print("usage: bootstrap.py base|all", file=sys.stderr)
        return 2
    progress = Progress()
    try:
        with (REQUIREMENTS / "base.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once: the second waits and finds all done
            set_up(argv[0], progress)
    except SetupError as error:
        progress.end()
        print(f"set-up: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        progress.end()
        print("set-up: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def set_up(what, progress):
    """Do what is not stamped as done."""
    if stamp("base").exists() and stamp("base").read_text() != digest("base"):
        stamp("base").unlink()
    base_done = stamp("base").exists()
    if base_done and (
        what == "base" or (stamp("all").exists() and stamp("all").read_text() == digest("all"))
    ):
        return
    check_python()
    print(f"Setting up .venv (once; the whole output goes to {os.path.relpath(LOG)})", file=sys.stderr)
    make_venv(progress)
    if not base_done:
        install_base(progress)
        stamp("base").write_text(digest("base"))
    if what == "all":
        install_lock("dev.lock", progress, "packages")
        install_torch(progress)
        install_lock("peers.lock", progress, "peers", "--no-deps")
        stamp("all").write_text(digest("all"))
    progress.show("set-up", "done", now=True)
    progress.end()


def stamp(what):
    """Return the file that says what the environment was made from."""
    return VENV / f".steadyhand-{what}"


def digest(what):
    """Return a hash of everything that an environment is made from."""
    names = [
        "pyproject.toml",
        "requirements/build.lock",
        "requirements/base.lock",
        "requirements/quickfix.lock",
    ]
    if what == "all":
        names += ["requirements/dev.lock", "requirements/peers.lock"]
    total = hashlib.sha256(f"{ROOT} {CXXFLAGS} {TORCH}".encode())
    for name in names:
        total.update((ROOT / name).read_bytes())
    return total.hexdigest()


def check_python():
    """Refuse a Python that is too old or that cannot make an environment."""
    if sys.version_info < PYTHON_MIN:
        have = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python {have} is too old; 3.11 or newer is needed: make PYTHON=python3.11 ...")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise SetupError("Python's venv module is missing; on Debian: apt install python3-venv")


def make_venv(progress):
    """Make the environment, again where the old one is broken or was made for another folder."""
    if VENV.exists() and not is_usable():
        shutil.rmtree(VENV)
    if not VENV.exists():
        progress.show("environment", f"Python {sys.version.split()[0]}", now=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(VENV, ignore_errors=True)
            said = (made.stdout + made.stderr).strip().splitlines() or ["no word why"]
            raise SetupError(
                f"`{sys.executable} -m venv` failed: {said[-1]}; on Debian: apt install python3-venv"
            )
        (VENV / ".root").write_text(str(ROOT))


def is_usable():
    """Return whether the environment runs and lies where it was made (its scripts hold its path)."""
    root = VENV / ".root"
    if root.exists() and root.read_text() != str(ROOT):
        return False
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return (
            subprocess.run([str(PYTHON), "-c", probe], capture_output=True, env=child_env()).returncode == 0
        )
    except OSError:
        return False


def install_base(progress):
    """Install the base dependencies and the checkout; quickfix compiles meanwhile."""
    wheel = cached_wheel()
    if wheel is None:
        check_compiler()
    install_lock("build.lock", progress, "build tools")
    outcome = []
    builder = threading.Thread(
        target=lambda: outcome.append(build_quickfix(progress)), name="quickfix", daemon=True
    )
    if wheel is None:
        builder.start()
    install_lock("base.lock", progress, "packages", "--only-binary", ":all:")
    if wheel is None:
        builder.join()
        wheel = cached_wheel()
        if wheel is None:
            raise SetupError((outcome or ["quickfix could not be built"])[0])
    pip(["install", "--no-deps", "--no-index", "--force-reinstall", str(wheel)], "the quickfix wheel")
    progress.show("quickfix", "installed")
    pip(["install", "--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)], "this checkout")


def install_lock(name, progress, part, *options):
    """Install one lock file, every package held to its hash."""
    path = REQUIREMENTS / name
    total, seen = path.read_text().count("=="), set()

    def watch(line):
        found = re.match(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)", line)
        if found:
            seen.add(found.group(1).lower())
            progress.show(part, f"{len(seen)}/{total} {found.group(1)}")
        elif line.startswith("Installing collected"):
            progress.show(part, f"{len(seen)}/{total} unpacking")

    progress.show(part, f"0/{total}", now=True)
    pip(["install", "--require-hashes", "--no-build-isolation", *options, "-r", str(path)], name, watch)
    progress.show(part, "installed", now=True)


def install_torch(progress):
    """Install torch, the reference that the tests hold the compiled network to; pip chooses the build."""
    progress.show("torch", "collecting (a large download)", now=True)
    pip(["install", TORCH], "torch", lambda line: progress.show("torch", line[:50]))
    progress.show("torch", "installed", now=True)


def pip(arguments, what, watch=lambda _line: None):
    """Run pip in the environment, its output in the log."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    last_error = ""
    with LOG.open("a") as log:
        log.write("$ " + " ".join(command) + "\n")
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=child_env(),
        ) as child:
            for line in child.stdout:
                log.write(line)
                log.flush()
                watch(line.strip())
                if re.match(r"\s*(ERROR: |\w+Error: )", line):
                    last_error = line.strip()
    if child.returncode != 0:
        raise SetupError(
            f"pip could not install {what}: {last_error or 'no word why'} (see {os.path.relpath(LOG)})"
        )


def child_env():
    """Return the environment of children: the user's, pip's settings too, less foreign modules."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def check_compiler():
    """Refuse where quickfix cannot be compiled, naming what to install."""
    missing = []
    if shutil.which(os.environ.get("CXX", "c++").split()[0]) is None:
        missing.append("a C++ compiler (apt install g++)")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append("Python's headers (apt install python3-dev)")
    if missing:
        raise SetupError(
            "quickfix has no ready wheel and must be compiled; missing: " + " and ".join(missing)
        )


def cache_folder():
    """Return where the wheel of exactly this version, Python, platform and flags is kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path.home() / ".cache"
    flags = re.sub(r"[^A-Za-z0-9]+", "", CXXFLAGS) or "default"
    tag = f"{QUICKFIX}-{sys.implementation.cache_tag}-{sysconfig.get_platform()}-{flags}"
    return base / "steadyhand" / "wheels" / tag


def cached_wheel():
    """Return the finished wheel, None where there is none yet."""
    return next(iter(sorted(cache_folder().glob("quickfix-*.whl"))), None)


def build_quickfix(progress):
    """Build the wheel into the cache; return what went wrong, '' where nothing did."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / "build.log"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may be building the same
        if cached_wheel() is not None:
            return ""
        with tempfile.TemporaryDirectory(dir=folder) as scratch, log_path.open("w") as log:
            try:
                compile_in(Path(scratch), log, progress)
            except (subprocess.CalledProcessError, OSError) as error:
                return f"quickfix could not be built: {error} (see {log_path})"
            wheel = next(Path(scratch, "wheels").glob("*.whl"))
            wheel.rename(folder / wheel.name)
    progress.show("quickfix", "built", now=True)
    return ""


def compile_in(scratch, log, progress):
    """Fetch the source distribution, check its hash, compile it."""
    progress.show("quickfix", "fetching the source", now=True)
    download = ["download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *download]
    command += ["-d", str(scratch), "-r", str(REQUIREMENTS / "quickfix.lock")]
    subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT, env=child_env())
    shutil.unpack_archive(str(scratch / f"{QUICKFIX}.tar.gz"), str(scratch))
    builder = [str(PYTHON), str(ROOT / "deploy" / "setup" / "build_quickfix.py")]
    command = [*builder, str(scratch / QUICKFIX), str(scratch / "wheels")]
    env = {**child_env(), "CXXFLAGS": CXXFLAGS}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as child:
        for line in child.stdout:
            log.write(line)
            if line.startswith("quickfix: "):
                progress.show("quickfix", line.strip().removeprefix("quickfix: "))
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, "build_quickfix.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
