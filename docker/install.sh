#!/usr/bin/env bash
# What Dockerfile and Apptainer definition have in common: the lock file's packages and this project, into the Python of
# NVIDIA's PyTorch container, which keeps its own PyTorch and Transformer Engine.
#
#   install.sh check | dependencies | project
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

# Built for the container's CUDA; pip must neither replace nor miss them.
brought='torch|triton|transformer-engine|cuda-bindings|cuda-pathfinder|nvidia-ml-py'

pip_install() {
    # The container's constraints name other versions than the lock; --no-deps, since the lock is complete.
    PIP_CONSTRAINT='' python -m pip install --no-cache-dir --no-deps "$@"
}

# The lock without what the container brings: whole entries, with their hashes.
locked() {
    awk -v brought="^(${brought})==" '/^[A-Za-z0-9]/ { kept = $0 !~ brought } kept' requirements/image.lock
}

check() {
    python - <<'END_OF_PYTHON'
from importlib.metadata import PackageNotFoundError, version

fix = "Build from NVIDIA's PyTorch container 25.11: --build-arg BASE=nvcr.io/nvidia/pytorch:25.11-py3"
try:
    found = version("transformer_engine")
except PackageNotFoundError:
    raise SystemExit(f"error: the base image has no Transformer Engine. {fix}") from None
if tuple(found.split("+")[0].split(".")[:2]) != ("2", "9"):
    raise SystemExit(f"error: the base image has Transformer Engine {found}; megatron-core 0.15.3 needs 2.9. {fix}")
END_OF_PYTHON
}

dependencies() {
    check
    locked >/tmp/locked.txt
    pip_install --require-hashes --requirement /tmp/locked.txt
    rm /tmp/locked.txt
}

project() {
    pip_install --no-build-isolation --editable .
    # What needs no GPU is imported once, so that a missing package ends the build and not a job.
    python -c 'import configs.compose, launch.preflight.check, corpus.preparation.prepare, conversion.convert'
    # The context keeps the permissions of the clone: with umask 077 the image's own user could not read it.
    chmod -R a+rX .
}

"$1"
