#!/usr/bin/env bash
# Build an image with its labels; SBOM=DIRECTORY also writes the bill of materials of its Python packages.
# usage: docker/build.sh cpu|gpu|bridge TAG [ENGINE's options]     ENGINE=docker|podman|buildah; else the first that is here
set -euo pipefail
kind=${1:?usage: docker/build.sh cpu|gpu|bridge TAG}
tag=${2:?usage: docker/build.sh cpu|gpu|bridge TAG}
shift 2
cd "$(dirname "$0")/.."

engine=${ENGINE:-$(command -v docker || command -v podman || command -v buildah)} ||
    { echo "error: no docker, podman or buildah here" >&2; exit 1; }
case $kind in cpu) file=docker/cpu.Dockerfile ;; gpu) file=docker/Dockerfile ;; bridge) file=docker/bridge.Dockerfile ;;
    *) echo "error: '$kind' is not cpu, gpu or bridge" >&2; exit 1 ;; esac
if [ "$kind" = bridge ] && [ -n "${SBOM:-}" ]; then
    echo "error: no SBOM of the bridge image: its packages are the base image's" >&2
    exit 1
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
created=$(git log -1 --format=%cI 2>/dev/null || date -u +%FT%TZ)
"$engine" build --file "$file" --tag "$tag" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --build-arg "CREATED=$created" "$@" .
if [ -n "${SBOM:-}" ]; then
    mkdir -p "$SBOM"
    cyclonedx-py requirements --output-reproducible --output-format JSON --output-file "$SBOM/python.cdx.json" \
        requirements/image.lock
fi
