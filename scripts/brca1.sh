#!/usr/bin/env bash
# BRCA1 (Findlay et al. 2018) as Evo 2's notebook scores it: 8192-base windows, forward strand, AUROC of LOF against FUNC and INT.
# usage: scripts/brca1.sh MODEL TABLE CHR17
#   MODEL  Hugging Face directory with 8192 positions (fewer: the window is the model's)
#   TABLE  supplementary table 1 of https://doi.org/10.1038/s41586-018-0461-z, .xlsx as published, or .csv
#   CHR17  chromosome 17 of GRCh37, FASTA, plain or gzip
set -euo pipefail

[ $# = 3 ] || { sed -n 's/^# \{0,1\}//p' "$0" | sed 1d >&2; exit 2; }
model=$1 table=$2 chr17=$3 out=brca1

python -m evaluation.variants.findlay "$table" "$out.vcf"
genomic-llama variants "$model" "$chr17" "$out.vcf" --out "$out.scored" --grid 1 --strand forward \
    --label CLASS --positive LOF --negative FUNC,INT --by CONSEQUENCE
