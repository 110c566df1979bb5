#!/usr/bin/env bash
# BRCA1 (Findlay et al. 2018) as Evo 2's notebook scores it: 8192-base windows, forward strand, AUROC of LOF against FUNC and INT.
# usage: scripts/brca1/brca1.sh MODEL TABLE CHR17
#   MODEL  Hugging Face directory with 8192 positions (fewer: the window is the model's)
#   TABLE  supplementary table 1 of https://doi.org/10.1038/s41586-018-0461-z, .xlsx as published, or .csv:
#          https://static-content.springer.com/esm/art%3A10.1038%2Fs41586-018-0461-z/MediaObjects/41586_2018_461_MOESM3_ESM.xlsx
#   CHR17  chromosome 17 of GRCh37, FASTA, plain or gzip:
#          https://hgdownload.soe.ucsc.edu/goldenPath/hg19/chromosomes/chr17.fa.gz, or GRCh37.p13_chr17.fna.gz beside the notebook
# Writes brca1.vcf and brca1.scored.* here. The paper has 3,893 variants (its figure 2). Each reference base is checked:
# a chromosome of another assembly is refused.
set -euo pipefail

[ $# = 3 ] || { sed -n 's/^# \{0,1\}//p' "$0" | sed 1d >&2; exit 2; }
model=$1 table=$2 chr17=$3 out=brca1

[ -f "$model/config.json" ] || { echo "error: $model: has no config.json. Give a directory written by \`genomic-llama convert --to hf\`." >&2; exit 1; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" python -m scripts.brca1.findlay "$table" "$chr17" "$out.vcf"
window=$(python -c 'import json, sys; print(min(8192, json.load(open(sys.argv[1]))["max_position_embeddings"]))' "$model/config.json")
genomic-llama variants "$model" "$chr17" "$out.vcf" --out "$out.scored" \
    --window "$window" --downstream "$((window / 2))" --grid 1 --strand forward \
    --label CLASS --positive LOF --negative FUNC,INT --by CONSEQUENCE
