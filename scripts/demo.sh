#!/usr/bin/env bash
# The whole path on a CPU: genome -> corpus -> pretraining -> Hugging Face model -> held-out score -> report.
# usage: scripts/demo.sh [genome.fa | genome.fa.gz]   (without one: a made-up genome of known entropy rate)
set -euo pipefail

genome=${1:-}
out=demo
floor=()
step() { printf '\n\033[1m%s\033[0m\n$ %s\n' "$1" "${*:2}" >&2; "${@:2}"; }

if [ -n "$genome" ]; then
    [ -f "$genome" ] || { echo "error: $genome: no such file. Give GENOME=path/to/genome.fa[.gz]." >&2; exit 1; }
    name=$(basename "$genome"); out=demo/genome_${name%%.*}  # no name of the built-in demo's
    # About forty documents or more, so that a tenth can be held out; a contig that is longer is cut.
    segment=$(($(gzip -cdf "$genome" 2>/dev/null | wc -c || true) / 40))
    segment=$((segment < 200 ? 200 : segment > 25000 ? 25000 : segment))
else
    genome=demo/genome.fa segment=25000
    floor=(--entropy-floor "$(genomic-llama simulate "$genome")")
fi
rm -rf "$out/run"

step '1/5  Prepare: FASTA to a training corpus' \
    genomic-llama prepare "$genome" --out "$out/corpus" --validation-fraction 0.1 --segment-length "$segment" --overwrite
step '2/5  Pretrain: NeMo and Megatron-Core, three million parameters (importing NeMo takes half a minute)' \
    python -m recipes.train --quiet --config-name train_tiny dataset.corpus="$out/corpus" run_dir="$out/run"
step '3/5  Convert: NeMo checkpoint to Hugging Face' \
    genomic-llama convert "$out/run" "$out/model" --to hf --overwrite
step '4/5  Score: sequence that the model has not seen' \
    genomic-llama score "$out/model" "$out/corpus" --out "$out/score.json"
step '5/5  Report' \
    genomic-llama report "$out/run" --corpus "$out/corpus" --score "$out/score.json" --out "$out/report.html" "${floor[@]}"
printf '\nOpen %s/report.html\n' "$out"
