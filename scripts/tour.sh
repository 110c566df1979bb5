#!/usr/bin/env bash
# Six commands that use a trained model, in small, on what `make demo` left. docs/tour.md shows the output.
# usage: scripts/tour.sh [genome.fa [model]]
set -euo pipefail

genome=${1:-demo/genome.fa} model=${2:-demo/model} out=demo/tour
step() { printf '\n$ %s\n' "$*"; "$@" 2>/dev/null || { "$@"; exit 1; }; }

[ -f "$genome" ] && [ -d "$model" ] || { echo "error: $genome or $model is not there. Run make demo first." >&2; exit 1; }
rm -rf "$out" && mkdir -p "$out/task"

# Two regions, twelve variants (the last one of another genome), and windows of the genome beside shuffled ones.
python - "$genome" "$out" <<'PY'
import csv, random, sys
from pathlib import Path
from corpus.readers.fasta import read_fasta

genome, out = Path(sys.argv[1]), Path(sys.argv[2])
record = next(iter(read_fasta(genome)))
text, draw = record.sequence.decode().upper(), random.Random(0)
(out / "regions.bed").write_text("".join(f"{record.name}\t{a}\t{a + 1000}\tregion{a}\t0\t{s}\n" for a, s in ((500, "+"), (3000, "-"))))
rows = []
for number in range(11):
    position = 1000 + 37 * number
    ref = text[position : position + (3 if number % 4 == 3 else 1)]
    alts = ref[0] if len(ref) > 1 else ",".join(draw.sample([b for b in "ACGT" if b != ref], 1 + number % 2))
    rows.append((record.name, position + 1, f"v{number + 1}", ref, alts, ".", ".", f"LABEL={number % 2}"))
rows.append((record.name, 2001, "v12", "A" if text[2000] != "A" else "C", "G", ".", ".", "."))
columns = "#CHROM POS ID REF ALT QUAL FILTER INFO".split()
lines = ["##fileformat=VCFv4.2", "\t".join(columns), *("\t".join(map(str, row)) for row in rows)]
(out / "variants.vcf").write_text("\n".join(lines) + "\n")
for part, count, first in (("train", 40, 0), ("test", 20, 4000)):
    with open(out / "task" / f"{part}.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("sequence", "label"))
        for number in range(count):
            window = text[(first + 60 * number) : (first + 60 * number + 100)]
            table.writerow((window if number % 2 else "".join(draw.sample(window, len(window))), number % 2))
(out / "suite.yaml").write_text(f"""\
recall: [{{distances: [64, 128], samples: 4}}]
variants: [{{name: tour, genome: {genome}, vcf: {out}/variants.vcf, label: LABEL, window: 128, strand: forward}}]
probes: [{{name: shuffled, directory: {out}/task, seeds: 2}}]
""")
PY

step genomic-llama score "$model" "$genome" --bed "$out/regions.bed" --flank 200 --per-base "$out/bases.bedgraph"
step head -3 "$out/bases.bedgraph"
step genomic-llama variants "$model" "$genome" "$out/variants.vcf" --out "$out/scored" --window 256 --strand forward --label LABEL
step head -4 "$out/scored.tsv"
step genomic-llama embed "$model" "$genome" --bed "$out/regions.bed" --layer 2 --pooling mean --out "$out/embeddings.parquet"
step genomic-llama probe "$model" "$out/task" --head linear --seeds 2
step genomic-llama generate "$model" --prompt ACGTACGTAACC --length 60 --samples 2 --seed 1 --out "$out/generated.fa"
step cat "$out/generated.fa"
step genomic-llama evaluate "$out/suite.yaml" "$model" --out "$out/evaluation"
