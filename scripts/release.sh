#!/usr/bin/env bash
# Source, wheel, a CycloneDX bill of materials of each lock, and checksums of all of them.
# usage: scripts/release.sh DIRECTORY, which must not exist
set -euo pipefail

out=${1:?usage: scripts/release.sh DIRECTORY}
[ ! -e "$out" ] || { echo "error: $out exists. Move it away." >&2; exit 1; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git archive HEAD | tar -x -C "$work"  # what is committed, and nothing that lies about
(cd "$work" && uv build --quiet --no-build-isolation --python "$(command -v python)" --out-dir "$out" .)
for lock in cpu image transformers5; do
    cyclonedx-py requirements --output-reproducible --output-format JSON --output-file "$out/sbom-$lock.cdx.json" \
        "requirements/$lock.lock"
done
rm -f "$out/.gitignore"
(cd "$out" && sha256sum -- * > "$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
echo "wrote $out:" && ls "$out"
