#!/bin/sh
# Write the lock files again from pyproject.toml and requirements/*.in. Needs uv (`pip install uv`).
set -eu
cd "$(dirname "$0")/../.."
lock() {
    out=$1
    shift
    uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate --no-header \
        --universal --python-version 3.11 --no-emit-package quickfix -o "$out" "$@"
    echo "$out: $(grep -c == "$out") packages"
}
lock requirements/base.lock pyproject.toml
lock requirements/dev.lock pyproject.toml --extra dev --extra research --extra cluster requirements/torch.in -c requirements/base.lock
lock requirements/build.lock requirements/build.in
lock requirements/peers.lock requirements/peers.in --no-deps
