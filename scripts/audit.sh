#!/usr/bin/env bash
# pip-audit over the locks that users install. A package that the service does not know fails too: silence is not a clean bill.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
for lock in cpu cpu-3.12 transformers5; do
    echo "requirements/$lock.lock"
    pip-audit --requirement "requirements/$lock.lock" --require-hashes --disable-pip --strict --desc on \
        --progress-spinner off "$@" || status=1
done
exit "$status"
