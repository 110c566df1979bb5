"""Data of the tasks for lm-evaluation-harness (configs/evaluation/lm_eval): `python -m scripts.lm_eval_data -h`."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from evaluation.likelihood.forward import ACGT
from evaluation.likelihood.regions import load_contigs
from evaluation.suite.recall import CUE, NEEDLE
from evaluation.variants.alleles import SCORED, list_alleles
from evaluation.variants.vcf import read_vcf
from evaluation.variants.windows import Strand, place, plan_placement
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.terminal import print_lines, warn


def needle_rows(distances: Sequence[int], samples: int, seed: int) -> Iterator[dict[str, object]]:
    """The sequences of the recall task (`evaluation.suite.recall`): what is before the bases that count, and these."""
    for distance in distances:
        filled = np.random.default_rng([seed, distance]).choice(ACGT, size=(samples, distance)).astype(np.uint8)
        for one in filled:
            text, again = one.tobytes().decode(), one[:NEEDLE].tobytes().decode()
            yield {"distance": distance, "context": text + again[:CUE], "target": again[CUE:]}


def variant_rows(fasta: Path, vcf: Path, window: int) -> Iterator[dict[str, object]]:
    """Of each allele: the bases before it, and both sequences from there to the end of the window.

    Errors: `InputError` for files that are wrong, and where no allele can be scored.
    """
    table = read_vcf(vcf)
    contigs = load_contigs(fasta, [record.contig for record in table.records])
    alleles = list_alleles(table, contigs, vcf)
    placement = plan_placement(window, window=window, downstream=window // 2, grid=1)
    count = 0
    for number, allele in enumerate(alleles):
        if allele.status != SCORED:
            continue
        strand = Strand(contig=contigs[allele.record.contig], reverse=False)
        one = place(allele, number, strand, placement)
        if not 0 < one.first < len(one.ids):
            continue
        count += 1
        texts = [ids.tobytes().decode() for ids in (strand.slice(one.key.start, one.key.end)[: len(one.ids)], one.ids)]
        yield {
            "variant": f"{allele.record.contig}:{allele.record.position + 1}:{allele.record.ref}:{allele.alt_text}",
            "context": texts[0][: one.first],
            "reference": texts[0][one.first :],
            "alternative": texts[1][one.first :],
        }
    if not count:
        fix = "Give the genome that the VCF file was called on."
        raise InputError("none of its alleles can be scored", where=vcf, fix=fix, kind="vcf-foreign")
    if left := len(alleles) - count:
        warn(f"{left:,} of {len(alleles):,} alleles are left out")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    needle = kinds.add_parser("needle", help="random sequences in which 64 bases come again")
    needle.add_argument("--distances", type=int, nargs="+", default=[128, 256, 448], help="bases between the copies")
    needle.add_argument("--samples", type=int, default=32, help="sequences per distance")
    needle.add_argument("--seed", type=int, default=0)
    variants = kinds.add_parser("variants", help="pairs of alleles of a VCF file, in their context")
    variants.add_argument("--fasta", type=Path, required=True)
    variants.add_argument("--vcf", type=Path, required=True)
    variants.add_argument("--window", type=int, default=512, help="bases around a variant")
    for one in (needle, variants):
        one.add_argument("--out", type=Path, required=True, help="JSON Lines file to write")
    options = parser.parse_args(arguments)
    if options.kind == "needle":
        rows = list(needle_rows(options.distances, options.samples, options.seed))
    else:
        rows = list(variant_rows(options.fasta, options.vcf, options.window))
    with atomic_file(options.out) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print_lines(f"wrote {len(rows):,} lines to {options.out}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        sys.exit(str(error))
