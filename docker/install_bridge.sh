#!/usr/bin/env bash
# This project into the Python of NVIDIA's NeMo container, which keeps its own Megatron-Bridge, PyTorch and Transformer
# Engine. Of requirements/bridge.lock it takes what this project imports and the container lacks, by its hashes.
#
#   install_bridge.sh check | dependencies | project
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

# What training, corpora and conversion import, and what those packages import.
needed='annotated-doc click isal jinja2 llvmlite markdown-it-py markupsafe mdurl numba numpy omegaconf orjson packaging
psutil pyarrow pygments pyyaml rich safetensors shellingham tensorboard tqdm typer typing-extensions xxhash zstandard'

pip_install() {
    # The container's constraints name other versions than the lock; --no-deps: the container has the rest.
    PIP_CONSTRAINT='' python -m pip install --no-cache-dir --no-deps "$@"
}

check() {
    python - <<'END_OF_PYTHON'
from importlib.metadata import PackageNotFoundError, version

fix = "Build from NVIDIA's NeMo container 26.08: --build-arg BASE=nvcr.io/nvidia/nemo:26.08.01"
for name, wanted in (("megatron-bridge", "0.6"), ("megatron-core", "0.19"), ("transformer_engine", "")):
    try:
        found = version(name)
    except PackageNotFoundError:
        raise SystemExit(f"error: the base image has no {name}. {fix}") from None
    if wanted and ".".join(found.split(".")[:2]) != wanted:
        raise SystemExit(f"error: the base image has {name} {found}, and {wanted} is needed. {fix}")
END_OF_PYTHON
}

# Those of the needed packages that the container does not have.
missing() {
    # shellcheck disable=SC2086 # they are several
    python - $needed <<'END_OF_PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version

for name in sys.argv[1:]:
    try:
        version(name)
    except PackageNotFoundError:
        print(name)
END_OF_PYTHON
}

# Their entries in the lock, whole, with their hashes.
locked() {
    awk -v names="$(missing | tr '\n' '|')" '
        /^[A-Za-z0-9]/ { split($0, part, "=="); kept = index("|" names, "|" part[1] "|") } kept' requirements/bridge.lock
}

dependencies() {
    check
    locked >/tmp/locked.txt
    [ ! -s /tmp/locked.txt ] || pip_install --require-hashes --requirement /tmp/locked.txt
    rm /tmp/locked.txt
}

project() {
    pip_install --no-build-isolation --editable .
    # What needs no GPU is imported once, so that a missing package ends the build and not a job.
    python -c 'import configs.compose, launch.preflight.check, corpus.preparation.prepare, conversion.convert'
    python -c 'import numba, recipes.bridge.run'
    # The context keeps the permissions of the clone: with umask 077 the image's own user could not read it.
    chmod -R a+rX .
}

"$1"
