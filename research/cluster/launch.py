"""Training on several processes or machines, on Ray: what `--workers`, `--ray` and `--sweep` start.

Ray is an extra (`pip install steadyhand[cluster]`); nothing else of the house imports it.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from research.training.learner import UsageError
from research.training.run import Plan


def main(options: argparse.Namespace, plan: Plan) -> int:
    """Connect, hand over, disconnect; return the exit code.

    Raises:
        UsageError: Ray is not installed, or cannot be reached, or a sweep's file is none.

    """
    # Ray sends figures of use to its makers unless told not to, and warns of variables that it will rename.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UsageError("--workers, --ray and --sweep need Ray: pip install 'steadyhand[cluster]'") from None
    if options.sweep is not None:  # a cluster takes most of a minute to begin
        from research.cluster.sweep import read

        read(options.sweep, plan)
    connect(ray, options.ray)
    try:
        if options.sweep is not None:
            from research.cluster.sweep import sweep

            return sweep(options.sweep, plan, Path(options.out or options.resume))
        from research.cluster.workers import run

        return run(plan, Path(options.out or options.resume), options.resume is not None)
    finally:
        ray.shutdown()


def connect(ray: Any, address: str | None) -> None:
    """Join a cluster, or begin one on this machine.

    Raises:
        UsageError: there is no cluster at the address.

    """
    if ray.is_initialized():
        return
    try:
        ray.init(address=address or "local", log_to_driver=sys.stderr.isatty(), include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"--ray {address}: no cluster answers: {str(error).splitlines()[0]}") from None
