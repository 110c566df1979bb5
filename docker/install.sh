#!/usr/bin/env bash
# What Dockerfile and Apptainer definition have in common: the lock file's packages and this project, into the Python of
# NVIDIA's PyTorch container, which keeps its own PyTorch and Transformer Engine.
#
#   install.sh dependencies | project
set -euo pipefail
cd "$(dirname "$0")/.."

# Built for the container's CUDA; pip must neither replace nor miss them.
brought='torch|triton|transformer-engine|cuda-bindings|cuda-pathfinder|nvidia-ml-py'

pip_install() {
    # The container's constraints name other versions than the lock; --no-deps, since the lock is complete.
    PIP_CONSTRAINT='' python -m pip install --no-cache-dir --no-deps "$@"
}

dependencies() {
    python - <<'END_OF_PYTHON'
from importlib.metadata import version

engine = tuple(int(part) for part in version("transformer_engine").split("+")[0].split(".")[:2])
if engine != (2, 9):
    raise SystemExit(f"Transformer Engine {engine} in the base image; megatron-core 0.15.3 asks for 2.9")
END_OF_PYTHON
    sed -n 's/^\([A-Za-z0-9._-]*==[^ ;+]*\).*/\1/p' requirements/cpu.lock |
        grep -v -E "^(${brought})==" >/tmp/locked.txt
    pip_install --requirement /tmp/locked.txt
    rm /tmp/locked.txt
}

project() {
    pip_install --no-build-isolation --editable .
    # What needs no GPU is imported once, so that a missing package ends the build and not a job.
    python -c 'import configs.compose, launch.preflight.check, corpus.preparation.prepare, conversion.convert'
}

"$1"
