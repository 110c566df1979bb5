"""Coding genes: the position of each coding base in its contig, and which genes are whole.

A gene counts where its sequence is a start codon, sense codons and one stop codon. What is not is left out, by reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.zero_shot.sequence.annotation import Feature, contigs_of, read_features
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_unambiguous, reverse_complement, to_upper

STARTS, STOPS = ("ATG", "GTG", "TTG"), ("TAA", "TAG", "TGA")
_BASES = "TCAG"
_AMINO = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODE = {
    first + second + third: _AMINO[16 * i + 4 * j + k]
    for i, first in enumerate(_BASES)
    for j, second in enumerate(_BASES)
    for k, third in enumerate(_BASES)
}
"""The standard genetic code (NCBI's table 1; 11 differs in its starts alone)."""

LEAST_ORF = 300  # bases


@dataclass(frozen=True, kw_only=True)
class Gene:
    """`places`: the position in the contig of each base of the coding sequence, in the order of translation.

    `sequence`: these bases, as the gene's strand reads them.
    """

    name: str
    contig: str
    reverse: bool
    places: npt.NDArray[np.int64]
    sequence: str

    @property
    def codons(self) -> list[str]:
        """Start and stop included."""
        return [self.sequence[at : at + 3] for at in range(0, len(self.sequence), 3)]


def translate(sequence: str) -> str:
    """Amino acids of whole codons, `*` for a stop, `X` for codons with other letters than A, C, G and T."""
    return "".join(CODE.get(sequence[at : at + 3], "X") for at in range(0, len(sequence) - 2, 3))


@dataclass(frozen=True, kw_only=True)
class Genome:
    """Genes, the contigs that they are on (case kept), and what was left out, by reason."""

    genes: tuple[Gene, ...]
    contigs: Mapping[str, Ids]
    left_out: Mapping[str, int]


def read_genes(paths: Sequence[Path], layout: str, *, most: int | None = None) -> Genome:
    """The genes of a FASTA file and its annotation; with the layout `orfs`, the open reading frames of the file.

    `most`: an even choice of so many. Errors: `InputError` for an annotation without CDS, and for no whole gene.
    """
    if layout == "orfs":
        contigs, genes, left_out = *_called(paths[0]), Counter[str]()
    else:
        contigs, genes, left_out = _annotated(paths[0], paths[1])
    if not genes:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "no open reading frame"
        fix = "Give a genome with whole coding genes."
        raise InputError(f"has no whole gene ({reasons})", where=paths[-1], fix=fix, kind="no-whole-gene")
    if most is not None and len(genes) > most:
        genes = [genes[number] for number in np.linspace(0, len(genes) - 1, most).astype(int)]
    return Genome(genes=tuple(genes), contigs=contigs, left_out=dict(left_out))


def _annotated(fasta: Path, path: Path) -> tuple[dict[str, Ids], list[Gene], Counter[str]]:
    features = [one for one in read_features(path) if one.kind == "CDS"]
    if not features:
        fix = "Give an annotation with features of the type CDS."
        raise InputError("has no CDS", where=path, fix=fix, kind="annotation-without-cds")
    contigs, foreign = contigs_of(fasta, features, path)
    left_out = Counter({"on a contig that the FASTA file lacks": foreign} if foreign else {})
    transcripts: dict[tuple[str, str, str], list[Feature]] = {}
    for one in features:
        if one.contig in contigs:
            transcripts.setdefault((one.contig, one.strand, one.parent or f"line {one.line}"), []).append(one)
    longest: dict[tuple[str, str], Gene] = {}
    for parts in transcripts.values():
        gene, problem = _gene(parts, contigs[parts[0].contig])
        if gene is None:
            left_out[problem] += 1
        elif (key := (gene.contig, gene.name)) not in longest or len(gene.places) > len(longest[key].places):
            longest[key] = gene
    return contigs, list(longest.values()), left_out


def _gene(parts: Sequence[Feature], contig: Ids) -> tuple[Gene | None, str]:
    """The gene of the parts of one transcript; or why it is none. A stop codon that GTF leaves out is taken in."""
    reverse, ordered = parts[0].strand == "-", sorted(parts, key=lambda one: one.start)
    places = np.concatenate([np.arange(one.start, one.end) for one in ordered])
    if len(np.unique(places)) < len(places):
        return None, "with parts that overlap"
    places = places[::-1] if reverse else places
    sequence = _read(contig, places, reverse)
    if len(places) and sequence[-3:] not in STOPS:
        after = places[-1] + np.arange(1, 4) * (-1 if reverse else 1)
        if after.min() >= 0 and after.max() < len(contig) and _read(contig, after, reverse) in STOPS:
            places = np.concatenate([places, after])
            sequence = _read(contig, places, reverse)
    first = parts[0]
    gene = Gene(name=first.gene or first.parent, contig=first.contig, reverse=reverse, places=places, sequence=sequence)
    problem = _problem(sequence)
    return (None, problem) if problem else (gene, "")


def upstream(gene: Gene, contig: Ids, count: int) -> Ids:
    """The `count` bases before the gene, as its strand reads them; fewer at a contig's end."""
    start = int(gene.places[0])
    if gene.reverse:
        return to_upper(reverse_complement(contig[start + 1 : start + 1 + count]))
    return to_upper(contig[max(0, start - count) : start])


def _problem(sequence: str) -> str:
    if len(sequence) % 3:
        return "with a length that is not a multiple of 3"
    if not set(sequence) <= set("ACGT"):
        return "with other letters than A, C, G and T"
    if sequence[:3] not in STARTS:
        return "without a start codon"
    protein = translate(sequence)
    if not protein.endswith("*"):
        return "without a stop codon"
    return "with a stop codon inside" if "*" in protein[:-1] else ""


def _read(contig: Ids, places: npt.NDArray[np.int64], reverse: bool) -> str:
    letters = to_upper(contig[places])
    complement = reverse_complement(letters)[::-1] if reverse else letters
    return complement.tobytes().decode("latin-1")


def _called(fasta: Path) -> tuple[dict[str, Ids], list[Gene]]:
    """Open reading frames from ATG to a stop, 300 bases or more, on both strands; of those that overlap, the longest.

    They replace genes if there is no annotation; most of that length are genes in phages and bacteria.
    """
    from evaluation.likelihood.regions import read_regions

    contigs, genes = dict[str, Ids](), list[Gene]()
    for region in read_regions(fasta):
        contigs[region.name] = region.ids
        frames = sorted(_frames(region.ids), key=lambda one: -len(one[0]))
        taken = np.zeros(len(region.ids), dtype=bool)
        for places, reverse in frames:
            if not taken[places].any():
                taken[places] = True
                name = f"{region.name}:{places.min() + 1}-{places.max() + 1}{'-' if reverse else '+'}"
                sequence = _read(region.ids, places, reverse)
                genes.append(Gene(name=name, contig=region.name, reverse=reverse, places=places, sequence=sequence))
    return contigs, sorted(genes, key=lambda one: (list(contigs).index(one.contig), int(one.places.min())))


def _frames(contig: Ids) -> list[tuple[npt.NDArray[np.int64], bool]]:
    found = []
    for reverse in (False, True):
        ids = reverse_complement(contig) if reverse else contig
        text, plain = to_upper(ids).tobytes().decode("latin-1"), is_unambiguous(ids)
        for frame in range(3):
            start = -1
            for at in range(frame, len(text) - 2, 3):
                codon = text[at : at + 3]
                if not plain[at : at + 3].all():
                    start = -1
                elif start < 0 and codon == "ATG":
                    start = at
                elif start >= 0 and codon in STOPS:
                    if at + 3 - start >= LEAST_ORF:
                        places = np.arange(start, at + 3)
                        found.append((len(text) - 1 - places if reverse else places, reverse))
                    start = -1
    return found
