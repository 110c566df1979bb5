#!/usr/bin/env bash
# The CPU image's environment, in /opt/venv: the lock's packages by their hashes, without what only developers need.
#
#   install_cpu.sh dependencies | project
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
venv=/opt/venv
python=$venv/bin/python

# Tests of packages that do not import them (some do), and what only a compiler needs; torch/bin holds one program that
# is used, torch_shm_manager.
unneeded() {
    for package in sympy scipy sklearn networkx numpy pandas pyarrow; do
        find "$venv" -type d -path "*/site-packages/$package/*" -name tests -prune -print0
    done
    find "$venv" -type d \( -path '*/torch/test' -o -path '*/torch/include' \) -prune -print0
    find "$venv" -path '*/torch/bin/*' ! -name torch_shm_manager -type f -print0
    find "$venv" \( -name '*.a' -o -name '*.pyx' -o -name '*.pxd' \) -type f -print0
}

# The modules that take longest to import. The image's root is read-only to most who run it, so that Python could not
# keep what it compiles; of everything it would be 300 MB.
compiled='nemo nemo_run megatron lightning lightning_fabric lightning_utilities transformers torch omegaconf hydra fiddle'

dependencies() {
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # they are several
    $python -m pip install --no-cache-dir --no-compile --disable-pip-version-check --no-deps --require-hashes \
        ${PIP_OPTIONS:-} --requirement requirements/image.lock
    unneeded | xargs -0 rm -rf
    site=$($python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    for package in $compiled; do
        [ ! -d "$site/$package" ] || $python -m compileall -q "$site/$package" || true
    done
}

project() {
    $python -m pip install --no-cache-dir --no-deps --no-index --no-build-isolation --disable-pip-version-check .
    install --mode=755 docker/entrypoint.sh $venv/bin/entrypoint.sh
    # What needs no GPU is imported once, so that a missing package ends the build and not a job.
    export HOME=/tmp NUMBA_CACHE_DIR=/tmp/numba PYTHONDONTWRITEBYTECODE=1
    (cd / && $python -c 'import recipes.factories, corpus.preparation.prepare, conversion.convert, evaluation.suite.runner')
    $python -m pip uninstall --yes --quiet pip  # setuptools is imported at runtime
    chmod -R a+rX "$venv"
}

"$1"
